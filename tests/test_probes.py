"""Probes: without bias, with errors that tell the truth, for every class and both forms."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import jacobian, multipliers_for, relative

import barren
from barren import encodings, inputs, models, reference, targets
from barren.variance import GivenJacobian, members, probes
from barren.variance.problem import Problem


def problem_of(cls, J, law=None, rtol=None, seed=0, per_parameter=False):
    law = inputs.Uniform() if law is None else law
    points, weights = law.points(cls.p), law.weights(cls.p)
    return Problem(cls, law, points, weights, GivenJacobian(J), 1, 2**30, True, per_parameter, rtol, seed)


def falling(n: int, d: int, ratio: float) -> np.ndarray:
    """A Jacobian whose tangent kernel has eigenvalues that fall by ratio² each, and a mean."""
    rng = np.random.default_rng(n)
    left, right = (np.linalg.qr(rng.standard_normal((size, d)))[0] for size in (n, d))
    return left * ratio ** np.arange(d) @ right + 0.3


@pytest.mark.parametrize("multipliers", ["units", "all", [100, 0, 1, 7]])
@pytest.mark.parametrize("p", [101, 105])
def test_the_two_maps_are_plain_sums_and_adjoint(p, multipliers):
    law = inputs.Sample([0, 3, 3, 50, p - 1], [0.1, 0.2, 0.3, 0.2, 0.2])
    cls = barren.ModularMultiplication(p, targets.Bit(1), multipliers)
    problem = problem_of(cls, jacobian(5), law)
    maps = members.members_of(problem)
    assert isinstance(maps, members.ByCorrelation if p == 101 else members.ByResidues)
    psi = cls.values(cls.members, problem.points)
    psi = psi - psi.mean(axis=0)
    u = np.random.default_rng(0).standard_normal((5, 3))
    assert relative(maps.responses(u), psi @ (problem.weights[:, None] * u)) <= 1e-12
    r = np.random.default_rng(1).standard_normal((cls.size, 3))
    r -= r.mean(axis=0)
    assert relative(maps.adjoint(r), psi.T @ r / cls.size) <= 1e-12


@pytest.mark.parametrize("p", [61, 67, 57])
@pytest.mark.parametrize("multipliers", ["units", "all"])
def test_many_seeds_average_to_the_truth(p, multipliers):
    cls = barren.ModularMultiplication(p, targets.Bit(0), multipliers)
    J = jacobian(p, columns=30)
    truth = reference.from_jacobian(cls, J)
    values, deviations = [], []
    for seed in range(200):
        v = barren.gradient_variance(cls, jacobian=J, method="probes", rtol=0.2, seed=seed)
        values.append(float(v))
        deviations.append(v.deviations)
        assert v.deviations.mean() == pytest.approx(float(v), rel=1e-9)
    spread = np.std(values) / np.sqrt(200)
    assert abs(np.mean(values) - truth.variance) <= 4 * spread
    spreads = np.std(deviations, axis=0) / np.sqrt(200)
    assert np.mean(np.abs(np.mean(deviations, axis=0) - truth.deviations) <= 4 * spreads + 1e-12) >= 0.99


@pytest.mark.parametrize(("ratio", "rtol"), [(0.3, 0.05), (0.7, 0.2), (0.95, 0.05), (0.95, 0.01)])
def test_intervals_contain_the_truth_as_often_as_they_say(ratio, rtol):
    """95 % intervals in at least 92 % of 500 seeded repetitions, and the error asked for."""
    cls, J = barren.ModularMultiplication(101, targets.Bit(0)), falling(101, 60, ratio)
    truth = float(barren.gradient_variance(cls, jacobian=J))
    problem = problem_of(cls, J, rtol=rtol)
    maps = members.members_of(problem)
    inside = 0
    for seed in range(500):
        estimate, _ = probes._forward(problem, maps, np.random.default_rng(seed))
        assert estimate.error <= rtol * estimate.value
        low, high = estimate.interval(0.95)
        inside += low <= truth <= high
    assert inside >= 460


def test_backward_intervals_contain_the_truth_as_often_as_they_say():
    cls, J = barren.ModularMultiplication(101, targets.Bit(0)), falling(101, 60, 0.95)
    truth = float(barren.gradient_variance(cls, jacobian=J))
    problem = problem_of(cls, J, rtol=0.1)
    maps = members.members_of(problem)
    inside = 0
    for seed in range(500):
        estimate, _ = probes._backward(problem, maps, np.random.default_rng(seed))
        low, high = estimate.interval(0.95)
        inside += low <= truth <= high
    assert inside >= 460


def test_forward_and_backward_probes_see_the_same_variance():
    cls, J = barren.ModularMultiplication(101, targets.Sawtooth()), falling(101, 60, 0.9)
    problem = problem_of(cls, J, rtol=0.02)
    maps = members.members_of(problem)
    forward, _ = probes._forward(problem, maps, np.random.default_rng(0))
    backward, _ = probes._backward(problem, maps, np.random.default_rng(1))
    assert abs(forward.value - backward.value) <= 5 * np.hypot(forward.error, backward.error)


def test_the_result_carries_its_error_and_is_repeatable():
    cls, J = barren.ModularMultiplication(101, targets.Bit(0)), falling(101, 60, 0.95)
    v, same, other = (barren.gradient_variance(cls, jacobian=J, method="probes", seed=s, rtol=0.05) for s in (3, 3, 4))
    assert float(v) == float(same) != float(other)
    assert 0.0 < v.standard_error <= 0.05 * float(v)
    low, high = v.interval()
    assert low < float(v) < high
    narrow = v.interval(0.5)
    assert low < narrow[0] < narrow[1] < high
    assert v.estimate.probes >= 24
    assert v.estimate.exact < float(v)
    exact = barren.gradient_variance(cls, jacobian=J)
    assert exact.interval() == (float(exact), float(exact))
    assert exact.estimate is None
    for confidence in [0.0, 1.0, -1]:
        with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
            v.interval(confidence)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        some = barren.gradient_variance(cls.with_multipliers([1, 2, 3, 4]), jacobian=J)
    with pytest.raises(ValueError, match="interval needs a whole class"):
        some.interval()


@pytest.mark.parametrize("method", ["direct", "character", "probes"])
def test_variances_of_single_parameters(method):
    p = 61
    cls = barren.ModularMultiplication(p, targets.Bit(0))
    model = models.mlp(6, (5,), "tanh", seed=0).double()
    options = {"encoding": encodings.Bits(), "per_parameter": True, "method": method}
    v = barren.gradient_variance(cls, model, **options)
    gradients = np.array(list(reference.gradients(cls, model, encodings.Bits())))
    expected = gradients.var(axis=0)
    got = np.concatenate(list(v.per_parameter.values()))
    assert list(v.per_parameter) == list(v.per_layer) == ["0", "2"]
    assert [len(part) for part in v.per_parameter.values()] == [35, 6]
    for layer, part in v.per_parameter.items():
        assert part.sum() == pytest.approx(v.per_layer[layer], rel=1e-9)
    if method == "probes":  # 64 backward passes: each known to 0.18 of itself
        varying = expected > 1e-12 * expected.max()  # not the last bias, which sees no multiplier
        assert np.abs(got[varying] / expected[varying] - 1.0).max() < 0.8
        assert abs(np.mean(got[varying] / expected[varying]) - 1.0) < 0.2
        assert np.all(got[~varying] <= 1e-12 * got.max())
    else:
        assert relative(got, expected) <= 1e-10
    with pytest.raises(ValueError, match="pass per_parameter=True"):
        _ = barren.gradient_variance(cls, model, encoding=encodings.Bits(), method=method).per_parameter


def test_shares_of_the_layers_add_up():
    p = 101
    cls, model = barren.ModularMultiplication(p, targets.Bit(0)), models.mlp(7, (30, 30), seed=0).double()
    exact = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss="bce")
    v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss="bce", method="probes", rtol=0.02)
    assert sum(v.per_layer.values()) == pytest.approx(float(v), rel=1e-12)
    assert abs(float(v) - float(exact)) <= 5 * v.standard_error
    largest = max(exact.per_layer, key=exact.per_layer.get)
    assert v.per_layer[largest] == pytest.approx(exact.per_layer[largest], rel=0.5)
    assert v.normalised == pytest.approx(float(v) / exact.mean_squared_norm, rel=1e-9)


class _Square(torch.autograd.Function):
    """x² without a rule for forward mode."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2.0 * x * gradient


class _Backward(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = torch.nn.Linear(6, 20), torch.nn.Linear(20, 1)

    def forward(self, x):
        return self.last(_Square.apply(self.first(x)))


def test_without_forward_mode_the_dual_form_is_taken_and_said():
    cls, model = barren.ModularMultiplication(61, targets.Bit(0)), _Backward().double()
    exact = barren.gradient_variance(cls, model, encoding=encodings.Bits())
    v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), method="probes", rtol=0.1, per_parameter=True)
    assert abs(float(v) - float(exact)) <= 5 * v.standard_error
    assert 0.0 < v.standard_error <= 0.1 * float(v)
    assert sum(v.per_layer.values()) == pytest.approx(float(v), rel=1e-12)
    with pytest.raises(ValueError, match="forward mode, which does not go through this model"):
        _ = v.deviations
    assert "the dual form" in v.explain()
    assert "forward mode does not go through" in v.explain()


@pytest.mark.parametrize("multipliers", multipliers_for(61)[:2])
def test_a_class_that_does_not_vary_has_no_variance(multipliers):
    cls = barren.ModularMultiplication(61, targets.Table(np.ones(61)), multipliers)
    v = barren.gradient_variance(cls, jacobian=jacobian(61), method="probes")
    assert float(v) == pytest.approx(0.0, abs=1e-25)
    assert float(barren.gradient_variance(cls, jacobian=np.zeros((61, 3)), method="probes")) == 0.0


def test_fewer_parameters_than_probes():
    for columns in (1, 2, 9):
        cls, J = barren.ModularMultiplication(61, targets.Bit(0)), jacobian(61, columns=columns)
        v = barren.gradient_variance(cls, jacobian=J, method="probes", rtol=0.05)
        assert abs(float(v) - reference.from_jacobian(cls, J).variance) <= 5 * v.standard_error + 1e-9 * float(v)


@pytest.mark.parametrize(
    ("kind", "message", "options"),
    [
        (ValueError, "rtol must be None or a number above 0", {"rtol": 0}),
        (ValueError, "rtol must be None or a number above 0", {"rtol": -0.1}),
        (ValueError, "rtol must be a finite number", {"rtol": float("nan")}),
        (TypeError, "rtol must be a finite number", {"rtol": "5 %"}),
        (ValueError, "seed must be", {"seed": -1}),
        (TypeError, "seed must be", {"seed": 0.5}),
        (TypeError, "per_parameter must be", {"per_parameter": 1}),
    ],
)
def test_bad_input(kind, message, options):
    cls = barren.ModularMultiplication(11, targets.Bit(0))
    with pytest.raises(kind, match=message):
        barren.gradient_variance(cls, jacobian=jacobian(11), method="probes", **options)
    with pytest.raises(kind, match=message):
        barren.plan(cls, jacobian=jacobian(11), **options)


def test_a_given_set_and_a_kernel_alone_have_no_probes():
    cls, J = barren.ModularMultiplication(11, targets.Bit(0)), jacobian(11)
    with pytest.raises(ValueError, match="a given set of multipliers is summed exactly"):
        barren.gradient_variance(cls.with_multipliers([1, 2]), jacobian=J, method="probes")
    with pytest.raises(ValueError, match="only Θ was given"):
        barren.gradient_variance(cls, ntk=J @ J.T, method="probes")


@pytest.mark.parametrize("form", ["forward", "backward"])
def test_an_error_that_is_not_reached_is_said(form, monkeypatch):
    monkeypatch.setattr(probes, "_MOST", 24)
    cls = barren.ModularMultiplication(61 if form == "backward" else 211, targets.Bit(0))
    given = {"jacobian": falling(211, 200, 0.99)}
    if form == "backward":
        given = {"model": _Backward().double(), "encoding": encodings.Bits()}
    with pytest.warns(UserWarning, match=r"stopped at \d+ probes with a relative standard error of .* rtol = 0.0001"):
        v = barren.gradient_variance(cls, method="probes", rtol=1e-4, **given)
    assert v.standard_error > 1e-4 * float(v)


def test_auto_takes_no_form_without_the_deviations_that_are_wanted(monkeypatch):
    monkeypatch.setattr(probes, "seconds", lambda problem, speeds: 0.0)
    cls, model = barren.ModularMultiplication(61, targets.Bit(0)), _Backward().double()
    options = {"encoding": encodings.Bits(), "rtol": 0.1}
    plan = barren.plan(cls, model, **options)
    assert plan.chosen.is_exact
    assert "its dual form gives no deviations, and they are wanted" in str(plan)
    assert barren.plan(cls, model, deviations=False, **options).method == "probes"
    assert barren.plan(cls, model, method="probes", **options).method == "probes"
    assert barren.gradient_variance(cls, model, **options).deviations.shape == (60,)


@pytest.mark.parametrize("cls", [barren.Parity(5), barren.Frequencies(7, targets.Square())])
def test_beside_residues_forward_mode_is_tried_where_an_estimate_may_be_made(cls):
    model, options = _Backward().double(), {"encoding": lambda x, p: np.outer(x, 0.5 ** np.arange(6))}
    if isinstance(cls, barren.Frequencies):
        options["inputs"] = inputs.RealSample(np.linspace(0.0, 0.9, 20))
    assert barren.plan(cls, model, **options).chosen.is_exact
    assert next(c for c in barren.plan(cls, model, **options).candidates if c.method == "probes").obstacle is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few inputs, many probes
        estimate = barren.gradient_variance(cls, model, method="probes", rtol=0.2, **options)
    exact = barren.gradient_variance(cls, model, deviations=False, **options)
    assert abs(float(estimate) - float(exact)) < 6 * estimate.standard_error
    with pytest.raises(ValueError, match="the estimate is of the dual form"):
        _ = estimate.deviations
    for verb in (barren.plan, barren.gradient_variance):
        with pytest.raises(ValueError, match="deviations must be None or False where probes take the dual form"):
            verb(cls, model, method="probes", deviations=True, **options)


def test_the_sketch_is_cut_to_the_memory_limit():
    cls, J = barren.ModularMultiplication(61, targets.Bit(0)), falling(61, 60, 0.9)
    problem = problem_of(cls, J, rtol=0.02)
    least = probes.smallest_memory(problem)
    for room, directions in [(0, 0), (8 * 60 * 16, 16), (8 * 60 * 1000, 64)]:
        limited = replace(problem, memory_limit=least + room)
        assert probes._largest_sketch(limited) == directions
        assert probes.memory(limited) <= least + room
        estimate, _ = probes._forward(limited, members.members_of(limited), np.random.default_rng(0))
        assert estimate.error <= 0.02 * estimate.value
        assert (estimate.exact > 0.0) == (directions > 0)


def test_what_it_returns_are_plain_floats():
    v = barren.gradient_variance(barren.ModularMultiplication(31), jacobian=np.eye(31), method="probes")
    assert {type(number) for number in (*v.per_layer.values(), *v.interval(), v.value, v.standard_error)} == {float}
