"""Table: losses that are not affine in the label, and cross-entropy on many labels (docs/theory, section 3.4).

The derivative of the loss at x is T[x, k] when ψ(a·x) has its k-th value, so G_a = Σ_x c_x T[x, level(a·x)] J(x): a sum
of looked-up entries. With cross-entropy the entry is a one-hot vector and J(x) a matrix. Both are centred over the
members before any product, so what does not depend on a costs no digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from barren import _core
from barren._products import add_gram, mirror, pieces, product
from barren.classes import ModularMultiplication
from barren.variance.problem import Pairing, Problem, accumulate
from barren.variance.speeds import Speeds

if TYPE_CHECKING:
    import torch

    from barren.tangents.deltas import DeltaLayer, Deltas
    from barren.tangents.logits import LogitTangent

CROSS_ENTROPY = "cross-entropy"
_NEEDS_AFFINE = (
    "it needs a loss whose derivative is affine in the label (mse, bce, or two labels); "
    "this one goes by the table method"
)
_BLOCK_BYTES = 32 * 2**20
# Cotangents that go back together: a chunk of samples keeps the activations of each.
_COTANGENTS = 32
# Members looked up together, and columns or rows of Θ, however small the memory limit: smaller blocks take for ever.
_LEAST_MEMBERS, _LEAST_LINES = 64, 16


@dataclass(frozen=True)
class Labels:
    """The label side of a loss that is not affine in the label.

    Attributes:
        levels: for each residue the index of ψ's value, int32, shape (p,); with cross-entropy the label itself.
        count: how many levels there are, L.
        slopes: T[x, k] = ∂ℓ/∂N(N(x), value k), float64, shape (n, L); None for cross-entropy.
    """

    levels: np.ndarray
    count: int
    slopes: np.ndarray | None


def applies(cls: ModularMultiplication, loss: object, method: str) -> bool:
    """Whether the loss is taken as a table: it is not affine in the label, or has two labels and was asked to.

    Raises:
        ValueError: it is not affine in the label, and another method was asked for.
    """
    needed = loss == CROSS_ENTROPY or (callable(loss) and cls.target.labels(cls.p) is None)
    if needed and method not in ("auto", "table"):
        raise ValueError(f"method {method!r} cannot be used here: {_NEEDS_AFFINE}")
    return needed or (callable(loss) and method == "table")


def class_labels(cls: ModularMultiplication, limit: int) -> Labels:
    """The labels of cross-entropy.

    Raises:
        ValueError: ψ takes values other than 0, 1, 2, …, or their table is larger than the memory limit.
    """
    _check_room(24 * cls.p, limit, f"the labels of the {cls.p} residues")
    table = cls.table()
    if table.min() < 0 or table.max() >= 2**31 - 1 or (table != np.floor(table)).any():
        raise ValueError(
            f"target must take the whole values 0, 1, 2, … for loss='cross-entropy', such as targets.Residue(); got "
            f"{cls.target!r} with values {table.min():g} to {table.max():g}"
        )
    return Labels(table.astype(np.int32), int(table.max()) + 1, None)


def loss_labels(cls: ModularMultiplication, model: torch.nn.Module, tangent: Any, loss: Any, limit: int) -> Labels:
    """The table of a loss of one output at every value of ψ.

    Raises:
        ValueError: the table is larger than the memory limit, or the loss is refused by `loss_slopes`.
    """
    from barren.tangents import loss_slopes

    _check_room(24 * cls.p, limit, f"ψ at the {cls.p} residues")
    values, levels = np.unique(cls.table(), return_inverse=True)
    size = 32 * tangent.n * len(values)
    _check_room(size, limit, f"the derivatives of the loss at {tangent.n} points and {len(values)} labels")
    device = str(next(model.parameters()).device)
    slopes = loss_slopes(loss, values, tangent.outputs, dtype=tangent.dtype, device=device)
    return Labels(levels.reshape(-1).astype(np.int32), len(values), slopes)


def _check_room(need: int, limit: int, what: str) -> None:
    if need > limit:
        from barren.variance.plan import readable_bytes

        raise ValueError(
            f"memory_limit must hold {what} for the table method; got {readable_bytes(limit)}, and they need "
            f"{readable_bytes(need)}"
        )


def obstacle(problem: Problem, method: str) -> str | None:
    """Why a method cannot compute this problem, as far as the loss goes."""
    if method == "table":
        if problem.labels is not None:
            return None
        return "the loss is affine in the label here, and the other methods need no table"
    if problem.labels is None:
        return None
    return _NEEDS_AFFINE


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run."""
    labels, n = _labels(problem), len(problem.points)
    if labels.slopes is None:
        tangent = _logits(problem)
        one = 8 * n * 3 * tangent.logits + 24 * tangent.parameters
        if tangent.deltas is not None:
            one = max(_bytes_a_member(problem, layer, labels.count) for layer in tangent.deltas.layers)
        return 4 * problem.cls.p + 8 * problem.cls.size + 24 * n * labels.count + one
    return min(_responses_memory(problem), _forms_memory(problem))


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take: blocks of members on top of what it cannot do without."""
    return smallest_memory(problem) + 2 * _BLOCK_BYTES


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: products, at the speed of the machine's."""
    rates, n = speeds.rates, len(problem.points)
    if _labels(problem).slopes is None:
        tangent = _logits(problem)
        if tangent.deltas is None:
            return float(problem.cls.size * speeds.pulled_back(tangent.pulled_back))
        return sum(_seconds_of_layer(problem, tangent.deltas, layer, speeds) for layer in tangent.deltas.layers)
    if _takes_forms(problem):
        return _forms_cost(problem) * rates.product64 + n * speeds.backward
    columns = speeds.columns(_columns_bytes(problem)) + n * speeds.backward
    return _responses_cost(problem) * rates.product(problem.tangent.dtype) + columns


def run(problem: Problem) -> Pairing:
    """Var and d(a) of every member."""
    if _labels(problem).slopes is not None:
        table = _centred(problem)
        return (_by_forms if _takes_forms(problem) else _by_responses)(problem, table)
    tangent = _logits(problem)
    return _by_products(problem, tangent) if tangent.deltas is None else _by_deltas(problem, tangent, tangent.deltas)


def _labels(problem: Problem) -> Labels:
    labels = problem.labels
    assert labels is not None
    return labels


def _logits(problem: Problem) -> LogitTangent:
    tangent: Any = problem.tangent
    return tangent  # type: ignore[no-any-return]


def _look_up(problem: Problem, rows: slice, cube: np.ndarray) -> np.ndarray:
    """cube[x, level(a·x)] of some members a, shape (b, n, columns)."""
    cls = problem.cls
    found: np.ndarray = _core.gather(
        cls.members[rows], problem.points, cls.p, _labels(problem).levels, cube, problem.threads
    )
    return found


def _member_blocks(problem: Problem, bytes_a_member: int, room: int, least: int = 1) -> Iterator[slice]:
    """The members in blocks that depend on the problem only."""
    step = max(least, min(room, _BLOCK_BYTES) // bytes_a_member)
    for start in range(0, problem.cls.size, step):
        yield slice(start, min(start + step, problem.cls.size))


def _shares(problem: Problem) -> np.ndarray:
    """P_a(level(a·x) = k) over the members, float64, shape (n, L)."""
    cls, labels = problem.cls, _labels(problem)
    counts = _core.level_counts(cls.members, problem.points, cls.p, labels.levels, labels.count, problem.threads)
    shares = np.empty(counts.shape)
    for points in pieces(*counts.shape):
        np.divide(counts[points], cls.size, out=shares[points])
    return shares


# One output and any loss.


def _centred(problem: Problem) -> np.ndarray:
    """c_x·(T[x, k] − mean over the members), so that what is looked up sums to zero over the members at every x."""
    slopes = _labels(problem).slopes
    assert slopes is not None
    shares, table = _shares(problem), np.empty(slopes.shape)
    for points in pieces(*slopes.shape):
        part = slopes[points]
        np.subtract(part, np.einsum("xk,xk->x", shares[points], part)[:, None], out=table[points])
        table[points] *= problem.weights[points, None]
    return table


def _responses_cost(problem: Problem) -> float:
    return float(problem.cls.size) * len(problem.points) * problem.tangent.parameters


def _forms_cost(problem: Problem) -> float:
    entries = float(len(problem.points)) ** 2
    return entries * (0.5 * problem.tangent.ntk_cost + problem.cls.size * (2 if problem.needs_deviations else 1))


def _tables_memory(problem: Problem) -> int:
    return 32 * len(problem.points) * _labels(problem).count + 24 * problem.cls.size + 4 * problem.cls.p


def _responses_memory(problem: Problem) -> int:
    n = len(problem.points)
    blocks = 8 * _LEAST_MEMBERS * (n + 2 * _LEAST_LINES) + 24 * n * _LEAST_LINES
    return _tables_memory(problem) + 16 * problem.cls.size + blocks


def _responses_room(problem: Problem) -> int:
    return max(0, problem.memory_limit - _responses_memory(problem)) // 2


def _columns_bytes(problem: Problem) -> int:
    """What `column_blocks` is asked for."""
    return max(8 * len(problem.points) * _LEAST_LINES, _responses_room(problem) // 3)


def _forms_memory(problem: Problem) -> int:
    n = len(problem.points)
    squares = max(2, 1 + problem.needs_deviations + 2 * (not problem.tangent.ntk_is_cheap))
    return _tables_memory(problem) + 8 * n * n * squares + 16 * n * (_LEAST_MEMBERS + 2 * _LEAST_LINES)


def _takes_forms(problem: Problem) -> bool:
    """Quadratic forms of Θ where they are cheaper than responses in every column, and fit."""
    if _responses_memory(problem) > problem.memory_limit:
        return True
    return _forms_memory(problem) <= problem.memory_limit and _forms_cost(problem) < _responses_cost(problem)


def _by_responses(problem: Problem, table: np.ndarray) -> Pairing:
    """R[a] = Σ_x Ψ[a, x] J(x) by blocks of columns and members.

    With J = 1mᵀ + J', m the mean row, R = (Σ_x Ψ[a, x])·m + Ψ J': the first part, which nearly cancels, in float64.
    """
    cls, tangent, n = problem.cls, problem.tangent, len(problem.points)
    room = _responses_room(problem)
    cube = table[:, :, None]
    sums = _core.gather_sums(
        cls.members, problem.points, cls.p, _labels(problem).levels, np.ones(n), cube, problem.threads
    )
    typed = cube.astype(tangent.dtype)
    deviations = np.zeros(cls.size)
    per_layer: dict[str, float] = {}
    for layer, block in tangent.column_blocks(_columns_bytes(problem)):
        mean = block.mean(axis=0, dtype=np.float64).astype(block.dtype)
        rest = block - mean
        contribution = np.empty(cls.size)
        for rows in _member_blocks(problem, 8 * n + 16 * block.shape[1], room, _LEAST_MEMBERS):
            psi = _look_up(problem, rows, typed)[:, :, 0]
            response = product(psi, rest).astype(np.float64, copy=False)
            response += sums[rows] * mean.astype(np.float64)
            contribution[rows] = np.einsum("ac,ac->a", response, response)
        deviations += contribution
        accumulate(per_layer, layer, contribution.mean())
    return Pairing(per_layer, deviations)


def _by_forms(problem: Problem, table: np.ndarray) -> Pairing:
    """Var of a layer is Σ_{x,x'} K(x, x')·Θ_layer(x, x') with K = E_a Ψ_a Ψ_aᵀ, and d(a) = Ψ_aᵀ Θ Ψ_a."""
    cls, n = problem.cls, len(problem.points)
    cube = table[:, :, None]
    room = max(0, problem.memory_limit - _forms_memory(problem))
    kernel = np.zeros((n, n))
    for rows in _member_blocks(problem, 8 * n, room, _LEAST_MEMBERS):
        psi = _look_up(problem, rows, cube)[:, :, 0]
        add_gram(kernel, psi)
    mirror(kernel)
    for lines in pieces(n, n):
        kernel[lines] /= cls.size
    theta = np.zeros((n, n)) if problem.needs_deviations else None
    per_layer: dict[str, float] = {}
    for layer, start, stop, block in _upper_blocks(problem, room):
        beside = kernel[start:stop, start:]
        square = np.einsum("rc,rc->", beside[:, : stop - start], block[:, : stop - start])
        accumulate(per_layer, layer, 2.0 * np.einsum("rc,rc->", beside, block) - square)
        if theta is not None:
            theta[start:stop, start:] += block
    if theta is None:
        return Pairing(per_layer, None)
    del kernel
    mirror(theta)
    deviations = np.empty(cls.size)
    for rows in _member_blocks(problem, 16 * n, room, _LEAST_MEMBERS):
        psi = _look_up(problem, rows, cube)[:, :, 0]
        deviations[rows] = np.einsum("ax,ax->a", product(psi, theta), psi)
    return Pairing(per_layer, deviations)


def _upper_blocks(problem: Problem, room: int) -> Iterator[tuple[str, int, int, np.ndarray]]:
    """(layer, start, stop, Θ_layer[start:stop, start:]): every entry on or above the diagonal once."""
    tangent, n = problem.tangent, len(problem.points)
    if not tangent.ntk_is_cheap:
        for layer, theta in tangent.ntk_layers(max(8 * n * _LEAST_LINES, room)):
            yield layer, 0, n, theta
        return
    step = max(_LEAST_LINES, min(room, _BLOCK_BYTES) // (16 * n))
    for start in range(0, n, step):
        stop = min(n, start + step)
        for layer, block in tangent.ntk(slice(start, stop), slice(start, n)):
            yield layer, start, stop, block


# Cross-entropy on many labels: G_a − E G = Σ_x c_x J(x)ᵀ (mean_b e_{bx} − e_{ax}).


def _seconds_of_layer(problem: Problem, deltas: Deltas, layer: DeltaLayer, speeds: Speeds) -> float:
    """Sums by label and passes over them for the last layer; else the table of deltas, look-ups and products."""
    rates, (n, columns), count = speeds.rates, layer.rows.shape, _labels(problem).count
    if layer.is_last:
        return float(problem.cls.size * columns * (n + count) * rates.fresh)
    pulling = speeds.pulled_back(lambda cotangents: deltas.of(layer, cotangents))
    table = 2.0 * count * pulling  # made, and centred and weighted in place
    products = min(columns * n * layer.width, n * n * (columns + layer.width))
    looked_up = n * layer.width * (rates.residue + rates.fresh)
    return float(table + problem.cls.size * (looked_up + products * rates.product64))


def _bytes_a_member(problem: Problem, layer: DeltaLayer, labels: int) -> int:
    (n, columns), logits = layer.rows.shape, _logits(problem).logits
    if layer.is_last:
        return 16 * labels * int(columns)
    return 8 * int(4 * n * logits + 3 * n * layer.width + min(columns * layer.width, n * n))


def _by_deltas(problem: Problem, tangent: LogitTangent, deltas: Deltas) -> Pairing:
    """Layer by layer: Σ_x δ_a(x) ⊗ [H(x), 1], δ_a looked up in the layer's table, or pulled back where none fits."""
    shares = _shares(problem)
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
    return Pairing(per_layer, total)


def _of_last_layer(problem: Problem, layer: DeltaLayer, shares: np.ndarray, room: int) -> np.ndarray:
    """Here δ_a is the one-hot label itself, and the gradient a sum of the rows of each label."""
    cls, labels = problem.cls, _labels(problem)
    weighted = problem.weights[:, None] * layer.rows
    mean = product(shares.T, weighted)
    norms = np.empty(cls.size)
    for rows in _member_blocks(problem, 16 * labels.count * weighted.shape[1], room):
        sums = _core.scatter_sums(
            cls.members[rows], problem.points, cls.p, labels.levels, labels.count, weighted, problem.threads
        )
        sums -= mean
        norms[rows] = np.einsum("akc,akc->a", sums, sums)
    return norms


def _of_layer(
    problem: Problem, tangent: LogitTangent, deltas: Deltas, layer: DeltaLayer, shares: np.ndarray, room: int
) -> np.ndarray:
    n, columns = layer.rows.shape
    count = shares.shape[1]
    size = 16 * n * count * layer.width
    table = _delta_table(problem, deltas, layer, shares) if size <= room else None
    gram = layer.rows @ layer.rows.T if n < columns else None
    norms = np.empty(problem.cls.size)
    each = _bytes_a_member(problem, layer, count)
    for rows in _member_blocks(problem, each, room - size if table is not None else room):
        if table is not None:
            delta = _look_up(problem, rows, table)
        else:
            delta = deltas.of(layer, _cotangents(problem, rows, shares, tangent.logits))
        if gram is None:
            gradient = layer.rows.T @ delta
            norms[rows] = np.einsum("aio,aio->a", gradient, gradient)
        else:  # ‖Σ_x δ(x) ⊗ h(x)‖² = Σ_{x,y} ⟨δ(x), δ(y)⟩⟨h(x), h(y)⟩: fewer points than inputs
            norms[rows] = np.einsum("axy,xy->a", delta @ delta.transpose(0, 2, 1), gram)
    return norms


def _delta_table(problem: Problem, deltas: Deltas, layer: DeltaLayer, shares: np.ndarray) -> np.ndarray:
    """c_x·(∂N_k/∂h(x) − mean over the members), float64, shape (n, L, width)."""
    n, count = shares.shape
    table = np.empty((n, count, layer.width))
    for first, block in deltas.table(layer, count):
        table[:, first : first + block.shape[1]] = block
    for points in pieces(n, count * layer.width):
        part = table[points]
        part -= np.einsum("xk,xko->xo", shares[points], part)[:, None]
        part *= problem.weights[points, None, None]
    return table


def _by_products(problem: Problem, tangent: LogitTangent) -> Pairing:
    """A vector-Jacobian product a member, for models whose layers have no rule."""
    shares = _shares(problem)
    n, cls = len(problem.points), problem.cls
    each = 24 * n * tangent.logits + 24 * tangent.parameters
    room = problem.memory_limit - smallest_memory(problem)
    by_layer = {layer: np.empty(cls.size) for layer in tangent.layers}
    for rows in _member_blocks(problem, max(each, _BLOCK_BYTES // _COTANGENTS), room):
        for layer, gradient in tangent.pulled_back(_cotangents(problem, rows, shares, tangent.logits)).items():
            by_layer[layer][rows] = np.einsum("ad,ad->a", gradient, gradient)
    per_layer = {layer: float(norms.mean()) for layer, norms in by_layer.items()}
    return Pairing(per_layer, np.sum(list(by_layer.values()), axis=0))


def _cotangents(problem: Problem, rows: slice, shares: np.ndarray, logits: int) -> np.ndarray:
    """c_x·(e_{ψ(ax)} − mean over the members), float64, shape (b, n, logits)."""
    cls, n = problem.cls, len(problem.points)
    members = cls.members[rows]
    labels = cls.values(members, problem.points, threads=problem.threads or None).astype(np.int64)
    out = np.zeros((len(members), n, logits))
    out[:, :, : shares.shape[1]] = -problem.weights[:, None] * shares
    out[np.arange(len(members))[:, None], np.arange(n), labels] += problem.weights
    return out
