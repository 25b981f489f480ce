"""Direct: the response of every frequency, summed over the points as they stand; ψ(a·x) is made as it is needed.

Any target, frequencies, law and dimension, in O(members · n · parameters) operations; no table of members × points is
kept. It is the oracle of the other methods.
"""

from __future__ import annotations

from barren import _core
from barren.variance.frequency.columns import (
    MOST_COLUMNS,
    TILE,
    centre,
    columns_within,
    frequencies_of,
    wave_rate,
)
from barren.variance.passes import Passes
from barren.variance.problem import Pairing, Problem
from barren.variance.responses import pairing_of
from barren.variance.speeds import Speeds

_LANES = 48  # frequencies that the core advances together


def _bytes_a_column(problem: Problem) -> int:
    """A Jacobian column, packed for the kernels, its responses, and the sums of the tasks in hand."""
    threads = problem.threads or _core.available_threads()
    return 16 * (len(problem.points) + problem.cls.size) + 8 * _LANES * (64 + 2 * threads)


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: the members, the blocks of ψ, a tile of columns."""
    cls, threads = frequencies_of(problem), problem.threads or _core.available_threads()
    lists = 8 * cls.dimension * (cls.size + len(problem.points)) + 8 * cls.size
    return lists + 2**20 * threads + TILE * _bytes_a_column(problem)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    return _passes(problem).memory


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: ψ once a block of columns, a multiply-add for each member, point and column."""
    n, d = len(problem.points), problem.tangent.parameters
    cls = frequencies_of(problem)
    waves = -(-d // _columns(problem)) * cls.dimension * len(cls.circle.terms) * wave_rate(cls, speeds)
    a_pair = waves + d * speeds.rates.response(problem.tangent.dtype)
    return problem.cls.size * n * a_pair + _passes(problem).seconds(speeds)


def _passes(problem: Problem) -> Passes:
    columns = _columns(problem)
    taken = smallest_memory(problem) + min(columns, problem.tangent.parameters) * _bytes_a_column(problem)
    return Passes(problem, columns, taken)


def _columns(problem: Problem) -> int:
    return min(MOST_COLUMNS, columns_within(problem, smallest_memory(problem), _bytes_a_column(problem)))


def run(problem: Problem) -> Pairing:
    """Var and d(a) from the responses of every member, a block of Jacobian columns at a time."""
    cls, shift = frequencies_of(problem), centre(frequencies_of(problem))
    points, weights = problem.points, problem.varying_weights
    return pairing_of(
        _passes(problem),
        lambda block: cls.responses(points, weights, block, threads=problem.threads, shift=shift),
    )
