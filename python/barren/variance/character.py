"""Character: all multipliers at once through the characters of Z_p^* (docs/theory, section 2, formula 2).

With x = g^i and a = g^j a response is a cyclic correlation in the discrete logarithms, so one Fourier transform a
Jacobian column and Parseval's identity give Var over every multiplier: O(parameters · p · log p). Prime moduli only,
any law of x.
"""

from __future__ import annotations

import numpy as np

from barren import _core
from barren._pool import in_order
from barren._validate import Integers
from barren.classes.correlation import halves_of, in_logarithmic_order
from barren.classes.pairs import Scratch
from barren.variance.members import ByCorrelation
from barren.variance.passes import Passes
from barren.variance.problem import Pairing, Problem, Shares
from barren.variance.speeds import Speeds

# Columns transformed together: enough for full vectors, few enough to stay near the caches.
COLUMNS = 32


def bytes_a_column(problem: Problem) -> int:
    """Memory of one column beside the input: itself, and its halves and their transform; with responses four more."""
    return 8 * len(problem.points) + 8 * problem.cls.p * (7 if _takes_responses(problem) else 3)


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: ψ, the group's two tables, what makes columns, and one of them."""
    return 8 * 9 * problem.cls.p + problem.tangent.column_bytes + bytes_a_column(problem)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    return _passes(problem).memory


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: columns are made, and the halves of each transformed; with responses there and back."""
    m, halves = (problem.cls.p - 1) // 2, halves_of(problem.cls)
    if _takes_responses(problem):
        one = speeds.rates.responses(m)
    else:
        one = speeds.rates.energy(m) * (2.0 if problem.per_parameter else 1.0)  # not in pairs then
    return problem.tangent.parameters * halves * one + _passes(problem).seconds(speeds)


def run(problem: Problem) -> Pairing:
    """Var by Parseval; with deviations, or for a given set, the responses of all multipliers by one more transform."""
    # Blocks of columns side by side, each on one thread; a single block has the threads for itself.
    pooled = problem.tangent.parameters > COLUMNS and _room(problem) >= COLUMNS * _in_flight(problem)
    columns = Columns(problem, 1 if pooled else _workers(problem))
    deviations = np.zeros(problem.cls.size) if _takes_responses(problem) else None
    shares = Shares(problem)

    def measure(part: tuple[str, np.ndarray]) -> tuple[str, np.ndarray | None, np.ndarray]:
        layer, block = part
        if deviations is None:
            return layer, None, columns.variances(block)
        return layer, *columns.deviations(block)

    blocks = _passes(problem).blocks()
    for layer, squares, amounts in in_order(measure, blocks, _workers(problem) if pooled else 1):
        shares.add(layer, amounts)
        if deviations is not None and squares is not None:
            deviations += squares
    return shares.pairing(deviations)


def _takes_responses(problem: Problem) -> bool:
    """Whether every member's response is made: Parseval's sum alone is over all units, and not over a set of them."""
    return problem.needs_deviations or problem.cls.multipliers == "set"


def _workers(problem: Problem) -> int:
    return problem.threads or _core.available_threads()


def _in_flight(problem: Problem) -> int:
    """How many blocks of columns there are at a time: two a worker wait or run, and one is being made."""
    return 2 * _workers(problem) + 1


def _room(problem: Problem) -> int:
    return max(1, (problem.memory_limit - smallest_memory(problem)) // bytes_a_column(problem) + 1)


def _passes(problem: Problem) -> Passes:
    room = _room(problem)
    columns = min(COLUMNS * _in_flight(problem), problem.tangent.parameters, room)
    taken = smallest_memory(problem) + (columns - 1) * bytes_a_column(problem)
    return Passes(problem, min(COLUMNS, room), taken)


class Columns(ByCorrelation):
    """Jacobian columns under a law of x: their responses, and by Parseval's identity their variances alone."""

    def __init__(self, problem: Problem, workers: int) -> None:
        super().__init__(problem, workers)
        self.problem = problem
        self.scratch = Scratch()
        # The row of each unit in logarithmic order, −1 where it does not occur; rows that repeat must be added first.
        units = np.flatnonzero(self.logarithms >= 0)
        self.order = np.full(self.correlation.order, -1)
        self.order[self.logarithms[units]] = units
        self.repeats = int((self.order >= 0).sum()) < len(units)
        # Made here once: threads that look for them at the same time would each make them.
        _ = self.correlation.halves if _takes_responses(problem) else self.correlation.powers

    def variances(self, block: np.ndarray) -> np.ndarray:
        """The variances over "units" or "all" of pairs of neighbouring columns, or of each where that is asked for."""
        rows, order, weights = self.problem.steadied(block), self.order, self.weights
        if self.repeats:
            rows = in_logarithmic_order(rows, self.logarithms, self.correlation.order, self.weights)
            order, weights = np.arange(len(rows)), np.ones(len(rows))

        def fold(turned: Integers, sign: float, out: np.ndarray) -> None:
            _core.fold(rows, order[turned], weights, sign, out, self.correlation.workers)

        apart = self.problem.per_parameter
        over_units = self.correlation.energies(fold, block.shape[1], self.scratch, apart=apart)
        if self.cls.multipliers == "units":
            return over_units
        p = self.cls.p
        total = (self.weights * (self.logarithms >= 0)) @ block
        excess = (self.correlation.zero_excess * total) ** 2  # ‖G_0 − E G‖² over the units
        if not apart:
            excess = np.add.reduceat(excess, np.arange(0, len(excess), 2))
        spread: np.ndarray = (p - 1) / p * over_units + (p - 1) / p**2 * excess
        return spread

    def deviations(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What these columns add to d(a) for every member, and the variance of every column."""
        response = self.responses(self.problem.centred(block))
        np.multiply(response, response, out=response)
        return response.sum(axis=1), response.mean(axis=0)
