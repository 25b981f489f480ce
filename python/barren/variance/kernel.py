"""Kernel: the class kernel paired with the tangent kernel (docs/theory, sections 1 and 3.3).

Var = Σ_{i,j} c_i c_j K(x_i,x_j) Θ(x_i,x_j). No Jacobian is formed where the model's layers have a rule for their block
of Θ. On a prime modulus K depends on a difference of discrete logarithms only; otherwise, and by Dedekind sums
where p is large (section 2), K is built once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from barren import _core
from barren._pool import in_order
from barren._products import mirror, pieces
from barren._validate import WORD_LIMIT, Floats
from barren.classes.correlation import halves_of
from barren.classes.group import unit_group
from barren.tangents.given import GivenNTK
from barren.tangents.packed import COPIES
from barren.targets import Table
from barren.variance import diagonals
from barren.variance.direct import centred_table
from barren.variance.problem import Pairing, Problem, accumulate
from barren.variance.speeds import Speeds
from barren.variance.theta import UpperBlock, least_block_bytes, rows_a_block, upper_blocks, workers_within

# Passes over an entry of a layer's Θ in float64 beside its products.
_PASSES = 3.0


class Pairs(NamedTuple):
    """The side of the class.

    Attributes:
        block: pairs rows start..stop of one layer's Θ with the class kernel, columns from start on.
        own: c_x²·K(x, x), shape (n,).
    """

    block: Callable[[int, int, np.ndarray], float]
    own: Floats


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run."""
    n, p = len(problem.points), problem.cls.p
    need = 8 * 8 * n + least_block_bytes(n)  # the class side, and a few rows of Θ
    need += 8 * 8 * p if _is_whole_prime(problem) else 0
    need += problem.tangent.ntk_bytes
    if _takes_diagonals(problem) and problem.tangent.ntk_is_cheap:
        return need + 40 * p + diagonals.least_bytes(p - 1)
    if not _is_whole_prime(problem):
        need += 16 * n * n  # K, and the same with the weights of x
    if not problem.tangent.ntk_is_cheap:
        need += 8 * n * n + least_block_bytes(n)  # Θ of a layer, and what makes it
    if problem.needs_deviations:
        need += 16 * n * n  # Θ in total, and packed
        need += diagonals.least_bytes(p - 1) if _takes_diagonals(problem) else 0
    return need


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    need, tangent = smallest_memory(problem), problem.tangent
    room = max(0, problem.memory_limit - need)
    if _takes_diagonals(problem) and tangent.ntk_is_cheap:
        return need + diagonals.bytes_within(problem.cls.p - 1, room, tangent.workers(problem.threads))
    return need + blocks_memory(problem, room)


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: half of Θ, the class kernel where it has to be built, and the forms of the deviations."""
    tangent, cls, rates = problem.tangent, problem.cls, speeds.rates
    entries, layers = float(len(problem.points)) ** 2, len(tangent.layers)
    making = speeds.theta + layers * _PASSES * rates.entry
    # Activations and deltas are captured twice, for their squared norms too; gradients where no layer has a rule once.
    once = len(problem.points) * (speeds.backward + speeds.backward_by_rules)
    if not tangent.ntk_is_cheap:
        room = max(least_block_bytes(tangent.n), problem.memory_limit - smallest_memory(problem))
        once += speeds.columns(room // COPIES, by_layer=True)
        entries *= 2.0
    if not _is_whole_prime(problem):
        making += layers * rates.entry
        once += _kernel_seconds(problem, speeds)
    forms = 0.0
    if _takes_diagonals(problem):
        order = cls.p - 1
        overhead = diagonals.overhead(order, problem.memory_limit)
        length = order // (2 if halves_of(cls) < 2 else 1)
        forms = order * rates.transform(length) + order**2 / 2 * 4.0 * rates.entry
        if len(problem.points) > order:  # inputs that are no units are a pass of their own
            once += 0.5 * speeds.model_call
        return once + 0.5 * entries * overhead * making + forms
    if problem.needs_deviations:
        forms = entries * cls.size * rates.form + 4.0 * entries * rates.entry
    return once + 0.5 * entries * (making + layers * rates.pairing) + forms


def run(problem: Problem) -> Pairing:
    """Var of every layer from blocks of its Θ; d(a) from wrapped diagonals, or the quadratic forms of the total Θ."""
    if _takes_diagonals(problem) and problem.tangent.ntk_is_cheap:
        found = diagonals.run(problem, problem.memory_limit - smallest_memory(problem))
        if found is not None:
            return found
    problem = problem.of_varying()
    n = len(problem.points)
    problem.tangent.ready(problem.threads)  # before the room is counted: a layer may need columns after all
    room = max(0, problem.memory_limit - smallest_memory(problem))
    total = np.zeros((n, n)) if problem.needs_deviations else None
    pair = _pair_by_logarithms(problem, room) if _is_whole_prime(problem) else pair_by_kernel(problem)
    found = pair_layers(problem, pair, room, total)
    return found if total is None else replace(found, deviations=_deviations(problem, total, room))


def pair_layers(problem: Problem, pair: Pairs, room: int, total: np.ndarray | None) -> Pairing:
    """The variance of every layer, from blocks of its Θ that take so many bytes; the sum of all Θ is added to `total`.

    Only what is on and above the diagonal of `total` is Θ.
    """
    problem.tangent.ready(problem.threads)
    workers, threads = _shared(problem, room)
    per_layer: dict[str, float] = {}
    diagonal = 0.0

    def paired(blocks: UpperBlock) -> list[tuple[str, float, float]]:
        start, stop, layers = blocks
        amounts = []
        with problem.tangent.limited(threads):  # of each thread that makes blocks
            for layer, block in layers:
                own = float(pair.own[start:stop] @ np.diagonal(block).astype(np.float64))
                amounts.append((layer, pair.block(start, stop, np.ascontiguousarray(block)), own))
                if total is not None:
                    total[start:stop, start:] += block
                del block  # before the next one is made
        return amounts

    for amounts in in_order(paired, upper_blocks(problem.tangent, room, reduced=problem.rows_vanish), workers):
        for layer, amount, own in amounts:
            accumulate(per_layer, layer, amount)
            diagonal += own
    return Pairing(per_layer, None, diagonal=diagonal)


def blocks_memory(problem: Problem, room: int) -> int:
    """Bytes that `pair_layers` is predicted to take of so many."""
    tangent, n = problem.tangent, len(problem.points)
    if not tangent.ntk_is_cheap:
        return min(room, max(tangent.layers.values()) * n * tangent.dtype.itemsize * COPIES)
    return 16 * n * rows_a_block(n, room) * _shared(problem, room)[0]


def _shared(problem: Problem, room: int) -> tuple[int, int]:
    """How many threads make blocks at once, and how many each of them may use."""
    n = len(problem.points)
    workers = workers_within(problem.tangent, problem.threads, 16 * n * rows_a_block(n, room), room)
    return workers, 1 if workers > 1 else problem.threads


def _kernel_seconds(problem: Problem, speeds: Speeds) -> float:
    """What K(x_i, x_j) takes: half of it by Dedekind sums, all of it summed over the members."""
    entries, cls = float(len(problem.points)) ** 2, problem.cls
    if cls.by_dedekind_sums:
        workers = (problem.threads or _core.available_threads()) if cls.p < WORD_LIMIT else 1
        return 0.5 * entries * cls.sawtooth_kernel.seconds() / workers
    return 0.5 * entries * cls.size * speeds.rates.gram64


def _is_whole_prime(problem: Problem) -> bool:
    """Whether K is looked up by logarithms: a whole class on a prime that has tables."""
    return problem.cls.is_prime and problem.cls.multipliers != "set" and not problem.cls.by_dedekind_sums


def _takes_diagonals(problem: Problem) -> bool:
    """Whether deviations come from wrapped diagonals: a whole class on a prime, most units among the points, each once.

    Fewer points make A·n² quadratic forms cheaper than p² log p.
    """
    if not (problem.needs_deviations and _is_whole_prime(problem)):
        return False
    products = float(len(problem.points)) ** 2 * problem.cls.size
    return products > _transform_cost(problem) and diagonals.rows_by_logarithm(problem) is not None


def _transform_cost(problem: Problem) -> float:
    """Multiply-adds to which p transforms of length p − 1 are equal; the factor is measured."""
    return 30.0 * problem.cls.p**2 * float(np.log2(problem.cls.p))


def _doubled_above(weights: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Weights of the columns from `start` on, doubled beyond the diagonal block, whose entries stand for two."""
    doubled: np.ndarray = weights[start:].copy()
    doubled[stop - start :] *= 2.0
    return doubled


def _pair_by_logarithms(problem: Problem, room: int) -> Pairs:
    """Prime modulus, whole class: K(x, y) = κ[log x − log y], plus a constant when the multiplier 0 is a member."""
    kernel, threads = diagonals.whole_kernel(problem), _shared(problem, room)[1]
    logarithms = unit_group(problem.cls.p).logarithms[problem.points]

    def pair(start: int, stop: int, block: np.ndarray) -> float:
        doubled = _doubled_above(problem.weights, start, stop)
        row_weights = problem.weights[start:stop]
        sides = (logarithms[start:stop], row_weights, logarithms[start:], doubled)
        return _core.pairing(kernel, *sides, block, threads)

    return Pairs(pair, problem.varying_weights**2 * kernel[0])


def pair_by_kernel(problem: Problem) -> Pairs:
    """Any modulus and any set of multipliers: K is built once, n × n."""
    kernel = problem.cls.kernel(problem.points, problem.points, threads=problem.threads or None)

    def pair(start: int, stop: int, block: np.ndarray) -> float:
        doubled = _doubled_above(problem.weights, start, stop)
        by_row = np.einsum("rc,rc,c->r", kernel[start:stop, start:], block, doubled)
        return float(problem.weights[start:stop] @ by_row)

    return Pairs(pair, problem.weights**2 * np.diagonal(kernel))


def weigh(problem: Problem, theta: np.ndarray) -> None:
    """Turns a symmetric Θ into c·Θ·cᵀ in place, c the weights of x."""
    for rows in pieces(*theta.shape):
        theta[rows] *= problem.weights
        theta[rows] *= problem.weights[rows, None]


def _deviations(problem: Problem, theta: np.ndarray, room: int) -> np.ndarray:
    """d(a) = ψ̃_aᵀ·Θ'·ψ̃_a with Θ' = c·Θ·cᵀ and ψ̃ centred over the members.

    Args:
        problem: the problem.
        theta: Θ on and above the diagonal; overwritten.
        room: bytes beside it.
    """
    mirror(theta)
    if _takes_diagonals(problem):
        whole = diagonals.run(replace(problem, tangent=GivenNTK.computed(theta)), room)
        assert whole is not None
        assert whole.deviations is not None
        return whole.deviations
    weigh(problem, theta)
    cls = problem.cls
    table = centred_table(cls, len(problem.points))
    formula, parameter = cls.target.formula(cls.p)
    # Of the centred ψ: the mean of ψ less that of its table would have the rounding of a large constant.
    mean = (cls if table is None else cls.with_target(Table(table))).mean(problem.points)
    return _core.quadratic_forms(
        cls.members,
        problem.points,
        cls.p,
        formula,
        parameter,
        np.empty(0) if table is None else table,
        mean,
        theta,
        problem.threads,
    )
