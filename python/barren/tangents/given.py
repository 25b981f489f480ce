"""Tangents from numbers the caller already has: a Jacobian J or a neural tangent kernel Θ."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from barren import _validate
from barren._products import pieces
from barren.tangents.base import Block, Doubles, Integers, Tangent
from barren.tangents.packed import RUN, PackedRows, for_products, packed_bytes

_Given = TypeVar("_Given", "GivenJacobian", "GivenNTK")
# Rows that are multiplied in float64 together, if a copy of them takes no more bytes than so many.
_ROWS, _ROWS_BYTES = 1024, 1 << 25
# Columns that are centred and packed together take about so many bytes.
_SLAB_BYTES = 1 << 25
# Entries of a given Θ that are checked between two looks at Ctrl-C.
_CHECKED = 1 << 20
# A Jacobian of which every entry is smaller has squares that are no numbers with all digits, or zero.
_LEAST = 1e-150
# A given Θ is a constant and little more where half of the entries of a row differ by less than this part of it.
_NEAR = 0.25
_NO_COLUMNS = "Jacobian columns are needed here, and an NTK does not determine them: give jacobian="


class GivenJacobian(Tangent):
    """The tangent of a given matrix J, one layer named "jacobian".

    Args:
        jacobian: J of shape (n, d), float32 or float64 kept, other real dtypes taken as float64. Not copied
            when it is C-contiguous already.
        n: The number of rows that it must have; None for any.

    Raises:
        TypeError: If it is not an array of real numbers.
        ValueError: If it is not 2-D, empty or not finite.

    Source: docs/theory, section 1.

    Example:
        >>> GivenJacobian([[3.0, 4.0], [0.0, 1.0]]).squared_norms()
        array([25.,  1.])
    """

    def __init__(self, jacobian: npt.ArrayLike, n: int | None = None) -> None:
        matrix = _validate.matrix("jacobian", jacobian, rows=n)
        if matrix.size == 0:
            raise ValueError(f"jacobian must have a row an input and a column a parameter; got shape {matrix.shape}")
        self._jacobian: Block = matrix
        self._taken: Integers | None = None
        self._packed: list[PackedRows] | None = None
        self._threads = 0
        rows, columns = matrix.shape
        super().__init__(rows, {"jacobian": columns}, matrix.dtype, note="Jacobian given by the caller")

    def check_squares(self) -> None:
        """A Jacobian must not be so small that all its squares underflow: its variance would be 0.

        Raises:
            ValueError: If it is.
        """
        largest = max(float(self._jacobian.max()), -float(self._jacobian.min()))
        if 0.0 < largest < _LEAST:
            raise ValueError(
                f"jacobian must have entries whose squares are float64 numbers; the largest is {largest:.3g}, whose "
                "square underflows: scale it up"
            )

    def squared_norms(self) -> Doubles:
        """‖J(x_i)‖², float64 of shape (n,)."""
        norms: Doubles = np.einsum("ij,ij->i", self._jacobian, self._jacobian, dtype=np.float64)
        return norms if self._taken is None else norms[self._taken]

    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Slices of J; see `Tangent.column_blocks`."""
        columns = self._jacobian.shape[1]
        step = max(1, bytes_limit // (self.n * self.dtype.itemsize))
        for start in range(0, columns, step):
            yield "jacobian", _picked(self._jacobian[:, start : start + step], self._taken)

    @property
    def ntk_is_cheap(self) -> bool:
        """Always: J is at hand."""
        return True

    @property
    def ntk_bytes(self) -> int:
        """J packed for both sides of a product, and a slab of columns on the way there."""
        item, width = self.dtype.itemsize, min(self._slab, self.parameters)
        slabs = -(-self.parameters // self._slab)
        kept = packed_bytes(self.n, 1, self.parameters, item) + 8 * self.n * (slabs - 1)
        return kept + self.n * width * item

    @property
    def product_bytes(self) -> int:
        """A group of rows in float64."""
        return 8 * self.parameters * self._group

    def limited(self, threads: int) -> AbstractContextManager[None]:
        """A context in which the core takes at most so many threads a call."""
        return self._limited(threads)

    @contextmanager
    def _limited(self, threads: int) -> Iterator[None]:
        before, self._threads = self._threads, threads
        try:
            yield
        finally:
            self._threads = before

    @property
    def _slab(self) -> int:
        """How many columns are packed together."""
        return max(1, _SLAB_BYTES // (self.n * self.dtype.itemsize * RUN)) * RUN

    @property
    def _group(self) -> int:
        """How many rows are multiplied in float64 together."""
        return max(1, min(_ROWS, self.n, _ROWS_BYTES // (8 * self.parameters)))

    def _pack(self) -> list[PackedRows]:
        """J, centred and packed for the core once, some columns at a time."""
        if self._packed is None:
            packed = []
            for start in range(0, self.parameters, self._slab):
                columns = self._jacobian[:, start : start + self._slab]
                rows = columns.copy() if self._taken is None else columns[self._taken]
                (rows,) = for_products(rows)
                packed.append(PackedRows(rows, self._threads))
                del rows  # before the next ones are copied
            self._packed = packed
        return self._packed

    def _rows(self, rows: slice) -> Block:
        """A view of these rows of J, or a copy where rows were taken."""
        return self._jacobian[rows] if self._taken is None else self._jacobian[self._taken[rows]]

    def ntk(self, rows: slice, columns: slice, *, reduced: bool = False) -> Iterator[tuple[str, Block]]:
        """J[rows]·J[columns]ᵀ by the core."""
        rows, columns = (slice(*span.indices(self.n)[:2]) for span in (rows, columns))
        block = np.empty((max(0, rows.stop - rows.start), max(0, columns.stop - columns.start)))
        for index, slab in enumerate(self._pack()):
            slab.block(rows, columns, block, self._threads, accumulate=index > 0, reduced=reduced)
        yield "jacobian", block

    def products(self, directions: npt.ArrayLike) -> Doubles:
        """J·V in float64; see `Tangent.products`."""
        vectors = _validate.matrix("directions", directions, rows=self.parameters).astype(np.float64, copy=False)
        out = np.empty((self.n, vectors.shape[1]))
        for start in range(0, self.n, self._group):
            rows = slice(start, start + self._group)
            out[rows] = self._rows(rows).astype(np.float64, copy=False) @ vectors
        return out

    def transposed_products(self, cotangents: npt.ArrayLike) -> Doubles:
        """Jᵀ·U in float64; see `Tangent.transposed_products`."""
        vectors = _validate.matrix("cotangents", cotangents, rows=self.n).astype(np.float64, copy=False)
        out = np.zeros((self.parameters, vectors.shape[1]))
        for start in range(0, self.n, self._group):
            rows = slice(start, start + self._group)
            out += self._rows(rows).astype(np.float64, copy=False).T @ vectors[rows]
        return out

    def scale_rows(self, omega: npt.ArrayLike) -> GivenJacobian:
        """The tangent of ω_i·J(x_i)."""
        weights = _validate.vector("omega", omega, length=self.n).astype(self.dtype)
        return GivenJacobian(self._rows(slice(None)) * weights[:, None])

    def take(self, order: npt.ArrayLike) -> GivenJacobian:
        """The rows order[i], gathered where they are used."""
        taken = _taken(self, self._order(order))
        taken._packed = None
        return taken


def _asymmetry(matrix: Block) -> tuple[float, float]:
    """The largest |Θ − Θᵀ| and |Θ|, a few rows at a time."""
    gap = largest = 0.0
    for rows in pieces(len(matrix), len(matrix), _CHECKED):
        gap = max(gap, float(np.abs(matrix[rows] - matrix[:, rows].T).max()))
        largest = max(largest, float(np.abs(matrix[rows]).max()))
    return gap, largest


class GivenNTK(Tangent):
    """The tangent of a given kernel Θ, one layer named "ntk"; it has no columns and `parameters` is 0.

    Args:
        ntk: Θ of shape (n, n): symmetric with a non-negative diagonal, float32 or float64 kept.
        n: The number of rows and columns that it must have; None for any.

    Raises:
        TypeError: If it is not an array of real numbers.
        ValueError: If it is not square, symmetric to rounding, finite, or has a negative diagonal entry.

    Source: docs/theory, section 1.

    Example:
        >>> GivenNTK([[2.0, 1.0], [1.0, 3.0]]).squared_norms()
        array([2., 3.])
    """

    has_columns = False

    def __init__(self, ntk: npt.ArrayLike, n: int | None = None) -> None:
        matrix = _validate.matrix("ntk", ntk, rows=n, columns=n)
        if matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
            raise ValueError(f"ntk must be a square matrix, a row and a column an input; got shape {matrix.shape}")
        # A product J Jᵀ, in float32 perhaps, is symmetric to rounding only; what is coarser is no kernel.
        gap, largest = _asymmetry(matrix)
        if gap > 1e-5 * largest:
            raise ValueError(f"ntk must be symmetric; got |Θ − Θᵀ| up to {gap:.3g} where |Θ| ≤ {largest:.3g}")
        if (least := float(matrix.diagonal().min())) < 0:
            raise ValueError(f"ntk must have a non-negative diagonal (‖J(x)‖²); got {least:.3g} on it")
        self._hold(matrix, "NTK given by the caller")

    def check_squares(self) -> None:
        """Θ must not be so small that its products with the class kernel and the weights underflow.

        Raises:
            ValueError: If it is.
        """
        largest = float(self._ntk.diagonal().max())
        if 0.0 < largest < _LEAST**2:
            raise ValueError(
                f"ntk must have entries whose products are float64 numbers; the largest is {largest:.3g}: scale it up"
            )

    @classmethod
    def computed(cls, theta: Doubles) -> GivenNTK:
        """The tangent of a Θ that was computed from J, without a copy or a check.

        Where J(x) = 0 rounding may leave a small negative number on the diagonal: nothing that a caller got wrong.

        Args:
            theta: Θ, float64, shape (n, n).
        """
        tangent = cls.__new__(cls)
        tangent._hold(theta, "NTK computed before")
        return tangent

    def _hold(self, matrix: Block, note: str) -> None:
        self._ntk: Block = matrix
        self._taken: Integers | None = None
        super().__init__(len(matrix), {"ntk": 0}, matrix.dtype, note=note)

    @property
    def ntk_is_cheap(self) -> bool:
        """Always: Θ is at hand."""
        return True

    @property
    def ntk_cost(self) -> float:
        """Nothing is multiplied."""
        return 0.0

    @property
    def forward_obstacle(self) -> str | None:
        """Θ does not determine J."""
        return _NO_COLUMNS

    def squared_norms(self) -> Doubles:
        """The diagonal of Θ, float64 of shape (n,)."""
        return _picked(self._ntk.diagonal(), self._taken).astype(np.float64)

    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Refuses: Θ does not determine J.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_NO_COLUMNS)

    def products(self, directions: npt.ArrayLike) -> Doubles:
        """Refuses, as `column_blocks` does.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_NO_COLUMNS)

    def transposed_products(self, cotangents: npt.ArrayLike) -> Doubles:
        """Refuses, as `column_blocks` does.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_NO_COLUMNS)

    def ntk(self, rows: slice, columns: slice, *, reduced: bool = False) -> Iterator[tuple[str, Block]]:
        """Θ[rows, columns], float64: a read-only view where that is possible; reduced where Θ hardly varies."""
        if self._taken is None:
            block = self._ntk[rows, columns].astype(np.float64, copy=False)
        else:
            block = self._ntk[np.ix_(self._taken[rows], self._taken[columns])].astype(np.float64, copy=False)
        terms = self._terms if reduced else None
        if terms is not None:
            # Neighbours are subtracted, so most of the differences have no rounding.
            block = (block - terms[0][rows, None]) - (terms[1][columns] - terms[2])
        if block.base is not None:
            block.flags.writeable = False
        yield "ntk", block

    @functools.cached_property
    def _terms(self) -> tuple[Doubles, Doubles, float] | None:
        """Column, row and entry of Θ at its least diagonal entry, where Θ is a constant and little more; else None.

        |Θ(x, y)| is at most (Θ(x, x)·Θ(y, y))^½, so no entry grows by more than a small factor when they are taken off.
        """
        order = np.arange(self.n) if self._taken is None else self._taken
        squares = self._ntk.diagonal()[order]
        least = int(order[squares.argmin()])
        column, row = (side[order].astype(np.float64) for side in (self._ntk[:, least], self._ntk[least]))
        corner = float(self._ntk[least, least])
        return (column, row, corner) if float(np.median(np.abs(column - corner))) <= _NEAR * corner else None

    def scale_rows(self, omega: npt.ArrayLike) -> GivenNTK:
        """The kernel ω_i·ω_j·Θ_ij."""
        weights = _validate.vector("omega", omega, length=self.n).astype(self.dtype)
        ((_, theta),) = self.ntk(slice(None), slice(None))
        return GivenNTK((weights[:, None] * theta * weights).astype(self.dtype, copy=False))

    def take(self, order: npt.ArrayLike) -> GivenNTK:
        """The rows and columns order[i], gathered where they are used."""
        return _taken(self, self._order(order))


def _picked(array: Block, taken: Integers | None) -> Block:
    return array if taken is None else array[taken]


def _taken(tangent: _Given, order: Integers) -> _Given:
    """A copy that shares the matrix and reads its rows in another order."""
    result = copy.copy(tangent)
    result.n = len(order)
    result.__dict__.pop("_terms", None)  # of the order before
    result._taken = order.copy() if tangent._taken is None else tangent._taken[order]
    return result
