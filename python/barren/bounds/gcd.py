"""Products by [gcd(a, b)^2s/(ab)^s], a, b = 1..A, and its spectral radius, without the matrix (docs/theory, 4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from barren import _core, _validate
from barren._validate import Floats, Integers
from barren.bounds.eigen import largest_lanczos

BYTES_A_FREQUENCY = 430
"""What Lanczos takes with these products, at its peak: twenty vectors and their copies, tables, products in hand."""


@dataclass(frozen=True)
class GcdMatrix:
    """M(a, b) = gcd(a, b)^2s/(ab)^s for a, b = 1..size; with `odd`, 0 unless 2 divides a and b equally often.

    M is the Gram matrix on [0, 1] of the functions Σ_{k≠0} |k|^{−s} e(kax), up to a factor: over all k, or with `odd`
    over odd k. Since Σ_{k odd} f(k) = Σ_k f(k) − Σ_k f(2k), the second is W·M·Wᵀ/(1 − 4^{−s}) with M the first one over
    1..2·size and W the map that takes a to a less 2^{−s} times 2a.

    Attributes:
        size: A.
        s: the exponent, 1 or more.
        odd: whether only odd harmonics are there.
    """

    size: int
    s: int = 1
    odd: bool = False

    @cached_property
    def _length(self) -> int:
        return self.size * (2 if self.odd else 1)

    @cached_property
    def _scales(self) -> Floats:
        return np.arange(1.0, self._length + 1.0) ** -self.s

    def product(self, v: np.ndarray, threads: int = 0) -> Floats:
        """M·v for v of shape (size,). Same bits for any number of threads. Cost: O(A log log A)."""
        scales = self._scales
        wide = np.zeros(self._length)
        wide[: self.size] = v
        if self.odd:
            wide[1::2] -= 2.0**-self.s * v
        wide *= scales
        weights, primes = _totients(self._length, 2 * self.s), _primes(self._length)
        out = np.asarray(_core.gcd_product(wide, weights, primes, threads))
        out *= scales
        if self.odd:
            return (out[: self.size] - 2.0**-self.s * out[1::2]) / (1.0 - 4.0**-self.s)
        return out

    def rows(self, start: int, stop: int) -> Floats:
        """Rows a = start+1..stop, of shape (stop − start, size)."""
        a, b = np.arange(start + 1, stop + 1)[:, None], np.arange(1, self.size + 1)
        common = np.gcd(a, b)
        ratio = (a // common) * (b // common)
        out: Floats = ratio.astype(np.float64) ** -self.s
        if self.odd:
            out[ratio % 2 == 0] = 0.0
        return out

    def squared_norm(self) -> float:
        """Σ_{a,b} M(a, b)²: the sum of the entries of the matrix with 2s in place of s."""
        ones = np.ones(self.size)
        return float(ones @ GcdMatrix(self.size, 2 * self.s, self.odd).product(ones))


def gcd_spectral_radius(A: int) -> float:
    """ρ_A, the largest eigenvalue of the matrix [gcd(a, b)²/(ab)] over a, b = 1..A.

    For every ψ of period 1 and total variation V the class h_a(x) = ψ(ax), a uniform on {1, …, A}, x uniform on [0, 1],
    has λ ≤ (V²/12)·ρ_A/A (docs/theory, section 4.3).

    Args:
        A: the size, at least 1.

    Returns:
        ρ_A, to about machine precision.

    Raises:
        TypeError: A is not an integer.
        ValueError: A < 1, or vectors of that length do not fit in memory.

    Cost: O(A log log A) a step of Lanczos, some 50 steps; about 430·A bytes.

    Source: docs/theory, section 4.3.

    Example:
        >>> [round(gcd_spectral_radius(A), 6) for A in (1, 10, 100, 1000)]
        [1.0, 2.535009, 4.110113, 5.519765]
    """
    size = _validate.tabulated("A", _validate.integer("A", A, low=1), BYTES_A_FREQUENCY, "Lanczos vectors")
    matrix = GcdMatrix(size)
    # Its entries are positive, so its eigenvector is; 1/a is near.
    return largest_lanczos(lambda v: matrix.product(v.ravel()), size, 1.0 / np.arange(1.0, size + 1.0))[0]


@lru_cache(maxsize=2)
def _primes(n: int) -> Integers:
    """The primes up to n."""
    sieve = np.ones(n + 1, dtype=np.bool_)
    sieve[:2] = False
    for q in range(2, int(n**0.5) + 1):
        if sieve[q]:
            sieve[q * q :: q] = False
    return np.flatnonzero(sieve).astype(np.int64, copy=False)


@lru_cache(maxsize=2)
def _totients(n: int, k: int) -> Floats:
    """Jordan's totient J_k(d) = d^k·Π_{q | d}(1 − q^{−k}) for d = 1..n: Σ_{d | m} J_k(d) = m^k."""
    out = np.arange(n + 1, dtype=np.float64) ** k
    for q in _primes(n):
        out[q::q] *= 1.0 - float(q) ** -k
    return np.ascontiguousarray(out[1:])
