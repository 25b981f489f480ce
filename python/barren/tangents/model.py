"""What the tangents of torch modules share: frozen weights, features, row weights, and products in both modes."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from barren import _validate
from barren.tangents.base import Doubles, Tangent
from barren.tangents.inspect import check_finite
from barren.tangents.products import Products
from barren.tangents.snapshot import Snapshot

# Samples evaluated together.
_SAMPLES = 1024

_Model = TypeVar("_Model", bound="ModelTangent")


class ModelTangent(Tangent):
    """The tangent of a torch module at the weights of the moment of construction.

    Nothing but the features, the outputs and a copy of the weights is held until Θ is asked for. The model lends its
    structure and must keep its mode.
    """

    def __init__(self, snapshot: Snapshot, features: Tensor, outputs: Doubles, note: str) -> None:
        self._snapshot = snapshot
        self._features = features
        self._omega: Doubles | None = None
        sizes: dict[str, int] = {}
        for name, parameter in snapshot.trainable.items():
            layer = snapshot.layers[name]
            sizes[layer] = sizes.get(layer, 0) + parameter.numel()
        dtype = str(snapshot.dtype).removeprefix("torch.")
        super().__init__(len(features), sizes, dtype, outputs=outputs, note=note)
        # A layer's tensors together, the layers in the order of the model.
        order = list(sizes)
        self._names = sorted(snapshot.trainable, key=lambda name: order.index(snapshot.layers[name]))

    @cached_property
    def _products(self) -> Products:
        return Products(self._snapshot, self._names, self._features)

    @property
    def forward_obstacle(self) -> str | None:
        """Why forward mode cannot be used; found on a probe when it is first asked for."""
        return self._products.obstacle

    def products(self, directions: npt.ArrayLike) -> Doubles:
        """J·V by forward mode, the directions vectorised; see `Tangent.products`."""
        vectors = _validate.matrix("directions", directions, rows=self.parameters)
        found = self._products.forward(self._features, vectors)
        return found if self._omega is None else found * self._omega[:, None]

    def transposed_products(self, cotangents: npt.ArrayLike) -> Doubles:
        """Jᵀ·U by reverse mode; see `Tangent.transposed_products`."""
        vectors = _validate.matrix("cotangents", cotangents, rows=self.n)
        if self._omega is not None:
            vectors = vectors * self._omega[:, None]
        return self._products.transposed(self._features, vectors)

    def scale_rows(self: _Model, omega: npt.ArrayLike) -> _Model:
        """The tangent of ω_i·J(x_i): rows are multiplied as they are computed."""
        weights = _validate.vector("omega", omega, length=self.n)
        scaled = copy.copy(self)
        scaled._omega = weights.copy() if self._omega is None else self._omega * weights
        scaled._forget()
        return scaled

    def take(self: _Model, order: npt.ArrayLike) -> _Model:
        """The rows order[i]: the features are gathered, and everything else is computed on demand."""
        rows = self._order(order)
        taken = copy.copy(self)
        taken.n = len(rows)
        taken.outputs = self._taken_outputs(rows)
        taken._features = self._features[torch.from_numpy(rows).to(self._features.device)]
        taken._omega = None if self._omega is None else self._omega[rows]
        taken._forget()
        return taken

    def _forget(self) -> None:
        """Drops what was computed for other rows or row weights."""

    def _row_weights(self, rows: slice) -> Tensor | None:
        """ω of these rows as a column, in the computing dtype."""
        if self._omega is None:
            return None
        return torch.tensor(self._omega[rows, None], dtype=self._snapshot.dtype, device=self._snapshot.device)


def all_outputs(snapshot: Snapshot, features: Tensor) -> Doubles:
    """N(w, x) of every input, a batch at a time.

    Raises:
        ValueError: If one is not finite.
    """
    outputs = np.empty(len(features))
    with torch.no_grad():
        for start in range(0, len(features), _SAMPLES):
            batch = snapshot.outputs(features[start : start + _SAMPLES])
            check_finite("outputs", batch)
            outputs[start : start + _SAMPLES] = batch.double().cpu().numpy()
    return outputs
