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
from barren.tangents.parts import OuterPart, Part, RowsPart
from barren.tangents.snapshot import at_most

# Entries of a block that are finished together, so that the passes over them stay in the cache of one core.
_TILE = 1 << 16
_ROWS = 1024


@dataclass(frozen=True)
class CentredFactor:
    """A factor M (n, T, w), with M_t·M_sᵀ split into M'_t·M'_sᵀ and what a row or a column adds.

    With m_t the mean row of M_t and M' = M − m: M_t·M_sᵀ = m_t·m_s + u_ts + v_ts + M'_t·M'_sᵀ, u_ts[i] = M'_it·m_s,
    v_ts[j] = M'_js·m_t. What is constant over the inputs cancels against the class kernel, whose rows sum to zero.
    It is up to a thousand times what is left in sigmoid networks, so it is kept in float64, and only M'_t·M'_sᵀ is a
    product in the model's dtype (docs/theory, section 3.3).

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
        # Sums over the samples on one thread: torch would cut them by the number of threads, and the bits with it.
        with at_most(1):
            if isinstance(part, OuterPart):
                self._positions, ones = part.right.shape[1], part.ones.double()
                self._factors.append(CentredFactor.of(part.right, ones * ones[:, None]))
                self._factors.append(OneHotFactor(part.left) if part.left.ndim == 2 else CentredFactor.of(part.left))
            elif isinstance(part, RowsPart):
                self._factors.append(CentredFactor.of(part.rows[:, None]))
        centred = [factor for factor in self._factors if isinstance(factor, CentredFactor)]
        self._packed: list[PackedFactors] | None = None
        if self._device.type == "cpu" and self._positions and len(centred) == len(self._factors):
            self._packed = [PackedFactors(factor) for factor in centred]
            self._factors.clear()  # the packed ones stand for them

    def block(self, rows: slice, columns: slice) -> Block:
        """Θ[rows, columns] in float64; slices with both ends given."""
        shape = rows.stop - rows.start, columns.stop - columns.start
        if self._packed:
            return self._by_core(rows, columns, np.empty(shape))
        if not self._factors or not self._positions:
            return np.zeros(shape)
        found: Block = self._by_torch(rows, columns).cpu().numpy()
        return found

    def _by_core(self, rows: slice, columns: slice, out: Block) -> Block:
        assert self._packed is not None
        spans = (rows.start, rows.stop), (columns.start, columns.stop)
        gram_block: Any = _core.gram_block  # one factor or two, of either dtype
        for pair, (t, s) in enumerate(itertools.product(range(self._positions), repeat=2)):
            sides = [side for factor in self._packed for side in factor.pair(t, s)]
            gram_block(*sides, *spans, out, pair > 0, torch.get_num_threads())
        return out

    def _by_torch(self, rows: slice, columns: slice) -> Tensor:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        total = torch.empty(height, width, dtype=torch.float64, device=self._device)
        step = height if total.is_cuda else max(1, _TILE // max(1, width))
        scratch = torch.empty(2, min(step, height), width, dtype=torch.float64, device=self._device)
        positions = range(self._positions)
        for pair, (t, s) in enumerate(itertools.product(positions, positions)):
            _core.checkpoint()
            products = [factor.product(t, s, rows, columns) for factor in self._factors]
            for start in range(0, height, step):
                tile = slice(start, min(start + step, height))
                place = slice(rows.start + tile.start, rows.start + tile.stop)
                into = total[tile] if pair == 0 else scratch[0, : tile.stop - start]
                for factor, product in zip(self._factors, products, strict=True):
                    if factor is self._factors[0]:
                        factor.finish(product[tile], t, s, place, columns, into)
                    else:
                        into *= factor.finish(product[tile], t, s, place, columns, scratch[1, : tile.stop - start])
                if pair > 0:
                    total[tile] += into
        return total


class PackedFactors:
    """A centred factor regrouped for the core, position by position; the tensors are let go."""

    def __init__(self, factor: CentredFactor) -> None:
        rest, threads = factor.rest, torch.get_num_threads()
        pack = _core.PackedFactor32 if rest.dtype == torch.float32 else _core.PackedFactor64
        self._rows = [pack(rest[:, t].contiguous().numpy(), threads) for t in range(rest.shape[1])]
        self._cross, self._constant = factor.cross.contiguous().numpy(), factor.constant.numpy()

    def pair(self, t: int, s: int) -> tuple[Any, ...]:
        """What the core takes for M_t·M_sᵀ."""
        return self._rows[t], self._rows[s], self._cross[t, s], self._cross[s, t], float(self._constant[t, s])
