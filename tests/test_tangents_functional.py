"""Tangents by columns: attention, convolutions, embeddings, normalisation, and what vmap cannot follow."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from tangent_cases import OTHER, SLOW, Convolution, Transformer, columns, features, oracle, seeded
from test_tangents import check_against

from barren.tangents import functional, tangent_of_model
from barren.tangents.functional import FunctionalTangent


@pytest.mark.parametrize("name", OTHER)
def test_other_modules_match_one_backward_pass_a_sample(name):
    model, x = seeded(OTHER[name]), features(7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tangent = tangent_of_model(model, x)
    assert isinstance(tangent, FunctionalTangent)
    assert not tangent.ntk_is_cheap
    assert "torch.func" in tangent.note
    check_against(tangent, oracle(model, x), limits=(8 * 7 * 20, 1 << 20))
    np.testing.assert_allclose(tangent.outputs, model(torch.from_numpy(x)).detach().numpy().ravel(), atol=1e-14)


@pytest.mark.parametrize("name", SLOW)
def test_what_vmap_cannot_follow_falls_back_and_says_so(name):
    model, x = seeded(SLOW[name]), features(7)
    with pytest.warns(UserWarning, match="cannot be vectorised"):
        tangent = tangent_of_model(model, x)
    assert "since vmap fails" in tangent.note
    check_against(tangent, oracle(model, x), limits=(8 * 7 * 20, 1 << 20))


def test_the_note_says_why_the_rule_for_linear_was_not_taken():
    reasons = {
        "twice": "'inner' is applied 2 times",
        "tied": "'down' shares a parameter with 'up'",
        "direct use": "'first' takes part in the forward beyond",
        "reversed": "takes part in the forward beyond",
        "positions": "not applied to one vector a sample",
        "convolution": "'weight' of Conv1d at 'conv'",
    }
    for name, reason in reasons.items():
        assert reason in tangent_of_model(seeded(OTHER[name]), features()).note


def test_layers_are_the_modules_that_own_the_parameters():
    tangent = tangent_of_model(seeded(OTHER["parametrised"]), features())
    assert tangent.layers == {"0": 56, "2": 50, "4": 6}
    tangent = tangent_of_model(seeded(Transformer), features())
    assert list(tangent.layers)[:3] == ["embed", "last", "layer.self_attn"]
    tangent = tangent_of_model(seeded(OTHER["tied"]), features())
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


def test_many_samples_come_in_chunks(monkeypatch):
    monkeypatch.setattr(functional, "_SAMPLES", 4)
    model, x = seeded(Convolution), features(10)
    check_against(tangent_of_model(model, x), oracle(model, x))


def test_ntk_layers_form_each_column_once(monkeypatch):
    tangent = tangent_of_model(seeded(Convolution), features())
    calls = []
    rows = tangent._rows
    monkeypatch.setattr(tangent, "_rows", lambda names, *span: calls.append(list(names)) or rows(names, *span))
    list(tangent.ntk_layers(1 << 20))
    assert calls == [list(dict(tangent._snapshot.trainable))]


def test_vmap_failing_after_the_probe_falls_back(monkeypatch):
    model, x = seeded(Convolution), features()
    tangent = tangent_of_model(model, x)

    def fail(*args):
        raise RuntimeError("vmap: no batching rule")

    monkeypatch.setattr(functional, "_vmapped", fail)
    with pytest.warns(UserWarning, match="no batching rule"):
        found = columns(tangent)[0]
    np.testing.assert_allclose(found, oracle(model, x), atol=1e-13)
    assert "no batching rule" in tangent.note


def test_a_vmap_that_differs_from_reverse_mode_is_not_used(monkeypatch):
    right = functional._vmapped
    monkeypatch.setattr(functional, "_vmapped", lambda *a: {k: 1.01 * v for k, v in right(*a).items()})
    model, x = seeded(Convolution), features()
    with pytest.warns(UserWarning, match="differ"):
        tangent = tangent_of_model(model, x)
    np.testing.assert_allclose(columns(tangent)[0], oracle(model, x), atol=1e-13)
