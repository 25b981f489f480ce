"""Kernel: the class kernel paired with the tangent kernel; the one method of a class without a list of members.

Var = Σ_{i,j} c_i c_j K(x_i,x_j) Θ(x_i,x_j), K in closed form where the class has one, and
d(a) = ψ̃_aᵀ·cΘc·ψ̃_a as quadratic forms of the members (docs/theory, sections 1 and 5).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from barren.variance.frequency.columns import centre, frequencies_of
from barren.variance.problem import Pairing, Problem, accumulate
from barren.variance.speeds import Speeds

_BLOCK_BYTES = 32 * 2**20
_ROWS = 192
# Passes over an entry of a layer's Θ in float64 beside its products, and over K while it is built in closed form.
_PASSES, _CLOSED = 3.0, 60.0


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: K, a block of Θ, and for deviations Θ in total, packed."""
    n, tangent = len(problem.points), problem.tangent
    squares = 3 + 4 * problem.needs_deviations + 2 * (not tangent.ntk_is_cheap)
    members = 8 * problem.cls.size if problem.cls.has_members and problem.needs_deviations else 0
    return 8 * n * n * squares + tangent.ntk_bytes + members + 64 * n


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    n = len(problem.points)
    return smallest_memory(problem) + 4 * min(_BLOCK_BYTES, 8 * n * n)


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: half of Θ, the class kernel, and the forms of the deviations."""
    tangent, cls, rates = problem.tangent, frequencies_of(problem), speeds.rates
    n = len(problem.points)
    entries, layers = float(n) ** 2, len(tangent.layers)
    making = speeds.theta + layers * (_PASSES + 1.0) * rates.entry
    once = n * (speeds.backward + speeds.backward_by_rules)
    if not tangent.ntk_is_cheap:
        once += speeds.columns(max(_BLOCK_BYTES, problem.memory_limit - smallest_memory(problem)), by_layer=True)
        making *= 2.0
    if cls.kind == "set" or not (cls.circle.harmonic or cls.kind == "interval"):
        once += entries * cls.size * rates.product64 + n * cls.size * rates.wave
    elif cls.circle.harmonic:
        once += entries * _CLOSED * rates.entry
    else:
        once += entries * cls.lines(problem.points) * rates.line
    forms = (entries * rates.form + n * rates.wave) * cls.size if problem.needs_deviations else 0.0
    return once + 0.5 * entries * making + forms


def run(problem: Problem) -> Pairing:
    """Var of every layer from blocks of its Θ; d(a) from the quadratic forms of the total Θ."""
    cls, n = frequencies_of(problem), len(problem.points)
    kernel = cls.kernel(problem.points, problem.points, threads=problem.threads or None)
    kernel *= problem.weights
    kernel *= problem.weights[:, None]
    total = np.zeros((n, n)) if problem.needs_deviations else None
    per_layer: dict[str, float] = {}
    problem.tangent.ready(problem.threads)
    for start, stop, layer, block in _upper_blocks(problem):
        beside = kernel[start:stop, start:]
        square = np.einsum("rc,rc->", beside[:, : stop - start], block[:, : stop - start])
        accumulate(per_layer, layer, 2.0 * np.einsum("rc,rc->", beside, block) - square)
        if total is not None:
            total[start:stop, start:] += block
    if total is None:
        return Pairing(per_layer, None)
    del kernel
    total = np.triu(total) + np.triu(total, 1).T
    total *= problem.weights
    total *= problem.weights[:, None]
    shift = centre(cls)
    offset = cls.mean(problem.points, threads=problem.threads or None) - shift
    return Pairing(per_layer, cls.quadratic_forms(problem.points, offset, total, threads=problem.threads, shift=shift))


def _upper_blocks(problem: Problem) -> Iterator[tuple[int, int, str, np.ndarray]]:
    """(start, stop, layer, Θ_layer[start:stop, start:]): entries on and above the diagonal once."""
    tangent, n = problem.tangent, len(problem.points)
    if not tangent.ntk_is_cheap:
        spare = max(_BLOCK_BYTES, problem.memory_limit - smallest_memory(problem))
        for layer, theta in tangent.ntk_layers(spare):
            yield 0, n, layer, theta
        return
    rows = max(1, min(_ROWS, _BLOCK_BYTES // (8 * n)))
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        for layer, block in tangent.ntk(slice(start, stop), slice(start, n)):
            yield start, stop, layer, block
