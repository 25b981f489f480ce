"""Writes docs/command-line.md, the page of every command and option, from the command line itself.

--check writes nothing and fails where the page is not what the commands say.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import typer
import typer.cli

from barren.cli import app

PAGE = Path(__file__).parent.parent / "docs" / "command-line.md"
ABOUT = """\
Written from the commands themselves by `python scripts/make_command_line.py`; `barren COMMAND --help` says the same.

A command ends with status 0; 1 if an engine disagrees, a cell failed or no cell can be computed; 2 with one line on
standard error where the call has a mistake; 130 when it was interrupted. `--json` prints one JSON object, in which a
number that is not finite is `null`.
"""


def commands(group: Any) -> dict[str, str]:
    """Command -> its help, of all levels."""
    found: dict[str, str] = {}
    for name, command in getattr(group, "commands", {}).items():
        found[name] = " ".join((command.help or "").split())
        found |= commands(command)
    return found


def page() -> str:
    """The page as Markdown."""
    root = typer.main.get_command(app)
    context = root.make_context("barren", [], resilient_parsing=True)
    text = typer.cli.get_docs_for_click(obj=root, ctx=context, name="barren", title="Command line")
    helps = commands(root)

    def whole(line: re.Match[str]) -> str:  # lists of commands have their help cut short; arguments stay as they are
        return f"* `{line[1]}`: {helps[line[1]]}" if line[1] in helps else line[0]

    text = re.sub(r"^\* `(\w[\w-]*)`: .*$", whole, text, flags=re.MULTILINE)
    title, rest = text.split("\n", 1)
    return f"{title}\n\n{ABOUT}{rest.rstrip()}\n"


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    new = page()
    if parser.parse_args().check:
        if not PAGE.exists() or PAGE.read_text() != new:
            sys.exit(f"{PAGE.name} is not what the commands say: run python scripts/make_command_line.py")
        return
    PAGE.write_text(new)


if __name__ == "__main__":
    main()
