"""Non-uniform Fourier transforms in one dimension: ducc0 when it is installed, else finufft, else none.

Both are asked for about 2.5e-13 of the largest sum; the rounding of phases adds an error in proportion to the
modes, which `frequency_nufft_accuracy` of the benchmarks measures. Each transform runs on one thread, several of them
side by side: on several threads its sums would join in another order each time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

import numpy as np

from barren import _core
from barren._pool import in_order
from barren._validate import Floats

# What is asked of the library; ducc0 offers no more than 2e-13.
_ACCURACY = 2.5e-13


@lru_cache(maxsize=1)
def _name() -> str | None:
    return next((name for name in ("ducc0", "finufft") if find_spec(name) is not None), None)


def backend() -> str | None:
    """Name and version of the library that does the transforms, None where there is none."""
    from importlib.metadata import version

    name = _name()
    return None if name is None else f"{name} {version(name)}"


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
    out = np.empty((len(columns), 2 * largest + 1), dtype=np.complex128)
    phases = 2.0 * np.pi * x
    if _name() == "ducc0":
        from ducc0 import nufft

        def transform(column: np.ndarray, modes: np.ndarray) -> None:
            how = {"forward": False, "epsilon": _ACCURACY, "nthreads": 1}
            nufft.nu2u(points=column, coord=phases[:, None], out=modes, **how)
    else:
        import finufft

        def transform(column: np.ndarray, modes: np.ndarray) -> None:
            finufft.nufft1d1(phases, column, out=modes, eps=_ACCURACY, isign=1, nthreads=1)

    _row_by_row(transform, columns, out, workers)
    return out


def to_points(x: Floats, modes: np.ndarray, workers: int = 1) -> np.ndarray:
    """Σ_k modes[k]·e(k·x_j) over k = −K..K at every point: the transpose of `to_modes`.

    Args:
        x: points in [−1/2, 1/2], float64, shape (n,).
        modes: complex128, shape (b, 2K + 1).
        workers: threads; the bits do not depend on them.

    Returns:
        complex128, shape (b, n).
    """
    out = np.empty((len(modes), len(x)), dtype=np.complex128)
    phases = 2.0 * np.pi * x
    if _name() == "ducc0":
        from ducc0 import nufft

        def transform(row: np.ndarray, values: np.ndarray) -> None:
            how = {"forward": False, "epsilon": _ACCURACY, "nthreads": 1}
            nufft.u2nu(grid=row, coord=phases[:, None], out=values, **how)
    else:
        import finufft

        def transform(row: np.ndarray, values: np.ndarray) -> None:
            finufft.nufft1d2(phases, row, out=values, eps=_ACCURACY, isign=1, nthreads=1)

    _row_by_row(transform, modes, out, workers)
    return out


def _row_by_row(
    transform: Callable[[np.ndarray, np.ndarray], None], rows: np.ndarray, out: np.ndarray, workers: int
) -> None:
    def one(index: int) -> None:
        _core.checkpoint()
        transform(rows[index], out[index])

    for _ in in_order(one, iter(range(len(rows))), min(workers, len(rows))):
        pass
