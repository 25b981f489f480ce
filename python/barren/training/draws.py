"""Random draws from a law of x, each by a generator of its own: nothing depends on what was drawn before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence

from barren import inputs
from barren.classes import TargetClass

Points = np.ndarray[Any, np.dtype[Any]]
# Draws with repeats come first; above this share of all points they would be repeats for the most part.
_SPARSE = 0.5


def sequence(seed: int, *purpose: int) -> SeedSequence:
    """What the random numbers for one purpose of one seed are made of: a counter, so step 1000 needs no step 999.

    A number of 2^32 or more is two words in a list: [2^32, 1] is [0, 1, 1], the first block of seed 0. Such seeds have
    their purpose as a spawn key, which stands behind four words, where no list of the others reaches.
    """
    return SeedSequence([seed, *purpose]) if seed < 1 << 32 else SeedSequence(seed, spawn_key=purpose)


def generator(seed: int, *purpose: int) -> Generator:
    """The generator of `sequence`."""
    return np.random.default_rng(sequence(seed, *purpose))


def draw(cls: TargetClass, law: Any, count: int, random: Generator) -> Points:
    """Points of the law, independent, shape ``(count,)`` or ``(count, d)``.

    `Uniform`, `RandomBits`, `Grid` and a uniform or Gaussian `Density` without a seed are drawn from the law itself and
    not from the nodes of its rule; other laws from their points by their weights.
    """
    p = cls.period
    if isinstance(law, inputs.Uniform):
        return random.integers(0 if law.zero else 1, int(p), size=count)
    if isinstance(law, inputs.RandomBits) and law.n <= 63:
        return random.integers(0, 2**law.n, size=count, dtype=np.uint64).astype(np.int64) % p
    if isinstance(law, inputs.Grid):
        return random.integers(0, law.M, size=count) / float(law.M)
    if isinstance(law, inputs.Density) and law.is_rule and law.density == "uniform":
        return random.uniform(*law.interval, size=count)
    if isinstance(law, inputs.Density) and law.is_rule and law.density == "gaussian":
        return law.scale * random.standard_normal(count)
    points, weights = cls.points_of(law)
    return points[random.choice(len(points), size=count, p=weights)]


def distinct(cls: TargetClass, law: Any, count: int, random: Generator) -> Points:
    """So many different points: drawn one after the other, a repeat left out, in the order of their first draw.

    Raises:
        ValueError: the law has fewer points.
    """
    size = size_of(cls, law)
    if size is not None and count > size:
        raise ValueError(f"m must be at most the number of points of {law!r}, {size}; got {count}")
    if size is not None and count > _SPARSE * size:
        points, weights = cls.points_of(law)
        points, weights = _merged(points, weights)
        if count > np.count_nonzero(weights):
            raise ValueError(
                f"m must be at most the number of different points of {law!r}, {np.count_nonzero(weights)}; got {count}"
            )
        return points[random.choice(len(points), size=count, replace=False, p=weights)]
    found = draw(cls, law, count, random)
    for _ in range(1000):
        _, first = np.unique(found, axis=0, return_index=True)
        found = found[np.sort(first)]
        if len(found) >= count:
            return found[:count]
        found = np.concatenate([found, draw(cls, law, count, random)])
    raise ValueError(f"m must be at most the number of points that {law!r} shows; got {count} and only {len(found)}")


def size_of(cls: TargetClass, law: Any) -> int | None:
    """How many points the law has, or None where it is a continuous one."""
    if isinstance(law, inputs.Law):
        return law.size(int(cls.period))
    if isinstance(law, inputs.Density) and law.is_rule and not callable(law.density):
        return None
    size: int = law.size()
    return size


def _merged(points: Points, weights: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[Points, Any]:
    """Repeats of a point joined, in the order of their first mention."""
    _, first, which = np.unique(points, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(points):
        return points, weights
    joined = np.bincount(which.ravel(), weights=weights, minlength=len(first))
    order = np.argsort(first)
    return points[first[order]], joined[order]
