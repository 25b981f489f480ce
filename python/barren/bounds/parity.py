"""Parities with x uniform on {0,1}^n: the χ_v are orthonormal, so all is in closed form (docs/theory, section 6.2)."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np

from barren._validate import Floats
from barren.classes import Parity, TargetClass
from barren.inputs import Law, RealLaw, Uniform


def is_uniform_parity(cls: TargetClass, law: Law | RealLaw | None) -> TypeGuard[Parity]:
    """Whether members are orthonormal up to a factor and a constant: parities, and x uniform on all of {0,1}^n."""
    return isinstance(cls, Parity) and isinstance(law, Uniform) and law.zero


def diagonal(cls: TargetClass, points: np.ndarray, weights: Floats) -> tuple[float, int] | None:
    """λ of all 2^n members under any law, and a row that attains it; None for another class.

    K(x, y) = 1[x = y ≠ 0], so the covariance is diagonal once equal points are joined: λ is the largest mass of a point
    other than 0.
    """
    if not isinstance(cls, Parity) or cls.weight is not None:
        return None
    places, first, which = np.unique(points, return_index=True, return_inverse=True)
    mass = np.bincount(which.reshape(-1), weights=weights)
    mass[places == 0] = 0.0
    heaviest = int(mass.argmax())
    return cls.factor**2 * float(mass[heaviest]), int(first[heaviest])


def sharp(cls: Parity) -> float:
    """1/|H| for ±1 values; 0 for one member."""
    return cls.factor**2 / cls.size if cls.size > 1 else 0.0


def extremal(cls: Parity) -> Floats:
    """(χ_v − χ_w)/√2 for the first and the last member: an eigenfunction of norm 1; ones where the class has one."""
    x = np.arange(cls.points)
    if cls.size == 1:
        return np.ones(len(x))
    first = 0 if cls.weight is None else 2**cls.weight - 1
    last = cls.points - 1 if cls.weight is None else first << (cls.n - cls.weight)
    values = Parity(cls.n, signed=True).values([first, last], x)
    column: Floats = (values[0] - values[1]) / np.sqrt(2.0)
    return column


def boas_bellman(cls: Parity) -> float:
    """Of h̃_v = χ_v − E_v χ_v: ⟨h̃_v, h̃_w⟩ = 1[v = w] − 1/|H|."""
    rest = 1.0 - 1.0 / cls.size
    return cls.factor**2 * float(rest + np.sqrt(rest)) / cls.size


def trivial(cls: Parity) -> float:
    """E_v‖h̃_v‖² = 1 − 1/|H|."""
    return cls.factor**2 * (1.0 - 1.0 / cls.size)
