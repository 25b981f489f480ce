"""Var and d(a) from the responses of every member to blocks of Jacobian columns, however they are computed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from barren._products import pieces
from barren.variance.passes import Passes
from barren.variance.problem import Pairing, Shares

Respond = Callable[[np.ndarray], np.ndarray]


def pairing_of(passes: Passes, respond: Respond) -> Pairing:
    """The pairing from respond(block) = R[a] of shape (members, b) for blocks of columns."""
    problem = passes.problem
    deviations, shares = np.zeros(problem.cls.size), Shares(problem)
    for layer, block in passes.blocks():
        response = respond(block)
        mean = np.where(_are_equal(response), response[0], response.mean(axis=0))
        squares = np.zeros(response.shape[1])
        for rows in pieces(*response.shape):
            part = response[rows]
            part -= mean
            np.multiply(part, part, out=part)
            deviations[rows] += part.sum(axis=1)
            squares += part.sum(axis=0)
        shares.add(layer, squares / problem.cls.size)
        del block, response, part  # before the next ones are made
    return shares.pairing(deviations)


def _are_equal(response: np.ndarray) -> np.ndarray:
    """Which columns have equal entries: their rounded mean may be none of them, and would leave a variance."""
    equal: np.ndarray = response[0] == response[-1]
    for rows in pieces(*response.shape):
        if not equal.any():  # as a rule from the start
            break
        equal &= (response[rows] == response[0]).all(axis=0)
    return equal
