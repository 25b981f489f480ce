"""The built-in models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from barren.models import ACTIVATIONS, GPT, from_spec, gpt, mlp


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def test_shape_and_default_initialisation():
    model = mlp(10, (4, 3), "tanh", outputs=2)
    assert [type(m) for m in model] == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]
    assert [tuple(p.shape) for p in model.parameters()] == [(4, 10), (4,), (3, 4), (3,), (2, 3), (2,)]
    torch.manual_seed(5)
    plain = nn.Sequential(nn.Linear(10, 4), nn.Tanh(), nn.Linear(4, 1))
    seeded = mlp(10, (4,), "tanh", seed=5)
    assert all(map(torch.equal, weights(plain), weights(seeded)))


def test_a_seed_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    first, second = mlp(5, (3,), seed=1), mlp(5, (3,), seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert all(map(torch.equal, weights(first), weights(second)))
    assert not torch.equal(weights(first)[0], weights(mlp(5, (3,), seed=2))[0])
    mlp(5, (3,))
    assert not torch.equal(before, torch.get_rng_state())


def test_specs():
    model = from_spec("mlp:1000x20:relu", width=10, seed=0)
    assert [type(m) for m in model] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert (model[0].out_features, model[2].out_features) == (1000, 20)
    assert isinstance(from_spec("mlp:7", width=3)[1], nn.Sigmoid)
    assert len(from_spec("linear", width=3)) == 1
    for name in ACTIVATIONS:
        assert from_spec(f"mlp:2:{name}", width=3)(torch.zeros(4, 3)).shape == (4, 1)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "mlp",
        "mlp:",
        "mlp:10:",
        "mlp:10x",
        "mlp:0",
        "mlp:-3",
        "mlp:10:cube",
        "cnn:10",
        "mlp:10:relu:2",
        "mlp:²",
        "gpt",
        "gpt:2:64",
        "gpt:2:64:5",
        "gpt:0:64:4",
        "gpt:2:64:4:1",
    ],
)
def test_unknown_specs(spec):
    with pytest.raises(ValueError, match=r'model must be "mlp:1000x1000:sigmoid".*got'):
        from_spec(spec, width=3)


def test_bad_arguments():
    with pytest.raises(TypeError, match="model must be"):
        from_spec(3, width=3)
    with pytest.raises(TypeError, match="width"):
        mlp(3.0)
    with pytest.raises(TypeError, match="hidden"):
        mlp(3, ("a",))
    for widths in (10, "10", None):
        with pytest.raises(TypeError, match=r"^hidden must be a sequence of widths, such as \(10,\); got "):
            mlp(3, hidden=widths)
    for options in (
        {"width": 0},
        {"width": 3, "hidden": (0,)},
        {"width": 3, "outputs": 0},
        {"width": 3, "seed": -1},
    ):
        with pytest.raises(ValueError, match="must be an integer"):
            mlp(**options)
    with pytest.raises(ValueError, match="activation must be one of 'sigmoid'"):
        mlp(3, activation="cube")
    with pytest.raises(TypeError, match="activation"):
        mlp(3, activation=nn.ReLU)


def test_gpt():
    model = gpt(4, layers=1, width=8, heads=2, vocabulary=3, outputs=2, seed=0)
    digits = torch.tensor([[0.0, 1.0, 2.0, 1.0], [2.0, 2.0, 0.0, 0.0]])
    assert model(digits).shape == (2, 2)
    assert torch.equal(model(digits), model(digits.long()))
    assert torch.allclose(model(digits)[1:], model(digits[1:]))
    assert all(map(torch.equal, weights(model), weights(gpt(4, 1, 8, 2, 3, 2, seed=0))))
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("bias"))
    # Causal: all but the last position ignore the last token.
    stream = model.tokens(digits.long())
    changed = stream.clone()
    changed[:, -1] += 1.0
    assert torch.allclose(model.blocks(stream)[:, :-1], model.blocks(changed)[:, :-1])
    spec = from_spec("gpt:2:64:4", width=4, seed=3)
    assert isinstance(spec, GPT)
    assert all(map(torch.equal, weights(spec), weights(gpt(4, seed=3))))


def test_bad_gpts():
    for name in ("length", "layers", "width", "heads", "vocabulary", "outputs"):
        with pytest.raises(ValueError, match=f"{name} must be an integer, at least 1"):
            gpt(**{"length": 4, name: 0})
        with pytest.raises(TypeError, match=f"{name} must be an integer"):
            gpt(**{"length": 4, name: 2.0})
    with pytest.raises(ValueError, match="width must be a multiple of heads; got 6 and 4 heads"):
        gpt(4, width=6)
