"""What a figure is: settings -> independent cells -> rows of numbers -> a picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from barren import _validate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Settings: TypeAlias = dict[str, Any]
Cell: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure of the registry. Settings, cells and rows hold plain numbers, texts and lists only: they go into JSON.

    Attributes:
        name: as it is called on the command line and in names of files: letters, digits, _ and - alone.
        summary: one line for the list of figures.
        columns: column name -> int, float or str, in the order of the table; every row has them all. None is a missing
            number.
        settings: (full, seed) -> all that determines the numbers.
        cells: settings -> independent pieces of work, in the order of the table.
        compute: cell -> its rows.
        draw: (rows, settings, canvas) -> draws; computes nothing that is not in the rows.
        timing: columns that measure time: they differ from run to run and are left out of the hash of the rows.
        cost: cell -> about how long it takes beside the others, for the time that is said to be left; None: all alike.

    Raises:
        ValueError: the name has other characters.

    Source: docs/experiments, on the figures.
    """

    name: str
    summary: str
    columns: Mapping[str, type]
    settings: Callable[[bool, int], Settings]
    cells: Callable[[Settings], list[Cell]]
    compute: Callable[[Cell], list[Row]]
    draw: Callable[[Sequence[Row], Settings, Canvas], None]
    timing: tuple[str, ...] = ("seconds",)
    cost: Callable[[Cell], float] | None = None

    def __post_init__(self) -> None:
        """Files are called by the name: it must not lead out of their folder."""
        if not isinstance(self.name, str) or not re.fullmatch(r"[\w-]+", self.name):
            _validate.refuse(ValueError, "name", "letters, digits, _ and - alone", _validate.came(self.name))


@dataclass(frozen=True)
class Made:
    """What a run wrote: the files by their ending ("parquet", "png", "svg", "json"), and the record as a dict.

    Attributes:
        files: "parquet", "png", "svg" and "json" -> the file.
        record: settings, versions, seeds and hashes, as in the JSON file.

    Source: docs/experiments, on the figures.
    """

    files: dict[str, Path]
    record: dict[str, Any]


def where(rows: Sequence[Row], **values: Any) -> list[Row]:
    """The rows that have these values."""
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def column(rows: Sequence[Row], name: str) -> np.ndarray:
    """One column as an array."""
    return np.array([row[name] for row in rows])


def spread(rows: Sequence[Row], x: str, y: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(x, mean, least, largest) of column y at every distinct x, in increasing x."""
    at, values = column(rows, x), column(rows, y).astype(np.float64)
    places = np.unique(at)
    groups = [values[at == place] for place in places]
    summaries = ([g.mean() for g in groups], [g.min() for g in groups], [g.max() for g in groups])
    mean, least, largest = (np.array(summary) for summary in summaries)
    return places, mean, least, largest


def seeds_from(seed: int, count: int) -> list[int]:
    """Seeds of `count` initialisations: `seed` and the numbers after it."""
    return list(range(seed, seed + count))
