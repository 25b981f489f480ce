"""Laws of the input x on Z_p: which points occur, in which order, with which weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from barren import _validate
from barren._validate import Floats, Integers, came

__all__ = ["Law", "RandomBits", "Sample", "Uniform"]


class Law(ABC):
    """A law of x: points in Z_p and their weights, which sum to one."""

    @abstractmethod
    def size(self, p: int) -> int:
        """How many points there are; nothing is built, so p may be of any size."""

    @abstractmethod
    def points(self, p: int) -> Integers:
        """The points, int64 of shape ``(size(p),)``.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, p is 2**63 or more, or there are more points than fit in memory.
        """

    @abstractmethod
    def weights(self, p: int) -> Floats:
        """The weight of every point, float64 of shape ``(size(p),)``.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, p is 2**63 or more, or there are more points than fit in memory.
        """

    def _countable(self, p: int) -> int:
        """The number of points, after checking that arrays of that length can be built."""
        n = self.size(p)
        _validate.word_modulus("p", p, "the points of a law of x")
        return _validate.tabulated("the number of points of the law of x", n, 8, "an array of them")


@dataclass(frozen=True)
class Uniform(Law):
    """x uniform on 0..p-1, or on 1..p-1.

    Args:
        zero: whether x = 0 occurs.

    Raises:
        TypeError: zero is not a bool.

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

    def points(self, p: int) -> Integers:
        """The points in increasing order, int64."""
        n = self._countable(p)
        return np.arange(p - n, p, dtype=np.int64)

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

    def points(self, p: int) -> Integers:
        """The residues that occur, in increasing order, int64."""
        return np.arange(self._countable(p), dtype=np.int64)

    def weights(self, p: int) -> Floats:
        """The exact weights, each rounded once, float64."""
        size = self._countable(p)
        integers = 2**self.n
        quotient, remainder = divmod(integers, p)
        out = np.full(size, quotient / integers)
        out[:remainder] = (quotient + 1) / integers
        return out


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Sample(Law):
    """Given points: their order is kept and repeats are allowed.

    Args:
        points: residues, shape ``(n,)`` with n >= 1; a copy is kept. That they are
            below p is checked once p is known.
        weights: non-negative numbers that sum to one within 1e-9, shape ``(n,)``; default 1/n each.

    Raises:
        TypeError: the points are not integers, or the weights not numbers.
        ValueError: no point, a negative one, weights of another length, negative, or of another sum.

    >>> law = Sample([4, 1, 4])
    >>> law.points(5), law.weights(5)
    (array([4, 1, 4]), array([0.33333333, 0.33333333, 0.33333333]))
    """

    _points: Integers
    _weights: Floats

    def __init__(self, points: ArrayLike, weights: ArrayLike | None = None) -> None:
        kept = _validate.residues("points", points, _validate.WORD_LIMIT).copy()
        if kept.size == 0:
            _validate.refuse(ValueError, "points", "at least one residue", came(points))
        n = kept.size
        mass = np.full(n, 1 / n) if weights is None else _validate.weights("weights", weights, n) + 0.0
        for name, array in (("_points", kept), ("_weights", mass)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def size(self, p: int) -> int:
        """The number of points given."""
        _validate.integer("p", p, low=3)
        return int(self._points.size)

    def points(self, p: int) -> Integers:
        """The points as given, int64, read-only.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or a point is not below p.
        """
        p = _validate.integer("p", p, low=3)
        return _validate.residues("points", self._points, p)

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
        return hash((Sample, self._points.tobytes(), self._weights.tobytes()))

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
