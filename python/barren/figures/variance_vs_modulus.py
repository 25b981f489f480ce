"""Variance against the modulus: does a larger p hide the multiplier from a gradient method?

With `full` the settings are those published in arXiv 2310.01611, Fig. 1: the primes in [300, 3000], zero-padded bits ->
1000 -> 1000 -> 1, sigmoid, binary cross-entropy on the logit, torch's default initialisation, 20 initialisations, all
multipliers 1..p−1; by default some of these primes and fewer initialisations. The width to which the bits are padded is
not known to us, so it is the setting `width`: 12 for every prime, the length of the largest. The right panel, its bound
and the normalisation by the logit are ours. An initialisation is the same weights at every prime.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import barren
from barren import encodings, specs
from barren._primes import all_primes, spaced_primes
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def settings(full: bool, seed: int) -> Settings:
    """Every prime and 20 initialisations, or 24 primes and 16 initialisations."""
    return {
        "primes": all_primes(300, 3000) if full else spaced_primes(300, 3000, 24),
        "seeds": seeds_from(seed, 20 if full else 16),
        "width": 12,
        "model": "mlp:1000x1000:sigmoid",
        "target": "bit:0",
        "loss": "bce",
        "inputs": "uniform",
        "dtype": "float32",
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a prime and an initialisation."""
    shared = {name: settings[name] for name in ("width", "model", "target", "loss", "inputs", "dtype")}
    return [{"p": p, "seed": seed, **shared} for p in settings["primes"] for seed in settings["seeds"]]


def compute(cell: Cell) -> list[Row]:
    """The exact variance at one initialisation, both normalisations and the bound."""
    from barren import models

    start = time.perf_counter()
    cls = barren.ModularMultiplication(cell["p"], specs.target(cell["target"]))
    law = specs.law(cell["inputs"])
    variance = barren.gradient_variance(
        cls,
        models.from_spec(cell["model"], cell["width"], cell["seed"]),
        encoding=encodings.Bits(cell["width"]),
        loss=cell["loss"],
        inputs=law,
        deviations=False,
        method="kernel",  # fixed: what "auto" predicts, and so the last digits, may differ between machines
        dtype=cell["dtype"],
    )
    sharp = barren.sharp_bound(cls, law)
    row = {
        "p": cell["p"],
        "seed": cell["seed"],
        "variance": float(variance),
        "mean_squared_norm": variance.mean_squared_norm,
        "mean_squared_norm_of_probability": variance.mean_squared_norm_of_probability,
        "normalised": variance.normalised,
        "normalised_by_probability": variance.normalised_by_probability,
        "sharp_bound": sharp,
        "bound": sharp * variance.mean_squared_norm,
        "method": variance.method,
    }
    return [{**row, "seconds": time.perf_counter() - start}]


def cost(cell: Cell) -> float:
    """A pass through the network is most of it."""
    return float(cell["p"])


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """Left: the published quantity. Right: p·Var/B² under the bound p·λ, with the published rate as a slope."""
    canvas.set_size_inches(12.0, 5.2)
    left, right = canvas.subplots(1, 2)
    _published(rows, left)
    _bounded(rows, right)
    canvas.suptitle(
        "Exact gradient variance over all multipliers 1..p−1: lowest bit of a·x mod p, x uniform on 0..p−1\n"
        f"{settings['width']} zero-padded bits, {settings['model']}, BCE on the logit, {len(settings['seeds'])} "
        f"initialisations, {len(settings['primes'])} primes",
        fontsize=10.5,
    )


def _published(rows: Sequence[Row], axes: Axes) -> None:
    scaled = [{"p": row["p"], "y": row["normalised_by_probability"] * row["p"] ** 0.5} for row in rows]
    _line(axes, scaled, "mean over initialisations", "o-", "black", band="least to largest of them")
    axes.set_ylim(bottom=0.0)
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    axes.set_title("v·√p / g, after the settings of arXiv 2310.01611, Fig. 1", fontsize=10.5)
    axes.set_xlabel("prime modulus p (dimensionless)")
    axes.set_ylabel("v·√p / g (dimensionless)\nv = Var, g = E‖∇ probability‖²")
    axes.grid(alpha=0.3)
    axes.legend(loc="best")


def _bounded(rows: Sequence[Row], axes: Axes) -> None:
    by_probability = [{"p": row["p"], "y": row["p"] * row["normalised_by_probability"]} for row in rows]
    by_logit = [{"p": row["p"], "y": row["p"] * row["normalised"]} for row in rows]
    primes = np.unique(column(rows, "p"))
    _, sharp, _, _ = spread(rows, "p", "sharp_bound")
    axes.plot(primes, primes**0.5, "--", color="0.45", label="√p: slope of the published rate, constant unknown")
    axes.plot(
        primes,
        primes * sharp,
        "-",
        color="black",
        linewidth=2.2,
        label="p·λ: sharp bound on p·v / B², normalised by the logit",
    )
    _line(axes, by_probability, "p·v / g, g = E‖∇ probability‖²", "o-", "0.35")
    _line(axes, by_logit, "p·v / B², B² = E‖∇ logit‖²", "^-", "black")
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 100.0)  # room for the legend
    _label_primes(axes, primes)
    axes.set_title("p·v / g and p·v / B², and the bound on the second (bands as on the left)", fontsize=10.5)
    axes.set_xlabel("prime modulus p (dimensionless)")
    axes.set_ylabel("p·v / g and p·v / B² (dimensionless)")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=8.5)


def _line(axes: Axes, rows: Sequence[Row], label: str, style: str, colour: str, band: str | None = None) -> None:
    """Mean over the initialisations, in a band from the least to the largest."""
    x, mean, least, largest = spread(rows, "p", "y")
    axes.plot(x, mean, style, color=colour, markersize=4, linewidth=1.2, label=label)
    axes.fill_between(x, least, largest, color=colour, alpha=0.18, linewidth=0, label=band)


def _label_primes(axes: Axes, primes: Any) -> None:
    """Plain numbers at 1, 2, 3 and 5 times powers of ten, which a logarithmic axis of one decade lacks."""
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    ticks = [digit * 10**power for power in range(1, 8) for digit in (1, 2, 3, 5)]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if primes[0] * 0.9 <= tick <= primes[-1] * 1.1]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


FIGURE = Figure(
    name="variance-vs-modulus",
    summary="gradient variance of an MLP against the prime modulus, with the sharp bound and the published rate",
    columns={
        "p": int,
        "seed": int,
        "variance": float,
        "mean_squared_norm": float,
        "mean_squared_norm_of_probability": float,
        "normalised": float,
        "normalised_by_probability": float,
        "sharp_bound": float,
        "bound": float,
        "method": str,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
    cost=cost,
)
