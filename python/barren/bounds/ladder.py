"""The ladder: every known bound on Var/B² for a class, each proved in docs/theory, section 4.2."""

from __future__ import annotations

from dataclasses import dataclass, replace

from barren.bounds import modular, parity
from barren.bounds.eigen import LARGEST_BYTES
from barren.bounds.finite import at_points
from barren.bounds.gcd import gcd_spectral_radius
from barren.bounds.levels import restored
from barren.bounds.sharp import gram_of, largest_eigenvalue, resolved
from barren.classes import Frequencies, ModularMultiplication, Parity, TargetClass
from barren.inputs import Law, RealLaw

_ROUNDING = 1e-12  # of an eigenvalue and of a sum over pairs


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder of bounds.

    Attributes:
        name: "sharp", "orthogonal", "boas-bellman", "bounded-variation", "trivial" or "published-rate".
        value: what Var/B² is bounded by; for a rate, the bare power.
        formula: how the value is computed.
        proven: False for a rate, whose constant is unknown: no inequality can be read from it.

    Source: docs/theory, section 4.2.
    """

    name: str
    value: float
    formula: str
    proven: bool


def bounds(cls: TargetClass, inputs: Law | RealLaw | None = None) -> tuple[Rung, ...]:
    """The ladder: every known bound on Var/B² for this class, proven ones first, loosest last, then the published rate.

    * sharp: λ(H), see `sharp_bound`.
    * boas-bellman: (max_a‖h̃_a‖² + (Σ_{a≠b}|⟨h̃_a, h̃_b⟩|²)^½)/|A| with h̃ = h − h̄, exact for this class: the
      published route. Not for a class without members.
    * bounded-variation: V²·H²/(4(p−1)) for a whole class on a prime and x uniform, V the total variation of ψ over the
      cycle and H the harmonic number of (p−1)/2, times p/(p−1) where x = 0 is left out; (V²/12)·ρ_A/A for frequencies
      1..A and x uniform on [0, 1], V that over a period and ρ_A from `gcd_spectral_radius`.
    * orthogonal: 1/|H| for parities with values ±1 and x uniform on {0,1}^n, a quarter of it for 0 and 1: published for
      orthogonal classes (arXiv 1703.07950). For two members and more it is λ.
    * trivial: E_a‖h̃_a‖² = E_x K(x, x), by the Cauchy–Schwarz inequality for each member alone.
    * published-rate: p^(−1/2) or A^(−1/2), from the abstract of arXiv 2310.12660 (Õ(1/√p), Õ(1/√A)). Its constant and
      its power of the logarithm are unknown here, so it is a slope to compare with and no bound. For the same classes
      and laws as bounded-variation.

    Args:
        cls: the class.
        inputs: the law of x; default as for `sharp_bound`.

    Returns:
        The rungs, each with its name, value, formula and whether it is proven.

    Raises:
        ValueError: too many points and members for a sum over their pairs, where no closed form is known; or as for
            `sharp_bound`.

    Cost: O(p log p) for a whole class on a prime and a uniform law; that of `sharp_bound` for frequencies 1..A on
    [0, 1]; otherwise that and a sum over all pairs of members, or of points if those are fewer.

    Source: docs/theory, section 4.2.
    """
    cls, law, exponent = resolved(cls, inputs)
    return tuple(
        replace(rung, value=restored(rung.value, exponent)) if rung.proven else rung for rung in _ladder(cls, law)
    )


def _ladder(cls: TargetClass, law: Law | RealLaw | None) -> tuple[Rung, ...]:
    """That of a class and a law that are resolved."""
    if law is None:
        return _of_frequencies(cls)
    if modular.is_uniform_prime(cls, law):
        return _of_units(cls, law)
    if parity.is_uniform_parity(cls, law):
        return _of_parities(cls)
    at = at_points(cls, law)
    if not cls.has_members or _is_unlisted(cls):
        return _ordered([_sharp(largest_eigenvalue(cls, law)), _trivial(at.variance())])
    at.check_pairs()  # before λ, which may take minutes
    sharp, norms = _sharp(largest_eigenvalue(cls, law)), at.squared_norms()
    boas_bellman = float(norms.max()) + at.off_diagonal(norms) ** 0.5
    return _ordered([sharp, _boas_bellman(boas_bellman), _trivial(float(norms.sum()))])


def _is_unlisted(cls: TargetClass) -> bool:
    """Whether a class with members has too many for a sum over them, and a kernel without."""
    if isinstance(cls, Parity):
        return 8 * cls.size > LARGEST_BYTES
    return isinstance(cls, ModularMultiplication) and cls.by_dedekind_sums


def _of_parities(cls: Parity) -> tuple[Rung, ...]:
    formula = f"1/{'|H|' if cls.signed else '(4|H|)'}: ±1 parities are orthonormal"
    orthogonal = Rung("orthogonal", cls.factor**2 / cls.size, formula, True)
    sharp, rest = _sharp(parity.sharp(cls)), [_boas_bellman(parity.boas_bellman(cls)), _trivial(parity.trivial(cls))]
    return _ordered([sharp, orthogonal, *rest])


def _of_units(cls: ModularMultiplication, law: Law | RealLaw) -> tuple[Rung, ...]:
    formula = "V²·H²/(4(p−1)), H = harmonic number of (p−1)/2"
    proven = [
        _sharp(largest_eigenvalue(cls, law)),
        _boas_bellman(modular.boas_bellman(cls, law)),
        Rung("bounded-variation", modular.bounded_variation(cls, law), formula, True),
        _trivial(modular.trivial(cls, law)),
    ]
    return _ordered(proven, Rung("published-rate", cls.p**-0.5, "p^(−1/2): a rate, constant unknown", False))


def _of_frequencies(cls: TargetClass) -> tuple[Rung, ...]:
    assert isinstance(cls, Frequencies)
    inner, A = gram_of(cls), cls.size
    variation = cls.circle.variation
    proven = [
        _sharp(inner.largest()[0]),
        _boas_bellman(inner.boas_bellman()),
        Rung("bounded-variation", variation**2 / 12 * gcd_spectral_radius(A) / A, "(V²/12)·ρ_A/A", True),
        _trivial(inner.trivial()),
    ]
    return _ordered(proven, Rung("published-rate", A**-0.5, "A^(−1/2): a rate, constant unknown", False))


def _sharp(value: float) -> Rung:
    return Rung("sharp", value, "λ(H) = largest eigenvalue of the class covariance", True)


def _boas_bellman(value: float) -> Rung:
    return Rung("boas-bellman", value, "(max‖h̃‖² + (Σ_{a≠b}⟨h̃_a,h̃_b⟩²)^½)/|A|", True)


def _trivial(value: float) -> Rung:
    return Rung("trivial", value, "E_a‖h̃_a‖²", True)


def _ordered(proven: list[Rung], *rates: Rung) -> tuple[Rung, ...]:
    """Proven ones by value. One that is λ itself, as for one point, may have been rounded below it: it is set to λ."""
    sharp = proven[0].value
    lifted = [
        replace(rung, value=sharp) if sharp * (1.0 - _ROUNDING) <= rung.value < sharp else rung for rung in proven
    ]
    return (*sorted(lifted, key=lambda rung: rung.value), *rates)  # stable: λ stays first among equals
