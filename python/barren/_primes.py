"""Primes of a range."""

from __future__ import annotations

import numpy as np


def spaced_primes(low: int, high: int, count: int) -> list[int]:
    """About `count` primes from low to high, evenly spaced in the logarithm; fewer where primes are too few.

    Example:
        >>> spaced_primes(300, 3000, 4)
        [307, 647, 1399, 2999]
    """
    from sympy import nextprime, prevprime

    wanted = np.geomspace(low, high, count)
    found = {int(nextprime(int(np.ceil(place)) - 1)) for place in wanted[:-1]}
    found.add(int(prevprime(high + 1)))
    return sorted(prime for prime in found if prime <= high)


def all_primes(low: int, high: int) -> list[int]:
    """Every prime from low to high."""
    from sympy import primerange

    return [int(prime) for prime in primerange(low, high + 1)]
