"""ψ as covariances see it: less its constant, and brought to a size whose squares are float64 numbers.

λ and every other bound grow by the square of ψ, the Boas–Bellman value by way of fourth powers; correlations do not
change. So a bound is computed for ψ/2^e and multiplied by 4^e, neither of which rounds.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from barren._scales import refuse_overflow
from barren.classes import Frequencies, ModularMultiplication, TargetClass
from barren.targets import Combination, Table, Target

_Terms: TypeAlias = "tuple[tuple[Fraction, Target], ...]"

# Between 2^-200 and 2^200 a ψ is left as it is: fourth powers, and their sums over pairs of members, are numbers.
_EXPONENTS = 200
_LOST = 2.0**-960  # squares below it have lost digits


def levelled(cls: TargetClass) -> tuple[TargetClass, int]:
    """The class of (ψ less its constant)/2^e, and e."""
    cls = cls.without_constant
    if not isinstance(cls, ModularMultiplication | Frequencies):
        return cls, 0
    terms = cls.target.terms if isinstance(cls.target, Combination) else ((Fraction(1), cls.target),)
    kept = tuple(_level_table(factor, term) for factor, term in terms)
    exponent = _exponent(sum((abs(factor) * _spread(cls, term) for factor, term in kept), Fraction(0)))
    if not exponent and kept == terms:
        return cls, 0
    scale = Fraction(2) ** -exponent
    return cls.with_target(Combination([(scale * factor, term) for factor, term in kept])), exponent


def restored(bound: float, exponent: int) -> float:
    """4^e times a bound.

    Raises:
        ValueError: that is no float64; or ψ was scaled down by so much that nothing is left of what varies in it, as
            where the largest value is at a residue that no member meets.
    """
    if exponent > 0 and bound < _LOST:
        refuse_overflow("ψ")
    try:
        return math.ldexp(bound, 2 * exponent)
    except OverflowError:
        refuse_overflow("ψ")


def _level_table(factor: Fraction, term: Target) -> tuple[Fraction, Target]:
    """A term whose own values have squares: those of a table that have none are scaled themselves."""
    exponent = _exponent(Fraction(float(np.abs(term.values).max()))) if isinstance(term, Table) else 0
    if not isinstance(term, Table) or not exponent:
        return factor, term
    return factor * Fraction(2) ** exponent, Table(np.ldexp(term.values, -exponent))


def _spread(cls: ModularMultiplication | Frequencies, term: Target) -> Fraction:
    low, high = term.circle().range if isinstance(cls, Frequencies) else term.range(cls.p)
    return Fraction(high) - Fraction(low)


def _exponent(size: Fraction) -> int:
    """The e for which size/2^e is near 1; 0 where size is near enough, or is 0."""
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    return exponent if size and abs(exponent) > _EXPONENTS else 0
