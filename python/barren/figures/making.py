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
from barren._canonical import canonical, digest, parsed
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
    it stopped when it is called again with the same settings and the same version of the package. What such a run has
    written of the results itself is known by its hash and replaced; any other file only with `force`, whenever it came.

    Args:
        figure: one of `barren.figures.FIGURES`.
        out: a directory; made where there is none.
        full: the published setting, or the large one, in place of the default.
        seed: of the first initialisation, in 0..2^62; a figure without anything random does not read it.
        settings: in place of `figure.settings(full, seed)`.
        force: whether to replace a finished figure, and other files of the names that are written.
        progress: shows how far it is; default nothing.
        command: what the record says made it.

    Returns:
        A `Made`: the files by their ending, and the record.

    Raises:
        TypeError: `figure` is not a figure, or `seed` no integer.
        ValueError: `out` holds a finished figure of that name, or other files of the names that are written, and
            `force` is False; a folder has one of the names; it is not a directory; another process is making this
            figure there; or `seed` is out of its range.
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
    start = time.perf_counter()
    heading = {"figure": figure.name, "settings_sha256": digest(chosen), "version": __version__}
    kept = directory / f"{figure.name}.partial.jsonl"
    with Partial(kept, heading, figure.columns, force=force) as partial:
        _refuse_others(figure, files, partial, force)
        partial.begin(shown.notice)
        rows, work = _rows(figure, chosen, partial, shown)
        work["seconds"]["this_run"] = round(time.perf_counter() - start, 3)
        contents = {"parquet": _table(figure, rows, heading), **_pictures(figure, rows, chosen)}
        record = _record(figure, chosen, rows, contents, work, command)
        contents["json"] = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
        _write(figure, files, contents, partial, force)
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
        raise ValueError(f"out must hold a finished {figure.name}; got {str(out)!r} without one")
    record = _record_in(files["json"], figure)
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


def _refuse_others(figure: Figure, files: dict[str, Path], partial: Partial, force: bool) -> None:
    """Refuses what is there under the names of the results, but for what this very run has written itself."""
    for path in files.values():
        if path.is_dir() and not path.is_symlink():
            raise ValueError(f"out must hold no folder named {path.name!r}, which is the name of a result")
    if force:
        return
    there = {ending: path for ending, path in files.items() if os.path.lexists(path) and not _is_ours(path, partial)}
    if "json" in there:
        raise ValueError(
            f"out must hold no finished {figure.name}; got one ({files['json'].name}): --force replaces it"
        )
    for path in there.values():
        raise ValueError(f"out must hold no file of another making named {path.name!r}: --force replaces it")


def _is_ours(path: Path, partial: Partial) -> bool:
    """Whether a file has the bytes that this run said it would write before it was stopped."""
    if path.name not in partial.written or path.is_symlink() or not path.is_file():
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() in partial.written[path.name]


def _write(figure: Figure, files: dict[str, Path], contents: dict[str, bytes], partial: Partial, force: bool) -> None:
    """All results, none in place of a file that came while they were computed, unless by `force`."""
    _refuse_others(figure, files, partial, force)
    partial.announce({files[ending].name: hashlib.sha256(data).hexdigest() for ending, data in contents.items()})
    # The record last: where it is, all the others are.
    files["json"].unlink(missing_ok=True)
    for ending in _ENDINGS:
        path = files[ending]
        try:
            with _files.whole(path, force=force or _is_ours(path, partial)) as file:
                file.write(contents[ending])
        except FileExistsError:
            raise ValueError(
                f"out must hold no file of another making named {path.name!r}: --force replaces it"
            ) from None


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
    costs = [1.0 if figure.cost is None else figure.cost(cell) for cell in cells]
    ahead = sum(cost for cost, key in zip(costs, keys, strict=True) if key not in partial.finished)
    shown.begin(figure.name, len(cells), kept)
    try:
        for cell, key, cost in zip(cells, keys, costs, strict=True):
            if key in partial.finished:
                continue
            start = time.perf_counter()
            rows = [_checked(figure, row) for row in figure.compute(cell)]
            partial.add(cell, rows, round(time.perf_counter() - start, 6))
            shown.advance(share=cost / ahead)
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


def _record_in(path: Path, figure: Figure) -> dict[str, Any]:
    """The record of a finished figure, with what drawing it again reads and changes."""
    try:
        record: dict[str, Any] = parsed(path.read_bytes())
        _ = record["files"][f"{figure.name}.parquet"], record["settings"], record["libraries"]["matplotlib"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"out must hold a finished {figure.name}; got one whose {path.name} is damaged") from None
    return record


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
