"""Targets with the values 0 and 1: a binary digit of t, one of t/p, and a threshold."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from barren import _modular, _validate
from barren._validate import Floats, Integers, came
from barren.targets.base import Target
from barren.targets.circle import Circle, indicator_coefficients
from barren.targets.expansion import SawtoothExpansion, on_arcs, unshifted

# Arcs of an expansion: K(x, y) takes as many sums as there are pairs of their borders.
_MOST_ARCS = 64
_HALF = Fraction(1, 2)
_MOST_DIGITS = 52  # of t on the real line


class _ZeroOne(Target):
    """A target with the values 0 and 1, both taken on every Z_p that it fits."""

    def labels(self, p: int) -> tuple[float, float] | None:
        """(0, 1)."""
        return self.range(p)

    def range(self, p: int) -> tuple[float, float]:
        """(0, 1)."""
        self.check(p)
        return 0.0, 1.0


@dataclass(frozen=True)
class Bit(_ZeroOne):
    """ψ(t) = binary digit j of t, 0 or 1; j = 0 is the lowest.

    Args:
        j: which digit, below the bit length of p−1.

    Raises:
        TypeError: j is not an integer.
        ValueError: j < 0.

    Source: docs/theory, section 2.

    >>> Bit(1)([0, 1, 2, 3, 4], 5)
    array([0., 0., 1., 1., 0.])
    """

    _off_circle = "is a digit of the residue t itself: for a given t/p it depends on p (QuantileBit(i) is one of t/p)"

    j: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "j", _validate.integer("j", self.j, low=0))

    def _fit(self, p: int) -> None:
        """Refuse a modulus all of whose residues have digit 0 there."""
        name = f"j (a bit of the residues modulo {came(p)})"
        _validate.integer(name, self.j, low=0, high=(p - 1).bit_length() - 1)

    def variation(self, p: int) -> float:
        """The number of changes: one at each multiple of 2^j, and one from p−1 to 0 if ψ(p−1) = 1."""
        p = self._modulus(p)
        changes = (p - 1) >> self.j
        return float(changes + changes % 2)

    def formula(self, p: int) -> tuple[str, int]:
        """``("bit", j)``."""
        self.check(p)
        return "bit", self.j

    def _evaluate(self, t: Integers, p: int) -> Floats:
        return ((t >> self.j) & 1).astype(np.float64)

    def _expand(self, p: int) -> SawtoothExpansion | None:
        """Where t has a given residue modulo M = 2^{j+1}, t/M mod p is an arc; for a high j the runs of t are few."""
        if self.j == 0:
            return unshifted(p, _HALF, [(2, (p + 1) // 2), (-1, 1)], -_HALF)
        m, half = 2 << self.j, 1 << self.j
        high = (p - 1 - half) // m + 1
        if high <= min(half, _MOST_ARCS):
            return on_arcs(p, 1, [(start, min(half, p - start)) for start in range(half, p, m)])
        if half > _MOST_ARCS:
            return None
        back = pow(m, -1, p)
        return on_arcs(p, back, [(back * r % p, (p - 1 - r) // m + 1) for r in range(half, min(m, p))])


@dataclass(frozen=True)
class QuantileBit(_ZeroOne):
    """ψ(t) = binary digit i of t/p, 0 or 1: ⌊2^i·t/p⌋ mod 2. i = 1 is the first, 1 in the upper half of Z_p.

    Args:
        i: which digit, at least 1.

    Raises:
        TypeError: i is not an integer.
        ValueError: i < 1.

    Source: docs/theory, sections 2 and 5.

    >>> QuantileBit(1)([0, 1, 2, 3, 4], 5), QuantileBit(2)([0, 1, 2, 3, 4], 5)
    (array([0., 0., 0., 1., 1.]), array([0., 0., 1., 0., 1.]))
    """

    i: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "i", _validate.integer("i", self.i, low=1))

    def _fit(self, p: int) -> None:
        """Refuse a power of two that divides 2^{i−1}: digit i of every t/p is 0."""
        if self._factor(p) == 0:
            expected = f"at most {p.bit_length() - 1}, the digits of fractions with the denominator {came(p)}"
            _validate.refuse(ValueError, "i", expected, f"{self.i}")

    def _factor(self, p: int) -> int:
        """2^{i−1} mod p: digit i of t/p is the first digit of this multiple of t."""
        return pow(2, self.i - 1, p)

    def variation(self, p: int) -> float:
        """2g·min(m, p/g − m, ⌊p/2g⌋) with g = gcd(2^{i−1}, p) and m = 2^{i−1}/g mod p/g.

        A step of t moves the first digit's argument by m on a cycle of p/g residues, g times around.
        """
        p = self._modulus(p)
        common = math.gcd(self._factor(p), p)
        step, order = self._factor(p) // common, p // common
        return float(2 * common * min(step, order - step, order // 2))

    def formula(self, p: int) -> tuple[str, int]:
        """``("table", 0)``, or the threshold that digit 1 is."""
        p = self._modulus(p)
        return ("threshold", (p + 1) // 2) if self.i == 1 else ("table", 0)

    def circle(self) -> Circle:
        """⌊2^i·t⌋ mod 2: the threshold 1/2 at 2^{i−1}·t, a multiple that is exact.

        Raises:
            ValueError: i is above 52.
        """
        if self.i > _MOST_DIGITS:
            _validate.refuse(ValueError, "i", f"at most {_MOST_DIGITS} for frequencies", f"{self.i}")
        k = 1 << (self.i - 1)
        return Circle(
            "threshold",
            (0.0, 1.0),
            2.0 * k,
            0.5,
            lambda t: float(math.floor(2 * k * t) % 2),
            lambda j: np.where(np.asarray(j) % k == 0, indicator_coefficients(np.asarray(j) // k, 0.5, 1.0), 0.0),
            labels=(0.0, 1.0),
            harmonic=k,
            pieces=np.array([[0.0, 0.0, 0.0], [0.5, 1.0, 0.0]]),
        )

    def _evaluate(self, t: Integers, p: int) -> Floats:
        place = _modular.multiply(self._factor(p), t, p)
        return (place >= p - place).astype(np.float64)

    def _expand(self, p: int) -> SawtoothExpansion:
        """1/2 + 2((2^{i−1}t/p)) − ((2^i t/p)), and 0 at t = 0."""
        factor = self._factor(p)
        return unshifted(p, _HALF, [(2, factor), (-1, 2 * factor)], -_HALF)


@dataclass(frozen=True)
class Threshold(_ZeroOne):
    """ψ(t) = 1 where t/p >= c, else 0; the comparison is exact, t >= ⌈c·p⌉.

    Args:
        c: 0 < c < 1, a float (taken at its exact binary value) or a ``fractions.Fraction``.

    Raises:
        TypeError: c is not a real number.
        ValueError: c is not between 0 and 1.

    Source: docs/theory, sections 2 and 5.

    >>> Threshold(Fraction(1, 3))([0, 1, 2, 3, 4, 5], 6)
    array([0., 0., 1., 1., 1., 1.])
    """

    c: float | Fraction = Fraction(1, 2)

    def __post_init__(self) -> None:
        number = _validate.real("c", self.c)
        exact = Fraction(self.c) if isinstance(self.c, numbers.Rational) else Fraction(number)
        if not 0 < exact < 1:
            _validate.refuse(ValueError, "c", "between 0 and 1, both excluded", came(self.c))
        object.__setattr__(self, "c", exact if isinstance(self.c, Fraction) else number)

    def cut(self, p: int) -> int:
        """⌈c·p⌉, the first residue where ψ = 1."""
        return math.ceil(Fraction(self.c) * p)

    def _fit(self, p: int) -> None:
        """Refuse a modulus on which ψ is 0 everywhere."""
        if self.cut(p) > p - 1:
            expected = f"at most (p-1)/p for p = {came(p)}, or ψ is 0 everywhere"
            _validate.refuse(ValueError, "c", expected, came(self.c))

    def variation(self, p: int) -> float:
        """2: up at the cut, down from p−1 to 0."""
        self.check(p)
        return 2.0

    def formula(self, p: int) -> tuple[str, int]:
        """``("threshold", ⌈c·p⌉)``."""
        p = self._modulus(p)
        return "threshold", self.cut(p)

    def circle(self) -> Circle:
        """1 for c <= t < 1, else 0."""
        cut = Fraction(self.c)
        return Circle(
            "threshold",
            (0.0, 1.0),
            2.0,
            float(1 - cut),
            lambda t: float(t >= cut),
            lambda k: indicator_coefficients(k, float(cut), 1.0),
            labels=(0.0, 1.0),
            cut=cut,
            pieces=np.array([[0.0, 0.0, 0.0], [float(cut), 1.0, 0.0]]),
        )

    def _evaluate(self, t: Integers, p: int) -> Floats:
        return (t >= self.cut(p)).astype(np.float64)

    def _expand(self, p: int) -> SawtoothExpansion:
        cut = self.cut(p)
        return on_arcs(p, 1, [(cut, p - cut)])
