"""Parities of d bits: the gradient variance at initialisation against 2^(−d)·B², and its bound 1/|H|.

Published (arXiv 1703.07950) is Var ≤ B²/|H| for orthogonal functions, and that parities of 30 bits are not learnt.
Settings of the network as there: one hidden ReLU layer of width 10·d, hinge loss, x uniform on {0,1}^d, all 2^d
parities with values ±1; the range of d, the parities of half the bits and the initialisation (torch's) are ours.
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
_WIDTH = 10  # hidden units a bit, as published


def settings(full: bool, seed: int) -> Settings:
    """From 2 to 13 bits and 3 initialisations; with `full` to 17 bits and 10."""
    return {
        "bits": list(range(2, 18 if full else 14)),
        "members": list(_MEMBERS),
        "loss": "hinge",
        "seeds": seeds_from(seed, 10 if full else 3),
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a number of bits, a class and an initialisation."""
    return [
        {"bits": bits, "members": members, "seed": seed, "loss": settings["loss"]}
        for members in settings["members"]
        for bits in settings["bits"]
        for seed in settings["seeds"]
    ]


def compute(cell: Cell) -> list[Row]:
    """Var and B² of one initialisation."""
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
    row = {"bits": bits, "members": cell["members"], "seed": cell["seed"], "size": cls.size}
    values = {"variance": float(answer), "mean_squared_norm": answer.mean_squared_norm}
    return [{**row, **values, "seconds": time.perf_counter() - start}]


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """Var/B² against d, and Var against B²/|H|, for both classes."""
    canvas.set_size_inches(10.4, 4.8)
    left, right = canvas.subplots(1, 2)
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
    left.set_xlabel("number of bits d (dimensionless)")
    left.set_ylabel("Var / B² (dimensionless)")
    right.set_xlabel("B² / |H| (dimensionless)")
    right.set_ylabel("Var (dimensionless)")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    canvas.suptitle(
        "Gradient variance over parities x -> (−1)^⟨v,x⟩ of d bits, at initialisation\n"
        f"one hidden ReLU layer of width 10·d on the bits, hinge loss, torch's default initialisation, "
        f"{len(settings['seeds'])} seeds (band: least to largest)",
        fontsize=10.5,
    )


def _against_bits(axes: Axes, rows: Sequence[Row], style: str, colour: str, label: str) -> None:
    relative = [{**row, "relative": row["variance"] / row["mean_squared_norm"]} for row in rows]
    bits, mean, least, largest = spread(relative, "bits", "relative")
    axes.plot(bits, mean, style, color=colour, markersize=4.0, linewidth=1.2, label=f"measured, {label}")
    axes.fill_between(bits, least, largest, color=colour, alpha=0.2, linewidth=0)
    bits, size, _, _ = spread(rows, "bits", "size")
    axes.plot(bits, 1.0 / size, ":", color=colour, linewidth=2.4, alpha=0.5, label=f"bound 1/|H|, {label}")


FIGURE = Figure(
    name="parity-functions",
    summary="Var over parities of d bits at initialisation against 2^(−d)·B², the published bound",
    columns={
        "bits": int,
        "members": str,
        "seed": int,
        "size": int,
        "variance": float,
        "mean_squared_norm": float,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
