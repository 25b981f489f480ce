"""Files of a store that are not what was written: how they are read, what is told of them, where they are put."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["ASIDE", "DamagedError", "content", "refuse_links", "set_aside"]

ASIDE = "aside"


class DamagedError(ValueError):
    """A file of a store that is not as it was written.

    Attributes:
        path: the file.
        told: its place in the store, and what is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.told = path, f"{path.parent.name}/{path.name} is damaged: {reason}"
        super().__init__(f"{self.told}; 'barren sweep verify --repair' sets it aside")


def content(path: Path, start: int = 0) -> bytes:
    """The bytes of a file of a store, from a place on.

    Raises:
        DamagedError: a folder has its name, a pipe, or a link to nothing. Such a pipe would be waited for without end.
        FileNotFoundError: nothing has its name.
        OSError: it cannot be read.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        if path.is_symlink():
            raise DamagedError(path, "it is a link to nothing, which has to be removed by hand") from None
        raise
    if not stat.S_ISREG(mode):
        raise DamagedError(path, "it is no file")
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


def set_aside(store: Path, path: Path) -> None:
    """Moves what is damaged to the folder "aside", under a name that nothing has there; the lock is held."""
    folder = store / ASIDE
    folder.mkdir(exist_ok=True)
    free, number = folder / path.name, 1
    while os.path.lexists(free):
        number += 1
        free = folder / f"{path.name}.{number}"
    path.rename(free)


def refuse_links(store: Path) -> None:
    """Refuses to write into a store that holds a link, which would lead out of the folder, or a pipe or a device.

    Args:
        store: the folder; nothing is refused where there is none.

    Raises:
        ValueError: there is one; it is named.

    Cost: one look at every folder: the system says with a name what it is of.
    """
    folders = [str(store)] if store.is_dir() else []
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    _refuse(store, entry.path, "a store without links, which lead out of it", "the link")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_file(follow_symlinks=False) and os.path.lexists(entry.path):
                    _refuse(store, entry.path, "a store of files and folders", "a pipe or device,")


def _refuse(store: Path, path: str, expected: str, came: str) -> None:
    name = Path(path).relative_to(store).as_posix()
    raise ValueError(f"out must be {expected}; got one with {came} {name!r}")
