"""Spectra of a target and of networks, over characters and over frequencies: what each could see of the other.

The gradient variance is a sum over the characters χ of the multiplicative group, |P[χ]|² of the target times ‖F[χ]‖² of
the model's Jacobian (docs/theory, section 2). A network at initialisation spreads its energy over all characters, which
is why the variance is small; over additive frequencies the same network may be concentrated. The settings are ours;
p = 113 is customary in work on networks that learn modular arithmetic.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import barren
from barren import specs, spectra
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_TARGET = "target"
_COLUMN_BYTES = 2**26
_LOWEST = 1e-6


def settings(full: bool, seed: int) -> Settings:
    """The modulus 113; with `full` 1009."""
    return {
        "p": 1009 if full else 113,
        "target": "sawtooth",
        "encodings": ["bits", "one-hot", "angular"],
        "model": "mlp:200x200:relu",
        "seeds": seeds_from(seed, 1),
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell for the target, and one for each encoding."""
    shared = {"p": settings["p"], "target": settings["target"]}
    model = {"model": settings["model"], "seed": settings["seeds"][0]}
    return [{"source": _TARGET, **shared}] + [{"source": e, **shared, **model} for e in settings["encodings"]]


def compute(cell: Cell) -> list[Row]:
    """A row for each pair of conjugate characters, and each of frequencies: its share of the energy."""
    start = time.perf_counter()
    cls = barren.ModularMultiplication(cell["p"], specs.target(cell["target"]))
    values = cls.table() if cell["source"] == _TARGET else _jacobian(cell)
    found = {"characters": spectra.character_spectrum(values), "frequencies": spectra.additive_spectrum(values)}
    carried = spectra.variance_spectrum(cls, values).shares if cell["source"] != _TARGET else None
    seconds = time.perf_counter() - start
    rows = []
    for kind, spectrum in found.items():
        pairs = _by_pair(spectrum.shares)
        shares_of_variance = _by_pair(carried) if carried is not None and kind == "characters" else [None] * len(pairs)
        rows += [
            {
                "source": cell["source"],
                "kind": kind,
                "index": index,
                "share": share,
                "share_of_variance": of_variance,
                "gini": spectrum.gini,
                "seconds": seconds,
            }
            for index, (share, of_variance) in enumerate(zip(pairs, shares_of_variance, strict=True), start=1)
        ]
    return rows


def _jacobian(cell: Cell) -> np.ndarray:
    """J(0), …, J(p−1) of one initialisation, float64."""
    from barren import models
    from barren.tangents import tangent_of_model

    p, encoding = cell["p"], specs.encoding(cell["source"])
    model = models.from_spec(cell["model"], encoding.width(p), cell["seed"])
    tangent = tangent_of_model(model, encoding(np.arange(p), p), dtype="float64")
    return np.concatenate([block for _, block in tangent.column_blocks(_COLUMN_BYTES)], axis=1)


def _by_pair(shares: np.ndarray) -> list[float]:
    """Shares of the indices k and n − k together, k = 1..n/2: of a real function they are equal."""
    n = len(shares)
    return [float(shares[k] + (shares[n - k] if k != n - k else 0.0)) for k in range(1, n // 2 + 1)]


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """A line of two panels a source: over characters, over frequencies."""
    sources = [_TARGET, *settings["encodings"]]
    canvas.set_size_inches(11.0, 2.5 * len(sources) + 0.9)
    grid = canvas.subplots(len(sources), 2, squeeze=False)
    for line, source in zip(grid, sources, strict=True):
        name = f"target {settings['target']}" if source == _TARGET else f"Jacobian, {source}"
        for axes, kind in zip(line, ("characters", "frequencies"), strict=True):
            _panel(axes, where(rows, source=source, kind=kind), f"{name}: over {kind}")
    for axes in grid[:, 0]:
        axes.set_ylabel("share of a pair\n(dimensionless)")
    grid[-1, 0].set_xlabel("character χ, with its conjugate; the last is its own (dimensionless)")
    grid[-1, 1].set_xlabel("frequency k, with −k (dimensionless)")
    canvas.suptitle(
        f"Energy over characters of Z_p^* and over additive frequencies, p = {settings['p']}\n"
        f"{settings['model']} at initialisation (seed {settings['seeds'][0]}); dashed: if all were equal; "
        f"shares below {_LOWEST:g} are not shown",
        fontsize=10.5,
    )


def _panel(axes: Axes, rows: Sequence[Row], title: str) -> None:
    index, shares = column(rows, "index"), column(rows, "share")
    shown = np.where(shares > _LOWEST, shares, np.nan)
    axes.plot(index, shown, "o", color="0.35", markersize=2.6, label="share of the energy")
    if rows[0]["share_of_variance"] is not None:
        carried = column(rows, "share_of_variance").astype(np.float64)
        carried = np.where(carried > _LOWEST, carried, np.nan)
        axes.plot(index, carried, "x", color="black", markersize=3.4, label="share of the gradient variance")
        axes.legend(fontsize=8, loc="lower left", ncols=2)
    axes.axhline(1.0 / len(rows), linestyle="--", color="0.5", linewidth=1.0)
    below = int(np.sum(~(shares > _LOWEST)))
    axes.set_xlim(-0.03 * len(rows), 1.03 * len(rows))
    axes.set_yscale("log")
    axes.set_ylim(_LOWEST / 3.0, 3.0)
    note = f", {below} pairs not shown" if below else ""
    axes.set_title(f"{title} (Gini {rows[0]['gini']:.2f}{note})", fontsize=9.5)
    axes.grid(alpha=0.3)


FIGURE = Figure(
    name="character-spectrum",
    summary="spectra of a target and of networks over characters and over frequencies, with Gini coefficients",
    columns={
        "source": str,
        "kind": str,
        "index": int,
        "share": float,
        "share_of_variance": float,
        "gini": float,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
