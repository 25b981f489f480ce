"""The model at its present weights as a pure function, and the state of torch under which it is evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy as shallow_copy
from copy import deepcopy
from queue import SimpleQueue
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from barren import _core

COMPUTING_DTYPES = {"float32": torch.float32, "float64": torch.float64}
# The dictionaries of a module that a forward may add to.
_REGISTRIES = ("_parameters", "_buffers", "_modules")


@contextmanager
def plain_autograd(device: torch.device) -> Iterator[None]:
    """Gradients on, every fused or casting path off, the random state put back at the end.

    Why each (seen with torch 2.13): the fused `scaled_dot_product_attention` kernels and the fast path of
    `nn.TransformerEncoderLayer` in eval mode lack derivatives that `torch.func` needs; autocast would change
    the computing dtype; a caller's `no_grad` or `inference_mode` would cut the graph.
    """
    fastpath = torch.backends.mha.get_fastpath_enabled()
    cpu_state = torch.get_rng_state()
    cuda_state = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fastpath)
            torch.set_rng_state(cpu_state)
            if cuda_state is not None:
                torch.cuda.set_rng_state(cuda_state, device)


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Keeps torch to so many threads a call (0: as many as it likes). The number is the process's, and is put back."""
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def random_state(device: torch.device) -> list[Tensor]:
    """The generators a forward on this device can draw from."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def dense(gradient: Tensor) -> Tensor:
    """A gradient without the sparse layout that `nn.Embedding(sparse=True)` gives it."""
    return gradient.to_dense() if gradient.layout != torch.strided else gradient


class Snapshot:
    """N(·, ·) as a pure function of (trainable parameters, features), at the weights of this moment.

    Parameters and buffers are copied, so that neither an in-place update within the forward reaches the model
    nor a later training step reaches the snapshot. The model lends its structure and its mode only.

    Attributes:
        model: The module.
        trainable: Name -> copy of each trainable parameter, in the computing dtype, requiring gradients.
        layers: Name of a trainable parameter -> its layer: the path of the module that owns it.
        dtype, device: Where features are moved to.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, *, cast: bool) -> None:
        if _core.available_threads() == 1 and torch.get_num_threads() > 1:
            # The core is in a forked child (or was given one thread): torch's own loops would hang there for ever.
            torch.set_num_threads(1)

        def copy(tensor: Tensor) -> Tensor:
            wanted = dtype if cast and tensor.is_floating_point() else tensor.dtype
            with torch.inference_mode(False):  # tensors made within it could not be differentiated
                return tensor.detach().to(wanted, copy=True)

        self.model = model
        self.dtype = dtype
        parameters = dict(model.named_parameters())
        self.originals = {name: p for name, p in parameters.items() if p.requires_grad}
        self.trainable = {name: copy(p).requires_grad_() for name, p in self.originals.items()}
        self.layers = {name: layer_name(name) for name in self.originals}
        self.device = next(iter(self.trainable.values())).device
        self._frozen = {name: copy(p) for name, p in parameters.items() if not p.requires_grad}
        self._buffers = {name: copy(b) for name, b in model.named_buffers()}

    def replicas(self, count: int) -> SimpleQueue[Snapshot]:
        """This snapshot and copies that threads may run at the same time: a forward borrows its module.

        As many as asked for on the CPU where the module can be copied; the weights are shared.
        """
        queue: SimpleQueue[Snapshot] = SimpleQueue()
        queue.put(self)
        for _ in range(count - 1 if self.device.type == "cpu" else 0):
            other = shallow_copy(self)
            try:
                other.model = deepcopy(self.model)
            except Exception:  # whatever a module holds that cannot be copied: one thread then does it all
                break
            queue.put(other)
        return queue

    def features(self, features: np.ndarray[Any, np.dtype[np.float64]]) -> Tensor:
        """The encoded inputs in the computing dtype on the model's device; always a copy."""
        return torch.tensor(features, dtype=self.dtype, device=self.device)

    def __call__(self, parameters: Mapping[str, Tensor], features: Tensor) -> Any:
        """What the model's forward returns; `parameters` replace those of `trainable` with the same name."""
        return self._run(self.model, "", parameters, features)

    def twice(self, features: Tensor) -> tuple[Any, Any]:
        """What two forwards in a row return, the second with what the first has written to the model."""
        first, second = self._run(_Twice(self.model), "model.", {}, features)
        return first, second

    def altered(self) -> str | None:
        """The name of a parameter or buffer of the model itself that is not what it was, put back to it; or None."""
        found = None
        kept = {**self.trainable, **self._frozen, **self._buffers}
        for name, tensor in [*self.model.named_parameters(), *self.model.named_buffers()]:
            before = kept[name].detach()
            now = tensor.detach().to(before.dtype)
            if not bool(((now == before) | (now.isnan() & before.isnan())).all()):
                found = name
                with torch.no_grad():
                    tensor.copy_(before)
        return found

    def _run(self, module: nn.Module, prefix: str, parameters: Mapping[str, Tensor], features: Tensor) -> Any:
        buffers = {name: buffer.clone() for name, buffer in self._buffers.items()}
        weights = {**self._frozen, **buffers, **self.trainable, **parameters}
        state = _attributes(self.model)
        try:
            for part, _, _ in state:
                # What Module.compile() traced passes our recording and vmap by.
                if part._compiled_call_impl is not None:
                    part._compiled_call_impl = None
            # The copy keeps a forward that works in place on its input away from the features.
            return functional_call(module, {prefix + name: t for name, t in weights.items()}, (features.clone(),))
        finally:
            _restore(state)

    def outputs(self, features: Tensor) -> Tensor:
        """N(w, x) of a batch, shape (n,)."""
        result: Tensor = self({}, features)
        return result.reshape(len(features))

    def gradients(
        self, output: Tensor, names: Iterable[str], cotangent: Tensor | None = None, *, keep_graph: bool = False
    ) -> dict[str, Tensor]:
        """Plain reverse mode: the gradient of one number, or of ⟨cotangent, output⟩, in the named parameters.

        Zero where there is none.
        """
        leaves = {name: self.trainable[name] for name in names}
        if not output.requires_grad:
            return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
        found = torch.autograd.grad(
            output, list(leaves.values()), cotangent, retain_graph=keep_graph, allow_unused=True
        )
        return {
            name: torch.zeros_like(leaf) if gradient is None else dense(gradient)
            for (name, leaf), gradient in zip(leaves.items(), found, strict=True)
        }


class _Twice(nn.Module):
    """Two forwards of a module in a row."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Any, Any]:
        return self.model(x.clone()), self.model(x)


_State: TypeAlias = list[tuple[nn.Module, dict[str, Any], dict[str, dict[str, Any]]]]


def _attributes(model: nn.Module) -> _State:
    """What is stored on every module: its attributes, and the entries of its registries."""
    return [
        (module, dict(vars(module)), {key: dict(vars(module)[key]) for key in _REGISTRIES})
        for module in model.modules()
    ]


def _restore(state: _State) -> None:
    """Takes back what a forward stored on the modules (caches, counters, `_flat_weights` of an RNN)."""
    for module, attributes, registries in state:
        present = vars(module)
        if len(present) != len(attributes) or any(present.get(key) is not attributes[key] for key in attributes):
            present.clear()
            present.update(attributes)
        for key, entries in registries.items():
            if len(present[key]) != len(entries):
                present[key].clear()
                present[key].update(entries)


def layer_name(parameter: str) -> str:
    """The module path that owns a parameter; a parametrised one counts for the module it parametrises.

    >>> layer_name("blocks.0.weight"), layer_name("weight")
    ('blocks.0', 'model')
    >>> layer_name("fc1.parametrizations.weight.original0")
    'fc1'
    """
    owner = parameter.rpartition(".")[0]
    before, found, _ = ("." + owner).partition(".parametrizations")
    return (before.lstrip(".") if found else owner) or "model"
