"""From rows to series, from numbers to places in a picture and to texts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_rows import mixed_store, train_row, variance_row

from barren.sweeps.report import data
from barren.sweeps.report.markup import Html, element, joined
from barren.sweeps.report.numbers import number
from barren.sweeps.report.scales import scale

FINITE = st.floats(-1e300, 1e300)
POSITIVE = st.floats(min_value=0.0, exclude_min=True, allow_infinity=False)


def test_series_part_the_rows():
    rows = data.done(mixed_store(), "variance", "modular")
    some = data.series(rows)
    assert sorted(row["cell_sha256"] for one in some for row in one.rows) == sorted(row["cell_sha256"] for row in rows)
    assert data.varying(some) == ["target", "model"]
    assert [data.label(one, data.varying(some)) for one in some] == [
        "bit:0, mlp:64x64:sigmoid",
        "bit:0, mlp:8:relu",
        "sawtooth, mlp:64x64:sigmoid",
        "sawtooth, mlp:8:relu",
    ]
    assert data.shared(some)["loss"] == "bce"
    for one in some:
        assert one.places() == [101, 211, 401, 809, 1601]
        assert [len(at) for at in one.at_places().values()] == [3] * 5


def test_an_axis_that_follows_from_others_tells_nothing():
    axes = [{"target": "bit:0", "loss": "bce", "encoding": "bits"}, {"target": "sawtooth", "loss": "mse"}]
    some = data.series([variance_row(11, 0, 1.0, axes=one) for one in axes])
    assert data.varying(some) == ["target", "encoding", "loss"]
    assert data.telling(some) == ["target"]
    axes.append({"target": "bit:0", "loss": "mse", "encoding": "bits"})
    assert data.telling(data.series([variance_row(11, 0, 1.0, axes=one) for one in axes])) == ["target", "loss"]
    rates = [
        train_row(11, 1, 0, 1.0, "fails") | {"lr": lr, "inputs": x} for lr, x in ((0.1, "uniform"), (1e-3, "small:5"))
    ]
    assert [data.label(one, data.varying(data.series(rates))) for one in data.series(rates)] == [
        "x small:5, lr 0.001",
        "x uniform, lr 0.1",
    ]


@pytest.mark.parametrize("most", [1, 2, 5, 8, 100])
def test_panels_hold_every_series_once_and_not_too_many(most):
    axes = [
        {"target": f"bit:{k}", "model": f"m{w}", "loss": f"l{j}"} for k in range(5) for w in range(3) for j in range(2)
    ]
    some = data.series([variance_row(11, 0, 1.0, axes=one) for one in axes])
    found = data.panels(some, most)
    assert all(0 < len(panel) <= most for _, panel in found)
    assert [one for _, panel in found for one in panel] != []
    assert sorted(id(one) for _, panel in found for one in panel) == sorted(id(one) for one in some)
    for fixed, panel in found:
        assert all(one.setting[name] == value for one in panel for name, value in fixed.items())


@pytest.mark.parametrize(
    ("text", "x", "left"), [("10", 1024, "all"), ("10:3", 120, "3"), ("10:3:signed", 120, "3:signed")]
)
def test_parities_stand_at_their_number(text, x, left):
    row = variance_row(11, 0, 1.0) | {"class": "parity", "p": None, "parity": text}
    assert data.place(row) == x
    assert data.series([row])[0].setting["parity"] == left


def test_what_has_no_place_is_in_no_series_value():
    rows = [
        variance_row(11, 0, 1.0) | {"p": None},
        variance_row(13, 0, math.nan),
        variance_row(17, 0, 1.0) | {"value": None},
    ]
    [one] = data.series(rows)
    assert [(x, value) for _, x, value in one.valued(lambda row: row["value"])] == [
        (13.0, pytest.approx(math.nan, nan_ok=True))
    ]


def test_ratio():
    assert data.ratio(variance_row(10, 0, 0.05)) == pytest.approx(0.25)
    assert data.ratio(variance_row(10, 0, 0.05, bound=None)) is None
    assert math.isnan(data.ratio(variance_row(10, 0, 0.0, bound=0.0)))


@given(st.lists(POSITIVE, min_size=1, max_size=5))
def test_a_logarithmic_axis_holds_its_numbers(values):
    axis = scale(values, log=True)
    assert all(0.0 < axis.part(value) < 1.0 for value in values)
    assert sorted(map(axis.part, sorted(values))) == [axis.part(value) for value in sorted(values)]
    ticks = [part for part, _ in axis.tick_parts()]
    assert 1 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))
    assert -1e-6 <= ticks[0] <= ticks[-1] <= 1 + 1e-6
    texts = [text for _, text in axis.tick_parts()]
    assert len(set(texts)) == len(texts)


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=5))
def test_a_linear_axis_holds_its_numbers(values):
    axis = scale(values, log=False)
    assert all(0.0 <= axis.part(value) <= 1.0 for value in values)
    assert len(axis.ticks) >= 2


def test_what_lies_beyond_an_axis_is_at_its_end():
    axis = scale([1.0, 10.0], log=True)
    assert [axis.part(v) for v in (0.0, -1.0, 1e-9, 1e9, math.inf)] == [0.0, 0.0, 0.0, 1.0, 1.0]


@given(FINITE)
def test_a_number_reads_as_itself(value):
    assert float(number(value)) == pytest.approx(value, rel=6e-4, abs=0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.0, "1.000"), (99999.4, "99999"), (123456.0, "1.235e5"), (-2.5e-7, "-2.500e-7"), (math.nan, "NaN")],
)
def test_texts_of_numbers(value, text):
    assert number(value) == text


def test_markup_is_escaped_once():
    inner = element("b", "a<b", title='"x"')
    assert inner == '<b title="&quot;x&quot;">a&lt;b</b>'
    assert element("i", inner, None, "&") == f"<i>{inner}&amp;</i>"
    assert isinstance(joined("x"), Html)
    assert element("p", hidden=True, id=None, data_k=0) == '<p hidden data-k="0"></p>'


def test_runs_on_the_real_line_stand_at_the_frequency_they_learn():
    change = {"class": "frequencies", "p": None, "frequencies": 64}
    row = train_row(11, 16, 0, None, "generalises") | change
    assert data.place(row) == 16
    assert data.series([row])[0].setting["frequencies"] == 64
    assert data.place(variance_row(11, 0, 1.0) | change) == 64
    assert data.series([variance_row(11, 0, 1.0) | change])[0].setting["frequencies"] is None
