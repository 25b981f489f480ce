"""Every layer rule against autograd, as factors and as gradients of single samples; and that no wrong rule is used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tangent_cases import columns, features, oracle, seeded
from test_tangents import check_against
from torch import nn
from torch.nn import functional

from barren.tangents import GivenJacobian, gram, rules, tangent_of_model
from barren.tangents import model as model_module
from barren.tangents.gram import LayerGram
from barren.tangents.parts import OuterPart


class Body(nn.Module):
    """Something applied to (n, 3, 2) or another shape of the features, and a fixed non-linear end."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.body = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        out = torch.tanh(self.body(self, x)).flatten(1)
        return (out * torch.linspace(0.5, 1.5, out.shape[1], dtype=out.dtype)).sum(1)


def words(x):
    return x.reshape(len(x), 3, 2)


def tokens(x):
    return (x[:, ::2] + 2 * x[:, 1::2]).long()


def images(x):
    """(n, 2, 5, 6), every entry another."""
    grid = torch.linspace(0.3, 1.7, 60, dtype=x.dtype).reshape(2, 5, 6)
    return torch.sin(x[:, None, None] * grid + grid)


def series(x):
    return images(x)[:, :, 0]


def attend(attention, x, batch_first=True, **options):
    h = words(x) if batch_first else words(x).transpose(0, 1)
    out = attention(h, h, h, **options)[0]
    return out if batch_first else out.transpose(0, 1)


def case(forward, **modules):
    return lambda: Body(forward, **modules)


def positions_first(m, x):
    return m.inner(words(x).transpose(0, 1)).transpose(0, 1)


def joined(m, x):
    return m.inner(words(x).reshape(-1, 2)).reshape(len(x), -1)


def tied_head(m, x):
    return functional.linear(m.embed(tokens(x)), m.embed.weight).sum(1) + m.embed(tokens(x))[:, 0].sum(1, keepdim=True)


def channels_last_bias(m, x):
    return functional.linear(words(x), m.inner.weight) + m.inner.bias


CASES = {
    "linear": case(lambda m, x: m.inner(x), inner=nn.Linear(6, 4)),
    "linear over positions": case(lambda m, x: m.inner(words(x)), inner=nn.Linear(2, 4)),
    "linear over two axes": case(lambda m, x: m.inner(x.reshape(len(x), 3, 1, 2)), inner=nn.Linear(2, 4, bias=False)),
    "linear, positions first": case(positions_first, inner=nn.Linear(2, 4)),
    "linear, samples and positions joined": case(joined, inner=nn.Linear(2, 4)),
    "linear, several calls": case(
        lambda m, x: m.inner(m.inner(words(x)).sin()) + m.inner(words(x)), inner=nn.Linear(2, 2)
    ),
    "linear, a subclass": case(lambda m, x: m.inner(x), inner=nn.modules.linear.NonDynamicallyQuantizableLinear(6, 4)),
    "linear, bias alone": case(lambda m, x: m.inner(words(x)), inner=nn.Linear(2, 4).requires_grad_(False)),
    "embedding": case(lambda m, x: m.embed(tokens(x)), embed=nn.Embedding(4, 5)),
    "embedding of one token": case(lambda m, x: m.embed(tokens(x)[:, 0]), embed=nn.Embedding(4, 5)),
    "embedding, padding": case(lambda m, x: m.embed(tokens(x)), embed=nn.Embedding(4, 5, padding_idx=1)),
    "embedding, sparse": case(lambda m, x: m.embed(tokens(x)), embed=nn.Embedding(4, 5, sparse=True)),
    "embedding, tied to a head": case(tied_head, embed=nn.Embedding(4, 5)),
    "layer norm": case(lambda m, x: m.norm(words(x).cumsum(2)), norm=nn.LayerNorm(2)),
    "layer norm of two axes": case(lambda m, x: m.norm(words(x)), norm=nn.LayerNorm((3, 2), bias=False)),
    "rms norm": case(lambda m, x: m.norm(words(x).cumsum(1)), norm=nn.RMSNorm(2)),
    "group norm": case(lambda m, x: m.norm(images(x)), norm=nn.GroupNorm(1, 2)),
    "batch norm": case(lambda m, x: m.norm(images(x)), norm=nn.BatchNorm2d(2).eval()),
    "batch norm of vectors": case(lambda m, x: m.norm(x), norm=nn.BatchNorm1d(6).eval()),
    "conv1d": case(lambda m, x: m.conv(series(x)), conv=nn.Conv1d(2, 3, 3)),
    "conv1d, options": case(lambda m, x: m.conv(series(x)), conv=nn.Conv1d(2, 3, 2, stride=2, padding=1, dilation=2)),
    "conv1d, same": case(lambda m, x: m.conv(series(x)), conv=nn.Conv1d(2, 3, 2, padding="same", bias=False)),
    "conv1d, groups": case(lambda m, x: m.conv(series(x)), conv=nn.Conv1d(2, 4, 3, groups=2)),
    "conv2d": case(lambda m, x: m.conv(images(x)), conv=nn.Conv2d(2, 3, 3)),
    "conv2d, options": case(
        lambda m, x: m.conv(images(x)), conv=nn.Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2))
    ),
    "conv2d, groups": case(lambda m, x: m.conv(images(x)), conv=nn.Conv2d(2, 4, (3, 2), padding=1, groups=2)),
    "conv2d, circular": case(
        lambda m, x: m.conv(images(x)), conv=nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular")
    ),
    "attention": case(lambda m, x: attend(m.mix, x), mix=nn.MultiheadAttention(2, 2, batch_first=True)),
    "attention, positions first": case(
        lambda m, x: attend(m.mix, x, batch_first=False, need_weights=False),
        mix=nn.MultiheadAttention(2, 1, bias=False),
    ),
}
# Layers without a rule, and a piece of the reason.
NO_RULE = {
    "a raw parameter": (case(lambda m, x: words(x) * m.scale.weight[0], scale=nn.Linear(2, 1)), "scale"),
    "a learned position": (
        case(lambda m, x: words(x) + m.place(torch.arange(3)), place=nn.Embedding(3, 2)),
        "the same for all samples",
    ),
    "bias added by hand": (case(channels_last_bias, inner=nn.Linear(2, 4)), "no rule sees it"),
    "cross-attention": (
        case(
            lambda m, x: m.mix(words(x), words(x).cos(), words(x).cos())[0],
            mix=nn.MultiheadAttention(2, 1, batch_first=True),
        ),
        "no rule sees it",
    ),
    "attention with bias rows": (
        case(lambda m, x: attend(m.mix, x), mix=nn.MultiheadAttention(2, 1, batch_first=True, add_bias_kv=True)),
        "'mix.bias_k' takes part",
    ),
    "conv3d": (case(lambda m, x: m.conv(images(x)[:, None]), conv=nn.Conv3d(1, 2, 2)), "no rule sees it"),
    "position-major rows": (
        case(
            lambda m, x: m.inner(words(x).transpose(0, 1).reshape(-1, 2)).reshape(3, len(x), -1).transpose(0, 1),
            inner=nn.Linear(2, 4),
        ),
        "no rule sees it",
    ),
    "bilinear": (case(lambda m, x: m.inner(x, x), inner=nn.Bilinear(6, 6, 2)), "no rule sees it"),
}


def prepared(name):
    model = seeded(CASES[name])
    if name == "linear, bias alone":
        model.inner.bias.requires_grad_(True)
    for module in model.modules():  # weights of norms that are not all ones, statistics that are not trivial
        if isinstance(module, nn.LayerNorm | nn.RMSNorm | nn.GroupNorm | nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in [*module.parameters(), *module.buffers()]:
                if tensor.is_floating_point():
                    tensor.data = torch.linspace(0.5, 1.5, tensor.numel(), dtype=tensor.dtype).reshape(tensor.shape)
    return model


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("as_rows", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_rules_match_autograd(name, as_rows, monkeypatch):
    monkeypatch.setattr(OuterPart, "prefers_rows", lambda self, n: as_rows)
    model, x = prepared(name), features(9)
    tangent = tangent_of_model(model, x)
    assert "Jacobian columns" not in tangent.note
    check_against(tangent, oracle(model, x), tolerance=1e-12)


@pytest.mark.parametrize("name", NO_RULE)
def test_what_has_no_rule_goes_through_columns(name):
    make, reason = NO_RULE[name]
    model, x = seeded(make), features(9)
    tangent = tangent_of_model(model, x)
    assert "Jacobian columns" in tangent.note
    assert reason in tangent.note
    check_against(tangent, oracle(model, x), tolerance=1e-12)


@pytest.mark.parametrize("function", rules.RULES)
def test_a_wrong_rule_is_not_used(function, monkeypatch):
    def wrong(*args, **kwargs):
        call = rule(*args, **kwargs)

        def pieces(delta, layout):
            return call.pieces(1.001 * delta, layout)

        return rules.Call(call.parameters, pieces)

    rule = rules.RULES[function]
    monkeypatch.setitem(rules.RULES, function, wrong)
    name = next(key for key in CASES if rule.__name__.replace("_", " ").removesuffix("olution") in key)
    if function is functional.conv2d:
        name = "conv2d"
    model, x = prepared(name), features(9)
    tangent = tangent_of_model(model, x)
    assert "where no rule sees it" in tangent.note
    check_against(tangent, oracle(model, x), tolerance=1e-12)


@pytest.mark.parametrize("positions", [1, 2])
@pytest.mark.parametrize("kind", ["factors", "one-hot", "gradients", "given"])
def test_float32_keeps_what_is_left_after_the_constant(kind, positions):
    """A constant 10⁶ times the rest must not cost the rest its digits, in any rectangle."""
    generator = torch.Generator().manual_seed(0)
    left, right = (1000.0 + torch.randn(64, positions, width, generator=generator) for width in (5, 7))
    if kind == "one-hot":
        left = torch.randint(0, 3, (64, positions), generator=generator)
    ones = torch.tensor([1.0, 0.0])[:positions]
    part = OuterPart(("w", "b"), "w", left, right, ones, 5)
    rows = part.as_rows().rows.numpy()
    exact = rows.astype(np.float64) @ rows.astype(np.float64).T
    if kind in ("factors", "one-hot"):  # their gradients are sums that were never rounded to float32
        exact = OuterPart(("w", "b"), "w", left if left.ndim == 2 else left.double(), right.double(), ones.double(), 5)
        exact = exact.as_rows().rows.numpy()
        exact = exact @ exact.T
    if kind == "given":
        found = dict(GivenJacobian(rows).ntk(slice(3, 50), slice(10, 64)))["jacobian"]
    else:
        whole = LayerGram(part.as_rows() if kind == "gradients" else part)
        found = whole.block(slice(3, 50), slice(10, 64))

    def centred(theta):
        return theta - theta.mean(0) - theta.mean(1)[:, None] + theta.mean()

    expected = centred(exact[3:50, 10:64])
    assert kind == "one-hot" or np.abs(exact).max() > 300 * np.abs(expected).max()
    np.testing.assert_allclose(centred(found), expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_costs_are_those_of_the_route(monkeypatch):
    model = seeded(lambda: nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)))
    tangent = tangent_of_model(model, features())
    assert tangent.ntk_cost == (64 + 6) + (64 + 64) + 65
    assert tangent.column_bytes == 9 * 8 * ((64 + 6) + (64 + 64) + 65)
    assert tangent.ntk_bytes >= 2 * tangent.column_bytes  # packed for both sides of a product
    monkeypatch.setattr(OuterPart, "prefers_rows", lambda self, n: False)
    tangent = tangent_of_model(prepared("linear over positions"), features())
    assert tangent.ntk_cost == 3**2 * (2 + 4)
    assert tangent.column_bytes == 9 * 8 * 3 * (2 + 4)
    assert tangent.ntk_bytes >= 2 * tangent.column_bytes


def test_samples_come_in_chunks(monkeypatch):
    monkeypatch.setattr(model_module, "_MOST_SAMPLES", 4)
    for name in ("linear over positions", "embedding, tied to a head", "layer norm", "conv1d, groups"):
        model, x = prepared(name), features(10)
        check_against(tangent_of_model(model, x), oracle(model, x))


def test_one_sample_and_layers_of_many_columns():
    model, x = prepared("attention"), features(1)
    np.testing.assert_allclose(columns(tangent_of_model(model, x))[0], oracle(model, x), atol=1e-14)


@pytest.mark.parametrize("positions", [1, 2])
@pytest.mark.parametrize("kind", ["factors", "gradients"])
def test_reduced_blocks_of_torch_are_those_of_the_core(monkeypatch, kind, positions):
    """On a device torch makes the products; u_i + v_j is left out in the same way, and symmetrically."""
    generator = torch.Generator().manual_seed(0)
    left, right = (3.0 + torch.randn(40, positions, w, generator=generator, dtype=torch.float64) for w in (5, 7))
    part = OuterPart(("w", "b"), "w", left, right, torch.tensor([1.0, 0.0]).double()[:positions], 5)
    everything, made = slice(0, 40), []
    for packed in (True, False):
        monkeypatch.setattr(gram, "_is_packed", lambda part, packed=packed: packed)
        own = part.having([tensor.clone() for tensor in part.tensors])
        layer = LayerGram(own.as_rows() if kind == "gradients" else own)
        made.append((layer.block(everything, everything), layer.block(everything, everything, reduced=True)))
    (whole, reduced), (plain, other) = made
    np.testing.assert_allclose(plain, whole, rtol=1e-12)
    np.testing.assert_allclose(other, reduced, atol=1e-12 * np.abs(whole).max())
    np.testing.assert_allclose(reduced, reduced.T, atol=1e-12 * np.abs(whole).max())
    rest = whole - reduced
    rest = rest - rest.mean(axis=0) - rest.mean(axis=1, keepdims=True) + rest.mean()
    assert np.abs(rest).max() <= 1e-12 * np.abs(whole).max()
    assert np.abs(reduced).max() < 0.9 * np.abs(whole).max()
