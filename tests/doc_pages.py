"""Pages of Markdown as programs: their code blocks in order, with the output that is shown after them.

A block of Python runs in the scope of its page; a block without a language right after it is what it prints. In a block
"console" each line after `$ ` is a command of a shell, and what follows is what it says. A block after
`<!-- file: NAME -->` is that file. A page runs in an empty folder. Blocks of other languages do not run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(
    r"^(?:<!-- file: (?P<file>[\w./-]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$"
    r"(?:\n```\n(?P<shown>.*?)^```$)?",
    flags=re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A code block, the output shown after it, and the file that it is."""

    language: str
    text: str
    shown: str | None
    file: str | None


def blocks(text: str) -> list[Block]:
    """The code blocks of a page."""
    return [Block(m["language"], m["text"], m["shown"], m["file"]) for m in _BLOCK.finditer(text)]


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it says."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    pairs = (part.partition("\n") for part in parts)
    return [(command, shown) for command, _, shown in pairs]


def is_usage(block: Block) -> bool:
    """Whether it shows how commands are called, with what may be left out in brackets."""
    return "[" in block.text


def run(text: str, folder: Path) -> None:
    """Runs a page in a folder.

    Raises:
        AssertionError: something else is printed than the page shows, or a command fails that is not shown to.
    """
    scope: dict[str, Any] = {"__name__": "__main__"}
    exported: list[str] = []
    for block in blocks(text):
        if block.file is not None:
            (folder / block.file).write_text(block.text)
        elif block.language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(block.text, "<page>", "exec"), scope)
            if block.shown is not None:
                assert printed.getvalue() == block.shown
        elif block.language == "console" and not is_usage(block):
            for command, shown in commands(block):
                if command.startswith("export "):
                    exported.append(command)
                else:
                    _call(command, shown, exported, folder)


def _call(command: str, shown: str, exported: list[str], folder: Path) -> None:
    """A command of a shell; one that is shown to say "barren: ..." ends with status 2, every other with 0."""
    here = os.environ.get("PYTHONPATH")  # a package that is not installed
    keep = [f"export PYTHONPATH=$PYTHONPATH:{shlex.quote(here)}"] if here else []
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "\n".join([*exported, *keep, command])],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == (2 if shown.startswith("barren: ") else 0), f"{command}: {done.stdout}"
    if shown:
        assert done.stdout == shown, command


def command_lines(text: str) -> list[str]:
    """Every call of barren in the blocks of a page that are not Python, placeholders and all."""
    lines = []
    for block in blocks(text):
        if block.language in ("", "console", "bash") and not is_usage(block):
            # What goes to a file is a matter of the shell.
            lines += [line.removeprefix("$ ").split(" > ")[0] for line in block.text.splitlines()]
    return [line for line in lines if line.startswith("barren ") and " as " not in line]
