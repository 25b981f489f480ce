"""The public names of barren, module by module: what the API pages show, and what the docstring standard holds for.

`make_surface.py` lists them with their parameters in docs/surface.txt.
"""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any

# Title of a page -> its modules. A name is described where it is met first, so `barren` comes before its modules.
PAGES: dict[str, tuple[str, ...]] = {
    "barren": ("barren", "barren.bounds", "barren.variance", "barren.config"),
    "barren.classes": ("barren.classes",),
    "barren.targets": ("barren.targets",),
    "barren.inputs": ("barren.inputs",),
    "barren.encodings": ("barren.encodings",),
    "barren.spectra": ("barren.spectra",),
    "barren.models": ("barren.models",),
    "barren.training": (
        "barren.training",
        "barren.training.metrics",
        "barren.training.circular",
        "barren.training.phases",
        "barren.training.prediction",
    ),
    "barren.sweeps": ("barren.sweeps", "barren.sweeps.schema", "barren.sweeps.report"),
    "barren.figures": ("barren.figures",),
    "barren.reference": ("barren.reference", "barren.check"),
}


def names_of(module: ModuleType) -> list[str]:
    """`__all__`, or the classes and functions that a module without one defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [name for name, value in vars(module).items() if not name.startswith("_") and _is_own(module, value)]


def _is_own(module: ModuleType, value: Any) -> bool:
    return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__


def public() -> dict[str, dict[str, Any]]:
    """Module -> the names that it is the first to show, with the objects; modules and constants are left out."""
    found: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for module_name in (name for modules in PAGES.values() for name in modules):
        module = importlib.import_module(module_name)
        found[module_name] = {}
        for name in names_of(module):
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isfunction(value)) and id(value) not in seen:
                seen.add(id(value))
                found[module_name][name] = value
    return found
