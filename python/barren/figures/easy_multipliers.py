"""Easy multipliers: how the gradient variance is shared out among the multipliers, encoding by encoding.

The deviation d(a) = ‖G_a − E G‖² is what a gradient method sees of the multiplier a. Its mean over a is the variance; a
few multipliers, such as ±2^k for bits, have most of it. The settings are ours: one initialisation, the lowest bit of
a·x mod p.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import barren
from barren import specs
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# How many of the easiest |a| are named in a panel.
_NAMED = 7
# Deviations under this part of the largest are counted, not shown: they are rounding or next to it.
_LOWEST = 1e-7
# Least distance of two names, in widths of a panel.
_APART = 0.04


def settings(full: bool, seed: int) -> Settings:
    """The modulus 1021, with `full` 4093 too. Double precision: the small deviations of some encodings need it."""
    return {
        "primes": [1021, 4093] if full else [1021],
        "encodings": ["bits", "scalar", "angular", "one-hot"],
        "seeds": seeds_from(seed, 1),
        "model": "mlp:1000x1000:sigmoid",
        "target": "bit:0",
        "loss": "bce",
        "inputs": "uniform",
        "dtype": "float64",
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell an encoding and a prime."""
    shared = {name: settings[name] for name in ("model", "target", "loss", "inputs", "dtype")}
    return [
        {"encoding": encoding, "p": p, "seed": seed, **shared}
        for encoding in settings["encodings"]
        for p in settings["primes"]
        for seed in settings["seeds"]
    ]


def compute(cell: Cell) -> list[Row]:
    """A row a multiplier: its deviation and its share of the sum."""
    from barren import models

    start = time.perf_counter()
    p, encoding = cell["p"], specs.encoding(cell["encoding"])
    variance = barren.gradient_variance(
        barren.ModularMultiplication(p, specs.target(cell["target"])),
        models.from_spec(cell["model"], encoding.width(p), cell["seed"]),
        encoding=encoding,
        loss=cell["loss"],
        inputs=specs.law(cell["inputs"]),
        method="kernel",  # fixed: what "auto" predicts, and so the last digits, may differ between machines
        dtype=cell["dtype"],
    )
    shares = variance.deviations / variance.deviations.sum()
    seconds = time.perf_counter() - start
    return [
        {
            "encoding": cell["encoding"],
            "p": p,
            "seed": cell["seed"],
            "a": a,
            "deviation": deviation,
            "share": share,
            "seconds": seconds,
        }
        for a, deviation, share in zip(variance.members, variance.deviations, shares, strict=True)
    ]


def multiplier_name(a: int, p: int) -> str:
    """How the pair a, −a modulo p is written: ±2^k, ±r/s with small r and odd s, or the number of the smaller.

    Example:
        >>> [multiplier_name(a, 1021) for a in (1, 1013, 341, 100)]
        ['±1', '±2³', '±2/3', '±100']
    """
    pair = sorted((a % p, -a % p))
    for power in pair:
        if power & (power - 1) == 0:
            return _power_of_two(power)
    a = pair[0]
    if a < 16:
        return f"±{a}"
    for s in range(3, 16, 2):
        r = min(a * s % p, -a * s % p)
        if r in (1, 2, 4):
            return f"±{r}/{s}"
    return f"±{a}"


def _power_of_two(power: int) -> str:
    superscripts = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"±{power}" if power < 4 else "±2" + str(power.bit_length() - 1).translate(superscripts)


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """A line of panels an encoding: the share of the easiest multipliers, then d(a) against |a| for every prime."""
    primes, names = settings["primes"], settings["encodings"]
    canvas.set_size_inches(4.2 + 5.4 * len(primes), 3.0 * len(names) + 0.8)
    grid = canvas.subplots(
        len(names), 1 + len(primes), squeeze=False, gridspec_kw={"width_ratios": [4.0] + [5.4] * len(primes)}
    )
    for line, name in zip(grid, names, strict=True):
        of_encoding = where(rows, encoding=name)
        _shares(line[0], of_encoding, primes, name, legend=name == names[0])
        for axes, p in zip(line[1:], primes, strict=True):
            _deviations(axes, where(of_encoding, p=p), p, name)
    canvas.suptitle(
        "Which multipliers a gradient sees: deviation d(a) = ‖G_a − E G‖² of every a in 1..p−1\n"
        f"lowest bit of a·x mod p, {settings['model']}, BCE, one initialisation (seed {settings['seeds'][0]})",
        fontsize=10.5,
    )


def _shares(axes: Axes, rows: Sequence[Row], primes: Sequence[int], name: str, *, legend: bool) -> None:
    for p, style in zip(primes, ("-", "-.", ":"), strict=False):
        shares = np.sort(column(where(rows, p=p), "share"))[::-1]
        part = np.arange(1, len(shares) + 1) / len(shares)
        axes.plot(part, np.cumsum(shares), style, color="black", linewidth=1.6, label=f"p = {p}")
    even = np.geomspace(part[0], 1.0, 200)
    axes.plot(even, even, "--", color="0.45", label="if all were equal")
    axes.set_xscale("log")
    axes.set_ylim(0.0, 1.03)
    axes.set_title(f"{name}: share of the variance")
    axes.set_xlabel("share of the multipliers, easiest first (dimensionless)")
    axes.set_ylabel("share of the variance\n(dimensionless)")
    axes.grid(alpha=0.3)
    if legend:
        axes.legend(loc="upper left", fontsize=8.5)


def _deviations(axes: Axes, rows: Sequence[Row], p: int, name: str) -> None:
    a, deviations = column(rows, "a"), column(rows, "deviation")
    relative = deviations / deviations.mean()
    folded = np.minimum(a, p - a)
    axes.plot(folded, relative, ".", color="0.55", markersize=3, label="a multiplier")
    axes.axhline(1.0, linestyle="--", color="0.3", linewidth=1.0, label="mean over a (the variance)")
    half = np.flatnonzero(a == folded)
    top = half[np.argsort(relative[half])[::-1][:_NAMED]]
    axes.plot(folded[top], relative[top], "^", color="black", markersize=5, label=f"the {len(top)} easiest pairs ±a")
    axes.set_xscale("log")
    _frame(axes, relative)
    _name_points(axes, folded[top], relative[top], p)
    axes.set_title(f"{name}, p = {p}: deviation of every a")
    axes.set_xlabel("|a| = min(a, p − a), where d(−a) = d(a) (dimensionless)")
    axes.set_ylabel("d(a) / Var (dimensionless)")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", fontsize=8, ncols=3, columnspacing=1.0, handletextpad=0.4)


def _frame(axes: Axes, relative: np.ndarray) -> None:
    """The vertical axis, with room above the points for names and legend; logarithmic from one decade on."""
    low, high = max(float(relative.min()), float(relative.max()) * _LOWEST), float(relative.max())
    if high < 10.0 * low:
        axes.set_ylim(low - 0.06 * (high - low), high + 0.65 * (high - low))
        return
    axes.set_yscale("log")
    axes.set_ylim(low / (high / low) ** 0.06, high * (high / low) ** 0.65)
    below = int(np.sum(relative < low))
    if below:
        axes.text(0.01, 0.02, f"{below} below the frame", transform=axes.transAxes, fontsize=8)


def _name_points(axes: Axes, x: np.ndarray, y: np.ndarray, p: int) -> None:
    """Names in a line above the points, moved apart where they would run into each other, each tied to its point."""
    low, high = np.log(axes.get_xlim())
    order = np.argsort(x)
    places = (np.log(x[order]) - low) / (high - low)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + _APART)
    for i in range(len(places) - 1, -1, -1):
        places[i] = min(places[i], 0.98 if i == len(places) - 1 else places[i + 1] - _APART)
    for at, height, place in zip(x[order], y[order], places, strict=True):
        axes.annotate(
            multiplier_name(int(at), p),
            (at, height),
            xytext=(place, 0.68),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            rotation=90,
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": "0.3", "linewidth": 0.6, "shrinkA": 1.0, "shrinkB": 3.0},
        )


FIGURE = Figure(
    name="easy-multipliers",
    summary="deviation of every multiplier and the easiest ones by name, for four encodings",
    columns={
        "encoding": str,
        "p": int,
        "seed": int,
        "a": int,
        "deviation": float,
        "share": float,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
