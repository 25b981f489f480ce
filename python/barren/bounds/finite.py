"""Any finite class at the points of a law: its covariance matrix, or its Gram matrix, or products by them.

With c the weights of the points and h̃_a = h_a − E_a h_a, write F for the matrix √(c_i/|A|)·h̃_a(x_i). Then
FᵀF = [√c_i K(x_i, x_j) √c_j] is the covariance and FFᵀ = [⟨h̃_a, h̃_b⟩/|A|] the Gram matrix: they share their
eigenvalues other than 0, their trace and their norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from barren import _validate
from barren._validate import Floats
from barren.bounds.eigen import DENSE, LARGEST_BYTES, largest_dense, largest_lanczos
from barren.bounds.modular import kernel_product
from barren.classes import ModularMultiplication, TargetClass
from barren.inputs import Law, RealLaw

_BLOCK_BYTES = 1 << 25
_MOST_PRODUCTS = 2**40  # multiply-adds of a sum over all pairs: minutes


@dataclass(frozen=True)
class AtPoints:
    """A class at the points of a law."""

    cls: TargetClass
    points: np.ndarray
    weights: Floats

    @property
    def n(self) -> int:
        """The number of points."""
        return len(self.points)

    def largest(self) -> tuple[float, Floats]:
        """λ and its eigenvector √c·J, of norm 1."""
        roots = np.sqrt(self.weights)
        if self.n <= DENSE:
            return largest_dense(roots[:, None] * self.cls.kernel(self.points, self.points) * roots)
        apply = self._product(roots)
        return largest_lanczos(lambda v: apply(v.ravel()), self.n)

    def _product(self, roots: Floats) -> Callable[[np.ndarray], np.ndarray]:
        """The map v -> √c·K·√c·v: a convolution, products by F, or by K, whichever fits first."""
        cls, points = self.cls, self.points
        if (
            isinstance(cls, ModularMultiplication)
            and cls.is_prime
            and cls.multipliers != "set"
            and not cls.by_dedekind_sums
        ):
            convolve = kernel_product(cls, points)
            return lambda v: roots * convolve(roots * v)
        if cls.has_members and 8 * cls.size * self.n <= LARGEST_BYTES:
            features = np.concatenate(list(self.features()))
            return lambda v: np.asarray(features.T @ (features @ v))
        if 8 * self.n**2 <= LARGEST_BYTES:
            kernel = cls.kernel(points, points)
            return lambda v: roots * (kernel @ (roots * v))
        raise ValueError(
            "inputs must have few enough points for the class kernel, or the values of all members at them, to fit in "
            f"2 GiB here; got {self.n}"
        )

    def features(self, block: int | None = None) -> Iterator[Floats]:
        """F, a block of members after the other, float64 of shape (block, n)."""
        members, mean = self.cls.members, self.cls.mean(self.points)
        scale = np.sqrt(self.weights / self.cls.size)
        step = block or max(1, _BLOCK_BYTES // (8 * max(1, self.n)))
        for start in range(0, len(members), step):
            values = self.cls.values(members[start : start + step], self.points)
            values -= mean
            values *= scale
            yield values

    def check_pairs(self) -> None:
        """Refuses a class and a law with too many pairs of members, and of points, for a sum over all of them.

        Raises:
            ValueError: there are too many.
        """
        size = self.cls.size if self.cls.has_members else self.n
        if min(size, self.n) * size * self.n > _MOST_PRODUCTS:
            _validate.refuse(
                ValueError,
                "inputs",
                "few enough points for a sum over all pairs of them, or of the members",
                f"{self.n} points and {size} members (sharp_bound needs no pairs)",
            )

    def variance(self) -> float:
        """E_x K(x, x), the trace."""
        diagonal = 0.0
        step = max(1, int((_BLOCK_BYTES // 8) ** 0.5))
        for start in range(0, self.n, step):
            some = self.points[start : start + step]
            diagonal += float(self.weights[start : start + step] @ np.diag(self.cls.kernel(some, some)))
        return diagonal

    def squared_norms(self) -> Floats:
        """‖h̃_a‖²/|A| for every member: their largest and their sum are rungs of the ladder."""
        return np.concatenate([np.einsum("ai,ai->a", block, block) for block in self.features()])

    def off_diagonal(self, norms: Floats) -> float:
        """Σ_{a≠b}(⟨h̃_a, h̃_b⟩/|A|)²: from the Gram matrix, or as ‖√c·K·√c‖² less the diagonal if that is smaller."""
        size, total = self.cls.size, 0.0
        if size <= self.n:
            blocks = list(self.features()) if 8 * size * self.n <= LARGEST_BYTES else None
            for i, left in enumerate(blocks or self.features()):
                for j, right in enumerate(blocks or self.features()):
                    inner = left @ right.T
                    if i == j:
                        np.fill_diagonal(inner, 0.0)
                    total += float(np.einsum("ab,ab->", inner, inner))
            return total
        roots = np.sqrt(self.weights)
        step = max(1, _BLOCK_BYTES // (8 * self.n))
        for start in range(0, self.n, step):
            kernel = self.cls.kernel(self.points[start : start + step], self.points)
            kernel *= roots[start : start + step, None]
            kernel *= roots
            total += float(np.einsum("ij,ij->", kernel, kernel))
        return max(0.0, total - float(norms @ norms))


def at_points(cls: TargetClass, law: Law | RealLaw | None) -> AtPoints:
    """The class at the points of the law."""
    return AtPoints(cls, *cls.points_of(law))
