"""Probes on the real line: the estimate of `barren.variance.probes`, with the responses of the frequencies."""

from __future__ import annotations

import math

from barren.classes import scattered
from barren.variance import probes
from barren.variance.frequency.columns import frequencies_of
from barren.variance.problem import Pairing, Problem
from barren.variance.speeds import Speeds

_BATCH = 8


smallest_memory, memory = probes.smallest_memory, probes.memory


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time, for a tangent kernel whose eigenvalues fall as they do in the networks that were measured."""
    tighter = max(1.0, probes.DEFAULT_RTOL / (problem.rtol or probes.DEFAULT_RTOL))
    forward, backward = 64.0 * tighter, 24.0 * tighter + (64 if problem.per_parameter else 8)
    if not speeds.has_products:
        forward, backward = 0.0, 150.0 * tighter**2
    cls, n = frequencies_of(problem), len(problem.points)
    a_column = float(cls.size) * n * cls.dimension * speeds.rates.wave / _BATCH
    if scattered.obstacle(cls) is None:
        a_column = 0.5 * (n * speeds.rates.scattered + cls.size * math.log2(2 + cls.size) * speeds.rates.modes)
    return n * (forward * speeds.forward + backward * speeds.backward) + (forward + backward) * a_column


def run(problem: Problem) -> Pairing:
    """Var to the relative standard error `problem.rtol`."""
    return probes.run(problem)
