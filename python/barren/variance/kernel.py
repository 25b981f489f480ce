"""Kernel: the class kernel paired with the tangent kernel (docs/theory, sections 1 and 3.3).

Var = Σ_{i,j} c_i c_j K(x_i,x_j) Θ(x_i,x_j). No Jacobian is formed where the model's layers have a rule for their block
of Θ. On a prime modulus K depends on a difference of discrete logarithms only; otherwise K is built once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from barren import _core, _fft
from barren.classes.group import unit_group
from barren.variance.direct import centred_table
from barren.variance.problem import Pairing, Problem, accumulate

# Pairs rows start..stop of one layer's Θ with the class kernel, columns from start on.
_PairBlock = Callable[[int, int, np.ndarray], float]
_BLOCK_BYTES = 32 * 2**20


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run."""
    n = len(problem.points)
    square = 8 * n * n
    need = 8 * 8 * n + 3 * 8 * n  # the class side, and one row of Θ
    if not problem.tangent.ntk_is_cheap:
        need += 2 * square  # Θ of a layer, and the total
    if not problem.cls.is_prime or problem.cls.multipliers == "set":
        need += 2 * square  # K, and the same with the weights of x
    if _needs_deviations(problem):
        need += 4 * square  # Θ in total, weighted, and packed or in logarithmic order
    return need + (8 * 4 * problem.cls.p if problem.cls.is_prime else 0)


def cost(problem: Problem) -> float:
    """Work in multiply-adds: half of Θ, the class kernel where it has to be built, and the forms of the deviations."""
    entries = float(len(problem.points)) ** 2
    work = 0.5 * entries * problem.tangent.ntk_cost
    if not _is_whole_prime(problem):
        work += entries * problem.cls.size
    if _needs_deviations(problem):
        work += _transform_cost(problem) if _takes_transforms(problem) else entries * problem.cls.size
    return work


def run(problem: Problem) -> Pairing:
    """Var of every layer from blocks of its Θ; d(a) from the quadratic forms of the total Θ."""
    n = len(problem.points)
    total = np.zeros((n, n)) if _needs_deviations(problem) else None
    pair = _pair_by_logarithms(problem) if _is_whole_prime(problem) else _pair_by_kernel(problem)
    per_layer: dict[str, float] = {}
    for layer, start, stop, block in _upper_blocks(problem):
        accumulate(per_layer, layer, pair(start, stop, block))
        if total is not None:
            total[start:stop, start:] += block
    return Pairing(per_layer, None if total is None else _deviations(problem, total))


def _is_whole_prime(problem: Problem) -> bool:
    return problem.cls.is_prime and problem.cls.multipliers != "set"


def _takes_transforms(problem: Problem) -> bool:
    """Whether the quadratic forms of all multipliers come from Fourier transforms: a whole class on a large prime."""
    products = float(len(problem.points)) ** 2 * problem.cls.size
    return _is_whole_prime(problem) and products > _transform_cost(problem)


def _transform_cost(problem: Problem) -> float:
    """Multiply-adds to which p transforms of length p − 1 are equal; the factor is measured."""
    return 100.0 * problem.cls.p**2 * float(np.log2(problem.cls.p))


def _needs_deviations(problem: Problem) -> bool:
    return problem.deviations or problem.cls.multipliers == "set"


def _upper_blocks(problem: Problem) -> Iterator[tuple[str, int, int, np.ndarray]]:
    """(layer, start, stop, Θ_layer[start:stop, start:]): every entry on or above the diagonal once."""
    tangent, n = problem.tangent, len(problem.points)
    rows = max(1, min(n, _BLOCK_BYTES // (8 * n)))
    if tangent.ntk_is_cheap:
        for start in range(0, n, rows):
            stop = min(n, start + rows)
            for layer, block in tangent.ntk(slice(start, stop), slice(start, n)):
                yield layer, start, stop, np.ascontiguousarray(block)
        return
    spare = max(_BLOCK_BYTES, problem.memory_limit - smallest_memory(problem))
    for layer, theta in tangent.ntk_layers(spare):
        yield layer, 0, n, theta


def _doubled_above(weights: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Weights of the columns from `start` on, doubled beyond the diagonal block, whose entries stand for two."""
    doubled: np.ndarray = weights[start:].copy()
    doubled[stop - start :] *= 2.0
    return doubled


def _pair_by_logarithms(problem: Problem) -> _PairBlock:
    """Prime modulus, whole class: K(x, y) = κ[log x − log y], plus a constant when the multiplier 0 is a member."""
    cls = problem.cls
    p = cls.p
    kernel = cls.kernel_by_ratio()
    if cls.multipliers == "all":
        table = cls.table()
        zero_excess = table[0] - table[1:].mean()
        kernel = (p - 1) / p * kernel + (p - 1) / p**2 * zero_excess**2
    logarithms = unit_group(p).logarithms[problem.points]

    def pair(start: int, stop: int, block: np.ndarray) -> float:
        doubled = _doubled_above(problem.weights, start, stop)
        row_weights = problem.weights[start:stop]
        return _core.pairing(
            kernel, logarithms[start:stop], row_weights, logarithms[start:], doubled, block, problem.threads
        )

    return pair


def _pair_by_kernel(problem: Problem) -> _PairBlock:
    """Any modulus and any set of multipliers: K is built once, n × n."""
    kernel = problem.cls.kernel(problem.points, problem.points)

    def pair(start: int, stop: int, block: np.ndarray) -> float:
        doubled = _doubled_above(problem.weights, start, stop)
        by_row = np.einsum("rc,rc,c->r", kernel[start:stop, start:], block, doubled)
        return float(problem.weights[start:stop] @ by_row)

    return pair


def _deviations(problem: Problem, upper: np.ndarray) -> np.ndarray:
    """d(a) = ψ̃_aᵀ·Θ'·ψ̃_a with Θ' = c·Θ·cᵀ and ψ̃ centred over the members; `upper` holds Θ on and above the diagonal."""
    theta = np.triu(upper)
    theta += np.triu(theta, 1).T
    theta *= problem.weights
    theta *= problem.weights[:, None]
    cls = problem.cls
    if _takes_transforms(problem):
        return _forms_by_transform(problem, theta)
    table = centred_table(cls, len(problem.points))
    formula, parameter = cls.target.formula(cls.p)
    shift = 0.0 if table is None else float(cls.table().mean())
    return _core.quadratic_forms(
        cls.members,
        problem.points,
        cls.p,
        formula,
        parameter,
        np.empty(0) if table is None else table,
        cls.mean(problem.points) - shift,
        theta,
        problem.threads,
    )


def _forms_by_transform(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """All quadratic forms on a prime modulus in O(p² log p).

    In logarithmic order ψ̃_a is a cyclic shift, so with w_s(i) = ψ̃(g^i)·ψ̃(g^(i+s)) and the wrapped diagonals
    Θ_s(i) = Θ'(g^i, g^(i+s)) the form at a = g^j is Σ_s Σ_i w_s(i+j)·Θ_s(i): a sum of cyclic correlations.
    """
    cls, workers = problem.cls, problem.threads or _core.available_threads()
    group, order = unit_group(cls.p), cls.p - 1
    table = cls.table()
    psi = table[group.powers]
    mean = psi.mean()
    psi -= mean
    matrix = _in_logarithmic_order(theta, group.logarithms[problem.points], order)
    row_sums, total = matrix.sum(axis=1), matrix.sum()
    # ψ̃ sums to zero, so rows and columns may be centred; that keeps the digits that a large constant in Θ would cost.
    matrix -= row_sums[:, None] / order
    matrix -= row_sums / order - total / order**2
    forms = _shifted_forms(matrix, psi, workers)
    if cls.multipliers == "all":
        # ψ̃ over all of Z_p is ψ̃ over the units less one constant; at a = 0 it is a constant.
        zero_excess = table[0] - mean
        constant = zero_excess / cls.p
        cross = _fft.irfft(_fft.rfft(psi) * np.conj(_fft.rfft(row_sums)), n=order)
        forms += constant**2 * total - 2.0 * constant * cross
    deviations = np.empty(cls.size)
    members = cls.members
    units = members != 0
    deviations[units] = forms[group.logarithms[members[units]]]
    if cls.multipliers == "all":
        deviations[~units] = ((1.0 - 1.0 / cls.p) * zero_excess) ** 2 * total
    return deviations


def _in_logarithmic_order(theta: np.ndarray, logarithms: np.ndarray, order: int) -> np.ndarray:
    """Θ' with row and column i at x = g^i, points that repeat added, the point 0 left out."""
    units = np.flatnonzero(logarithms >= 0)
    target = logarithms[units]
    matrix = np.zeros((order, order))
    if len(np.unique(target)) == len(target):
        matrix[np.ix_(target, target)] = theta[np.ix_(units, units)]
    else:
        np.add.at(matrix, np.ix_(target, target), theta[np.ix_(units, units)])
    return matrix


def _shifted_forms(matrix: np.ndarray, psi: np.ndarray, workers: int) -> np.ndarray:
    """Σ_{i,k} ψ(i+j)·ψ(k+j)·matrix(i, k) for every shift j, from half the wrapped diagonals of a symmetric matrix."""
    order = len(psi)
    index = np.arange(order)
    doubled = np.concatenate([psi, psi])
    spectrum = np.zeros(order // 2 + 1, dtype=np.complex128)
    block = max(1, _BLOCK_BYTES // (8 * 4 * order))
    for first in range(0, order // 2 + 1, block):
        shifts = np.arange(first, min(first + block, order // 2 + 1))[:, None]
        diagonals = matrix[index, (index + shifts) % order]
        diagonals *= np.where((shifts == 0) | (2 * shifts == order), 1.0, 2.0)
        products = psi * doubled[index + shifts]
        spectrum += np.einsum("sf,sf->f", _fft.rfft(products, 1, workers), np.conj(_fft.rfft(diagonals, 1, workers)))
    return _fft.irfft(spectrum, n=order)
