"""Kernel: the class kernel paired with the tangent kernel; the one method of a class without a list of members.

Var = Σ_{i,j} c_i c_j K(x_i,x_j) Θ(x_i,x_j), K in closed form where the class has one, and
d(a) = ψ̃_aᵀ·cΘc·ψ̃_a as quadratic forms of the members (docs/theory, sections 1 and 5).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from barren._products import mirror
from barren.classes import sphere_lines
from barren.tangents.packed import COPIES
from barren.variance.frequency.columns import centre, frequencies_of, wave_rate
from barren.variance.kernel import blocks_memory, pair_by_kernel, pair_layers, weigh
from barren.variance.problem import Pairing, Problem
from barren.variance.speeds import Speeds
from barren.variance.theta import least_block_bytes

# Passes over an entry of a layer's Θ in float64 beside its products, and over K while it is built in closed form.
_PASSES, _CLOSED = 3.0, 60.0


def smallest_memory(problem: Problem) -> int:
    """What the method cannot do without: K as it is made, a block of Θ, and for deviations Θ in total, packed."""
    n, tangent = len(problem.points), problem.tangent
    squares = 3 + 2 * problem.needs_deviations + (not tangent.ntk_is_cheap)
    # The members, their weights in a mean over them, and d(a) as it is made.
    listed = frequencies_of(problem).lists_members(problem.needs_deviations)
    members = 48 * problem.cls.size if listed else 0
    blocks = least_block_bytes(n) * (1 if tangent.ntk_is_cheap else 2)
    return 8 * n * n * squares + tangent.ntk_bytes + members + 64 * n + blocks + _working_bytes(problem)


def _working_bytes(problem: Problem) -> int:
    """What a kernel on a sphere takes while it is made."""
    cls = frequencies_of(problem)
    if cls.is_closed or cls.kind != "sphere":
        return 0
    return sphere_lines.working_bytes(cls, problem.points, problem.threads)


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take."""
    need = smallest_memory(problem)
    return need + blocks_memory(problem, max(0, problem.memory_limit - need))


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: half of Θ, the class kernel, and the forms of the deviations."""
    tangent, cls, rates = problem.tangent, frequencies_of(problem), speeds.rates
    n = len(problem.points)
    entries, layers = float(n) ** 2, len(tangent.layers)
    making = speeds.theta + layers * (_PASSES + 1.0) * rates.entry
    once = n * (speeds.backward + speeds.backward_by_rules)
    if not tangent.ntk_is_cheap:
        room = max(least_block_bytes(n), problem.memory_limit - smallest_memory(problem))
        once += speeds.columns(room // COPIES, by_layer=True)
        making *= 2.0
    waves, wave = len(cls.circle.terms), wave_rate(cls, speeds)
    if cls.is_closed:
        once += entries * _CLOSED * waves**2 * rates.entry
    elif cls.has_members:
        once += entries * cls.size * rates.product64 + waves * n * cls.size * wave
    else:
        once += entries * cls.lines(problem.points) * rates.line
    forms = (entries * rates.form + waves * n * wave) * cls.size if problem.needs_deviations else 0.0
    return once + 0.5 * entries * making + forms


def run(problem: Problem) -> Pairing:
    """Var of every layer from blocks of its Θ; d(a) from the quadratic forms of the total Θ."""
    problem = problem.of_varying()
    cls, n = frequencies_of(problem), len(problem.points)
    problem.tangent.ready(problem.threads)  # before the room is counted: a layer may need columns after all
    room = max(0, problem.memory_limit - smallest_memory(problem))
    total = np.zeros((n, n)) if problem.needs_deviations else None
    found = pair_layers(problem, pair_by_kernel(problem), room, total)
    if total is None:
        return found
    mirror(total)
    weigh(problem, total)
    shift = centre(cls)
    offset = cls.mean(problem.points, threads=problem.threads or None) - shift
    deviations = cls.quadratic_forms(problem.points, offset, total, threads=problem.threads, shift=shift)
    return replace(found, deviations=deviations)
