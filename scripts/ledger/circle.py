"""Waves of period 1, exact, and their means over an interval of frequencies."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np

from barren import targets
from ledger import exact

TABLE = (0.5, -1.0, 2.0, 0.25)


@dataclass(frozen=True)
class Lines:
    """A wave of lines: its value and its slope at a t that is no break, and its breaks in [0, 1)."""

    value: Callable[[Fraction], Fraction]
    slope: Callable[[Fraction], int]
    breaks: tuple[Fraction, ...]


_HALF = Fraction(1, 2)
LINES = {
    "sawtooth": Lines(exact.sawtooth, lambda t: 1, (Fraction(0),)),
    "square": Lines(exact.square, lambda t: 0, (Fraction(0), _HALF)),
    "triangle": Lines(exact.triangle, lambda t: -4 if t < _HALF else 4, (Fraction(0), _HALF)),
    "threshold 0.3": Lines(lambda t: Fraction(int(t % 1 >= Fraction(0.3))), lambda t: 0, (Fraction(0), Fraction(0.3))),
    "table of 4": Lines(
        lambda t: Fraction(TABLE[math.floor(4 * (t % 1))]), lambda t: 0, tuple(Fraction(j, 4) for j in range(4))
    ),
}
COSINES = {"cosine 1": 1, "cosine 3": 3}
# Every wave as a sum: (factor, name of a wave of lines or of a cosine).
SUMS: dict[str, tuple[tuple[Fraction, str], ...]] = {
    **{name: ((Fraction(1), name),) for name in (*LINES, *COSINES)},
    "cosine 1 + cosine 3/2": ((Fraction(1), "cosine 1"), (_HALF, "cosine 3")),
    "sawtooth − 2·cosine 1": ((Fraction(1), "sawtooth"), (Fraction(-2), "cosine 1")),
    "1e8·sawtooth − 1e8·square": ((Fraction(10**8), "sawtooth"), (Fraction(-(10**8)), "square")),
}


def target(name: str) -> targets.Target:
    """The package's."""
    waves: dict[str, targets.Target] = {
        "sawtooth": targets.Sawtooth(),
        "square": targets.Square(),
        "triangle": targets.Triangle(),
        "threshold 0.3": targets.Threshold(0.3),
        "table of 4": targets.Table(np.array(TABLE)),
        "cosine 1": targets.Cosine(1),
        "cosine 3": targets.Cosine(3),
    }
    (factor, first), *others = SUMS[name]
    made = waves[first] if factor == 1 else int(factor) * waves[first]
    for factor, other in others:
        made = made + float(factor) * waves[other]
    return made


def value(name: str, t: Fraction) -> Fraction:
    """ψ(t)."""
    total = Fraction(0)
    for factor, wave in SUMS[name]:
        at = exact.cosine(COSINES[wave] * t % 1) if wave in COSINES else LINES[wave].value(t % 1)
        total += factor * at
    return total


def mean_of_product(left: str, x: Fraction, right: str, y: Fraction, A: Fraction) -> Fraction:
    """(1/A)·∫₀^A ψ(ax)·φ(ay) da; ψ and φ are sums of waves."""
    total = Fraction(0)
    for of_x, one in SUMS[left]:
        for of_y, other in SUMS[right]:
            total += of_x * of_y * _product(one, x, other, y, A)
    return total


def mean(name: str, x: Fraction, A: Fraction) -> Fraction:
    """(1/A)·∫₀^A ψ(ax) da."""
    total = Fraction(0)
    for factor, wave in SUMS[name]:
        if wave in COSINES:
            total += factor * _sinc(COSINES[wave] * x * A)
            continue
        for start, stop in _pieces(wave, x, A):
            middle = (start + stop) / 2  # the mean of a line is its value in the middle
            total += factor * (stop - start) * LINES[wave].value(middle * x % 1) / A
    return total


def _sinc(turns: Fraction) -> Fraction:
    """sin(2πt)/(2πt)."""
    angle = 2 * mpmath.pi * mpmath.mpf(turns.numerator) / turns.denominator
    return exact.of_real(mpmath.sinc(angle))


def _pieces(wave: str, x: Fraction, A: Fraction) -> list[tuple[Fraction, Fraction]]:
    """[0, A] cut where ψ(ax) jumps or bends."""
    cuts = {Fraction(0), A}
    if x:
        size = abs(x)
        for place in LINES[wave].breaks:
            shifted = place if x > 0 else -place
            first = math.ceil(-shifted)
            for k in range(first, math.floor(A * size - shifted) + 1):
                cuts.add((k + shifted) / size)
    kept = sorted(cut for cut in cuts if 0 <= cut <= A)
    return list(itertools.pairwise(kept))


def _product(left: str, x: Fraction, right: str, y: Fraction, A: Fraction) -> Fraction:
    if left in COSINES and right in COSINES:
        k, l = COSINES[left] * x, COSINES[right] * y  # noqa: E741
        return (_sinc((k - l) * A) + _sinc((k + l) * A)) / 2
    if left in COSINES:
        return _product(right, y, left, x, A)
    if right in COSINES:
        return _line_and_cosine(left, x, COSINES[right] * y, A)
    ends = sorted({end for wave, at in ((left, x), (right, y)) for piece in _pieces(wave, at, A) for end in piece})
    total = Fraction(0)
    for start, stop in itertools.pairwise(ends):
        middle, length = (start + stop) / 2, stop - start
        f, g = (LINES[wave].value(middle * at % 1) for wave, at in ((left, x), (right, y)))
        f1, g1 = (LINES[wave].slope(middle * at % 1) * at for wave, at in ((left, x), (right, y)))
        total += length * f * g + f1 * g1 * length**3 / 12
    return total / A


def _line_and_cosine(wave: str, x: Fraction, y: Fraction, A: Fraction) -> Fraction:
    """By the antiderivative of a line times a cosine, to 120 digits."""
    if y == 0:
        return (
            sum(
                ((stop - start) * LINES[wave].value((start + stop) / 2 * x % 1) for start, stop in _pieces(wave, x, A)),
                Fraction(0),
            )
            / A
        )
    c, total = 2 * mpmath.pi * _mpf(y), mpmath.mpf(0)
    for start, stop in _pieces(wave, x, A):
        middle = (start + stop) / 2
        at_middle, slope = LINES[wave].value(middle * x % 1), LINES[wave].slope(middle * x % 1) * x
        for end, sign in ((stop, 1), (start, -1)):
            line, angle = _mpf(at_middle + slope * (end - middle)), c * _mpf(end)
            total += sign * (line * mpmath.sin(angle) / c + _mpf(slope) * mpmath.cos(angle) / c**2)
    return exact.of_real(total / _mpf(A))


def _mpf(number: Fraction | int) -> mpmath.mpf:
    fraction = Fraction(number)
    return mpmath.mpf(fraction.numerator) / fraction.denominator
