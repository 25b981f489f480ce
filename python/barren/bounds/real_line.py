"""Frequencies 1..A with x uniform on [0, 1]: Gram matrices in closed form (docs/theory, section 4.3).

For ψ = Σ_k c_k e(kt) and a, b with a' = a/gcd, b' = b/gcd the inner product of the members, less their means, is
Σ_{n≠0} c_{b'n}·conj(c_{a'n}), since ka = lb exactly for k = b'n, l = a'n. For a sum of waves it is a sum over pairs of
them, a wave of harmonic k at the frequency a being its shape at ka.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from barren import _validate
from barren._validate import Floats
from barren.bounds.eigen import LARGEST_BYTES, largest_lanczos
from barren.bounds.gcd import BYTES_A_FREQUENCY, GcdMatrix
from barren.targets import Target
from barren.targets.circle import AnyCircle, Circle

_BLOCK = 1 << 22  # entries of a block of rows
_SMALL = 2**31
# Of each frequency, beside the vectors of Lanczos: entries of F, of its transpose and of the product.
_BYTES_A_COSINE = 60


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

    Sawtooth, square and triangle wave, the threshold 1/2, digits and multiples of them by products with gcd matrices,
    and sums of cosines by their common harmonics, of any size; everything else as a matrix that is held.

    Raises:
        ValueError: a matrix of more than 2 GiB, vectors that do not fit in memory, or a target that is no function on
            the circle.
    """
    circle = target.circle()
    if circle.is_trigonometric:
        _validate.tabulated("A", A, BYTES_A_FREQUENCY + _BYTES_A_COSINE * len(circle.terms), "Lanczos vectors")
        return _of_cosines(A, [(factor, wave.harmonic) for factor, wave in circle.terms])
    known = _harmonics(circle)
    if known is not None:
        _validate.tabulated("A", A, BYTES_A_FREQUENCY, "Lanczos vectors")
        norm, s, odd = known
        matrix = GcdMatrix(A, s, odd)
        squares = norm**2 * matrix.squared_norm()
        return Gram(A, norm, lambda v: norm * matrix.product(v), lambda i, j: norm * matrix.rows(i, j), squares)
    held = _held(A, circle)
    squares = float(np.einsum("ab,ab->", held, held))
    return Gram(A, float(held[0, 0]), lambda v: np.asarray(held @ v), lambda i, j: held[i:j].copy(), squares)


def _of_cosines(A: int, cosines: list[tuple[float, int]]) -> Gram:
    """Half of FᵀF, F[m, a] = Σ factor over the harmonics k with ka = m: cos(2πkax) and cos(2πlbx) meet for ka = lb."""
    from scipy.sparse import csr_array

    a = np.arange(1, A + 1)
    if max(k for _, k in cosines) * A >= 2**63:
        _validate.refuse(ValueError, "A", "such that k·A stays below 2^63", str(A))
    _, places = np.unique(np.concatenate([k * a for _, k in cosines]), return_inverse=True)
    entries = np.repeat([factor for factor, _ in cosines], A)
    features = csr_array((entries, (places.ravel(), np.tile(a - 1, len(cosines)))), shape=(int(places.max()) + 1, A))
    back = features.T.tocsr()
    matrix = back @ features
    return Gram(
        A,
        0.5 * sum(factor**2 for factor, _ in cosines),
        lambda v: np.asarray(0.5 * (back @ (features @ v))),
        lambda i, j: np.asarray(0.5 * matrix[i:j].toarray()),
        0.25 * float((matrix.data**2).sum()),
    )


def _harmonics(circle: AnyCircle) -> tuple[float, int, bool] | None:
    """‖ψ − c₀‖², s and whether k is odd, where |c_k| is a multiple of |k|^{−s} on all k ≠ 0 or on the odd ones.

    A shape at harmonic·t has the Gram matrix of the shape: (4) knows a and b by their ratio.
    """
    if len(circle.terms) > 1:
        return None
    ((factor, wave),) = circle.terms
    known = {"sawtooth": (1.0 / 12.0, 1, False), "square": (1.0, 1, True), "triangle": (1.0 / 3.0, 2, True)}
    if wave.shape == "threshold" and wave.cut == Fraction(1, 2):
        known["threshold"] = (0.25, 1, True)
    if wave.shape not in known:
        return None
    norm, s, odd = known[wave.shape]
    return factor**2 * norm, s, odd


def _held(A: int, circle: AnyCircle) -> Floats:
    """The matrix of any sum of waves: of pairs of waves of lines by their jumps and kinks, of others by divisors."""
    breaks = sum(len(wave.breaks[0]) for _, wave in circle.terms)
    if 8 * A**2 > LARGEST_BYTES or A**2 * max(1, breaks) ** 2 > 2**34:
        limit = min(int((LARGEST_BYTES // 8) ** 0.5), int(2**17 / max(1, breaks)))
        expected = f"at most {limit} for a function with {breaks} jumps and kinks, whose Gram matrix is held"
        _validate.refuse(ValueError, "A", expected, str(A))
    out = np.zeros((A, A))
    for left, of_a in circle.terms:
        for right, of_b in circle.terms:
            if of_a.is_trigonometric and of_b.is_trigonometric:
                part = _of_two_cosines(A, of_a.harmonic, of_b.harmonic)
            elif of_a.is_trigonometric:
                part = _of_cosine_and_lines(A, of_a.harmonic, of_b)
            elif of_b.is_trigonometric:
                part = _of_cosine_and_lines(A, of_b.harmonic, of_a).T
            else:
                part = _of_lines(A, of_a, of_b)
            out += left * right * part
    return out


def _of_two_cosines(A: int, k: int, l: int) -> Floats:  # noqa: E741
    """1/2 where ka = lb."""
    a = np.arange(1, A + 1)
    return np.asarray(np.where(k * a[:, None] == l * a, 0.5, 0.0))


def _of_cosine_and_lines(A: int, k: int, wave: Circle) -> Floats:
    """The Fourier coefficient of the shape at ka/(lb), l its harmonic, where lb divides ka, else 0; real parts."""
    a = np.arange(1, A + 1)
    multiples, steps = k * a[:, None], wave.harmonic * a
    rows, columns = np.nonzero(multiples % steps == 0)
    out = np.zeros((A, A))
    ratios = multiples[rows, 0] // steps[columns]
    different, which = np.unique(ratios, return_inverse=True)
    out[rows, columns] = wave.coefficients(different * wave.harmonic).real[which]
    return out


def _of_lines(A: int, of_a: Circle, of_b: Circle) -> Floats:
    """Σ over pairs of breaks of ψ and φ: jumps δ and kinks σ at t have c_k = Σ (δ/(2πik) + σ/(2πik)²)·e(−kt).

    With α = ka/g, β = lb/g, g their greatest common divisor, and t = α·t_φ − β·t_ψ the terms are δδ'·B̄₂(t)/(2αβ),
    (σδ'/β − δσ'/α)·B̄₃(t)/(6αβ) and −σσ'·B̄₄(t)/(24α²β²).
    """
    (places_a, jumps_a, kinks_a), (places_b, jumps_b, kinks_b) = of_a.breaks, of_b.breaks
    a, out = np.arange(1, A + 1), np.zeros((A, A))
    step = max(1, _BLOCK // A)
    for start in range(0, A, step):
        rows, columns = of_a.harmonic * a[start : start + step, None], of_b.harmonic * a
        common = np.gcd(rows, columns)
        alpha, beta = rows // common, columns // common
        block = out[start : start + step]
        turns_a, turns_b = ([_turns(t, by) for t in places] for places, by in ((places_a, beta), (places_b, alpha)))
        for i in range(len(places_a)):
            for j in range(len(places_b)):
                t = turns_b[j] - turns_a[i]
                t -= np.floor(t)
                u = t * (t - 1.0)  # B₂ = u + 1/6, B₃ = u(t − 1/2), B₄ = u² − 1/30
                block += jumps_a[i] * jumps_b[j] / 2.0 * (u + 1.0 / 6.0)
                if kinks_a[i] or kinks_b[j]:
                    block += (kinks_a[i] * jumps_b[j] / beta - jumps_a[i] * kinks_b[j] / alpha) / 6.0 * u * (t - 0.5)
                    block -= kinks_a[i] * kinks_b[j] / (24.0 * alpha * beta) * (u**2 - 1.0 / 30.0)
        block /= alpha * beta
    return out


def _turns(t: Fraction, multiples: np.ndarray) -> Floats:
    """The fraction of multiple·t, exact and rounded once."""
    if t.denominator < _SMALL:
        remainders = (multiples % t.denominator) * t.numerator % t.denominator
        return np.asarray(remainders / float(t.denominator))
    different, which = np.unique(multiples, return_inverse=True)
    turns = np.array([float(int(m) * t % 1) for m in different])
    return np.asarray(turns[which.reshape(multiples.shape)])
