"""Linear layers and activations one after the other: forward and backward pass of many copies as batched products.

`vmap` and autograd take any module, but make every tensor of a step anew; those of a group of runs are so large that
they come as fresh pages from the system, which costs as much as the products. Here a step writes into the tensors of
the one before, and its gradients to where the optimizer reads them. The derivatives are those that autograd calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_aten: Any = torch.ops.aten

# A product's last bits depend on where its matrices lie: those of every run begin on a boundary of 64 bytes.
_ALIGNED = 16


@dataclass(frozen=True)
class _Linear:
    """y = x·Wᵀ + b for x of shape (runs, n, before), W of shape (runs, after, before)."""

    weight: str
    bias: str | None
    after: int

    def forward(self, parameters: Mapping[str, Tensor], x: Tensor, y: Tensor) -> None:
        transposed = parameters[self.weight].mT
        if self.bias is None:
            torch.bmm(x, transposed, out=y)
        else:
            torch.baddbmm(parameters[self.bias][:, None], x, transposed, out=y)

    def differentiate(self, x: Tensor, gradient: Tensor, into: Mapping[str, Tensor]) -> None:
        """The gradients of W and b, from that of y."""
        torch.bmm(gradient.mT, x, out=into[self.weight])
        if self.bias is not None:
            torch.sum(gradient, 1, out=into[self.bias])


@dataclass(frozen=True)
class _Activation:
    """y = σ(x), number by number.

    Attributes:
        forward: Of x and y, which it writes.
        backward: Of the gradient of y, which it turns into that of x, x and y.
        forgets: Whether the derivative is told by y, so that y may lie where x lay.
    """

    forward: Callable[[Tensor, Tensor], Any]
    backward: Callable[[Tensor, Tensor, Tensor], Any]
    forgets: bool


def _relu(module: Any) -> _Activation:
    return _Activation(
        lambda x, y: torch.clamp(x, min=0.0, out=y),  # the same as relu, and faster
        lambda g, x, y: _aten.threshold_backward.grad_input(g, y, 0, grad_input=g),
        forgets=True,
    )


def _by_value(name: str) -> _Activation:
    """An activation of torch whose derivative is told by its value."""
    forward, backward = getattr(_aten, name).out, getattr(_aten, f"{name}_backward").grad_input
    return _Activation(lambda x, y: forward(x, out=y), lambda g, x, y: backward(g, y, grad_input=g), forgets=True)


def _by_input(name: str, **options: Any) -> _Activation:
    """One whose derivative is told by what goes into it."""
    forward, backward = getattr(_aten, name).out, getattr(_aten, f"{name}_backward").grad_input
    return _Activation(
        lambda x, y: forward(x, **options, out=y),
        lambda g, x, y: backward(g, x, **options, grad_input=g),
        forgets=False,
    )


_ACTIVATIONS: dict[type[nn.Module], Callable[[Any], _Activation]] = {
    nn.ReLU: _relu,
    nn.Sigmoid: lambda module: _by_value("sigmoid"),
    nn.Tanh: lambda module: _by_value("tanh"),
    nn.GELU: lambda module: _by_input("gelu", approximate=module.approximate),
    nn.SiLU: lambda module: _by_input("silu"),
    nn.Softplus: lambda module: _by_input("softplus", beta=module.beta, threshold=module.threshold),
}


class Chain:
    """Copies of one chain; a parameter has the run in its first dimension.

    Cost: the products alone; two tensors a stage, as large as the largest batch, are kept from one call to the next.
    """

    def __init__(self, stages: list[_Linear | _Activation]) -> None:
        self._stages = stages
        self._first = next(k for k, stage in enumerate(stages) if isinstance(stage, _Linear))
        self._kept: dict[tuple[int, str], Tensor] = {}

    def _room(self, purpose: tuple[int, str], like: Tensor, width: int) -> Tensor:
        """A tensor (runs, n, width), in the memory of the last call where that suffices; every run is aligned alike."""
        runs, n = like.shape[:2]
        each = -(-n * width // _ALIGNED) * _ALIGNED
        kept = self._kept.get(purpose)
        if kept is None or len(kept) < runs * each:
            kept = self._kept[purpose] = like.new_empty(runs * each)
        return kept.as_strided((runs, n, width), (each, width, 1))

    def _aligned(self, purpose: tuple[int, str], x: Tensor) -> Tensor:
        """A tensor that came from elsewhere, or a copy of it."""
        if x.is_contiguous() and x[0].numel() % _ALIGNED == 0:
            return x
        return self._room(purpose, x, x.shape[2]).copy_(x)

    def _may_replace(self, k: int) -> bool:
        """Whether nobody needs what goes into this activation: an activation before it would."""
        stage = self._stages[k]
        return k > 0 and isinstance(stage, _Activation) and stage.forgets and isinstance(self._stages[k - 1], _Linear)

    def forward(self, parameters: Mapping[str, Tensor], features: Tensor) -> list[Tensor]:
        """What goes into every stage, (runs, n, width), and last the outputs; overwritten by the next call."""
        with torch.no_grad():
            values = [self._aligned((0, "features"), features)]
            for k, stage in enumerate(self._stages):
                x = values[-1]
                if isinstance(stage, _Linear):
                    values.append(self._room((k, "value"), x, stage.after))
                    stage.forward(parameters, x, values[-1])
                else:
                    values.append(x if self._may_replace(k) else self._room((k, "value"), x, x.shape[2]))
                    stage.forward(x, values[-1])
        return values

    def backward(
        self, parameters: Mapping[str, Tensor], values: list[Tensor], gradient: Tensor, into: Mapping[str, Tensor]
    ) -> None:
        """From the gradient of the outputs, which is used up, that of every parameter, written `into` its place."""
        last = len(self._stages) - 1
        with torch.no_grad():
            gradient = self._aligned((last, "gradient above"), gradient)
            for k in range(last, self._first - 1, -1):
                stage, x, y = self._stages[k], values[k], values[k + 1]
                if isinstance(stage, _Activation):
                    stage.backward(gradient, x, y)
                    continue
                stage.differentiate(x, gradient, into)
                if k > self._first:
                    below = self._room((k, "gradient"), x, x.shape[2])
                    gradient = torch.bmm(gradient, parameters[stage.weight], out=below)


def chain_of(module: nn.Module) -> Chain | None:
    """The module as a chain, or None where it is something else.

    A chain is (a `Sequential` of) linear layers and activations of torch itself, no layer twice, all of it trained and
    no forward changed by hooks.
    """
    if any(_is_changed(part) for part in module.modules()):
        return None
    stages: list[_Linear | _Activation] = []
    for name, part in _parts(module, ""):
        if type(part) is nn.Linear:
            bias = f"{name}bias" if part.bias is not None else None
            # Not out_features, which says what it was made with: a weight may have been replaced since.
            stages.append(_Linear(f"{name}weight", bias, part.weight.shape[0]))
        elif type(part) in _ACTIVATIONS:
            stages.append(_ACTIVATIONS[type(part)](part))
        elif type(part) is not nn.Identity:
            return None
    used = [name for stage in stages if isinstance(stage, _Linear) for name in (stage.weight, stage.bias) if name]
    trained = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    return Chain(stages) if used and sorted(used) == sorted(trained) else None


def _parts(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """The modules in the order in which they are called, with what their parameters' names begin with."""
    if type(module) is not nn.Sequential:
        yield prefix, module
        return
    for key, part in module._modules.items():  # one that is there twice is called twice
        if part is not None:
            yield from _parts(part, f"{prefix}{key}.")


def _is_changed(module: nn.Module) -> bool:
    hooks = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
    return "forward" in vars(module) or any(getattr(module, kind) for kind in hooks)
