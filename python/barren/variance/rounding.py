"""Whether a variance can be told from the rounding of what it was computed from (docs/exactness)."""

from __future__ import annotations

import warnings

import numpy as np

from barren.classes import ModularMultiplication
from barren.tangents.given import GivenNTK
from barren.variance.problem import Problem

# Var over what rounding leaves of a constant gradient, below which Var may be wrong by a percent; measured with deep
# networks (tests/test_rounding.py).
_LEAST = 120.0


def resolution(problem: Problem) -> float | None:
    """Var/B² below which rounding shows, or None where it is not known, or is as good as zero: J in float64.

    J comes with relative errors of about ε, the unit roundoff of its dtype, from sample to sample. They pass for a
    response of Σ_x c_x² σ² ε² B², with σ = (max ψ − min ψ)/2. A given Θ has errors ε itself.
    """
    cls: object = problem.cls
    if problem.labels is not None or not isinstance(cls, ModularMultiplication):
        return None
    given = isinstance(problem.tangent, GivenNTK)
    if problem.tangent.dtype == np.float64 and not given:
        return None
    low, high = cls.target.range(cls.p)
    roundoff = float(np.finfo(problem.tangent.dtype).eps) / 2.0
    error = roundoff if given else roundoff**2
    return _LEAST * error * float(problem.weights @ problem.weights) * ((high - low) / 2.0) ** 2


def warn(problem: Problem, variance: float, mean_squared_norm: float) -> None:
    """Warns of a variance that rounding may have made; an exact zero is none."""
    least = resolution(problem)
    if least is None or variance == 0.0 or abs(variance) >= least * mean_squared_norm:
        return
    dtype = problem.tangent.dtype.name
    given = isinstance(problem.tangent, GivenNTK)
    cure = "give the Jacobian or the model" if given else 'dtype="float64" tells it from zero'
    warnings.warn(
        f"the variance is {abs(variance) / mean_squared_norm:.1e} of the squared gradient, which is about what "
        f"rounding to {dtype} leaves of none at all; {cure}",
        UserWarning,
        stacklevel=3,
    )
