"""Cosines at a frequency that is uniform on a sphere in R^d: their mean and kernel (docs/theory, section 5).

With r = 2πkA‖x‖ and a unit vector u, uniform on the sphere, the class is cos(r⟨u, ξ⟩), ξ = x/‖x‖, of mean
D(r) = Γ(d/2)·(2/r)^ν·J_ν(r), ν = d/2 − 1. Its part of degree l in spherical harmonics is of size

    A_l(r) = √N_l·Γ(d/2)·(2/r)^ν·J_{ν+l}(r),    N_l = (l+d−1 choose d−1) − (l+d−3 choose d−1),

and K(x, y) = Σ_{l=2,4,…} A_l(r_x)·A_l(r_y)·P_l(cos θ): nothing cancels where a point is small.
"""

from __future__ import annotations

import math

import numpy as np

from barren._validate import Floats

# r² = s·d: up to _SMALL the power series of A_l loses no digits, and _DEGREES of them give K to rounding.
_SMALL, _DEGREES = 1.0, 34
# From 30 dimensions on J_ν has lost digits, and a Gauss rule takes its place up to s = _FAR, where D has no more than
# 1e-26 for d ≥ 100; in fewer dimensions J_ν is small enough there.
_LOW_DIMENSION, _HIGH_DIMENSION, _FAR = 30, 100, 120.0
_NODES = 160
_BLOCK_BYTES = 1 << 25


def mean(dimension: int, r: Floats) -> Floats:
    """D(r) = E cos(r·u₁), u uniform on the unit sphere in R^d."""
    return _harmonic(dimension, 0, r)


def kernel(dimension: int, x: Floats, y: Floats) -> Floats:
    """Cov_u(cos⟨u, x⟩, cos⟨u, y⟩) for rows x and y, u uniform on the unit sphere; shape (len(x), len(y))."""
    r_x, r_y = norms(x), norms(y)
    out = np.empty((len(x), len(y)))
    step = max(1, _BLOCK_BYTES // (8 * max(1, len(y)) * dimension))
    small = r_y**2 <= _SMALL * dimension
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        few = r_x[rows] ** 2 <= _SMALL * dimension
        for one, other in ((few, np.ones_like(small)), (~few, small)):
            if one.any() and other.any():
                out[rows][np.ix_(one, other)] = _by_harmonics(dimension, x[rows][one], y[other])
        if not (few.all() or small.all()):
            out[rows][np.ix_(~few, ~small)] = _by_difference(dimension, x[rows][~few], y[~small])
    return out


def norms(x: Floats) -> Floats:
    """‖x‖ of each row, which no square under- or overflows."""
    largest = np.abs(x).max(axis=1, initial=0.0)
    scaled = x / np.where(largest == 0.0, 1.0, largest)[:, np.newaxis]
    return np.asarray(largest * np.sqrt(np.sum(scaled**2, axis=1)))


def _by_difference(dimension: int, x: Floats, y: Floats) -> Floats:
    """½(D(‖x − y‖) + D(‖x + y‖)) − D(‖x‖)·D(‖y‖), where that does not cancel."""
    means = np.multiply.outer(mean(dimension, norms(x)), mean(dimension, norms(y)))
    less, more = (
        mean(dimension, np.sqrt(np.sum((x[:, np.newaxis] + sign * y) ** 2, axis=2)).reshape(-1)) for sign in (-1.0, 1.0)
    )
    return np.asarray(0.5 * (less + more).reshape(means.shape) - means)


def _by_harmonics(dimension: int, x: Floats, y: Floats) -> Floats:
    """Σ_l A_l(r_x)·A_l(r_y)·P_l(cos θ) over even l ≥ 2, where one of r_x, r_y is small."""
    r_x, r_y = norms(x), norms(y)
    cosines = np.clip(directions(x, r_x) @ directions(y, r_y).T, -1.0, 1.0)
    out: Floats = np.zeros_like(cosines)
    before, here = np.ones_like(cosines), cosines
    for degree in range(1, _DEGREES):
        # (l + d − 2)·P_{l+1} = (2l + d − 2)·t·P_l − l·P_{l−1}, P_l(1) = 1
        following = (2 * degree + dimension - 2) * cosines * here - degree * before
        before, here = here, following / (degree + dimension - 2)
        if degree % 2:
            sides = (_harmonic(dimension, degree + 1, r) for r in (r_x, r_y))
            out += np.multiply.outer(*sides) * here
    return out


def directions(x: Floats, r: Floats) -> Floats:
    """x/‖x‖ of each row, r its norm; 0 for 0."""
    # In two steps: a subnormal number has no inverse.
    largest = np.abs(x).max(axis=1, initial=0.0)
    safe = np.where(r == 0.0, 1.0, largest)
    return np.asarray(x / safe[:, np.newaxis] / np.where(r == 0.0, 1.0, r / safe)[:, np.newaxis])


def _harmonic(dimension: int, degree: int, r: Floats) -> Floats:
    """A_l(r) for an even l, by what keeps its digits at r."""
    out, s = np.zeros_like(r), r**2 / dimension
    small, far = s <= _SMALL, s > _FAR
    middle = ~(small | far)
    out[small] = _by_series(dimension, degree, r[small])
    if dimension < _LOW_DIMENSION:
        out[~small] = _by_bessel(dimension, degree, r[~small])
        return out
    out[middle] = _by_rule(dimension, degree, r[middle])
    if dimension < _HIGH_DIMENSION:
        out[far] = _by_bessel(dimension, degree, r[far])
    return out


def _size(dimension: int, degree: int) -> float:
    """√N_l, N_l the number of independent spherical harmonics of degree l."""
    below = math.comb(degree + dimension - 3, dimension - 1) if degree > 1 else 0
    return math.sqrt(math.comb(degree + dimension - 1, dimension - 1) - below)


def _by_series(dimension: int, degree: int, r: Floats) -> Floats:
    """√N_l·(r/2)^l/(d/2)_l·Σ_m (−r²/4)^m/(m!·(d/2 + l)_m)."""
    quarter, half = 0.25 * r**2, 0.5 * dimension
    term = np.full_like(r, _size(dimension, degree))
    for i in range(degree):
        term *= 0.5 * r / (half + i)
    out: Floats = term.copy()
    for m in range(1, 24):  # r² ≤ d: the terms fall faster than (1/2)^m/m!
        term = term * (-quarter / (m * (half + degree + m - 1)))
        out += term
    return out


def _by_bessel(dimension: int, degree: int, r: Floats) -> Floats:
    from scipy.special import gamma, jv

    order = dimension / 2 - 1
    return np.asarray(_size(dimension, degree) * gamma(order + 1) * (2.0 / r) ** order * jv(order + degree, r))


def _by_rule(dimension: int, degree: int, r: Floats) -> Floats:
    """(−1)^{l/2}·√N_l·E cos(ru)P_l(u), u of density (1 − u²)^{(d−3)/2}, by the Gauss–Gegenbauer rule for that.

    Nothing overflows here, as Γ(d/2) and J_ν do.
    """
    from scipy.special import roots_gegenbauer

    nodes, weights = roots_gegenbauer(_NODES, dimension / 2 - 1)
    nodes, weights = nodes[_NODES // 2 :], weights[_NODES // 2 :]  # the rule is symmetric
    before, here = np.ones_like(nodes), nodes
    polynomial = before
    for i in range(1, degree):
        before, here = here, ((2 * i + dimension - 2) * nodes * here - i * before) / (i + dimension - 2)
        polynomial = here
    factors = (-1) ** (degree // 2) * _size(dimension, degree) * polynomial * (weights / weights.sum())
    out = np.zeros_like(r)
    for node, factor in zip(nodes, factors, strict=True):
        out += factor * np.cos(node * r)
    return out
