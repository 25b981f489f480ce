"""The largest eigenvalue of a symmetric positive semidefinite matrix or operator, and its eigenvector."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from barren._validate import Floats

DENSE = 512
"""Up to here a dense eigenvalue problem is as quick as Lanczos and simpler."""

LARGEST_BYTES = 2**31
"""No matrix larger than this is held."""


def largest_dense(matrix: np.ndarray) -> tuple[float, Floats]:
    """Of a matrix; the vector has norm 1.

    Raises:
        ArithmeticError: an entry is not finite.
    """
    _check_finite(matrix)
    values, vectors = np.linalg.eigh(matrix)
    return max(0.0, float(values[-1])), np.asarray(vectors[:, -1])


def largest_lanczos(
    apply: Callable[[np.ndarray], np.ndarray], n: int, start: np.ndarray | None = None
) -> tuple[float, Floats]:
    """Of an operator on R^n, by the implicitly restarted Lanczos method to machine precision; the vector has norm 1.

    Args:
        apply: v -> Av for v of shape (n,) or (n, 1); the result has shape (n,).
        n: the dimension.
        start: where to start, default a vector of seeded noise: the same in every run.

    Raises:
        ArithmeticError: the operator gives a number that is not finite.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    if start is None:
        start = np.random.default_rng(0).standard_normal(n)
    first = apply(start)
    _check_finite(first)
    if n < 3 or not first.any():  # too small for Lanczos, or a class that does not vary: nothing to start from
        return largest_dense(np.stack([apply(row) for row in np.eye(n)])) if n < 3 else (0.0, start / np.sqrt(n))
    operator = LinearOperator((n, n), matvec=apply, dtype=np.float64)
    values, vectors = eigsh(operator, k=1, which="LA", v0=start)
    return max(0.0, float(values[0])), np.asarray(vectors[:, 0])


def _check_finite(array: np.ndarray) -> None:
    """An eigenvalue of NaN would pass for 0 in max(0, ·)."""
    if not np.isfinite(array).all():
        raise ArithmeticError("a matrix whose largest eigenvalue is wanted has an entry that is not finite")
