"""What every member of a class sees of a function on the inputs, and back: R(a) = Σ_x c_x·ψ̃_a(x)·u(x) and its adjoint.

ψ̃_a is the member a less the mean over the members. On a prime modulus both are correlations in discrete-log order
(O(p log p) a column); elsewhere residues are generated (O(members · n) a column).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from barren import _core
from barren._validate import Integers
from barren.classes import Frequencies, ModularMultiplication, Parity, scattered
from barren.classes.correlation import Correlation, in_logarithmic_order, in_their_order
from barren.classes.group import unit_group
from barren.variance import direct
from barren.variance.problem import Problem


class Members(Protocol):
    """The two maps; columns are independent."""

    def responses(self, block: np.ndarray) -> np.ndarray:
        """R(a) for every member: block (n, b), a row an input; float64 of shape (members, b), of mean zero."""

    def adjoint(self, block: np.ndarray) -> np.ndarray:
        """E_a ψ̃_a(x)·r(a) at every input: block (members, b) of mean zero over the members; float64 of shape (n, b)."""


def members_of(problem: Problem) -> Members:
    """By frequencies on the real line, transforms for parities, correlation on a prime modulus, or by residues."""
    cls: object = problem.cls
    if isinstance(cls, Parity):
        from barren.variance.parity.probes import ByParities

        return ByParities(problem)
    if isinstance(cls, Frequencies):
        return ByFrequencies(problem, cls)
    if not problem.cls.is_prime:
        return ByResidues(problem)
    return ByCorrelation(problem, problem.threads or _core.available_threads())


class ByCorrelation:
    """Through the cyclic group of units of a prime modulus; any law of x, any multipliers."""

    def __init__(self, problem: Problem, workers: int) -> None:
        self.cls, self.weights = problem.cls, problem.weights
        group = unit_group(problem.cls.p)
        self.logarithms = group.logarithms[problem.points]
        self.member_logarithms = group.logarithms[problem.cls.members]
        self.correlation = Correlation(problem.cls, workers)

    def responses(self, block: np.ndarray) -> np.ndarray:
        """See `Members`."""
        correlation = self.correlation
        ordered = in_logarithmic_order(block, self.logarithms, correlation.order, self.weights)
        by_logarithm = correlation.responses(ordered)
        # Relative to the mean over the units; the multiplier 0 sees ψ(0) wherever a unit would see ψ's mean.
        response = in_their_order(by_logarithm, self.member_logarithms)
        response[self.member_logarithms < 0] = correlation.zero_excess * ordered.sum(axis=0)
        response -= response.mean(axis=0)
        return response

    def adjoint(self, block: np.ndarray) -> np.ndarray:
        """See `Members`; ψ̃ less a constant in a gives the same, since `block` has mean zero."""
        correlation, zero = self.correlation, self.member_logarithms < 0
        by_logarithm = correlation.responses(in_logarithmic_order(block, self.member_logarithms, correlation.order))
        out = in_their_order(by_logarithm, self.logarithms)
        out += correlation.zero_excess * block[zero].sum(axis=0)
        out[self.logarithms < 0] = 0.0  # every member has the value ψ(0) at x = 0
        out /= len(block)
        return out


class ByResidues:
    """Sums over generated residues: any modulus, law and multipliers."""

    def __init__(self, problem: Problem) -> None:
        self.cls, self.points, self.weights = problem.cls, problem.points, problem.weights
        self.threads = problem.threads
        self.table = direct.centred_table(problem.cls, len(problem.points))
        self.shift = direct.centre(problem.cls) if self.table is None else 0.0

    def responses(self, block: np.ndarray) -> np.ndarray:
        """See `Members`."""
        response = self._sum(self.cls, self.points, self.weights, block)
        response -= response.mean(axis=0)
        return response

    def adjoint(self, block: np.ndarray) -> np.ndarray:
        """See `Members`: ψ(a·x) is symmetric in a and x, so the core sums over members at the multipliers x."""
        swapped = self.cls.with_multipliers(np.unique(self.points))
        weights = np.full(self.cls.size, 1.0 / self.cls.size)
        at_points = self._sum(swapped, self.cls.members, weights, block)
        return at_points[np.searchsorted(swapped.members, self.points)]

    def _sum(self, cls: ModularMultiplication, points: Integers, weights: np.ndarray, block: np.ndarray) -> np.ndarray:
        return direct.responses(cls, points, weights, block, threads=self.threads, table=self.table, shift=self.shift)


class ByFrequencies:
    """Sums over the fractions of a·x, or non-uniform transforms where the class has them."""

    def __init__(self, problem: Problem, cls: Frequencies) -> None:
        self.cls, self.points, self.weights, self.threads = cls, problem.points, problem.weights, problem.threads
        self.transforms = scattered.obstacle(cls) is None
        self.shift = cls.circle.mean

    def responses(self, block: np.ndarray) -> np.ndarray:
        """See `Members`."""
        if self.transforms:
            response = scattered.responses(self.cls, self.points, self.weights, block, self.threads)
        else:
            response = self.cls.responses(self.points, self.weights, block, threads=self.threads, shift=self.shift)
        response -= response.mean(axis=0)
        return response

    def adjoint(self, block: np.ndarray) -> np.ndarray:
        """See `Members`; ψ̃ less a constant in a gives the same, since `block` has mean zero."""
        if self.transforms:
            return scattered.adjoint(self.cls, self.points, block, self.threads)
        return self.cls.adjoint(self.points, block, threads=self.threads, shift=self.shift)
