"""Looking after stores: how far they are, whether they are sound, and bringing several together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barren import _validate
from barren.sweeps import log, parts, schema
from barren.sweeps.grid import Grid
from barren.sweeps.parts import DamagedPartError, identity, key_of
from barren.sweeps.schema import Row
from barren.sweeps.store import Store, grids_of, heading_of, refuse_links, replaced_in, rows_of, table_of

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
        name: the part or log.
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
    errors = [str(row["error"]) for row in failed]
    counted = sorted(((text, errors.count(text)) for text in dict.fromkeys(errors)), key=lambda one: -one[1])
    seconds = sum(row["seconds"] or 0.0 for row in there)
    return Status(description, len(cells), len(there) - len(failed), len(failed), seconds, tuple(counted))


def verify(store: str | os.PathLike[str], *, repair: bool = False) -> list[Finding]:
    """What is not as it was written: damaged parts and log lines, rows whose key and hash disagree, cells held twice.

    Args:
        store: the folder.
        repair: whether to move damaged parts to the folder "aside": the next sweep computes their cells again.

    Raises:
        ValueError: it is no store of this schema.
    """
    path = Path(store)
    heading_of(path)
    if repair:
        _repair(path)
    gone, seen = replaced_in(path), dict[str, str]()
    found = []
    for part in parts.listed(path):
        if part.name in gone:
            continue
        try:
            rows = parts.read(part, ["cell_sha256", "key"]).to_pylist()
        except DamagedPartError as error:
            found.append(Finding(part.name, str(error), True))
            continue
        for row in rows:
            if identity(row["key"]) != row["cell_sha256"]:
                found.append(Finding(part.name, f"{part.name}: a row's hash is not that of its key", True))
            other = seen.setdefault(row["cell_sha256"], part.name)
            if other != part.name:
                found.append(Finding(part.name, f"{part.name}: holds a cell that {other} holds too", True))
    for file in log.listed(path):
        _, end, damaged = log.read(file)
        if damaged:
            found.append(Finding(file.name, f"{file.name}: {damaged} damaged lines; their cells are not there", True))
        if end < file.stat().st_size:
            found.append(Finding(file.name, f"{file.name}: ends in half a line, as after a kill", False))
    return found


def _repair(path: Path) -> None:
    """Sets damaged parts aside; opening the store then makes parts of what killed writers left."""
    refuse_links(path)
    for part in parts.listed(path):
        try:
            parts.read(part, ["cell_sha256"])
        except DamagedPartError:
            (path / ASIDE).mkdir(exist_ok=True)
            part.rename(path / ASIDE / part.name)
    with Store(path):
        pass


def export(store: str | os.PathLike[str], out: str | os.PathLike[str]) -> int:
    """Writes all rows into one file; returns how many.

    Args:
        store: the folder.
        out: a file that is not there yet; its ending says the format: .parquet, .csv (lists as JSON) or .jsonl.

    Raises:
        ValueError: an unknown ending, a file that is there, or as for `rows_of`.
    """
    path = Path(out)
    if path.suffix not in _FORMATS:
        _validate.refuse(ValueError, "out", f"a file ending in {', '.join(_FORMATS)}", repr(str(out)))
    if path.exists():
        _validate.refuse(ValueError, "out", "a file that is not there yet", repr(str(out)))
    table = table_of(store)
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(table, path)
    elif path.suffix == ".jsonl":
        _write_lines(table.to_pylist(), path)
    else:
        _write_csv(table, path)
    return int(table.num_rows)


def _write_lines(rows: Sequence[Row], path: Path) -> None:
    import json

    with path.open("x", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_csv(table: Any, path: Path) -> None:
    import json

    import pyarrow
    from pyarrow import csv

    for name, column in schema.COLUMNS.items():
        if column.kind in ("texts", "ints", "floats"):
            texts = [None if value is None else json.dumps(value) for value in table.column(name).to_pylist()]
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, pyarrow.array(texts, pyarrow.string()))
    csv.write_csv(table, path)


def merge(out: str | os.PathLike[str], stores: Sequence[str | os.PathLike[str]]) -> tuple[int, list[str]]:
    """Brings the rows of stores into one, each cell once: a finished row before a failed one, then the least as text.

    Args:
        out: the store, made where there is none; what it holds stays.
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
        for row in log.first_of_each(rows):
            target.add(row)
        return len(target.statuses) - before, differ


def _differing(rows: Sequence[Row]) -> list[str]:
    values: dict[str, float] = {}
    done = [row for row in rows if row["status"] == schema.DONE]
    # As texts, for nan differs from itself.
    found = {row["key"] for row in done if repr(values.setdefault(row["key"], row["value"])) != repr(row["value"])}
    return sorted(found)
