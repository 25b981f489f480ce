"""Pages of Markdown as programs: their code blocks in order, with the output that is shown after them.

A block of Python runs in the scope of its page; a block without a language right after it is what it prints. In a block
"console" each line after `$ ` is a command of a shell, and what follows is what it says. A block after
`<!-- file: NAME -->` is that file. A page runs in an empty folder. Blocks of other languages do not run: `CHECKS` says
what is asked of them.
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
    return any(" [" in line.partition(" #")[0] for line in _calls(block))


def _calls(block: Block) -> list[str]:
    """The lines of a block that call the command line, without what a shell makes of them before and after."""
    if block.language not in ("", "console", "bash") or block.file is not None:
        return []
    lines = (line.removeprefix("$ ").split(" && ")[-1].removeprefix(".venv/bin/") for line in block.text.splitlines())
    return [line.split(" > ")[0] for line in lines if line.startswith("barren ") and " as " not in line]


# How a block is checked. Who adds a way adds the test that goes it to test_docs.py.
CHECKS = {
    "file": "written into the page's folder, for what runs there",
    "python": "run",
    "console": "run",
    "usage": "options are those of the command",
    "toml": "loaded as a grid",
    "bash": "read by bash, and every command is one of barren's or Dask's",
    "commands": "every line is a call of barren, or of a script that is there with those options",
    "text": "an example of what may be said; numbers are of a machine",
    "tree": "the folders of the source",
}


def check_of(block: Block) -> str | None:
    """Which of the checks holds for a block; None where there is none."""
    if block.file is not None:
        return "file"
    if block.language == "console":
        return "usage" if is_usage(block) else "console"
    if block.language:
        return block.language if block.language in CHECKS else None
    if "cpp/include/barren/" in block.text and "python/barren/" in block.text:
        return "tree"
    programs = ("barren ", "python ", "python3 ", ".venv/bin/", "bash ")
    return "commands" if all(line.startswith(programs) for line in block.text.splitlines()) else None


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
    """Every call of barren in the blocks of a page that are not Python, placeholders and all, but no usage."""
    return [line for block in blocks(text) for line in _calls(block) if " [" not in line.partition(" #")[0]]


def usage_lines(text: str) -> list[str]:
    """Every line that shows how barren is called, with what may be left out in brackets."""
    return [line for block in blocks(text) for line in _calls(block) if " [" in line.partition(" #")[0]]


def script_lines(text: str) -> list[str]:
    """Every call of a script of the repository, `python FILE ...` or `bash FILE ...`, in blocks without a language."""
    lines = [line for block in blocks(text) if check_of(block) == "commands" for line in block.text.splitlines()]
    return [line for line in lines if re.match(r"(?:\.venv/bin/)?(?:python3?|bash) (?!-m )", line)]
