"""Character: all multipliers at once through the characters of Z_p^* (docs/theory, section 2, formula 2).

With x = g^i and a = g^j a response is a cyclic correlation in the discrete logarithms, so one Fourier transform a
Jacobian column and Parseval's identity give Var over every multiplier: O(parameters · p · log p). Prime moduli only,
any law of x.
"""

from __future__ import annotations

import numpy as np

from barren import _core
from barren.classes.correlation import halves_of, in_logarithmic_order
from barren.variance.members import ByCorrelation
from barren.variance.problem import Pairing, Problem, Shares
from barren.variance.speeds import Speeds

# Columns transformed together: enough for both threads and full vectors, few enough to stay near the caches.
_COLUMNS = 32


def bytes_a_column(problem: Problem) -> int:
    """Memory of one column beside the input: itself, and its halves and their transform; with responses four more."""
    return 8 * len(problem.points) + 8 * problem.cls.p * (7 if _needs_responses(problem) else 3)


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: ψ, the group's two tables, and one column."""
    return 8 * 8 * problem.cls.p + bytes_a_column(problem)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    columns = min(_COLUMNS, problem.tangent.parameters, _room(problem))
    return smallest_memory(problem) + (columns - 1) * bytes_a_column(problem)


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: each column is made, and its halves transformed; with responses there and back."""
    m, halves = (problem.cls.p - 1) // 2, halves_of(problem.cls)
    one = speeds.rates.responses(m) if _needs_responses(problem) else speeds.rates.energy(m)
    making = len(problem.points) * speeds.column
    return problem.tangent.parameters * (halves * one + making) + len(problem.points) * speeds.backward


def run(problem: Problem) -> Pairing:
    """Var by Parseval; with deviations, or for a given set, the responses of all multipliers by one more transform."""
    columns = _Columns(problem)
    deviations = np.zeros(problem.cls.size) if _needs_responses(problem) else None
    shares = Shares(problem)
    for layer, block in problem.tangent.column_blocks(_block_bytes(problem)):
        if deviations is None:
            shares.add(layer, columns.variances(block))
            continue
        response = columns.responses(block)
        deviations += np.einsum("ac,ac->a", response, response)
        shares.add(layer, np.einsum("ac,ac->c", response, response) / len(response))
    return shares.pairing(deviations)


def _room(problem: Problem) -> int:
    return max(1, (problem.memory_limit - smallest_memory(problem)) // bytes_a_column(problem) + 1)


def _block_bytes(problem: Problem) -> int:
    """What `column_blocks` is asked for."""
    return problem.tangent.dtype.itemsize * len(problem.points) * min(_COLUMNS, _room(problem))


def _needs_responses(problem: Problem) -> bool:
    return problem.deviations or problem.cls.multipliers == "set"


class _Columns(ByCorrelation):
    """Jacobian columns under a law of x: their responses, and by Parseval's identity their variances alone."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        # The row of each unit in logarithmic order, −1 where it does not occur; rows that repeat must be added first.
        units = np.flatnonzero(self.logarithms >= 0)
        self.order = np.full(self.correlation.order, -1)
        self.order[self.logarithms[units]] = units
        self.repeats = int((self.order >= 0).sum()) < len(units)

    def variances(self, block: np.ndarray) -> np.ndarray:
        """The variance of every column over "units" or "all", float64, shape (b,)."""
        rows, order, weights = block, self.order, self.weights
        if self.repeats:
            rows = in_logarithmic_order(self.weights[:, None] * block, self.logarithms, self.correlation.order)
            order, weights = np.arange(len(rows)), np.ones(len(rows))

        def fold(sign: float, out: np.ndarray) -> None:
            _core.fold(rows, order, weights, sign, out, self.correlation.workers)

        over_units = self.correlation.energies(fold, block.shape[1])
        if self.cls.multipliers == "units":
            return over_units
        p = self.cls.p
        total = (self.weights * (self.logarithms >= 0)) @ block
        excess = (self.correlation.zero_excess * total) ** 2  # ‖G_0 − E G‖² over the units
        spread: np.ndarray = (p - 1) / p * over_units + (p - 1) / p**2 * excess
        return spread
