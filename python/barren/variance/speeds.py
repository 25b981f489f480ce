"""How fast a problem's pieces are: the machine's rates, and the model's seconds a sample.

The model's are counted (multiply-adds at the speed of a matrix product) or, where a plan is asked for by itself or the
work is long, timed on a few samples.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from barren.tangents.base import Tangent
from barren.variance.calibration import Rates, rates, seconds
from barren.variance.problem import Problem

# Two sizes, so that what every call costs is told from what a sample costs.
_FEW, _MORE = 64, 512
_DIRECTIONS = 8


class Speeds:
    """What the methods' predictions are made of.

    Args:
        problem: the problem.
        timed: whether to time the model rather than count.
    """

    def __init__(self, problem: Problem, *, timed: bool) -> None:
        self._problem, self._tangent = problem, problem.tangent
        self.timed = timed and problem.tangent.has_columns

    @cached_property
    def rates(self) -> Rates:
        """Of the machine."""
        return rates(self._problem.threads)

    @cached_property
    def has_products(self) -> bool:
        """Whether forward mode goes through the model: tried only where it is timed, for trying is work too."""
        return not self.timed or self._tangent.has_products

    @cached_property
    def backward(self) -> float:
        """Seconds of one sample and one cotangent, forward and backward."""
        if not self.timed:
            return 3.0 * self._tangent.parameters * self.rates.product(self._tangent.dtype)
        return self._a_sample(lambda part: part.transposed_products(np.ones((part.n, 1))))

    @cached_property
    def forward(self) -> float:
        """Seconds of one sample and one direction of forward mode."""
        if not self.timed or not self.has_products:
            return 2.0 * self._tangent.parameters * self.rates.product(self._tangent.dtype)
        directions = np.ones((self._tangent.parameters, _DIRECTIONS))
        return self._a_sample(lambda part: part.products(directions)) / _DIRECTIONS

    @cached_property
    def column(self) -> float:
        """Seconds to make one entry of a Jacobian column."""
        if not self.timed:
            return self.rates.entry
        some = self._tangent.take(self._rows(_MORE))
        columns = max(1, min(self._tangent.parameters, 2**21 // some.n))

        def make() -> None:
            done = 0
            for _, block in some.column_blocks(some.dtype.itemsize * some.n * 32):
                done += block.shape[1]
                if done >= columns:
                    return

        return seconds(make, 2) / (some.n * columns)

    def _rows(self, count: int) -> np.ndarray:
        return np.arange(min(count, self._tangent.n))

    def _a_sample(self, work: Callable[[Tangent], object]) -> float:
        few, more = (self._tangent.take(self._rows(count)) for count in (_FEW, _MORE))
        if few.n == more.n:
            return seconds(lambda: work(more), 2) / more.n
        least, most = (seconds(lambda part=part: work(part), 2) for part in (few, more))  # type: ignore[misc]
        return max(most - least, 0.1 * most) / (more.n - few.n)
