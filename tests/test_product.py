"""The full product: class × method × dtype × threads × instruction set, each against the reference."""

from __future__ import annotations

import warnings

import helpers
import numpy as np
import pytest
from helpers import jacobian, methods_for, multipliers_for, relative, targets_for

import barren
from barren import _core, _nufft, encodings, inputs, models, reference, targets

pytestmark = helpers.NODES_ALONE

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


def others():
    """Classes beside residues, each with a law and its methods: frequencies on the real line, and parities."""
    random = np.random.default_rng(5)
    weights = random.random(61)
    line = inputs.RealSample(random.standard_normal(61) * 30, weights / weights.sum())
    sample = inputs.Sample(random.integers(0, 2**6, 40))
    cosine = ("direct", "kernel", *([] if _nufft.backend() is None else ["nufft"]))
    return [
        (barren.Frequencies(53, targets.Sawtooth()), line, ("direct", "kernel")),
        (
            barren.Frequencies(53, targets.Threshold(0.3)),
            inputs.Density("gaussian", 30, scale=2.0),
            ("direct", "kernel"),
        ),
        (barren.Frequencies(53, targets.Cosine(3)), line, cosine),
        (barren.Frequencies(53, targets.Cosine()), inputs.Density("uniform", 40), cosine),
        (barren.Frequencies(101, targets.Square()), inputs.Grid(101), ("direct", "character", "kernel")),
        (barren.Parity(6), inputs.Uniform(), ("direct", "walsh", "kernel")),
        (barren.Parity(6, 3, signed=True), sample, ("direct", "walsh", "kernel")),
    ]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_frequencies_and_parities(dtype):
    for cls, law, methods in others():
        J = jacobian(len(cls.points_of(law)[0])).astype(dtype)
        expected = reference.from_jacobian(cls, J.astype(np.float64), law)
        for method in methods:

            def compute(threads, cls=cls, law=law, J=J, method=method):
                return barren.gradient_variance(cls, jacobian=J, inputs=law, method=method, threads=threads)

            # A non-uniform transform is made to 1e-12 of its largest term.
            tolerance = max(TOLERANCE[dtype], 1e-10 if method == "nufft" else 0.0)
            check(expected, compute, tolerance, (cls, method, dtype))


PROBED = [
    (barren.ModularMultiplication(101, targets.Bit(0)), None),
    (barren.ModularMultiplication(105, targets.Bit(0)), None),
    (barren.Frequencies(53, targets.Sawtooth()), inputs.Density("gaussian", 60, scale=2.0)),
    (barren.Parity(6, 3), None),
]


@pytest.mark.parametrize(("cls", "law"), PROBED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_probes(cls, law, dtype):
    J = jacobian(len(cls.points_of(cls.law_of(law))[0]), 40).astype(dtype)
    expected = reference.from_jacobian(cls, J.astype(np.float64), law)
    asked = {"inputs": law, "method": "probes", "rtol": 0.02}
    found = [barren.gradient_variance(cls, jacobian=J, threads=threads, **asked) for threads in THREADS]
    assert relative(float(found[0]), expected.variance) <= 0.1  # five standard errors
    for other in found[1:]:
        assert float(other) == float(found[0])
        np.testing.assert_array_equal(other.deviations, found[0].deviations)


def test_every_instruction_set_is_here(instruction_set):
    assert _core.kernel() == instruction_set
    assert "baseline" in KERNELS
