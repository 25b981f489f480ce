"""Tangents by columns: layers without a rule, models of which none is used, and what vmap cannot follow."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tangent_cases import MIXED, RULED, SLOW, Convolution, Routed, Transformer, columns, features, oracle, seeded
from test_tangents import check_against
from torch import nn

import barren
from barren.tangents import columns as columns_module
from barren.tangents import model as model_module
from barren.tangents import routes, tangent_of_model


@pytest.fixture
def no_rules(monkeypatch):
    """Every layer goes through columns."""

    def fail(*args):
        raise RuntimeError("no rules in this test")

    monkeypatch.setattr(routes, "record", fail)


@pytest.mark.parametrize("name", [*RULED, *MIXED])
def test_columns_match_one_backward_pass_a_sample(name, no_rules):
    model, x = seeded({**RULED, **{key: make for key, (make, _) in MIXED.items()}}[name]), features(7)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if name != "sparse embedding" else "ignore")
        tangent = tangent_of_model(model, x)
    assert tangent.note.startswith("Jacobian columns by torch.func of")
    assert "no rules in this test" in tangent.note
    assert tangent.ntk_cost == tangent.parameters
    check_against(tangent, oracle(model, x), limits=(8 * 7 * 20, 1 << 20))


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("name", MIXED)
def test_layers_without_a_rule_go_through_columns_alone(name, keep, monkeypatch):
    if not keep:
        monkeypatch.setattr(model_module, "_KEPT_BYTES", 0)
    make, layers = MIXED[name]
    model, x = seeded(make), features(7)
    tangent = tangent_of_model(model, x)
    assert f"Jacobian columns by torch.func of {len(layers)} layer ({layers[0]}) ({layers[0]!r}: " in tangent.note
    assert "where no rule sees it" in tangent.note
    assert tangent.ntk_is_cheap == keep
    check_against(tangent, oracle(model, x), limits=(8 * 7 * 20, 1 << 20))
    omega = np.linspace(-1.0, 2.0, 7)
    check_against(tangent.scale_rows(omega).take([6, 1, 1]), (omega[:, None] * oracle(model, x))[[6, 1, 1]])


@pytest.mark.parametrize("name", SLOW)
def test_what_vmap_cannot_follow_falls_back_and_says_so(name):
    make, layers = SLOW[name]
    model, x = seeded(make), features(7)
    with pytest.warns(UserWarning, match="cannot be vectorised"):
        tangent = tangent_of_model(model, x)
    assert "since vmap fails" in tangent.note
    assert f"({', '.join(layers)})" in tangent.note
    check_against(tangent, oracle(model, x), limits=(8 * 7 * 20, 1 << 20))


def test_calls_that_change_with_the_inputs_end_the_rules():
    model, x = seeded(Routed), features(40)
    x[1, 0] = 9.0  # no sample of the probe
    for use in (lambda t: t.squared_norms(), lambda t: list(t.ntk(slice(3), slice(3))), columns):
        tangent = tangent_of_model(model, x)
        other = tangent.take(np.arange(40))
        assert "rule" in tangent.note
        with pytest.warns(UserWarning, match="cannot be vectorised"):
            use(tangent)
        assert "its forward makes other calls for other inputs" in tangent.note
        for one in (tangent, other):
            check_against(one, oracle(model, x), limits=(1 << 20,))


def test_tangents_that_share_a_model_share_the_end_of_its_rules():
    model, x = seeded(Routed), features(40)
    x[1, 0] = 9.0
    tangent = tangent_of_model(model, x)
    ordinary = tangent.take(np.arange(2, 40))
    columns(ordinary)  # norms of the layers with rules are known now
    theta = sum(block for _, block in ordinary.ntk(slice(5), slice(5)))
    with pytest.warns(UserWarning, match="cannot be vectorised"):
        tangent.squared_norms()
    check_against(ordinary, oracle(model, x[2:]), limits=(1 << 20,))
    again = sum(block for _, block in ordinary.ntk(slice(5), slice(5)))
    np.testing.assert_allclose(again, theta, rtol=1e-12)


def test_layers_are_the_modules_that_own_the_parameters():
    tangent = tangent_of_model(seeded(MIXED["parametrised"][0]), features())
    assert tangent.layers == {"0": 56, "2": 50, "4": 6}
    tangent = tangent_of_model(seeded(Transformer), features())
    assert list(tangent.layers)[:3] == ["embed", "last", "layer.self_attn"]
    tangent = tangent_of_model(seeded(RULED["tied"]), features())
    assert tangent.layers == {"up": 42, "down": 6, "last": 7}


def test_frozen_parameters_have_no_columns():
    model, x = seeded(Convolution), features()
    model.conv.weight.requires_grad_(False)
    model.norm.requires_grad_(False)
    tangent = tangent_of_model(model, x)
    assert tangent.layers == {"conv": 4, "last": 17}
    check_against(tangent, oracle(model, x))


def test_float32_and_the_cast_to_float64():
    x = features()
    single = seeded(Transformer).float()
    tangent = tangent_of_model(single, x)
    assert tangent.dtype == np.float32
    np.testing.assert_allclose(columns(tangent)[0], oracle(seeded(Transformer), x), atol=1e-5)
    tangent = tangent_of_model(single, x, dtype="float64")
    np.testing.assert_allclose(columns(tangent)[0], oracle(single.double(), x), atol=1e-12)


def test_scale_rows():
    model, x = seeded(Convolution), features()
    omega, expected = np.linspace(-1.0, 2.0, len(x)), oracle(model, x)
    tangent = tangent_of_model(model, x)
    check_against(tangent.scale_rows(omega), omega[:, None] * expected)
    np.testing.assert_allclose(tangent.squared_norms(), (expected**2).sum(1), rtol=1e-12)
    twice = tangent.scale_rows(omega).scale_rows(omega)
    np.testing.assert_allclose(twice.squared_norms(), omega**4 * (expected**2).sum(1), rtol=1e-12)
    np.testing.assert_allclose(columns(twice)[0], (omega**2)[:, None] * expected, atol=1e-13)


def test_many_samples_come_in_chunks(monkeypatch, no_rules):
    monkeypatch.setattr(columns_module, "_SAMPLES", 4)
    model, x = seeded(Convolution), features(10)
    check_against(tangent_of_model(model, x), oracle(model, x))


@pytest.mark.parametrize("kept", [1 << 20, 0])
def test_ntk_layers_form_each_column_once(kept, monkeypatch, no_rules):
    monkeypatch.setattr(model_module, "_KEPT_BYTES", kept)
    tangent = tangent_of_model(seeded(Convolution), features())
    calls = []
    rows = tangent._routes.columns.rows
    monkeypatch.setattr(tangent._routes.columns, "rows", lambda names, x: calls.extend(names) or rows(names, x))
    list(tangent.ntk_layers(1 << 20))
    assert calls == list(tangent._snapshot.trainable)


def test_vmap_failing_after_the_probe_falls_back(monkeypatch, no_rules):
    model, x = seeded(Convolution), features()
    tangent = tangent_of_model(model, x)

    def fail(*args):
        raise RuntimeError("vmap: no batching rule")

    monkeypatch.setattr(columns_module, "_vmapped", fail)
    with pytest.warns(UserWarning, match="no batching rule"):
        found = columns(tangent)[0]
    np.testing.assert_allclose(found, oracle(model, x), atol=1e-13)
    assert "no batching rule" in tangent.note


def test_a_vmap_that_differs_from_reverse_mode_is_not_used(monkeypatch, no_rules):
    right = columns_module._vmapped
    monkeypatch.setattr(columns_module, "_vmapped", lambda *a: {k: 1.01 * v for k, v in right(*a).items()})
    model, x = seeded(Convolution), features()
    with pytest.warns(UserWarning, match="differ"):
        tangent = tangent_of_model(model, x)
    np.testing.assert_allclose(columns(tangent)[0], oracle(model, x), atol=1e-13)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell, self.last = kind(1, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, x):
        return self.last(self.cell(x[:, :, None])[0][:, -1])


@pytest.mark.parametrize(("kind", "dtype"), [(nn.GRU, "float32"), (nn.GRU, "float64"), (nn.LSTM, "float64")])
def test_recurrent_networks_are_told_in_words_that_they_run_one_by_one(kind, dtype):
    with pytest.warns(UserWarning, match=r"vectorised over samples \(an operation of its forward works in place, as"):
        tangent_of_model(seeded(Recurrent, kind), features(), dtype=dtype)


def test_a_warning_points_at_the_line_that_asked(recwarn):
    cls = barren.ModularMultiplication(7)
    barren.gradient_variance(cls, seeded(Recurrent, nn.GRU), encoding=barren.encodings.Bits())
    assert [warning.filename for warning in recwarn] == [__file__]
