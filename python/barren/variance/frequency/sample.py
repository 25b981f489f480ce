"""Sample: an estimate from frequencies that are drawn, for a class on an interval or a sphere (docs/theory, section 5).

N independent frequencies are a class with a list of members; N/(N − 1) times its variance is without bias, and the
spread of its deviations gives the standard error. Where the exact kernel takes too long, this is what is left.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from types import ModuleType
from typing import cast

import numpy as np

from barren.classes import Frequencies, ModularMultiplication
from barren.variance.frequency import direct, kernel
from barren.variance.frequency.columns import frequencies_of
from barren.variance.probes import DEFAULT_RTOL
from barren.variance.problem import Estimate, Pairing, Problem
from barren.variance.speeds import Speeds

_LEAST, _MOST = 1024, 1 << 20
# Draws of a are A·2^-53 apart, which is then 2^-9 of a period: far below the error of an estimate.
_MOST_TURNS = 2.0**44
# The relative variance of the deviations on which a price is based; the run itself measures it.
_SPREAD = 2.0
_MARGIN = 1.2  # more frequencies than a first sample asks for, whose spread is rounded by chance


def obstacle(problem: Problem) -> str | None:
    """Why there is no such estimate, or None."""
    if frequencies_of(problem).has_members:
        return "it draws frequencies of a class that has no list of members"
    if problem.per_parameter and not problem.tangent.has_columns:
        return "only Θ was given, and the variance of every parameter needs Jacobian columns"
    return _too_coarse(problem)


def _too_coarse(problem: Problem) -> str | None:
    """Why frequencies of 53 bits would miss what a·x does between two of them, or None."""
    cls, points = frequencies_of(problem), problem.points
    lengths = np.abs(points) if points.ndim == 1 else np.linalg.norm(points, axis=1)
    harmonic = max((wave.harmonic for _, wave in cls.circle.terms), default=1)
    turns = float(cls.A or 0.0) * harmonic * float(lengths.max())
    if turns < _MOST_TURNS:
        return None
    return f"it draws a with 53 bits, which says too little of ψ(a·x) at A·x = {turns:.3g}, where 2^44 is too much"


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: those of the least sample."""
    return _memory(problem, _LEAST)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    return int(_engine(problem).memory(_drawn(problem, _predicted(problem), 0))) + _list_bytes(problem, _LEAST)


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: that of the method by which the sample is summed."""
    return float(_engine(problem).seconds(_drawn(problem, _predicted(problem), 0), speeds))


def run(problem: Problem) -> Pairing:
    """Var to the relative standard error `problem.rtol`.

    A first sample tells how many frequencies that takes; they are drawn anew, so that their number does not depend on
    what they show.
    """
    wanted, most = problem.rtol or DEFAULT_RTOL, _within(problem, _MOST)
    count, turn = _LEAST, 0
    while True:
        found, estimate = _estimated(problem, count, turn)
        ratio = estimate.error / (wanted * estimate.value) if estimate.value > 0.0 else 0.0
        if ratio <= 1.0 or count == most:
            break
        count, turn = min(most, math.ceil(_MARGIN * ratio**2 * count)), turn + 1
    if ratio > 1.0:
        warnings.warn(
            f"the estimate stopped at {count} frequencies with a relative standard error of {ratio * wanted:.2g}, and "
            f"rtol = {wanted:g} was not reached",
            UserWarning,
            stacklevel=3,
        )
    return replace(found, deviations=None, estimate=estimate)


def _estimated(problem: Problem, count: int, turn: int) -> tuple[Pairing, Estimate]:
    """The pairing of a sample and what it says of its class; `turn` tells samples of the same problem apart."""
    found: Pairing = _engine(problem).run(_drawn(problem, count, turn))
    assert found.deviations is not None
    unbiased = count / (count - 1)
    value = unbiased * found.variance
    error = float(np.std(found.deviations, ddof=1)) / math.sqrt(count)
    freedom = 2.0 * (value / error) ** 2 if error > 0.0 else np.inf
    cls = frequencies_of(problem)
    where = "an interval" if cls.kind == "interval" else f"a sphere in R^{cls.dimension}"
    note = f"{count} frequencies drawn on {where}, seed {problem.seed}"
    found = replace(
        found,
        per_layer={layer: unbiased * share for layer, share in found.per_layer.items()},
        per_parameter=None
        if found.per_parameter is None
        else {layer: unbiased * shares for layer, shares in found.per_parameter.items()},
    )
    return found, Estimate(0.0, value, error, float(freedom), count, note)


def _drawn(problem: Problem, count: int, turn: int) -> Problem:
    """The problem of a class of so many frequencies of this one."""
    cls = frequencies_of(problem)
    seed = int(np.random.SeedSequence([problem.seed, turn]).generate_state(1, np.uint64)[0])
    sample = Frequencies(target=cls.target, frequencies=cls.draw(count, seed)).under(problem.law)
    return replace(problem, cls=cast("ModularMultiplication", sample), deviations=True)


def _engine(problem: Problem) -> ModuleType:
    """The method by which a sample is summed."""
    return direct if problem.tangent.has_columns else kernel


def _memory(problem: Problem, count: int) -> int:
    return int(_engine(problem).smallest_memory(_drawn(problem, count, 0))) + _list_bytes(problem, count)


def _list_bytes(problem: Problem, count: int) -> int:
    """The frequencies, as they are drawn and in the class."""
    return 24 * count * frequencies_of(problem).dimension


def _predicted(problem: Problem) -> int:
    """How many frequencies the error that is wanted takes, where the deviations have the spread that was assumed."""
    wanted = problem.rtol or DEFAULT_RTOL
    return _within(problem, min(_MOST, max(_LEAST, math.ceil(_SPREAD / wanted**2))))


def _within(problem: Problem, count: int) -> int:
    """At most so many frequencies, as many as fit in memory."""
    one = _memory(problem, _LEAST)
    each = max(1.0, (_memory(problem, 2 * _LEAST) - one) / _LEAST)
    room = (problem.memory_limit - one) / each
    return int(np.clip(_LEAST + max(0.0, room), _LEAST, count))
