"""Spectra of functions on Z_p: over the characters of the multiplicative group, and over additive frequencies.

Nothing here needs a target class or a model: arrays over 0..p−1 go in, a column a function, so it serves the study of
networks trained on modular arithmetic ("grokked" ones) as well. A network that multiplies shows a few characters, one
that adds a few frequencies; the Gini coefficient says how few.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from barren import _core, _fft, _validate
from barren._validate import Floats, came
from barren.classes import ModularMultiplication
from barren.classes.group import unit_group

__all__ = [
    "Spectrum",
    "additive_spectrum",
    "character_spectrum",
    "from_logarithmic_order",
    "gini",
    "spectrum",
    "to_logarithmic_order",
    "variance_spectrum",
]

_BLOCK_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Energies over characters or frequencies, index 0 the trivial one.

    Attributes:
        energy: float64, shape (K,), read-only: characters χ = 0..p−2, or frequencies k = 0..p−1.
        kind: ``"characters"``, χ(g^i) = e(χi/(p−1)) with g the root of ``unit_group(p)``, or ``"frequencies"``,
            e(kt/p).

    Source: docs/theory, section 4.5.
    """

    energy: Floats = field(repr=False)
    kind: str

    @property
    def shares(self) -> Floats:
        """The share of each in the energy other than the trivial one's; 0 at index 0, zeros if there is none.

        float64 of the shape of `energy`.
        """
        out = np.array(self.energy)
        out[0] = 0.0
        total = float(out.sum())
        return out / total if total > 0.0 else out

    @property
    def gini(self) -> float:
        """The Gini coefficient of the energies without the trivial one: 0 if all are equal, near 1 if one has all."""
        return gini(self.energy[1:])

    def largest(self, count: int = 10) -> list[tuple[int, float]]:
        """The indices with the largest shares, and these, the largest first; equal ones by index.

        Args:
            count: how many, at least 0.
        """
        count = _validate.integer("count", count, low=0)
        shares = self.shares
        order = np.argsort(-shares[1:], kind="stable")[:count] + 1
        return [(int(i), float(shares[i])) for i in order]


def spectrum(cls: ModularMultiplication) -> Spectrum:
    """|P[χ]|² of the target of a class, P the discrete Fourier transform of ψ(g^i) over i = 0..p−2.

    λ for x uniform on Z_p is its largest entry but the first, over p(p−1) (docs/theory, section 4.1).

    Args:
        cls: a class with a prime modulus; its multipliers do not matter.

    Returns:
        A `Spectrum` of kind "characters": `energy` is float64 of shape (p−1,).

    Raises:
        TypeError: not a class.
        ValueError: p is not an odd prime, or too large for the tables.

    Cost: O(p log p).

    Source: docs/theory, section 4.5.

    Example:
        >>> import barren
        >>> barren.spectrum(barren.ModularMultiplication(5)).energy.round(12)
        array([0. , 0.4, 0. , 0.4])
    """
    _validate.instance("cls", cls, ModularMultiplication, "a class modulo p: barren.ModularMultiplication(p)")
    return _made(cls.spectrum(), "characters")


def character_spectrum(values: ArrayLike) -> Spectrum:
    """Σ_columns |F[χ]|², F the discrete Fourier transform of f(g^i) over i = 0..p−2.

    Args:
        values: f(0), …, f(p−1) in natural order, real, shape (p,) or (p, d): outputs of a model, or its Jacobian. f(0)
            plays no part.

    Returns:
        Energies of the characters χ = 0..p−2. They sum to (p−1)·Σ_{x≠0} f(x)² (Parseval).

    Raises:
        TypeError: not real numbers.
        ValueError: another number of dimensions, entries that are not finite, or a length that is no odd prime.

    Cost: O(d·p log p), blocks of columns at a time.

    Source: docs/theory, section 4.5.

    Example:
        >>> character_spectrum([0.0, 1.0, 1.0, 1.0, 1.0]).energy.round(12)
        array([16.,  0.,  0.,  0.])
    """
    columns = _columns(values)
    powers = unit_group(len(columns)).powers
    return _made(_energy(columns, powers), "characters")


def additive_spectrum(values: ArrayLike) -> Spectrum:
    """Σ_columns |F[k]|², F[k] = Σ_t f(t)·e(−kt/p), for any length p ≥ 3.

    Args:
        values: f(0), …, f(p−1), real, shape (p,) or (p, d).

    Returns:
        Energies of the frequencies k = 0..p−1. They sum to p·Σ f(t)² (Parseval).

    Raises:
        TypeError: not real numbers.
        ValueError: another number of dimensions, or entries that are not finite.

    Cost: O(d·p log p).

    Source: docs/theory, section 4.5.

    Example:
        >>> additive_spectrum(np.cos(2 * np.pi * np.arange(5) / 5)).energy.round(12)
        array([0.  , 6.25, 0.  , 0.  , 6.25])
    """
    columns = _columns(values, prime=False)
    return _made(_energy(columns, None), "frequencies")


def variance_spectrum(cls: ModularMultiplication, jacobian: ArrayLike) -> Spectrum:
    """How much of the gradient variance each character carries, for x uniform on Z_p and all units.

    By formula (2) of docs/theory Var = Σ_{χ≠0} |P[χ]|²‖F[χ]‖²/(p²(p−1)²): these are its terms, and so `energy` sums to
    Var and `shares` are shares of it.

    Args:
        cls: a class with a prime modulus and multipliers "units".
        jacobian: J(0), …, J(p−1), shape (p,) or (p, d).

    Returns:
        A `Spectrum` of kind "characters": `energy` is float64 of shape (p−1,).

    Raises:
        TypeError: an argument of another kind.
        ValueError: other multipliers, another number of rows, or p not an odd prime.

    Cost: O(d·p log p).

    Source: docs/theory, section 4.5.
    """
    target = spectrum(cls).energy
    if cls.multipliers != "units":
        _validate.refuse(ValueError, "cls", "a class with multipliers 'units'", repr(cls))
    columns = _columns(jacobian)
    if len(columns) != cls.p:
        _validate.refuse(ValueError, "jacobian", f"one row for each of 0..{cls.p - 1}", came(columns))
    energy = target * character_spectrum(columns).energy
    energy[0] = 0.0
    energy /= float(cls.p) ** 2 * float(cls.p - 1) ** 2
    return _made(energy, "characters")


def gini(values: ArrayLike) -> float:
    """The Gini coefficient Σ_i (2i − n − 1)·v_i/(n·Σv) of non-negative numbers v_1 ≤ … ≤ v_n; 0 if all are 0.

    It is 0 where all are equal and 1 − 1/n where one has all.

    Args:
        values: non-negative numbers, shape (n,).

    Returns:
        The coefficient, in 0..1 − 1/n.

    Raises:
        TypeError: not real numbers.
        ValueError: not one-dimensional, none, or one is negative or not finite.

    Cost: one sort.

    Source: C. Gini, 1912; the formula is the definition by ranks.

    Example:
        >>> gini([1, 1, 1, 1]), gini([0, 0, 0, 1])
        (0.0, 0.75)
    """
    ordered = np.sort(_validate.vector("values", values))
    n = ordered.size
    if n == 0 or ordered[0] < 0.0:
        _validate.refuse(ValueError, "values", "non-negative numbers, at least one", came(values))
    total = float(ordered.sum())
    if total == 0.0:
        return 0.0
    return float((2.0 * np.arange(1, n + 1) - n - 1) @ (ordered / total)) / n


def to_logarithmic_order(values: ArrayLike) -> np.ndarray:
    """f(g^0), …, f(g^(p−2)) from f(0), …, f(p−1): rows in the order of discrete logarithms, f(0) left out.

    Args:
        values: shape (p,) or (p, …), p an odd prime.

    Returns:
        The rows in the new order, of the same dtype, shape (p−1, …).

    Raises:
        ValueError: the number of rows is no odd prime.

    Cost: O(p) and the table of logarithms.

    Source: docs/theory, section 2.

    Example:
        >>> to_logarithmic_order([0, 1, 2, 3, 4])                  # g = 2: 1, 2, 4, 3
        array([1, 2, 4, 3])
    """
    rows = np.asarray(values)
    if rows.ndim == 0:
        _validate.refuse(ValueError, "values", "an array over 0..p−1", came(values))
    return np.asarray(rows[unit_group(_validate.prime("the number of rows", len(rows), "logarithms")).powers])


def from_logarithmic_order(values: ArrayLike, at_zero: ArrayLike = 0.0) -> np.ndarray:
    """The inverse of `to_logarithmic_order`: f(0), …, f(p−1), with f(0) = at_zero.

    Args:
        values: shape (p−1,) or (p−1, …), p an odd prime.
        at_zero: what stands at 0, of the shape of a row or one number.

    Returns:
        The rows in natural order, shape (p, …), of the common dtype of both arguments.

    Raises:
        ValueError: the number of rows is not p−1 for an odd prime p.

    Cost: O(p) and the table of logarithms.

    Source: docs/theory, section 2.

    Example:
        >>> from_logarithmic_order([1, 2, 4, 3], at_zero=0)
        array([0, 1, 2, 3, 4])
    """
    rows = np.asarray(values)
    if rows.ndim == 0:
        _validate.refuse(ValueError, "values", "an array over the logarithms 0..p−2", came(values))
    group = unit_group(_validate.prime("the number of rows + 1", len(rows) + 1, "logarithms"))
    out = np.empty((len(rows) + 1, *rows.shape[1:]), dtype=np.result_type(rows, np.asarray(at_zero)))
    out[0] = at_zero
    out[group.powers] = rows
    return out


def _columns(values: ArrayLike, *, prime: bool = True) -> np.ndarray:
    array = np.asarray(values)
    columns = _validate.matrix("values", array[:, None] if array.ndim == 1 else array)
    if prime:
        _validate.prime("the number of rows", len(columns), "a spectrum over characters")
    elif len(columns) < 3:
        _validate.refuse(ValueError, "values", "at least 3 rows", came(columns))
    return columns


def _energy(columns: np.ndarray, order: np.ndarray | None) -> Floats:
    """Σ_columns |F|² at every index, in float64."""
    n = len(columns) if order is None else len(order)
    half = np.zeros(n // 2 + 1)
    step = max(1, _BLOCK_BYTES // (24 * n))
    for start in range(0, columns.shape[1], step):
        block = columns[:, start : start + step]
        block = (block if order is None else block[order]).astype(np.float64)
        transformed = _fft.rfft(block, workers=_core.available_threads())
        half += np.einsum("kb,kb->k", transformed.real, transformed.real)
        half += np.einsum("kb,kb->k", transformed.imag, transformed.imag)
    rest = half[1 : (n + 1) // 2]  # real data: the index n − k has the energy of k
    return np.concatenate((half, rest[::-1]))


def _made(energy: Floats, kind: str) -> Spectrum:
    energy.setflags(write=False)
    return Spectrum(energy, kind)
