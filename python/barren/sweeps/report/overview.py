"""The parts of the page on the whole store: what is in it, what failed, every cell, where the numbers come from."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from barren._canonical import canonical
from barren.sweeps.descriptions import name_of
from barren.sweeps.report import layout
from barren.sweeps.report.layout import Limits
from barren.sweeps.report.markup import Html, element
from barren.sweeps.report.numbers import count, duration, memory, plain
from barren.sweeps.report.tables import Column, table
from barren.sweeps.schema import AXES, COLUMNS, DONE, VERSION, VOLATILE, Row

__all__ = ["Made", "cells", "failures", "provenance", "rows_digest", "tiles"]

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?")
_VERSIONS = ("barren", "python", "numpy", "scipy", "torch")
_MACHINE = ("commit", *(f"{name}_version" for name in _VERSIONS), "fft", "cpu", "instruction_set", "platform")


def tiles(rows: Sequence[Row]) -> Html:
    """The numbers that a reader wants first."""
    failed = sum(row["status"] != DONE for row in rows)
    seconds = math.fsum(row["seconds"] for row in rows if row["seconds"] is not None)
    peaks = [row["peak_memory"] for row in rows if row["peak_memory"] is not None]
    shown = {"cells done": str(len(rows) - failed), "cells failed": str(failed)}
    if rows:
        shown["time of all cells"] = duration(seconds)
    if peaks:
        shown["peak memory of a process"] = memory(max(peaks))
    for name, told in (("p", "p"), ("frequencies", "A")):
        values = [row[name] for row in rows if row[name] is not None]
        if values:
            shown[f"{told}, {count(len(set(values)), 'value')}"] = _ends(min(values), max(values))
    entries = [
        element(
            "li",
            element("b", value, class_="bad" if name == "cells failed" and failed else None),
            element("span", name),
        )
        for name, value in shown.items()
    ]
    return element("ul", *entries, class_="tiles")


def _ends(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} … {high}"


def failures(rows: Sequence[Row], limits: Limits) -> Html | None:
    """What failed, by its error; None where nothing did."""
    failed = [row for row in rows if row["status"] != DONE]
    if not failed:
        return None
    alike: dict[str, list[Row]] = {}
    for row in failed:
        alike.setdefault(_NUMBER.sub("#", f"{row['kind']} {row['error']}"), []).append(row)
    entries = sorted(alike.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    columns = [
        Column("cells", lambda e: len(e[1])),
        Column("kind", lambda e: e[1][0]["kind"]),
        Column("error, of the first of them", lambda e: str(e[1][0]["error"]), wide=True),
        Column("the first of them", lambda e: e[1][0]["key"], wide=True),
    ]
    return layout.section(
        f"Failures: {count(len(failed), 'cell')}",
        "failures",
        element("p", "These cells are in no table, picture or fit above."),
        table(
            "Failed cells by their error; errors that differ in numbers alone are one.",
            columns,
            entries,
            limits.rows,
        ),
    )


def cells(rows: Sequence[Row], limits: Limits) -> Html | None:
    """Every finished cell, with the axes in which cells differ."""
    finished = [row for row in rows if row["status"] == DONE]
    if not finished:
        return None
    differ = [name for name in AXES if len({row[name] for row in finished}) > 1]
    columns = [
        *(layout.setting_column(name, itemgetter(name)) for name in differ),
        Column("value", lambda row: row["value"], meaning="Var, λ, or test accuracy (loss over the constant's)"),
        Column("standard error", lambda row: row["standard_error"]),
        Column("method used", lambda row: row["method_used"]),
        Column("seconds", lambda row: row["seconds"]),
        Column("cell", lambda row: row["cell_sha256"][:10], meaning="first digits of the cell's SHA-256"),
    ]
    more = "`barren sweep export` writes all of them." if len(finished) > limits.rows else None
    return layout.section("Cells", "cells", table("Finished cells.", columns, finished, limits.rows), layout.note(more))


def rows_digest(rows: Sequence[Row]) -> str:
    """SHA-256 of all rows in the order of their cells, without what differs from run to run (`VOLATILE`)."""
    names = [name for name in COLUMNS if name not in VOLATILE]
    found = hashlib.sha256()
    for row in sorted(rows, key=lambda row: str(row["cell_sha256"])):
        found.update(canonical([row[name] for name in names]).encode() + b"\n")
    return found.hexdigest()


@dataclass(frozen=True)
class Made:
    """What was swept, and how.

    Attributes:
        grids: as JSON values.
        commands: {"grid": its name, "command": what was run}.
    """

    grids: Sequence[Mapping[str, Any]]
    commands: Sequence[Mapping[str, str]]


def provenance(rows: Sequence[Row], asked: Made, limits: Limits) -> Html:
    """Where the numbers come from: versions, machines, data, what was run, and the hash of all rows."""
    made: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        made.setdefault(tuple(row[name] for name in _MACHINE), []).append(row)
    entries = sorted(made.items(), key=lambda entry: (-len(entry[1]), str(entry[0])))
    columns = [
        Column("cells", lambda e: len(e[1])),
        Column("commit", _kth(0), lambda e: _shortened(e[0][0]), "+: with files changed"),
        *(Column(n.removesuffix("_version").replace("_", " "), _kth(k)) for k, n in enumerate(_MACHINE) if k > 0),
        Column("threads", lambda e: _several(e[1], "threads")),
        Column("seconds", lambda e: math.fsum(row["seconds"] for row in e[1] if row["seconds"] is not None)),
        Column("peak memory", lambda e: _largest(e[1]), lambda e: memory(_largest(e[1]))),
    ]
    hashes = {
        "schema version": VERSION,
        "rows": len(rows),
        "SHA-256 of the rows": rows_digest(rows),
        "which leaves out": ", ".join(VOLATILE),
        "different sets of points": len({row["points_sha256"] for row in rows} - {None}),
        "different initial weights": len({row["weights_sha256"] for row in rows} - {None}),
        "kinds of cells": ", ".join(f"{n} {kind}" for kind, n in sorted(Counter(r["kind"] for r in rows).items()))
        or "none",
    }
    return layout.section(
        "Provenance",
        "provenance",
        layout.listed(hashes),
        table("What computed the cells.", columns, entries, limits.rows) if entries else None,
        layout.note("Each row of the store has its own hashes of points, test points and weights."),
        _commands(asked.commands, limits),
        *(_grid(grid) for grid in asked.grids),
    )


def _commands(commands: Sequence[Mapping[str, str]], limits: Limits) -> Html | None:
    if not commands:
        return None
    columns = [
        Column("grid", lambda one: one["grid"]),
        Column("command", lambda one: one["command"], wide=True),
    ]
    ordered = sorted(commands, key=lambda one: (one["grid"], one["command"]))
    return table("What was run, in whatever order.", columns, ordered, limits.rows)


def _grid(grid: Mapping[str, Any]) -> Html:
    """What `barren sweep` was given."""
    text = json.dumps(grid, indent=2, ensure_ascii=False)
    return element("details", element("summary", f"grid {name_of(dict(grid))}"), element("pre", text))


def _kth(k: int) -> Callable[[Any], Any]:
    return lambda entry: entry[0][k]


def _shortened(commit: str | None) -> str:
    """The first digits of a commit, and the + of a checkout with changes."""
    return plain(None) if commit is None else commit[:12] + "+" * commit.endswith("+")


def _several(rows: Sequence[Row], name: str) -> str | None:
    found = sorted({row[name] for row in rows if row[name] is not None})
    return ", ".join(map(str, found)) or None


def _largest(rows: Sequence[Row]) -> int | None:
    return max((row["peak_memory"] for row in rows if row["peak_memory"] is not None), default=None)
