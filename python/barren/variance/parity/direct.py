"""Direct: the response of every member, summed over the points as they stand.

O(members · n · parameters), any n and law: for few members, or points that are few among 2^n. It is the oracle of the
other methods.
"""

from __future__ import annotations

import numpy as np

from barren import _core
from barren._products import product
from barren.variance.frequency.columns import TILE, columns_within
from barren.variance.parity.sides import parity_of, varying_weights
from barren.variance.passes import Passes
from barren.variance.problem import Pairing, Problem
from barren.variance.responses import pairing_of
from barren.variance.speeds import Speeds

# Values of the members that are made together, at 9 bytes each.
_BLOCK_BYTES = 1 << 24
# Jacobian columns taken together at most: values are made anew for each block, which is a small part of the work.
_MOST_COLUMNS = 128
# Passes over a value while it is made.
_PASSES = 8.0


def _bytes_a_column(problem: Problem) -> int:
    """A Jacobian column, weighted, and its responses."""
    return 16 * (len(problem.points) + problem.cls.size)


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: the members, a block of their values, a tile of columns."""
    lists = 8 * problem.cls.size + 24 * len(problem.points) + problem.tangent.column_bytes
    block = 9 * _members_together(problem) * len(problem.points)
    return lists + 2 * block + TILE * _bytes_a_column(problem)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    return _passes(problem).memory


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: the values once a block of columns, a multiply-add for each member, point and column."""
    n, d, rates = len(problem.points), problem.tangent.parameters, speeds.rates
    a_pair = -(-d // _columns(problem)) * _PASSES * rates.entry + d * rates.product64
    return problem.cls.size * n * a_pair + _passes(problem).seconds(speeds)


def _passes(problem: Problem) -> Passes:
    columns = _columns(problem)
    taken = smallest_memory(problem) + min(columns, problem.tangent.parameters) * _bytes_a_column(problem)
    return Passes(problem, columns, taken)


def _columns(problem: Problem) -> int:
    return min(_MOST_COLUMNS, columns_within(problem, smallest_memory(problem), _bytes_a_column(problem)))


def _members_together(problem: Problem) -> int:
    return int(np.clip(_BLOCK_BYTES // (9 * len(problem.points)), 1, problem.cls.size))


def run(problem: Problem) -> Pairing:
    """Var and d(v) from the responses of every member, a block of Jacobian columns at a time."""
    cls, members, step = parity_of(problem), problem.cls.members, _members_together(problem)
    weights = varying_weights(problem) * cls.factor

    def respond(block: np.ndarray) -> np.ndarray:
        weighted = weights[:, None] * problem.steadied(block)
        out = np.empty((len(members), weighted.shape[1]))
        for start in range(0, len(members), step):
            odd = _core.common_ones(members[start : start + step], problem.points, problem.threads) & 1
            out[start : start + step] = product(1.0 - 2.0 * odd, weighted)
        return out

    return pairing_of(_passes(problem), respond)
