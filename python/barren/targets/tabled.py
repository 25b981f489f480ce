"""Targets that the core looks up: the residue itself, and a table of the caller's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from barren import _validate
from barren._validate import Floats, Integers, came
from barren.targets.base import Target
from barren.targets.circle import Circle, indicator_coefficients


@dataclass(frozen=True)
class Residue(Target):
    """ψ(t) = t: the residue itself. For loss="cross-entropy" it is the class label, one of 0..p−1.

    The core has no formula for it and looks it up, so p is as large as a table of p numbers may be.

    Source: docs/theory, section 2.

    >>> Residue()([0, 1, 4], 5)
    array([0., 1., 4.])
    """

    _off_circle = "grows with p for a given t/p (Sawtooth() is t/p − 1/2)"

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

    Source: docs/theory, sections 2 and 5.

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

    def circle(self) -> Circle:
        """The step function values[⌊p·t⌋], p the number of values."""
        values, p = self.values, self.values.size
        low, high = float(values.min()), float(values.max())
        if low == high:
            _validate.refuse(ValueError, "values", "different from one another on the circle", f"{low:g} everywhere")
        return Circle(
            "steps",
            (low, high),
            self.variation(p),
            float(values.mean()),
            lambda t: float(values[math.floor(p * t)]),
            self._coefficients,
            labels=self.labels(p),
            table=values,
            pieces=np.stack([np.arange(p) / p, values, np.zeros(p)], axis=1),
        )

    def without_constant(self) -> Table:
        """The values less the least of them, where all are within a factor of 2: such a difference has no rounding."""
        low, high = float(self.values.min()), float(self.values.max())
        if 0.0 < low < high <= 2.0 * low:
            return Table(self.values - low)
        if 2.0 * high <= low < high < 0.0:
            return Table(self.values - high)
        return self

    def _coefficients(self, k: Integers) -> np.ndarray:
        """Those of one step, times the transform of the values."""
        k, p = np.asarray(k), self.values.size
        turns = np.exp(-2j * np.pi * np.multiply.outer(k, np.arange(p)) / p)
        return np.asarray(indicator_coefficients(k, 0.0, 1.0 / p) * (turns @ self.values))

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
