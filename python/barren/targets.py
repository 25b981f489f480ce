"""Targets ψ: Z_p → R, the one function that all members of a class share.

A target knows its values on Z_p, its total variation over the cycle (the bounds need it), whether it takes
two values only (then it can be a label), and the name under which the core computes it. Values are computed
from exact integers: one rounding of a ratio, so that symmetries such as ψ(p−t) = −ψ(t) hold to the last bit.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from barren import _modular, _validate
from barren._validate import Floats, Integers, came

__all__ = ["Bit", "Cosine", "Residue", "Sawtooth", "Square", "Table", "Target", "Threshold", "Triangle"]

_BLOCK = 1 << 18  # residues evaluated together in a table: intermediate arrays of 2 MiB stay in the cache


class Target(ABC):
    """A function ψ on the residues 0..p-1, for every modulus p >= 3 that it fits."""

    _name: ClassVar[str]

    def check(self, p: int) -> None:
        """Refuse a modulus that ψ does not fit.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or ψ is not defined (or is constant) on Z_p.
        """
        self._modulus(p)

    def __call__(self, t: ArrayLike, p: int) -> Floats:
        """ψ(t).

        Args:
            t: residues 0..p-1, integers of any shape.
            p: the modulus, 3 <= p < 2**63.

        Returns:
            float64 of the shape of ``t``.

        Raises:
            TypeError: ``t`` or ``p`` are not integers.
            ValueError: a residue is out of range, or ψ does not fit the modulus.
        """
        p = _validate.word_modulus("p", self._modulus(p), "residues of 64 bits")
        return self._evaluate(_validate.residues("t", t, p, any_shape=True), p)

    def table(self, p: int) -> Floats:
        """(ψ(0), …, ψ(p-1)), float64 of shape ``(p,)``, a new array.

        Raises:
            ValueError: p is 2**63 or more, the table is larger than the memory, or ψ does not fit.
        """
        p = _validate.tabulated("p", self._modulus(p), 8, "a table of ψ")
        out = np.empty(p)
        for start in range(0, p, _BLOCK):
            stop = min(start + _BLOCK, p)
            out[start:stop] = self._evaluate(np.arange(start, stop, dtype=np.int64), p)
        return out

    def labels(self, p: int) -> tuple[float, float] | None:
        """The two values of ψ, the smaller first, or None if ψ takes more than two on Z_p."""
        self.check(p)
        return None

    @abstractmethod
    def range(self, p: int) -> tuple[float, float]:
        """The least and the largest value of ψ on Z_p."""

    @abstractmethod
    def variation(self, p: int) -> float:
        """The total variation over the cycle, Σ_t |ψ(t+1) − ψ(t)| with t in Z_p."""

    def formula(self, p: int) -> tuple[str, int]:
        """The name under which the core computes ψ, and its parameter (0 if it has none)."""
        self.check(p)
        return self._name, 0

    def _modulus(self, p: int) -> int:
        """The modulus p as a Python integer, once ψ fits it."""
        p = _validate.integer("p", p, low=3)
        self._fit(p)
        return p

    def _fit(self, p: int) -> None:  # noqa: B027  (most targets fit every modulus)
        """Raise ValueError where ψ does not fit p."""

    @abstractmethod
    def _evaluate(self, t: Integers, p: int) -> Floats:
        """ψ(t) for residues that have been checked."""


def _twice_centred(t: Integers, p: int) -> Integers:
    """2t − p, exact: neither difference leaves 64 bits."""
    return t - (p - t)


@dataclass(frozen=True)
class Sawtooth(Target):
    """ψ(t) = ((t/p)): t/p − 1/2 for t ≠ 0, and 0 at t = 0.

    Odd, ψ(p−t) = −ψ(t); its correlations are Dedekind sums (docs/theory, section 2).

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

    def _evaluate(self, t: Integers, p: int) -> Floats:
        out = _twice_centred(t, p) / (2 * float(p))
        return np.where(t == 0, 0.0, out)


@dataclass(frozen=True)
class Cosine(Target):
    """ψ(t) = cos(2πkt/p); k·t is reduced modulo p before the division.

    Args:
        k: the frequency, any integer that p does not divide.

    Raises:
        TypeError: k is not an integer.
        ValueError: k = 0.

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

    def _evaluate(self, t: Integers, p: int) -> Floats:
        return _modular.cosine(_modular.multiply(self.k, t, p), p)


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

    def _evaluate(self, t: Integers, p: int) -> Floats:
        return (t >= self.cut(p)).astype(np.float64)


@dataclass(frozen=True)
class Square(Target):
    """ψ(t) = +1 for 0 < t < p/2, −1 for p/2 < t < p, and 0 at t = 0 and t = p/2.

    It is 2((2t/p)) − 4((t/p)).

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

    def _evaluate(self, t: Integers, p: int) -> Floats:
        return np.where(t == 0, 0.0, -np.sign(_twice_centred(t, p)).astype(np.float64) + 0.0)


@dataclass(frozen=True)
class Triangle(Target):
    """ψ(t) = 4|t/p − 1/2| − 1: from 1 at t = 0 down to −1 at t = p/2 and up again.

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

    def _evaluate(self, t: Integers, p: int) -> Floats:
        distance = np.abs(_twice_centred(t, p))  # |2t − p|, so that ψ = (2·distance − p)/p
        return np.asarray((distance - (p - distance)) / p)


@dataclass(frozen=True)
class Residue(Target):
    """ψ(t) = t: the residue itself. For loss="cross-entropy" it is the class label, one of 0..p−1.

    The core has no formula for it and looks it up, so p is as large as a table of p numbers may be.

    >>> Residue()([0, 1, 4], 5)
    array([0., 1., 4.])
    """

    def range(self, p: int) -> tuple[float, float]:
        """(0, p−1)."""
        return 0.0, float(self._modulus(p) - 1)

    def variation(self, p: int) -> float:
        """2(p−1): up by ones, and down again from p−1 to 0."""
        return 2.0 * (self._modulus(p) - 1)

    def formula(self, p: int) -> tuple[str, int]:
        """``("table", 0)``."""
        self.check(p)
        return "table", 0

    def _evaluate(self, t: Integers, p: int) -> Floats:
        return t.astype(np.float64)


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Table(Target):
    """ψ(t) = values[t], for the one modulus p = len(values).

    Args:
        values: at least three finite numbers, shape ``(p,)``; a read-only float64 copy is kept.

    Raises:
        TypeError: they are not real numbers.
        ValueError: not one-dimensional, fewer than three, or one is not finite.

    >>> Table([1, 0, 2])([2, 2, 0], 3)
    array([2., 2., 1.])
    """

    _name = "table"

    values: Floats

    def __init__(self, values: ArrayLike) -> None:
        kept = _validate.vector("values", values) + 0.0  # a copy without -0.0: equal tables have equal bytes
        if kept.size < 3:
            _validate.refuse(ValueError, "values", "at least 3 numbers, one a residue", came(kept))
        kept.setflags(write=False)
        object.__setattr__(self, "values", kept)

    def _fit(self, p: int) -> None:
        """Refuse a modulus other than the number of values."""
        if p != self.values.size:
            expected = f"one a residue, p = {came(p)} of them"
            _validate.refuse(ValueError, "values", expected, f"{self.values.size}")

    def table(self, p: int) -> Floats:
        """A copy of the values."""
        self.check(p)
        return np.array(self.values)

    def labels(self, p: int) -> tuple[float, float] | None:
        """The two values, if there are exactly two."""
        self.check(p)
        low, high = float(self.values.min()), float(self.values.max())
        two = low < high and bool(np.all((self.values == low) | (self.values == high)))
        return (low, high) if two else None

    def range(self, p: int) -> tuple[float, float]:
        """The least and the largest of the values."""
        self.check(p)
        return float(self.values.min()), float(self.values.max())

    def variation(self, p: int) -> float:
        """Σ_t |values[t+1] − values[t]|, cyclic."""
        self.check(p)
        return float(np.abs(np.diff(self.values, append=self.values[0])).sum())

    def _evaluate(self, t: Integers, p: int) -> Floats:
        out: Floats = self.values[t]
        return out

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((Table, self.values.tobytes()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{value:g}" for value in self.values[:4])
        more = f", ...], {self.values.size} values" if self.values.size > 4 else "]"
        return f"Table([{shown}{more})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Table, (self.values,)  # through the constructor, so that an unpickled table is read-only too
