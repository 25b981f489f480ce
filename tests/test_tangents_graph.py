"""Who reads a parameter, read from the graph of a forward."""

from __future__ import annotations

import pytest
import torch
from tangent_cases import features, seeded
from torch import nn
from torch.nn import functional

from barren.tangents.graph import passes_only
from barren.tangents.recording import record, unaccounted
from barren.tangents.snapshot import Snapshot, plain_autograd


class Reading(nn.Module):
    """Whatever a test wants to do with two parameters."""

    def __init__(self, forward):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.ones(6, 6)), nn.Parameter(torch.ones(6))
        self.body = forward

    def forward(self, x):
        return self.body(self, x).sum(1)


class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.shape = w.shape
        return x + w.sum()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, torch.zeros(ctx.shape, dtype=gradient.dtype)


def overwritten(m, x):
    y = functional.linear(x, m.w, m.b)
    with torch.no_grad():
        x.add_(1.0)
    return y


READINGS = {
    "nothing": (lambda m, x: x * (m.b.detach() + m.w.detach()[0]) + torch.zeros(6, requires_grad=True).to(x), ""),
    "one call": (lambda m, x: functional.linear(x, m.w, m.b), ""),
    "two calls": (lambda m, x: functional.linear(functional.linear(x, m.w, m.b).sin(), m.w), ""),
    "over positions": (lambda m, x: functional.linear(x.reshape(len(x), 1, 6), m.w, m.b)[:, 0], ""),
    "a normalisation": (lambda m, x: functional.rms_norm(x, (6,), m.b), ""),
    "a transpose": (lambda m, x: functional.linear(x, m.w.T), "w"),
    "a sum beside": (lambda m, x: functional.linear(x, m.w) + 0 * m.w.sum(), "w"),
    "added in place": (lambda m, x: functional.linear(x, m.w, m.b).add_(m.b), "b"),
    "hidden by a threshold": (lambda m, x: functional.linear(x, m.w) + torch.relu(m.b - 100), "b"),
    "the input is read too": (lambda m, x: functional.linear(x @ m.w, m.w), "w"),
    "the input itself": (lambda m, x: x + functional.linear(m.w, m.w).sum(), "w"),
    "two roles": (lambda m, x: functional.layer_norm(x, (6,), m.b, m.b), "b"),
    "a function of the caller's": (lambda m, x: Function.apply(functional.linear(x, m.w), m.w), "w"),
    "overwritten later": (overwritten, "bw"),
}


@pytest.mark.parametrize("name", READINGS)
def test_what_the_calls_do_not_account_for(name):
    forward, expected = READINGS[name]
    snapshot = Snapshot(seeded(Reading, forward), torch.float64, cast=False)
    with plain_autograd(snapshot.device):
        outputs, uses = record(snapshot, torch.from_numpy(features()))
        assert unaccounted(snapshot, outputs, uses) == set(expected)


def test_ways_around_a_tensor():
    leaf = torch.ones(4, requires_grad=True)
    source = leaf.sin()
    gate, other = source.exp().split(2)
    assert passes_only(gate.cos().sum(), gate, [source])
    assert not passes_only((gate * other).sum(), gate, [source])  # another output of the same node
    assert not passes_only(gate.sum() + source.sum(), gate, [source])
    assert not passes_only(source, gate, [source])
    assert passes_only(leaf.cos().sum(), gate, [source])
