"""Fourier transforms along one axis: ducc0 when it is installed, scipy otherwise.

The number of workers changes no bit of the result: columns are cut in the same way for any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, cast

import numpy as np

from barren import _core
from barren._pool import in_order

# A length without a prime factor as large as this is transformed factor by factor.
_BLUESTEIN = 100
# What is left of a length without the power of its largest prime must be this, or two transforms take as long as one.
_LEAST_FEW = 3
# Doubles that one call transforms, so that threads share the calls and what one reads and writes stays near; beyond the
# second, a length with a large prime factor is taken in half vectors, so that Ctrl-C need not wait for long.
_NUMBERS, _FEWER_NUMBERS = 1 << 17, 1 << 21
# Numbers for which threads are worth their start.
_WORTH_THREADS = 1 << 17
# Columns that the libraries take together.
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


def rfft(x: np.ndarray, axis: int = 0, workers: int = 1) -> np.ndarray:
    """Transform of real data, non-negative frequencies only: X[k] = Σ_i x[i]·e(−ik/n) for k = 0..n//2."""
    if _has_ducc0():
        from ducc0 import fft as ducc

        def transform(part: np.ndarray, into: np.ndarray | None, threads: int) -> np.ndarray:
            return cast(np.ndarray, ducc.r2c(part, axes=(axis,), forward=True, nthreads=threads, out=into))
    else:
        from scipy import fft as scipy_fft

        def transform(part: np.ndarray, into: np.ndarray | None, threads: int) -> np.ndarray:
            return cast(np.ndarray, scipy_fft.rfft(part, axis=axis, workers=threads))

    return _in_pieces(transform, x, x.shape[axis] // 2 + 1, axis, np.complex128, workers)


def irfft(x: np.ndarray, n: int, axis: int = 0, workers: int = 1) -> np.ndarray:
    """Inverse of `rfft` for data of length n."""
    if _has_ducc0():
        from ducc0 import fft as ducc

        def transform(part: np.ndarray, into: np.ndarray | None, threads: int) -> np.ndarray:
            how: dict[str, Any] = {"forward": False, "inorm": 2, "nthreads": threads, "out": into}
            return cast(np.ndarray, ducc.c2r(part, axes=(axis,), lastsize=n, **how))
    else:
        from scipy import fft as scipy_fft

        def transform(part: np.ndarray, into: np.ndarray | None, threads: int) -> np.ndarray:
            return cast(np.ndarray, scipy_fft.irfft(part, n=n, axis=axis, workers=threads))

    return _in_pieces(transform, x, n, axis, np.float64, workers)


def fft(x: np.ndarray, axis: int = 0, workers: int = 1) -> np.ndarray:
    """Transform of complex data: X[k] = Σ_i x[i]·e(−ik/n) for k = 0..n−1."""
    return _complex(x, axis, workers, forward=True)


def ifft(x: np.ndarray, axis: int = 0, workers: int = 1) -> np.ndarray:
    """Inverse of `fft`."""
    return _complex(x, axis, workers, forward=False)


def good_thomas(n: int) -> tuple[int, int]:
    """Coprime (few, large) with few·large = n, in whose order `fft_in_place` takes and gives n numbers; few may be 1.

    A length with a large prime factor goes by Bluestein's algorithm, a convolution of more than twice the length. By
    the map of Good and Thomas (docs/theory, section 3.2) it is the length of that factor alone, which fits in a cache.

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


def fft_in_place(x: np.ndarray, lengths: tuple[int, int], workers: int = 1) -> None:
    """The transform along axis 0 of complex x, shape (few·large, b), in place.

    Rows are in the order of `good_thomas_order`, and frequencies come in an order of their own.

    Cost: two sets of transforms, b·large of length few and b·few of length large.

    Source: docs/theory, section 3.2.
    """
    few, large = lengths
    columns = x.shape[1]
    cubes = [x.reshape(1, few, large * columns), x.reshape(few, large, columns)]
    for cube in cubes[0 if few > 1 else 1 :]:
        wide = _columns_a_piece(cube.shape[1], 2 * cube.shape[1])
        high = max(1, wide // cube.shape[2])

        def transform(corner: tuple[int, int], cube: np.ndarray = cube, high: int = high, wide: int = wide) -> None:
            part = cube[corner[0] : corner[0] + high, :, corner[1] : corner[1] + wide]
            found = _complex_part(part, 1, part, 1, forward=True)
            if not np.may_share_memory(found, part):
                part[...] = found

        corners = ((i, j) for i in range(0, len(cube), high) for j in range(0, cube.shape[2], wide))
        _each(transform, corners, workers, x.size)


def _complex(x: np.ndarray, axis: int, workers: int, *, forward: bool) -> np.ndarray:
    def transform(part: np.ndarray, into: np.ndarray | None, threads: int) -> np.ndarray:
        return _complex_part(part, axis, into, threads, forward=forward)

    return _in_pieces(transform, x, x.shape[axis], axis, np.complex128, workers)


def _complex_part(x: np.ndarray, axis: int, out: np.ndarray | None, threads: int, *, forward: bool) -> np.ndarray:
    """One call of the library; in place where `out` is `x` itself, if the library can."""
    if _has_ducc0():
        from ducc0 import fft as ducc

        how: dict[str, Any] = {"inorm": 0 if forward else 2, "nthreads": threads, "out": out}
        return cast(np.ndarray, ducc.c2c(x, axes=(axis,), forward=forward, **how))
    from scipy import fft as scipy_fft

    one_way = scipy_fft.fft if forward else scipy_fft.ifft
    return cast(np.ndarray, one_way(x, axis=axis, workers=threads, overwrite_x=out is x))


def _in_pieces(
    transform: Callable[[np.ndarray, np.ndarray | None, int], np.ndarray],
    x: np.ndarray,
    length: int,
    axis: int,
    dtype: Any,
    workers: int,
) -> np.ndarray:
    """The transforms of some columns after the other, so that Ctrl-C need not wait for all; `length` of the result.

    A library takes columns together, as many as a vector holds, and the rest otherwise: which ones must not depend on
    the number of threads, so each call has one thread and the calls are shared out.
    """
    _core.checkpoint()
    if x.ndim == 1:
        return transform(x, None, workers)
    columns = x.shape[1 - axis]
    doubles = max(x.shape[axis] * (2 if np.iscomplexobj(x) else 1), length * (2 if dtype == np.complex128 else 1))
    step = _columns_a_piece(max(x.shape[axis], length), doubles)
    out = np.empty((length, columns) if axis == 0 else (columns, length), dtype)

    def piece(start: int) -> None:
        part = slice(start, start + step)
        place = (slice(None), part) if axis == 0 else (part, slice(None))
        found = transform(x[place], out[place], 1)
        if not np.may_share_memory(found, out):
            out[place] = found

    _each(piece, iter(range(0, columns, step)), workers, out.size)
    return out


def _each(work: Callable[[Any], None], tasks: Iterator[Any], workers: int, size: int) -> None:
    """work(task) for every task, on threads where the arrays are large."""

    def checked(task: Any) -> None:
        _core.checkpoint()
        work(task)

    for _ in in_order(checked, tasks, workers if size > _WORTH_THREADS else 1):
        pass


def _columns_a_piece(longest: int, doubles: int) -> int:
    """How many columns one call transforms: whole vectors of them, as the libraries take them.

    Args:
        longest: the length of the transform, of two the longer, for one may have only half of the frequencies.
        doubles: of a column.
    """
    smooth = longest < _BLUESTEIN or _largest_factor(longest) < _BLUESTEIN
    # One call on columns of a prime length of a million is a tenth of a second even so.
    least = _VECTOR if smooth or doubles < _FEWER_NUMBERS // _VECTOR else _VECTOR // 2
    return max(least, _NUMBERS // doubles // least * least)


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
