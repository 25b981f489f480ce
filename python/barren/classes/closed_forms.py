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
from barren.classes import sphere
from barren.targets.circle import Circle

if TYPE_CHECKING:
    from barren.classes.frequency import Frequencies

_BLOCK_BYTES = 1 << 25
_LEAST_TURNS = 2.0**-900  # on fewer of them ψ has the value that it takes beside 0, to every digit
# k·A·x up to here is small: 40 nodes integrate products of sin² of it without an error.
_SMALL_PHASE, _LEGENDRE_NODES = 0.25, 40
_MOST_PHASES = 1 << 22


def mean_of_cosines(cls: Frequencies, x: Floats) -> Floats:
    """D(kx)."""
    if cls.kind == "sphere":
        return sphere.mean(cls.dimension, sphere.norms(_on_unit_sphere(cls, x)))
    x = _within_a_period(cls, x)
    return _averaged(cls, (x, np.zeros_like(x)))


def kernel_of_cosines(cls: Frequencies, x: Floats, y: Floats) -> Floats:
    """½(D(kx − ky) + D(kx + ky)) − D(kx)D(ky), a block of rows at a time; by nodes where that would cancel."""
    if cls.kind == "sphere":
        return sphere.kernel(cls.dimension, _on_unit_sphere(cls, x), _on_unit_sphere(cls, y))
    nodes = _nodes_of_small_phases(cls, x, y)
    if nodes is not None:
        return _kernel_at_nodes(cls, x, y, *nodes)
    mean_x, mean_y = mean_of_cosines(cls, x), mean_of_cosines(cls, y)
    x, y = _within_a_period(cls, x), _within_a_period(cls, y)
    out = np.empty((len(x), len(y)))
    step = max(1, _BLOCK_BYTES // (8 * max(1, len(y))))
    for start in range(0, len(x), step):
        rows = x[start : start + step, np.newaxis]
        less, more = (_averaged(cls, _twofold.two_sum(rows, sign * y)) for sign in (-1.0, 1.0))
        out[start : start + step] = 0.5 * (less + more) - mean_x[start : start + step, np.newaxis] * mean_y
    return out


def _nodes_of_small_phases(cls: Frequencies, x: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Frequencies and weights that give E_a where k·A·x is small at all points, else None: the closed form serves.

    On [0, A] a Gauss–Legendre rule, exact to rounding there; on 1..A the frequencies themselves, if they are few.
    """
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


def _on_unit_sphere(cls: Frequencies, x: Floats) -> Floats:
    """2πkA·x: with a of length 1 the class is the same."""
    return np.asarray(2.0 * np.pi * abs(cls.circle.harmonic) * float(cls.A or 0.0) * x)


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


def mean_over_interval(circle: Circle, A: float, x: Floats) -> Floats:
    """(1/A)∫₀^A ψ(ax)da: with T = A|x|, whole periods and a part of one, (⌊T⌋·∫ψ + ∫₀^{T−⌊T⌋}ψ(±t)dt)/T."""
    near, rest = _twofold.two_product(A, np.abs(x))
    product = np.maximum(near, _LEAST_TURNS), np.where(near < _LEAST_TURNS, 0.0, rest)
    whole = np.floor(product[0])
    rest = np.clip((product[0] - whole) + product[1], 0.0, 1.0)
    part = np.where(x < 0.0, _integral_to_end(circle, rest), _integral(circle, rest))
    zero = x == 0.0
    means = (whole * circle.mean + part) / np.where(zero, 1.0, product[0])
    return np.asarray(np.where(zero, _at_zero(circle), means))


def kernel_over_interval(circle: Circle, A: float, x: Floats, y: Floats, threads: int) -> Floats:
    """(1/A)∫₀^A ψ(ax)ψ(ay)da less the product of the means, for a ψ of lines; 0 where x or y is 0."""
    assert circle.pieces is not None
    out = np.zeros((len(x), len(y)))
    rows, columns = np.flatnonzero(x), np.flatnonzero(y)
    across, down = (np.copysign(np.maximum(A * np.abs(t), _LEAST_TURNS), t) for t in (x[rows], y[columns]))
    products = _core.interval_products(across, down, _centred(circle), threads)
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


def _integral_to_end(circle: Circle, t: Floats) -> Floats:
    """∫_{1−t}^1 ψ for t in [0, 1]; of its own, as ∫ψ less the rest of it has no digits left at a small t."""
    assert circle.pieces is not None
    out = np.zeros_like(t)
    ends = np.append(circle.pieces[1:, 0], 1.0)
    for (start, value, slope), end in zip(circle.pieces, ends, strict=True):
        length = np.clip(t - (1.0 - end), 0.0, end - start)
        out += length * (value + slope * (end - start - 0.5 * length))
    return out


def _at_zero(circle: Circle) -> float:
    from fractions import Fraction

    return circle.exact(Fraction(0))
