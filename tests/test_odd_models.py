"""Models as people write them, odd ones too: one backward pass a member gives the same, or they are refused."""

from __future__ import annotations

import pytest
import torch
from helpers import relative
from tangent_cases import seeded
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import barren
from barren import encodings, reference, targets

P = 31
BITS = encodings.Bits(5)
SLOW = pytest.mark.filterwarnings("ignore:the model cannot be vectorised", "ignore:backward passes of the model cannot")


class Odd(nn.Module):
    """Two layers, further modules and parameters, and a forward that a case gives."""

    def __init__(self, forward, outputs=1, **more):
        super().__init__()
        self.a, self.o, self.body = nn.Linear(5, 8), nn.Linear(8, outputs), forward
        for name, make in more.items():
            setattr(self, name, make())

    def forward(self, x):
        return self.body(self, x)


def tied_transposed(m, x):
    h = torch.tanh(m.a(x))
    return m.o(torch.tanh(m.a(torch.tanh(functional.linear(h, m.a.weight.t())))))


def low_rank(m, x):
    return m.o(torch.tanh(m.a(x) + functional.linear(functional.linear(x, m.down), m.up)))


def low_rank_merged(m, x):
    return m.o(torch.tanh(functional.linear(x, m.a.weight + m.up @ m.down, m.a.bias)))


def complex_numbers(m, x):
    h = torch.fft.rfft(m.a(x))
    return m.o(torch.cat([h.real[:, :4], h.imag[:, :4]], dim=1))


def functions_of_nested_weights(m, x):
    h = functional.softplus(m.inner(functional.layer_norm(m.a(x), (8,))))
    return functional.linear(h, m.o.weight, m.o.bias)


def in_place(m, x):
    h = m.a(x)
    h += 1.0
    h = h.mul_(0.5).sin()
    h[:, 0] = 0.0
    return m.o(h)


def branch_by_sample(m, x):
    h, some = m.a(x), x[:, 0] > 0.5
    out = torch.empty_like(h)
    out[some], out[~some] = torch.tanh(h[some]), torch.sin(h[~some])
    return m.o(out)


def quadratic(m, x):
    return m.o(torch.tanh(m.a(x) + torch.einsum("bi,bj,oij->bo", x, x, m.w)))


def gathered(m, x):
    return m.o(torch.tanh(m.a(x) + m.table[(x * 2.0 ** torch.arange(5).to(x)).sum(1).long()]))


def without_repeats(m, x):
    points, places = torch.unique(x, dim=0, return_inverse=True)
    return m.o(torch.tanh(m.a(points)))[places]


def both_signs(m, x):
    h = torch.tanh(m.a(torch.cat([x, 1.0 - x])))
    return m.o(h[: len(x)] - h[len(x) :])


def side_by_side(m, x):
    h = torch.tanh(m.a(torch.stack([x, 1.0 - x], dim=1).flatten(0, 1))).reshape(len(x), 2, 8)
    return m.o(h[:, 0] - 0.5 * h[:, 1] ** 2)


def product_of_matrices(m, x):
    return m.o(torch.bmm(torch.tanh(m.a(x))[:, None], m.square.expand(len(x), 8, 8))[:, 0])


def memory(m, x):
    h = torch.tanh(m.a(x))
    return m.o(torch.softmax(h @ m.keys.t(), dim=1) @ m.keys + h)


def gate_without_gradient(m, x):
    with torch.no_grad():
        gate = torch.sigmoid(m.a(x))
    return m.o(gate * m.a(x))


def numbers(*shape):
    return lambda: nn.Parameter(torch.randn(*shape))


FOLLOWED = {
    "tied, transposed": (tied_transposed, {}),
    "low rank": (low_rank, {"down": numbers(2, 5), "up": numbers(8, 2)}),
    "low rank, merged": (low_rank_merged, {"down": numbers(2, 5), "up": numbers(8, 2)}),
    "complex": (complex_numbers, {}),
    "nested": (functions_of_nested_weights, {"inner": lambda: nn.Sequential(nn.Linear(8, 8), nn.GELU())}),
    "in place": (in_place, {}),
    "branch": (branch_by_sample, {}),
    "quadratic": (quadratic, {"w": numbers(8, 5, 5)}),
    "gathered": (gathered, {"table": numbers(32, 8)}),
    "unique": (without_repeats, {}),
    "both signs": (both_signs, {}),
    "side by side": (side_by_side, {}),
    "bmm": (product_of_matrices, {"square": numbers(8, 8)}),
    "memory": (memory, {"keys": numbers(3, 8)}),
    "bilinear": (lambda m, x: m.o(m.two(m.a(x), m.a(x))), {"two": lambda: nn.Bilinear(8, 8, 8)}),
    "prelu": (lambda m, x: m.o(m.act(m.a(x))), {"act": nn.PReLU}),
    "spectral norm": (
        lambda m, x: m.o(torch.tanh(m.n(x))),
        {"n": lambda: parametrizations.spectral_norm(nn.Linear(5, 8)).eval()},
    ),
    "orthogonal": (
        lambda m, x: m.o(torch.tanh(m.n(x)).repeat(1, 2)[:, :8]),
        {"n": lambda: parametrizations.orthogonal(nn.Linear(5, 5))},
    ),
    "no gradient": (gate_without_gradient, {}),
    "sorted features": (lambda m, x: m.o(m.a(x).sort(1)[0]), {}),
}


def capacity(m, x):
    """An expert that takes ten samples, the first that ask for it."""
    asks = x[:, 0] > 0.5
    taken = ~asks | (asks.long().cumsum(0) <= 10)
    return m.o(torch.tanh(m.a(x)) * taken[:, None])


COUPLED = {
    "sums over the batch": lambda m, x: m.o(torch.tanh(m.a(x).cumsum(0))),
    "sorted over the batch": lambda m, x: m.o(torch.tanh(m.a(x).sort(0)[0])),
    "softmax over the batch": lambda m, x: m.o(m.a(x).softmax(0)),
    "another shape": lambda m, x: m.o(torch.tanh(m.a(x).t().reshape(len(x), 8))),
    "ranks": lambda m, x: m.o(m.a(x)) * (1.0 + 0.01 * m.a(x)[:, :1].detach().argsort(0).argsort(0)),
    "capacity": capacity,
}


def both_ways(forward, more):
    """The model of one output with its loss, and the one of an output a label."""
    one = seeded(Odd, forward, **more), targets.Bit(0), {"loss": "bce"}
    return [one, (seeded(Odd, forward, P, **more), targets.Residue(), {"loss": "cross-entropy"})]


@SLOW
@pytest.mark.parametrize("name", FOLLOWED)
def test_odd_models_agree_with_one_backward_pass_a_member(name):
    for model, target, loss in both_ways(*FOLLOWED[name]):
        cls = barren.ModularMultiplication(P, target)
        expected = reference.from_model(cls, model, BITS, **loss)
        for method in ("direct", "kernel") if loss["loss"] == "bce" else ("table",):
            v = barren.gradient_variance(cls, model, encoding=BITS, method=method, **loss)
            assert relative(float(v), expected.variance) <= 1e-10
            assert relative(v.deviations, expected.deviations) <= 1e-9


@SLOW
@pytest.mark.parametrize("name", COUPLED)
def test_models_that_mix_the_batch_are_refused(name):
    for model, target, loss in both_ways(COUPLED[name], {}):
        cls = barren.ModularMultiplication(P, target)
        with pytest.raises(ValueError, match="depends on the rest of the batch"):
            barren.gradient_variance(cls, model, encoding=BITS, **loss)
