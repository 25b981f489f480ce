"""The command `barren`, and `python -m barren`."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns 0, 1 (an engine disagrees), 2 (a mistake in the call) or 130 (interrupted).

    Args:
        arguments: default those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an encoding without λ, as of a pipe on Windows, gets its number
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # while modules are imported; a command that runs says more
        print("interrupted", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    try:
        from barren import cli
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("typer", "rich"):
            raise
        print(f'the command line needs {missing}: pip install "barren[experiments]"', file=sys.stderr)
        return 2
    return cli.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
