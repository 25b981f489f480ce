"""Files that are whole or not there, and folders that one process uses at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def whole(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A file that is written under a name of its own and then renamed: what has the final name is always whole.

    After a power cut too. A link of that name is replaced and not followed.

    Args:
        path: the final name.
        force: whether a file of that name is replaced.

    Raises:
        FileExistsError: there is one, also one that came while this was written, and `force` is False.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.replace(temporary, path)
        else:
            _rename_new(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _rename_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # refuses what is there in one step
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(f"{path.name} must be a file that is not there yet") from None
        os.replace(temporary, path)
        return
    temporary.unlink()


def replace(path: Path, data: bytes) -> None:
    """Writes a file that is whole or as it was, in place of one that is there."""
    with whole(path, force=True) as file:
        file.write(data)


def append(path: Path) -> IO[bytes]:
    """Opens a file of our own for reading and appending, made where there is none.

    Raises:
        ValueError: it is a link, which would lead out of its folder.
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        return os.fdopen(os.open(path, flags, 0o666), "ab+")
    except OSError:
        if path.is_symlink():
            raise ValueError(f"{path.name} must be a file and no link, which leads out of its folder") from None
        raise


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
