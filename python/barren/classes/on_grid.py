"""Integer frequencies on a grid: the modular class that they are there (docs/theory, section 5)."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from barren.classes.modular import ModularMultiplication
from barren.inputs.reals import Grid
from barren.targets import Combination, Table, Target

if TYPE_CHECKING:
    from barren.classes.frequency import Frequencies


def modular(cls: Frequencies, law: object) -> ModularMultiplication | None:
    """The class modulo M on the grid of M points; see `Frequencies.modular`."""
    if not isinstance(law, Grid) or cls.dimension > 1 or not cls.has_members:
        return None
    members = cls.members
    if np.any(members != np.rint(members)):
        return None
    remainders = np.fmod(members, float(law.M))  # exact
    residues = np.where(remainders < 0.0, remainders + law.M, remainders).astype(np.int64)
    target = _on_grid(cls.target, law.M)
    if cls.kind == "integers" and cls.size == law.M - 1:
        whole = ModularMultiplication(law.M, target)
        if whole.is_prime:
            return whole
    return ModularMultiplication.with_repeats(law.M, target, residues)


def _on_grid(target: Target, M: int) -> Target:
    """ψ at j/M as a function of the residue j: a table is a step function, the others are functions of j/M.

    A target that does not fit the modulus M is one that is constant on the grid: then it is a table of that constant.
    """
    if isinstance(target, Table):
        steps = np.array([k * target.values.size // M for k in range(M)])
        return Table(target.values[steps])
    if isinstance(target, Combination):
        return _combination_on_grid(target, M)
    try:
        target.check(M)
    except ValueError:
        return Table(np.full(M, target.circle().exact(Fraction(0))))
    return target


def _combination_on_grid(target: Combination, M: int) -> Target:
    """A sum term by term: what is constant on the grid joins the constant, and terms may be equal there and cancel."""
    constant, shares = target.constant, dict[Target, Fraction]()
    for factor, term in target.terms:
        part = _on_grid(term, M)
        if isinstance(part, Table) and np.all(part.values == part.values[0]):
            constant += factor * Fraction(float(part.values[0]))
        else:
            shares[part] = shares.get(part, Fraction(0)) + factor
    terms = [(factor, part) for part, factor in shares.items() if factor]
    return Combination(terms, constant) if terms else Table(np.full(M, float(constant)))
