"""Pictures as SVG that takes its colours from the page: readable in light and dark, with the same bytes every time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from barren.sweeps.report.fits import Mean
from barren.sweeps.report.markup import Html, element, joined
from barren.sweeps.report.numbers import count, number, span
from barren.sweeps.report.scales import Scale, scale

__all__ = ["SLOTS", "Line", "chart", "curve"]

SLOTS = 8
"""Lines that can be told apart in one picture, each by colour, mark and dash."""

_WIDTH, _HEIGHT = 480.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 20.0, 12.0, 50.0
_WITH_TITLES = 60  # marks that are joined, and say their numbers when they are pointed at
_WITH_BARS = 40  # places whose intervals are bars; more of them are a band
# Between the intervals of two lines at one place, and the part of the way to the next place that all may take.
_BESIDE, _OF_GAP = 3.0, 0.5
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 2", "1 2", "12 4", "6 2 2 2")


@dataclass(frozen=True)
class Line:
    """A line of a picture.

    Attributes:
        label: for the legend; the empty text has no place there.
        points: in increasing x.
        slot: 0..SLOTS−1, its colour, mark and dash.
        bare: a dashed line without marks or intervals, as of a bound.
        grey: whether its key in the legend has no colour, where it stands for lines of several.
    """

    label: str
    points: Sequence[Mean]
    slot: int
    bare: bool = False
    grey: bool = False


def chart(
    lines: Sequence[Line],
    *,
    title: str,
    x: str,
    y: str,
    symbol: str,
    log_y: bool = True,
    within: tuple[float, float] | None = None,
    levels: Sequence[tuple[float, str]] = (),
) -> Html:
    """A figure with its title and legend; the horizontal axis is logarithmic.

    Args:
        lines: at least one point in all.
        title: says what is drawn.
        x: label of the horizontal axis, with its unit.
        y: label of the vertical axis, with its unit.
        symbol: of the horizontal axis, for what a mark says.
        log_y: whether the vertical axis is logarithmic.
        within: ends that the vertical axis has in any case.
        levels: (number, words) of horizontal lines.
    """
    points = [point for line in lines for point in line.points]
    heights = [h for line in lines for point in line.points for h in _heights(point, line.bare, log_y)]
    across = scale([point.x for point in points], log=True)
    up = scale([*heights, *(level for level, _ in levels)], log=log_y, within=within)
    frame = _Frame(across, up)
    beside = _beside(frame, lines)
    picture = element(
        "svg",
        element("title", title),
        _axes(frame, x, y),
        *(_level(frame, value, words) for value, words in levels),
        *(_drawn(frame, line, symbol, aside) for line, aside in zip(lines, beside, strict=True)),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
    )
    entries = [_entry(line, hidden) for line, hidden in zip(lines, _hidden(lines, beside), strict=True) if line.label]
    legend = element("ul", *entries, class_="legend") if len(lines) > 1 else None
    return element("figure", element("figcaption", title), picture, legend)


def curve(points: Sequence[Mean]) -> tuple[tuple[float, float], ...]:
    """What lines have in common that are the same to the eye, and to nine digits."""
    return tuple((point.x, float(f"{point.mean:.8e}")) for point in points)


@dataclass(frozen=True)
class _Frame:
    """From numbers to places in the picture."""

    across: Scale
    up: Scale

    def x(self, value: float) -> float:
        return self.x_part(self.across.part(value))

    def y(self, value: float) -> float:
        return self.y_part(self.up.part(value))

    def x_part(self, part: float) -> float:
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

    def y_part(self, part: float) -> float:
        return _HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM)


def _heights(point: Mean, bare: bool, log: bool) -> list[float]:
    """What of a point must fit into the picture."""
    ends = [] if bare or point.groups < 2 else [point.low, point.high]
    return [point.mean, *(end for end in ends if math.isfinite(end) and (end > 0.0 or not log))]


def _axes(frame: _Frame, x: str, y: str) -> Html:
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    columns = [(frame.x_part(part), text) for part, text in frame.across.tick_parts()]
    rows = [(frame.y_part(part), text) for part, text in frame.up.tick_parts()]
    grid = "".join(f"M{_n(at)} {top:g}V{bottom:g}" for at, _ in columns)
    grid += "".join(f"M{left:g} {_n(at)}H{right:g}" for at, _ in rows)
    return joined(
        element("path", d=grid, class_="grid"),
        element("path", d=f"M{left:g} {top:g}V{bottom:g}H{right:g}", class_="axis"),
        *(element("text", text, x=_n(at), y=f"{bottom + 18:g}", text_anchor="middle") for at, text in columns),
        *(element("text", text, x=f"{left - 7:g}", y=_n(at + 4.5), text_anchor="end") for at, text in rows),
        element("text", x, x=f"{(left + right) / 2:g}", y=f"{_HEIGHT - 8:g}", text_anchor="middle", class_="label"),
        element(
            "text",
            y,
            transform=f"translate(15 {(top + bottom) / 2:g}) rotate(-90)",
            text_anchor="middle",
            class_="label",
        ),
    )


def _level(frame: _Frame, value: float, words: str) -> Html:
    at = frame.y(value)
    below = at + 22.0 < _HEIGHT - _BOTTOM
    return joined(
        element("path", d=f"M{_LEFT:g} {_n(at)}H{_WIDTH - _RIGHT:g}", class_="level"),
        element(
            "text",
            words,
            x=f"{_WIDTH - _RIGHT - 4:g}",
            y=_n(at + 15 if below else at - 5),
            text_anchor="end",
            class_="label",
        ),
    )


def _has_bars(line: Line) -> bool:
    return not line.bare and len(line.points) <= _WITH_BARS and any(point.groups > 1 for point in line.points)


def _beside(frame: _Frame, lines: Sequence[Line]) -> list[float]:
    """How far aside each line is drawn, so that intervals at one place stand side by side and not on each other."""
    barred = [n for n, line in enumerate(lines) if _has_bars(line)]
    places = sorted({frame.x(point.x) for n in barred for point in lines[n].points})
    gaps = [after - before for before, after in pairwise(places)]
    step = min([_BESIDE, *(_OF_GAP * gap / len(barred) for gap in gaps)])
    aside = [0.0] * len(lines)
    for rank, n in enumerate(barred):
        aside[n] = step * (rank - (len(barred) - 1) / 2)
    return aside


def _drawn(frame: _Frame, line: Line, symbol: str, aside: float) -> Html:
    places = [(frame.x(point.x), frame.y(point.mean)) for point in line.points]
    path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in places)
    if line.bare:
        return element("path", d=path, class_=f"bare s{line.slot}") if places else Html("")
    many = len(places) > _WITH_TITLES
    dashes = _DASHES[line.slot] or None
    parts = [] if many or not places else [element("path", d=path, class_="line", stroke_dasharray=dashes)]
    spread = [point for point in line.points if point.groups > 1]
    if len(line.points) > _WITH_BARS:
        parts.insert(0, _band(frame, spread))
    else:
        bars = "".join(f"M{_n(frame.x(p.x))} {_n(frame.y(p.low))}V{_n(frame.y(p.high))}" for p in spread)
        parts.append(element("path", d=bars, class_="bars"))
    if many:  # a cloud, without a line that runs through it
        marks = "".join(_mark(line.slot, x, y, 1.6) for x, y in places)
        parts.append(element("path", d=marks, class_="mark small"))
    else:
        for (x, y), point in zip(places, line.points, strict=True):
            told = element("title", _said(point, symbol, line.label))
            parts.append(element("path", told, d=_mark(line.slot, x, y, 3.6), class_="mark"))
    moved = f"translate({_n(aside)} 0)" if aside else None
    return element("g", *parts, class_=f"s{line.slot}", transform=moved)


def _band(frame: _Frame, points: Sequence[Mean]) -> Html:
    over = [f"{_n(frame.x(p.x))} {_n(frame.y(p.high))}" for p in points]
    under = [f"{_n(frame.x(p.x))} {_n(frame.y(p.low))}" for p in reversed(points)]
    return element("path", d="M" + "L".join([*over, *under]) + "Z" if points else "", class_="band")


def _said(point: Mean, symbol: str, label: str) -> str:
    spread = f" ({span(point.low, point.high)})" if point.groups > 1 else ""
    return f"{label}: {symbol} = {point.x}, {number(point.mean)}{spread}, {count(point.count, 'value')}"


def _mark(slot: int, x: float, y: float, r: float) -> str:
    """One of eight shapes around a place, as a path."""
    a, b = _n(x), _n(y)
    size, wide, twice = f"{r:g}", f"{1.2 * r:.3g}", f"{2 * r:g}"
    return (
        f"M{_n(x - r)} {b}a{size} {size} 0 1 0 {twice} 0a{size} {size} 0 1 0 -{twice} 0Z",
        f"M{_n(x - r)} {_n(y - r)}h{twice}v{twice}h-{twice}Z",
        f"M{a} {_n(y - 1.2 * r)}l{wide} {twice}h-{2.4 * r:.3g}Z",
        f"M{a} {_n(y - 1.3 * r)}l{size} {1.3 * r:.3g}l-{size} {1.3 * r:.3g}l-{size} -{1.3 * r:.3g}Z",
        f"M{a} {_n(y + 1.2 * r)}l{wide} -{twice}h-{2.4 * r:.3g}Z",
        f"M{_n(x - r)} {_n(y - r)}l{twice} {twice}m0 -{twice}l-{twice} {twice}",
        f"M{_n(x - 1.2 * r)} {b}h{2.4 * r:.3g}M{a} {_n(y - 1.2 * r)}v{2.4 * r:.3g}",
        f"M{_n(x - r)} {_n(y - r)}h{twice}l-{twice} {twice}h{twice}Z",
    )[slot]


def _hidden(lines: Sequence[Line], beside: Sequence[float]) -> list[Line | None]:
    """For each line the later one that lies on it, if there is one: it cannot be seen then."""
    keys = [(curve(line.points), aside) for line, aside in zip(lines, beside, strict=True)]
    last = {key: line for key, line in zip(keys, lines, strict=True) if not line.bare}
    return [None if line.bare or last[key] is line else last[key] for key, line in zip(keys, lines, strict=True)]


def _entry(line: Line, hidden: Line | None) -> Html:
    under = None if hidden is None else joined(" (covered by ", _key(hidden), ")")
    return element("li", _key(line), element("span", line.label, under))


def _key(line: Line) -> Html:
    if line.bare:
        drawn = element("path", d="M1 8H31", class_="bare")
    else:
        drawn = joined(
            element("path", d="M1 8H31", class_="line", stroke_dasharray=_DASHES[line.slot] or None),
            element("path", d=_mark(line.slot, 16, 8, 3.6), class_="mark"),
        )
    colour = "grey" if line.grey else f"s{line.slot}"
    return element("svg", drawn, viewBox="0 0 32 16", class_=f"key {colour}", aria_label=line.label, role="img")


def _n(length: float) -> str:
    """A length to a tenth of a unit."""
    return f"{round(length, 1):g}"
