"""Tangents of every other torch module: Jacobian columns in chunks of samples by `torch.func`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, vmap

from barren.tangents.base import Block, Doubles
from barren.tangents.inspect import check_finite, evenly
from barren.tangents.model import ModelTangent, all_outputs
from barren.tangents.snapshot import Snapshot, dense, plain_autograd

# Most samples differentiated at once: activations of so many are held, whatever the limit on the columns.
_SAMPLES = 128
# What the gradients of one chunk of samples may take where no limit is given.
_CHUNK_BYTES = 1 << 27
# Samples on which vmap is compared with plain reverse mode.
_COMPARED = 3

# A slice of a parameter tensor, flattened: (layer, parameter name, first column, end).
_Piece: TypeAlias = tuple[str, str, int, int]


class FunctionalTangent(ModelTangent):
    """The tangent of any module, by `vmap(grad)` over chunks of samples and groups of parameter tensors.

    A group is as many tensors as fit the limit together; a tensor that does not fit alone comes in slices,
    and its gradient is computed again for each. The model is called with a batch of one, x[None]. Where vmap
    cannot follow the forward, one plain backward pass a sample takes its place, after a warning.

    Cost: one forward and backward over all samples a group of columns.
    """

    def __init__(self, snapshot: Snapshot, features: Tensor, outputs: Doubles, note: str) -> None:
        super().__init__(snapshot, features, outputs, note)
        self._loop_reason: str | None = None
        self._norms: Doubles | None = None
        self._choose()

    def squared_norms(self) -> Doubles:
        """‖J(x_i)‖², float64 of shape (n,): one pass over the samples, with all parameters at once; kept."""
        if self._norms is None:
            total = np.zeros(self.n)
            for start, stop in self._chunks(self._names, _CHUNK_BYTES):
                for rows in self._rows(self._names, start, stop).values():
                    square = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64).square()
                    total[start:stop] += square.cpu().numpy()
            self._norms = total
        norms: Doubles = self._norms.copy()
        return norms

    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Columns, group by group; see `Tangent.column_blocks`."""
        for group in self._groups(bytes_limit):
            names = [name for _, name, _, _ in group]
            widths: dict[str, int] = {}
            for layer, _, first, end in group:
                widths[layer] = widths.get(layer, 0) + end - first
            blocks = {layer: np.empty((self.n, width), self.dtype) for layer, width in widths.items()}
            for start, stop in self._chunks(names, bytes_limit):
                rows = self._rows(names, start, stop)
                column = dict.fromkeys(widths, 0)
                for layer, name, first, end in group:
                    place = slice(column[layer], column[layer] + end - first)
                    blocks[layer][start:stop, place] = rows[name][:, first:end].cpu().numpy()
                    column[layer] = place.stop
            yield from blocks.items()

    def _forget(self) -> None:
        self._norms = None

    def _groups(self, bytes_limit: int) -> Iterator[list[_Piece]]:
        """Parameter tensors, in order, in groups whose columns fit the limit together."""
        room = max(1, bytes_limit // (self.n * self.dtype.itemsize))
        group: list[_Piece] = []
        used = 0
        for name in self._names:
            layer, size = self._snapshot.layers[name], self._snapshot.trainable[name].numel()
            if group and used + size > room:
                yield group
                group, used = [], 0
            if size <= room:
                group.append((layer, name, 0, size))
                used += size
            else:
                for first in range(0, size, room):
                    yield [(layer, name, first, min(first + room, size))]
        if group:
            yield group

    def _chunks(self, names: Iterable[str], bytes_limit: int) -> Iterator[tuple[int, int]]:
        """Ranges of samples whose gradients in these tensors fit the limit."""
        columns = sum(self._snapshot.trainable[name].numel() for name in names)
        step = min(_SAMPLES, max(1, bytes_limit // max(1, columns * self.dtype.itemsize)))
        for start in range(0, self.n, step):
            yield start, min(start + step, self.n)

    def _rows(self, names: list[str], start: int, stop: int) -> dict[str, Tensor]:
        """Checked and weighted gradients of samples start..stop−1: name -> (stop−start, size)."""
        features = self._features[start:stop]
        with plain_autograd(self._snapshot.device):
            if self._loop_reason is None:
                try:
                    rows = _vmapped(self._snapshot, names, features)
                except torch.OutOfMemoryError:
                    raise
                except Exception as error:  # whatever vmap cannot follow, a plain pass can: it ran in the checks
                    self._loop(error)
            if self._loop_reason is not None:
                rows = _looped(self._snapshot, names, features)
        weights = self._row_weights(slice(start, stop))
        for name, block in rows.items():
            check_finite(f"the gradient in {name!r}", block)
            if weights is not None:
                block.mul_(weights)
        return rows

    def _choose(self) -> None:
        """Takes vmap if it runs on a probe and agrees there with plain reverse mode."""
        probe = evenly(self._features, _COMPARED)
        tolerance = float(torch.finfo(self._snapshot.dtype).eps) ** 0.5
        with plain_autograd(self._snapshot.device):
            plain = _looped(self._snapshot, self._names, probe)
            try:
                rows = _vmapped(self._snapshot, self._names, probe)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                self._loop(error)
                return
        for name, block in plain.items():
            gap, scale = (rows[name] - block).abs().max(), block.abs().max()
            if not bool(gap <= tolerance * scale):
                self._loop(f"vmap and reverse mode differ in {name!r} by {float(gap):.3g} of {float(scale):.3g}")
                return

    def _loop(self, reason: Exception | str) -> None:
        """Changes to one backward pass a sample, and says so."""
        text = " ".join(str(reason).split()) or type(reason).__name__
        self._loop_reason = text if len(text) <= 200 else text[:199] + "…"
        self.note += f"; one backward pass a sample, since vmap fails: {self._loop_reason}"
        warnings.warn(
            f"the model cannot be vectorised over samples ({self._loop_reason}): one backward pass each",
            UserWarning,
            stacklevel=2,
        )


def functional_tangent(snapshot: Snapshot, features: Tensor, reason: str) -> FunctionalTangent:
    """The tangent by columns; `reason` says why the rule for `nn.Linear` was not taken.

    Raises:
        ValueError: If an output is not finite.
    """
    outputs = all_outputs(snapshot, features)
    return FunctionalTangent(snapshot, features, outputs, f"Jacobian columns by torch.func: {reason}")


def _vmapped(snapshot: Snapshot, names: list[str], features: Tensor) -> dict[str, Tensor]:
    """Gradients of each sample's output by `vmap(grad)`, flattened: name -> (samples, size)."""

    def output(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        result: Tensor = snapshot({**everything, **parameters}, sample[None])
        return result.reshape(())

    # Detached, or an outer graph of the backward pass itself would be kept for each chunk.
    everything = {name: parameter.detach() for name, parameter in snapshot.trainable.items()}
    parameters = {name: everything[name] for name in names}
    with warnings.catch_warnings():
        # An operation without a batching rule is looped over by torch itself: slower, and as right.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        gradients: dict[str, Tensor] = vmap(grad(output), in_dims=(None, 0))(parameters, features)
    return {name: dense(gradients[name].detach()).reshape(len(features), -1) for name in names}


def _looped(snapshot: Snapshot, names: list[str], features: Tensor) -> dict[str, Tensor]:
    """The same by one backward pass a sample."""
    shape = len(features)
    rows = {
        name: snapshot.trainable[name].detach().new_empty(shape, snapshot.trainable[name].numel()) for name in names
    }
    for i in range(shape):
        output = snapshot.outputs(features[i : i + 1]).reshape(())
        for name, gradient in snapshot.gradients(output, names).items():
            rows[name][i] = gradient.reshape(-1)
    return rows
