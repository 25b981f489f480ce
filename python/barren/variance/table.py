"""Table: losses that are not affine in the label, and cross-entropy on many labels (docs/theory, section 3.4).

The derivative of the loss at x is T[x, k] when ψ(a·x) has its k-th value, so G_a = Σ_x c_x T[x, level(a·x)] J(x): a sum
of looked-up entries. With cross-entropy the entry is a one-hot vector and J(x) a matrix. Both are centred over the
members before any product, so what does not depend on a costs no digits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from barren import _core
from barren._products import add_gram, mirror, pieces, product
from barren._twofold import two_product, two_sum
from barren.classes import ModularMultiplication
from barren.tangents.packed import COPIES
from barren.variance import cross_entropy
from barren.variance.lookups import BLOCK_BYTES, labels_of, look_up, member_blocks, shares_of
from barren.variance.lookups import Labels as Labels
from barren.variance.problem import Pairing, Problem, accumulate, mean_of
from barren.variance.speeds import Speeds
from barren.variance.theta import least_block_bytes, upper_blocks

if TYPE_CHECKING:
    import torch

CROSS_ENTROPY = "cross-entropy"
_NEEDS_AFFINE = (
    "it needs a loss whose derivative is affine in the label (mse, bce, or two labels); "
    "this one goes by the table method"
)
# Members looked up together, and columns or rows of Θ, however small the memory limit: smaller blocks take for ever.
_LEAST_MEMBERS, _LEAST_LINES = 64, 16
# Entries of T that are centred together: a few arrays of two doubles each.
_CENTRED = 1 << 18
# So many times the largest squared norm of others is one that is larger by far.
_FAR = 16.0


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
    """Before there is a problem to plan: what the one method that computes it needs at least."""
    if need > limit:
        from barren.variance.plan import METHODS, readable_bytes

        others = ", ".join(name for name in METHODS if name != "table")
        raise ValueError(
            f"memory_limit must leave room for a method; got {readable_bytes(limit)}, and here table needs at least "
            f"{readable_bytes(need)} for {what}; {others}: {_NEEDS_AFFINE}"
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
    if labels_of(problem).slopes is None:
        return cross_entropy.smallest_memory(problem)
    return min(_responses_memory(problem), _forms_memory(problem))


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take: blocks of members on top of what it cannot do without."""
    need, tangent = smallest_memory(problem), problem.tangent
    if labels_of(problem).slopes is None:
        return need + cross_entropy.memory(problem, max(0, problem.memory_limit - need))
    if not tangent.ntk_is_cheap and _takes_forms(problem):
        columns = max(tangent.layers.values()) * tangent.n * tangent.dtype.itemsize * COPIES
        return need + max(0, min(problem.memory_limit - need, max(columns, 2 * BLOCK_BYTES)))
    return need + max(0, min(problem.memory_limit - need, 2 * BLOCK_BYTES))


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: products, at the speed of the machine's."""
    rates, n = speeds.rates, len(problem.points)
    if labels_of(problem).slopes is None:
        return cross_entropy.seconds(problem, speeds)
    if _takes_forms(problem):
        return _forms_cost(problem) * rates.product64 + n * speeds.backward
    columns = speeds.columns(_columns_bytes(problem)) + n * speeds.backward
    return _responses_cost(problem) * rates.product(problem.tangent.dtype) + columns


def run(problem: Problem) -> Pairing:
    """Var and d(a) of every member."""
    if labels_of(problem).slopes is None:
        return cross_entropy.run(problem)
    return (_by_forms if _takes_forms(problem) else _by_responses)(problem, *_centred(problem))


def _centred(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """c_x·(T[x, k] − mean over the members), shape (n, L), and Σ_x of what each member looks up, shape (members,).

    What is looked up sums to zero over the members at every x, up to rounding. The sums meet the constant part of J,
    which may be far larger than what it leaves, so they have no rounding to speak of: entries are kept as two
    doubles, and cut at one binary place for all, so that sums of the upper parts are exact.
    """
    slopes = labels_of(problem).slopes
    assert slopes is not None
    shares, weights = shares_of(problem), problem.varying_weights
    table, halves = np.empty(slopes.shape), np.zeros((*slopes.shape, 2))
    for points in pieces(len(slopes), slopes.shape[1], _CENTRED):
        # Differences first: they are 0 where the loss does not tell the labels apart.
        part, mass = slopes[points] - slopes[points, :1], weights[points, None]
        near, rest = two_sum(part, -np.einsum("xk,xk->x", shares[points], part)[:, None])
        table[points], halves[points, :, 1] = two_product(mass, near)
        halves[points, :, 1] += mass * rest
    largest = float(np.abs(table).max())
    place = math.ldexp(1.0, math.frexp(largest)[1] + len(table).bit_length() + 1) if largest else 0.0
    halves[..., 0] = (table + place) - place
    halves[..., 1] += table - halves[..., 0]
    cls, ones = problem.cls, np.ones(len(table))
    parts = _core.gather_sums(
        cls.members, problem.points, cls.p, labels_of(problem).levels, ones, halves, problem.threads
    )
    parts -= parts[0]
    sums = parts[:, 0] + parts[:, 1]
    sums -= sums.mean()
    return table, sums


def _responses_cost(problem: Problem) -> float:
    return float(problem.cls.size) * len(problem.points) * problem.tangent.parameters


def _forms_cost(problem: Problem) -> float:
    entries = float(len(problem.points)) ** 2
    return entries * (0.5 * problem.tangent.ntk_cost + problem.cls.size * (2 if problem.needs_deviations else 1))


def _tables_memory(problem: Problem) -> int:
    return 48 * len(problem.points) * labels_of(problem).count + 24 * problem.cls.size + 4 * problem.cls.p


def _responses_memory(problem: Problem) -> int:
    n = len(problem.points)
    blocks = 8 * _LEAST_MEMBERS * (n + 2 * _LEAST_LINES) + 24 * n * _LEAST_LINES
    return _tables_memory(problem) + problem.tangent.column_bytes + 16 * problem.cls.size + blocks


def _responses_room(problem: Problem) -> int:
    return max(0, problem.memory_limit - _responses_memory(problem)) // 2


def _columns_bytes(problem: Problem) -> int:
    """What `column_blocks` is asked for."""
    return max(8 * len(problem.points) * _LEAST_LINES, _responses_room(problem) // 3)


def _forms_memory(problem: Problem) -> int:
    n = len(problem.points)
    squares = max(2, 1 + problem.needs_deviations + (not problem.tangent.ntk_is_cheap))
    blocks = 16 * n * _LEAST_MEMBERS + least_block_bytes(n) * (1 if problem.tangent.ntk_is_cheap else COPIES)
    return _tables_memory(problem) + problem.tangent.ntk_bytes + 8 * n * n * squares + blocks


def _takes_forms(problem: Problem) -> bool:
    """Quadratic forms of Θ where they are cheaper than responses in every column, and fit."""
    if _responses_memory(problem) > problem.memory_limit:
        return True
    return _forms_memory(problem) <= problem.memory_limit and _forms_cost(problem) < _responses_cost(problem)


def _by_responses(problem: Problem, table: np.ndarray, sums: np.ndarray) -> Pairing:
    """R[a] = Σ_x Ψ[a, x] J(x) by blocks of columns and members.

    With J = 1mᵀ + J', m the mean row, R = (Σ_x Ψ[a, x])·m + Ψ J': the first part, which nearly cancels, exactly.
    """
    cls, tangent, n = problem.cls, problem.tangent, len(problem.points)
    room = _responses_room(problem)
    typed, seen = table[:, :, None].astype(tangent.dtype), np.asarray(table.any(axis=1))
    deviations = np.zeros(cls.size)
    per_layer: dict[str, float] = {}
    for layer, block in tangent.column_blocks(_columns_bytes(problem)):
        mean = mean_of(block, seen)
        rest = block - mean
        contribution = np.empty(cls.size)
        for rows in member_blocks(problem, 8 * n + 16 * block.shape[1], room, _LEAST_MEMBERS):
            psi = look_up(problem, rows, typed)[:, :, 0]
            response = product(psi, rest).astype(np.float64, copy=False)
            response += sums[rows, None] * mean.astype(np.float64)
            contribution[rows] = np.einsum("ac,ac->a", response, response)
        deviations += contribution
        accumulate(per_layer, layer, contribution.mean())
    return Pairing(per_layer, deviations)


def _by_forms(problem: Problem, table: np.ndarray, sums: np.ndarray) -> Pairing:
    """Var of a layer is Σ_{x,x'} K(x, x')·Θ_layer(x, x') with K = E_a Ψ_a Ψ_aᵀ, and d(a) = Ψ_aᵀ Θ Ψ_a.

    With Θ = R + f + fᵀ, R without the constant part of J (`Tangent.ntk`), these are the same of R, and what f gives:
    2·(Σ_x Ψ_a(x))·(f·Ψ_a), whose first factor nearly cancels and is exact.
    """
    problem, table = _of_told(problem, table)
    cls, n = problem.cls, len(problem.points)
    cube = table[:, :, None]
    room = max(0, problem.memory_limit - _forms_memory(problem))
    shifts = _shifts(problem) if problem.tangent.ntk_is_cheap else {}
    kernel, meeting = np.zeros((n, n)), np.zeros(n)
    for rows in member_blocks(problem, 8 * n, room, _LEAST_MEMBERS):
        psi = look_up(problem, rows, cube)[:, :, 0]
        add_gram(kernel, np.asarray(psi, np.float64), problem.threads)
        meeting += sums[rows] @ psi
        del psi
    mirror(kernel)
    for lines in pieces(n, n):
        kernel[lines] /= cls.size
    theta = np.zeros((n, n)) if problem.needs_deviations else None
    per_layer = {layer: 2.0 * float(shift @ meeting) / cls.size for layer, shift in shifts.items()}
    diagonal = 0.0
    for start, stop, layers in upper_blocks(problem.tangent, room, reduced=bool(shifts)):
        beside = kernel[start:stop, start:]
        for layer, block in layers:
            diagonal += float(np.diagonal(beside) @ np.diagonal(block).astype(np.float64))
            square = np.einsum("rc,rc->", beside[:, : stop - start], block[:, : stop - start])
            accumulate(per_layer, layer, 2.0 * np.einsum("rc,rc->", beside, block) - square)
            if theta is not None:
                theta[start:stop, start:] += block
            del block  # before the next one is made
    if theta is None:
        return Pairing(per_layer, None, diagonal=diagonal)
    del kernel
    mirror(theta)
    shift = np.sum([*shifts.values(), np.zeros(n)], axis=0)
    deviations = np.empty(cls.size)
    for rows in member_blocks(problem, 16 * n, room, _LEAST_MEMBERS):
        psi = look_up(problem, rows, cube)[:, :, 0]
        deviations[rows] = np.einsum("ax,ax->a", product(psi, theta), psi) + 2.0 * sums[rows] * (psi @ shift)
    return Pairing(per_layer, deviations, diagonal=diagonal)


def _of_told(problem: Problem, table: np.ndarray) -> tuple[Problem, np.ndarray]:
    """The same sums from the points where members are told apart, if J is larger by far at the others.

    Their rows would be in the constant part that is taken off all rows.
    """
    told = np.asarray(table.any(axis=1))
    if told.all() or not told.any():
        return problem, table
    norms = problem.tangent.squared_norms()
    if norms[~told].max() < _FAR * norms[told].max():
        return problem, table
    return problem.take(told), table[told]


def _shifts(problem: Problem) -> dict[str, np.ndarray]:
    """Layer -> f with Θ_layer = R + f + fᵀ, R the reduced one: half of what their diagonals differ by, shape (n,)."""
    tangent, n = problem.tangent, len(problem.points)
    tangent.ready(problem.threads)
    shifts = {layer: np.zeros(n) for layer in tangent.layers}
    for start in range(0, n, _LEAST_LINES):
        rows = slice(start, min(n, start + _LEAST_LINES))
        for reduced, sign in ((False, 0.5), (True, -0.5)):
            for layer, block in tangent.ntk(rows, rows, reduced=reduced):
                shifts[layer][rows] += sign * np.diagonal(block)
    return shifts
