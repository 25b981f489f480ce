"""Sums and products of doubles as the sum of two doubles, for phases that need more digits than one has."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from barren._validate import Floats

Twofold: TypeAlias = tuple[Floats, Floats]
"""A nearest double and what is left of the number."""


def two_sum(x: Floats, y: Floats) -> Twofold:
    """X + y without an error (Knuth)."""
    total = x + y
    of_y = total - x
    return total, (x - (total - of_y)) + (y - of_y)


def two_product(x: Floats | float, y: Floats) -> Twofold:
    """x·y without an error, for sizes below 2^990 (Dekker)."""
    product = x * y
    x_high, y_high = _upper_half(x), _upper_half(y)
    x_low, y_low = x - x_high, y - y_high
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


def add(x: Twofold, y: Twofold) -> Twofold:
    """The sum, right to about 2^-105 of the larger of the two."""
    total, rest = two_sum(x[0], y[0])
    return two_sum(total, rest + (x[1] + y[1]))


def fraction(number: Twofold) -> Twofold:
    """The number less the nearest integer, in [−1/2, 1/2]."""
    near, rest = number
    near, rest = two_sum(near - np.rint(near), rest - np.rint(rest))
    return near - np.rint(near), rest


def times(factor: float, number: Twofold) -> Twofold:
    """factor·number; the error is the product of the factor with that of the number."""
    product, error = two_product(factor, number[0])
    return two_sum(product, error + factor * number[1])


def _upper_half(x: Floats | float) -> Floats | float:
    scaled = x * 134217729.0  # 2^27 + 1
    return scaled - (scaled - x)
