"""Targets that rise and fall over the cycle: sawtooth, cosine, square and triangle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from barren import _modular, _validate
from barren._validate import Floats, Integers, came
from barren.targets.base import Target
from barren.targets.circle import Circle
from barren.targets.expansion import SawtoothExpansion, unshifted


def _twice_centred(t: Integers, p: int) -> Integers:
    """2t − p, exact: neither difference leaves 64 bits."""
    return t - (p - t)


def _cosine_of_turns(turns: Fraction) -> float:
    """cos(2π·turns) for turns in [0, 1), as the sine of the distance to a quarter turn, which keeps it small."""
    return math.sin(2 * math.pi * float(Fraction(1, 4) - min(turns, 1 - turns)))


_LARGEST_HARMONIC = 1 << 51  # on the real line


@dataclass(frozen=True)
class Sawtooth(Target):
    """ψ(t) = ((t/p)): t/p − 1/2 for t ≠ 0, and 0 at t = 0.

    Odd, ψ(p−t) = −ψ(t); its correlations are Dedekind sums (docs/theory, section 2).

    Source: docs/theory, sections 2 and 5.

    >>> Sawtooth()([0, 1, 2, 3], 4)
    array([ 0.  , -0.25,  0.  ,  0.25])
    """

    _name = "sawtooth"

    def range(self, p: int) -> tuple[float, float]:
        """±(1/2 − 1/p)."""
        p = self._modulus(p)
        largest = (p - 2) / (2 * p)
        return -largest, largest

    def variation(self, p: int) -> float:
        """2(p−2)/p: a rise of (p−2)/p and the two steps to the zero."""
        p = self._modulus(p)
        return 2 * (p - 2) / p

    def circle(self) -> Circle:
        """((t)): t − 1/2, and 0 at t = 0."""
        half = Fraction(1, 2)
        return Circle(
            "sawtooth",
            (-0.5, 0.5),
            2.0,
            0.0,
            lambda t: float(t - half) if t else 0.0,
            lambda k: np.where(k == 0, 0.0, 1j / (2 * np.pi * np.where(k == 0, 1, k))),
            pieces=np.array([[0.0, -0.5, 1.0]]),
        )

    def _evaluate(self, t: Integers, p: int) -> Floats:
        out = _twice_centred(t, p) / (2 * float(p))
        return np.where(t == 0, 0.0, out)

    def _expand(self, p: int) -> SawtoothExpansion:
        return unshifted(p, Fraction(0), [(1, 1)])


@dataclass(frozen=True)
class Cosine(Target):
    """ψ(t) = cos(2πkt/p); k·t is reduced modulo p before the division.

    Args:
        k: the frequency, any integer that p does not divide.

    Raises:
        TypeError: k is not an integer.
        ValueError: k = 0.

    Source: docs/theory, sections 2 and 5.

    >>> Cosine(2)([0, 1, 2, 3, 4, 5, 6, 7], 8)
    array([ 1.,  0., -1.,  0.,  1.,  0., -1.,  0.])
    """

    k: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _validate.integer("k", self.k))
        if self.k == 0:
            _validate.refuse(ValueError, "k", "a frequency other than 0", "0")

    def _fit(self, p: int) -> None:
        """Refuse a modulus that divides k: ψ would be constant."""
        if self.k % p == 0:
            _validate.refuse(ValueError, "k", f"no multiple of p = {came(p)}", came(self.k))

    def labels(self, p: int) -> tuple[float, float] | None:
        """Two values only where kt/p has denominator 2, (−1, 1), or 3, (−1/2, 1)."""
        p = self._modulus(p)
        common = math.gcd(self.k, p)
        order = p // common
        if order > 3:
            return None
        second = _modular.cosine(np.array([self.k // common % order]), order)
        return float(second[0]), 1.0

    def range(self, p: int) -> tuple[float, float]:
        """From −1 to 1, or from −cos(π/q) to 1 if kt/p has an odd denominator q."""
        p = self._modulus(p)
        order = p // math.gcd(self.k, p)
        return -math.cos(math.pi / order) if order % 2 else -1.0, 1.0

    def variation(self, p: int) -> float:
        """2|sin(πk/p)|·g·S, with g = gcd(k, p), q = p/g and S the sum over a cycle of q steps.

        A step is 2|sin(πk/p)|·|sin(πk(2t+1)/p)|. For odd q the arguments run through all residues,
        S = cot(π/2q); for even q twice through the odd ones, S = 2/sin(π/q).
        """
        p = self._modulus(p)
        common, frequency = math.gcd(self.k, p), self.k % p
        order = p // common
        step = 2 * math.sin(math.pi * (min(frequency, p - frequency) / p))
        if order % 2:
            return step * common / math.tan(math.pi / (2 * order))
        return step * common * 2 / math.sin(math.pi / order)

    def formula(self, p: int) -> tuple[str, int]:
        """``("cosine", k mod p)``."""
        p = self._modulus(p)
        return "cosine", self.k % p

    def circle(self) -> Circle:
        """cos(2πkt).

        The fraction of a·x is kept as the sum of two doubles where it is multiplied by k, so no digit is lost to k.

        Raises:
            ValueError: k is above 2^51 in size.
        """
        k = abs(self.k)
        if k > _LARGEST_HARMONIC:
            _validate.refuse(ValueError, "k", "at most 2^51 in size for frequencies", came(self.k))
        return Circle(
            "cosine",
            (-1.0, 1.0),
            4.0 * k,
            0.0,
            lambda t: _cosine_of_turns(k * t % 1),
            lambda j: np.where(np.abs(j) == k, 0.5 + 0j, 0.0),
            harmonic=k,
        )

    def _evaluate(self, t: Integers, p: int) -> Floats:
        return _modular.cosine(_modular.multiply(self.k, t, p), p)


@dataclass(frozen=True)
class Square(Target):
    """ψ(t) = +1 for 0 < t < p/2, −1 for p/2 < t < p, and 0 at t = 0 and t = p/2.

    It is 2((2t/p)) − 4((t/p)).

    Source: docs/theory, sections 2 and 5.

    >>> Square()([0, 1, 2, 3, 4, 5], 6)
    array([ 0.,  1.,  1.,  0., -1., -1.])
    """

    _name = "square"

    def range(self, p: int) -> tuple[float, float]:
        """(−1, 1)."""
        self.check(p)
        return -1.0, 1.0

    def variation(self, p: int) -> float:
        """4: up by one, down by two, up by one."""
        self.check(p)
        return 4.0

    def circle(self) -> Circle:
        """+1 for 0 < t < 1/2, −1 for 1/2 < t < 1, and 0 at t = 0 and t = 1/2."""
        half = Fraction(1, 2)
        return Circle(
            "square",
            (-1.0, 1.0),
            4.0,
            0.0,
            lambda t: 0.0 if t in (0, half) else 1.0 if t < half else -1.0,
            lambda k: np.where(k % 2 == 0, 0.0, -2j / (np.pi * np.where(k == 0, 1, k))),
            pieces=np.array([[0.0, 1.0, 0.0], [0.5, -1.0, 0.0]]),
        )

    def _evaluate(self, t: Integers, p: int) -> Floats:
        return np.where(t == 0, 0.0, -np.sign(_twice_centred(t, p)).astype(np.float64) + 0.0)

    def _expand(self, p: int) -> SawtoothExpansion:
        return unshifted(p, Fraction(0), [(2, 2), (-4, 1)])


@dataclass(frozen=True)
class Triangle(Target):
    """ψ(t) = 4|t/p − 1/2| − 1: from 1 at t = 0 down to −1 at t = p/2 and up again.

    Source: docs/theory, sections 2 and 5.

    >>> Triangle()([0, 1, 2, 3], 4)
    array([ 1.,  0., -1.,  0.])
    """

    _name = "triangle"

    def labels(self, p: int) -> tuple[float, float] | None:
        """(−1/3, 1) for p = 3, else None."""
        p = self._modulus(p)
        return (-1 / 3, 1.0) if p == 3 else None

    def range(self, p: int) -> tuple[float, float]:
        """From −1 for even p, (2−p)/p for odd p, to 1."""
        p = self._modulus(p)
        return (-1.0 if p % 2 == 0 else (2 - p) / p), 1.0

    def variation(self, p: int) -> float:
        """4 for even p, 4(p−1)/p for odd p: down to the lowest value and up again."""
        p = self._modulus(p)
        return 4.0 if p % 2 == 0 else 4 * (p - 1) / p

    def circle(self) -> Circle:
        """4|t − 1/2| − 1."""
        return Circle(
            "triangle",
            (-1.0, 1.0),
            4.0,
            0.0,
            lambda t: float(4 * abs(t - Fraction(1, 2)) - 1),
            lambda k: np.where(k % 2 == 0, 0.0, 4.0 / (np.pi * np.where(k == 0, 1, k)) ** 2 + 0j),
            pieces=np.array([[0.0, 1.0, -4.0], [0.5, -1.0, 4.0]]),
        )

    def _evaluate(self, t: Integers, p: int) -> Floats:
        distance = np.abs(_twice_centred(t, p))  # |2t − p|, so that ψ = (2·distance − p)/p
        return np.asarray((distance - (p - distance)) / p)
