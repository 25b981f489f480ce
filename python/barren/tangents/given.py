"""Tangents from numbers the caller already has: a Jacobian J or a neural tangent kernel Θ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from barren import _validate
from barren.tangents.base import Block, Doubles, Tangent, gram_block


class GivenJacobian(Tangent):
    """The tangent of a given matrix J, one layer named "jacobian".

    Args:
        jacobian: J of shape (n, d), float32 or float64 kept, other real dtypes taken as float64. Not copied
            when it is C-contiguous already.

    Raises:
        TypeError: If it is not an array of real numbers.
        ValueError: If it is not 2-D, empty or not finite.

    Example:
        >>> GivenJacobian([[3.0, 4.0], [0.0, 1.0]]).squared_norms()
        array([25.,  1.])
    """

    def __init__(self, jacobian: npt.ArrayLike) -> None:
        matrix = _validate.matrix("jacobian", jacobian)
        if matrix.size == 0:
            raise ValueError(f"jacobian must have a row an input and a column a parameter; got shape {matrix.shape}")
        self._jacobian: Block = matrix
        n, columns = matrix.shape
        super().__init__(n, {"jacobian": columns}, matrix.dtype, note="Jacobian given by the caller")

    def squared_norms(self) -> Doubles:
        """‖J(x_i)‖², float64 of shape (n,)."""
        norms: Doubles = np.einsum("ij,ij->i", self._jacobian, self._jacobian, dtype=np.float64)
        return norms

    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Slices of J; see `Tangent.column_blocks`."""
        columns = self._jacobian.shape[1]
        step = max(1, bytes_limit // (self.n * self.dtype.itemsize))
        for start in range(0, columns, step):
            yield "jacobian", np.ascontiguousarray(self._jacobian[:, start : start + step])

    def ntk_blocks(self, start: int, stop: int) -> Iterator[tuple[str, Block]]:
        """J[start:stop] J[start:]ᵀ in one product."""
        yield "jacobian", gram_block(self._jacobian, start, stop)

    def scale_rows(self, omega: npt.ArrayLike) -> GivenJacobian:
        """The tangent of ω_i·J(x_i)."""
        weights = _validate.vector("omega", omega, length=self.n).astype(self.dtype)
        return GivenJacobian(self._jacobian * weights[:, None])


class GivenNTK(Tangent):
    """The tangent of a given kernel Θ, one layer named "ntk"; it has no columns and `parameters` is 0.

    Args:
        ntk: Θ of shape (n, n): symmetric with a non-negative diagonal, float32 or float64 kept.

    Raises:
        TypeError: If it is not an array of real numbers.
        ValueError: If it is not square, symmetric to rounding, finite, or has a negative diagonal entry.

    Example:
        >>> GivenNTK([[2.0, 1.0], [1.0, 3.0]]).squared_norms()
        array([2., 3.])
    """

    ntk_is_cheap = True
    has_columns = False

    def __init__(self, ntk: npt.ArrayLike) -> None:
        matrix = _validate.matrix("ntk", ntk)
        if matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
            raise ValueError(f"ntk must be a square matrix, a row and a column an input; got shape {matrix.shape}")
        # A product J Jᵀ, in float32 perhaps, is symmetric to rounding only; what is coarser is no kernel.
        gap, largest = float(np.abs(matrix - matrix.T).max()), float(np.abs(matrix).max())
        if gap > 1e-5 * largest:
            raise ValueError(f"ntk must be symmetric; got |Θ − Θᵀ| up to {gap:.3g} where |Θ| ≤ {largest:.3g}")
        if (least := float(matrix.diagonal().min())) < 0:
            raise ValueError(f"ntk must have a non-negative diagonal (‖J(x)‖²); got {least:.3g} on it")
        self._ntk: Block = matrix
        super().__init__(len(matrix), {"ntk": 0}, matrix.dtype, note="NTK given by the caller")

    def squared_norms(self) -> Doubles:
        """The diagonal of Θ, float64 of shape (n,)."""
        return self._ntk.diagonal().astype(np.float64)

    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Refuses: Θ does not determine J.

        Raises:
            ValueError: Always.
        """
        raise ValueError("Jacobian columns are needed here, and an NTK does not determine them: give jacobian=")

    def ntk_blocks(self, start: int, stop: int) -> Iterator[tuple[str, Block]]:
        """Θ[start:stop, start:], a view."""
        yield "ntk", self._ntk[start:stop, start:]

    def scale_rows(self, omega: npt.ArrayLike) -> GivenNTK:
        """The kernel ω_i·ω_j·Θ_ij."""
        weights = _validate.vector("omega", omega, length=self.n).astype(self.dtype)
        return GivenNTK(weights[:, None] * self._ntk * weights)
