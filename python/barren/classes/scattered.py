"""Responses of all frequencies 1..A to scattered points by non-uniform Fourier transforms (docs/theory, section 5).

For a sum of cosines the transforms of the harmonics are added up.
Two real columns make one complex column u + iv, and Σ_j c_j(u_j + iv_j)cos(2πa·kx_j) is the mean of its modes a and −a.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from barren import _core, _nufft, _twofold
from barren._validate import Floats

if TYPE_CHECKING:
    from barren.classes.frequency import Frequencies

# Columns transformed together: memory is what more would cost.
COLUMNS = 16


def obstacle(cls: Frequencies) -> str | None:
    """Why there is no transform for this class, or None."""
    if not cls.circle.is_trigonometric:
        return f"it needs a cosine or a finite sum of them, and the target is {cls.target!r}"
    if cls.kind != "integers":
        return "it needs the frequencies 1..A"
    if _nufft.backend() is None:
        return "it needs ducc0 or finufft (pip install 'barren[fast]')"
    return None


def responses(cls: Frequencies, points: Floats, weights: Floats, block: np.ndarray, threads: int = 0) -> Floats:
    """R[a] = Σ_x c_x·(ψ(ax) − c₀)·J(x) for a = 1..A, c₀ = ∫ψ: block of shape (n, b), float64 of shape (A, b)."""
    workers, waves = threads or _core.available_threads(), _waves(cls, points)
    out = np.empty((cls.size, block.shape[1]))
    for first in range(0, block.shape[1], COLUMNS):
        packed = _packed(weights[:, None] * block[:, first : first + COLUMNS].astype(np.float64))
        means = np.zeros((len(packed), cls.size), dtype=np.complex128)
        for factor, x in waves:
            modes = _nufft.to_modes(x, packed, cls.size, workers)
            _core.checkpoint()
            means += 0.5 * factor * (modes[:, cls.size + 1 :] + modes[:, cls.size - 1 :: -1])
        _unpack(means, out[:, first : first + COLUMNS])
    return out


def adjoint(cls: Frequencies, points: Floats, block: np.ndarray, threads: int = 0) -> Floats:
    """Σ_a (ψ(ax) − c₀)·block[a]/A at every point: block of shape (A, b), float64 of shape (n, b)."""
    workers, waves = threads or _core.available_threads(), _waves(cls, points)
    out = np.empty((len(points), block.shape[1]))
    for first in range(0, block.shape[1], COLUMNS):
        packed = _packed(block[:, first : first + COLUMNS] / (2.0 * cls.size))
        modes = np.concatenate([packed[:, ::-1], np.zeros((len(packed), 1)), packed], axis=1)
        values = np.zeros((len(packed), len(points)), dtype=np.complex128)
        for factor, x in waves:
            values += factor * _nufft.to_points(x, modes, workers)
        _unpack(values, out[:, first : first + COLUMNS])
    return out


def _waves(cls: Frequencies, points: Floats) -> list[tuple[float, Floats]]:
    """The factor of every cosine, and the fractions of k·x."""
    terms = ((factor, float(wave.harmonic)) for factor, wave in cls.circle.terms)
    return [(factor, _twofold.fraction(_twofold.two_product(k, points))[0]) for factor, k in terms]


def _packed(columns: np.ndarray) -> np.ndarray:
    """Columns two by two as complex rows."""
    out = np.zeros(((columns.shape[1] + 1) // 2, len(columns)), dtype=np.complex128)
    out.real = columns[:, 0::2].T
    out.imag[: columns.shape[1] // 2] = columns[:, 1::2].T
    return out


def _unpack(packed: np.ndarray, out: np.ndarray) -> None:
    out[:, 0::2] = packed.real.T
    out[:, 1::2] = packed.imag[: out.shape[1] // 2].T
