"""Checks on a model before anything is computed: is its gradient that of one output in one sample?

Each refusal says why and what cures it. The structural checks read the modules; the others run a small probe.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from barren.tangents.snapshot import COMPUTING_DTYPES, Snapshot, at_most, plain_autograd, random_state

# Points of the probe batch, and how many of them are compared with their value alone.
PROBE_POINTS = 16
ALONE_POINTS = 3

_ONE_SAMPLE = "the gradient is then not a function of one sample"


def as_module(model: object) -> nn.Module:
    """The module to differentiate; a `torch.compile` wrapper is taken off, since it only hides the modules.

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
        return model._orig_mod
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
    if any(parameter.device.type == "mps" for _, parameter in parameters):
        raise ValueError(
            "model must be on a device with float64, in which sums are kept; got parameters on MPS, which has none: "
            'call model.to("cpu")'
        )
    if any(parameter.is_meta for parameter in trainable):
        raise ValueError("model must hold numbers; its parameters are on the meta device: call model.to_empty(...)")
    for path, module in model.named_modules():
        if (reason := _depends_on_more(module)) is not None:
            raise ValueError(
                f"model must be a fixed function of one sample; got {type(module).__name__} at "
                f"{path or 'the top'!r} {reason}"
            )


def _depends_on_more(module: nn.Module) -> str | None:
    """Why this module's output is not a function of one sample alone, and the cure; None if it is one."""
    kind = nn.modules
    if isinstance(module, kind.batchnorm._BatchNorm):
        if module.running_mean is None:
            return f"without running statistics: {_ONE_SAMPLE}. Use track_running_stats=True and model.eval()"
        if module.training:
            return f"in train mode, which normalises by the batch: {_ONE_SAMPLE}. Call model.eval()"
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
    return f"that draws random numbers in train mode: {_ONE_SAMPLE}. Call model.eval()" if active else None


def computing_dtype(model: nn.Module, dtype: Any) -> tuple[torch.dtype, bool]:
    """The dtype to compute in, and whether parameters are to be cast to it.

    Args:
        model: A module with trainable parameters.
        dtype: None for that of the trainable parameters, or float32 or float64 by name, NumPy or torch dtype.

    Raises:
        TypeError: If it is not a dtype.
        ValueError: If it is another dtype, or None where the parameters are not all float32 or all float64.
    """
    if dtype is not None:
        try:
            name = str(dtype).removeprefix("torch.") if isinstance(dtype, torch.dtype) else np.dtype(dtype).name
        except TypeError:
            raise TypeError(f'dtype must be None, "float32" or "float64"; got {dtype!r}') from None
        if name not in COMPUTING_DTYPES:
            raise ValueError(f'dtype must be None, "float32" or "float64"; got {dtype!r}')
        return COMPUTING_DTYPES[name], True
    found = list({parameter.dtype for parameter in model.parameters() if parameter.requires_grad})
    if len(found) == 1 and found[0] in COMPUTING_DTYPES.values():
        return found[0], False
    names = ", ".join(sorted(str(item).removeprefix("torch.") for item in found))
    raise ValueError(
        f"model must have trainable parameters all float32 or all float64; got {names}: "
        'pass dtype="float64" to evaluate it in double precision'
    )


def evenly(features: Tensor, count: int) -> Tensor:
    """At most `count` rows, evenly chosen; two copies of a single row, so that a batch is seen as one."""
    n = len(features)
    if n == 1:
        return features.expand(2, -1)
    chosen = np.unique(np.linspace(0, n - 1, min(n, count)).round().astype(np.int64))
    return features[torch.from_numpy(chosen).to(features.device)]


def check_behaviour(snapshot: Snapshot, features: Tensor, encoding_name: str) -> None:
    """Runs the model on one sample and on a probe batch; refuses what is not one number a sample.

    Args:
        snapshot: The model.
        features: Encoded inputs (n, width) in the computing dtype, n >= 1.
        encoding_name: Named in the message when they do not fit the model.

    Raises:
        ValueError: If the encoding does not fit, the forward draws random numbers, there is not one real
            output a sample, an output depends on other samples, on earlier forwards or cannot be differentiated,
            or something is not finite.
    """
    before = random_state(snapshot.device)
    _forward(snapshot, features[:1], encoding_name, "one sample")
    probe = evenly(features, PROBE_POINTS)
    result = _forward(snapshot, probe, encoding_name, f"a batch of {len(probe)} samples")
    if not all(map(torch.equal, before, random_state(snapshot.device))):
        raise ValueError(
            "model must be a fixed function of its input; its forward draws random numbers (functional "
            f"dropout, noise?): {_ONE_SAMPLE}. Call model.eval(), or take the noise out"
        )
    outputs = _one_output(result, len(probe))
    check_finite("outputs", outputs)
    if not outputs.requires_grad:
        raise ValueError(
            "model must have an output that can be differentiated in its trainable parameters; got one that "
            "does not require a gradient (torch.no_grad, detach, argmax or rounding in the forward, or only "
            "frozen parameters used?)"
        )
    _check_independence(snapshot, probe, outputs.detach(), encoding_name)
    _check_state(snapshot, probe, outputs.detach())
    _check_references(snapshot, outputs)
    try:
        gradients = snapshot.gradients(outputs.sum(), snapshot.trainable)
    except RuntimeError as error:
        raise ValueError(f"model must be differentiable; torch says: {error}") from error
    for name, gradient in gradients.items():
        check_finite(f"the gradient in {name!r}", gradient)


def _forward(snapshot: Snapshot, features: Tensor, encoding_name: str, what: str) -> Any:
    try:
        return snapshot({}, features)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        raise ValueError(
            f"{encoding_name} must fit the model's input; the forward fails on {what} of width "
            f"{features.shape[1]}, {features.dtype}: {error}"
        ) from error


def _one_output(result: Any, n: int) -> Tensor:
    if not isinstance(result, Tensor):
        raise ValueError(
            f"model must return one tensor with one output a sample; got {type(result).__name__}: wrap it in "
            "a module that returns the output to differentiate"
        )
    if tuple(result.shape) not in {(n,), (n, 1)}:
        raise ValueError(
            f"model must have one output a sample, shape (n,) or (n, 1); got {tuple(result.shape)} for "
            f"n = {n}: wrap it in a module that returns the output to differentiate"
        )
    if result.is_complex():
        raise ValueError(f"model must have a real output; got {result.dtype}: return its real part, say")
    return result.reshape(n)


def check_finite(what: str, values: Tensor) -> None:
    """Refuses NaN and infinities.

    Raises:
        ValueError: With the number of them.
    """
    if (bad := int((~torch.isfinite(values)).sum())) > 0:
        raise ValueError(
            f"{what} must be finite; got {bad} of {values.numel()} numbers NaN or infinite: "
            'check the weights and the scale of the encoding, or pass dtype="float64"'
        )


def _check_independence(snapshot: Snapshot, probe: Tensor, outputs: Tensor, encoding_name: str) -> None:
    """An output must not depend on the batch: by value, and by its derivative in the other inputs."""
    picks = sorted({0, len(probe) // 2, len(probe) - 1})[:ALONE_POINTS]
    tolerance = _alone_tolerance(outputs)
    for i in picks:
        alone = _forward(snapshot, probe[i : i + 1], encoding_name, "one sample")
        # A forward that ends in squeeze() returns shape () for a batch of one.
        fits = isinstance(alone, Tensor) and alone.numel() == 1
        if not fits or abs(float(alone.detach()) - float(outputs[i])) > tolerance:
            _refuse_batch(f"sample {i} of the probe gives {_shown(alone)} alone, {float(outputs[i]):.9g} in a batch")
    leaf = probe.detach().clone().requires_grad_()
    try:
        together = snapshot({}, leaf).reshape(len(probe))
        rows = [torch.autograd.grad(together[i], leaf, retain_graph=True, allow_unused=True)[0] for i in picks]
    except RuntimeError:
        return  # the forward does not pass derivatives to its input (x.numpy(), .long()): the values decide
    for i, row in zip(picks, rows, strict=True):
        if row is None:
            continue
        # 0 · inf = NaN on the other rows (a square root at 0, say) is no dependence.
        others = torch.cat([row[:i], row[i + 1 :]]).nan_to_num(nan=0.0)
        if bool(others.any()):
            _refuse_batch(f"the output of sample {i} of the probe has a derivative in the input of another sample")


def check_alone(snapshot: Snapshot, features: Tensor, outputs: Tensor) -> None:
    """The outputs of a batch, (n,) or (n, m), must be those of each sample alone.

    Raises:
        ValueError: If one is not.
    """
    tolerance = _alone_tolerance(outputs)
    for i, together in enumerate(outputs.detach()):
        alone = snapshot({}, features[i : i + 1]).detach().reshape(together.shape)
        if (gap := float((alone - together).abs().max())) > tolerance:
            _refuse_batch(f"an output of one sample differs by {gap:.3g} in a batch of {len(features)} and alone")


def _alone_tolerance(outputs: Tensor) -> float:
    """What rounding may make of an output in batches of other sizes."""
    rounding: float = torch.finfo(outputs.dtype).eps ** 0.5
    return rounding * (float(outputs.detach().abs().max()) + 1e-3)


def _check_state(snapshot: Snapshot, probe: Tensor, outputs: Tensor) -> None:
    """An output must not depend on how often the model was called, nor a forward write to the model unseen."""
    for result in snapshot.again(probe):
        # In a new batch of the same shape only what an earlier forward has left behind can differ.
        again = result.detach().reshape(-1) if isinstance(result, Tensor) else None
        if again is None or not _same(again, outputs):
            raise ValueError(
                "model must be a fixed function of its input; got another output when the same inputs came again: its "
                "forward keeps a state (a counter, a cache, a running statistic). Freeze it, or take it out"
            )
    if (name := snapshot.altered()) is not None:
        raise ValueError(
            f"model must not be changed by its forward; it writes to {name!r} by another reference than the attribute "
            "(it was put back): use the attribute, or take it out"
        )


def outputs_now(snapshot: Snapshot, probe: Tensor) -> Tensor:
    """What the model gives at a few inputs, on one thread, so that only the model can change it."""
    with at_most(1), plain_autograd(snapshot.device):  # a forward may itself differentiate
        found: Tensor = snapshot({}, probe)
        return found.detach() if isinstance(found, Tensor) else found


def check_unchanged(snapshot: Snapshot, probe: Tensor, outputs: Tensor) -> None:
    """After a computation: the probe must give the outputs that it gave before.

    A state that is kept outside the modules' attributes and buffers (in a list, say) outlives a forward, and may change
    what the model is after any number of them.

    Raises:
        ValueError: If it does not: what was computed is then of no one model.
    """
    again = outputs_now(snapshot, probe)
    if not isinstance(again, Tensor) or not _same(again, outputs):
        raise ValueError(
            "model must be a fixed function of its input; after the computation its outputs were not those of before: "
            "its forward keeps a state (a counter, a cache). Freeze it, or take it out"
        )


def _same(again: Tensor, outputs: Tensor) -> bool:
    """Whether they agree to rounding."""
    allowed = 100 * float(torch.finfo(outputs.dtype).eps) * float(outputs.abs().max())
    return again.shape == outputs.shape and bool(((again - outputs).abs() <= allowed).all())


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{float(value.detach()):.9g}" if value.numel() == 1 else f"shape {tuple(value.shape)}"


def _refuse_batch(came: str) -> None:
    raise ValueError(
        f"model must treat each sample by itself; got an output that depends on the rest of the batch "
        f"({came}): {_ONE_SAMPLE}. Replace batch statistics by fixed ones, and read dimension 0 as the batch"
    )


def _check_references(snapshot: Snapshot, outputs: Tensor) -> None:
    """A forward that keeps parameters in a plain list reads the model's own, not the snapshot's copies."""
    found = torch.autograd.grad(outputs.sum(), list(snapshot.originals.values()), retain_graph=True, allow_unused=True)
    for name, gradient in zip(snapshot.originals, found, strict=True):
        if gradient is not None:
            raise ValueError(
                f"model must read its parameters as attributes of their modules; its forward reaches "
                f"{name!r} by another reference (a list, a closure): use nn.ParameterList or the attribute"
            )
