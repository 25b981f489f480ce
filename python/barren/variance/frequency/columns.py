"""Var and d(a) from the responses of every member to blocks of Jacobian columns, however they are computed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from barren.classes import Frequencies
from barren.variance.problem import Pairing, Problem, Shares

# Jacobian columns taken together at most: more save no time.
MOST_COLUMNS = 512
TILE = 8

Respond = Callable[[np.ndarray], np.ndarray]


def frequencies_of(problem: Problem) -> Frequencies:
    """The class of a problem on the real line."""
    cls: object = problem.cls
    assert isinstance(cls, Frequencies)
    return cls


def centre(cls: Frequencies) -> float:
    """A number in the middle of ψ: what to take off ψ so that fewer digits are lost."""
    return cls.circle.mean


def columns_within(problem: Problem, least: int, each: int) -> int:
    """How many columns of so many bytes fit beside what a method cannot do without."""
    return int(np.clip((problem.memory_limit - least) // each, 1, MOST_COLUMNS))


def pairing_of(problem: Problem, columns: int, respond: Respond) -> Pairing:
    """The pairing from respond(block) = R[a] of shape (members, b), for blocks of so many columns of float64."""
    cls = problem.cls
    deviations, shares = np.zeros(cls.size), Shares(problem)
    size = problem.tangent.dtype.itemsize * len(problem.points) * columns
    for layer, block in problem.tangent.column_blocks(size):
        response = respond(block)
        response -= response.mean(axis=0)
        deviations += np.einsum("ac,ac->a", response, response)
        shares.add(layer, np.einsum("ac,ac->c", response, response) / cls.size)
        del block, response  # before the next ones are made
    return shares.pairing(deviations)
