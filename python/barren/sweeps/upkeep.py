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
from barren.sweeps import log, parts, schema
from barren.sweeps.grid import Grid
from barren.sweeps.parts import DamagedPartError, identity, key_of
from barren.sweeps.schema import Row
from barren.sweeps.store import (
    COMMANDS,
    GRIDS,
    Store,
    commands_of,
    grids_of,
    heading_of,
    refuse_links,
    replaced_in,
    rows_of,
    said_in,
    table_of,
)

__all__ = ["Finding", "Status", "export", "merge", "status", "verify"]

ASIDE = "aside"
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
        ValueError: it is no store of this schema.
    """
    path = Path(store)
    heading_of(path)
    if repair:
        _repair(path)
    return [*_in_parts(path), *_in_descriptions(path), *_in_logs(path)]


def _in_parts(path: Path) -> list[Finding]:
    gone, seen, found = replaced_in(path), dict[str, str](), list[Finding]()
    for part in parts.listed(path):
        if part.name in gone:
            continue
        try:
            rows = parts.read(part, ["cell_sha256", "key"]).to_pylist()
        except DamagedPartError as error:
            found.append(Finding(f"{parts.FOLDER}/{part.name}", str(error), True))
            continue
        told = _told(rows, part.name, seen)
        if told is not None:
            found.append(Finding(f"{parts.FOLDER}/{part.name}", f"{part.name}: {told}", True))
    return found


def _told(rows: Sequence[Row], name: str, seen: dict[str, str]) -> str | None:
    """What is wrong with the rows of a part; `seen` knows those of sound parts before it, cell -> part."""
    cells, told = [row["cell_sha256"] for row in rows], []
    if any(identity(row["key"]) != row["cell_sha256"] for row in rows):
        told.append("a row's hash is not that of its key")
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
    for folder in (GRIDS, COMMANDS):
        for file in sorted((path / folder).glob("*.json")):
            try:
                said_in(file)
            except ValueError:
                name = f"{folder}/{file.name}"
                found.append(Finding(name, f"{name} is damaged: it does not say what its name stands for", True))
    return found


def _in_logs(path: Path) -> list[Finding]:
    found = []
    for file in log.listed(path):
        name = f"{log.FOLDER}/{file.name}"
        _, end, damaged = log.read(file)
        if damaged:
            found.append(Finding(name, f"{file.name}: {damaged} damaged lines; their cells are not there", True))
        if end < file.stat().st_size:
            found.append(Finding(name, f"{file.name}: ends in half a line, as after a kill", False))
    return found


def _repair(path: Path) -> None:
    """Sets aside what is damaged; opening the store then makes parts of what killed writers left."""
    refuse_links(path)
    for finding in [*_in_parts(path), *_in_descriptions(path)]:
        (path / ASIDE).mkdir(exist_ok=True)
        damaged = path / finding.name
        damaged.rename(path / ASIDE / damaged.name)
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
