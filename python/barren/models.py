"""Built-in torch models for examples, figures and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise

import torch
from torch import nn

from barren import _validate

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}


def mlp(
    width: int,
    hidden: Sequence[int] = (1000, 1000),
    activation: str = "sigmoid",
    outputs: int = 1,
    seed: int | None = None,
) -> nn.Sequential:
    """A multilayer perceptron width → hidden … → outputs, with torch's default initialisation, on the CPU.

    Args:
        width: Number of inputs.
        hidden: Widths of the hidden layers; empty for a linear model.
        activation: A key of `ACTIVATIONS`, after each hidden layer.
        outputs: Number of outputs; no activation after the last layer.
        seed: Seed of the weights; the random state of torch is then left as it was. None draws from it.

    Raises:
        TypeError: If a size is not an integer, or activation not a string.
        ValueError: If a size is below 1, or the activation is unknown.

    Example:
        >>> mlp(10, (3,), "relu")
        Sequential(
          (0): Linear(in_features=10, out_features=3, bias=True)
          (1): ReLU()
          (2): Linear(in_features=3, out_features=1, bias=True)
        )
    """
    sizes = [_validate.integer("width", width, low=1)]
    sizes += [_validate.integer("hidden", size, low=1) for size in hidden]
    last = _validate.integer("outputs", outputs, low=1)
    make = ACTIVATIONS[_validate.choice("activation", activation, tuple(ACTIVATIONS))]
    with ExitStack() as stack:
        stack.enter_context(torch.device("cpu"))
        if seed is not None:
            value = _validate.integer("seed", seed, low=0, high=2**64 - 1)
            stack.enter_context(torch.random.fork_rng(devices=[]))
            # Not torch.manual_seed, which seeds the devices too.
            torch.default_generator.manual_seed(value)
        modules: list[nn.Module] = []
        for before, after in pairwise(sizes):
            modules += [nn.Linear(before, after), make()]
        modules.append(nn.Linear(sizes[-1], last))
    return nn.Sequential(*modules)


def from_spec(spec: str, width: int, seed: int | None = None) -> nn.Sequential:
    """The model that a short text names: "mlp:1000x1000:sigmoid", "mlp:64:relu" or "linear".

    Args:
        spec: "mlp:<widths joined by x>[:<activation>]", sigmoid where none is named, or "linear".
        width: Number of inputs.
        seed: See `mlp`.

    Raises:
        TypeError: If spec is not a string.
        ValueError: If it names no model.

    Example:
        >>> len(from_spec("mlp:1000x1000:sigmoid", width=10, seed=0))
        5
    """
    expected = f'"mlp:1000x1000:sigmoid" (activations: {", ".join(ACTIVATIONS)}) or "linear"'
    if not isinstance(spec, str):
        raise TypeError(f"model must be a text such as {expected}; got {type(spec).__name__}")
    if spec == "linear":
        return mlp(width, (), seed=seed)
    kind, _, rest = spec.partition(":")
    layers, _, activation = rest.partition(":")
    hidden = layers.split("x")
    fits = kind == "mlp" and all(size.isascii() and size.isdigit() and int(size) > 0 for size in hidden)
    if not fits or (activation or "sigmoid") not in ACTIVATIONS or spec.endswith(":"):
        raise ValueError(f"model must be {expected}; got {spec!r}")
    return mlp(width, tuple(map(int, hidden)), activation or "sigmoid", seed=seed)
