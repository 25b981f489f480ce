"""How little x tells of k·x mod p: the mean squared covariance over the multipliers (arXiv 2310.01611, Fig. 3).

C_k is the covariance of x and k·x mod p, x uniform on 1..p−1, where both have the mean p/2. It is p²·s(k, p)/(p−1) with
the Dedekind sum s, so the mean of C_k² over k = 1..p−1 comes from one transform of length p−1. Published are the primes
in [3, 500] and the fit 0.015·p³·(ln p)^0.42. Proven is the limit (5/144)·p³ of the mean of C_k² (docs/theory, section
4.1): no power of ln p is left, and the fitted one is how the limit is approached.
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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Where the published primes end.
_PUBLISHED = 500
_LIMIT = 5 / 144
# C_k² is near p⁴/144 at k = ±1, two of the p − 1 multipliers: p³/72 of the mean.
_LIMIT_BEYOND_SIGN = _LIMIT - 1 / 72


def settings(full: bool, seed: int) -> Settings:
    """Every prime in [3, 500], and beyond it 24 primes up to 10^5; with `full` 60 up to 10^7. Nothing is random."""
    beyond = spaced_primes(_PUBLISHED + 1, 10_000_019 if full else 100_003, 60 if full else 24)
    return {"primes": all_primes(3, _PUBLISHED) + beyond}


def cells(settings: Settings) -> list[Cell]:
    """A cell a prime."""
    return [{"p": p} for p in settings["primes"]]


def compute(cell: Cell) -> list[Row]:
    """The mean over k of C_k², and the largest |C_k| beside C_1."""
    start = time.perf_counter()
    p = cell["p"]
    covariances = float(p) ** 2 * barren.ModularMultiplication(p, targets.Sawtooth()).kernel_by_ratio()
    row = {
        "p": p,
        "mean_squared_covariance": float(np.mean(covariances**2)),
        "mean_squared_beyond_sign": float(np.mean(_without_signs(covariances) ** 2)) if p > 3 else None,
        "published_fit": 0.015 * p**3 * np.log(p) ** 0.42,
    }
    return [{**row, "seconds": time.perf_counter() - start}]


def _without_signs(covariances: np.ndarray) -> np.ndarray:
    """All but k = ±1, where k·x mod p is x or p − x: those two have a share that does not vanish."""
    order = len(covariances)
    return np.delete(covariances, [0, order // 2])


def cost(cell: Cell) -> float:
    """Some transforms, and what a call takes at any p."""
    return 1000.0 + float(cell["p"])


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """The mean squared covariance as published, and over p³."""
    canvas.set_size_inches(11.0, 4.8)
    left, right = canvas.subplots(1, 2)
    published = [row for row in rows if row["p"] <= _PUBLISHED]
    _measured(left, published, scaled=False)
    left.set_title("the published range")
    left.set_ylabel("mean over k of C_k² (dimensionless)")
    left.set_yscale("log")
    values = column(published, "mean_squared_covariance")
    left.set_ylim(0.3 * values.min(), 10.0 * values.max())  # the mean without k = ±1 is 0 at p = 5
    _measured(right, rows, scaled=True)
    thin = {"color": "0.6", "linewidth": 1.0, "zorder": 1.0}
    right.axhline(_LIMIT, label="their limits 5/144 and 1/48", **thin)
    right.axhline(_LIMIT_BEYOND_SIGN, **thin)
    right.axvline(_PUBLISHED, linestyle=":", label=f"p = {_PUBLISHED}: end of the published range", **thin)
    right.set_title("over p³, and beyond")
    right.set_ylabel("mean over k of C_k² / p³ (dimensionless)")
    right.set_ylim(-0.001, 0.04)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlabel("prime modulus p (dimensionless)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8.5, loc="lower right")
    canvas.suptitle(
        "Mean squared covariance C_k of x and k·x mod p, x uniform on 1..p−1, over the multipliers k = 1..p−1",
        fontsize=10.5,
    )


def _measured(axes: Axes, rows: Sequence[Row], *, scaled: bool) -> None:
    p = column(rows, "p").astype(np.float64)
    scale = p**3 if scaled else np.ones_like(p)
    fit = np.where(p <= _PUBLISHED, column(rows, "published_fit") / scale, np.nan)
    values = column(rows, "mean_squared_covariance") / scale
    beyond = column(rows, "mean_squared_beyond_sign").astype(np.float64) / scale
    axes.plot(p, values, "o", color="black", markersize=3.0, label="every k, exact")
    axes.plot(p, beyond, "^", color="0.5", markersize=3.0, label="without k = ±1, exact")
    axes.plot(p, fit, "--", color="black", linewidth=1.2, label="published fit 0.015·p³·(ln p)^0.42")


FIGURE = Figure(
    name="log-covariance",
    summary="mean squared covariance of x and k·x mod p over k, beside the published fit and its limit 5/144·p³",
    columns={
        "p": int,
        "mean_squared_covariance": float,
        "mean_squared_beyond_sign": float,
        "published_fit": float,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
    cost=cost,
)
