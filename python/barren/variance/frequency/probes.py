"""Probes on the real line: the estimate of `barren.variance.probes`, with the responses of the frequencies."""

from __future__ import annotations

import math

from barren.classes import scattered
from barren.variance import probes
from barren.variance.frequency.columns import frequencies_of, wave_rate
from barren.variance.problem import Problem
from barren.variance.speeds import Speeds

smallest_memory, memory, run = probes.smallest_memory, probes.memory, probes.run


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: responses are non-uniform transforms where there are any, sums over ψ(a·x) otherwise."""
    cls, n = frequencies_of(problem), len(problem.points)
    waves = len(cls.circle.terms)
    a_column = waves * float(cls.size) * n * cls.dimension * wave_rate(cls, speeds) / probes.BATCH
    if scattered.obstacle(cls) is None:
        a_column = 0.5 * waves * (n * speeds.rates.scattered + cls.size * math.log2(2 + cls.size) * speeds.rates.modes)
    return probes.seconds_with(problem, speeds, a_column)
