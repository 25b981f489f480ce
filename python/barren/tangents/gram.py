"""Blocks of Θ_layer = Σ_{t,s} Π_factors (M_t·M_sᵀ) in float64, from products in the model's dtype."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from barren import _core
from barren.tangents.base import Block
from barren.tangents.packed import PackedRows, for_products, packed_bytes
from barren.tangents.parts import OuterPart, Part, RowsPart
from barren.tangents.snapshot import at_most

# Entries of a block that are finished together, so that the passes over them stay in the cache of one core.
_TILE = 1 << 16
_ROWS = 1024


@dataclass(frozen=True)
class CentredFactor:
    """A factor M (n, T, w) split as in `PackedRows`, where torch makes products: on a device, beside one-hot rows.

    Attributes:
        rest: M', (n, T, w).
        cross: cross[t, s, i] = M'_it·m_s in float64, (T, T, n).
        constant: m_t·m_s, and what else is the same for all pairs of samples, (T, T).
    """

    rest: Tensor
    cross: Tensor
    constant: Tensor

    @staticmethod
    def of(matrix: Tensor, constant: Tensor | None = None) -> CentredFactor:
        """Of M and a constant to add to M_t·M_sᵀ; M is centred in place."""
        mean = torch.stack([rows.double().sum(0) for rows in torch.split(matrix, _ROWS)]).sum(0) / len(matrix)
        mean = mean.to(matrix.dtype)
        rest, exact = matrix.sub_(mean), mean.double()
        # u in float64 without a float64 copy of the whole matrix.
        cross = torch.cat([torch.einsum("itw,sw->tsi", rows.double(), exact) for rows in torch.split(rest, _ROWS)], 2)
        level = exact @ exact.T
        return CentredFactor(rest, cross, level if constant is None else level + constant)

    def product(self, t: int, s: int, rows: slice, columns: slice) -> Tensor:
        """M'_t·M'_sᵀ in the model's dtype."""
        return self.rest[rows, t] @ self.rest[columns, s].T

    def finish(self, product: Tensor, t: int, s: int, rows: slice, columns: slice, out: Tensor) -> Tensor:
        """M_t·M_sᵀ in float64 into `out`, from some rows of `product`."""
        torch.add(self.cross[t, s, rows, None] + self.constant[t, s], self.cross[s, t, columns], out=out)
        return out.add_(product)


@dataclass(frozen=True)
class OneHotFactor:
    """One-hot rows, kept as integers (n, T): M_t·M_sᵀ is 1 where they are equal."""

    indices: Tensor

    def product(self, t: int, s: int, rows: slice, columns: slice) -> Tensor:
        """Where they are equal."""
        return self.indices[rows, t, None] == self.indices[columns, s]

    def finish(self, product: Tensor, t: int, s: int, rows: slice, columns: slice, out: Tensor) -> Tensor:
        """The same as numbers, into `out`."""
        return out.copy_(product)


class LayerGram:
    """Θ of one layer, block by block: by the core on the CPU, by torch on a device."""

    def __init__(self, part: Part) -> None:
        """Takes the part over: its factors are centred in place."""
        self._factors: list[CentredFactor | OneHotFactor] = []
        self._positions = 1
        self._device = part.tensors[0].device
        self._packed: list[PackedRows] = []
        matrices, constant = _matrices(part)
        if matrices:
            self._positions = matrices[0].shape[1]
        if not self._positions:
            return
        if _is_packed(part):
            arrays = for_products(*(matrix.numpy() for matrix in matrices))
            for array, level in zip(arrays, [constant.numpy(), None], strict=False):
                self._packed.append(PackedRows(array, torch.get_num_threads(), level))
            return
        # Sums over the samples on one thread: torch would cut them by the number of threads, and the bits with it.
        with at_most(1):
            if matrices:
                self._factors.append(CentredFactor.of(matrices[0], constant))
            for matrix in matrices[1:]:
                self._factors.append(OneHotFactor(matrix) if matrix.ndim == 2 else CentredFactor.of(matrix))

    def block(self, rows: slice, columns: slice, *, reduced: bool = False) -> Block:
        """Θ[rows, columns] in float64, reduced as in `Tangent.ntk`; slices with both ends given."""
        shape = rows.stop - rows.start, columns.stop - columns.start
        if self._packed:
            return self._by_core(rows, columns, np.empty(shape), reduced)
        if not self._factors or not self._positions:
            return np.zeros(shape)
        found: Block = self._by_torch(rows, columns, reduced).cpu().numpy()
        return found

    def _by_core(self, rows: slice, columns: slice, out: Block, reduced: bool) -> Block:
        spans = (rows.start, rows.stop), (columns.start, columns.stop)
        gram_block: Any = _core.gram_block  # one factor or two, of either dtype
        for pair, (t, s) in enumerate(itertools.product(range(self._positions), repeat=2)):
            sides = [side for factor in self._packed for side in factor.side(t, s)]
            gram_block(*sides, *spans, out, pair > 0, torch.get_num_threads(), reduced)
        return out

    def _by_torch(self, rows: slice, columns: slice, reduced: bool) -> Tensor:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        total = torch.empty(height, width, dtype=torch.float64, device=self._device)
        step = height if total.is_cuda else max(1, _TILE // max(1, width))
        scratch = torch.empty(2, min(step, height), width, dtype=torch.float64, device=self._device)
        positions = range(self._positions)
        reduced = reduced and all(isinstance(factor, CentredFactor) for factor in self._factors)
        fill = self._fill_reduced if reduced else self._fill
        for pair, (t, s) in enumerate(itertools.product(positions, positions)):
            _core.checkpoint()
            products = [factor.product(t, s, rows, columns) for factor in self._factors]
            for start in range(0, height, step):
                tile = slice(start, min(start + step, height))
                place = slice(rows.start + tile.start, rows.start + tile.stop)
                into = total[tile] if pair == 0 else scratch[0, : tile.stop - start]
                fill([product[tile] for product in products], t, s, place, columns, into, scratch[1, : len(into)])
                if pair > 0:
                    total[tile] += into
        return total

    def _fill(
        self, products: list[Tensor], t: int, s: int, rows: slice, columns: slice, into: Tensor, beside: Tensor
    ) -> None:
        """Π (M_t·M_sᵀ) over the factors into `into`; `beside` is overwritten."""
        for k, (factor, product) in enumerate(zip(self._factors, products, strict=True)):
            if k == 0:
                factor.finish(product, t, s, rows, columns, into)
            else:
                into *= factor.finish(product, t, s, rows, columns, beside)

    def _fill_reduced(
        self, products: list[Tensor], t: int, s: int, rows: slice, columns: slice, into: Tensor, beside: Tensor
    ) -> None:
        """The same less what depends on the row or on the column alone; the formula is that of the core."""
        into.copy_(products[0])
        if len(products) == 1:
            return
        first, second = self._factors
        assert isinstance(first, CentredFactor)
        assert isinstance(second, CentredFactor)
        into *= second.finish(products[1], t, s, rows, columns, beside)
        left, right = first.cross[t, s, rows, None], first.cross[s, t, columns]
        torch.add(left + first.constant[t, s], right, out=beside)
        into.addcmul_(beside, products[1].double())
        into.addcmul_(left, second.cross[s, t, columns]).addcmul_(second.cross[t, s, rows, None], right)


def kept_bytes(part: Part, n: int) -> tuple[int, int]:
    """What `LayerGram` keeps of a layer at n samples, and what it takes on top while it is made."""
    shapes = [(max(1, tensor.shape[1]), tensor[0].numel(), tensor.element_size()) for tensor in part.tensors]
    whole = sum(n * size * item for _, size, item in shapes)
    if not _is_packed(part):
        return whole, 0
    kept = sum(packed_bytes(n, t, size // t, item) for t, size, item in _with_positions(part, shapes))
    # The factors themselves until they are packed, and one position of them in one piece.
    return kept, whole + max(n * size // t * item for t, size, item in _with_positions(part, shapes))


def _with_positions(part: Part, shapes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(positions, entries a sample, bytes an entry): gradients as they are have one position."""
    return [(1, size, item) for _, size, item in shapes] if isinstance(part, RowsPart) else shapes


def _is_packed(part: Part) -> bool:
    """Whether the core makes the products: on the CPU, of factors that are written out."""
    return (
        bool(part.tensors[0].numel())
        and part.tensors[0].device.type == "cpu"
        and all(tensor.is_floating_point() for tensor in part.tensors)
    )


def _matrices(part: Part) -> tuple[list[Tensor], Tensor]:
    """The factors of a layer's Θ, (n, T, w) or one-hot (n, T), and the constant that the first one's products add."""
    if isinstance(part, OuterPart):
        ones = part.ones.double()
        return [part.right, part.left], ones * ones[:, None]
    if isinstance(part, RowsPart):
        return [part.rows[:, None]], torch.zeros(1, 1, dtype=torch.float64, device=part.rows.device)
    return [], torch.zeros(0, 0)
