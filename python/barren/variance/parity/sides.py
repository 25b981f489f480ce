"""What the methods for parities share: the class of a problem, and its points without what every member agrees on."""

from __future__ import annotations

import numpy as np

from barren._validate import Floats
from barren.classes import Parity
from barren.variance.problem import Problem


def takes(problem: Problem) -> bool:
    """Whether the problem is one of parities."""
    cls: object = problem.cls
    return isinstance(cls, Parity)


def parity_of(problem: Problem) -> Parity:
    """The class of such a problem."""
    cls: object = problem.cls
    assert isinstance(cls, Parity)
    return cls


def varying_weights(problem: Problem) -> Floats:
    """The weights of x, 0 at x = 0: every parity is 0 there, so that point is in no deviation.

    Of all 2^n members that is all there is to their mean: E_v χ_v(x) = 0 at every other point.
    """
    return problem.varying_weights


def is_diagonal(problem: Problem) -> bool:
    """Whether K is 0 for every two rows: all 2^n members, and no point twice."""
    return parity_of(problem).weight is None and len(np.unique(problem.points)) == len(problem.points)


def diagonal_weights(problem: Problem) -> Floats:
    """c_x²·K(x, x) where `is_diagonal`: Var = Σ_x of that times ‖J(x)‖²."""
    weights: Floats = (varying_weights(problem) * parity_of(problem).factor) ** 2
    return weights
