"""Parities of d bits: accuracy against training steps; the gradient variance at initialisation against 2^(−d)·B².

Published (arXiv 1703.07950) is Var ≤ B²/|H| for orthogonal functions, and that parities of 30 bits are not learnt.
Settings as there: one hidden ReLU layer of width 10·d, hinge loss, x uniform on {0,1}^d and fresh at every step, SGD
with learning rate 0.01 and batch 128, d = 5, 10 and 30, values ±1. Ours: the parities (drawn at random), torch's
initialisation, the number of steps, the range of d of the variance, and the parities of half the bits.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import barren
from barren import encodings
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, spread, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_MEMBERS = {"all": ("o-", "black", "all 2^d parities"), "half": ("s--", "0.45", "parities of ⌊d/2⌋ of the bits")}
_STYLES = (("-", "black"), ("--", "0.35"), (":", "0.55"))
_WIDTH = 10  # hidden units a bit, as published


def settings(full: bool, seed: int) -> Settings:
    """From 2 to 13 bits and 3 initialisations, 20 000 steps; with `full` to 17 bits and 10, and 100 000 steps."""
    steps = 100_000 if full else 20_000
    return {
        "trained_bits": [5, 10, 30],
        "parities": 8 if full else 4,
        "runs": 4 if full else 2,
        "steps": steps,
        "records": np.unique(np.geomspace(10, steps, 25).astype(int)).tolist(),
        "batch_size": 128,
        "lr": 0.01,
        "test": 1000,
        "bits": list(range(2, 18 if full else 14)),
        "members": list(_MEMBERS),
        "loss": "hinge",
        "seeds": seeds_from(seed, 10 if full else 3),
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a number of bits to train on, and one a number of bits, a class and an initialisation."""
    shared = ("parities", "runs", "steps", "records", "batch_size", "lr", "test", "loss")
    trained = [
        {"panel": "training", "bits": bits, "seed": settings["seeds"][0], **{name: settings[name] for name in shared}}
        for bits in settings["trained_bits"]
    ]
    return trained + [
        {"panel": "variance", "bits": bits, "members": members, "seed": seed, "loss": settings["loss"]}
        for members in settings["members"]
        for bits in settings["bits"]
        for seed in settings["seeds"]
    ]


def compute(cell: Cell) -> list[Row]:
    """Var and B² of one initialisation, or the accuracy of an ensemble at every record."""
    return _train(cell) if cell["panel"] == "training" else _variance(cell)


def _train(cell: Cell) -> list[Row]:
    start, bits = time.perf_counter(), cell["bits"]
    cls = barren.Parity(bits, signed=True)
    ensemble = barren.train(
        cls,
        f"mlp:{_WIDTH * bits}:relu",
        members=cell["parities"],
        seeds=seeds_from(cell["seed"], cell["runs"]),
        loss=cell["loss"],
        optimizer="sgd",
        lr=cell["lr"],
        steps=cell["steps"],
        records=cell["records"],
        batch_size=cell["batch_size"],
        data=f"population:{cell['test']}",
    )
    seconds = time.perf_counter() - start
    blank = {"members": "all", "size": cls.size, "variance": None, "mean_squared_norm": None, "seconds": seconds}
    return [
        {"panel": "training", "bits": bits, "seed": run["seed"], "parity": run["member"], "step": int(step)}
        | {"accuracy": accuracy, "learned": int(run["learned"]), **blank}
        for run, history in zip(ensemble.rows, ensemble.history["test_accuracy"], strict=True)
        for step, accuracy in zip(ensemble.records, history, strict=True)
    ]


def _variance(cell: Cell) -> list[Row]:
    from barren import models

    start = time.perf_counter()
    bits = cell["bits"]
    cls = barren.Parity(bits, None if cell["members"] == "all" else bits // 2, signed=True)
    answer = barren.gradient_variance(
        cls,
        models.mlp(bits, (_WIDTH * bits,), "relu", seed=cell["seed"]),
        encoding=encodings.Bits(),
        loss=cell["loss"],
        deviations=False,
        method="walsh",  # fixed: what "auto" predicts, and so the last digits, may differ between machines
        dtype="float64",
    )
    row = {"panel": "variance", "bits": bits, "members": cell["members"], "seed": cell["seed"], "size": cls.size}
    row |= {"parity": None, "step": None, "accuracy": None, "learned": None}
    values = {"variance": float(answer), "mean_squared_norm": answer.mean_squared_norm}
    return [{**row, **values, "seconds": time.perf_counter() - start}]


def cost(cell: Cell) -> float:
    """About its seconds in docs/results: an ensemble, or a transform of 2^bits."""
    return 40.0 if cell["panel"] == "training" else 0.015 + 3.5e-5 * 2.0 ** float(cell["bits"])


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """Accuracy against steps; Var/B² against d, and Var against B²/|H|, for both classes."""
    canvas.set_size_inches(14.6, 4.8)
    trained, left, right = canvas.subplots(1, 3)
    _draw_accuracy(trained, where(rows, panel="training"), settings)
    rows = where(rows, panel="variance")
    for members, (style, colour, label) in _MEMBERS.items():
        if members in settings["members"]:
            part = where(rows, members=members)
            _against_bits(left, part, style, colour, label)
            size = column(part, "size").astype(np.float64)
            norms = column(part, "mean_squared_norm").astype(np.float64)
            right.plot(norms / size, column(part, "variance"), style[0], color=colour, markersize=4.0, label=label)
    bounds = column(rows, "mean_squared_norm") / column(rows, "size")
    ends = np.array([bounds.min(), bounds.max()])
    right.plot(ends, ends, "-", color="0.6", linewidth=1.0, zorder=0, label="Var = B²/|H|: published bound")
    right.set_xscale("log")
    right.set_yscale("log")
    left.set_yscale("log")
    left.set_ylim(bottom=left.get_ylim()[0] / 30)  # room for the legend
    left.set_xlabel("number of bits d (dimensionless)")
    left.set_ylabel("Var / B² (dimensionless)")
    right.set_xlabel("B² / |H| (dimensionless)")
    right.set_ylabel("Var (dimensionless)")
    for axes, place in ((left, "lower left"), (right, "upper left")):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9, loc=place)
    canvas.suptitle(
        "Parities x -> (−1)^⟨v,x⟩ of d bits: training, and the gradient variance at initialisation\n"
        f"one hidden ReLU layer of width 10·d on the bits, hinge loss, torch's default initialisation; variance: "
        f"{len(settings['seeds'])} seeds (band: least to largest)",
        fontsize=10.5,
    )


def _draw_accuracy(axes: Axes, rows: Sequence[Row], settings: Settings) -> None:
    """A line a run, all of one number of bits in one style."""
    for bits, (style, colour) in zip(settings["trained_bits"], _STYLES, strict=False):
        part = where(rows, bits=bits)
        runs = sorted({(row["parity"], row["seed"]) for row in part})
        learned = sum(where(part, parity=v, seed=seed)[0]["learned"] for v, seed in runs)
        label = f"d = {bits}: {learned} of {len(runs)} runs learnt"
        for v, seed in runs:
            history = where(part, parity=v, seed=seed)
            axes.plot(
                column(history, "step"), column(history, "accuracy"), style, color=colour, linewidth=1.1, label=label
            )
            label = "_"  # one entry of the legend for all runs
    axes.axhline(0.5, color="0.6", linewidth=1.0, zorder=0)
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(0, settings["steps"])
    axes.set_ylim(0.35, 1.25)  # room for the legend: some runs learn at once
    axes.set_yticks(np.arange(0.4, 1.01, 0.1))
    axes.set_xlabel(f"steps of SGD (batch {settings['batch_size']}, learning rate {settings['lr']:g})")
    axes.set_ylabel(f"accuracy on {settings['test']} fresh points")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, loc="upper left")


def _against_bits(axes: Axes, rows: Sequence[Row], style: str, colour: str, label: str) -> None:
    relative = [{**row, "relative": row["variance"] / row["mean_squared_norm"]} for row in rows]
    bits, mean, least, largest = spread(relative, "bits", "relative")
    axes.plot(bits, mean, style, color=colour, markersize=4.0, linewidth=1.2, label=f"measured, {label}")
    axes.fill_between(bits, least, largest, color=colour, alpha=0.2, linewidth=0)
    bits, size, _, _ = spread(rows, "bits", "size")
    axes.plot(bits, 1.0 / size, ":", color=colour, linewidth=2.4, alpha=0.5, label=f"bound 1/|H|, {label}")


FIGURE = Figure(
    name="parity-functions",
    summary="accuracy on parities of d bits against steps; Var at initialisation against its bound 2^(−d)·B²",
    columns={
        "panel": str,
        "bits": int,
        "members": str,
        "seed": int,
        "size": int,
        "variance": float,
        "mean_squared_norm": float,
        "parity": int,
        "step": int,
        "accuracy": float,
        "learned": int,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
    cost=cost,
)
