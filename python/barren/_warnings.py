"""Warnings that point at the line of the user, and those of many cells that are shown once."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PACKAGE = str(Path(__file__).parent) + os.sep


def warn(text: str) -> None:
    """A UserWarning at the first line outside the package: from deep in it no fixed level leads there."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, UserWarning, stacklevel=level)


@contextmanager
def shown_once(told: set[str]) -> Iterator[None]:
    """Within it a warning whose text has been told is not shown; others are added to what has been told."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def once(message: Warning | str, *where: Any, **more: Any) -> None:
            text = str(message)
            if text not in told:
                told.add(text)
                show(message, *where, **more)

        warnings.showwarning = once
        yield
