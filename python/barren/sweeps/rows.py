"""What a row must be, in a log or in a part: a store may be damaged, or a stranger's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from barren.sweeps import schema

if TYPE_CHECKING:
    import pyarrow

__all__ = ["NAMED", "fault_in", "fault_of", "identity"]

NAMED = ("cell_sha256", "key", "status")
"""The columns that say which cell a row is of; no row is without them."""


def identity(key: str) -> str:
    """SHA-256 of a key, 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def fault_of(row: Mapping[str, Any]) -> str | None:
    """What is wrong with a row as JSON says it, without its nulls; None if it can stand in a part."""
    for name, value in row.items():
        column = schema.COLUMNS.get(name)
        if column is None:
            return "a row has a column that no row has"
        if value is not None and not _HOLDS[column.kind](value):
            return f"a row's {name} is of another type"
    return _fault(*(row.get(name) for name in NAMED))


def fault_in(table: pyarrow.Table) -> str | None:
    """What is wrong with the rows of a part, whose columns are as they should be; None if nothing is."""
    columns = [table.column(name).to_pylist() for name in NAMED]
    return next((told for told in map(_fault, *columns) if told is not None), None)


def _fault(cell: str | None, key: str | None, status: str | None) -> str | None:
    if cell is None or key is None:
        return "a row says no cell"
    if identity(key) != cell:
        return "a row's hash is not that of its key"
    if status != schema.DONE and status != schema.FAILED:
        return "a row's status is neither done nor failed"
    return None


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:  # half a pair of surrogates, which no file can hold
        return False


def _is_int(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_float(value: Any) -> bool:
    # A number without a point is one too, where a double holds it.
    return type(value) is float or (type(value) is int and abs(value) <= 2**53)


def _list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


_HOLDS: Mapping[str, Callable[[Any], bool]] = {
    "int": _is_int,
    "float": _is_float,
    "text": _is_text,
    "bool": lambda value: isinstance(value, bool),
    "texts": _list_of(_is_text),
    "ints": _list_of(_is_int),
    "floats": _list_of(_is_float),
}
