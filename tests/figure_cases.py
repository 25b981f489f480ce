"""Small figures: the settings of every one, and one of squares that notes what it computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet

from barren import figures
from barren.figures.base import Cell, Figure, Row, Settings

TINY: dict[str, Settings] = {
    "variance-vs-modulus": {"primes": [11, 23, 53], "seeds": [0, 1], "width": 6, "model": "mlp:8x8:sigmoid"},
    "variance-vs-frequency": {"largest_frequencies": [2, 5], "M": 53, "model": "mlp:8x8:relu", "seeds": [0, 1]},
    "bound-ladder": {
        "primes": [11, 53],
        "primes_of_bounds": [11, 101],
        "frequencies": [2, 9],
        "frequencies_of_bounds": [2, 9, 20],
        "seeds": [0, 1],
        "width": 6,
        "models": {"sigmoid": "mlp:8:sigmoid", "relu": "mlp:8:relu"},
    },
    "easy-multipliers": {"primes": [53], "encodings": ["bits", "one-hot"], "model": "mlp:8x8:sigmoid"},
    "character-spectrum": {"p": 53, "model": "mlp:8x8:relu"},
    "log-covariance": {"primes": [3, 5, 11, 53, 503]},
    "spectral-norm": {"primes": [3, 11, 53]},
    "parity-functions": {
        "bits": [2, 5, 6],
        "seeds": [0, 1],
        "trained_bits": [2, 7],
        "steps": 30,
        "records": [3, 10],
        "parities": 2,
        "test": 50,
    },
    "parity-training": {
        "primes": {"5": [17, 19], "8": [131, 139]},
        "seeds": [0, 1],
        "laws": ["uniform", "random-bits"],
        "bits": [0, 1],
        "hidden": [16],
        "data": "population:60",
        "steps": 40,
        "batch_size": 10,
        "lr": 0.01,
        "records": 4,
    },
    "wave-training": {
        "frequencies": [1, 64],
        "seeds": [0, 1],
        "hidden": [16],
        "data": "population:60",
        "steps": 60,
        "batch_size": 20,
        "records": 4,
    },
    "predictability": {
        "primes": [23, 31],
        "easy": [1, -1, 2, 3],
        "random": 4,
        "seeds": [0, 1],
        "hidden": [16],
        "steps": 60,
        "batch_size": 5,
        "records": 4,
    },
    "all-bits-training": {
        "n": 6,
        "primes": [37, 61],
        "seeds": [0, 1],
        "multipliers": 2,
        "hidden": [16],
        "data": "sample:36:0.7",
        "steps": 60,
        "batch_size": 10,
        "records": 4,
    },
    "gradient-along-training": {
        "primes": [53],
        "easy": [1],
        "others": [20],
        "seeds": [0, 1],
        "model": "mlp:8:relu",
        "steps": 20,
        "looks": 3,
    },
}


def tiny(name: str) -> Settings:
    return {**figures.FIGURES[name].settings(False, 0), **TINY[name]}


def _draw(rows: Any, settings: Settings, canvas: Any) -> None:
    axes = canvas.subplots()
    axes.plot([row["n"] for row in rows], [row["square"] for row in rows], label="a line")
    axes.legend()


def counted(computed: list[int], stop_at: int | None = None) -> Figure:
    """A figure of squares that notes what it computes and may be interrupted before a cell."""

    def compute(cell: Cell) -> list[Row]:
        if cell["n"] == stop_at:
            raise KeyboardInterrupt
        computed.append(cell["n"])
        third = None if cell["n"] == 1 else cell["n"] / 3
        return [{"n": np.int64(cell["n"]), "square": cell["n"] ** 2, "third": third, "word": "w", "seconds": 0.5}]

    return Figure(
        name="squares",
        summary="squares",
        columns={"n": int, "square": int, "third": float, "word": str, "seconds": float},
        settings=lambda full, seed: {"count": 9 if full else 5, "seeds": [seed]},
        cells=lambda settings: [{"n": n} for n in range(settings["count"])],
        compute=compute,
        draw=_draw,
    )


def rows_of(directory: Path, name: str = "squares") -> list[Row]:
    rows: list[Row] = pyarrow.parquet.read_table(directory / f"{name}.parquet").to_pylist()
    return rows
