"""Parts of a store: Parquet files that are whole or not there, each named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from barren import _files
from barren._canonical import canonical, parsed
from barren.sweeps import schema
from barren.sweeps.schema import Cell, Row

if TYPE_CHECKING:
    import pyarrow

FOLDER = "parts"
_REPLACES = b"barren_replaces"
_NAME = re.compile(r"[0-9a-f]{64}\.parquet")


class DamagedPartError(ValueError):
    """A part whose bytes are not those that were written.

    Attributes:
        path: the part.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name} is damaged: {reason}")
        self.path = path


def key_of(cell: Cell) -> str:
    """The cell's canonical text."""
    return canonical(cell)


def identity(key: str) -> str:
    """SHA-256 of a key, 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


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


def read(path: Path, columns: Sequence[str] | None = None) -> pyarrow.Table:
    """The table of a part, or some of its columns, after its bytes have been checked.

    Raises:
        DamagedPartError: its bytes are not those that were written, or no Parquet file.
        ValueError: it is of another schema version.
    """
    import pyarrow
    from pyarrow import parquet

    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem:
        raise DamagedPartError(path, "its checksum is not the one in its name")
    try:
        chosen = None if columns is None else list(columns)
        table = parquet.ParquetFile(pyarrow.BufferReader(data)).read(columns=chosen, use_threads=False)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DamagedPartError(path, f"it is no Parquet file ({error})") from None
    came = (table.schema.metadata or {}).get(b"barren_store", b"none").decode()
    if came != str(schema.VERSION):
        raise ValueError(
            f"{path.name} must be of schema version {schema.VERSION}; got {came}: read it with the version of barren "
            "that wrote it, or sweep into another folder"
        )
    replaced_by(path, table.schema)
    return table


def replaced_by(path: Path, kind: pyarrow.Schema) -> list[str]:
    """Names of the parts that a part stands for, by its schema.

    Raises:
        DamagedPartError: it names anything else: those files are deleted, and a store may be a stranger's.
    """
    try:
        names = parsed((kind.metadata or {}).get(_REPLACES, b"[]"))
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        raise DamagedPartError(path, "it stands for files that are no parts")
    return names
