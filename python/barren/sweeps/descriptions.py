"""What a store says beside its rows: its schema, the grids that were swept into it, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from barren._canonical import digest, parsed
from barren.sweeps import damage, schema
from barren.sweeps.damage import DamagedError

__all__ = ["COMMANDS", "GRIDS", "HEADING", "commands_of", "grids_of", "heading_of", "listed", "name_of", "said_in"]

HEADING = "sweep.json"
GRIDS, COMMANDS = "grids", "commands"


def heading_of(path: Path) -> None:
    """Checks that a folder is a store of this schema.

    Raises:
        ValueError: it is none, or of another schema.
    """
    try:
        found = parsed(damage.content(path / HEADING))["barren_store"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"store must be a folder that barren sweep made; got {str(path)!r}") from None
    if found != schema.VERSION:
        raise ValueError(
            f"store must be of schema version {schema.VERSION}, which this version of barren reads; got {found}: use "
            "the version that wrote it, or sweep into another folder"
        )


def listed(path: Path, folder: str) -> list[Path]:
    """The files of grids or commands, in the order of their names."""
    return sorted((path / folder).glob("*.json"))


def grids_of(path: Path) -> list[dict[str, Any]]:
    """The grids that were swept into a store.

    Raises:
        ValueError: the file of one is damaged.
    """
    return [said_in(file) for file in listed(path, GRIDS)]


def commands_of(path: Path) -> list[dict[str, str]]:
    """How they were swept, {"grid": its name, "command": what was run}, each once.

    Raises:
        ValueError: the file of one is damaged.
    """
    return [said_in(file) for file in listed(path, COMMANDS)]


def name_of(said: dict[str, Any]) -> str:
    """The name of a grid or command in a store: the first 16 digits of its SHA-256."""
    return digest(said)[:16]


def said_in(file: Path) -> dict[str, Any]:
    """What a file of a grid or command says.

    Raises:
        DamagedError: it does not say what its name stands for, or no grid or command.
    """
    data = damage.content(file)
    try:
        found = parsed(data)
        is_named = name_of(found) == file.stem
    except (ValueError, RecursionError):  # no JSON, no text, or nested too deep
        is_named = False
    if not is_named:
        raise DamagedError(file, "it does not say what its name stands for")
    if not isinstance(found, dict):
        raise DamagedError(file, "it says no axes and values")
    if file.parent.name == COMMANDS and not _is_command(found):
        raise DamagedError(file, "it does not say which grid was swept by which command")
    return found


def _is_command(found: dict[str, Any]) -> bool:
    return found.keys() == {"grid", "command"} and all(isinstance(value, str) for value in found.values())
