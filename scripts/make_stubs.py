"""Writes python/barren/_core.pyi from the installed extension module, or with --check fails if it is out of date."""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

STUB = Path(__file__).parent.parent / "python" / "barren" / "_core.pyi"


def generate() -> str:
    """The stub as text: without what belongs to one build (its version, say), imports sorted, long lines broken."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", "barren._core", "-o", folder, "--exit-code"]
        subprocess.run(command, check=True, capture_output=True)
        text = (Path(folder) / "barren" / "_core.pyi").read_text()
    text = re.sub(r"^(__version__|compiler|commit): str = .*$", r"\1: str", text, flags=re.MULTILINE)
    for words in (["check", "--select", "I", "--fix", "--quiet"], ["format"]):
        command = [sys.executable, "-m", "ruff", *words, "--stdin-filename", str(STUB), "-"]
        text = subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout
    return text


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = generate()
    if not parser.parse_args().check:
        STUB.write_text(text)
        return
    difference = list(difflib.unified_diff(STUB.read_text().splitlines(), text.splitlines(), "committed", "generated"))
    if difference:
        sys.exit("\n".join([*difference, "the stub is out of date: run python scripts/make_stubs.py"]))


if __name__ == "__main__":
    main()
