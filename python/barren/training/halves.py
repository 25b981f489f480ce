"""The class kernel by halves: where ψ is even or odd, x and −x say the same, and matrices have half the size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
# left·rightᵀ.
Product = Callable[[Doubles, Doubles], Doubles]

# Relative to the largest entry of K: what rounding may make of entries that are equal.
_ROUNDING = 1e-13


class HalvedKernel:
    """K at n points, as E·k·Eᵀ with k of half the size where K(x, −y) = ±K(x, y) for all points.

    A column of E is δ_x ± δ_{−x}, or δ_x alone where −x = x. Then tr(KΘ̃) = tr(kF) and tr(KΘ̃KΘ̃) = tr(kFkF) with
    F = EᵀΘ̃E: an eighth of the multiply-adds.

    Args:
        kernel: K, float64 of shape (n, n).
        points: The points, shape (n,) or (n, d).
        period: The modulus of integer points.

    Attributes:
        sign: 1 or −1 where K has the symmetry, else 0.
        half: k, or K itself.
    """

    def __init__(self, kernel: Doubles, points: NDArray[Any], period: float) -> None:
        partner = _partners(points, period)
        self.sign = 0 if partner is None else _sign(kernel, partner)
        self.half = kernel
        if self.sign and partner is not None:
            first = np.flatnonzero(np.arange(len(partner)) <= partner)
            alone = first == partner[first]
            # K is zero where an odd function is: at −x = x.
            self._first = first if self.sign > 0 else first[~alone]
            self._second = partner[self._first]
            self._alone = np.flatnonzero(self._first == self._second)
            self.half = np.ascontiguousarray(kernel[np.ix_(self._first, self._first)])

    def moments(self, theta: Doubles, product: Product) -> tuple[float, float]:
        """The traces tr(KΘ̃) and tr(KΘ̃KΘ̃) for a symmetric Θ̃, float64 of shape (n, n)."""
        found = product(self.half, self._folded(theta))
        return float(found.trace()), float(np.einsum("ij,ji->", found, found))

    def _folded(self, theta: Doubles) -> Doubles:
        """F = EᵀΘ̃E: rows first, then columns."""
        if not self.sign:
            return theta
        rows = theta[self._first]
        other = theta[self._second]
        other[self._alone] = 0.0
        rows += self.sign * other
        columns = rows[:, self._second]
        columns[:, self._alone] = 0.0
        folded: Doubles = rows[:, self._first] + self.sign * columns
        return folded


def _partners(points: NDArray[Any], period: float) -> NDArray[np.int64] | None:
    """Where −x is among the points, for each x; None where one is missing or a point comes twice."""
    if points.ndim != 1 or points.dtype.kind not in "if":
        return None
    opposite = (int(period) - points) % int(period) if points.dtype.kind == "i" else -points
    order = np.argsort(points, kind="stable")
    ordered = points[order]
    at = np.minimum(np.searchsorted(ordered, opposite), len(points) - 1)
    if (ordered[1:] == ordered[:-1]).any() or (ordered[at] != opposite).any():
        return None
    return order[at].astype(np.int64)


def _sign(kernel: Doubles, partner: NDArray[np.int64]) -> int:
    """1 where K(x, −y) = K(x, y) for all points, −1 where it is −K(x, y), else 0."""
    allowed = _ROUNDING * float(kernel.diagonal().max())
    turned = kernel[:, partner]
    for sign in (1, -1):
        if float(np.abs(turned - sign * kernel).max()) <= allowed:
            return sign
    return 0
