"""A model in a forked child, after the parent has used all threads: no method may hang there."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

CHILD = textwrap.dedent(
    """
    import os, sys
    import barren
    from barren import encodings, models, targets

    cls, model = barren.ModularMultiplication(1009, targets.Bit(0)), models.mlp(10, (300, 300), seed=0)
    options = {"encoding": encodings.Bits(), "deviations": False}
    parent = float(barren.gradient_variance(cls, model, method="kernel", **options))
    child = os.fork()
    if child == 0:
        found = float(barren.gradient_variance(cls, model, method=sys.argv[1], **options))
        os._exit(0 if abs(found / parent - 1.0) < 0.5 else 1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
)


@pytest.mark.parametrize("method", ["kernel", "character", "probes"])
def test_a_forked_child_computes_a_variance(method):
    command = [sys.executable, "-c", CHILD, method]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
