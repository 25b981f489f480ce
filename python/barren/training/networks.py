"""Many copies of one network as batched tensors: parameters carry the run in their first dimension."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from barren.training.chains import chain_of

# A run is one slice of a contiguous tensor. torch computes the last few numbers of a tensor with other instructions
# than the rest, which changes the last bit of exp, and a product of one matrix otherwise than a batch of them.
# Copies of the last run at the end keep both away from the runs that count: a run has the same bits in any company,
# as long as its intermediate tensors begin on boundaries of 64 bytes. Those of `Chain` do; those that vmap makes do so
# where a batch times a width is a multiple of 16.
_TAIL = 32


def _places(parameters: dict[str, Tensor]) -> tuple[dict[str, tuple[int, torch.Size]], int]:
    """Where each parameter of a run begins, on a boundary of 64 bytes or more, and how long a run is."""
    found, start = {}, 0
    for name, tensor in parameters.items():
        found[name] = start, tensor.shape[1:]
        start += -(-tensor.shape[1:].numel() // 16) * 16
    return found, -(-start // 64) * 64


def names_of(module: nn.Module) -> dict[str, str]:
    """Where a parameter or buffer is held -> its name in `named_parameters`: one that several layers share has one.

    A layer that is there twice holds its own once: `functional_call` would put them back in the wrong order.
    """
    first: dict[int, str] = {}
    found = {}
    for path, part in module.named_modules():
        for name, tensor in (*part._parameters.items(), *part._buffers.items()):
            if tensor is not None:
                place = f"{path}.{name}" if path else name
                found[place] = first.setdefault(id(tensor), place)
    return found


def call(module: nn.Module, names: Mapping[str, str], tensors: Mapping[str, Tensor], features: Tensor) -> Tensor:
    """The module with these parameters and buffers, by the `names_of` it; the module itself is left as it was."""
    held = {place: tensors[name] for place, name in names.items()}
    outputs: Tensor = functional_call(module, held, (features,), tie_weights=False)
    return outputs


def spare_copies(smallest_batch: int) -> int:
    """How many copies of the last run a batch of runs carries, each at least one output of so many samples."""
    return max(1, -(-_TAIL // smallest_batch))


class Networks:
    """N(·, w_r) for every run r of a group.

    Attributes:
        parameters: Name -> trainable tensor of shape (runs, ...), a leaf.
        flat: All of them as one tensor (runs, numbers), which the optimizer updates; a run is a multiple of 64 numbers,
            so that none of them is in the tail of its loops.
        frozen: Name -> parameter without gradients or buffer, shape (runs, ...).
        obstacle: Why the runs cannot be batched, or None where they are.
    """

    def __init__(self, module: nn.Module, states: Sequence[nn.Module], obstacle: str | None) -> None:
        self._module = copy.deepcopy(module)  # its own: functional_call puts tensors into the module while it runs
        self._names = names_of(self._module)
        parameters, buffers = stack_module_state(list(states))
        trains = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
        self._places, width = _places({name: t for name, t in parameters.items() if name in trains})
        like = next(parameters[name] for name in self._places)
        self.flat = torch.zeros(len(states), width, dtype=like.dtype, device=like.device)
        self._make_leaves()
        with torch.no_grad():
            for name, leaf in self.parameters.items():
                leaf.copy_(parameters[name])
        self.frozen = {name: t.detach().clone() for name, t in parameters.items() if name not in trains}
        self.frozen.update({name: t.detach().clone() for name, t in buffers.items()})
        self.obstacle = obstacle
        self._batched = vmap(self._one)
        self._chain = None if obstacle else chain_of(self._module)

    def _make_leaves(self) -> None:
        """Leaves that share their memory with `flat`: an update of it is one of them."""
        self.parameters = {name: part.detach().requires_grad_() for name, part in self._parts(self.flat).items()}
        self._gradient = torch.zeros_like(self.flat)
        self._gradients = self._parts(self._gradient)

    def _parts(self, flat: Tensor) -> dict[str, Tensor]:
        """Name -> the numbers of this parameter in a tensor that lies as `flat` does, (runs, ...)."""
        return {
            name: flat[:, start : start + shape.numel()].view(len(flat), *shape)
            for name, (start, shape) in self._places.items()
        }

    @property
    def runs(self) -> int:
        """How many runs, spare copies with them."""
        return len(self.flat)

    def _one(self, parameters: dict[str, Tensor], frozen: dict[str, Tensor], features: Tensor) -> Tensor:
        return call(self._module, self._names, {**parameters, **frozen}, features)

    def __call__(self, features: Tensor, *, train: bool, reseed: Callable[[int], None] | None = None) -> Tensor:
        """Outputs (runs, n, k) of features (runs, n, width); `reseed` is called before each run that goes alone."""
        self._module.train(train)
        if self._chain is not None:
            outputs = self._chain.forward(self.parameters, features)[-1].clone()
        elif self.obstacle is None:
            outputs = self._batched(self.parameters, self.frozen, features)
        else:
            outputs = torch.stack([self._alone(run, features[run], reseed) for run in range(self.runs)])
        return outputs[..., None] if outputs.ndim == 2 else outputs

    def gradient(
        self,
        features: Tensor,
        labels: Tensor,
        losses_of: Callable[[Tensor, Tensor], Tensor],
        *,
        reseed: Callable[[int], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The mean losses (runs,) in training, and their gradient, which lies as `flat` and is good until the next."""
        if self._chain is not None:
            values = self._chain.forward(self.parameters, features)
            outputs = values[-1].detach().requires_grad_()
            losses = losses_of(outputs.clone(), labels).mean(-1)  # a loss may write into what it is given
            (above,) = torch.autograd.grad(losses.sum(), outputs)
            self._chain.backward(self.parameters, values, above, self._gradients)
            return losses.detach(), self._gradient
        losses = losses_of(self(features, train=True, reseed=reseed), labels).mean(-1)
        found = torch.autograd.grad(losses.sum(), list(self.parameters.values()), allow_unused=True)
        for part, gradient in zip(self._gradients.values(), found, strict=True):
            part.copy_(gradient) if gradient is not None else part.zero_()
        return losses.detach(), self._gradient

    def _alone(self, run: int, features: Tensor, reseed: Callable[[int], None] | None) -> Tensor:
        if reseed is not None:
            reseed(run)
        # Slices are views: a buffer that the forward updates in place, as batch norm does, is updated in its stack.
        parameters = {name: tensor[run] for name, tensor in self.parameters.items()}
        return self._one(parameters, {name: tensor[run] for name, tensor in self.frozen.items()}, features)

    def keep(self, rows: Tensor) -> None:
        """Drops every run but these."""
        self.flat = self.flat[rows]
        self._make_leaves()
        self.frozen = {name: t[rows] for name, t in self.frozen.items()}

    def skeleton(self) -> nn.Module:
        """A copy of the module, with weights that say nothing."""
        return copy.deepcopy(self._module)


def obstacle_of(module: nn.Module, features: Tensor) -> str | None:
    """Why copies of a network cannot be batched, found on a few samples; None if they can.

    Batched copies must give what the network itself gives, draw nothing at random and leave buffers alone in training.
    """
    for name, part in module.named_modules():
        where = name or "the model"
        if isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0.0:
            return f"{where} drops at random"
        special = isinstance(part, nn.Embedding | nn.EmbeddingBag) and (
            part.padding_idx is not None or part.scale_grad_by_freq
        )
        if special:  # under vmap padding_idx keeps the row of the first run alone
            return f"{where} is an embedding with padding or gradients scaled by frequency"
    before = torch.get_rng_state()
    states = {name: buffer.clone() for name, buffer in module.named_buffers()}
    try:
        with torch.no_grad():
            plain = module(features)
            changed = [name for name, buffer in module.named_buffers() if not torch.equal(buffer, states[name])]
            if changed:
                return f"training updates the buffer {changed[0]!r}"
            if not torch.equal(torch.get_rng_state(), before):
                return "its forward draws random numbers"
            batched = Networks(module, [module, module], None)(torch.stack([features, features]), train=True)[0]
        plain = plain[..., None] if plain.ndim == 1 else plain
        if batched.shape != plain.shape or not torch.allclose(batched, plain, rtol=1e-4, atol=1e-5, equal_nan=True):
            return "batched copies give other outputs than the network itself"
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever vmap or the module cannot do, one run at a time may still work
        return " ".join(str(error).split())[:200] or type(error).__name__
    finally:
        torch.set_rng_state(before)
        for name, buffer in module.named_buffers():
            buffer.copy_(states[name])
    return None
