"""Numbers that a float cannot hold, or whose products it cannot: scaled by powers of two, which rounds nothing."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

# Sizes between 2^-40 and 2^40 have products, and sums of these, well inside the range of float32.
_EXPONENTS = 40


def size_for(dtype: Any, *arrays: np.ndarray) -> float:
    """The product of the largest sizes in the arrays, if products are made in float32; else 0, and nothing is read."""
    if np.dtype(dtype) != np.float32:
        return 0.0
    return math.prod(max(float(array.max()), -float(array.min())) if array.size else 0.0 for array in arrays)


def leaves_singles(size: float) -> bool:
    """Whether products of numbers of this size may leave the range of float32; 0 does not."""
    return size > 0.0 and abs(math.frexp(size)[1]) > _EXPONENTS


def for_singles(array: np.ndarray, size: float) -> tuple[np.ndarray, int]:
    """An array and an exponent e: 2^e times the one is what came, and `size` becomes a number near 1.

    Args:
        array: float64.
        size: of what it becomes a factor of, from `size_for`. Where float32 holds that, e is 0.
    """
    if not leaves_singles(size):
        return array, 0
    exponent = math.frexp(size)[1]
    return np.ldexp(array, -exponent), exponent


def refuse_overflow(what: str) -> NoReturn:
    """Refuses a variance, or a bound on one, that is no float64; `what` can be scaled down.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"the squared gradient must be a finite float64; got an overflow: scale {what} down")
