"""What the pairing needs of a model: its tangent at n inputs, and nothing of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Block: TypeAlias = npt.NDArray[np.floating[Any]]
Doubles: TypeAlias = npt.NDArray[np.float64]

# Width of the column blocks that a default `ntk_blocks` asks for.
_BLOCK_BYTES = 1 << 27


def gram_block(matrix: Block, start: int, stop: int) -> Doubles:
    """Rows start..stop−1, columns from start on, of M·Mᵀ in float64, of which only a part is a product in M's dtype.

    With m the mean row and M' = M − m, M·Mᵀ = m·m + u_i + u_j + M'·M'ᵀ, u = M'·m. What is constant over the inputs
    cancels against the class kernel; in float32 its rounding would not.
    """
    mean = matrix.mean(axis=0, dtype=np.float64).astype(matrix.dtype)
    rest = matrix - mean
    exact = mean.astype(np.float64)
    cross = np.concatenate([rows @ exact for rows in np.array_split(rest, -(-len(rest) // 1024))])
    gram: Doubles = (rest[start:stop] @ rest[start:].T).astype(np.float64)
    gram += cross[start:]
    gram += (cross[start:stop] + exact @ exact)[:, None]
    return gram


class Tangent(ABC):
    """The rows J(x_1), …, J(x_n) of a model's Jacobian, delivered as columns or as NTK blocks.

    J(x) = ∇_w N(w, x) is the gradient of the one output in the trainable parameters at one input, and
    Θ(x, x') = ⟨J(x), J(x')⟩ = Σ_layers Θ_layer(x, x') the neural tangent kernel (docs/theory, section 1).
    A tangent is immutable: `scale_rows` returns a new one.

    Attributes:
        n: Number of inputs, the rows of J.
        layers: Layer name -> number of trainable parameters, in the order of the model.
        dtype: Dtype of the columns, float32 or float64; blocks of Θ are float64.
        outputs: N(w, x_i), float64 of shape (n,), or None when only J or Θ was given.
        note: One line that says which route was taken, and why.
        ntk_is_cheap: True when `ntk_blocks` needs no Jacobian columns. Where it is False, ask `ntk_layers`
            once for the whole of Θ: every call of `ntk_blocks` forms the Jacobian again.
        has_columns: False when J is not known, only Θ: `column_blocks` then raises.
    """

    ntk_is_cheap: bool = False
    has_columns: bool = True

    def __init__(
        self,
        n: int,
        layers: Mapping[str, int],
        dtype: npt.DTypeLike,
        *,
        outputs: Doubles | None = None,
        note: str = "",
    ) -> None:
        self.n = n
        self.layers = dict(layers)
        self.dtype = np.dtype(dtype)
        self.outputs = outputs
        self.note = note

    @property
    def parameters(self) -> int:
        """Number of trainable parameters: the columns of J (0 where only Θ was given)."""
        return sum(self.layers.values())

    @property
    def ntk_cost(self) -> float:
        """Multiply-adds for one entry of Θ: a product over all columns, unless the layers have a rule."""
        return float(self.parameters)

    @abstractmethod
    def squared_norms(self) -> Doubles:
        """‖J(x_i)‖² for every row, float64 of shape (n,)."""

    @abstractmethod
    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """The columns of J, each once, a layer's together and in the order of `layers`.

        Args:
            bytes_limit: A block takes at most about so many bytes, but has at least one column.

        Yields:
            (layer, block): block of shape (n, b) in `dtype`, C-contiguous.

        Raises:
            ValueError: If a gradient is not finite.
        """

    @abstractmethod
    def scale_rows(self, omega: npt.ArrayLike) -> Tangent:
        """The tangent of the rows ω_i·J(x_i); `outputs` stay those of the model.

        Args:
            omega: One finite weight a row, shape (n,).
        """

    def ntk_blocks(self, start: int, stop: int) -> Iterator[tuple[str, Block]]:
        """Rows start..stop−1 of Θ, from the diagonal on: the upper part, since Θ is symmetric.

        Yields:
            (layer, Θ_layer[start:stop, start:]) of shape (stop−start, n−start).

        Cost: where `ntk_is_cheap` is False, all of J is formed again; for more than one block
        use `ntk_layers`.
        """
        yield from self._accumulate(_BLOCK_BYTES, start, stop)

    def ntk_layers(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """The whole Θ_layer of every layer; every Jacobian column is formed once.

        Θ_layer = Σ_blocks J_block J_blockᵀ, summed in float64 in the order of `column_blocks`.

        Args:
            bytes_limit: Limit of a column block; Θ_layer itself takes 8·n² bytes on top.

        Yields:
            (layer, Θ_layer) of shape (n, n), in the order of `layers`.
        """
        if self.ntk_is_cheap:
            yield from self.ntk_blocks(0, self.n)
        else:
            yield from self._accumulate(bytes_limit, 0, self.n)

    def _accumulate(self, bytes_limit: int, start: int, stop: int) -> Iterator[tuple[str, Block]]:
        """Sums the products of column blocks; relies on a layer's blocks coming together."""
        current: str | None = None
        total = np.zeros((stop - start, self.n - start))
        for layer, block in self.column_blocks(bytes_limit):
            if current is not None and layer != current:
                yield current, total
                total = np.zeros((stop - start, self.n - start))
            current = layer
            total += gram_block(block, start, stop)
        if current is not None:
            yield current, total
