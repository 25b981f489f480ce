"""Can gradient descent see this target at all?

Exact variance of a network's loss gradient over a whole class of targets such as x -> ψ(a·x mod p), all multipliers a.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# The core before all else: it says where the package cannot run.
from barren._loading import __version__

# isort: split
from barren import encodings, inputs, targets
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

# Name -> the module that it is imported from when it is first asked for, so that a process that needs classes and
# bounds alone starts soon. `bounds` is not among them: it is a package too, whose import would take its place.
_LATER = {
    "GradientVariance": "variance",
    "Plan": "variance",
    "Spectrum": "spectra",
    "configuration": "config",
    "gradient_variance": "variance",
    "plan": "variance",
    "show_config": "config",
    "spectrum": "spectra",
    "sweep": "sweeps",
    "train": "training",
}
_MODULES = ("config", "spectra", "tangents", "variance")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_MODULES})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"barren.{name}")
        if name not in _LATER:
            raise AttributeError(f"module 'barren' has no attribute {name!r}")
        found = getattr(import_module(f"barren.{_LATER[name]}"), name)
        globals()[name] = found
        return found

else:  # a type checker knows these names by their imports, and lets no others pass
    from barren import spectra
    from barren.config import configuration, show_config
    from barren.spectra import Spectrum, spectrum
    from barren.variance import GradientVariance, Plan, gradient_variance
    from barren.variance import plan_of as plan
