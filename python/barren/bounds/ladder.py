"""The ladder: every known bound on Var/B² for a class, each proved in docs/theory, section 4.2."""

from __future__ import annotations

from dataclasses import dataclass

from barren.bounds import modular
from barren.bounds.finite import at_points
from barren.bounds.sharp import checked, sharp_bound
from barren.classes import ModularMultiplication
from barren.inputs import Law


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder of bounds.

    Attributes:
        name: "sharp", "boas-bellman", "bounded-variation", "trivial" or "published-rate".
        value: what Var/B² is bounded by; for a rate, the bare power.
        formula: how the value is computed.
        proven: False for a rate, whose constant is unknown: no inequality can be read from it.
    """

    name: str
    value: float
    formula: str
    proven: bool


def bounds(cls: ModularMultiplication, inputs: Law | None = None) -> tuple[Rung, ...]:
    """The ladder: every known bound on Var/B² for this class, proven ones first, loosest last, then the published rate.

    * sharp: λ(H), see `sharp_bound`.
    * boas-bellman: (max_a‖h̃_a‖² + (Σ_{a≠b}|⟨h̃_a, h̃_b⟩|²)^½)/|A| with h̃ = h − h̄, exact for this class: the
      published route.
    * bounded-variation: V²·H²/(4(p−1)) for x uniform on Z_p, V the total variation of ψ over the cycle and H the
      harmonic number of (p−1)/2; times p/(p−1) where x = 0 is left out. For a whole class on a prime and a uniform law.
    * trivial: E_a‖h̃_a‖² = E_x K(x, x), by the Cauchy–Schwarz inequality for each member alone.
    * published-rate: p^(−1/2), from the abstract of arXiv 2310.12660 (Õ(1/√p)). Its constant and its power of log p are
      unknown here, so it is a slope to compare with and no bound. For a whole class on a prime and a uniform law.

    Args:
        cls: the class.
        inputs: the law of x; default uniform on Z_p.

    Raises:
        ValueError: too many points and members for a sum over their pairs, where no closed form is known; or as for
            `sharp_bound`.

    Cost: O(p log p) for a whole class on a prime and a uniform law; otherwise that of `sharp_bound`, and a sum over all
    pairs of members, or of points if those are fewer.
    """
    law = checked(cls, inputs)
    at = None if modular.is_uniform_prime(cls, law) else at_points(cls, law)
    if at is not None:
        at.check_pairs()
    sharp = Rung("sharp", sharp_bound(cls, law), "λ(H) = largest eigenvalue of the class covariance", True)
    if at is None:
        boas_bellman, trivial = modular.boas_bellman(cls, law), modular.trivial(cls, law)
    else:
        norms = at.squared_norms()
        boas_bellman = float(norms.max()) + at.off_diagonal(norms) ** 0.5
        trivial = float(norms.sum())
    proven = [
        sharp,
        Rung("boas-bellman", boas_bellman, "(max‖h̃‖² + (Σ_{a≠b}⟨h̃_a,h̃_b⟩²)^½)/|A|", True),
        Rung("trivial", trivial, "E_a‖h̃_a‖²", True),
    ]
    rates = []
    if at is None:
        variation = modular.bounded_variation(cls, law)
        formula = "V²·H²/(4(p−1)), H = harmonic number of (p−1)/2"
        proven.append(Rung("bounded-variation", variation, formula, True))
        rates.append(Rung("published-rate", cls.p**-0.5, "p^(−1/2): a rate, constant unknown", False))
    return (*sorted(proven, key=lambda rung: rung.value), *rates)
