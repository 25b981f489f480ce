"""The largest eigenvalue of a covariance from exact entries, to 50 digits.

The quotient ⟨f, Cf⟩/⟨f, f⟩ is taken in exact arithmetic. It differs from λ by ‖Cf − λf‖²/(‖f‖²·gap) at most (Kato and
Temple), gap the distance to the eigenvalues that are not λ. f begins as NumPy's eigenvector and is mended by Newton's
method, with NumPy's eigenvectors as the inverse, until that bound is below 1e-50 of λ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ledger.exact import Numbers, of_floats

_WANTED = Fraction(1, 10**50)
# Eigenvalues closer than this part of the largest one count as one: a pair of characters has one.
_SAME = 1e-9


def of_class(values: Numbers, weights: Numbers) -> Fraction:
    """λ of a finite class, Cf = E_a h̃_a·⟨h̃_a, f⟩: values (A, n) of all members, weights (n,) of the points."""
    members = len(values.top)
    centred = Numbers(members * values.top - values.top.sum(axis=0), members * values.bottom)
    floats = _floats(centred) * np.sqrt(_floats(weights))

    def apply(f: Numbers) -> Numbers:
        seen = centred.top.dot(weights.top * f.top)
        return Numbers(centred.top.T.dot(seen), members * centred.bottom**2 * weights.bottom * f.bottom)

    return _largest(apply, weights, floats.T @ floats / members)


def of_kernel(kernel: Numbers, weights: Numbers) -> Fraction:
    """λ from K (n, n)."""
    roots = np.sqrt(_floats(weights))

    def apply(f: Numbers) -> Numbers:
        return Numbers(kernel.top.dot(weights.top * f.top), kernel.bottom * weights.bottom * f.bottom)

    return _largest(apply, weights, roots[:, None] * _floats(kernel) * roots)


def of_matrix(matrix: Numbers) -> Fraction:
    """The largest eigenvalue of a symmetric matrix."""
    return of_kernel(matrix, Numbers(np.array([1] * len(matrix.top), dtype=object), 1))


def gcd_radius(A: int) -> Fraction:
    """Of [gcd(a, b)²/(ab)]: of v_a = a·u_a, in L² of the weights a², it makes Σ_b gcd(a, b)²·u_b/a²."""
    a = np.arange(1, A + 1)
    common = np.gcd.outer(a, a)
    squares = common.astype(object) ** 2
    bottom = math.lcm(*(int(entry) ** 2 for entry in a))
    shares = np.array([bottom // int(entry) ** 2 for entry in a], dtype=object)

    def apply(u: Numbers) -> Numbers:
        return Numbers(squares.dot(u.top) * shares, bottom * u.bottom)

    return _largest(apply, Numbers(a.astype(object) ** 2, 1), common**2 / np.outer(a, a))


def _largest(apply: Callable[[Numbers], Numbers], weights: Numbers, matrix: np.ndarray) -> Fraction:
    """Of an operator on L² of the weights, f -> apply(f); matrix is √c·C/√c in doubles."""
    roots = np.sqrt(_floats(weights))
    eigenvalues, vectors = np.linalg.eigh(matrix)
    if not matrix.any():
        return Fraction(0)
    below = eigenvalues < eigenvalues[-1] * (1.0 - _SAME)
    others, theirs = vectors[:, below], eigenvalues[below]
    gap = Fraction(float(eigenvalues[-1] - (theirs[-1] if theirs.size else 0.0)))
    f = of_floats(vectors[:, -1] / roots)
    for _ in range(4):
        image = apply(f)
        norm = Fraction(int((weights.top * f.top * f.top).sum()), weights.bottom * f.bottom**2)
        product = Fraction(int((weights.top * f.top * image.top).sum()), weights.bottom * f.bottom * image.bottom)
        value = product / norm
        rest = image.top * (f.bottom * value.denominator) - f.top * (image.bottom * value.numerator)
        residual = Numbers(rest, image.bottom * f.bottom * value.denominator)
        square = Fraction(int((weights.top * rest * rest).sum()), weights.bottom * residual.bottom**2) / norm
        if square <= _WANTED * value * gap:
            return value
        seen = others.T @ (roots * _floats(residual)) / (float(value) - theirs)
        more = of_floats(others @ seen / roots)
        f = Numbers(f.top * more.bottom + more.top * f.bottom, f.bottom * more.bottom)
    raise ArithmeticError(f"no 50 digits of {float(value)}: the bound is {float(square / gap)}")


def _floats(numbers: Numbers) -> np.ndarray:
    return np.array([float(value) for value in numbers.fractions()]).reshape(numbers.top.shape)
