"""The report of a store: one HTML page that stands alone, from its rows and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from barren import _files
from barren.sweeps.descriptions import commands_of, grids_of, heading_of
from barren.sweeps.report.page import html
from barren.sweeps.store import rows_of

__all__ = ["html", "write"]


def write(
    store: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    force: bool = False,
) -> Path:
    """Writes the page of a store.

    Args:
        store: its folder.
        out: the file; default report.html in the store.
        title: of the page; default words for what was computed.
        force: whether to replace a file.

    Returns:
        The file.

    Raises:
        ValueError: there is no store, a part is damaged or of another schema, the file is there, or its folder is not.
        OSError: the file cannot be written.

    Cost: O(n log n) in the number n of cells; all rows are held, some kB each.

    Source: docs/report.
    """
    folder = Path(store)
    heading_of(folder)
    path = folder / "report.html" if out is None else Path(out)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"out must be a file in a folder that is there; got {str(path)!r}")
    if os.path.lexists(path) and not force:
        raise ValueError(f"out must be a file that is not there yet; got {str(path)!r}: --force replaces it")
    page = html(rows_of(folder), title=title, grids=grids_of(folder), commands=commands_of(folder))
    _files.replace(path, page.encode())
    return path
