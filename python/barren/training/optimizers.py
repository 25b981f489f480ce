"""The optimizers: torch's own, on parameters that carry a run in their first dimension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from barren import _validate

# Name -> the options it takes beside the learning rate, with their defaults.
OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    "adam": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "adamw": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
    "sign-sgd": {"momentum": 0.0, "weight_decay": 0.0},
}


@dataclass(frozen=True)
class Optimizer:
    """An optimizer by name; torch's update, the same arithmetic for one run and for many.

    "sign-sgd" is SGD on the signs of the gradients, sign before momentum.

    Attributes:
        name: A key of `OPTIONS`.
        options: Its options, defaults filled in.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self, parameter: Tensor, rate: float) -> torch.optim.Optimizer:
        """Of torch, for this parameter."""
        if self.name == "adam":
            return torch.optim.Adam([parameter], lr=rate, fused=True, **self.options)
        if self.name == "adamw":
            return torch.optim.AdamW([parameter], lr=rate, fused=True, **self.options)
        return torch.optim.SGD([parameter], lr=rate, fused=True, **self.options)

    def step(self, optimizer: torch.optim.Optimizer, parameter: Tensor, gradient: Tensor) -> None:
        """One update; the gradient is used up."""
        parameter.grad = gradient.sign_() if self.name == "sign-sgd" else gradient
        optimizer.step()


def from_spec(name: object, options: Mapping[str, Any] | None) -> Optimizer:
    """The optimizer of that name.

    Raises:
        TypeError: not a name, or options that are no mapping.
        ValueError: an unknown name or option, or a value that torch refuses.
    """
    if not isinstance(name, str):
        _validate.refuse(TypeError, "optimizer", f"one of {', '.join(OPTIONS)}", _validate.came(name))
    chosen = _validate.choice("optimizer", name, tuple(OPTIONS))
    given = {} if options is None else options
    if not isinstance(given, Mapping):
        _validate.refuse(TypeError, "optimizer_options", "a mapping", _validate.came(options))
    unknown = [key for key in given if key not in OPTIONS[chosen]]
    if unknown:
        known = ", ".join(OPTIONS[chosen])
        raise ValueError(f"optimizer_options of {chosen} must be among {known}; got {', '.join(map(str, unknown))}")
    made = Optimizer(chosen, {**OPTIONS[chosen], **{key: _checked(key, value) for key, value in given.items()}})
    try:
        made.make(torch.zeros(1, requires_grad=True), 1e-3)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"optimizer_options must be values that torch takes; {error}") from None
    return made


def _checked(key: str, value: Any) -> Any:
    """An option as torch takes it."""
    name = f"optimizer_options[{key!r}]"
    if key == "nesterov":
        return _validate.boolean(name, value)
    if key != "betas":
        return _validate.real(name, value, low=0.0)
    betas = _validate.vector(name, value, length=2).tolist()
    if not all(0.0 <= beta < 1.0 for beta in betas):
        _validate.refuse(ValueError, name, "two numbers in [0, 1)", _validate.came(value))
    return tuple(betas)


def kept_state(optimizer: torch.optim.Optimizer, parameter: Tensor, rows: Tensor | None) -> dict[str, Any]:
    """The state of a parameter, of these runs alone; numbers that all runs share stay."""
    return {key: _taken(value, parameter, rows) for key, value in optimizer.state.get(parameter, {}).items()}


def _taken(value: Any, parameter: Tensor, rows: Tensor | None) -> Any:
    if not isinstance(value, Tensor):
        return value
    per_run = value.shape == parameter.shape and value.ndim > 0
    return value[rows].clone() if per_run and rows is not None else value.clone()
