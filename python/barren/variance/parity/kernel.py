"""Kernel: the class kernel, known in closed form, paired with the tangent kernel; the one method without a list.

Var = Σ_{i,j} c_i c_j K(x_i,x_j) Θ(x_i,x_j). For all 2^n members K is diagonal, and no entry of Θ off the diagonal is
needed. The deviations of all members come from one transform: with D(z) = Σ of cΘc over the pairs with x ⊕ y = z,
Σ_{x,y} χ_v(x)·χ_v(y)·cΘc = Σ_z χ_v(z)·D(z) (docs/theory, section 6).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from barren._pool import in_order
from barren._products import mirror, pieces
from barren._validate import Floats
from barren.classes import Parity
from barren.tangents.packed import COPIES
from barren.variance.kernel import Pairs, blocks_memory, pair_layers
from barren.variance.parity import walsh
from barren.variance.parity.sides import diagonal_weights, is_diagonal, parity_of, varying_weights
from barren.variance.problem import Pairing, Problem, accumulate
from barren.variance.speeds import Speeds
from barren.variance.theta import least_block_bytes, rows_a_block

# Rows of a block on the diagonal of Θ, where nothing else of it is needed.
_DIAGONAL_ROWS = 32
# Passes over an entry of a layer's Θ beside its products, over one of K as it is made, and over one of D.
_PASSES, _KERNEL, _FOLDING = 3.0, 16.0, 30.0
# Entries of Θ that are folded into D together.
_FOLDED = 1 << 21


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: a few rows of Θ and of K, and for deviations Θ in total and D."""
    n, tangent, cls = len(problem.points), problem.tangent, parity_of(problem)
    need = 64 * n + tangent.ntk_bytes
    if _on_the_diagonal(problem):
        return need + 16 * _DIAGONAL_ROWS * min(n, _DIAGONAL_ROWS)
    need += 2 * least_block_bytes(n)
    if not tangent.ntk_is_cheap:
        need += 16 * n * n + least_block_bytes(n)
    if problem.needs_deviations:
        need += 8 * n * n + 32 * min(n * n, _FOLDED + n) + 32 * cls.points + 16 * cls.size
    return need


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    need = smallest_memory(problem)
    if _on_the_diagonal(problem):
        return need
    return need + 2 * blocks_memory(problem, _room(problem))


def _room(problem: Problem) -> int:
    """Bytes for blocks of Θ; blocks of K beside them take as much."""
    return max(0, problem.memory_limit - smallest_memory(problem)) // 2


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: the blocks on the diagonal of Θ, or half of it, K, and what is folded for deviations."""
    tangent, cls, rates, n = problem.tangent, parity_of(problem), speeds.rates, len(problem.points)
    once = n * (speeds.backward + speeds.backward_by_rules)
    making = speeds.theta + len(tangent.layers) * (_PASSES + 1.0) * rates.entry
    if _on_the_diagonal(problem):
        return once + n * min(n, _DIAGONAL_ROWS) * making
    if not tangent.ntk_is_cheap:
        once += speeds.columns(max(least_block_bytes(n), _room(problem)) // COPIES, by_layer=True)
        making *= 2.0
    forms = 0.0
    if problem.needs_deviations:
        forms = float(n) ** 2 * _FOLDING * rates.entry + 2.0 * cls.points * cls.n * rates.butterfly
    return once + 0.5 * float(n) ** 2 * (making + _KERNEL * rates.entry) + forms


def run(problem: Problem) -> Pairing:
    """Var of every layer from blocks of its Θ; d(v) from one transform of the total Θ."""
    if _on_the_diagonal(problem):
        return _by_norms(problem)
    problem = problem.of_varying()
    n = len(problem.points)
    total = np.zeros((n, n)) if problem.needs_deviations else None
    found = pair_layers(problem, Pairs(_pair(problem), diagonal_weights(problem)), _room(problem), total)
    return found if total is None else replace(found, deviations=_deviations(problem, total))


def _on_the_diagonal(problem: Problem) -> bool:
    """Whether only Θ(x, x) is needed, and blocks of Θ are had without all of it."""
    return problem.tangent.ntk_is_cheap and not problem.needs_deviations and is_diagonal(problem)


def _by_norms(problem: Problem) -> Pairing:
    """Σ_x c_x²·K(x, x)·Θ_layer(x, x)."""
    tangent, n, weights = problem.tangent, len(problem.points), diagonal_weights(problem)
    if len(tangent.layers) == 1:  # its Θ(x, x) is the squared norm
        (layer,), norms = tangent.layers, tangent.squared_norms()
        return Pairing({layer: float(weights @ norms)}, None, squared_norms=norms)
    workers = tangent.workers(problem.threads)

    def diagonals(start: int) -> dict[str, Floats]:
        rows = slice(start, min(n, start + _DIAGONAL_ROWS))
        with tangent.limited(1 if workers > 1 else problem.threads):
            return {layer: np.array(np.diagonal(block), np.float64) for layer, block in tangent.ntk(rows, rows)}

    tangent.ready(problem.threads)
    per_layer: dict[str, float] = {}
    norms = np.zeros(n)
    starts: Iterator[int] = iter(range(0, n, _DIAGONAL_ROWS))
    for start, found in zip(range(0, n, _DIAGONAL_ROWS), in_order(diagonals, starts, workers), strict=True):
        rows = slice(start, start + _DIAGONAL_ROWS)
        for layer, diagonal in found.items():
            accumulate(per_layer, layer, float(weights[rows] @ diagonal))
            norms[rows] += diagonal
    return Pairing(per_layer, None, squared_norms=norms)


def _pair(problem: Problem) -> Callable[[int, int, Floats], float]:
    """Blocks of K are made as they are met; a thread keeps its last, which is for every layer of the same block."""
    cls, points, weights = parity_of(problem), problem.points, problem.weights
    kept = threading.local()
    step = rows_a_block(len(points), _room(problem))

    def block_of(start: int, some: slice) -> Floats:
        if getattr(kept, "where", None) != some:
            kernel = cls.kernel(points[some], points[start:], threads=problem.threads or None)
            kernel *= weights[some, None]
            kernel *= weights[start:]
            kernel[:, some.stop - start :] *= 2.0  # entries beyond the diagonal block stand for two
            kept.where, kept.kernel = some, kernel
        found: Floats = kept.kernel
        return found

    def pair(start: int, stop: int, block: np.ndarray) -> float:
        if stop - start <= step:
            return float(np.einsum("rc,rc->", block_of(start, slice(start, stop)), block))
        # All of Θ at once: columns from the row's own block on.
        parts = (slice(first, min(stop, first + step)) for first in range(start, stop, step))
        return sum(
            float(
                np.einsum(
                    "rc,rc->",
                    block_of(some.start, some),
                    block[some.start - start : some.stop - start, some.start - start :],
                )
            )
            for some in parts
        )

    return pair


def _deviations(problem: Problem, total: Floats) -> Floats:
    """d(v) = h̃_vᵀ·cΘc·h̃_v from Θ on and above the diagonal, which is overwritten."""
    cls, points, weights = parity_of(problem), problem.points, varying_weights(problem)
    mirror(total)
    mean = np.zeros(len(points)) if cls.weight is None else cls.signed_mean(points)
    folded, with_mean = np.zeros(cls.points), np.zeros(len(points))
    for rows in pieces(len(points), len(points), _FOLDED):
        total[rows] *= weights
        total[rows] *= weights[rows, None]
        with_mean[rows] = total[rows] @ mean
        places = points[rows, None] ^ points
        folded += np.bincount(places.ravel(), total[rows].ravel(), minlength=cls.points)
    columns = np.stack([folded, np.bincount(points, with_mean, minlength=cls.points)], axis=1)
    return _forms(cls, columns, float(mean @ with_mean), problem.threads)


def _forms(cls: Parity, columns: Floats, constant: float, threads: int) -> Floats:
    """χ_vᵀMχ_v − 2·χ_vᵀM·m + mᵀM·m for every member, from the columns whose transforms are the first two."""
    everything = np.arange(cls.points)
    both = walsh.at_members(cls, walsh.transform(cls, everything, columns, threads))
    forms: Floats = both[:, 0] - 2.0 * both[:, 1] + constant
    return forms * cls.factor**2
