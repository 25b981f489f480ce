"""|P[χ]|² of ψ over the characters, in halves and without tables of powers or logarithms: for the largest primes.

ψ is evaluated at blocks of powers of the primitive root, even and odd part apart, and each part that is there is
transformed by itself (docs/theory, section 3.2).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from barren import _core, _memory, _validate
from barren._validate import Floats, came
from barren.classes.correlation import HalfTransform
from barren.classes.modular import ModularMultiplication

_BLOCK = 1 << 20  # powers together: a few arrays of 8 MiB
_ROUNDING = 8.0 * np.finfo(np.float64).eps  # a half of ψ below this, relative to the other, is rounding


@dataclass(frozen=True)
class HalfEnergies:
    """|P[χ]|² over the even or the odd characters, one of each conjugate pair.

    Attributes:
        transform: which characters these are, and how many each stands for.
        energies: |P[χ]|² at each, float64; 0 at the trivial character.
    """

    transform: HalfTransform
    energies: Floats


def half_energies(cls: ModularMultiplication, *, threads: int = 0) -> list[HalfEnergies]:
    """|P[χ]|² for every χ ≠ 0, P the discrete Fourier transform of ψ(g^i) over i = 0..p−2; a list of 0 to 2 halves.

    A half on which ψ does not depend is left out: ψ constant on the units gives none.

    Args:
        cls: a class with a prime modulus; its multipliers do not matter.
        threads: of the powers, of ψ and of the transforms; 0 for all.

    Raises:
        ValueError: p is not an odd prime, or the transforms need more memory than the machine has.

    Warns:
        UserWarning: they need more than is free now.

    Cost: O(p log p) time; 8p bytes, and then for each half 4p bytes and what its transform takes, which for a length
    with a large prime factor is several times that, by scipy more than by ducc0.
    """
    p = _validate.prime("p", cls.p, "a spectrum over characters")
    _validate.tabulated("p", p, 8, "the even and the odd part of ψ")
    m, workers = (p - 1) // 2, threads or _core.available_threads()
    _check_memory(cls, max(HalfTransform(m, odd).working_bytes() for odd in (False, True)) + 4 * p)
    parts = _even_and_odd(cls, threads)
    parts[0] -= parts[0].mean()  # what the trivial character carries
    largest = [max(float(part.max()), -float(part.min())) for part in parts]
    found = []
    for is_odd in (True, False):  # from the end, so that each is freed when it has been transformed
        part = parts.pop()
        if largest[is_odd] > _ROUNDING * max(largest):
            transform = HalfTransform(m, is_odd)
            found.append(HalfEnergies(transform, _energies(transform, part, workers)))
        del part
    return found[::-1]


def primitive_root(p: int) -> int:
    """The least primitive root of a prime p, that of `unit_group`."""
    import sympy

    return int(sympy.primitive_root(p))


def _even_and_odd(cls: ModularMultiplication, threads: int) -> list[Floats]:
    """(ψ(g^i) ± ψ(−g^i))/2 for i < m, ψ less a constant; g^m = −1, so these are the two halves."""
    p, root = cls.p, primitive_root(cls.p)
    m = (p - 1) // 2
    even, odd = np.empty(m), np.empty(m)
    middle = None
    for start in range(0, m, _BLOCK):
        stop = min(start + _BLOCK, m)
        powers = _core.power_range(root, start, stop - start, p, threads)
        there, opposite = cls.values((1, p - 1), powers, threads=threads or None)
        if middle is None:  # a large constant in ψ would cost the even half its digits
            middle = 0.5 * (max(there.max(), opposite.max()) + min(there.min(), opposite.min()))
        there -= middle
        opposite -= middle
        np.add(there, opposite, out=even[start:stop])
        np.subtract(there, opposite, out=odd[start:stop])
    even *= 0.5
    odd *= 0.5
    return [even, odd]


def _energies(transform: HalfTransform, part: Floats, workers: int) -> Floats:
    coefficients = transform.forward(part, workers)
    energies: Floats = np.square(coefficients.real)
    energies += np.square(coefficients.imag)
    energies *= 4.0  # the transform is of the half, of length m
    if not transform.odd:
        energies[0] = 0.0
    return energies


def _check_memory(cls: ModularMultiplication, needed: int) -> None:
    from barren import _fft

    memory, free = _memory.physical(), _memory.available()
    advice = "" if _fft.backend().startswith("ducc0") else "; with ducc0 installed it takes less"
    wanted = f"about {needed / 2**30:.1f} GiB for transforms of length (p−1)/2 by {_fft.backend()}{advice}"
    if memory is not None and needed > memory:
        expected = f"small enough for a spectrum over characters to fit in the {memory / 2**30:.1f} GiB of this machine"
        _validate.refuse(ValueError, "p", expected, f"{came(cls.p)}, which needs {wanted}")
    if free is not None and needed > free:
        warnings.warn(f"p = {cls.p} needs {wanted}; {free / 2**30:.1f} GiB are free now", stacklevel=4)
