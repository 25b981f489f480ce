"""Numbers that float32 cannot hold, or whose products it cannot: scaled by powers of two, which rounds nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# Sizes between 2^-40 and 2^40 have products, and sums of these, well inside the range of float32.
_EXPONENTS = 40


def size_of(array: np.ndarray) -> float:
    """The largest size of an entry, 0 where there is none; no copy is made."""
    return max(float(array.max()), -float(array.min()), 0.0) if array.size else 0.0


def leaves_singles(size: float, dtype: Any) -> bool:
    """Whether products of numbers of this size may leave the range of float32, where that is what they are made in."""
    return np.dtype(dtype) == np.float32 and size > 0.0 and abs(math.frexp(size)[1]) > _EXPONENTS


def for_singles(array: np.ndarray, size: float, dtype: Any) -> tuple[np.ndarray, int]:
    """An array in float64 and an exponent e: 2^e times it is what came, and `size` becomes a number near 1.

    Nothing is done (e = 0) where the dtype of the products holds numbers of that size.

    Args:
        array: float64.
        size: the largest size of what it is multiplied with, times that of its own.
        dtype: of the products.
    """
    if not leaves_singles(size, dtype):
        return array, 0
    exponent = math.frexp(size)[1]
    return np.ldexp(array, -exponent), exponent
