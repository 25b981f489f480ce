"""The gradient along training: what it says of the multiplier while networks train on easy and on other multipliers.

At log-spaced steps the gradient watch (docs/experiments) looks at every run: the exact variance over all multipliers,
the signal of the run's own one against the noise of a batch, how alike the gradients of different multipliers are, and
in how many directions they differ. The settings are ours. Batches are fresh draws from all of Z_p, so at this size a
network sees every x many times, and can learn any multiplier by heart.
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

# Of the lines: multipliers that bits make easy are dark, the others grey.
_EASY = (("o-", "black"), ("^-", "black"), ("s-", "black"))
_OTHERS = (("D--", "0.5"), ("v:", "0.5"), ("x-.", "0.5"))
# Signal to noise that is shown at most: where a run has learnt every point, the noise goes to zero.
_MOST_SIGNAL = 1e6
_SEEN = (
    "variance", "mean_squared_norm", "normalised", "deviation", "squared_norm", "noise", "snr", "cosine",
    "effective_rank",
)  # fmt: skip
_SHARED = ("easy", "others", "seeds", "model", "target", "loss", "inputs", "lr", "batch_size", "steps", "looks")


def settings(full: bool, seed: int) -> Settings:
    """The modulus 1009, two easy multipliers and two others, three seeds; with `full` 4093 too, and more of all."""
    return {
        "primes": [1009, 4093] if full else [1009],
        "easy": [1, 2],
        "others": [300, 401],
        "seeds": seeds_from(seed, 8 if full else 3),
        "model": "mlp:100x100:relu",
        "target": "bit:0",
        "loss": "bce",
        "inputs": "uniform",
        "lr": 0.001,
        "batch_size": 100,
        "steps": 20000 if full else 5000,
        "looks": 24 if full else 16,
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell, one ensemble, a prime."""
    return [{"p": p, **{name: settings[name] for name in _SHARED}} for p in settings["primes"]]


def compute(cell: Cell) -> list[Row]:
    """A row a look."""
    start = time.perf_counter()
    cls = barren.ModularMultiplication(cell["p"], specs.target(cell["target"]))
    law = specs.law(cell["inputs"])
    members = [*cell["easy"], *cell["others"]]
    ensemble = barren.train(
        cls,
        cell["model"],
        members=members,
        seeds=cell["seeds"],
        loss=cell["loss"],
        lr=cell["lr"],
        batch_size=cell["batch_size"],
        steps=cell["steps"],
        inputs=law,
        records=cell["looks"],
        watch=cell["looks"] + 1,  # every record: so many and step 0
        watch_runs=len(members) * len(cell["seeds"]),
    )
    sharp, rows = barren.sharp_bound(cls, law), []
    place = {step: k for k, step in enumerate(ensemble.records.tolist())}
    for look in ensemble.watched:
        seen = {name: look[name] for name in _SEEN}
        at = look["run"], place[look["step"]]
        measured = {name: float(ensemble.history[name][at]) for name in ("test_accuracy", "test_relative_loss")}
        about = {"p": cell["p"], "a": look["member"], "easy": int(look["member"] in cell["easy"])}
        share = look["deviation"] / look["variance"] if look["variance"] else float("nan")
        rows.append({**about, "seed": look["seed"], "step": look["step"], **seen, "share": share, **measured})
    seconds = time.perf_counter() - start
    return [{**row, "bound": sharp, "seconds": seconds} for row in rows]


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """A row of panels a prime: steps from left to right, a line a multiplier, a band over the seeds."""
    primes = settings["primes"]
    canvas.set_size_inches(13.5, 7.6 * len(primes))
    panels = canvas.subplots(2 * len(primes), 3, squeeze=False)
    for number, p in enumerate(primes):
        _panels(panels[2 * number : 2 * number + 2].ravel().tolist(), where(rows, p=p), settings, p)
    panels[0, 0].legend(loc="lower right", fontsize=8.5)
    canvas.suptitle(
        f"The gradient along training: {settings['target']} of a·x mod p, {settings['model']} on bits, "
        f"{settings['loss']}, Adam {settings['lr']:g}, fresh batches of {settings['batch_size']}\n"
        f"median over {len(settings['seeds'])} seeds, in a band from the least to the largest; "
        "exact over all multipliers, but the cosine (pairs of 64 drawn ones)",
        fontsize=10.5,
    )


def _panels(panels: list[Axes], rows: Sequence[Row], settings: Settings, p: int) -> None:
    accuracy, variance, share, signal, cosine, rank = panels
    _lines(accuracy, rows, settings, "test_accuracy", f"p = {p}: test accuracy", "share of points that are right")
    accuracy.axhline(0.5, linestyle=":", color="0.3", linewidth=1.0)
    accuracy.set_ylim(0.4, 1.03)
    _lines(variance, rows, settings, "normalised", "variance of the gradient over a", "Var / B²", log=True)
    bound = rows[0]["bound"]
    variance.axhline(bound, color="black", linewidth=2.2)
    variance.annotate("λ: no network is above", (1.0, bound), xytext=(3, -4), textcoords="offset points", va="top")
    low = min(row["normalised"] for row in rows)
    variance.set_ylim(low / 1.6, bound * 1.6)
    _lines(share, rows, settings, "share", "own deviation over that of the mean a", "d(a) / Var", log=True)
    share.axhline(1.0, linestyle=":", color="0.3", linewidth=1.0)
    _lines(signal, rows, settings, "snr", "signal to noise of one batch", "d(a) / (noise / batch size)", log=True)
    signal.axhline(1.0, linestyle=":", color="0.3", linewidth=1.0)
    signal.set_ylim(top=min(signal.get_ylim()[1], _MOST_SIGNAL))
    if max(row["snr"] for row in rows) > _MOST_SIGNAL:
        note = "cut above: where all is\nlearnt, no noise is left"
        signal.text(0.03, 0.96, note, transform=signal.transAxes, va="top", fontsize=8.5)
    _lines(cosine, rows, settings, "cosine", "how alike the gradients of different a are", "mean pairwise cosine")
    cosine.set_ylim(-0.05, 1.05)
    _lines(rank, rows, settings, "effective_rank", "directions in which they differ", "(tr C)² / tr C²")
    rank.set_ylim(bottom=0.0)


def _lines(
    axes: Axes, rows: Sequence[Row], settings: Settings, name: str, title: str, label: str, *, log: bool = False
) -> None:
    """Against step + 1, for the axis is logarithmic and the first look is before the first step."""
    styles = [*zip(settings["easy"], _EASY * 9, strict=False), *zip(settings["others"], _OTHERS * 9, strict=False)]
    for a, (style, colour) in styles:
        own = where(rows, a=a)
        steps = np.unique(column(own, "step"))
        groups = [column(where(own, step=int(step)), name).astype(np.float64) for step in steps]
        middle, least, largest = (np.array([of(group) for group in groups]) for of in (np.median, np.min, np.max))
        kind = "easy" if a in settings["easy"] else "other"
        axes.plot(steps + 1, middle, style, color=colour, markersize=4, linewidth=1.3, label=f"a = {a} ({kind})")
        axes.fill_between(steps + 1, least, largest, color=colour, alpha=0.13, linewidth=0)
    axes.set_xscale("log")
    if log:
        axes.set_yscale("log")
    axes.set_title(title, fontsize=10.5)
    axes.set_xlabel("step + 1 (dimensionless)")
    axes.set_ylabel(f"{label} (dimensionless)")
    axes.grid(alpha=0.3)


FIGURE = Figure(
    name="gradient-along-training",
    summary="variance, signal to noise, cosine and effective rank of the gradient while networks train",
    columns={
        "p": int,
        "a": int,
        "easy": int,
        "seed": int,
        "step": int,
        **dict.fromkeys(_SEEN, float),
        "share": float,
        "test_accuracy": float,
        "test_relative_loss": float,
        "bound": float,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
