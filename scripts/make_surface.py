"""Writes docs/surface.txt, every public name with its parameters; with --check fails if one is gone or changed.

Public are the names that the API pages show (`documentation/surface.py`); docs/compatibility.md says what that means.
New names are no fault of --check: write the file again when they are meant to stay.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from documentation.surface import PAGES, names_of

SURFACE = Path(__file__).parent.parent / "docs" / "surface.txt"


def surface() -> list[str]:
    """A line a name, in order."""
    return sorted({line for modules in PAGES.values() for module in modules for line in _lines(module)})


def _lines(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    for key in names_of(module):
        if not key.startswith("_"):
            yield from _described(f"{name}.{key}", getattr(module, key))


def _described(path: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"{path}{_signature(value)}"
        for key in _members(value):
            member = inspect.getattr_static(value, key, None)
            plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            yield f"{path}.{key}{_signature(plain) if inspect.isfunction(plain) else ''}"
    elif inspect.isfunction(value):
        yield f"{path}{_signature(value)}"
    else:
        yield path


def _members(value: type) -> set[str]:
    """Public attributes of a class of ours: methods, properties, fields."""
    found = (
        {f.name for f in dataclasses.fields(value) if not f.name.startswith("_")}
        if dataclasses.is_dataclass(value)
        else set()
    )
    for base in value.__mro__:
        if base.__module__.startswith("barren"):
            found |= {key for key in vars(base) if not key.startswith("_")}
    return found


def _signature(value: object) -> str:
    """Parameters without their annotations, which may become wider; defaults that are functions by their names."""
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    public = (parameter for parameter in signature.parameters.values() if not parameter.name.startswith("_"))
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in public]
    plain = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return re.sub(r" at 0x[0-9a-f]+", "", str(plain))


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    found = surface()
    if not parser.parse_args().check:
        SURFACE.write_text("\n".join(found) + "\n", encoding="utf-8")
        return
    gone = sorted(set(SURFACE.read_text(encoding="utf-8").splitlines()) - set(found))
    if gone:
        lines = "\n".join(gone)
        sys.exit(f"public names that are gone, or whose parameters changed (docs/compatibility.md):\n{lines}")


if __name__ == "__main__":
    main()
