"""Fourier transforms along one axis: ducc0 when it is installed, scipy otherwise.

Both transform every column by itself, so the number of workers changes no bit of the result.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import cast

import numpy as np

# A length without a prime factor as large as this is transformed factor by factor.
_BLUESTEIN = 100


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


def working_bytes(n: int, *, real: bool) -> int:
    """About how much memory one transform of length n takes beside its input, its result included.

    A length with a large prime factor q goes by Bluestein's algorithm, a convolution of twice the length: ducc0 does it
    for the factor alone, scipy for the whole length. The multiples of the input were measured with both libraries at
    lengths of about two million: prime, 11q, 22q, 1000q and smooth.

    Args:
        n: the length.
        real: whether the input is real (`rfft`) and not complex (`fft`).

    >>> working_bytes(2**20, real=False) // 2**20
    33
    """
    import sympy

    largest = max(sympy.primefactors(n), default=1)
    smooth = largest < _BLUESTEIN
    if not _has_ducc0():
        times = 3.1 if smooth else (19.1 if real else 9.1)
    elif largest == n and not smooth:
        times = 17.2 if real else 7.1
    else:
        share = 0.0 if smooth else largest / n
        times = 3.4 + 24.0 * share if real else 2.1 + 16.0 * share
    return int(times * n * (8 if real else 16))
