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
        try:
            import fcntl
        except ImportError:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(cell))
        except (BlockingIOError, PermissionError):
            return False
        return True

    def drop(self, cell: bytes) -> None:
        """Gives a cell free."""
        try:
            import fcntl
        except ImportError:
            return
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(cell))

    def close(self) -> None:
        """Gives all cells free."""
        os.close(self._file)


def _place(cell: bytes) -> int:
    return int.from_bytes(cell[:8], "big") % _PLACES
