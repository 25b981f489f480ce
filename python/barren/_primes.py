"""Primes of a range."""

from __future__ import annotations

from math import isqrt

import numpy as np

# What a sieve is made for: bytes, and divisors.
_LONGEST_SIEVE, _LARGEST_DIVISOR = 10**8, 10**7


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
    """Every prime from low to high.

    Example:
        >>> all_primes(300, 320)
        [307, 311, 313, 317]
    """
    if isqrt(high) > _LARGEST_DIVISOR or high - low > _LONGEST_SIEVE:
        from sympy import primerange

        return [int(prime) for prime in primerange(low, high + 1)]
    low = max(low, 2)
    left = np.ones(max(high - low + 1, 0), bool)
    for divisor in _up_to(isqrt(max(high, 0))):
        first = max(divisor * divisor, -(-low // divisor) * divisor)
        left[first - low :: divisor] = False
    primes: list[int] = (np.flatnonzero(left) + low).tolist()
    return primes


def _up_to(high: int) -> list[int]:
    """Primes by the sieve of Eratosthenes."""
    left = np.ones(high + 1, bool)
    left[:2] = False
    for divisor in range(2, isqrt(high) + 1):
        if left[divisor]:
            left[divisor * divisor :: divisor] = False
    primes: list[int] = np.flatnonzero(left).tolist()
    return primes
