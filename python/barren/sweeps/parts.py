"""Parts of a store: Parquet files that are whole or not there, each named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from barren import _files, _parquet
from barren._canonical import canonical, parsed
from barren.sweeps import damage, schema
from barren.sweeps.damage import DamagedError
from barren.sweeps.rows import NAMED, fault_in, identity
from barren.sweeps.schema import Cell, Row

if TYPE_CHECKING:
    import pyarrow

__all__ = ["FOLDER", "identity", "key_of", "listed", "read", "replaced_by", "replaced_in", "row_of", "sync", "write"]

FOLDER = "parts"
_REPLACES = b"barren_replaces"
_NAME = re.compile(r"[0-9a-f]{64}\.parquet")


def key_of(cell: Cell) -> str:
    """The cell's canonical text."""
    return canonical(cell)


def row_of(cell: Cell, **values: object) -> Row:
    """The row of a cell, with these values and null elsewhere.

    Example:
        >>> row = row_of({"kind": "bounds", "class": "modular", "p": 11}, status="done", value=0.25)
        >>> row["p"], row["value"], row["seed"]
        (11, 0.25, None)
    """
    key = key_of(cell)
    return {**schema.empty_row(), "cell_sha256": identity(key), "key": key, **cell, **values}


def write(store: Path, rows: Sequence[Row], replaces: Sequence[str] = ()) -> Path:
    """Writes a part in the store's folder: under a temporary name, synced, renamed, its folder synced.

    Args:
        store: the store.
        rows: one or more, each with every column.
        replaces: names of parts whose rows it stands for, which the caller removes then.

    Returns:
        Its path, parts/<sha256 of its bytes>.parquet.

    Raises:
        OSError: it cannot be written; no part of that name is there then.
    """
    import pyarrow
    from pyarrow import parquet

    kind = schema.arrow()
    if replaces:
        kind = kind.with_metadata({**kind.metadata, _REPLACES: canonical(sorted(replaces)).encode()})
    buffer = BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=kind), buffer, compression="zstd")
    data = buffer.getvalue()
    folder = store / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{hashlib.sha256(data).hexdigest()}.parquet"
    _files.replace(path, data)
    sync(folder)
    return path


def sync(folder: Path) -> None:
    """Makes the names in a folder last through a power cut, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # a system whose folders cannot be opened
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def listed(store: Path) -> list[Path]:
    """The parts, in the order of their names; what has not been renamed yet is none."""
    return sorted((store / FOLDER).glob("*.parquet"))


def read(path: Path, *, whole: bool = True) -> pyarrow.Table:
    """The table of a part, after its bytes, its columns and its rows have been checked.

    Args:
        path: the part.
        whole: whether every column is read and checked, or only those of `barren.sweeps.rows.NAMED`.

    Raises:
        DamagedError: its bytes are not those that were written, or it is none that was written.
        ValueError: it is of another schema version.
        FileNotFoundError: it is not there; another one stands for it by now.
    """
    import pyarrow

    parquet = _parquet.reader()
    data = damage.content(path)
    if hashlib.sha256(data).hexdigest() != path.stem:
        raise DamagedError(path, "its checksum is not the one in its name")
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        table = file.read(columns=None if whole else list(NAMED), use_threads=False)
        _check_columns(path, table.schema if whole else file.schema_arrow)
        table.validate(full=True)  # texts that are none would fail where they are used
    except pyarrow.ArrowMemoryError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise DamagedError(path, f"it is no Parquet file ({' '.join(str(error).split())[:200]})") from None
    replaced_by(path, table.schema)
    fault = fault_in(table)
    if fault is not None:
        raise DamagedError(path, fault)
    return table


def _check_columns(path: Path, came: pyarrow.Schema) -> None:
    version = (came.metadata or {}).get(b"barren_store", b"")
    if not version.isdigit():
        raise DamagedError(path, "it does not say its schema version")
    if version != str(schema.VERSION).encode():
        raise ValueError(
            f"{path.name} must be of schema version {schema.VERSION}; got {version.decode()}: read it with the version "
            "of barren that wrote it, or sweep into another folder"
        )
    if not came.equals(_columns()):
        raise DamagedError(path, f"its columns are not those of schema version {schema.VERSION}")


@cache  # it takes as long to make as to compare
def _columns() -> pyarrow.Schema:
    return schema.arrow().remove_metadata()


def replaced_by(path: Path, kind: pyarrow.Schema) -> list[str]:
    """Names of the parts that a part stands for, by its schema.

    Raises:
        DamagedError: it names anything else: those files are deleted, and a store may be a stranger's.
    """
    try:
        names = parsed((kind.metadata or {}).get(_REPLACES, b"[]"))
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        raise DamagedError(path, "it stands for files that are no parts")
    return names


def replaced_in(store: Path) -> set[str]:
    """Names of the parts that a sound part stands for: a kill left both.

    What a damaged one says does not count; the damage is told where it is read.
    """
    import pyarrow

    parquet = _parquet.reader()
    found: set[str] = set()
    for path in listed(store):
        with suppress(pyarrow.ArrowException, OSError, DamagedError):
            names = replaced_by(path, parquet.read_schema(path))
            if names:  # which is rare: only a kill leaves one
                read(path)
                found.update(names)
    return found
