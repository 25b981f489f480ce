"""Built-in torch models for examples, figures and the command line: perceptrons and a small GPT-2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

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

    Returns:
        The network, float32, mapping shape (n, width) to (n, outputs).

    Raises:
        TypeError: If a size is not an integer, hidden no sequence, or activation not a string.
        ValueError: If a size is below 1, or the activation is unknown.

    Cost: that of drawing its weights.

    Source: torch.nn.Linear and its initialisation.

    Example:
        >>> mlp(10, (3,), "relu")
        Sequential(
          (0): Linear(in_features=10, out_features=3, bias=True)
          (1): ReLU()
          (2): Linear(in_features=3, out_features=1, bias=True)
        )
    """
    sizes = [_validate.integer("width", width, low=1)]
    if isinstance(hidden, str | bytes) or not isinstance(hidden, Iterable):
        _validate.refuse(TypeError, "hidden", "a sequence of widths, such as (10,)", _validate.came(hidden))
    sizes += [_validate.integer("hidden", size, low=1) for size in hidden]
    last = _validate.integer("outputs", outputs, low=1)
    make = ACTIVATIONS[_validate.choice("activation", activation, tuple(ACTIVATIONS))]
    with _seeded(seed):
        modules: list[nn.Module] = []
        for before, after in pairwise(sizes):
            modules += [nn.Linear(before, after), make()]
        modules.append(nn.Linear(sizes[-1], last))
    return nn.Sequential(*modules)


def gpt(
    length: int,
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    vocabulary: int = 10,
    outputs: int = 1,
    seed: int | None = None,
) -> GPT:
    """A small GPT-2: tokens in, the outputs read off the last position, on the CPU.

    Learned embeddings of tokens and positions; in each layer LayerNorm, causal self-attention, LayerNorm and a
    perceptron of width 4·width with GELU, both added to the residual stream; LayerNorm and a linear head. The weights
    are drawn as in GPT-2: N(0, 0.02²), those that write to the residual stream divided by √(2·layers), biases zero.
    No dropout, so train and eval mode agree.

    Args:
        length: Number of tokens of an input, the width of the encoding: `barren.encodings.Digits` or `Bits`.
        layers: Number of layers.
        width: Width of the residual stream, a multiple of heads.
        heads: Attention heads.
        vocabulary: Number of tokens; inputs are integers 0..vocabulary−1 (as floats).
        outputs: Number of outputs.
        seed: See `mlp`.

    Returns:
        The network, float32, mapping shape (n, length) to (n, outputs).

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is below 1, or width not a multiple of heads.

    Cost: that of drawing its weights.

    Example:
        >>> sum(p.numel() for p in gpt(4).parameters())
        101057

    Source:
        Radford, Wu, Child, Luan, Amodei, Sutskever, Language models are unsupervised multitask learners (2019).
    """
    sizes = {"length": length, "layers": layers, "width": width, "heads": heads, "vocabulary": vocabulary}
    for name, size in [*sizes.items(), ("outputs", outputs)]:
        _validate.integer(name, size, low=1)
    if width % heads:
        raise ValueError(f"width must be a multiple of heads; got {width} and {heads} heads")
    with _seeded(seed):
        return GPT(length, layers, width, heads, vocabulary, outputs)


class GPT(nn.Module):
    """The module that `gpt` builds.

    Raises nothing of its own: `gpt` checks.

    Args:
        length, layers, width, heads, vocabulary, outputs: as for `gpt`.

    Source: Radford et al., Language models are unsupervised multitask learners (2019).
    """

    def __init__(self, length: int, layers: int, width: int, heads: int, vocabulary: int, outputs: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                residual = name.endswith(("project.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5 if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (n, length), integers of any dtype, to outputs (n, outputs).

        Args:
            x: tokens, shape (n, length), int64 or another dtype of integers.
        """
        positions = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        stream = self.tokens(x.long()) + self.positions(positions)
        outputs: Tensor = self.head(self.norm(self.blocks(stream)[:, -1]))
        return outputs


class _Block(nn.Module):
    """One layer of a GPT."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.attend, self.project = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )
        self.norm2, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, stream: Tensor) -> Tensor:
        """The residual stream (n, length, width)."""
        n, length, width = stream.shape
        packed = self.attend(self.norm1(stream)).view(n, length, 3, self.heads, width // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        stream = stream + self.project(mixed.transpose(1, 2).reshape(n, length, width))
        changed: Tensor = stream + self.down(functional.gelu(self.up(self.norm2(stream))))
        return changed


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Modules are made on the CPU; with a seed the random state of torch is left as it was."""
    with ExitStack() as stack:
        stack.enter_context(torch.device("cpu"))
        if seed is not None:
            value = _validate.integer("seed", seed, low=0, high=2**64 - 1)
            stack.enter_context(torch.random.fork_rng(devices=[]))
            # Not torch.manual_seed, which seeds the devices too.
            torch.default_generator.manual_seed(value)
        yield


def from_spec(spec: str, width: int, seed: int | None = None, *, outputs: int = 1) -> nn.Module:
    """The model that a short text names: "mlp:1000x1000:sigmoid", "mlp:64:relu", "linear" or "gpt:2:64:4".

    Args:
        spec: "mlp:<widths joined by x>[:<activation>]", sigmoid where none is named, "linear", or
            "gpt:<layers>:<width>:<heads>" for tokens 0..9 (digits in a base up to 10, or bits).
        width: Number of inputs.
        seed: See `mlp`.
        outputs: Number of outputs.

    Returns:
        What `mlp` or `gpt` returns.

    Raises:
        TypeError: If spec is not a string.
        ValueError: If it names no model.

    Cost: that of drawing its weights.

    Source: docs/sweeps, on the grid.

    Example:
        >>> len(from_spec("mlp:1000x1000:sigmoid", width=10, seed=0))
        5
    """
    return maker(spec)(width, seed, outputs)


class Maker(Protocol):
    """Builds the model of a text.

    Source: docs/sweeps, on the grid.
    """

    def __call__(self, width: int, seed: int | None = None, outputs: int = 1) -> nn.Module:
        """For so many inputs and outputs."""


def maker(spec: str) -> Maker:
    """What builds the model that a text names, once the text has been read; see `from_spec`.

    Args:
        spec: as for `from_spec`.

    Returns:
        A function of width, seed and outputs that returns the model.

    Raises:
        TypeError: If spec is not a string.
        ValueError: If it names no model.

    Cost: none to speak of.

    Source: docs/sweeps, on the grid.

    Example:
        >>> maker("linear")(width=3, seed=0, outputs=2)
        Sequential(
          (0): Linear(in_features=3, out_features=2, bias=True)
        )
    """
    expected = f'"mlp:1000x1000:sigmoid" (activations: {", ".join(ACTIVATIONS)}), "linear" or "gpt:2:64:4"'
    if not isinstance(spec, str):
        raise TypeError(f"model must be a text such as {expected}; got {type(spec).__name__}")
    if spec == "linear":
        return lambda width, seed=None, outputs=1: mlp(width, (), outputs=outputs, seed=seed)
    kind, _, rest = spec.partition(":")
    if kind == "gpt":
        sizes = rest.split(":")
        if len(sizes) != 3 or not all(map(_is_size, sizes)) or int(sizes[1]) % int(sizes[2]):
            raise ValueError(f"model must be {expected}, the width a multiple of the heads; got {spec!r}")
        layers, stream, heads = map(int, sizes)
        return lambda width, seed=None, outputs=1: gpt(width, layers, stream, heads, outputs=outputs, seed=seed)
    widths, _, activation = rest.partition(":")
    hidden = widths.split("x")
    fits = kind == "mlp" and all(map(_is_size, hidden))
    if not fits or (activation or "sigmoid") not in ACTIVATIONS or spec.endswith(":"):
        raise ValueError(f"model must be {expected}; got {spec!r}")
    chosen = tuple(map(int, hidden))
    return lambda width, seed=None, outputs=1: mlp(width, chosen, activation or "sigmoid", outputs, seed)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0
