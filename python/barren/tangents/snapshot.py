"""The model at its present weights as a pure function, and the state of torch under which it is evaluated."""

from __future__ import annotations

import os
import threading
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
from torch.overrides import TorchFunctionMode

from barren import _core, _pool

COMPUTING_DTYPES = {"float32": torch.float32, "float64": torch.float64}
# A forward that stores something is run so many times: what it stores may be read late.
_MANY_FORWARDS = 64
# The dictionaries of a module that a forward may add to.
_REGISTRIES = ("_parameters", "_buffers", "_modules")


class _Process:
    """What is one for all threads of the process: taken by the first that comes in, and put back by the last to leave.

    If each put back what it found, one that came second and left last would leave the settings of the first behind.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.plain_users, self.limited_users = 0, 0
        self.settings = ExitStack()
        self.random: dict[torch.device, Tensor] = {}
        self.threads = 0
        self.own = threading.local()  # of each thread: how many of its contexts limit torch, and its number

    def renew_lock(self) -> None:
        """In a forked child: another thread of the parent may have held it."""
        self.lock = threading.Lock()

    def enter_plain(self, device: torch.device) -> None:
        with self.lock:
            if self.plain_users == 0:
                self.settings, fastpath = ExitStack(), torch.backends.mha.get_fastpath_enabled()
                self.settings.enter_context(sdpa_kernel(SDPBackend.MATH))
                self.settings.callback(torch.backends.mha.set_fastpath_enabled, fastpath)
                torch.backends.mha.set_fastpath_enabled(False)
                self.random = {torch.device("cpu"): torch.get_rng_state()}
            if device.type == "cuda" and device not in self.random:
                self.random[device] = torch.cuda.get_rng_state(device)
            self.plain_users += 1

    def leave_plain(self) -> None:
        with self.lock:
            self.plain_users -= 1
            if self.plain_users:
                return
            self.settings.close()
            for device, state in self.random.items():
                torch.set_rng_state(state) if device.type == "cpu" else torch.cuda.set_rng_state(state, device)
            self.random = {}

    def enter_limited(self, threads: int) -> int:
        with self.lock:
            depth = getattr(self.own, "depth", 0)
            if self.limited_users == 0:
                self.threads = torch.get_num_threads()
            # A thread that comes in while others are inside would see their number for its own.
            before = self.own.threads if depth else self.threads
            self.limited_users, self.own.depth = self.limited_users + 1, depth + 1
            # A forked child has none of libgomp's threads, and torch's loops would wait for them for ever.
            self.own.threads = 1 if _core.in_forked_child() else threads or before
            torch.set_num_threads(self.own.threads)
        return before

    def leave_limited(self, before: int) -> None:
        with self.lock:
            self.limited_users, self.own.depth = self.limited_users - 1, self.own.depth - 1
            self.own.threads = before
            if self.limited_users and not self.own.depth and _pool.is_worker():
                # MKL's number, and what a thread takes at its first loop, are one for all: another worker would get the
                # larger one in the middle of its chunk, and other last digits. This thread ends with its pool.
                return
            torch.set_num_threads(before if self.limited_users else self.threads)


_PROCESS = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROCESS.renew_lock)


@contextmanager
def plain_autograd(device: torch.device) -> Iterator[None]:
    """Gradients on, every fused or casting path off, the random state put back at the end.

    Why each (seen with torch 2.13): the fused `scaled_dot_product_attention` kernels and the fast path of
    `nn.TransformerEncoderLayer` in eval mode lack derivatives that `torch.func` needs; autocast would change
    the computing dtype; a caller's `no_grad` or `inference_mode` would cut the graph. The first two and the random
    state are the process's: several threads may be inside at once.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        _PROCESS.enter_plain(device)
        try:
            yield
        finally:
            _PROCESS.leave_plain()


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Keeps torch to so many threads a call of this thread (0: as many as it had); the number is put back."""
    before = _PROCESS.enter_limited(threads)
    try:
        yield
    finally:
        _PROCESS.leave_limited(before)


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
        cast: Whether the model's own parameters may be of another dtype.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, *, cast: bool) -> None:
        if _core.in_forked_child() and torch.get_num_threads() > 1:
            # torch's own loops would hang here for ever.
            torch.set_num_threads(1)

        def copy(tensor: Tensor) -> Tensor:
            wanted = dtype if cast and tensor.is_floating_point() else tensor.dtype
            with torch.inference_mode(False):  # tensors made within it could not be differentiated
                return tensor.detach().to(wanted, copy=True)

        self.model = model
        self.dtype, self.cast = dtype, cast
        parameters = dict(model.named_parameters())
        self.originals = {name: p for name, p in parameters.items() if p.requires_grad}
        self.trainable = {name: copy(p).requires_grad_() for name, p in self.originals.items()}
        self.layers = {name: layer_name(name) for name in self.originals}
        self.device = next(iter(self.trainable.values())).device
        self._frozen = {name: copy(p) for name, p in parameters.items() if not p.requires_grad}
        self._buffers = {name: copy(b) for name, b in model.named_buffers()}

    def replicas(self, count: int, probe: Tensor) -> SimpleQueue[Snapshot]:
        """This snapshot and copies that threads may run at the same time: a forward borrows its module.

        As many as asked for on the CPU where the module can be copied; the weights are shared. A copy whose forward
        reaches tensors of the model itself (by a closure over it, say) would run into the others, and is not used.

        Args:
            count: How many.
            probe: A few inputs on which each copy is run.
        """
        queue: SimpleQueue[Snapshot] = SimpleQueue()
        queue.put(self)
        own = [*self.model.parameters(), *self.model.buffers()]
        for _ in range(count - 1 if self.device.type == "cpu" else 0):
            other = shallow_copy(self)
            try:
                other.model = deepcopy(self.model, {id(tensor): tensor for tensor in own})
                with plain_autograd(self.device), _Seen(own) as seen:
                    other({}, probe)
            except Exception:  # whatever a module holds that cannot be copied: one thread then does it all
                break
            if seen.found:
                break
            queue.put(other)
        return queue

    def features(self, features: np.ndarray[Any, np.dtype[np.float64]]) -> Tensor:
        """The encoded inputs in the computing dtype on the model's device; always a copy."""
        return torch.tensor(features, dtype=self.dtype, device=self.device)

    def __call__(self, parameters: Mapping[str, Tensor], features: Tensor) -> Any:
        """What the model's forward returns; `parameters` replace those of `trainable` with the same name."""
        return self._run(self.model, "", parameters, features)

    def again(self, features: Tensor) -> list[Any]:
        """What forwards in a row return, each with what those before have written to the model.

        The first two, and where the first has written something the last of many: a counter may be read late.
        """
        found: list[Any] = self._run(_Repeated(self.model), "model.", {}, features)
        return found

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


class _Seen(TorchFunctionMode):
    """Notices whether a torch function is given one of some tensors."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()
        self._sought = {id(tensor) for tensor in tensors}
        self.found = False

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        for value in (*args, *(kwargs or {}).values()):
            items = value if isinstance(value, list | tuple) else (value,)
            self.found = self.found or any(id(item) in self._sought for item in items)
        return func(*args, **(kwargs or {}))


class _Repeated(nn.Module):
    """Forwards of a module in a row."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> list[Any]:
        before = _stored(self.model)
        found = [self.model(x.clone())]
        after = _stored(self.model)
        found.append(self.model(x.clone()))
        if len(before) != len(after) or any(
            a[0] is not b[0] or a[1] != b[1] for a, b in zip(before, after, strict=True)
        ):
            for _ in range(_MANY_FORWARDS):
                last = self.model(x.clone())
            found.append(last)
        return found


def _stored(model: nn.Module) -> list[tuple[Any, int]]:
    """Everything that is stored on the modules, and how often each tensor was written to."""
    values = (value for m in model.modules() for value in (*vars(m).values(), *m._buffers.values()))
    return [(value, value._version if isinstance(value, Tensor) else 0) for value in values]


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
