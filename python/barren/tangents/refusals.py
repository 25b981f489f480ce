"""What a module, or a call within its forward, shows by itself to be no fixed function of one sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

ONE_SAMPLE = "the gradient is then not a function of one sample"
_BY_FREQUENCY = f"with scale_grad_by_freq, which divides by counts in the batch: {ONE_SAMPLE}. Set it to False"
_WITH_MAX_NORM = "with max_norm, which changes the weight in every forward. Rescale the weight, and set it to None"
_EMBEDDINGS = {function: signature(function) for function in (functional.embedding, functional.embedding_bag)}


def as_module(model: object) -> nn.Module:
    """The module to differentiate, without the wrappers that only hide it.

    They are those of `torch.compile`, and of `DataParallel` and `DistributedDataParallel`, which spread batches.

    Raises:
        TypeError: If it is not a torch module.
        ValueError: If it is compiled by TorchScript.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError("model must be an ordinary torch.nn.Module; got a TorchScript one: pass the original")
    # The class is not imported to compare with: that would load the whole compiler.
    if type(model).__name__ == "OptimizedModule" and isinstance(model._orig_mod, nn.Module):
        return as_module(model._orig_mod)
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return as_module(model.module)
    return model


def check_structure(model: nn.Module) -> None:
    """Refuses what the modules alone show: nothing to train, batch statistics, active dropout.

    Raises:
        ValueError: With the path of the module, the reason and the cure.
    """
    parameters = list(model.named_parameters())
    for name, parameter in parameters:
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ValueError(f"model must be initialised; parameter {name!r} is lazy: run the model once first")
    trainable = [parameter for _, parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise ValueError(
            f"model must have a trainable parameter; got {len(parameters)} parameters, none that "
            "requires a gradient: call model.requires_grad_(True)"
        )
    if any(parameter.is_complex() for parameter in trainable):
        raise ValueError("model must have real parameters; got complex ones: keep real and imaginary parts apart")
    _check_devices([parameter for _, parameter in parameters] + list(model.buffers()))
    check_hooks(model)
    for path, module in model.named_modules():
        if (reason := _depends_on_more(module)) is not None:
            raise ValueError(
                f"model must be a fixed function of one sample; got {type(module).__name__} at "
                f"{path or 'the top'!r} {reason}"
            )


def _check_devices(tensors: list[Tensor]) -> None:
    """Refuses tensors on another device than a CPU or CUDA."""
    kinds = {tensor.device.type for tensor in tensors}
    if "mps" in kinds:
        raise ValueError(
            "model must be on a device with float64, in which sums are kept; got parameters on MPS, which has none: "
            'call model.to("cpu")'
        )
    if "meta" in kinds:
        raise ValueError("model must hold numbers; its parameters are on the meta device: call model.to_empty(...)")
    if kinds - {"cpu", "cuda"}:
        raise ValueError(f'model must be on "cpu" or "cuda"; got {sorted(kinds)}: call model.to("cpu")')


def check_hooks(model: nn.Module) -> None:
    """Refuses what changes gradients past the forward: no derivative of the model tells of it.

    Hooks in the backward pass that only look are refused too: what a hook does shows when it has run, and it would run
    for every pass of the computation.
    """
    for name, parameter in model.named_parameters():
        # Private, and there is no other way to ask (torch 2.0 to 2.13).
        if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise ValueError(
                f"model must have no hooks on its parameters; got one on {name!r}, which may change the gradient: "
                "remove it, or pass copy.deepcopy(model), which has none"
            )
    for path, module in model.named_modules():
        if module._backward_hooks or module._backward_pre_hooks:
            raise ValueError(
                f"model must have no hooks in its backward pass; got one on {type(module).__name__} at "
                f"{path or 'the top'!r}, which may change the gradient: call remove() on its handle"
            )


def _depends_on_more(module: nn.Module) -> str | None:
    """Why this module's output is not a function of one sample alone, and the cure; None if it is one."""
    kind = nn.modules
    if isinstance(module, kind.batchnorm._BatchNorm):
        if module.running_mean is None:
            return f"without running statistics: {ONE_SAMPLE}. Use track_running_stats=True and model.eval()"
        if module.training:
            return f"in train mode, which normalises by the batch: {ONE_SAMPLE}. Call model.eval()"
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        if module.scale_grad_by_freq:
            return _BY_FREQUENCY
        if module.max_norm is not None:
            return _WITH_MAX_NORM
    if not module.training:
        return None
    if isinstance(module, kind.dropout._DropoutNd):
        active = module.p > 0
    elif isinstance(module, nn.MultiheadAttention):
        active = module.dropout > 0
    elif isinstance(module, nn.RNNBase):
        active = module.dropout > 0 and module.num_layers > 1
    else:
        active = isinstance(module, nn.RReLU)
    return f"that draws random numbers in train mode: {ONE_SAMPLE}. Call model.eval()" if active else None


class PastReferenceError(ValueError):
    """A forward reads a parameter of the model itself, not the snapshot's copy."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"model must read its parameters as attributes of their modules; its forward reaches {name!r} by another "
            "reference (a list, a closure): use nn.ParameterList or the attribute"
        )


def refuse_call(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> None:
    """Refuses a call of a torch function whose gradient is that of the batch, or that changes its weight.

    Raises:
        ValueError: If it is one.
    """
    bound = _EMBEDDINGS.get(function)
    if bound is None:
        return
    given = bound.bind(*args, **(kwargs or {})).arguments
    name = function.__name__
    if given.get("scale_grad_by_freq"):
        raise ValueError(f"model must be a fixed function of one sample; got {name} {_BY_FREQUENCY}")
    if given.get("max_norm") is not None:
        raise ValueError(f"model must be a fixed function of one sample; got {name} {_WITH_MAX_NORM}")


class Refusing(TorchFunctionMode):
    """Refuses what `refuse_call` does, wherever it is called within."""

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        refuse_call(func, args, kwargs)
        return func(*args, **(kwargs or {}))
