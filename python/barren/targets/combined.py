"""Linear combinations of targets."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from barren import _validate
from barren._validate import Floats, Integers, came
from barren.targets.base import Target
from barren.targets.circle_sum import CircleSum
from barren.targets.expansion import SawtoothExpansion, combined

# Range, labels and variation of a sum are read off its table up to this modulus.
_LARGEST_TABLE = 1 << 24


@dataclass(frozen=True, init=False, repr=False)
class Combination(Target):
    """ψ(t) = constant + Σ coefficient·ψ_i(t). Sums and multiples of targets, such as ``1 - 2 * Bit(0)``, make one.

    Args:
        terms: pairs (coefficient, target), at least one that is not zero; equal targets are joined and combinations
            opened. A float is taken at its exact binary value.
        constant: a number.

    Raises:
        TypeError: a coefficient is not a real number, or a target not a ``Target``.
        ValueError: a coefficient or the constant is not finite, or no float64, or nothing but a constant is left.

    Source: docs/theory, sections 2.1 and 5.

    >>> from barren import targets
    >>> parity = 1 - 2 * targets.Bit(0)
    >>> parity, parity([0, 1, 2], 5)
    (Combination(-2·Bit(j=0) + 1), array([ 1., -1.,  1.]))
    """

    terms: tuple[tuple[Fraction, Target], ...]
    constant: Fraction

    def __init__(self, terms: Iterable[tuple[Any, Target]], constant: Any = 0) -> None:
        total, joined = exact("constant", constant), dict[Target, Fraction]()
        for i, (coefficient, target) in enumerate(terms):
            factor = exact(f"terms[{i}][0]", coefficient)
            _validate.instance(f"terms[{i}][1]", target, Target, "a target such as targets.Sawtooth()")
            parts = target.terms if isinstance(target, Combination) else ((Fraction(1), target),)
            total += factor * target.constant if isinstance(target, Combination) else 0
            for share, part in parts:
                joined[part] = joined.get(part, Fraction(0)) + factor * share
        kept = tuple((factor, target) for target, factor in joined.items() if factor)
        if not kept:
            _validate.refuse(ValueError, "terms", "at least one target with a coefficient other than 0", came(kept))
        for number in (total, *(factor for factor, _ in kept)):
            _refuse_large(number)
        object.__setattr__(self, "terms", kept)
        object.__setattr__(self, "constant", total)

    def labels(self, p: int) -> tuple[float, float] | None:
        """The two values of ψ; None if there are more, and for several terms beyond p = 2^24, where nobody counts."""
        p = self._modulus(p)
        if len(self.terms) == 1:
            two = self.terms[0][1].labels(p)
            return None if two is None else self._affine(two)
        if p > _LARGEST_TABLE:
            return None
        values = np.unique(self.table(p))
        return (float(values[0]), float(values[1])) if values.size == 2 else None

    def range(self, p: int) -> tuple[float, float]:
        """The least and the largest value; of several terms from a table.

        Raises:
            ValueError: several terms, and p above 2^24.
        """
        p = self._modulus(p)
        if len(self.terms) == 1:
            return self._affine(self.terms[0][1].range(p))
        values = self._small_table(p, "the range")
        return float(values.min()), float(values.max())

    def variation(self, p: int) -> float:
        """|coefficient| times the variation of the target; of several terms from a table.

        Raises:
            ValueError: several terms, and p above 2^24.
        """
        p = self._modulus(p)
        if len(self.terms) == 1:
            return abs(float(self.terms[0][0])) * self.terms[0][1].variation(p)
        values = self._small_table(p, "the variation")
        return float(np.abs(np.diff(values, append=values[0])).sum())

    def formula(self, p: int) -> tuple[str, int]:
        """``("table", 0)``."""
        self.check(p)
        return "table", 0

    def circle(self) -> CircleSum:
        """The same combination of the targets on the circle.

        Raises:
            ValueError: one of them has no meaning there, or they cancel.
        """
        return CircleSum([(factor, target.circle()) for factor, target in self.terms], self.constant)

    def without_constant(self) -> Target:
        """The terms alone; a single target where nothing but that is left."""
        terms = [(factor, target.without_constant()) for factor, target in self.terms]
        if len(terms) == 1 and terms[0][0] == 1:
            return terms[0][1]
        if not self.constant and all(left is right for (_, left), (_, right) in zip(terms, self.terms, strict=True)):
            return self
        return Combination(terms)

    def _fit(self, p: int) -> None:
        """Refuse a modulus that one of the targets does not fit."""
        for _, target in self.terms:
            target.check(p)

    def _evaluate(self, t: Integers, p: int) -> Floats:
        out = np.zeros(t.shape)
        for factor, target in self.terms:
            out += float(factor) * target._evaluate(t, p)
        return out + float(self.constant)

    def _expand(self, p: int) -> SawtoothExpansion | None:
        parts = [(factor, target._expand(p)) for factor, target in self.terms]
        known = [(factor, part) for factor, part in parts if part is not None]
        return combined(p, self.constant, known) if len(known) == len(parts) else None

    def _affine(self, two: tuple[float, float]) -> tuple[float, float]:
        ends = sorted(float(self.terms[0][0]) * end + float(self.constant) for end in two)
        return ends[0], ends[1]

    def _small_table(self, p: int, purpose: str) -> Floats:
        if p > _LARGEST_TABLE:
            expected = f"at most 2**24 for {purpose} of a combination of several targets"
            _validate.refuse(ValueError, "p", expected, came(p))
        return self.table(p)

    def __repr__(self) -> str:
        words = [f"{factor}·{target!r}" for factor, target in self.terms]
        return f"Combination({' + '.join(words)}{f' + {self.constant}' if self.constant else ''})"


def _refuse_large(number: Fraction) -> None:
    """Refuse a coefficient that is no float64, as ψ would not be."""
    try:
        float(number)
    except OverflowError:
        digits = len(str(abs(number.numerator) // number.denominator))
        _validate.refuse(ValueError, "terms", "coefficients that are float64 numbers", f"one of {digits} digits")


def exact(name: str, value: object) -> Fraction:
    """A finite real number as a fraction, a float at its exact binary value."""
    if isinstance(value, numbers.Rational) and not isinstance(value, bool):
        return Fraction(int(value.numerator), int(value.denominator))
    return Fraction(_validate.real(name, value))
