"""What the constant of a class says of methods that learn: horizon, queries, dimension (docs/theory, section 4.4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from barren import _fft, _validate
from barren._validate import Floats
from barren.bounds.correlations import correlation_by_ratio, correlation_rows
from barren.bounds.eigen import LARGEST_BYTES
from barren.bounds.modular import extremal_character, is_uniform_prime, point_weight
from barren.bounds.sharp import largest_eigenvalue, resolved
from barren.classes import ModularMultiplication, TargetClass
from barren.classes.group import unit_group
from barren.inputs import Law, RandomBits, RealLaw, Sample, Uniform

_MARGIN = 1.0 - 1e-9  # correlations are rounded: a certificate keeps this distance


def oracle_horizon(variance: object, *, error: float, probability: float = 0.99) -> float:
    """How many steps of any gradient method tell nothing of the multiplier: T = ⌊(1 − probability)·error²/Var⌋.

    A method that sees gradients up to `error` may be answered with the mean gradient wherever that is within `error` of
    the true one. By Chebyshev's inequality it is not for at most the part Var/error² of the members at one w, so for at
    most T·Var/error² at T of them: with the probability asked for, the first T answers do not depend on a.

    Args:
        variance: Var, or a bound on it such as λ·B², at every w that the method visits with those answers: a number or
            a `GradientVariance`.
        error: what the gradients are known up to, in the norm of the parameters, positive.
        probability: over a, of learning nothing, in 0..1.

    Returns:
        T, a whole number; infinity if the variance is 0.

    Raises:
        TypeError: an argument is not a number.
        ValueError: a negative variance, an error that is not positive, a probability outside 0..1.

    Cost: none to speak of.

    Source: docs/theory, section 4.4.

    Example:
        >>> oracle_horizon(1e-8, error=1e-3, probability=0.75)
        25
    """
    number = float(variance) if hasattr(variance, "standard_error") else variance  # type: ignore[arg-type]
    var = _validate.real("variance", number, low=0.0)
    error = _positive("error", error)
    probability = _validate.real("probability", probability, low=0.0, high=1.0)
    if var == 0.0:
        return math.inf
    # In exact fractions: the quotient of doubles may miss a whole number, or overflow.
    return math.floor((1 - Fraction(repr(probability))) * Fraction(repr(error)) ** 2 / Fraction(repr(var)))


def sq_queries(cls: TargetClass, *, tolerance: float, inputs: Law | RealLaw | None = None) -> float:
    """How many correlational queries any learner needs: at least (1 − 1/|A|)·τ²/λ.

    A query is a function q with E_x q² ≤ 1; an answer within τ of E_x[q·h_a] is allowed. E_a⟨q, h_a − h̄⟩² ≤ λ, so the
    answer ⟨q, h̄⟩ is wrong for at most the part λ/τ² of the members: fewer queries leave two that were never told apart.

    Args:
        cls: the class.
        tolerance: τ, positive.
        inputs: the law of x; default that of `sharp_bound`.

    Returns:
        The least number of queries, a whole number; infinity for λ = 0 and two members or more.

    Raises:
        TypeError: an argument of another kind.
        ValueError: a tolerance that is not positive; or as for `sharp_bound`.

    Cost: that of `sharp_bound`.

    Source: docs/theory, section 4.4.

    Example:
        >>> import barren
        >>> sq_queries(barren.ModularMultiplication(10007), tolerance=0.1)
        59
    """
    cls, law, exponent = resolved(cls, inputs)
    tau = _positive("tolerance", tolerance)
    size = cls.size if cls.has_members else math.inf
    if size == 1:
        return 0
    sharp = largest_eigenvalue(cls, law)
    if sharp == 0.0:
        return math.inf
    rest = Fraction(1) if size == math.inf else Fraction(int(size) - 1, int(size))
    return math.ceil(rest * Fraction(tau) ** 2 / (Fraction(sharp) * Fraction(4) ** exponent))


@dataclass(frozen=True)
class StatisticalDimension:
    """Bounds on the largest D with D members whose pairwise |ρ| are at most 1/D.

    Attributes:
        lower: D of the certificate.
        members: the certificate, shape (lower,): pairwise |ρ| ≤ 1/lower.
        largest: the largest |ρ| among them.
        upper: no D is larger.

    Source: docs/theory, section 4.4.
    """

    lower: int
    members: np.ndarray = field(repr=False)
    largest: float
    upper: int


def sq_dimension(cls: TargetClass, inputs: Law | RealLaw | None = None) -> StatisticalDimension:
    """The statistical query dimension, from below by a list of members, from above by λ.

    Below: members are taken in order, each if it correlates at most 1/D with those taken before, and D is the largest
    for which that finds D of them; then all pairs of the list are checked. Correlations are rounded, so one within 1e-9
    of 1/D, relative, is taken to be above it: at a tie, as |ρ| = 1/2 of the sawtooths 1 and 2 on [0, 1], `lower` is
    less than it could be.
    Above: D functions of norm 1 with |ρ| ≤ 1/D have a Gram matrix with row sums below 2, so Σ⟨f, ·⟩² < 2 over them for
    every f of norm 1. Where the units act on the class, the mean of that sum over the translates of the eigenfunction f
    of λ is D·λ/Var_x(h): D ≤ 2·Var_x(h)/λ. Always D < n, the number of points, and D ≤ the number of members.

    Args:
        cls: the class.
        inputs: the law of x; default as for `sharp_bound`.

    Returns:
        A `StatisticalDimension`: `lower` with its `members`, and `upper`.

    Raises:
        ValueError: as for `correlations`.

    Cost: that of `correlations`, and about 20 passes of the search.

    Source: docs/theory, section 4.4.

    Example:
        >>> import barren
        >>> found = sq_dimension(barren.ModularMultiplication(101))
        >>> found.lower <= found.upper, found.largest <= 1 / found.lower
        (True, True)
    """
    asked = cls
    cls, law, _ = resolved(cls, inputs)
    if is_uniform_prime(cls, law):
        return _by_ratio(cls, law)
    if 8 * cls.size**2 > LARGEST_BYTES:
        _validate.refuse(ValueError, "cls", "a class whose correlations fit in 2 GiB here", f"{cls.size} members")
    members, blocks = correlation_rows(cls, law, asked)
    if len(members) == 0:
        return StatisticalDimension(0, members, 0.0, 0)
    rho = np.abs(np.concatenate([block for _, block in blocks]))
    np.fill_diagonal(rho, 0.0)
    chosen = _largest_certificate(lambda D: _first_fit(rho, D), len(members))
    largest = _checked(float(rho[np.ix_(chosen, chosen)].max()), len(chosen))
    upper = len(members) if law is None else min(len(members), max(1, len(cls.points_of(law)[0]) - 1))
    return StatisticalDimension(len(chosen), members[chosen], largest, upper)


def collision_entropy(inputs: Law, p: int | None = None) -> float:
    """H₂ = −log₂ Σ_x P(x)² in bits: how spread out the inputs are.

    For every model Var ≤ p·λ·max_x‖J(x)‖²·2^{−H₂} with λ that of x uniform on Z_p (docs/theory, section 4.4).

    Args:
        inputs: the law of x; points that are repeated count as one.
        p: the modulus, which every law but `Sample` needs; may be of any size.

    Returns:
        H₂ in bits, a float; 0 where x is constant.

    Raises:
        TypeError: an argument of another kind, or p left out where it is needed.
        ValueError: p < 3, or more points than fit in memory.

    Cost: a sort of the points of the law.

    Source: docs/theory, section 4.4.

    Example:
        >>> from barren import inputs
        >>> collision_entropy(inputs.RandomBits(20), 2**255 - 19), collision_entropy(inputs.Sample([4, 1, 4, 1]))
        (20.0, 1.0)
    """
    law = _validate.instance("inputs", inputs, Law, "a law of x from barren.inputs on the integers from 0 on")
    if p is None:
        if not isinstance(law, Sample):
            _validate.refuse(TypeError, "p", f"given for {law!r}: an integer, at least 3", "None")
        p = 1 + max(2, law.largest)  # no restriction
    p = _validate.integer("p", p, low=3)
    if isinstance(law, Uniform):
        return math.log2(law.size(p))
    if isinstance(law, RandomBits):
        quotient, remainder = divmod(2**law.n, p)
        # Σ of the squares of the numerators, an exact integer
        squares = remainder * (quotient + 1) ** 2 + (p - remainder) * quotient**2
        return 2.0 * law.n - math.log2(squares)
    points, weights = law.points(p), law.weights(p)
    _, which = np.unique(points, return_inverse=True)
    mass = np.bincount(which.reshape(-1), weights=weights)
    return -math.log2(float(mass @ mass)) + 0.0


def _positive(name: str, value: float) -> float:
    number = _validate.real(name, value)
    if number <= 0.0:
        _validate.refuse(ValueError, name, "positive", repr(value))
    return number


def _largest_certificate(find: Callable[[int], np.ndarray], most: int) -> np.ndarray:
    """The longest list that find(D), D members of pairwise |ρ| ≤ 1/D or fewer, is found to give."""
    best = find(1)[:1]
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        found = find(middle)
        if len(found) >= middle:
            best, low = found[:middle], middle
        else:
            high = middle - 1
    return best


def _first_fit(rho: Floats, D: int) -> np.ndarray:
    free = np.ones(len(rho), dtype=np.bool_)
    chosen: list[int] = []
    while len(chosen) < D and free.any():
        chosen.append(int(free.argmax()))
        free &= rho[chosen[-1]] <= _MARGIN / D
        free[chosen[-1]] = False
    return np.array(chosen, dtype=np.int64)


def _by_ratio(cls: ModularMultiplication, law: Law | RealLaw | None) -> StatisticalDimension:
    rho, order = np.abs(correlation_by_ratio(cls, law)), cls.p - 1
    if rho[0] == 0.0:
        return StatisticalDimension(0, cls.members[:0], 0.0, 0)
    units = cls.with_multipliers("units")
    variance = _variance(units, law)
    sharp, points = extremal_character(units, law).value, round(1.0 / point_weight(cls, law))
    by_sharp = math.floor(2.0 * variance / sharp + 1e-9) if sharp > 0.0 else order
    upper = min(order, points - 1, by_sharp)
    chosen = _largest_certificate(lambda D: _first_fit_by_ratio(rho, D), upper)
    # Which differences of logarithms occur, by an autocorrelation: checked apart from how the list was found.
    taken = np.zeros(order)
    taken[chosen] = 1.0
    occurs = _fft.irfft(np.abs(_fft.rfft(taken)) ** 2 + 0j, order) > 0.5
    occurs[0] = False
    largest = _checked(float(rho[occurs].max(initial=0.0)), len(chosen))
    return StatisticalDimension(len(chosen), unit_group(cls.p).powers[chosen], largest, upper)


def _checked(largest: float, count: int) -> float:
    """The largest |ρ| of all pairs of a list of so many members, once it is at most 1/count."""
    if largest > 1.0 / count:
        raise RuntimeError("a certificate failed its check; please report this")
    return largest


def _first_fit_by_ratio(rho: Floats, D: int) -> np.ndarray:
    order = len(rho)
    near = np.flatnonzero(rho > _MARGIN / D)  # holds 0: a member correlates with itself
    free = np.ones(order, dtype=np.bool_)
    chosen: list[int] = []
    at = 0
    while len(chosen) < D:
        at += int(free[at:].argmax())
        if not free[at]:
            break
        chosen.append(at)
        free[(near + at) % order] = False
        if at + 1 == order:
            break
    return np.array(chosen, dtype=np.int64)


def _variance(cls: ModularMultiplication, law: Law | RealLaw | None) -> float:
    """Var_x of a member under a uniform law: that of ψ over the units, and over 0 where that occurs."""
    weight, p = point_weight(cls, law), cls.p
    total = (p - 1) * float(cls.kernel_by_ratio()[0])
    if isinstance(law, Uniform) and law.zero:
        table = cls.table()
        total += (p - 1) / p * float(table[0] - table[1:].mean()) ** 2
    return weight * total
