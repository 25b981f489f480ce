"""Tables that read as they are, and that the page's script makes sortable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from barren.sweeps.report.markup import Html, element, joined
from barren.sweeps.report.numbers import number, percent, span

__all__ = ["Column", "interval", "share", "table"]

_LONG = 48  # letters of a text that is not folded


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: its title.
        of: entry -> its value, a number, a text or None; by it the column is sorted.
        text: entry -> what is read; default `number` of a number, the text of a text.
        meaning: what it is, for who points at the heading.
        wide: whether its texts are folded; long ones are in any case.
    """

    heading: str
    of: Callable[[Any], Any]
    text: Callable[[Any], str] | None = None
    meaning: str | None = None
    wide: bool = False


def interval(
    heading: str, ends: Callable[[Any], tuple[float, float]], meaning: str | None = None, decimals: int | None = None
) -> Column:
    """A column of intervals, sorted by their lower end; to three digits, or to so many decimals."""
    return Column(heading, lambda entry: ends(entry)[0], lambda entry: span(*ends(entry), decimals=decimals), meaning)


def share(heading: str, of: Callable[[Any], float | None], meaning: str | None = None) -> Column:
    """A column of shares in percent."""
    return Column(heading, of, lambda entry: percent(of(entry)), meaning)


def table(caption: str, columns: Sequence[Column], entries: Sequence[Any], most: int) -> Html:
    """A table with a caption in a box that scrolls by itself; entries above `most` are left out, and it says so.

    A number's cell has its exact value beside the text, and by that it is sorted.
    """
    kept = entries[:most]
    told = caption if len(kept) == len(entries) else f"{caption} The first {most} of {len(entries)} rows."
    kinds = [_kind(column, kept) for column in columns]
    head = [
        element("th", column.heading, scope="col", title=column.meaning, class_=kind)
        for column, kind in zip(columns, kinds, strict=True)
    ]
    body = [
        element("tr", *(_cell(column, kind, entry) for column, kind in zip(columns, kinds, strict=True)))
        for entry in kept
    ]
    whole = element(
        "table",
        element("caption", element("span", told)),
        element("thead", element("tr", *head)),
        element("tbody", joined(*body, by="\n")),
        class_="sortable",
    )
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _kind(column: Column, entries: Sequence[Any]) -> str | None:
    """How a column is set: by its first value; folded where a text is long, or what stands right of it is not seen."""
    if column.wide:
        return "wide"
    first = next((value for entry in entries if (value := column.of(entry)) is not None), None)
    if isinstance(first, int | float):
        return "number"
    return "wide" if any(len(str(column.of(entry))) > _LONG for entry in entries) else None


def _cell(column: Column, kind: str | None, entry: Any) -> Html:
    value = column.of(entry)
    plain = number(value) if value is None or isinstance(value, int | float) else str(value)
    text = plain if column.text is None else column.text(entry)
    return element("td", text, data_sort=_key(value, text), class_=kind)


def _key(value: Any, text: str) -> str | None:
    """What it is sorted by, where the text is not: empty for what is no number, which comes last."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, int | float):
        return None
    exact = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, repr(value))
    return None if exact == text else exact
