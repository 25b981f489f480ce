"""Measures of caps of the sphere, against integrals with many digits, other closed forms and each other."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.special import betainc, roots_legendre

from barren.classes import caps

DIMENSIONS = [2, 3, 4, 5, 8, 31]
# Sides A, B and θ: any, caps that nearly touch from inside and outside, small ones, half spheres, one centre.
SIDES = [
    (1.1, 0.7, 0.9),
    (0.3, 1.5, 1.4),
    (1.0, 0.6, 0.4 + 1e-12),
    (1.0, 0.6, 1.6 - 1e-12),
    (1e-5, 2e-5, 1.5e-5),
    (1e-4, 1.2, 1.2),
    (1.2, 1.2, 1e-9),
    (1.2, 1.2 + 1e-9, 2e-9),
    (1.5, 1.4, 2.7),
    (np.pi / 2, np.pi / 2, 0.8),
]


def common(d, A, B, theta):
    """P(U > cos A, V > cos B) in 40 digits: that of nested caps less (1/2π)∫(1 − s)^{(d−2)/2}dφ from |A − B| on.

    s(φ) is the squared distance from the centre at which the borders of two caps meet whose centres are φ apart.
    """
    with mpmath.workdps(40):
        A, B, theta = mpmath.mpf(A), mpmath.mpf(B), mpmath.mpf(theta)
        small = min(A, B)
        nested = mpmath.betainc(mpmath.mpf(d - 1) / 2, 0.5, 0, mpmath.sin(small) ** 2, regularized=True) / 2
        low, high = abs(A - B), min(theta, A + B)
        if high <= low:
            return float(nested)
        a, b = mpmath.cos(A), mpmath.cos(B)

        def inside(phi):
            gap = 1 - (a * a + b * b - 2 * a * b * mpmath.cos(phi)) / mpmath.sin(phi) ** 2
            return max(gap, mpmath.mpf(0)) ** (mpmath.mpf(d - 2) / 2)

        # The integrand rises steeply at a small φ where the caps are nearly equal.
        cuts = [low, *(low + (high - low) * mpmath.mpf(10) ** -k for k in (12, 9, 6, 4, 2, 1)), high]
        return float(nested - mpmath.quad(inside, cuts) / (2 * mpmath.pi))


@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_two_caps_against_an_integral(dimension, sides):
    A, B, theta = (np.array([side]) for side in sides)
    got = caps.pairs(dimension, A, B, theta, ramps=True).both
    assert got[0] == pytest.approx(common(dimension, *sides), abs=1e-15)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_one_cap_is_an_incomplete_beta_function(dimension):
    angle = np.linspace(0.01, np.pi / 2, 50)
    # Of cos² and not sin², whose rounding near 1 a root would magnify.
    expected = 0.5 - 0.5 * betainc(0.5, (dimension - 1) / 2, np.cos(angle) ** 2)
    np.testing.assert_allclose(caps.tail(dimension, angle), expected, rtol=0.0, atol=5e-16)
    np.testing.assert_allclose(caps.tail(dimension, np.pi - angle), 1.0 - expected, rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("dimension", [*DIMENSIONS, 200])
def test_moments_of_one_cap_against_a_rule(dimension):
    angle = np.array([0.2, 0.9, 1.4, np.pi / 2])
    roots, weights = roots_legendre(64)
    phi = 0.5 * angle[:, None] * (1.0 + roots)
    density = np.sin(phi) ** (dimension - 2) * weights * 0.5 * angle[:, None]
    whole = 2.0 * density[-1].sum()  # two halves
    moments = [np.sum(density * value, axis=1) / whole for value in (np.cos(phi), np.cos(phi) - np.cos(angle)[:, None])]
    np.testing.assert_allclose(caps.moment(dimension, angle), moments[0], rtol=0.0, atol=2e-15)
    np.testing.assert_allclose(caps.ramp(dimension, angle), moments[1], rtol=0.0, atol=2e-15)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_caps_apart_and_inside_one_another(dimension):
    A, B = np.array([0.4, 1.1, 0.4, 1.0]), np.array([0.9, 0.2, 0.9, 1.0])
    for theta, expected in (
        (np.array([0.3, 0.8, 0.5, 0.0]), caps.tail(dimension, np.minimum(A, B))),
        (np.array([1.4, 1.3, 2.0, np.pi]), np.zeros(4)),
    ):
        got = caps.pairs(dimension, A, B, theta, ramps=True)
        np.testing.assert_allclose(got.both, expected, rtol=0.0, atol=5e-16)
        if not expected.any():
            for other in (got.left, got.right, got.ramps):
                np.testing.assert_allclose(other, 0.0, atol=5e-16)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_half_spheres_are_lunes(dimension):
    half, theta = np.full(9, np.pi / 2), np.linspace(0.0, np.pi, 9)
    got = caps.pairs(dimension, half, half, theta, ramps=False)
    np.testing.assert_allclose(got.both, 0.5 - theta / (2.0 * np.pi), rtol=0.0, atol=5e-16)
    assert got.left is None
    assert got.ramps is None


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_ramps_are_the_integrals_of_steps(dimension):
    """(U − α)₊ is the integral of 1(U > t) over t > α: a Gauss rule in t, from touch to touch."""
    A, B, theta = 0.9, 0.6, 0.5
    roots, weights = np.polynomial.legendre.leggauss(60)
    total = {"left": 0.0, "ramps": 0.0}
    for low, high in ((np.cos(A), np.cos(B - theta)), (np.cos(B - theta), 1.0)):  # where the caps touch
        # A substitution that makes roots of the distance from both ends smooth.
        t = 0.5 * (low + high) + 0.5 * (high - low) * np.sin(0.5 * np.pi * roots)
        mass = 0.5 * (high - low) * weights * 0.5 * np.pi * np.cos(0.5 * np.pi * roots)
        got = caps.pairs(dimension, np.arccos(t), np.full(60, B), np.full(60, theta), ramps=True)
        total["left"] += float(mass @ got.both)
        total["ramps"] += float(mass @ got.right)
    one = caps.pairs(dimension, *(np.array([side]) for side in (A, B, theta)), ramps=True)
    assert one.left[0] == pytest.approx(total["left"], abs=1e-14)
    assert one.ramps[0] == pytest.approx(total["ramps"], abs=1e-14)
    exchanged = caps.pairs(dimension, *(np.array([side]) for side in (B, A, theta)), ramps=True)
    assert exchanged.right[0] == pytest.approx(one.left[0], abs=1e-16)
    assert exchanged.ramps[0] == pytest.approx(one.ramps[0], abs=1e-16)
