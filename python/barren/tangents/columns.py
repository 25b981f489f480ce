"""Jacobian columns of any parameters, in chunks of samples, by `torch.func`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, vmap

from barren._warnings import warn
from barren.tangents.base import Block
from barren.tangents.inspect import check_finite, evenly
from barren.tangents.snapshot import Snapshot, dense, plain_autograd

# Most samples differentiated at once: activations of so many are held, whatever the limit on the columns.
_SAMPLES = 128
# Samples on which vmap is compared with plain reverse mode.
_COMPARED = 3

# What torch says where a batched tensor is written into one that has no batch.
_IN_PLACE = "doesn't match the broadcast shape"

# A slice of a parameter tensor, flattened: (layer, parameter name, first column, end).
_Piece: TypeAlias = tuple[str, str, int, int]


class Columns:
    """Gradients of single samples in chosen parameters, by `vmap(grad)` over chunks of samples.

    The model is called with a batch of one, x[None]. Where vmap cannot follow the forward, one plain backward pass a
    sample takes its place, after a warning.

    Attributes:
        names: The parameters, in the order of the columns.
        loop_reason: Why there is one backward pass a sample, or None.
    """

    def __init__(self, snapshot: Snapshot, names: list[str], features: Tensor) -> None:
        self._snapshot = snapshot
        self.names = names
        self.loop_reason: str | None = None
        self._choose(evenly(features, _COMPARED))

    def blocks(self, names: list[str], features: Tensor, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Columns of these parameters, group by group; see `Tangent.column_blocks`.

        A group is as many tensors as fit the limit together; a tensor that does not fit alone comes in slices, and
        its gradient is computed again for each. One forward and backward pass over all samples a group.
        """
        n = len(features)
        for group in self._groups(names, n, bytes_limit):
            chosen = [name for _, name, _, _ in group]
            widths: dict[str, int] = {}
            for layer, _, first, end in group:
                widths[layer] = widths.get(layer, 0) + end - first
            dtype = str(self._snapshot.dtype).removeprefix("torch.")
            blocks = {layer: np.empty((n, width), dtype) for layer, width in widths.items()}
            for samples in self.chunks(chosen, n, bytes_limit // 2):  # vmap holds them twice
                rows = self.rows(chosen, features[samples])
                column = dict.fromkeys(widths, 0)
                for layer, name, first, end in group:
                    place = slice(column[layer], column[layer] + end - first)
                    blocks[layer][samples, place] = rows[name][:, first:end].cpu().numpy()
                    column[layer] = place.stop
                del rows
            while blocks:  # which lets go of each when the next one is asked for
                layer = next(iter(blocks))
                yield layer, blocks.pop(layer)

    def passes(self, names: list[str], n: int, bytes_limit: int) -> tuple[int, int]:
        """How many passes `blocks` makes at n samples, and the sum of their gradients' sizes for one sample."""
        groups = list(self._groups(names, n, bytes_limit))
        trainable = self._snapshot.trainable
        return len(groups), sum(trainable[name].numel() for group in groups for _, name, _, _ in group)

    def chunks(self, names: list[str], n: int, bytes_limit: int) -> Iterator[slice]:
        """Ranges of samples whose gradients in these tensors fit the limit."""
        width = sum(self._snapshot.trainable[name].numel() for name in names)
        item = self._snapshot.dtype.itemsize
        step = min(_SAMPLES, max(1, bytes_limit // max(1, width * item)))
        for start in range(0, n, step):
            yield slice(start, min(start + step, n))

    def rows(self, names: list[str], features: Tensor) -> dict[str, Tensor]:
        """The gradient of each sample, checked: name -> (samples, size)."""
        with plain_autograd(self._snapshot.device):
            if self.loop_reason is None:
                try:
                    rows = _vmapped(self._snapshot, names, features)
                except torch.OutOfMemoryError:
                    raise
                except Exception as error:  # whatever vmap cannot follow, a plain pass can: it ran in the checks
                    self._loop(error)
            if self.loop_reason is not None:
                rows = _looped(self._snapshot, names, features)
        for name, block in rows.items():
            check_finite(f"the gradient in {name!r}", block)
        return rows

    def _groups(self, names: list[str], n: int, bytes_limit: int) -> Iterator[list[_Piece]]:
        """Parameter tensors, in order, in groups whose columns fit the limit together."""
        room = max(1, bytes_limit // (n * self._snapshot.dtype.itemsize))
        group: list[_Piece] = []
        used = 0
        for name in names:
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

    def _choose(self, probe: Tensor) -> None:
        """Takes vmap if it runs on a probe and agrees there with plain reverse mode."""
        tolerance = float(torch.finfo(self._snapshot.dtype).eps) ** 0.5
        with plain_autograd(self._snapshot.device):
            plain = _looped(self._snapshot, self.names, probe)
            try:
                rows = _vmapped(self._snapshot, self.names, probe)
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
        if _IN_PLACE in text:
            text = "an operation of its forward works in place, as in nn.LSTM and nn.GRU, which vmap cannot follow"
        self.loop_reason = text if len(text) <= 200 else text[:199] + "…"
        warn(f"the model cannot be vectorised over samples ({self.loop_reason}): one backward pass each")


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
