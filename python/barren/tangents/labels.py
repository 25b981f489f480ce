"""Derivatives of a loss in the model's output, at every label: what a loss is to the gradient variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from barren.tangents.base import Doubles

if TYPE_CHECKING:
    import torch

_POINTWISE = "loss must be a function of one sample's output and label alone"

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
            outputs, it or its derivative is not finite, or it is no function of one sample's output and label (a mean
            over the batch, random numbers or a state enter).

    Cost: one evaluation of the loss at all outputs, and its derivative, a label; two or three more in all.

    Example:
        >>> import numpy as np
        >>> loss_slopes(lambda n, y: abs(n - y), [0.0, 1.0, 4.0], np.array([0.5, 2.0]))
        array([[ 1., -1., -1.],
               [ 1.,  1., -1.]])
    """
    import torch

    from barren.tangents.snapshot import plain_autograd, random_state

    slopes, defined = np.empty((len(outputs), len(labels))), np.ones(len(labels), dtype=bool)
    with plain_autograd(torch.device(device)):
        leaf = torch.tensor(outputs, dtype=getattr(torch, np.dtype(dtype).name), device=device)
        leaf.requires_grad_()
        before = random_state(leaf.device)
        for column, label in enumerate(labels):
            slopes[:, column], defined[column] = _slope(loss, leaf, float(label))
        if not all(map(torch.equal, before, random_state(leaf.device))):
            raise ValueError(f"{_POINTWISE}; it draws random numbers: take them out")
    # A formula may have a finite derivative where it has no value: log(N) at N < 0.
    for what, finite in (
        ("a finite derivative in the outputs", np.isfinite(slopes).all(axis=0)),
        ("finite values", defined),
    ):
        if not finite.all():
            wrong = ", ".join(f"{float(labels[k]):g}" for k in np.flatnonzero(~finite)[:4])
            raise ValueError(
                f"loss must have {what}; got NaN or infinite ones at labels {wrong} (a loss on "
                "probabilities needs a model that ends in a sigmoid)"
            )
    with plain_autograd(torch.device(device)):
        _check_pointwise(loss, np.asarray(labels, dtype=np.float64), leaf.detach(), slopes)
    return slopes


def _slope(loss: PointwiseLoss, leaf: torch.Tensor, label: float) -> tuple[Doubles, bool]:
    """The derivative at one label, and whether every loss is finite.

    The loss of a sample sees its own output alone, so one sum gives every sample's.
    """
    import torch

    try:
        losses = loss(leaf, torch.full_like(leaf, label, requires_grad=False))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"loss must be defined at every label; it fails at label {label:g}, called as loss(outputs, labels) with "
            f"two tensors of shape {tuple(leaf.shape)}: {type(error).__name__}: {error}"
        ) from error
    losses = _checked(losses, leaf)
    return _gradient(losses, leaf), bool(torch.isfinite(losses).all())


def _checked(losses: object, leaf: torch.Tensor) -> torch.Tensor:
    """What a loss returned, if it is one differentiable number a sample."""
    import torch

    if not isinstance(losses, torch.Tensor):
        raise ValueError(
            f"loss must return a torch.Tensor, one number a sample, shape {tuple(leaf.shape)}; got "
            f"{type(losses).__name__}: compute it by functions of torch, through which its gradient goes"
        )
    if losses.shape != leaf.shape:
        raise ValueError(
            f"loss must return one number a sample, shape {tuple(leaf.shape)}; got {tuple(losses.shape)}: pass "
            'reduction="none"'
        )
    if losses.is_complex():
        raise ValueError(f"loss must be real; got {losses.dtype}: return its real part, say")
    if not losses.requires_grad:
        raise ValueError("loss must be differentiable in the outputs; got losses without a gradient")
    return losses


def _gradient(losses: torch.Tensor, leaf: torch.Tensor, weights: torch.Tensor | None = None) -> Doubles:
    """The derivative of the sum, or of a weighted one, in every output."""
    import torch

    weights = torch.ones_like(losses) if weights is None else weights
    (slope,) = torch.autograd.grad(losses, leaf, weights, allow_unused=True, retain_graph=True)
    found: Doubles = np.zeros(len(leaf)) if slope is None else slope.double().cpu().numpy()
    return found


def _check_pointwise(loss: PointwiseLoss, labels: Doubles, outputs: torch.Tensor, slopes: Doubles) -> None:
    """A loss must give a sample the same wherever it stands: among samples of other labels, in fewer, or once more.

    Every label is met by one sample at least. In a weighted sum of losses each derivative takes the weight of its own
    sample, if no other one's loss depends on that output.
    """
    import torch

    n, count = slopes.shape
    generator = np.random.default_rng(20231018)
    order, shuffled = generator.permutation(n), generator.permutation(count)
    weights: Doubles = np.asarray(generator.uniform(0.5, 1.5, n))
    scales = np.abs(slopes).max(axis=0)
    tolerance = float(torch.finfo(outputs.dtype).eps) ** 0.5
    for first in range(0, count, n):
        levels = shuffled[np.arange(first, first + n) % count]
        for kept in (slice(None), slice(0, max(min(n, 2), n // 2))):  # everyone, and some of them
            rows, chosen, weight = order[kept], levels[kept], weights[kept]
            plain, weighted = _among_others(loss, outputs[torch.from_numpy(rows)], labels[chosen], weight)
            for found in (plain, weighted / weight):
                wrong = ~(np.abs(found - slopes[rows, chosen]) <= tolerance * scales[chosen])
                if wrong.any():
                    i = int(np.flatnonzero(wrong)[0])
                    raise ValueError(
                        f"{_POINTWISE}; got the derivatives {slopes[rows[i], chosen[i]]:.9g} and {found[i]:.9g} at the "
                        f"same output and label {labels[chosen[i]]:g}, among other samples or in another call: "
                        "take out means over the batch, noise and states"
                    )


def _among_others(
    loss: PointwiseLoss, outputs: torch.Tensor, labels: Doubles, weights: Doubles
) -> tuple[Doubles, Doubles]:
    """The derivatives of the sum and of the weighted sum of the losses, at a label for each output."""
    import torch

    leaf = outputs.clone().requires_grad_()
    try:
        losses = loss(leaf, torch.tensor(labels).to(leaf))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"{_POINTWISE}; it fails on {len(leaf)} samples of several labels: {type(error).__name__}: {error}"
        ) from error
    losses = _checked(losses, leaf)
    return _gradient(losses, leaf), _gradient(losses, leaf, torch.tensor(weights).to(leaf))
