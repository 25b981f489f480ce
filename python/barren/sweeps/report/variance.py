"""The part of the page on variances: against the class, beside their bound, by layer, and who makes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from barren.sweeps.report import data, layout
from barren.sweeps.report.chart import Line, curve
from barren.sweeps.report.data import Family, Series
from barren.sweeps.report.fits import Mean, means, power_law
from barren.sweeps.report.layout import Limits, Measure, Slope
from barren.sweeps.report.markup import Html, element
from barren.sweeps.report.numbers import count, number, percent
from barren.sweeps.report.tables import Column, interval, share, table
from barren.sweeps.schema import Row

__all__ = ["section"]

_EASIEST_SHOWN = 4
_CLASS_SIDE = ("target", "multipliers", "inputs", "parity")


def section(rows: Sequence[Row], family: Family, limits: Limits) -> Html | None:
    """Everything on the variances of one class; None without a finished cell."""
    found = data.done(rows, "variance", family.name)
    if not found:
        return None
    some = data.series(found)
    return layout.section(
        f"Gradient variance: {family.heading}",
        f"variance-{family.name}",
        element(
            "p",
            "Var = E‖G − E G‖² of the gradient over the targets of the class, B² = E‖∇ output‖², λ the sharp bound: "
            "Var ≤ λ·B² for every model.",
        ),
        layout.listed(data.shared(some)),
        layout.note(_no_numbers(found), _estimates(found), _without_bound(found)),
        layout.slopes(_slopes(some), family, limits),
        layout.figures(some, _measures(found), family, limits),
        _means(some, family, limits),
        _layers(some, family, limits),
        _easiest(some, family, limits),
    )


def _column(name: str) -> Callable[[Row], float | None]:
    return lambda row: row[name]


def _measures(rows: Sequence[Row]) -> list[Measure]:
    found = [
        Measure("Var/B² (dimensionless)", "Var/B² and its bound λ", _column("normalised"), beside=_sharp_lines),
        Measure("Var (units of gradient²)", "Var and its bound λ·B²", _column("value"), beside=_bound_lines),
        Measure(
            "Var/(λ·B²) (dimensionless)", "Part of the bound that is reached", data.ratio, levels=((1.0, "the bound"),)
        ),
        Measure("Var/g (dimensionless)", "Var/g, g = E‖∇ probability‖²", _column("normalised_by_probability")),
        Measure("share of Var (dimensionless)", "Share of the ten easiest members", _of_easiest),
    ]
    return [measure for measure in found if any(measure.of(row) is not None for row in rows)]


def _of_easiest(row: Row) -> float | None:
    return None if row["easiest_shares"] is None else math.fsum(row["easiest_shares"])


def _without_seeds(one: Series, name: str) -> list[Mean]:
    """A column that does not depend on the seed."""
    kept = one.valued(_column(name))
    return means([x for _, x, _ in kept], [v for _, _, v in kept], [0] * len(kept), log=True)


@dataclass(frozen=True)
class _Sharp:
    """λ at every place, and the series that have it: models share that of their class."""

    slot: int
    points: list[Mean]
    of: list[Series]

    def label(self, names: Sequence[str]) -> str:
        """In words, by the axes of the class among these."""
        told = [name for name in names if name in _CLASS_SIDE]
        return " | ".join(dict.fromkeys(data.label(one, told, "") for one in self.of))


def _sharp_curves(some: Sequence[Series]) -> list[_Sharp]:
    """The different λ, each in the colour of the first series that has it."""
    found: dict[tuple[tuple[float, float], ...], _Sharp] = {}
    for slot, one in enumerate(some):
        points = _without_seeds(one, "sharp_bound")
        if points:
            found.setdefault(curve(points), _Sharp(slot, points, [])).of.append(one)
    return list(found.values())


def _sharp_lines(panel: Sequence[Series], names: Sequence[str]) -> list[Line]:
    curves = _sharp_curves(panel)
    several = len(curves) > 1
    return [
        Line(_sharp_label(sharp.label(names) if several else ""), sharp.points, sharp.slot, bare=True)
        for sharp in curves
    ]


def _sharp_label(of: str) -> str:
    return f"λ, {of}" if of else "λ"


def _bound_lines(panel: Sequence[Series], names: Sequence[str]) -> list[Line]:
    lines: list[Line] = []
    for slot, one in enumerate(panel):
        kept = one.valued(_column("bound"))
        points = means([x for _, x, _ in kept], [v for _, _, v in kept], [r["seed"] for r, _, _ in kept], log=True)
        if points:
            told = "λ·B²" if len(panel) == 1 else "λ·B² of each, in its colour"
            lines.append(Line("" if lines else told, points, slot, bare=True, grey=len(panel) > 1))
    return lines


def _slopes(some: Sequence[Series]) -> list[Slope]:
    names = data.telling(some)
    quantities = {
        "Var": _column("value"),
        "Var/B²": _column("normalised"),
        "Var/g": _column("normalised_by_probability"),
        "Var/(λ·B²)": data.ratio,
    }
    found = []
    for quantity, of in quantities.items():
        for one in some:
            kept = one.valued(of)
            fit = power_law([x for _, x, _ in kept], [v for _, _, v in kept], [r["seed"] for r, _, _ in kept])
            if fit is not None:
                found.append(Slope(quantity, data.label(one, names), fit))
    for sharp in _sharp_curves(some):
        fit = power_law([p.x for p in sharp.points], [p.mean for p in sharp.points], [0] * len(sharp.points))
        if fit is not None:
            found.append(Slope("λ", sharp.label(names) or data.ALL, fit))
    return found


@dataclass(frozen=True)
class _Place:
    """A series at one x."""

    one: Series
    x: int
    cells: int
    var: Mean | None
    normalised: Mean | None
    sharp: float | None
    ratio: Mean | None


def _means(some: Sequence[Series], family: Family, limits: Limits) -> Html:
    places = [_place(one, x, rows) for one in some for x, rows in one.at_places().items()]

    def of(mean: Mean | None) -> float | None:
        return None if mean is None else mean.mean

    def ends(mean: Mean | None) -> tuple[float, float]:
        return (math.nan, math.nan) if mean is None else (mean.low, mean.high)

    columns = [
        Column(family.symbol, lambda e: e.x),
        *layout.setting_columns(data.varying(some), lambda e: e.one),
        Column("cells", lambda e: e.cells),
        Column("Var", lambda e: of(e.var), meaning="geometric mean over the seeds"),
        interval("95 % of Var", lambda e: ends(e.var), "t interval of the mean of ln Var over the seeds"),
        Column("Var/B²", lambda e: of(e.normalised)),
        interval("95 % of Var/B²", lambda e: ends(e.normalised)),
        Column("λ", lambda e: e.sharp),
        share("Var/(λ·B²)", lambda e: of(e.ratio), "part of the bound that is reached"),
    ]
    return table("Geometric means over the seeds, with 95 % t intervals.", columns, places, limits.rows)


def _place(one: Series, x: int, rows: Sequence[Row]) -> _Place:
    def mean(of: Callable[[Row], float | None]) -> Mean | None:
        kept = [(value, row["seed"]) for row in rows if (value := of(row)) is not None]
        found = means([x] * len(kept), [v for v, _ in kept], [s for _, s in kept], log=True)
        return found[0] if found else None

    sharp = next((row["sharp_bound"] for row in rows if row["sharp_bound"] is not None), None)
    ratios = mean(data.ratio)
    return _Place(one, x, len(rows), mean(_column("value")), mean(_column("normalised")), sharp, ratios)


@dataclass(frozen=True)
class _Layer:
    """The shares of a layer in the cells of a series."""

    one: Series
    name: str
    place: int
    shares: tuple[float, ...]
    first: float
    last: float


def _layers(some: Sequence[Series], family: Family, limits: Limits) -> Html | None:
    entries = [layer for one in some for layer in _layers_of(one)]
    if not entries:
        return None
    columns = [
        *layout.setting_columns(data.varying(some), lambda e: e.one),
        Column("layer", lambda e: e.name),
        Column("place", lambda e: e.place, meaning="from the input on"),
        share("mean share", lambda e: math.fsum(e.shares) / len(e.shares), "over all cells"),
        share("least", lambda e: min(e.shares)),
        share("largest", lambda e: max(e.shares)),
        share(f"at least {family.symbol}", lambda e: e.first, "mean over the seeds"),
        share(f"at largest {family.symbol}", lambda e: e.last, "mean over the seeds"),
    ]
    return table("Shares of the layers in the variance.", columns, entries, limits.rows)


def _layers_of(one: Series) -> list[_Layer]:
    """Where all cells of a series have the same layers; a cell without a positive variance has no shares."""
    found = [(x, row["layer_names"], _shares(row)) for x, rows in one.at_places().items() for row in rows]
    kept = [(x, names, shares) for x, names, shares in found if shares is not None]
    if not kept or any(names != kept[0][1] for _, names, _ in kept):
        return []
    layers = []
    for k, name in enumerate(kept[0][1]):
        first, last = ([shares[k] for x, _, shares in kept if x == end] for end in (kept[0][0], kept[-1][0]))
        mean = [math.fsum(values) / len(values) for values in (first, last)]
        layers.append(_Layer(one, name, k + 1, tuple(shares[k] for _, _, shares in kept), *mean))
    return layers


def _shares(row: Row) -> list[float] | None:
    parts, whole = row["layer_variances"], row["value"]
    if not parts or row["layer_names"] is None or whole is None or not math.isfinite(whole) or whole <= 0.0:
        return None
    return [part / whole for part in parts]


def _easiest(some: Sequence[Series], family: Family, limits: Limits) -> Html | None:
    entries = [(one, x, row) for one in some for x, rows in one.at_places().items() for row in rows if row["easiest"]]
    if not entries:
        return None

    def shown(entry: tuple[Series, int, Row]) -> str:
        pairs = list(zip(entry[2]["easiest"], entry[2]["easiest_shares"], strict=True))[:_EASIEST_SHOWN]
        return ", ".join(f"{member} ({percent(part)})" for member, part in pairs)

    columns = [
        Column(family.symbol, lambda e: e[1]),
        *layout.setting_columns(data.varying(some), lambda e: e[0]),
        Column("seed", lambda e: e[2]["seed"]),
        Column("easiest members, share of the variance", lambda e: e[2]["easiest"][0], shown, wide=True),
        share("share of the first ten", lambda e: _of_easiest(e[2])),
    ]
    return table("The easiest members: those of largest d(a).", columns, entries, limits.rows)


def _no_numbers(rows: Sequence[Row]) -> str | None:
    bad = sum(row["value"] is None or not math.isfinite(row["value"]) or row["value"] <= 0.0 for row in rows)
    if not bad:
        return None
    told = f"{count(bad, 'value')} of {len(rows)}"
    return f"{told} not finite or not above 0: in no geometric mean, picture or fit."


def _estimates(rows: Sequence[Row]) -> str | None:
    errors = [row["standard_error"] / abs(row["value"]) for row in rows if row["standard_error"] and row["value"]]
    if not errors:
        return "All variances are exact." if all(row["standard_error"] == 0.0 for row in rows) else None
    worst = number(100.0 * max(errors), 3)
    return (
        f"{count(len(errors), 'variance')} of {len(rows)} estimated, the largest relative standard error {worst} %; "
        "means and fits take estimates as they are."
    )


def _without_bound(rows: Sequence[Row]) -> str | None:
    missing = sum(row["sharp_bound"] is None for row in rows)
    return f"λ is not to be had for {count(missing, 'cell')} of {len(rows)}." if missing else None
