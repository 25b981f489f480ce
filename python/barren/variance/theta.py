"""Blocks of Θ on and above its diagonal, for the methods that pair it with a class: cut by the problem and its memory.

How many threads make blocks side by side never changes where they are cut, and so no bit of a sum over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from barren.tangents.base import Tangent

# Rows start..stop−1 of every layer's Θ, columns from start on.
UpperBlock: TypeAlias = tuple[int, int, Iterator[tuple[str, np.ndarray]]]

_BLOCK_BYTES = 32 * 2**20
# Rows of a block at most: enough for a product at full speed, few enough that all threads have some.
_MOST_ROWS = 192
# Rows of a block however small the memory limit: smaller blocks take for ever.
_LEAST_ROWS = 16


def least_block_bytes(n: int) -> int:
    """What one worker takes at least: a block of one layer, and the next one's."""
    return 16 * n * min(n, _LEAST_ROWS)


def rows_a_block(n: int, room: int) -> int:
    """How many rows of Θ are made together in so many bytes."""
    most = min(n, _MOST_ROWS, max(1, _BLOCK_BYTES // (8 * n)))
    return int(np.clip(room // (16 * n), min(n, _LEAST_ROWS), max(most, min(n, _LEAST_ROWS))))


def workers_within(tangent: Tangent, threads: int, each: int, room: int) -> int:
    """How many threads may make blocks at once, if each takes so many bytes."""
    return int(np.clip(room // max(1, each), 1, tangent.workers(threads)))


def upper_blocks(tangent: Tangent, room: int, *, reduced: bool = False) -> Iterator[UpperBlock]:
    """Every entry of Θ on or above the diagonal once.

    Args:
        tangent: the model.
        room: bytes that one block, or what makes the whole Θ of a layer, may take.
        reduced: as for `Tangent.ntk`.
    """
    n = tangent.n
    tangent.ready(0)  # before it is asked how: a layer may need columns after all
    if not tangent.ntk_is_cheap:
        for layer, theta in tangent.ntk_layers(max(least_block_bytes(n), room), reduced=reduced):
            yield 0, n, iter([(layer, theta)])
            del theta  # before the next one is made
        return
    rows = rows_a_block(n, room)
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        yield start, stop, tangent.ntk(slice(start, stop), slice(start, n), reduced=reduced)
