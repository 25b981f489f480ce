"""Makes the figures into docs/results and writes their numbers into docs/experiments.md and docs/figures.md.

Without options every figure that docs/results does not hold at the settings wanted is made. --check makes nothing: it
fails where a result is missing, is of other settings, has other files than its record says, or differs from the text.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headlines import Headlines, Rows, training, variance
from pyarrow import parquet

from barren import figures
from barren._canonical import digest
from barren._progress import Lines

DOCS = Path(__file__).parent.parent / "docs"
RESULTS = DOCS / "results"
# What is committed at the setting of --full; of all other figures it is the default.
FULL = frozenset({"character-spectrum", "log-covariance", "spectral-norm", "variance-vs-modulus"})
# A place for the numbers: of one figure, or of all of a page.
_PLACE = re.compile(r"<!-- results(?: (?P<name>[a-z-]+))? -->\n.*?<!-- /results -->", flags=re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page of the docs, and the numbers of each of its figures."""

    path: Path
    headlines: Mapping[str, Callable[[Rows], Headlines]]


PAGES = (
    Page(DOCS / "experiments.md", training.HEADLINES),
    Page(DOCS / "figures.md", variance.HEADLINES),
)
NAMES = [name for page in PAGES for name in page.headlines]


def fault(name: str) -> str | None:
    """What is wrong with the result of a figure, or None."""
    record = RESULTS / f"{name}.json"
    if not record.exists():
        return "is not there"
    known = json.loads(record.read_text())
    if known["settings_sha256"] != digest(figures.FIGURES[name].settings(name in FULL, 0)):
        return f"is of other settings than {'--full' if name in FULL else 'the default'}"
    for file, hashed in known["files"].items():
        path = RESULTS / file
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != hashed:
            return f"has another {file} than its record says"
    return None


def make(name: str) -> None:
    """Makes a figure at the settings wanted: --full or the default."""
    full = name in FULL
    command = f"barren figure {name} --out docs/results{' --full' if full else ''}"
    figures.make(figures.FIGURES[name], RESULTS, full=full, force=True, progress=Lines(), command=command)


def section(page: Page, name: str) -> str:
    """Numbers and picture of one figure."""
    if fault(name) is not None:
        return "No run is committed."
    rows = parquet.read_table(RESULTS / f"{name}.parquet").to_pylist()
    record = json.loads((RESULTS / f"{name}.json").read_text())
    lines = [f"`{record['command']}`, version {record['version']}.", "", "| what | measured |", "|---|---|"]
    lines += [f"| {what} | {measured} |" for what, measured in page.headlines[name](rows)]
    return "\n".join([*lines, "", f"![{record['summary']}](results/{name}.png)"])


def filled(page: Page, text: str) -> str:
    """The text of a page with the numbers of the results in their places."""
    shown: list[str] = []

    def place(found: re.Match[str]) -> str:
        name = found["name"]
        shown.extend([name] if name else page.headlines)
        all_of_page = (f"### {each}\n\n{section(page, each)}" for each in page.headlines)
        content = section(page, name) if name else "\n\n".join(all_of_page)
        return f"<!-- results{' ' + name if name else ''} -->\n{content}\n<!-- /results -->"

    new = _PLACE.sub(place, text)
    if shown != list(page.headlines):
        sys.exit(f"{page.path.name} must have a place for each of {', '.join(page.headlines)}; got {', '.join(shown)}")
    return new


def main() -> None:
    """Makes and writes, or checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", metavar="NAME", choices=NAMES, help="make no figure but this one")
    parser.add_argument("--force", action="store_true", help="make figures that are there again")
    parser.add_argument("--redraw", action="store_true", help="draw the pictures again from their tables")
    given = parser.parse_args()
    asked = [given.only] if given.only else NAMES
    for name in [] if given.check else asked:
        if given.force or fault(name) is not None:
            make(name)
        elif given.redraw:
            figures.redraw(figures.FIGURES[name], RESULTS)
    faults = {name: fault(name) for name in NAMES}
    if given.check and any(faults.values()):
        told = "; ".join(f"{name} {text}" for name, text in faults.items() if text)
        sys.exit(f"docs/results: {told}: run python scripts/make_experiments.py")
    for page in PAGES:
        old = page.path.read_text()
        new = filled(page, old)
        if given.check and new != old:
            sys.exit(f"{page.path.name} is not what the results say: run python scripts/make_experiments.py")
        if new != old:
            page.path.write_text(new)


if __name__ == "__main__":
    main()
