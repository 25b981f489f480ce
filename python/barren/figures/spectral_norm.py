"""The largest singular value of the matrix of signs [(−1)^(j·k mod p)], j, k = 1..p−1, over √p·ln p.

The entry depends on log j + log k only, so the singular values are the moduli of the character transform of
ψ(t) = (−1)^t = 1 − 2·(t mod 2): 2|P[χ]| of the lowest bit for χ ≠ 0, and 0 for the trivial χ (docs/theory, section 2).
With P_bit[χ] = (2χ(2)^±1 − 1)·P_sawtooth[χ] and |P_sawtooth[χ]| ≤ √p·H(p−2)/p, H the harmonic number of (p−1)/2, it is
proven to be below 6·H·√p (section 4.1), so over √p·ln p it is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import barren
from barren import targets
from barren._primes import all_primes, spaced_primes
from barren.figures.base import Cell, Figure, Row, Settings, column

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def settings(full: bool, seed: int) -> Settings:
    """Every prime in [3, 500], then 80 up to 10^5; with `full` every prime below 5000, then 200 up to 10^7."""
    dense, top, count = (5000, 10_000_019, 200) if full else (500, 100_003, 80)
    return {"primes": all_primes(3, dense) + spaced_primes(dense + 1, top, count)}


def cells(settings: Settings) -> list[Cell]:
    """A cell a prime."""
    return [{"p": p} for p in settings["primes"]]


def compute(cell: Cell) -> list[Row]:
    """The spectral norm, and the typical singular value: the root mean square of all but the trivial one."""
    start = time.perf_counter()
    p = cell["p"]
    squares = 4.0 * barren.ModularMultiplication(p, targets.Bit(0)).spectrum()[1:]
    harmonic = float(np.sum(1.0 / np.arange(1, (p - 1) // 2 + 1)))
    row = {
        "p": p,
        "norm": float(np.sqrt(squares.max())),
        "root_mean_square": float(np.sqrt(squares.mean())),
        "proven": 6.0 * harmonic * float(np.sqrt(p)),
    }
    return [{**row, "seconds": time.perf_counter() - start}]


def cost(cell: Cell) -> float:
    """A transform, and what a call takes at any p."""
    return 1000.0 + float(cell["p"])


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """All three over √p·ln p, with p logarithmic."""
    canvas.set_size_inches(7.4, 5.0)
    axes = canvas.subplots()
    p = column(rows, "p").astype(np.float64)
    scale = np.sqrt(p) * np.log(p)
    for name, style, colour, label in (
        ("proven", "--", "black", "proven bound 6·H·√p"),
        ("norm", "o", "black", "largest singular value"),
        ("root_mean_square", ":", "0.4", "root mean square of the singular values"),
    ):
        axes.plot(p, column(rows, name) / scale, style, color=colour, markersize=3.0, linewidth=1.4, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("prime modulus p (dimensionless)")
    axes.set_ylabel("value / (√p·ln p) (dimensionless)")
    axes.set_title("Singular values of [(−1)^(j·k mod p)], j, k = 1..p−1, over √p·ln p", fontsize=10.5)
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=9)


FIGURE = Figure(
    name="spectral-norm",
    summary="largest singular value of the matrix of signs (−1)^(j·k mod p) over √p·ln p: bounded",
    columns={"p": int, "norm": float, "root_mean_square": float, "proven": float, "seconds": float},
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
    cost=cost,
)
