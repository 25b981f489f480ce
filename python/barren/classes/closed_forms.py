"""Means and kernels of frequency classes without a sum over members (docs/theory, section 5).

Mean and kernel are linear and bilinear in ψ, so those of a sum of waves are sums over waves and over pairs of them.
With D(t) = E_a cos(2πat) the mean of cos(2πkax) is D(kx), and its covariance with cos(2πlay) is
½(D(kx − ly) + D(kx + ly)) − D(kx)D(ly).
Phases are kept as the sum of two doubles, so that A·t has its fraction right where A is large.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from barren import _core, _twofold
from barren._twofold import Twofold
from barren._validate import Floats
from barren.classes import near_zero, sphere, sphere_lines
from barren.classes.frequency_arguments import refuse_caps, refuse_lines
from barren.targets.circle import Circle

if TYPE_CHECKING:
    from barren.classes.frequency import Frequencies

_BLOCK_BYTES = 1 << 25
_LEAST_TURNS = 2.0**-900  # on fewer of them ψ has the value that it takes beside 0, to every digit


def mean(cls: Frequencies, x: Floats) -> Floats:
    """E_a ψ(ax): the sum of the means of the waves."""
    out = np.full(len(x), cls.circle.constant)
    for factor, wave in cls.circle.terms:
        out += factor * _mean_of(cls, wave, x)
    return out


def _mean_of(cls: Frequencies, wave: Circle, x: Floats) -> Floats:
    if wave.is_trigonometric:
        return _mean_of_cosines(cls, wave.harmonic, x)
    if cls.kind == "sphere":
        return _mean_on_sphere(cls, wave, x)
    return _mean_over_interval(wave, float(cls.A or 0.0), x)


def kernel(cls: Frequencies, x: Floats, y: Floats, threads: int) -> Floats:
    """Cov_a(ψ(ax), ψ(ay)): the sum of the covariances of all pairs of waves."""
    out = np.zeros((len(x), len(y)))
    for left, of_x in cls.circle.terms:
        for right, of_y in cls.circle.terms:
            out += left * right * _covariance(cls, of_x, x, of_y, y, threads)
    return out


def _covariance(cls: Frequencies, of_x: Circle, x: Floats, of_y: Circle, y: Floats, threads: int) -> Floats:
    small = near_zero.covariance(cls, of_x.terms, x, of_y.terms, y)
    if small is not None:
        return small
    if of_x.is_trigonometric and of_y.is_trigonometric:
        return _kernel_of_cosines(cls, of_x.harmonic, x, of_y.harmonic, y)
    if of_y.is_trigonometric:
        return np.ascontiguousarray(_covariance(cls, of_y, y, of_x, x, threads).T)
    if cls.kind == "sphere":
        return _kernel_on_sphere(cls, of_x, x, of_y, y, threads)
    return _kernel_over_interval(cls, of_x, x, of_y, y, threads)


def steps(cls: Frequencies, x: Floats, y: Floats) -> float:
    """How many steps the kernel takes on [0, A]: lines of ψ(ax) and of ψ(ay), for every pair of points and of waves.

    On a sphere as many as take as long.
    """
    if cls.kind == "sphere":
        pairs = itertools.product(cls.circle.terms, repeat=2)
        return sum(sphere_lines.steps(cls, of_x, x, of_y, y) for (_, of_x), (_, of_y) in pairs)
    A, total = float(cls.A or 0.0), 0.0
    lines = [0 if wave.pieces is None else wave.harmonic * len(wave.pieces) for _, wave in cls.circle.terms]
    for count_x in lines:
        for count_y in lines:
            of_x = count_x * float(np.abs(x).sum()) * len(y)
            total += A * (of_x + count_y * float(np.abs(y).sum()) * len(x))
    return total


def refuse_many(cls: Frequencies, name: str, x: Floats) -> None:
    """Refuses points at which ψ has too many jumps and kinks over a sphere.

    Raises:
        ValueError: more than 2^24 of them.
    """
    lines = [wave for _, wave in cls.circle.terms if not wave.is_trigonometric]
    if cls.kind == "sphere" and lines and len(x):
        longest = x[np.argmax(sphere.norms(x))][np.newaxis]
        refuse_caps(name, max(sphere_lines.count(cls, wave, longest) for wave in lines), 0.0)


def refuse_long(cls: Frequencies, x: Floats, y: Floats) -> None:
    """Refuses points at which the kernel of a class without members would take hours.

    Raises:
        ValueError: an integral over too many lines, or too many pairs of caps.
    """
    if cls.is_closed:
        return
    if cls.kind == "sphere":
        refuse_many(cls, "x", x)
        refuse_many(cls, "y", y)
        refuse_caps("x", 0.0, steps(cls, x, y))
        return
    fastest = max(wave.harmonic for _, wave in cls.circle.terms)
    longest = max(float(np.abs(points).max(initial=0.0)) for points in (x, y))
    refuse_lines("x", fastest * float(cls.A or 0.0) * longest, steps(cls, x, y))


def _mean_of_cosines(cls: Frequencies, k: int, x: Floats) -> Floats:
    """D(kx)."""
    if cls.kind == "sphere":
        return sphere.mean(cls.dimension, sphere.norms(_on_unit_sphere(cls, k, x)))
    return _averaged(cls, _multiple(cls, k, x))


def _kernel_of_cosines(cls: Frequencies, k: int, x: Floats, l: int, y: Floats) -> Floats:  # noqa: E741
    """½(D(kx − ly) + D(kx + ly)) − D(kx)D(ly), a block of rows at a time."""
    if cls.kind == "sphere":
        return sphere.kernel(cls.dimension, _on_unit_sphere(cls, k, x), _on_unit_sphere(cls, l, y))
    mean_x, mean_y = _mean_of_cosines(cls, k, x), _mean_of_cosines(cls, l, y)
    out = np.empty((len(x), len(y)))
    step = max(1, _BLOCK_BYTES // (8 * max(1, len(y))))
    for start in range(0, len(x), step):
        rows = x[start : start + step, np.newaxis]
        of_x, of_y = _multiple(cls, k, rows), _multiple(cls, l, y)
        less, more = (_averaged(cls, _twofold.add(of_x, (sign * of_y[0], sign * of_y[1]))) for sign in (-1.0, 1.0))
        out[start : start + step] = 0.5 * (less + more) - mean_x[start : start + step, np.newaxis] * mean_y
    return out


def _mean_on_sphere(cls: Frequencies, wave: Circle, x: Floats) -> Floats:
    """The mean of a wave of lines; ψ(0) where x is 0."""
    out, rows = np.full(len(x), float(wave.exact(Fraction(0)))), np.flatnonzero(x.any(axis=1))
    if rows.size:
        out[rows] = sphere_lines.mean(cls, wave, x[rows])
    return out


def _kernel_on_sphere(cls: Frequencies, of_x: Circle, x: Floats, of_y: Circle, y: Floats, threads: int) -> Floats:
    """The covariance of a wave with one of lines; 0 where x or y is 0."""
    out, rows, columns = np.zeros((len(x), len(y))), np.flatnonzero(x.any(axis=1)), np.flatnonzero(y.any(axis=1))
    if rows.size and columns.size:
        x, y = x[rows], y[columns]
        if of_x.is_trigonometric:
            found = sphere_lines.kernel_with_cosine(cls, of_x.harmonic, x, of_y, y)
        else:
            found = sphere_lines.kernel(cls, of_x, x, of_y, y, threads)
        out[np.ix_(rows, columns)] = found
    return out


def _on_unit_sphere(cls: Frequencies, k: int, x: Floats) -> Floats:
    """2πkA·x: with a of length 1 the class is the same."""
    return np.asarray(2.0 * np.pi * k * float(cls.A or 0.0) * x)


def _multiple(cls: Frequencies, k: int, x: Floats) -> Twofold:
    """The number k·x, exact, less an integer that integer frequencies do not see."""
    product = _twofold.times(float(k), cls.twofold(x))
    return _twofold.fraction(product) if cls.kind == "integers" else product


def _averaged(cls: Frequencies, t: Twofold) -> Floats:
    """D(t) for a on 1..A: sin(πAt)cos(π(A+1)t)/(A·sin πt); for a on [0, A]: sin(2πAt)/(2πAt)."""
    A = float(cls.A or 0.0)
    if cls.kind == "interval":
        angle = 2.0 * np.pi * A * t[0]
        return _ratio(_sine(_twofold.times(A, t)), np.where(np.abs(angle) < _LEAST_TURNS, 0.0, angle))
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


def _mean_over_interval(wave: Circle, A: float, x: Floats) -> Floats:
    """(1/A)∫₀^A ψ(ax)da: with T = kA|x|, whole periods and a part of one, (⌊T⌋·∫ψ + ∫₀^{T−⌊T⌋}ψ(±t/k)dt)/T."""
    near, rest = _twofold.two_product(A, wave.harmonic * np.abs(x))  # harmonics of lines are powers of two
    product = np.maximum(near, _LEAST_TURNS), np.where(near < _LEAST_TURNS, 0.0, rest)
    whole = np.floor(product[0])
    rest = np.clip((product[0] - whole) + product[1], 0.0, 1.0)
    part = np.where(x < 0.0, _integral_to_end(wave, rest), _integral(wave, rest))
    zero = x == 0.0
    means = (whole * wave.mean + part) / np.where(zero, 1.0, product[0])
    return np.asarray(np.where(zero, wave.exact(Fraction(0)), means))


def _kernel_over_interval(cls: Frequencies, of_x: Circle, x: Floats, of_y: Circle, y: Floats, threads: int) -> Floats:
    """(1/A)∫₀^A ψ(ax)φ(ay)da less the product of the means, for a φ of lines; 0 where x or y is 0."""
    A, out = float(cls.A or 0.0), np.zeros((len(x), len(y)))
    rows, columns = np.flatnonzero(x), np.flatnonzero(y)
    x, y = x[rows], y[columns]
    across, down = _turns(A * of_x.harmonic, x), _turns(A * of_y.harmonic, y)
    if of_x.is_trigonometric:
        products = _core.interval_cosines(across, down, _centred(of_y), threads)
    else:
        products = _core.interval_products(across, down, _centred(of_x), _centred(of_y), threads)
    mean_x, mean_y = (_mean_of(cls, wave, points) - wave.mean for wave, points in ((of_x, x), (of_y, y)))
    out[np.ix_(rows, columns)] = products - np.multiply.outer(mean_x, mean_y)
    return out


def _turns(A: float, x: Floats) -> Floats:
    """A·x, of the same sign and at least _LEAST_TURNS in size."""
    return np.asarray(np.copysign(np.maximum(np.abs(A * x), _LEAST_TURNS), A * x))


def _centred(wave: Circle) -> Floats:
    """The lines of ψ less its mean over a period, so that fewer digits are lost."""
    assert wave.pieces is not None
    return np.ascontiguousarray(wave.pieces - np.array([0.0, wave.mean, 0.0]))


def _integral(wave: Circle, t: Floats) -> Floats:
    """∫₀^t of the shape for t in [0, 1]."""
    assert wave.pieces is not None
    out = np.zeros_like(t)
    ends = np.append(wave.pieces[1:, 0], 1.0)
    for (start, value, slope), end in zip(wave.pieces, ends, strict=True):
        length = np.clip(t - start, 0.0, end - start)
        out += length * (value + 0.5 * slope * length)
    return out


def _integral_to_end(wave: Circle, t: Floats) -> Floats:
    """∫_{1−t}^1 of the shape for t in [0, 1]; the whole less the rest would have no digits at a small t."""
    assert wave.pieces is not None
    out = np.zeros_like(t)
    ends = np.append(wave.pieces[1:, 0], 1.0)
    for (start, value, slope), end in zip(wave.pieces, ends, strict=True):
        length = np.clip(t - (1.0 - end), 0.0, end - start)
        out += length * (value + slope * (end - start - 0.5 * length))
    return out
