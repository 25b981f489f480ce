"""Finished cells of a run that is not finished, kept on disk so that nothing is computed twice.

NAME.partial.jsonl: a heading that says which run it belongs to, then a line a cell, flushed as soon as it is done, and
before the results are written a line with their hashes. After a kill between two of them these tell what the run wrote
itself, which it may replace, from a file of somebody else, which it may not.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from barren import _files
from barren._canonical import canonical, parsed
from barren.figures.base import Cell, Row

# What a table of 64-bit integers holds.
_INTEGERS = range(-(2**63), 2**63)


class Partial:
    """The file of finished cells, open for one run at a time. Until `begin` nothing on disk is changed.

    Args:
        path: the file; made where there is none.
        heading: what the run is, {"figure": its name, ...}, all texts: cells under another heading are not used.
        columns: of the rows, as in `Figure`: an entry with others is damage.
        force: whether a file that is none of an unfinished figure is replaced.

    Attributes:
        finished: canonical text of a cell -> (its rows, seconds it took).
        written: name of a result -> SHA-256 of all that this very run, when it was stopped, may have left there.

    Raises:
        ValueError: another process has the file open for the same figure; or it is no file of ours.
    """

    def __init__(
        self, path: Path, heading: dict[str, str], columns: Mapping[str, type], *, force: bool = False
    ) -> None:
        self.path = path
        self.finished: dict[str, tuple[list[Row], float]] = {}
        self.written: dict[str, set[str]] = {}
        self._heading, self._columns = heading, columns
        self._used = 0  # bytes from the start that are of this run
        self._notice = ""
        self._is_new = not os.path.lexists(path)
        # In append mode: what is there stays until it has been read.
        self._file: IO[bytes] = _files.append(path)
        try:
            if not _files.lock(self._file) or not self._is_at_its_path():  # two runs would mix their lines
                self._is_new = False
                raise ValueError(
                    f"out must be a directory where this figure is not being made now; {path.name} is in use"
                )
            self._read(force)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def begin(self, notice: Callable[[str], None]) -> None:
        """Makes it the file of this run: what is not used goes, or the next line would be appended to half a line.

        Args:
            notice: called with a line of text where something on disk is not used.
        """
        if self._notice:
            notice(self._notice)
        self._is_new = False
        os.ftruncate(self._file.fileno(), self._used)
        if self._used == 0:
            self._write(self._heading)

    def add(self, cell: Cell, rows: list[Row], seconds: float) -> None:
        """Keeps a finished cell, before anything else is begun."""
        self._write({"cell": cell, "seconds": seconds, "rows": rows})
        self.finished[canonical(cell)] = (rows, seconds)

    def announce(self, hashes: Mapping[str, str]) -> None:
        """Says what is about to be written, name of a file -> SHA-256, on disk before any of it is."""
        self._write({"writes": dict(hashes)})
        os.fsync(self._file.fileno())
        self._learn(hashes)

    def remove(self) -> None:
        """Deletes the file: the results are elsewhere now."""
        self.path.unlink()

    def _close(self) -> None:
        if self._is_new:  # refused before it began: nothing is left behind
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _is_at_its_path(self) -> bool:
        """Not where the run that had it has finished and deleted it since it was opened."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.lstat(self.path))
        except FileNotFoundError:
            return False

    def _write(self, entry: Mapping[str, Any]) -> None:
        self._file.write((canonical(entry) + "\n").encode())
        self._file.flush()

    def _read(self, force: bool) -> None:
        self._file.seek(0)
        first = self._file.readline()
        found = _whole(first)
        if found == self._heading:
            self._used = len(first)
            self._read_entries()
        elif self._is_heading(found):
            self._notice = f"{self.path.name} is of a run with other settings or another version: starting anew"
        elif not self._is_torn_heading(first):
            if not force:
                raise ValueError(
                    f"out must hold no file of another making named {self.path.name!r}; got one whose first line is no "
                    "heading of an unfinished figure: --force replaces it"
                )
            self._notice = f"{self.path.name} was none of an unfinished figure: starting anew"

    def _read_entries(self) -> None:
        for number, line in enumerate(self._file, start=2):
            try:
                self._keep(_whole(line))
            except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
                # Half a line is what a kill leaves; what follows a broken line is of no use either.
                if line.endswith(b"\n"):
                    self._notice = f"{self.path.name} is damaged from line {number} on: its cells are computed again"
                return
            self._used += len(line)

    def _keep(self, entry: dict[str, Any] | None) -> None:
        """One line, or an error of the kinds that `_read_entries` names."""
        if entry is None:
            raise ValueError("no whole line")
        if entry.keys() == {"writes"}:
            self._learn(entry["writes"])
            return
        rows, seconds = [self._row(row) for row in entry["rows"]], float(entry["seconds"])
        if not 0.0 <= seconds < math.inf:
            raise ValueError("no time")
        key = canonical(entry["cell"])
        self.finished[key] = (rows, seconds)

    def _learn(self, hashes: Mapping[str, str]) -> None:
        for name, digest in dict(hashes).items():
            self.written.setdefault(name, set()).add(digest)

    def _row(self, row: Row) -> Row:
        if not isinstance(row, dict) or row.keys() != self._columns.keys():
            raise ValueError("other columns")
        return {name: _value(row[name], kind) for name, kind in self._columns.items()}

    def _is_heading(self, found: dict[str, Any] | None) -> bool:
        """Whether a line is the heading of a run of this figure, whatever its settings."""
        return (
            found is not None
            and found.keys() == self._heading.keys()
            and all(isinstance(value, str) for value in found.values())
            and found["figure"] == self._heading["figure"]
        )

    def _is_torn_heading(self, first: bytes) -> bool:
        """Whether it is the beginning of a heading of this figure, as a kill leaves it; nothing at all is one too."""
        start = canonical({"figure": self._heading["figure"]})[:-1].encode()
        return not first.endswith(b"\n") and (start.startswith(first) or first.startswith(start))


def _value(value: Any, kind: type) -> Any:
    """A value of a column that the table can hold, a missing one too."""
    if value is None:
        return None
    if kind is str and isinstance(value, str):
        value.encode()  # fails for half a surrogate pair
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (kind is float or (kind is int and value in _INTEGERS)):
        return kind(value)
    raise ValueError(f"no {kind.__name__}")


def _whole(line: bytes) -> dict[str, Any] | None:
    """The object of one line, or None if the line is not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = parsed(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
