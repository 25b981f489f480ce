"""Stacked bars: how many of some runs ended in which way, a bar a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from barren.sweeps.report.markup import Html, element, joined

__all__ = ["bars"]

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM, _BAR = 480.0, 74.0, 20.0, 4.0, 46.0, 24.0
_NARROWEST = 18.0  # in which a count fits


def bars(counts: Sequence[tuple[str, Mapping[str, int]]], parts: Sequence[str], *, title: str, x: str, y: str) -> Html:
    """A figure with its title and legend.

    Args:
        counts: (text of a place, part -> how many) of every bar; at least one in all.
        parts: in the order of the colours.
        title: says what is drawn.
        x: label of the counts.
        y: label of the places.
    """
    most = max(sum(one.values()) for _, one in counts)
    height = _TOP + _BAR * len(counts) + _BOTTOM
    each = (_WIDTH - _LEFT - _RIGHT) / most
    drawn = [_bar(place, one, parts, _TOP + _BAR * row, each) for row, (place, one) in enumerate(counts)]
    bottom = height - _BOTTOM
    ticks = range(0, most + 1, -(-most // 6))
    picture = element(
        "svg",
        element("title", title),
        *drawn,
        element("path", d=f"M{_LEFT:g} {_TOP:g}V{bottom:g}H{_WIDTH - _RIGHT:g}", class_="axis"),
        *(
            element("text", str(tick), x=f"{_LEFT + tick * each:.1f}", y=f"{bottom + 17:g}", text_anchor="middle")
            for tick in ticks
        ),
        element("text", x, x=f"{(_LEFT + _WIDTH) / 2:g}", y=f"{height - 6:g}", text_anchor="middle", class_="label"),
        element("text", y, transform=f"translate(15 {bottom / 2:g}) rotate(-90)", text_anchor="middle", class_="label"),
        viewBox=f"0 0 {_WIDTH:g} {height:g}",
        role="img",
    )
    seen = {part for _, one in counts for part, many in one.items() if many > 0}
    keys = [element("li", _key(slot), element("span", part)) for slot, part in enumerate(parts) if part in seen]
    return element("figure", element("figcaption", title), picture, element("ul", *keys, class_="legend"))


def _key(slot: int) -> Html:
    drawn = element("rect", x="4", y="2", width="24", height="12", class_="part")
    return element("svg", drawn, viewBox="0 0 32 16", class_=f"key s{slot}", aria_hidden="true")


def _bar(place: str, counts: Mapping[str, int], parts: Sequence[str], top: float, each: float) -> Html:
    pieces = [element("text", place, x=f"{_LEFT - 7:g}", y=f"{top + 17:g}", text_anchor="end")]
    at = _LEFT
    for slot, part in enumerate(parts):
        wide = counts.get(part, 0) * each
        if wide <= 0.0:
            continue
        told = element("title", f"{place}: {counts[part]} {part}")
        shape = {"x": f"{at:.1f}", "y": f"{top + 2:g}", "width": f"{max(0.5, wide - 1):.1f}", "height": f"{_BAR - 4:g}"}
        pieces.append(element("rect", told, class_=f"part s{slot}", **shape))
        if wide >= _NARROWEST:
            middle, line = f"{at + wide / 2:.1f}", f"{top + 16.5:g}"
            pieces.append(element("text", str(counts[part]), x=middle, y=line, text_anchor="middle", class_="on"))
        at += wide
    return joined(*pieces)
