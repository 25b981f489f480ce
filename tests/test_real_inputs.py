"""Laws of x on the real line."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

import barren
from barren import inputs, targets


def test_grid():
    law = inputs.Grid(7)
    assert law.size() == 7
    assert np.array_equal(law.points(), np.arange(7) / 7)
    assert law.weights().sum() == pytest.approx(1.0, abs=1e-15)
    for wrong, kind in ((2, ValueError), (2.5, TypeError)):
        with pytest.raises(kind, match="M must be"):
            inputs.Grid(wrong)


def test_sample_keeps_order_and_repeats():
    law = inputs.RealSample([0.5, -1.0, 0.5], [0.25, 0.5, 0.25])
    assert law.points().tolist() == [0.5, -1.0, 0.5]
    assert (law.size(), law.dimension) == (3, 1)
    assert pickle.loads(pickle.dumps(law)) == law
    assert hash(law) == hash(inputs.RealSample([0.5, -1.0, 0.5], [0.25, 0.5, 0.25]))
    assert inputs.RealSample(np.ones((4, 2))).dimension == 2
    assert inputs.RealSample(np.ones((4, 1))).dimension == 1
    assert "R^2" in repr(inputs.RealSample(np.ones((4, 2))))
    with pytest.raises(ValueError, match="points must be an array of finite numbers"):
        inputs.RealSample([np.nan])
    with pytest.raises(ValueError, match="points must be at least one point"):
        inputs.RealSample([])
    with pytest.raises(ValueError, match="weights"):
        inputs.RealSample([1.0, 2.0], [0.5, 0.6])
    with pytest.raises(TypeError, match="points"):
        inputs.RealSample(["a"])


@pytest.mark.parametrize(
    ("law", "moments"),
    [
        (inputs.Density("uniform", 40), [1 / 2, 1 / 3, 1 / 4]),
        (inputs.Density("uniform", 40, interval=(-1.0, 1.0)), [0.0, 1 / 3, 0.0]),
        (inputs.Density("gaussian", 40, scale=2.0), [0.0, 4.0, 0.0]),
        (inputs.Density("gaussian", 1024), [0.0, 1.0, 0.0]),
        (inputs.Density("uniform", 5001, interval=(-1.0, 1.0)), [0.0, 1 / 3, 0.0]),
        (inputs.Density(lambda x: 2 * x, 20_000), [2 / 3, 1 / 2, 2 / 5]),
        (inputs.Density(lambda x: 2 * x, 40), [2 / 3, 1 / 2, 2 / 5]),
    ],
)
def test_quadrature_has_the_moments_of_the_law(law, moments):
    points, weights = law.points(), law.weights()
    assert len(points) == law.size() == len(weights)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights > 0).all()
    for k, moment in enumerate(moments, 1):
        assert float(weights @ points**k) == pytest.approx(moment, abs=1e-11)


def test_seeded_samples():
    law = inputs.Density("gaussian", 5000, scale=3.0, seed=1, dimension=2)
    assert law.points().shape == (5000, 2)
    assert np.array_equal(law.points(), inputs.Density("gaussian", 5000, scale=3.0, seed=1, dimension=2).points())
    assert law.points().std() == pytest.approx(3.0, rel=0.05)
    uniform = inputs.Density("uniform", 5000, interval=(2.0, 3.0), seed=1).points()
    assert (uniform.min(), uniform.max()) == (pytest.approx(2.0, abs=0.01), pytest.approx(3.0, abs=0.01))


def test_a_sample_of_a_function():
    law = inputs.Density(lambda x: 3 * x**2 / 8, 20_000, interval=(0.0, 2.0), seed=4)
    x = np.sort(law.points())
    assert np.array_equal(law.points(), inputs.Density(law.density, 20_000, interval=(0.0, 2.0), seed=4).points())
    assert not np.array_equal(law.points(), inputs.Density(law.density, 20_000, interval=(0.0, 2.0), seed=5).points())
    assert np.array_equal(law.weights(), np.full(20_000, 1 / 20_000))
    assert (x[0] >= 0.0, x[-1] <= 2.0, law.points().shape) == (True, True, (20_000,))
    # Kolmogorov's distance from the distribution function x³/8: above 1.95/√n once in a thousand seeds.
    ranks = np.arange(1, 20_001) / 20_000
    assert max(np.abs(x**3 / 8 - ranks).max(), np.abs(x**3 / 8 - ranks + 1 / 20_000).max()) < 1.95 / np.sqrt(20_000)
    gap = inputs.Density(lambda x: np.where((x < 0.25) | (x >= 0.75), 2.0, 0.0), 5000, seed=1).points()
    assert not ((gap > 0.25) & (gap < 0.75)).any()
    assert inputs.Density(law.density, 30, interval=(0.0, 2.0), seed=4, dimension=3).points().shape == (30, 3)


def test_large_rules_resolve_waves():
    """Panels of 64 nodes for eight periods integrate a cosine to rounding, and increase as one rule does."""
    law = inputs.Density("uniform", 8 * 5000)
    x, weights = law.points(), law.weights()
    assert np.all(np.diff(x) > 0.0)
    for a in (4999, 5000, 9999, 10_000):
        assert abs(weights @ np.cos(2 * np.pi * a * x)) < 1e-11


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"density": "normal"}, ValueError, "density must be one of"),
        ({"density": 3}, TypeError, "density must be"),
        ({"nodes": 0}, ValueError, "nodes must be"),
        ({"interval": (1.0, 1.0)}, ValueError, "interval must be two numbers"),
        ({"scale": 0.0}, ValueError, "scale must be"),
        ({"dimension": 2}, ValueError, r"seed must be an integer in R\^2"),
    ],
    ids=repr,
)
def test_refusals_of_a_density(arguments, kind, message):
    with pytest.raises(kind, match=message):
        inputs.Density(**arguments)


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(
    ("density", "message"),
    [
        (lambda x: 2 + 0 * x, r"density must be a function that integrates to 1 over .* an integral of 2"),
        (lambda x: 3 * x - 0.5, "values must be non-negative"),
        (lambda x: x[:3], "values must be"),
        (lambda x: 0 * x + np.nan, r"values must be a 1-D array of (1024|262144) finite numbers"),
        (lambda x: 1.0, "values must be a 1-D array"),
        (lambda x: ["a"] * len(x), "values must be"),
    ],
    ids=["sum", "negative", "length", "nan", "one number", "text"],
)
def test_densities_that_are_none_are_refused_at_once(density, message, seed):
    with pytest.raises((ValueError, TypeError), match=message):
        inputs.Density(density, seed=seed)


@pytest.mark.parametrize("law", [inputs.Density("gaussian", scale=0.25), inputs.Density("uniform", interval=(-1, 2))])
def test_a_rule_without_nodes_resolves_the_class_that_it_is_paired_with(law):
    """Against a rule that is finer by far: 1024 nodes of Gauss–Hermite would give ten times the variance."""
    cls = barren.Frequencies(100, targets.Cosine())
    dense = replace(law, nodes=20000)
    jacobians = [np.maximum(chosen.points() - 0.1, 0.0)[:, None] for chosen in (cls.law_of(law), dense)]
    found = barren.gradient_variance(cls, jacobian=jacobians[0], inputs=law)
    expected = barren.gradient_variance(cls, jacobian=jacobians[1], inputs=dense)
    assert float(found) == pytest.approx(float(expected), rel=1e-3)
    assert barren.sharp_bound(cls, law) == pytest.approx(barren.sharp_bound(cls, dense), rel=1e-6)
    assert cls.law_of(law).size() == max(1024, math.ceil(800 * law.width))


def test_equal_spaces_integrate_waves_under_a_gaussian_law():
    for nodes in (65, 100, 1024):
        law = inputs.Density("gaussian", nodes, scale=2.0)
        x, w = law.points(), law.weights()
        assert law.size() == len(x) == nodes
        for frequency in (0.01, 0.1, 0.3):
            exact = math.exp(-2.0 * (math.pi * frequency * 2.0) ** 2)
            assert w @ np.cos(2.0 * math.pi * frequency * x) == pytest.approx(exact, abs=1e-14)


@pytest.mark.parametrize("call", [barren.sharp_bound, barren.bounds, lambda cls, law: variance_of_ones(cls, law)])
def test_a_rule_that_resolves_no_period_is_warned_of(call):
    cls = barren.Frequencies(100, targets.Cosine())
    with pytest.warns(UserWarning, match=r"50 nodes are 0\.5 for a period"):
        call(cls, inputs.Density(nodes=50))


def variance_of_ones(cls, law):
    return barren.gradient_variance(cls, jacobian=np.ones((law.size(), 1)), inputs=law)


@pytest.mark.parametrize("law", [None, inputs.Density(), inputs.Density("gaussian")])
def test_periods_that_no_memory_resolves_are_refused(law):
    for A in (1e15, 1e308):
        with pytest.raises(ValueError, match="given where 8 nodes a period do not fit in memory"):
            barren.Frequencies(A, targets.Cosine(), integer=False).law_of(law)
