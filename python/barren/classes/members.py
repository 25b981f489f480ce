"""Given multipliers, and sums over the members a block at a time: the mean and the kernel of any modular class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from barren import _products, _validate
from barren._validate import Floats, Integers, came

if TYPE_CHECKING:
    from barren.classes.modular import ModularMultiplication

BLOCK_BYTES = 1 << 25  # values of a block of members; with a few intermediate arrays this stays below 64 MiB


def mean(cls: ModularMultiplication, x: Integers, workers: int) -> Floats:
    """E_a h_a(x) over the members."""
    total = np.zeros(x.size)
    for (block,) in _blocks(cls, (x,), workers):
        total += block.sum(axis=0)
    return total / cls.size


def kernel(cls: ModularMultiplication, x: Integers, y: Integers, workers: int) -> Floats:
    """Cov_a(h_a(x), h_a(y)) over the members, each block of them centred before it is multiplied."""
    same = np.array_equal(x, y)
    mean_x, mean_y = cls.mean(x, threads=workers or None), cls.mean(y, threads=workers or None)
    out = np.zeros((x.size, y.size))
    for blocks in _blocks(cls, (x,) if same else (x, y), workers):
        left, right = blocks[0], blocks[-1]
        left -= mean_x
        if same:
            _products.add_gram(out, left, workers)
        else:
            right -= mean_y
            _products.add_product(out, left.T, right)
    for rows in _products.pieces(len(out), y.size):
        out[rows] /= cls.size
    if same:
        _products.mirror(out)
    return out


def _blocks(cls: ModularMultiplication, points: tuple[Integers, ...], workers: int) -> Iterator[tuple[Floats, ...]]:
    """The values at each of ``points`` for one block of members after the other, in new arrays."""
    step = max(1, BLOCK_BYTES // (8 * max(1, sum(x.size for x in points))))
    multipliers = cls.members
    for start in range(0, multipliers.size, step):
        block = multipliers[start : start + step]
        yield tuple(cls.values(block, x, threads=workers or None) for x in points)


def distinct_residues(multipliers: ArrayLike, p: int) -> Integers:
    """Given multipliers as a read-only copy: residues, distinct, at least one."""
    _validate.word_modulus("p", p, "a set of multipliers")
    words = "'units', 'all' or "
    members: Integers = _validate.residues("multipliers", multipliers, p, otherwise=words).copy()
    if members.size == 0:
        _validate.refuse(ValueError, "multipliers", f"{words}at least one residue", came(multipliers))
    order = np.argsort(members, kind="stable")
    equal = np.flatnonzero(np.diff(members[order]) == 0)
    if equal.size:
        first, second = (int(i) for i in order[equal[0] : equal[0] + 2])
        got = f"{members[first]} at index {first} and at index {second}"
        _validate.refuse(ValueError, "multipliers", "distinct", got)
    members.setflags(write=False)
    return members
