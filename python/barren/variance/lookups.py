"""What a loss that is taken as a table looks up: the label of every member at every point (docs/theory, 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from barren import _core
from barren._products import pieces
from barren.variance.problem import Problem

# Blocks of members take at most about so many bytes.
BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Labels:
    """The label side of a loss that is not affine in the label.

    Attributes:
        levels: for each residue the index of ψ's value, int32, shape (p,); with cross-entropy the label itself.
        count: how many levels there are, L.
        slopes: T[x, k] = ∂ℓ/∂N(N(x), value k), float64, shape (n, L); None for cross-entropy.
    """

    levels: np.ndarray
    count: int
    slopes: np.ndarray | None


def labels_of(problem: Problem) -> Labels:
    """The label side of a problem that has one."""
    labels = problem.labels
    assert labels is not None
    return labels


def look_up(problem: Problem, rows: slice, cube: np.ndarray) -> np.ndarray:
    """cube[x, level(a·x)] of some members a, shape (b, n, columns)."""
    cls = problem.cls
    found: np.ndarray = _core.gather(
        cls.members[rows], problem.points, cls.p, labels_of(problem).levels, cube, problem.threads
    )
    return found


def member_blocks(problem: Problem, bytes_a_member: int, room: int, least: int = 1) -> Iterator[slice]:
    """The members in blocks that depend on the problem only."""
    step = max(least, min(room, BLOCK_BYTES) // bytes_a_member)
    for start in range(0, problem.cls.size, step):
        yield slice(start, min(start + step, problem.cls.size))


def shares_of(problem: Problem) -> np.ndarray:
    """P_a(level(a·x) = k) over the members, float64, shape (n, L)."""
    cls, labels = problem.cls, labels_of(problem)
    counts = _core.level_counts(cls.members, problem.points, cls.p, labels.levels, labels.count, problem.threads)
    shares = np.empty(counts.shape)
    for points in pieces(*counts.shape):
        np.divide(counts[points], cls.size, out=shares[points])
    return shares
