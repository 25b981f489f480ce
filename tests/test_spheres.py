"""Cosines of frequencies on a sphere in R^d against series, samples and other forms."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from barren import targets
from barren.classes import Frequencies, sphere


@pytest.mark.parametrize("dimension", [2, 3, 7])
def test_sphere_against_a_sample(dimension):
    random = np.random.default_rng(6)
    directions = random.standard_normal((200_000, dimension))
    sphere = 0.8 * directions / np.linalg.norm(directions, axis=1)[:, None]
    cls, sample = (
        Frequencies(0.8, targets.Cosine(), dimension=dimension),
        Frequencies(target=targets.Cosine(), frequencies=sphere),
    )
    x = np.concatenate([random.standard_normal((5, dimension)), np.zeros((1, dimension))])
    np.testing.assert_allclose(cls.mean(x), sample.mean(x), rtol=0.0, atol=0.01)
    np.testing.assert_allclose(cls.kernel(x, x[:3]), sample.kernel(x, x[:3]), rtol=0.0, atol=0.01)


def test_circle_in_three_dimensions_is_a_sine_over_its_argument():
    cls, x = Frequencies(2.0, targets.Cosine(), dimension=3), np.array([[0.3, 0.4, 0.0], [1e-9, 0.0, 0.0]])
    np.testing.assert_allclose(cls.mean(x), np.sinc(2 * 2.0 * np.array([0.5, 1e-9])), rtol=0.0, atol=1e-15)


def sphere_by_series(dimension, r):
    """Σ_m (−r²/4)^m/(m!·(d/2)_m) in exact fractions."""
    z, term, total, m = -(Fraction(r) ** 2) / 4, Fraction(1), Fraction(0), 0
    while abs(term) > Fraction(1, 10**25) or m < 3:
        total += term
        m += 1
        term = (term * z / (m * (Fraction(dimension, 2) + m - 1))).limit_denominator(10**60)
    return float(total)


@pytest.mark.parametrize("dimension", [2, 3, 29, 30, 50, 99, 100, 200, 256, 400, 1000])
def test_sphere_against_its_series(dimension):
    r = np.array(
        [
            0.0,
            1e-9,
            1e-3,
            0.5,
            3.0,
            10.0,
            20.0,
            40.0,
            *(np.sqrt(dimension) * np.array([1.0, 3.0, 6.0, 9.0, 10.9, 11.0])),
        ]
    )
    x = np.zeros((len(r), dimension))
    x[:, 1] = r / (2.0 * np.pi)
    cls = Frequencies(1.0, targets.Cosine(), dimension=dimension)
    exact = [sphere_by_series(dimension, value) for value in 2.0 * np.pi * x[:, 1]]
    np.testing.assert_allclose(cls.mean(x), exact, rtol=0.0, atol=5e-15)
    far = np.full((1, dimension), 1e3)
    assert np.isfinite(cls.kernel(far, x)).all()


@pytest.mark.parametrize("dimension", [2, 5])
def test_a_sum_of_cosines_on_a_sphere(dimension):
    """Against a sample of the sphere, and a sum of waves at one frequency against the wave."""
    random = np.random.default_rng(6)
    directions = random.standard_normal((200_000, dimension))
    sphere = 0.8 * directions / np.linalg.norm(directions, axis=1)[:, None]
    target = targets.Cosine(1) - 0.5 * targets.Cosine(2) + 1
    cls, sample = Frequencies(0.8, target, dimension=dimension), Frequencies(target=target, frequencies=sphere)
    x = np.concatenate([random.standard_normal((5, dimension)), np.zeros((1, dimension))])
    np.testing.assert_allclose(cls.mean(x), sample.mean(x), rtol=0.0, atol=0.015)
    np.testing.assert_allclose(cls.kernel(x, x[:3]), sample.kernel(x, x[:3]), rtol=0.0, atol=0.015)
    twice, once = (
        Frequencies(0.8, targets.Cosine(k), dimension=dimension).kernel(points, points)
        for k, points in ((2, x), (1, 2 * x))
    )
    np.testing.assert_allclose(twice, once, rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("dimension", [2, 3, 8, 29, 30, 101, 500])
@pytest.mark.parametrize("k", [1, -3])
def test_kernels_on_a_sphere_lose_no_digits_at_small_points(dimension, k):
    """To second order in both points K is Cov((a·x)², (a·y)²)/4, and that is known on the sphere."""
    random = np.random.default_rng(dimension)
    x = random.standard_normal((6, dimension)) * np.array([[1e-70], [1e-9], [3e-9], [2e-8], [1e-8], [0.0]])
    cls = Frequencies(0.5, targets.Cosine(k), dimension=dimension)
    w, d = np.pi * k * x, dimension
    inner, squares = w @ w.T, np.sum(w**2, axis=1)
    fourth = (np.multiply.outer(squares, squares) + 2.0 * inner**2) / (d * (d + 2))
    expected = 0.25 * (fourth - np.multiply.outer(squares, squares) / d**2)
    scale = np.multiply.outer(*[np.sqrt(np.diag(expected))] * 2)
    assert np.all(np.abs(cls.kernel(x, x) - expected) <= 1e-13 * scale)


@pytest.mark.parametrize("dimension", [2, 3, 29, 30, 101])
def test_kernels_on_a_sphere_by_harmonics_and_by_difference_agree(dimension):
    random = np.random.default_rng(7)
    directions = random.standard_normal((12, dimension))
    radii = np.sqrt(dimension) * np.linspace(0.3, 1.7, 12)
    x = directions / np.linalg.norm(directions, axis=1)[:, None] * radii[:, None]
    kernel = sphere.kernel(dimension, x, x)
    means = [sphere.mean(dimension, sphere.norms((x[:, None] + s * x).reshape(-1, dimension))) for s in (1, -1)]
    at = sphere.mean(dimension, radii)
    plain = 0.5 * (means[0] + means[1]).reshape(12, 12) - np.multiply.outer(at, at)
    np.testing.assert_allclose(kernel, plain, rtol=0.0, atol=1e-14)
    np.testing.assert_allclose(kernel, kernel.T, rtol=0.0, atol=1e-15)
