"""Parities of some of n bits: h_v(x) = ⟨v, x⟩ mod 2 on {0,1}^n, the class of docs/theory, section 6."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from barren import _core, _validate
from barren._validate import Floats, Integers
from barren.classes.integers import OnIntegers

_MOST_BITS = 63  # words of the core are 64-bit signed integers
_BLOCK_BYTES = 1 << 25


def krawtchouk(n: int, k: int) -> list[int]:
    """K_k(d) = Σ_j (−1)^j·C(d, j)·C(n−d, k−j) for d = 0..n, exact: Σ (−1)^⟨v,z⟩ over the v of k ones, where z has d.

    Example:
        >>> krawtchouk(4, 2)
        [6, 0, -2, 0, 6]
    """
    return [
        sum((-1) ** j * math.comb(d, j) * math.comb(n - d, k - j) for j in range(min(d, k) + 1)) for d in range(n + 1)
    ]


@dataclass(frozen=True, init=False, repr=False)
class Parity(OnIntegers):
    """The class of parities on {0,1}^n: h_v(x) = ⟨v, x⟩ mod 2, with v drawn uniformly from the members.

    Points x and members v are the integers 0..2^n−1, which stand for their n bits; ⟨v, x⟩ is the number of ones that
    they have in common. A law of x is one on the residues modulo 2^n: `inputs.Uniform()` for x uniform on {0,1}^n,
    `inputs.Sample` for given points, and so on. `encodings.Bits()` shows the model the n bits of x.

    Args:
        n: the number of bits, 2..63.
        size: how many bits a member takes: every v with so many ones, in 1..n. Default all 2^n, v = 0 among them,
            whose parity is constant: then E_v χ_v(x)χ_v(y) = 1[x = y], and the kernel is 1[x = y ≠ 0].
        signed: whether values are (−1)^⟨v,x⟩, so ±1, and not ⟨v, x⟩ mod 2, 0 or 1. Variances are 4 times as large.

    Attributes:
        n: the number of bits.
        weight: the argument `size`; `size` itself is the number of members, as in every class.
        signed: as given.

    Raises:
        TypeError: n or size are not integers, signed not a bool.
        ValueError: n or size out of range.

    Source: docs/theory, section 6.

    >>> cls = Parity(3, signed=True)
    >>> cls.size, Parity(3, size=2).members
    (8, array([3, 5, 6]))
    >>> cls.values([5], [0, 1, 4, 5])
    array([[ 1., -1., -1.,  1.]])
    >>> cls.kernel([0, 1, 2], [1, 2])
    array([[0., 0.],
           [1., 0.],
           [0., 1.]])
    """

    n: int
    weight: int | None
    signed: bool

    def __init__(self, n: int, size: int | None = None, *, signed: bool = False) -> None:
        n = _validate.integer("n", n, low=2, high=_MOST_BITS)
        weight = None if size is None else _validate.integer("size", size, low=1, high=n)
        signed = _validate.boolean("signed", signed)
        for name, value in (("n", n), ("weight", weight), ("signed", signed)):
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """The number of members: 2^n, or C(n, size)."""
        return 2**self.n if self.weight is None else math.comb(self.n, self.weight)

    @property
    def points(self) -> int:
        """The number of points of {0,1}^n, 2^n."""
        return 1 << self.n

    @property
    def factor(self) -> float:
        """What χ_v = (−1)^⟨v,x⟩ is multiplied by: h_v is that and a constant."""
        return 1.0 if self.signed else -0.5

    @cached_property
    def members(self) -> Integers:
        """The v in increasing order, int64 of shape ``(size,)``, read-only.

        Raises:
            ValueError: they do not fit in memory.
        """
        size = _validate.tabulated("the number of members", self.size, 8, "the list of all members")
        members = np.arange(size, dtype=np.int64) if self.weight is None else _of_weight(self.n, self.weight)
        members.setflags(write=False)
        return members

    @property
    def labels(self) -> tuple[float, float]:
        """The two values: (0, 1), or (−1, 1) if signed."""
        return (-1.0, 1.0) if self.signed else (0.0, 1.0)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value."""
        return self.labels

    @property
    def period(self) -> int:
        """What an encoding is told beside x: 2^n."""
        return self.points

    def correlations_by_distance(self) -> Floats:
        """E_v χ_v(x)·χ_v(y), χ_v(x) = (−1)^⟨v,x⟩, where x and y differ in d bits: for d = 0..n.

        1[d = 0] for all v; K_k(d)/C(n, k) for those of k ones, K_k the Krawtchouk polynomial, each rounded once.
        E_v χ_v(x) is that at the number of ones of x.

        Returns:
            float64 of shape ``(n+1,)``, read-only. Source: docs/theory, section 6.
        """
        return self._correlations

    def values(self, a: ArrayLike, x: ArrayLike, *, threads: int | None = None) -> Floats:
        """h_v(x) = ⟨v, x⟩ mod 2, or (−1)^⟨v,x⟩ if signed.

        Args:
            a: the v, integers in 0..2^n−1 of shape ``(A,)``; they need not be members.
            x: points, integers in 0..2^n−1 of shape ``(m,)``.
            threads: how many threads to use, default all that may be used; the result does not depend on it.

        Returns:
            float64 of shape ``(A, m)``.

        Raises:
            TypeError: ``a`` or ``x`` are not integers.
            ValueError: one is out of range.

        Cost: O(A·m).
        """
        rows, points = self._words("a", a), self._words("x", x)
        odd = (_core.common_ones(rows, points, _validate.threads(threads)) & 1).astype(np.float64)
        return 1.0 - 2.0 * odd if self.signed else odd

    def mean(self, x: ArrayLike, *, threads: int | None = None) -> Floats:
        """E_v h_v(x), float64 of shape ``(m,)``, in closed form.

        Raises:
            TypeError: ``x`` are not integers.
            ValueError: one is out of range.
        """
        signed = self.signed_mean(self._words("x", x), _validate.threads(threads))
        return signed if self.signed else 0.5 - 0.5 * signed

    def signed_mean(self, x: Integers, threads: int = 0) -> Floats:
        """E_v χ_v(x) for points that have been checked.

        Args:
            x: points, shape (n,).
            threads: how many; 0 for all that may be used.

        Returns:
            float64 of shape (n,).
        """
        ones = _core.distances(np.zeros(1, dtype=np.int64), x, threads)[0]
        mean: Floats = self._correlations[ones]
        return mean

    def kernel(self, x: ArrayLike, y: ArrayLike, *, threads: int | None = None) -> Floats:
        """The class kernel K(x, y) = Cov_v(h_v(x), h_v(y)), float64 of shape ``(n, m)``, in closed form.

        For ±1 values κ[|x ⊕ y|] − κ[|x|]·κ[|y|], κ from `correlations_by_distance`; a quarter of that for 0 and 1.

        Raises:
            TypeError: ``x`` or ``y`` are not integers.
            ValueError: one is out of range.

        Cost: O(n·m), for any number of members. Source: docs/theory, section 6.
        """
        rows, columns, workers = self._words("x", x), self._words("y", y), _validate.threads(threads)
        left, right = (self.signed_mean(points, workers) for points in (rows, columns))
        out = np.empty((len(rows), len(columns)))
        step = max(1, _BLOCK_BYTES // (8 * max(1, len(columns))))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            np.take(self._correlations, _core.distances(rows[some], columns, workers), out=out[some])
            out[some] -= left[some, None] * right
        out *= self.factor**2
        return out

    @cached_property
    def _correlations(self) -> Floats:
        counts = [1] + [0] * self.n if self.weight is None else krawtchouk(self.n, self.weight)
        ratios = np.array([count / counts[0] for count in counts])  # of integers: rounded once
        ratios.setflags(write=False)
        return ratios

    def _words(self, name: str, value: ArrayLike) -> Integers:
        return _validate.residues(name, value, self.points)

    def __repr__(self) -> str:
        size = "" if self.weight is None else f", size={self.weight}"
        return f"Parity({self.n}{size}{', signed=True' if self.signed else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.n, self.weight, self.signed)  # without the tables


def _rebuilt(n: int, size: int | None, signed: bool) -> Parity:
    return Parity(n, size, signed=signed)


def _of_weight(n: int, k: int) -> Integers:
    """The integers below 2^n with k ones, in increasing order: those without bit n−1 first, then those with it."""
    if 2 * k > n:
        few: Integers = (2**n - 1) ^ _of_weight(n, n - k)[::-1]  # the complements of fewer ones
        return few
    lists = [np.zeros(1, dtype=np.int64)] + [np.empty(0, dtype=np.int64)] * k
    for bit in range(n):
        longer = [np.concatenate([lists[j], lists[j - 1] | (1 << bit)]) for j in range(1, k + 1)]
        lists[1:] = longer
    return lists[k]
