"""Nufft: the responses of all frequencies 1..A of a sum of cosines by non-uniform Fourier transforms.

O((n + A log A)) a column and a cosine in place of O(A·n). The error grows with A, as phases are rounded (docs/theory,
section 5): the benchmark case `frequency_nufft_accuracy` measures it against exact phases.
"""

from __future__ import annotations

import math

from barren import _core
from barren.classes import scattered
from barren.variance.frequency.columns import columns_within, frequencies_of
from barren.variance.passes import Passes
from barren.variance.problem import Pairing, Problem
from barren.variance.responses import pairing_of
from barren.variance.speeds import Speeds

# Bytes of a transform beside its data: the oversampled grid, complex, twice as long as the modes at most 2.5 times.
_GRID = 16 * 2 * 5 // 2 * 2
# Seconds of a transform of next to nothing, with its share of the threads that are started for it; measured.
_CALL = 1.2e-4


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: a transform on every thread, and what it is made of."""
    size, n = problem.cls.size, len(problem.points)
    grids = _GRID * min(problem.threads or _core.available_threads(), scattered.COLUMNS // 2)
    return (16 * size + 48 * n) + (grids + 32 * scattered.COLUMNS) * size + 32 * scattered.COLUMNS * n + 2**22


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    return _passes(problem).memory


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: a transform for two columns and a cosine."""
    n, size, d = len(problem.points), problem.cls.size, problem.tangent.parameters
    grid = size * math.log2(2 + size)
    transforms = len(frequencies_of(problem).circle.terms) * d / 2
    a_transform = _CALL + n * speeds.rates.scattered + grid * speeds.rates.modes
    return transforms * a_transform + _passes(problem).seconds(speeds)


def _passes(problem: Problem) -> Passes:
    each, least = 16 * (len(problem.points) + problem.cls.size), smallest_memory(problem)
    columns = columns_within(problem, least, each)
    return Passes(problem, columns, least + min(columns, problem.tangent.parameters) * each)


def run(problem: Problem) -> Pairing:
    """Var and d(a) from the responses of every member, a block of Jacobian columns at a time."""
    cls = frequencies_of(problem)
    return pairing_of(
        _passes(problem),
        lambda block: scattered.responses(cls, problem.points, problem.varying_weights, block, problem.threads),
    )
