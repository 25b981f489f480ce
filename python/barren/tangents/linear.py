"""Tangents of networks whose trainable layers are `nn.Linear`, applied once a sample, without a Jacobian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from barren.tangents.base import Block, Doubles
from barren.tangents.inspect import PROBE_POINTS, check_finite, evenly
from barren.tangents.model import ModelTangent, all_outputs
from barren.tangents.snapshot import Snapshot, plain_autograd

# Rounding allowed between two orders of the same sums, relative to the sum of absolute values.
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}


class NotLayeredError(Exception):
    """The rule for `nn.Linear` does not hold for this model; says why. Never leaves this package."""


@dataclass(frozen=True)
class CentredGram:
    """Blocks of M·Mᵀ in float64 with M = 1·mᵀ + M' split into its mean row and the rest.

    M·Mᵀ = m·m + u_i + u_j + M'·M'ᵀ with u = M'·m. The constant part cancels against the class kernel, whose rows sum to
    zero; in float32 its rounding would not. It is up to a thousand times what is left in sigmoid networks, so it is
    kept in float64 and only M'·M'ᵀ is a product in the model's dtype.
    """

    rest: Tensor
    cross: Tensor
    constant: float

    @staticmethod
    def of(matrix: Tensor, constant: float = 0.0) -> CentredGram:
        """Of M·Mᵀ + constant."""
        mean = matrix.mean(dim=0, keepdim=True)
        rest = matrix - mean
        exact = mean[0].double()
        # u in float64 without a float64 copy of the whole matrix.
        cross = torch.cat([rows.double() @ exact for rows in torch.split(rest, 1024)])
        return CentredGram(rest, cross, float(exact @ exact) + constant)

    def block(self, rows: slice, columns: slice) -> Tensor:
        """The block of these rows and columns."""
        gram = (self.rest[rows] @ self.rest[columns].T).double()
        gram += self.cross[columns]
        gram += self.cross[rows, None] + self.constant
        return gram


@dataclass(frozen=True)
class LinearLayer:
    """One trainable `nn.Linear` at n inputs: a row of J is (Δ_i ⊗ H_i, Δ_i), weight row-major, then bias.

    Attributes:
        name: Path of the module; "model" for the root.
        deltas: Δ (n, out), the gradient of the model's output in the layer's output.
        inputs: H (n, in), or None where the weight is frozen.
        bias: Whether the bias is trainable.
    """

    name: str
    deltas: Tensor
    inputs: Tensor | None
    bias: bool

    @property
    def size(self) -> int:
        """Number of trainable parameters."""
        columns = (0 if self.inputs is None else self.inputs.shape[1]) + self.bias
        return self.deltas.shape[1] * columns

    @cached_property
    def _grams(self) -> tuple[CentredGram, CentredGram | None]:
        inputs = None if self.inputs is None else CentredGram.of(self.inputs, float(self.bias))
        return CentredGram.of(self.deltas), inputs

    def ntk(self, rows: slice, columns: slice) -> Tensor:
        """Θ[rows, columns] = (Δ Δᵀ) ∘ (H Hᵀ + 1[bias]) in float64: docs/theory, section 3."""
        deltas, inputs = self._grams
        theta = deltas.block(rows, columns)
        if inputs is not None:
            theta *= inputs.block(rows, columns)
        return theta

    def squared_norms(self) -> Tensor:
        """‖Δ_i‖²·(‖H_i‖² + 1[bias]) in float64."""
        squares = _row_squares(self.deltas)
        return squares if self.inputs is None else squares * (_row_squares(self.inputs) + self.bias)

    def columns(self, count: int) -> Iterator[Tensor]:
        """Blocks of at most `count` columns, in the order of the parameters."""
        deltas, inputs = self.deltas, self.inputs
        n, outputs = deltas.shape
        if inputs is not None:
            width = inputs.shape[1]
            rows, step = max(1, count // max(1, width)), min(count, width)
            for o in range(0, outputs, rows):
                for i in range(0, width, step):
                    outer = deltas[:, o : o + rows, None] * inputs[:, None, i : i + step]
                    yield outer.reshape(n, -1)
        if self.bias:
            for o in range(0, outputs, count):
                yield deltas[:, o : o + count].contiguous()


def _row_squares(matrix: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=1, dtype=torch.float64)
    return norms.square()


class LinearTangent(ModelTangent):
    """The tangent of linear layers from inputs H and backpropagated deltas Δ, kept on the model's device.

    Θ_layer = (ΔΔᵀ) ∘ (HHᵀ + 1[bias]) costs O(n²·(in + out)) a layer, against O(n²·in·out) from columns
    (docs/theory, section 3). Columns are NumPy arrays in the computing dtype, blocks of Θ in float64.
    """

    def __init__(self, snapshot: Snapshot, modules: dict[str, nn.Linear], features: Tensor, outputs: Doubles) -> None:
        self._modules = modules
        self._captured: list[LinearLayer] | None = None
        note = f"activations and deltas: the trainable layers are {len(modules)} nn.Linear, each applied once a sample"
        super().__init__(snapshot, features, outputs, note)

    @property
    def ntk_is_cheap(self) -> bool:
        """Two matrix products a layer."""
        return True

    @property
    def ntk_cost(self) -> float:
        """Multiply-adds for one entry of Θ: in + out, summed over the layers."""
        widths = (module.out_features + _trained(module)[0] * module.in_features for module in self._modules.values())
        return float(sum(widths))

    def squared_norms(self) -> Doubles:
        """‖J(x_i)‖², float64 of shape (n,), in O(n·(in + out)) a layer."""
        total = np.zeros(self.n)
        for part in self._parts():
            total += part.squared_norms().cpu().numpy()
        return total

    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Outer products of Δ and H; see `Tangent.column_blocks`."""
        count = max(1, bytes_limit // (self.n * self.dtype.itemsize))
        for part in self._parts():
            for block in part.columns(count):
                yield part.name, block.cpu().numpy()

    def ntk(self, rows: slice, columns: slice) -> Iterator[tuple[str, Block]]:
        """Two matrix products a layer; see `Tangent.ntk`."""
        for part in self._parts():
            yield part.name, part.ntk(rows, columns).cpu().numpy()

    def _forget(self) -> None:
        self._captured = None

    def _parts(self) -> list[LinearLayer]:
        """Activations and deltas of all samples, captured when they are first needed."""
        if self._captured is None:
            with plain_autograd(self._snapshot.device):
                outputs, captured = _capture(self._snapshot, self._modules, self._features)
                deltas = _deltas(outputs, captured)
            omega = self._row_weights(slice(None))
            parts = []
            for (path, module), (inputs, _), delta in zip(self._modules.items(), captured, deltas, strict=True):
                check_finite(f"the gradient in the outputs of {path!r}", delta)
                check_finite(f"the inputs of {path!r}", inputs)
                weight, bias = _trained(module)
                scaled = delta if omega is None else delta * omega
                parts.append(LinearLayer(path, scaled, inputs if weight else None, bias))
            self._captured = parts
        return self._captured


def linear_tangent(snapshot: Snapshot, features: Tensor) -> LinearTangent:
    """The tangent by activations and deltas, after a probe has shown that the rule holds for this model.

    Raises:
        NotLayeredError: If a trainable parameter is not in an `nn.Linear` applied once a sample.
        ValueError: If an output is not finite.
    """
    modules = _trainable_linears(snapshot.model)
    _verify(snapshot, modules, evenly(features, PROBE_POINTS))
    return LinearTangent(snapshot, modules, features, all_outputs(snapshot, features))


def _trained(module: nn.Linear) -> tuple[bool, bool]:
    """Whether the weight and the bias are trainable."""
    return module.weight.requires_grad, module.bias is not None and module.bias.requires_grad


def _trainable_linears(model: nn.Module) -> dict[str, nn.Linear]:
    """Path -> module of every `nn.Linear` with a trainable parameter, if nothing else has one."""
    found: dict[str, nn.Linear] = {}
    owners: dict[int, str] = {}
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            if id(parameter) in owners:
                raise NotLayeredError(f"{path!r} shares a parameter with {owners[id(parameter)]!r}")
            owners[id(parameter)] = path
            if type(module) is not nn.Linear or name not in {"weight", "bias"}:
                kind = type(module).__name__
                raise NotLayeredError(f"trainable {name!r} of {kind} at {path or 'the top'!r} is not of an nn.Linear")
            found[path or "model"] = module
    return found


def _capture(
    snapshot: Snapshot, modules: dict[str, nn.Linear], features: Tensor
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """One forward that keeps each layer's input and, within the graph, its output."""
    n = len(features)
    kept: dict[int, list[tuple[Tensor, Tensor]]] = {id(module): [] for module in modules.values()}

    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        if len(args) != 1 or args[0].shape[:-1] != (n,):
            raise NotLayeredError("an nn.Linear is not applied to one vector a sample")
        kept[id(module)].append((args[0].detach(), output))
        # What follows gets a copy: an in-place activation must not change the output that was kept.
        return output.clone()

    handles = []
    try:
        for module in modules.values():
            # First among the hooks, so that what a caller's hook does to the output comes after ours.
            handles.append(module.register_forward_hook(hook, prepend=True))
        outputs = snapshot.outputs(features)
    finally:
        for handle in handles:
            handle.remove()
    captured = []
    for path, module in modules.items():
        calls = kept[id(module)]
        if len(calls) > 1:
            raise NotLayeredError(f"{path!r} is applied {len(calls)} times a sample")
        if calls:
            captured.append(calls[0])
        else:  # unused in the forward: its rows are zero, which the verification confirms
            captured.append((outputs.new_zeros(n, module.in_features), outputs.new_zeros(n, module.out_features)))
    return outputs, captured


def _deltas(outputs: Tensor, captured: list[tuple[Tensor, Tensor]], *, keep_graph: bool = False) -> list[Tensor]:
    """Gradient of each sample's output in each layer's output; zero where the layer does not reach it.

    The gradient of Σ_i N(x_i) gives every row at once, since N(x_i) depends on row i of a layer only.
    """
    reached = [index for index, (_, output) in enumerate(captured) if output.requires_grad]
    gradients: list[Tensor | None] = [None] * len(captured)
    if reached:
        targets = [captured[index][1] for index in reached]
        found = torch.autograd.grad(outputs.sum(), targets, allow_unused=True, retain_graph=keep_graph)
        for index, gradient in zip(reached, found, strict=True):
            gradients[index] = gradient
    return [
        torch.zeros_like(output) if gradient is None else gradient
        for gradient, (_, output) in zip(gradients, captured, strict=True)
    ]


def _verify(snapshot: Snapshot, modules: dict[str, nn.Linear], probe: Tensor) -> None:
    """Compares Jᵀz from Δ and H with reverse mode at random z; any other use of a parameter shows in it."""
    outputs, captured = _capture(snapshot, modules, probe)
    deltas = _deltas(outputs, captured, keep_graph=True)
    generator = torch.Generator().manual_seed(20231018)
    z = (torch.rand(len(probe), generator=generator, dtype=torch.float64) + 0.5).to(outputs)
    true = snapshot.gradients((z * outputs).sum(), snapshot.trainable)
    tolerance = _TOLERANCE[snapshot.dtype]
    for (path, module), (inputs, _), delta in zip(modules.items(), captured, deltas, strict=True):
        prefix = "" if path == "model" and module is snapshot.model else path + "."
        weighted = z[:, None] * delta
        weight, bias = _trained(module)
        pairs = []
        if weight:
            pairs.append(("weight", weighted.T @ inputs, weighted.abs().T @ inputs.abs()))
        if bias:
            pairs.append(("bias", weighted.sum(0), weighted.abs().sum(0)))
        for name, rule, scale in pairs:
            gap = (rule - true[prefix + name]).abs().max()
            if not bool(gap <= tolerance * scale.max()):
                raise NotLayeredError(f"{path!r} takes part in the forward beyond one application of the layer")
