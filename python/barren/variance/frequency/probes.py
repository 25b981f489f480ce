"""Probes on the real line: the estimate of `barren.variance.probes`, with the responses of the frequencies."""

from __future__ import annotations

import math

from barren.classes import scattered
from barren.variance import probes
from barren.variance.frequency.columns import frequencies_of
from barren.variance.problem import Pairing, Problem
from barren.variance.speeds import Speeds

_BATCH = 8
_LARGEST_SKETCH = 64


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: a batch of probes at the inputs, the members and the parameters."""
    n, size, d = len(problem.points), problem.cls.size, problem.tangent.parameters
    return 8 * _BATCH * (4 * n + 12 * size + 4 * d) + 16 * frequencies_of(problem).dimension * (n + size) + 2**28


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take: the sketch on top."""
    return smallest_memory(problem) + 8 * _LARGEST_SKETCH * problem.tangent.parameters


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
