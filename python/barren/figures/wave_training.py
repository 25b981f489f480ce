"""Loss of a trained network on ψ(a·x), x uniform on [0, 1], against the frequency a.

Only the form is published (arXiv 2310.12660 tells of failed training on waves); the targets, the network, the optimizer
and the numbers of steps are ours. The loss is relative to that of the best constant on the same test points: 1 is a
network that has learnt no more than the mean. Every batch and the test set are drawn afresh.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import barren
from barren import encodings, inputs, specs
from barren.figures import trained
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, spread, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_STYLES = {"cosine": "o-", "sawtooth": "s--", "square": "^-."}
_TRAINED = ("data", "steps", "batch_size", "optimizer", "lr", "records")
# What is called learnt and not learnt, for the lines in the picture.
_LEARNT, _NOT_LEARNT = 0.05, 0.9


def settings(full: bool, seed: int) -> Settings:
    """Frequencies 1, 2, …, 128, 5 seeds and 3000 steps; with `full` up to 1024, a larger network and 50 000 steps."""
    return {
        "frequencies": [2**k for k in range(11 if full else 8)],
        "targets": list(_STYLES),
        "seeds": seeds_from(seed, 10 if full else 5),
        "hidden": [200, 200] if full else [64, 64],
        "activation": "relu",
        "data": "population:1000",
        "steps": 50_000 if full else 3000,
        "batch_size": 100,
        "optimizer": "adam",
        "lr": 3e-3,
        "records": 24 if full else 16,
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a target: all frequencies and seeds are one ensemble."""
    shared = {name: settings[name] for name in ("frequencies", "seeds", "hidden", "activation", *_TRAINED)}
    return [{"target": target, **shared} for target in settings["targets"]]


def compute(cell: Cell) -> list[Row]:
    """A row a frequency, a seed and a record."""
    start = time.perf_counter()
    frequencies = [float(a) for a in cell["frequencies"]]
    ensemble = barren.train(
        barren.Frequencies(target=specs.target(cell["target"]), frequencies=frequencies),
        trained.perceptron(1, cell["hidden"], cell["activation"], 1),
        encoding=encodings.Scalar(),
        members=frequencies,
        seeds=cell["seeds"],
        loss="mse",
        inputs=inputs.Density("uniform", nodes=1024),
        **{name: cell[name] for name in _TRAINED},
    )
    names = ("train_relative_loss", "test_relative_loss")
    rows = [
        {
            "target": cell["target"],
            "frequency": int(row["member"]),
            "seed": row["seed"],
            "step": row["step"],
            **{name: row[name] for name in names},
            "points": ensemble.rows[0]["test_size"],
        }
        for row in trained.history_rows(ensemble, names)
    ]
    seconds = time.perf_counter() - start
    return [{**row, "seconds": seconds} for row in rows]


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """Left: the last loss against the frequency, for every ψ. The others: the loss against the step, a panel a ψ."""
    listed = settings["targets"]
    canvas.set_size_inches(12.0, 8.6)
    grid = canvas.subplots(2, 2).ravel()
    _last(grid[0], rows, settings)
    for axes, target in zip(grid[1:], listed, strict=False):
        _histories(axes, where(rows, target=target), settings)
        axes.set_title(f"ψ = {target}: along training (bands: least to largest)", fontsize=10.5)
    for axes in grid[1 + len(listed) :]:
        axes.set_visible(False)
    network = "→".join(["1", *map(str, settings["hidden"]), "1"])
    canvas.suptitle(
        "Training on ψ(a·x), x uniform on [0, 1] and shown as it is: loss over that of the best constant\n"
        f"{network}, {settings['activation']}, squared loss, {settings['optimizer']} {settings['lr']:g}, batch "
        f"{settings['batch_size']}, fresh points at every step, {settings['steps']} steps, "
        f"{len(settings['seeds'])} seeds",
        fontsize=10.5,
    )


def _last(axes: Axes, rows: Sequence[Row], settings: Settings) -> None:
    last = trained.last_rows(rows, ("target", "frequency", "seed"))
    ended = trained.finished(last, "test_relative_loss")
    for place, target in enumerate(settings["targets"]):
        part = where(ended, target=target)
        a, mean, least, largest = spread(part, "frequency", "test_relative_loss")
        shade = trained.shade(place, 4)
        axes.plot(a, mean, _STYLES[target], color=shade, markersize=5, label=f"ψ = {target}, mean")
        axes.fill_between(a, least, largest, color=shade, alpha=0.18, linewidth=0)
        axes.plot(column(part, "frequency"), column(part, "test_relative_loss"), ".", color=shade, markersize=3)
    for height in (_LEARNT, _NOT_LEARNT):
        axes.axhline(height, color="0.4", linestyle=(0, (1, 3)), linewidth=1.2)
        axes.annotate(f"{height}", (1.01, height), xycoords=("axes fraction", "data"), fontsize=8.5, va="center")
    axes.axhline(1.0, color="0.4", linestyle="--", linewidth=1.2, label="the best constant")
    axes.set_xscale("log", base=2)
    _plain(axes, settings["frequencies"])
    axes.set_title("at the last step (points: runs; bands: least to largest)", fontsize=10.5)
    axes.set_xlabel("frequency a (dimensionless)")
    axes.set_ylabel("test loss / loss of the best constant\n(dimensionless)")
    axes.set_ylim(-0.03, max(1.1, 1.03 * max((row["test_relative_loss"] for row in ended), default=1.0)))
    axes.grid(alpha=0.3)
    lost = len(last) - len(ended)
    axes.legend(loc="center right", fontsize=8.5, title=f"{lost} runs diverged" if lost else None)


def _histories(axes: Axes, rows: Sequence[Row], settings: Settings) -> None:
    shown = settings["frequencies"]
    for place, a in enumerate(shown):
        part = [row for row in trained.finished(where(rows, frequency=a), "test_relative_loss") if row["step"] > 0]
        if not part:
            continue
        step, mean, least, largest = spread(part, "step", "test_relative_loss")
        shade = trained.shade(place, len(shown))
        axes.plot(step, mean, trained.MARKS[place % len(trained.MARKS)], color=shade, markersize=3.5, label=f"a = {a}")
        axes.fill_between(step, least, largest, color=shade, alpha=0.13, linewidth=0)
    axes.axhline(1.0, color="0.4", linestyle="--", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("step (dimensionless)")
    axes.set_ylabel("test loss / loss of the best constant\n(dimensionless)")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", fontsize=8, ncols=2)


def _plain(axes: Axes, places: Sequence[int]) -> None:
    """Whole numbers at the frequencies."""
    axes.set_xticks(np.array(places), [str(place) for place in places])


FIGURE = Figure(
    name="wave-training",
    summary="loss of a trained network on ψ(a·x) over that of the best constant, against the frequency a",
    columns={
        "target": str,
        "frequency": int,
        "seed": int,
        "step": int,
        "train_relative_loss": float,
        "test_relative_loss": float,
        "points": int,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
