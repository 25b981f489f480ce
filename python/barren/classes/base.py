"""What the pairing needs of a target class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import ArrayLike, NDArray

from barren._validate import Floats


class TargetClass(ABC):
    """A family h_a of functions of x, with the multiplier a drawn uniformly from the members.

    To the gradient variance a class is its kernel K(x, y) = Cov_a(h_a(x), h_a(y)) (docs/theory, section 1).

    Source: docs/theory, section 1.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of members."""

    @property
    @abstractmethod
    def members(self) -> NDArray[Any]:
        """The multipliers, of shape ``(size,)``, read-only."""

    @property
    def has_members(self) -> bool:
        """Whether the class is a finite one, a list of members."""
        return True

    @property
    @abstractmethod
    def labels(self) -> tuple[float, float] | None:
        """The two values that ψ takes, the smaller first, or None if it takes more."""

    @property
    @abstractmethod
    def range(self) -> tuple[float, float]:
        """The least and the largest value of ψ."""

    @property
    @abstractmethod
    def period(self) -> int | float:
        """What an encoding is told beside x: the modulus, or the period of ψ on the real line."""

    @property
    @abstractmethod
    def default_law(self) -> Any:
        """The law of x where none is given."""

    @abstractmethod
    def law_of(self, inputs: object | None) -> Any:
        """The law of x that was given, once it is one for this class; None stands for the default.

        Args:
            inputs: a law of x, or None.

        Raises:
            TypeError: it is a law of another kind of x.
            ValueError: it is a law in another dimension.
        """

    @abstractmethod
    def points_of(self, law: object) -> tuple[NDArray[Any], Floats]:
        """The points of a law of x and their weights.

        Args:
            law: a law of the kind of x that this class takes.

        Raises:
            TypeError: the law is of another kind of x than this class takes.
            ValueError: a point is out of range, or there are more than fit in memory.
        """

    def under(self, law: object) -> TargetClass:
        """The class as it is at the points of a law: itself, where points are shown as what they are."""
        return self

    @property
    def without_constant(self) -> TargetClass:
        """The class of ψ less a constant, with the same covariances: itself, where there is none."""
        return self

    @abstractmethod
    def values(self, a: ArrayLike, x: ArrayLike, *, threads: int | None = None) -> Floats:
        """h_a(x), float64 of shape ``(len(a), len(x))``.

        Args:
            a: members, shape (A,); for x in R^d (A, d).
            x: points, shape (n,), or (n, d).
            threads: how many threads to use, default all that may be used; the result does not depend on it.
        """

    @abstractmethod
    def mean(self, x: ArrayLike, *, threads: int | None = None) -> Floats:
        """E_a h_a(x), float64 of shape ``(len(x),)``.

        Args:
            x: points, shape (n,), or (n, d).
            threads: how many threads to use, default all that may be used; the result does not depend on it.
        """

    @abstractmethod
    def kernel(self, x: ArrayLike, y: ArrayLike, *, threads: int | None = None) -> Floats:
        """K(x, y) = Cov_a(h_a(x), h_a(y)), float64 of shape ``(len(x), len(y))``.

        Args:
            x: points, shape (n,), or (n, d).
            y: points, shape (m,), or (m, d).
            threads: how many threads to use, default all that may be used; the result does not depend on it.
        """
