"""The two sides of a pairing, brought together: a class under a law of x, and the tangent of a model at its points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from barren.classes import ModularMultiplication
from barren.inputs import Law
from barren.tangents.base import Tangent

if TYPE_CHECKING:
    from barren.variance.table import Labels


@dataclass(frozen=True)
class Problem:
    """What every method is given.

    Attributes:
        cls: the target class.
        law: the law of x.
        points: the points of the law, int64, shape (n,).
        weights: their probabilities c, float64, shape (n,), summing to one.
        tangent: the model at these points, row i belonging to points[i].
        threads: threads for the compiled core and the Fourier transforms; 0 means all.
        memory_limit: bytes that a method may use beside what it was given.
        deviations: whether the deviation of every member is wanted.
        labels: the derivatives of a loss that is not affine in the label, else None.
    """

    cls: ModularMultiplication
    law: Law
    points: np.ndarray
    weights: np.ndarray
    tangent: Tangent
    threads: int
    memory_limit: int
    deviations: bool
    labels: Labels | None = None


@dataclass(frozen=True)
class Pairing:
    """What every method returns.

    Attributes:
        per_layer: the gradient variance of each layer; the total is their sum.
        deviations: d(a) = ‖G_a − E G‖² for every member, float64, shape (members,), or None if not wanted.
    """

    per_layer: dict[str, float]
    deviations: np.ndarray | None

    @property
    def variance(self) -> float:
        """The gradient variance: the sum over the layers."""
        return float(sum(self.per_layer.values()))


def accumulate(totals: dict[str, float], layer: str, amount: float) -> None:
    """Adds to a layer's share: column blocks of one layer come one after another."""
    totals[layer] = totals.get(layer, 0.0) + float(amount)
