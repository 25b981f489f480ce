"""Deltas of models of several outputs whose trainable layers are `nn.Linear`, each applied once a sample.

For cotangents v(x) over the outputs the gradient of such a layer is Σ_x δ(x) ⊗ [H(x), 1], with H its inputs and
δ(x) = (∂N/∂h)ᵀ v(x) its delta, h its outputs (docs/theory, section 3.4). No gradient is formed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from barren.tangents.base import Doubles
from barren.tangents.graph import passes_only
from barren.tangents.independence import (
    MIXED,
    TOLERANCE,
    apart,
    check_alone,
    check_company,
    check_slopes,
    random_cotangents,
)
from barren.tangents.inspect import PROBE_POINTS, check_finite, evenly
from barren.tangents.products import bytes_a_sample
from barren.tangents.recording import Use, unaccounted, watch
from barren.tangents.snapshot import Snapshot, plain_autograd

# What the deltas of a chunk of samples and a group of cotangents take at most, with the forward's graph.
CHUNK_BYTES = 1 << 26
# What the forward that finds the inputs of every layer takes at once.
_FORWARD_BYTES = 1 << 22
# Cotangents that go back together before chunks have more samples; samples of a chunk however small the memory limit.
_TOGETHER, _LEAST_SAMPLES = 32, 16

# (outputs, tensors of their graph, cotangents (b, *outputs.shape)) -> one gradient (b, *tensor.shape) a tensor.
Backward: TypeAlias = Callable[[Tensor, Sequence[Tensor], Tensor], list[Tensor]]


class NotLayeredError(Exception):
    """The rule for `nn.Linear` does not hold for this model; says why. Never leaves this package."""


@dataclass(frozen=True)
class _Call:
    """One application of a layer: its weight, its input, and its output within the graph."""

    module: nn.Linear
    weight: Tensor
    entry: Tensor
    output: Tensor


@dataclass(frozen=True, eq=False)
class DeltaLayer:
    """One trainable layer at n inputs.

    Attributes:
        name: Path of the module; "model" for the root.
        width: Number of its outputs, the length of a delta.
        rows: [H, 1], float64 of shape (n, columns): the inputs where the weight is trainable, then a one where the bias
            is.
        is_last: Whether its output is the model's, so that a delta is the cotangent itself.
    """

    name: str
    width: int
    rows: Doubles
    is_last: bool


class Deltas:
    """The layers, and their deltas for given cotangents, from a forward a chunk of samples: no graph of all is kept.

    Args:
        snapshot: A model with outputs of shape (n, m), m >= 2.
        features: Encoded inputs, shape (n, width).
        backward: Reverse mode for many cotangents.

    Attributes:
        layers: In the order of the model.

    Raises:
        NotLayeredError: If a trainable parameter is not in an `nn.Linear` applied once a sample.
        ValueError: If an output is not finite.
    """

    def __init__(self, snapshot: Snapshot, features: Tensor, backward: Backward) -> None:
        self._snapshot, self._features, self._backward = snapshot, features, backward
        self._modules = _trainable_linears(snapshot.model)
        probe, calls = _captured(snapshot, self._modules, evenly(features, PROBE_POINTS))
        _verify(snapshot, probe, calls, backward)
        self._n, self._logits = len(features), probe.shape[1]
        # A graph holds the results of the forward and the clones of the hooks; a second one, for the check of the
        # batch, those of a quarter of the samples.
        self._graph_bytes = 9 * bytes_a_sample(snapshot, evenly(features, 2)) // 4
        self.layers = self._all_layers()
        # layer -> (k, Σ_c‖∂N_c/∂h‖² over the outputs c < k), kept as tables are made.
        self._squares: dict[str, tuple[int, Doubles]] = {}

    @property
    def bytes(self) -> int:
        """Bytes that are held from the start: the inputs of every layer, and the features."""
        return sum(layer.rows.nbytes for layer in self.layers) + 2 * self._features.nbytes

    def least_bytes(self, layer: DeltaLayer) -> int:
        """Bytes without which no delta can be made."""
        return min(self._n, _LEAST_SAMPLES) * (self._graph_bytes + self._bytes_a_delta(layer))

    def most_bytes(self, layer: DeltaLayer, cotangents: int) -> int:
        """Bytes beyond which more make no difference."""
        return min(CHUNK_BYTES, self._n * (self._graph_bytes + cotangents * self._bytes_a_delta(layer)))

    def table(
        self, layer: DeltaLayer, stop: int, start: int = 0, bytes_limit: int = CHUNK_BYTES
    ) -> Iterator[tuple[slice, int, Doubles]]:
        """∂N_c/∂h at every sample, h the layer's outputs, for the outputs c = start..stop−1.

        Args:
            layer: The layer, not the last.
            stop: The first output that is left out.
            start: The first output.
            bytes_limit: What a chunk of samples and a group of outputs may take, not less than `least_bytes`.

        Yields:
            (samples, first, block): the outputs from `first` on, float64 of shape (samples, c, width).
        """
        known, squares = self._squares.get(layer.name, (0, np.zeros(self._n)))
        if start >= stop:
            return
        squares = squares.copy()
        for samples in self._chunks(layer, min(_TOGETHER, max(1, stop - start)), bytes_limit):
            count = samples.stop - samples.start
            pull, unit = self._forward(layer, samples)
            if unit is None:
                unit = torch.eye(self._logits, dtype=self._snapshot.dtype, device=self._snapshot.device)
            room = bytes_limit // count - self._graph_bytes
            step = max(1, room // self._bytes_a_delta(layer))
            for first in range(start, stop, step):
                rows = unit[first : min(first + step, stop)]
                block = pull(rows[:, None].expand(-1, count, -1))
                squares[samples] += np.einsum("cno,cno->n", block, block)
                yield samples, first, block.transpose(1, 0, 2)
                del block  # before the next one is made
        if start == known:
            self._squares[layer.name] = stop, squares

    def of(self, layer: DeltaLayer, cotangents: Doubles, bytes_limit: int = CHUNK_BYTES) -> Doubles:
        """Deltas of a layer for cotangents of shape (b, n, m): float64 of shape (b, n, width)."""
        if layer.is_last:
            return cotangents
        out = np.empty((len(cotangents), self._n, layer.width))
        for samples in self._chunks(layer, len(cotangents), bytes_limit):
            pull, lift = self._forward(layer, samples)
            start = torch.from_numpy(cotangents[:, samples]).to(self._features)
            out[:, samples] = pull(start if lift is None else start @ lift)
        return out

    def squared_norms(self, bytes_limit: int = CHUNK_BYTES) -> Doubles:
        """Σ_c‖J_c(x)‖² over the outputs c, float64 of shape (n,)."""
        total = np.zeros(self._n)
        for layer in self.layers:
            if layer.is_last:
                squares: Doubles | int = self._logits
            else:
                known, _ = self._squares.get(layer.name, (0, None))
                for _ in self.table(layer, self._logits, known, bytes_limit):
                    pass  # they are kept as it goes
                _, squares = self._squares[layer.name]
            total += squares * np.einsum("ni,ni->n", layer.rows, layer.rows)
        return total

    def _all_layers(self) -> list[DeltaLayer]:
        """What each layer is fed, from a forward over all samples, in chunks, and which is the last at all of them."""
        step = max(1, _FORWARD_BYTES // self._graph_bytes)
        rows: dict[str, list[Doubles]] = {path: [] for path in self._modules}
        lasts, through = set(), True
        for first in range(0, self._n, step):
            outputs, calls = _checked(self._snapshot, self._modules, self._features[first : first + step])
            check_finite("outputs", outputs)
            last = _last(outputs, calls, self._backward)
            lasts.add(last)
            through = through and last is not None and _is_fed_by_its_input_alone(outputs, calls, last)
            for name, call in calls.items():
                rows[name].append(_rows(name, call))
        self._last = lasts.pop() if len(lasts) == 1 else None
        # Below the last layer all deltas come through its inputs, so backward passes begin there.
        self._through_last = through and self._last is not None
        widths = {name: call.output.shape[1] for name, call in calls.items()}
        # A list is dropped as its rows are joined: they stand there twice for one layer at a time.
        return [DeltaLayer(name, widths[name], np.concatenate(rows.pop(name)), name == self._last) for name in widths]

    def _chunks(self, layer: DeltaLayer, cotangents: int, bytes_limit: int) -> Iterator[slice]:
        """Samples in ranges of which so many cotangents can go back together."""
        step = max(1, bytes_limit // (self._graph_bytes + cotangents * self._bytes_a_delta(layer)))
        step = max(step, min(self._n, _LEAST_SAMPLES))
        for first in range(0, self._n, step):
            yield slice(first, min(first + step, self._n))

    def _bytes_a_delta(self, layer: DeltaLayer) -> int:
        """What one cotangent of one sample takes: what it passes on its way back, and the delta, also as float64."""
        return self._graph_bytes // 2 + layer.width * (3 * self._snapshot.dtype.itemsize + 10)

    def _forward(self, layer: DeltaLayer, samples: slice) -> tuple[Callable[[Tensor], Doubles], Tensor | None]:
        """How some samples' deltas are made of cotangents where passes begin, and what lifts those of outputs there."""
        with plain_autograd(self._snapshot.device):
            outputs, calls = _checked(self._snapshot, self._modules, self._features[samples])
        start, lift = outputs, None
        if self._last is not None and self._through_last:
            start, lift = calls[self._last].entry, calls[self._last].weight

        def pull(cotangents: Tensor) -> Doubles:
            with plain_autograd(self._snapshot.device):
                (found,) = self._backward(start, [calls[layer.name].output], cotangents)
            check_finite(f"the gradient in the outputs of {layer.name!r}", found)
            deltas: Doubles = found.double().cpu().numpy()
            return deltas

        return pull, lift


def _rows(name: str, call: _Call) -> Doubles:
    """[H, 1] of the samples of one forward: the inputs where the weight is trainable, a one where the bias is."""
    check_finite(f"the inputs of {name!r}", call.entry)
    inputs = call.entry.detach().double().cpu().numpy()
    columns = [inputs] if call.module.weight.requires_grad else []
    if call.module.bias is not None and call.module.bias.requires_grad:
        columns.append(np.ones((len(inputs), 1)))
    return np.concatenate(columns, axis=1)


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


def _checked(snapshot: Snapshot, modules: dict[str, nn.Linear], features: Tensor) -> tuple[Tensor, dict[str, _Call]]:
    """`_captured`, in which every row of a layer is that of its own sample's outputs."""
    try:
        return _with_own_rows(snapshot, modules, features.detach().requires_grad_())
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # derivatives do not pass to the inputs (x.numpy()): values alone tell of other samples
        return _with_own_rows(snapshot, modules, features)


def _with_own_rows(
    snapshot: Snapshot, modules: dict[str, nn.Linear], features: Tensor
) -> tuple[Tensor, dict[str, _Call]]:
    outputs, calls = _captured(snapshot, modules, features)
    check_finite("outputs", outputs)
    check_company(snapshot, features.detach(), outputs)
    ends = [call.output for call in calls.values()] + [features] * features.requires_grad
    z, start = apart(len(outputs), outputs), random_cotangents(outputs.shape, outputs)
    plain, weighted = (
        torch.autograd.grad(outputs, ends, cotangent, retain_graph=True, allow_unused=True)
        for cotangent in (start, z[:, None] * start)
    )
    if features.requires_grad:
        check_slopes(outputs, features, start, plain[-1], weighted[-1], z)
    for one, other in zip(plain[: len(calls)], weighted, strict=False):
        if one is not None and not _are_scaled(one, other, z):
            check_alone(snapshot, features.detach(), outputs)
            raise NotLayeredError(MIXED)
    return outputs, calls


def _are_scaled(deltas: Tensor, weighted: Tensor, z: Tensor) -> bool:
    """Whether the deltas of cotangents times z_i are z_i times the deltas, to rounding."""
    gap = (weighted - z[:, None] * deltas).abs().max()
    return not gap > TOLERANCE[deltas.dtype] * deltas.abs().max()  # what is not finite is told by another check


def _captured(snapshot: Snapshot, modules: dict[str, nn.Linear], features: Tensor) -> tuple[Tensor, dict[str, _Call]]:
    """One forward that keeps each layer's input and output within the graph."""
    kept: dict[str, list[_Call]] = {path: [] for path in modules}
    names = {id(module): path for path, module in modules.items()}

    def hook(module: nn.Linear, args: tuple[Any, ...], output: Tensor) -> Tensor:
        if len(args) != 1 or args[0].shape[:-1] != (len(features),):
            raise NotLayeredError("an nn.Linear is not applied to one vector a sample")
        kept[names[id(module)]].append(_Call(module, module.weight.detach().clone(), args[0], output))
        # What follows gets a copy: an in-place activation must not change the output that was kept.
        return output.clone()

    handles = []
    try:
        for module in modules.values():
            # First among the hooks, so that what a caller's hook does to the output comes after ours.
            handles.append(module.register_forward_hook(hook, prepend=True))
        outputs, uses = watch(snapshot, features)
    finally:
        for handle in handles:
            handle.remove()
    for path, calls in kept.items():
        if len(calls) != 1:
            raise NotLayeredError(f"{path!r} is applied {len(calls)} times a sample")
    _check_uses(snapshot, outputs, uses)
    return outputs, {path: calls[0] for path, calls in kept.items()}


def _check_uses(snapshot: Snapshot, outputs: Tensor, uses: list[Use]) -> None:
    """Every parameter must be read by one call and by nothing else, at any of these inputs."""
    counts = Counter(name for use in uses for name in use.roles.values())
    past = unaccounted(snapshot, outputs, uses)
    for name in snapshot.trainable:
        if name in past or counts[name] != 1:
            raise NotLayeredError(f"{name!r} takes part in the forward beyond one application of its layer")


def _verify(snapshot: Snapshot, outputs: Tensor, calls: dict[str, _Call], backward: Backward) -> None:
    """Compares Σ_x δ ⊗ [H, 1] with reverse mode at random cotangents: the formula, on a probe."""
    cotangent = random_cotangents(outputs.shape, outputs)
    deltas = backward(outputs, [call.output for call in calls.values()], cotangent[None])
    found = backward(outputs, list(snapshot.trainable.values()), cotangent[None])
    true = dict(zip(snapshot.trainable, found, strict=True))
    for (path, call), (delta,) in zip(calls.items(), deltas, strict=True):
        prefix = "" if call.module is snapshot.model else path + "."
        for name, rule, scale in [
            ("weight", delta.T @ call.entry, delta.abs().T @ call.entry.abs()),
            ("bias", delta.sum(0), delta.abs().sum(0)),
        ]:
            if prefix + name not in true:
                continue
            gap = (rule - true[prefix + name][0]).abs().max()
            if not bool(gap <= TOLERANCE[snapshot.dtype] * scale.max()):
                raise NotLayeredError(f"{path!r} takes part in the forward beyond one application of the layer")


def _last(outputs: Tensor, calls: dict[str, _Call], backward: Backward) -> str | None:
    """The layer whose output is the model's: its delta is the cotangent, to the last bit."""
    cotangent = random_cotangents(outputs.shape, outputs)
    for path, call in calls.items():
        if call.output.shape == outputs.shape:
            ((delta,),) = backward(outputs, [call.output], cotangent[None])
            if torch.equal(delta, cotangent):
                return path
    return None


def _is_fed_by_its_input_alone(outputs: Tensor, calls: dict[str, _Call], last: str) -> bool:
    """Whether every other layer reaches the outputs through the input of the last one only (no path around it)."""
    others = [call.output for path, call in calls.items() if path != last]
    return bool(others) and calls[last].entry.requires_grad and passes_only(outputs, calls[last].entry, others)
