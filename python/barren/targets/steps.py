"""Targets with the values 0 and 1: a binary digit and a threshold."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from barren import _validate
from barren._validate import Floats, Integers, came
from barren.targets.base import Target
from barren.targets.circle import Circle, indicator_coefficients


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

    >>> Bit(1)([0, 1, 2, 3, 4], 5)
    array([0., 0., 1., 1., 0.])
    """

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


@dataclass(frozen=True)
class Threshold(_ZeroOne):
    """ψ(t) = 1 where t/p >= c, else 0; the comparison is exact, t >= ⌈c·p⌉.

    Args:
        c: 0 < c < 1, a float (taken at its exact binary value) or a ``fractions.Fraction``.

    Raises:
        TypeError: c is not a real number.
        ValueError: c is not between 0 and 1.

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
