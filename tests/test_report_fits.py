"""Means and log-log fits: against scipy, against least squares written out, and by how often the intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from barren.sweeps.report.fits import means, power_law

PLACES = np.array([101, 149, 223, 331, 479, 701, 1021, 1499])
# P(273 or fewer, or 297 or more, of 300) is below 1 in 500 where an interval holds in 95 of 100.
HOLDS = range(274, 297)


def grid(seeds: int, places: np.ndarray = PLACES) -> tuple[list[float], list[int]]:
    """x and seed of every cell."""
    return [float(x) for x in places for _ in range(seeds)], [s for _ in places for s in range(seeds)]


def noisy(rng: np.random.Generator, seeds: int, slope: float = -1.3) -> tuple[list[float], list[float], list[int]]:
    """A power law with a part that seeds of a place share, one that places of a seed share, and one of the cell."""
    x, which = grid(seeds)
    at = np.searchsorted(PLACES, x)
    logs = slope * np.log(x) + 0.2 * rng.normal(size=len(PLACES))[at] + 0.5 * rng.normal(size=seeds)[which]
    return x, list(np.exp(logs + 0.05 * rng.normal(size=len(x)))), which


def test_the_slope_and_its_interval_are_those_of_scipy():
    x, y, seeds = noisy(np.random.default_rng(0), 5)
    found = power_law(x, y, seeds)
    of_places = np.log(y).reshape(len(PLACES), 5).mean(axis=1)
    line = stats.linregress(np.log(PLACES), of_places)
    half = stats.t.ppf(0.975, len(PLACES) - 2) * line.stderr
    assert found.slope == pytest.approx(line.slope, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((line.slope - half, line.slope + half), rel=1e-11)
    assert found.factor == pytest.approx(math.exp(line.intercept), rel=1e-11)
    assert (found.places, found.seeds, found.used, found.left_out) == (8, 5, 40, 0)


def test_the_interval_over_seeds_is_that_of_their_own_slopes():
    x, y, seeds = noisy(np.random.default_rng(1), 4)
    found = power_law(x, y, seeds)
    own = [stats.linregress(np.log(PLACES), np.log(y[s::4])).slope for s in range(4)]
    ends = stats.ttest_1samp(own, 0.0).confidence_interval(0.95)
    assert (found.seeds_low, found.seeds_high) == pytest.approx((ends.low, ends.high), rel=1e-11)
    assert np.mean(own) == pytest.approx(found.slope, rel=1e-12)


def test_the_bend_is_that_of_an_f_test():
    x, y, seeds = noisy(np.random.default_rng(2), 1)
    at, logs = np.log(PLACES), np.log(y)
    straight = np.linalg.lstsq(np.stack([at**0, at], axis=1), logs)[1][0]
    parabola, [rest], *_ = np.linalg.lstsq(np.stack([at**0, at, at**2], axis=1), logs)
    chance = stats.f.sf((straight - rest) / (rest / (len(at) - 3)), 1, len(at) - 3)
    found = power_law(x, y, seeds)
    assert found.bend == pytest.approx(chance, rel=1e-8)
    assert found.scatter == pytest.approx(math.sqrt(straight / (len(at) - 2)), rel=1e-10)
    ends = [parabola[1] + 2 * parabola[2] * end for end in (at[0], at[-1])]
    assert (found.first, found.last) == pytest.approx(ends, rel=1e-7)


def test_the_interval_over_places_holds_as_often_as_it_says():
    rng = np.random.default_rng(3)
    fits = [power_law(*noisy(rng, 3)) for _ in range(300)]
    assert sum(fit.low <= -1.3 <= fit.high for fit in fits) in HOLDS


def test_an_interval_that_took_cells_for_independent_would_not_hold():
    """Why there is one observation a place: the scatter of a place is shared by its seeds."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        x, y, _ = noisy(rng, 20)
        line = stats.linregress(np.log(x), np.log(y))
        held += abs(line.slope + 1.3) <= stats.t.ppf(0.975, len(x) - 2) * line.stderr
    assert held < HOLDS.start


def test_the_interval_over_seeds_holds_as_often_as_it_says():
    """Its truth is the mean slope of all initialisations at these very places."""
    rng = np.random.default_rng(4)
    shared = 0.3 * rng.normal(size=len(PLACES))
    truth = -1.3 + stats.linregress(np.log(PLACES), shared).slope
    held = 0
    for _ in range(300):
        slopes = -1.3 + 0.1 * rng.normal(size=6)
        x, seeds = grid(6)
        at = np.searchsorted(PLACES, x)
        logs = slopes[seeds] * np.log(x) + shared[at] + 0.05 * rng.normal(size=len(x))
        fit = power_law(x, list(np.exp(logs)), seeds)
        held += fit.seeds_low <= truth <= fit.seeds_high
    assert held in HOLDS


def test_what_a_seed_adds_everywhere_drops_out():
    x, y, seeds = noisy(np.random.default_rng(5), 4)
    plain = power_law(x, y, seeds)
    shifted = power_law(x, [value * 10.0**seed for value, seed in zip(y, seeds, strict=True)], seeds)
    for name in ("slope", "low", "high", "seeds_low", "seeds_high", "bend"):
        assert getattr(shifted, name) == pytest.approx(getattr(plain, name), rel=1e-9)


@pytest.mark.parametrize("slope", [-1.0, -0.5, 0.0, 2.0])
@pytest.mark.parametrize("factor", [1e-8, 1.0, 7e5])
def test_an_exact_power_law_has_no_width_and_no_bend(slope, factor):
    found = power_law(list(PLACES), list(factor * PLACES.astype(float) ** slope), [0] * len(PLACES))
    assert found.slope == pytest.approx(slope, abs=1e-12)
    assert found.factor == pytest.approx(factor, rel=1e-11)
    assert found.high - found.low < 1e-12
    assert found.bend > 0.01


def test_a_parabola_is_seen_with_the_slopes_at_its_ends():
    at = np.log(PLACES)
    found = power_law(list(PLACES), list(np.exp(-at - 0.1 * at**2)), [0] * len(PLACES))
    assert found.bend < 1e-6
    assert (found.first, found.last) == pytest.approx((-1 - 0.2 * at[0], -1 - 0.2 * at[-1]), rel=1e-9)


def test_seeds_with_gaps_are_left_to_the_means():
    x, y, seeds = noisy(np.random.default_rng(6), 3)
    y[4] = math.nan  # of the second place, seed 1
    found = power_law(x, y, seeds)
    assert (found.seeds, found.used, found.left_out, found.places) == (2, 23, 1, 8)
    logs = [np.mean([math.log(v) for v in y[3 * k : 3 * k + 3] if math.isfinite(v)]) for k in range(8)]
    assert found.slope == pytest.approx(stats.linregress(np.log(PLACES), logs).slope, rel=1e-11)


def test_what_cannot_be_fitted():
    assert power_law([], [], []) is None
    assert power_law([11.0, 11.0], [1.0, 2.0], [0, 1]) is None
    assert power_law([11.0, 13.0, 17.0], [0.0, -1.0, math.inf], [0, 0, 0]) is None
    two = power_law([10.0, 100.0], [1.0, 0.1], [0, 0])
    assert two.slope == pytest.approx(-1.0)
    assert all(math.isnan(v) for v in (two.low, two.high, two.scatter, two.bend, two.seeds_low))
    four = power_law([1.0, 2.0, 4.0, 8.0], [1.0, 2.0, 4.0, 9.0], [0] * 4)
    assert math.isfinite(four.low)
    assert math.isnan(four.bend)


def test_numbers_at_the_edge_of_doubles():
    found = power_law([10.0, 11.0, 12.0], [1e-320, 1.0, 1e308], [0, 0, 0])
    assert found.slope > 1000.0
    assert found.factor == 0.0
    [wide] = means([5.0, 5.0], [1e-320, 1e308], [0, 1], log=True)
    assert (wide.low, wide.high) == (0.0, math.inf)


def test_means_are_those_of_groups():
    values = [0.5, 0.7, 1.0, 0.9, 0.8]
    [found] = means([3.0] * 5, values, ["a", "a", "b", "b", "c"], log=False)
    of_groups = [0.6, 0.95, 0.8]
    low, high = stats.t.interval(0.95, 2, np.mean(of_groups), stats.sem(of_groups))
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(of_groups), low, high), rel=1e-12)
    assert (found.count, found.groups, found.least, found.largest) == (5, 3, 0.5, 1.0)


def test_geometric_means_are_means_of_logarithms():
    values = [1e-5, 4e-5, 9e-5, 2e-3]
    found = means([2.0, 2.0, 2.0, 1.0], values, [0, 1, 2, 0], log=True)
    low, high = stats.t.interval(0.95, 2, np.log(values[:3]).mean(), stats.sem(np.log(values[:3])))
    assert [mean.x for mean in found] == [1.0, 2.0]
    assert found[1].mean == pytest.approx(stats.gmean(values[:3]), rel=1e-12)
    assert (found[1].low, found[1].high) == pytest.approx((math.exp(low), math.exp(high)), rel=1e-11)
    assert math.isnan(found[0].low)


def test_means_leave_out_what_is_no_number():
    found = means([1.0, 1.0, 2.0, 3.0], [math.nan, 0.0, math.inf, -1.0], [0, 1, 0, 0], log=True)
    assert found == []
    assert [mean.x for mean in means([1.0, 1.0, 3.0], [math.nan, 0.0, -1.0], [0, 1, 0], log=False)] == [1.0, 3.0]
