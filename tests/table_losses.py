"""Losses, laws, models of several outputs, and the comparison that the tests of the table method share."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from helpers import relative
from tangent_cases import Attention, Convolution, Embedded, Recurrent, Tied
from torch import nn
from torch.nn import functional

import barren
from barren import encodings, inputs, models, reference

BITS = encodings.Bits()
CHOICES = ["units", "all", [7, 0, 1, 5]]


def huber(outputs, labels):
    return functional.huber_loss(outputs, labels, reduction="none", delta=0.3)


def absolute(outputs, labels):
    return (outputs - labels).abs()


def hinge(outputs, labels):
    return torch.relu(1.0 - outputs * labels)


def logistic_square(outputs, labels):
    return (torch.sigmoid(outputs) - labels) ** 2


LOSSES = [huber, absolute, hinge, logistic_square]
LAWS = [
    inputs.Uniform(),
    inputs.Uniform(zero=False),
    inputs.RandomBits(4),
    inputs.Sample([3, 3, 20, 0, 17], [0.1, 0.2, 0.3, 0.2, 0.2]),
]


def variance(cls, model, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the tail is heavy.*")
        return barren.gradient_variance(cls, model, **{"encoding": BITS, **options})


def by_layer(cls, model, loss, law=None, encoding=BITS):
    """The share of every layer from the gradients of all members, and the deviations."""
    gradients = np.stack(list(reference.gradients(cls, model, encoding, loss, law)))
    squares = (gradients - gradients.mean(axis=0)) ** 2
    shares, start = {}, 0
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        layer = name.rpartition(".")[0] or "model"
        stop = start + parameter.numel()
        shares[layer] = shares.get(layer, 0.0) + squares[:, start:stop].sum() / len(gradients)
        start = stop
    return shares, squares.sum(axis=1)


def agree(v, cls, model, loss, law=None, tolerance=1e-10, encoding=BITS):
    shares, deviations = by_layer(cls, model, loss, law, encoding)
    # What the sum could lose: d(a) are squares of gradients that nearly cancel.
    assert relative(float(v), deviations.mean()) <= tolerance
    assert relative(v.deviations, deviations) <= tolerance
    assert v.per_layer.keys() == shares.keys()
    assert relative(np.array([v.per_layer[k] for k in shares]), np.array(list(shares.values()))) <= tolerance
    assert sum(v.per_layer.values()) == pytest.approx(float(v), rel=1e-12)
    assert v.method == "table"


class Skip(nn.Module):
    """The last layer's output is the model's, and another layer reaches the outputs around it."""

    def __init__(self, outputs, skip=True):
        super().__init__()
        self.first, self.side, self.last = nn.Linear(6, 5), nn.Linear(6, outputs), nn.Linear(5, outputs)
        self.skip = skip

    def forward(self, x):
        h = self.last(torch.tanh(self.first(x)))
        return h + self.side(x) if self.skip else torch.tanh(self.side(x)) * h


def many_outputs(kind, outputs, width=6):
    """A model of tangent_cases whose last layer has several outputs."""
    model = kind()
    model.last = nn.Linear(model.last.in_features, outputs)
    return model


def partly_frozen(outputs, parts):
    model = models.mlp(6, (8, 7), "tanh", outputs=outputs, seed=0)
    for part in parts:
        model[part].requires_grad_(False)
    model[2].bias.requires_grad_(False)
    return model


LAYERED = {
    "linear": lambda m: models.mlp(6, (), outputs=m, seed=0),
    "mlp": lambda m: models.mlp(6, (9, 8), "sigmoid", outputs=m, seed=0),
    "wide": lambda m: models.mlp(6, (200, 150), "relu", outputs=m, seed=0),
    "no bias": lambda m: nn.Sequential(nn.Linear(6, 9, bias=False), nn.ReLU(inplace=True), nn.Linear(9, m, bias=False)),
    "scaled after": lambda m: nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, m), nn.LogSoftmax(1)),
    "frozen last": lambda m: partly_frozen(m, [4]),
    "frozen first": lambda m: partly_frozen(m, [0]),
    "skip": lambda m: Skip(m),
    "gated": lambda m: Skip(m, skip=False),
}
OTHER = {
    "tied": lambda m: many_outputs(Tied, m),
    "convolution": lambda m: many_outputs(Convolution, m),
    "embedding": lambda m: many_outputs(Embedded, m),
    "attention": lambda m: many_outputs(Attention, m),
}
SLOW = {
    "recurrent": lambda m: many_outputs(Recurrent, m),
    "sparse": lambda m: many_outputs(lambda: Embedded(sparse=True), m),
}
