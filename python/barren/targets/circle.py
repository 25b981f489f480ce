"""A target read as a function of period 1 on the real line: what each of them is on the circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from barren._validate import Floats, Integers

if TYPE_CHECKING:
    from barren.targets.circle_sum import CircleSum

Waves: TypeAlias = list[tuple[float, str, float, tuple[float, float], tuple[float, float], Floats]]
"""ψ less its constant as the core takes it: (coefficient, shape, harmonic, cut, cut less one, table) of every term."""


@dataclass(frozen=True, eq=False)
class Circle:
    """A wave ψ(t) = shape(harmonic·t) on the circle R/Z: on the residues modulo p a target is this function at t/p.

    Attributes:
        shape: the name under which the core computes it.
        range: the least and the largest value.
        variation: the total variation over one period.
        mean: ∫ψ over one period.
        exact: ψ at a fraction in [0, 1), plain and slow.
        coefficients: the Fourier coefficients c_k = ∫ψ(t)e(−kt)dt for an array of integers k.
        labels: the two values of ψ, the smaller first, if it takes two only.
        harmonic: how many periods of the shape there are in one of ψ.
        cut: threshold: the first t with ψ = 1.
        table: steps: ψ(t) = table[⌊len(table)·t⌋].
        pieces: where the shape consists of lines, the start of each in [0, 1), its value there and its slope, shape
            ``(m, 3)``; None for a cosine, the one shape that does not.
    """

    shape: str
    range: tuple[float, float]
    variation: float
    mean: float
    exact: Callable[[Fraction], float] = field(repr=False)
    coefficients: Callable[[Integers], np.ndarray] = field(repr=False)
    labels: tuple[float, float] | None = None
    harmonic: int = 1
    cut: Fraction = Fraction(1, 2)
    table: Floats = field(default_factory=lambda: np.empty(0), repr=False)
    pieces: Floats | None = field(default=None, repr=False)

    @property
    def terms(self) -> tuple[tuple[float, Circle], ...]:
        """ψ as a sum of waves, itself alone."""
        return ((1.0, self),)

    @property
    def constant(self) -> float:
        """What is added to the waves."""
        return 0.0

    @property
    def is_trigonometric(self) -> bool:
        """Whether it is a finite sum of cosines, and a constant."""
        return self.pieces is None

    @property
    def core(self) -> Waves:
        """The waves as the core takes them."""
        return [(1.0, *self.wave)]

    @property
    def wave(self) -> tuple[str, float, tuple[float, float], tuple[float, float], Floats]:
        """Shape, harmonic, cut, cut less one and table, as the core takes them."""
        cut, below = _twice_as_long(self.cut), _twice_as_long(self.cut - 1)
        return self.shape, float(self.harmonic), cut, below, self.table

    @property
    def starts(self) -> tuple[Fraction, ...]:
        """The exact start of every piece."""
        if self.shape == "steps":
            return tuple(Fraction(j, self.table.size) for j in range(self.table.size))
        second = {"threshold": self.cut, "square": Fraction(1, 2), "triangle": Fraction(1, 2)}.get(self.shape)
        return (Fraction(0),) if second is None else (Fraction(0), second)

    @property
    def breaks(self) -> tuple[tuple[Fraction, ...], Floats, Floats]:
        """Where the lines of a shape jump or bend in [0, 1), by how much they jump, and how much the slope changes."""
        if self.pieces is None:
            return (), np.empty(0), np.empty(0)
        start, value, slope = self.pieces.T
        above = value + slope * np.diff(start, append=1.0)
        jumps, kinks = value - np.roll(above, 1), slope - np.roll(slope, 1)
        kept = np.flatnonzero((jumps != 0.0) | (kinks != 0.0))
        starts = self.starts
        return tuple(starts[j] for j in kept), jumps[kept], kinks[kept]

    @property
    def key(self) -> tuple[object, ...]:
        """What tells one wave from another."""
        return self.shape, self.harmonic, self.cut, self.table.tobytes()


AnyCircle: TypeAlias = "Circle | CircleSum"
"""A wave, or a sum of waves: both have the same attributes, but for those of one shape."""


def _twice_as_long(number: Fraction) -> tuple[float, float]:
    """A fraction as the sum of two doubles."""
    near = float(number)
    return near, float(number - Fraction(near))


def indicator_coefficients(k: Integers, start: float, stop: float) -> np.ndarray:
    """Of 1[start <= t < stop]: (e(−k·start) − e(−k·stop))/(2πik), and stop − start for k = 0."""
    k = np.asarray(k, dtype=np.float64)
    safe = np.where(k == 0, 1.0, k)
    steps = np.exp(-2j * np.pi * safe * start) - np.exp(-2j * np.pi * safe * stop)
    return np.asarray(np.where(k == 0, stop - start, steps / (2j * np.pi * safe)))
