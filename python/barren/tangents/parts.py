"""What a layer with a rule is at n samples: factors of its gradients, or the gradients themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from barren.tangents.rules import NoRuleError, Outer, Piece, Rows

# Work of a pair of positions beside its products, in multiply-adds an entry of Θ: the passes over the block.
_PASSES = 30
# Gradients of all samples are kept in place of factors up to so many bytes, or twice those of the factors.
_ROWS_BYTES = 1 << 28


@dataclass(frozen=True)
class OuterPart:
    """A layer with one matrix and perhaps a bias, with gradients Σ_t left_t ⊗ (right_t, ones_t).

    Attributes:
        names: The parameters in the order of the columns.
        matrix: Which of them is the matrix; the other one, if there is one, is the bias.
        left: (n, T, rows of the matrix), or integers (n, T) that stand for one-hot rows.
        right: (n, T, entries a row).
        ones: (T,): 1 at the positions that the bias takes part in.
        rows: Rows of the matrix.
    """

    names: tuple[str, ...]
    matrix: str
    left: Tensor
    right: Tensor
    ones: Tensor
    rows: int

    @property
    def cost(self) -> int:
        """Multiply-adds for an entry of Θ: T²·(widths of the factors)."""
        widths = self.right.shape[2] + (self.left.shape[2] if self.left.ndim == 3 else 0)
        return int(self.right.shape[1] ** 2 * widths)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What there is a row a sample of."""
        return self.left, self.right

    def having(self, tensors: Sequence[Tensor]) -> OuterPart:
        """The same layer at other samples."""
        return replace(self, left=tensors[0], right=tensors[1])

    def squared_norms(self) -> Tensor:
        """Σ_{t,s} (left_t·left_s)(right_t·right_s + ones_t·ones_s) in float64, (n,)."""
        if self.left.ndim == 3 and self.right.shape[1] == 1:
            left, right = (torch.linalg.vector_norm(f[:, 0], dim=1, dtype=torch.float64) for f in self.tensors)
            squares: Tensor = left.square() * (right.square() + self.ones.double().square())
            return squares
        right, ones = self.right.double(), self.ones.double()
        products = right @ right.mT + ones * ones[:, None]
        if self.left.ndim == 2:
            return (products * (self.left[:, :, None] == self.left[:, None])).sum(dim=(1, 2))
        left = self.left.double()
        return (products * (left @ left.mT)).sum(dim=(1, 2))

    def columns(self, count: int) -> Iterator[Tensor]:
        """Blocks of at most `count` columns, in the order of the parameters."""
        n, width = len(self.right), self.right.shape[2]
        for name in self.names:
            if name == self.matrix:
                rows, step = max(1, count // max(1, width)), max(1, min(count, width))
                for row in range(0, self.rows, rows):
                    left = self._left(row, min(row + rows, self.rows))
                    for first in range(0, width, step):
                        block = torch.einsum("nto,nti->noi", left, self.right[..., first : first + step])
                        yield block.reshape(n, -1)
            else:
                for row in range(0, self.rows, count):
                    yield torch.einsum("nto,t->no", self._left(row, min(row + count, self.rows)), self.ones)

    def pulled_back(self, z: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Name -> Jᵀz flattened, and the same sum of absolute values: what rounding is measured by."""
        left = self._left(0, self.rows)
        weighted = (left * z[:, None, None]).flatten(0, 1)
        found = {}
        for name in self.names:
            right = self.right if name == self.matrix else self.ones.expand(len(z), -1)[..., None]
            right = right.flatten(0, 1)
            found[name] = ((weighted.T @ right).flatten(), (weighted.abs().T @ right.abs()).flatten())
        return found

    def _left(self, first: int, end: int) -> Tensor:
        """Some rows of the matrix, the one-hot ones written out."""
        if self.left.ndim == 3:
            return self.left[..., first:end]
        return (self.left[..., None] == torch.arange(first, end, device=self.left.device)).to(self.right.dtype)

    def as_rows(self) -> RowsPart:
        """The gradients themselves."""
        blocks = list(self.columns(max(1, self.rows * (self.right.shape[2] + 1))))
        return RowsPart(self.names, self._sizes(), torch.cat(blocks, dim=1))

    def _sizes(self) -> tuple[int, ...]:
        return tuple(self.rows * (self.right.shape[2] if name == self.matrix else 1) for name in self.names)

    def prefers_rows(self, n: int) -> bool:
        """Whether the gradients themselves are less work at n samples, and fit."""
        positions, width = self.right.shape[1], sum(self._sizes())
        item = self.right.element_size()
        factors = n * positions * item * (self.right.shape[2] + (self.rows if self.left.ndim == 3 else 2))
        cheaper = width < self.cost + _PASSES * positions**2
        return bool(cheaper and n * width * item <= max(_ROWS_BYTES, 2 * factors))


@dataclass(frozen=True)
class RowsPart:
    """A layer whose gradients are kept as they are.

    Attributes:
        names: The parameters in the order of the columns.
        sizes: Columns of each.
        rows: The gradients, (n, sum of sizes).
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    rows: Tensor

    @property
    def cost(self) -> int:
        """Multiply-adds for an entry of Θ."""
        return int(self.rows.shape[1])

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What there is a row a sample of."""
        return (self.rows,)

    def having(self, tensors: Sequence[Tensor]) -> RowsPart:
        """The same layer at other samples."""
        return replace(self, rows=tensors[0])

    def squared_norms(self) -> Tensor:
        """‖J(x_i)‖² of this layer in float64, (n,)."""
        norms: Tensor = torch.linalg.vector_norm(self.rows, dim=1, dtype=torch.float64)
        return norms.square()

    def columns(self, count: int) -> Iterator[Tensor]:
        """Blocks of at most `count` columns."""
        for first in range(0, self.rows.shape[1], count):
            yield self.rows[:, first : first + count].contiguous()

    def pulled_back(self, z: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """See `OuterPart.pulled_back`."""
        sums = torch.split(z @ self.rows, list(self.sizes)), torch.split(z.abs() @ self.rows.abs(), list(self.sizes))
        return {name: (total, scale) for name, total, scale in zip(self.names, *sums, strict=True)}


@dataclass(frozen=True)
class ZeroPart:
    """A layer that no call uses.

    Attributes:
        names: The parameters in the order of the columns.
        sizes: Columns of each.
        none: Nothing for every sample, (n, 0), in the dtype and on the device of the model.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    none: Tensor
    cost = 0

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What there is a row a sample of."""
        return (self.none,)

    def having(self, tensors: Sequence[Tensor]) -> ZeroPart:
        """The same layer at other samples."""
        return replace(self, none=tensors[0])

    def squared_norms(self) -> Tensor:
        """Zero."""
        return self.none.new_zeros(len(self.none), dtype=torch.float64)

    def columns(self, count: int) -> Iterator[Tensor]:
        """Blocks of at most `count` columns."""
        total = sum(self.sizes)
        for first in range(0, total, count):
            yield self.none.new_zeros(len(self.none), min(count, total - first))

    def pulled_back(self, z: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """See `OuterPart.pulled_back`."""
        zeros = [z.new_zeros(size) for size in self.sizes]
        return {name: (zero, zero) for name, zero in zip(self.names, zeros, strict=True)}


Part = OuterPart | RowsPart | ZeroPart


def make_part(parameters: dict[str, Tensor], uses: list[dict[str, Piece]], n: int, *, as_rows: bool) -> Part:
    """One layer from the pieces of the calls that use it.

    Args:
        parameters: The layer's trainable parameters, in the order of the columns.
        uses: For every call, parameter name -> piece.
        n: Samples.
        as_rows: Whether to keep the gradients themselves where there are factors too.

    Raises:
        NoRuleError: If a parameter has a shape that its pieces do not explain.
    """
    like = next(iter(parameters.values())).detach()
    sizes = tuple(parameter.numel() for parameter in parameters.values())
    if not uses:
        return ZeroPart(tuple(parameters), sizes, like.new_empty(n, 0))
    outer = _outer_part(parameters, uses)
    if outer is not None:
        return outer.as_rows() if as_rows else outer
    gradients = []
    for name, parameter in parameters.items():
        total = like.new_zeros(n, parameter.numel())
        for pieces in uses:
            if name in pieces:
                total = total + _gradient(pieces[name], parameter)
        gradients.append(total)
    return RowsPart(tuple(parameters), sizes, torch.cat(gradients, dim=1))


def _gradient(piece: Piece, parameter: Tensor) -> Tensor:
    """The gradient of each sample, (n, entries)."""
    if isinstance(piece, Rows):
        return piece.gradient
    left = _written_out(piece.left, len(parameter), parameter.dtype)
    if piece.right is None:
        return left.sum(dim=1)
    return torch.einsum("nto,nti->noi", left, piece.right).flatten(1)


def _outer_part(parameters: dict[str, Tensor], uses: list[dict[str, Piece]]) -> OuterPart | None:
    """The factors, where the layer is one matrix and perhaps one bias that share their left factor."""
    matrices = {name for pieces in uses for name, piece in pieces.items() if _is_matrix(piece)}
    if len(matrices) != 1 or len(parameters) > 2 or any(isinstance(p, Rows) for use in uses for p in use.values()):
        return None
    (matrix,) = matrices
    size = len(parameters[matrix])
    width = parameters[matrix].numel() // size
    like = parameters[matrix].detach()
    lefts, rights, ones = [], [], []
    for pieces in uses:
        found = [piece for piece in pieces.values() if isinstance(piece, Outer)]
        if any(piece.left is not found[0].left for piece in found) or any(
            not _is_matrix(piece) and name == matrix for name, piece in pieces.items()
        ):
            return None
        left = found[0].left
        right = next((piece.right for piece in found if piece.right is not None), None)
        lefts.append(left)
        rights.append(like.new_zeros(*left.shape[:2], width) if right is None else right)
        biased = any(piece.right is None for piece in found)
        ones.append(like.new_full((left.shape[1],), float(biased)))
        if (left.ndim == 3 and left.shape[2] != size) or rights[-1].shape[2] != width:
            raise NoRuleError("its parameter is used in another shape")
    if len({left.ndim for left in lefts}) > 1:  # an embedding that is an output layer too
        lefts = [_written_out(left, size, like.dtype) for left in lefts]
    joined = [side[0] if len(side) == 1 else torch.cat(side, dim=1) for side in (lefts, rights)]
    return OuterPart(tuple(parameters), matrix, joined[0], joined[1], torch.cat(ones), size)


def _is_matrix(piece: Piece) -> bool:
    return isinstance(piece, Outer) and piece.right is not None


def _written_out(left: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    if left.ndim == 3:
        return left
    return (left[..., None] == torch.arange(size, device=left.device)).to(dtype)
