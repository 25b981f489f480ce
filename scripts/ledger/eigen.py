"""The largest eigenvalue of a covariance, from exact entries: by python-flint to 60 digits, or a Rayleigh quotient.

Up to 64 rows the eigenvalues are those of python-flint at 60 digits. Above that the quotient ⟨f, Cf⟩/⟨f, f⟩ is taken in
exact arithmetic at an eigenvector of NumPy: it differs from λ by ‖Cf − λf‖²/(‖f‖²·gap) at most (Kato and Temple), which
is computed as well and asserted to be below 1e-20 of λ.
"""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np

from ledger.exact import Numbers, covariance, of_floats

_DIGITS = 60
_MOST_ROWS = 64
# Eigenvalues closer than this part of the largest one count as one: a pair of characters has one.
_SAME = 1e-9


def of_class(values: Numbers, weights: Numbers) -> Fraction:
    """λ of a finite class: values (A, n) of all members, weights (n,) of the points."""
    members, n = values.top.shape
    if n <= _MOST_ROWS:
        return of_kernel(covariance(values, values), weights)
    centred = Numbers(members * values.top - values.top.sum(axis=0), members * values.bottom)
    floats = _floats(centred) * np.sqrt(_floats(weights))
    eigenvalues, vectors = np.linalg.eigh(floats.T @ floats / members)
    f = of_floats(vectors[:, -1] / np.sqrt(_floats(weights)))
    weighted = weights.top * f.top
    seen = centred.top.dot(weighted)  # ⟨h̃_a, f⟩ of every member
    image = Numbers(
        centred.top.T.dot(seen), members * centred.bottom**2 * weights.bottom * f.bottom
    )  # Cf at every point
    return _quotient(image, f, weights, eigenvalues)


def of_kernel(kernel: Numbers, weights: Numbers) -> Fraction:
    """λ from K (n, n): of the matrix K·diag(c), whose eigenvalues are those of √c·K·√c."""
    n = len(weights.top)
    if n <= _MOST_ROWS:
        return _largest(Numbers(kernel.top * weights.top, kernel.bottom * weights.bottom))
    roots = np.sqrt(_floats(weights))
    eigenvalues, vectors = np.linalg.eigh(roots[:, None] * _floats(kernel) * roots)
    f = of_floats(vectors[:, -1] / roots)
    image = Numbers(kernel.top.dot(weights.top * f.top), kernel.bottom * weights.bottom * f.bottom)
    return _quotient(image, f, weights, eigenvalues)


def of_matrix(matrix: Numbers) -> Fraction:
    """The largest eigenvalue of a symmetric matrix."""
    n = len(matrix.top)
    return of_kernel(matrix, Numbers(np.array([1] * n, dtype=object), 1))


def gcd_radius(A: int) -> Fraction:
    """Of [gcd(a, b)²/(ab)]: with v_a = a·u_a the quotient is Σ gcd(a, b)²·u_a·u_b over Σ a²·u_a²."""
    a = np.arange(1, A + 1)
    common = np.gcd.outer(a, a)
    if A <= _MOST_ROWS:
        entries = (common.astype(object) ** 2) * (np.prod(a.astype(object)) ** 2)
        return _largest(Numbers(entries // np.outer(a, a).astype(object), int(np.prod(a.astype(object)) ** 2)))
    eigenvalues, vectors = np.linalg.eigh(common**2 / np.outer(a, a))
    u = of_floats(vectors[:, -1] / a)
    squares = Numbers((a.astype(object)) ** 2, 1)
    image = (common.astype(object) ** 2).dot(u.top)  # a·(Mv)_a, over the denominator of u
    ratios = [Fraction(int(top), int(square)) for top, square in zip(image, squares.top, strict=True)]
    bottom = int(np.lcm.reduce([ratio.denominator for ratio in ratios], dtype=object))
    tops = np.array([ratio.numerator * (bottom // ratio.denominator) for ratio in ratios], dtype=object)
    return _quotient(Numbers(tops, bottom * u.bottom), u, squares, eigenvalues)


def _quotient(image: Numbers, f: Numbers, weights: Numbers, eigenvalues: np.ndarray) -> Fraction:
    """⟨f, Cf⟩/⟨f, f⟩ in L² of the weights, once its error is known to be small."""
    norm = Fraction(int((weights.top * f.top * f.top).sum()), weights.bottom * f.bottom**2)
    product = Fraction(int((weights.top * f.top * image.top).sum()), weights.bottom * f.bottom * image.bottom)
    value = product / norm
    residual = image.top * (f.bottom * value.denominator) - f.top * (image.bottom * value.numerator)
    bottom = image.bottom * f.bottom * value.denominator
    square = Fraction(int((weights.top * residual * residual).sum()), weights.bottom * bottom**2) / norm
    below = eigenvalues[eigenvalues < eigenvalues[-1] * (1.0 - _SAME)]
    gap = eigenvalues[-1] - (below[-1] if below.size else 0.0)
    assert float(square) <= 1e-20 * float(value) * gap, (float(square), float(value), gap)
    return value


def _largest(matrix: Numbers) -> Fraction:
    before, flint.ctx.dps = flint.ctx.dps, _DIGITS
    try:
        n = len(matrix.top)
        entries = [flint.acb(flint.arb(flint.fmpq(int(top), matrix.bottom))) for top in matrix.top.ravel()]
        found = max(
            (value.real for value in flint.acb_mat(n, n, entries).eig(algorithm="approx")), key=lambda real: float(real)
        )
        mantissa, exponent = found.mid().man_exp()
        return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    finally:
        flint.ctx.dps = before


def _floats(numbers: Numbers) -> np.ndarray:
    return np.array([float(value) for value in numbers.fractions()]).reshape(numbers.top.shape)
