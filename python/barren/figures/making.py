"""Making a figure: the cells, resumable, then a Parquet table, a PNG, an SVG and a JSON record."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

from barren import _files, _parquet, _validate
from barren._canonical import canonical, digest
from barren._core import __version__
from barren._progress import Progress
from barren.config import configuration
from barren.figures.base import Figure, Made, Row, Settings
from barren.figures.partial import Partial

_ENDINGS = ("parquet", "png", "svg", "json")
_PIXELS_PER_INCH = 150
# The seeds after the first one go into tables of 64-bit integers too.
_LARGEST_SEED = 2**62


def make(
    figure: Figure,
    out: str | os.PathLike[str],
    *,
    full: bool = False,
    seed: int = 0,
    settings: Settings | None = None,
    force: bool = False,
    progress: Progress | None = None,
    command: str | None = None,
) -> Made:
    """Computes a figure's table and draws it; writes NAME.parquet, NAME.png, NAME.svg and NAME.json into `out`.

    Every finished cell is kept in NAME.partial.jsonl until the results are written, so an interrupted run goes on where
    it stopped when it is called again with the same settings and the same version of the package.

    Args:
        figure: one of `barren.figures.FIGURES`.
        out: a directory; made where there is none.
        full: the published setting, or the large one, in place of the default.
        seed: of the first initialisation, in 0..2^62; a figure without anything random does not read it.
        settings: in place of `figure.settings(full, seed)`.
        force: whether to replace a finished figure.
        progress: shows how far it is; default nothing.
        command: what the record says made it.

    Returns:
        A `Made`: the files by their ending, and the record.

    Raises:
        TypeError: `figure` is not a figure, or `seed` no integer.
        ValueError: `out` holds a finished figure of that name, or other files of the names that are written, and
            `force` is False; it is not a directory; another process is making this figure there; or `seed` is out of
            its range.
        ImportError: torch, matplotlib or pyarrow is not installed.

    Cost: minutes at the default settings, hours with `full`; each figure's module says what it computes.

    Source: docs/experiments, on the figures.
    """
    shown = Progress() if progress is None else progress
    _validate.instance("figure", figure, Figure, "a figure such as barren.figures.FIGURES['bound-ladder']")
    seed = _validate.integer("seed", seed, low=0, high=_LARGEST_SEED)
    _need_libraries()
    chosen = figure.settings(full, seed) if settings is None else settings
    directory = _files.directory("out", out)
    files = {ending: directory / f"{figure.name}.{ending}" for ending in _ENDINGS}
    if files["json"].exists() and not force:
        raise ValueError(
            f"out must hold no finished {figure.name}; got one ({files['json'].name}): --force replaces it"
        )
    kept = directory / f"{figure.name}.partial.jsonl"
    there = [path.name for path in files.values() if os.path.lexists(path)]
    if there and not force and not kept.exists():  # with it, a run was stopped while it wrote them
        raise ValueError(f"out must hold no file of another making named {there[0]!r}: --force replaces it")
    start = time.perf_counter()
    heading = {"figure": figure.name, "settings_sha256": digest(chosen), "version": __version__}
    with Partial(kept, heading, shown.notice) as partial:
        rows, work = _rows(figure, chosen, partial, shown)
        work["seconds"]["this_run"] = round(time.perf_counter() - start, 3)
        contents = {"parquet": _table(figure, rows, heading), **_pictures(figure, rows, chosen)}
        record = _record(figure, chosen, rows, contents, work, command)
        contents["json"] = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
        # The record last: where it is, all the others are.
        files["json"].unlink(missing_ok=True)
        for ending in _ENDINGS:
            _files.replace(files[ending], contents[ending])
        partial.remove()
    return Made(files, record)


def redraw(figure: Figure, out: str | os.PathLike[str]) -> Made:
    """Draws the pictures of a finished figure again from its table; nothing is computed, and no number changes.

    Args:
        figure: one of `barren.figures.FIGURES`.
        out: the directory of the finished figure.

    Returns:
        A `Made`: the files by their ending, and the record.

    Raises:
        ValueError: `out` holds no finished figure of that name, or its table is not the one that its record names.
        ImportError: matplotlib or pyarrow is not installed.

    Cost: that of drawing.

    Source: docs/experiments, on the figures.
    """
    directory = Path(out)
    files = {ending: directory / f"{figure.name}.{ending}" for ending in _ENDINGS}
    if not files["json"].exists():
        raise ValueError(f"out must hold a finished {figure.name}; got {directory.name!r} without one")
    record = json.loads(files["json"].read_text())
    table = files["parquet"].read_bytes()
    if hashlib.sha256(table).hexdigest() != record["files"][files["parquet"].name]:
        raise ValueError(f"out must hold the {figure.name} of its record; got another table")
    rows = _parquet.reader().read_table(BytesIO(table)).to_pylist()
    pictures = _pictures(figure, rows, record["settings"])
    for ending, data in pictures.items():
        record["files"][files[ending].name] = hashlib.sha256(data).hexdigest()
    record["summary"] = figure.summary
    record["libraries"]["matplotlib"] = version("matplotlib")
    contents = {**pictures, "json": (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()}
    files["json"].unlink()
    for ending, data in contents.items():
        _files.replace(files[ending], data)
    return Made(files, record)


def _need_libraries() -> None:
    """Before the first cell, not after the last."""
    import matplotlib  # noqa: F401
    import pyarrow  # noqa: F401
    import torch  # noqa: F401


def _rows(
    figure: Figure, settings: Settings, partial: Partial, shown: Progress
) -> tuple[list[Row], dict[str, dict[str, Any]]]:
    """The rows of every cell in order, computed or kept from an earlier run, and what work that was."""
    cells = figure.cells(settings)
    keys = [canonical(cell) for cell in cells]
    kept = sum(key in partial.finished for key in keys)
    shown.begin(figure.name, len(cells), kept)
    try:
        for cell, key in zip(cells, keys, strict=True):
            if key in partial.finished:
                continue
            start = time.perf_counter()
            rows = [_checked(figure, row) for row in figure.compute(cell)]
            partial.add(cell, rows, round(time.perf_counter() - start, 6))
            shown.advance()
    finally:
        shown.end()
    finished = [partial.finished[key] for key in keys]
    seconds = {"all_cells": round(sum(seconds for _, seconds in finished), 3)}
    work: dict[str, dict[str, Any]] = {"seconds": seconds, "cells": {"all": len(cells), "kept_from_earlier_run": kept}}
    return [row for rows, _ in finished for row in rows], work


def _checked(figure: Figure, row: Row) -> Row:
    """The row in the order of the columns, as plain numbers: what comes back from a JSON line is then the same."""
    if row.keys() != figure.columns.keys():
        raise AssertionError(f"rows of {figure.name} need the columns {list(figure.columns)}; got {list(row)}")
    return {name: None if row[name] is None else kind(row[name]) for name, kind in figure.columns.items()}


def _table(figure: Figure, rows: Sequence[Row], heading: dict[str, Any]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    kinds = {int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
    schema = pyarrow.schema(
        [(name, kinds[kind]) for name, kind in figure.columns.items()], metadata={"barren": canonical(heading)}
    )
    buffer = BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), buffer)
    return buffer.getvalue()


def _pictures(figure: Figure, rows: Sequence[Row], settings: Settings) -> dict[str, bytes]:
    """PNG and SVG without a display and without matplotlib's global state; the same bytes for the same rows."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": figure.name,
        "font.size": 9.5,
        "axes.axisbelow": True,
    }
    with matplotlib.rc_context(style):
        canvas = Canvas(layout="constrained")
        FigureCanvasAgg(canvas)
        figure.draw(rows, settings, canvas)
        pictures = {}
        # No date in the file, or no two runs would give the same one.
        for ending, metadata in (("png", {}), ("svg", {"Date": None})):
            buffer = BytesIO()
            canvas.savefig(buffer, format=ending, dpi=_PIXELS_PER_INCH, metadata=metadata)
            pictures[ending] = buffer.getvalue()
    return pictures


def _record(
    figure: Figure,
    settings: Settings,
    rows: Sequence[Row],
    contents: dict[str, bytes],
    work: dict[str, dict[str, Any]],
    command: str | None,
) -> dict[str, Any]:
    """What a reader needs to make it again and to see that it is the same. No path and no name of the machine."""
    hashed = [{name: value for name, value in row.items() if name not in figure.timing} for row in rows]
    return {
        "figure": figure.name,
        "summary": figure.summary,
        "command": command,
        "settings": settings,
        "settings_sha256": digest(settings),
        "seeds": settings.get("seeds", []),
        "version": __version__,
        "configuration": configuration(),
        "libraries": {name: version(name) for name in ("matplotlib", "pyarrow")},
        **work,
        "rows": len(rows),
        "rows_sha256": digest(hashed),
        "rows_sha256_leaves_out": [name for name in figure.timing if name in figure.columns],
        "files": {f"{figure.name}.{ending}": hashlib.sha256(data).hexdigest() for ending, data in contents.items()},
    }
