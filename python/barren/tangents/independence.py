"""Whether an output is a function of one sample: on a probe, and in every batch of a computation.

Two things show an output that depends on other samples: its value in other company, and its derivative in their
inputs. docs/exactness tells what each of them sees.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

from barren.tangents.base import Integers
from barren.tangents.refusals import ONE_SAMPLE, Refusing
from barren.tangents.snapshot import Snapshot, plain_autograd

# Rounding allowed between two orders of the same sums, relative to the largest number.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}
# Samples of the probe that are compared with their value alone.
_ALONE_POINTS = 3
_SEED = 20231018
# Why a rule does not hold whose rows are not those of their own samples.
MIXED = "its forward takes the samples in another order, or lets them act on each other, at some inputs"
# Gradients of so many times a cotangent are so many times as large, and for a power of two without any rounding; what
# clips shows in the size, and what cuts off at zero in the sign.
_SCALE = -(2.0**20)

# A backward pass that is no derivative is so in float64 too; a gap that is smaller there by this factor was rounding.
_ROUNDING_SHARE = 1e-3

# A forward of the model on a few samples: (features, what they are) -> what it returns.
_Forward = Callable[[Tensor, str], Any]


def check_probe(snapshot: Snapshot, probe: Tensor, outputs: Tensor, forward: _Forward) -> None:
    """An output must not depend on the batch: by value, and by its derivative in the other inputs.

    Args:
        snapshot: A model of one output.
        probe: A few inputs.
        outputs: What it gives for them, (n,).
        forward: Runs it, with a message of its own where it fails.

    Raises:
        ValueError: If one does.
    """
    picks = _picks(len(probe))
    tolerance = _alone_tolerance(outputs)
    for i in picks:
        alone = forward(probe[i : i + 1], "one sample")
        # A forward that ends in squeeze() returns shape () for a batch of one.
        fits = isinstance(alone, Tensor) and alone.numel() == 1
        if not fits or abs(float(alone.detach()) - float(outputs[i])) > tolerance:
            _refuse(f"sample {i} of the probe gives {_shown(alone)} alone, {float(outputs[i]):.9g} in a batch")
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
            _refuse(f"the output of sample {i} of the probe has a derivative in the input of another sample")


def check_linear(snapshot: Snapshot, probe: Tensor) -> None:
    """The backward pass must be linear, and that of a batch the sum of those of its samples.

    A hook on a tensor that clips, and an `autograd.Function` whose backward normalises, are no derivatives: the
    gradient of a loss is then not Σ_x (∂ℓ/∂N) J(x), whatever J is. Where large terms inside the model cancel, rounding
    looks the same; it is told apart in float64, where it goes away. A warning says then what is left, or the model is
    refused where that is little.

    Raises:
        ValueError: If it is not, or rounding leaves too little of it.

    Cost: a forward of three samples, of each alone, and their backward passes; on a suspicion once more in float64.
    """
    samples = probe[_picks(len(probe))]
    if (found := _nonlinearity(snapshot, samples)) is None:
        return
    cause = "a hook on a tensor in its forward, or an autograd.Function, changes gradients. Take it out"
    if snapshot.dtype == torch.float64:
        cause += "; or it is rounding, of terms in the model that cancel: then scale them down"
    else:
        try:
            confirmed = _nonlinearity(Snapshot(snapshot.model, torch.float64, cast=True), samples.double())
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # something in the model is not of the dtype of its weights: no second opinion
            cause += '; or it is rounding, of terms in the model that cancel: then pass dtype="float64"'
        else:
            if confirmed is None or confirmed.share < _ROUNDING_SHARE * found.share:
                if found.share <= float(torch.finfo(snapshot.dtype).eps) ** 0.25:
                    _warn_of_rounding(found)
                    return
                cause = 'in float64 it does not: this is rounding, of terms that cancel. Pass dtype="float64"'
    raise ValueError(
        f"model must have a backward pass that is its derivative; the gradient in {found.name!r} {found.what} "
        f"(it differs by {found.gap:.3g} where gradients are up to {found.scale:.3g}): {cause}"
    )


class _Nonlinear(NamedTuple):
    """The gradient in a parameter that is not linear in the cotangent: how, by how much, of what size."""

    name: str
    what: str
    gap: float
    scale: float

    @property
    def share(self) -> float:
        return self.gap / self.scale


def _nonlinearity(snapshot: Snapshot, samples: Tensor) -> _Nonlinear | None:
    z = apart(len(samples), samples)
    together = snapshot.outputs(samples)
    whole = snapshot.gradients(together, snapshot.trainable, z, keep_graph=True)
    large = snapshot.gradients(together, snapshot.trainable, _SCALE * z)
    total = {name: torch.zeros_like(gradient) for name, gradient in whole.items()}
    sizes = {name: torch.zeros_like(gradient) for name, gradient in whole.items()}
    for i in range(len(samples)):
        alone = snapshot.gradients(snapshot.outputs(samples[i : i + 1]), snapshot.trainable, z[i : i + 1])
        for name, gradient in alone.items():
            total[name] += gradient
            sizes[name] += gradient.abs()
    scale = max(float(size.max()) for size in sizes.values() if size.numel())
    rounding = float(torch.finfo(snapshot.dtype).eps) ** 0.5
    for name, gradient in whole.items():
        if not gradient.numel():
            continue
        for what, other in [
            ("of a multiple is not the multiple of the gradient", large[name] / _SCALE),
            ("in a batch is not the sum of those of its samples", total[name]),
        ]:
            # What is not finite is told by another check.
            gap = float((gradient - other).abs().nan_to_num(nan=0.0, posinf=0.0).max())
            if gap > rounding * scale:
                return _Nonlinear(name, what, gap, scale)
    return None


def _warn_of_rounding(found: _Nonlinear) -> None:
    warnings.warn(
        f"gradients of the model have few digits: that in {found.name!r} {found.what} (it differs by {found.gap:.3g} "
        f"where gradients are up to {found.scale:.3g}), and in float64 it does not: terms in the model cancel, or "
        'are of a shorter type (autocast). Pass dtype="float64" to keep the digits',
        UserWarning,
        stacklevel=2,
    )


def check_alone(snapshot: Snapshot, features: Tensor, outputs: Tensor) -> None:
    """The outputs of a batch, (n,) or (n, m), must be those of each sample alone.

    Raises:
        ValueError: If one is not.
    """
    tolerance = _alone_tolerance(outputs)
    for i, together in enumerate(outputs.detach()):
        alone = snapshot({}, features[i : i + 1]).detach().reshape(together.shape)
        if (gap := float((alone - together).abs().max())) > tolerance:
            _refuse(f"an output of one sample differs by {gap:.3g} in a batch of {len(features)} and alone")


def check_company(snapshot: Snapshot, features: Tensor, outputs: Tensor) -> None:
    """The outputs of a batch, (n,) or (n, m), must be the same in other company and order.

    Two quarters of the batch, drawn at random, are computed again, each by itself. They have no sample in common, so
    that one that acts on all others is missing in at least one of them.

    Raises:
        ValueError: If one is not.

    Cost: a forward of half the batch, with gradients on, since a forward may itself differentiate.
    """
    n = len(features)
    if n < 2:
        return
    order = torch.randperm(n, generator=torch.Generator().manual_seed(_SEED)).to(features.device)
    tolerance, outputs = _alone_tolerance(outputs), outputs.detach()
    size = (n + 3) // 4
    for quarter in (order[:size], order[-size:]):
        try:
            again = snapshot({}, features[quarter]).detach().reshape(outputs[quarter].shape)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            _refuse(f"it is not to be had for {size} of the {n} samples of a batch: {error}")
        if (gap := float((again - outputs[quarter]).abs().max())) > tolerance:
            _refuse(f"an output of one sample differs by {gap:.3g} in a batch of {n} and in one of {size}")


def check_slopes(
    outputs: Tensor, features: Tensor, start: Tensor, slope: Tensor | None, weighted: Tensor | None, z: Tensor
) -> None:
    """The derivatives of ⟨z·start, outputs⟩ in the features must be z_i times those of ⟨start, outputs⟩, row by row.

    Where one is not, to rounding, the others' outputs are asked for their derivative in that sample: it must be zero.

    Args:
        outputs: Those of a batch, (n,) or (n, m), still within their graph.
        features: The inputs, (n, …), which require a gradient.
        start: The cotangent, of their shape.
        slope: The derivative of ⟨start, outputs⟩; None where derivatives do not pass to the inputs.
        weighted: That with row i of the cotangent times z_i.
        z: n numbers that lie far apart.

    Raises:
        ValueError: If it is not.
    """
    if slope is None or weighted is None or not slope.numel():
        return
    # An infinite slope (of a square root at 0, say) tells nothing.
    slope, weighted = (part.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).flatten(1) for part in (slope, weighted))
    gaps = (weighted - slope * z[:, None]).abs().amax(dim=1)
    row = int(gaps.argmax())
    if float(gaps[row]) <= TOLERANCE[slope.dtype] * float(slope.abs().max()):
        return
    others = start.clone()
    others[row] = 0.0
    (found,) = torch.autograd.grad(outputs, features, others, retain_graph=True)
    if bool(found[row].nan_to_num(nan=0.0).any()):
        _refuse("an output of one sample has a derivative in the input of another one")


def check_batches(snapshot: Snapshot, features: Tensor, batches: Iterable[Integers]) -> None:
    """Every batch by value and by slopes, for a computation that watches none, or takes samples one by one.

    Raises:
        ValueError: If an output depends on other samples.
    """
    for rows in batches:
        with plain_autograd(snapshot.device), Refusing():
            batch = features[torch.from_numpy(rows).to(features.device)]
            try:
                outputs = _checked_slopes(snapshot, batch.detach().requires_grad_())
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:  # derivatives do not pass to the inputs (x.numpy()): the values decide
                outputs = snapshot({}, batch).reshape(len(batch), -1)
            check_company(snapshot, batch, outputs)


def _checked_slopes(snapshot: Snapshot, leaf: Tensor) -> Tensor:
    outputs: Tensor = snapshot({}, leaf).reshape(len(leaf), -1)
    if outputs.requires_grad:
        z, start = apart(len(outputs), outputs), random_cotangents(outputs.shape, outputs)
        slope, weighted = (
            torch.autograd.grad(outputs, leaf, cotangent, retain_graph=True, allow_unused=True)[0]
            for cotangent in (start, z[:, None] * start)
        )
        check_slopes(outputs, leaf, start, slope, weighted, z)
    return outputs


def random_cotangents(shape: Sequence[int], like: Tensor) -> Tensor:
    """Numbers in (1/2, 3/2), the same at every call."""
    generator = torch.Generator().manual_seed(_SEED)
    return (torch.rand(tuple(shape), generator=generator, dtype=torch.float64) + 0.5).to(like)


def apart(n: int, like: Tensor) -> Tensor:
    """A cotangent of n numbers in (1/2, 3/2) that lie far apart, in an order that is random and always the same."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(_SEED))
    return ((order.double() + 0.5) / n + 0.5).to(like)


def _picks(n: int) -> list[int]:
    return sorted({0, n // 2, n - 1})[:_ALONE_POINTS]


def _alone_tolerance(outputs: Tensor) -> float:
    """What rounding may make of an output in batches of other sizes."""
    rounding: float = torch.finfo(outputs.dtype).eps ** 0.5
    return rounding * (float(outputs.detach().abs().max()) + 1e-3)


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{float(value.detach()):.9g}" if value.numel() == 1 else f"shape {tuple(value.shape)}"


def _refuse(came: str) -> NoReturn:
    raise ValueError(
        f"model must treat each sample by itself; got an output that depends on the rest of the batch "
        f"({came}): {ONE_SAMPLE}. Replace batch statistics by fixed ones, and read dimension 0 as the batch; a "
        "forward that branches on x.requires_grad shows the same"
    )
