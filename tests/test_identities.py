"""What must hold of every class, target, law and Jacobian, whatever their numbers: identities, on drawn examples."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch
from helpers import methods_for, relative, targets_for
from hypothesis import given, settings
from hypothesis import strategies as st

import barren
from barren import encodings, inputs, targets

PRIMES_AND_COMPOSITES = (3, 5, 13, 31, 4, 15, 16)
# What few members say of others is not the question here, nor that a variance is rounding's: of points that no member
# tells apart it is, and the identities hold to rounding all the same.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*the tail is heavy.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*about what rounding to float64 leaves of none at all:UserWarning"),
]
# The same examples for every push; so many others where they are asked for, with the seed of --hypothesis-seed.
EXAMPLES = int(os.environ.get("BARREN_EXAMPLES", "0"))
modest = settings(max_examples=EXAMPLES or 25, deadline=None, derandomize=not EXAMPLES)


@st.composite
def problems(draw):
    """A modular class with a set or all of its multipliers, a sample of points with weights, and a Jacobian."""
    p = draw(st.sampled_from(PRIMES_AND_COMPOSITES))
    target = draw(st.sampled_from(targets_for(p)))
    some = st.lists(st.integers(0, p - 1), min_size=1, max_size=p, unique=True)
    cls = barren.ModularMultiplication(p, target, draw(st.one_of(st.sampled_from(["units", "all"]), some)))
    points = np.array(draw(st.lists(st.integers(0, p - 1), min_size=1, max_size=9)))
    weights = np.array(draw(st.lists(st.integers(1, 20), min_size=len(points), max_size=len(points))), dtype=np.float64)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    J = rng.standard_normal((len(points), draw(st.integers(1, 5)))) + draw(st.sampled_from([0.0, 1.0]))
    return cls, points, weights / weights.sum(), J, draw(st.sampled_from(list(methods_for(cls))))


def variance_of(cls, points, weights, J, method="auto"):
    return barren.gradient_variance(cls, jacobian=J, inputs=inputs.Sample(points, weights), method=method)


def assert_same(one, other, J, factor=1.0):
    """Equal up to the rounding of sums as large as Σ‖c·J‖²."""
    room = 1e-12 * max(1.0, factor) * (1.0 + float(np.sum(J**2)))
    assert float(other) == pytest.approx(factor * float(one), rel=1e-11, abs=room)
    assert other.mean_squared_norm == pytest.approx(factor * one.mean_squared_norm, rel=1e-12)


@modest
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_points_does_not_matter(problem, random):
    cls, points, weights, J, method = problem
    order = np.array(random.sample(range(len(points)), len(points)))
    one, other = variance_of(*problem), variance_of(cls, points[order], weights[order], J[order], method)
    assert_same(one, other, J)
    np.testing.assert_allclose(other.deviations, one.deviations, rtol=1e-10, atol=1e-12 * (1 + np.sum(J**2)))


@modest
@given(problems(), st.integers(-40, 40), st.floats(1e-3, 1e3))
def test_a_scaled_jacobian_scales_the_variance_by_the_square(problem, exponent, scale):
    cls, points, weights, J, method = problem
    one = variance_of(*problem)
    power = 2.0**exponent  # which rounds nothing, so that every bit stays
    exact = variance_of(cls, points, weights, power * J, method)
    assert float(exact) == power**2 * float(one)
    assert np.array_equal(exact.deviations, power**2 * one.deviations)
    assert exact.mean_squared_norm == power**2 * one.mean_squared_norm
    other = variance_of(cls, points, weights, -scale * J, method)
    assert_same(one, other, J, scale**2)
    if one.normalised > 1e-9:
        assert other.normalised == pytest.approx(one.normalised, rel=1e-6)


@modest
@given(problems(), st.data())
def test_a_point_may_be_split_into_copies_that_share_its_weight(problem, data):
    cls, points, weights, J, method = problem
    which = data.draw(st.integers(0, len(points) - 1))
    share = data.draw(st.floats(0.01, 0.99))
    split = np.append(weights, (1 - share) * weights[which])
    split[which] *= share
    other = variance_of(cls, np.append(points, points[which]), split, np.vstack([J, J[which]]), method)
    assert_same(variance_of(*problem), other, J)


@modest
@given(problems(), st.data())
def test_the_variance_over_a_union_is_that_within_the_parts_and_that_between_them(problem, data):
    """The law of total variance, the means of the gradient being −Σ c·E[h]·J."""
    cls, points, weights, J, _ = problem
    members = cls.members
    if len(members) < 2:
        return
    cut = data.draw(st.integers(1, len(members) - 1))
    parts = [cls.with_multipliers(members[:cut]), cls.with_multipliers(members[cut:])]
    shares = np.array([part.size / cls.size for part in parts])
    within = [float(variance_of(part, points, weights, J)) for part in parts]
    means = [(weights * part.mean(points)) @ J for part in parts]
    between = shares.prod() * float(np.sum((means[0] - means[1]) ** 2))
    whole = variance_of(*problem)
    assert float(whole) == pytest.approx(shares @ within + between, rel=1e-10, abs=1e-12 * (1 + np.sum(J**2)))


@modest
@given(problems(), st.data())
def test_multipliers_times_a_unit_are_points_times_that_unit(problem, data):
    """ψ((u·a)·x) = ψ(a·(u·x)), whatever the unit u."""
    cls, points, weights, J, method = problem
    unit = data.draw(st.sampled_from([u for u in range(1, cls.p) if math.gcd(u, cls.p) == 1]))
    moved = cls.with_multipliers(unit * cls.members % cls.p)
    one, other = variance_of(moved, points, weights, J), variance_of(cls, unit * points % cls.p, weights, J, method)
    assert_same(one, other, J)
    np.testing.assert_allclose(other.deviations, one.deviations, rtol=1e-10, atol=1e-12 * (1 + np.sum(J**2)))


@modest
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_multipliers_is_that_of_the_deviations(problem, random):
    cls, points, weights, J, _ = problem
    order = np.array(random.sample(range(cls.size), cls.size))
    one = variance_of(cls.with_multipliers(cls.members), points, weights, J)
    other = variance_of(cls.with_multipliers(cls.members[order]), points, weights, J)
    assert_same(one, other, J)
    np.testing.assert_allclose(other.deviations, one.deviations[order], rtol=1e-10, atol=1e-12 * (1 + np.sum(J**2)))


@modest
@given(problems())
def test_a_jacobian_and_its_tangent_kernel_are_two_sides_of_one_pairing(problem):
    """Σ_a‖Jᵀ(c·g_a)‖² from the gradients' side is Σ K·Θ from the kernels'."""
    cls, points, weights, J, _ = problem
    dual = barren.gradient_variance(cls, ntk=J @ J.T, inputs=inputs.Sample(points, weights), method="kernel")
    assert_same(variance_of(cls, points, weights, J, "direct"), dual, J)


@modest
@given(st.integers(0, 2**32), st.sampled_from([targets.Sawtooth(), targets.Cosine(1), targets.Square()]), st.data())
def test_points_may_move_by_whole_periods(seed, target, data):
    """ψ(a·(x + k)) = ψ(a·x) for whole frequencies a and whole k; sums of small fractions and integers are exact."""
    rng, shift = np.random.default_rng(seed), data.draw(st.integers(1, 1000))
    x, J = rng.integers(0, 1024, 7) / 1024, rng.standard_normal((7, 3))
    cls = barren.Frequencies(data.draw(st.integers(2, 60)), target)
    one, other = (barren.gradient_variance(cls, jacobian=J, inputs=inputs.RealSample(at)) for at in (x, x + shift))
    assert relative(other.deviations, one.deviations) <= 1e-12
    assert float(other) == pytest.approx(float(one), rel=1e-12)


@modest
@given(st.integers(2, 5), st.integers(0, 2**32), st.data())
def test_flipped_bits_of_the_points_change_no_variance_over_all_parities(n, seed, data):
    """x -> x ⊕ s turns (−1)^⟨v,x⟩ into ± itself, the sign one a member: every ‖G_v‖ stays, and E G moves with it."""
    rng, flip = np.random.default_rng(seed), data.draw(st.integers(0, 2**n - 1))
    points, J = rng.integers(0, 2**n, 6), rng.standard_normal((6, 3))
    cls = barren.Parity(n, signed=True)
    kernels = [cls.kernel(points ^ s, points ^ s) for s in (0, flip)]
    means = [cls.mean(points ^ s) for s in (0, flip)]
    seconds = [kernel + np.outer(mean, mean) for kernel, mean in zip(kernels, means, strict=True)]
    np.testing.assert_allclose(seconds[1], seconds[0], atol=1e-14)
    found = [float(barren.gradient_variance(cls, jacobian=J, inputs=inputs.Sample(points ^ s))) for s in (0, flip)]
    squares = [v + float(np.sum((mean @ J / 6) ** 2)) for v, mean in zip(found, means, strict=True)]
    assert squares[1] == pytest.approx(squares[0], rel=1e-12, abs=1e-13)


class _Cube(torch.autograd.Function):
    """x³ with a gradient, and nothing that forward mode could use."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        return 3 * ctx.saved_tensors[0] ** 2 * gradient


class _Network(torch.nn.Module):
    def __init__(self, seed, is_opaque):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.last = torch.nn.Linear(5, 8).double(), torch.nn.Linear(8, 1).double()
        self.is_opaque = is_opaque

    def forward(self, x):
        hidden = self.first(x)
        return self.last(_Cube.apply(hidden) if self.is_opaque else hidden**3)


@settings(modest, max_examples=4)
@given(st.integers(0, 2**32), st.sampled_from([targets.Bit(0), targets.Sawtooth()]))
def test_forward_and_backward_probes_estimate_the_same_exact_variance(seed, target):
    """J·v with random v and Jᵀ·z with random labels z: two sides of one trace, each within its own errors of it."""
    cls = barren.ModularMultiplication(31, target)
    exact = float(barren.gradient_variance(cls, _Network(seed, False), encoding=encodings.Bits()))
    for is_opaque in (False, True):
        v = barren.gradient_variance(
            cls, _Network(seed, is_opaque), encoding=encodings.Bits(), method="probes", rtol=0.1, seed=seed
        )
        assert ("the dual form" in v.explain()) == is_opaque
        assert abs(float(v) - exact) <= 5 * v.standard_error + 1e-12 * exact
