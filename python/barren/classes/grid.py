"""Frequencies at the points of a grid: x is the fraction j/M itself (docs/theory, section 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from barren import _twofold, _validate
from barren._twofold import Twofold
from barren._validate import Floats
from barren.classes.frequency import Frequencies
from barren.classes.frequency_arguments import column

_MOST_POINTS = 2**51  # the core divides products by M


class OnGrid(Frequencies):
    """A class of frequencies whose points are those of `Grid(M)`: the double next to j/M stands for j/M.

    ψ jumps where a·j/M is a certain fraction, and the double next to j/M would fall on either side. A frequency is the
    double that it is, and counts modulo M: what a·j leaves when it is divided by M is found without an error.

    Args:
        cls: the class.
        M: the number of points of the grid.

    Raises:
        ValueError: M is 2^51 or more.
    """

    M: int

    def __init__(self, cls: Frequencies, M: int) -> None:
        _validate.integer("M", M, low=1, high=_MOST_POINTS - 1)
        for name in ("A", "target", "kind", "dimension", "_given"):
            object.__setattr__(self, name, getattr(cls, name))
        object.__setattr__(self, "M", M)

    def twofold(self, x: Floats) -> Twofold:
        """The fractions j/M as the sum of two doubles."""
        product, rest = _twofold.two_product(float(self.M), x)
        return _twofold.two_sum(x, ((np.rint(product) - product) - rest) / self.M)

    def _at_small_points(self, x: Floats, y: Floats) -> Floats | None:
        """None: a point is the fraction next to the double."""
        return None

    def _points(self, name: str, value: ArrayLike, largest: Floats | None = None) -> Floats:
        points = _validate.coordinates(name, value, dimension=1)
        wrong = np.flatnonzero((points != np.rint(points * self.M) / self.M) | (np.abs(points) > 1.0))
        if wrong.size:
            expected = f"points j/{self.M} of the grid, each rounded once"
            _validate.refuse(ValueError, name, expected, f"{points[wrong[0]]!r} at index {wrong[0]}")
        return super()._points(name, points, largest) if self.kind == "interval" else points

    def _sides(self, a: Floats, x: Floats) -> tuple[Floats, Floats, float]:
        return column(np.fmod(a, float(self.M))), column(np.rint(x * self.M)), float(self.M)

    def _key(self) -> tuple[Any, ...]:
        return *super()._key(), self.M

    def __reduce__(self) -> tuple[Any, ...]:
        rebuilt, arguments = super().__reduce__()
        return _unpickled, (rebuilt(*arguments), self.M)


def _unpickled(cls: Frequencies, M: int) -> OnGrid:
    return OnGrid(cls, M)
