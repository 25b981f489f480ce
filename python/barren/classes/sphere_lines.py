"""Targets made of lines at a frequency that is uniform on a sphere in R^d: mean and kernel (docs/theory, section 5).

With r = kA‖x‖ and U the first coordinate of a uniform unit vector, ψ(k⟨a, x⟩) is a function of rU, which is made of
lines in −r..r. It is one line, that on the right of 0, and what every jump δ and kink σ adds on the far side of it,
δ·1(±U > α) + σr·(±U − α)₊ with α = |t|/r: a sum over the caps of the sphere. So the mean is a sum over caps and the
kernel one over pairs of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from barren import _core
from barren._pool import in_order
from barren._validate import Floats
from barren.classes import caps, sphere
from barren.targets.circle import Circle

if TYPE_CHECKING:
    from barren.classes.frequency import Frequencies

# Pairs of caps taken together, and how many arrays of them there are at a time.
_BLOCK, _A_BLOCK = 1 << 16, 28
_NEGLIGIBLE = 1e-26  # a cap of this measure, with a jump of one, changes no digit
_LEAST_RADIUS = 1e-290
# Steps of C++ over an interval to which a pair of caps is equal in time: at least, and for each dimension (measured).
_A_PAIR, _A_DIMENSION = 60.0, 8.0
_A_NODE = 300.0  # and a node of a rule


class Tails(NamedTuple):
    """A wave of lines at some points, as a line and caps.

    Attributes:
        value: the value at 0 from the right, the same for all points.
        slopes: of the line, times r; shape (n,).
        first: the index of the first cap of each point, and how many there are in all; shape (n + 1,).
        point: the point of every cap.
        sign: the side of it, 1 or −1.
        angle: A, α = cos A.
        jump: δ.
        kink: σ·r.
    """

    value: float
    slopes: Floats
    first: np.ndarray
    point: np.ndarray
    sign: Floats
    angle: Floats
    jump: Floats
    kink: Floats


def mean(cls: Frequencies, wave: Circle, x: Floats) -> Floats:
    """E ψ(k⟨a, x⟩) at points other than 0."""
    r, out = radii(cls, wave, x), np.empty(len(x))
    block = np.cumsum(1.0 + r * len(wave.breaks[0])) // _BLOCK  # points whose caps are held at once
    for start in np.unique(block, return_index=True)[1]:
        some = block == block[start]
        out[some] = _means(cls.dimension, tails(cls.dimension, wave, r[some]))
    return out


def kernel(cls: Frequencies, of_x: Circle, x: Floats, of_y: Circle, y: Floats, threads: int) -> Floats:
    """Cov_a(ψ(k⟨a, x⟩), φ(l⟨a, y⟩)) for two waves of lines, shape (len(x), len(y)); 0 where x or y is 0."""
    d, same = cls.dimension, of_x is of_y and np.array_equal(x, y)
    left = tails(d, of_x, radii(cls, of_x, x))
    right = left if same else tails(d, of_y, radii(cls, of_y, y))
    theta = angles(x, y)
    slopes_x, slopes_y = (_first_harmonic(d, side) for side in (left, right))
    out = np.zeros((len(x), len(y)))
    workers = threads or _core.available_threads()
    tasks = _tasks(left, right, same)
    for rows, columns, part in in_order(lambda task: _block(d, left, right, theta, task), tasks, workers):
        np.add.at(out[:, columns:], left.point[rows], part)
    if same:
        out = np.triu(out) + np.triu(out, 1).T
    # The line of one against all of the other: E[U·V] = cos θ/d, so only the parts of degree one meet.
    lines = np.multiply.outer(left.slopes, slopes_y) + np.multiply.outer(slopes_x, right.slopes)
    lines += np.multiply.outer(left.slopes, right.slopes) / d
    out += np.cos(theta) * lines
    return out


def kernel_with_cosine(cls: Frequencies, k: int, x: Floats, wave: Circle, y: Floats) -> Floats:
    """Cov_a(cos(2πk⟨a, x⟩), ψ(l⟨a, y⟩)), ψ of lines: the mean of the cosine for a given V, against ψ, by Gauss rules.

    Given V = cos φ the cosine has the mean cos(κ·cos θ·V)·D_{d−1}(κ·sin θ·sin φ), κ = 2πkA‖x‖, which is smooth in φ: a
    rule for each piece of φ between the jumps and kinks of ψ.
    """
    d, theta = cls.dimension, angles(x, y)
    kappa = 2.0 * np.pi * k * float(cls.A or 0.0) * sphere.norms(x)
    means = sphere.mean(d, kappa)
    out = np.zeros((len(x), len(y)))
    for j, radius in enumerate(radii(cls, wave, y)):
        phi, masses = _rule(d, wave, float(radius), float(kappa.max(initial=0.0)))
        step = max(1, _BLOCK // len(phi))
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            r, angle = kappa[rows, np.newaxis], theta[rows, j, np.newaxis]
            inner = r * np.sin(angle) * np.sin(phi)
            given = np.cos(inner) if d == 2 else sphere.mean(d - 1, inner.ravel()).reshape(inner.shape)
            given *= np.cos(r * np.cos(angle) * np.cos(phi))
            out[rows, j] = (given - means[rows, np.newaxis]) @ masses
    return out


def steps(cls: Frequencies, of_x: Circle, x: Floats, of_y: Circle, y: Floats) -> float:
    """What the kernel of a pair of waves takes, in steps of an integral over an interval."""
    if of_x.is_trigonometric and of_y.is_trigonometric:
        return _A_NODE * len(x) * len(y)
    if of_y.is_trigonometric:
        return steps(cls, of_y, y, of_x, x)
    if of_x.is_trigonometric:
        swing = 2.0 * np.pi * float(radii(cls, of_x, x).max(initial=0.0)) + cls.dimension
        return _A_NODE * len(x) * (8.0 * count(cls, of_y, y) + 2.0 * swing * len(y))
    return (_A_PAIR + _A_DIMENSION * cls.dimension) * count(cls, of_x, x) * count(cls, of_y, y)


def working_bytes(cls: Frequencies, x: Floats, threads: int) -> int:
    """Bytes that the kernel of points with themselves takes while it is made, beside the result."""
    caps_in_all = sum(count(cls, wave, x) for _, wave in cls.circle.terms if not wave.is_trigonometric)
    workers = threads or _core.available_threads()
    return 4 * 8 * len(x) ** 2 + 160 * int(caps_in_all) + _A_BLOCK * 8 * _BLOCK * workers


def count(cls: Frequencies, wave: Circle, x: Floats) -> float:
    """How many caps there are at all points, about."""
    return float((1.0 + 2.0 * len(wave.breaks[0]) * radii(cls, wave, x)).sum())


def radii(cls: Frequencies, wave: Circle, x: Floats) -> Floats:
    """R = kA‖x‖, how many periods of the shape there are on either side of 0."""
    return np.asarray(wave.harmonic * float(cls.A or 0.0) * sphere.norms(x))


def angles(x: Floats, y: Floats) -> Floats:
    """The angles between x and y, in 0..π, which are right where they are small, too; shape (len(x), len(y))."""
    xi, eta = (sphere.directions(points, sphere.norms(points)) for points in (x, y))
    out = np.empty((len(x), len(y)))
    step = max(1, _BLOCK // (len(y) * x.shape[1] + 1))
    for start in range(0, len(x), step):
        rows = xi[start : start + step, np.newaxis]
        less, more = (np.sqrt(np.sum((rows + sign * eta) ** 2, axis=2)) for sign in (-1.0, 1.0))
        out[start : start + step] = 2.0 * np.arctan2(less, more)
    return out


def tails(dimension: int, wave: Circle, r: Floats) -> Tails:
    """The line and the caps of a wave at points of the radii r = kA‖x‖ > 0."""
    assert wave.pieces is not None
    r = np.maximum(r, _LEAST_RADIUS)
    starts, jumps, kinks = wave.breaks
    below, above = (np.array([float(t) for t in places]) for places in (starts, [1 - t for t in starts]))
    points, signs, distances, which = [], [], [], []
    for i, radius in enumerate(r):
        turns = np.arange(np.ceil(radius))[:, np.newaxis]
        for side, places in ((1.0, below + turns), (-1.0, np.where(above == 1.0, 0.0, above) + turns)):
            rows, columns = np.nonzero((places < radius) & ((places > 0.0) | (side < 0.0)))
            points.append(np.full(len(rows), i))
            signs.append(np.full(len(rows), side))
            distances.append(places[rows, columns] / radius)
            which.append(columns)
    point, sign, break_of = np.concatenate(points), np.concatenate(signs), np.concatenate(which)
    angle = np.arccos(np.concatenate(distances))
    kept = np.sin(angle) ** (dimension - 1) > _NEGLIGIBLE
    point, sign, break_of, angle = point[kept], sign[kept], break_of[kept], angle[kept]
    first = np.searchsorted(point, np.arange(len(r) + 1))
    kink = kinks[break_of] * r[point]
    return Tails(
        float(wave.pieces[0, 1]), float(wave.pieces[0, 2]) * r, first, point, sign, angle, sign * jumps[break_of], kink
    )


def _means(dimension: int, at: Tails) -> Floats:
    """The mean at every point: those of its caps."""
    amounts = at.jump * caps.tail(dimension, at.angle) + at.kink * caps.ramp(dimension, at.angle)
    return np.asarray(at.value + np.bincount(at.point, amounts, len(at.slopes)))


def _first_harmonic(dimension: int, at: Tails) -> Floats:
    """E[U·f] of the sum f of the caps of every point."""
    ramps = caps.tail(dimension + 2, at.angle) / dimension  # E[U(U − α)₊]
    amounts = at.sign * (at.jump * caps.moment(dimension, at.angle) + at.kink * ramps)
    return np.bincount(at.point, amounts, len(at.slopes)).astype(np.float64)  # which it is, but where there is none


_Task = tuple[slice, int]


def _tasks(left: Tails, right: Tails, same: bool) -> Iterator[_Task]:
    """Rows of caps, and the first point of y that they meet: its own point for the upper half of a symmetric kernel."""
    start, total = 0, len(right.point)
    while start < len(left.point):
        columns = int(left.point[start]) if same else 0
        stop = start + max(1, _BLOCK // max(1, total - int(right.first[columns])))
        yield slice(start, min(stop, len(left.point))), columns
        start = stop


def _block(dimension: int, left: Tails, right: Tails, theta: Floats, task: _Task) -> tuple[slice, int, Floats]:
    """Σ over the caps of every y of their covariances with some caps, each times both its factors."""
    rows, columns = task
    _core.checkpoint()
    some = slice(int(right.first[columns]), len(right.point))
    A, B = left.angle[rows, np.newaxis], right.angle[some]
    between = theta[left.point[rows]][:, right.point[some]]
    between = np.where(np.multiply.outer(left.sign[rows], right.sign[some]) > 0.0, between, np.pi - between)
    bends = bool(left.kink[rows].any() or right.kink[some].any())
    at = caps.pairs(dimension, A, B, between, ramps=bends)
    tail_A, tail_B = caps.tail(dimension, A), caps.tail(dimension, B)
    jump_A, jump_B = left.jump[rows, np.newaxis], right.jump[some]
    out = jump_A * jump_B * (at.both - tail_A * tail_B)
    if bends:
        assert at.left is not None
        assert at.right is not None
        assert at.ramps is not None
        ramp_A, ramp_B = caps.ramp(dimension, A), caps.ramp(dimension, B)
        kink_A, kink_B = left.kink[rows, np.newaxis], right.kink[some]
        out += kink_A * jump_B * (at.left - ramp_A * tail_B) + jump_A * kink_B * (at.right - tail_A * ramp_B)
        out += kink_A * kink_B * (at.ramps - ramp_A * ramp_B)
    first = right.first[columns:-1] - right.first[columns]
    counts = np.diff(right.first[columns:])
    part = np.zeros((len(out), len(counts)))
    filled = counts > 0  # a point may have no cap
    if filled.any():
        part[:, filled] = np.add.reduceat(out, first[filled], axis=1)
    return rows, columns, part


def _rule(dimension: int, wave: Circle, radius: float, kappa: float) -> tuple[Floats, Floats]:
    """Angles φ in 0..π and the masses of ψ(R·cos φ)·c_d·sin^{d−2} φ there, a rule for every piece of lines."""
    at = tails(dimension, wave, np.array([radius]))
    edges = np.unique(np.concatenate([[0.0, 0.5 * np.pi, np.pi], np.where(at.sign > 0.0, at.angle, np.pi - at.angle)]))
    lengths = np.diff(edges)
    swings = (kappa + dimension) * lengths
    counts = np.where(swings < 0.1, 8, np.where(swings < 1.0, 12, 24 + (0.5 * swings).astype(np.int64)))
    phi, masses = [], []
    for count in np.unique(counts):
        roots, weights = np.polynomial.legendre.leggauss(int(count))
        some = counts == count
        half = 0.5 * lengths[some, np.newaxis]
        phi.append((edges[:-1][some, np.newaxis] + half + half * roots).ravel())
        masses.append((half * weights).ravel())
    nodes = np.concatenate(phi)
    density = caps.slope(dimension + 2) * (dimension - 1) * np.sin(nodes) ** (dimension - 2)
    return nodes, np.concatenate(masses) * density * _values(wave, radius * np.cos(nodes))


def _values(wave: Circle, t: Floats) -> Floats:
    """The shape at t, which lies inside a piece."""
    assert wave.pieces is not None
    start, value, slope = wave.pieces.T
    inside = t - np.floor(t)
    piece = np.searchsorted(start, inside, side="right") - 1
    return np.asarray(value[piece] + slope[piece] * (inside - start[piece]))
