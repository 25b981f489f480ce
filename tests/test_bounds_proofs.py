"""What docs/theory proves of single targets: the sawtooth and L(1, χ), the lowest bit, signs, covariances, phases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import digamma

import barren
from barren import targets
from barren.bounds.sharp import gram_of
from barren.classes.group import unit_group
from barren.figures import log_covariance, spectral_norm

PRIMES = [3, 5, 7, 31, 101, 307]


def transform(p: int, psi: np.ndarray) -> np.ndarray:
    """P[χ] of a function of the residues."""
    return np.fft.fft(psi[unit_group(p).powers])


def values_at_one(p: int) -> np.ndarray:
    """|L(1, χ)| = |Σ_t χ(t)·digamma(t/p)|/p for every character in the order of P, index 0 left out."""
    return np.abs(transform(p, digamma(np.maximum(np.arange(p), 0.5) / p)))[1:] / p


@pytest.mark.parametrize("p", PRIMES)
def test_the_sawtooth_and_values_of_l_functions(p):
    odd = np.arange(1, p - 1) % 2 == 1
    energies = np.where(odd, p * values_at_one(p) ** 2 / np.pi**2, 0.0)
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    np.testing.assert_allclose(cls.spectrum()[1:], energies, rtol=1e-11, atol=1e-12)
    expected = np.max(values_at_one(p)[odd]) ** 2 / (np.pi**2 * (p - 1))
    assert barren.sharp_bound(cls) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("p", PRIMES)
def test_the_lowest_bit_is_two_sawtooths(p):
    group, sawtooth = unit_group(p), targets.Sawtooth()
    log_of_two = int(np.flatnonzero(group.powers == 2 % p)[0])
    turns = np.exp(2j * np.pi * log_of_two * np.arange(p - 1) / (p - 1))  # conj χ(2) for the χ of np.fft
    expected = (2.0 / turns - 1.0) * transform(p, sawtooth.table(p))
    np.testing.assert_allclose(transform(p, targets.Bit(0).table(p))[1:], expected[1:], atol=1e-11 * p)
    bounds = [barren.sharp_bound(barren.ModularMultiplication(p, psi)) for psi in (targets.Bit(0), sawtooth)]
    assert bounds[0] <= 9.0 * bounds[1]


@pytest.mark.parametrize("p", PRIMES)
def test_singular_values_of_the_matrix_of_signs(p):
    units = np.arange(1, p)
    signs = 1.0 - 2.0 * (np.multiply.outer(units, units) % p % 2)
    (row,) = spectral_norm.compute({"p": p})
    assert np.linalg.svd(signs, compute_uv=False)[0] == pytest.approx(row["norm"], rel=1e-12)
    assert row["norm"] < row["proven"] * (p - 2) / p * (1 + 1e-12)


@pytest.mark.parametrize("p", PRIMES[1:])
def test_squared_covariances_are_fourth_powers_of_l_functions(p):
    x = np.arange(1, p)
    covariances = [np.mean((x - p / 2) * (k * x % p - p / 2)) for k in x]
    fourth = np.sum(values_at_one(p)[::2] ** 4)  # χ = 1, 3, 5, … are odd
    (row,) = log_covariance.compute({"p": p})
    assert row["mean_squared_covariance"] == pytest.approx(np.mean(np.square(covariances)), rel=1e-12)
    assert row["mean_squared_covariance"] == pytest.approx(p**6 * fourth / (np.pi * (p - 1)) ** 4, rel=1e-11)


def test_the_limit_of_squared_covariances():
    distances = []
    for p in (10007, 100003, 1000003):
        (row,) = log_covariance.compute({"p": p})
        distances.append(abs(row["mean_squared_covariance"] / p**3 - 5 / 144))
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 1e-5


def test_equal_moduli_of_coefficients_are_not_enough():
    """A table that is a translate of the threshold 1/2 has the same |c_k| and another Gram matrix."""
    k = np.arange(-40, 41)
    moved, plain = targets.Table([0.0, 1.0, 1.0, 0.0]), targets.Threshold(0.5)
    moduli = [np.abs(psi.circle().coefficients(k)) for psi in (moved, plain)]
    np.testing.assert_allclose(*moduli, atol=1e-15)
    entries = [gram_of(barren.Frequencies(3, psi)).rows(0, 3)[0, 2] for psi in (moved, plain)]
    np.testing.assert_allclose(entries, [-1 / 12, 1 / 12], rtol=1e-12)
