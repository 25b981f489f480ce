"""Ctrl-C in the middle of every method: back soon, with no thread left, and the next call works."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import barren
from barren import _core, _pool, targets

CHILD = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    import numpy as np
    import barren
    from barren import encodings, inputs, models, targets

    case, wait = sys.argv[1], float(sys.argv[2])

    def given(p, columns, dtype=np.float32):
        return {"jacobian": np.random.default_rng(0).standard_normal((p, columns), dtype=dtype)}

    def network(p, *hidden, outputs=1):
        width = (p - 1).bit_length()
        return {"model": models.mlp(width, hidden, seed=0, outputs=outputs), "encoding": encodings.Bits()}

    def gpt(p):
        digits = encodings.Digits(10)
        return {"model": models.gpt(len(str(p - 1)), seed=0), "encoding": digits}

    def power(outputs, labels):
        return (outputs - labels).abs() ** 1.5

    sawtooth, bit = targets.Sawtooth(), targets.Bit(0)
    cases = {  # p, ψ (None: parities of 5 bits, p = 2^n), the model, the method, and what else is asked for
        "direct": lambda: (20011, bit, given(20011, 2000), "direct", {}),
        "character": lambda: (1000003, bit, given(1000003, 300), "character", {"deviations": False}),
        "character-deviations": lambda: (1000003, sawtooth, given(1000003, 100), "character", {}),
        "character-safe-prime": lambda: (100043, sawtooth, given(100043, 1000), "character", {}),
        "kernel": lambda: (16001, bit, network(16001, 1000, 1000), "kernel", {"deviations": False}),
        "kernel-deviations": lambda: (16001, bit, network(16001, 1000, 1000), "kernel", {}),
        "kernel-composite": lambda: (12000, bit, given(12000, 3000), "kernel", {"deviations": False}),
        "kernel-forms": lambda: (12000, bit, given(12000, 300), "kernel", {}),
        "ntk": lambda: (12000, bit, {"ntk": np.ones((12000, 12000), np.float32)}, "kernel", {}),
        "table-responses": lambda: (8009, sawtooth, network(8009, 8), "table", {"loss": power}),
        "table-forms": lambda: (4093, sawtooth, network(4093, 1000, 1000), "table", {"loss": power}),
        "probes": lambda: (400009, bit, network(400009, 200, 200), "probes", {"rtol": 0.001}),
        "parities-direct": lambda: (2**16, None, given(2**16, 2000), "direct", {}),
        "parities-walsh": lambda: (2**16, None, network(2**16, 300, 300), "walsh", {}),
        "parities-kernel": lambda: (2**14, None, network(2**14, 1000, 1000), "kernel", {"deviations": False}),
        "gpt-direct": lambda: (1009, bit, gpt(1009), "direct", {}),
        "gpt-kernel": lambda: (4093, bit, gpt(4093), "kernel", {}),
        "gpt-probes": lambda: (20011, bit, gpt(20011), "probes", {"rtol": 0.001}),
        "cross-entropy": lambda: (2003, targets.Residue(), network(2003, 300, 300, outputs=2003), "table",
                          {"loss": "cross-entropy"}),
    }
    p, target, options, method, more = cases[case]()
    options = {**options, **more, "method": method}
    barren.plan(barren.ModularMultiplication(11), jacobian=np.ones((11, 1)))  # rates are measured before the clock runs
    sent = []

    def interrupt():
        time.sleep(wait)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    cls = barren.Parity(p.bit_length() - 1, 5) if target is None else barren.ModularMultiplication(p, target)
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

CASES = [line.split('"')[1] for line in CHILD.splitlines() if line.startswith('    "') and ": lambda: (" in line]


@pytest.mark.parametrize("case", CASES)
def test_ctrl_c_stops_every_method(case):
    command = [sys.executable, "-c", CHILD, case, "1.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    late, left, small = done.stdout.split()
    assert (left, small) == ("[]", "2.500000")
    # Half a second on a quiet machine; a shared one may need a little longer to come back to this process.
    assert float(late) < 1.0, late


CORE = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    import numpy as np
    from barren import Frequencies, _core, inputs, targets
    from barren.bounds.gcd import GcdMatrix
    from barren.classes import dedekind, scattered

    case, wait, threads = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    random = np.random.default_rng(0)
    x, p, N = random.random(20000), 2**61 - 1, 400_000
    w = np.full(len(x), 1 / len(x))
    residues = random.integers(1, p, size=8_000)
    gcd = GcdMatrix(3_000_000)
    calls = {  # one call of the core each, or few short ones: seconds of work, over and over until the signal
        "frequency-values": lambda: Frequencies(20000).values(np.arange(1.0, 20001.0), x[:2000], threads=threads),
        "frequency-responses": lambda: Frequencies(N).responses(x, w, random.random((20000, 64)), threads=threads),
        "frequency-cosines": lambda: Frequencies(N, targets.Cosine()).responses(x, w, x[:, None], threads=threads),
        "non-uniform-transforms": lambda: scattered.responses(
            Frequencies(N, targets.Cosine()), x, w, random.random((20000, 64)), threads),
        "frequency-forms": lambda: Frequencies(N).quadratic_forms(
            x[:2000], w[:2000], np.eye(2000), threads=threads),
        "interval-products": lambda: Frequencies(1e6, integer=False).kernel(x[:300], x[300:600], threads=threads),
        "dedekind-sums": lambda: dedekind.dedekind_sums(np.tile(residues, 2000), p, np.tile(residues, 2000),
                                                        threads=threads),
        "dedekind-ratios": lambda: _core.dedekind_ratios(residues, residues, p, 5, 7, threads),
        "sawtooth-ratios": lambda: _core.sawtooth_ratios(residues, residues, p, 5, threads),
        "gcd-product": lambda: gcd.product(np.ones(gcd.size), threads=threads),
    }
    if case == "gcd-product":
        calls[case]()  # the primes and totients are kept
    sent = []

    def interrupt():
        time.sleep(wait)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        while True:
            calls[case]()
    except KeyboardInterrupt:
        late = time.monotonic() - sent[0]
    watcher.join()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    small = dedekind.dedekind_sums([1], 7)[0]
    print(f"{late:.3f} {left} {small:.6f}")
    """
)

CORE_CASES = [line.split('"')[1] for line in CORE.splitlines() if line.startswith('    "') and ": lambda: " in line]


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("case", CORE_CASES)
def test_ctrl_c_stops_the_loops_of_the_core(case, threads):
    command = [sys.executable, "-c", CORE, case, "1.0", threads]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    late, left, small = done.stdout.split()
    assert (left, small) == ("[]", "4.285714")
    assert float(late) < 1.0, late  # half a second on a quiet machine, as above


def test_every_method_is_interrupted():
    assert {"direct", "character", "kernel", "table-forms", "table-responses", "probes", "gpt-kernel"} < set(CASES)


def test_a_failing_task_stops_the_others_at_their_next_checkpoint():
    begun = threading.Event()

    def work(task):
        if task == 0:
            begun.wait()
            raise ZeroDivisionError
        begun.set()
        while True:
            _core.checkpoint()

    with pytest.raises(ZeroDivisionError):
        list(_pool.in_order(work, iter(range(9)), 2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("barren")]


def test_the_core_stops_in_a_thread_that_was_told_to():
    cls, caught = barren.ModularMultiplication(20011, targets.Bit(0)), []

    def work(stop):
        _core.obey(stop)
        try:
            cls.values(cls.members, np.arange(20011), threads=1)  # 3 GB, were it not for the flag
        except KeyboardInterrupt as error:
            caught.append(error)

    stop = _core.Stop()
    assert not stop.is_set()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    stop.set()
    thread.join(timeout=5.0)
    assert not thread.is_alive()
    assert len(caught) == 1
    assert stop.is_set()


def test_a_call_that_stops_leaves_a_call_in_another_thread_alone():
    jacobian = np.random.default_rng(0).standard_normal((1009, 200))
    cls = barren.ModularMultiplication(1009)
    expected = float(barren.gradient_variance(cls, jacobian=jacobian, method="character", threads=2))
    found, failing = [], threading.Event()

    def fail(task):
        raise ZeroDivisionError

    def others():
        while not failing.is_set():
            with pytest.raises(ZeroDivisionError):
                list(_pool.in_order(fail, iter(range(4)), 2))

    thread = threading.Thread(target=others)
    thread.start()
    try:
        for _ in range(5):
            found.append(float(barren.gradient_variance(cls, jacobian=jacobian, method="character", threads=2)))
    finally:
        failing.set()
        thread.join()
    assert found == [expected] * 5
