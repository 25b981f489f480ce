"""λ(H), the best constant of a class, and the Jacobian that attains it (docs/theory, section 4)."""

from __future__ import annotations

import numpy as np

from barren import _memory, _validate
from barren._validate import Floats
from barren.bounds import parity
from barren.bounds.finite import at_points
from barren.bounds.levels import levelled, restored
from barren.bounds.modular import character_values, extremal_character, is_uniform_prime, point_weight
from barren.bounds.real_line import Gram, gram
from barren.classes import Frequencies, ModularMultiplication, TargetClass
from barren.inputs import Law, RealLaw, Uniform


def sharp_bound(cls: TargetClass, inputs: Law | RealLaw | None = None) -> float:
    """λ(H), the smallest constant with Var(H, w) ≤ λ·B² for every model and every w.

    No smaller constant holds: `extremal_jacobian` returns the Jacobian for which Var = λ·B².

    For a prime p, x uniform on Z_p and multipliers "units", λ = max_{χ≠0} |P[χ]|²/(p(p−1)). For "all" the trivial
    character joins with (p−1)²/p³·(ψ(0) − mean ψ)². For frequencies 1..A and no law given, x is uniform on [0, 1] and λ
    the largest eigenvalue of the centred Gram matrix over A, known in closed form. For ±1 parities and x uniform on
    {0,1}^n it is 1/|H|, and for all 2^n of them under any law the largest probability of a point other than 0; a
    quarter of that for values 0 and 1. For any other law, set or modulus it is the largest eigenvalue of
    [√c_i K(x_i,x_j) √c_j].

    Args:
        cls: the class.
        inputs: the law of x; default uniform on Z_p, or on [0, 1] for frequencies: exactly so for 1..A, and by
            the nodes of `cls.default_law` for other frequencies.

    Returns:
        λ, a float; 0 for a class of one member.

    Raises:
        ValueError: neither the class kernel at the law's points nor the values of all members there fit in 2 GiB, or
            the transforms of a prime p or the vectors of A frequencies not in this machine's memory; λ is no float64.

    Cost: for a uniform law on a prime modulus transforms of length (p−1)/2, for most ψ one, and no table of powers or
    logarithms; otherwise a dense eigenvalue problem (n ≤ 512) or Lanczos, by transforms of length p − 1 for a whole
    class on a prime and with the values (8n·members bytes) or K (8n² bytes) held for anything else. Frequencies 1..A on
    [0, 1]: Lanczos with O(A log log A) a step for a sawtooth, square or triangle wave, 8A² bytes for other steps.

    Source: docs/theory, section 4.1; 4.3 for frequencies, 6.2 for parities.

    Example:
        >>> import barren
        >>> from barren import targets
        >>> p = 1009
        >>> round(p * barren.sharp_bound(barren.ModularMultiplication(p, targets.Sawtooth())), 4)
        1.1178
    """
    cls, law, exponent = resolved(cls, inputs)
    return restored(largest_eigenvalue(cls, law), exponent)


def sharp_bound_at(cls: TargetClass, law: Law | RealLaw) -> float:
    """The same at the points of a law that was warned of before."""
    cls, resolved_law, exponent = resolved(cls, law, warn=False)
    return restored(largest_eigenvalue(cls, resolved_law), exponent)


def largest_eigenvalue(cls: TargetClass, law: Law | RealLaw | None) -> float:
    """λ of a class and a law that are resolved."""
    if law is None:
        return gram_of(cls).largest()[0]
    if is_uniform_prime(cls, law):
        return extremal_character(cls, law).value
    if parity.is_uniform_parity(cls, law):
        return parity.sharp(cls)
    at = at_points(cls, law)
    diagonal = parity.diagonal(cls, at.points, at.weights)
    return at.largest()[0] if diagonal is None else diagonal[0]


def extremal_jacobian(cls: TargetClass, inputs: Law | RealLaw | None = None) -> Floats:
    """The Jacobian of one column with Var = λ·B² and B² = 1: what makes `sharp_bound` sharp.

    It is an eigenfunction of the covariance operator at λ: for x uniform on Z_p, p prime, the real part of the
    character with the largest |P[χ]|, a function of the discrete logarithm of x.

    Args:
        cls: the class.
        inputs: the law of x; default uniform on Z_p, for frequencies `cls.default_law`, whose points it is at.

    Returns:
        float64 of shape (n, 1), rows in the order of the law's points; all ones for a class that does not vary.

    Raises:
        ValueError: as for `sharp_bound`.

    Cost: that of `sharp_bound`, and O(p) more.

    Source: docs/theory, section 4.1.

    Example:
        >>> import barren
        >>> cls = barren.ModularMultiplication(101)
        >>> v = barren.gradient_variance(cls, jacobian=barren.extremal_jacobian(cls))
        >>> round(float(v) / barren.sharp_bound(cls), 12)
        1.0
    """
    cls, law, _ = resolved(cls, cls.default_law if inputs is None and isinstance(cls, TargetClass) else inputs)
    assert law is not None
    if is_uniform_prime(cls, law):
        extremal, n = extremal_character(cls, law), round(1.0 / point_weight(cls, law))
        if extremal.character is None:
            return np.ones((n, 1))
        column = character_values(cls.p, extremal.character)[cls.p - n :]
        column /= np.sqrt(column @ column / n)
        return column[:, None]
    if parity.is_uniform_parity(cls, law):
        return parity.extremal(cls)[:, None]
    at = at_points(cls, law)
    diagonal = parity.diagonal(cls, at.points, at.weights)
    if diagonal is None:
        value, vector = at.largest()
    else:
        value, row = diagonal
        vector = np.sqrt(at.weights) * (at.points == at.points[row])  # the point of the largest mass alone
    if value == 0.0:
        return np.ones((at.n, 1))
    # A point of weight 0 has any gradient that one likes.
    column = np.divide(vector, np.sqrt(at.weights), out=np.zeros(at.n), where=at.weights > 0.0)
    column /= np.sqrt(at.weights @ column**2)
    return np.asarray(column[:, None])


def resolved(
    cls: TargetClass, inputs: Law | RealLaw | None, *, warn: bool = True
) -> tuple[TargetClass, Law | RealLaw | None, int]:
    """The class, the law of x and an exponent e, once both arguments have been checked.

    The law is None for frequencies 1..A with x uniform on [0, 1]. Integer frequencies on a grid become the modular
    class that they are there (docs/theory, section 5). ψ is without its constant and divided by 2^e, so that bounds are
    4^e times those of the class that is returned; e is 0 but for the very large and the very small.
    """
    expected = "a target class such as barren.ModularMultiplication(1009)"
    _validate.instance("cls", cls, TargetClass, expected)
    if not isinstance(cls, Frequencies):
        expected = "a law of x from barren.inputs on the integers from 0 on, such as Uniform() or Sample"
        law = _validate.instance("inputs", cls.default_law if inputs is None else inputs, Law, expected)
        if is_uniform_prime(cls, law) and 8 * cls.p > (_memory.physical() or _validate.WORD_LIMIT):
            _refuse_uniform(cls, law)
        level, exponent = levelled(cls)
        return level, law, exponent
    line, exponent = levelled(cls)
    assert isinstance(line, Frequencies)
    if inputs is None and cls.kind == "integers":
        return line, None, exponent
    law = cls.law_of(inputs)
    if warn:
        cls.warn_of_few_nodes(law)
    modular = line.modular(law)
    if modular is None:
        return line.under(law), law, exponent
    level, more = levelled(modular)  # terms of ψ may be constant on the grid
    return level, Uniform(), exponent + more


def _refuse_uniform(cls: ModularMultiplication, law: Law) -> None:
    """Refuses x uniform modulo a p without tables, and names what can be done in its place."""
    limit = (_memory.physical() or _validate.WORD_LIMIT) // 8
    if cls.table_obstacle is None:
        few = "a law of few points, such as Sample(points), LowWeight(2) or PowersOfTwo()"
        expected = f"{few}, for p above {limit}, whose tables do not fit in this machine's memory"
        _validate.refuse(ValueError, "inputs", expected, f"{law!r} with p = {_validate.came(cls.p)}")
    expected = f"at most {limit} here, so that tables fit in this machine's memory"
    _validate.refuse(ValueError, "p", expected, f"{_validate.came(cls.p)}: {cls.table_obstacle}")


def gram_of(cls: TargetClass) -> Gram:
    """The Gram matrix of frequencies 1..A on [0, 1]."""
    assert isinstance(cls, Frequencies)
    return gram(cls.size, cls.target)
