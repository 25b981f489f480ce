"""Character: all multipliers at once through the characters of Z_p^* (docs/theory, section 2, formula 2).

With x = g^i and a = g^j a response is a cyclic correlation in the discrete logarithms, so one Fourier transform a
Jacobian column and Parseval's identity give Var over every multiplier: O(parameters · p · log p). Prime moduli only,
any law of x.
"""

from __future__ import annotations

import math

import numpy as np

from barren import _core, _fft
from barren.classes.group import unit_group
from barren.variance.problem import Pairing, Problem, accumulate


def bytes_a_column(problem: Problem) -> int:
    """Memory of one column: itself, in logarithmic order, its transform, and with responses three more."""
    return 8 * len(problem.points) + 8 * problem.cls.p * (6 if _needs_responses(problem) else 3)


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: ψ, the group's two tables, and one column."""
    return 8 * 8 * problem.cls.p + bytes_a_column(problem)


def cost(problem: Problem) -> float:
    """Work in multiply-adds: a transform a column, two with responses, at a tenth of the speed of a product."""
    transforms = 2 if _needs_responses(problem) else 1
    return 30.0 * problem.cls.p * math.log2(problem.cls.p) * transforms * problem.tangent.parameters


def run(problem: Problem) -> Pairing:
    """Var by Parseval; with deviations, or for a given set, the responses of all multipliers by one more transform."""
    workers = problem.threads or _core.available_threads()
    columns = max(1, (problem.memory_limit - smallest_memory(problem)) // bytes_a_column(problem))
    correlation = _Correlation(problem, workers)
    measure = correlation.deviations if _needs_responses(problem) else correlation.variance
    deviations = np.zeros(problem.cls.size) if _needs_responses(problem) else None
    per_layer: dict[str, float] = {}
    for layer, block in problem.tangent.column_blocks(8 * len(problem.points) * columns):
        contribution = measure(block)
        if deviations is not None:
            deviations += contribution
        accumulate(per_layer, layer, float(np.mean(contribution)))
    return Pairing(per_layer, deviations)


def _needs_responses(problem: Problem) -> bool:
    return problem.deviations or problem.cls.multipliers == "set"


class _Correlation:
    """The correlation of ψ with Jacobian columns over the cyclic group of order p − 1."""

    def __init__(self, problem: Problem, workers: int) -> None:
        cls = problem.cls
        self.cls, self.workers, self.order = cls, workers, cls.p - 1
        self.group = unit_group(cls.p)
        table = cls.table()
        psi = table[self.group.powers]
        mean = psi.mean()
        # What the trivial character would carry, ψ's mean over the units, belongs to no multiplier: take it out first.
        self.psi_hat = _fft.rfft(psi - mean, workers=workers)
        self.psi_hat[0] = 0.0
        self.zero_excess = table[0] - mean
        logarithms = self.group.logarithms[problem.points]
        self.rows = np.flatnonzero(logarithms >= 0)
        self.logarithms = logarithms[self.rows]
        self.weights = problem.weights[self.rows]
        self.repeats = len(np.unique(self.logarithms)) < len(self.logarithms)

    def _in_logarithmic_order(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f[i] = c·J at x = g^i, centred over i, and Σ_i f[i] before centring. float64, shape (p−1, b)."""
        weighted = self.weights[:, None] * block[self.rows]
        ordered = np.zeros((self.order, block.shape[1]))
        if self.repeats:
            np.add.at(ordered, self.logarithms, weighted)
        else:
            ordered[self.logarithms] = weighted
        total = ordered.sum(axis=0)
        ordered -= total / self.order
        return ordered, total

    def variance(self, block: np.ndarray) -> float:
        """Var of these columns over "units" or "all", by Parseval's identity on half the characters."""
        ordered, total = self._in_logarithmic_order(block)
        energy = _squared_norms(_fft.rfft(ordered, workers=self.workers))
        energy[1:-1] *= 2.0  # every character but the trivial and the quadratic one stands for its conjugate too
        over_units: float = float(np.abs(self.psi_hat) ** 2 @ energy) / self.order**2
        if self.cls.multipliers == "units":
            return over_units
        p = self.cls.p
        return (p - 1) / p * over_units + (p - 1) / p**2 * float(self.zero_excess**2 * (total @ total))

    def deviations(self, block: np.ndarray) -> np.ndarray:
        """d(a) of these columns for every member, shape (members,)."""
        ordered, total = self._in_logarithmic_order(block)
        spectrum = self.psi_hat[:, None] * np.conj(_fft.rfft(ordered, workers=self.workers))
        by_logarithm = _fft.irfft(spectrum, n=self.order, workers=self.workers)
        # Relative to the mean over the units; the multiplier 0 sees ψ(0) wherever a unit would see ψ's mean.
        members = self.cls.members
        response = by_logarithm[self.group.logarithms[members]]
        response[members == 0] = self.zero_excess * total
        response -= response.mean(axis=0)
        return _squared_norms(response)


def _squared_norms(rows: np.ndarray) -> np.ndarray:
    """‖row‖² of every row of a real or complex matrix."""
    real = np.ascontiguousarray(rows).view(np.float64)
    norms: np.ndarray = np.einsum("rc,rc->r", real, real)
    return norms
