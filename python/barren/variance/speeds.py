"""How fast a problem's pieces are: the machine's rates, and the model's seconds a sample.

What a rule computes is counted: multiply-adds at the speed of a matrix product. What a layer without a rule takes
cannot be counted, nor what another device does: one pass is timed on a few samples. Before long work the rest is timed
too. `barren.plan` and `gradient_variance` ask the same way, so they choose alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from barren.tangents.base import Tangent
from barren.variance.calibration import Rates, rates
from barren.variance.problem import Problem

# Samples of a timing, one after the other while there is time: the last two tell what a call costs from what a sample
# costs.
_SAMPLES = (1, 4, 16, 64, 256)
# Seconds that one timing may take, but for the first sample. A problem has at most five.
_BUDGET = 0.3
# Runs shorter than the first are made four times; one longer than the second is not made again.
_SHORT, _LONG = 0.05, 2.0
_DIRECTIONS = 8
# A pass over a model's samples, as a share of its checks, measured on small networks; a larger model's work is counted.
_CALL, _LARGEST_CALL = 0.8, 0.02
_COTANGENTS = 8


class Speeds:
    """What the methods' predictions are made of.

    Args:
        problem: the problem.
        timed: whether to time the model where it could be counted; on another device it is timed in any case.
        probed: whether probes may be chosen, so that it is worth trying whether forward mode goes through the model.
    """

    def __init__(self, problem: Problem, *, timed: bool = False, probed: bool = False) -> None:
        self._problem, self._tangent = problem, problem.tangent
        self._n = len(problem.points)
        self.timed = (timed or problem.tangent.is_remote) and problem.tangent.is_model
        self._probed = probed

    @cached_property
    def rates(self) -> Rates:
        """Of the machine."""
        return rates(self._problem.threads)

    @property
    def fixed(self) -> float:
        """Seconds that every method takes, however little there is to compute: the checks, and the calls themselves."""
        return self.rates.call + self._problem.prepared + self.model_call

    @property
    def model_call(self) -> float:
        """Seconds of one pass over a small model's samples: so much of its checks, which are such passes themselves."""
        return min(_CALL * self._problem.prepared, _LARGEST_CALL) if self._tangent.is_model else 0.0

    @cached_property
    def has_products(self) -> bool:
        """Whether forward mode goes through the model: tried where an estimate may be made, which needs to know."""
        return not self._probed or self._tangent.has_products

    @cached_property
    def backward(self) -> float:
        """Seconds of one sample, forward and backward, with its squared norm; layers without a rule as `a_pass`."""
        if self.timed:
            return self._a_sample(lambda part: part.squared_norms())
        counted = 3.0 * self._tangent.parameters * self.rates.product(self._tangent.dtype)
        return counted + (self.every_gradient if self._passes else 0.0)

    @property
    def backward_by_rules(self) -> float:
        """The part of `backward` that is for the layers with a rule."""
        return max(0.0, self.backward - self.every_gradient) if self._passes else self.backward

    @cached_property
    def forward(self) -> float:
        """Seconds of one sample and one direction of forward mode."""
        if not (self.timed and self._probed and self.has_products):
            return 2.0 / 3.0 * self.backward
        directions = np.ones((self._tangent.parameters, _DIRECTIONS))
        return self._a_sample(lambda part: part.products(directions)) / _DIRECTIONS

    @cached_property
    def a_pass(self) -> float:
        """Seconds of one sample in one pass through the layers without a rule, for few of their gradients."""
        return self._a_sample(lambda part: part.column_pass(every=False))

    @cached_property
    def every_gradient(self) -> float:
        """Seconds of one sample in a pass that makes the gradients of all these layers."""
        return max(self.a_pass, self._a_sample(lambda part: part.column_pass(every=True)))

    def made(self, make: Callable[[], object]) -> float:
        """Seconds of some work, timed: a share of all."""
        return _least(make)

    def pulled_back(self, pull: Callable[[np.ndarray], object]) -> float:
        """Seconds of a cotangent of a model of several outputs, at all inputs: timed, as it is a share of the work."""
        tangent: Any = self._tangent
        fitting = self._problem.memory_limit // (64 * self._n * tangent.logits)
        count = int(np.clip(fitting, 1, _COTANGENTS))
        cotangents = np.ones((count, self._n, tangent.logits))
        return _least(lambda: pull(cotangents)) / count

    def columns(self, bytes_limit: int, *, by_layer: bool = False) -> float:
        """Seconds to make every Jacobian column in blocks of so many bytes: each group of columns is a pass."""
        passes, entries = self._tangent.column_passes(bytes_limit, by_layer=by_layer)
        total = self._tangent.parameters * self._entry
        if passes:
            _, columns = self._tangent.column_passes(2**62)
            total += passes * self.a_pass + entries / columns * (self.every_gradient - self.a_pass)
        return self._n * total

    @cached_property
    def theta(self) -> float:
        """Seconds to multiply one entry of Θ, over all layers."""
        tangent = self._tangent
        if not (tangent.is_remote and tangent.is_model):
            return tangent.ntk_cost * self.rates.gram(tangent.dtype)
        some = self._part(_SAMPLES[-1])
        return _least(lambda: [block for _, block in some.ntk(slice(None), slice(None))]) / some.n**2

    @cached_property
    def _passes(self) -> int:
        return self._tangent.column_passes(2**62)[0]

    @cached_property
    def _entry(self) -> float:
        """Seconds to make one entry of a column that a rule gives."""
        if not self.timed or self._passes:
            return self.rates.entry

        def make(part: Tangent) -> None:
            done = 0
            for _, block in part.column_blocks(part.dtype.itemsize * part.n * 32):
                done += block.shape[1]
                if done >= wanted:
                    return

        wanted = min(self._tangent.parameters, 2**12)
        return max(self._a_sample(make) - self.backward, 0.0) / wanted + 0.1 * self.rates.entry

    def _part(self, count: int) -> Tangent:
        return self._tangent.take(np.arange(min(count, self._tangent.n)))

    def _a_sample(self, work: Callable[[Tangent], object]) -> float:
        start = time.perf_counter()
        before, count, taken = (0, 0.0), 0, 0.0
        for wanted in _SAMPLES:
            before, count = (count, taken), min(wanted, self._tangent.n)
            # A fresh part for every run: a tangent keeps what it has computed.
            taken = _least(lambda some=count: work(self._part(some)))  # type: ignore[misc]
            # The next is four times as long.
            if count == self._tangent.n or 4.0 * taken > _BUDGET - (time.perf_counter() - start):
                break
        if count == before[0]:
            return taken / count
        return max(taken - before[1], 0.1 * taken) / (count - before[0])


def _least(work: Callable[[], object]) -> float:
    """The least time of two runs, of four where they are short: the first pays for what a library sets up once."""
    best = np.inf
    for run in range(4):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
        if best > (_SHORT if run else _LONG):
            break
    return max(float(best), 1e-9)
