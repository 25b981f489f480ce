"""Ctrl-C in the middle of every method: back soon, with no thread left, and the next call works."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

CHILD = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    import numpy as np
    import barren
    from barren import encodings, models, targets

    method = sys.argv[1]
    primes = {"kernel": 16001, "diagonals": 16001, "direct": 20011, "character": 50021, "probes": 400009}
    p = primes.get(method, 4093)
    cls = barren.ModularMultiplication(p, targets.Sawtooth() if method == "table" else targets.Bit(0))
    options = {"method": "kernel" if method == "diagonals" else method, "deviations": method != "kernel"}
    if method in ("direct", "character"):
        options["jacobian"] = np.random.default_rng(0).standard_normal((p, 2000)).astype(np.float32)
    else:
        hidden = (200, 200) if method == "probes" else (1000, 1000)
        options |= {"model": models.mlp((p - 1).bit_length(), hidden, seed=0), "encoding": encodings.Bits()}
    if method == "probes":
        options["rtol"] = 0.001
    if method == "table":
        options["loss"] = lambda outputs, labels: (outputs - labels).abs() ** 1.5
    barren.plan(barren.ModularMultiplication(11), jacobian=np.ones((11, 1)))  # rates are measured before the clock runs
    sent = []

    def interrupt():
        time.sleep(1.0)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        barren.gradient_variance(cls, **options)
    except KeyboardInterrupt:
        late = time.monotonic() - sent[0]
    watcher.join()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    small = barren.gradient_variance(barren.ModularMultiplication(11, targets.Bit(0)), jacobian=np.eye(11))
    print(f"{late:.3f} {left} {float(small) * 121:.6f}")
    """
)


@pytest.mark.parametrize("method", ["kernel", "diagonals", "direct", "character", "probes", "table"])
def test_ctrl_c_stops_every_method(method):
    command = [sys.executable, "-c", CHILD, method]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    late, left, small = done.stdout.split()
    assert (left, small) == ("[]", "2.500000")
    # Half a second on a quiet machine; a shared one may need a little longer to come back to this process.
    assert float(late) < 2.0, late
