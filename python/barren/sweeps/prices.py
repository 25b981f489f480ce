"""What the cells of a grid will cost, told from a few: cells that differ in their size alone follow a power of it.

A family is a set of cells with the same axes but the size (p, A or n), the seed and the member. Of each family the
smallest, the largest and a middle size are priced, by the plan of `barren.plan` or by timing an example, and the
logarithm of the time is interpolated between them. No model is timed beyond what a plan needs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from barren import specs
from barren.bounds import bounds
from barren.sweeps import cells as work
from barren.sweeps.grid import Grid
from barren.sweeps.schema import Cell
from barren.variance import plan

__all__ = ["Prices", "price"]

_SIZES = {"modular": "p", "frequencies": "frequencies", "parity": "parity"}
_NOT_OF_PRICE = ("seed", "member")
# Seconds that go into prices at most; families that are left are priced like the others.
_BUDGET = 5.0
_LEAST = 1e-4
# Steps of a training run that is timed, and runs together.
_STEPS, _TOGETHER = 24, 8
# What a process takes before its first cell, torch loaded.
BASE_BYTES = 400 * 2**20


@dataclass(frozen=True)
class Prices:
    """The predicted cost of every cell of a grid.

    Attributes:
        seconds: a cell, float64, shape (cells,).
        memory: bytes of the largest cell that was priced, with its process.
        priced: how many cells were looked at.
        obstacles: why cells that were looked at cannot be computed, with an example of each.

    Source: docs/sweeps, on how it is made.
    """

    seconds: np.ndarray
    memory: int
    priced: int
    obstacles: tuple[str, ...]


def price(
    grid: Grid, *, threads: int | None = None, memory_limit: int = work.MEMORY_LIMIT, budget: float = _BUDGET
) -> Prices:
    """Predicts the cost of every cell.

    Args:
        grid: the grid.
        threads: of a cell.
        memory_limit: bytes that a cell may use beside its input.
        budget: seconds that this may take at most, beside one family's.

    Returns:
        `Prices`: seconds of every cell, and the memory of the largest.

    Raises nothing where a cell cannot be priced: it is among the obstacles.

    Cost: at most about `budget`, and O(cells) in numpy.

    Source: docs/sweeps, on how it is made.
    """
    names = {name for block in grid.blocks for name in block.names}
    size = _SIZES[grid.family]
    families = grid.numbers(sorted(names - {size, *_NOT_OF_PRICE}))
    sizes = _sizes(grid, size)
    order = np.argsort(families, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(families[order]) > 0])
    members = np.split(order, starts[1:])
    seconds = np.full(len(grid), np.nan)
    start, memory, priced, obstacles = time.perf_counter(), 0, 0, []
    for some in sorted(members, key=len, reverse=True):
        if priced and time.perf_counter() - start > budget:
            break
        of_family = sizes[some]
        anchors: list[tuple[float, float]] = []
        for place in _anchors(of_family):
            example = grid.cell(int(some[place]))
            try:
                taken, bytes_ = _price_of(example, threads, memory_limit, anchors, budget)
            except (Exception, SystemExit) as error:  # a model may call sys.exit
                obstacles.append(f"{_told(example, names)}: {type(error).__name__}: {error}")
                continue
            anchors.append((float(of_family[place]), max(taken, _LEAST)))
            memory, priced = max(memory, bytes_), priced + 1
        if anchors:
            xs, ys = np.log(np.array(sorted(anchors))).T
            seconds[some] = np.exp(np.interp(np.log(of_family), xs, ys))
    known = seconds[~np.isnan(seconds)]
    seconds[np.isnan(seconds)] = known.mean() if known.size else _LEAST
    return Prices(seconds, memory + BASE_BYTES, priced, tuple(obstacles))


def _sizes(grid: Grid, name: str) -> np.ndarray:
    """The size of every cell, float64, at least 1."""
    found = np.ones(1)
    for block in grid.blocks:
        one = np.ones(len(block))
        if name in block.names:
            place = block.names.index(name)
            one = np.array([_size(setting[place]) for setting in block.settings])
        found = (found[:, None] * one[None, :]).reshape(-1)
    return found


def _size(value: Any) -> float:
    return 2.0 ** min(specs.parity(value).n, 60) if isinstance(value, str) else float(value)


def _anchors(sizes: np.ndarray) -> list[int]:
    """Places of the smallest, a middle and the largest size."""
    middle = float(np.sqrt(sizes.min() * sizes.max()))
    places = [int(sizes.argmin()), int(np.abs(sizes - middle).argmin()), int(sizes.argmax())]
    return [place for n, place in enumerate(places) if sizes[place] not in sizes[places[:n]]]


def _told(cell: Cell, names: set[str]) -> str:
    return ", ".join(f"{name} = {cell[name]}" for name in sorted(names))


def _price_of(
    cell: Cell, threads: int | None, memory_limit: int, known: Sequence[tuple[float, float]], budget: float
) -> tuple[float, int]:
    """Seconds and bytes of one cell; of its family a smaller one is `known` perhaps."""
    if cell["kind"] == "variance":
        found = plan(
            work.class_of(cell),
            work.network_of(cell),
            encoding=work.encoding_of(cell)[0],
            loss=cell["loss"],
            inputs=work.law_of(cell),
            method=cell["method"],
            deviations=cell["deviations"] and None,
            rtol=cell.get("rtol"),
            seed=cell["seed"],
            dtype=cell["dtype"],
            memory_limit=memory_limit,
            threads=threads,
        )
        return found.seconds, found.memory
    if cell["kind"] == "bounds":
        return _bounds_price(cell, known, budget), 0
    return _training_price(cell, threads), 0


def _bounds_price(cell: Cell, known: Sequence[tuple[float, float]], budget: float) -> float:
    """Timed, unless the size squared says that this takes long."""
    size = float(_size(cell[_SIZES[cell["class"]]]))
    if known:
        expected = known[-1][1] * (size / known[-1][0]) ** 2
        if expected > budget / 4.0:
            return float(known[-1][1] * (size / known[-1][0]) ** 1.1)
    for _ in range(2):
        start = time.perf_counter()
        bounds(work.class_of(cell), work.law_of(cell))
        taken = time.perf_counter() - start
        if known or taken > budget / 4.0:  # otherwise the first pays for modules that are loaded
            break
    return taken


def _training_price(cell: Cell, threads: int | None) -> float:
    """The share of a run in some that are trained together for a few steps, times its steps."""
    from barren.training import train
    from barren.training.arguments import steps_of
    from barren.training.protocols import from_spec

    steps = steps_of(cell.get("steps"), cell.get("epochs"), from_spec(cell["data"]), cell["batch_size"])
    build, (shown, width) = work.maker_of(cell["model"]), work.encoding_of(cell)
    outputs, cls, taken = work.outputs_of(cell), work.class_of(cell), []
    together = min(_TOGETHER, cls.size)
    for made in (1, 1, _STEPS):  # the first call pays for what torch sets up
        start = time.perf_counter()
        train(
            cls,
            lambda seed: build(width=width, seed=seed, outputs=outputs),
            encoding=shown,
            members=together,
            seeds=[cell["seed"]],
            loss=cell["loss"],
            optimizer=cell["optimizer"],
            lr=cell["lr"],
            steps=made,
            batch_size=cell["batch_size"],
            data=cell["data"],
            inputs=work.law_of(cell),
            records=1,
            dtype=cell["dtype"],
            threads=threads,
        )
        taken.append(time.perf_counter() - start)
    _, once, several = taken
    a_step = max(several - once, 0.1 * several) / (_STEPS - 1)  # noise is not taken for steps that cost nothing
    return (once + steps * a_step) / together
