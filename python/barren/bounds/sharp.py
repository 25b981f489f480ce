"""λ(H), the best constant of a class, and the Jacobian that attains it (docs/theory, section 4)."""

from __future__ import annotations

import numpy as np

from barren import _validate
from barren._validate import Floats
from barren.bounds.finite import at_points
from barren.bounds.modular import character_values, extremal_character, is_uniform_prime
from barren.classes import ModularMultiplication
from barren.inputs import Law, Uniform


def sharp_bound(cls: ModularMultiplication, inputs: Law | None = None) -> float:
    """λ(H), the smallest constant with Var(H, w) ≤ λ·B² for every model and every w.

    For a prime p, x uniform on Z_p and multipliers "units", λ = max_{χ≠0} |P[χ]|²/(p(p−1)). For "all" the trivial
    character joins with (p−1)²/p³·(ψ(0) − mean ψ)². For any other law, set or modulus it is the largest eigenvalue of
    [√c_i K(x_i,x_j) √c_j].

    Args:
        cls: the class.
        inputs: the law of x; default uniform on Z_p.

    Returns:
        λ, a float; 0 for a class of one member.

    Raises:
        ValueError: neither the class kernel at the law's points nor the values of all members there fit in 2 GiB, or
            the transforms of a prime p not in this machine's memory.

    Cost: for a uniform law on a prime modulus transforms of length (p−1)/2, for most ψ one, and no table of powers or
    logarithms; otherwise a dense eigenvalue problem (n ≤ 512) or Lanczos, by transforms of length p − 1 for a whole
    class on a prime and with the values (8n·members bytes) or K (8n² bytes) held for anything else.

    Example:
        >>> import barren
        >>> from barren import targets
        >>> p = 1009
        >>> round(p * barren.sharp_bound(barren.ModularMultiplication(p, targets.Sawtooth())), 4)
        1.1178
    """
    law = checked(cls, inputs)
    if is_uniform_prime(cls, law):
        return extremal_character(cls, law).value
    return at_points(cls, law).largest()[0]


def extremal_jacobian(cls: ModularMultiplication, inputs: Law | None = None) -> Floats:
    """The Jacobian of one column with Var = λ·B² and B² = 1: what makes `sharp_bound` sharp.

    It is an eigenfunction of the covariance operator at λ: for x uniform on Z_p, p prime, the real part of the
    character with the largest |P[χ]|, a function of the discrete logarithm of x.

    Args:
        cls: the class.
        inputs: the law of x; default uniform on Z_p.

    Returns:
        float64 of shape (n, 1), rows in the order of the law's points; all ones for a class that does not vary.

    Raises:
        ValueError: as for `sharp_bound`.

    Cost: that of `sharp_bound`, and O(p) more.

    Example:
        >>> import barren
        >>> cls = barren.ModularMultiplication(101)
        >>> v = barren.gradient_variance(cls, jacobian=barren.extremal_jacobian(cls))
        >>> round(float(v) / barren.sharp_bound(cls), 12)
        1.0
    """
    law = checked(cls, inputs)
    if is_uniform_prime(cls, law):
        extremal, n = extremal_character(cls, law), law.size(cls.p)
        if extremal.character is None:
            return np.ones((n, 1))
        column = character_values(cls.p, extremal.character)[cls.p - n :]
        column /= np.sqrt(column @ column / n)
        return column[:, None]
    at = at_points(cls, law)
    value, vector = at.largest()
    if value == 0.0:
        return np.ones((at.n, 1))
    # A point of weight 0 has any gradient that one likes.
    column = np.divide(vector, np.sqrt(at.weights), out=np.zeros(at.n), where=at.weights > 0.0)
    column /= np.sqrt(at.weights @ column**2)
    return column[:, None]


def checked(cls: ModularMultiplication, inputs: Law | None) -> Law:
    """The law of x, once both arguments have been checked."""
    _validate.instance("cls", cls, ModularMultiplication, "a target class such as barren.ModularMultiplication(1009)")
    law = Uniform() if inputs is None else inputs
    _validate.instance("inputs", law, Law, "a law of x from barren.inputs")
    return law
