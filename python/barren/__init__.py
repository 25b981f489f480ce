"""Can gradient descent see this target at all?

Exact variance of a network's loss gradient over a whole class of targets such as x -> ψ(a·x mod p), all multipliers a.
"""

from typing import TYPE_CHECKING, Any

from barren import encodings, inputs, spectra, targets
from barren._core import __version__
from barren.bounds import (
    Correlations,
    Rung,
    StatisticalDimension,
    bounds,
    collision_entropy,
    correlations,
    extremal_jacobian,
    gcd_spectral_radius,
    oracle_horizon,
    sharp_bound,
    sq_dimension,
    sq_queries,
)
from barren.classes import Frequencies, ModularMultiplication, Parity
from barren.config import configuration, show_config
from barren.spectra import Spectrum, spectrum
from barren.variance import GradientVariance, Plan, gradient_variance, plan

if TYPE_CHECKING:
    from barren.sweeps import sweep
    from barren.training import train

__all__ = [
    "Correlations",
    "Frequencies",
    "GradientVariance",
    "ModularMultiplication",
    "Parity",
    "Plan",
    "Rung",
    "Spectrum",
    "StatisticalDimension",
    "__version__",
    "bounds",
    "collision_entropy",
    "configuration",
    "correlations",
    "encodings",
    "extremal_jacobian",
    "gcd_spectral_radius",
    "gradient_variance",
    "inputs",
    "oracle_horizon",
    "plan",
    "sharp_bound",
    "show_config",
    "spectra",
    "spectrum",
    "sq_dimension",
    "sq_queries",
    "sweep",
    "targets",
    "train",
]


def __getattr__(name: str) -> Any:
    """`train` and `sweep` are imported when they are first asked for: the rest needs neither torch nor processes."""
    if name == "sweep":
        from barren.sweeps import sweep

        return sweep
    if name == "train":
        from barren.training import train

        return train
    raise AttributeError(f"module 'barren' has no attribute {name!r}")
