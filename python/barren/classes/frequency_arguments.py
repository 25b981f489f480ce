"""The arguments of a class of frequencies, checked."""

from __future__ import annotations

import numbers
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from barren import _validate
from barren._validate import Floats, came

_EXACT_INTEGERS = 2**53  # frequencies are doubles in the core
_LARGEST_PRODUCT = 2.0**106  # from here on a product of two doubles is an integer: no digit of its fraction is left
_LARGEST_SIZE = 2.0**990
_MOST_LINES = 2.0**40  # of one pair of points in an exact integral: from there on a step does not move a
_MOST_STEPS = 2.0**38  # of all pairs: a quarter of an hour on one core
_MOST_CAPS = 2.0**24  # jumps and kinks over a sphere, of one point


def largest(A: object, kind: str) -> int | float:
    """A checked: a positive integer, or a positive number for an interval and a sphere."""
    if kind == "integers":
        if not isinstance(A, int | np.integer) and isinstance(A, numbers.Real | Fraction):
            _validate.refuse(TypeError, "A", "an integer (or pass integer=False for a on [0, A])", came(A))
        return _validate.integer("A", A, low=1, high=_EXACT_INTEGERS)
    number = _validate.real("A", A)
    if number <= 0.0:
        _validate.refuse(ValueError, "A", "above 0", came(A))
    return number


def given_frequencies(frequencies: ArrayLike, dimension: int | None) -> Floats:
    """Given frequencies as a read-only copy, at least one."""
    members = _validate.coordinates("frequencies", frequencies, dimension=dimension) + 0.0
    if len(members) == 0:
        _validate.refuse(ValueError, "frequencies", "at least one", came(frequencies))
    members.setflags(write=False)
    return members


def column(points: Floats) -> Floats:
    """A row a point, as the core takes it."""
    return points[:, np.newaxis] if points.ndim == 1 else points


def refuse_large(name: str, largest: Floats, points: Floats) -> None:
    """Refuse products of frequencies, in size at most `largest` a coordinate, with points where no fraction is left."""
    sizes = np.abs(column(points)).max(axis=0, initial=0.0)
    product = float((largest * sizes).sum()) if points.size else 0.0
    if product >= _LARGEST_PRODUCT or float(sizes.max(initial=0.0)) > _LARGEST_SIZE:
        expected = "such that a·x stays below 2^106 = 8.1e31: beyond it no digit of the fraction of a·x is left"
        _validate.refuse(ValueError, name, expected, f"{float(sizes.max()):g} with frequencies up to {largest.max():g}")


def refuse_lines(name: str, largest: float, steps: float) -> None:
    """Refuse an exact integral over [0, A] of too many lines of ψ, k·A·x of one pair of points or steps of all."""
    if largest >= _MOST_LINES:
        expected = "such that A·x stays below 2^40 for an exact integral over the interval"
        _validate.refuse(ValueError, name, expected, f"A·x = {largest:g}")
    if steps >= _MOST_STEPS:
        expected = (
            "points with at most 2^38 = 2.7e11 lines of ψ(ax) over [0, A] for an exact integral over the interval, "
            "summed over all pairs (fewer points or a smaller A; or frequencies= a sample of [0, A])"
        )
        _validate.refuse(ValueError, name, expected, f"{steps:.2g} lines")


def refuse_caps(name: str, most: float, steps: float) -> None:
    """Refuse a mean or kernel on a sphere of too many caps, those of one point or in steps of all pairs of them."""
    if most >= _MOST_CAPS:
        expected = "such that ψ(⟨a, x⟩) has fewer than 2^24 jumps and kinks on the sphere (or frequencies= a sample)"
        _validate.refuse(ValueError, name, expected, f"{most:.2g}")
    if steps >= _MOST_STEPS:
        expected = (
            "points with fewer pairs of jumps and kinks of ψ over the sphere, for an exact kernel in a quarter of an "
            "hour (fewer points or a smaller A; or frequencies= a sample, such as cls.draw(1000))"
        )
        _validate.refuse(ValueError, name, expected, f"{steps / _MOST_STEPS:.2g} times as many as that")


def drawn(
    kind: str, A: float | None, dimension: int, given: Floats | None, count: int, random: np.random.Generator
) -> Floats:
    """Independent frequencies of a class."""
    if given is not None:
        return np.asarray(given[random.integers(0, len(given), count)])
    assert A is not None
    if kind == "integers":
        return random.integers(1, int(A) + 1, count).astype(np.float64)
    if kind == "interval":
        return A * random.random(count)
    directions = random.standard_normal((count, dimension))
    return np.asarray(A * (directions / np.linalg.norm(directions, axis=1)[:, np.newaxis]))
