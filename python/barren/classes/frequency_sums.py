"""Sums over the members of a class of frequencies, a block of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from barren._validate import Floats

if TYPE_CHECKING:
    from barren.classes.frequency import Frequencies

_BLOCK_BYTES = 1 << 25  # values of a block of members; with a few intermediate arrays this stays below 64 MiB


def kernel(cls: Frequencies, x: Floats, y: Floats, workers: int) -> Floats:
    """Cov_a(ψ(⟨a, x⟩), ψ(⟨a, y⟩)) over the members, each block of them centred before it is multiplied."""
    same = np.array_equal(x, y)
    mean_x, mean_y = cls.mean(x, threads=workers or None), cls.mean(y, threads=workers or None)
    out = np.zeros((len(x), len(y)))
    for blocks in _blocks(cls, (x,) if same else (x, y), workers):
        left, right = blocks[0], blocks[-1]
        left -= mean_x
        if not same:
            right -= mean_y
        out += left.T @ right
    out /= cls.size
    return out


def _blocks(cls: Frequencies, points: tuple[Floats, ...], workers: int) -> Iterator[tuple[Floats, ...]]:
    """The values at each of ``points`` for one block of members after the other, in new arrays."""
    step = max(1, _BLOCK_BYTES // (8 * max(1, sum(len(x) for x in points))))
    members = cls.members
    for start in range(0, len(members), step):
        block = members[start : start + step]
        yield tuple(cls.values(block, x, threads=workers or None) for x in points)
