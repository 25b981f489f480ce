"""The ladder of bounds: measured Var/B² ≤ λ ≤ Boas–Bellman, bounded variation, trivial; and the published rate.

Both halves: modular multiplication against p, and ψ(a·x), a uniform on 1..A and x on [0, 1], against A. Measured are
MLPs at default initialisation, with bits or x itself as input, [0, 1] by eight nodes a period; bounds need the class
alone, so they go on to a million. The settings are ours. The published rates p^(−1/2) and A^(−1/2) (abstract of arXiv
2310.12660) are slopes: their constants are unknown here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import barren
from barren import encodings, specs
from barren._primes import spaced_primes
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, spread, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Top of the frame: for targets whose variation grows with p the bound by variation says nothing and would only press
# the others together.
_TOP = 5.0

# series -> (label, line style, colour, marker size); the order is that of the legend, loosest first
_STYLES = {
    "published-rate": ("p^(−1/2), A^(−1/2): published rate, constant unknown", "--", "0.45", 0.0),
    "trivial": ("trivial bound: E‖h̃_a‖²", "-", "0.75", 0.0),
    "bounded-variation": ("bounded variation: V²H²/(4(p−1)), V²ρ_A/(12A)", ":", "black", 0.0),
    "boas-bellman": ("Boas–Bellman value", "-.", "black", 0.0),
    "sharp": ("λ: sharp bound", "-", "black", 0.0),
    "relu": ("measured: ReLU", "s-", "0.35", 4.5),
    "sigmoid": ("measured: sigmoid", "o-", "0.35", 4.5),
}


def settings(full: bool, seed: int) -> Settings:
    """14 primes, 10 frequencies and 5 initialisations for the measured part; with `full`, 40, 12 and 20."""
    primes = spaced_primes(11, 3000, 40 if full else 14)
    return {
        "modular_targets": ["bit:0", "sawtooth"],
        "frequency_targets": ["sawtooth"],
        "models": {"sigmoid": "mlp:1000x1000:sigmoid", "relu": "mlp:1000x1000:relu"},
        "primes": primes,
        "frequencies": [2**k for k in range(1, 13 if full else 11)],
        "seeds": seeds_from(seed, 20 if full else 5),
        "width": 12,
        # Where something is measured its bounds are known too.
        "primes_of_bounds": sorted({*primes, *spaced_primes(11, 1_000_003, 80 if full else 40)}),
        "frequencies_of_bounds": [2**k for k in range(1, 21 if full else 17)],
        "dtype": "float32",
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a measured variance, and a cell a ladder."""
    chosen = []
    for half, measured in (("modular", "primes"), ("frequency", "frequencies")):
        for target in settings[f"{half}_targets"]:
            shared = {"half": half, "target": target}
            chosen += [
                {**shared, "series": series, "model": model, "size": size, "seed": seed}
                | {name: settings[name] for name in ("width", "dtype")}
                for series, model in settings["models"].items()
                for size in settings[measured]
                for seed in settings["seeds"]
            ]
            chosen += [{**shared, "series": "bounds", "size": size} for size in settings[f"{measured}_of_bounds"]]
    return chosen


def compute(cell: Cell) -> list[Row]:
    """Var/B² of one initialisation, or every rung at one modulus or largest frequency."""
    start = time.perf_counter()
    target = specs.target(cell["target"])
    modular = cell["half"] == "modular"
    cls = barren.ModularMultiplication(cell["size"], target) if modular else barren.Frequencies(cell["size"], target)
    if cell["series"] == "bounds":
        values = {rung.name: rung.value for rung in barren.bounds(cls)}
    else:
        values = {cell["series"]: _measured(cls, cell)}
    seconds = time.perf_counter() - start
    row = {name: cell.get(name) for name in ("half", "target", "size", "seed")}
    return [{**row, "series": series, "value": value, "seconds": seconds} for series, value in values.items()]


def _measured(cls: barren.ModularMultiplication | barren.Frequencies, cell: Cell) -> float:
    """Var/B²: for the squared error on the output, and the same number for BCE where the output is a logit."""
    from barren import models

    modular = cell["half"] == "modular"
    return barren.gradient_variance(
        cls,
        models.from_spec(cell["model"], cell["width"] if modular else 1, cell["seed"]),
        encoding=encodings.Bits(cell["width"]) if modular else encodings.Scalar(),
        deviations=False,
        method="kernel",  # fixed: what "auto" predicts, and so the last digits, may differ between machines
        dtype=cell["dtype"],
    ).normalised


def cost(cell: Cell) -> float:
    """About its seconds in docs/results: on the line as many points as A² are paired."""
    size = float(cell["size"])
    if cell["series"] == "bounds":
        return 0.02 + 2e-6 * size
    return 0.4 + 1.5e-3 * size if cell["half"] == "modular" else 1.0 + 4e-5 * size**2


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """A panel a target, log-log in p or in A."""
    names = {"bit:0": "lowest bit", "sawtooth": "sawtooth"}
    panels = [("modular", target) for target in settings["modular_targets"]]
    panels += [("frequency", target) for target in settings["frequency_targets"]]
    canvas.set_size_inches(5.2 * len(panels), 6.4)
    drawn = canvas.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (half, target) in zip(drawn, panels, strict=True):
        _panel(axes, where(rows, half=half, target=target))
        argument = "a·x mod p, a in 1..p−1" if half == "modular" else "a·x, a in 1..A"
        axes.set_title(f"{names.get(target, target)} of {argument}")
        axes.set_xlabel(f"{'prime modulus p' if half == 'modular' else 'largest frequency A'} (dimensionless)")
    drawn[0].set_ylabel("Var / B² (dimensionless), B² = E‖∇ output‖²")
    handles, labels = drawn[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    canvas.suptitle(
        "The ladder of bounds on the normalised gradient variance, x uniform on 0..p−1 or on [0, 1]\n"
        f"measured: {', '.join(settings['models'].values())} on {settings['width']} zero-padded bits or on x, torch's "
        f"default initialisation, mean of {len(settings['seeds'])} (band: least to largest)",
        fontsize=10.5,
    )


def _panel(axes: Axes, rows: Sequence[Row]) -> None:
    present, lowest = set(column(rows, "series")), []
    for series, (label, style, colour, marker) in _STYLES.items():
        if series not in present:
            continue
        size, mean, least, largest = spread(where(rows, series=series), "size", "value")
        axes.plot(size, mean, style, color=colour, markersize=marker, linewidth=1.5, label=label)
        axes.fill_between(size, least, largest, color=colour, alpha=0.2, linewidth=0)
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
    axes.grid(alpha=0.3)


FIGURE = Figure(
    name="bound-ladder",
    summary="measured Var/B² of MLPs under the sharp bound, Boas–Bellman, bounded variation and the published rate",
    columns={
        "half": str,
        "target": str,
        "series": str,
        "size": int,
        "seed": int,
        "value": float,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
    cost=cost,
)
