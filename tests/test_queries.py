"""Correlations, statistical dimension, horizons and queries, collision entropy: from their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import COMPOSITES, PRIMES, jacobian, laws_for, multipliers_for, targets_for

import barren
from barren import inputs, reference, targets


def plain_correlations(cls: barren.ModularMultiplication, law: inputs.Law) -> tuple[np.ndarray, np.ndarray]:
    """The members that vary, and their matrix of correlations."""
    values = reference.values(cls, cls.members, law.points(cls.p))
    weights = law.weights(cls.p)
    centred = values - (values @ weights)[:, None]
    covariance = (centred * weights) @ centred.T
    varies = np.diag(covariance) > 1e-20
    deviations = np.sqrt(np.diag(covariance)[varies])
    return cls.members[varies], covariance[np.ix_(varies, varies)] / np.outer(deviations, deviations)


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_correlations(p):
    for target in targets_for(p):
        for multipliers in multipliers_for(p):
            cls = barren.ModularMultiplication(p, target, multipliers)
            for law in laws_for(p):
                members, rho = plain_correlations(cls, law)
                sizes = np.sort(np.abs(rho[np.triu_indices(len(rho), 1)]))
                found = barren.correlations(cls, law)
                assert np.array_equal(found.members, members), (cls, law)
                assert found.pairs == len(sizes)
                assert found.largest == pytest.approx(sizes.max(initial=0.0), abs=1e-9)
                expected = np.sqrt(np.mean(sizes**2)) if len(sizes) else 0.0
                assert found.root_mean_square == pytest.approx(expected, abs=1e-9)
                for q in (0.0, 0.31, 1.0):
                    exact = sizes[max(0, math.ceil(q * len(sizes) - 1e-9) - 1)] if len(sizes) else 0.0
                    assert found.quantile(q) == pytest.approx(exact, abs=1e-9), (cls, law, q)


def test_correlations_by_ratio_are_dedekind_sums():
    import flint

    p = 101
    found = barren.correlations(barren.ModularMultiplication(p))
    root = barren.classes.unit_group(p).root
    sums = np.array([float(flint.fmpq.dedekind_sum(pow(root, k, p), p)) for k in range(p - 1)])
    assert np.allclose(found.by_ratio, sums / sums[0], rtol=0, atol=1e-12)
    assert found.by_ratio[0] == 1.0


def test_correlations_of_frequencies():
    """The sawtooth on [0, 1]: gcd(a, b)²/(ab)."""
    a = np.arange(1, 31)
    rho = (np.gcd.outer(a, a) ** 2 / np.outer(a, a))[np.triu_indices(30, 1)]
    found = barren.correlations(barren.Frequencies(30))
    assert found.largest == pytest.approx(0.5, rel=1e-14)
    assert found.root_mean_square == pytest.approx(np.sqrt(np.mean(rho**2)), rel=1e-12)
    assert found.quantile(0.5) == pytest.approx(np.sort(rho)[math.ceil(0.5 * len(rho)) - 1], rel=1e-12)


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_the_certificate_of_the_dimension(p):
    for target in targets_for(p):
        for multipliers in multipliers_for(p):
            cls = barren.ModularMultiplication(p, target, multipliers)
            for law in laws_for(p):
                found = barren.sq_dimension(cls, law)
                members, rho = plain_correlations(cls, law)
                assert found.lower == len(found.members) == len(set(found.members.tolist()))
                assert found.lower <= found.upper <= max(1, len(members)) or not len(members)
                where = [int(np.flatnonzero(members == a)[0]) for a in found.members]
                off = np.abs(rho[np.ix_(where, where)])
                np.fill_diagonal(off, 0.0)
                assert off.max(initial=0.0) <= 1.0 / max(1, found.lower), (cls, law)
                assert found.largest == pytest.approx(off.max(initial=0.0), abs=1e-9)


@pytest.mark.parametrize("p", [5, 7])
def test_the_dimension_is_between_its_bounds(p):
    """Every subset of members, for the smallest primes."""
    from itertools import combinations

    for target in targets_for(p):
        cls = barren.ModularMultiplication(p, target)
        _, rho = plain_correlations(cls, inputs.Uniform())
        sizes = np.abs(rho - np.diag(np.diag(rho)))
        exact = max(
            count
            for count in range(1, len(rho) + 1)
            for some in combinations(range(len(rho)), count)
            if sizes[np.ix_(some, some)].max() <= 1 / count + 1e-12
        )
        found = barren.sq_dimension(cls)
        assert found.lower <= exact <= found.upper, cls


def test_the_dimension_of_a_larger_prime():
    found = barren.sq_dimension(barren.ModularMultiplication(10007))
    assert found.lower >= 25
    assert found.largest <= 1 / found.lower
    assert found.upper <= 10007 / 8
    values = reference.values(barren.ModularMultiplication(10007), found.members, np.arange(10007))
    rho = np.abs(np.corrcoef(values))
    np.fill_diagonal(rho, 0.0)
    assert rho.max() <= 1 / found.lower


def test_the_dimension_of_frequencies():
    found = barren.sq_dimension(barren.Frequencies(50))
    a = found.members
    rho = np.gcd.outer(a.astype(int), a.astype(int)) ** 2 / np.outer(a, a)
    np.fill_diagonal(rho, 0.0)
    assert rho.max() <= 1 / found.lower


def test_horizon_by_chebyshev():
    """The part of the members whose gradient leaves the ball of radius ε is at most Var/ε², whatever J is."""
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    v = barren.gradient_variance(cls, jacobian=jacobian(101))
    for error in (0.5, 1.0, 3.0):
        radius = error * float(v) ** 0.5
        outside = np.mean(v.deviations > radius**2)
        assert outside <= float(v) / radius**2
        horizon = barren.oracle_horizon(v, error=radius, probability=0.5)
        assert horizon == math.floor(0.5 * error**2)
        assert horizon * outside <= 0.5
    assert barren.oracle_horizon(0.0, error=1e-3) == math.inf
    assert barren.oracle_horizon(1e-8, error=1e-3, probability=0.0) == 100


def test_a_query_tells_few_members_apart():
    """At most the part λ/τ² of the members answers q further than τ from the mean, for noise and for the extremal q."""
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    sharp, values = barren.sharp_bound(cls), reference.values(cls, cls.members, np.arange(101))
    queries = [barren.extremal_jacobian(cls)[:, 0], *np.random.default_rng(0).standard_normal((5, 101))]
    for q in queries:
        unit = q / np.sqrt(np.mean(q**2))
        away = np.abs((values - values.mean(axis=0)) @ unit / 101)
        for tau in (0.02, 0.1, 0.2):
            assert np.mean(away > tau) <= sharp / tau**2
            assert barren.sq_queries(cls, tolerance=tau) == math.ceil(0.99 * tau**2 / sharp)
    assert barren.sq_queries(barren.ModularMultiplication(11, multipliers=[3]), tolerance=0.1) == 0
    constant = barren.ModularMultiplication(5, targets.Table(np.ones(5)))
    assert barren.sq_queries(constant, tolerance=0.1) == math.inf


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_collision_entropy(p):
    for law in laws_for(p):
        mass = np.zeros(p)
        np.add.at(mass, law.points(p), law.weights(p))
        assert barren.collision_entropy(law, p) == pytest.approx(-np.log2(np.sum(mass**2)), abs=1e-12), law


@pytest.mark.parametrize("p", [p for p in PRIMES if p > 3])
def test_collisions_bound_the_variance(p):
    """Var ≤ p·λ·max‖J‖²·2^(−H₂), λ that of x uniform on Z_p."""
    for target in targets_for(p):
        cls = barren.ModularMultiplication(p, target)
        for law in laws_for(p):
            at = np.random.default_rng(p).standard_normal((p, 3))[law.points(p)]  # J is a function of x
            var = reference.from_jacobian(cls, at, law).variance
            largest = np.sum(at**2, axis=1).max()
            bound = p * barren.sharp_bound(cls) * largest * 2.0 ** -barren.collision_entropy(law, p)
            assert var <= bound * (1 + 1e-12)


def test_collision_entropy_of_cryptographic_size():
    p = 2**255 - 19
    assert barren.collision_entropy(inputs.Uniform(), p) == pytest.approx(255.0, abs=1e-12)
    assert barren.collision_entropy(inputs.RandomBits(300), p) == pytest.approx(255.0, abs=1e-9)
    assert barren.collision_entropy(inputs.RandomBits(8), p) == 8.0


def test_collision_entropy_of_a_sample_needs_no_modulus():
    law = inputs.Sample([2**254, 2**254, 1])
    assert barren.collision_entropy(law) == pytest.approx(-np.log2(5 / 9), rel=1e-14)
    assert barren.collision_entropy(law) == barren.collision_entropy(law, 2**255 - 19)


def test_bad_input():
    cls = barren.ModularMultiplication(11)
    with pytest.raises(ValueError, match="error must be positive"):
        barren.oracle_horizon(1.0, error=0.0)
    with pytest.raises(ValueError, match="variance must be"):
        barren.oracle_horizon(-1.0, error=1.0)
    with pytest.raises(TypeError, match="variance must be"):
        barren.oracle_horizon("1", error=1.0)
    with pytest.raises(ValueError, match="probability must be"):
        barren.oracle_horizon(1.0, error=1.0, probability=1.5)
    with pytest.raises(ValueError, match="tolerance must be positive"):
        barren.sq_queries(cls, tolerance=-1.0)
    with pytest.raises(TypeError, match="cls must be"):
        barren.correlations(5)
    with pytest.raises(ValueError, match="q must be"):
        barren.correlations(cls).quantile(2.0)
    with pytest.raises(TypeError, match="p must be given"):
        barren.collision_entropy(inputs.Uniform())
    with pytest.raises(TypeError, match="inputs must be"):
        barren.collision_entropy([1, 2])
    with pytest.raises(ValueError, match="2 GiB"):
        barren.correlations(barren.ModularMultiplication(10**5))
    with pytest.raises(ValueError, match="2 GiB"):
        barren.sq_dimension(barren.Frequencies(10**5))


def test_answers_at_the_ends_of_the_range_of_floats():
    assert barren.oracle_horizon(1e-8, error=1e-3, probability=0.9) == 10
    assert barren.oracle_horizon(5e-324, error=1.0) > 10**300
    assert barren.oracle_horizon(1.0, error=1e200) > 10**300
    assert barren.sq_queries(barren.ModularMultiplication(101), tolerance=1e200) > 10**300
    for law in (inputs.PowersOfTwo(), inputs.LowWeight(2), inputs.SmallIntegers(3)):
        with pytest.raises(TypeError, match="p must be given for"):
            barren.collision_entropy(law)


def test_a_tie_does_not_count_for_the_certificate():
    """|ρ| = gcd²/(ab) = 1/2 at a = 1, b = 2: the certificate keeps its distance, and D = 2 stays allowed above."""
    found = barren.sq_dimension(barren.Frequencies(2))
    assert (found.lower, found.upper) == (1, 2)
