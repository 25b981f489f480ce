"""Recording of the calls in a forward pass that use a trainable parameter, and the deltas of their outputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from barren.tangents.graph import nodes_between, read_elsewhere
from barren.tangents.refusals import PastReferenceError, refuse_call
from barren.tangents.rules import RULES, Call, Layout, NoRuleError
from barren.tangents.snapshot import Snapshot

_ATTENTION = functional.multi_head_attention_forward
_ATTENTION_SIGNATURE = inspect.signature(_ATTENTION)
# Before the name of a parameter of the model itself.
_OWN = "the model's own "


@dataclass(frozen=True)
class Use:
    """A call with a rule in which trainable parameters took part.

    Attributes:
        call: The call, with its inputs.
        function: The torch function.
        roles: Role -> name of the trainable parameter in it.
        shape: Shape of the output.
        like: An empty tensor of the output's dtype and device.
        edge: Where the gradient in the output arrives, whatever is written into the output later; None where the
            output does not require one.
        nodes: What the call has added to the graph, where its roles account for all that it reads of the parameters.
        given: The tensors that it was given, each with the number of writes to it so far.
    """

    call: Call
    function: Callable[..., Any]
    roles: dict[str, str]
    shape: torch.Size
    like: Tensor
    edge: GradientEdge | None
    nodes: tuple[Any, ...]
    given: tuple[tuple[Tensor, int], ...]


def record(snapshot: Snapshot, features: Tensor) -> tuple[Tensor, list[Use]]:
    """The outputs of a batch (n,), within their graph, and the calls in their order."""
    outputs, uses = watch(snapshot, features)
    return outputs.reshape(len(features)), uses


def watch(snapshot: Snapshot, features: Tensor) -> tuple[Any, list[Use]]:
    """What the forward of a batch returns, and the calls in their order."""
    recorder = _Recorder({id(tensor): name for name, tensor in snapshot.trainable.items()})
    with recorder:
        outputs = snapshot({}, features)
    return outputs, recorder.uses


def unaccounted(snapshot: Snapshot, outputs: Tensor, uses: Sequence[Use]) -> set[str]:
    """The trainable parameters whose gradient at these samples is not the sum over the recorded calls.

    Read from the graph, so it holds for every sample of the batch, and nothing is rounded: a parameter is among them if
    anything reads it but the recorded calls, or if a call's input was written to after the call.

    Raises:
        PastReferenceError: If the model's own parameters are read, and not the snapshot's copies.
    """
    calls = [(use.nodes, set(use.roles.values())) for use in uses]
    own = {_OWN + name: parameter for name, parameter in snapshot.originals.items()}
    found = read_elsewhere(outputs, {**snapshot.trainable, **own}, calls)
    past = sorted(found & own.keys())
    if past:
        raise PastReferenceError(past[0].removeprefix(_OWN))
    for use in uses:
        if any(tensor._version != writes for tensor, writes in use.given):
            found.update(use.roles.values())
    return found


def deltas(
    outputs: Tensor,
    uses: Sequence[Use],
    features: Tensor,
    cotangent: Tensor | None = None,
    *,
    keep_graph: bool = False,
) -> tuple[list[Tensor], Tensor | None]:
    """The gradient of each sample's output in the output of each call, and in the features where they require one.

    Zero where a call does not reach an output, None for features that do not.

    The gradient of Σ_i N(x_i) gives every row at once where N(x_i) depends on the rows of sample i only. That it does
    shows with a cotangent z: the gradient of Σ_i z_i·N(x_i) then has z_i times the rows of sample i.
    """
    ends: list[Any] = [use.edge for use in uses if use.edge is not None]
    reached = features.requires_grad
    found: list[Tensor | None] = []
    if (ends or reached) and outputs.requires_grad:
        start = torch.ones_like(outputs) if cotangent is None else cotangent
        ends += [features] * reached
        found = list(torch.autograd.grad(outputs, ends, start, allow_unused=True, retain_graph=keep_graph))
    slope = found.pop() if reached and found else None
    gradients = iter(found)
    out = []
    for use in uses:
        gradient = next(gradients, None) if use.edge is not None else None
        out.append(use.like.new_zeros(use.shape) if gradient is None else gradient)
    return out, slope


def layouts(many: Sequence[Use], few: Sequence[Use], counts: tuple[int, int]) -> list[Layout | str]:
    """Where the samples lie in each call, from two batches of different sizes; or why that is not known.

    Raises:
        NoRuleError: If the batches do not make the same calls.
    """
    if [(use.function, use.roles) for use in many] != [(use.function, use.roles) for use in few]:
        raise NoRuleError("the number of samples changes the calls of its forward")
    return [_layout(one.shape, two.shape, counts) for one, two in zip(many, few, strict=True)]


def _layout(many: torch.Size, few: torch.Size, counts: tuple[int, int]) -> Layout | str:
    differing = [axis for axis, pair in enumerate(zip(many, few, strict=False)) if pair[0] != pair[1]]
    if len(many) != len(few) or len(differing) > 1:
        return "the shape of its output changes with the number of samples"
    if not differing:
        return "its output is the same for all samples"
    axis = differing[0]
    positions, rest = divmod(many[axis], counts[0])
    if rest or few[axis] != positions * counts[1]:
        return "its output does not have the same number of rows for each sample"
    return Layout(axis, counts[0])


def signature(uses: Sequence[Use], layout: Sequence[Layout | str], n: int) -> list[tuple[object, ...]]:
    """What must be the same for all batches: functions, roles, and shapes with the number of samples divided out."""
    found: list[tuple[object, ...]] = []
    for use, place in zip(uses, layout, strict=True):
        shape: list[object] = list(use.shape)
        if isinstance(place, Layout):
            positions, rest = divmod(use.shape[place.axis], n)
            shape[place.axis] = (positions, rest)
        found.append((use.function, use.roles, shape if isinstance(place, Layout) else place))
    return found


class _Recorder(TorchFunctionMode):
    """Sees every torch function of a forward; torch takes it off while it is at work."""

    def __init__(self, names: dict[int, str]) -> None:
        super().__init__()
        self._names = names
        self.uses: list[Use] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is _ATTENTION:
            return self._attention(_ATTENTION_SIGNATURE.bind(*args, **(kwargs or {})).arguments)
        return self._apply(func, *args, **(kwargs or {}))

    def _apply(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        refuse_call(func, args, kwargs)
        rule = RULES.get(func)
        call = rule(*args, **kwargs) if rule is not None else None
        output = func(*args, **kwargs)
        if call is not None:
            tensors = {role: tensor for role, tensor in call.parameters.items() if tensor is not None}
            roles = {role: self._names[id(t)] for role, t in tensors.items() if id(t) in self._names}
            if roles:
                edge = get_gradient_edge(output) if output.requires_grad else None
                given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
                # One that is an input too, or in two roles, has more of a gradient than its piece.
                plain = sum(id(tensor) in self._names for tensor in given) == len(set(roles.values()))
                nodes = nodes_between(output, given) if plain else ()
                writes = tuple((tensor, tensor._version) for tensor in given)
                like = output.detach().new_empty(0)
                self.uses.append(Use(call, func, roles, output.shape, like, edge, nodes, writes))
        return output

    def _attention(self, given: dict[str, Any]) -> Any:
        """Attention with its two projections made visible as `functional.linear`, and the unit matrix in their place.

        Self-attention with one packed weight only: then x·Wᵀ + b are all three projections at once. A product with
        the unit matrix is exact.
        """
        query = given["query"]
        packed = not given.get("use_separate_proj_weight", False) and given["in_proj_weight"] is not None
        if not packed or given["key"] is not query or given["value"] is not query:
            return _ATTENTION(**given)
        projected = self._apply(functional.linear, query, given["in_proj_weight"], given["in_proj_bias"])
        parts = dict(zip(("query", "key", "value"), projected.chunk(3, dim=-1), strict=True))
        unit = torch.eye(query.shape[-1], dtype=query.dtype, device=query.device)
        inner = {"in_proj_weight": unit.repeat(3, 1), "in_proj_bias": None}
        inner |= {"out_proj_weight": unit, "out_proj_bias": None}
        attended, weights = _ATTENTION(**{**given, **parts, **inner})
        return self._apply(functional.linear, attended, given["out_proj_weight"], given["out_proj_bias"]), weights
