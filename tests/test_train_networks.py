"""Networks of every kind: those that cannot be batched, those that share weights, and what seeds may change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from train_helpers import CLS, SHORT, Ints, P, assert_is_the_plain_loop, rows_of

import barren
from barren.training import FixedSample
from barren.training.arguments import Maker


@pytest.mark.parametrize("part", [nn.Dropout(0.3), nn.BatchNorm1d(20)], ids=["dropout", "batch norm"])
def test_what_cannot_be_batched_is_trained_alone_and_said_so(part: nn.Module) -> None:
    def make(seed: int) -> nn.Module:
        return nn.Sequential(nn.Linear(8, 20), part, nn.ReLU(), nn.Linear(20, 1))

    before = torch.get_rng_state()
    both = barren.train(CLS, make, members=[3, 5], seeds=2, **SHORT)
    assert "one run at a time" in both.note
    assert torch.equal(torch.get_rng_state(), before)
    alone = barren.train(CLS, make, members=[5], seeds=[1], **SHORT)
    assert rows_of(alone) == rows_of(both)[3:]


def test_an_embedding_with_padding_is_trained_one_run_at_a_time() -> None:
    def make(seed: int) -> nn.Module:
        return nn.Sequential(Ints(), nn.Embedding(P, 6, padding_idx=0), nn.Flatten(), nn.Linear(6, 1))

    both = barren.train(CLS, make, encoding=lambda x, p: x[:, None] * 1.0, members=[3, 5], **SHORT)
    assert "embedding with padding" in both.note
    assert not any(both.model(place)[1].weight[0].any() for place in range(2))
    (alone,) = barren.train(CLS, make, encoding=lambda x, p: x[:, None] * 1.0, members=[5], **SHORT).rows
    assert repr(alone) == repr(both.rows[1])


class Scaled(nn.Module):
    def __init__(self, seed: int, *, buffer: bool) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.linear = nn.Linear(8, 1)
        self.factor: object = 1.0 + seed
        if buffer:
            del self.factor
            self.register_buffer("factor", torch.tensor(1.0 + seed), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.factor


def test_networks_of_other_seeds_differ_in_tensors_alone() -> None:
    with pytest.raises(ValueError, match="parameters and buffers alone"):
        barren.train(CLS, lambda seed: Scaled(seed, buffer=False), seeds=2, **SHORT)
    both = barren.train(CLS, lambda seed: Scaled(seed, buffer=True), seeds=2, **SHORT)
    assert [float(both.model(place).factor) for place in range(2)] == [1.0, 2.0]


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.second(torch.tanh(self.first(x)))))


class Twice(nn.Module):
    """One layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(8, 8), nn.Linear(8, 1)
        self.second = self.first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.second(torch.tanh(self.first(x)))))


def shown(x: np.ndarray, p: float) -> np.ndarray:
    return x[:, None] * 1.0


def embedding(**options: object) -> nn.Module:
    return nn.Sequential(Ints(), nn.Embedding(P, 6, **options), nn.Flatten(), nn.Linear(6, 1))


# No bias before the norm: its gradient is rounding alone, of which Adam makes steps of full length (docs/experiments).
NETWORKS = {
    "tied": Tied,
    "twice": Twice,
    "batch norm": lambda: nn.Sequential(nn.Linear(8, 20, bias=False), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 1)),
    "padding": lambda: embedding(padding_idx=0),
    "by frequency": lambda: embedding(scale_grad_by_freq=True),
}


def seeded(name: str) -> Maker:
    def make(seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return NETWORKS[name]()

    return make


OPTIMIZERS = [("sgd", {"momentum": 0.9}), ("adam", {}), ("adamw", {"betas": (0.8, 0.99)}), ("sign-sgd", {})]


@pytest.mark.parametrize(("optimizer", "options"), OPTIMIZERS, ids=[name for name, _ in OPTIMIZERS])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_network_is_trained_as_the_plain_loop_trains_it(name: str, optimizer: str, options: object) -> None:
    """Records in between leave running statistics alone: they are made in evaluation mode."""
    encoding = {"encoding": shown} if name in ("padding", "by frequency") else {}
    settings = {"optimizer": optimizer, "optimizer_options": options, "lr": 0.01, **encoding}
    ensemble = barren.train(
        CLS, seeded(name), members=[3, 5], seeds=2, dtype="float64", steps=30, batch_size=30, records=30,
        data="sample:101", **settings,
    )  # fmt: skip
    assert ("one run at a time" in ensemble.note) == (name not in ("tied", "twice"))
    assert_is_the_plain_loop(CLS, ensemble, seeded(name), FixedSample(101), **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_network_has_the_same_bits_alone(name: str, dtype: str) -> None:
    settings = {**SHORT, "optimizer": "adamw", "optimizer_options": {"betas": (0.8, 0.99)}, "dtype": dtype, "lr": 0.01}
    if name in ("padding", "by frequency"):
        settings["encoding"] = shown
    whole = barren.train(CLS, seeded(name), members=[3, 5, 77], seeds=3, **settings)
    for place in (0, 4, 8):
        row = whole.rows[place]
        alone = barren.train(CLS, seeded(name), members=[row["member"]], seeds=[row["seed"]], **settings)
        assert rows_of(alone) == [rows_of(whole)[place]]
        same = zip(whole.model(place).state_dict().values(), alone.model(0).state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in same)


def normed(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(8, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 67), nn.Tanh(), nn.Linear(67, 1))


@pytest.mark.parametrize("make", [normed, seeded("tied"), seeded("twice")], ids=["norm", "tied", "twice"])
def test_losses_of_odd_shapes_agree_alone_and_in_company(make: Maker) -> None:
    """Where a batch times a width is no multiple of 16, vmap gives other last bits in another place."""
    settings = {**SHORT, "steps": 70, "batch_size": 13, "lr": 0.01}
    whole = barren.train(CLS, make, members=[3, 5, 77], seeds=2, **settings)
    for row in whole.rows:
        (alone,) = barren.train(CLS, make, members=[row["member"]], seeds=[row["seed"]], **settings).rows
        assert alone["train_loss"] == pytest.approx(row["train_loss"], rel=1e-5)
        assert alone["test_loss"] == pytest.approx(row["test_loss"], rel=1e-5)


def test_a_layer_used_twice_is_given_back_and_watched() -> None:
    ensemble = barren.train(CLS, seeded("twice"), members=[3, 5], watch=2, watch_runs=2, **SHORT)
    for place in range(2):
        module = ensemble.model(place)
        assert module.first is module.second
        assert all(not torch._C._functorch.is_batchedtensor(tensor) for tensor in module.parameters())
    assert [row["run"] for row in ensemble.watched] == [0, 0, 1, 1]
