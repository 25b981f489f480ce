"""The pages of the site: README.md is the first, then docs/*.md and what else of Markdown the root has.

Pages stay as they are read on a code host; only their links are turned to where the files lie in the site. A page that
is not named in `ORDER` is found all the same and stands in the last group.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

# Group -> the pages that stand in it, in this order, where they exist.
ORDER: dict[str, tuple[str, ...]] = {
    "Start": ("quickstart",),
    "How to": ("own-model", "own-class", "own-loss", "cluster", "reading-results"),
    "Guide": ("experiments", "figures", "sweeps", "report", "embedding"),
    "Reference": ("command-line",),
    "Background": ("theory", "exactness", "performance", "architecture"),
    "Project": ("compatibility", "security", "contributing", "changelog"),
}
LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)\s]*)?(\))")
FENCED = re.compile(r"(^```.*?^```\s*?$)", flags=re.DOTALL | re.MULTILINE)


def assemble(root: Path, source: Path, api: list[str]) -> None:
    """Copies pages and pictures into `source`, with links that hold there, and writes the navigation into the index."""
    files = {root / "README.md": "index"}
    files |= {path: path.stem.lower() for path in sorted(root.glob("*.md")) if path.name != "README.md"}
    files |= {path: path.stem for path in sorted((root / "docs").glob("*.md"))}
    shutil.copytree(root / "docs", source, ignore=shutil.ignore_patterns("*.md"), dirs_exist_ok=True)
    for path, name in files.items():
        text = relinked(path, root, source, files)
        if name == "index":
            text = f"{text}\n{navigation([name for name in files.values() if name != 'index'], api)}"
        (source / f"{name}.md").write_text(text)


def relinked(path: Path, root: Path, source: Path, files: dict[Path, str]) -> str:
    """The text of a page, whose links lead to pages of the site, or to copies of other files of the repository.

    Raises:
        ValueError: a link leads out of the repository or nowhere.
    """

    def turned(match: re.Match[str]) -> str:
        opening, target, anchor, closing = match.groups()
        file = (path.parent / target).resolve()
        if file in files:
            return f"{opening}{files[file]}.md{anchor or ''}{closing}"
        if not file.is_file() or root not in file.parents:
            raise ValueError(f"{path.name}: the link {target} leads to no file of the repository")
        place = file.relative_to(root / "docs") if root / "docs" in file.parents else "files" / file.relative_to(root)
        (source / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, source / place)
        return f"{opening}{place}{closing}"

    parts = FENCED.split(path.read_text())  # text and code blocks in turn
    return "".join(part if number % 2 else LINK.sub(turned, part) for number, part in enumerate(parts))


def navigation(names: list[str], api: list[str]) -> str:
    """The groups as tables of contents, which the theme shows at the side."""
    known = {name for group in ORDER.values() for name in group}
    groups = {caption: [name for name in group if name in names] for caption, group in ORDER.items()}
    groups["Reference"] += [f"api/{name}" for name in api]
    groups["More"] = sorted(set(names) - known)
    blocks = (
        "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```", ""])
        for caption, entries in groups.items()
        if entries
    )
    return "\n".join(blocks)
