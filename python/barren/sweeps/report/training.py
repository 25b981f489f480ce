"""The part of the page on training runs: how well the targets are learnt, and how the runs ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from barren.sweeps.report import data, layout
from barren.sweeps.report.bars import bars
from barren.sweeps.report.data import Family, Series
from barren.sweeps.report.fits import Mean
from barren.sweeps.report.layout import Limits, Measure
from barren.sweeps.report.markup import Html
from barren.sweeps.report.numbers import count, number, plain
from barren.sweeps.report.tables import Column, interval, table
from barren.sweeps.schema import Row

__all__ = ["section"]

_PHASES = ("generalises", "generalises late", "memorises", "fails", "diverged")
_BARS = 24
_LONG = 10**7  # from here on a place is written as a power of ten beside its bar
_LEARNED = (
    "Those of an accuracy are cut at 0 and 1. A run learned if the 99 % lower bound of its accuracy is above chance."
)


def section(rows: Sequence[Row], family: Family, limits: Limits) -> Html | None:
    """Everything on the training runs of one class; None without a finished cell."""
    found = data.done(rows, "train", family.name)
    if not found:
        return None
    some = data.series(found)
    if family.name == data.LEARNT_FREQUENCIES.name:
        family = data.LEARNT_FREQUENCIES
    word, groups = _grouped(found, family)
    measures = _measures(found, groups)
    return layout.section(
        f"Training: {family.heading}",
        f"train-{family.name}",
        layout.listed(data.shared(some)),
        layout.note(
            f"Intervals are 95 % t intervals over the means of {word}s: what other {word}s would give.",
            _LEARNED if any(row["learned"] is not None for row in found) else None,
            _diverged(found),
        ),
        layout.figures(some, measures, family, limits, _phase_figures(some, family, limits)),
        _means(some, measures, family, limits),
    )


def _grouped(rows: Sequence[Row], family: Family) -> tuple[str, Callable[[Row], Any]]:
    """What intervals are taken over: members, or seeds where there is one member at a place."""
    several = family is not data.LEARNT_FREQUENCIES and len({row["member"] for row in rows}) > 1
    word = "member" if several else "seed"
    return word, lambda row: row[word]


def _measures(rows: Sequence[Row], groups: Callable[[Row], Any]) -> list[Measure]:
    accuracy, loss = "Test accuracy", "Test loss over that of the best constant"
    found = [
        Measure("test accuracy (dimensionless)", accuracy, lambda row: row["test_accuracy"], groups, False, (0.0, 1.0)),
        Measure("relative test loss (dimensionless)", loss, _relative_loss, groups, levels=((1.0, "best constant"),)),
    ]
    return [measure for measure in found if any(measure.of(row) is not None for row in rows)]


def _relative_loss(row: Row) -> float | None:
    return row["value"] if row["test_accuracy"] is None else None


def _diverged(rows: Sequence[Row]) -> str | None:
    lost = sum(row["phase"] == "diverged" for row in rows)
    return (
        f"{count(lost, 'run')} of {len(rows)} diverged and {'is' if lost == 1 else 'are'} in no mean." if lost else None
    )


def _phases_of(rows: Sequence[Row]) -> Counter[str]:
    return Counter(str(row["phase"]) for row in rows)


def _phase_names(rows: Sequence[Row]) -> list[str]:
    """The phases in the order from good to bad, then any others."""
    seen = _phases_of(rows)
    return [name for name in (*_PHASES, *sorted(seen.keys() - set(_PHASES)))]


def _phase_figures(some: Sequence[Series], family: Family, limits: Limits) -> list[Html]:
    names = data.telling(some)
    drawn = []
    for one in some[: limits.panels]:
        places = list(one.at_places().items())
        if not 0 < len(places) <= _BARS:
            continue
        where = f": {data.label(one, names)}" if names else ""
        counts = [(str(x) if x < _LONG else number(float(x), 2), _phases_of(rows)) for x, rows in places]
        drawn.append(
            bars(counts, _phase_names(one.rows), title=f"How the runs ended{where}", x="runs", y=family.symbol)
        )
    return drawn


@dataclass(frozen=True)
class _Place:
    """The runs of a series at one x, and the means of every measure."""

    one: Series
    x: int
    rows: tuple[Row, ...]
    means: tuple[Mean | None, ...]


def _means(some: Sequence[Series], measures: Sequence[Measure], family: Family, limits: Limits) -> Html:
    entries = []
    for one in some:
        found = [{mean.x: mean for mean in measure.means(one)} for measure in measures]
        for x, rows in one.at_places().items():
            entries.append(_Place(one, x, tuple(rows), tuple(of_one.get(x) for of_one in found)))
    every = [row for one in some for row in one.rows]
    phases = _phases_of(every)
    columns = [
        Column(family.symbol, lambda e: e.x),
        *layout.setting_columns(data.varying(some), lambda e: e.one),
        Column("runs", lambda e: len(e.rows)),
        *(column for k, measure in enumerate(measures) for column in _mean_columns(k, measure)),
        *([Column("learned", _learned)] if any(row["learned"] is not None for row in every) else []),
        *(Column(name, _counted(name)) for name in _phase_names(every) if phases[name]),
        Column(
            "steps to threshold",
            _steps,
            lambda e: plain(_steps(e)),
            "median of the runs that passed the test threshold",
        ),
    ]
    return table("Means over the runs.", columns, entries, limits.rows)


def _mean_columns(k: int, measure: Measure) -> list[Column]:
    def of(name: str) -> Callable[[_Place], float | None]:
        return lambda e: None if e.means[k] is None else getattr(e.means[k], name)

    def ends(e: _Place) -> tuple[float, float]:
        mean = e.means[k]
        return (math.nan, math.nan) if mean is None else (mean.low, mean.high)

    name = measure.symbol.partition(" (")[0]
    return [
        Column(name, of("mean")),
        interval("95 %", ends),
        Column("least", of("least")),
        Column("largest", of("largest")),
    ]


def _counted(phase: str) -> Callable[[_Place], int]:
    return lambda e: _phases_of(e.rows)[phase]


def _learned(entry: _Place) -> int | None:
    told = [row["learned"] for row in entry.rows if row["learned"] is not None]
    return sum(told) if told else None


def _steps(entry: _Place) -> float | None:
    steps = [row["steps_to_test"] for row in entry.rows if row["steps_to_test"] is not None]
    return float(median(steps)) if steps else None
