"""Matrix products, and passes over large arrays, in pieces short enough for Ctrl-C: a call of BLAS cannot be stopped.

Pieces depend on the shapes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from barren import _core

_Array = npt.NDArray[np.floating[Any]]

# Multiply-adds of one call of BLAS: a tenth of a second on one slow core.
_MULTIPLY_ADDS = 1 << 31
# Rows that the core sums in one run, what a packed block of them may take, and rows of a product made together.
_RUN, _PACKED_BYTES, _GRAM_ROWS = 256, 1 << 23, 192
# Rows that `mirror` turns together.
_TILE_ROWS = 256
# Numbers that one call of NumPy goes over.
_NUMBERS = 1 << 23


def pieces(size: int, cost: float, limit: float = _NUMBERS) -> Iterator[slice]:
    """0..size−1 in ranges that cost about `limit` together, at `cost` each, with a checkpoint before each."""
    step = max(1, int(limit / max(1.0, cost)))
    for start in range(0, size, step):
        _core.checkpoint()
        yield slice(start, min(start + step, size))


def product(left: _Array, right: _Array) -> _Array:
    """left·right of matrices, in the dtype that NumPy gives it."""
    out = np.empty((len(left), right.shape[1]), np.result_type(left, right))
    for rows in pieces(len(left), right.size, _MULTIPLY_ADDS):
        np.matmul(left[rows], right, out=out[rows])
    return out


def add_product(out: _Array, left: _Array, right: _Array) -> None:
    """Adds left·right to `out`."""
    for rows in pieces(len(left), right.size, _MULTIPLY_ADDS):
        out[rows] += left[rows] @ right


def add_gram(out: _Array, matrix: _Array, threads: int) -> None:
    """Adds matrixᵀ·matrix to `out` on and above the diagonal; below it `out` is left as it comes (see `mirror`).

    All in float64, by the core: the threads of BLAS, which wait for more by going round, would slow what comes next.
    """
    n, none = len(out), np.zeros(len(out))
    step = max(_RUN, _PACKED_BYTES // (8 * max(1, n)) // _RUN * _RUN)
    for first in range(0, len(matrix) if n else 0, step):
        factor = _core.PackedFactor64(np.ascontiguousarray(matrix[first : first + step].T), threads)
        for start in range(0, n, _GRAM_ROWS):
            stop = min(n, start + _GRAM_ROWS)
            block = np.empty((stop - start, n - start))
            _core.gram_block(factor, factor, none, none, 0.0, (start, stop), (start, n), block, False, threads)
            out[start:stop, start:] += block
        del factor  # before the next one is made


def mirror(matrix: _Array) -> None:
    """Copies what is above the diagonal of a square matrix below it."""
    # By tiles that stay in the cache while they are turned.
    for rows in pieces(len(matrix), len(matrix), min(_NUMBERS, _TILE_ROWS * len(matrix))):
        matrix[rows, : rows.start] = matrix[: rows.start, rows].T
        square = matrix[rows, rows]
        matrix[rows, rows] = np.triu(square) + np.triu(square, 1).T
