"""The ladder of bounds for modular multiplication: measured Var/B² ≤ λ ≤ Boas–Bellman, bounded variation, the rate.

Measured are MLPs at default initialisation with bits as input; the bounds need the class alone, so they go on to a
million. The settings are ours. The published rate p^(−1/2) (abstract of arXiv 2310.12660) is a slope: its constant is
unknown here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import barren
from barren import encodings, specs
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, spaced_primes, spread, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Top of the frame: for targets whose variation grows with p the bound by variation says nothing and would only press
# the others together.
_TOP = 5.0

# series -> (label, line style, colour, marker size); the order is that of the legend, loosest first
_STYLES = {
    "published-rate": ("p^(−1/2): published rate, constant unknown", "--", "0.45", 0.0),
    "bounded-variation": ("bounded variation: V²H²/(4(p−1))", ":", "black", 0.0),
    "boas-bellman": ("Boas–Bellman value", "-.", "black", 0.0),
    "sharp": ("λ: sharp bound", "-", "black", 0.0),
    "relu": ("measured: ReLU", "s-", "0.35", 4.5),
    "sigmoid": ("measured: sigmoid", "o-", "0.35", 4.5),
}


def settings(full: bool, seed: int) -> Settings:
    """14 primes and 5 initialisations for the measured part; with `full`, 40 and 20."""
    return {
        "targets": ["bit:0", "sawtooth"],
        "models": {"sigmoid": "mlp:1000x1000:sigmoid", "relu": "mlp:1000x1000:relu"},
        "primes": spaced_primes(11, 3000, 40 if full else 14),
        "seeds": seeds_from(seed, 20 if full else 5),
        "width": 12,
        "primes_of_bounds": spaced_primes(11, 1_000_003, 80 if full else 40),
        "dtype": "float32",
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a measured variance, and a cell a ladder."""
    chosen = []
    for target in settings["targets"]:
        chosen += [
            {"target": target, "series": series, "model": model, "p": p, "seed": seed}
            | {name: settings[name] for name in ("width", "dtype")}
            for series, model in settings["models"].items()
            for p in settings["primes"]
            for seed in settings["seeds"]
        ]
        chosen += [{"target": target, "series": "bounds", "p": p} for p in settings["primes_of_bounds"]]
    return chosen


def compute(cell: Cell) -> list[Row]:
    """Var/B² of one initialisation, or every rung at one modulus."""
    start = time.perf_counter()
    cls = barren.ModularMultiplication(cell["p"], specs.target(cell["target"]))
    if cell["series"] == "bounds":
        values = {rung.name: rung.value for rung in barren.bounds(cls)}
    else:
        values = {cell["series"]: _measured(cls, cell)}
    seconds = time.perf_counter() - start
    row = {"target": cell["target"], "p": cell["p"], "seed": cell.get("seed")}
    return [{**row, "series": series, "value": value, "seconds": seconds} for series, value in values.items()]


def _measured(cls: barren.ModularMultiplication, cell: Cell) -> float:
    """Var/B²: for the squared error on the output, and the same number for BCE where the output is a logit."""
    from barren import models

    return barren.gradient_variance(
        cls,
        models.from_spec(cell["model"], cell["width"], cell["seed"]),
        encoding=encodings.Bits(cell["width"]),
        deviations=False,
        method="kernel",  # fixed: what "auto" predicts, and so the last digits, may differ between machines
        dtype=cell["dtype"],
    ).normalised


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """A panel a target, log-log in p."""
    names = {"bit:0": "lowest bit of a·x mod p", "sawtooth": "sawtooth ((a·x/p))"}
    canvas.set_size_inches(6.2 * len(settings["targets"]), 6.2)
    panels = canvas.subplots(1, len(settings["targets"]), sharey=True, squeeze=False)[0]
    for axes, target in zip(panels, settings["targets"], strict=True):
        _panel(axes, where(rows, target=target))
        axes.set_title(names.get(target, target))
    panels[0].set_ylabel("Var / B² (dimensionless), B² = E‖∇ output‖²")
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    canvas.suptitle(
        "The ladder of bounds on the normalised gradient variance, all multipliers 1..p−1, x uniform on 0..p−1\n"
        f"measured: MLP 1000x1000 on {settings['width']} zero-padded bits, torch's default initialisation, "
        f"mean of {len(settings['seeds'])} (band: least to largest)",
        fontsize=10.5,
    )


def _panel(axes: Axes, rows: Sequence[Row]) -> None:
    present, lowest = set(column(rows, "series")), []
    for series, (label, style, colour, size) in _STYLES.items():
        if series not in present:
            continue
        p, mean, least, largest = spread(where(rows, series=series), "p", "value")
        axes.plot(p, mean, style, color=colour, markersize=size, linewidth=1.5, label=label)
        axes.fill_between(p, least, largest, color=colour, alpha=0.2, linewidth=0)
        lowest.append((label, float(least.min())))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(top=_TOP)
    above = [label.partition(":")[0] for label, least in lowest if least > _TOP]
    if above:
        axes.text(
            0.98,
            0.98,
            f"above the frame: {', '.join(above)}",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=8.5,
        )
    axes.set_xlabel("prime modulus p (dimensionless)")
    axes.grid(alpha=0.3)


FIGURE = Figure(
    name="bound-ladder",
    summary="measured Var/B² of MLPs under the sharp bound, Boas–Bellman, bounded variation and the published rate",
    columns={"target": str, "series": str, "p": int, "seed": int, "value": float, "seconds": float},
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
