"""The class alone: bounds on Var/B² that hold for every model (docs/theory, section 4).

For every model, every parameter vector w and B² = E_x‖J(x)‖² the gradient variance obeys Var(H, w) ≤ λ(H)·B², with
λ(H) the largest eigenvalue of the covariance operator of the class on L² of the law of x. No smaller constant does.
"""

from barren.bounds.correlations import Correlations, correlations
from barren.bounds.gcd import gcd_spectral_radius
from barren.bounds.labels import one_hot_bound
from barren.bounds.ladder import Rung, bounds
from barren.bounds.queries import StatisticalDimension, collision_entropy, oracle_horizon, sq_dimension, sq_queries
from barren.bounds.sharp import extremal_jacobian, sharp_bound

__all__ = [
    "Correlations",
    "Rung",
    "StatisticalDimension",
    "bounds",
    "collision_entropy",
    "correlations",
    "extremal_jacobian",
    "gcd_spectral_radius",
    "one_hot_bound",
    "oracle_horizon",
    "sharp_bound",
    "sq_dimension",
    "sq_queries",
]
