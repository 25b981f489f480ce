"""What the gradient watch saw at one moment: its numbers, and how they come from products with gradients."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """What the watch saw at one moment of one run. G_a is the gradient of the expected loss when the target is h_a.

    Attributes:
        variance: Var = E_a‖G_a − E G‖², over the whole class.
        mean_squared_norm: B² = E_x‖β·J‖², β the factor of the label in ∂ℓ/∂N (−1 for "mse" and "bce").
        normalised: Var/B², which is at most λ of the class; NaN for 0/0.
        deviation: d(a) = ‖G_a − E G‖² of the run's own member.
        squared_norm: ‖G_a‖² of the run's own member.
        noise: E_x‖∂ℓ/∂N·J‖² − ‖G_a‖², the variance of the gradient of one sample around G_a.
        snr: d(a) over noise/batch size, the variance of the gradient of a batch; infinite without noise, NaN for 0/0.
        cosine: The mean of cos(G_a, G_b) over pairs of the drawn members; NaN where one of them has no gradient.
        effective_rank: (tr C)²/tr C² of the covariance C of G_a over the class; NaN if C is zero.
        seconds: What the look took, in seconds.

    Source: docs/experiments, on what the watch measures; docs/theory, section 1.
    """

    variance: float
    mean_squared_norm: float
    normalised: float
    deviation: float
    squared_norm: float
    noise: float
    snr: float
    cosine: float
    effective_rank: float
    seconds: float

    def row(self) -> dict[str, float]:
        """The numbers by their names."""
        return asdict(self)


@dataclass(frozen=True)
class Moments:
    """What both routes find, by products with gradients.

    Attributes:
        variance: tr C.
        square: tr C².
        deviation: d(a) of the run's member.
        gram: ⟨G_a, G_b⟩ of the drawn members and, last, the run's own.
        squared_norms: ‖J(x_i)‖².
    """

    variance: float
    square: float
    deviation: float
    gram: Doubles
    squared_norms: Doubles


def look_of(found: Moments, weights: Doubles, beta: Doubles, slopes: Doubles, batch_size: int, seconds: float) -> Look:
    """The numbers of a look.

    Args:
        found: The products.
        weights: Of the points.
        beta: The factor of the label in ∂ℓ/∂N at every point.
        slopes: The derivative ∂ℓ/∂N itself, at the labels of the run's member.
        batch_size: Of a batch.
        seconds: What it took.
    """
    variance, gram = max(0.0, found.variance), found.gram
    size = float(weights @ (beta**2 * found.squared_norms))
    single = float(weights @ (slopes**2 * found.squared_norms))
    squared_norm = max(0.0, float(gram[-1, -1]))
    noise, deviation = max(0.0, single - squared_norm), max(0.0, found.deviation)
    return Look(
        variance,
        size,
        _ratio(variance, size),
        deviation,
        squared_norm,
        noise,
        _ratio(batch_size * deviation, noise),
        _mean_cosine(gram[:-1, :-1]),
        _ratio(variance**2, found.square),
        seconds,
    )


def _ratio(numerator: float, denominator: float) -> float:
    if denominator > 0.0:
        return numerator / denominator
    return float("inf") if numerator > 0.0 else float("nan")


def _mean_cosine(gram: Doubles) -> float:
    """Over the pairs of different members; NaN where one has no gradient, or there is one member alone."""
    norms = np.sqrt(np.maximum(gram.diagonal(), 0.0))
    if len(norms) < 2 or not norms.all():
        return float("nan")
    return float(np.mean((gram / norms / norms[:, None])[np.triu_indices(len(gram), 1)]))
