"""The kernel of a whole class on a prime, looked up by the ratio of two points (docs/theory, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from barren._validate import Floats, Integers
from barren.classes.group import unit_group
from barren.classes.members import BLOCK_BYTES

if TYPE_CHECKING:
    from barren.classes.modular import ModularMultiplication


def kernel(cls: ModularMultiplication, x: Integers, y: Integers) -> Floats:
    """K(x, y) = κ[log y − log x], 0 where one of them is 0, and for "all" what the multiplier 0 adds."""
    ratios, logarithms = cls.kernel_by_ratio(), unit_group(cls.p).logarithms
    rows, columns = (np.maximum(logarithms[points], 0) for points in (x, y))  # 0 has none: set to 0 below
    out = np.empty((x.size, y.size))
    step = max(1, BLOCK_BYTES // (8 * max(1, y.size)))
    for start in range(0, x.size, step):
        # A negative index counts from the end, which is the cyclic difference of logarithms.
        out[start : start + step] = ratios[columns - rows[start : start + step, np.newaxis]]
    if cls.multipliers == "all":
        p = cls.p
        out *= (p - 1) / p
        out += (p - 1) / p / p * zero_excess(cls) ** 2
    out[x == 0, :] = 0.0
    out[:, y == 0] = 0.0
    return out


def zero_excess(cls: ModularMultiplication) -> float:
    """ψ(0) − mean of ψ over the units of a prime: what the multiplier 0 adds to the class."""
    table = cls.without_constant.table()
    return float((table[0] - table[1:]).mean())  # differences first: a large constant in ψ has no rounding then
