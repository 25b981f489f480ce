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
# Rows whose products with the means are summed in float64 together.
_ROWS = 1024


class PackedRows:
    """M (n, T, w) or (n, w), with M_t·M_sᵀ split into M'_t·M'_sᵀ and what a row or a column adds.

    With m_t the mean row of M_t and M' = M − m: M_t·M_sᵀ = m_t·m_s + u_ts + v_ts + M'_t·M'_sᵀ, u_ts[i] = M'_it·m_s,
    v_ts[j] = M'_js·m_t. What is constant over the inputs cancels against the class kernel, whose rows sum to zero. It
    is up to a thousand times what is left in sigmoid networks, so it is kept in float64, and only M'_t·M'_sᵀ is a
    product in the dtype of M. Sums over inputs and columns are serial: the same bits for any number of threads.

    Args:
        matrix: M, float32 or float64; centred in place and not needed afterwards. Float32 of a size whose squares are
            none is taken to float64.
        threads: Threads of the core; 0 means all.
        constant: What else is the same for all pairs of inputs, (T, T).
    """

    def __init__(self, matrix: Block, threads: int, constant: Doubles | None = None) -> None:
        if leaves_singles(size_for(matrix.dtype, matrix)):  # products in float32 would be 0 or infinite
            matrix = matrix.astype(np.float64)
        cube = matrix[:, None] if matrix.ndim == 2 else matrix
        mean = cube.mean(axis=0, dtype=np.float64).astype(matrix.dtype)
        cube -= mean
        exact = mean.astype(np.float64)
        positions = range(cube.shape[1])
        self._cross = np.empty((len(positions), len(positions), len(cube)))
        for first in range(0, len(cube), _ROWS):
            rows = cube[first : first + _ROWS].astype(np.float64)
            np.einsum("itw,sw->tsi", rows, exact, out=self._cross[:, :, first : first + _ROWS])
        level = np.einsum("tw,sw->ts", exact, exact)
        self._constant = level if constant is None else level + constant
        pack = _core.PackedFactor32 if matrix.dtype == np.float32 else _core.PackedFactor64
        self._rows = [pack(np.ascontiguousarray(cube[:, t]), threads) for t in positions]

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
