"""Models that do something else at five rare inputs, which no probe meets, and the comparison with the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import barren
from barren import encodings, reference

P = 61
BITS = encodings.Bits(6)
FEATURES = BITS(np.arange(P), P)
# A probe of 16 of the inputs 0..60 takes every fourth.
RARE = (1, 7, 22, 43, 59)
SLOW = pytest.mark.filterwarnings("ignore:the model cannot be vectorised")


def number_of(x):
    """Back from the bits."""
    return (x * 2.0 ** torch.arange(5, -1, -1, dtype=x.dtype)).sum(1)


def is_rare(x):
    """Whether a sample is one of the five."""
    return (number_of(x)[:, None] == torch.tensor(RARE, dtype=x.dtype)).any(1)


class Rare(nn.Module):
    """Two layers, and something more that only rare inputs see."""

    def __init__(self, more, outputs=1):
        super().__init__()
        self.a, self.b, self.o = nn.Linear(6, 5), nn.Linear(5, 6), nn.Linear(6, outputs)
        self.late = nn.Linear(6, 1)
        self.more = more

    def forward(self, x):
        h = torch.relu(self.a(x))
        shares = torch.linspace(1.0, 2.0, self.o.out_features, dtype=x.dtype)
        return self.o(torch.tanh(self.b(h))) + self.more(self, x, h)[:, None] * shares


class Mixing(nn.Module):
    """Two layers, and a forward that a test gives."""

    def __init__(self, mix, outputs=1):
        super().__init__()
        self.a, self.l = nn.Linear(6, 5), nn.Linear(5, outputs)
        self.mix = mix

    def forward(self, x):
        return self.mix(self, x)


def run(model, target, method, **options):
    cls = barren.ModularMultiplication(P, target)
    v = barren.gradient_variance(cls, model, encoding=BITS, method=method, **options)
    return v, reference.from_model(cls, model, BITS, loss=options.get("loss", "mse"))
