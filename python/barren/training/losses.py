"""Losses of whole ensembles: one number a run and sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from barren import _validate
from barren.classes import TargetClass

NAMES = ("mse", "bce", "hinge", "cross-entropy")


@dataclass(frozen=True)
class Loss:
    """ℓ(N(x), h(x)), summed over the outputs.

    Attributes:
        name: One of `NAMES`, or the name of a function.
        function: Of tensors (n,) of outputs and labels to (n,) losses, where one was given.
    """

    name: str
    function: Callable[[Tensor, Tensor], Tensor] | None = None

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Losses (runs, n) from outputs (runs, n, k) and as many labels, or classes (runs, n, 1)."""
        if self.function is not None:
            found = self.function(outputs.reshape(-1), labels.reshape(-1))
            shape = (outputs.shape[:-1].numel(),)
            if not isinstance(found, Tensor):
                raise ValueError(
                    "loss must return a torch.Tensor, one real number a sample; got "
                    f"{type(found).__name__}: compute it by functions of torch, through which its gradient goes"
                )
            if found.shape != shape or not found.is_floating_point():
                came = f"{tuple(found.shape)} of {found.dtype}"
                raise ValueError(f'loss must return one real number a sample; got {came}: pass reduction="none"')
            return found.reshape(outputs.shape[:-1])
        if self.name == "cross-entropy":
            flat = functional.cross_entropy(outputs.flatten(0, -2), labels.flatten().long(), reduction="none")
            return flat.reshape(outputs.shape[:-1])
        if self.name == "bce":
            each = functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none")
        elif self.name == "hinge":
            each = (1.0 - labels * outputs).relu()
        else:
            each = 0.5 * (outputs - labels).square()
        return each.sum(-1)

    def prefers_larger(self, outputs: NDArray[Any], pair: tuple[float, float]) -> NDArray[np.bool_]:
        """Where the larger of two labels has the smaller loss: float64 outputs (runs, n, 1) to bools of that shape."""
        shown = torch.from_numpy(np.ascontiguousarray(outputs))
        with torch.no_grad():
            low, high = (self(shown, torch.full_like(shown, label)) for label in pair)
        return (high < low).numpy()[..., None]


def check_function(loss: Loss, outputs: Tensor, labels: Tensor, span: tuple[float, float]) -> None:
    """Refuses a function that is none of each sample: one that mixes points would mix runs too, which share a call.

    Args:
        loss: Of a function.
        outputs: Some outputs of a network, (n,).
        labels: As many labels.
        span: The smallest and the largest label of the class.

    Raises:
        ValueError: The loss of a sample differs with what else is there, or has no gradient.
    """
    # Zeros everywhere, as some networks begin with, would tell little; all losses take numbers between 0 and 1.
    spread = torch.linspace(0.125, 0.875, 4, dtype=outputs.dtype, device=outputs.device)
    shown = torch.cat([outputs, spread]).detach().requires_grad_()[:, None, None]  # runs of one point
    wanted = torch.cat([labels, labels.new_tensor([*span, *span])])[:, None, None]
    together = loss(shown.clone(), wanted)  # it may write into what it is given
    found = torch.autograd.grad(together.sum(), shown, allow_unused=True)[0] if together.requires_grad else None
    if found is None:
        raise ValueError(f"loss must have a gradient by the outputs; got {loss.name}, which does not depend on them")
    apart = torch.cat([loss(shown[[row]].clone(), wanted[[row]]) for row in range(len(shown))])
    if not torch.allclose(together, apart, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise ValueError(
            f"loss must be a function of each sample alone; got {loss.name}, whose losses are others for one sample at "
            "a time: leave out means and sums over samples"
        )


def from_spec(loss: object, classes: list[TargetClass]) -> Loss:
    """The loss of that name, or a function, after checking that it fits the labels.

    Raises:
        TypeError: neither a name nor a function.
        ValueError: an unknown name, or labels that the loss is not made for.
    """
    if callable(loss):
        if len(classes) > 1:
            raise ValueError(f"loss must be one of {', '.join(NAMES)} for several classes; got a function")
        return Loss(getattr(loss, "__name__", type(loss).__name__), loss)
    if not isinstance(loss, str):
        _validate.refuse(TypeError, "loss", f"one of {', '.join(NAMES)} or a function", _validate.came(loss))
    name = _validate.choice("loss", loss, NAMES)
    low, high = min(cls.range[0] for cls in classes), max(cls.range[1] for cls in classes)
    if name == "bce" and (low < 0.0 or high > 1.0):
        raise ValueError(f"loss='bce' needs labels in [0, 1]; got a target of values {low:g} to {high:g}")
    if name == "hinge" and any(cls.labels != (-1.0, 1.0) for cls in classes):
        raise ValueError(f"loss='hinge' needs labels -1 and 1, such as 1 - 2 * targets.Bit(0); got {classes[0]!r}")
    if name == "cross-entropy" and (len(classes) > 1 or low < 0.0 or low != int(low) or high != int(high)):
        raise ValueError(
            "loss='cross-entropy' needs one class with labels 0, 1, …, such as targets.Residue() or targets.Bit(0); "
            f"got {len(classes)} with values {low:g} to {high:g}"
        )
    return Loss(name)
