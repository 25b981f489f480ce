"""How methods that take few Jacobian columns at a time have them made.

A layer without a rule is differentiated anew for every block of columns that is asked for. So blocks are asked for that
are as wide as memory allows, and cut into those that the method takes: all columns in one pass where J fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from barren.variance.problem import Problem
from barren.variance.speeds import Speeds

# A wide block is there once, and a chunk of its rows twice in half of that: `Columns.blocks`.
_COPIES = 2


@dataclass(frozen=True)
class Passes:
    """The Jacobian columns of a problem, in blocks.

    Attributes:
        problem: the problem.
        columns: how many columns the method takes at a time.
        taken: bytes that it takes beside wider blocks.
    """

    problem: Problem
    columns: int
    taken: int

    @property
    def made(self) -> int:
        """Bytes of a block as it is asked for: wider than `columns` only where that saves passes.

        Wide blocks are `columns` times a power of two wide, so that a little more memory, as on fewer threads, seldom
        moves where they are cut.
        """
        tangent, a_column = self.problem.tangent, self._a_column
        narrow = self.columns * a_column
        if tangent.column_passes(narrow)[0] <= tangent.column_passes(2**62)[0]:
            return narrow
        fitting = (self.problem.memory_limit - self.taken) // (_COPIES * a_column)
        if fitting >= tangent.parameters:
            return max(narrow, tangent.parameters * a_column)
        return narrow << max(0, (max(1, fitting) // self.columns).bit_length() - 1)

    @property
    def memory(self) -> int:
        """Bytes that the method is predicted to take, with the blocks."""
        wider = self.made - self.columns * self._a_column
        return self.taken + (_COPIES * self.made if wider > 0 else 0)

    def seconds(self, speeds: Speeds) -> float:
        """Predicted time of making them, and of the squared norms of their rows."""
        return speeds.columns(self.made) + len(self.problem.points) * speeds.backward

    def blocks(self) -> Iterator[tuple[str, np.ndarray]]:
        """(layer, block) of at most `columns` columns each, as `Tangent.column_blocks` yields them."""
        for layer, made in self.problem.tangent.column_blocks(self.made):
            if made.shape[1] <= self.columns:
                yield layer, made
            else:
                for first in range(0, made.shape[1], self.columns):
                    yield layer, np.ascontiguousarray(made[:, first : first + self.columns])
            del made  # before the next one is made

    @property
    def _a_column(self) -> int:
        return self.problem.tangent.dtype.itemsize * len(self.problem.points)
