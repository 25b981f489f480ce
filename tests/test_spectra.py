"""Spectra over characters and frequencies, against plain sums; orders; the shares of the variance."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import PRIMES, jacobian, relative, targets_for

import barren
from barren import spectra, targets
from barren.classes import unit_group


def plain(values: np.ndarray) -> np.ndarray:
    """Σ_columns |Σ_i f(i)·e(−ki/n)|², as it is written."""
    n = len(values)
    i = np.arange(n)
    transformed = np.exp(-2j * np.pi * (np.outer(i, i) % n) / n) @ values.reshape(n, -1)
    return (np.abs(transformed) ** 2).sum(axis=1)


@pytest.mark.parametrize("p", PRIMES)
@pytest.mark.parametrize("shape", [(), (1,), (4,)])
def test_spectra_are_the_plain_sums(p, shape):
    f = np.random.default_rng(p).standard_normal((p, *shape))
    powers = np.array([pow(unit_group(p).root, i, p) for i in range(p - 1)])
    found = spectra.character_spectrum(f)
    assert relative(found.energy, plain(f[powers])) <= 1e-12
    assert found.energy.sum() == pytest.approx((p - 1) * np.sum(f[1:] ** 2), rel=1e-12)
    found = spectra.additive_spectrum(f)
    assert relative(found.energy, plain(f)) <= 1e-12
    assert found.energy.sum() == pytest.approx(p * np.sum(f**2), rel=1e-12)


def test_additive_spectra_of_any_length():
    for n in (3, 4, 15, 16):
        f = np.random.default_rng(n).standard_normal((n, 2)).astype(np.float32)
        assert relative(spectra.additive_spectrum(f).energy, plain(f.astype(np.float64))) <= 1e-12


@pytest.mark.parametrize("p", PRIMES)
def test_the_spectrum_of_a_class_is_that_of_its_table(p):
    for target in targets_for(p):
        found = barren.spectrum(barren.ModularMultiplication(p, target))
        expected = spectra.character_spectrum(target.table(p))
        assert np.abs(found.energy - expected.energy).max() <= 1e-12 * p * np.abs(target.table(p)).max() ** 2 * p


@pytest.mark.parametrize("p", PRIMES)
def test_the_shares_sum_to_the_variance(p):
    J = jacobian(p)
    for target in targets_for(p):
        cls = barren.ModularMultiplication(p, target)
        found = spectra.variance_spectrum(cls, J)
        var = float(barren.gradient_variance(cls, jacobian=J, method="direct"))
        assert found.energy.sum() == pytest.approx(var, rel=1e-10, abs=1e-14)
        assert found.shares[0] == 0.0


def test_a_single_character_has_everything():
    p = 101
    f = np.zeros(p)
    f[unit_group(p).powers] = np.cos(2 * np.pi * 7 * np.arange(p - 1) / (p - 1))
    found = spectra.character_spectrum(f)
    assert [index for index, _ in found.largest(2)] == [7, 93]
    assert found.shares[[7, 93]].sum() == pytest.approx(1.0, rel=1e-12)
    assert found.gini > 0.97


def test_orders_are_inverse():
    f = np.random.default_rng(0).standard_normal((13, 2, 3))
    there = spectra.to_logarithmic_order(f)
    assert np.array_equal(spectra.from_logarithmic_order(there, f[0]), f)
    assert np.array_equal(there[3], f[pow(unit_group(13).root, 3, 13)])


def test_gini_is_the_mean_difference():
    v = np.random.default_rng(0).random(40) ** 3
    expected = np.abs(v[:, None] - v).mean() / (2 * v.mean())
    assert spectra.gini(v) == pytest.approx(expected, rel=1e-12)
    assert spectra.gini(np.zeros(3)) == 0.0


def test_bad_input():
    with pytest.raises(ValueError, match="odd prime"):
        spectra.character_spectrum(np.ones(9))
    with pytest.raises(ValueError, match="odd prime"):
        spectra.to_logarithmic_order(np.ones(9))
    with pytest.raises(ValueError, match="odd prime"):
        spectra.from_logarithmic_order(np.ones(9 - 1))
    with pytest.raises(ValueError, match="an array over"):
        spectra.to_logarithmic_order(1.0)
    with pytest.raises(ValueError, match="an array over"):
        spectra.from_logarithmic_order(1.0)
    with pytest.raises(TypeError, match="finite numbers"):
        spectra.character_spectrum(["a", "b", "c"])
    with pytest.raises(ValueError, match="finite"):
        spectra.additive_spectrum([1.0, np.nan, 0.0])
    with pytest.raises(ValueError, match="at least 3"):
        spectra.additive_spectrum([1.0, 2.0])
    with pytest.raises(ValueError, match="non-negative"):
        spectra.gini([-1.0])
    with pytest.raises(TypeError, match="cls must be"):
        barren.spectrum(5)
    with pytest.raises(ValueError, match="'units'"):
        spectra.variance_spectrum(barren.ModularMultiplication(5, targets.Sawtooth(), "all"), np.ones(5))
    with pytest.raises(ValueError, match="one row for each"):
        spectra.variance_spectrum(barren.ModularMultiplication(5), np.ones(7))
    with pytest.raises(ValueError, match="count"):
        barren.spectrum(barren.ModularMultiplication(5)).largest(-1)
