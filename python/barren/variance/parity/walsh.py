"""Walsh: the responses of all 2^n parities at once, by fast Walsh–Hadamard transforms of the Jacobian columns.

R(v) = Σ_x c_x·χ_v(x)·J(x) is the transform of c·J over {0,1}^n: O(n·2^n) additions a column, for any law and size. Of
all 2^n members the variance needs no transform: by Parseval's identity it is Σ_{x≠0} c_x²·‖J(x)‖².
"""

from __future__ import annotations

import numpy as np

from barren import _core
from barren._products import pieces
from barren._validate import Floats, Integers
from barren.classes import Parity
from barren.variance.frequency.columns import MOST_COLUMNS, columns_within
from barren.variance.parity.sides import diagonal_weights, is_diagonal, parity_of, varying_weights
from barren.variance.passes import Passes
from barren.variance.problem import Pairing, Problem, Shares
from barren.variance.responses import pairing_of
from barren.variance.speeds import Speeds

# Passes over the table of a column beside its transform: cleared, filled, centred, squared for members and columns.
_PASSES = 6.0
# Tables of the columns taken together take about so many bytes: more save no time, and a pass over them stays short.
_TABLE_BYTES = 1 << 28
# Entries that are passed over while one is added at a place that may repeat.
_ADDED = 16.0


def transform(cls: Parity, places: Integers, block: np.ndarray, threads: int) -> Floats:
    """Σ_i (−1)^⟨v, places[i]⟩·block[i] for v = 0..2^n−1, float64 of shape (2^n, b); places may repeat."""
    table = np.zeros((cls.points, block.shape[1]))
    if np.all(places[1:] > places[:-1]):
        table[places] = block
    else:
        for rows in pieces(len(places), _ADDED * block.shape[1]):
            np.add.at(table, places[rows], block[rows])
    _core.walsh_hadamard(table, threads)
    return table


def at_members(cls: Parity, table: Floats) -> Floats:
    """The rows of the members among those of all v."""
    return table if cls.weight is None else table[cls.members]


def bytes_a_column(problem: Problem) -> int:
    """Its table, its responses where they are not the table, its rows with and without their weights."""
    cls = parity_of(problem)
    return 8 * (cls.points + (0 if cls.weight is None else cls.size)) + 16 * len(problem.points)


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: the members, d(v) and a column."""
    lists = 24 * problem.cls.size + 40 * len(problem.points) + problem.tangent.column_bytes
    return lists + 2**18 * (problem.threads or _core.available_threads()) + bytes_a_column(problem)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    return _passes(problem).memory


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: a transform a column, where there is one to make."""
    cls, n, d, rates = parity_of(problem), len(problem.points), problem.tangent.parameters, speeds.rates
    making = _passes(problem).seconds(speeds)
    if _needs_no_transform(problem):
        return making + d * n * rates.entry
    a_point = cls.n * rates.butterfly + _PASSES * rates.entry + rates.fresh
    return making + d * (cls.points * a_point + n * (2.0 * rates.entry + rates.fresh))  # rows with their weights


def _passes(problem: Problem) -> Passes:
    columns = _columns(problem)
    taken = min(columns, problem.tangent.parameters) - 1
    return Passes(problem, columns, smallest_memory(problem) + taken * bytes_a_column(problem))


def _columns(problem: Problem) -> int:
    most = min(MOST_COLUMNS, max(1, _TABLE_BYTES // (8 * parity_of(problem).points)))
    return min(most, columns_within(problem, smallest_memory(problem), bytes_a_column(problem)))


def _needs_no_transform(problem: Problem) -> bool:
    return not problem.deviations and is_diagonal(problem)


def run(problem: Problem) -> Pairing:
    """Var, and where wanted d(v), from transforms of a block of Jacobian columns at a time."""
    cls, passes = parity_of(problem), _passes(problem)
    if _needs_no_transform(problem):
        return by_parseval(passes)
    weights = varying_weights(problem) * cls.factor

    def respond(block: np.ndarray) -> np.ndarray:
        weighted = weights[:, None] * problem.steadied(block)
        return at_members(cls, transform(cls, problem.points, weighted, problem.threads))

    return pairing_of(passes, respond)


def by_parseval(passes: Passes) -> Pairing:
    """Var of all 2^n members at points that differ, and of every parameter, without a transform."""
    weights, shares = diagonal_weights(passes.problem), Shares(passes.problem)
    for layer, block in passes.blocks():
        shares.add(layer, np.einsum("x,xc,xc->c", weights, block, block, dtype=np.float64))
    return shares.pairing(None)
