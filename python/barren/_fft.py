"""Fourier transforms along one axis: ducc0 when it is installed, scipy otherwise.

Both transform every column by itself, so the number of workers changes no bit of the result.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import cast

import numpy as np


@lru_cache(maxsize=1)
def _has_ducc0() -> bool:
    return find_spec("ducc0") is not None


def backend() -> str:
    """Name and version of the library that does the transforms."""
    name = "ducc0" if _has_ducc0() else "scipy"
    return f"{name} {version(name)}"


def rfft(x: np.ndarray, axis: int = 0, workers: int = 1, out: np.ndarray | None = None) -> np.ndarray:
    """Transform of real data, non-negative frequencies only: X[k] = Σ_i x[i]·e(−ik/n) for k = 0..n//2.

    `out` is memory that may be used for the result: a fresh array of many megabytes costs as much as its transform.
    """
    if _has_ducc0():
        from ducc0 import fft as ducc

        return cast(np.ndarray, ducc.r2c(x, axes=(axis,), forward=True, nthreads=workers, out=out))
    from scipy import fft as scipy_fft

    return cast(np.ndarray, scipy_fft.rfft(x, axis=axis, workers=workers))


def irfft(x: np.ndarray, n: int, axis: int = 0, workers: int = 1) -> np.ndarray:
    """Inverse of `rfft` for data of length n."""
    if _has_ducc0():
        from ducc0 import fft as ducc

        return cast(np.ndarray, ducc.c2r(x, axes=(axis,), lastsize=n, forward=False, inorm=2, nthreads=workers))
    from scipy import fft as scipy_fft

    return cast(np.ndarray, scipy_fft.irfft(x, n=n, axis=axis, workers=workers))


def fft(x: np.ndarray, axis: int = 0, workers: int = 1, out: np.ndarray | None = None) -> np.ndarray:
    """Transform of complex data: X[k] = Σ_i x[i]·e(−ik/n) for k = 0..n−1; `out` as for `rfft`."""
    if _has_ducc0():
        from ducc0 import fft as ducc

        return cast(np.ndarray, ducc.c2c(x, axes=(axis,), forward=True, nthreads=workers, out=out))
    from scipy import fft as scipy_fft

    return cast(np.ndarray, scipy_fft.fft(x, axis=axis, workers=workers))


def ifft(x: np.ndarray, axis: int = 0, workers: int = 1) -> np.ndarray:
    """Inverse of `fft`."""
    if _has_ducc0():
        from ducc0 import fft as ducc

        return cast(np.ndarray, ducc.c2c(x, axes=(axis,), forward=False, inorm=2, nthreads=workers))
    from scipy import fft as scipy_fft

    return cast(np.ndarray, scipy_fft.ifft(x, axis=axis, workers=workers))
