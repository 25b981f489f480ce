"""The part of the page on bounds: the ladder of every class, against its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from barren.sweeps.report import data, layout
from barren.sweeps.report.chart import SLOTS, Line, chart
from barren.sweeps.report.data import Family, Series
from barren.sweeps.report.fits import means, power_law
from barren.sweeps.report.layout import Limits, Slope
from barren.sweeps.report.markup import Html, element
from barren.sweeps.report.tables import Column, table
from barren.sweeps.schema import Row

__all__ = ["section"]

_RATE = "published-rate"


def section(rows: Sequence[Row], family: Family, limits: Limits) -> Html | None:
    """The ladders of one class; None without a finished cell."""
    found = data.done(rows, "bounds", family.name)
    if not found:
        return None
    some = data.series(found)
    rate = any(_RATE in (row["bound_names"] or ()) for row in found)
    return layout.section(
        f"Bounds: {family.heading}",
        f"bounds-{family.name}",
        element("p", "The ladder of bounds on Var/B² for every model, from the class alone; sharp is λ."),
        layout.listed(data.shared(some)),
        layout.note(
            f"{_RATE} is a rate whose constant is unknown: a slope to compare with, no bound." if rate else None
        ),
        layout.slopes(_slopes(some), family, limits),
        _figures(some, family, limits),
        _values(some, family, limits),
    )


@dataclass(frozen=True)
class _Rung:
    """A rung of the ladder in the cells of a series."""

    one: Series
    name: str
    x: tuple[int, ...]
    values: tuple[float, ...]


def _rungs(one: Series) -> list[_Rung]:
    """In the order in which the ladders name them."""
    found: dict[str, list[tuple[int, float]]] = {}
    for x, rows in one.at_places().items():
        for row in rows:
            for name, value in zip(row["bound_names"] or (), row["bound_values"] or (), strict=False):
                found.setdefault(name, []).append((x, float(value)))
    return [_Rung(one, name, *map(tuple, zip(*points, strict=True))) for name, points in found.items()]


def _slopes(some: Sequence[Series]) -> list[Slope]:
    names = data.telling(some)
    fits = [(rung, power_law(rung.x, rung.values, [0] * len(rung.x))) for one in some for rung in _rungs(one)]
    return [Slope(rung.name, data.label(rung.one, names), fit) for rung, fit in fits if fit is not None]


def _figures(some: Sequence[Series], family: Family, limits: Limits) -> Html | None:
    names = data.telling(some)
    drawn = []
    for one in some[: limits.panels]:
        rungs = _rungs(one)[:SLOTS]
        points = [means(rung.x, rung.values, [0] * len(rung.x), log=True) for rung in rungs]
        lines = [
            Line(rung.name, found, slot, rung.name == _RATE)
            for slot, (rung, found) in enumerate(zip(rungs, points, strict=True))
        ]
        lines = [
            Line(line.label, layout.thinned(line.points, limits.points), line.slot, line.bare)
            for line in lines
            if line.points
        ]
        if lines and len(one.places()) > 1:
            where = f": {data.label(one, names)}" if names else ""
            title = f"The ladder of bounds{where}"
            drawn.append(
                chart(lines, title=title, x=family.axis, y="bound on Var/B² (dimensionless)", symbol=family.symbol)
            )
    return element("div", *drawn, class_="figures") if drawn else None


def _values(some: Sequence[Series], family: Family, limits: Limits) -> Html:
    entries = [
        (rung, x, value) for one in some for rung in _rungs(one) for x, value in zip(rung.x, rung.values, strict=True)
    ]
    columns = [
        Column(family.symbol, lambda e: e[1]),
        *layout.setting_columns(data.varying(some), lambda e: e[0].one),
        Column("bound", lambda e: e[0].name),
        Column("value", lambda e: e[2]),
        Column(f"{family.symbol} × value", lambda e: e[1] * e[2]),
    ]
    return table("Every rung.", columns, entries, limits.rows)
