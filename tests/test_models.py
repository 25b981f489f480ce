"""The built-in models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from barren.models import ACTIVATIONS, from_spec, mlp


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
