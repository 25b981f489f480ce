"""Models like GPT-2 over the digits of x: every quantity of a tangent, and the variance, against plain autograd."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from helpers import relative
from tangent_cases import oracle, seeded
from test_tangents import check_against
from torch import nn

import barren
from barren import encodings, models, reference, targets
from barren.tangents import tangent_of_model

P, DIGITS = 101, encodings.Digits(10)


class Learned(nn.Module):
    """A GPT whose positions are a raw parameter."""

    def __init__(self):
        super().__init__()
        self.gpt = models.gpt(3, seed=1)
        self.place = nn.Parameter(0.02 * torch.randn(3, 64))
        self.gpt.positions.weight.requires_grad_(False)

    def forward(self, x):
        stream = self.gpt.tokens(x.long()) + self.place
        return self.gpt.head(self.gpt.norm(self.gpt.blocks(stream)[:, -1]))


class Encoder(nn.Module):
    """The same size from `nn.TransformerEncoderLayer`, pre-norm and causal."""

    def __init__(self, norm_first=True):
        super().__init__()
        self.tokens, self.places = nn.Embedding(10, 64), nn.Embedding(3, 64)
        layer = nn.TransformerEncoderLayer(
            64, 4, 256, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(64), enable_nested_tensor=False)
        self.head = nn.Linear(64, 1)

    def forward(self, x):
        stream = self.tokens(x.long()) + self.places(torch.arange(3, device=x.device))
        mask = nn.Transformer.generate_square_subsequent_mask(3, device=x.device, dtype=stream.dtype)
        return self.head(self.encoder(stream, mask, is_causal=True)[:, -1])


MODELS = {
    "gpt": (lambda: models.gpt(3, seed=0), []),
    "learned positions": (Learned, ["model"]),
    "encoder": (lambda: Encoder().eval(), ["places"]),
}


@pytest.mark.parametrize("name", MODELS)
def test_gpts_match_autograd(name):
    make, columns = MODELS[name]
    model, x = seeded(make), DIGITS(np.arange(P), P).astype(np.float64)
    tangent = tangent_of_model(model, x)
    assert ("Jacobian columns" in tangent.note) == bool(columns)
    if columns:
        assert f"of 1 layer ({columns[0]})" in tangent.note
    assert tangent.has_products
    check_against(tangent, oracle(model, x), tolerance=1e-11, limits=(1 << 27,))


@pytest.mark.parametrize("name", MODELS)
def test_the_variance_of_gpts_is_exact(name):
    multipliers = "units" if name == "gpt" else [1, 2, 7, 50, 99]
    cls = barren.ModularMultiplication(P, targets.Bit(0), multipliers)
    model = seeded(MODELS[name][0])
    expected = reference.from_model(cls, model, DIGITS, "bce")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the tail is heavy")
        v = barren.gradient_variance(cls, model, encoding=DIGITS, loss="bce", method="kernel")
    assert relative(float(v), expected.variance) <= 1e-9
    assert relative(v.deviations, expected.deviations) <= 1e-8
