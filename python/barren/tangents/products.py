"""J·V by forward mode and Jᵀ·U by reverse mode, streamed over chunks of samples; no Jacobian is formed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.func import jvp, vmap
from torch.overrides import TorchFunctionMode

from barren.tangents.base import Doubles
from barren.tangents.inspect import check_finite, evenly
from barren.tangents.snapshot import Snapshot, plain_autograd

# What products take at most beside operands and results. A quarter is for the activations of a chunk of samples with
# their derivatives, as much for what torch holds on the way, and half for the directions of a group.
PRODUCT_BYTES = 1 << 28
_MOST_SAMPLES = 1 << 13
# Samples of a chunk and directions of a group, however small the memory limit; and what matters for small models.
_LEAST_SAMPLES, _DIRECTIONS, _OVERHEAD = 16, 8, 1 << 20
# Samples on which forward mode is compared with reverse mode, and what the directions for that take.
_COMPARED, _COMPARED_BYTES = 3, 1 << 24


class Products:
    """Products of one model's Jacobian, at any inputs, with the coordinates in the order of `names`.

    Attributes:
        obstacle: Why forward mode cannot be used, or None; it has been compared with reverse mode on a probe, for
            every parameter tensor, at construction.
    """

    def __init__(self, snapshot: Snapshot, names: list[str], features: Tensor, sample_bytes: int) -> None:
        self._snapshot = snapshot
        self._names = names
        self._sizes = [snapshot.trainable[name].numel() for name in names]
        self._vectorised = True
        probe = evenly(features, _COMPARED)
        self._sample_bytes = sample_bytes
        self.obstacle = self._check(probe)

    def forward(self, features: Tensor, directions: Doubles, bytes_limit: int = PRODUCT_BYTES) -> Doubles:
        """J·V (n, k) in float64: the directions of a group together, one primal a chunk of samples and group."""
        if self.obstacle is not None:
            raise ValueError(self.obstacle)
        count = directions.shape[1]
        out = np.empty((len(features), count))
        fitting = bytes_limit // 2 // (sum(self._sizes) * self._snapshot.dtype.itemsize)
        width = max(1, fitting) if self._vectorised else 1
        for first in range(0, count, width):
            group = slice(first, min(first + width, count))
            tangents = self._split(directions[:, group])
            for rows in self._chunks(len(features), 1 + group.stop - first, bytes_limit):
                with plain_autograd(self._snapshot.device):
                    product = self._jvp(features[rows], tangents)
                check_finite("the derivative of the output along a direction", product)
                out[rows, group] = product.T.double().cpu().numpy()
        return out

    def transposed(self, features: Tensor, cotangents: Doubles, bytes_limit: int = PRODUCT_BYTES) -> Doubles:
        """Jᵀ·U (d, k) in float64: one forward a chunk of samples, a backward pass a column, chunks added in order."""
        snapshot, count = self._snapshot, cotangents.shape[1]
        total = torch.zeros(count, sum(self._sizes), dtype=torch.float64, device=snapshot.device)
        for rows in self._chunks(len(features), 2, bytes_limit):
            weights = torch.tensor(cotangents[rows].T, dtype=snapshot.dtype, device=snapshot.device)
            with plain_autograd(snapshot.device):
                outputs = snapshot.outputs(features[rows])
                for k in range(count):
                    found = snapshot.gradients(outputs, self._names, weights[k], keep_graph=k + 1 < count)
                    for into, name in zip(torch.split(total[k], self._sizes), self._names, strict=True):
                        into += found[name].reshape(-1)
        check_finite("the gradient", total)
        return np.ascontiguousarray(total.T.cpu().numpy())

    def _chunks(self, n: int, copies: int, bytes_limit: int) -> Iterator[slice]:
        """Ranges of samples: they depend on the model, on how many tangents go along and on the limit alone."""
        step = max(1, min(_MOST_SAMPLES, bytes_limit // 4 // (self._sample_bytes * copies)))
        for start in range(0, n, step):
            yield slice(start, min(start + step, n))

    def _split(self, directions: Doubles) -> dict[str, Tensor]:
        """Directions (d, k) as one tensor (k, *shape) a parameter."""
        snapshot = self._snapshot
        rows = torch.tensor(directions.T, dtype=snapshot.dtype, device=snapshot.device)
        pieces = zip(self._names, torch.split(rows, self._sizes, dim=1), strict=True)
        return {name: piece.reshape(-1, *snapshot.trainable[name].shape) for name, piece in pieces}

    def _jvp(self, features: Tensor, tangents: dict[str, Tensor]) -> Tensor:
        """The derivative of every output along each tangent, (k, samples); parameters not named stay fixed."""
        snapshot = self._snapshot
        fixed = {name: parameter.detach() for name, parameter in snapshot.trainable.items()}

        def output(parameters: dict[str, Tensor]) -> Tensor:
            result: Tensor = snapshot({**fixed, **parameters}, features)
            return result.reshape(len(features))

        def push(tangent: dict[str, Tensor]) -> Tensor:
            derivative: Tensor = jvp(output, ({name: fixed[name] for name in tangent},), (tangent,))[1]
            return derivative

        with warnings.catch_warnings():
            # An operation without a batching rule is looped over by torch itself: slower, and as right. The other
            # warning is for torch, which scripts some derivatives when forward mode is first used.
            warnings.filterwarnings("ignore", message="There is a performance drop")
            warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
            if self._vectorised:
                pushed: Tensor = vmap(push)(tangents)
                return pushed
            count = len(next(iter(tangents.values())))
            return torch.stack([push({name: t[k] for name, t in tangents.items()}) for k in range(count)])

    def _check(self, probe: Tensor) -> str | None:
        """Vectorised forward mode if it agrees with reverse mode, else one direction at a time, else the reason."""
        reason = ""
        for vectorised in (True, False):
            self._vectorised = vectorised
            try:
                with plain_autograd(self._snapshot.device):
                    self._compare(probe)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # whatever forward mode cannot follow: the reason goes to the caller
                reason = " ".join(str(error).split()) or type(error).__name__
            else:
                return None
        return f"forward mode does not go through this model: {reason if len(reason) <= 200 else reason[:199] + '…'}"

    def _compare(self, probe: Tensor) -> None:
        """⟨u, J·v⟩ = ⟨Jᵀu, v⟩ at random u and v: two v in all parameters, and one in each parameter tensor alone."""
        snapshot, names = self._snapshot, self._names
        generator = torch.Generator().manual_seed(20231018)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(snapshot.device, snapshot.dtype)

        u = random(len(probe))
        gradients = snapshot.gradients(snapshot.outputs(probe), names, u)
        eps = float(torch.finfo(snapshot.dtype).eps)
        everywhere = -1
        directions = [everywhere, everywhere, *range(len(names))]
        step = max(2, _COMPARED_BYTES // (sum(self._sizes) * snapshot.dtype.itemsize))
        for start in range(0, len(directions), step):
            chosen = directions[start : start + step]
            tangents = {name: random(len(chosen), *snapshot.trainable[name].shape) for name in names}
            for row, index in enumerate(chosen):
                for other, name in enumerate(names):
                    if index not in (everywhere, other):
                        tangents[name][row] = 0.0
            pushed = self._jvp(probe, tangents).double() * u
            terms = [(tangents[name].double() * gradients[name].double()).flatten(1) for name in names]
            gap = (pushed.sum(1) - torch.stack([term.sum(1) for term in terms]).sum(0)).abs()
            sizes = torch.stack([term.abs().sum(1) for term in terms]).sum(0)
            # Rounding of the sums within J·v, whose terms may be far larger than the sum, is no disagreement.
            wrong = gap > eps**0.5 * pushed.abs().sum(1) + 1e3 * eps * sizes
            # NaN compares as false: what is not a number is no agreement.
            wrong |= gap.isnan()
            if bool(wrong.any()):
                row = int(wrong.nonzero()[-1])
                what = "all parameters" if chosen[row] == everywhere else repr(names[chosen[row]])
                raise ValueError(f"it differs from reverse mode in {what} by {float(gap[row]):.3g}")


def least_product_bytes(parameter_bytes: int, sample_bytes: int) -> int:
    """Bytes without which no product can be made: one direction, and a chunk of a few samples."""
    return _OVERHEAD + max(2 * parameter_bytes, 8 * _LEAST_SAMPLES * sample_bytes)


def most_product_bytes(parameter_bytes: int, bytes_of_all: int) -> int:
    """Bytes beyond which more make no difference: a group of directions, and all samples with them."""
    chunk = 4 * (1 + _DIRECTIONS) * bytes_of_all
    return min(PRODUCT_BYTES, _OVERHEAD + max(2 * _DIRECTIONS * parameter_bytes, chunk))


def bytes_a_sample(snapshot: Snapshot, probe: Tensor) -> int:
    """About what one sample takes in a forward pass: the results of all torch functions that it calls."""
    counter = _Counter()
    with plain_autograd(snapshot.device), counter:  # with gradients: a forward may itself differentiate
        snapshot({}, probe)
    return max(64, counter.bytes // len(probe))


class _Counter(TorchFunctionMode):
    """Adds up the bytes of the tensors that torch functions return."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor) and not isinstance(value, torch.nn.Parameter):
                self.bytes += value.numel() * value.element_size()
        return result
