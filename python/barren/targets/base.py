"""What every target knows of itself."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from barren import _validate
from barren._validate import Floats, Integers, came
from barren.targets.circle import AnyCircle
from barren.targets.expansion import SawtoothExpansion

if TYPE_CHECKING:
    from barren.targets.combined import Combination

SAWTOOTH_RATIONAL = (
    "Sawtooth, Square, Threshold, QuantileBit, Bit(j) for the few lowest and highest digits, and combinations of these"
)
"""Which targets have a sawtooth expansion, for messages."""

ON_CIRCLE = "Sawtooth, Cosine, Threshold, QuantileBit, Square, Triangle, Table, and combinations of these"
"""Which targets are functions of the position t/p alone, for messages."""

_BLOCK = 1 << 18  # residues evaluated together in a table: intermediate arrays of 2 MiB stay in the cache


class Target(ABC):
    """A function ψ on the residues 0..p-1, for every modulus p >= 3 that it fits.

    Source: docs/theory, sections 2 and 5.
    """

    _name: ClassVar[str]
    _off_circle: ClassVar[str] = "is defined on residues only"

    def check(self, p: int) -> None:
        """Refuse a modulus that ψ does not fit.

        Args:
            p: the modulus, an integer.

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

        Args:
            p: the modulus, below 2^63.

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
        """The two values of ψ, the smaller first, or None if ψ takes more than two on Z_p.

        Args:
            p: the modulus, 3 or more, that ψ fits.
        """
        self.check(p)
        return None

    @abstractmethod
    def range(self, p: int) -> tuple[float, float]:
        """The least and the largest value of ψ on Z_p.

        Args:
            p: the modulus, 3 or more, that ψ fits.
        """

    @abstractmethod
    def variation(self, p: int) -> float:
        """The total variation over the cycle, Σ_t |ψ(t+1) − ψ(t)| with t in Z_p.

        Args:
            p: the modulus, 3 or more, that ψ fits.
        """

    def formula(self, p: int) -> tuple[str, int]:
        """The name under which the core computes ψ, and its parameter (0 if it has none).

        Args:
            p: the modulus, 3 or more, that ψ fits.
        """
        self.check(p)
        return self._name, 0

    def circle(self) -> AnyCircle:
        """ψ read as a function of period 1 on the real line, which at t/p agrees with ψ at the residue t.

        Raises:
            ValueError: it has no meaning there.
        """
        _validate.refuse(
            ValueError, "target", f"a function on the circle: {ON_CIRCLE}", f"{self!r}, which {self._off_circle}"
        )

    def without_constant(self) -> Target:
        """ψ less a constant, without an error: covariances do not see it, and beside a large one ψ has few digits.

        Returns:
            The same target where there is none to take off.
        """
        return self

    def sawtooth_expansion(self, p: int) -> SawtoothExpansion | None:
        """ψ as a constant, finitely many sawtooths and point masses, equal to ψ at every residue, in exact rationals.

        With it the class kernel needs no table, so p may be of any size (docs/theory, section 2).

        Args:
            p: the modulus, of any size.

        Returns:
            The expansion, or None where there is none; `sawtooth_obstacle` then says why.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or ψ does not fit it.
        """
        p = self._modulus(p)
        return self._expand(p) if p % 2 else None

    def sawtooth_obstacle(self, p: int) -> str | None:
        """Why ψ has no sawtooth expansion modulo p and which targets have one, in words; None where it has one."""
        if self.sawtooth_expansion(p) is not None:
            return None
        if p % 2 == 0:
            return f"a sawtooth expansion needs an odd p, and p = {came(p)} is even"
        return f"{self!r} is no combination of few sawtooths modulo {came(p)}; those that are: {SAWTOOTH_RATIONAL}"

    def __add__(self, other: object) -> Combination:
        return self._with(1, other)

    __radd__ = __add__

    def __sub__(self, other: object) -> Combination:
        return self._with(1, other, -1)

    def __rsub__(self, other: object) -> Combination:
        return self._with(-1, other)

    def __mul__(self, factor: object) -> Combination:
        from barren.targets.combined import Combination

        if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
            return NotImplemented
        return Combination([(factor, self)])

    __rmul__ = __mul__

    def __neg__(self) -> Combination:
        return self * -1

    def _with(self, factor: int, other: object, sign: int = 1) -> Combination:
        """factor·ψ + sign·other, a target or a number."""
        from barren.targets.combined import Combination

        if isinstance(other, Target):
            return Combination([(factor, self), (sign, other)])
        if isinstance(other, numbers.Real) and not isinstance(other, bool):
            return Combination([(factor, self)], sign * other)
        return NotImplemented  # type: ignore[no-any-return]

    def _modulus(self, p: int) -> int:
        """The modulus p as a Python integer, once ψ fits it."""
        p = _validate.integer("p", p, low=3)
        self._fit(p)
        return p

    def _fit(self, p: int) -> None:  # noqa: B027  (most targets fit every modulus)
        """Raise ValueError where ψ does not fit p."""

    def _expand(self, p: int) -> SawtoothExpansion | None:
        """The expansion for an odd p that ψ fits; most functions have none."""
        return None

    @abstractmethod
    def _evaluate(self, t: Integers, p: int) -> Floats:
        """ψ(t) for residues that have been checked."""
