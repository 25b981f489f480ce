"""Means with their intervals, and slopes of log-log fits with two: one over the places, one over the seeds."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barren._intervals import t_interval, t_quantile

__all__ = ["LEVEL", "Fit", "Mean", "means", "power_law"]

LEVEL = 0.95
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """The values at one place.

    Attributes:
        x: the place.
        count: how many values there are.
        groups: how many groups they fall into.
        mean: of the groups' means; NaN where there is none.
        low: end of the t interval over the groups, NaN with one group.
        high: its other end.
        least: of the values.
        largest: of the values.
    """

    x: float
    count: int
    groups: int
    mean: float
    low: float
    high: float
    least: float
    largest: float


@dataclass(frozen=True)
class Fit:
    """The slope of a log-log fit. NaN where there is no such number.

    Attributes:
        slope: b in log y = log c + b·log x, by ordinary least squares on the mean of log y at every place.
        low: end of the t interval of the slope over the places, whose number less two are its degrees of freedom.
        high: its other end.
        factor: c.
        places: different x.
        seeds: how many seeds have a value at every place.
        seeds_low: end of the t interval of the mean of these seeds' own slopes.
        seeds_high: its other end.
        scatter: residual standard deviation, of log y.
        bend: p-value of a term (log x)² beside the others; small: the points are on no straight line.
        first: slope of the fit with that term at the least x.
        last: the same at the largest.
        used: values that went in.
        left_out: values that are not finite or not above 0.
    """

    slope: float
    low: float
    high: float
    factor: float
    places: int
    seeds: int
    seeds_low: float
    seeds_high: float
    scatter: float
    bend: float
    first: float
    last: float
    used: int
    left_out: int


def means(x: Sequence[float], values: Sequence[float], groups: Sequence[Hashable], *, log: bool) -> list[Mean]:
    """The mean at every distinct x with its 95 % t interval over groups, in increasing x.

    The mean is that of the means of the groups (seeds, members). With `log` it is the geometric one, its interval that
    of the mean logarithm, and values that are not above 0 are left out, as those that are not finite always are.

    Args:
        x: of every value.
        values: of every value.
        groups: what values have in common.
        log: whether to take means of logarithms.

    Cost: O(n log n).

    Example:
        >>> [found] = means([11, 11], [1.0, 4.0], [0, 1], log=True)
        >>> round(found.mean, 12), found.least, found.largest, found.groups
        (2.0, 1.0, 4.0, 2)
    """
    kept: dict[float, dict[Hashable, list[float]]] = {}
    for place, value, group in zip(x, values, groups, strict=True):
        if math.isfinite(value) and (value > 0.0 or not log):
            kept.setdefault(place, {}).setdefault(group, []).append(value)
    found = []
    for place in sorted(kept):
        some = list(kept[place].values())
        # The numbers are few and the places many: plain sums are quicker than arrays.
        of_groups = [math.fsum(map(math.log, one) if log else one) / len(one) for one in some]
        ends = (math.fsum(of_groups) / len(some), *t_interval(np.array(of_groups), LEVEL))
        mean, low, high = (_exp(end) for end in ends) if log else ends
        every = [value for one in some for value in one]
        found.append(Mean(place, len(every), len(some), mean, low, high, min(every), max(every)))
    return found


def power_law(x: Sequence[float], values: Sequence[float], seeds: Sequence[Hashable]) -> Fit | None:
    """The exponent of y = c·x^b; None with fewer than two places. docs/report says how to read the two intervals.

    One observation a place, the mean of log y over its seeds: initialisations are the same at every place, so seeds of
    a place are no independent observations of the slope, and what a seed adds to all places alike drops out of it.

    Args:
        x: above 0.
        values: y; those that are not finite or not above 0 are counted and left out.
        seeds: of every value.

    Cost: O(n log n).

    Example:
        >>> found = power_law([2, 4, 8, 16], [12.0, 6.0, 3.0, 1.5], [0, 0, 0, 0])
        >>> round(found.slope, 12), round(found.factor, 12), found.places
        (-1.0, 24.0, 4)
    """
    kept = [
        (float(a), v, s) for a, v, s in zip(x, values, seeds, strict=True) if math.isfinite(v) and v > 0.0 and a > 0
    ]
    places = sorted({place for place, _, _ in kept})
    if len(places) < 2:
        return None
    at = np.log(places)
    logs: dict[Hashable, dict[float, float]] = {}
    for place, value, seed in kept:
        logs.setdefault(seed, {})[place] = math.log(value)
    y = np.array([np.mean([one[place] for one in logs.values() if place in one]) for place in places])
    slope, intercept, error, scatter = _line(at, y)
    half = t_quantile(LEVEL, len(places) - 2) * error if len(places) > 2 else math.nan
    complete = [[one[place] for place in places] for one in logs.values() if len(one) == len(places)]
    over_seeds = t_interval(np.array([_line(at, np.array(one))[0] for one in complete]), LEVEL)
    return Fit(
        slope,
        slope - half,
        slope + half,
        _exp(intercept),
        len(places),
        len(complete),
        *over_seeds,
        scatter,
        *_bend(at, y),
        len(kept),
        len(values) - len(kept),
    )


def _exp(value: float) -> float:
    """The exponential, infinite where it is no double: an end of a wide interval may be."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _line(x: _Floats, y: _Floats) -> tuple[float, float, float, float]:
    """Slope, intercept, standard error of the slope and residual standard deviation: NaN with two points."""
    centred = x - x.mean()
    squares = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / squares
    intercept = float(y.mean()) - slope * float(x.mean())
    if len(x) < 3:
        return slope, intercept, math.nan, math.nan
    residuals = y - intercept - slope * x
    scatter = math.sqrt(float(residuals @ residuals) / (len(x) - 2))
    return slope, intercept, scatter / math.sqrt(squares), scatter


def _bend(x: _Floats, y: _Floats) -> tuple[float, float, float]:
    """p-value of the square term, and the slopes of the bent fit at both ends: NaN with fewer than five points."""
    from scipy.special import stdtr

    if len(x) < 5:
        return math.nan, math.nan, math.nan
    centred = x - x.mean()
    design = np.stack([np.ones_like(x), centred, centred**2], axis=1)
    q, r = np.linalg.qr(design)
    coefficients = np.linalg.solve(r, q.T @ y)
    residuals = y - design @ coefficients
    scatter = math.sqrt(float(residuals @ residuals) / (len(x) - 3))
    error = scatter * float(np.linalg.norm(np.linalg.inv(r)[2]))
    rounding = 1e-13 * max(1.0, float(np.abs(y).max()))
    # Points on a line up to rounding have no bend, whatever the ratio of two roundings says.
    bent = abs(coefficients[2]) * float(centred @ centred) ** 0.5 > rounding * len(x)
    chance = 2.0 * float(stdtr(len(x) - 3, -abs(coefficients[2]) / error)) if bent and error > 0.0 else float(not bent)
    first, last = (float(coefficients[1] + 2.0 * coefficients[2] * end) for end in (centred[0], centred[-1]))
    return chance, first, last
