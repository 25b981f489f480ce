"""The API pages: a page an entry of `surface.PAGES`, whose content Sphinx takes from the docstrings."""

from __future__ import annotations

import inspect
from pathlib import Path

from documentation import surface


def write(folder: Path) -> list[str]:
    """Writes the pages and returns their names."""
    folder.mkdir(parents=True)
    public = surface.public()
    for title, modules in surface.PAGES.items():
        parts = [f"{title}\n{'=' * len(title)}\n"]
        for number, module in enumerate(modules):
            if not public[module]:
                continue
            if number:
                parts.append(f"{module}\n{'-' * len(module)}\n")
            if module != "barren.bounds":  # whose name is that of a function too
                parts.append(f".. automodule:: {module}\n   :no-members:\n")
            for name, value in public[module].items():
                kind = "function"
                if inspect.isclass(value):
                    kind = "exception" if issubclass(value, BaseException) else "class"
                parts.append(f".. auto{kind}:: {module}.{name}\n")
        (folder / f"{title}.rst").write_text("\n".join(parts))
    return list(surface.PAGES)
