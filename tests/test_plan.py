"""The planner: what it predicts, chooses and says."""

from __future__ import annotations

import dataclasses
import itertools
import time
import warnings

import numpy as np
import pytest
from helpers import at_fixed_prices, jacobian

import barren
from barren import encodings, inputs, models, targets
from barren.variance import GivenJacobian, calibration, speeds
from barren.variance.plan import METHODS, NAMES, make_plan, readable_seconds


def test_a_plan_says_what_every_method_would_cost():
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    model = models.mlp(7, (20,), seed=0)
    plan = barren.plan(cls, model, encoding=encodings.Bits(), loss="bce")
    assert [candidate.method for candidate in plan.candidates] == list(NAMES)
    for candidate in plan.candidates:
        if candidate.obstacle is None:
            assert 0.0 < candidate.seconds < 100.0
            assert candidate.memory >= candidate.smallest_memory > 0
    assert plan.chosen.method == plan.method
    assert plan.seconds == min(c.seconds for c in plan.candidates if not c.obstacle and c.is_exact)
    assert plan.memory == plan.chosen.memory
    v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss="bce")
    assert v.plan.chosen.is_exact
    text = str(plan)
    for word in ["method", "model:", "memory limit", "exact, about", "estimate, about", "the loss is affine"]:
        assert word in text


def test_rtol_takes_probes_only_where_they_are_faster():
    small = barren.ModularMultiplication(101, targets.Bit(0))
    assert barren.plan(small, jacobian=jacobian(101), rtol=0.1).chosen.is_exact
    large = barren.ModularMultiplication(100001, targets.Bit(0))  # composite: no transform over characters
    model = models.mlp(17, (100, 100), seed=0)
    exact = barren.plan(large, model, encoding=encodings.Bits(), deviations=False)
    assert exact.chosen.is_exact
    loose = barren.plan(large, model, encoding=encodings.Bits(), deviations=False, rtol=0.1)
    assert loose.method == "probes"
    assert "estimate to rtol = 0.1" in loose.reason
    assert loose.seconds < exact.seconds


def test_where_nothing_exact_fits_an_estimate_is_taken_and_warned_of(monkeypatch):
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    for name in ("direct", "character", "kernel"):
        monkeypatch.setattr(METHODS[name], "smallest_memory", lambda problem: 2**50)
    with pytest.warns(UserWarning, match="no exact method fits in memory"):
        v = barren.gradient_variance(cls, jacobian=jacobian(101))
    assert v.method == "probes"
    assert v.standard_error > 0.0
    assert "no exact method fits" in v.explain()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert barren.gradient_variance(cls, jacobian=jacobian(101), rtol=0.1).method == "probes"


def test_a_limit_under_the_smallest_plan_lists_what_each_needs():
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    for verb in (barren.plan, barren.gradient_variance):
        with pytest.raises(ValueError, match=r"direct needs .*character needs .*kernel needs .*probes needs"):
            verb(cls, jacobian=jacobian(101), memory_limit=3000)
        with pytest.raises(ValueError, match=r"method 'kernel', which was asked for; .*kernel needs \d"):
            verb(cls, jacobian=jacobian(101), memory_limit=3000, method="kernel")
        # Less than the lists of members and points.
        with pytest.raises(ValueError, match=r"got 400 bytes, and here direct needs .*kernel needs .*probes needs"):
            verb(cls, jacobian=jacobian(101), memory_limit=400)


def test_probes_of_a_small_model_need_little():
    cls, model = barren.ModularMultiplication(61, targets.Bit(0)), models.mlp(6, (8,), seed=0)
    options = {"encoding": encodings.Bits(), "method": "probes", "rtol": 0.2}
    plan = barren.plan(cls, model, **options)
    assert plan.memory < 8 * 2**20
    limited = barren.gradient_variance(cls, model, memory_limit=plan.chosen.smallest_memory, **options)
    assert float(limited) == pytest.approx(float(barren.gradient_variance(cls, model, **options)), rel=0.5)


def test_single_parameters_need_columns():
    cls, J = barren.ModularMultiplication(101, targets.Bit(0)), jacobian(101)
    with pytest.raises(ValueError, match="the variance of every parameter is wanted"):
        barren.gradient_variance(cls, jacobian=J, method="kernel", per_parameter=True)
    assert barren.gradient_variance(cls, jacobian=J, per_parameter=True).method in ("direct", "character")


def test_a_safe_prime_is_priced_apart(monkeypatch):
    """(p − 1)/2 is the prime 50021 here, and 50001 = 3·7·2381 at the prime before it."""
    rates = dataclasses.replace(calibration.rates(1), energy_mixed=1e-6, energy_prime=2e-6)
    monkeypatch.setattr(speeds, "rates", lambda threads: rates)
    safe, other = (
        barren.plan(barren.ModularMultiplication(p), jacobian=np.ones((p, 640)), method="character", deviations=False)
        for p in (100043, 100003)
    )
    assert safe.seconds == pytest.approx(2.0 * other.seconds, rel=0.01)  # all else is small beside such transforms


def test_times_are_written_as_people_read_them():
    texts = [readable_seconds(s) for s in (0.0004, 0.0012, 0.05, 3.21, 200.0, 9000.0)]
    assert texts == ["under 1 ms", "1.2 ms", "50 ms", "3.2 s", "3.3 min", "2.5 h"]


def test_a_price_counts_what_every_call_takes():
    cls, J = barren.ModularMultiplication(11, targets.Bit(0)), jacobian(11)
    assert barren.plan(cls, jacobian=J).seconds > 1e-5  # hardly anything is computed
    problem = problem_of(without_rules())
    priced = speeds.Speeds(problem)
    assert problem.prepared > 0.0
    assert priced.fixed == priced.rates.call + problem.prepared + priced.model_call
    assert all(c.seconds > priced.fixed for c in make_plan(problem, "auto").candidates if not c.obstacle)


def test_derivatives_of_the_loss_at_every_label_are_priced():
    def slow(n, y):
        time.sleep(0.002)
        return (n - y) ** 2 * n / 6

    cls, model = barren.ModularMultiplication(127, targets.Residue()), models.mlp(7, (4,), seed=0)
    assert barren.plan(cls, model, encoding=encodings.Bits(), loss=slow).seconds >= 127 * 0.002


def test_a_plan_computes_nothing_of_the_variance(monkeypatch):
    for method in METHODS.values():
        monkeypatch.setattr(method, "run", None)
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    assert barren.plan(cls, jacobian=np.ones((101, 2))).method


# Models without a rule, and the price of their columns.


def without_rules(width: int = 6, hidden: int = 12):
    """Two products by einsum, which no rule knows."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.a = torch.nn.Parameter(torch.randn(width, hidden, generator=generator))
            self.b = torch.nn.Parameter(torch.randn(hidden, generator=generator))

        def forward(self, x):
            return torch.einsum("nh,h->n", torch.tanh(torch.einsum("nw,wh->nh", x, self.a)), self.b)

    return Model()


def tangent_of(model, p: int, encoding=None):
    from barren.tangents import tangent_of_model

    return tangent_of_model(model, (encoding or encodings.Bits())(np.arange(p), p))


def mixed():
    """A layer with a rule between two without."""
    import torch

    class Scaled(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.scale, self.shift = (torch.nn.Parameter(torch.ones(width) / (i + 2)) for i in range(2))

        def forward(self, x):
            return torch.tanh(x * self.scale + self.shift)

    return torch.nn.Sequential(Scaled(6), torch.nn.Linear(6, 9), Scaled(9), torch.nn.Linear(9, 1))


@pytest.mark.parametrize("make", [without_rules, mixed, lambda: models.mlp(6, (9,), seed=0)])
@pytest.mark.parametrize("columns", [1, 5, 12, 30, 1000])
@pytest.mark.parametrize("by_layer", [False, True])
def test_passes_are_counted_as_they_are_made(make, columns, by_layer, monkeypatch):
    from barren.tangents.columns import Columns

    tangent = tangent_of(make(), 61)
    limit = tangent.n * tangent.dtype.itemsize * columns
    seen = {"samples": 0, "entries": 0}
    rows = Columns.rows

    def counted(self, names, features):
        found = rows(self, names, features)
        seen["samples"] += len(features)
        seen["entries"] += sum(block.numel() for block in found.values())
        return found

    monkeypatch.setattr(Columns, "rows", counted)
    if by_layer:
        for layer in tangent._routes.reasons:
            list(tangent._other_columns([layer], limit))
    else:
        list(tangent.column_blocks(limit))
    passes, entries = tangent.column_passes(limit, by_layer=by_layer)
    assert (passes * tangent.n, entries * tangent.n) == (seen["samples"], seen["entries"])


def test_columns_of_a_given_jacobian_take_no_pass():
    assert GivenJacobian(np.ones((5, 3))).column_passes(8) == (0, 0)


def problem_of(model, p: int = 61, **more):
    from barren.variance.arguments import prepare

    asked = {"jacobian": None, "ntk": None, "encoding": encodings.Bits(), "loss": "mse", "inputs": None}
    asked |= {"method": "auto", "deviations": True, "per_parameter": False, "rtol": None, "seed": 0, "dtype": None}
    asked |= {"memory_limit": None, "threads": None, **more}
    return prepare(barren.ModularMultiplication(p, targets.Bit(0)), model, **asked)


def test_narrow_blocks_cost_the_passes_that_they_repeat(cache):
    problem = problem_of(without_rules())
    fast = speeds.Speeds(problem)
    fast.__dict__.update(a_pass=1.0, every_gradient=1.5)  # seconds a sample
    n, d = problem.tangent.n, problem.tangent.parameters
    one = fast.columns(n * d * 8)
    narrow = fast.columns(n * 4 * 8)
    passes, entries = problem.tangent.column_passes(n * 4 * 8)
    assert one == pytest.approx(n * 1.5, rel=1e-3)
    assert narrow == pytest.approx(n * (passes + 0.5 * entries / d), rel=1e-3)
    assert passes > 5


def test_timing_a_slow_model_stops_early(monkeypatch):
    """A clock that a sample moves by three seconds: one sample a measurement, and no more."""
    problem = problem_of(without_rules())
    clock, rows = [0.0], type(problem.tangent._routes.columns).rows

    def slow(self, names, features):
        clock[0] += 3.0 * len(features)
        return rows(self, names, features)

    monkeypatch.setattr(type(problem.tangent._routes.columns), "rows", slow)
    monkeypatch.setattr(speeds.time, "perf_counter", lambda: clock[0])
    timed = speeds.Speeds(problem, timed=True)
    assert timed.a_pass == timed.every_gradient == timed.backward == 3.0
    assert clock[0] == 9.0


def test_what_lives_on_another_device_is_timed(monkeypatch, cache):
    from barren.tangents.model import ModelTangent

    model = models.mlp(6, (12,), seed=0)
    assert not speeds.Speeds(problem_of(model)).timed
    monkeypatch.setattr(ModelTangent, "is_remote", property(lambda self: True))
    problem = problem_of(model)
    fast = speeds.Speeds(problem)
    monkeypatch.setattr(calibration, "rates", None)
    monkeypatch.setattr(speeds, "rates", None)  # no rate of this machine tells of a product there
    assert fast.timed
    assert min(fast.theta, fast.backward) > 0.0


def test_a_plan_says_where_its_prices_come_from(monkeypatch):
    from barren.tangents.model import ModelTangent

    cls, asked = barren.ModularMultiplication(61), {"encoding": encodings.Bits()}
    model = models.mlp(6, (12,), seed=0)
    here = barren.gradient_variance(cls, model, **asked)
    assert "another device" not in here.explain()
    monkeypatch.setattr(ModelTangent, "is_remote", property(lambda self: True))
    for explained in (str(barren.plan(cls, model, **asked)), barren.gradient_variance(cls, model, **asked).explain()):
        assert "the model is on another device and was timed there" in explained
        assert "at the rates of this machine's processor" in explained


# One rule for both verbs.

PROBLEMS = {
    "network": {"model": lambda: models.mlp(7, (20,), seed=0), "encoding": encodings.Bits(), "loss": "bce"},
    "without rules": {"model": lambda: without_rules(7), "encoding": encodings.Bits()},
    "cross-entropy": {
        "model": lambda: models.mlp(7, (9,), outputs=2, seed=0),
        "encoding": encodings.Bits(),
        "loss": "cross-entropy",
    },
    "jacobian": {"jacobian": lambda: jacobian(101)},
    "kernel": {"ntk": lambda: jacobian(101) @ jacobian(101).T},
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("multipliers", ["units", "all", "set"])
def test_the_plan_is_what_is_done(name, multipliers, monkeypatch):
    at_fixed_prices(monkeypatch)
    members = np.array([1, 2, 5, 7]) if multipliers == "set" else multipliers
    cls = barren.ModularMultiplication(101, targets.Bit(0), members)
    made = {"model": None} | {
        key: value() if key in ("model", "jacobian", "ntk") else value for key, value in PROBLEMS[name].items()
    }
    for deviations, rtol, limit in itertools.product((True, False), (None, 0.5), (None, 2**20)):
        asked = {**made, "deviations": deviations, "rtol": rtol, "memory_limit": limit}
        try:
            plan = barren.plan(cls, **asked)
        except ValueError:
            with pytest.raises(ValueError, match="memory_limit"):
                barren.gradient_variance(cls, **asked)
            continue
        v = barren.gradient_variance(cls, **asked)
        assert v.method == plan.method
        assert [c.method for c in v.plan.candidates] == [c.method for c in plan.candidates]
        assert (v.plan.memory, v.plan.reason) == (plan.memory, plan.reason)


def test_both_verbs_take_the_same_arguments():
    import inspect

    signatures = [inspect.signature(verb).parameters for verb in (barren.plan, barren.gradient_variance)]
    assert signatures[0] == signatures[1]
    assert inspect.signature(barren.plan).return_annotation == "Plan"
    cls, J = barren.ModularMultiplication(11), np.ones((11, 2))
    for call, message in [
        (
            lambda: barren.plan(cls, jacobian=J, methods="auto"),
            r"plan\(\) got an unexpected keyword argument 'methods'",
        ),
        (lambda: barren.plan(jacobian=J), r"plan\(\) missing a required argument: 'cls'"),
        (lambda: barren.plan(cls, None, J), r"plan\(\) too many positional arguments"),
    ]:
        with pytest.raises(TypeError, match=message):
            call()


@pytest.mark.parametrize("method", ["auto", "kernel", "direct"])
def test_long_work_is_timed_by_both_verbs(method, monkeypatch):
    monkeypatch.setitem(make_plan.__globals__, "_WORTH_TIMING", 0.0)
    model, timed = models.mlp(7, (20,), seed=0), []
    plain = speeds.Speeds.__init__

    def watched(self, problem, **how):
        timed.append(how.get("timed", False))
        plain(self, problem, **how)

    monkeypatch.setattr(speeds.Speeds, "__init__", watched)
    cls, asked = barren.ModularMultiplication(101, targets.Bit(0)), {"encoding": encodings.Bits(), "method": method}
    barren.plan(cls, model, **asked)
    barren.gradient_variance(cls, model, inputs=inputs.Uniform(), **asked)
    assert timed == [False, True, False, True]
