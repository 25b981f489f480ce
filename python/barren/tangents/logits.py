"""Models of several outputs: what cross-entropy on many labels needs of them (docs/theory, section 3.4)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from barren import _validate
from barren.tangents import inspect, refusals
from barren.tangents.base import Block, Doubles, Tangent
from barren.tangents.deltas import CHUNK_BYTES, Deltas, NotLayeredError
from barren.tangents.independence import TOLERANCE, check_batches, random_cotangents
from barren.tangents.inspect import check_finite, evenly
from barren.tangents.products import bytes_a_sample
from barren.tangents.snapshot import Snapshot, dense, plain_autograd

# Samples differentiated at once.
_SAMPLES = 128

_ONE_OUTPUT = "the Jacobian of one output is needed here, and the model has several outputs"


class LogitTangent(Tangent):
    """The Jacobians J(x), (m, d), of a model of m outputs: vector-Jacobian products, and deltas where there are layers.

    Attributes:
        logits: The number of outputs m.
        deltas: The layers where all are `nn.Linear` applied once a sample, else None.
    """

    has_columns = False

    def __init__(self, snapshot: Snapshot, features: Tensor, logits: int) -> None:
        self.logits = logits
        self.deltas: Deltas | None = None
        self._snapshot, self._features = snapshot, features
        self._leaves = list(snapshot.trainable.values())
        sizes: dict[str, int] = {}
        for name, leaf in snapshot.trainable.items():
            sizes[snapshot.layers[name]] = sizes.get(snapshot.layers[name], 0) + leaf.numel()
        super().__init__(len(features), sizes, str(snapshot.dtype).removeprefix("torch."))
        with plain_autograd(snapshot.device):
            self._probe = evenly(features, inspect.PROBE_POINTS)
            self._probe_outputs = inspect.outputs_now(snapshot, self._probe)
            self._batched, suffix = self._choose()
            self._suffix = suffix
            try:
                self.deltas = Deltas(snapshot, features, self._backward)
                self._note = f"activations and deltas of {logits} outputs: the trainable layers are nn.Linear" + suffix
            except NotLayeredError as reason:
                self.abandon(reason)
        self._chunk_bytes = min(len(features), _SAMPLES) * bytes_a_sample(snapshot, evenly(features, 2))

    def abandon(self, reason: NotLayeredError) -> None:
        """Does without layers from now on: their rule does not hold in some batch."""
        self.deltas = None
        self._note = f"vector-Jacobian products of {self.logits} outputs: {reason}{self._suffix}"

    def check_unchanged(self) -> None:
        """See `Tangent.check_unchanged`; without layers no pass has watched the batches, and they are checked here."""
        if self.deltas is None:
            batches = np.array_split(np.arange(self.n), -(-self.n // _SAMPLES))
            check_batches(self._snapshot, self._features, batches)
        inspect.check_unchanged(self._snapshot, self._probe, self._probe_outputs)

    def squared_norms(self, bytes_limit: int = CHUNK_BYTES) -> Doubles:
        """Σ_c‖J_c(x_i)‖² over the outputs c, float64 of shape (n,), in chunks of about so many bytes."""
        if self.deltas is not None:
            return self.deltas.squared_norms(bytes_limit)
        total = np.zeros(self.n)
        step = max(1, min(CHUNK_BYTES, bytes_limit) // max(1, 2 * self.parameters * self.dtype.itemsize))
        one_hot = torch.eye(self.logits, dtype=self._snapshot.dtype, device=self._snapshot.device)
        with plain_autograd(self._snapshot.device):
            for i in range(self.n):
                outputs = self._snapshot({}, self._features[i : i + 1])
                for rows in torch.split(one_hot[:, None], step):
                    for found in self._backward(outputs, self._leaves, rows):
                        total[i] += float(torch.linalg.vector_norm(found, dtype=torch.float64)) ** 2
        return total

    @property
    def bytes_a_cotangent(self) -> int:
        """What `pulled_back` takes for each cotangent: the gradients and their sums, and a chunk on its way back."""
        return self.parameters * (16 + 3 * self.dtype.itemsize) + self._chunk_bytes

    @property
    def bytes(self) -> int:
        """Bytes that are held from the start, and a chunk of samples with its graph."""
        held = 2 * self._features.nbytes + 2 * self.parameters * self.dtype.itemsize
        return held + (2 * self._chunk_bytes if self.deltas is None else self.deltas.bytes)

    def pulled_back(self, cotangents: Doubles) -> dict[str, Doubles]:
        """Σ_x J(x)ᵀ v(x) for cotangents v of shape (b, n, m): layer -> (b, size), chunks of samples summed in float64.

        Raises:
            ValueError: If a gradient is not finite.
        """
        sums = [np.zeros((len(cotangents), leaf.numel())) for leaf in self._leaves]
        names = list(self._snapshot.trainable)
        with plain_autograd(self._snapshot.device):
            for first in range(0, self.n, _SAMPLES):
                outputs = self._snapshot({}, self._features[first : first + _SAMPLES])
                start = torch.from_numpy(cotangents[:, first : first + _SAMPLES]).to(outputs)
                for total, name, found in zip(sums, names, self._backward(outputs, self._leaves, start), strict=True):
                    check_finite(f"the gradient in {name!r}", found)
                    total += found.reshape(len(cotangents), -1).double().cpu().numpy()
        pieces: dict[str, list[Doubles]] = {layer: [] for layer in self.layers}
        for name, total in zip(names, sums, strict=True):
            pieces[self._snapshot.layers[name]].append(total)
        return {layer: np.concatenate(found, axis=1) for layer, found in pieces.items()}

    def column_blocks(self, bytes_limit: int) -> Iterator[tuple[str, Block]]:
        """Refuses: there is a Jacobian row an output.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_ONE_OUTPUT)

    def ntk(self, rows: slice, columns: slice, *, reduced: bool = False) -> Iterator[tuple[str, Block]]:
        """Refuses; see `column_blocks`."""
        raise ValueError(_ONE_OUTPUT)

    def scale_rows(self, omega: npt.ArrayLike) -> Tangent:
        """Refuses, as `take` and the products do: there is no one row a sample.

        Raises:
            ValueError: Always.
        """
        raise ValueError("rows of one output are needed here, and the model has several outputs")

    def take(self, order: npt.ArrayLike) -> Tangent:
        """Refuses; see `scale_rows`."""
        return self.scale_rows(order)

    def products(self, directions: npt.ArrayLike) -> Doubles:
        """Refuses; see `column_blocks`."""
        raise ValueError(_ONE_OUTPUT)

    def transposed_products(self, cotangents: npt.ArrayLike) -> Doubles:
        """Refuses; see `column_blocks`. For cotangents of every output there is `pulled_back`."""
        raise ValueError(_ONE_OUTPUT)

    def _backward(self, outputs: Tensor, inputs: Sequence[Tensor], cotangents: Tensor) -> list[Tensor]:
        return (_together if self._batched else _one_by_one)(outputs, inputs, cotangents)

    def _choose(self) -> tuple[bool, str]:
        """Whether many cotangents can go back at once: if that runs on a probe and agrees with one at a time."""
        outputs = self._snapshot({}, evenly(self._features, 3))
        cotangents = random_cotangents((2, *outputs.shape), outputs)
        plain = _one_by_one(outputs, self._leaves, cotangents)
        tolerance = TOLERANCE[self._snapshot.dtype]
        try:
            pairs = zip(_together(outputs, self._leaves, cotangents), plain, strict=True)
            if all(bool((a - b).abs().max() <= tolerance * b.abs().max()) for a, b in pairs):
                return True, ""
            reason = "they differ from single ones"
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever vmap cannot follow, a plain pass can: it just ran
            reason = " ".join(str(error).split())[:200]
        warnings.warn(
            f"backward passes of the model cannot be batched ({reason}): one pass a cotangent",
            UserWarning,
            stacklevel=2,
        )
        return False, f"; one backward pass a cotangent, since batches of them fail: {reason}"


def logits_of_model(
    model: nn.Module, features: Doubles, *, labels: int, dtype: Any = None, encoding_name: str = "encoding"
) -> LogitTangent:
    """The tangent of a torch module with at least as many outputs as there are labels, at its present weights.

    Args:
        model: A module with outputs of shape (n, m), m >= `labels`, at least one parameter trainable. It is left as it
            was.
        features: Encoded inputs, float64 of shape (n, width).
        labels: The labels are 0..labels−1.
        dtype: "float32" or "float64" to evaluate a cast copy of the model; None for its own dtype.
        encoding_name: How messages call what made the features.

    Raises:
        TypeError: If model or dtype is of the wrong kind.
        ValueError: As for `tangent_of_model`, or if the outputs are too few or of another shape.
    """
    module = refusals.as_module(model)
    refusals.check_structure(module)
    computing, cast = inspect.computing_dtype(module, dtype)
    values = _validate.matrix("features", features).astype(np.float64, copy=False)
    snapshot = Snapshot(module, computing, cast=cast)
    with plain_autograd(snapshot.device):
        points = snapshot.features(values)
        logits = _number_of_outputs(snapshot, evenly(points, inspect.PROBE_POINTS), labels)
        one = _Combined(module, random_cotangents((logits,), points))
        inspect.check_behaviour(Snapshot(one, computing, cast=cast), points, encoding_name)
    return LogitTangent(snapshot, points, logits)


class _Combined(nn.Module):
    """A model of several outputs seen through one combination of them, for the checks on models of one output."""

    def __init__(self, model: nn.Module, coefficients: Tensor) -> None:
        super().__init__()
        self.model, self.coefficients = model, coefficients

    def forward(self, features: Tensor) -> Tensor:
        outputs = self.model(features)
        combined: Tensor = outputs @ self.coefficients.to(outputs.dtype)
        return combined


def _number_of_outputs(snapshot: Snapshot, probe: Tensor, labels: int) -> int:
    try:
        result = snapshot({}, probe)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return labels  # features that do not fit: the checks that follow say so
    if not isinstance(result, Tensor) or result.ndim != 2 or len(result) != len(probe) or result.shape[1] < labels:
        came = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise ValueError(
            f"model must have at least {labels} outputs a sample, shape (n, {labels}), one a label, for "
            f"loss='cross-entropy'; got {came} for n = {len(probe)}"
        )
    if result.is_complex():
        raise ValueError(f"model must have real outputs; got {result.dtype}")
    return result.shape[1]


def _together(outputs: Tensor, inputs: Sequence[Tensor], cotangents: Tensor) -> list[Tensor]:
    """Gradients for cotangents of shape (b, *outputs.shape), all in one pass; zero where there is none."""
    with warnings.catch_warnings():
        # An operation without a batching rule is looped over by torch itself: slower, and as right.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        found = torch.autograd.grad(
            outputs, list(inputs), cotangents, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
    return [
        tensor.new_zeros(len(cotangents), *tensor.shape) if gradient is None else dense(gradient.detach())
        for tensor, gradient in zip(inputs, found, strict=True)
    ]


def _one_by_one(outputs: Tensor, inputs: Sequence[Tensor], cotangents: Tensor) -> list[Tensor]:
    """The same, one pass a cotangent."""
    rows: list[list[Tensor]] = [[] for _ in inputs]
    for cotangent in cotangents:
        found = torch.autograd.grad(outputs, list(inputs), cotangent, retain_graph=True, allow_unused=True)
        for row, tensor, gradient in zip(rows, inputs, found, strict=True):
            row.append(torch.zeros_like(tensor) if gradient is None else dense(gradient.detach()))
    return [torch.stack(row) for row in rows]
