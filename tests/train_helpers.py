"""What the tests of training share: a class, settings, networks, the plain loop, a progress that stops."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import barren
from barren import encodings, inputs, models, reference, targets
from barren._progress import Progress
from barren.classes import TargetClass
from barren.training import Ensemble, Protocol
from barren.training.arguments import Maker

P = 251
CLS = barren.ModularMultiplication(P, target=targets.Bit(0))
SHORT: dict[str, Any] = {"steps": 25, "batch_size": 40, "records": 3, "data": "population:200"}


def rows_of(ensemble: Ensemble) -> list[dict[str, object]]:
    return [{key: repr(value) for key, value in row.items()} for row in ensemble.rows]


def deep(seed: int) -> nn.Module:
    """Norms, products and the functions whose last bits depend on the place in a tensor."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(8, 24), nn.Sigmoid(), nn.LayerNorm(24), nn.Linear(24, 24), nn.GELU(), nn.Linear(24, 24),
            nn.Softplus(), nn.Linear(24, 1),
        )  # fmt: skip


MODELS = {
    "mlp": lambda seed: models.mlp(8, (20, 20), "relu", seed=seed),
    "tanh": lambda seed: models.mlp(8, (13,), "tanh", seed=seed),
    "deep": deep,
    "gpt": lambda seed: models.gpt(8, 1, 16, 2, 2, seed=seed),
}


def assert_is_the_plain_loop(
    cls: TargetClass, ensemble: Ensemble, make: Maker, protocol: Protocol, **settings: object
) -> None:
    """Every run against torch's own module and optimizer in float64, one batch after the other."""
    encoding = settings.pop("encoding", encodings.Bits())
    for place, row in enumerate(ensemble.rows):
        module = make(row["seed"]).double()
        stream = protocol.stream(cls, inputs.Uniform(), row["seed"], 30)
        batches = [stream.points(step, step + 1) for step in range(row["steps"])]
        reference.train(cls, module, row["member"], batches, encoding=encoding, **settings)
        for name, tensor in ensemble.model(place).state_dict().items():
            torch.testing.assert_close(tensor, module.state_dict()[name], rtol=1e-9, atol=1e-11)


class StopError(Exception):
    """What a training is stopped with in the middle."""


class Stopping(Progress):
    """Stops the training at its ninth report."""

    count = 0

    def advance(self, count: int = 1, share: float | None = None) -> None:
        self.count += 1
        if self.count == 9:
            raise StopError


class Ints(nn.Module):
    """Features as the integers that an embedding takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.long()
