"""Rank correlations, AUC, their intervals and p-values: by counting pairs, by scipy, by simulation with known truth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import barren
from barren.training import prediction, ranks
from barren.training.prediction import predict

SHORT = 100  # resamples where the interval is not looked at


def auc_by_pairs(scores: np.ndarray, positive: np.ndarray) -> float:
    wins = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    return float(np.mean(wins))


def kendall_by_pairs(x: np.ndarray, y: np.ndarray) -> float:
    pairs = list(itertools.combinations(range(len(x)), 2))
    signs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in pairs]
    untied = [sum(sign[k] != 0 for sign in signs) for k in range(2)]
    return float(sum(a * b for a, b in signs) / math.sqrt(untied[0] * untied[1]))


def sample(n: int, seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, outcomes that go with them, and which learned; both classes are there."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    y = x + rng.standard_normal(n)
    if ties:
        x, y = np.round(x), np.round(y)
    learned = y + rng.standard_normal(n) > 0
    learned[:2] = True, False
    return x, y, learned


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [5, 12, 40])
@pytest.mark.parametrize("seed", range(4))
def test_values_by_counting_pairs_and_by_scipy(n, ties, seed):
    x, y, learned = sample(n, seed, ties)
    found = predict(x, y, learned, resamples=SHORT)
    assert (found.rows, found.members, found.learned) == (n, n, learned.sum())
    assert found.auc.value == pytest.approx(auc_by_pairs(x, learned), rel=1e-14)
    assert prediction.auc(x, learned) == found.auc.value
    wins = stats.mannwhitneyu(x[learned], x[~learned], method="asymptotic").statistic
    assert found.auc.value == pytest.approx(wins / learned.sum() / (~learned).sum(), rel=1e-14)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic, rel=1e-12)
    assert found.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic, rel=1e-12)
    assert found.kendall.value == pytest.approx(kendall_by_pairs(x, y), rel=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_weights_are_rows_written_out(ties):
    x, y, learned = sample(30, 7, ties)
    weights = prediction._drawn(np.random.default_rng(0), 20, 30)
    assert (weights.sum(axis=1) == 30).all()
    orders = ranks.order_of(x), ranks.order_of(y)
    found = [
        ranks.spearman(*orders, weights),
        ranks.kendall(*orders, weights),
        ranks.auc(orders[0], learned, weights),
    ]
    for row, each in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(30), each)
        assert found[0][row] == pytest.approx(stats.spearmanr(x[rows], y[rows]).statistic, rel=1e-12)
        assert found[1][row] == pytest.approx(stats.kendalltau(x[rows], y[rows]).statistic, rel=1e-12)
        assert found[2][row] == pytest.approx(auc_by_pairs(x[rows], learned[rows]), rel=1e-13)


def test_kendall_in_blocks():
    x, y, _ = sample(2000, 3, True)
    found = ranks.kendall(ranks.order_of(x), ranks.order_of(y), np.ones((1, 2000)))
    assert found[0] == pytest.approx(stats.kendalltau(x, y).statistic, rel=1e-12)


rows = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.booleans()), min_size=2, max_size=25)


def values_of(x, y, learned) -> list[float]:
    found = predict(x, y, learned, resamples=SHORT)
    return [found.spearman.value, found.kendall.value, found.auc.value]


@settings(deadline=None, max_examples=50)
@given(rows, st.randoms(use_true_random=False))
def test_only_the_order_of_values_counts_and_not_that_of_rows(table, shuffle):
    x, y, learned = (np.array(column) for column in zip(*table, strict=True))
    before = values_of(x, y, learned)
    turned = values_of(np.exp(x), y**3 + y, learned)  # increasing
    assert np.array_equal(turned, before, equal_nan=True)
    order = list(range(len(table)))
    shuffle.shuffle(order)
    assert np.allclose(values_of(x[order], y[order], learned[order]), before, rtol=1e-13, equal_nan=True)


@settings(deadline=None, max_examples=50)
@given(rows)
def test_the_opposite_score(table):
    """AUC(−s) = 1 − AUC(s), and of the others the sign changes; so do the intervals, and the p-values stay."""
    x, y, learned = (np.array(column) for column in zip(*table, strict=True))
    one, other = (predict(scores, y, learned, resamples=SHORT) for scores in (x, -x))
    for name, turn in (("spearman", 0.0), ("kendall", 0.0), ("auc", 1.0)):
        a, b = getattr(one, name), getattr(other, name)
        assert b.value == pytest.approx(turn - a.value, abs=1e-12, nan_ok=True)
        assert b.interval.low == pytest.approx(turn - a.interval.high, abs=1e-12, nan_ok=True)
        assert b.interval.high == pytest.approx(turn - a.interval.low, abs=1e-12, nan_ok=True)
        assert np.array_equal(a.p_value, b.p_value, equal_nan=True)
        assert a.reason == b.reason
    swapped = predict(x, y, ~learned, resamples=SHORT).auc.value
    assert swapped == pytest.approx(1 - one.auc.value, abs=1e-12, nan_ok=True)


def test_p_values_by_all_permutations():
    x, y, learned = np.array([1.0, 2, 2, 3, 4, 5]), np.array([2.0, 1, 3, 3, 4, 6]), np.array([0, 0, 1, 0, 1, 1], bool)
    found = predict(x, y, learned, resamples=40_000)
    orders = [np.array(order) for order in itertools.permutations(range(6))]
    for statistic, values in (
        (found.spearman, [stats.spearmanr(x[order], y).statistic for order in orders]),
        (found.auc, [auc_by_pairs(x[order], learned) - 0.5 for order in orders]),
    ):
        observed = abs(values[0])  # the first permutation is the identity
        exact = np.mean(np.abs(values) >= observed - 1e-12)
        assert 0.01 < exact < 0.5
        assert statistic.p_value == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 40_000))
    assert math.isnan(found.kendall.p_value)


def test_the_seed_decides():
    x, y, learned = sample(30, 1, True)
    assert predict(x, y, learned) == predict(x, y, learned)
    other = predict(x, y, learned, seed=1)
    assert other.spearman.value == predict(x, y, learned).spearman.value
    assert other.spearman.interval != predict(x, y, learned).spearman.interval


def test_blocks_of_resamples_change_nothing(monkeypatch):
    x, y, learned = sample(30, 1, True)
    whole = predict(x, y, learned)
    monkeypatch.setattr(prediction, "_BLOCK", 30 * 64)
    assert predict(x, y, learned) == whole


def test_the_bootstrap_of_the_auc_keeps_both_classes(monkeypatch):
    """Within each class where a member is a row; whole members where it has several."""
    drawn = []
    plain = ranks.auc

    def watched(scores, positive, weights):
        drawn.append(weights)
        return plain(scores, positive, weights)

    monkeypatch.setattr(ranks, "auc", watched)
    x, y, learned = sample(12, 0, False)
    predict(x, y, learned, resamples=SHORT)
    assert (drawn[1][:, learned].sum(axis=1) == learned.sum()).all()
    assert (drawn[1][:, ~learned].sum(axis=1) == (~learned).sum()).all()
    predict(x, y, learned, members=np.repeat([3, 1, 2], 4), resamples=SHORT)
    assert (drawn[3].sum(axis=1) == 12).all()
    assert (drawn[3].reshape(SHORT, 3, 4) == drawn[3].reshape(SHORT, 3, 4)[:, :, :1]).all()
    assert np.ptp(drawn[3][:, learned].sum(axis=1)) > 0


def held_by(found: prediction.Statistic, truth: float) -> bool:
    return found.interval.low <= truth <= found.interval.high


def test_coverage_of_rank_correlations():
    """Normal pairs of correlation r: Spearman's is (6/π)·asin(r/2), Kendall's (2/π)·asin(r)."""
    rng = np.random.default_rng(0)
    repetitions, n, r = 300, 80, 0.5
    truths = {"spearman": 6 / math.pi * math.asin(r / 2), "kendall": 2 / math.pi * math.asin(r)}
    held = dict.fromkeys(truths, 0)
    for _ in range(repetitions):
        x = rng.standard_normal(n)
        y = r * x + math.sqrt(1 - r**2) * rng.standard_normal(n)
        found = predict(x, y, y > 0, resamples=300)
        for name, truth in truths.items():
            held[name] += held_by(getattr(found, name), truth)
    for name, count in held.items():
        assert 274 <= count <= 296, (name, count)  # 285 expected, standard deviation 3.8


@pytest.mark.parametrize("ties", [False, True])
def test_coverage_of_the_auc(ties):
    """Normal scores a distance 1 apart: Φ(1/√2). With ties: scores of two binomials, the truth by summation."""
    rng = np.random.default_rng(1)
    repetitions, positives, negatives, held = 300, 40, 40, 0
    learned = np.arange(positives + negatives) < positives
    truth = float(stats.norm.cdf(1 / math.sqrt(2)))
    if ties:
        above, below = stats.binom.pmf(np.arange(6), 5, 0.6), stats.binom.pmf(np.arange(6), 5, 0.4)
        truth = float(above @ (np.cumsum(below) - 0.5 * below))
    for _ in range(repetitions):
        x = rng.binomial(5, np.where(learned, 0.6, 0.4)) if ties else rng.standard_normal(len(learned)) + learned
        held += held_by(predict(x, learned * 1.0, learned, resamples=300).auc, truth)
    assert 274 <= held <= 296  # 285 expected, standard deviation 3.8


def clustered(rng: np.random.Generator, members: int, seeds: int, r: float) -> tuple[np.ndarray, ...]:
    """Scores and outcomes of variance 1 and correlation 0.9·r, nearly all of it between members."""
    pair = rng.standard_normal((members, 2))
    pair[:, 1] = r * pair[:, 0] + math.sqrt(1 - r**2) * pair[:, 1]
    both = math.sqrt(0.9) * np.repeat(pair, seeds, axis=0) + math.sqrt(0.1) * rng.standard_normal((members * seeds, 2))
    return both[:, 0], both[:, 1], np.repeat(np.arange(members), seeds)


def test_coverage_where_members_have_several_seeds():
    """Whole members are drawn, so intervals hold the truth; drawing rows as if they were apart does not."""
    rng = np.random.default_rng(2)
    repetitions, r = 300, 0.6
    spearman = 6 / math.pi * math.asin(0.9 * r / 2)
    # P(x > x' | y > 0 > y') = P(x + x' > 0 | y > 0, y' > 0), the probability of an orthant of three normals.
    area = 0.5 + 2 / math.pi * math.asin(0.9 * r / math.sqrt(2))
    held = {"whole": 0, "apart": 0, "auc": 0}
    for _ in range(repetitions):
        x, y, members = clustered(rng, 60, 4, r)
        whole = predict(x, y, y > 0, members=members, resamples=300)
        held["whole"] += held_by(whole.spearman, spearman)
        held["auc"] += held_by(whole.auc, area)
        held["apart"] += held_by(predict(x, y, y > 0, resamples=SHORT).spearman, spearman)
    assert whole.members == 60
    assert 272 <= held["whole"] <= 296, held
    assert 272 <= held["auc"] <= 296, held
    assert held["apart"] < 230, held


def test_p_values_under_independence():
    """At most a twentieth is below 0.05, also for members with several seeds; rows permuted apart fail there."""
    rng = np.random.default_rng(3)
    small = {"spearman": 0, "auc": 0, "apart": 0}
    for _ in range(300):
        x, y, members = clustered(rng, 20, 4, 0.0)
        found = predict(x, y, y > 0, members=members, resamples=199)
        small["spearman"] += found.spearman.p_value <= 0.05
        small["auc"] += found.auc.p_value <= 0.05
        small["apart"] += predict(x, y, y > 0, resamples=199).spearman.p_value <= 0.05
    assert 4 <= small["spearman"] <= 26, small  # 15 expected, standard deviation 3.8
    assert 4 <= small["auc"] <= 26, small
    assert small["apart"] > 60, small


def test_what_is_not_defined_says_why():
    x, y = np.arange(6.0), np.array([1.0, 2, 3, 4, 5, 7])
    some = y > 3
    for found, reasons in (
        (predict(np.ones(6), y, some), ("the scores are all equal", "the scores are all equal", None)),
        (predict(x, np.ones(6), some), ("the outcomes are all equal", "the outcomes are all equal", None)),
        (predict(x, y, y > 9), (None, None, "no row learned")),
        (predict(x, y, y > 0), (None, None, "every row learned")),
        (predict([1.0], [1.0], [True]), ("one row has no order", "one row has no order", "every row learned")),
    ):
        for statistic, reason in zip((found.spearman, found.kendall, found.auc), reasons, strict=True):
            assert statistic.reason == reason
            assert math.isnan(statistic.value) == (reason is not None)
            assert math.isnan(statistic.interval.low) == (reason is not None)
    constant = predict(np.ones(6), y, some).auc
    assert (constant.value, constant.interval.low, constant.interval.high, constant.p_value) == (0.5, 0.5, 0.5, 1.0)
    single = predict(x, y, y > 5).auc
    assert (single.value, single.reason) == (1.0, "one row learned: no interval")
    assert math.isnan(single.interval.low)
    assert single.p_value > 0.05
    assert predict(x, y, y > 1).auc.reason == "one row did not learn: no interval"
    alone = predict(x, y, some, members=["a"] * 6)
    assert {s.reason for s in (alone.spearman, alone.kendall, alone.auc)} == {"all rows are of one member"}
    assert alone.spearman.value == 1.0
    uneven = predict(x, y, some, members=[0, 0, 0, 1, 2, 3])
    assert uneven.auc.reason == "no p-value: members have different numbers of rows"
    assert math.isnan(uneven.auc.p_value)
    assert not math.isnan(uneven.auc.interval.low)
    assert math.isnan(prediction.auc(x, y > 9))


def test_resamples_without_an_order_are_left_out():
    x, y, learned = np.array([1.0, 1, 1, 2]), np.array([1.0, 2, 3, 4]), np.array([False, True, True, True])
    found = predict(x, y, learned, resamples=1000)
    assert found.spearman.resamples == pytest.approx(1000 * (1 - 0.75**4 - 0.25**4), abs=60)
    assert math.isfinite(found.spearman.interval.low)


def test_no_interval_of_kendall_above_two_thousand_rows():
    x, y, learned = sample(2001, 0, False)
    found = predict(x, y, learned, resamples=SHORT)
    assert found.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic, rel=1e-12)
    assert found.kendall.reason == "no interval above 2000 rows"
    assert found.spearman.reason is None


def test_horizons_beside_steps():
    variances, steps = [1e-8, 1e-4, 0.0, 1e-8, 1e3, 1e3], [50, 7, 9, np.nan, 3, 0]
    table = prediction.compare_horizons(variances, steps, error=1e-3, probability=0.75)
    for row, var, at in zip(table, variances, steps, strict=True):
        assert row.horizon == barren.oracle_horizon(var, error=1e-3, probability=0.75)
        assert (row.variance, row.error) == (var, 1e-3)
        assert row.steps == at or math.isnan(at)
    assert [row.horizon for row in table] == [25, 0, math.inf, 25, 0, 0]
    assert np.array_equal([row.ratio for row in table], [2.0, np.inf, 0.0, np.nan, np.inf, np.nan], equal_nan=True)
    assert [row.sooner for row in table] == [False, False, True, False, False, False]
    each = prediction.compare_horizons([1e-8] * 2, [5, 5], error=[1e-3, 1e-2], probability=0.75)
    assert [row.horizon for row in each] == [25, 2500]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: predict([1.0, 2.0], [1.0], [True, False]), ValueError, "outcomes must be a 1-D array of 2"),
        (lambda: predict([1.0, np.nan], [1.0, 2.0], [True, False]), ValueError, "scores must be .* finite"),
        (lambda: predict([1.0, 2.0], [1.0, np.nan], [True, False]), ValueError, "outcomes must be .* finite"),
        (lambda: predict([1.0, 2.0], [1.0, 2.0], [1, 0]), TypeError, "learned must be bools of shape"),
        (
            lambda: predict([1.0, 2.0], [1.0, 2.0], [True]),
            ValueError,
            r"learned must be bools of shape \(2,\); got",
        ),
        (lambda: predict([], [], []), ValueError, "scores must be .* at least one entry"),
        (lambda: predict([1.0], [1.0], [True], members=[1, 2]), ValueError, r"members must be of shape \(1,\)"),
        (lambda: predict([1.0], [1.0], [True], level=0.0), ValueError, "level must be between 0 and 1"),
        (lambda: predict([1.0], [1.0], [True], resamples=9), ValueError, "resamples must be an integer, at least 100"),
        (lambda: predict([1.0], [1.0], [True], seed=0.5), TypeError, "seed must be an integer"),
        (lambda: prediction.auc([1.0], ["x"]), TypeError, "positive must be bools"),
        (lambda: prediction.compare_horizons([1.0], [1, 2], error=1.0), ValueError, r"steps must be of shape \(1,\)"),
        (lambda: prediction.compare_horizons([1.0], [-1], error=1.0), ValueError, "steps must be at least 0"),
        (lambda: prediction.compare_horizons([-1.0], [1], error=1.0), ValueError, "variance must be"),
        (lambda: prediction.compare_horizons([1.0], [1], error=0.0), ValueError, "error must be positive"),
        (lambda: prediction.compare_horizons([1.0], [1], error=[1, 2]), ValueError, "error must be one number or"),
    ],
)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
