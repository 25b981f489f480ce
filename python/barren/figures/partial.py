"""Finished cells of a run that is not finished, kept on disk so that nothing is computed twice.

NAME.partial.jsonl: a heading that says which run it belongs to, then a line a cell, flushed as soon as it is done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from barren import _files
from barren._canonical import canonical
from barren.figures.base import Cell, Row


class Partial:
    """The file of finished cells, open for one run at a time.

    Args:
        path: the file; made where there is none.
        heading: what the run is: cells under another heading are discarded.
        notice: called with a line of text where something on disk is not used.

    Attributes:
        finished: canonical text of a cell -> (its rows, seconds it took).

    Raises:
        ValueError: another process has the file open for the same figure.
    """

    def __init__(self, path: Path, heading: dict[str, Any], notice: Callable[[str], None]) -> None:
        self.path = path
        self.finished: dict[str, tuple[list[Row], float]] = {}
        # In append mode: what is there stays until it has been read.
        self._file: IO[bytes] = _files.append(path)
        try:
            if not _files.lock(self._file):  # two runs in one directory would mix their lines
                raise ValueError(
                    f"out must be a directory where this figure is not being made now; {path.name} is in use"
                )
            self._read(heading, notice)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, cell: Cell, rows: list[Row], seconds: float) -> None:
        """Keeps a finished cell, before anything else is begun."""
        self._write({"cell": cell, "seconds": seconds, "rows": rows})
        self.finished[canonical(cell)] = (rows, seconds)

    def remove(self) -> None:
        """Deletes the file: the results are elsewhere now."""
        self.path.unlink()

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write((canonical(entry) + "\n").encode())
        self._file.flush()

    def _read(self, heading: dict[str, Any], notice: Callable[[str], None]) -> None:
        self._file.seek(0)
        whole, found, position = [], None, 0
        for line in self._file:
            entry = _entry(line)
            if entry is None:
                break  # cut short by a kill; what follows a broken line is of no use either
            position += len(line)
            if found is None:
                found = entry
            else:
                whole.append(entry)
        if found != heading:
            if found is not None:
                notice(f"{self.path.name} is of a run with other settings or another version: starting anew")
            whole, position = [], 0
        # What is not used must go, or the next line would be appended to half a line.
        os.ftruncate(self._file.fileno(), position)
        if position == 0:
            self._write(heading)
        for entry in whole:
            self.finished[canonical(entry["cell"])] = (entry["rows"], float(entry["seconds"]))


def _entry(line: bytes) -> dict[str, Any] | None:
    """The object of one line, or None if the line is not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
