"""Claims on cells, so that processes that sweep into one store at once do not compute the same.

A claim is a lock on one byte of a file, at a place that the cell's hash says; no byte is written. The system drops the
locks of a process that ends, however it ends. Where there are no such locks (Windows) every claim is granted: cells
may then be computed twice, and are stored once.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "claims"
# A byte of so many: two cells that share one wait for each other, which is harmless.
_PLACES = 2**60


class Claims:
    """The claims of this process on a store; one at a time, for closing the file drops them all.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, store: Path) -> None:
        self._file = os.open(store / NAME, os.O_RDWR | os.O_CREAT, 0o644)

    def take(self, cell: bytes) -> bool:
        """Whether the cell of this hash is now this process's."""
        return self._lock(cell, "LOCK_EX", "LOCK_NB")

    def drop(self, cell: bytes) -> None:
        """Gives a cell free."""
        self._lock(cell, "LOCK_UN")

    def close(self) -> None:
        """Gives all cells free."""
        os.close(self._file)

    def _lock(self, cell: bytes, *how: str) -> bool:
        """Changes the lock of a cell's byte; False if another process has it."""
        try:
            import fcntl
        except ImportError:  # not on every system
            return True
        try:
            fcntl.lockf(self._file, sum(getattr(fcntl, name) for name in how), 1, _place(cell))
        except (BlockingIOError, PermissionError):
            return False
        return True


def _place(cell: bytes) -> int:
    return int.from_bytes(cell[:8], "big") % _PLACES
