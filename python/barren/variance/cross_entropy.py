"""Cross-entropy on many labels: G_a − E G = Σ_x c_x J(x)ᵀ (mean_b e_{bx} − e_{ax}) (docs/theory, section 3.4).

Layer by layer from looked-up deltas where all layers are linear, else by one vector-Jacobian product a member.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from barren import _core
from barren._products import pieces, product
from barren.variance.lookups import BLOCK_BYTES, labels_of, look_up, member_blocks, shares_of
from barren.variance.problem import Pairing, Problem, accumulate
from barren.variance.speeds import Speeds

if TYPE_CHECKING:
    from barren.tangents.deltas import DeltaLayer, Deltas
    from barren.tangents.logits import LogitTangent

_T = TypeVar("_T")

# Cotangents that go back together: a chunk of samples keeps the activations of each.
_COTANGENTS = 32


def _bytes_a_member(problem: Problem, layer: DeltaLayer, *, looked_up: bool) -> int:
    """What one more member in a block takes: its deltas and what is made of them, its cotangents where they go back."""
    (n, columns), logits = layer.rows.shape, _logits(problem).logits
    if layer.is_last:
        return int(16 * labels_of(problem).count * columns)
    numbers = int(2 * n * layer.width + min(columns * layer.width, n * n))
    return 8 * (numbers if looked_up else numbers + int(4 * n * logits + n * layer.width))


def _table_bytes(problem: Problem, layer: DeltaLayer) -> int:
    """What the deltas of every sample and label take."""
    return 8 * len(problem.points) * (labels_of(problem).count + 2) * layer.width


def _least_bytes(problem: Problem, deltas: Deltas, layer: DeltaLayer) -> int:
    """What a layer cannot do without: one member, and a chunk of samples on its way back."""
    (n, columns), count = layer.rows.shape, labels_of(problem).count
    one = _bytes_a_member(problem, layer, looked_up=False)
    if layer.is_last:
        return int(one + 8 * (n + count) * columns)
    return int(one + deltas.least_bytes(layer) + (8 * n * n if n < columns else 0))


def smallest_memory(problem: Problem) -> int:
    """Bytes without which cross-entropy cannot be computed."""
    labels, n, tangent = labels_of(problem), len(problem.points), _logits(problem)
    one = 8 * n * 3 * tangent.logits + tangent.bytes_a_cotangent
    if tangent.deltas is not None:
        one = max(_least_bytes(problem, tangent.deltas, layer) for layer in tangent.deltas.layers)
    return 12 * problem.cls.p + 24 * problem.cls.size + 24 * n * labels.count + tangent.bytes + one


def memory(problem: Problem, room: int) -> int:
    """Bytes that it is predicted to take of so many, on top of what it cannot do without."""
    tangent = _logits(problem)
    wanted = BLOCK_BYTES
    if tangent.deltas is not None:
        for layer in tangent.deltas.layers:
            if not layer.is_last:
                table = _table_bytes(problem, layer)
                going_back = tangent.deltas.most_bytes(layer, labels_of(problem).count)
                wanted = max(wanted, max(BLOCK_BYTES, going_back) + (table if table <= room else going_back))
    return min(room, wanted)


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: look-ups and products a layer, or a vector-Jacobian product a member."""
    return _by_route(
        problem,
        lambda deltas: sum(_seconds_of_layer(problem, deltas, layer, speeds) for layer in deltas.layers),
        lambda tangent: float(problem.cls.size * speeds.pulled_back(tangent.pulled_back)),
    )


def run(problem: Problem) -> Pairing:
    """Var and d(a) of every member.

    Raises:
        ValueError: If the rule of the layers fails in a batch, and vector-Jacobian products do not fit the memory.
    """
    return _by_route(
        problem,
        lambda deltas: _by_deltas(problem, _logits(problem), deltas),
        lambda tangent: _by_products(problem, tangent),
    )


def _by_route(problem: Problem, by_deltas: Callable[[Deltas], _T], by_products: Callable[[LogitTangent], _T]) -> _T:
    """By layers; without them where there are none, or where a batch shows that their rule does not hold."""
    from barren.tangents.deltas import NotLayeredError

    tangent = _logits(problem)
    if tangent.deltas is not None:
        try:
            return by_deltas(tangent.deltas)
        except NotLayeredError as reason:
            tangent.abandon(reason)
    return by_products(tangent)


def _logits(problem: Problem) -> LogitTangent:
    tangent: Any = problem.tangent
    return tangent  # type: ignore[no-any-return]


def _seconds_of_layer(problem: Problem, deltas: Deltas, layer: DeltaLayer, speeds: Speeds) -> float:
    """Sums by label and passes over them for the last layer; else the table of deltas, look-ups and products."""
    rates, (n, columns), count = speeds.rates, layer.rows.shape, labels_of(problem).count
    if layer.is_last:
        return float(problem.cls.size * columns * (n + count) * rates.fresh)
    products = min(columns * n * layer.width, n * n * (columns + layer.width)) * rates.product64
    chunk = _chunk_bytes(max(deltas.least_bytes(layer), problem.memory_limit // 4))
    if _table_bytes(problem, layer) > problem.memory_limit - smallest_memory(problem):
        pulling = speeds.pulled_back(lambda cotangents: deltas.of(layer, cotangents, chunk))
        return float(problem.cls.size * (pulling + products))
    some = min(count, _COTANGENTS)

    def make() -> None:
        for _ in deltas.table(layer, count, count - some, chunk):
            pass

    table = count * (speeds.made(make) / some + n * layer.width * rates.fresh)  # made, centred and weighted in place
    looked_up = n * layer.width * (rates.residue + rates.fresh)
    return float(table + problem.cls.size * (looked_up + products))


def _by_deltas(problem: Problem, tangent: LogitTangent, deltas: Deltas) -> Pairing:
    """Layer by layer: Σ_x δ_a(x) ⊗ [H(x), 1], δ_a looked up in the layer's table, or pulled back where none fits."""
    shares = shares_of(problem)
    room = problem.memory_limit - smallest_memory(problem)
    total = np.zeros(problem.cls.size)
    per_layer: dict[str, float] = {}
    for layer in deltas.layers:
        if layer.is_last:
            norms = _of_last_layer(problem, layer, shares, room)
        else:
            norms = _of_layer(problem, tangent, deltas, layer, shares, room)
        accumulate(per_layer, layer.name, norms.mean())
        total += norms
    least = max((deltas.least_bytes(layer) for layer in deltas.layers), default=0)
    return Pairing(per_layer, total, squared_norms=deltas.squared_norms(_chunk_bytes(least + room)))


def _chunk_bytes(room: int) -> int:
    """What a chunk of samples may take on its way back."""
    return min(room, BLOCK_BYTES)


def _of_last_layer(problem: Problem, layer: DeltaLayer, shares: np.ndarray, room: int) -> np.ndarray:
    """Here δ_a is the one-hot label itself, and the gradient a sum of the rows of each label.

    Where each label is as likely for one member as for another, rows are centred: their mean would cancel.
    """
    cls, labels = problem.cls, labels_of(problem)
    rest = layer.rows - problem.mean_row(layer.rows) if problem.points_are_permuted else layer.rows
    weighted = problem.varying_weights[:, None] * rest
    mean = product(shares.T, weighted)
    norms = np.empty(cls.size)
    for rows in member_blocks(problem, _bytes_a_member(problem, layer, looked_up=True), room):
        sums = _core.scatter_sums(
            cls.members[rows], problem.points, cls.p, labels.levels, labels.count, weighted, problem.threads
        )
        sums -= mean
        norms[rows] = np.einsum("akc,akc->a", sums, sums)
        del sums  # before the next is made
    return norms


def _of_layer(
    problem: Problem, tangent: LogitTangent, deltas: Deltas, layer: DeltaLayer, shares: np.ndarray, room: int
) -> np.ndarray:
    n, columns = layer.rows.shape
    size, least = _table_bytes(problem, layer), deltas.least_bytes(layer)
    looked_up = size <= room
    room = room - size if looked_up else room // 2  # there the chunks on their way back have the other half
    chunk = _chunk_bytes(least + room)
    table = _delta_table(problem, deltas, layer, shares, chunk) if looked_up else None
    gram = layer.rows @ layer.rows.T if n < columns else None
    norms = np.empty(problem.cls.size)
    for rows in member_blocks(problem, _bytes_a_member(problem, layer, looked_up=looked_up), room):
        if table is not None:
            delta = look_up(problem, rows, table)
        else:
            delta = deltas.of(layer, _cotangents(problem, rows, shares, tangent.logits), chunk)
        norms[rows] = _squared_sums(layer.rows, delta, gram)
        del delta  # before the next is made
    return norms


def _squared_sums(rows: np.ndarray, delta: np.ndarray, gram: np.ndarray | None) -> np.ndarray:
    """‖Σ_x δ(x) ⊗ h(x)‖² of each member: delta (b, n, width), rows h (n, columns), and their Gram matrix if it is used.

    It is Σ_{x,y} ⟨δ(x), δ(y)⟩⟨h(x), h(y)⟩, which is less work where there are fewer points than inputs.
    """
    if gram is None:
        gradient = rows.T @ delta
        return np.asarray(np.einsum("aio,aio->a", gradient, gradient))
    return np.asarray(np.einsum("axy,xy->a", delta @ delta.transpose(0, 2, 1), gram))


def _delta_table(
    problem: Problem, deltas: Deltas, layer: DeltaLayer, shares: np.ndarray, bytes_limit: int
) -> np.ndarray:
    """c_x·(∂N_k/∂h(x) − mean over the members), float64, shape (n, L, width)."""
    n, count = shares.shape
    table = np.empty((n, count, layer.width))
    for samples, first, block in deltas.table(layer, count, bytes_limit=bytes_limit):
        table[samples, first : first + block.shape[1]] = block
        del block  # before the next is made
    for points in pieces(n, count * layer.width):
        part = table[points]
        part -= np.einsum("xk,xko->xo", shares[points], part)[:, None]
        part *= problem.weights[points, None, None]
    return table


def _by_products(problem: Problem, tangent: LogitTangent) -> Pairing:
    """A vector-Jacobian product a member, for models whose layers have no rule."""
    if (least := smallest_memory(problem)) > problem.memory_limit:  # known only now where a batch ended the layers
        from barren.variance.plan import readable_bytes

        raise ValueError(
            f"memory_limit must leave room for vector-Jacobian products ({tangent.note}); got "
            f"{readable_bytes(problem.memory_limit)}, and they need {readable_bytes(least)}"
        )
    shares = shares_of(problem)
    n, cls = len(problem.points), problem.cls
    each = 24 * n * tangent.logits + tangent.bytes_a_cotangent
    room = problem.memory_limit - smallest_memory(problem)
    by_layer = {layer: np.empty(cls.size) for layer in tangent.layers}
    for rows in member_blocks(problem, max(each, BLOCK_BYTES // _COTANGENTS), room):
        for layer, gradient in tangent.pulled_back(_cotangents(problem, rows, shares, tangent.logits)).items():
            by_layer[layer][rows] = np.einsum("ad,ad->a", gradient, gradient)
    per_layer = {layer: float(norms.mean()) for layer, norms in by_layer.items()}
    norms = tangent.squared_norms(tangent.bytes_a_cotangent + room)
    return Pairing(per_layer, np.sum(list(by_layer.values()), axis=0), squared_norms=norms)


def _cotangents(problem: Problem, rows: slice, shares: np.ndarray, logits: int) -> np.ndarray:
    """c_x·(e_{ψ(ax)} − mean over the members), float64, shape (b, n, logits)."""
    cls, n = problem.cls, len(problem.points)
    members = cls.members[rows]
    labels = cls.values(members, problem.points, threads=problem.threads or None).astype(np.int64)
    out = np.zeros((len(members), n, logits))
    out[:, :, : shares.shape[1]] = -problem.weights[:, None] * shares
    out[np.arange(len(members))[:, None], np.arange(n), labels] += problem.weights
    return out
