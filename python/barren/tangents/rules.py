"""Layer rules: the gradient of one sample in a parameter, from the inputs and deltas of the call that used it.

A rule is for a torch function, not for a module: `nn.Linear`, its subclasses, `nn.MultiheadAttention` and a plain
`functional.linear` all end in the same call. docs/theory, section 3.3, derives each. What has no rule, or a rule that a
probe or the graph of a batch does not confirm, goes through Jacobian columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional


class NoRuleError(Exception):
    """No rule holds for a layer; says why. Never leaves this package."""


@dataclass(frozen=True)
class Layout:
    """Where the samples lie in a call: along one axis, or sample-major with other positions along it.

    Attributes:
        axis: The axis of the output whose length is a multiple of the number of samples.
        samples: Their number, n.
    """

    axis: int
    samples: int

    def split(self, tensor: Tensor, features: int) -> Tensor:
        """(n, T, *features): the samples in front, the last axes kept, the others joined to T positions."""
        if self.axis >= tensor.ndim - features:
            raise NoRuleError("its samples lie along its features")
        kept = tensor.shape[tensor.ndim - features :]
        return tensor.movedim(self.axis, 0).reshape(self.samples, -1, *kept)

    def channels(self, tensor: Tensor) -> Tensor:
        """(n, T, channels, rest) of a tensor (batch, channels, *rest)."""
        if self.axis != 0:
            raise NoRuleError("its samples do not lie along the batch")
        return tensor.reshape(self.samples, -1, tensor.shape[1], math.prod(tensor.shape[2:]))


@dataclass(frozen=True)
class Outer:
    """A gradient Σ_t left_t ⊗ right_t for each sample.

    Attributes:
        left: (n, T, rows of the parameter), or integers (n, T) that stand for one-hot rows.
        right: (n, T, entries a row), or None for ones: the gradient of a bias is Σ_t left_t.
    """

    left: Tensor
    right: Tensor | None


@dataclass(frozen=True)
class Rows:
    """The gradient of each sample as it stands, (n, entries of the parameter)."""

    gradient: Tensor


Piece: TypeAlias = Outer | Rows


@dataclass(frozen=True)
class Call:
    """One call of a torch function that has a rule.

    Attributes:
        parameters: Role -> the tensor in it, trainable or not, or None.
        pieces: (deltas, layout) -> role -> the gradient of each sample in that role; linear in the deltas.
    """

    parameters: dict[str, Tensor | None]
    pieces: Callable[[Tensor, Layout], dict[str, Piece]]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Call:
    """y_t = W·h_t + b: the gradient is Σ_t Δ_t ⊗ h_t in W and Σ_t Δ_t in b."""
    inputs = input.detach()

    def pieces(delta: Tensor, layout: Layout) -> dict[str, Piece]:
        left = layout.split(delta, 1)
        return {"weight": Outer(left, layout.split(inputs, 1)), "bias": Outer(left, None)}

    return Call({"weight": weight, "bias": bias}, pieces)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Call | None:
    """y_t = W[k_t]: the gradient is Σ_t e(k_t) ⊗ Δ_t, e(k) the k-th unit vector; the padding row has none."""
    if max_norm is not None or scale_grad_by_freq:
        return None  # the first writes to the weight, the second is no derivative

    def pieces(delta: Tensor, layout: Layout) -> dict[str, Piece]:
        indices, right = layout.split(input, 0), layout.split(delta, 1)
        if padding_idx is not None:
            right = right.masked_fill((indices == padding_idx % len(weight))[..., None], 0.0)
        return {"weight": Outer(indices, right)}

    return Call({"weight": weight}, pieces)


def layer_norm(
    input: Tensor,
    normalized_shape: list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Call:
    """y_t = w ∘ x̂_t + b: the gradient is Σ_t Δ_t ∘ x̂_t in w and Σ_t Δ_t in b."""
    shape = tuple(normalized_shape)
    return _affine(input, weight, bias, len(shape), lambda x: functional.layer_norm(x, shape, None, None, eps))


def rms_norm(
    input: Tensor, normalized_shape: list[int], weight: Tensor | None = None, eps: float | None = None
) -> Call:
    """As `layer_norm`, without a bias."""
    shape = tuple(normalized_shape)
    return _affine(input, weight, None, len(shape), lambda x: functional.rms_norm(x, shape, None, eps))


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Call:
    """In channel c, y = w_c·x̂ + b_c: sums over the other positions of the channel."""
    return _affine(input, weight, bias, None, lambda x: functional.group_norm(x, num_groups, None, None, eps))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Call | None:
    """As `group_norm`; by running statistics only, since those of a batch couple the samples."""
    if training or running_mean is None or running_var is None:
        return None
    mean, variance = running_mean.clone(), running_var.clone()
    return _affine(input, weight, bias, None, lambda x: functional.batch_norm(x, mean, variance, eps=eps))


def _affine(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, features: int | None, normalise: Callable[[Tensor], Any]
) -> Call:
    """The affine part of a normalisation: over the last axes, or over channels where `features` is None."""
    inputs = input.detach()

    def pieces(delta: Tensor, layout: Layout) -> dict[str, Piece]:
        def summed(tensor: Tensor) -> Tensor:
            if features is None:
                return layout.channels(tensor).sum(dim=(1, 3))
            return layout.split(tensor, features).sum(dim=1).flatten(1)

        found: dict[str, Piece] = {}
        if weight is not None:
            found["weight"] = Rows(summed(delta * normalise(inputs)))
        if bias is not None:
            found["bias"] = Rows(summed(delta))
        return found

    return Call({"weight": weight, "bias": bias}, pieces)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Call | None:
    """One or two dimensions: `linear` over the output positions, with the patches of the input for h_t."""
    if input.ndim != weight.ndim:
        return None  # one sample without a batch
    inputs, kernel = input.detach(), weight.shape[2:]

    def patches() -> Tensor:
        steps, gaps = (_each(value, len(kernel)) for value in (stride, dilation))
        padded = functional.pad(inputs, _margins(padding, kernel, gaps))
        if len(kernel) == 1:  # a plane of height one
            return functional.unfold(padded[:, :, None], (1, *kernel), (1, *gaps), 0, (1, *steps))
        return functional.unfold(padded, tuple(kernel), gaps, 0, steps)

    def pieces(delta: Tensor, layout: Layout) -> dict[str, Piece]:
        if layout.axis != 0:
            raise NoRuleError("its samples do not lie along the batch")
        left = layout.split(delta.flatten(2).transpose(1, 2), 1)
        right = layout.split(patches().transpose(1, 2), 1)
        if groups == 1:
            return {"weight": Outer(left, right), "bias": Outer(left, None)}
        blocks = [side.reshape(*side.shape[:2], groups, -1) for side in (left, right)]
        return {
            "weight": Rows(torch.einsum("ntgo,ntgi->ngoi", *blocks).flatten(1)),
            "bias": Rows(left.sum(dim=1)),
        }

    return Call({"weight": weight, "bias": bias}, pieces)


def _each(value: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * count if len(values) == 1 else values


def _margins(padding: int | tuple[int, ...] | str, kernel: torch.Size, dilation: tuple[int, ...]) -> list[int]:
    """The zeros before and behind each axis, the last axis first, as `functional.pad` takes them."""
    if padding == "valid":
        both = [(0, 0)] * len(kernel)
    elif padding == "same":
        totals = [gap * (size - 1) for gap, size in zip(dilation, kernel, strict=True)]
        both = [(total // 2, total - total // 2) for total in totals]
    else:
        assert not isinstance(padding, str)
        both = [(margin, margin) for margin in _each(padding, len(kernel))]
    return [margin for pair in reversed(both) for margin in pair]


RULES: dict[Callable[..., Any], Callable[..., Call | None]] = {
    functional.linear: linear,
    functional.embedding: embedding,
    functional.layer_norm: layer_norm,
    functional.rms_norm: rms_norm,
    functional.group_norm: group_norm,
    functional.batch_norm: batch_norm,
    functional.conv1d: convolution,
    functional.conv2d: convolution,
}
