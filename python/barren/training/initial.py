"""The networks that runs start from: one a seed, checked on a few points before anything is trained."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from barren import _validate, models
from barren.tangents.refusals import check_hooks
from barren.tangents.snapshot import plain_autograd
from barren.training.arguments import Maker
from barren.training.losses import check_function
from barren.training.networks import call, names_of
from barren.training.task import Array, Run, Task


def maker_of(model: nn.Module | str | Maker, task: Task, x: Array) -> Maker:
    """The function seed -> network: by a text, by a function, or the given module as it is for every seed.

    Raises:
        TypeError: None of these.
        ValueError: A text that names no model.
    """
    if isinstance(model, nn.Module):
        return lambda seed: model
    if isinstance(model, str):
        width, outputs = task.features(x).shape[1], task.outputs_needed
        models.from_spec(model, width, 0, outputs=outputs)
        return lambda seed: models.from_spec(model, width, seed, outputs=outputs)
    if not callable(model):
        expected = "a torch module, a function seed -> module, or a text such as 'mlp:100x100:relu'"
        _validate.refuse(TypeError, "model", expected, _validate.came(model))
    return model


def networks_of(maker: Maker, task: Task, runs: Sequence[Run], x: Array, smallest: int) -> dict[int, nn.Module]:
    """The initial network of every seed, checked on a few points.

    Args:
        maker: Seed -> network.
        task: What the runs share.
        runs: The runs, for their seeds.
        x: A few points.
        smallest: How many points the smallest batch has: batch norm in training does not take one.

    Raises:
        TypeError: The function made no module.
        ValueError: No trainable parameter, a hook on a gradient, no copy to be made, features that it does not take,
            other outputs than classes, a forward that changes a parameter, sparse gradients, other shapes for other
            seeds; a loss that is no function of each sample, or has no gradient.
    """
    dtype = getattr(torch, task.dtype)
    found: dict[int, nn.Module] = {}
    features = torch.from_numpy(np.array(task.features(x))).to(task.device)
    for seed in dict.fromkeys(run.seed for run in runs):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            module = maker(seed)
        _validate.instance("model", module, nn.Module, "a function that returns a torch module")
        _check_parameters(module)
        check_hooks(module)  # gradients are made of copies of the parameters, past them
        made = _copied(module).to(device=task.device, dtype=dtype).train()
        outputs = _check_outputs(copy.deepcopy(made).eval(), task, features)
        if not found:
            if task.loss.function is not None:
                labels = torch.from_numpy(task.values(np.array([runs[0].member]), x)).to(outputs)
                check_function(task.loss, outputs.reshape(-1), labels.reshape(-1), task.classes[0].range)
            _check_gradients(made, features[:smallest])
        found[seed] = made
    _check_alike(list(found.values()), features)
    return found


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a part of a module may raise
        reason = " ".join(str(error).split())[:120]
        raise ValueError(
            f"model must be one that copy.deepcopy copies; got {type(error).__name__}: {reason} (what "
            "torch.nn.utils.prune left takes prune.remove first)"
        ) from error


def _check_parameters(module: nn.Module) -> None:
    parameters = dict(module.named_parameters())
    for name, parameter in parameters.items():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ValueError(f"model must be initialised; parameter {name!r} is lazy: run the model once first")
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise ValueError(f"model must have a trainable parameter; got none among {len(parameters)}")


def _check_outputs(module: nn.Module, task: Task, features: Tensor) -> Tensor:
    """The outputs, as many of each sample as the loss needs; the module is a copy, which its forward may change."""
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            outputs = module(features)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever the forward of a module may raise
        _refuse_pass(features, "", error)
    n, needed = len(features), task.outputs_needed
    if not isinstance(outputs, Tensor) or outputs.shape[:1] != (n,) or outputs.ndim > 2:
        came = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(f"model must give one row of outputs a sample, ({n}, k) for {n} samples; got {came}")
    width = 1 if outputs.ndim == 1 else outputs.shape[1]
    if task.loss.name == "cross-entropy":
        if width < needed:
            raise ValueError(f"model must have an output a label for cross-entropy, {needed}; got {width}")
    elif width != needed:
        raise ValueError(f"model must have one output a class, {needed}; got {width}")
    return outputs


def _check_gradients(module: nn.Module, features: Tensor) -> None:
    """A forward and a backward pass in train mode, of a copy."""
    trial = copy.deepcopy(module)
    parameters = {name: parameter for name, parameter in trial.named_parameters() if parameter.requires_grad}
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    changed: list[str] = []
    try:
        with plain_autograd(features.device):
            outputs = trial(features)
            # By the forward alone, as an embedding with max_norm does: no optimizer would know of it.
            changed = [name for name, parameter in parameters.items() if not _same(parameter, before[name])]
            gradients = torch.autograd.grad(outputs.sum(), list(parameters.values()), allow_unused=True)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a module may raise
        if not changed:
            _refuse_pass(features, " in train mode, forward and backward", error)
    if changed:
        raise ValueError(
            f"model must leave its parameters alone in the forward; got one that changes {changed[0]!r} (an embedding "
            "with max_norm does)"
        )
    for name, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None and gradient.layout != torch.strided:
            raise ValueError(
                f"model must have dense gradients; got a sparse one of {name!r}: make the embedding with sparse=False"
            )


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=0.0, atol=0.0, equal_nan=True)


def _refuse_pass(features: Tensor, how: str, error: Exception) -> NoReturn:
    reason = " ".join(str(error).split())[:200]
    raise ValueError(
        f"model must take what the encoding gives, features of shape {tuple(features.shape)} for {len(features)} "
        f"samples{how}; got {type(error).__name__}: {reason}"
    ) from error


def _check_alike(modules: list[nn.Module], features: Tensor) -> None:
    """Networks of several seeds may differ in their parameters and buffers alone: one structure serves them all."""
    shapes = {
        tuple((n, tuple(t.shape), t.requires_grad) for n, t in (*module.named_parameters(), *module.named_buffers()))
        for module in modules
    }
    if len(shapes) > 1:
        raise ValueError("model must have parameters and buffers of the same shapes for every seed; got others")
    skeleton = copy.deepcopy(modules[0]).eval()
    names = names_of(skeleton)
    for module in modules[1:]:
        state = {name: t.detach().clone() for name, t in (*module.named_parameters(), *module.named_buffers())}
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            as_first = call(skeleton, names, state, features)
            own = module.eval()(features)
            module.train()
        if not torch.allclose(as_first, own, rtol=1e-5, atol=1e-6, equal_nan=True):
            raise ValueError("model must differ between seeds in its parameters and buffers alone; got other functions")
