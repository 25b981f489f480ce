"""A target read as a function of period 1 on the real line: what each of them is on the circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from barren._validate import Floats, Integers


@dataclass(frozen=True, eq=False)
class Circle:
    """ψ on the circle R/Z: on the residues modulo p a target is this function at t/p.

    Attributes:
        shape: the name under which the core computes it.
        range: the least and the largest value.
        variation: the total variation over one period.
        mean: ∫ψ over one period.
        exact: ψ at a fraction in [0, 1), plain and slow.
        coefficients: the Fourier coefficients c_k = ∫ψ(t)e(−kt)dt for an array of integers k.
        labels: the two values of ψ, the smaller first, if it takes two only.
        harmonic: k for cos(2πkt), the one trigonometric shape, else 0.
        cut: threshold: the first t with ψ = 1.
        table: steps: ψ(t) = table[⌊len(table)·t⌋].
        pieces: where ψ consists of lines, the start of each in [0, 1), its value there and its slope, shape ``(m, 3)``.
    """

    shape: str
    range: tuple[float, float]
    variation: float
    mean: float
    exact: Callable[[Fraction], float] = field(repr=False)
    coefficients: Callable[[Integers], np.ndarray] = field(repr=False)
    labels: tuple[float, float] | None = None
    harmonic: int = 0
    cut: Fraction = Fraction(1, 2)
    table: Floats = field(default_factory=lambda: np.empty(0), repr=False)
    pieces: Floats | None = field(default=None, repr=False)

    @property
    def core(self) -> tuple[str, tuple[float, float], tuple[float, float], Floats]:
        """Shape, parameters and table as the core takes them."""
        if self.shape == "cosine":
            return self.shape, (float(self.harmonic), 0.0), (0.0, 0.0), self.table
        return self.shape, _twice_as_long(self.cut), _twice_as_long(self.cut - 1), self.table


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
