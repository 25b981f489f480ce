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
    options = {"encoding": encodings.Bits(), "deviations": False, "seed": 0}
    parent = float(barren.gradient_variance(cls, model, method=sys.argv[1], **options))
    child = os.fork()
    if child == 0:
        found = float(barren.gradient_variance(cls, model, method=sys.argv[1], **options))
        print(found.hex(), parent.hex(), file=sys.stderr, flush=True)
        os._exit(0 if abs(found / parent - 1.0) <= float(sys.argv[2]) else 1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
)


# Exact methods give the same bits. Probes go through torch, on one thread in the child and on all in the parent, whose
# products in float32 are summed in another order: what is left between the two, of the same draws, is rounding.
@pytest.mark.parametrize(("method", "room"), [("kernel", 0.0), ("character", 0.0), ("probes", 1e-5)])
def test_a_forked_child_computes_what_its_parent_does(method, room):
    command = [sys.executable, "-c", CHILD, method, str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


WORKERS = textwrap.dedent(
    """
    import torch
    import barren
    from barren import encodings, models, targets
    from torch.utils.data import DataLoader, Dataset

    def variance(p):
        model = models.mlp(10, (50, 50), seed=0)
        cls = barren.ModularMultiplication(p, targets.Bit(0))
        return float(barren.gradient_variance(cls, model, encoding=encodings.Bits(10), method="kernel"))

    class Variances(Dataset):
        moduli = [1009, 997, 991, 983]

        def __len__(self):
            return len(self.moduli)

        def __getitem__(self, i):
            return variance(self.moduli[i])

    expected = torch.tensor([variance(p) for p in Variances.moduli], dtype=torch.float64)
    loader = DataLoader(Variances(), batch_size=1, num_workers=2, multiprocessing_context="fork")
    found = torch.cat([batch.double() for batch in loader])
    assert torch.equal(found, expected), (found, expected)
    """
)


def test_workers_of_a_data_loader_compute_variances():
    """They are forked after the parent has used all threads, and give the same bits."""
    done = subprocess.run([sys.executable, "-c", WORKERS], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
