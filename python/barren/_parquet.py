"""The reader of Parquet files, of a version that takes them as data."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

__all__ = ["OLDEST", "OldReaderError", "reader"]

OLDEST = "14.0.1"


class OldReaderError(ImportError):
    """The pyarrow that is installed runs code that a file names."""


def reader() -> Any:
    """The module `pyarrow.parquet`; asked for wherever a Parquet file is read, since it may be a stranger's.

    Raises:
        ImportError: pyarrow is not installed, or unpickles what a file holds (CVE-2023-47248, mended in 14.0.1).
    """
    import pyarrow
    from pyarrow import parquet

    if _numbers(pyarrow.__version__) < _numbers(OLDEST):
        raise OldReaderError(
            f"pyarrow must be version {OLDEST} or newer, since older ones run code that a Parquet file holds "
            f"(CVE-2023-47248); got {pyarrow.__version__}",
            name="pyarrow",
        )
    return parquet


@cache  # stores have many parts
def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
