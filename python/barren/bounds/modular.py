"""The covariance operator of modular multiplication on a prime: characters are its eigenvectors (docs/theory, 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from barren import _core, _fft, _modular
from barren._validate import Floats
from barren.classes import ModularMultiplication, TargetClass
from barren.classes.characters import half_energies, primitive_root
from barren.classes.group import unit_group
from barren.classes.ratios import zero_excess
from barren.inputs import Law, RealLaw, Uniform

_BLOCK = 1 << 20


def is_uniform_prime(cls: TargetClass, law: Law | RealLaw | None) -> TypeGuard[ModularMultiplication]:
    """Whether the class is whole, its modulus prime and x uniform: then λ has a closed form."""
    return (
        isinstance(cls, ModularMultiplication)
        and cls.is_prime
        and cls.multipliers != "set"
        and isinstance(law, Uniform)
    )


def point_weight(cls: ModularMultiplication, law: Any) -> float:
    """The probability of each unit under a uniform law."""
    return 1.0 / int(law.size(cls.p))


@dataclass(frozen=True)
class Extremal:
    """λ and the character whose real part attains it: χ = 1..p−2, 0 for the function 1[x ≠ 0], None where λ is 0."""

    value: float
    character: int | None


def extremal_character(cls: ModularMultiplication, law: Any) -> Extremal:
    """λ = max_{χ≠0}|P[χ]|²·w/(p−1), w the probability of a unit; for "all" times (p−1)/p, and the trivial character."""
    p, weight = cls.p, point_weight(cls, law)
    best = Extremal(0.0, None)
    for half in half_energies(cls):
        kept = int(half.energies.argmax())
        value = float(half.energies[kept]) * (weight / (p - 1))
        best = max(best, Extremal(value, half.transform.character(kept)), key=lambda found: found.value)
    if cls.multipliers == "all":
        trivial = ((p - 1) / p * zero_excess(cls)) ** 2 * weight
        best = max(Extremal((p - 1) / p * best.value, best.character), Extremal(trivial, 0), key=lambda e: e.value)
    return best


def character_values(p: int, character: int) -> Floats:
    """The real part of a character of Z_p^* at 0..p−1: cos(2πχi/(p−1)) at g^i and 0 at 0, float64 of shape (p,)."""
    root, order = primitive_root(p), p - 1
    out = np.zeros(p)
    for start in range(0, order, _BLOCK):
        stop = min(start + _BLOCK, order)
        turns = _modular.multiply(character, np.arange(start, stop, dtype=np.int64), order)
        out[_core.power_range(root, start, stop - start, p)] = _modular.cosine(turns, order)
    return out


def kernel_product(cls: ModularMultiplication, points: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The map v -> K·v at the given points for a whole class on a prime: a cyclic convolution in the logarithms."""
    p, order = cls.p, cls.p - 1
    logarithms = unit_group(p).logarithms[points]
    units = np.flatnonzero(logarithms >= 0)
    spectrum = _fft.rfft(cls.kernel_by_ratio()).real  # κ is even, so its transform is real
    constant = 0.0
    if cls.multipliers == "all":
        spectrum *= (p - 1) / p
        constant = (p - 1) / p**2 * zero_excess(cls) ** 2

    def product(v: np.ndarray) -> np.ndarray:
        by_logarithm = np.bincount(logarithms[units], weights=v[units], minlength=order)
        convolved = _fft.irfft(spectrum * _fft.rfft(by_logarithm), n=order) + constant * by_logarithm.sum()
        out = np.zeros(len(v))
        out[units] = convolved[logarithms[units]]
        return out

    return product


def trivial(cls: ModularMultiplication, law: Any) -> float:
    """E_a‖h̃_a‖² = Σ_x c_x K(x, x), for a uniform law."""
    p, mass = cls.p, point_weight(cls, law) * (cls.p - 1)
    variance = float(cls.kernel_by_ratio()[0])
    if cls.multipliers == "all":
        variance = (p - 1) / p * variance + (p - 1) / p**2 * zero_excess(cls) ** 2
    return mass * variance


def boas_bellman(cls: ModularMultiplication, law: Any) -> float:
    """The Boas–Bellman value of the centred class for a uniform law, from one vector of inner products by ratio a/b."""
    p, weight = cls.p, point_weight(cls, law)
    inner = weight * (p - 1) * cls.kernel_by_ratio()  # ⟨h̃_a, h̃_b⟩ at ratio g^k, over the units
    if cls.multipliers == "units":
        return float((inner[0] + np.sqrt((p - 1) * np.sum(inner[1:] ** 2))) / (p - 1))
    # Over all of Z_p every h̃_a, a ≠ 0, moves by the constant −ε on x ≠ 0, and h̃_0 is the constant (p−1)·ε there.
    epsilon = zero_excess(cls) / p
    mass = weight * (p - 1)
    inner = inner + epsilon**2 * mass
    zero_norm = ((p - 1) * epsilon) ** 2 * mass
    zero_inner = -(p - 1) * epsilon**2 * mass
    off_diagonal = (p - 1) * np.sum(inner[1:] ** 2) + 2 * (p - 1) * zero_inner**2
    return float((max(inner[0], zero_norm) + np.sqrt(off_diagonal)) / p)


def bounded_variation(cls: ModularMultiplication, law: Any) -> float:
    """V²H²/(4(p−1)) for a uniform law, times p/(p−1) where x = 0 is left out."""
    from scipy.special import digamma

    harmonic = float(digamma((cls.p - 1) / 2 + 1) + np.euler_gamma)
    return cls.target.variation(cls.p) ** 2 * harmonic**2 / (4 * (cls.p - 1)) * point_weight(cls, law) * cls.p
