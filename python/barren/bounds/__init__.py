"""The class alone: bounds on Var/B² that hold for every model (docs/theory, section 4).

For every model, every parameter vector w and B² = E_x‖J(x)‖² the gradient variance obeys Var(H, w) ≤ λ(H)·B², with
λ(H) the largest eigenvalue of the covariance operator of the class on L² of the law of x. No smaller constant does.
"""

from barren.bounds.labels import one_hot_bound
from barren.bounds.ladder import Rung, bounds
from barren.bounds.sharp import extremal_jacobian, sharp_bound

__all__ = ["Rung", "bounds", "extremal_jacobian", "one_hot_bound", "sharp_bound"]
