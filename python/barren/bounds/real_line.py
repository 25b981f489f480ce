"""Frequencies 1..A with x uniform on [0, 1]: Gram matrices in closed form (docs/theory, section 4.3).

For ψ = Σ_k c_k e(kt) and a, b with a' = a/gcd, b' = b/gcd the inner product of the members, less their means, is
Σ_{n≠0} c_{b'n}·conj(c_{a'n}), since ka = lb exactly for k = b'n, l = a'n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from barren import _validate
from barren._validate import Floats
from barren.bounds.eigen import LARGEST_BYTES, largest_lanczos
from barren.bounds.gcd import GcdMatrix
from barren.targets import Cosine, Sawtooth, Square, Table, Target, Threshold, Triangle

_BLOCK = 1 << 22  # entries of a block of rows


@dataclass(frozen=True)
class Gram:
    """Inner products ⟨h_a − c₀, h_b − c₀⟩ on [0, 1] for a, b = 1..size.

    Attributes:
        size: A.
        norm: ‖ψ − c₀‖², what stands on the diagonal.
        product: v -> Gram·v.
        rows: (start, stop) -> rows a = start+1..stop of the matrix.
        squared_norm: Σ_{a,b} Gram(a, b)².
    """

    size: int
    norm: float
    product: Callable[[np.ndarray], np.ndarray]
    rows: Callable[[int, int], np.ndarray]
    squared_norm: float

    def centred(self, v: np.ndarray) -> np.ndarray:
        """P·Gram·P·v/A with P the centring over the members: its largest eigenvalue is λ."""
        image = self.product(v - v.mean())
        return np.asarray((image - image.mean()) / self.size)

    def largest(self) -> tuple[float, Floats]:
        """λ, and the coefficients over the members of the function that attains it, of norm 1."""
        return largest_lanczos(lambda v: self.centred(v.ravel()), self.size)

    def boas_bellman(self) -> float:
        """(max_a‖h̃_a‖² + (Σ_{a≠b}⟨h̃_a, h̃_b⟩²)^½)/A with h̃_a = h_a − h̄: from row sums and the norm of the matrix."""
        A = self.size
        rows = self.product(np.ones(A)) / A  # ⟨h_a, h̄⟩
        mean = float(rows.mean())
        diagonal = self.norm - 2.0 * rows + mean
        total = self.squared_norm - 2.0 * A * float(rows @ rows) + A**2 * mean**2
        return float((diagonal.max() + np.sqrt(max(0.0, total - float(diagonal @ diagonal)))) / A)

    def trivial(self) -> float:
        """E_a‖h̃_a‖² = ‖ψ − c₀‖² − ‖h̄ − c₀‖²."""
        return self.norm - float(self.product(np.ones(self.size)).sum()) / self.size**2


def gram(A: int, target: Target) -> Gram:
    """The Gram matrix of ψ(ax), a = 1..A, on [0, 1].

    Sawtooth, square and triangle wave and the threshold 1/2 by products with gcd matrices, of any size; cosines are
    orthogonal; other thresholds and tables, read as steps, as a matrix that is held.

    Raises:
        ValueError: a matrix of more than 2 GiB, or a target that is no function on the circle.
    """
    if isinstance(target, Cosine):
        return Gram(A, 0.5, lambda v: 0.5 * v, lambda i, j: 0.5 * np.eye(j - i, A, i), 0.25 * A)
    known = _harmonics(target)
    if known is not None:
        norm, s, odd = known
        matrix = GcdMatrix(A, s, odd)
        squares = norm**2 * matrix.squared_norm()
        return Gram(A, norm, lambda v: norm * matrix.product(v), lambda i, j: norm * matrix.rows(i, j), squares)
    held = _of_steps(A, *_jumps(target))
    squares = float(np.einsum("ab,ab->", held, held))
    return Gram(A, float(held[0, 0]), lambda v: np.asarray(held @ v), lambda i, j: held[i:j].copy(), squares)


def _harmonics(target: Target) -> tuple[float, int, bool] | None:
    """‖ψ − c₀‖², s and whether k is odd, where |c_k| is a multiple of |k|^{−s} on all k ≠ 0 or on the odd ones."""
    if isinstance(target, Sawtooth):
        return 1.0 / 12.0, 1, False
    if isinstance(target, Square):
        return 1.0, 1, True
    if isinstance(target, Threshold) and Fraction(target.c) == Fraction(1, 2):
        return 0.25, 1, True
    if isinstance(target, Triangle):
        return 1.0 / 3.0, 2, True
    return None


def _jumps(target: Target) -> tuple[list[Fraction], Floats]:
    """Where a step function jumps in [0, 1), and by how much."""
    if isinstance(target, Threshold):
        return [Fraction(0), Fraction(target.c)], np.array([-1.0, 1.0])
    if isinstance(target, Table):
        steps = target.values - np.roll(target.values, 1)
        where = np.flatnonzero(steps)
        return [Fraction(int(j), target.values.size) for j in where], steps[where]
    target.circle()  # raises for a function of residues
    raise ValueError(f"target must be a wave or a step function with a closed form on [0, 1]; got {target!r}")


def _of_steps(A: int, places: list[Fraction], jumps: Floats) -> Floats:
    """(1/(2a'b'))·Σ_{j,l} δ_j δ_l B̄₂(b't_j − a't_l): jumps δ_j at t_j have c_k = Σ_j δ_j e(−kt_j)/(2πik)."""
    if 8 * A**2 > LARGEST_BYTES or A**2 * max(1, len(places)) ** 2 > 2**34:
        limit = min(int((LARGEST_BYTES // 8) ** 0.5), int(2**17 / max(1, len(places))))
        expected = f"at most {limit} for a step function with {len(places)} jumps, whose Gram matrix is held"
        _validate.refuse(ValueError, "A", expected, str(A))
    multiples = np.array(
        [[float(a * t % 1) for a in range(A + 1)] for t in places]
    )  # a·t mod 1, exact and rounded once
    a = np.arange(1, A + 1)
    out = np.zeros((A, A))
    step = max(1, _BLOCK // A)
    for start in range(0, A, step):
        rows = a[start : start + step, None]
        common = np.gcd(rows, a)
        left, right = rows // common, a // common
        block = out[start : start + step]
        for j in range(len(places)):
            for k in range(len(places)):
                t = multiples[j][right] - multiples[k][left]
                t -= np.floor(t)
                block += jumps[j] * jumps[k] * (t * (t - 1.0) + 1.0 / 6.0)
        block /= 2.0 * left * right
    return out
