"""Whether a constant gradient is a target that no member sees: Σ_x c_x·ψ(a·x) is the same for every member a.

Then Σ_j c_j·K(x_i, x_j) = 0 for every i, and what is constant over the inputs may be taken off J before anything is
multiplied (docs/theory, section 3.3).
"""

from __future__ import annotations

import math

import numpy as np

from barren._validate import Floats, Integers
from barren.classes import ModularMultiplication, Parity
from barren.classes.correlation import all_differ

# Sums over the residues are compared up to here; beyond it a class with members of several kinds is not looked at.
_LARGEST_TABLE = 1 << 22


def sees_no_constant(cls: object, points: np.ndarray, weights: Floats) -> bool:
    """Whether Σ_x c_x·h_a(x) is one number for all members a; False where that is not known.

    The units permute the residues t with gcd(t, p) = d. So under a law that has all of them, equally likely, or none,
    for every divisor d, the sum depends on gcd(a, p) alone: it is one number for units, and for other members if it is
    so for each divisor (an odd ψ sums to zero over any). For parities of k ones and x uniform on {0,1}^n it is 0.

    Args:
        cls: the class.
        points: the points of the law that tell members apart, x ≠ 0, shape (n,).
        weights: their probabilities, shape (n,).
    """
    if isinstance(cls, Parity):
        return cls.weight is not None and _is_whole(points, weights, cls.points - 2, cls.points)
    if not isinstance(cls, ModularMultiplication):
        return False
    orbits = _orbits(cls, points, weights)
    if orbits is None:
        return False
    divisors = _divisors(cls)
    return len(divisors) == 1 or (cls.p <= _LARGEST_TABLE and _sums_agree(cls, orbits, divisors))


def common_step(cls: ModularMultiplication) -> int:
    """The largest divisor D of p with all members equal modulo D: a·x mod p is the same for all where p/D divides x.

    Units of an even p are all odd, and tell no two apart at x = p/2; of an odd p they have D = 1.
    """
    if cls.multipliers == "units":
        return 2 if cls.p % 2 == 0 else 1
    if cls.multipliers == "all":
        return 1
    return math.gcd(int(np.gcd.reduce(cls.members - cls.members[0])), cls.p)


def permutes_points(cls: object, points: np.ndarray, weights: Floats) -> bool:
    """Whether Σ_x c_x·f(a·x) is one number for all members a, whatever f is.

    All members have the same gcd with p, and the law has whole orbits of the units (see `sees_no_constant`).
    """
    if not isinstance(cls, ModularMultiplication) or _orbits(cls, points, weights) is None:
        return False
    return len(_divisors(cls)) == 1


def _is_whole(points: Integers, weights: Floats, count: int, size: int) -> bool:
    """Whether there are so many points below `size`, once each and equally likely."""
    return 0 < len(points) == count and bool((weights == weights[0]).all()) and all_differ(points, size)


def _orbits(cls: ModularMultiplication, points: Integers, weights: Floats) -> list[tuple[Integers, float]] | None:
    """The residues of every gcd with p that the law has, and the weight of each; None if some are missing or differ."""
    if cls.p > np.iinfo(np.int64).max or not len(points):
        return None
    if cls.is_prime:
        return [(points, float(weights[0]))] if _is_whole(points, weights, cls.p - 1, cls.p) else None
    common = np.gcd(points, cls.p)
    orbits = []
    for divisor in np.unique(common):
        some = common == divisor
        orbit, mass = points[some], weights[some]
        count = ModularMultiplication(max(3, cls.p // int(divisor))).size if cls.p // int(divisor) > 2 else 1
        if len(orbit) != count or not (mass == mass[0]).all() or len(np.unique(orbit)) != count:
            return None
        orbits.append((orbit, float(mass[0])))
    return orbits


def _divisors(cls: ModularMultiplication) -> Integers:
    """Every gcd of a member with p."""
    if cls.multipliers == "units":
        return np.array([1])
    if cls.multipliers == "all" and cls.is_prime:
        return np.array([1, cls.p])
    found: Integers = np.unique(np.gcd(cls.members, cls.p))
    return found


def _sums_agree(cls: ModularMultiplication, orbits: list[tuple[Integers, float]], divisors: Integers) -> bool:
    """Whether Σ_x c_x·ψ(g·x) is the same for every divisor g: exact sums, where plain ones do not tell them apart."""
    table = cls.table()

    def values(g: int) -> list[Floats]:
        return [mass * table[g * orbit % cls.p] for orbit, mass in orbits]

    first, *others = (sum(float(part.sum()) for part in values(int(g))) for g in divisors)
    size = float(np.abs(table).max()) * sum(mass * len(orbit) for orbit, mass in orbits)
    if any(abs(other - first) > 1e-12 * size for other in others):
        return False
    exact = {math.fsum(entry for part in values(int(g)) for entry in part.tolist()) for g in divisors}
    return len(exact) == 1
