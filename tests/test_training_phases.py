"""Phases, bounds on accuracies and pooled intervals: by hand, by exact sums, by scipy, by simulation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from barren.training import metrics, phases
from barren.training.phases import Thresholds

STEPS = [0, 1, 10, 100, 1000]
LOW, HIGH = 0.5, 1.0


def reached(step: float) -> list[float]:
    """A history that is past every threshold from this step on."""
    return [HIGH if at >= step else LOW for at in STEPS]


@pytest.mark.parametrize(
    ("train", "test", "phase"),
    [
        (math.inf, math.inf, "fails"),
        (10, math.inf, "memorises"),
        (10, 10, "generalises"),
        (10, 100, "generalises"),  # at 10 times the step: not more than
        (10, 1000, "generalises late"),
        (100, 10, "generalises"),
        (math.inf, 100, "generalises"),
        (0, 0, "generalises"),
        (0, 10, "generalises"),  # the first record counts as step 1
        (0, 100, "generalises late"),
        (1, 10, "generalises"),
        (1, 100, "generalises late"),
    ],
)
def test_phases_by_the_steps_of_both_thresholds(train, test, phase):
    found = phases.phases(STEPS, reached(train), reached(test))
    assert found.shape == ()
    assert str(found) == phase
    assert phase in phases.PHASES
    falling = Thresholds(train=0.1, test=0.2, rising=False)
    losses = [1 - np.array(reached(at)) for at in (train, test)]
    assert str(phases.phases(STEPS, *losses, falling)) == phase


def test_phases_of_many_runs():
    train = np.array([reached(1), reached(1), reached(10), reached(math.inf)])
    test = np.array([reached(1), reached(math.inf), reached(1000), reached(math.inf)])
    expected = ["generalises", "memorises", "generalises late", "fails"]
    assert phases.phases(STEPS, train, test).tolist() == expected
    for run, phase in enumerate(expected):
        assert phases.phases(STEPS, train[run], test[run]) == phase
    assert phases.phases(STEPS, train, test, Thresholds(late=100.0)).tolist()[2] == "generalises"
    assert phases.phases(STEPS, train, test, Thresholds(train=1.1)).tolist()[1] == "fails"


def test_one_lucky_record_does_not_count_twice():
    test = [0.5, 0.96, 0.5, 0.96, 0.97]
    assert str(phases.phases(STEPS, reached(1), test)) == "generalises"
    assert str(phases.phases(STEPS, reached(1), test, Thresholds(records=2))) == "generalises late"
    assert str(phases.phases(STEPS, reached(1), test, Thresholds(records=3))) == "memorises"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_diverged_comes_first(bad):
    train, test = np.array([reached(1)] * 3), np.array([reached(1)] * 3)
    train[0, 3] = test[1, 4] = bad
    assert phases.phases(STEPS, train, test).tolist() == ["diverged", "diverged", "generalises"]
    stopped = phases.phases(STEPS, train, test, diverged=[False, True, True])
    assert stopped.tolist() == ["generalises", "diverged", "diverged"]


def test_the_defaults_are_those_of_the_docs():
    assert Thresholds() == Thresholds(train=0.99, test=0.95, late=10.0, records=1, rising=True)


def tail(k: int, n: int, q: Fraction) -> Fraction:
    """P(Binomial(n, q) ≥ k), exactly."""
    return sum((math.comb(n, j) * q**j * (1 - q) ** (n - j) for j in range(k, n + 1)), Fraction(0))


@pytest.mark.parametrize("n", [1, 2, 7, 30])
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_the_lower_bound_solves_the_equation_that_defines_it(n, level):
    found = phases.lower_bound(np.arange(n + 1) / n, n, level=level)
    assert found[0] == 0.0
    for k in range(1, n + 1):
        assert float(tail(k, n, Fraction(float(found[k])))) == pytest.approx(1 - level, rel=1e-9)


@pytest.mark.parametrize("n", [1, 5, 100, 1500, 10**6])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_bounds_are_scipys(n, level):
    for k in {0, 1, n // 3, n // 2, n - 1, n}:
        exact = stats.binomtest(k, n, alternative="greater").proportion_ci(level, method="exact")
        assert phases.lower_bound(k / n, n, level=level) == pytest.approx(exact.low, rel=1e-9)
        both = phases.accuracy_interval(k / n, n, level=level)
        two_sided = stats.binomtest(k, n).proportion_ci(level, method="exact")
        assert (both.low, both.high, both.level) == (two_sided.low, two_sided.high, level)


@pytest.mark.parametrize("n", [1, 10, 199, 1500])
@pytest.mark.parametrize("chance", [0.5, 0.6, 0.9])
def test_chance_alone_is_called_learned_at_most_once_in_a_hundred(n, chance):
    """The exact probability, and at the next accuracy the bound would not be passed: the test is not idle."""
    shares = np.arange(n + 1) / n
    called = phases.learned(shares, n, chance)
    assert (np.diff(called.astype(int)) >= 0).all()
    probability = stats.binom.pmf(np.arange(n + 1), n, chance)[called].sum()
    assert probability <= 0.01 * (1 + 1e-9)
    if called.any():
        first = int(called.argmax())
        assert stats.binom.sf(first - 2, n, chance) > 0.01


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1), st.booleans())
def test_a_constant_guess_never_learned(n, seed, guess):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < rng.random()).astype(int)
    share = metrics.accuracy(np.full(n, 1.0 if guess else -1.0), labels)
    assert not phases.learned(share, n, metrics.constant_accuracy(labels))


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 2000), st.data())
def test_bounds_are_ordered(n, data):
    k = data.draw(st.integers(0, n))
    one_sided = phases.lower_bound(k / n, n, level=0.975)
    two_sided = phases.accuracy_interval(k / n, n, level=0.95)
    assert one_sided == pytest.approx(two_sided.low, rel=1e-9)
    assert phases.lower_bound(k / n, n, level=0.99) <= one_sided <= k / n <= two_sided.high
    mirrored = phases.accuracy_interval((n - k) / n, n, level=0.95)
    assert mirrored.low == pytest.approx(1 - two_sided.high, abs=1e-9)


def test_a_diverged_run_did_not_learn():
    assert np.isnan(phases.lower_bound([np.nan, 1.0], 100)).tolist() == [True, False]
    assert phases.learned([np.nan, 1.0], [100, 50], [0.0, 0.5]).tolist() == [False, True]
    assert phases.learned(1.0, 100, 0.5).shape == ()


def test_a_bound_at_chance_is_not_above_it():
    bound = phases.lower_bound(0.75, 100)
    assert not phases.learned(0.75, 100, bound)
    assert phases.learned(0.75, 100, np.nextafter(bound, 0.0))
    assert not phases.learned(0.0, 10, 0.0)


def test_pooled_intervals_by_hand():
    shares, n = np.array([0.9, 1.0, 0.5, 0.6]), [10, 20, 10, 10]
    found = phases.pooled_accuracy(shares, n, level=0.9)
    assert (found.accuracy, found.runs, found.groups, found.points) == (shares.mean(), 4, 4, 50)
    exact = stats.binomtest(9 + 20 + 5 + 6, 50).proportion_ci(0.9, method="exact")
    assert (found.within.low, found.within.high) == (exact.low, exact.high)
    low, high = stats.t.interval(0.9, 3, loc=shares.mean(), scale=stats.sem(shares))
    assert (found.over_runs.low, found.over_runs.high) == pytest.approx((low, high), rel=1e-12)
    theirs = stats.bootstrap(
        (shares,), np.mean, confidence_level=0.9, n_resamples=50_000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    many = phases.pooled_accuracy(shares, n, level=0.9, resamples=50_000).bootstrap
    assert (many.low, many.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert phases.pooled_accuracy(shares, n, level=0.9) == found  # the seed decides
    assert phases.pooled_accuracy(shares, n, level=0.9, seed=1).over_runs == found.over_runs


def test_pooled_by_groups():
    """Runs of one prime go together: with equal runs in each group it is as if the groups were the runs."""
    means = np.array([0.5, 0.6, 1.0])
    repeated = np.repeat(means, 4)
    found = phases.pooled_accuracy(repeated, 100, groups=np.repeat(["p", "q", "r"], 4))
    alone = phases.pooled_accuracy(means, 400)
    assert (found.runs, found.groups, found.points) == (12, 3, 1200)
    assert found.within == alone.within
    assert (found.over_runs.low, found.over_runs.high) == pytest.approx((alone.over_runs.low, alone.over_runs.high))
    assert (found.bootstrap.low, found.bootstrap.high) == pytest.approx((alone.bootstrap.low, alone.bootstrap.high))
    narrow = phases.pooled_accuracy(repeated, 100).over_runs
    assert narrow.high - narrow.low < 0.6 * (found.over_runs.high - found.over_runs.low)


def test_the_bootstrap_draws_groups_with_all_their_runs():
    """Of two groups half of the resamples hold both, and then the mean is that over all runs."""
    shares, groups = [0.9, 0.5, 0.6, 0.7], [1, 0, 0, 0]
    middle = phases.pooled_accuracy(shares, 10, groups=groups, level=0.3).bootstrap
    assert (middle.low, middle.high) == pytest.approx((0.675, 0.675))
    ends = phases.pooled_accuracy(shares, 10, groups=groups, level=0.95).bootstrap
    assert (ends.low, ends.high) == pytest.approx((0.6, 0.9))


def test_one_run_has_no_interval_over_runs():
    found = phases.pooled_accuracy([0.7], 10)
    assert np.isnan([found.over_runs.low, found.over_runs.high, found.bootstrap.low, found.bootstrap.high]).all()
    assert found.within.low > 0
    agreed = phases.pooled_accuracy([1.0] * 5, 100)
    assert (agreed.over_runs.low, agreed.over_runs.high) == (1.0, 1.0)


def test_coverage_where_runs_differ():
    """Runs whose true accuracies differ: the interval over runs holds their mean as it says, the binomial does not."""
    rng = np.random.default_rng(0)
    repetitions, runs, n, mean = 400, 10, 1000, 0.75
    true = rng.beta(6, 2, size=(repetitions, runs))  # of mean 3/4
    shares = rng.binomial(n, true) / n
    held = {"within": 0, "over_runs": 0, "bootstrap": 0}
    for row in shares:
        found = phases.pooled_accuracy(row, n, resamples=400)
        for name in held:
            interval = getattr(found, name)
            held[name] += interval.low <= mean <= interval.high
    assert 365 <= held["over_runs"] <= 395  # 380 expected, standard deviation 4.4
    assert 340 <= held["bootstrap"] <= 390  # too short at ten runs, as percentiles are
    assert held["within"] < 150


def test_coverage_of_the_binomial_interval_for_given_runs():
    rng = np.random.default_rng(1)
    true = np.array([0.5, 0.7, 0.99, 0.8])
    held = 0
    for _ in range(400):
        found = phases.pooled_accuracy(rng.binomial(200, true) / 200, 200, resamples=100)
        held += found.within.low <= true.mean() <= found.within.high
    assert held >= 372  # at least 380 expected, since exact intervals are conservative; less two standard deviations


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: Thresholds(late=0.5), ValueError, "late must be a finite number, at least 1"),
        (lambda: Thresholds(records=0), ValueError, "records must be an integer, at least 1"),
        (lambda: Thresholds(train="high"), TypeError, "train must be a finite number"),
        (lambda: Thresholds(rising=1), TypeError, "rising must be True or False"),
        (lambda: phases.phases(STEPS, reached(1), [reached(1)]), ValueError, r"test must be of the shape of train"),
        (lambda: phases.phases(STEPS, [1.0], [1.0]), ValueError, r"train must be of shape \(5,\) or \(R, 5\)"),
        (lambda: phases.phases([0, 0], [1, 1], [1, 1]), ValueError, "steps must be increasing"),
        (lambda: phases.phases(STEPS, reached(1), reached(1), 0.9), TypeError, "thresholds must be Thresholds"),
        (
            lambda: phases.phases(STEPS, reached(1), reached(1), diverged=0),
            TypeError,
            r"diverged must be bools of shape \(\)",
        ),
        (lambda: phases.phases(STEPS, reached(1), reached(1), diverged=[True]), ValueError, "diverged must be bools"),
        (lambda: phases.lower_bound(0.55, 10), ValueError, "accuracy must be multiples of 1/points"),
        (lambda: phases.lower_bound(1.1, 10), ValueError, "accuracy must be multiples of 1/points"),
        (lambda: phases.lower_bound(np.inf, 10), ValueError, "accuracy must be multiples of 1/points"),
        (lambda: phases.lower_bound(0.5, 0), ValueError, "points must be at least 1"),
        (lambda: phases.lower_bound(0.5, 2.0), TypeError, "points must be integers"),
        (lambda: phases.lower_bound([0.5], [2, 2]), ValueError, r"points must be one number or of shape \(1,\)"),
        (lambda: phases.lower_bound(0.5, 2, level=1.0), ValueError, "level must be between 0 and 1"),
        (lambda: phases.learned(0.5, 2, 1.5), ValueError, r"chance must be in 0\.\.1"),
        (lambda: phases.learned([0.5], 2, [0.5, 0.5]), ValueError, "chance must be one number or of shape"),
        (lambda: phases.accuracy_interval(0.3, 7), ValueError, "accuracy must be multiples"),
        (lambda: phases.pooled_accuracy([0.5, np.nan], 10), ValueError, "accuracies must be .* finite"),
        (lambda: phases.pooled_accuracy([0.5], 10, groups=[1, 2]), ValueError, r"groups must be of shape \(1,\)"),
        (lambda: phases.pooled_accuracy([0.5], 10, groups=[None]), TypeError, "groups must be numbers or strings"),
        (lambda: phases.pooled_accuracy([0.5], 10, groups=[[1], []]), TypeError, "groups must be numbers or strings"),
        (lambda: phases.pooled_accuracy([0.5], 10, resamples=10), ValueError, "resamples must be an integer, at least"),
        (lambda: phases.pooled_accuracy([0.5], 10, seed=-1), ValueError, "seed must be an integer, at least 0"),
    ],
)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
