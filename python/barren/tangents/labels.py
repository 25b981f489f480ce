"""Derivatives of a loss in the model's output, at every label: what a loss is to the gradient variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from barren.tangents.base import Doubles

if TYPE_CHECKING:
    import torch

PointwiseLoss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


def hinge(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """max(0, 1 − y·N), one loss a sample, for labels −1 and 1."""
    import torch

    return torch.relu(1.0 - labels * outputs)


def loss_slopes(
    loss: PointwiseLoss,
    labels: Sequence[float] | Doubles,
    outputs: Doubles,
    *,
    dtype: Any = "float64",
    device: str = "cpu",
) -> Doubles:
    """T[i, k] = ∂ℓ/∂N(N(x_i), l_k) for labels l_k: the table of docs/theory, section 3.4.

    Args:
        loss: (outputs, labels) -> one loss a sample; both arguments are tensors of shape (n,).
        labels: The values that a label takes, shape (L,).
        outputs: N(x), shape (n,).
        dtype: What the loss is evaluated in, "float32" or "float64".
        device: Where it is evaluated.

    Returns:
        float64 of shape (n, L).

    Raises:
        ValueError: If the loss fails at a label, does not return one number a sample, is not differentiable in the
            outputs, or its derivative is not finite.

    Cost: one evaluation of the loss at all outputs, and its derivative, a label.

    Example:
        >>> import numpy as np
        >>> loss_slopes(lambda n, y: abs(n - y), [0.0, 1.0, 4.0], np.array([0.5, 2.0]))
        array([[ 1., -1., -1.],
               [ 1.,  1., -1.]])
    """
    import torch

    from barren.tangents.snapshot import plain_autograd

    slopes = np.empty((len(outputs), len(labels)))
    with plain_autograd(torch.device(device)):
        leaf = torch.tensor(outputs, dtype=getattr(torch, np.dtype(dtype).name), device=device)
        leaf.requires_grad_()
        for column, label in enumerate(labels):
            slopes[:, column] = _slope(loss, leaf, float(label))
    finite = np.isfinite(slopes).all(axis=0)
    if not finite.all():
        wrong = ", ".join(f"{float(labels[k]):g}" for k in np.flatnonzero(~finite)[:4])
        raise ValueError(
            f"loss must have a finite derivative in the outputs; got NaN or infinite ones at labels {wrong} (a loss on "
            "probabilities needs a model that ends in a sigmoid)"
        )
    return slopes


def _slope(loss: PointwiseLoss, leaf: torch.Tensor, label: float) -> Doubles:
    """The derivative at one label. The loss of a sample sees its own output alone, so one sum gives every sample's."""
    import torch

    try:
        losses = loss(leaf, torch.full_like(leaf, label, requires_grad=False))
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"loss must be defined at every label; it fails at label {label:g}: {error}") from error
    if not isinstance(losses, torch.Tensor) or losses.shape != leaf.shape:
        came = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
        raise ValueError(
            f'loss must return one number a sample, shape {tuple(leaf.shape)}; got {came}: pass reduction="none"'
        )
    if not losses.requires_grad:
        raise ValueError("loss must be differentiable in the outputs; got losses without a gradient")
    (slope,) = torch.autograd.grad(losses.sum(), leaf, allow_unused=True)
    found: Doubles = np.zeros(len(leaf)) if slope is None else slope.double().cpu().numpy()
    return found
