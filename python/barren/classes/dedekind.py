"""The class kernel without a table: of a sawtooth-rational ψ, by Dedekind sums (docs/theory, section 2).

With ψ = C + Σ_i α_i·(((m_i·t + s_i)/p)) + Σ_k β_k·1[t = t_k], a prime p, x, y ≠ 0 and r = y/x, the sum of
(ψ(ax) − M)(ψ(ay) − M) over all a in Z_p, M the mean of ψ, is

    S(r) = Σ_{i,j} α_i·α_j·σ(h, p, s_j − h·s_i)/12     with h = r·m_j/m_i
         + Σ_{i,k} α_i·β_k·[ (((m_i·t_k·r + s_i)/p)) + (((m_i·t_k/r + s_i)/p)) ]
         + Σ_{k,l} β_k·β_l·1[t_k·r = t_l] − (Σ_k β_k)²/p,

so p is as large as its sums can be computed, O(log p) steps of Euclid each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from barren import _core, _modular, _validate
from barren._validate import WORD_LIMIT, Floats, Integers
from barren.targets import SawtoothExpansion

__all__ = ["SawtoothKernel", "dedekind_numerator", "dedekind_sums"]

# Entries of a block of K that are made together: temporary arrays of 8 MiB.
_BLOCK = 1 << 20
_ROWS = 128
# Values of K by ratio that are kept for one call: repeated ratios, as of powers of two, cost one sum.
_KEPT = 1 << 18
# Entries of the last K that is kept where a sum takes microseconds.
_LARGEST_KEPT = 1 << 22
_NO_SHIFTS: Integers = np.empty(0, dtype=np.int64)


def dedekind_sums(h: ArrayLike, k: int, c: ArrayLike | None = None, *, threads: int | None = None) -> Floats:
    """σ(h, k, c) = 12·Σ_{j<k} ((j/k))·(((hj + c)/k)), each rounded once.

    Args:
        h: residues 0..k−1, shape ``(n,)``; they may have divisors in common with k.
        k: the modulus, at least 1, of any size.
        c: residues 0..k−1, shape ``(n,)``; default zeros.
        threads: how many threads to use below 2**63, default all that may be used; the result does not depend on it.

    Returns:
        float64 of shape ``(n,)``.

    Raises:
        TypeError: they are not integers.
        ValueError: out of range, or of different lengths.

    Cost: O(log k) steps of Euclid's algorithm a sum.

    Source: docs/theory, section 2.1; Knuth, The Art of Computer Programming 2, 3.3.3.

    >>> dedekind_sums([0, 1, 2], 7)
    array([0.        , 4.28571429, 0.85714286])
    """
    k = _validate.integer("k", k, low=1)
    at = _validate.points("h", h, k)
    shifts = None if c is None else _validate.points("c", c, k)
    if shifts is not None and shifts.size != at.size:
        _validate.refuse(ValueError, "c", f"of the length of h, {at.size}", f"{shifts.size}")
    if k < WORD_LIMIT:
        return _core.dedekind_sums(at, _NO_SHIFTS if shifts is None else shifts, k, _validate.threads(threads))
    moved = [0] * at.size if shifts is None else shifts.tolist()
    return np.array([_any_sum(a, k, b) for a, b in zip(at.tolist(), moved, strict=True)], dtype=np.float64)


def _any_sum(h: int, k: int, c: int) -> float:
    """σ(h, k, c) for Python integers, also with a common divisor d: then a sum modulo k/d, and a jump of half."""
    d = math.gcd(h, k)
    k //= d
    numerator = dedekind_numerator(h // d, k, c // d)
    if c % d:
        jump = -(c // d) * pow(h // d, -1, k) % k
        numerator += 3 * k - 6 * jump if jump else 0
    return numerator / k


def dedekind_numerator(h: int, k: int, c: int = 0) -> int:
    """k·σ(h, k, c), an integer, for h prime to k and any k; by python-flint where it is installed and c = 0."""
    return dedekind_numerators(h, k, (c,))[0]


def dedekind_numerators(h: int, k: int, shifts: Sequence[int]) -> list[int]:
    """k·σ(h, k, c) for every c of `shifts`: Euclid's algorithm on k and h is run once for all of them.

    With Euclid's p_j = a_j·p_{j+1} + p_{j+2} from k and h, c_j = b_j·p_{j+1} + c_{j+1} and v_{j+2} = v_j + a_j·v_{j+1}
    from 0 and 1 it is h ± v_{t+1} + k·Σ±(a_j − 6b_j − 3e_j) + 6·Σ±v_{j+1}·b_j·(c_j + c_{j+1}). Most b_j are 0 and
    are passed by; e_j is 0 for the one j at which c_j ≠ 0 is a multiple of p_{j+1}, if there is one, and else 1.
    """
    flint = _flint()
    if flint is not None and not any(shifts):
        found = flint.fmpq.dedekind_sum(h, k)
        return [int(found.p) * (12 * k // int(found.q))] * len(shifts)
    p, q, before, factor = k, h % k, 0, 1
    steps: list[tuple[int, int]] = []  # p_{j+1} and v_{j+1}
    wholes, sign = 0, 1
    while q:
        a, rest = divmod(p, q)
        wholes += sign * a
        steps.append((q, factor))
        before, factor = factor, before + a * factor
        p, q, sign = q, rest, -sign
    common = h - sign * before + k * (wholes - 3 * (len(steps) % 2))
    return [common + _of_shift(k, steps, c) for c in shifts]


def _of_shift(k: int, steps: list[tuple[int, int]], c: int) -> int:
    """What the shift adds to k·σ(h, k, 0): k·Σ±(−6b_j + 3 where e_j = 0) + 6·Σ±v_{j+1}·b_j·(c_j + c_{j+1})."""
    if not c:
        return 0
    wholes, squares, sign = 0, 0, 1
    for q, factor in steps:
        if c >= q:
            b, left = divmod(c, q)
            wholes -= 6 * sign * b
            squares += sign * factor * b * (c + left)
            if not left:
                wholes += 3 * sign
                break
            c = left
        sign = -sign
    return k * wholes + 6 * squares


@lru_cache(maxsize=1)
def _flint() -> Any:
    try:
        import flint
    except ModuleNotFoundError:
        return None
    return flint


class SawtoothKernel:
    """K(x, y) and the mean of a whole class on a prime p from the expansion of ψ.

    Args:
        expansion: of ψ modulo a prime.
        units: whether the members are the units, or all of Z_p.
    """

    def __init__(self, expansion: SawtoothExpansion, *, units: bool) -> None:
        self.p, self.expansion, self.units = expansion.p, expansion, units
        p, terms = expansion.p, expansion.terms
        excess = expansion.value(0) - expansion.mean  # ψ(0) − M
        total = sum(expansion.masses.values(), Fraction(0))
        self._last: tuple[tuple[int, ...], Floats] | None = None
        self._at_zero = expansion.value(0)
        self._mean = expansion.mean - excess / (p - 1) if units else expansion.mean
        # Over the units the member 0 is missing, and the mean moves: S − (ψ(0) − M)²·p/(p−1).
        self._constant = -(total**2) / p - (excess**2 * p / (p - 1) if units else 0)
        self._members = p - 1 if units else p
        self._sums: dict[tuple[int, int, int], Fraction] = {}
        for left in terms:
            for right in terms:
                key = right.multiplier * pow(left.multiplier, -1, p) % p, left.shift, right.shift
                self._sums[key] = self._sums.get(key, Fraction(0)) + left.coefficient * right.coefficient
        self._sums = {key: value for key, value in self._sums.items() if value}
        self._crosses: dict[tuple[int, int], Fraction] = {}
        for coefficient, multiplier, shift in terms:
            for residue, mass in expansion.masses.items():
                pair = multiplier * residue % p, shift
                self._crosses[pair] = self._crosses.get(pair, Fraction(0)) + coefficient * mass
        # A mass at 0 is paired at the one member 0, whatever r is.
        for (place, at), weight in list(self._crosses.items()):
            if place == 0:
                del self._crosses[place, at]
                self._constant += 2 * weight * (Fraction(at, p) - Fraction(1, 2) if at else 0)
        at_zero = expansion.masses.get(0, Fraction(0))
        self._constant += at_zero**2
        self._masses = {residue: mass for residue, mass in expansion.masses.items() if residue}
        self._scale = math.lcm(
            *(value.denominator for value in (*self._sums.values(), *self._crosses.values())),
            math.lcm(*(mass.denominator for mass in self._masses.values())) ** 2,
        )

    @cached_property
    def _by_ratio(self) -> dict[int, list[tuple[int, int, int]]]:
        """The sums that share a ratio of multipliers, and so Euclid's algorithm: shifts and weight·scale."""
        shared: dict[int, list[tuple[int, int, int]]] = {}
        for (ratio, a, b), weight in self._sums.items():
            shared.setdefault(ratio, []).append((a, b, int(weight * self._scale)))
        return shared

    @property
    def sums(self) -> int:
        """How many Dedekind sums an entry of K takes."""
        return len(self._sums)

    def mean(self, x: NDArray[Any]) -> Floats:
        """E_a ψ(ax) at points that were checked: ψ(0) at x = 0, and elsewhere the mean over the members."""
        out = np.full(x.shape, float(self._mean))
        out[x == 0] = float(self._at_zero)
        return out

    def __call__(self, x: NDArray[Any], y: NDArray[Any], threads: int = 0) -> Floats:
        """K(x, y), float64 of shape (len(x), len(y)), for points that were checked."""
        same = x is y or np.array_equal(x, y)
        key = tuple(x.tolist()) if same and self.p >= WORD_LIMIT else None
        if key is not None and self._last is not None and self._last[0] == key:
            return np.array(self._last[1])  # of the points of a law, for the variance and again for its bound
        out = np.zeros((x.size, y.size))
        rows, columns = np.flatnonzero(x), np.flatnonzero(y)
        blocks = self._word_blocks if self.p < WORD_LIMIT else self._exact_blocks
        step = int(np.clip(_BLOCK // max(1, columns.size), 1, _ROWS))
        for start in range(0, rows.size, step):
            some = rows[start : start + step]
            seen = columns[start:] if same else columns
            block = blocks(x[some], y[seen], threads, same)
            if same:  # K(r) = K(1/r): one of the two is made
                square = block[:, : some.size]
                square[:] = np.triu(square) + np.triu(square, 1).T
                out[np.ix_(seen, some)] = block.T
            out[np.ix_(some, seen)] = block
        if key is not None and out.size <= _LARGEST_KEPT:
            self._last = key, out.copy()
        return out

    def seconds(self) -> float:
        """Seconds an entry of K takes on one thread, measured on a few."""
        return _seconds_of_entry(self)

    def _word_blocks(self, x: Integers, y: Integers, threads: int, same: bool) -> Floats:
        """P < 2^63: sums in the core, each rounded once."""
        p = self.p
        inverses = _inverses(x, p)
        total = np.full((x.size, y.size), float(self._constant))
        for ratio, shifts in self._by_ratio.items():
            columns = _modular.multiply(ratio, y, p)
            for a, b, weight in shifts:
                sums = _core.dedekind_ratios(inverses, columns, p, a, b, threads)
                total += weight / (12 * self._scale) * sums
        if self._crosses:
            back = _inverses(y, p)
        for (place, shift), cross in self._crosses.items():
            forth = _core.sawtooth_ratios(inverses, _modular.multiply(place, y, p), p, shift, threads)
            forth += _core.sawtooth_ratios(back, _modular.multiply(place, x, p), p, shift, threads).T
            total += float(cross) * forth
        for left, mass in self._masses.items():
            at = _modular.multiply(left, y, p)
            for right, other in self._masses.items():
                total += float(mass * other) * (_modular.multiply(right, x, p)[:, None] == at)
        total /= self._members
        return total

    def _exact_blocks(self, x: NDArray[Any], y: NDArray[Any], threads: int, same: bool) -> Floats:
        """Any p: every entry an exact rational, rounded once; where x and y begin alike, those above the diagonal."""
        kept: dict[int, float] = {}
        out = np.zeros((x.size, y.size))
        p, columns = self.p, y.tolist()
        for i, point in enumerate(x.tolist()):
            back = pow(point, -1, p)
            for j in range(i if same else 0, y.size):
                ratio = back * columns[j] % p
                value = kept.get(ratio)
                if value is None:
                    value = self._exact(ratio)
                    if len(kept) < _KEPT:
                        kept[ratio] = value
                out[i, j] = value
        return out

    def _exact(self, r: int) -> float:
        """K at the ratio r: 12·scale·p·(S − constant) is an integer, and the rest one division."""
        p, scale = self.p, self._scale
        total = 0
        for ratio, shifts in self._by_ratio.items():
            h = r * ratio % p
            found = dedekind_numerators(h, p, [(b - h * a) % p for a, b, _ in shifts])
            total += sum(weight * numerator for (_, _, weight), numerator in zip(shifts, found, strict=True))
        if self._crosses or self._masses:
            back = pow(r, -1, p)
            for (place, shift), weight in self._crosses.items():
                for at in ((place * r + shift) % p, (place * back + shift) % p):
                    total += int(weight * scale) * 6 * (2 * at - p) if at else 0
            for left, mass in self._masses.items():
                other = self._masses.get(left * r % p)
                total += int(mass * other * scale) * 12 * p if other is not None else 0
        constant = self._constant
        whole = total * constant.denominator + 12 * scale * p * constant.numerator
        return whole / (12 * scale * p * constant.denominator * self._members)


def _inverses(x: Integers, p: int) -> Integers:
    """1/x modulo a prime p < 2^63."""
    return np.array([pow(point, -1, p) for point in x.tolist()], dtype=np.int64)


@lru_cache(maxsize=16)
def _seconds_of_entry(kernel: SawtoothKernel) -> float:
    """The least of three timings; points spread over Z_p by the golden ratio."""
    count = 64 if kernel.p < WORD_LIMIT else 4
    points = [
        max(1, i * 0x9E3779B97F4A7C15F39CC0605CEDC834 * kernel.p // 2**128 % kernel.p) for i in range(1, 2 * count + 1)
    ]
    dtype = np.int64 if kernel.p < WORD_LIMIT else object
    x, y = np.array(points[:count], dtype=dtype), np.array(points[count:], dtype=dtype)
    return min(_timed(kernel, x, y) for _ in range(3)) / count**2


def _timed(kernel: SawtoothKernel, x: NDArray[Any], y: NDArray[Any]) -> float:
    start = time.perf_counter()
    kernel(x, y, 1)
    return time.perf_counter() - start


def obstacle(cls: Any) -> str | None:
    """Why K of this class cannot be had without a table, or None."""
    if cls.multipliers == "set":
        return "a given set of multipliers is summed member by member"
    if not cls.is_prime:
        return f"Dedekind sums need an odd prime p, and {_validate.came(cls.p)} is composite"
    return cls.target.sawtooth_obstacle(cls.p)  # type: ignore[no-any-return]
