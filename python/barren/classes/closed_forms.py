"""Means and kernels of frequency classes without a sum over members (docs/theory, section 5).

With D(t) = E_a cos(2πat) the class of cosines has the mean D(kx) and the kernel
½(D(kx − ky) + D(kx + ky)) − D(kx)D(ky).
Phases are kept as the sum of two doubles, so that A·t has its fraction right where A is large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from barren import _core, _twofold
from barren._twofold import Twofold
from barren._validate import Floats
from barren.targets.circle import Circle

if TYPE_CHECKING:
    from barren.classes.frequency import Frequencies

_BLOCK_BYTES = 1 << 25
_HIGH_DIMENSION = 100  # from here on Γ(d/2) and J_ν come near the ends of the range of doubles
_GEGENBAUER_NODES = 96
# k·A·x up to here is small: 40 nodes integrate products of sin² of it without an error.
_SMALL_PHASE, _LEGENDRE_NODES = 0.25, 40
_MOST_PHASES = 1 << 22


def mean_of_cosines(cls: Frequencies, x: Floats) -> Floats:
    """D(kx)."""
    if cls.kind == "sphere":
        return _on_sphere(cls, np.sqrt(np.sum(x**2, axis=1)))
    x = _within_a_period(cls, x)
    return _averaged(cls, (x, np.zeros_like(x)))


def kernel_of_cosines(cls: Frequencies, x: Floats, y: Floats) -> Floats:
    """½(D(kx − ky) + D(kx + ky)) − D(kx)D(ky), a block of rows at a time; by nodes where that would cancel."""
    nodes = _nodes_of_small_phases(cls, x, y)
    if nodes is not None:
        return _kernel_at_nodes(cls, x, y, *nodes)
    mean_x, mean_y = mean_of_cosines(cls, x), mean_of_cosines(cls, y)
    x, y = _within_a_period(cls, x), _within_a_period(cls, y)
    out = np.empty((len(x), len(y)))
    step = max(1, _BLOCK_BYTES // (8 * max(1, len(y)) * cls.dimension))
    for start in range(0, len(x), step):
        rows = x[start : start + step, np.newaxis]
        if cls.kind == "sphere":
            less, more = (_on_sphere(cls, np.sqrt(np.sum((rows + sign * y) ** 2, axis=2))) for sign in (-1.0, 1.0))
        else:
            less, more = (_averaged(cls, _twofold.two_sum(rows, sign * y)) for sign in (-1.0, 1.0))
        out[start : start + step] = 0.5 * (less + more) - mean_x[start : start + step, np.newaxis] * mean_y
    return out


def _nodes_of_small_phases(cls: Frequencies, x: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Frequencies and weights that give E_a where k·A·x is small at all points, else None: the closed form serves.

    On [0, A] a Gauss–Legendre rule, exact to rounding there; on 1..A the frequencies themselves, if they are few.
    """
    if cls.kind == "sphere":
        return None
    A, size = float(cls.A or 0.0), len(x) + len(y)
    largest = max(np.abs(_within_a_period(cls, points)).max(initial=0.0) for points in (x, y))
    if abs(cls.circle.harmonic) * A * largest > _SMALL_PHASE:
        return None
    if cls.kind == "interval":
        nodes, weights = np.polynomial.legendre.leggauss(_LEGENDRE_NODES)
        return 0.5 * A * (nodes + 1.0), 0.5 * weights
    if A * size > _MOST_PHASES:
        return None
    return np.arange(1.0, A + 1.0), np.full(int(A), 1.0 / A)


def _kernel_at_nodes(cls: Frequencies, x: Floats, y: Floats, nodes: Floats, weights: Floats) -> Floats:
    """The covariance of 1 − cos(2πt) = 2·sin²(πt), t = kax: the one that would cancel is never added."""
    sides = []
    for points in (x, y):
        phases = np.multiply.outer(nodes, abs(cls.circle.harmonic) * _within_a_period(cls, points))
        side = 2.0 * np.sin(np.pi * phases) ** 2
        side -= weights @ side
        sides.append(side)
    out: Floats = (weights[:, np.newaxis] * sides[0]).T @ sides[1]
    return out


def _within_a_period(cls: Frequencies, x: Floats) -> Floats:
    """The number x less the nearest integer, which integer frequencies do not see; exact."""
    return x - np.rint(x) if cls.kind == "integers" else x


def _averaged(cls: Frequencies, t: Twofold) -> Floats:
    """D(kt) for a on 1..A: sin(πAt)cos(π(A+1)t)/(A·sin πt); for a on [0, A]: sin(2πAt)/(2πAt)."""
    A = float(cls.A or 0.0)
    t = _twofold.times(float(cls.circle.harmonic), t)
    if cls.kind == "interval":
        return _ratio(_sine(_twofold.times(A, t)), 2.0 * np.pi * A * t[0])
    t = _twofold.fraction(t)
    half = (0.5 * t[0], 0.5 * t[1])  # sin(πAt) = sin(2π·A·t/2)
    dirichlet = _sine(_twofold.times(A, half)) * _cosine(_twofold.times(A + 1.0, half))
    return _ratio(dirichlet, A * np.sin(np.pi * t[0]))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """numerator/denominator, and 1, the limit, where both vanish."""
    zero = denominator == 0.0
    return np.asarray(np.where(zero, 1.0, numerator / np.where(zero, 1.0, denominator)))


def _sine(turns: Twofold) -> Floats:
    return np.asarray(np.sin(2.0 * np.pi * _twofold.fraction(turns)[0]))


def _cosine(turns: Twofold) -> Floats:
    return np.asarray(np.cos(2.0 * np.pi * _twofold.fraction(turns)[0]))


def _on_sphere(cls: Frequencies, norms: Floats) -> Floats:
    """E cos(2πk⟨a, x⟩) for a on the sphere of radius A: Γ(d/2)·(2/r)^ν·J_ν(r), ν = d/2 − 1, r = 2πkA‖x‖."""
    from scipy.special import gamma, jv

    order = cls.dimension / 2 - 1
    r = 2.0 * np.pi * abs(cls.circle.harmonic) * float(cls.A or 0.0) * norms
    if cls.dimension >= _HIGH_DIMENSION:
        return _by_gegenbauer(cls.dimension, r)
    # Below 1e-4 two terms of the series are exact to rounding, and (2/r)^ν may not be.
    small = r < 1e-4
    safe = np.where(small, 1.0, r)
    return np.asarray(
        np.where(small, 1.0 - r**2 / (2.0 * cls.dimension), gamma(order + 1) * (2.0 / safe) ** order * jv(order, safe))
    )


def _by_gegenbauer(dimension: int, r: Floats) -> Floats:
    """E cos(ru), u the first coordinate on the unit sphere, by a Gauss rule for its density (1 − u²)^{(d−3)/2}.

    Nothing overflows here, as Γ(d/2) and J_ν do. u is nearly normal of variance 1/d: from r² = 80d on the mean is
    negligible, and 0 is returned; up to there the rule is right to about 5e-15.
    """
    from scipy.special import roots_gegenbauer

    nodes, weights = roots_gegenbauer(_GEGENBAUER_NODES, dimension / 2 - 1)
    out, half = np.zeros_like(r), _GEGENBAUER_NODES // 2  # the rule is symmetric
    for node, weight in zip(nodes[half:], weights[half:] / weights[half:].sum(), strict=True):
        out += weight * np.cos(node * r)
    return np.asarray(np.where(r**2 < 80.0 * dimension, out, 0.0))


def mean_over_interval(circle: Circle, A: float, x: Floats) -> Floats:
    """(1/A)∫₀^A ψ(ax)da: with T = A|x|, whole periods and a part of one, (⌊T⌋·∫ψ + ∫₀^{T−⌊T⌋}ψ(±t)dt)/T."""
    product = _twofold.two_product(A, np.abs(x))
    whole = np.floor(product[0])
    rest = np.clip((product[0] - whole) + product[1], 0.0, 1.0)
    part = np.where(x < 0.0, circle.mean - _integral(circle, 1.0 - rest), _integral(circle, rest))
    zero = x == 0.0
    means = (whole * circle.mean + part) / np.where(zero, 1.0, product[0])
    return np.asarray(np.where(zero, _at_zero(circle), means))


def kernel_over_interval(circle: Circle, A: float, x: Floats, y: Floats, threads: int) -> Floats:
    """(1/A)∫₀^A ψ(ax)ψ(ay)da less the product of the means, for a ψ of lines; 0 where x or y is 0."""
    assert circle.pieces is not None
    out = np.zeros((len(x), len(y)))
    rows, columns = np.flatnonzero(x), np.flatnonzero(y)
    products = _core.interval_products(A * x[rows], A * y[columns], _centred(circle), threads)
    means = [mean_over_interval(circle, A, points) - circle.mean for points in (x[rows], y[columns])]
    out[np.ix_(rows, columns)] = products - np.multiply.outer(*means)
    return out


def _centred(circle: Circle) -> Floats:
    """The lines of ψ less its mean over a period, so that fewer digits are lost."""
    assert circle.pieces is not None
    return np.ascontiguousarray(circle.pieces - np.array([0.0, circle.mean, 0.0]))


def _integral(circle: Circle, t: Floats) -> Floats:
    """∫₀^t ψ for t in [0, 1]."""
    assert circle.pieces is not None
    out = np.zeros_like(t)
    ends = np.append(circle.pieces[1:, 0], 1.0)
    for (start, value, slope), end in zip(circle.pieces, ends, strict=True):
        length = np.clip(t - start, 0.0, end - start)
        out += length * (value + 0.5 * slope * length)
    return out


def _at_zero(circle: Circle) -> float:
    from fractions import Fraction

    return circle.exact(Fraction(0))
