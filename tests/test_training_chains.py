"""Chains: the products of linear layers and activations against autograd, and what is not taken for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

import barren
from barren import models, targets
from barren.training.chains import Chain, chain_of

RUNS = 3


def shifted() -> nn.Module:
    return nn.Sequential(nn.Softplus(2.0, 3.0), nn.Linear(5, 4), nn.GELU("tanh"), nn.Linear(4, 2, bias=False))


def cut() -> nn.Module:
    """A layer of fewer outputs than it was made with."""
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(3, 2))
    model[0].weight, model[0].bias = (nn.Parameter(tensor[:3].detach().clone()) for tensor in model[0].parameters())
    return model


CHAINS: dict[str, Callable[[], nn.Module]] = {
    **{name: lambda name=name: models.mlp(5, (7, 6), name) for name in models.ACTIVATIONS},
    "one layer": lambda: nn.Linear(5, 3),
    "starts and ends with an activation": lambda: nn.Sequential(shifted(), nn.Sigmoid()),
    "activations in a row": lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.Linear(4, 1)),
    "cut": cut,
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.Identity()), nn.Sequential(nn.Linear(4, 1))),
}


def stacked(make: Callable[[], nn.Module]) -> tuple[nn.Module, dict[str, Tensor]]:
    made = [make().double() for _ in range(RUNS)]
    return made[0], stack_module_state(made)[0]


def gradients_of(chain: Chain, parameters: dict[str, Tensor], x: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Of Σ weights·outputs²."""
    values = chain.forward(parameters, x)
    into = {name: torch.full_like(tensor, torch.nan) for name, tensor in parameters.items()}
    chain.backward(parameters, values, 2.0 * weights * values[-1], into)
    return into


@pytest.mark.parametrize("name", list(CHAINS))
def test_outputs_and_gradients_are_those_of_autograd(name: str) -> None:
    module, parameters = stacked(CHAINS[name])
    chain = chain_of(module)
    assert chain is not None
    for n in (9, 32, 4):  # memory of the last call is used again
        x = torch.randn(RUNS, n, 5, dtype=torch.float64)
        outputs = vmap(lambda p, x: functional_call(module, p, (x,)))(parameters, x)
        weights = torch.randn_like(outputs)
        truth = torch.autograd.grad((weights * outputs.square()).sum(), list(parameters.values()))
        torch.testing.assert_close(chain.forward(parameters, x)[-1], outputs, rtol=1e-12, atol=1e-14)
        found = gradients_of(chain, parameters, x, weights)
        torch.testing.assert_close(list(found.values()), list(truth), rtol=1e-11, atol=1e-13)


class Doubled(nn.Linear):
    """A linear layer to type, and none to value."""

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * super().forward(x)


def frozen() -> nn.Module:
    module = models.mlp(5, (4,))
    module[0].weight.requires_grad_(False)
    return module


def twice() -> nn.Module:
    layer = nn.Linear(5, 5)
    return nn.Sequential(layer, nn.ReLU(), layer)


def tied() -> nn.Module:
    module = models.mlp(5, (5,), outputs=5)
    module[2].weight = module[0].weight
    return module


def hooked() -> nn.Module:
    module = models.mlp(5, (4,))
    module[1].register_forward_hook(lambda part, given, found: 2.0 * found)
    return module


def replaced() -> nn.Module:
    module = models.mlp(5, (4,))
    module[1].forward = torch.sin
    return module


OTHERS = {
    "a subclass": lambda: nn.Sequential(Doubled(5, 1)),
    "another module": lambda: nn.Sequential(nn.Linear(5, 5), nn.LayerNorm(5), nn.Linear(5, 1)),
    "dropout": lambda: nn.Sequential(nn.Linear(5, 5), nn.Dropout(), nn.Linear(5, 1)),
    "no layer": lambda: nn.Sequential(nn.ReLU()),
    "a frozen weight": frozen,
    "a layer twice": twice,
    "tied weights": tied,
    "a hook": hooked,
    "a parametrization": lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 1))),
    "another forward": replaced,
    "a transformer": lambda: models.gpt(5, 1, 8, 2),
}


@pytest.mark.parametrize("name", list(OTHERS))
def test_what_is_no_chain_is_not_taken_for_one(name: str) -> None:
    assert chain_of(OTHERS[name]()) is None


def test_an_activation_that_is_there_twice_is_called_twice() -> None:
    sine = nn.Tanh()
    module, parameters = stacked(lambda: nn.Sequential(nn.Linear(5, 5), sine, nn.Linear(5, 1), sine))
    chain = chain_of(module)
    assert chain is not None
    x = torch.randn(RUNS, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(chain.forward(parameters, x)[-1][0], module(x[0]))


@pytest.mark.parametrize("batch_size", [7, 33])
@pytest.mark.parametrize("activation", ["relu", "tanh", "silu"])
def test_bits_do_not_depend_on_where_a_run_lies(activation: str, batch_size: int) -> None:
    """Sizes at which no tensor but the padded ones begins on a boundary."""
    cls = barren.ModularMultiplication(251, target=targets.Bit(0))
    settings = {"steps": 40, "batch_size": batch_size, "records": 4, "data": "sample:173", "lr": 0.01}
    whole = barren.train(cls, f"mlp:13x11:{activation}", members=[1, 2, 77], seeds=3, **settings)
    for place, row in enumerate(whole.rows):
        alone = barren.train(
            cls, f"mlp:13x11:{activation}", members=[row["member"]], seeds=[row["seed"]], threads=1, **settings
        )
        assert repr(alone.rows[0]) == repr(row)
        same = zip(whole.model(place).parameters(), alone.model(0).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in same)


def test_a_loss_may_write_into_the_outputs() -> None:
    def in_place(outputs: Tensor, labels: Tensor) -> Tensor:
        return outputs.sub_(labels).square()

    cls, settings = barren.ModularMultiplication(31, target=targets.Bit(0)), {"members": [3], "steps": 9, "threads": 1}
    found, truth = (
        barren.train(cls, "mlp:8:relu", loss=loss, **settings).model(0)
        for loss in (in_place, lambda o, y: (o - y).square())
    )
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), truth.parameters(), strict=True))
