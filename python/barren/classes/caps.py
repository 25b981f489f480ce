"""Caps of the sphere: how likely a uniform unit vector lies in one, and in two at once (docs/theory, section 5).

With u uniform on the unit sphere in R^d and unit vectors ξ, η at the angle θ, let U = ⟨u, ξ⟩ and V = ⟨u, η⟩. The cap of
angle A is U > α = cos A, its measure the tail Q_d(A), of density c_d(1 − t²)^{(d−3)/2}. Both measures of one and of two
caps go from d − 2 to d by a term of known sign (a recursion as that of Dunnett and Sobel for Student's distribution),
and start from arcs of a circle for an even d, from the angles of a spherical triangle for an odd one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from barren._validate import Floats


def tail(dimension: int, angle: Floats) -> Floats:
    """Q_d(A) = P(U > cos A) for d ≥ 1, where U = ±1 for d = 1, and 0 < A < π."""
    return _last(_tails(dimension, np.cos(angle), np.sin(angle), angle))


@lru_cache(maxsize=4096)
def slope(dimension: int) -> float:
    """k_d = c_d/(d − 2) for d ≥ 3, c_d the constant of the density of U in R^d."""
    k, first = (0.5, 3) if dimension % 2 else (1.0 / np.pi, 4)
    for n in range(first, dimension, 2):
        k *= (n - 2) / (n - 1)
    return float(k)


def moment(dimension: int, angle: Floats) -> Floats:
    """E[U·1(U > cos A)] = c_d/(d − 1)·sin^{d−1} A."""
    return np.asarray(slope(dimension + 2) * np.sin(angle) ** (dimension - 1))


def ramp(dimension: int, angle: Floats) -> Floats:
    """E(U − cos A)₊."""
    return np.asarray(moment(dimension, angle) - np.cos(angle) * tail(dimension, angle))


class Pairs(NamedTuple):
    """Means of products over the two caps U > α and V > β.

    Attributes:
        both: P(U > α, V > β).
        left: E[(U − α)₊·1(V > β)], or None if ramps were not asked for; right: with the two exchanged.
        ramps: E[(U − α)₊(V − β)₊], or None.
    """

    both: Floats
    left: Floats | None = None
    right: Floats | None = None
    ramps: Floats | None = None


def pairs(dimension: int, A: Floats, B: Floats, theta: Floats, *, ramps: bool) -> Pairs:
    """Means over two caps of angles 0 < A, B ≤ π/2 whose centres are 0 ≤ θ ≤ π apart, d ≥ 2; arrays that broadcast.

    Every number is right to a few units of 1e-16: the sides of the spherical triangle A, B, θ enter by the sines of its
    half sums, so that caps that just touch lose no digits.
    """
    of_A, of_B, of_theta = triangle(A, B, theta)
    sine_A, sine_B, alpha, beta = np.sin(A), np.sin(B), np.cos(A), np.cos(B)
    sides = [(np.cos(angle), np.sin(angle), angle) for angle in (of_B, of_A)]  # x_α is the cosine of the angle at A
    if dimension % 2:
        both, first = 0.5 - of_theta / (2.0 * np.pi), 3
    else:
        overlap = np.minimum(np.minimum(A, B), 0.5 * (A + B - theta))
        both, first = np.maximum(overlap, 0.0) / np.pi, 4
    given_A, given_B = (_tails(dimension - 1, *side) for side in sides)
    for (n, at_A), (_, at_B) in zip(given_A, given_B, strict=True):
        if n + 1 >= first:
            both = both - slope(n + 1) * (alpha * sine_A ** (n - 2) * at_A + beta * sine_B ** (n - 2) * at_B)
    if not ramps:
        return Pairs(both)
    return _with_ramps(dimension, (A, B, theta), sides, both)


def _with_ramps(dimension: int, angles: tuple[Floats, ...], sides: Sequence[tuple[Floats, ...]], both: Floats) -> Pairs:
    """By z·p_d = −Σ∇(p_{d+2}/d) for the density p_d of z = (U, V) and its covariance Σ up to a factor."""
    A, B, theta = angles
    c, alpha, beta = np.cos(theta), np.cos(A), np.cos(B)
    of_A = moment(dimension, A) * _last(_tails(dimension + 1, *sides[0]))
    of_B = moment(dimension, B) * _last(_tails(dimension + 1, *sides[1]))
    mean_U, mean_V = of_A + c * of_B, c * of_A + of_B
    corner = slope(dimension + 3) * np.sin(A) * sides[0][1] ** dimension * np.sin(theta) * moment(dimension, A)
    inner = both - alpha * of_A - beta * of_B  # P(U > α, V > β) in R^{d+2}
    product = c * (alpha * of_A + beta * of_B + inner / dimension) + corner
    left, right = mean_U - alpha * both, mean_V - beta * both
    return Pairs(both, left, right, product - alpha * mean_V - beta * mean_U + alpha * beta * both)


def triangle(A: Floats, B: Floats, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """The angles opposite to the sides A, B and θ of a spherical triangle; 0 and π where the sides make none.

    tan²(C/2) = sin(s − A)sin(s − B)/(sin s·sin(s − θ)) for the angle C opposite to θ, s half the sum of the sides.
    """
    whole = np.sqrt(np.maximum(np.sin(0.5 * (A + B + theta)), 0.0))  # the sum is at most 2π, but for rounding
    less_A, less_B, less_theta = (
        np.sqrt(np.sin(np.maximum(0.5 * side, 0.0))) for side in (B + theta - A, A + theta - B, A + B - theta)
    )
    of_A = 2.0 * np.arctan2(less_B * less_theta, whole * less_A)
    of_B = 2.0 * np.arctan2(less_A * less_theta, whole * less_B)
    of_theta = 2.0 * np.arctan2(less_A * less_B, whole * less_theta)
    # One cap twice: the two angles sum to π, and how does not matter.
    of_A = np.where((less_A == 0.0) & (less_B == 0.0), np.pi, of_A)
    return of_A, of_B, of_theta


def _tails(dimension: int, cosine: Floats, sine: Floats, angle: Floats) -> Iterator[tuple[int, Floats]]:
    """Q_n for n = 1, 3, … or 2, 4, … up to `dimension`: Q_n = Q_{n−2} − k_n·cos·sin^{n−3}."""
    n, value = (1, np.full(np.shape(angle), 0.5)) if dimension % 2 else (2, angle / np.pi)
    power, square = (cosine if n == 1 else cosine * sine), sine**2
    yield n, value
    while n < dimension:
        n += 2
        value = value - slope(n) * power
        power = power * square
        yield n, value


def _last(tails: Iterator[tuple[int, Floats]]) -> Floats:
    *_, (_, value) = tails
    return value
