"""Non-uniform Fourier transforms in one dimension: ducc0 when it is installed, else finufft, else none.

Both are asked for about 2.5e-13 of the largest sum; the rounding of phases adds an error in proportion to the
modes, which `frequency_nufft_accuracy` of the benchmarks measures. Each transform runs on one thread, several of them
side by side: on several threads its sums would join in another order each time.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

import numpy as np

from barren import _core
from barren._fft import release
from barren._pool import in_order
from barren._validate import Floats

# What is asked of the library; ducc0 offers no more than 2e-13.
_ACCURACY = 2.5e-13


@lru_cache(maxsize=1)
def _name() -> str | None:
    return next((name for name in ("ducc0", "finufft") if find_spec(name) is not None), None)


def backend() -> str | None:
    """Name and version of the library that does the transforms, None where there is none."""
    name = _name()
    return None if name is None else release(name)


def to_modes(x: Floats, columns: np.ndarray, largest: int, workers: int = 1) -> np.ndarray:
    """F[k] = Σ_j columns[j]·e(k·x_j) for k = −largest..largest.

    Args:
        x: points in [−1/2, 1/2], float64, shape (n,).
        columns: complex128, shape (b, n): a row a column.
        largest: the largest mode.
        workers: threads; the bits do not depend on them.

    Returns:
        complex128, shape (b, 2·largest + 1).
    """
    return _transformed(x, columns, 2 * largest + 1, workers, to_modes=True)


def to_points(x: Floats, modes: np.ndarray, workers: int = 1) -> np.ndarray:
    """Σ_k modes[k]·e(k·x_j) over k = −K..K at every point: the transpose of `to_modes`.

    Args:
        x: points in [−1/2, 1/2], float64, shape (n,).
        modes: complex128, shape (b, 2K + 1).
        workers: threads; the bits do not depend on them.

    Returns:
        complex128, shape (b, n).
    """
    return _transformed(x, modes, len(x), workers, to_modes=False)


def _transformed(x: Floats, rows: np.ndarray, width: int, workers: int, *, to_modes: bool) -> np.ndarray:
    """The transform of every row, side by side; complex128, shape (b, width)."""
    out = np.empty((len(rows), width), dtype=np.complex128)
    phases = 2.0 * np.pi * x
    if _name() == "ducc0":
        from ducc0 import nufft

        how = {"coord": phases[:, None], "forward": False, "epsilon": _ACCURACY, "nthreads": 1}

        def transform(row: np.ndarray, made: np.ndarray) -> None:
            if to_modes:
                nufft.nu2u(points=row, out=made, **how)
            else:
                nufft.u2nu(grid=row, out=made, **how)
    else:
        import finufft

        library = finufft.nufft1d1 if to_modes else finufft.nufft1d2

        def transform(row: np.ndarray, made: np.ndarray) -> None:
            library(phases, row, out=made, eps=_ACCURACY, isign=1, nthreads=1)

    def share(first: int) -> None:
        for index in range(first, min(first + each, len(rows))):
            _core.checkpoint()
            transform(rows[index], out[index])

    # A task a worker: to hand over one transform takes as long as a short one.
    each = max(1, -(-len(rows) // workers))
    for _ in in_order(share, iter(range(0, len(rows), each)), min(workers, len(rows))):
        pass
    return out
