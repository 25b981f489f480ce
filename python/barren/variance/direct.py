"""Direct: the response of every member, summed over the points as they stand (docs/theory, section 3.1).

Works for any modulus, any set of multipliers and any law of x, in O(members · n · parameters) operations, and keeps no
table of members × points. It is the oracle of the other methods.
"""

from __future__ import annotations

import numpy as np

from barren import _core
from barren.classes import ModularMultiplication
from barren.variance.problem import Pairing, Problem, Shares
from barren.variance.speeds import Speeds

# A table of ψ costs one evaluation a residue; it pays when there are at least as many look-ups, and has to fit in
# memory.
_LARGEST_TABLE = 2**26
_COLUMNS = 512


def responses(
    cls: ModularMultiplication,
    points: np.ndarray,
    weights: np.ndarray,
    jacobian: np.ndarray,
    *,
    threads: int = 0,
    table: np.ndarray | None = None,
) -> np.ndarray:
    """R[a] = Σ_x c_x·ψ(a·x mod p)·J(x) for every member a.

    Args:
        cls: the class; its members are the rows of the result.
        points: int64, shape (n,), residues.
        weights: c, float64, shape (n,).
        jacobian: J, float32 or float64, shape (n, b), C-contiguous. Products are summed in its dtype over runs of 256
            points, the runs in float64.
        threads: 0 means all.
        table: ψ at every residue, shape (p,), in place of `cls.target`; ψ plus a constant moves every response by the
            same amount, so a centred table gives the same deviations with fewer digits lost.

    Returns:
        float64, shape (members, b). Same bits for any number of threads.
    """
    formula, parameter = cls.target.formula(cls.p)
    entries = np.empty(0) if table is None else table
    return _core.responses(
        cls.members,
        points,
        cls.p,
        formula,
        parameter,
        np.ascontiguousarray(entries, dtype=jacobian.dtype),
        weights,
        np.ascontiguousarray(jacobian),
        threads,
    )


def uses_table(cls: ModularMultiplication, points: int) -> bool:
    """Whether ψ is looked up: it has no formula, or there are more look-ups than residues."""
    return cls.target.formula(cls.p)[0] == "table" or cls.p <= min(_LARGEST_TABLE, cls.size * points)


def centred_table(cls: ModularMultiplication, points: int) -> np.ndarray | None:
    """ψ − mean ψ at every residue, or None where evaluating the formula as one goes is cheaper or the only way."""
    if not uses_table(cls, points):
        return None
    centred: np.ndarray = cls.table() - cls.table().mean()
    return centred


def bytes_a_column(problem: Problem) -> int:
    """Memory that one Jacobian column takes: itself twice (packed for the kernels), its responses and their square."""
    return 16 * len(problem.points) + 16 * problem.cls.size


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: the members, the table of ψ and one tile of columns."""
    table = 24 * problem.cls.p if uses_table(problem.cls, len(problem.points)) else 0
    return table + 8 * problem.cls.size + 8 * bytes_a_column(problem)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    return smallest_memory(problem) + min(_columns(problem), problem.tangent.parameters) * bytes_a_column(problem)


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: residues once a block of columns, a multiply-add for each member, point and column."""
    n, d = len(problem.points), problem.tangent.parameters
    residues = -(-d // _columns(problem)) * speeds.rates.residue
    a_pair = residues + d * speeds.rates.response(problem.tangent.dtype)
    return problem.cls.size * n * a_pair + n * (d * speeds.column + speeds.backward)


def _columns(problem: Problem) -> int:
    """How many Jacobian columns are taken together: more than some hundred save no more time."""
    return int(np.clip((problem.memory_limit - smallest_memory(problem)) // bytes_a_column(problem), 1, _COLUMNS))


def run(problem: Problem) -> Pairing:
    """Var and d(a) from the responses of every member, a block of Jacobian columns at a time."""
    cls, points = problem.cls, problem.points
    table = centred_table(cls, len(points))
    deviations = np.zeros(cls.size)
    shares = Shares(problem)
    for layer, block in problem.tangent.column_blocks(problem.tangent.dtype.itemsize * len(points) * _columns(problem)):
        response = responses(cls, points, problem.weights, block, threads=problem.threads, table=table)
        response -= response.mean(axis=0)
        deviations += np.einsum("ac,ac->a", response, response)
        shares.add(layer, np.einsum("ac,ac->c", response, response) / cls.size)
    return shares.pairing(deviations)
