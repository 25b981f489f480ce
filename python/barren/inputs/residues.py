"""Laws of the input x on Z_p: which points occur, in which order, with which weights."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from barren import _validate
from barren._validate import Floats, came

__all__ = ["Law", "LowWeight", "PowersOfTwo", "RandomBits", "Sample", "SmallIntegers", "Uniform"]


class Law(ABC):
    """A law of x: points in Z_p and their weights, which sum to one.

    Source: docs/theory, section 1 (the law c of x).
    """

    @abstractmethod
    def size(self, p: int) -> int:
        """How many points there are; nothing is built, so p may be of any size.

        Args:
            p: the modulus, 3 or more.
        """

    @abstractmethod
    def points(self, p: int) -> NDArray[Any]:
        """The points, int64 of shape ``(size(p),)``; for p >= 2**63 Python integers (dtype object).

        Args:
            p: the modulus, 3 or more.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or there are more points than fit in memory.
        """

    @abstractmethod
    def weights(self, p: int) -> Floats:
        """The weight of every point, float64 of shape ``(size(p),)``.

        Args:
            p: the modulus, 3 or more.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or there are more points than fit in memory.
        """

    def _countable(self, p: int) -> int:
        """The number of points, after checking that arrays of that length can be built."""
        n = self.size(p)
        return _validate.tabulated("the number of points of the law of x", n, 8, "an array of them")


@dataclass(frozen=True)
class Uniform(Law):
    """x uniform on 0..p-1, or on 1..p-1.

    Args:
        zero: whether x = 0 occurs.

    Raises:
        TypeError: zero is not a bool.

    Source: docs/theory, section 1 (the law c of x).

    >>> Uniform().points(5), Uniform(zero=False).weights(5)
    (array([0, 1, 2, 3, 4]), array([0.25, 0.25, 0.25, 0.25]))
    """

    zero: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "zero", _validate.boolean("zero", self.zero))

    def size(self, p: int) -> int:
        """The number of points, p or p−1."""
        p = _validate.integer("p", p, low=3)
        return p if self.zero else p - 1

    def points(self, p: int) -> NDArray[Any]:
        """The points in increasing order."""
        n = self._countable(p)
        return _consecutive(p - n, p, p)

    def weights(self, p: int) -> Floats:
        """1/p or 1/(p−1) each, float64."""
        n = self._countable(p)
        return np.full(n, 1 / n)


@dataclass(frozen=True)
class RandomBits(Law):
    """x = X mod p with X uniform on the integers below 2^n: what n random bits show of Z_p.

    With 2^n = q·p + r, 0 <= r < p, the residues below r have weight (q+1)/2^n and the others q/2^n; each
    weight is that fraction rounded once. Residues of weight 0 (there are some if 2^n < p) are no points.

    Args:
        n: the number of bits, at least 1; it may exceed 64.

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1.

    Source: docs/theory, section 1 (the law c of x).

    >>> RandomBits(3).points(5), RandomBits(3).weights(5)
    (array([0, 1, 2, 3, 4]), array([0.25 , 0.25 , 0.25 , 0.125, 0.125]))
    """

    n: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", _validate.integer("n", self.n, low=1))

    def size(self, p: int) -> int:
        """The number of residues that occur, min(p, 2^n)."""
        p = _validate.integer("p", p, low=3)
        return p if self.n >= p.bit_length() else min(p, 2**self.n)

    def points(self, p: int) -> NDArray[Any]:
        """The residues that occur, in increasing order."""
        return _consecutive(0, self._countable(p), p)

    def weights(self, p: int) -> Floats:
        """The exact weights, each rounded once, float64."""
        size = self._countable(p)
        integers = 2**self.n
        quotient, remainder = divmod(integers, p)
        out = np.full(size, quotient / integers)
        out[:remainder] = (quotient + 1) / integers
        return out


class _Equal(Law):
    """Points of equal weights, listed as Python integers."""

    @abstractmethod
    def _listed(self, p: int) -> list[int]:
        """The points for a p that was checked, in increasing order."""

    def points(self, p: int) -> NDArray[Any]:
        """The points in increasing order."""
        self._countable(p)
        return _array(self._listed(p), p)

    def weights(self, p: int) -> Floats:
        """1/n each, float64."""
        n = self._countable(p)
        return np.full(n, 1 / n)


@dataclass(frozen=True)
class PowersOfTwo(_Equal):
    """x uniform on the powers of two below p.

    To an attacker they are chosen inputs: their multiples a·2^i mod p show the bits of a one after the other.

    Source: docs/theory, section 2.1, on what a sample says of its law.

    >>> PowersOfTwo().points(11)
    array([1, 2, 4, 8])
    """

    def size(self, p: int) -> int:
        """The number of powers, the bit length of p−1."""
        return (_validate.integer("p", p, low=3) - 1).bit_length()

    def _listed(self, p: int) -> list[int]:
        return [1 << i for i in range(self.size(p))]


@dataclass(frozen=True)
class SmallIntegers(_Equal):
    """x uniform on 1..n.

    Args:
        n: at least 1, below p.

    Raises:
        TypeError: n is not an integer.
        ValueError: n < 1.

    Source: docs/theory, section 1 (the law c of x).

    >>> SmallIntegers(3).points(11)
    array([1, 2, 3])
    """

    n: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", _validate.integer("n", self.n, low=1))

    def size(self, p: int) -> int:
        """The number of points, n.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3 or n >= p.
        """
        p = _validate.integer("p", p, low=3)
        return _validate.integer(f"n (the points are below p = {came(p)})", self.n, high=p - 1)

    def _listed(self, p: int) -> list[int]:
        return list(range(1, self.n + 1))


@dataclass(frozen=True)
class LowWeight(_Equal):
    """x uniform on the integers below p with so many binary ones, or on a sample of these.

    Args:
        weight: the number of ones, at least 1.
        count: how many distinct ones to draw; default all of them.
        seed: of the draw.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: weight < 1, count < 1 or seed < 0.

    Source: docs/theory, section 1 (the law c of x).

    >>> LowWeight(2).points(11)
    array([ 3,  5,  6,  9, 10])
    """

    weight: int
    count: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _validate.integer("weight", self.weight, low=1))
        if self.count is not None:
            object.__setattr__(self, "count", _validate.integer("count", self.count, low=1))
        object.__setattr__(self, "seed", _validate.integer("seed", self.seed, low=0))

    def size(self, p: int) -> int:
        """The number of points.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or fewer integers below p have this weight than are wanted.
        """
        p = _validate.integer("p", p, low=3)
        available = _count_below(p, self.weight)
        wanted = 1 if self.count is None else self.count
        if available < wanted:
            expected = f"such that {wanted} integers below p = {came(p)} have it"
            _validate.refuse(ValueError, "weight", expected, f"{self.weight}, which {available} have")
        return available if self.count is None else self.count

    def _listed(self, p: int) -> list[int]:
        available = _count_below(p, self.weight)
        if self.count is None or self.count == available:
            return [_with_weight(rank, self.weight) for rank in range(available)]
        generator, ranks = random.Random(self.seed), set[int]()
        if 2 * self.count > available:  # few are left out: draw those
            while len(ranks) < available - self.count:
                ranks.add(generator.randrange(available))
            return [_with_weight(rank, self.weight) for rank in range(available) if rank not in ranks]
        while len(ranks) < self.count:
            ranks.add(generator.randrange(available))
        return [_with_weight(rank, self.weight) for rank in sorted(ranks)]


def _count_below(limit: int, weight: int) -> int:
    """How many of 0..limit−1 have so many ones: they agree with the limit down to one of its ones, and have 0 there."""
    total, left = 0, weight
    for place in range(limit.bit_length() - 1, -1, -1):
        if limit >> place & 1:
            total += math.comb(place, left)
            left -= 1
            if left < 0:
                break
    return total


def _with_weight(rank: int, weight: int) -> int:
    """The integer of this weight that has `rank` smaller ones: its ones stand where the combinatorial digits do."""
    out = 0
    for ones in range(weight, 0, -1):
        low, high = ones - 1, ones
        while math.comb(high, ones) <= rank:
            low, high = high, 2 * high
        while high - low > 1:  # the highest place whose smaller integers are not more than rank
            middle = (low + high) // 2
            low, high = (middle, high) if math.comb(middle, ones) <= rank else (low, middle)
        out |= 1 << low
        rank -= math.comb(low, ones)
    return out


def _array(points: list[int], p: int) -> NDArray[Any]:
    """int64, or Python integers for p >= 2**63."""
    return np.array(points, dtype=np.int64 if p <= _validate.WORD_LIMIT else object)


def _consecutive(start: int, stop: int, p: int) -> NDArray[Any]:
    return np.arange(start, stop, dtype=np.int64) if p <= _validate.WORD_LIMIT else _array(list(range(start, stop)), p)


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Sample(Law):
    """Given points: their order is kept and repeats are allowed.

    Args:
        points: residues, shape ``(n,)`` with n >= 1, integers of any size; a copy is kept. That
            they are below p is checked once p is known.
        weights: non-negative numbers that sum to one within 1e-9, shape ``(n,)``; default 1/n each.

    Raises:
        TypeError: the points are not integers, or the weights not numbers.
        ValueError: no point, a negative one, weights of another length, negative, or of another sum.

    Source: docs/theory, section 1 (the law c of x).

    >>> law = Sample([4, 1, 4])
    >>> law.points(5), law.weights(5)
    (array([4, 1, 4]), array([0.33333333, 0.33333333, 0.33333333]))
    """

    _points: NDArray[Any]
    _weights: Floats

    def __init__(self, points: ArrayLike, weights: ArrayLike | None = None) -> None:
        kept = _validate.points("points", points, None).copy()
        if kept.size and max(kept) < _validate.WORD_LIMIT:
            kept = kept.astype(np.int64)
        if kept.size == 0:
            _validate.refuse(ValueError, "points", "at least one residue", came(points))
        n = kept.size
        mass = np.full(n, 1 / n) if weights is None else _validate.weights("weights", weights, n) + 0.0
        for name, array in (("_points", kept), ("_weights", mass)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def largest(self) -> int:
        """The largest point, which a modulus must exceed."""
        return int(max(self._points))

    def size(self, p: int) -> int:
        """The number of points given."""
        _validate.integer("p", p, low=3)
        return int(self._points.size)

    def points(self, p: int) -> NDArray[Any]:
        """The points as given, int64, or Python integers (dtype object) for p >= 2**63.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or a point is not below p.
        """
        p = _validate.integer("p", p, low=3)
        return _validate.points("points", self._points, p)

    def weights(self, p: int) -> Floats:
        """The weights as given, float64, read-only.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or a point is not below p.
        """
        self.points(p)
        return self._weights

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sample):
            return NotImplemented
        return np.array_equal(self._points, other._points) and np.array_equal(self._weights, other._weights)

    def __hash__(self) -> int:
        return hash((Sample, tuple(self._points.tolist()), self._weights.tobytes()))

    def __repr__(self) -> str:
        equal = bool(np.all(self._weights == self._weights[0]))
        n = self._points.size
        span = f"in {self._points.min()}..{self._points.max()}"
        return f"Sample({n} point{'s' * (n > 1)} {span}, {'equal weights' if equal else 'weighted'})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Sample, (
            self._points,
            self._weights,
        )  # through the constructor: an unpickled sample is read-only too
