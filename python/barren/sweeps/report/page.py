"""The page: its parts in order, style and script within it, and nothing that a browser would have to fetch."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from barren.sweeps.report import bounds, data, overview, training, variance
from barren.sweeps.report.layout import Limits
from barren.sweeps.report.markup import Html, element, joined
from barren.sweeps.report.numbers import count
from barren.sweeps.schema import DONE, Row

__all__ = ["LARGEST", "html"]

LARGEST = 5_000_000
"""Bytes of a page at most; a store that needs more is shown in part, and the page says in which."""

_WORDS = {"variance": "gradient variance", "bounds": "bounds", "train": "training"}
_PARTS = {"variance": variance.section, "bounds": bounds.section, "train": training.section}


def html(
    rows: Sequence[Row],
    *,
    title: str | None = None,
    grids: Sequence[Mapping[str, Any]] = (),
    commands: Sequence[Mapping[str, str]] = (),
    limits: Limits | None = None,
) -> str:
    """The page of a store's rows: the same text for the same rows, in whatever order they come.

    Args:
        rows: with every column of the schema, one a cell.
        title: default words for what was computed.
        grids: that were swept, as JSON values.
        commands: that swept them, {"grid": `barren.sweeps.descriptions.name_of` the grid, "command": what was run}.
        limits: how much is shown at first; halved until the page has at most `LARGEST` bytes.

    Returns:
        The page, one text of HTML that stands alone.

    Raises:
        KeyError: a row lacks a column that is shown.

    Cost: O(n log n) in the number n of rows.

    Source: docs/report.
    """
    ordered = data.ordered(rows)
    shown, made = limits or Limits(), overview.Made(grids, commands)
    while True:
        page = _page(ordered, title or _title(ordered), made, shown)
        if len(page.encode()) <= LARGEST or shown.rows == 0:
            return page
        shown = shown.halved()


def _title(rows: Sequence[Row]) -> str:
    kinds = {row["kind"] for row in rows}
    told = [word for kind, word in _WORDS.items() if kind in kinds]
    return f"Sweep: {', '.join(told)}" if told else "An empty sweep"


def _page(rows: Sequence[Row], title: str, made: overview.Made, limits: Limits) -> str:
    parts = list(_sections(rows, made, limits))
    style, script = (files(__package__).joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "table.js"))
    # Neither can be broken out of: they are ours, and hold no closing tag.
    trusted = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{trusted}'; img-src data:"
    head = joined(
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<link rel="icon" href="data:,">'),
        element("title", title),
        element("style", Html(style)),
        by="\n",
    )
    body = joined(
        element("header", element("h1", title), element("p", _summary(rows)), overview.tiles(rows), _contents(parts)),
        element("main", *(part for _, _, part in parts)),
        element(
            "footer",
            "Written by ",
            element("code", "barren report"),
            ", from the store alone: the same store gives the same page.",
        ),
        element("script", Html(script)),
        by="\n",
    )
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _sections(rows: Sequence[Row], made: overview.Made, limits: Limits) -> Iterator[tuple[str, str, Html]]:
    """(name, heading, markup) of the parts that have something to say."""
    for kind, part in _PARTS.items():
        for family in data.FAMILIES:
            found = part(rows, family, limits)
            if found is not None:
                yield f"{kind}-{family.name}", f"{_WORDS[kind]}: {family.heading}", found
    for name, heading, found in (
        ("failures", "failures", overview.failures(rows, limits)),
        ("cells", "cells", overview.cells(rows, limits)),
        ("provenance", "provenance", overview.provenance(rows, made, limits)),
    ):
        if found is not None:
            yield name, heading, found


def _contents(parts: Sequence[tuple[str, str, Html]]) -> Html:
    links = [element("li", element("a", heading, href=f"#{name}")) for name, heading, _ in parts]
    return element("nav", element("ul", *links), aria_label="contents")


def _summary(rows: Sequence[Row]) -> str:
    if not rows:
        return "The store holds no cell yet."
    failed = sum(row["status"] != DONE for row in rows)
    return f"{count(len(rows), 'cell')}" + (
        f", of which {failed} failed and {len(rows) - failed} are done." if failed else ", all done."
    )
