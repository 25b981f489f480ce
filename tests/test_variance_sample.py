"""Frequencies drawn from an interval or a sphere: without bias, with errors that tell the truth, in the plan."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import barren
from barren import encodings, inputs, models, targets
from barren.variance import GivenJacobian
from barren.variance.frequency import sample
from barren.variance.problem import Problem


def case(dimension, target=targets.Threshold(0.3)):  # noqa: B008  (immutable)
    """A class without members, a law of a few points, and a Jacobian there."""
    random = np.random.default_rng(dimension)
    points = 0.8 * random.standard_normal((6, dimension))
    law = inputs.RealSample(points[:, 0] if dimension == 1 else points)
    cls = barren.Frequencies(2.0, target, dimension=dimension) if dimension > 1 else None
    return cls or barren.Frequencies(2.0, target, integer=False), law, random.standard_normal((6, 3)) + 0.5


def problem_of(cls, law, J, rtol=None, seed=0):
    return Problem(cls, law, law.points(), law.weights(), GivenJacobian(J), 1, 2**30, False, False, rtol, seed)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("rtol", [0.1, 0.025])
def test_intervals_contain_the_truth_as_often_as_they_say(dimension, rtol):
    """95 % intervals in at least 92 % of 500 seeded repetitions."""
    cls, law, J = case(dimension)
    truth = float(barren.gradient_variance(cls, jacobian=J, inputs=law))
    problem, values, inside = problem_of(cls, law, J, rtol), [], 0
    for seed in range(500):
        estimate = sample.run(replace(problem, seed=seed)).estimate
        assert estimate.error <= rtol * estimate.value
        low, high = estimate.interval(0.95)
        inside += low <= truth <= high
        values.append(estimate.value)
    assert inside >= 460
    assert abs(np.mean(values) - truth) <= 4.0 * np.std(values) / np.sqrt(500)


@pytest.mark.parametrize("dimension", [1, 3])
def test_an_estimate_says_what_it_is(dimension):
    cls, law, J = case(dimension)
    v = barren.gradient_variance(cls, jacobian=J, inputs=law, method="sample", rtol=0.02, seed=5)
    again = barren.gradient_variance(cls, jacobian=J, inputs=law, method="sample", rtol=0.02, seed=5)
    other = barren.gradient_variance(cls, jacobian=J, inputs=law, method="sample", rtol=0.02, seed=6)
    assert float(v) == float(again) != float(other)
    assert v.method == "sample"
    assert not v.plan.chosen.is_exact
    assert 0.0 < v.standard_error <= 0.02 * float(v)
    low, high = v.interval()
    assert low < float(v) < high
    assert sum(v.per_layer.values()) == pytest.approx(float(v), rel=1e-12)
    assert f"{v.estimate.probes} frequencies drawn on a" in v.explain()
    assert "seed 5" in v.explain()
    with pytest.raises(ValueError, match="deviations need a list of members"):
        _ = v.deviations
    exact = barren.gradient_variance(cls, jacobian=J, inputs=law)
    assert exact.method == "kernel"
    assert "bound: λ is that of the 6 points" in exact.explain()
    assert abs(float(v) - float(exact)) <= 5.0 * v.standard_error
    # From Θ alone the same frequencies give the same number.
    by_kernel = barren.gradient_variance(cls, ntk=J @ J.T, inputs=law, method="sample", rtol=0.02, seed=5)
    assert float(by_kernel) == pytest.approx(float(v), rel=1e-9)
    assert by_kernel.standard_error == pytest.approx(v.standard_error, rel=1e-9)


def test_shares_of_layers_and_parameters():
    cls, law, _ = case(2)
    model = models.mlp(2, (4,), seed=0)
    encoding = lambda x, p: x  # noqa: E731
    asked = {"encoding": encoding, "inputs": law, "loss": "mse", "method": "sample", "per_parameter": True}
    v = barren.gradient_variance(cls, model, **asked)
    assert set(v.per_layer) == set(v.per_parameter)
    for layer, shares in v.per_parameter.items():
        assert shares.sum() == pytest.approx(v.per_layer[layer], rel=1e-6)
    exact = barren.gradient_variance(cls, model, encoding=encoding, inputs=law)
    assert abs(float(v) - float(exact)) <= 5.0 * v.standard_error
    for layer, share in exact.per_layer.items():
        assert v.per_layer[layer] == pytest.approx(share, rel=0.3)


def test_where_the_kernel_takes_too_long_a_sample_is_taken_and_warned_of():
    cls, law, J = barren.Frequencies(1e9, targets.Sawtooth(), dimension=2), *case(2)[1:]
    with pytest.warns(UserWarning, match="no exact method can compute this problem: this is an estimate"):
        v = barren.gradient_variance(cls, jacobian=J, inputs=law)
    assert v.method == "sample"
    assert v.standard_error <= 0.05 * float(v)
    assert "its kernel takes too long: x must be such that" in v.explain()
    # Far apart the values at two points are those of independent fractions: Σ c²‖J‖²/12.
    assert float(v) == pytest.approx(float((J**2).sum()) / 36 / 12, rel=0.25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert barren.gradient_variance(cls, jacobian=J, inputs=law, rtol=0.1).method == "sample"
    with pytest.raises(ValueError, match="method 'kernel' cannot be used here: its kernel takes too long"):
        barren.gradient_variance(cls, jacobian=J, inputs=law, method="kernel")
    long = barren.Frequencies(2.0**42, targets.Sawtooth(), integer=False)
    line = inputs.RealSample(np.linspace(0.5, 1.0, 6))
    assert barren.plan(long, jacobian=J, inputs=line).method == "sample"


def test_what_the_plan_says_of_samples():
    cls, law, J = case(3)
    plan = barren.plan(cls, jacobian=J, inputs=law)
    of = {candidate.method: candidate for candidate in plan.candidates}
    assert plan.method == "kernel"
    assert of["sample"].obstacle is None
    assert 0 < of["sample"].smallest_memory <= of["sample"].memory
    assert 0.0 < of["sample"].seconds < 100.0
    for finite in (barren.Frequencies(5), barren.Parity(4), barren.ModularMultiplication(5)):
        n = len(finite.points_of(finite.default_law)[0])
        with pytest.raises(ValueError, match=r"method 'sample' cannot be used here: it (draws frequencies|is for)"):
            barren.gradient_variance(finite, jacobian=np.ones((n, 1)), method="sample")
    with pytest.raises(ValueError, match="only Θ was given, and the variance of every parameter"):
        barren.gradient_variance(cls, ntk=J @ J.T, inputs=law, method="sample", per_parameter=True)
    with pytest.raises(ValueError, match="deviations must be left out"):
        barren.gradient_variance(cls, jacobian=J, inputs=law, method="sample", deviations=True)
    with pytest.raises(ValueError, match="memory_limit must leave room for method 'sample'"):
        barren.gradient_variance(cls, jacobian=J, inputs=law, method="sample", memory_limit=4000)


def test_an_error_that_is_not_reached_is_warned_of(monkeypatch):
    cls, law, J = case(2)
    monkeypatch.setattr(sample, "_MOST", 2000)
    with pytest.warns(UserWarning, match="the estimate stopped at 2000 frequencies with a relative standard error"):
        v = barren.gradient_variance(cls, jacobian=J, inputs=law, method="sample", rtol=1e-3)
    assert v.standard_error > 1e-3 * float(v)
    few = sample.smallest_memory(problem_of(cls, law, J)) + 10_000
    with pytest.warns(UserWarning, match="the estimate stopped at"):
        small = barren.gradient_variance(
            cls, jacobian=J, inputs=law, method="sample", rtol=1e-3, memory_limit=few, threads=1
        )
    assert 1024 <= small.estimate.probes < 2000


def test_a_gradient_that_vanishes_has_no_variance():
    cls, law, J = case(2)
    v = barren.gradient_variance(cls, jacobian=0.0 * J, inputs=law, method="sample")
    assert float(v) == v.standard_error == 0.0


def test_on_a_grid_the_points_are_fractions():
    """The frequencies drawn meet x = j/M itself, as the class does."""
    cls, law = barren.Frequencies(9.0, targets.Threshold(), integer=False), inputs.Grid(5)
    J = np.random.default_rng(0).standard_normal((5, 2))
    v = barren.gradient_variance(cls, jacobian=J, inputs=law, method="sample", rtol=0.02)
    exact = barren.gradient_variance(cls, jacobian=J, inputs=law)
    assert abs(float(v) - float(exact)) <= 5.0 * v.standard_error
    model = models.mlp(1, (3,), seed=0)
    assert barren.gradient_variance(cls, model, encoding=encodings.Scalar(), inputs=law, method="sample").estimate


@pytest.mark.parametrize("dimension", [1, 2])
def test_frequencies_too_coarse_for_the_points_are_refused(dimension):
    x = np.linspace(0.0, 1.0, 5)
    law = inputs.RealSample(x if dimension == 1 else np.stack([x, 0.0 * x], axis=1))
    kind = {"integer": False} if dimension == 1 else {"dimension": dimension}
    options = {"jacobian": np.eye(5), "inputs": law, "method": "sample", "rtol": 0.2}
    with pytest.raises(ValueError, match=r"53 bits.*A·x = 1e\+14"):
        barren.gradient_variance(barren.Frequencies(1e14, targets.Sawtooth(), **kind), **options)
    assert float(barren.gradient_variance(barren.Frequencies(1e11, targets.Sawtooth(), **kind), **options)) > 0.0
