"""Bounds: λ against the brute-force covariance, the ladder's order, and that nothing ever exceeds λ."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import (
    COMPOSITES,
    PRIMES,
    assert_below_the_bound,
    jacobian,
    laws_for,
    multipliers_for,
    random_weights,
    relative,
    targets_for,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import barren
from barren import _fft, inputs, reference, targets
from barren.classes import characters
from barren.classes.correlation import HalfTransform


def brute_force(cls: barren.ModularMultiplication, law: inputs.Law) -> float:
    """Largest eigenvalue of √c·K·√c with K from the definition."""
    points, roots = law.points(cls.p), np.sqrt(law.weights(cls.p))
    return float(np.linalg.eigvalsh(roots[:, None] * reference.kernel(cls, points, points) * roots)[-1])


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_sharp_bound_is_the_largest_eigenvalue(p):
    for target in targets_for(p):
        for multipliers in multipliers_for(p):
            cls = barren.ModularMultiplication(p, target, multipliers)
            for law in laws_for(p):
                expected = brute_force(cls, law)
                assert barren.sharp_bound(cls, law) == pytest.approx(expected, rel=1e-10, abs=1e-14), (cls, law)


@pytest.mark.parametrize("multipliers", ["units", "all"])
def test_lanczos_agrees_with_the_closed_form(multipliers):
    """Above 512 points a law that is not uniform goes through Lanczos; try it on uniform weights and others."""
    cls = barren.ModularMultiplication(1009, targets.Bit(0), multipliers)
    sample = inputs.Sample(np.arange(1009))
    assert barren.sharp_bound(cls, sample) == pytest.approx(barren.sharp_bound(cls), rel=1e-10)
    law = random_weights(1009)
    roots, points = np.sqrt(law.weights(1009)), law.points(1009)
    dense = np.linalg.eigvalsh(roots[:, None] * cls.kernel(points, points) * roots)[-1]
    assert barren.sharp_bound(cls, law) == pytest.approx(dense, rel=1e-10)
    given = barren.ModularMultiplication(1009, targets.Bit(0), np.arange(1, 300))
    kernel = given.kernel(points, points) / 1009
    assert barren.sharp_bound(given) == pytest.approx(np.linalg.eigvalsh(kernel)[-1], rel=1e-10)


@pytest.mark.parametrize(
    ("p", "expected"), [(101, 0.6363), (1009, 1.1178), (10007, 1.7057), (100003, 2.4293), (1000003, 2.7252)]
)
def test_sawtooth_constants(p, expected):
    """Measured for docs/theory, section 4, to four digits."""
    assert p * barren.sharp_bound(barren.ModularMultiplication(p, targets.Sawtooth())) == pytest.approx(
        expected, abs=6e-5
    )


@pytest.mark.parametrize(("p", "expected"), [(101, 1.274), (1009, 2.160), (10007, 2.446)])
def test_lowest_bit_constants(p, expected):
    assert p * barren.sharp_bound(barren.ModularMultiplication(p, targets.Bit(0))) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_the_extremal_jacobian_attains_the_bound(p):
    for target in targets_for(p):
        for multipliers in multipliers_for(p):
            cls = barren.ModularMultiplication(p, target, multipliers)
            for law in laws_for(p):
                J = barren.extremal_jacobian(cls, law)
                found = reference.from_jacobian(cls, J, law).variance
                assert law.weights(p) @ J[:, 0] ** 2 == pytest.approx(1.0, rel=1e-12)
                assert found == pytest.approx(barren.sharp_bound(cls, law), rel=1e-10, abs=1e-14), (cls, law)


@pytest.mark.parametrize("law", [inputs.Uniform(), random_weights(1009)])
def test_the_extremal_jacobian_of_a_larger_prime(law):
    for multipliers in ("units", "all", np.arange(1, 300)):
        cls = barren.ModularMultiplication(1009, targets.Bit(0), multipliers)
        v = barren.gradient_variance(cls, jacobian=barren.extremal_jacobian(cls, law), inputs=law)
        assert float(v) == pytest.approx(barren.sharp_bound(cls, law), rel=1e-10)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_var_over_b_squared_is_below_the_bound(data):
    """Any prime and composite, target, multipliers, law and Jacobian; what is nearly extremal is tried too."""
    p = data.draw(st.sampled_from([3, 5, 7, 13, 15, 16, 31, 101]))
    target = data.draw(st.sampled_from(targets_for(p)))
    multipliers = data.draw(st.sampled_from(multipliers_for(p)))
    law = data.draw(st.sampled_from(laws_for(p)))
    cls = barren.ModularMultiplication(p, target, multipliers)
    noise = np.random.default_rng(data.draw(st.integers(0, 2**32))).standard_normal((law.size(p), 2))
    J = barren.extremal_jacobian(cls, law) + data.draw(st.sampled_from([0.0, 1e-6, 0.1, 10.0])) * noise
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the tail is heavy.*")
        assert_below_the_bound(barren.gradient_variance(cls, jacobian=J, inputs=law))


def test_a_gradient_never_exceeds_the_bound():
    p = 101
    for multipliers in ["units", "all"]:
        for target in targets_for(p):
            cls = barren.ModularMultiplication(p, target, multipliers)
            for seed in range(3):
                J = np.random.default_rng(seed).standard_normal((p, 2)) ** 3
                v = barren.gradient_variance(cls, jacobian=J)
                assert_below_the_bound(v)


@pytest.mark.parametrize("p", [3, 13, 101])
@pytest.mark.parametrize("multipliers", ["units", "all"])
@pytest.mark.parametrize("law", [inputs.Uniform(), inputs.Uniform(zero=False)])
def test_the_ladder(p, multipliers, law):
    for target in targets_for(p):
        cls = barren.ModularMultiplication(p, target, multipliers)
        ladder = {rung.name: rung for rung in barren.bounds(cls, law)}
        assert list(ladder)[-1] == "published-rate"
        assert not ladder["published-rate"].proven
        assert ladder["published-rate"].value == p**-0.5
        sharp = ladder["sharp"].value
        assert sharp == barren.sharp_bound(cls, law)
        for rung in ladder.values():
            if rung.proven:
                assert rung.value >= sharp * (1 - 1e-12), (cls, rung)
        assert relative(ladder["boas-bellman"].value, boas_bellman(cls, law)) <= 1e-12


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_the_ladder_of_any_law_and_set(p):
    for target in targets_for(p):
        for multipliers in multipliers_for(p):
            cls = barren.ModularMultiplication(p, target, multipliers)
            for law in laws_for(p):
                ladder = {rung.name: rung.value for rung in barren.bounds(cls, law)}
                assert relative(ladder["boas-bellman"], boas_bellman(cls, law)) <= 1e-7, (cls, law)
                assert relative(ladder["trivial"], trivial(cls, law)) <= 1e-12, (cls, law)
                whole = isinstance(law, inputs.Uniform) and cls.is_prime and isinstance(multipliers, str)
                assert ("bounded-variation" in ladder) == ("published-rate" in ladder) == whole
                for name in {"boas-bellman", "bounded-variation", "trivial"} & set(ladder):
                    assert ladder[name] >= ladder["sharp"] * (1 - 1e-12)


def test_the_ladder_by_points_and_by_members_agree():
    """Which side the pairs are summed on depends on the sizes alone."""
    few, many = np.arange(1, 40), np.arange(1, 900)
    for cls in (barren.ModularMultiplication(1009, targets.Bit(0), which) for which in (few, many)):
        law = inputs.Sample(np.arange(100, 300))
        assert (
            relative(
                {rung.name: rung.value for rung in barren.bounds(cls, law)}["boas-bellman"], boas_bellman(cls, law)
            )
            < 1e-10
        )


def trivial(cls: barren.ModularMultiplication, law: inputs.Law) -> float:
    """The mean squared norm of a centred member."""
    centred = reference.values(cls, cls.members, law.points(cls.p))
    centred -= centred.mean(axis=0)
    return float((centred**2 @ law.weights(cls.p)).mean())


def boas_bellman(cls: barren.ModularMultiplication, law: inputs.Law) -> float:
    """From the whole Gram matrix of the centred class."""
    centred = reference.values(cls, cls.members, law.points(cls.p))
    centred -= centred.mean(axis=0)
    gram = centred * law.weights(cls.p) @ centred.T
    diagonal = np.diag(gram)
    return float((diagonal.max() + np.sqrt(np.sum(gram**2) - np.sum(diagonal**2))) / len(gram))


def test_boas_bellman_of_parity_is_about_1_42_over_root_p():
    p = 1000003
    parity = targets.Table(1.0 - 2.0 * (np.arange(p) % 2))
    rungs = {rung.name: rung.value for rung in barren.bounds(barren.ModularMultiplication(p, parity))}
    assert rungs["boas-bellman"] * p**0.5 == pytest.approx(1.42, abs=0.01)
    assert rungs["boas-bellman"] / rungs["sharp"] == pytest.approx(99, abs=1)


def test_bad_input():
    with pytest.raises(TypeError, match="cls must be"):
        barren.sharp_bound(1009)
    with pytest.raises(TypeError, match="inputs must be"):
        barren.sharp_bound(barren.ModularMultiplication(11), [1, 2])
    with pytest.raises(ValueError, match="2 GiB"):
        barren.sharp_bound(barren.ModularMultiplication(10**6))
    with pytest.raises(ValueError, match="inputs must be few enough points for a sum over all pairs"):
        barren.bounds(barren.ModularMultiplication(1000003), inputs.RandomBits(20))


def test_a_class_of_one_member_has_no_variance():
    assert barren.sharp_bound(barren.ModularMultiplication(11, multipliers=[3])) == 0.0
    v = barren.gradient_variance(barren.ModularMultiplication(11, multipliers=[3]), jacobian=jacobian(11))
    assert v.bound == 0.0


@pytest.mark.parametrize("p", [2**61 - 1, 2**255 - 19])
def test_the_ladder_where_members_cannot_be_listed(p):
    cls = barren.ModularMultiplication(p, targets.Bit(0))
    rungs = barren.bounds(cls, inputs.Sample([1, 2, 3]))
    assert [rung.name for rung in rungs] == ["sharp", "trivial"]
    assert rungs[0].value == pytest.approx(barren.sharp_bound(cls, inputs.Sample([1, 2, 3])))
    assert rungs[1].value == pytest.approx(0.25)


@pytest.mark.parametrize("verb", [barren.sharp_bound, barren.bounds, barren.correlations, barren.sq_dimension])
def test_a_prime_too_large_for_a_uniform_law_is_told_of_other_laws(verb):
    for p in (2**61 - 1, 2**255 - 19):
        with pytest.raises(ValueError, match=rf"inputs must be a law of few points, such as Sample.* got .* p = {p}"):
            verb(barren.ModularMultiplication(p))
        with pytest.raises(ValueError, match=rf"p must be at most .* got {p}: .*Cosine"):
            verb(barren.ModularMultiplication(p, targets.Cosine()))


def test_transforms_that_do_not_fit_in_memory_are_refused_or_warned_of(monkeypatch):
    """Three machines: one too small, one that is busy, one with room; what is needed is named, with the backend."""
    cls, gib = barren.ModularMultiplication(1009), 2**30
    needed = max(HalfTransform(504, odd).working_bytes() for odd in (False, True)) + 4 * 1009
    for memory, free in ((64 * gib, needed), (None, None)):
        monkeypatch.setattr(characters._memory, "physical", lambda memory=memory: memory)
        monkeypatch.setattr(characters._memory, "available", lambda free=free: free)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = barren.sharp_bound(cls)
    monkeypatch.setattr(characters._memory, "available", lambda: needed - 1)
    with pytest.warns(UserWarning, match=r"p = 1009 needs about 0.0 GiB for transforms .* by .*; 0.0 GiB are free now"):
        assert barren.sharp_bound(cls) == expected
    monkeypatch.setattr(characters._memory, "physical", lambda: needed - 1)
    for backend, advice in (("scipy 1", True), ("ducc0 0", False)):
        monkeypatch.setattr(_fft, "backend", lambda name=backend: name)
        with pytest.raises(
            ValueError, match=f"p must be small enough .* got 1009, which needs .* by {backend}"
        ) as told:
            barren.sharp_bound(cls)
        assert ("with ducc0 installed it takes less" in str(told.value)) == advice


def test_no_rung_is_below_the_sharp_one():
    """Where the covariance has rank one all bounds are λ, up to a few roundings that must not show in the order."""
    for x in range(1, 31):
        for cls in (barren.ModularMultiplication(101, targets.Bit(0)), barren.ModularMultiplication(101)):
            rungs = barren.bounds(cls, inputs.Sample([x]))
            assert rungs[0].name == "sharp"
            assert all(rung.value >= rungs[0].value for rung in rungs)
            trivial = next(rung.value for rung in rungs if rung.name == "trivial")
            assert trivial == pytest.approx(rungs[0].value, rel=1e-12)
