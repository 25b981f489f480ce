"""Accuracy of every bit of a·x mod p after training on all of them at once.

With `full` what is published in arXiv 2310.01611, Fig. 4: 40 bits, 500 000 samples, batches of 1000, the sum of the
binary cross-entropies. The network, the optimizer, the split and the number of epochs are not known to us and are
settings; x has n−1 random bits, as in the published code of another figure. The default is ours, a small case of the
same form.

A high bit is nearly a function of a·x/p alone, as a quantile is; it also has other than equal parts of 0 and 1, so its
accuracy is to be read beside that of the best constant.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import barren
from barren import encodings, inputs, targets
from barren.figures import trained
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, spread, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_TRAINED = ("data", "steps", "epochs", "batch_size", "optimizer", "lr", "records")
_RUN = ("p", "a", "seed", "bit")
# The records that the right panel shows, as parts of the last step.
_PARTS = (1.0, 0.3, 0.1)


def settings(full: bool, seed: int) -> Settings:
    """40 bits, or 16; 5 primes × 4 multipliers × 2 seeds."""
    n = 40 if full else 16
    return {
        "n": n,
        "primes": trained.random_primes(n, 5, seed),
        "seeds": seeds_from(seed, 2),
        "multipliers": 4,
        "law": "random-bits" if full else "uniform",
        "hidden": [1000, 1000] if full else [100, 100],
        "activation": "relu",
        "data": "sample:500000:0.7" if full else "sample:20000:0.7",
        "steps": None if full else 3000,
        "epochs": 100 if full else None,
        "batch_size": 1000 if full else 100,
        "optimizer": "adam",
        "lr": 1e-3 if full else 2e-3,
        "records": 24 if full else 14,
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a prime, with seeds of its own."""
    shared = {name: settings[name] for name in ("n", "multipliers", "law", "hidden", "activation", *_TRAINED)}
    return [
        {"p": p, "seeds": trained.seeds_of_part(settings["seeds"], part), **shared}
        for part, p in enumerate(settings["primes"])
    ]


def compute(cell: Cell) -> list[Row]:
    """A row a run, a record and a bit: all multipliers and seeds of the prime trained together."""
    from barren.training import phases

    start = time.perf_counter()
    n, p = cell["n"], cell["p"]
    ensemble = barren.train(
        [barren.ModularMultiplication(p, targets.Bit(bit)) for bit in range(n)],
        trained.perceptron(n, cell["hidden"], cell["activation"], n),
        encoding=encodings.Bits(n),
        members=trained.random_multipliers(p, cell["multipliers"], cell["seeds"][0]),
        seeds=cell["seeds"],
        inputs=inputs.Uniform() if cell["law"] == "uniform" else inputs.RandomBits(n - 1),
        **{name: cell[name] for name in _TRAINED},
    )
    metrics = ("train_accuracy", "test_accuracy", "test_chance")
    found = trained.history_rows(ensemble, [f"{name}_{bit}" for name in metrics for bit in range(n)])
    points = ensemble.rows[0]["test_size"]
    rows = []
    for row in found:
        for bit in range(n):
            values = {name: row[f"{name}_{bit}"] for name in metrics}
            accuracy, chance = values["test_accuracy"], values["test_chance"]
            learned = accuracy is not None and bool(phases.learned(accuracy, points, chance))
            known = {"n": n, "p": p, "a": row["member"], "seed": row["seed"], "step": row["step"], "bit": bit}
            rows.append({**known, **values, "learned": int(learned), "points": points})
    seconds = time.perf_counter() - start
    return [{**row, "seconds": seconds} for row in rows]


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """Left: accuracy of every bit at the last step. Right: what it has above the best constant, along training."""
    canvas.set_size_inches(12.0, 5.6)
    left, right = canvas.subplots(1, 2)
    last = trained.last_rows(rows, _RUN)
    _accuracies(left, last)
    _gains(right, rows)
    for axes in (left, right):
        axes.set_xlabel("bit, 0 is the lowest (dimensionless)")
        axes.set_xticks(range(0, settings["n"], 1 if settings["n"] <= 20 else 4))
        axes.grid(alpha=0.3)
    network = "→".join([str(settings["n"]), *map(str, settings["hidden"]), str(settings["n"])])
    _, m, share = settings["data"].split(":") if settings["data"].count(":") == 2 else ("", "", "")
    data = f"{m} points, {100 * float(share):g} % for training" if m else "fresh points at every step"
    length = f"{settings['steps']} steps" if settings["steps"] else f"{settings['epochs']} epochs"
    canvas.suptitle(
        f"All {settings['n']} bits of a·x mod p trained at once, the sum of their cross-entropies; p a random prime, "
        f"random multipliers\n{network}, {settings['activation']}, {settings['optimizer']} {settings['lr']:g}, batch "
        f"{settings['batch_size']}, {data}, {length}; {len(settings['primes'])} primes × "
        f"{settings['multipliers']} multipliers × {len(settings['seeds'])} seeds",
        fontsize=10.5,
    )


def _accuracies(axes: Axes, last: Sequence[Row]) -> None:
    ended = trained.finished(last, "test_accuracy")
    axes.plot(column(ended, "bit"), column(ended, "test_accuracy"), ".", color="0.65", markersize=4, label="a run")
    trained.draw_means(axes, ended, "bit", capsize=3, markersize=4.5)
    bits, chance, least, largest = spread(ended, "bit", "test_chance")
    axes.plot(bits, chance, "--", color="0.3", label="best constant on the same test points")
    axes.fill_between(bits, least, largest, color="0.3", alpha=0.13, linewidth=0, label="from the least to the largest")
    axes.set_ylim(0.4, 1.03)
    axes.set_ylabel("test accuracy (dimensionless)")
    lost = len({tuple(row[name] for name in _RUN[:3]) for row in last if row["test_accuracy"] is None})
    axes.set_title(f"at the last step{f'; {lost} runs diverged' if lost else ''}", fontsize=10.5)
    _legend_below(axes)


def _gains(axes: Axes, rows: Sequence[Row]) -> None:
    """The mean over runs of accuracy less that of the best constant, at a few records; points: the mean of a prime."""
    kept = [
        {**row, "gain": row["test_accuracy"] - row["test_chance"]} for row in trained.finished(rows, "test_accuracy")
    ]
    steps = np.array(sorted({row["step"] for row in kept}))
    for place, part in enumerate(_PARTS):
        step = int(steps[np.abs(steps - part * steps[-1]).argmin()])
        here = where(kept, step=step)
        shade = trained.shade(place, 1 + len(_PARTS))
        bits, mean, _, _ = spread(here, "bit", "gain")
        axes.plot(bits, mean, trained.MARKS[place], color=shade, markersize=4.5, label=f"step {step}, mean")
        if place == 0:
            for p in sorted({row["p"] for row in here}):
                bits, mean, _, _ = spread(where(here, p=p), "bit", "gain")
                axes.plot(bits, mean, ".", color="0.6", markersize=4)
    axes.axhline(0.0, color="0.3", linestyle="--", linewidth=1.0, label="best constant")
    axes.set_title("above the best constant (points: means of primes, last step)", fontsize=10.5)
    axes.set_ylabel("accuracy less that of the best constant\n(dimensionless)")
    _legend_below(axes)


def _legend_below(axes: Axes) -> None:
    """Under the name of the axis: there are points everywhere within."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), fontsize=8.5, ncols=2)


FIGURE = Figure(
    name="all-bits-training",
    summary="test accuracy of every bit of a·x mod p after training on all of them at once",
    columns={
        "n": int,
        "p": int,
        "a": int,
        "seed": int,
        "step": int,
        "bit": int,
        "train_accuracy": float,
        "test_accuracy": float,
        "test_chance": float,
        "learned": int,
        "points": int,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
