"""The tangent of a torch module: layers with a rule from activations and deltas, the others from Jacobian columns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from barren import _validate
from barren.tangents.base import Block, Doubles, Tangent
from barren.tangents.capture import capture, collect, unseen
from barren.tangents.gram import LayerGram, kept_bytes
from barren.tangents.independence import check_batches
from barren.tangents.inspect import check_finite, check_unchanged, evenly, outputs_now
from barren.tangents.packed import COPIES, PackedRows, for_products, packed_bytes
from barren.tangents.parts import Part, RowsPart
from barren.tangents.products import (
    PRODUCT_BYTES,
    Products,
    bytes_a_sample,
    least_product_bytes,
    most_product_bytes,
)
from barren.tangents.refusals import PastReferenceError
from barren.tangents.routes import ChangedCallsError, find_routes
from barren.tangents.snapshot import Snapshot, at_most, plain_autograd

_T = TypeVar("_T")

# What a chunk of samples may take: activations, their gradients and the parts made of them.
_CHUNK_BYTES = 1 << 27
_MOST_SAMPLES = 1 << 8
# Columns of layers without a rule are kept for Θ up to so many bytes.
_KEPT_BYTES = 1 << 28


class ModelTangent(Tangent):
    """The tangent of a torch module at the weights of the moment of construction.

    Nothing but the features and a copy of the weights is held until Θ is asked for; everything else streams over
    chunks of samples. The model lends its structure and must keep its mode. What is computed stays on the model's
    device until it is a block to hand out.
    """

    is_model = True

    def __init__(self, snapshot: Snapshot, features: Tensor) -> None:
        self._snapshot = snapshot
        self._features = features
        self._omega: Doubles | None = None
        self._product_limit = PRODUCT_BYTES
        self._grams: dict[str, LayerGram] | None = None
        self._norms: dict[str, Doubles] = {}  # of the layers with rules, and of those without
        members: dict[str, list[str]] = {}
        for name in snapshot.trainable:
            members.setdefault(snapshot.layers[name], []).append(name)
        self._members = members
        sizes = {layer: sum(snapshot.trainable[name].numel() for name in names) for layer, names in members.items()}
        self._sample_bytes = bytes_a_sample(snapshot, evenly(features, 2))
        dtype = str(snapshot.dtype).removeprefix("torch.")
        super().__init__(len(features), sizes, dtype)
        self._routes = find_routes(snapshot, members, features)
        self._norms_of = self._routes.reasons
        self._rows = np.arange(self.n)  # among all inputs
        self._probe_outputs = outputs_now(snapshot, self._routes.probe)

    @property
    def note(self) -> str:
        """Which layers took which route, and why."""
        return self._routes.note()

    @property
    def outputs(self) -> Doubles:
        """N(w, x_i), float64 of shape (n,): of the pass over the samples that was made, or one more.

        Raises:
            ValueError: If one is not finite.
        """
        if self._outputs is None:
            found = np.empty(self.n)
            with plain_autograd(self._snapshot.device):  # a forward may itself differentiate
                for rows in self._chunks():
                    batch = self._snapshot.outputs(self._features[rows]).detach()
                    check_finite("outputs", batch)
                    found[rows] = batch.double().cpu().numpy()
            self._outputs = found
        return self._outputs

    # What a layer costs.

    @property
    def _kept_columns(self) -> int:
        """Bytes of the columns that Θ needs of the layers without a rule."""
        return sum(self.layers[layer] for layer in self._routes.reasons) * self.n * self.dtype.itemsize

    @property
    def ntk_is_cheap(self) -> bool:
        """Whether all layers have a rule, or few enough columns to keep."""
        return self._kept_columns <= _KEPT_BYTES

    @property
    def ntk_cost(self) -> float:
        """Multiply-adds for one entry of Θ: by the rule of each layer, or its number of parameters."""
        ruled = sum(part.cost for part in self._routes.rules.values())
        return float(ruled + sum(self.layers[layer] for layer in self._routes.reasons))

    @property
    def ntk_bytes(self) -> int:
        """Factors or gradients of all samples, and where few enough, the columns of the other layers, as they are kept.

        The largest layer stands there twice while it is packed; the passes over the samples hold their chunks.
        """
        layers = [kept_bytes(part, self.n) for part in self._routes.rules.values()]
        if self.ntk_is_cheap:
            item = self.dtype.itemsize
            for width in (self.layers[layer] for layer in self._routes.reasons):
                layers.append((packed_bytes(self.n, 1, width, item), self.n * width * item))
        return sum(kept for kept, _ in layers) + max((more for _, more in layers), default=0)

    @property
    def column_bytes(self) -> int:
        """Factors or gradients of all samples."""
        kept = 0
        for part in self._routes.rules.values():
            kept += sum(tensor[0].numel() * tensor.element_size() for tensor in part.tensors) * self.n
        return kept

    @property
    def product_bytes(self) -> int:
        """A few samples with their activations, and one direction."""
        return min(PRODUCT_BYTES, least_product_bytes(self.parameters * self.dtype.itemsize, self._sample_bytes))

    @property
    def most_product_bytes(self) -> int:
        """A chunk of samples with its activations, and a group of directions; for small models all of both."""
        parameter_bytes = self.parameters * self.dtype.itemsize
        return max(self.product_bytes, most_product_bytes(parameter_bytes, self._sample_bytes * self.n))

    def products_within(self, bytes_limit: int) -> ModelTangent:
        """See `Tangent.products_within`: chunks and groups are cut."""
        within = copy.copy(self)
        within._product_limit = min(PRODUCT_BYTES, bytes_limit)
        return within

    @property
    def concurrent(self) -> bool:
        """On the CPU; a device has threads of its own. Layers without a rule run the model, which is not for many."""
        return self._snapshot.device.type == "cpu" and (self.ntk_is_cheap or not self._routes.reasons)

    @property
    def is_remote(self) -> bool:
        """Whether the model lives elsewhere than on the CPU."""
        return self._snapshot.device.type != "cpu"

    def check_unchanged(self) -> None:
        """See `Tangent.check_unchanged`; samples that no pass has watched are checked here (docs/exactness)."""
        batches = unseen(self._routes.seen[self._rows], self._step)
        check_batches(self._snapshot, self._features, batches)
        self._routes.seen[self._rows] = True
        check_unchanged(self._snapshot, self._routes.probe, self._probe_outputs)

    def limited(self, threads: int) -> AbstractContextManager[None]:
        """See `Tangent.limited`."""
        return at_most(threads)

    @cached_property
    def _products(self) -> Products:
        names = [name for members in self._members.values() for name in members]
        return Products(self._snapshot, names, self._features, self._sample_bytes)

    @property
    def forward_obstacle(self) -> str | None:
        """Why forward mode cannot be used; found on a probe when it is first asked for."""
        return self._products.obstacle

    # What a method asks for.

    def squared_norms(self) -> Doubles:
        """‖J(x_i)‖², float64 of shape (n,): one forward and backward pass over the samples; kept."""
        if self._norms_of is not self._routes.reasons:
            self._norms = {}  # of other routes: tangents that share a model share them
        if "rules" not in self._norms:
            self._with_rules(lambda: sum(1 for _ in self._passes()))
        if "columns" not in self._norms:
            for _ in self._other_rows(list(self._routes.reasons)):
                pass
        return self._norms["rules"] + self._norms["columns"]

    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Products of factors, or columns by `torch.func`; see `Tangent.column_blocks`."""
        parts = self._with_rules(lambda: collect(self._passes(), self.n))
        count = max(1, bytes_limit // (self.n * self.dtype.itemsize))
        waiting: list[str] = []  # layers without a rule, which share their passes over the samples
        for layer in self.layers:
            if layer not in parts:
                waiting.append(layer)
                continue
            yield from self._other_columns(waiting, bytes_limit)
            waiting.clear()
            for block in parts.pop(layer).columns(count):
                yield layer, block.cpu().numpy()
        yield from self._other_columns(waiting, bytes_limit)

    def column_passes(self, bytes_limit: int, *, by_layer: bool = False) -> tuple[int, int]:
        """See `Tangent.column_passes`: neighbours without a rule share their passes."""
        runs: list[list[str]] = [[]]
        for layer in self.layers:
            if by_layer or layer not in self._routes.reasons:
                runs.append([])
            if layer in self._routes.reasons:
                runs[-1] += self._members[layer]
        if self._routes.columns is None:
            return 0, 0
        counts = [self._routes.columns.passes(names, self.n, bytes_limit) for names in runs if names]
        return sum(passes for passes, _ in counts), sum(entries for _, entries in counts)

    def column_pass(self, *, every: bool) -> None:
        """See `Tangent.column_pass`."""
        names = [name for layer in self._routes.reasons for name in self._members[layer]]
        if names and self._routes.columns is not None:
            names = names if every else names[:1]
            for rows in self._routes.columns.chunks(names, self.n, _CHUNK_BYTES):
                self._routes.columns.rows(names, self._features[rows])

    def ntk(self, rows: slice, columns: slice, *, reduced: bool = False) -> Iterator[tuple[str, Block]]:
        """Two matrix products a layer and pair of positions, or one of gradients; see `Tangent.ntk`."""
        grams = self._kept()
        rows, columns = (slice(*span.indices(self.n)[:2]) for span in (rows, columns))
        for layer in self.layers:
            if layer in grams:
                yield layer, grams[layer].block(rows, columns, reduced=reduced)
            else:
                yield layer, self._of_columns(layer, rows, columns, _CHUNK_BYTES, reduced)

    def ntk_layers(self, bytes_limit: int, *, reduced: bool = False) -> Iterator[tuple[str, Block]]:
        """The whole Θ of every layer; see `Tangent.ntk_layers`."""
        grams, everything = self._kept(), slice(0, self.n)
        for layer in self.layers:
            if layer in grams:
                yield layer, grams[layer].block(everything, everything, reduced=reduced)
            else:
                yield layer, self._of_columns(layer, everything, everything, bytes_limit, reduced)

    def _of_columns(self, layer: str, rows: slice, columns: slice, bytes_limit: int, reduced: bool) -> Block:
        """Θ[rows, columns] of a layer without a rule, from its columns.

        A block of columns has copies, so it takes only its part of the limit.
        """
        total = np.zeros((max(0, rows.stop - rows.start), max(0, columns.stop - columns.start)))
        threads = torch.get_num_threads()
        for _, block in self._other_columns([layer], bytes_limit // COPIES):
            (block,) = for_products(block)
            PackedRows(block, threads).block(rows, columns, total, threads, accumulate=True, reduced=reduced)
            del block  # before the next one is made
        return total

    def products(self, directions: npt.ArrayLike) -> Doubles:
        """J·V by forward mode, the directions vectorised; see `Tangent.products`."""
        vectors = _validate.matrix("directions", directions, rows=self.parameters)
        found = self._products.forward(self._features, vectors, self._product_limit)
        return found if self._omega is None else found * self._omega[:, None]

    def transposed_products(self, cotangents: npt.ArrayLike) -> Doubles:
        """Jᵀ·U by reverse mode; see `Tangent.transposed_products`."""
        vectors = _validate.matrix("cotangents", cotangents, rows=self.n)
        if self._omega is not None:
            vectors = vectors * self._omega[:, None]
        return self._products.transposed(self._features, vectors, self._product_limit)

    def scale_rows(self, omega: npt.ArrayLike) -> ModelTangent:
        """The tangent of ω_i·J(x_i): rows are multiplied as they are computed."""
        weights = _validate.vector("omega", omega, length=self.n)
        scaled = copy.copy(self)
        scaled._omega = weights.copy() if self._omega is None else self._omega * weights
        scaled._norms = {key: norms * weights**2 for key, norms in self._norms.items()}
        scaled._grams = None
        return scaled

    def take(self, order: npt.ArrayLike) -> ModelTangent:
        """The rows order[i]: the features are gathered, and everything else is computed on demand."""
        rows = self._order(order)
        taken = copy.copy(self)
        taken.n = len(rows)
        taken._rows = self._rows[rows]
        taken._outputs = None if self._outputs is None else self._outputs[rows]
        taken._features = self._features[torch.from_numpy(rows).to(self._features.device)]
        taken._omega = None if self._omega is None else self._omega[rows]
        taken._norms = {key: norms[rows] for key, norms in self._norms.items()}
        taken._grams = None
        return taken

    # How it is computed.

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, self.n, self._step):
            yield slice(start, min(start + self._step, self.n))

    @property
    def _step(self) -> int:
        return max(1, min(_MOST_SAMPLES, _CHUNK_BYTES // (3 * self._sample_bytes)))

    def _with_rules(self, compute: Callable[[], _T]) -> _T:
        """Without the rules of layers that a batch uses otherwise than the probe did; it begins again then.

        So it does without copies for threads, where a copy reaches the model itself at some inputs.
        """
        while True:
            try:
                return compute()
            except ChangedCallsError as error:
                self._routes.abandon(error.reasons)
            except PastReferenceError:
                if not self._routes.copies:
                    raise
                self._routes.copies = False  # on one thread the model's own tensors are the snapshot's

    def ready(self, threads: int) -> None:
        """Captures the factors of Θ, chunks of samples on several threads, each on one."""
        with at_most(threads):
            self._kept()

    def _passes(self) -> Iterator[tuple[slice, dict[str, Part]]]:
        """One forward and backward pass a chunk of samples; outputs and norms are kept as they pass by."""
        outputs, norms = np.empty(self.n), np.zeros(self.n)
        if self._routes.rules:
            omega = self._row_weights(slice(None))
            for found in capture(self._routes, self._features, omega, list(self._chunks()), self._probe_outputs):
                outputs[found.rows], norms[found.rows] = found.outputs.cpu().numpy(), found.squares.cpu().numpy()
                yield found.rows, found.parts
            self._outputs = outputs
            self._routes.seen[self._rows] |= self.n > 1  # a batch of one tells nothing of what it does to others
        self._keep("rules", norms)

    def _kept(self) -> dict[str, LayerGram]:
        """The factors of Θ: of layers with a rule, and of the others where their columns are few."""
        if self._grams is None:
            parts = self._with_rules(lambda: collect(self._passes(), self.n))
            if self.ntk_is_cheap:
                parts.update(self._collect_columns())
            self._grams = {layer: LayerGram(parts.pop(layer)) for layer in self.layers if layer in parts}
        return self._grams

    def _collect_columns(self) -> dict[str, Part]:
        layers = list(self._routes.reasons)
        like = self._features
        whole = {layer: like.new_empty(self.n, self.layers[layer]) for layer in layers}
        for rows, gradients in self._other_rows(layers):
            for layer in layers:
                whole[layer][rows] = torch.cat([gradients[name] for name in self._members[layer]], dim=1)
        return {layer: RowsPart((layer,), (self.layers[layer],), whole[layer]) for layer in layers}

    def _other_rows(self, layers: list[str]) -> Iterator[tuple[slice, dict[str, Tensor]]]:
        """Gradients of all layers without a rule, ω_i·J(x_i), a chunk of samples at a time; norms are kept."""
        names = [name for layer in layers for name in self._members[layer]]
        norms = np.zeros(self.n)
        if names:
            assert self._routes.columns is not None
            for rows in self._routes.columns.chunks(names, self.n, _CHUNK_BYTES):
                gradients = self._routes.columns.rows(names, self._features[rows])
                weights = self._row_weights(rows)
                for block in gradients.values():
                    if weights is not None:
                        block.mul_(weights[:, None])
                    square = torch.linalg.vector_norm(block, dim=1, dtype=torch.float64).square()
                    norms[rows] += square.cpu().numpy()
                yield rows, gradients
        self._keep("columns", norms)

    def _keep(self, which: str, norms: Doubles) -> None:
        if self._norms_of is not self._routes.reasons:
            self._norms, self._norms_of = {}, self._routes.reasons
        self._norms[which] = norms

    def _other_columns(self, layers: list[str], bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Columns of layers without a rule."""
        names = [name for layer in layers for name in self._members[layer]]
        if not names:
            return
        assert self._routes.columns is not None
        weights = None if self._omega is None else self._omega.astype(self.dtype)[:, None]
        for layer, block in self._routes.columns.blocks(names, self._features, bytes_limit):
            if weights is not None:
                block *= weights
            yield layer, block
            del block  # before the next one is made

    def _row_weights(self, rows: slice) -> Tensor | None:
        """ω of these rows in the computing dtype."""
        if self._omega is None:
            return None
        return torch.tensor(self._omega[rows], dtype=self._snapshot.dtype, device=self._snapshot.device)
