"""Writes what a finished sweep of the published figure shows into docs/results: figure, summary and report.

barren sweep run examples/published_figure.toml --out STORE --workers 2
python scripts/make_published_figure.py STORE

The rows are those of `barren figure variance-vs-modulus --full`, to the last bit (tests/test_sweep_cli.py),
so they are taken as its finished cells, and the figure is drawn from them. `published-figure.json` says what ran, and
how long; docs/sweeps.md tells it. --check makes nothing: it fails where the page says something else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from barren import figures
from barren._canonical import digest
from barren._core import __version__
from barren._progress import Lines
from barren.figures.partial import Partial
from barren.sweeps import report, store, upkeep

DOCS = Path(__file__).parent.parent / "docs"
RESULTS = DOCS / "results"
PAGE = DOCS / "sweeps.md"
SUMMARY = RESULTS / "published-figure.json"
BEGIN, END = "<!-- published figure -->\n", "<!-- /published figure -->"
FIGURE = figures.FIGURES["variance-vs-modulus"]
COMMAND = "barren sweep run examples/published_figure.toml --out STORE --workers 2"
# Of the figure -> of the store, where they have different names.
NAMES = {"variance": "value", "method": "method_used"}
WHERE = ("barren_version", "python_version", "numpy_version", "torch_version", "cpu", "instruction_set", "platform")

Rows = Sequence[dict[str, Any]]


def draw(rows: Rows) -> None:
    """NAME.parquet, .png, .svg and .json of the figure, of the store's rows."""
    settings = FIGURE.settings(True, 0)
    by_cell = {(row["p"], row["seed"]): row for row in rows}
    heading = {"figure": FIGURE.name, "settings_sha256": digest(settings), "version": __version__}
    with Partial(RESULTS / f"{FIGURE.name}.partial.jsonl", heading, FIGURE.columns) as partial:
        partial.begin(print)
        for cell in FIGURE.cells(settings):
            row = by_cell[cell["p"], cell["seed"]]
            partial.add(cell, [{name: row[NAMES.get(name, name)] for name in FIGURE.columns}], row["seconds"])
    figures.make(FIGURE, RESULTS, full=True, force=True, progress=Lines(), command=f"{COMMAND}, drawn from its store")


def summary(path: Path, rows: Rows) -> dict[str, Any]:
    """What ran, where, how long, and how much memory it took."""
    events = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    ends = [datetime.fromisoformat(event["time"]) for event in events if event["event"] in ("begin", "end")]
    if len(ends) != 2:
        raise SystemExit(f"the store must come from one run from begin to end; got {len(ends)} begins and ends")
    return {
        "command": COMMAND,
        "date": ends[0].date().isoformat(),
        "minutes": round((ends[1] - ends[0]).total_seconds() / 60.0, 1),
        "cells": len(rows),
        "primes": len({row["p"] for row in rows}),
        "initialisations": len({row["seed"] for row in rows}),
        "minutes_of_all_cells": round(sum(row["seconds"] for row in rows) / 60.0, 1),
        "largest_memory_in_bytes": max(row["peak_memory"] for row in rows),
        **{name: sorted({row[name] for row in rows}) for name in WHERE},
    }


def told(ran: dict[str, Any]) -> str:
    """The page, with what ran in its place."""
    lines = [
        f"`{ran['command']}`",
        "",
        "| what | asked | measured |",
        "|---|---|---|",
        f"| {ran['cells']} cells ({ran['primes']} primes, {ran['initialisations']} initialisations), {ran['date']}, "
        f"{', '.join(ran['cpu'])}, two cores | ≤ 45 min | **{ran['minutes']} min** |",
        "| memory of the largest of its three processes | ≤ 2 GB in all | "
        f"**{ran['largest_memory_in_bytes'] / 1e6:.0f} MB** |",
        "",
        "[Report](results/published-figure.html), [table](results/variance-vs-modulus.parquet), "
        "[what ran](results/published-figure.json).",
        "",
        f"![{FIGURE.summary}](results/{FIGURE.name}.png)",
    ]
    text = PAGE.read_text()
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    return before + "\n".join(lines) + "\n" + after


def write(path: Path) -> None:
    """Everything that docs/results holds of a store, which must be whole."""
    if findings := upkeep.verify(path):
        raise SystemExit(f"the store must be as it was written; got {findings[0]}")
    rows = [row for row in store.rows_of(path) if row["status"] == "done"]
    draw(rows)
    SUMMARY.write_text(json.dumps(summary(path, rows), indent=2, ensure_ascii=False) + "\n")
    report.write(path, out=RESULTS / "published-figure.html", title="The published figure", force=True)


def main() -> None:
    """Writes, or checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, nargs="?")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    if given.check == (given.store is not None):
        parser.error("give a store, or --check")
    if given.store is not None:
        write(given.store)
    text = told(json.loads(SUMMARY.read_text()))
    if given.check and text != PAGE.read_text():
        sys.exit(f"{PAGE.name} is not what {SUMMARY.name} says: run python scripts/make_published_figure.py STORE")
    if not given.check:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
