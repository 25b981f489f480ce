"""A store of cells: a folder that many processes may write to, that a kill at any moment leaves sound.

    sweep.json          the schema version
    grids/*.json        the grids that were swept into it
    commands/*.json     how they were swept
    parts/*.parquet     rows, each file named by the SHA-256 of its bytes
    log/*.jsonl         rows of the writers at work, or of one that was killed, not yet in a part
    claims, lock        which cells are being computed; who changes the parts
    events.jsonl        what happened, a line an event
    aside/              what was damaged

A row is in a log before its cell counts as finished, and in a part before it leaves the log. Parts are made under the
lock and hold no cell twice.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from barren import _files
from barren._canonical import canonical
from barren.sweeps import damage, log, parts, schema
from barren.sweeps.claims import Claims
from barren.sweeps.descriptions import COMMANDS, GRIDS, HEADING, heading_of, name_of
from barren.sweeps.schema import Row

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "Store",
    "StoreError",
    "locked",
    "rows_of",
    "table_of",
]

_LOCK = "lock"
# Rows of a log at most, before they become a part: a part is read whole, and its rows wait in memory.
_ROWS_A_PART = 20_000


class StoreError(OSError):
    """A store that cannot be written to; what is in it is sound, and the same command goes on once it can be."""

    def __str__(self) -> str:
        return str(self.strerror)


class Store:
    """A store that is open for writing.

    Args:
        path: the folder, made where there is none.

    Attributes:
        path: the folder.
        statuses: SHA-256 of a cell, 32 bytes -> "done" or "failed": all that is in the store as far as is known.
        claims: which cells are being computed.

    Raises:
        ValueError: the folder is none of a store, of a store of another schema, has a damaged part, or is open already.
        StoreError: it cannot be written to.

    Source: docs/sweeps, on where it lies.
    """

    _open: set[Path] = set()  # noqa: RUF012

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()
        if self.path in Store._open:
            raise ValueError(f"out must be a store that this process is not writing to already; got {str(path)!r}")
        with _writing(self.path):
            _folder(self.path, path)
            damage.refuse_links(self.path)
            self._make()
            self.claims = Claims(self.path)
        Store._open.add(self.path)
        self.statuses: dict[bytes, str] = {}
        self._parts: set[str] = set()
        self._in_parts: set[bytes] = set()
        self._places: dict[str, int] = {}
        self._log: log.Log | None = None
        try:
            with _writing(self.path), locked(self.path):
                self._settle()
            self.refresh()
        except BaseException:
            self._leave()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.compact()
        except OSError:
            if kind is None:  # otherwise the first error is the one to tell; the log is kept in any case
                raise
        finally:
            self._leave()

    def refresh(self) -> None:
        """Looks at what other processes have finished since. Logs first: what leaves one is in a part by then."""
        for path in log.listed(self.path):
            if self._log is not None and path == self._log.path:
                continue
            with suppress(FileNotFoundError):
                rows, self._places[path.name], _ = log.read(path, self._places.get(path.name, 0))
                self._learn(rows)
        self._read_parts()

    def add(self, row: Row) -> None:
        """Keeps a finished cell, unless it is there.

        Args:
            row: with every column of `barren.sweeps.schema.COLUMNS`.

        Raises:
            StoreError: it cannot be written; the cell is not in the store then.
        """
        cell = bytes.fromhex(row["cell_sha256"])
        if cell in self.statuses:
            return
        with _writing(self.path):
            if self._log is None:
                with locked(self.path):  # or another process would take the new log for that of a killed one
                    self._log = log.Log(self.path)
            self._log.append(row)
        self.statuses[cell] = row["status"]
        if len(self._log.rows) >= _ROWS_A_PART:
            self.compact()

    def compact(self) -> None:
        """Makes a part of this writer's log.

        Raises:
            StoreError: it cannot be written; the log is as it was.
        """
        if self._log is None:
            return
        with _writing(self.path), locked(self.path):
            self._write_part(self._log.rows)
            self._log.close(remove=True)
            self._log = None

    def forget_failed(self, cells: Collection[bytes]) -> int:
        """Takes the rows of these cells out where they failed, so that they are computed again; returns how many."""
        chosen, count = {cell.hex() for cell in cells}, 0
        if not chosen:
            return 0
        with _writing(self.path), locked(self.path):
            for path in parts.listed(self.path):
                rows = parts.read(path).to_pylist()
                failed = [row for row in rows if row["status"] == schema.FAILED and row["cell_sha256"] in chosen]
                if not failed:
                    continue
                taken = {row["cell_sha256"] for row in failed}
                kept = [row for row in rows if row["cell_sha256"] not in taken]
                if kept:
                    self._parts.add(parts.write(self.path, kept, replaces=[path.name]).name)
                path.unlink()
                for row in failed:
                    cell = bytes.fromhex(row["cell_sha256"])
                    self.statuses.pop(cell, None)
                    self._in_parts.discard(cell)
                count += len(failed)
        return count

    def keep_grid(self, description: dict[str, Any]) -> None:
        """Writes down what is swept, for whoever asks how far it is.

        Args:
            description: of the grid, as JSON values.
        """
        self._say(GRIDS, description)

    def keep_command(self, command: dict[str, str]) -> None:
        """Writes down how it is swept.

        Args:
            command: {"grid": `name_of` its description, "command": what was run}.
        """
        self._say(COMMANDS, command)

    def _say(self, folder: str, said: dict[str, Any]) -> None:
        with _writing(self.path), locked(self.path):  # or two processes would write the same file at once
            (self.path / folder).mkdir(exist_ok=True)
            path = self.path / folder / f"{name_of(said)}.json"
            if not path.exists():
                _files.replace(path, (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode())

    def _make(self) -> None:
        heading = self.path / HEADING
        # What another process has, which makes the store at this moment; the heading is there before anything else.
        begun = re.compile(rf"{re.escape(HEADING)}(\.[0-9a-f]+\.tmp)?|{_LOCK}")
        if any(not begun.fullmatch(entry.name) for entry in self.path.iterdir()) and not heading.exists():
            raise ValueError(f"out must be a store or an empty folder; got {self.path.name!r}, which is neither")
        if not heading.exists():
            with locked(self.path):
                if not heading.exists():
                    _files.replace(heading, (canonical({"barren_store": schema.VERSION}) + "\n").encode())
        heading_of(self.path)
        (self.path / parts.FOLDER).mkdir(exist_ok=True)

    def _settle(self) -> None:
        """Finishes what a killed writer left: parts that another one stands for, temporary files, logs."""
        folder = self.path / parts.FOLDER
        for path in [*(folder / name for name in parts.replaced_in(self.path)), *folder.glob("*.tmp")]:
            if not path.is_dir():  # no part, and told where it is read
                path.unlink(missing_ok=True)
        for path, file in log.orphans(self.path):
            rows, _, damaged = log.read(path)
            self._write_part(rows)
            if damaged:
                damage.set_aside(self.path, path)
            else:
                path.unlink(missing_ok=True)
            file.close()

    def _write_part(self, rows: Sequence[Row]) -> None:
        """Of the cells that no part has yet; the lock is held."""
        self._read_parts()
        new = [row for row in log.first_of_each(rows) if bytes.fromhex(row["cell_sha256"]) not in self._in_parts]
        if new:
            self._parts.add(parts.write(self.path, new).name)
            self._learn(new)
            self._in_parts.update(bytes.fromhex(row["cell_sha256"]) for row in new)

    def _read_parts(self) -> None:
        for path in parts.listed(self.path):
            if path.name in self._parts:
                continue
            try:
                rows = parts.read(path, whole=False).to_pylist()
            except FileNotFoundError:  # another one stands for it by now
                continue
            self._parts.add(path.name)
            self._learn(rows)
            self._in_parts.update(bytes.fromhex(row["cell_sha256"]) for row in rows)

    def _learn(self, rows: Sequence[Row]) -> None:
        self.statuses.update((bytes.fromhex(row["cell_sha256"]), row["status"]) for row in rows)

    def _leave(self) -> None:
        if self._log is not None:
            self._log.close(remove=False)
            self._log = None
        self.claims.close()
        Store._open.discard(self.path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of a store, under which its parts change."""
    with (path / _LOCK).open("ab") as file:
        _files.lock(file, wait=True)
        yield


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """An error of the system becomes one that says what to do."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            error.errno,
            f"the store {path.name!r} cannot be written to: {error.strerror}. What was finished is kept; the same "
            "command goes on from there once it can be",
        ) from error


def _folder(path: Path, given: str | os.PathLike[str]) -> None:
    """Makes the folder of a store, unless it is there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"out must be a folder, or a name for one; got {str(given)!r}, where a file is") from None


def rows_of(path: str | os.PathLike[str]) -> list[Row]:
    """Every row of a store, each cell once, those of the logs too; in the order of their keys' hashes. Writes nothing.

    Args:
        path: the folder of the store.

    Returns:
        A dictionary a cell, with every column of `barren.sweeps.schema.COLUMNS`.

    Raises:
        ValueError: the folder is no store of this schema, or a part is damaged.

    Cost: all rows are read, some kB each.

    Source: docs/sweeps, on reading the store.
    """
    rows: list[Row] = table_of(path).to_pylist()
    return rows


def table_of(path: str | os.PathLike[str]) -> pyarrow.Table:
    """Every row of a store as a pyarrow table; see `rows_of`.

    Args:
        path: the folder of the store.

    Returns:
        The table, with the schema of `barren.sweeps.schema.arrow`.

    Raises:
        ValueError: as for `rows_of`.

    Cost: all rows are read, some hundred bytes each.

    Source: docs/sweeps, on reading the store.
    """
    import pyarrow

    store = Path(path)
    heading_of(store)
    logged = [row for file in log.listed(store) for row in _read_log(file)]
    tables = [table.replace_schema_metadata(None) for table in _tables(store)]
    known = {cell for table in tables for cell in table.column("cell_sha256").to_pylist()}
    new = [row for row in log.first_of_each(logged) if row["cell_sha256"] not in known]
    plain = schema.arrow().remove_metadata()
    whole = pyarrow.concat_tables([*tables, pyarrow.Table.from_pylist(new, schema=plain)])
    # Not sort_by: its threads are at times still there when the process ends, which then aborts (pyarrow 26).
    return whole.take(np.argsort(np.array(whole.column("cell_sha256").to_pylist(), dtype=str), kind="stable"))


def _tables(store: Path) -> list[pyarrow.Table]:
    """Of the parts that no other one stands for."""
    found = {file.name: parts.read(file) for file in parts.listed(store)}
    gone = {name for table in found.values() for name in parts.replaced_by(store, table.schema)}
    return [table for name, table in found.items() if name not in gone]


def _read_log(path: Path) -> list[Row]:
    try:
        return log.read(path)[0]
    except FileNotFoundError:
        return []
