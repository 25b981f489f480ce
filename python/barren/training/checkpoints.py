"""A folder that an ensemble saves itself to: its configuration, and a file a group of runs.

`ensemble.json` says which ensemble it is; `group-000.npz` and so on hold arrays alone: nothing is unpickled. A file is
written under another name and renamed, so that a kill at any moment leaves the last whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from barren import _files
from barren._canonical import parsed
from barren.training.task import Array

# 2: the records of a residue hold the chance within τ.
_FORMAT = 2
# What reading a file may raise whose bytes are others: zipfile has NotImplementedError for a compression that it does
# not know, and RuntimeError where the bit for a password is set.
_DAMAGES = (
    OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Checkpoints:
    """The folder, open for one ensemble at a time.

    Args:
        path: The folder; made where there is none.
        configuration: What the ensemble is, as plain values.

    Raises:
        ValueError: The folder holds another ensemble (the difference is named), is in use by another process, or
            cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str], configuration: dict[str, Any]) -> None:
        self.path = _files.directory("save", path)
        self._lock: IO[bytes] = _files.append(self.path / "lock")
        try:
            if not _files.lock(self._lock):
                raise ValueError(f"save must be a folder where nothing is trained now; {str(self.path)!r} is in use")
            whole = {"format": _FORMAT, **configuration}
            self._agree(whole)
            self._digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    def _agree(self, configuration: dict[str, Any]) -> None:
        """Writes the configuration, or compares it with the one that is there."""
        file = self.path / "ensemble.json"
        ours = json.loads(json.dumps(configuration))
        if not file.exists():
            _files.replace(file, (json.dumps(configuration, indent=2) + "\n").encode())
            return
        try:
            theirs = parsed(file.read_text())
        except (OSError, ValueError):
            raise ValueError(f"save holds a damaged {file.name} (cut short?); choose another folder") from None
        if not isinstance(theirs, dict):
            raise ValueError(f"save holds a damaged {file.name}; choose another folder")
        for key in [*ours, *theirs]:
            if ours.get(key) != theirs.get(key):
                raise ValueError(
                    f"save must hold a checkpoint of this very ensemble; {key} is {_short(theirs.get(key))} there and "
                    f"{_short(ours.get(key))} here"
                )

    def read(self, number: int) -> dict[str, Array] | None:
        """The arrays of a group, or None where it has not been saved.

        Raises:
            ValueError: The file is damaged.
        """
        file = self._file(number)
        if not file.exists():
            return None
        try:
            with np.load(BytesIO(file.read_bytes()), allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in saved.files}
            ours = str(arrays.pop("configuration")) == self._digest
        except _DAMAGES as error:
            raise ValueError(
                f"save holds a damaged {file.name} (cut short?): {error}; delete it to train its runs from the start"
            ) from None
        if not ours:
            raise ValueError(f"save holds a {file.name} of another ensemble; choose another folder")
        return arrays

    def write(self, number: int, arrays: dict[str, Array]) -> None:
        """Replaces the arrays of a group."""
        buffer = BytesIO()
        np.savez(buffer, configuration=np.array(self._digest), **arrays)  # type: ignore[arg-type]
        _files.replace(self._file(number), buffer.getvalue())

    def _file(self, number: int) -> Path:
        return self.path / f"group-{number:03d}.npz"


def _short(value: Any) -> str:
    try:
        text = json.dumps(value)
    except RecursionError:
        return "something nested too deep"
    return text if len(text) <= 80 else text[:77] + "..."
