"""Checks on a model before anything is computed: is its gradient that of one output in one sample?

Each refusal says why and what cures it. The structural checks read the modules; the others run a small probe.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from barren.tangents.base import Integers
from barren.tangents.independence import check_linear, check_probe
from barren.tangents.refusals import ONE_SAMPLE, PastReferenceError, Refusing
from barren.tangents.snapshot import COMPUTING_DTYPES, Snapshot, at_most, plain_autograd, random_state

# Points of the probe batch.
PROBE_POINTS = 16


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
    return features[torch.from_numpy(evenly_chosen(np.arange(n), count)).to(features.device)]


def evenly_chosen(items: Integers, count: int) -> Integers:
    """At most `count` of the items, evenly chosen, the first and the last among them."""
    n = len(items)
    chosen: Integers = items[np.unique(np.linspace(0, n - 1, min(n, count)).round().astype(np.int64))]
    return chosen


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
    with Refusing():
        result = _forward(snapshot, probe, encoding_name, f"a batch of {len(probe)} samples")
    if not all(map(torch.equal, before, random_state(snapshot.device))):
        raise ValueError(
            "model must be a fixed function of its input; its forward draws random numbers (functional "
            f"dropout, noise?): {ONE_SAMPLE}. Call model.eval(), or take the noise out"
        )
    outputs = _one_output(result, len(probe))
    check_finite("outputs", outputs)
    if not outputs.requires_grad:
        raise ValueError(
            "model must have an output that can be differentiated in its trainable parameters; got one that "
            "does not require a gradient (torch.no_grad, detach, argmax or rounding in the forward, or only "
            "frozen parameters used?)"
        )
    check_probe(snapshot, probe, outputs.detach(), lambda x, what: _forward(snapshot, x, encoding_name, what))
    _check_state(snapshot, probe, outputs.detach())
    _check_references(snapshot, outputs)
    try:
        gradients = snapshot.gradients(outputs.sum(), snapshot.trainable)
    except RuntimeError as error:
        hint = ""
        if snapshot.cast:
            hint = (
                " (torch.utils.checkpoint runs a part of the model again at its own weights, in their own dtype: call "
                "model.float() or model.double() without dtype= where the model has one)"
            )
        raise ValueError(f"model must be differentiable; torch says: {error}{hint}") from error
    for name, gradient in gradients.items():
        check_finite(f"the gradient in {name!r}", gradient)
    check_linear(snapshot, probe)


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
    values = values.detach()
    # No temporary where all is well: where something is not a number, neither end is one.
    if values.numel() and not bool(values.amax().isfinite() & values.amin().isfinite()):
        bad = int((~torch.isfinite(values)).sum())
        raise ValueError(
            f"{what} must be finite; got {bad} of {values.numel()} numbers NaN or infinite: "
            'check the weights and the scale of the encoding, or pass dtype="float64"'
        )


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


def _check_references(snapshot: Snapshot, outputs: Tensor) -> None:
    """A forward that keeps parameters in a plain list reads the model's own, not the snapshot's copies."""
    found = torch.autograd.grad(outputs.sum(), list(snapshot.originals.values()), retain_graph=True, allow_unused=True)
    for name, gradient in zip(snapshot.originals, found, strict=True):
        if gradient is not None:
            raise PastReferenceError(name)
