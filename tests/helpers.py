"""What several test files share: the registry of targets, laws, multipliers and methods, and Jacobians."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

import barren
from barren import inputs, targets

PRIMES = (3, 5, 13, 101)
COMPOSITES = (4, 15, 16, 105)
# Seconds in which Ctrl-C stops a call. Under a sanitizer (scripts/sanitize.py) that it stops at all is what is asked.
AT_ONCE = 60.0 if "san" in os.environ.get("LD_PRELOAD", "") else 0.5

# Nodes of a rule are points like others to most tests, whether or not they stand for its law.
NODES_ALONE = pytest.mark.filterwarnings("ignore:.* nodes are .* for a period of the fastest wave")


def targets_for(p: int) -> list[targets.Target]:
    """Every kind of target that fits modulus p."""
    table = np.random.default_rng(p).standard_normal(p)
    candidates = [
        targets.Sawtooth(),
        targets.Cosine(1),
        targets.Cosine(2),
        targets.Bit(0),
        targets.Bit(1),
        targets.Threshold(0.3),
        targets.Threshold(0.5),
        targets.QuantileBit(2),
        targets.Sawtooth() - 2 * targets.Bit(0),
        targets.Square(),
        targets.Triangle(),
        targets.Table(table),
    ]
    return [target for target in candidates if _fits(target, p)]


def _fits(target: targets.Target, p: int) -> bool:
    try:
        target.check(p)
    except ValueError:
        return False
    return True


def laws_for(p: int) -> list[inputs.Law]:
    """Every kind of law of x: uniform, without zero, random bits below and above p, samples with repeats."""
    rng = np.random.default_rng(p + 1)
    points = rng.integers(0, p, size=max(2, p // 2))
    weights = rng.random(len(points)) + 0.01
    return [
        inputs.Uniform(),
        inputs.Uniform(zero=False),
        inputs.RandomBits(2),
        inputs.RandomBits(70),
        inputs.Sample(points),
        inputs.Sample(points, weights / weights.sum()),
    ]


def assert_below_the_bound(v: barren.GradientVariance) -> None:
    """Var/B² ≤ λ, up to the rounding of both sides in the dtype of the answer."""
    assert float(v) <= v.bound * (1 + 1e-9) + 1e-14 * v.mean_squared_norm, (v.cls, v.inputs)


def random_weights(p: int) -> inputs.Sample:
    """All of Z_p with random weights."""
    weights = np.random.default_rng(p + 2).random(p)
    return inputs.Sample(np.arange(p), weights / weights.sum())


def multipliers_for(p: int) -> list[str | list[int]]:
    """Both whole classes, and a set in no order that holds 0."""
    return ["units", "all", [p - 1, 0, 1]]


def methods_for(cls: barren.ModularMultiplication) -> Iterator[str]:
    """The exact methods that can compute this class from numbers."""
    yield from (method for method in ("direct", "character", "kernel") if method != "character" or cls.is_prime)


def jacobian(n: int, columns: int = 5, offset: float = 1.0) -> np.ndarray:
    """A Jacobian with a mean, as real ones have, so that what must cancel is there."""
    return np.random.default_rng(n + columns).standard_normal((n, columns)) + offset


def relative(got: float | np.ndarray, expected: float | np.ndarray) -> float:
    """Largest difference over the largest entry expected."""
    scale = float(np.max(np.abs(expected)))
    return float(np.max(np.abs(np.asarray(got) - np.asarray(expected)))) / (scale or 1.0)


def at_fixed_prices(monkeypatch):
    """Lets plans go by the rates and counts alone: no clock, which another process may move between two verbs."""
    from barren.variance import arguments, speeds

    def priced(work):
        work()
        return 1e-3

    monkeypatch.setattr(speeds, "_least", priced)
    monkeypatch.setattr(arguments, "_timed", lambda make, *, again: (make(), 1e-3))
