"""Exact arithmetic for the ledger: sums of integers over a common denominator; cosines to 120 digits.

Nothing of the package is used here. Doubles are the fractions that they are. A cosine, the one irrational value among
the targets, is a fraction over 2^400, so that every sum over it is right to far more than 50 digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np

DIGITS = 120
_BITS = 400
mpmath.mp.dps = DIGITS


@dataclass(frozen=True)
class Numbers:
    """An array of fractions top/bottom: Python integers over one denominator."""

    top: np.ndarray
    bottom: int

    def __getitem__(self, index: Any) -> Numbers:
        return Numbers(self.top[index], self.bottom)

    def fractions(self) -> list[Fraction]:
        """All of them, in order."""
        return [Fraction(int(entry), self.bottom) for entry in self.top.ravel()]


def of_fractions(values: Iterable[Fraction], shape: tuple[int, ...]) -> Numbers:
    """Fractions over their common denominator."""
    kept = list(values)
    bottom = math.lcm(1, *{value.denominator for value in kept})
    top = np.empty(len(kept), dtype=object)
    for i, value in enumerate(kept):
        top[i] = value.numerator * (bottom // value.denominator)
    return Numbers(top.reshape(shape), bottom)


def of_floats(values: Any) -> Numbers:
    """Doubles, or singles, as the fractions that they are."""
    array = np.asarray(values, dtype=np.float64)
    return of_fractions((Fraction(float(value)) for value in array.ravel()), array.shape)


def of_real(value: Any) -> Fraction:
    """A number of mpmath as a fraction over 2^400."""
    return Fraction(int(mpmath.nint(mpmath.ldexp(value, _BITS))), 1 << _BITS)


@lru_cache(maxsize=1 << 16)
def cosine(turns: Fraction) -> Fraction:
    """cos(2π·turns)."""
    return of_real(mpmath.cos(2 * mpmath.pi * mpmath.mpf(turns.numerator) / turns.denominator))


def sawtooth(t: Fraction) -> Fraction:
    """((t)): t − ⌊t⌋ − 1/2, and 0 at the integers."""
    return Fraction(0) if t.denominator == 1 else t - math.floor(t) - Fraction(1, 2)


def square(t: Fraction) -> Fraction:
    """1 on (0, 1/2), −1 on (1/2, 1), 0 at 0 and 1/2."""
    t -= math.floor(t)
    return Fraction(0) if t in (0, Fraction(1, 2)) else Fraction(1 if t < Fraction(1, 2) else -1)


def triangle(t: Fraction) -> Fraction:
    """4|t − 1/2| − 1 on [0, 1]."""
    return 4 * abs(t - math.floor(t) - Fraction(1, 2)) - 1


@dataclass(frozen=True)
class Pairing:
    """A variance and the deviation of every member, exact, and what they are measured by where they are 0."""

    variance: Fraction
    deviations: Numbers
    scale: Fraction


def pairing(psi: Numbers, weights: Numbers, jacobian: Numbers) -> Pairing:
    """Var and d(a) of G_a = Σ_x c_x·ψ_a(x)·J(x), one sum after the other: psi (A, n), weights (n,), jacobian (n, d)."""
    members = len(psi.top)
    responses = psi.top.dot(weights.top[:, None] * jacobian.top)
    centred = members * responses - responses.sum(axis=0)
    bottom = members * psi.bottom * weights.bottom * jacobian.bottom
    deviations = (centred * centred).sum(axis=1)
    variance = Fraction(int(deviations.sum()), members * bottom**2)
    squares = (jacobian.top * jacobian.top).sum(axis=1)
    norm = Fraction(int((weights.top * squares).sum()), weights.bottom * jacobian.bottom**2)
    return Pairing(variance, Numbers(deviations, bottom**2), _spread(psi) ** 2 * norm)


def form(psi: Numbers, weights: Numbers, theta: Numbers) -> Pairing:
    """The same from Θ (n, n): d(a) = Σ_{x,y} c_x c_y ψ̃_a(x)·ψ̃_a(y)·Θ(x, y)."""
    members = len(psi.top)
    centred = (members * psi.top - psi.top.sum(axis=0)) * weights.top
    bottom = (members * psi.bottom * weights.bottom) ** 2 * theta.bottom
    deviations = (centred.dot(theta.top) * centred).sum(axis=1)
    variance = Fraction(int(deviations.sum()), members * bottom)
    norm = Fraction(int((weights.top * np.diagonal(theta.top)).sum()), weights.bottom * theta.bottom)
    return Pairing(variance, Numbers(deviations, bottom), _spread(psi) ** 2 * norm)


def _spread(psi: Numbers) -> Fraction:
    """Half of max ψ − min ψ."""
    return Fraction(int(psi.top.max()) - int(psi.top.min()), 2 * psi.bottom)


def covariance(psi_x: Numbers, psi_y: Numbers) -> Numbers:
    """K(x, y) = Cov_a over the members: psi_x (A, n), psi_y (A, m)."""
    members = len(psi_x.top)
    left = members * psi_x.top - psi_x.top.sum(axis=0)
    right = members * psi_y.top - psi_y.top.sum(axis=0)
    return Numbers(left.T.dot(right), members**3 * psi_x.bottom * psi_y.bottom)


def error(got: float, exact: Fraction, scale: Fraction = Fraction(0)) -> float:
    """|got − exact|/|exact|; by `scale` where the exact number is 0 (inf without one)."""
    difference = abs(Fraction(float(got)) - exact) if math.isfinite(got) else None
    if difference is None:
        return math.inf
    if difference == 0:
        return 0.0
    measure = abs(exact) or scale
    return float(difference / measure) if measure else math.inf


def error_of_all(got: Any, exact: Numbers, scale: Fraction = Fraction(0)) -> float:
    """The largest difference over the largest exact entry, or `scale` where all of them are 0."""
    values, array = exact.fractions(), np.asarray(got, dtype=np.float64)
    if array.size != len(values) or not np.isfinite(array).all():
        return math.inf
    worst = max(abs(Fraction(float(g)) - e) for g, e in zip(array.ravel(), values, strict=True))
    measure = max(abs(value) for value in values) or scale
    return 0.0 if worst == 0 else float(worst / measure) if measure else math.inf
