"""Direct: the response of every member, summed over the points as they stand (docs/theory, section 3.1).

Works for any modulus, any set of multipliers and any law of x, in O(members · n · parameters) operations, and keeps no
table of members × points. It is the oracle of the other methods. The core has two routes. The plain one makes the
residues a·x mod p, and ψ of them, as they are needed. On a prime with most units among the members and the points, a
response is in the order of the discrete logarithms a correlation with consecutive entries of a table of ψ, and no
residues are needed.
"""

from __future__ import annotations

import numpy as np

from barren import _core
from barren._scales import for_singles, size_for
from barren.classes import ModularMultiplication
from barren.classes.group import unit_group
from barren.variance.passes import Passes
from barren.variance.problem import Pairing, Problem
from barren.variance.responses import pairing_of
from barren.variance.speeds import Speeds

# A table of ψ costs one evaluation a residue; it pays when there are at least as many look-ups, and has to fit in
# memory.
_LARGEST_TABLE = 2**26
# Targets that are a few instructions on a residue below 2^31: cheaper than a look-up.
_IN_REGISTERS = ("sawtooth", "bit", "threshold", "square", "triangle")
# Multipliers that the core advances together, and Jacobian columns.
_LANES, _TILE = 48, 8
# Jacobian columns taken together at most: more save no time.
_COLUMNS = 512


def responses(
    cls: ModularMultiplication,
    points: np.ndarray,
    weights: np.ndarray,
    jacobian: np.ndarray,
    *,
    threads: int = 0,
    table: np.ndarray | None = None,
    shift: float = 0.0,
    plain: bool | None = None,
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
        shift: a constant taken off ψ where no table is given, to the same end.
        plain: whether to take the plain route; default where the other does not pay. The other needs a prime p.

    Returns:
        float64, shape (members, b). Same bits for any number of threads.
    """
    if plain is None:
        plain = not takes_correlations(cls, len(points))
    jacobian = np.ascontiguousarray(jacobian)
    formula, parameter = cls.target.formula(cls.p)
    if table is None and (formula == "table" or not plain):
        table = cls.table() - shift
    entries, of_psi = np.empty(0), 0
    if table is not None:
        shift, (entries, of_psi) = 0.0, for_singles(table, size_for(jacobian.dtype, table))
    entries = np.ascontiguousarray(entries, dtype=jacobian.dtype)
    weights, of_rows = for_singles(weights, size_for(jacobian.dtype, weights, jacobian))
    if plain:
        side = cls.members, points, cls.p, formula, parameter
        found = _core.responses(*side, entries, weights, jacobian, threads, shift)
    else:
        powers = unit_group(cls.p).powers
        found = _core.correlations(cls.members, points, cls.p, powers, entries, weights, jacobian, threads)
    return np.ldexp(found, of_psi + of_rows) if of_psi or of_rows else found


def takes_correlations(cls: ModularMultiplication, points: int) -> bool:
    """Whether a response is computed as a correlation: p − 1 members and points must not outweigh those asked for.

    Its members are distinct.
    """
    fits = cls.p <= _LARGEST_TABLE and 2 * min(cls.size, points) >= cls.p and cls.is_prime
    return fits and not cls.has_repeats


def uses_table(cls: ModularMultiplication, points: int) -> bool:
    """Whether a table of ψ is built: ψ has no formula, or it is cheaper and takes no more entries than look-ups."""
    formula = cls.target.formula(cls.p)[0]
    if formula == "table" or takes_correlations(cls, points):
        return True
    return formula not in _IN_REGISTERS and cls.p <= min(_LARGEST_TABLE, cls.size * points)


def centred_table(cls: ModularMultiplication, points: int) -> np.ndarray | None:
    """ψ − mean ψ at every residue, or None where evaluating the formula as one goes is cheaper or the only way."""
    if not uses_table(cls, points):
        return None
    centred: np.ndarray = cls.table() - cls.table().mean()
    return centred


def centre(cls: ModularMultiplication) -> float:
    """A number in the middle of ψ's values: what to take off ψ where there is no table to take a mean of."""
    low, high = cls.target.range(cls.p)
    return (low + high) / 2


def bytes_a_column(problem: Problem) -> int:
    """Memory that one Jacobian column takes: itself, packed for the kernels, less a constant, its responses.

    Blocks are cut by bytes, 8 a point and column here, so that one of float32 has twice the columns and responses. The
    sums of the groups in hand and, where points are split among tasks, of every task come on top: at most 64 tasks
    beside one for each group.
    """
    threads = problem.threads or _core.available_threads()
    n = len(problem.points)
    rows = n + max(problem.cls.size, n if problem.rows_vanish else 0)
    return 16 * rows + 8 * _LANES * (64 + 2 * threads) + _packed(problem)


def _packed(problem: Problem) -> int:
    """What the packed columns take beyond a row a point: correlations have one row a unit."""
    if not takes_correlations(problem.cls, len(problem.points)):
        return 0
    return 8 * max(0, problem.cls.p - len(problem.points))


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: the members, the tables of ψ and of the group, a tile of columns."""
    cls, points = problem.cls, len(problem.points)
    table = 24 * cls.p if uses_table(cls, points) else 0
    group = (16 + 16 + 24) * cls.p + 16 * points if takes_correlations(cls, points) else 0
    blocks = 2**20 * (problem.threads or _core.available_threads())
    held = problem.tangent.column_bytes
    return table + group + blocks + held + 8 * cls.size + _TILE * bytes_a_column(problem)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    return _passes(problem).memory


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: residues once a block of columns, a multiply-add for each member, point and column."""
    n, d = len(problem.points), problem.tangent.parameters
    residues = -(-d // _columns(problem)) * speeds.rates.residue
    a_pair = residues + d * speeds.rates.response(problem.tangent.dtype)
    return problem.cls.size * n * a_pair + _passes(problem).seconds(speeds)


def _passes(problem: Problem) -> Passes:
    columns = _columns(problem)
    taken = smallest_memory(problem) + min(columns, problem.tangent.parameters) * bytes_a_column(problem)
    return Passes(problem, columns, taken)


def _columns(problem: Problem) -> int:
    """How many Jacobian columns are taken together: more than some hundred save no more time."""
    return int(np.clip((problem.memory_limit - smallest_memory(problem)) // bytes_a_column(problem), 1, _COLUMNS))


def run(problem: Problem) -> Pairing:
    """Var and d(a) from the responses of every member, a block of Jacobian columns at a time."""
    cls, points = problem.cls, problem.points
    table, weights = centred_table(cls, len(points)), problem.varying_weights
    shift = centre(cls) if table is None else 0.0

    def respond(block: np.ndarray) -> np.ndarray:
        rows = problem.centred(block)
        return responses(cls, points, weights, rows, threads=problem.threads, table=table, shift=shift)

    return pairing_of(_passes(problem), respond)
