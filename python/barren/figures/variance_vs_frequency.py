"""The gradient variance against the largest frequency A, for ψ(a·x) with a uniform on 1..A, and what bounds it.

Published (abstract of arXiv 2310.12660) is the rate Õ(1/√A); laws of x, targets and the network are ours. Where the law
has a bounded density λ falls as 1/A up to logarithms (docs/theory, section 4).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import barren
from barren import encodings, inputs, specs
from barren.figures.base import Cell, Figure, Row, Settings, seeds_from, spread, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_LAWS = {
    "uniform": "x uniform on [0, 1], by quadrature",
    "gaussian": "x Gaussian, σ = 1/4, by quadrature",
    "grid": "x uniform on the grid j/M",
}
_STYLES = {"cosine": "o-", "sawtooth": "s--", "square": "^-.", "triangle": "v:"}
_SCALE = 0.25
_REACH = 6.0  # standard deviations
# Nodes of a rule for one period of the largest frequency.
_NODES = 8


def settings(full: bool, seed: int) -> Settings:
    """A = 2, 4, …, 256 and 3 initialisations; with `full` up to 1024 and 10. A class of one member does not vary."""
    return {
        "largest_frequencies": [2**k for k in range(1, 11 if full else 9)],
        "targets": list(_STYLES),
        "laws": list(_LAWS),
        "M": 2053,
        "model": "mlp:200x200:relu",
        "seeds": seeds_from(seed, 10 if full else 3),
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a law, a target, a largest frequency and an initialisation."""
    shared = {name: settings[name] for name in ("model", "M")}
    return [
        {"law": law, "target": target, "A": A, "seed": seed, **shared}
        for law in settings["laws"]
        for target in settings["targets"]
        for A in settings["largest_frequencies"]
        for seed in settings["seeds"]
    ]


def compute(cell: Cell) -> list[Row]:
    """Var/B² of one initialisation, and λ of the class under the law."""
    from barren import models

    start = time.perf_counter()
    answer = barren.gradient_variance(
        barren.Frequencies(cell["A"], specs.target(cell["target"])),
        models.from_spec(cell["model"], 1, cell["seed"]),
        encoding=encodings.Scalar(),
        inputs=_law(cell["law"], cell["A"], cell["M"]),
        deviations=False,
        method="kernel",  # fixed: what "auto" predicts, and so the last digits, may differ between machines
        dtype="float64",
    )
    row = {name: cell[name] for name in ("law", "target", "A", "seed")}
    sharp = answer.bound / answer.mean_squared_norm
    return [{**row, "value": answer.normalised, "sharp": sharp, "seconds": time.perf_counter() - start}]


def _law(name: str, A: int, M: int) -> inputs.RealLaw:
    if name == "grid":
        return inputs.Grid(M)
    if name == "uniform":
        return inputs.Density("uniform", nodes=max(256, _NODES * A))
    reach = _REACH * _SCALE
    return inputs.Density(_gaussian, nodes=max(256, int(2 * reach * _NODES * A)), interval=(-reach, reach))


def _gaussian(x: np.ndarray) -> np.ndarray:
    density: np.ndarray = np.exp(-0.5 * (x / _SCALE) ** 2) / (_SCALE * np.sqrt(2.0 * np.pi))
    return density


def cost(cell: Cell) -> float:
    """About its seconds in docs/results: nodes grow with A, and a grid has its own number."""
    if cell["law"] == "grid":
        return 0.28
    share = (1.0 if cell["law"] == "gaussian" else 0.2) * (1.0 if cell["target"] == "cosine" else 0.15)
    return 0.05 + 1.6e-4 * share * float(cell["A"]) ** 2


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """A column of panels a law: measured above, λ below, log-log in A."""
    laws = settings["laws"]
    canvas.set_size_inches(4.2 * len(laws), 7.4)
    grid = canvas.subplots(2, len(laws), sharex=True, sharey="row", squeeze=False)
    for (measured, bound), law in zip(grid.T, laws, strict=True):
        of_law = where(rows, law=law)
        for target, style in _STYLES.items():
            if target in settings["targets"]:
                _line(measured, where(of_law, target=target), "value", style, f"ψ = {target}")
                _line(bound, where(of_law, target=target), "sharp", style, f"ψ = {target}")
        _slopes(bound, settings["largest_frequencies"])
        measured.set_title(_LAWS[law] + (f", M = {settings['M']}" if law == "grid" else ""), fontsize=10)
        bound.set_xlabel("largest frequency A (dimensionless)")
    grid[0, 0].set_ylabel("measured Var / B² (dimensionless)")
    grid[1, 0].set_ylabel("λ, the sharp bound (dimensionless)")
    handles, labels = grid[1, 0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=9)
    canvas.suptitle(
        "Normalised gradient variance of ψ(a·x), a uniform on 1..A, against A\n"
        f"{settings['model']} on x itself, torch's default initialisation, mean of {len(settings['seeds'])} "
        "(band: least to largest)",
        fontsize=10.5,
    )


def _line(axes: Axes, rows: Sequence[Row], name: str, style: str, label: str) -> None:
    A, mean, least, largest = spread(rows, "A", name)
    axes.plot(A, mean, style, color="black", markersize=4.0, linewidth=1.2, label=label)
    axes.fill_between(A, least, largest, color="0.4", alpha=0.2, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.grid(alpha=0.3)


def _slopes(axes: Axes, frequencies: Sequence[int]) -> None:
    A = np.array(frequencies, dtype=np.float64)
    axes.plot(A, A**-0.5, "-", color="0.6", linewidth=1.0, label="A^(−1/2): published rate")
    axes.plot(A, 0.02 / A, "-", color="0.8", linewidth=2.0, label="slope of 1/A")


FIGURE = Figure(
    name="variance-vs-frequency",
    summary="Var/B² of ψ(a·x) and its sharp bound against the largest frequency, for four targets and three laws of x",
    columns={
        "law": str,
        "target": str,
        "A": int,
        "seed": int,
        "value": float,
        "sharp": float,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
    cost=cost,
)
