"""Variances that are almost nothing beside the squared gradient: deep networks, and Jacobians that hardly vary."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import barren
from barren import encodings, inputs, models, reference, targets

P = 101


def deep(depth: int, activation: str, **options: object) -> barren.GradientVariance:
    cls = barren.ModularMultiplication(P, targets.Bit(0))
    model = models.mlp(7, (50,) * depth, activation, seed=0)
    return barren.gradient_variance(cls, model, encoding=encodings.Bits(), dtype="float64", **options)


@pytest.mark.parametrize(("depth", "activation"), [(6, "sigmoid"), (10, "sigmoid"), (20, "relu")])
def test_deep_networks_keep_their_digits_in_every_method(depth, activation):
    """Var/B² down to 3e-19: the constant part of the gradients must not be multiplied with itself."""
    truth = deep(depth, activation, method="character", deviations=True)
    for method in ("kernel", "direct"):
        for deviations in (False, True):
            found = deep(depth, activation, method=method, deviations=deviations)
            assert float(found) == pytest.approx(float(truth), rel=1e-10)
            if deviations:
                np.testing.assert_allclose(found.deviations, truth.deviations, rtol=0.0, atol=1e-8 * float(truth))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("law", [inputs.Uniform(), inputs.Uniform(zero=False)])
@pytest.mark.parametrize("method", ["direct", "kernel", "character"])
def test_jacobians_that_hardly_vary(method, law, dtype):
    """J = 1 + ε·Z against Z alone, in float64 sums over the class."""
    cls, rng = barren.ModularMultiplication(P, targets.Sawtooth()), np.random.default_rng(0)
    spread = {"float32": 2.0**-12, "float64": 2.0**-36}[dtype]
    rest = rng.integers(-8, 9, (len(law.points(P)), 5)) * spread
    jacobian = (1.0 + rest).astype(dtype)
    assert np.array_equal(jacobian.astype(np.float64), 1.0 + rest)
    found = barren.gradient_variance(cls, jacobian=jacobian, inputs=law, method=method)
    expected = reference.from_jacobian(cls, rest, law)
    tolerance = {"float32": 1e-5, "float64": 1e-10}[dtype]
    assert float(found) == pytest.approx(expected.variance, rel=tolerance)
    np.testing.assert_allclose(found.deviations, expected.deviations, rtol=20 * tolerance)


def test_what_rounding_may_have_made_is_warned_of():
    cls, model = barren.ModularMultiplication(P, targets.Bit(0)), models.mlp(7, (50,) * 10, "sigmoid", seed=0)
    for method in ("kernel", "direct", "character", "probes"):
        with pytest.warns(UserWarning, match=r"rounding to float32 leaves.*dtype=\"float64\""):
            barren.gradient_variance(cls, model, encoding=encodings.Bits(), method=method, dtype="float32")


def test_a_kernel_without_digits_is_warned_of():
    jacobian = 1.0 + 1e-9 * np.random.default_rng(0).standard_normal((P, 5))
    cls = barren.ModularMultiplication(P)
    with pytest.warns(UserWarning, match="give the Jacobian or the model"):
        barren.gradient_variance(cls, ntk=jacobian @ jacobian.T)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_small_targets_and_gradients_are_no_rounding(scale):
    """What counts is Var over B² and ψ², not its size."""
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for target in (targets.Sawtooth(), scale * targets.Sawtooth()):
            v = barren.gradient_variance(
                barren.ModularMultiplication(P, target), jacobian=scale * rng.standard_normal((P, 3))
            )
            assert float(v) > 0.0
        barren.gradient_variance(barren.ModularMultiplication(P), jacobian=np.ones((P, 3)), method="direct")


@pytest.mark.parametrize("method", ["kernel", "direct"])
@pytest.mark.parametrize(
    ("p", "multipliers", "x"), [(16, "units", 8), (45, [1, 4, 7, 16, 31], 15), (61, [7], 5), (15, "all", 0)]
)
def test_a_large_gradient_where_all_members_have_one_residue(p, multipliers, x, method):
    """It is in no deviation, whatever its size, and nothing of it may be left in the others."""
    cls = barren.ModularMultiplication(p, targets.Sawtooth(), multipliers=multipliers)
    jacobian = np.random.default_rng(0).standard_normal((p, 5))
    jacobian[x] = 0.0
    expected = reference.from_jacobian(cls, jacobian)
    jacobian[x] = 1e8
    found = barren.gradient_variance(cls, jacobian=jacobian, method=method, deviations=True)
    assert float(found) == pytest.approx(expected.variance, rel=1e-12, abs=1e-20)
    np.testing.assert_allclose(found.deviations, expected.deviations, rtol=1e-11, atol=1e-20)


def test_a_large_gradient_where_members_happen_to_agree_is_warned_of():
    """Other residues of one bit: products of gradients leave their rounding, which sums of responses do not."""
    cls, x = barren.ModularMultiplication(15, targets.Bit(0), multipliers=[1, 2, 7]), 6
    assert len(set(cls.values([1, 2, 7], [x])[:, 0].tolist())) == 1
    jacobian = np.random.default_rng(0).standard_normal((15, 5))
    jacobian[x] = 1e8
    with pytest.warns(UserWarning, match='rounding to float64 leaves.*method="direct"'):
        barren.gradient_variance(cls, jacobian=jacobian, method="kernel")
    jacobian[x] = 0.0
    expected = reference.from_jacobian(cls, jacobian)
    jacobian[x] = 1e8
    assert float(barren.gradient_variance(cls, jacobian=jacobian, method="direct")) == pytest.approx(
        expected.variance, rel=1e-6
    )
