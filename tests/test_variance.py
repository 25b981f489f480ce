"""The pairing against the reference: classes × laws × methods × dtypes × threads, and every refusal."""

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
    methods_for,
    multipliers_for,
    random_weights,
    relative,
    targets_for,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import barren
from barren import inputs, reference, targets
from barren.variance import GivenJacobian, GivenNTK, diagonals, kernel, theta
from barren.variance.problem import Problem


def variance(cls: barren.ModularMultiplication, **options: object) -> barren.GradientVariance:
    """gradient_variance without the warning about samples of multipliers, which has a test of its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the tail is heavy.*")
        return barren.gradient_variance(cls, **options)


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_every_method_agrees_with_the_reference(p):
    for target in targets_for(p):
        for multipliers in multipliers_for(p):
            cls = barren.ModularMultiplication(p, target, multipliers)
            for law in laws_for(p):
                J = jacobian(law.size(p))
                expected = reference.from_jacobian(cls, J, law)
                scale = max(expected.variance, 1e-14)
                for method in methods_for(cls):
                    got = variance(cls, jacobian=J, inputs=law, method=method)
                    bare = variance(cls, jacobian=J, inputs=law, method=method, deviations=False)
                    where = (cls, law, method)
                    assert_below_the_bound(bare)
                    assert abs(float(got) - expected.variance) <= 1e-12 * scale, where
                    assert abs(float(bare) - expected.variance) <= 1e-12 * scale, where
                    assert np.abs(got.deviations - expected.deviations).max() <= 1e-12 * max(
                        expected.deviations.max(), 1e-14
                    ), where
                    assert got.method == method


@pytest.mark.parametrize("target", [targets.Sawtooth(), targets.Bit(0), targets.Table(np.sin(np.arange(100043.0)))])
def test_a_safe_prime(target):
    """p − 1 = 2·50021: neither half of the cycle has a length with small factors."""
    p = 100043
    cls, J = barren.ModularMultiplication(p, target), jacobian(p, 2)
    whole, plain = (variance(cls, jacobian=J, method=method) for method in ("character", "direct"))
    assert relative(float(whole), float(plain)) <= 1e-11
    assert relative(whole.deviations, plain.deviations) <= 1e-11
    assert relative(float(variance(cls, jacobian=J, method="character", deviations=False)), float(plain)) <= 1e-11


@pytest.mark.parametrize("p", [499, 1009, 1999])
@pytest.mark.parametrize("multipliers", ["units", "all"])
def test_larger_primes_to_1e_12(p, multipliers):
    for target in targets_for(p):
        cls = barren.ModularMultiplication(p, target, multipliers)
        for law in [inputs.Uniform(), random_weights(p)]:
            J = jacobian(p, columns=3)
            expected = reference.from_jacobian(cls, J, law)
            for method in ["direct", "character"]:
                got = variance(cls, jacobian=J, inputs=law, method=method)
                assert relative(float(got), expected.variance) <= 1e-12
                assert relative(got.deviations, expected.deviations) <= 1e-12


@pytest.mark.parametrize("method", ["direct", "character", "kernel"])
def test_float32_numbers(method):
    cls = barren.ModularMultiplication(211, targets.Bit(0))
    J = jacobian(211).astype(np.float32)
    expected = reference.from_jacobian(cls, J.astype(np.float64)).variance
    assert relative(float(variance(cls, jacobian=J, method=method)), expected) <= 1e-5


@pytest.mark.parametrize("method", ["direct", "character", "kernel"])
@pytest.mark.parametrize("p", [101, 105])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_for_any_number_of_threads(method, p, dtype):
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    if method == "character" and not cls.is_prime:
        with pytest.raises(ValueError, match="prime"):
            variance(cls, jacobian=jacobian(p), method=method)
        return
    J = jacobian(p, columns=20).astype(dtype)
    one, two, seven = (variance(cls, jacobian=J, method=method, threads=threads) for threads in (1, 2, 7))
    assert float(one) == float(two) == float(seven)
    assert np.array_equal(one.deviations, two.deviations)
    assert np.array_equal(one.deviations, seven.deviations)


@pytest.mark.parametrize("multipliers", ["units", "all"])
@pytest.mark.parametrize("law", [inputs.Uniform(), inputs.Uniform(zero=False), inputs.Sample(np.arange(0, 61, 2))])
@pytest.mark.parametrize("p", [61, 67])  # (p−1)/2 even and odd
def test_wrapped_diagonals_agree_with_the_reference(multipliers, law, p):
    """Above some hundred points the kernel method takes deviations from wrapped diagonals; force them here."""
    for target in targets_for(p):
        cls = barren.ModularMultiplication(p, target, multipliers)
        J = jacobian(law.size(p), offset=30.0)
        expected = reference.from_jacobian(cls, J, law)
        for tangent in [barren.variance.GivenNTK(J @ J.T), barren.variance.GivenJacobian(J)]:
            problem = Problem(cls, law, law.points(p), law.weights(p), tangent, 0, 2**30, True)
            for memory in [2**20, 40 * p * 5, 1]:  # one band, some, and one for each diagonal
                got = diagonals.run(problem, memory)
                assert relative(got.deviations, expected.deviations) <= 1e-11
                assert relative(got.variance, expected.variance) <= 1e-11


def test_kernel_takes_the_transforms_for_a_large_class():
    p = 1801
    cls = barren.ModularMultiplication(p, targets.Bit(0))
    J = jacobian(p, columns=2)
    by_transform = variance(cls, ntk=J @ J.T)
    direct = variance(cls, jacobian=J, method="direct")
    assert relative(by_transform.deviations, direct.deviations) <= 1e-11
    assert relative(by_transform.deviations.mean(), float(by_transform)) <= 1e-11


def test_small_memory_limits_change_nothing():
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    J = jacobian(101, columns=300)
    for method in ["direct", "character", "kernel"]:
        whole = variance(cls, jacobian=J, method=method)
        need = next(c.smallest_memory for c in whole.plan.candidates if c.method == method)
        pieces = variance(cls, jacobian=J, method=method, memory_limit=need)
        assert relative(float(pieces), float(whole)) <= 1e-13
        assert relative(pieces.deviations, whole.deviations) <= 1e-12
        with pytest.raises(ValueError, match=r"memory_limit .*direct needs .*character needs .*kernel needs"):
            variance(cls, jacobian=J, method=method, memory_limit=3000)


def test_memory_limit_passes_over_what_does_not_fit():
    cls = barren.ModularMultiplication(4001, targets.Bit(0))
    J = jacobian(4001, columns=1000)
    methods = []
    for limit in [2**30, 2**27, 2**20]:
        v = variance(cls, jacobian=J, memory_limit=limit)
        assert next(c for c in v.plan.candidates if c.method == v.method).memory <= limit
        methods.append(v.method)
    assert methods == ["character", "character", "character"]
    few = barren.ModularMultiplication(4001, targets.Bit(0), [1, 2])
    assert variance(few, jacobian=J).method == "direct"
    ntk = variance(cls, ntk=J @ J.T)
    assert ntk.method == "kernel"
    assert "the only exact method" in ntk.explain()


def test_ntk_and_jacobian_are_two_ways_to_say_the_same():
    cls = barren.ModularMultiplication(101, targets.Square(), "all")
    J = jacobian(101)
    from_ntk = variance(cls, ntk=J @ J.T)
    from_jacobian = variance(cls, jacobian=J)
    assert from_ntk.method == "kernel"
    assert relative(float(from_ntk), float(from_jacobian)) <= 1e-13
    assert relative(from_ntk.mean_squared_norm, from_jacobian.mean_squared_norm) <= 1e-13
    assert from_ntk.per_layer == {"ntk": float(from_ntk)}
    for method in ["direct", "character"]:
        with pytest.raises(ValueError, match="only Θ was given"):
            variance(cls, ntk=J @ J.T, method=method)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), p=st.sampled_from([5, 7, 15, 31]), method=st.sampled_from(["direct", "character", "kernel"]))
def test_identities(data, p, method):
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    if method == "character" and not cls.is_prime:
        method = "direct"
    points = np.array(data.draw(st.lists(st.integers(0, p - 1), min_size=1, max_size=12)))
    n = len(points)
    J = jacobian(n)
    value = float(variance(cls, jacobian=J, inputs=inputs.Sample(points), method=method))
    # Order of the points, scale of J, and a point split in two change what they must and nothing else.
    order = np.array(data.draw(st.permutations(range(n))))
    shuffled = variance(cls, jacobian=J[order], inputs=inputs.Sample(points[order]), method=method)
    assert float(shuffled) == pytest.approx(value, rel=1e-12, abs=1e-15)
    scaled = variance(cls, jacobian=-3.0 * J, inputs=inputs.Sample(points), method=method)
    assert float(scaled) == pytest.approx(9.0 * value, rel=1e-12, abs=1e-15)
    split = inputs.Sample(np.concatenate([points, points[:1]]), np.r_[0.25 / n, np.full(n - 1, 1 / n), 0.75 / n])
    doubled = variance(cls, jacobian=np.concatenate([J, J[:1]]), inputs=split, method=method)
    assert float(doubled) == pytest.approx(value, rel=1e-12, abs=1e-15)


def test_all_is_units_and_zero_by_total_variance():
    """Z_p is the units and 0: law of total variance, docs/theory, section 2."""
    p = 101
    J = jacobian(p)
    units = barren.ModularMultiplication(p, targets.Cosine())
    every = units.with_multipliers("all")
    weights = np.full(p, 1 / p)
    responses = units.values(np.arange(p), np.arange(p)) @ (weights[:, None] * J)
    gap = np.sum((responses[0] - responses[1:].mean(axis=0)) ** 2)
    expected = (p - 1) / p * float(variance(units, jacobian=J)) + (p - 1) / p**2 * gap
    assert float(variance(every, jacobian=J)) == pytest.approx(expected, rel=1e-12)


def test_sawtooth_response_to_the_sawtooth_is_a_dedekind_sum():
    """Σ_x ((x/p))((ax/p)) = s(a, p) for every a, against an independent implementation."""
    import flint

    from barren.variance.direct import responses

    p = 10007
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    points = np.arange(p)
    got = responses(cls, points, np.ones(p), cls.table()[:, None])[:, 0]
    expected = np.array([float(flint.fmpq.dedekind_sum(int(a), p)) for a in cls.members])
    assert np.abs(got - expected).max() <= 1e-9


def test_a_set_of_multipliers_carries_its_standard_error():
    p = 1009
    J = jacobian(p)
    whole = variance(barren.ModularMultiplication(p, targets.Bit(0)), jacobian=J)
    assert whole.standard_error == 0.0
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(40):
        drawn = rng.choice(np.arange(1, p), size=300, replace=False)
        part = variance(barren.ModularMultiplication(p, targets.Bit(0), drawn), jacobian=J)
        assert part.standard_error > 0.0
        errors.append((float(part) - float(whole)) / part.standard_error)
    assert 0.4 < np.std(errors) < 2.0
    alone = variance(barren.ModularMultiplication(p, targets.Bit(0), [5]), jacobian=J)
    assert float(alone) == 0.0
    assert alone.standard_error == np.inf
    every = variance(barren.ModularMultiplication(p, targets.Bit(0), np.arange(1, p)), jacobian=J)
    assert every.standard_error == 0.0
    assert relative(float(every), float(whole)) <= 1e-12


def test_a_heavy_tail_is_warned_of():
    p = 1009
    cls = barren.ModularMultiplication(p, targets.Bit(0), np.arange(1, 200))
    J = cls.values([1], np.arange(p)).T - 0.5  # a model that looks in the direction of the member a = 1
    with pytest.warns(UserWarning, match="the tail is heavy"):
        barren.gradient_variance(cls, jacobian=J)


def test_the_result_says_what_it_is():
    p = 101
    J = jacobian(p)
    v = variance(barren.ModularMultiplication(p, targets.Bit(0)), jacobian=J)
    assert v.normalised == pytest.approx(float(v) / np.mean(np.sum(J**2, axis=1)), rel=1e-12)
    assert list(v.members) == list(range(1, p))
    assert v.deviations.mean() == pytest.approx(float(v), rel=1e-12)
    top = v.easiest(3)
    assert [a for a, _ in top] == list(v.members[np.argsort(v.deviations)[::-1][:3]])
    assert sum(share for _, share in v.easiest(p)) == pytest.approx(1.0)
    text = v.explain()
    assert all(word in text for word in ["character", "direct", "kernel", "memory limit"])
    with pytest.raises(ValueError, match="pass deviations=True"):
        _ = variance(barren.ModularMultiplication(p), ntk=J @ J.T, deviations=False).deviations
    with pytest.raises(ValueError, match="needs a model and loss"):
        _ = v.normalised_by_probability


def test_a_zero_jacobian_has_no_variance():
    for method in ["direct", "character", "kernel"]:
        v = variance(barren.ModularMultiplication(11), jacobian=np.zeros((11, 2)), method=method)
        assert float(v) == 0.0
        assert np.isnan(v.normalised)


CLS = barren.ModularMultiplication(11, targets.Bit(0))
J11 = jacobian(11)
BAD = {
    "class": (TypeError, "cls must be a target class", ("no class",), {"jacobian": J11}),
    "nothing": (ValueError, "exactly one of model, jacobian and ntk", (CLS,), {}),
    "two": (ValueError, "got jacobian, ntk", (CLS,), {"jacobian": J11, "ntk": J11 @ J11.T}),
    "rows": (ValueError, "jacobian must .*11", (CLS,), {"jacobian": J11[:-1]}),
    "rank": (ValueError, "jacobian must", (CLS,), {"jacobian": J11[:, 0]}),
    "kind": (TypeError, "jacobian must", (CLS,), {"jacobian": "numbers"}),
    "nan": (ValueError, "jacobian must .*finite", (CLS,), {"jacobian": np.full((11, 2), np.nan)}),
    "inf": (ValueError, "ntk must .*finite", (CLS,), {"ntk": np.full((11, 11), np.inf)}),
    "asymmetric": (ValueError, "ntk must .*symmetric", (CLS,), {"ntk": np.arange(121.0).reshape(11, 11)}),
    "method": (ValueError, "method must be .*'direct'", (CLS,), {"jacobian": J11, "method": "guess"}),
    "composite": (
        ValueError,
        "odd prime modulus, and p = 15 is composite",
        (barren.ModularMultiplication(15),),
        {"jacobian": jacobian(15), "method": "character"},
    ),
    "threads": (ValueError, "threads must be", (CLS,), {"jacobian": J11, "threads": 0}),
    "threads kind": (TypeError, "threads must be", (CLS,), {"jacobian": J11, "threads": 1.5}),
    "memory kind": (TypeError, "memory_limit must be", (CLS,), {"jacobian": J11, "memory_limit": "1 GB"}),
    "memory": (ValueError, "memory_limit must .*direct needs", (CLS,), {"jacobian": J11, "memory_limit": 400}),
    "law": (TypeError, "inputs must be a law of x", (CLS,), {"jacobian": J11, "inputs": [1, 2]}),
    "loss": (ValueError, "loss must be", (CLS,), {"jacobian": J11, "loss": "hinge"}),
    "loss kind": (TypeError, "loss must be", (CLS,), {"jacobian": J11, "loss": 3}),
    "callable loss": (ValueError, "a callable loss needs the model", (CLS,), {"jacobian": J11, "loss": max}),
    "encoding": (ValueError, "encoding goes with a model", (CLS,), {"jacobian": J11, "encoding": np.outer}),
    "bce labels": (
        ValueError,
        r"labels in \[0, 1\] .*Sawtooth",
        (barren.ModularMultiplication(11),),
        {"jacobian": J11, "loss": "bce"},
    ),
    "huge class": (ValueError, "memory_limit must hold", (barren.ModularMultiplication(2**61 - 1),), {"jacobian": J11}),
    "too large": (ValueError, "give a Sample", (barren.ModularMultiplication(2**127 - 1),), {"jacobian": J11}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    kind, message, args, options = BAD[name]
    with pytest.raises(kind, match=message):
        barren.gradient_variance(*args, **options)


def test_a_modulus_near_the_limit_with_a_few_multipliers_and_points():
    p = 2**63 - 25  # prime
    a, points = [1, 2, 12345678901234567, p - 1], [1, 3, p - 5, 2**62]
    for target in [targets.Sawtooth(), targets.Cosine(3), targets.Bit(0), targets.Threshold(0.5), targets.Square()]:
        cls = barren.ModularMultiplication(p, target, a)
        law = inputs.Sample(points)
        J = jacobian(4)
        got = variance(cls, jacobian=J, inputs=law, method="direct")
        assert relative(got.deviations, reference.from_jacobian(cls, J, law).deviations) <= 1e-12


@pytest.mark.parametrize("multipliers", ["units", "all", [1, 5, 0, 77]])
@pytest.mark.parametrize("p", [101, 105])
def test_blocks_of_rows_change_nothing(monkeypatch, p, multipliers):
    """The kernel method walks Θ in blocks of rows; at test sizes one block holds it all, so make the blocks small."""
    cls = barren.ModularMultiplication(p, targets.Bit(0), multipliers)
    J = jacobian(p)
    whole = variance(cls, ntk=J @ J.T)
    monkeypatch.setattr(theta, "_MOST_ROWS", 17)
    blocks = variance(cls, ntk=J @ J.T)
    assert relative(float(blocks), float(whole)) <= 1e-13
    assert relative(blocks.deviations, whole.deviations) <= 1e-12


def test_rounding_on_the_diagonal_of_a_computed_kernel_is_no_error_of_the_caller(monkeypatch):
    """Where ω(x) = 0 the diagonal of Θ is rounding, of either sign: the checks on a given `ntk` do not apply to it."""
    cls = barren.ModularMultiplication(101, targets.Bit(0), "all")
    J = np.random.default_rng(1).standard_normal((101, 300)).astype(np.float32) + np.float32(30.0)
    J[::2] = 0.0
    expected = reference.from_jacobian(cls, J)
    monkeypatch.setattr(GivenJacobian, "ntk_is_cheap", False)
    monkeypatch.setattr(kernel, "_transform_cost", lambda problem: 0.0)
    seen = []
    computed = GivenNTK.computed
    monkeypatch.setattr(GivenNTK, "computed", lambda theta: seen.append(theta.diagonal().min()) or computed(theta))
    v = barren.gradient_variance(cls, jacobian=J, method="kernel")
    assert seen[0] < 0.0
    assert relative(v.deviations, expected.deviations) <= 1e-5
