"""Looking after stores: how far they are, whether they are sound, and bringing several together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from barren import _files, _validate
from barren._canonical import finite
from barren.sweeps import descriptions, log, parts, schema
from barren.sweeps.damage import DamagedError, refuse_links, set_aside
from barren.sweeps.descriptions import COMMANDS, GRIDS, commands_of, grids_of, heading_of, said_in
from barren.sweeps.grid import Grid
from barren.sweeps.parts import identity, key_of
from barren.sweeps.schema import Row
from barren.sweeps.store import Store, locked, rows_of, table_of

__all__ = ["Finding", "Status", "examine", "export", "merge", "status", "verify"]

_FORMATS = (".parquet", ".csv", ".jsonl")


@dataclass(frozen=True)
class Status:
    """How far a grid is in a store.

    Attributes:
        grid: its description; None for all rows of the store.
        cells, done, failed: how many.
        seconds: that the finished cells took.
        errors: of failed cells, the most frequent first, with how often.
    """

    grid: dict[str, Any] | None
    cells: int
    done: int
    failed: int
    seconds: float
    errors: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Finding:
    """Something about a store that is not as it was written.

    Attributes:
        name: the file, by its place in the store.
        text: what it is.
        is_damage: whether rows are lost by it; a log that ends in half a line is what a kill leaves.
    """

    name: str
    text: str
    is_damage: bool


def status(store: str | os.PathLike[str]) -> list[Status]:
    """How far every grid of a store is, and the store as a whole first.

    Raises:
        ValueError: it is no store of this schema, or a part is damaged.
    """
    rows = {row["cell_sha256"]: row for row in rows_of(store)}
    found = [_status(None, rows, list(rows))]
    for description in grids_of(Path(store)):
        found.append(_status(description, rows, [identity(key_of(cell)) for cell in Grid(description)]))
    return found


def _status(description: dict[str, Any] | None, rows: dict[str, Row], cells: Sequence[str]) -> Status:
    there = [rows[cell] for cell in cells if cell in rows]
    failed = [row for row in there if row["status"] == schema.FAILED]
    errors = Counter(str(row["error"]) for row in failed)
    seconds = sum(row["seconds"] or 0.0 for row in there)
    return Status(description, len(cells), len(there) - len(failed), len(failed), seconds, tuple(errors.most_common()))


def verify(store: str | os.PathLike[str], *, repair: bool = False) -> list[Finding]:
    """What is not as it was written: damaged files and log lines, rows whose key and hash disagree, cells held twice.

    Args:
        store: the folder.
        repair: whether to move what is damaged to the folder "aside": the next sweep computes its cells again.

    Raises:
        ValueError: it is no store of this schema; with `repair`, it holds a link.
    """
    return examine(store, repair=repair)[0]


def examine(store: str | os.PathLike[str], *, repair: bool = False) -> tuple[list[Finding], int]:
    """As `verify`, and how many cells the store has, but for those of damaged files."""
    path = Path(store)
    heading_of(path)
    if repair:
        _repair(path)
    seen: dict[str, str] = {}
    found = [*_in_parts(path, seen), *_in_descriptions(path), *_in_logs(path, seen)]
    return found, len(seen)


def _in_parts(path: Path, seen: dict[str, str]) -> list[Finding]:
    """What is wrong with parts; `seen` comes to know the cells of sound ones, cell -> part."""
    found, cells, gone = list[Finding](), dict[str, list[str]](), set[str]()
    for part in parts.listed(path):
        try:
            table = parts.read(part)
        except DamagedError as error:
            found.append(Finding(f"{parts.FOLDER}/{part.name}", error.told, True))
            continue
        cells[part.name] = table.column("cell_sha256").to_pylist()
        gone.update(parts.replaced_by(part, table.schema))
    for name in sorted(cells.keys() - gone):
        told = _told(cells[name], name, seen)
        if told is not None:
            found.append(Finding(f"{parts.FOLDER}/{name}", f"{name}: {told}", True))
    return found


def _told(cells: Sequence[str], name: str, seen: dict[str, str]) -> str | None:
    """What is wrong with the cells of a part beside those of the parts before it."""
    told = []
    other = next((seen[cell] for cell in cells if cell in seen), None)
    if other is not None:
        told.append(f"holds a cell that {other} holds too")
    if len(set(cells)) < len(cells):
        told.append("holds a cell twice")
    if not told:
        seen.update(dict.fromkeys(cells, name))
    return "; ".join(told) or None


def _in_descriptions(path: Path) -> list[Finding]:
    found = []
    for file in [*descriptions.listed(path, GRIDS), *descriptions.listed(path, COMMANDS)]:
        name = f"{file.parent.name}/{file.name}"
        try:
            said = said_in(file)
            if file.parent.name == GRIDS:
                Grid(said)
        except DamagedError as error:
            found.append(Finding(name, error.told, True))
        except (TypeError, ValueError) as error:
            found.append(Finding(name, f"{name} is no grid: {error}", True))
    return found


def _in_logs(path: Path, seen: dict[str, str]) -> list[Finding]:
    found = []
    for file in log.listed(path):
        name = f"{log.FOLDER}/{file.name}"
        try:
            rows, end, damaged = log.read(file)
            size = file.stat().st_size
        except DamagedError as error:
            found.append(Finding(name, error.told, True))
            continue
        except FileNotFoundError:  # its writer has just made a part of it
            continue
        seen.update((row["cell_sha256"], file.name) for row in rows)
        if damaged:
            found.append(Finding(name, f"{file.name}: {damaged} damaged lines; their cells are not there", True))
        if end < size:
            found.append(Finding(name, f"{file.name}: ends in half a line, as after a kill", False))
    return found


def _repair(path: Path) -> None:
    """Sets aside what is damaged; opening the store then makes parts of what killed writers left."""
    refuse_links(path)
    with locked(path):
        no_logs = [finding for finding in _in_logs(path, {}) if not (path / finding.name).is_file()]
        for finding in [*_in_parts(path, {}), *_in_descriptions(path), *no_logs]:
            set_aside(path, path / finding.name)
    with Store(path):
        pass


def export(store: str | os.PathLike[str], out: str | os.PathLike[str]) -> int:
    """Writes all rows into one file; returns how many.

    Args:
        store: the folder.
        out: a file that is not there yet; its ending says the format: .parquet, .csv (lists as JSON) or .jsonl (null
            for NaN and infinities, which JSON does not have).

    Raises:
        ValueError: an unknown ending, a file that is there, or as for `rows_of`.
    """
    path = Path(out)
    if path.suffix not in _FORMATS:
        _validate.refuse(ValueError, "out", f"a file ending in {', '.join(_FORMATS)}", repr(str(out)))
    if os.path.lexists(path):
        _validate.refuse(ValueError, "out", "a file that is not there yet", repr(str(out)))
    if not path.parent.is_dir():
        _validate.refuse(ValueError, "out", "a file in a folder that is there", repr(str(out)))
    table = table_of(store)
    with _files.whole(path, force=False) as file:
        if path.suffix == ".parquet":
            from pyarrow import parquet

            parquet.write_table(table, file)
        elif path.suffix == ".jsonl":
            _write_lines(table.to_pylist(), file)
        else:
            _write_csv(table, file)
    return int(table.num_rows)


def _write_lines(rows: Sequence[Row], file: IO[bytes]) -> None:
    import json

    for row in rows:
        file.write((json.dumps(finite(row), ensure_ascii=False, allow_nan=False) + "\n").encode())


def _write_csv(table: Any, file: IO[bytes]) -> None:
    import json

    import pyarrow
    from pyarrow import csv

    for name, column in schema.COLUMNS.items():
        if column.kind in ("texts", "ints", "floats"):
            texts = [None if value is None else json.dumps(value) for value in table.column(name).to_pylist()]
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, pyarrow.array(texts, pyarrow.string()))
    csv.write_csv(table, file)


def merge(out: str | os.PathLike[str], stores: Sequence[str | os.PathLike[str]]) -> tuple[int, list[str]]:
    """Brings the rows of stores into one, each cell once: a finished row before a failed one, then the least as text.

    Args:
        out: the store, made where there is none; what it holds stays, but for failed rows that a finished one replaces.
        stores: the others.

    Returns:
        How many rows are new, and the keys of finished cells whose values differ between stores.

    Raises:
        ValueError, StoreError: as for `Store` and `rows_of`.
    """
    if not stores:
        raise ValueError("stores must be at least one; got none")
    rows = [row for store in stores for row in rows_of(store)]
    with Store(out) as target:
        differ = _differing([*rows_of(out), *rows])
        before = len(target.statuses)
        for store in stores:
            for description in grids_of(Path(store)):
                target.keep_grid(description)
            for command in commands_of(Path(store)):
                target.keep_command(command)
        best = log.first_of_each(rows)
        finished = {bytes.fromhex(row["cell_sha256"]) for row in best if row["status"] == schema.DONE}
        replaced = target.forget_failed(finished)
        for row in best:
            target.add(row)
        return len(target.statuses) - before + replaced, differ


def _differing(rows: Sequence[Row]) -> list[str]:
    values: dict[str, float] = {}
    done = [row for row in rows if row["status"] == schema.DONE]
    # As texts, for nan differs from itself.
    found = {row["key"] for row in done if repr(values.setdefault(row["key"], row["value"])) != repr(row["value"])}
    return sorted(found)
