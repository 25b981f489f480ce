"""Sawtooth expansions: ψ as finitely many sawtooths and point masses, in exact rationals (docs/theory, section 2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

_HALF = Fraction(1, 2)


class SawtoothTerm(NamedTuple):
    """coefficient·(((multiplier·t + shift)/p)), multiplier and shift in 0..p−1.

    Attributes:
        coefficient: a rational.
        multiplier: a unit modulo p.
        shift: in 0..p−1.

    Source: docs/theory, section 2.1.
    """

    coefficient: Fraction
    multiplier: int
    shift: int


@dataclass(frozen=True)
class SawtoothExpansion:
    """ψ(t) = constant + Σ coefficient·(((multiplier·t + shift)/p)) + Σ_{t = residue} mass, for every t in Z_p.

    Attributes:
        p: the modulus, odd.
        constant: a rational.
        terms: the sawtooths; no two have the same multiplier and shift, and every multiplier is a unit.
        masses: residue -> what ψ has there beside the rest.

    Source: docs/theory, section 2.1.

    >>> from barren import targets
    >>> expansion = targets.Bit(0).sawtooth_expansion(7)
    >>> [(str(c), m, s) for c, m, s in expansion.terms]
    [('2', 4, 0), ('-1', 1, 0)]
    >>> [int(expansion.value(t)) for t in range(7)]
    [0, 1, 0, 1, 0, 1, 0]
    """

    p: int
    constant: Fraction
    terms: tuple[SawtoothTerm, ...]
    masses: Mapping[int, Fraction]

    def value(self, t: int) -> Fraction:
        """ψ(t), exact."""
        p = self.p
        total = self.constant + self.masses.get(t % p, Fraction(0))
        for coefficient, multiplier, shift in self.terms:
            place = (multiplier * t + shift) % p
            if place:
                total += coefficient * (Fraction(place, p) - _HALF)
        return total

    @property
    def mean(self) -> Fraction:
        """The mean over Z_p: every sawtooth sums to zero."""
        return self.constant + sum(self.masses.values(), Fraction(0)) / self.p


def combined(p: int, constant: Fraction, parts: Iterable[tuple[Fraction, SawtoothExpansion]]) -> SawtoothExpansion:
    """Constant + Σ factor·part, with equal terms merged and zeros left out."""
    terms: dict[tuple[int, int], Fraction] = {}
    masses: dict[int, Fraction] = {}
    for factor, part in parts:
        constant += factor * part.constant
        for coefficient, multiplier, shift in part.terms:
            terms[multiplier, shift] = terms.get((multiplier, shift), Fraction(0)) + factor * coefficient
        for residue, mass in part.masses.items():
            masses[residue] = masses.get(residue, Fraction(0)) + factor * mass
    return _made(p, constant, terms, masses)


def unshifted(
    p: int, constant: Fraction, terms: Iterable[tuple[int, int]], at_zero: Fraction = Fraction(0)
) -> SawtoothExpansion:
    """Constant + Σ coefficient·((multiplier·t/p)), and more at t = 0; terms are (coefficient, multiplier)."""
    joined: dict[tuple[int, int], Fraction] = {}
    for coefficient, multiplier in terms:
        key = multiplier % p, 0
        joined[key] = joined.get(key, Fraction(0)) + coefficient
    return _made(p, constant, joined, {0: at_zero})


def on_arcs(p: int, multiplier: int, arcs: Iterable[tuple[int, int]]) -> SawtoothExpansion:
    """The indicator of y = multiplier·t mod p in disjoint arcs start, start+1, …, start+length−1 of the cycle Z_p.

    1[0 ≤ y < L] = L/p + (((y−L)/p)) − ((y/p)) + 1/2 at y = 0 − 1/2 at y = L. An arc that begins where another ends
    leaves nothing of their common border.
    """
    size, borders = 0, dict[int, int]()
    for start, length in arcs:
        size += length
        for border, sign in (((start + length) % p, 1), (start % p, -1)):
            borders[border] = borders.get(border, 0) + sign
    back = pow(multiplier, -1, p)
    terms = {(multiplier % p, -border % p): Fraction(sign) for border, sign in borders.items()}
    masses = {border * back % p: Fraction(-sign, 2) for border, sign in borders.items()}
    return _made(p, Fraction(size, p), terms, masses)


def _made(
    p: int, constant: Fraction, terms: Mapping[tuple[int, int], Fraction], masses: Mapping[int, Fraction]
) -> SawtoothExpansion:
    assert all(math.gcd(multiplier, p) == 1 for multiplier, _ in terms)
    kept = tuple(SawtoothTerm(value, *place) for place, value in terms.items() if value)
    return SawtoothExpansion(p, constant, kept, {residue: mass for residue, mass in masses.items() if mass})
