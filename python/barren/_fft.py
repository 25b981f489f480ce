"""Fourier transforms along one axis: ducc0 when it is installed, scipy otherwise.

Both transform every column by itself, so the number of workers changes no bit of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, cast

import numpy as np

from barren import _core

# A length without a prime factor as large as this is transformed factor by factor.
_BLUESTEIN = 100
# What is left of a length without the power of its largest prime must be this, or two transforms take as long as one.
_LEAST_FEW = 3
# Doubles that one call transforms: a tenth of a second; the fewer where the length has a large prime factor.
_NUMBERS, _FEWER_NUMBERS = 1 << 22, 1 << 21
# Columns that the libraries take together: no fewer, but half of them where the length has a large prime factor.
_VECTOR = 8


@lru_cache(maxsize=1)
def _has_ducc0() -> bool:
    return find_spec("ducc0") is not None


def backend() -> str:
    """Name and version of the library that does the transforms."""
    return release("ducc0" if _has_ducc0() else "scipy")


@lru_cache(maxsize=8)
def release(name: str) -> str:
    """Name and version of an installed library; reading them takes milliseconds, and planners ask again and again."""
    from importlib.metadata import version

    return f"{name} {version(name)}"


def rfft(x: np.ndarray, axis: int = 0, workers: int = 1, out: np.ndarray | None = None) -> np.ndarray:
    """Transform of real data, non-negative frequencies only: X[k] = Σ_i x[i]·e(−ik/n) for k = 0..n//2.

    `out` is memory that may be used for the result: a fresh array of many megabytes costs as much as its transform.
    """
    if _has_ducc0():
        from ducc0 import fft as ducc

        def transform(part: np.ndarray, into: np.ndarray | None) -> np.ndarray:
            return cast(np.ndarray, ducc.r2c(part, axes=(axis,), forward=True, nthreads=workers, out=into))
    else:
        from scipy import fft as scipy_fft

        def transform(part: np.ndarray, into: np.ndarray | None) -> np.ndarray:
            return cast(np.ndarray, scipy_fft.rfft(part, axis=axis, workers=workers))

    return _in_pieces(transform, x, x.shape[axis] // 2 + 1, axis, np.complex128, out)


def irfft(x: np.ndarray, n: int, axis: int = 0, workers: int = 1) -> np.ndarray:
    """Inverse of `rfft` for data of length n."""
    if _has_ducc0():
        from ducc0 import fft as ducc

        def transform(part: np.ndarray, into: np.ndarray | None) -> np.ndarray:
            how: dict[str, Any] = {"forward": False, "inorm": 2, "nthreads": workers, "out": into}
            return cast(np.ndarray, ducc.c2r(part, axes=(axis,), lastsize=n, **how))
    else:
        from scipy import fft as scipy_fft

        def transform(part: np.ndarray, into: np.ndarray | None) -> np.ndarray:
            return cast(np.ndarray, scipy_fft.irfft(part, n=n, axis=axis, workers=workers))

    return _in_pieces(transform, x, n, axis, np.float64, None)


def fft(x: np.ndarray, axis: int = 0, workers: int = 1, out: np.ndarray | None = None) -> np.ndarray:
    """Transform of complex data: X[k] = Σ_i x[i]·e(−ik/n) for k = 0..n−1; `out` as for `rfft`."""
    return _complex(x, axis, workers, out, forward=True)


def ifft(x: np.ndarray, axis: int = 0, workers: int = 1) -> np.ndarray:
    """Inverse of `fft`."""
    return _complex(x, axis, workers, None, forward=False)


def good_thomas(n: int) -> tuple[int, int]:
    """Coprime (few, large) with few·large = n, in whose order `fft_in_place` takes and gives n numbers; few may be 1.

    A length with a large prime factor goes by Bluestein's algorithm, a convolution of more than twice the length. By
    the map of Good and Thomas it is the length of that factor alone, which fits in a cache.

    >>> good_thomas(3 * 7 * 2381), good_thomas(2 * 2381), good_thomas(2**16)
    ((21, 2381), (1, 4762), (1, 65536))
    """
    prime = large = _largest_factor(n)
    while prime > 1 and n // large % prime == 0:
        large *= prime
    few = n // large
    return (few, large) if prime >= _BLUESTEIN and few >= _LEAST_FEW else (1, n)


def is_by_bluestein(n: int) -> bool:
    """Whether `fft_in_place` transforms all of a length by a convolution."""
    return _largest_factor(n) >= _BLUESTEIN and good_thomas(n)[0] == 1


def good_thomas_order(few: int, large: int) -> np.ndarray:
    """The number i(r) of the sample in row r: that with the rests r // large modulo few and r % large modulo large."""
    first = large * pow(large, -1, few) * np.arange(few, dtype=np.int64)[:, None]
    second = few * pow(few, -1, large) * np.arange(large, dtype=np.int64)
    return np.asarray((first + second) % (few * large)).reshape(-1)


def fft_in_place(x: np.ndarray, lengths: tuple[int, int], workers: int = 1, *, forward: bool = True) -> None:
    """The transform along axis 0 of complex x, shape (few·large, b), forward e(−ik/n), backward e(ik/n)/n, in place.

    Rows are in the order of `good_thomas_order`; frequencies come in an order of their own, the same for both ways.
    """
    few, large = lengths
    columns = x.shape[1]
    sides = [(x.reshape(1, few, large * columns), few), (x.reshape(few, large, columns), large)]
    for cube, length in sides:
        if length == 1:
            continue
        # Some of the other axes at a time, so that Ctrl-C need not wait for all.
        for start in range(0, len(cube), _rows_a_piece(cube)):
            rows = cube[start : start + _rows_a_piece(cube)]
            for column in range(0, cube.shape[2], _most_columns(length)):
                _core.checkpoint()
                part = rows[:, :, column : column + _most_columns(length)]
                found = _complex_part(part, 1, workers, part, forward=forward)
                if not np.may_share_memory(found, part):
                    part[...] = found


def _rows_a_piece(cube: np.ndarray) -> int:
    return max(1, _FEWER_NUMBERS // (2 * cube[:1].size))


def _most_columns(length: int) -> int:
    least = _VECTOR // 2 if _largest_factor(length) >= _BLUESTEIN else _VECTOR
    return max(least, _FEWER_NUMBERS // (2 * length) // least * least)


def _complex(x: np.ndarray, axis: int, workers: int, out: np.ndarray | None, *, forward: bool) -> np.ndarray:
    def transform(part: np.ndarray, into: np.ndarray | None) -> np.ndarray:
        return _complex_part(part, axis, workers, into, forward=forward)

    return _in_pieces(transform, x, x.shape[axis], axis, np.complex128, out)


def _complex_part(x: np.ndarray, axis: int, workers: int, out: np.ndarray | None, *, forward: bool) -> np.ndarray:
    """One call of the library; in place where `out` is `x` itself, if the library can."""
    if _has_ducc0():
        from ducc0 import fft as ducc

        how: dict[str, Any] = {"inorm": 0 if forward else 2, "nthreads": workers, "out": out}
        return cast(np.ndarray, ducc.c2c(x, axes=(axis,), forward=forward, **how))
    from scipy import fft as scipy_fft

    one_way = scipy_fft.fft if forward else scipy_fft.ifft
    return cast(np.ndarray, one_way(x, axis=axis, workers=workers, overwrite_x=out is x))


def _in_pieces(
    transform: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    x: np.ndarray,
    length: int,
    axis: int,
    dtype: Any,
    out: np.ndarray | None,
) -> np.ndarray:
    """The transforms of some columns after the other, so that Ctrl-C need not wait for all; `length` of the result."""
    _core.checkpoint()
    if x.ndim == 1:
        return transform(x, out)
    columns, step = x.shape[1 - axis], _columns_a_piece(x, length, axis, dtype)
    if columns <= step:
        return transform(x, out)
    if out is None:
        out = np.empty((length, columns) if axis == 0 else (columns, length), dtype)
    for start in range(0, columns, step):
        _core.checkpoint()
        part = slice(start, start + step)
        place = (slice(None), part) if axis == 0 else (part, slice(None))
        found = transform(x[place], out[place])
        if not np.may_share_memory(found, out):
            out[place] = found
    return out


def _columns_a_piece(x: np.ndarray, length: int, axis: int, dtype: Any) -> int:
    """How many columns one call transforms: whole vectors of them, as the libraries take them."""
    longest = max(x.shape[axis], length)  # of the two one may have only half of the frequencies
    doubles = max(x.shape[axis] * (2 if np.iscomplexobj(x) else 1), length * (2 if dtype == np.complex128 else 1))
    smooth = longest < _BLUESTEIN or _largest_factor(longest) < _BLUESTEIN
    limit, least = (_NUMBERS, _VECTOR) if smooth else (_FEWER_NUMBERS, _VECTOR // 2)
    step: int = max(least, limit // doubles // least * least)
    return step


@lru_cache(maxsize=64)
def _largest_factor(n: int) -> int:
    import sympy

    factors: list[int] = sympy.primefactors(n)
    return max(factors, default=1)


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
    largest = _largest_factor(n)
    smooth = largest < _BLUESTEIN
    if not _has_ducc0():
        times = 3.1 if smooth else (19.1 if real else 9.1)
    elif largest == n and not smooth:
        times = 17.2 if real else 7.1
    else:
        share = 0.0 if smooth else largest / n
        times = 3.4 + 24.0 * share if real else 2.1 + 16.0 * share
    return int(times * n * (8 if real else 16))
