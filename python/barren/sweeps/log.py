"""The log of a writer: a line a finished cell, flushed before anything else is begun, until the lines become a part.

A line is the CRC-32 of a row in eight hexadecimal digits, a blank, the row as JSON without its nulls. A line that a
kill or a full disk cut short is not whole, and so not there.
"""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from barren import _files
from barren._canonical import canonical, parsed
from barren.sweeps import schema
from barren.sweeps.schema import Row

FOLDER = "log"
_DIGITS = 8


class Log:
    """A log that is open for writing; it is this process's alone while it is open.

    Args:
        store: the folder of the store.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, store: Path) -> None:
        folder = store / FOLDER
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{os.getpid()}-{secrets.token_hex(6)}.jsonl"
        self.rows: list[Row] = []
        self._file: IO[bytes] = self.path.open("xb", buffering=0)
        _files.lock(self._file)
        self._end = 0

    def append(self, row: Row) -> None:
        """Writes a line. After an error what is in the file is as it was before.

        Raises:
            OSError: it cannot be written.
        """
        line = line_of(row)
        try:
            written = self._file.write(line)
            while written < len(line):  # a disk that is filling up takes a part
                written += self._file.write(line[written:])
        except OSError:
            os.ftruncate(self._file.fileno(), self._end)
            os.lseek(self._file.fileno(), self._end, os.SEEK_SET)
            raise
        self._end += len(line)
        self.rows.append(row)

    def close(self, *, remove: bool) -> None:
        """Ends the log; removes it once its rows are in a part."""
        if remove:
            self.path.unlink(missing_ok=True)
        self._file.close()


def line_of(row: Row) -> bytes:
    """The line of a row."""
    text = canonical({name: value for name, value in row.items() if value is not None}).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def read(path: Path, start: int = 0) -> tuple[list[Row], int, int]:
    """The whole lines of a log from a place on.

    Returns:
        The rows; the place after the last line that is ended; how many ended lines are damaged.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    ended = data.rfind(b"\n") + 1
    found = [_row_of(line) for line in data[:ended].splitlines()]
    rows = [row for row in found if row is not None]
    return rows, start + ended, len(found) - len(rows)


def listed(store: Path) -> list[Path]:
    """The logs of a store, in the order of their names."""
    return sorted((store / FOLDER).glob("*.jsonl"))


def orphans(store: Path) -> list[tuple[Path, IO[bytes]]]:
    """The logs whose writer is gone, each with its file, locked."""
    found: list[tuple[Path, IO[bytes]]] = []
    for path in listed(store):
        try:
            file = path.open("rb+")
        except FileNotFoundError:  # its writer has just made a part of it
            continue
        if _files.lock(file) and path.exists():
            found.append((path, file))
        else:
            file.close()
    return found


def first_of_each(rows: Sequence[Row]) -> list[Row]:
    """A row a cell, whatever the order they came in: a finished one before a failed one, then the least as text."""
    best: dict[str, Row] = {}
    for row in rows:
        other = best.setdefault(row["cell_sha256"], row)
        if other is not row and _rank(row) < _rank(other):
            best[row["cell_sha256"]] = row
    return [best[cell] for cell in sorted(best)]


def _rank(row: Row) -> tuple[bool, str]:
    return row["status"] != schema.DONE, canonical(row)


def _row_of(line: bytes) -> Row | None:
    try:
        if int(line[:_DIGITS], 16) != zlib.crc32(line[_DIGITS + 1 :]):
            return None
        found = parsed(line[_DIGITS + 1 :])
    except ValueError:
        return None
    return {**schema.empty_row(), **found} if isinstance(found, dict) else None
