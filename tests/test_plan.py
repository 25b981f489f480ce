"""The planner: what it predicts, chooses and says, and the cache of its rates."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from helpers import jacobian

import barren
from barren import encodings, models, targets
from barren.variance import calibration
from barren.variance.plan import METHODS, readable_seconds


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BARREN_CACHE", str(tmp_path / "cache"))
    calibration._rates.cache_clear()
    yield calibration.cache_file()
    calibration._rates.cache_clear()


def test_rates_are_measured_once_and_kept(cache, monkeypatch):
    first = calibration.rates(1)
    assert json.loads(cache.read_text()).keys() == {calibration._key(1)}
    calibration._rates.cache_clear()
    monkeypatch.setattr(calibration, "measure", None)  # what is in the file is not measured again
    assert calibration.rates(1) == first


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"a": 1}', None])
def test_a_damaged_cache_is_measured_again(cache, content):
    cache.parent.mkdir()
    if content is None:
        entry = {name: -1.0 for name in calibration.Rates.__dataclass_fields__}
        content = json.dumps({calibration._key(1): entry})
    cache.write_text(content)
    assert calibration.rates(1).product64 > 0.0
    assert calibration._key(1) in json.loads(cache.read_text())


def test_a_cache_that_cannot_be_written_is_no_error(cache):
    cache.parent.write_text("a file where the folder should be")
    assert calibration.rates(1).product64 > 0.0


def test_a_plan_says_what_every_method_would_cost():
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    model = models.mlp(7, (20,), seed=0)
    plan = barren.plan(cls, model, encoding=encodings.Bits(), loss="bce")
    assert [candidate.method for candidate in plan.candidates] == list(METHODS)
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
    large = barren.ModularMultiplication(100003, targets.Bit(0))
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


def test_single_parameters_need_columns():
    cls, J = barren.ModularMultiplication(101, targets.Bit(0)), jacobian(101)
    with pytest.raises(ValueError, match="the variance of every parameter is wanted"):
        barren.gradient_variance(cls, jacobian=J, method="kernel", per_parameter=True)
    assert barren.gradient_variance(cls, jacobian=J, per_parameter=True).method in ("direct", "character")


def test_rough_lengths_are_told_from_smooth_ones():
    rates = calibration.rates(1)
    assert calibration._largest_factor(12288) == 3
    assert rates.transform(10006) / rates.transform_rough == pytest.approx(10006 * math.log2(10006))
    assert rates.energy(12288) / rates.energy_smooth == pytest.approx(12288 * math.log2(12288))
    assert rates.responses(2) > 0.0


def test_times_are_written_as_people_read_them():
    texts = [readable_seconds(s) for s in (0.0012, 0.05, 3.21, 200.0, 9000.0)]
    assert texts == ["1.2 ms", "50 ms", "3.2 s", "3.3 min", "2.5 h"]


def test_a_plan_computes_nothing_of_the_variance(monkeypatch):
    for method in METHODS.values():
        monkeypatch.setattr(method, "run", None)
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    assert barren.plan(cls, jacobian=np.ones((101, 2))).method
