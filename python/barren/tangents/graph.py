"""Who reads a parameter, by the graph of a forward pass: a use that gives no gradient here shows in it too."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor
from torch.autograd.graph import get_gradient_edge

# A node of the graph, and which of its outputs: what a tensor is within it.
_Edge: TypeAlias = tuple[Any, int]


def nodes_between(output: Tensor, inputs: Iterable[Tensor]) -> tuple[Any, ...]:
    """The nodes that a call has added: from its output back to what it was given."""
    if not output.requires_grad:
        return ()
    start, _ = _edge(output)
    stops = {_edge(tensor) for tensor in inputs if tensor.requires_grad}
    return start, *(edge[0] for _, edge in _walk(start, stops) if edge not in stops)


def read_elsewhere(
    outputs: Tensor, leaves: Mapping[str, Tensor], calls: Iterable[tuple[Sequence[Any], Collection[str]]]
) -> set[str]:
    """The leaves that something else than the known calls reads on the way to the outputs.

    Args:
        outputs: The end of the graph.
        leaves: Name -> leaf.
        calls: Nodes of a known call, its output's first, and the leaves that the call accounts for.
    """
    if not outputs.requires_grad:
        return set()
    names = {_edge(leaf)[0]: name for name, leaf in leaves.items()}
    owners = {node: (call, nodes[0], known) for call, (nodes, known) in enumerate(calls) for node in nodes}
    nobody = (-1, None, ())
    start, _ = _edge(outputs)
    found = {names[start]} if start in names else set()
    for node, (successor, _) in _walk(start, ()):
        reader, _, known = owners.get(node, nobody)
        name = names.get(successor)
        if name is not None and name not in known:
            found.add(name)
        # A derivative taken within the forward reads a call from its middle, where no delta arrives.
        call, entry, inner = owners.get(successor, nobody)
        if call not in (-1, reader) and successor is not entry:
            found.update(inner)
    return found


def passes_only(outputs: Tensor, gate: Tensor, sources: Iterable[Tensor]) -> bool:
    """Whether every way from the outputs back to the sources goes through the gate."""
    start, (sought, barrier) = _edge(outputs)[0], ({_edge(tensor)[0] for tensor in sources}, {_edge(gate)})
    return start not in sought and not any(
        edge not in barrier and edge[0] in sought for _, edge in _walk(start, barrier)
    )


def _edge(tensor: Tensor) -> _Edge:
    found = get_gradient_edge(tensor)
    return found.node, found.output_nr


def _walk(start: Any, barrier: Collection[_Edge]) -> Iterator[tuple[Any, _Edge]]:
    """Every edge (reader, what it reads) behind a node, none beyond a barrier; a node's edges come once."""
    waiting, seen = [start], {start}
    while waiting:
        node = waiting.pop()
        for successor, output in node.next_functions:
            if successor is None:
                continue
            yield node, (successor, output)
            if successor not in seen and (successor, output) not in barrier:
                seen.add(successor)
                waiting.append(successor)
