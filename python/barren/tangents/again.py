"""The tangent at other weights of a network whose structure is known: what was found once is not sought again.

A full look at a model asks whether its outputs are functions of one sample, which layers have a rule, and whether rules
hold in every batch. Networks that differ in their parameters and buffers alone have one answer to the first two; of the
third, the calls of each batch, its graph and the numbers in it are still looked at; not again whether samples act on
each other.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields

from torch import Tensor, nn

from barren.tangents.base import Tangent
from barren.tangents.inspect import outputs_now
from barren.tangents.model import ModelTangent
from barren.tangents.parts import Part
from barren.tangents.recording import deltas
from barren.tangents.routes import Routes
from barren.tangents.snapshot import Snapshot


def tangent_again(known: Tangent, model: nn.Module) -> Tangent | None:
    """The tangent at the weights of another network of the same structure, for the same features.

    Args:
        known: What `tangent_of_model` gave for the first one.
        model: A module that differs from the first in its parameters and buffers alone.

    Returns:
        A tangent with the same numbers as `tangent_of_model` gives, or None where it needs to be asked: a layer has no
        rule, or names, shapes or kinds of modules are other ones.
    """
    if not isinstance(known, ModelTangent) or known._routes.reasons:
        return None
    before = known._snapshot
    if _structure(before.model) != _structure(model):
        return None
    snapshot = Snapshot(model, before.dtype, cast=True)
    if snapshot.device != before.device:
        return None
    made = copy.copy(known)
    made.__dict__.pop("_products", None)
    made._snapshot, made._outputs, made._omega, made._grams, made._norms = snapshot, None, None, None, {}
    kept = {field.name: getattr(known._routes, field.name) for field in fields(Routes)}
    made._routes = _KnownRoutes(**{**kept, "snapshot": snapshot, "rules": dict(kept["rules"]), "reasons": {}})
    made._norms_of = made._routes.reasons
    made._probe_outputs = outputs_now(snapshot, made._routes.probe)
    return made


def _structure(model: nn.Module) -> list[tuple[object, ...]]:
    """Kinds of modules, and shapes of parameters and buffers, by their names."""
    modules: list[tuple[object, ...]] = [
        (name, type(module), module.training) for name, module in model.named_modules()
    ]
    tensors = (*model.named_parameters(), *model.named_buffers())
    return modules + [(name, tuple(tensor.shape), tensor.requires_grad) for name, tensor in tensors]


@dataclass
class _KnownRoutes(Routes):
    """Routes that were found, and held in every batch, for another network of the same structure."""

    def parts(self, snapshot: Snapshot, features: Tensor, omega: Tensor | None) -> tuple[Tensor, dict[str, Part]]:
        """See `Routes.parts`; one backward pass."""
        outputs, uses = self._watched(snapshot, features, "at other weights", "at other weights")
        gradients, _ = deltas(outputs, uses, features)
        return outputs.detach(), self._made(uses, gradients, len(features), omega)
