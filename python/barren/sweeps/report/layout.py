"""What the parts of the page share: sections, lists of settings, pictures of series, slopes, and how much is shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from barren.sweeps.report import data
from barren.sweeps.report.chart import SLOTS, Line, chart
from barren.sweeps.report.data import Family, Series
from barren.sweeps.report.fits import Fit, Mean, means
from barren.sweeps.report.markup import Html, element, joined
from barren.sweeps.report.numbers import number, plain
from barren.sweeps.report.tables import Column, interval, table
from barren.sweeps.schema import Row

__all__ = [
    "Limits",
    "Measure",
    "Slope",
    "figures",
    "listed",
    "note",
    "section",
    "setting_column",
    "setting_columns",
    "slopes",
    "thinned",
]

_BENT = 0.01
_SCATTER = "residual standard deviation of ln y"


@dataclass(frozen=True)
class Limits:
    """How much of a store is shown, so that a page stays one that a browser opens at once.

    Attributes:
        rows: of a table.
        points: of a line.
        panels: pictures of one quantity.
    """

    rows: int = 500
    points: int = 500
    panels: int = 6

    def halved(self) -> Limits:
        """Half as much."""
        return Limits(self.rows // 2, self.points // 2, max(1, self.panels // 2))


@dataclass(frozen=True)
class Measure:
    """A quantity that is drawn against the class.

    Attributes:
        symbol: what the axis says, with the unit.
        title: of its pictures.
        of: row -> its value; None where it has none.
        groups: row -> what means and intervals are taken over.
        log: whether its axis is logarithmic and its means geometric.
        within: ends of its axis.
        levels: (number, words) of horizontal lines.
        beside: what else is drawn in its picture: (series of the panel) -> bare lines.
    """

    symbol: str
    title: str
    of: Callable[[Row], float | None]
    groups: Callable[[Row], Any] = lambda row: row["seed"]
    log: bool = True
    within: tuple[float, float] | None = None
    levels: Sequence[tuple[float, str]] = ()
    beside: Callable[[Sequence[Series], Sequence[str]], list[Line]] | None = None

    def means(self, one: Series) -> list[Mean]:
        """Its means over the groups of a series, at every place."""
        kept = [(x, value, self.groups(row)) for row, x, value in one.valued(self.of)]
        found = means([x for x, _, _ in kept], [v for _, v, _ in kept], [g for _, _, g in kept], log=self.log)
        return found if self.within is None else [_clipped(mean, *self.within) for mean in found]


def _clipped(mean: Mean, low: float, high: float) -> Mean:
    """An interval within the values that there can be; NaN stays."""
    return replace(mean, low=max(mean.low, low), high=min(mean.high, high)) if mean.groups > 1 else mean


@dataclass(frozen=True)
class Slope:
    """A line of the table of slopes."""

    quantity: str
    setting: str
    fit: Fit


def section(heading: str, ident: str, *children: Html | None) -> Html:
    """A part of the page, with a name that the contents lead to."""
    return element("section", element("h2", heading), *children, id=ident)


def note(*texts: str | None) -> Html | None:
    """A remark in small print; None where there is nothing to say."""
    told = [text for text in texts if text]
    return element("p", *(joined(text, " ") for text in told), class_="note") if told else None


def listed(entries: Mapping[str, Any]) -> Html | None:
    """Names and values, one a line."""
    if not entries:
        return None
    pairs = [
        element("div", element("dt", name.replace("_", " ")), element("dd", plain(value)))
        for name, value in entries.items()
    ]
    return element("dl", *pairs)


def setting_columns(names: Sequence[str], of: Callable[[Any], Series]) -> list[Column]:
    """A column for each axis in which series differ."""
    return [setting_column(name, _setting(name, of)) for name in names]


def _setting(name: str, of: Callable[[Any], Series]) -> Callable[[Any], Any]:
    return lambda entry: of(entry).setting[name]


def setting_column(name: str, of: Callable[[Any], Any]) -> Column:
    """A column of an axis, whose values are shown as they were given."""
    return Column(name.replace("_", " "), of, lambda entry: plain(of(entry)))


def figures(
    some: Sequence[Series], measures: Sequence[Measure], family: Family, limits: Limits, more: Sequence[Html] = ()
) -> Html | None:
    """The pictures of every measure: series that are too many for one are parted by an axis into several.

    Args:
        some: the series.
        measures: what is drawn.
        family: of the series.
        limits: how many pictures and points.
        more: pictures that go with them.
    """
    several = max((len(one.places()) for one in some), default=0) > 1
    parted = data.panels(some, SLOTS)
    names = data.telling(some)
    drawn = [
        picture
        for measure in (measures if several else ())
        for fixed, panel in parted[: limits.panels]
        if (picture := _picture(measure, fixed, panel, names, family, limits)) is not None
    ]
    shown = sum(len(panel) for _, panel in parted[: limits.panels])
    remarks = note(
        None if several else f"There is one {family.symbol} only, so nothing is drawn against it.",
        "Series that have intervals are drawn slightly side by side, so that none covers another."
        if several and any(len(panel) > 1 for _, panel in parted[: limits.panels])
        else None,
        f"{shown} of {len(some)} series are drawn; all are in the tables." if several and shown < len(some) else None,
        f"Of more than {limits.points} places of a line, so many are drawn, evenly chosen."
        if max((len(one.places()) for one in some), default=0) > limits.points
        else None,
    )
    every = [*drawn, *more]
    return joined(element("div", *every, class_="figures") if every else None, remarks)


def _picture(
    measure: Measure,
    fixed: Mapping[str, Any],
    panel: Sequence[Series],
    names: Sequence[str],
    family: Family,
    limits: Limits,
) -> Html | None:
    told = [name for name in names if name not in fixed]
    quantity = measure.symbol.partition(" (")[0]
    lines = [Line(data.label(one, told, quantity), measure.means(one), slot) for slot, one in enumerate(panel)]
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    if measure.beside is not None:
        lines += [line for line in measure.beside(panel, told) if line.points]
    where = f": {data.label(panel[0], list(fixed))}" if fixed else ""
    return chart(
        [replace(line, points=thinned(line.points, limits.points)) for line in lines],
        title=measure.title + where,
        x=family.axis,
        y=measure.symbol,
        symbol=family.symbol,
        log_y=measure.log,
        within=measure.within,
        levels=measure.levels,
    )


def thinned(points: Sequence[Mean], most: int) -> Sequence[Mean]:
    """At most so many of them, first and last among them."""
    if len(points) <= most:
        return points
    last = len(points) - 1
    return [points[round(k * last / max(1, most - 1))] for k in range(max(1, most))]


def slopes(found: Sequence[Slope], family: Family, limits: Limits) -> Html | None:
    """The table of slopes of log-log fits, and how it is read."""
    if not found:
        return None
    at = family.symbol
    columns = [
        Column("quantity y", lambda s: s.quantity),
        *([Column("of", lambda s: s.setting)] if len({slope.setting for slope in found}) > 1 else []),
        Column("slope b", lambda s: s.fit.slope, lambda s: f"{s.fit.slope:.3f}"),
        interval(f"95 % over {at}", lambda s: (s.fit.low, s.fit.high), decimals=3),
        interval("95 % over seeds", lambda s: (s.fit.seeds_low, s.fit.seeds_high), decimals=3),
        Column("bend", lambda s: s.fit.bend, lambda s: _bend(s.fit)),
        Column("factor c", lambda s: s.fit.factor),
        Column("scatter", lambda s: None if math.isnan(s.fit.scatter) else s.fit.scatter, meaning=_SCATTER),
        Column(
            f"{at} × seeds",
            lambda s: s.fit.places,
            lambda s: f"{s.fit.places} × {s.fit.seeds}",
            f"different {at}, and seeds with a value at each of them",
        ),
    ]
    if any(slope.fit.left_out for slope in found):
        columns.append(Column("left out", lambda s: s.fit.left_out, meaning="values not finite or not above 0"))
    return joined(
        table(f"Slopes of log-log fits, y ≈ c·{at}^b.", columns, found, limits.rows),
        note(
            f"Ordinary least squares on the means of ln y over seeds, one observation per {at}. The interval over {at} "
            f"is the t interval of the slope, for other {at} of this range if y scatters about a power law; that over "
            f"seeds is the t interval of the seeds' own slopes, for other initialisations at these {at}. Bend: where a "
            f"parabola in ln {at} fits better than a line (at the 1 % level), its slopes at the least and the largest "
            f"{at}; the one slope is then a mean over the range.",
        ),
    )


def _bend(fit: Fit) -> str:
    if math.isnan(fit.bend):
        return number(None)
    return "none seen" if fit.bend >= _BENT else f"{fit.first:.3f} to {fit.last:.3f}"
