"""Matrices of one row an input, centred and regrouped once for the core's products M·Mᵀ (docs/theory, section 3.3)."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from barren import _core
from barren._scales import leaves_singles, size_for
from barren.tangents.base import Block, Doubles

# What the core takes for one factor: both sides, what a row and a column add, and a constant.
Side: TypeAlias = tuple[Any, Any, Doubles, Doubles, float]

# The core sums so many entries in the dtype of the rows: columns cut at multiples of it give the same sums.
RUN = 256
# What a block of columns takes while its product is made: itself, centred in place, packed for both sides, and a
# chunk of the gradients that it is made of.
COPIES = 4
# The core rounds rows up to groups of so many.
_GROUP = 48


def for_products(*matrices: Block) -> list[Block]:
    """The matrices themselves, or all of them in float64 where float32 holds no squares of such numbers."""
    if any(leaves_singles(size_for(matrix.dtype, matrix)) for matrix in matrices):  # they would be 0 or infinite
        return [matrix.astype(np.float64) for matrix in matrices]
    return list(matrices)


class PackedRows:
    """M (n, T, w) or (n, w), with M_t·M_sᵀ split into M'_t·M'_sᵀ and what a row or a column adds.

    With m_t the mean row of M_t and M' = M − m: M_t·M_sᵀ = m_t·m_s + u_ts + v_ts + M'_t·M'_sᵀ, u_ts[i] = M'_it·m_s,
    v_ts[j] = M'_js·m_t. What is constant over the inputs cancels against the class kernel, whose rows sum to zero. It
    is up to a thousand times what is left in sigmoid networks, so it is kept in float64, and only M'_t·M'_sᵀ is a
    product in the dtype of M. The same bits for any number of threads.

    Args:
        matrix: M, float32 or float64, from `for_products`; centred in place and not needed afterwards.
        threads: Threads of the core; 0 means all.
        constant: What else is the same for all pairs of inputs, (T, T).
    """

    def __init__(self, matrix: Block, threads: int, constant: Doubles | None = None) -> None:
        n, positions = len(matrix), matrix.shape[1] if matrix.ndim == 3 else 1
        rows = np.ascontiguousarray(matrix).reshape(n, -1)
        means: Any = _core.column_means  # of either dtype
        products: Any = _core.cross_products
        single = means(rows, threads).astype(rows.dtype)
        rows -= single
        mean = single.astype(np.float64).reshape(positions, -1)
        self._cross = products(rows, mean, threads)
        level = np.einsum("tw,sw->ts", mean, mean)
        self._constant = level if constant is None else level + constant
        pack = _core.PackedFactor32 if matrix.dtype == np.float32 else _core.PackedFactor64
        cube = rows.reshape(n, positions, -1)
        self._rows = [pack(np.ascontiguousarray(cube[:, t]), threads) for t in range(positions)]

    def side(self, t: int, s: int) -> Side:
        """What the core takes for M_t·M_sᵀ."""
        return self._rows[t], self._rows[s], self._cross[t, s], self._cross[s, t], float(self._constant[t, s])

    def block(
        self, rows: slice, columns: slice, out: Doubles, threads: int, *, accumulate: bool = False, reduced: bool
    ) -> None:
        """M[rows]·M[columns]ᵀ of the first position into `out`, or added to it; slices with both ends given."""
        product: Any = _core.gram_block  # of either dtype
        spans = (rows.start, rows.stop), (columns.start, columns.stop)
        product(*self.side(0, 0), *spans, out, accumulate, threads, reduced)


def packed_bytes(n: int, positions: int, width: int, item: int) -> int:
    """What `PackedRows` of (n, positions, width) keeps: the matrix twice, once for each side, and its terms."""
    return 2 * (n + _GROUP) * positions * width * item + 8 * positions**2 * n
