"""The full product: class × method × dtype × threads × instruction set, each against the reference."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import jacobian, methods_for, multipliers_for, relative, targets_for

import barren
from barren import _core, encodings, inputs, models, reference, targets

THREADS = (1, 2, 7)
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
KERNELS = _core.available_kernels()


@pytest.fixture(autouse=True, params=KERNELS)
def instruction_set(request):
    before = _core.kernel()
    _core.use_kernel(request.param)
    yield request.param
    _core.use_kernel(before)


def check(expected, compute, tolerance, where):
    """compute(threads) has the reference's value, and the same bits for any number of threads."""
    first = None
    for threads in THREADS:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*the tail is heavy.*")
            found = compute(threads)
        largest = max(expected.deviations.max(), 1e-14)
        assert abs(float(found) - expected.variance) <= tolerance * max(expected.variance, 1e-14), where
        assert np.abs(found.deviations - expected.deviations).max() <= tolerance * largest, where
        first = first or found
        assert float(found) == float(first), (where, threads)
        assert found.per_layer == first.per_layer, (where, threads)
        np.testing.assert_array_equal(found.deviations, first.deviations, err_msg=str((where, threads)))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("p", [13, 101, 15, 105])
def test_every_class_and_method(p, dtype):
    for target in targets_for(p):
        for multipliers in multipliers_for(p):
            cls, law = barren.ModularMultiplication(p, target, multipliers), inputs.Uniform()
            J = jacobian(p).astype(dtype)
            expected = reference.from_jacobian(cls, J.astype(np.float64), law)
            for method in methods_for(cls):

                def compute(threads, cls=cls, J=J, method=method):
                    return barren.gradient_variance(cls, jacobian=J, method=method, threads=threads)

                check(expected, compute, TOLERANCE[dtype], (cls, method, dtype))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("p", [101, 105])
def test_every_method_with_a_model(p, dtype):
    cls, encoding = barren.ModularMultiplication(p, targets.Bit(0), "all"), encodings.Bits()
    model = models.mlp((p - 1).bit_length(), (24, 24), seed=0).double()
    expected = reference.from_model(cls, model, encoding)
    for method in methods_for(cls):

        def compute(threads, method=method):
            return barren.gradient_variance(cls, model, encoding=encoding, method=method, threads=threads, dtype=dtype)

        # In float32 activations and deltas are rounded before they are multiplied.
        check(expected, compute, {"float32": 1e-4, "float64": 1e-10}[dtype], (cls, method, dtype))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("loss", ["cross-entropy", "power"])
def test_tables(loss, dtype):
    p, encoding = 13, encodings.Bits()
    several = loss == "cross-entropy"
    cls = barren.ModularMultiplication(p, targets.Residue() if several else targets.Sawtooth())
    model = models.mlp(4, (8,), outputs=p if several else 1, seed=0).double()
    what = loss if several else lambda outputs, labels: (outputs - labels) ** 4
    expected = reference.from_model(cls, model, encoding, what)

    def compute(threads):
        return barren.gradient_variance(cls, model, encoding=encoding, loss=what, threads=threads, dtype=dtype)

    check(expected, compute, {"float32": 1e-4, "float64": 1e-10}[dtype], (loss, dtype))


@pytest.mark.parametrize("p", [101, 105])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_probes(p, dtype):
    cls, J = barren.ModularMultiplication(p, targets.Bit(0)), jacobian(p, 40).astype(dtype)
    expected = reference.from_jacobian(cls, J.astype(np.float64))
    found = [
        barren.gradient_variance(cls, jacobian=J, method="probes", rtol=0.02, threads=threads) for threads in THREADS
    ]
    assert relative(float(found[0]), expected.variance) <= 0.1  # five standard errors
    for other in found[1:]:
        assert float(other) == float(found[0])
        np.testing.assert_array_equal(other.deviations, found[0].deviations)


def test_every_instruction_set_is_here(instruction_set):
    assert _core.kernel() == instruction_set
    assert "baseline" in KERNELS
