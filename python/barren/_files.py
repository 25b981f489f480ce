"""Files that are whole or not there, and folders that one process uses at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def replace(path: Path, data: bytes) -> None:
    """Writes under another name, then renames: a file of the final name is always whole, after a power cut too."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def lock(file: IO[bytes], *, wait: bool = False) -> bool:
    """Takes an open file for this process; False if another has it and it does not `wait`.

    The lock goes with the file, by a kill too. On systems without such locks every process has it.
    """
    try:
        import fcntl
    except ImportError:  # not on every system
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def directory(name: str, path: str | os.PathLike[str]) -> Path:
    """The directory, made where there is none.

    Raises:
        ValueError: it cannot be made or written to.
    """
    found = Path(path)
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{name} must be a directory that can be made; got {str(path)!r} ({error.strerror})") from None
    if not os.access(found, os.W_OK):
        raise ValueError(f"{name} must be a directory that can be written to; got {str(path)!r}")
    return found
