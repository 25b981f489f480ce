"""Cyclic correlations over the group of units, in halves: what is even and what is odd under x -> −x apart.

In discrete-log order −1 is the shift by m = (p−1)/2, so a function f(i) = J(g^i) splits into f(i) + f(i+m), which has
period m, and f(i) − f(i+m), which changes its sign after m. The even characters see the first, the odd characters the
second. Most targets are even or odd up to a constant (the sawtooth, the lowest bit, the cosine), and then only one half
is transformed: half the work of a transform of length p − 1 (docs/theory, section 2).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from barren import _core, _fft
from barren._products import pieces
from barren._validate import Floats, Integers
from barren.classes.group import unit_group
from barren.classes.modular import ModularMultiplication

# A half of ψ below this, relative to the other, is rounding.
_ROUNDING = 8.0 * np.finfo(np.float64).eps
# What a row costs that is fetched from anywhere, in rows that follow each other.
_ANY_ORDER = 4


@dataclass(frozen=True)
class HalfTransform:
    """The Fourier transform of one half: real sequences of length m, continued with period m or changing their sign.

    Frequencies are those of the whole length 2m: the even ones for a periodic half, the odd ones for an antiperiodic
    one. Only one of each conjugate pair is kept; `multiplicities` counts what each stands for.

    Attributes:
        m: half the order of the group.
        odd: whether h(i + m) = −h(i).
    """

    m: int
    odd: bool

    @property
    def multiplicities(self) -> Floats:
        """How many characters each kept frequency stands for: 1 for a real character, else 2."""
        if self.odd and self.m % 2 == 0:
            return np.full(self.m // 2, 2.0)
        kept = np.full(self.m // 2 + 1, 2.0)
        kept[0] = 1.0
        if self.m % 2 == 0:
            kept[-1] = 1.0
        return kept

    def character(self, kept: int) -> int:
        """The frequency among those of the whole length 2m, or its conjugate, of the kept one at this index."""
        if not self.odd:
            return 2 * kept
        return 4 * kept + 1 if self.m % 2 == 0 else 2 * kept + self.m

    def working_bytes(self) -> int:
        """About how much memory `forward` takes beside h for one column, its result included."""
        if self.odd and self.m % 2 == 0:
            return _fft.working_bytes(self.m // 2, real=False) + 16 * self.m
        return _fft.working_bytes(self.m, real=True)

    def forward(self, h: np.ndarray, workers: int = 1, out: np.ndarray | None = None) -> np.ndarray:
        """The transform along axis 0 of real `h`, shape (m,) or (m, b); `h` may be overwritten.

        `out` is memory that may be used for the result, complex128 with a row for each of `multiplicities`.
        """
        if not self.odd:
            return _fft.rfft(h, workers=workers, out=out)
        if self.m % 2 == 1:
            # (−1)^i·h(i) has period m, and its frequency k is the odd frequency 2k + m of h.
            h[1::2] *= -1.0
            return _fft.rfft(h, workers=workers, out=out)
        # The frequencies 4k + 1 of h are those of c(j) = (h(j) − i·h(j + m/2))·e(−j/2m), of length m/2.
        half = self.m // 2
        folded = np.empty((half, *h.shape[1:]), dtype=np.complex128)
        folded.real, folded.imag = h[:half], h[half:]
        np.conjugate(folded, out=folded)
        folded *= self._twist(h.ndim)
        return _fft.fft(folded, workers=workers, out=out)

    def inverse(self, coefficients: np.ndarray, workers: int = 1) -> np.ndarray:
        """The real sequence of length m that has this transform."""
        if not self.odd:
            return _fft.irfft(coefficients, self.m, workers=workers)
        if self.m % 2 == 1:
            h = _fft.irfft(coefficients, self.m, workers=workers)
            h[1::2] *= -1.0
            return h
        folded = _fft.ifft(coefficients, workers=workers)
        folded *= np.conj(self._twist(coefficients.ndim))
        return np.concatenate([folded.real, -folded.imag])

    def _twist(self, rank: int) -> np.ndarray:
        j = np.arange(self.m // 2, dtype=np.float64)
        return np.asarray(np.exp((-1j * np.pi / self.m) * j).reshape(-1, *[1] * (rank - 1)))


class Scratch(threading.local):
    """Arrays that are used again, each thread's own: a fresh one of megabytes costs as much as what is done with it."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def take(self, name: str, shape: tuple[int, int], dtype: Any) -> np.ndarray:
        """An array of this shape with any content."""
        array = self._kept.get(name)
        if array is None or array.shape != shape:
            array = self._kept[name] = np.empty(shape, dtype)
        return array


@dataclass(frozen=True)
class _Half:
    """One half of the centred ψ(g^i): how it is transformed, and its transform."""

    transform: HalfTransform
    psi_hat: np.ndarray
    multiplicities: Floats

    @property
    def sign(self) -> float:
        return -1.0 if self.transform.odd else 1.0

    def add(self, part: np.ndarray, out: np.ndarray) -> None:
        """Adds this half, of length m, to both halves of `out`."""
        m = self.transform.m
        for rows in pieces(m, out[:1].size):
            out[:m][rows] += part[rows]
            out[m:][rows] += self.sign * part[rows]


class Correlation:
    """Responses of every unit: R(j) = Σ_i ψ̃(g^{i+j})·f(i) with ψ̃ = ψ less its mean over the units.

    Args:
        cls: a class with a prime modulus.
        workers: threads of the Fourier transforms.
    """

    def __init__(self, cls: ModularMultiplication, workers: int = 1) -> None:
        self.group, self.workers = unit_group(cls.p), workers
        self.order, self.m = cls.p - 1, (cls.p - 1) // 2
        table = cls.table()
        psi = table[self.group.powers]
        # What the trivial character would carry, ψ's mean over the units, belongs to no multiplier: take it out first.
        # That of the even half has no rounding where ψ is odd up to a constant.
        mean = float((0.5 * (psi[: self.m] + psi[self.m :])).mean())
        psi -= mean
        self.zero_excess = float(table[0]) - mean
        even, odd = 0.5 * (psi[: self.m] + psi[self.m :]), 0.5 * (psi[: self.m] - psi[self.m :])
        largest = float(np.abs(psi).max())
        self.halves: list[_Half] = []
        for is_odd, values in ((False, even), (True, odd)):
            if float(np.abs(values).max()) > _ROUNDING * largest:
                transform = HalfTransform(self.m, is_odd)
                coefficients = transform.forward(values, workers)
                if not is_odd:
                    coefficients[0] = 0.0
                self.halves.append(_Half(transform, coefficients, transform.multiplicities))

    def energies(
        self, fold: Callable[[float, np.ndarray], None], columns: int, scratch: Scratch | None = None
    ) -> Floats:
        """Σ_χ |P[χ]|²·|F[χ]|²/(p−1)², the variance of R over the units, for every column of f.

        P and F are the transforms of length p − 1 of ψ̃(g^i) and f (docs/theory, formula 2).

        Args:
            fold: fold(sign, out) writes f(i) + sign·f(i+m) for i < m into out, float64 of shape (m, columns).
            columns: the number of columns.
            scratch: memory that calls for one block after the other share.

        Returns:
            float64, shape (columns,).
        """
        scratch = Scratch() if scratch is None else scratch
        total = np.zeros(columns)
        folded = scratch.take("folded", (self.m, columns), np.float64)
        for half in self.halves:
            fold(half.sign, folded)
            _take_out_mean(folded, half.transform)
            room = scratch.take("transform", (len(half.multiplicities), columns), np.complex128)
            transformed = half.transform.forward(folded, self.workers, room)
            # ψ̂ is of the half, of length m: P = 2·ψ̂, while f was folded whole.
            power = half.multiplicities * 4.0 * (half.psi_hat.real**2 + half.psi_hat.imag**2)
            total += _core.weighted_energy(power, transformed, self.workers)
        total /= self.order**2
        return total

    def responses(self, f: np.ndarray) -> np.ndarray:
        """R(j) for j = 0..p−2: f of shape (p−1,) or (p−1, b), real; the result has its shape.

        i and j enter alike, so this map is its own adjoint.
        """
        out = np.zeros(f.shape)
        for half in self.halves:
            folded = f[: self.m] + half.sign * f[self.m :]
            _take_out_mean(folded, half.transform)
            spectrum = half.transform.forward(folded, self.workers)
            np.conj(spectrum, out=spectrum)
            spectrum *= _column(half.psi_hat, f.ndim)
            half.add(half.transform.inverse(spectrum, self.workers), out)
        return out


def halves_of(cls: ModularMultiplication) -> int:
    """How many halves of ψ, even and odd, differ from a constant: 1 or 2, or 0 where ψ is constant on the units.

    Cost: O(p) memory and time, no transform.
    """
    psi = cls.table()[1:]
    psi = psi - psi.mean()
    largest = float(np.abs(psi).max(initial=0.0))
    # x -> −x turns the table 1..p−1 around.
    return sum(float(np.abs(psi + sign * psi[::-1]).max()) > 2.0 * _ROUNDING * largest for sign in (1.0, -1.0))


def in_logarithmic_order(rows: np.ndarray, logarithms: Integers, order: int, weights: Floats | None = None) -> Floats:
    """f(i) = Σ of the rows whose point has the logarithm i; rows of the point 0 (logarithm −1) are left out.

    Args:
        rows: shape (n,) or (n, b).
        logarithms: of the points, int64, shape (n,).
        order: p − 1.
        weights: of the rows, shape (n,); each counts once without them.

    Returns:
        float64, shape (order,) or (order, b).
    """
    out = np.zeros((order, *rows.shape[1:]))
    units = np.flatnonzero(logarithms >= 0)
    target = logarithms[units]
    apart = all_differ(target, order)
    for part in pieces(len(units), _ANY_ORDER * out[:1].size):
        found = rows[units[part]]
        if weights is not None:
            found = _column(weights[units[part]], rows.ndim) * found
        if apart:
            out[target[part]] = found
        else:
            np.add.at(out, target[part], found)
    return out


def in_their_order(by_logarithm: np.ndarray, logarithms: Integers) -> Floats:
    """The rows of these logarithms, whatever they are for −1: float64, shape (n, b)."""
    out = np.empty((len(logarithms), by_logarithm.shape[1]))
    for part in pieces(len(out), _ANY_ORDER * out.shape[1]):
        out[part] = by_logarithm[logarithms[part]]
    return out


def all_differ(logarithms: Integers, order: int) -> bool:
    """Whether no logarithm occurs twice; each lies in 0..order−1."""
    return int(np.bincount(logarithms, minlength=order).max(initial=0)) <= 1


def _take_out_mean(folded: np.ndarray, transform: HalfTransform) -> None:
    """Of a periodic half, whose mean ψ̃ does not see: in the transform its rounding would reach every frequency."""
    if not transform.odd:
        folded -= folded.mean(axis=0)


def _column(vector: np.ndarray, rank: int) -> np.ndarray:
    return vector.reshape(-1, *[1] * (rank - 1))
