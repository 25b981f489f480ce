"""Which layers of a model have a rule: found on a probe, compared there with reverse mode, and watched ever after.

Two things make a rule right. Its formula is compared with reverse mode on the probe. That nothing else uses the
parameter is no matter of numbers, which could be zero on the probe: it is read from the graph of every batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from barren.tangents.columns import Columns
from barren.tangents.independence import (
    MIXED,
    TOLERANCE,
    apart,
    check_alone,
    check_company,
    check_slopes,
    random_cotangents,
)
from barren.tangents.inspect import PROBE_POINTS, check_finite
from barren.tangents.parts import OuterPart, Part, RowsPart, make_part
from barren.tangents.recording import Use, deltas, layouts, record, signature, unaccounted
from barren.tangents.rules import Layout, NoRuleError, Piece
from barren.tangents.snapshot import Snapshot

# Samples of a second batch, which shows where the samples lie in each call.
_FEWER_POINTS = 13
_PAST = "{!r} takes part in the forward where no rule sees it"
# Layers of a route that the note names.
_NAMED = 6
# Gradients of all samples are kept up to so many bytes a layer that has no factors.
_ROWS_BYTES = 1 << 30


class ChangedCallsError(Exception):
    """A batch uses layers otherwise than the probe did: layer -> how. Never leaves this package."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


@dataclass
class Routes:
    """The route of every layer of one model.

    Attributes:
        snapshot: The model.
        probe: A few inputs.
        layers: Layer -> its trainable parameters, in the order of the columns.
        rules: Layer -> its part at the probe's samples, for the layers that have a rule.
        reasons: Layer -> why it has none.
        columns: What computes the columns of the layers without a rule; None if there are none.
        copies: Whether threads may run copies of the model, which must not reach the model itself.
        seen: Which inputs were in a batch that has been checked for outputs that depend on other samples, (n,).
    """

    snapshot: Snapshot
    probe: Tensor
    layers: dict[str, list[str]]
    rules: dict[str, Part] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    columns: Columns | None = None
    copies: bool = True
    seen: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    _signature: list[tuple[object, ...]] = field(default_factory=list)
    _layouts: list[Layout | str] = field(default_factory=list)
    _as_rows: dict[str, bool] = field(default_factory=dict)

    def parts(self, snapshot: Snapshot, features: Tensor, omega: Tensor | None) -> tuple[Tensor, dict[str, Part]]:
        """The outputs, and every layer with a rule at these samples, with rows ω_i·J(x_i).

        Raises:
            ChangedCallsError: If the forward makes other calls than on the probe, or uses a parameter past them: the
                rules of these layers then hold no more; or if samples change their places within it.
            PastReferenceError: If it reads parameters of the model itself.
            ValueError: If an output or a gradient is not finite, or an output depends on other samples.
        """
        try:
            return self._parts(snapshot, features.detach().requires_grad_(), omega)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # derivatives do not pass to the inputs (x.numpy()): values alone tell of other samples
            return self._parts(snapshot, features, omega)

    def _parts(self, snapshot: Snapshot, features: Tensor, omega: Tensor | None) -> tuple[Tensor, dict[str, Part]]:
        outputs, uses = self._watched(snapshot, features, "for other inputs", "at some inputs")
        check_company(snapshot, features.detach(), outputs)
        gradients, slope = deltas(outputs, uses, features, keep_graph=True)
        parts = self._made(uses, gradients, len(features), omega)
        z = apart(len(outputs), outputs)
        weighted, other = deltas(outputs, uses, features, z, keep_graph=True)
        check_slopes(outputs, features, torch.ones_like(outputs), slope, other, z)
        if not self._are_apart(uses, gradients, weighted, z):
            check_alone(snapshot, features.detach(), outputs)
            raise ChangedCallsError(dict.fromkeys(self.rules, MIXED))
        return outputs.detach(), parts

    def _watched(self, snapshot: Snapshot, features: Tensor, elsewhere: str, here: str) -> tuple[Tensor, list[Use]]:
        """A forward that makes the calls of the probe, and uses no parameter of a rule past them, or is refused.

        Args:
            snapshot: The model.
            features: A batch.
            elsewhere: Where other calls are made, in words.
            here: Where a parameter is used past its calls, in words.
        """
        outputs, uses = record(snapshot, features)
        same = len(uses) == len(self._layouts) and self._signature == signature(uses, self._layouts, len(features))
        if not same:
            raise ChangedCallsError(dict.fromkeys(self.rules, f"its forward makes other calls {elsewhere}"))
        reasons = self._past_the_calls(snapshot, outputs, uses, list(self.rules))
        if reasons:
            raise ChangedCallsError({layer: f"{reason} {here}" for layer, reason in reasons.items()})
        check_finite("outputs", outputs)
        return outputs, uses

    def _made(self, uses: list[Use], gradients: list[Tensor], n: int, omega: Tensor | None) -> dict[str, Part]:
        """Every layer with a rule at n samples, all of it finite."""
        found = self._pieces(uses, gradients, n, omega, list(self.rules))
        parts = {}
        for layer in self.rules:
            part = make_part(self._parameters(layer), found[layer], n, as_rows=self._as_rows[layer])
            for tensor in part.tensors:
                check_finite(f"the gradient in layer {layer!r}", tensor)
            parts[layer] = part
        return parts

    def abandon(self, reasons: Mapping[str, str]) -> None:
        """Sends these layers through Jacobian columns from now on."""
        both = {**self.reasons, **reasons}
        self.reasons = {layer: both[layer] for layer in self.layers if layer in both}
        for layer in reasons:
            self.rules.pop(layer, None)
        self.settle()

    def settle(self) -> None:
        """Prepares the columns of the layers without a rule."""
        names = [name for layer, members in self.layers.items() if layer in self.reasons for name in members]
        self.columns = Columns(self.snapshot, names, self.probe) if names else None

    def note(self) -> str:
        """One line: which layers took which route, and why not the first."""
        outer = [layer for layer, part in self.rules.items() if isinstance(part, OuterPart)]
        rows = [layer for layer in self.rules if layer not in outer]
        pieces = []
        if outer:
            pieces.append(f"activations and deltas of {_listed(outer)}")
        if rows:
            pieces.append(f"sample gradients by a rule of {_listed(rows)}")
        if self.reasons:
            why = {reason: layer for layer, reason in reversed(self.reasons.items())}
            told = "; ".join(f"{layer!r}: {reason}" for reason, layer in reversed(why.items()))
            pieces.append(f"Jacobian columns by torch.func of {_listed(list(self.reasons))} ({told})")
        if self.columns is not None and self.columns.loop_reason is not None:
            pieces.append(f"one backward pass a sample, since vmap fails: {self.columns.loop_reason}")
        return "; ".join(pieces)

    def _parameters(self, layer: str) -> dict[str, Tensor]:
        return {name: self.snapshot.trainable[name] for name in self.layers[layer]}

    def _past_the_calls(
        self, snapshot: Snapshot, outputs: Tensor, uses: list[Use], chosen: list[str]
    ) -> dict[str, str]:
        """Which of these layers have a parameter with another use than the recorded calls, and why each has no rule."""
        names = unaccounted(snapshot, outputs, uses)
        first = {layer: next((name for name in self.layers[layer] if name in names), None) for layer in chosen}
        return {layer: _PAST.format(name) for layer, name in first.items() if name is not None}

    def _are_apart(self, uses: list[Use], gradients: list[Tensor], weighted: list[Tensor], z: Tensor) -> bool:
        """Whether the deltas in a sample's rows are those of its own output, in every call of a layer with a rule."""
        for use, gradient, other, place in zip(uses, gradients, weighted, self._layouts, strict=True):
            owners = {self.snapshot.layers[name] for name in use.roles.values()}
            if isinstance(place, str) or not gradient.numel() or owners.isdisjoint(self.rules):
                continue
            gap = (other - _weighted(gradient, Layout(place.axis, len(z)), z)).abs().max()
            if not bool(gap <= TOLERANCE[self.snapshot.dtype] * gradient.abs().max()):
                return False
        return True

    def _pieces(
        self, uses: list[Use], gradients: list[Tensor], n: int, omega: Tensor | None, chosen: list[str]
    ) -> dict[str, list[dict[str, Piece]]]:
        """Layer -> for every call that uses it, parameter name -> piece.

        Raises:
            NoRuleError: If a call of these layers has no known layout.
        """
        found: dict[str, list[dict[str, Piece]]] = {layer: [] for layer in chosen}
        owners = self.snapshot.layers
        for use, gradient, place in zip(uses, gradients, self._layouts, strict=True):
            wanted = {role: name for role, name in use.roles.items() if owners[name] in found}
            if not wanted:
                continue
            if isinstance(place, str):
                raise NoRuleError(place)
            if gradient.dtype != self.snapshot.dtype:  # under autocast
                raise NoRuleError(f"it is computed in {str(gradient.dtype).removeprefix('torch.')}")
            layout = Layout(place.axis, n)
            if omega is not None:
                gradient = _weighted(gradient, layout, omega)
            pieces = use.call.pieces(gradient, layout)
            for layer in {owners[name] for name in wanted.values()}:
                found[layer].append({name: pieces[role] for role, name in wanted.items() if owners[name] == layer})
        return found


def find_routes(snapshot: Snapshot, layers: Mapping[str, list[str]], features: Tensor) -> Routes:
    """Tries the rules on a probe and keeps those that agree with reverse mode there, layer by layer."""
    n = len(features)
    chosen = torch.linspace(0, n - 1, PROBE_POINTS, dtype=torch.float64).round().long().to(features.device)
    probe = features[chosen]
    routes = Routes(snapshot, probe, dict(layers), seen=np.zeros(n, np.bool_))
    try:
        outputs, uses = record(snapshot, probe)
        _, fewer = record(snapshot, probe[:_FEWER_POINTS])
        routes._layouts = layouts(uses, fewer, (len(probe), _FEWER_POINTS))
        past = routes._past_the_calls(snapshot, outputs, uses, list(layers))
        gradients, _ = deltas(outputs, uses, probe, keep_graph=True)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a forward that cannot be watched can still be differentiated
        routes.abandon(dict.fromkeys(layers, " ".join(str(error).split()) or type(error).__name__))
        return routes
    routes._signature = signature(uses, routes._layouts, len(probe))
    z = random_cotangents((len(probe),), outputs)
    true = snapshot.gradients(outputs, snapshot.trainable, z)
    for layer in layers:
        try:
            pieces = routes._pieces(uses, gradients, len(probe), None, [layer])[layer]
            part = make_part(routes._parameters(layer), pieces, len(probe), as_rows=False)
            if layer in past:
                raise NoRuleError(past[layer])
            _verify(part, z, true, TOLERANCE[snapshot.dtype])
            if isinstance(part, RowsPart) and n * part.cost * part.rows.element_size() > _ROWS_BYTES:
                raise NoRuleError("its gradients at all samples are too large to keep")
        except NoRuleError as reason:
            routes.reasons[layer] = str(reason)
            continue
        routes._as_rows[layer] = isinstance(part, OuterPart) and part.prefers_rows(n)
        routes.rules[layer] = part.as_rows() if routes._as_rows[layer] and isinstance(part, OuterPart) else part
    routes.settle()
    return routes


def _verify(part: Part, z: Tensor, true: Mapping[str, Tensor], tolerance: float) -> None:
    """Compares Jᵀz from the rule with reverse mode at random z; any other use of a parameter shows in it."""
    for name, (found, scale) in part.pulled_back(z).items():
        gap = (found - true[name].flatten()).abs().max()
        if not bool(gap <= tolerance * scale.max()):
            raise NoRuleError(_PAST.format(name))


def _weighted(gradient: Tensor, layout: Layout, omega: Tensor) -> Tensor:
    """Deltas times the weight of their sample."""
    axis = gradient.movedim(layout.axis, 0)
    grouped = axis.reshape(layout.samples, -1) * omega.reshape(-1, 1)
    return grouped.reshape(axis.shape).movedim(0, layout.axis)


def _listed(layers: list[str]) -> str:
    more = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
    return f"{len(layers)} layer{'s' * (len(layers) > 1)} ({', '.join(layers[:_NAMED])}{more})"
