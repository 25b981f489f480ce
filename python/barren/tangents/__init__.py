"""The MODEL side: what a model's gradient looks like at n inputs, as Jacobian columns or NTK blocks.

`torch` is imported when a model is given, and not before: `GivenJacobian` and `GivenNTK` need NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from barren import _validate
from barren.tangents.base import Doubles, Tangent
from barren.tangents.given import GivenJacobian, GivenNTK
from barren.tangents.labels import loss_slopes

if TYPE_CHECKING:
    import torch

__all__ = ["GivenJacobian", "GivenNTK", "Tangent", "loss_slopes", "loss_weights", "tangent_of_model"]

# Losses whose derivative in the output is affine in the label: J enters as it is (docs/theory, section 1).
AFFINE_LOSSES = ("mse", "bce")


def tangent_of_model(
    model: torch.nn.Module,
    features: Doubles,
    *,
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = "mse",
    labels: Sequence[float] | None = None,
    dtype: Any = None,
    encoding_name: str = "encoding",
) -> Tangent:
    """The tangent of a torch module at its present weights, with rows J(x), or ω(x)·J(x) for a callable loss.

    NTK blocks come from activations and backpropagated deltas for every layer that has a rule (linear, embedding,
    normalisation, convolution, attention; compared with reverse mode on a probe, and with the graph of every batch
    for uses that no rule sees), and from Jacobian columns by `torch.func` for the others. The model's mode, gradients,
    buffers, hooks and the random state of torch are left as they were.

    Args:
        model: A module with one output a sample, shape (n,) or (n, 1), at least one parameter trainable.
        features: Encoded inputs, float64 of shape (n, width); cast to the computing dtype.
        loss: "mse" or "bce" (on a logit), or a callable (outputs, labels) -> one loss a sample, shape (n,).
        labels: The two values that a label takes; needed with a callable loss.
        dtype: "float32" or "float64" to evaluate a cast copy of the model; None for its own dtype.
        encoding_name: How messages call what made the features.

    Returns:
        A `ModelTangent`; its `note` says which layers took which route, and why.

    Raises:
        TypeError: If model, loss or dtype is of the wrong kind.
        ValueError: If the gradient is not that of one real output in one sample (batch statistics, dropout,
            random numbers, several outputs), the features do not fit, or a number is not finite.
        ImportError: If torch is not installed.

    Example:
        >>> import numpy as np, torch
        >>> model = torch.nn.Linear(2, 1)
        >>> tangent = tangent_of_model(model, np.array([[0.0, 0.0], [2.0, 1.0]]))
        >>> tangent.layers, tangent.squared_norms()
        ({'model': 3}, array([1., 6.]))
    """
    affine = _check_loss(loss, labels)
    try:
        from barren.tangents import inspect, refusals, snapshot
        from barren.tangents.model import ModelTangent
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError("a torch model needs torch: pip install 'barren[torch]'") from error
    module = refusals.as_module(model)
    refusals.check_structure(module)
    computing, cast = inspect.computing_dtype(module, dtype)
    values = _validate.matrix("features", features).astype(np.float64, copy=False)
    if len(values) == 0:
        raise ValueError(f"features must have a row an input; got shape {values.shape}")
    frozen = snapshot.Snapshot(module, computing, cast=cast)
    with snapshot.plain_autograd(frozen.device):
        points = frozen.features(values)
        inspect.check_behaviour(frozen, points, encoding_name)
        tangent: Tangent = ModelTangent(frozen, points)
    if affine:
        return tangent
    assert callable(loss)
    assert labels is not None
    assert tangent.outputs is not None
    omega = loss_weights(loss, labels, tangent.outputs, dtype=tangent.dtype, device=str(frozen.device))
    return tangent.scale_rows(omega)


def loss_weights(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    labels: Sequence[float],
    outputs: Doubles,
    *,
    dtype: Any = "float64",
    device: str = "cpu",
) -> Doubles:
    """ω(x) = (∂ℓ/∂N(N(x), l1) − ∂ℓ/∂N(N(x), l0)) / (l1 − l0), the weight of J for labels l0, l1.

    With two labels ∂ℓ/∂N is affine in the label for any loss, so formula (1) holds with J → ω·J
    (docs/theory, section 1, finite label sets).

    Args:
        loss: (outputs, labels) -> one loss a sample; both arguments are tensors of shape (n,).
        labels: The two values (l0, l1).
        outputs: N(x), shape (n,).
        dtype: What the loss is evaluated in, "float32" or "float64".
        device: Where it is evaluated.

    Returns:
        ω, float64 of shape (n,).

    Raises:
        ValueError: If labels are not two, the loss does not return one number a sample, or its derivative is
            not finite.

    Example:
        >>> import numpy as np
        >>> loss_weights(lambda n, y: (n - y) ** 2 / 2, (0.0, 1.0), np.array([0.3, 5.0]))
        array([-1., -1.])
    """
    _check_loss(loss, labels)
    low, high = (float(label) for label in labels)
    slopes = loss_slopes(loss, (low, high), outputs, dtype=dtype, device=device)
    weights: Doubles = (slopes[:, 1] - slopes[:, 0]) / (high - low)
    return weights


def _check_loss(loss: object, labels: Sequence[float] | None) -> bool:
    """Whether the loss is affine in the label by name; checks the labels of one that is not."""
    if not callable(loss):
        if not isinstance(loss, str):
            raise TypeError(f'loss must be "mse", "bce" or a callable; got {type(loss).__name__}')
        _validate.choice("loss", loss, AFFINE_LOSSES)
        return True
    if labels is None:
        raise ValueError(
            "labels must be given for a callable loss: two labels are needed (a target that takes two values)"
        )
    found = [float(label) for label in labels]
    if len(found) != 2 or found[0] == found[1] or not all(map(math.isfinite, found)):
        raise ValueError(f"labels must be two different finite numbers: two labels are needed; got {found}")
    return False
