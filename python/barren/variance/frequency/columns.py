"""What the methods on the real line share: the class of a problem, and how many Jacobian columns fit."""

from __future__ import annotations

import numpy as np

from barren.classes import Frequencies
from barren.classes.grid import OnGrid
from barren.variance.problem import Problem
from barren.variance.speeds import Speeds

# Jacobian columns taken together at most: more save no time.
MOST_COLUMNS = 512
TILE = 8
# A value at j/M against one at a double: the division by M (measured, 1.6 to 3.4).
_BY_DIVISION = 3.0


def frequencies_of(problem: Problem) -> Frequencies:
    """The class of a problem on the real line."""
    cls: object = problem.cls
    assert isinstance(cls, Frequencies)
    return cls


def centre(cls: Frequencies) -> float:
    """A number in the middle of ψ: what to take off ψ so that fewer digits are lost."""
    return cls.circle.mean


def wave_rate(cls: Frequencies, speeds: Speeds) -> float:
    """Seconds for one value of ψ."""
    return speeds.rates.wave * (_BY_DIVISION if isinstance(cls, OnGrid) else 1.0)


def columns_within(problem: Problem, least: int, each: int) -> int:
    """How many columns of so many bytes fit beside what a method cannot do without."""
    return int(np.clip((problem.memory_limit - least) // each, 1, MOST_COLUMNS))
