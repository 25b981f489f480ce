"""Probes for parities: the estimate of `barren.variance.probes`, with responses by Walsh–Hadamard transforms."""

from __future__ import annotations

import numpy as np

from barren._validate import Floats
from barren.variance import probes
from barren.variance.parity import walsh
from barren.variance.parity.sides import parity_of, varying_weights
from barren.variance.problem import Problem
from barren.variance.speeds import Speeds

smallest_memory, memory, run = probes.smallest_memory, probes.memory, probes.run


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: the response to a column, or its adjoint, is a transform."""
    cls = parity_of(problem)
    a_column = cls.points * (cls.n * speeds.rates.butterfly + 4.0 * speeds.rates.entry)
    return probes.seconds_with(problem, speeds, a_column)


class ByParities:
    """The two maps of `barren.variance.members.Members`."""

    def __init__(self, problem: Problem) -> None:
        self.cls, self.points, self.threads = parity_of(problem), problem.points, problem.threads
        self.weights = varying_weights(problem) * self.cls.factor

    def responses(self, block: np.ndarray) -> Floats:
        """See `Members`."""
        table = walsh.transform(self.cls, self.points, self.weights[:, None] * block, self.threads)
        response = walsh.at_members(self.cls, table)
        response -= response.mean(axis=0)
        return response

    def adjoint(self, block: np.ndarray) -> Floats:
        """See `Members`; χ_v less its mean over v gives the same, since `block` has mean zero."""
        table = walsh.transform(self.cls, self.cls.members, block, self.threads)
        out: Floats = table[self.points]
        out *= self.cls.factor / len(block)
        out[self.points == 0] = 0.0  # every parity is the same there
        return out
