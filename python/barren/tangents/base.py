"""What the pairing needs of a model: its tangent at n inputs, and nothing of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barren import _core, _validate

Block: TypeAlias = npt.NDArray[np.floating[Any]]
Doubles: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]


class Tangent(ABC):
    """The rows J(x_1), …, J(x_n) of a model's Jacobian: as columns, as blocks of Θ, and as products with vectors.

    J(x) = ∇_w N(w, x) is the gradient of the one output in the trainable parameters at one input, and
    Θ(x, x') = ⟨J(x), J(x')⟩ = Σ_layers Θ_layer(x, x') the neural tangent kernel (docs/theory, section 1).
    A tangent is immutable: `scale_rows` and `take` return a new one.

    Attributes:
        n: Number of inputs, the rows of J.
        layers: Layer name -> number of trainable parameters, in the order of the model.
        dtype: Dtype of the columns, float32 or float64; blocks of Θ and products are float64.
        has_columns: False when J is not known, only Θ: `column_blocks` and the products then raise.
        is_model: Whether J comes from a model of one output, which can be timed on a few rows.
    """

    has_columns: bool = True
    is_model: bool = False

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
        self._outputs = outputs
        self._note = note

    @property
    def outputs(self) -> Doubles | None:
        """N(w, x_i), float64 of shape (n,), or None when only J or Θ was given."""
        return self._outputs

    @property
    def outputs_at_hand(self) -> Doubles | None:
        """The same where they have been computed already, else None."""
        return self._outputs

    @property
    def note(self) -> str:
        """One line that says which route was taken, and why."""
        return self._note

    @property
    def parameters(self) -> int:
        """Number of trainable parameters: the columns of J (0 where only Θ was given)."""
        return sum(self.layers.values())

    @property
    def layer_slices(self) -> dict[str, slice]:
        """Layer name -> its coordinates among the d columns of J."""
        slices, start = {}, 0
        for layer, size in self.layers.items():
            slices[layer] = slice(start, start + size)
            start += size
        return slices

    @property
    def ntk_is_cheap(self) -> bool:
        """True when `ntk` needs no Jacobian columns beyond those it keeps after the first call.

        Where it is False, ask `ntk_layers` once for the whole of Θ: every call of `ntk` forms columns again.
        """
        return False

    @property
    def ntk_cost(self) -> float:
        """Multiply-adds for one entry of Θ: a product over all columns, unless the layers have a rule."""
        return float(self.parameters)

    @property
    def ntk_bytes(self) -> int:
        """Bytes that the tangent holds at most once `ntk` has been called, beside what it holds from the start."""
        return 0

    @property
    def column_bytes(self) -> int:
        """Bytes that `column_blocks` holds while it runs, beside the blocks."""
        return 0

    @property
    def product_bytes(self) -> int:
        """Bytes that `products` and `transposed_products` cannot do without, beside what they are given and return."""
        return 0

    @property
    def most_product_bytes(self) -> int:
        """Bytes that they take at most."""
        return self.product_bytes

    def products_within(self, bytes_limit: int) -> Tangent:
        """The same tangent, whose products take so many bytes, not less than `product_bytes`."""
        return self

    @property
    def concurrent(self) -> bool:
        """Whether blocks of Θ may be asked for by several threads at once, within `limited(1)`."""
        return False

    def workers(self, threads: int) -> int:
        """How many threads may ask for blocks of Θ at once, in a call of so many threads (0: all)."""
        return (threads or _core.available_threads()) if self.concurrent else 1

    def ready(self, threads: int) -> None:  # noqa: B027  (most have all at hand)
        """Makes what all blocks of Θ share, on so many threads, before several ask for blocks."""

    def check_unchanged(self) -> None:  # noqa: B027  (most are numbers)
        """After a computation: refuses a model that is no longer what it was when the tangent was made.

        Raises:
            ValueError: If its forward keeps a state that has changed its outputs.
        """

    def limited(self, threads: int) -> AbstractContextManager[None]:
        """A context in which this tangent's library takes at most so many threads a call (0: as many as it likes)."""
        return nullcontext()

    @property
    def is_remote(self) -> bool:
        """Whether it is computed on a device of which the machine's rates tell nothing."""
        return False

    @property
    def forward_obstacle(self) -> str | None:
        """Why `products` cannot be computed, or None."""
        return None

    @property
    def has_products(self) -> bool:
        """Whether `products` works: J is known, and forward mode goes through the model."""
        return self.has_columns and self.forward_obstacle is None

    @abstractmethod
    def squared_norms(self) -> Doubles:
        """‖J(x_i)‖² for every row, float64 of shape (n,)."""

    @abstractmethod
    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """The columns of J, each once, a layer's together and in the order of `layers`.

        Args:
            bytes_limit: A block takes at most about so many bytes, but has at least one column.

        Yields:
            (layer, block): block of shape (n, b) in `dtype`; each row is contiguous, and may be a part of a longer one.

        Raises:
            ValueError: If a gradient is not finite.
        """

    def column_passes(self, bytes_limit: int, *, by_layer: bool = False) -> tuple[int, int]:
        """What `column_blocks(bytes_limit)` makes of the layers without a rule: how many passes, and how much in them.

        Args:
            bytes_limit: As for `column_blocks`.
            by_layer: For columns asked for layer by layer, as `ntk_layers` does.

        Returns:
            (passes over all rows, entries of the gradient that a row takes in all of them together); nothing is
            computed.
        """
        return 0, 0

    def column_pass(self, *, every: bool) -> None:  # noqa: B027  (most need none)
        """Makes one such pass and forgets it: with every gradient, or with those of one parameter tensor alone."""

    @abstractmethod
    def scale_rows(self, omega: npt.ArrayLike) -> Tangent:
        """The tangent of the rows ω_i·J(x_i); `outputs` stay those of the model.

        Args:
            omega: One finite weight a row, shape (n,).
        """

    @abstractmethod
    def take(self, order: npt.ArrayLike) -> Tangent:
        """The tangent with the rows order[i]; they may repeat or be left out, and `outputs` follow.

        Args:
            order: At least one integer in 0..n−1, shape (m,).

        Cost: O(m) and what the inputs of m rows take; J and Θ are not copied.
        """

    @abstractmethod
    def products(self, directions: npt.ArrayLike) -> Doubles:
        """J·V, a number for every input and direction.

        Args:
            directions: V of shape (d, k), coordinates in the order of `layers`, inside a layer in that of
                `column_blocks`.

        Returns:
            float64 of shape (n, k), computed in `dtype`.

        Raises:
            ValueError: If V has another shape or is not finite, `forward_obstacle` is not None, J is not known, or a
                product is not finite.

        Cost: a forward pass over the inputs and k more for the derivatives, in chunks of samples.
        """

    @abstractmethod
    def transposed_products(self, cotangents: npt.ArrayLike) -> Doubles:
        """Jᵀ·U, a gradient for every column of U.

        Args:
            cotangents: U of shape (n, k).

        Returns:
            float64 of shape (d, k), in the order of `products`; chunks of samples are summed in float64.

        Raises:
            ValueError: If U has another shape or is not finite, J is not known, or a gradient is not finite.

        Cost: a forward pass over the inputs and k backward, in chunks of samples.
        """

    @abstractmethod
    def ntk(self, rows: slice, columns: slice, *, reduced: bool = False) -> Iterator[tuple[str, Block]]:
        """Θ_layer[rows, columns] of every layer, for any two ranges of inputs.

        Args:
            rows: Inputs.
            columns: Inputs.
            reduced: Whether terms u_i + u_j may be left out of Θ, the same u in every block: they cancel in a pairing
                with a class kernel whose weighted rows sum to zero, and are nearly all of Θ in deep networks.

        Yields:
            (layer, block) in the order of `layers`, float64 of the shape that the ranges give. A block is the
            caller's to overwrite unless it is read-only.

        Cost: where `ntk_is_cheap` is False, all of J is formed again; for more than one block use `ntk_layers`.
        """

    def ntk_layers(self, bytes_limit: int, *, reduced: bool = False) -> Iterator[tuple[str, Block]]:
        """The whole Θ_layer of every layer; every Jacobian column is formed once.

        Θ_layer = Σ_blocks J_block J_blockᵀ, summed in float64 in the order of `column_blocks`.

        Args:
            bytes_limit: Limit of what column blocks take, all their copies counted; Θ_layer itself takes 8·n² bytes on
                top.
            reduced: As for `ntk`.

        Yields:
            (layer, Θ_layer) of shape (n, n), in the order of `layers`.
        """
        yield from self.ntk(slice(None), slice(None), reduced=reduced)

    def _order(self, order: npt.ArrayLike) -> Integers:
        """A checked list of rows."""
        rows = _validate.residues("order", order, self.n)
        if rows.size == 0:
            raise ValueError("order must hold at least one row; got none")
        return rows
