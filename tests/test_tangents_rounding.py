"""Models of large terms that cancel: their rounding is no changed backward pass, and the caller hears of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rare_cases import FEATURES, P
from tangent_cases import columns, oracle
from torch import nn

from barren.tangents import tangent_of_model
from barren.tangents.logits import logits_of_model

FEW_DIGITS = 'gradients of the model have few digits: that in .* in float64 it does not.*dtype="float64"'


class Cancelling(nn.Module):
    """Two large terms whose difference is small; `hook` changes the gradient of what lies between."""

    def __init__(self, gain, shift, outputs=1, hook=None):
        super().__init__()
        self.a, self.b, self.o = nn.Linear(6, 64), nn.Linear(64, 64), nn.Linear(64, outputs)
        self.gain, self.shift, self.hook = gain, shift, hook

    def forward(self, x):
        h = self.b(torch.relu(self.a(x)) + self.shift)
        if self.hook is not None:
            h.register_hook(self.hook)
        return self.o(h) * self.gain - (self.o(h.flip(1).flip(1)) * self.gain - self.o(torch.tanh(h)))


def cancelling(*args, dtype=torch.float32, **options):
    torch.manual_seed(0)
    return Cancelling(*args, **options).to(dtype)


def test_rounding_of_large_terms_is_told_from_a_changed_backward_pass():
    model = cancelling(1e4, 30.0)
    with pytest.warns(UserWarning, match=FEW_DIGITS):
        tangent = tangent_of_model(model, FEATURES)
    expected = oracle(cancelling(1e4, 30.0, dtype=torch.float64), FEATURES)
    found = columns(tangent)[0]
    assert np.abs(found - expected).max() <= 0.02 * np.abs(expected).max()
    exact = tangent_of_model(model, FEATURES, dtype="float64")  # without a warning
    assert np.abs(columns(exact)[0] - expected).max() <= 1e-8 * np.abs(expected).max()


def test_rounding_is_told_apart_with_several_outputs():
    with pytest.warns(UserWarning, match=FEW_DIGITS):
        logits_of_model(cancelling(1e4, 30.0, outputs=P), FEATURES, labels=P)


def test_models_of_which_rounding_leaves_little_are_refused_for_it():
    model = cancelling(1e6, 1e4)
    with pytest.raises(ValueError, match=r'this is rounding, of terms that cancel. Pass dtype="float64"'):
        tangent_of_model(model, FEATURES)


@pytest.mark.parametrize("hook", [lambda g: g.clamp(-1e-3, 1e-3), lambda g: g - g.mean(0)])
def test_a_changed_backward_pass_is_refused_where_terms_cancel(hook):
    model = cancelling(1e4, 30.0, hook=hook)
    with pytest.raises(ValueError, match=r"changes gradients. Take it out|depends on the rest of the batch"):
        tangent_of_model(model, FEATURES)


class OfOneDtype(Cancelling):
    """Computes in float32 whatever its weights are, so that float64 tells nothing."""

    def forward(self, x):
        weights = {name: parameter.float() for name, parameter in self.named_parameters()}
        with torch.no_grad():
            torch.nn.functional.linear(x, weights["a.weight"])
        return super().forward(x)


def test_where_float64_cannot_run_both_causes_are_named():
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=r'Take it out; or it is rounding.*dtype="float64"'):
        tangent_of_model(OfOneDtype(1e4, 30.0), FEATURES)


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.o = nn.Linear(6, 8), nn.Linear(8, 1)

    def forward(self, x):
        with torch.autocast("cpu"):
            return self.o(torch.tanh(self.a(x))).float()


def test_autocast_is_followed_and_told():
    torch.manual_seed(0)
    model = Autocast()
    with pytest.warns(UserWarning, match=r"few digits.*autocast|cannot be vectorised"):
        tangent = tangent_of_model(model, FEATURES)
    found = columns(tangent)[0]
    expected = oracle(model.double(), FEATURES)  # which autocast leaves alone
    assert "it is computed in bfloat16" in tangent.note
    assert np.abs(found - expected).max() <= 0.02 * np.abs(expected).max()
