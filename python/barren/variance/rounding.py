"""Whether a variance can be told from the rounding of what it was computed from (docs/exactness)."""

from __future__ import annotations

import numpy as np

from barren import _warnings
from barren.classes import ModularMultiplication
from barren.tangents.given import GivenNTK
from barren.variance.problem import Pairing, Problem

# Var over what rounding leaves of a constant gradient, below which Var may be wrong by a percent; measured with deep
# networks (tests/test_rounding.py).
_LEAST = 120.0


# Below it squares and their sums have lost digits, or are 0.
_SMALLEST = 1e-290
_LARGEST_RANGE = 1 << 24


def resolution(problem: Problem) -> float | None:
    """Var/B² below which rounding shows, or None where it is not known, or is as good as zero: responses in float64.

    J comes with relative errors of about ε, the unit roundoff of its dtype, from sample to sample. They pass for a
    response of Σ_x c_x² σ² ε² B², with σ = (max ψ − min ψ)/2. A given Θ has errors ε itself.
    """
    cls: object = problem.cls
    if problem.labels is not None or not isinstance(cls, ModularMultiplication):
        return None
    given = isinstance(problem.tangent, GivenNTK)
    if problem.tangent.dtype == np.float64 and not given:
        return None
    try:
        low, high = cls.target.range(cls.p)
    except ValueError:  # of several targets at a modulus whose residues nobody counts
        return None
    roundoff = float(np.finfo(problem.tangent.dtype).eps) / 2.0
    error = roundoff if given else roundoff**2
    return _LEAST * error * float(problem.weights @ problem.weights) * ((high - low) / 2.0) ** 2


def warn(problem: Problem, pairing: Pairing, mean_squared_norm: float) -> None:
    """Warns of a variance that rounding may have made; an exact zero is none.

    Where Θ was paired entry by entry, each has an error of about ε of itself, and all of them together one of about ε
    of what the entries on the diagonal give: of a Θ without what is constant in J, if that cancels exactly.
    """
    variance = pairing.variance
    _warn_of_underflow(problem, variance, mean_squared_norm)
    if variance == 0.0:
        return
    roundoff = float(np.finfo(problem.tangent.dtype).eps) / 2.0
    paired = 0.0 if pairing.diagonal is None else _LEAST * roundoff * pairing.diagonal
    if abs(variance) >= max(paired, (resolution(problem) or 0.0) * mean_squared_norm):
        return
    dtype = problem.tangent.dtype.name
    given = isinstance(problem.tangent, GivenNTK)
    cure = "give the Jacobian or the model" if given else 'dtype="float64" tells it from zero'
    if problem.tangent.dtype == np.float64 and not given:
        cure = 'method="direct" tells it from zero' if problem.labels is None else "it may be zero"
    _warnings.warn(
        f"the variance is {abs(variance) / mean_squared_norm:.1e} of the squared gradient, which is about what "
        f"rounding to {dtype} leaves of none at all; {cure}"
    )


def _warn_of_underflow(problem: Problem, variance: float, mean_squared_norm: float) -> None:
    """Warns of a variance that is small because squares of gradients, or of ψ, are no float64 numbers."""
    if variance >= _SMALLEST:
        return
    if mean_squared_norm < _SMALLEST:
        what, wrong = "the gradients", mean_squared_norm > 0.0 or _has_gradient(problem)
    elif isinstance(problem.cls, ModularMultiplication) and problem.cls.p > _LARGEST_RANGE:
        return  # nobody counts the values of ψ there
    else:
        low, high = problem.cls.range
        what = "the gradients times ψ"
        wrong = low < high and ((high - low) / 2.0) * ((high - low) / 2.0 * mean_squared_norm) < _SMALLEST
    if wrong:
        _warnings.warn(
            f"{what} are so small that their squares are no float64 numbers: the variance ({variance:.3g}) has lost "
            "digits, or is 0 where it should not be; scale the model's output or ψ up (the variance grows by the "
            "square of the factor)"
        )


def _has_gradient(problem: Problem) -> bool:
    """Whether a gradient is not 0, though its square is: Jᵀz for a z of random numbers, with one backward pass."""
    if not problem.tangent.is_model:
        return False
    z = np.random.default_rng(0).uniform(1.0, 2.0, (problem.tangent.n, 1))
    return bool(problem.tangent.transposed_products(z).any())
