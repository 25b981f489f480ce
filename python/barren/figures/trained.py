"""What the figures of training runs share: primes, seeds, multipliers, networks, rows of a history, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from barren.figures.base import Row, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import nn

    from barren.training import Ensemble
    from barren.training.phases import PooledAccuracy

# Lines of a picture are told apart without colour: by a mark, a dash and a shade.
MARKS = ("o-", "s--", "^-.", "D:", "v-", "P--", "X-.", "*:", "<-", ">--", "h-.")


def random_primes(bits: int, count: int, seed: int) -> list[int]:
    """Different primes of so many bits, uniform, the first of a stream; the same every time.

    Raises:
        ValueError: there are fewer.

    Example:
        >>> random_primes(5, 5, 0)
        [29, 19, 17, 31, 23]
    """
    from sympy import isprime, primepi

    low, high = 1 << (bits - 1), 1 << bits
    # To count them takes long for many bits; there more than one number in 2·bits is prime.
    available = int(primepi(high - 1) - primepi(low - 1)) if bits <= 16 else low // (2 * bits)
    if available < count:
        raise ValueError(f"bits must be such that there are {count} primes of so many; got {bits}")
    random = np.random.default_rng([seed, bits])
    found: dict[int, None] = {}
    while len(found) < count:
        drawn = int(random.integers(low, high))
        if isprime(drawn):
            found.setdefault(drawn)
    return list(found)


def random_multipliers(p: int, count: int, seed: int) -> list[int]:
    """Different multipliers in 1..p−1, uniform, the first of a stream; the same every time."""
    random = np.random.default_rng([seed, p])
    found: dict[int, None] = {}
    while len(found) < min(count, p - 1):
        found.setdefault(int(random.integers(1, p)))
    return list(found)


def seeds_of_part(seeds: Sequence[int], part: int) -> list[int]:
    """Seeds for the part of that number, so many as are given: no two parts share one, nor the data that it draws."""
    return [seed + part * len(seeds) for seed in seeds]


def perceptron(width: int, hidden: Sequence[int], activation: str, outputs: int) -> Callable[[int], nn.Module]:
    """The function seed -> network that `train` takes."""
    from barren import models

    return lambda seed: models.mlp(width, hidden, activation, outputs=outputs, seed=seed)


def number(value: float) -> float | None:
    """A number of a row: None for NaN, as of a run that diverged."""
    return None if math.isnan(value) else float(value)


def history_rows(ensemble: Ensemble, names: Sequence[str]) -> list[Row]:
    """A row a run and record: member, seed, step and the metrics of these names; none after the end of a run."""
    rows: list[Row] = []
    for run, row in enumerate(ensemble.rows):
        for record, step in enumerate(ensemble.records.tolist()):
            if step > row["steps"]:
                break
            values = {name: number(ensemble.history[name][run, record]) for name in names}
            rows.append({"member": row["member"], "seed": row["seed"], "step": step, **values})
    return rows


def finished(rows: Sequence[Row], name: str) -> list[Row]:
    """The rows in which a metric is a number."""
    return [row for row in rows if row[name] is not None]


def pooled(rows: Sequence[Row], name: str, groups: str) -> PooledAccuracy | None:
    """The mean of an accuracy over runs, with its intervals over groups; None where all runs diverged."""
    from barren.training import phases

    kept = finished(rows, name)
    if not kept:
        return None
    accuracies = [row[name] for row in kept]
    return phases.pooled_accuracy(
        accuracies, [row["points"] for row in kept], groups=[row[groups] for row in kept], resamples=1000
    )


def pooled_at(rows: Sequence[Row], x: str, name: str, groups: str) -> tuple[np.ndarray, ...]:
    """(x, mean, low, high) of an accuracy at every distinct x: the t interval over groups, within 0..1.

    Where there is one group there is no interval: it is drawn with width 0.
    """
    found = []
    for place in sorted({row[x] for row in rows}):
        one = pooled(where(rows, **{x: place}), name, groups)
        if one is not None:
            ends = [one.over_runs.low, one.over_runs.high]
            low, high = (one.accuracy, one.accuracy) if math.isnan(ends[0]) else np.clip(ends, 0.0, 1.0)
            found.append((place, one.accuracy, low, high))
    return tuple(np.array(found, dtype=np.float64).reshape(-1, 4).T)


def draw_means(axes: Axes, rows: Sequence[Row], x: str, *, capsize: float, markersize: float) -> np.ndarray:
    """Draws the mean test accuracy at every distinct x with its interval over primes; returns where."""
    at, mean, low, high = pooled_at(rows, x, "test_accuracy", "p")
    axes.errorbar(
        at,
        mean,
        [mean - low, high - mean],
        fmt="o-",
        color="black",
        capsize=capsize,
        markersize=markersize,
        label="mean, 95 % t interval over primes",
    )
    return at


def last_rows(rows: Sequence[Row], run: Sequence[str]) -> list[Row]:
    """The row of the last record of every run; the columns `run` say which run a row is of."""
    last: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in run)
        if key not in last or row["step"] > last[key]["step"]:
            last[key] = row
    return list(last.values())


def shade(place: int, count: int) -> Any:
    """A grey from black to light, for one of so many lines."""
    return str(round(0.7 * place / max(1, count - 1), 3))
