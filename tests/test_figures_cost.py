"""The time that is said to be left of a figure, replayed from the seconds of the committed tables."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from figure_cases import counted

from barren import _progress, figures
from barren.figures.base import Cell

RESULTS = Path(__file__).parent.parent / "docs" / "results"
UNEQUAL = [
    "bound-ladder",
    "log-covariance",
    "parity-functions",
    "spectral-norm",
    "variance-vs-frequency",
    "variance-vs-modulus",
]

_KEYS = ("half", "target", "series", "size", "law", "A", "p", "panel", "bits", "members")


def seconds_of(name: str, cells: list[Cell]) -> list[float]:
    """How long every cell of a committed figure took: the median of its seeds, since a machine may stand still."""
    rows = pyarrow.parquet.read_table(RESULTS / f"{name}.parquet").to_pylist()
    keys = [key for key in _KEYS if key in rows[0] and any(key in cell for cell in cells)]
    taken: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for row in rows:
        if row.get("series") not in (None, "relu", "sigmoid"):
            row["series"] = "bounds"
        taken[tuple(row[key] for key in keys)].append(row["seconds"])
    return [float(np.median(taken[tuple(cell.get(key, "all") for key in keys)])) for cell in cells]


@pytest.mark.parametrize("name", UNEQUAL)
def test_the_time_that_is_left_is_right_within_a_factor_of_two_from_a_quarter_on(name: str) -> None:
    figure = figures.FIGURES[name]
    cells = figure.cells(json.loads((RESULTS / f"{name}.json").read_text())["settings"])
    seconds = np.array(seconds_of(name, cells))
    assert (seconds > 0.0).all()
    assert figure.cost is not None
    gone, cost = np.cumsum(seconds), np.cumsum([figure.cost(cell) for cell in cells])
    for share in (0.25, 0.5, 0.75):
        at = int(np.searchsorted(gone, share * gone[-1]))
        told = gone[at] * (cost[-1] / cost[at] - 1.0)
        assert 0.5 < told / max(gone[-1] - gone[at], 1e-9) < 2.0, share


def test_cells_of_unequal_cost_count_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, *(t for t in (1.0, 3.0, 7.0, 15.0, 31.0) for _ in range(2)), 31.0])
    monkeypatch.setattr(_progress, "_INTERVAL", 0.0)
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    figure = dataclasses.replace(counted([]), cost=lambda cell: 2.0 ** cell["n"])
    figures.make(figure, tmp_path, progress=_progress.Lines())
    assert [line.rpartition(", about ")[2] for line in capsys.readouterr().err.splitlines()[1:5]] == [
        "30 s left",
        "28 s left",
        "24 s left",
        "16 s left",
    ]
