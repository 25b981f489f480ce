"""One forward and backward pass over all samples, chunks of them on threads of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from barren._pool import in_order
from barren.tangents.base import Integers
from barren.tangents.inspect import check_unchanged, evenly_chosen
from barren.tangents.parts import Part
from barren.tangents.routes import Routes
from barren.tangents.snapshot import at_most, plain_autograd

# Samples that are checked again beside those that no pass has seen.
_COMPANY = 64


class Captured(NamedTuple):
    """What a chunk of samples gives: their rows, outputs, layers with a rule, and ω_i²·‖J(x_i)‖² in these layers."""

    rows: slice
    outputs: Tensor
    parts: dict[str, Part]
    squares: Tensor


def capture(
    routes: Routes, features: Tensor, omega: Tensor | None, chunks: Sequence[slice], before: Tensor
) -> Iterator[Captured]:
    """Every layer with a rule, chunk by chunk in their order, each chunk checked as `Routes.parts` does.

    Args:
        routes: The model, with a rule for at least one layer.
        features: Encoded inputs.
        omega: A weight a sample, or None.
        chunks: Ranges of samples.
        before: What the model gave at the probe of the routes.

    Raises:
        ChangedCallsError, PastReferenceError, ValueError: See `Routes.parts`.
        ValueError: If the model, or one of its copies, gives other outputs at the probe afterwards.
    """
    count = min(torch.get_num_threads(), len(chunks)) if routes.copies else 1
    replicas = routes.snapshot.replicas(count, routes.probe)

    def chunk(rows: slice) -> Captured:
        snapshot = replicas.get()
        try:
            with at_most(1), plain_autograd(snapshot.device):
                weights = None if omega is None else omega[rows]
                outputs, parts = routes.parts(snapshot, features[rows], weights)
                squares = torch.stack([part.squared_norms() for part in parts.values()]).sum(0)
                return Captured(rows, outputs.double(), parts, squares)
        finally:
            replicas.put(snapshot)

    # On one thread a chunk: torch cuts its loops by the number of threads, and the last digits depend on where.
    # The outer context keeps the settings that all chunks share.
    with at_most(1), plain_autograd(routes.snapshot.device):
        yield from in_order(chunk, iter(chunks), replicas.qsize())
    for _ in range(replicas.qsize()):  # each has a state of its own, where there is one
        check_unchanged(replicas.get(), routes.probe, before)


def collect(passes: Iterable[tuple[slice, dict[str, Part]]], n: int) -> dict[str, Part]:
    """Every layer with a rule at all n samples, from chunks of them, in one array a factor."""
    whole: dict[str, tuple[Part, list[Tensor]]] = {}
    for rows, parts in passes:
        for layer, part in parts.items():
            if layer not in whole:
                whole[layer] = part, [tensor.new_empty(n, *tensor.shape[1:]) for tensor in part.tensors]
            for into, tensor in zip(whole[layer][1], part.tensors, strict=True):
                into[rows] = tensor
    return {layer: part.having(tensors) for layer, (part, tensors) in whole.items()}


def unseen(seen: npt.NDArray[np.bool_], step: int) -> list[Integers]:
    """Batches of at most `step` of the samples that are not marked; where few are left, beside some that are."""
    left = np.flatnonzero(~seen)
    if not len(left):
        return []
    order = np.concatenate([left, evenly_chosen(np.flatnonzero(seen), _COMPANY)])
    return np.array_split(order, -(-len(order) // step))
