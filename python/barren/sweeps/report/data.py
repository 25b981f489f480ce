"""Rows to series: which axes tell cells apart, what stands on the horizontal axis, and the values that are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from barren.sweeps.report.numbers import plain
from barren.sweeps.schema import AXES, DONE, Row


@dataclass(frozen=True)
class Family:
    """A class of targets, as it is drawn.

    Attributes:
        name: as in the column "class".
        heading: of its part of the page.
        symbol: of the horizontal axis.
        axis: its label, with the unit.
    """

    name: str
    heading: str
    symbol: str
    axis: str


LEARNT_FREQUENCIES = Family("frequencies", "frequencies on the real line", "a", "frequency a that is learnt")

FAMILIES = (
    Family("modular", "multiplication modulo p", "p", "modulus p (dimensionless)"),
    Family("frequencies", "frequencies 1..A on the real line", "A", "largest frequency A (dimensionless)"),
    Family("parity", "parities", "|H|", "number of parities |H| (dimensionless)"),
)

# What is no setting of a series: kind and class are its section's; p, A and |H| are the horizontal axis; means go
# over seeds and members; deviations change nothing that is drawn.
_NO_SETTING = ("kind", "class", "p", "seed", "member", "deviations")
_SETTINGS = tuple(name for name in AXES if name not in _NO_SETTING)
ALL = "all cells"

_FIRST = ("target", "model")
_PLAIN = (*_FIRST, "loss", "optimizer")


@dataclass(frozen=True)
class Series:
    """Rows that differ in the horizontal axis, the seed and the member alone.

    Attributes:
        setting: axis -> value, of the axes that all of them share.
        rows: in the order of x, then of seed and member.
    """

    setting: Mapping[str, Any]
    rows: tuple[Row, ...]

    def valued(self, of: Callable[[Row], float | None]) -> list[tuple[Row, int, float]]:
        """(row, x, value) of the rows that have both; NaN is a value."""
        found = [(row, place(row), of(row)) for row in self.rows]
        return [(row, x, float(value)) for row, x, value in found if x is not None and value is not None]

    def places(self) -> list[int]:
        """The distinct x, increasing."""
        return sorted({x for row in self.rows if (x := place(row)) is not None})

    def at_places(self) -> dict[int, list[Row]]:
        """X -> its rows, in increasing x."""
        found: dict[int, list[Row]] = {x: [] for x in self.places()}
        for row in self.rows:
            if (x := place(row)) is not None:
                found[x].append(row)
        return found


def ordered(rows: Iterable[Row]) -> list[Row]:
    """The rows in the order of their axes, whatever order they come in."""
    return sorted(rows, key=lambda row: [*(_order(row[name]) for name in AXES), _order(row["cell_sha256"])])


def done(rows: Iterable[Row], kind: str, family: str) -> list[Row]:
    """The rows of a kind and a class that did not fail."""
    return [row for row in rows if row["status"] == DONE and row["kind"] == kind and row["class"] == family]


def place(row: Row) -> int | None:
    """The horizontal axis: p, A (in training the frequency that is learnt), or how many parities there are."""
    family = row["class"]
    if _learns_a_frequency(row):
        return cast("int | None", row["member"])
    if family == "parity":
        return None if row["parity"] is None else _parities(row["parity"])
    return cast("int | None", row["p" if family == "modular" else "frequencies"])


def series(rows: Sequence[Row]) -> list[Series]:
    """The rows of a kind and a class by their settings, in the order of the settings' texts."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(_setting(row).items()), []).append(row)
    ordered = sorted(groups.items(), key=lambda group: [_order(value) for _, value in group[0]])
    return [Series(dict(key), tuple(sorted(some, key=_within))) for key, some in ordered]


def varying(some: Sequence[Series]) -> list[str]:
    """The axes in which these series differ."""
    return [name for name in _SETTINGS if len({one.setting[name] for one in some}) > 1]


def telling(some: Sequence[Series]) -> list[str]:
    """Enough of the axes in which these series differ to tell them apart.

    One that follows from the others is left out, if it is not the target or the model.
    """
    names = varying(some)
    for name in reversed(names):
        fewer = [other for other in names if other != name]
        if name not in _FIRST and len({tuple(one.setting[n] for n in fewer) for one in some}) == len(some):
            names = fewer
    return names


def shared(some: Sequence[Series]) -> dict[str, Any]:
    """Axis -> value, of the axes that all these series have in common and that are not null."""
    if not some:
        return {}
    differ = varying(some)
    return {n: v for n, v in some[0].setting.items() if n not in differ and v is not None}


def label(one: Series, names: Sequence[str], otherwise: str = ALL) -> str:
    """A series in words, by the axes of these names.

    Example:
        >>> one = Series({"target": "bit:0", "lr": 0.01}, ())
        >>> label(one, ["target", "lr"]), label(one, [])
        ('bit:0, lr 0.01', 'all cells')
    """
    told = [_told(name, one.setting[name]) for name in names if one.setting[name] is not None]
    return ", ".join(told) or otherwise


def panels(some: Sequence[Series], most: int) -> list[tuple[dict[str, Any], list[Series]]]:
    """The series in groups of at most so many, each with the axis -> value that its members share and others do not.

    They are parted by the axis of fewest values, again and again, until every group is small enough.

    Args:
        some: series of different settings.
        most: in a group.
    """
    if len(some) <= most:
        return [({}, list(some))] if some else []
    differ = varying(some)
    counts = {name: len({one.setting[name] for one in some}) for name in differ}
    axis = min(differ, key=lambda name: (counts[name], name))
    groups: dict[Any, list[Series]] = {}
    for one in some:
        groups.setdefault(one.setting[axis], []).append(one)
    return [({axis: value, **inner}, part) for value, group in groups.items() for inner, part in panels(group, most)]


def ratio(row: Row) -> float | None:
    """Var/(λ·B²), which no model has above 1; None where λ is not to be had."""
    value, bound = row["value"], row["bound"]
    if value is None or bound is None:
        return None
    return float(value) / float(bound) if bound else math.nan


def _learns_a_frequency(row: Row) -> bool:
    """A run on the real line is the same in every class 1..A that has its frequency."""
    return bool(row["kind"] == "train" and row["class"] == "frequencies")


def _setting(row: Row) -> dict[str, Any]:
    found = {name: row[name] for name in _SETTINGS}
    found["frequencies"] = row["frequencies"] if _learns_a_frequency(row) else None
    if row["parity"] is not None:  # "10:3:signed": what is left of it when the number of bits is on the axis
        found["parity"] = ":".join(row["parity"].split(":")[1:]) or "all"
    return found


def _told(name: str, value: Any) -> str:
    if name in _PLAIN:
        return str(value)
    return f"{'x' if name == 'inputs' else name.replace('_', ' ')} {plain(value)}"


def _within(row: Row) -> tuple[Any, ...]:
    return tuple(_order(value) for value in (place(row), row["seed"], row["member"], row["cell_sha256"]))


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers before texts, null first."""
    if value is None:
        return 0, 0.0, ""
    return (2, 0.0, value) if isinstance(value, str) else (1, float(value), "")


@lru_cache(maxsize=1024)
def _parities(text: str) -> int | None:
    from barren import specs

    try:
        return specs.parity(text).size
    except (TypeError, ValueError):  # a row of another version may say what this one does not
        return None
