"""Rank statistics of rows with whole weights: one sort serves every resample of a bootstrap.

A resample of n rows is a vector of weights, how often each row was drawn. Rows that are drawn twice tie with
themselves, as in a resample that is written out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barren._validate import Floats


@dataclass(frozen=True, eq=False)
class Order:
    """The rows in order of a score.

    Attributes:
        rows: the rows by increasing score, shape (n,).
        starts: where in `rows` each distinct score begins, shape (G,).
        group: the number of each row's score among the distinct ones, shape (n,).
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    group: NDArray[np.int64]

    def totals(self, weights: Floats) -> Floats:
        """The weight on every distinct score: (B, n) -> (B, G)."""
        totals: Floats = np.add.reduceat(weights[:, self.rows], self.starts, axis=1)
        return totals

    def centred_ranks(self, weights: Floats) -> Floats:
        """The mid-rank of every row less the mean rank (N + 1)/2, N the sum of the weights: (B, n) -> (B, n).

        Ties share the mean of their ranks: weight below, plus half of the group's weight and one.
        """
        totals = self.totals(weights)
        below = np.cumsum(totals, axis=1) - totals
        middle: Floats = below + 0.5 * (totals - weights.sum(axis=1, keepdims=True))
        ranks: Floats = middle[:, self.group]
        return ranks


def order_of(scores: Floats) -> Order:
    """The order of scores of shape (n,)."""
    rows = np.argsort(scores, kind="stable")
    new = np.concatenate([[True], np.diff(scores[rows]) != 0])
    group = np.empty(len(scores), dtype=np.int64)
    group[rows] = np.cumsum(new) - 1
    return Order(rows, np.flatnonzero(new), group)


def spearman(x: Order, y: Order, weights: Floats) -> Floats:
    """Pearson's correlation of mid-ranks, (B, n) -> (B,); NaN where a score is constant."""
    of_x, of_y = x.centred_ranks(weights), y.centred_ranks(weights)
    product = np.einsum("bn,bn,bn->b", weights, of_x, of_y)
    of_x, of_y = (np.einsum("bn,bn,bn->b", weights, ranks, ranks) for ranks in (of_x, of_y))
    return _quotient(product, np.sqrt(of_x * of_y))


def kendall(x: Order, y: Order, weights: Floats) -> Floats:
    """τ_b, (B, n) -> (B,): Σ sign(x_i − x_j)·sign(y_i − y_j) over (pairs untied in x × pairs untied in y)^½.

    Cost: a product of the weights with a matrix of n² signs, in blocks of rows. All terms are whole: no rounding.
    """
    concordance = np.zeros(len(weights))
    step = max(1, (1 << 20) // len(x.group))
    for start in range(0, len(x.group), step):
        part = slice(start, start + step)
        signs = np.sign(np.subtract.outer(x.group[part], x.group)) * np.sign(np.subtract.outer(y.group[part], y.group))
        concordance += ((weights @ signs.T.astype(np.float64)) * weights[:, part]).sum(axis=1)
    of_x, of_y = (weights.sum(axis=1) ** 2 - (order.totals(weights) ** 2).sum(axis=1) for order in (x, y))
    return _quotient(concordance, np.sqrt(of_x * of_y))


def auc(scores: Order, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """P(score of a positive > that of a negative) + ½·P(equal), (B, n) -> (B,); NaN where a class has no weight."""
    above, below = scores.totals(weights * positive), scores.totals(weights * ~positive)
    wins = (above * (np.cumsum(below, axis=1) - 0.5 * below)).sum(axis=1)
    return _quotient(wins, above.sum(axis=1) * below.sum(axis=1))


def _quotient(above: Floats, below: Floats) -> Floats:
    quotient = np.full(len(above), np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient
