"""Sums of waves on the circle: what a linear combination of targets is there."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property

import numpy as np

from barren import _validate
from barren._validate import Floats, Integers
from barren.targets.circle import AnyCircle, Circle, Waves

# Of a sum of several waves: jumps and kinks that are merged, and the harmonic up to which extremes are looked for.
_MOST_BREAKS, _LARGEST_HARMONIC = 1 << 16, 1 << 14
_CELLS = 64  # a period of the fastest cosine, in which its extremes are told apart


class CircleSum:
    """ψ(t) = constant + Σ coefficient·wave(t). Equal waves are joined; the attributes are those of `Circle`.

    Args:
        terms: pairs (coefficient, a function on the circle).
        constant: a number.

    Raises:
        ValueError: nothing but a constant is left.
    """

    terms: tuple[tuple[float, Circle], ...]
    constant: float

    def __init__(self, terms: Iterable[tuple[Fraction, AnyCircle]], constant: Fraction) -> None:
        total, joined = float(constant), dict[tuple[object, ...], tuple[float, Circle]]()
        for factor, circle in terms:
            total += float(factor) * circle.constant
            for share, wave in circle.terms:
                before = joined.get(wave.key, (0.0, wave))[0]
                joined[wave.key] = (before + float(factor) * share, wave)
        self.constant = total
        self.terms = tuple((factor, wave) for factor, wave in joined.values() if factor)
        if not self.terms:
            expected = "a function on the circle that is not constant"
            _validate.refuse(ValueError, "target", expected, "a combination whose terms cancel there")

    @property
    def is_trigonometric(self) -> bool:
        """Whether it is a finite sum of cosines, and a constant."""
        return all(wave.is_trigonometric for _, wave in self.terms)

    @property
    def mean(self) -> float:
        """∫ψ over one period."""
        return self.constant + sum(factor * wave.mean for factor, wave in self.terms)

    @property
    def core(self) -> Waves:
        """The waves as the core takes them; the constant is not among them."""
        return [(factor, *wave.wave) for factor, wave in self.terms]

    def exact(self, t: Fraction) -> float:
        """ψ at a fraction in [0, 1)."""
        return sum((factor * wave.exact(t) for factor, wave in self.terms), self.constant)

    def coefficients(self, k: Integers) -> np.ndarray:
        """The Fourier coefficients c_k for an array of integers k."""
        waves = sum(factor * wave.coefficients(np.asarray(k)) for factor, wave in self.terms)
        return np.asarray(waves + np.where(np.asarray(k) == 0, self.constant, 0.0))

    @cached_property
    def labels(self) -> tuple[float, float] | None:
        """The two values of ψ; None if there are more, and for several waves with so many jumps that nobody counts."""
        if len(self.terms) == 1:
            two = self.terms[0][1].labels
            return None if two is None else self._affine(two)
        if any(wave.is_trigonometric for _, wave in self.terms) or self._jumps > _MOST_BREAKS:
            return None
        lines = self._lines
        values = np.unique(lines[:, 1:3])
        return (float(values[0]), float(values[1])) if values.size == 2 and not lines[:, 3].any() else None

    @cached_property
    def range(self) -> tuple[float, float]:
        """The least and the largest value.

        Raises:
            ValueError: several waves, and cosines above the harmonic 2^14 or more than 2^16 jumps and kinks.
        """
        if len(self.terms) == 1:
            return self._affine(self.terms[0][1].range)
        return float(self._turning.min()), float(self._turning.max())

    @cached_property
    def variation(self) -> float:
        """The total variation over one period, from one turning point to the next.

        Raises:
            ValueError: as for `range`.
        """
        if len(self.terms) == 1:
            factor, wave = self.terms[0]
            return abs(factor) * wave.variation
        return float(np.abs(np.diff(self._turning, append=self._turning[0])).sum())

    def _affine(self, two: tuple[float, float]) -> tuple[float, float]:
        low, high = sorted(self.terms[0][0] * end + self.constant for end in two)
        return low, high

    @property
    def _jumps(self) -> int:
        return sum(len(wave.pieces) * wave.harmonic for _, wave in self.terms if wave.pieces is not None)

    @cached_property
    def _lines(self) -> Floats:
        """The part of lines, a row a break: where, its value there, the value just above, the slope; (m, 4)."""
        if self._jumps > _MOST_BREAKS:
            expected = f"at most {_MOST_BREAKS} jumps and kinks for this property of a combination of several targets"
            _validate.refuse(ValueError, "target", expected, str(self._jumps))
        parts = [(Fraction(factor), wave) for factor, wave in self.terms if wave.pieces is not None]
        breaks = {Fraction(0)}
        for _, wave in parts:
            breaks |= {(start + turn) / wave.harmonic for start in wave.starts for turn in range(wave.harmonic)}
        rows = []
        for place in sorted(breaks):
            at = above = Fraction(self.constant)
            slope = Fraction(0)
            for factor, wave in parts:
                assert wave.pieces is not None
                inside = wave.harmonic * place % 1
                index = max(j for j, start in enumerate(wave.starts) if start <= inside)
                value, rise = (Fraction(float(number)) for number in wave.pieces[index, 1:])
                at += factor * Fraction(wave.exact(place))
                above += factor * (value + rise * (inside - wave.starts[index]))
                slope += factor * rise * wave.harmonic
            rows.append([float(number) for number in (place, at, above, slope)])
        return np.array(rows)

    @cached_property
    def _turning(self) -> Floats:
        """The values at jumps, kinks and extremes over a period, in order: between two of them ψ is monotone."""
        cosines = [(factor, wave.harmonic) for factor, wave in self.terms if wave.is_trigonometric]
        fastest = max((k for _, k in cosines), default=0)
        if fastest > _LARGEST_HARMONIC:
            expected = "a combination with harmonics up to 2^14 for this property"
            _validate.refuse(ValueError, "target", expected, f"the harmonic {fastest}")
        place, at, above, slope = self._lines.T
        ends = np.append(place[1:], 1.0)
        smooth = _cosines(cosines, place)
        below = np.roll(above + slope * (ends - place), 1)  # the limit from the left at each break
        rows = [(place, 0, below + smooth), (place, 1, at + smooth), (place, 2, above + smooth)]
        if cosines:
            extremes, which = _extremes(cosines, place, slope, fastest)
            inner = above[which] + slope[which] * (extremes - place[which]) + _cosines(cosines, extremes)
            rows.append((extremes, 3, inner))
        where = np.concatenate([places for places, _, _ in rows])
        order = np.concatenate([np.full(len(places), rank) for places, rank, _ in rows])
        values = np.concatenate([values for _, _, values in rows])
        return np.asarray(values[np.lexsort((order, where))])


def _cosines(cosines: list[tuple[float, int]], t: Floats) -> Floats:
    """Σ factor·cos(2πkt)."""
    return np.asarray(sum((factor * np.cos(2.0 * np.pi * (k * t % 1.0)) for factor, k in cosines), np.zeros_like(t)))


def _extremes(cosines: list[tuple[float, int]], place: Floats, slope: Floats, fastest: int) -> tuple[Floats, Integers]:
    """Where slope − Σ 2πk·factor·sin(2πkt) changes its sign inside the lines, by bisection, and on which line."""

    def rise(t: Floats, line: Integers) -> Floats:
        parts = (2.0 * np.pi * k * factor * np.sin(2.0 * np.pi * (k * t % 1.0)) for factor, k in cosines)
        return np.asarray(slope[line] - sum(parts, np.zeros_like(t)))

    # A shift that no harmonic shares, so that no node is an extreme by symmetry.
    nodes = (np.arange(_CELLS * fastest) + 0.381966) / (_CELLS * fastest)
    edges = np.unique(np.concatenate([nodes, place, [1.0]]))
    low, high = edges[:-1].copy(), edges[1:].copy()
    line = np.searchsorted(place, low, side="right") - 1
    from_low, from_high = rise(low, line), rise(high, line)
    kept = (from_low < 0.0) != (from_high < 0.0)
    low, high, line, rising = low[kept], high[kept], line[kept], from_low[kept] < 0.0
    for _ in range(54):
        middle = 0.5 * (low + high)
        upper = (rise(middle, line) < 0.0) == rising
        low, high = np.where(upper, middle, low), np.where(upper, high, middle)
    return 0.5 * (low + high), line
