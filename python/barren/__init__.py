"""Can gradient descent see this target at all?

Exact variance of a network's loss gradient over a whole class of targets such as x -> ψ(a·x mod p), all multipliers a.
"""

from barren import encodings, inputs, targets
from barren._core import __version__
from barren.bounds import Rung, bounds, extremal_jacobian, sharp_bound
from barren.classes import ModularMultiplication
from barren.config import configuration, show_config
from barren.variance import GradientVariance, Plan, gradient_variance, plan

__all__ = [
    "GradientVariance",
    "ModularMultiplication",
    "Plan",
    "Rung",
    "__version__",
    "bounds",
    "configuration",
    "encodings",
    "extremal_jacobian",
    "gradient_variance",
    "inputs",
    "plan",
    "sharp_bound",
    "show_config",
    "targets",
]
