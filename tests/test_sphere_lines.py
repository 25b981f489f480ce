"""Targets that jump or bend at frequencies on a sphere, against integrals over the sphere and what is known."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

import barren
from barren import inputs, reference, targets
from barren.classes import Frequencies

TARGETS = [
    targets.Sawtooth(),
    targets.Square(),
    targets.Triangle(),
    targets.Threshold(0.3),
    targets.QuantileBit(2),
    targets.Table([0.5, -1.0, 2.0]),
    targets.Triangle() + 0.5 * targets.Threshold(Fraction(1, 3)),
    targets.Cosine(1) - 2 * targets.Sawtooth() + 1,
]


def points_of(dimension, radii, seed):
    directions = np.random.default_rng(seed).standard_normal((len(radii), dimension))
    return directions / np.linalg.norm(directions, axis=1)[:, None] * np.array(radii)[:, None]


@pytest.mark.parametrize(
    ("dimension", "A", "target"),
    # Every target where the inner integral is over an angle alone; there and beyond those that differ in kind.
    [(d, A, target) for d, A in ((2, 1.7), (3, 1.0)) for target in TARGETS]
    + [(d, A, TARGETS[kind]) for d, A in ((4, 0.6), (5, 0.8)) for kind in (0, 3, 6, 7)],
    ids=repr,
)
def test_mean_and_kernel_are_integrals_over_the_sphere(target, dimension, A):
    cls = Frequencies(A, target, dimension=dimension)
    x = points_of(dimension, [0.9, 0.4], dimension)
    np.testing.assert_allclose(cls.mean(x), reference.mean(cls, x), rtol=0.0, atol=1e-13)
    np.testing.assert_allclose(cls.kernel(x[:1], x), reference.kernel(cls, x[:1], x), rtol=0.0, atol=1e-13)


@pytest.mark.parametrize(("dimension", "target"), [(30, targets.Threshold(0.3)), (11, targets.Triangle())], ids=repr)
def test_many_dimensions(dimension, target):
    cls = Frequencies(1.6, target, dimension=dimension)
    x = points_of(dimension, [1.1, 0.8], 30)
    np.testing.assert_allclose(cls.mean(x), reference.mean(cls, x), rtol=0.0, atol=1e-13)
    np.testing.assert_allclose(cls.kernel(x[:1], x[1:]), reference.kernel(cls, x[:1], x[1:]), rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize("dimension", [2, 6, 150])
def test_against_a_sample_of_the_sphere(target, dimension):
    """Points of the same direction, of the opposite one, and others, within five standard errors."""
    size = 20_000
    cls = Frequencies(1.4, target, dimension=dimension)
    x = points_of(dimension, [1.5, 0.7, 2.5, 0.1], 3) * np.sqrt(dimension / 2)
    x = np.concatenate([x, 2.0 * x[:1], -x[1:2]])
    sample = Frequencies(target=target, frequencies=cls.draw(size, seed=1))
    values = sample.values(sample.members, x)
    low, high = target.circle().range
    np.testing.assert_allclose(cls.mean(x), values.mean(axis=0), rtol=0.0, atol=5 * (high - low) / 2 / np.sqrt(size))
    error = 5 * ((high - low) / 2) ** 2 / np.sqrt(size)
    np.testing.assert_allclose(cls.kernel(x, x), np.cov(values.T), rtol=0.0, atol=error)


@pytest.mark.parametrize("dimension", [2, 3, 7, 64])
def test_near_zero_a_square_wave_is_a_sign(dimension):
    """E sign(U)·sign(V) = 1 − 2θ/π in every dimension."""
    cls, x = Frequencies(0.7, targets.Square(), dimension=dimension), points_of(dimension, [0.6, 1e-200, 1e-9], 1)
    unit = x / np.array([[0.6], [1e-200], [1e-9]])
    expected = 1.0 - 2.0 / np.pi * np.arccos(np.clip(unit @ unit.T, -1.0, 1.0))
    np.testing.assert_allclose(cls.kernel(x, x), expected, rtol=0.0, atol=5e-8)  # of the arc cosine near 1
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(cls.kernel(x, x)[off], expected[off], rtol=0.0, atol=3e-15)
    np.testing.assert_allclose(np.diag(cls.kernel(x, x)), 1.0, rtol=0.0, atol=3e-15)


def test_a_threshold_in_the_plane_is_an_arc():
    """At 1 < r < 1.7 ψ(rU) is 1 for rU in 0.3..1, −0.7..0 and below −1: arcs that are written down."""
    cls, r = Frequencies(1.25, targets.Threshold(0.3), dimension=2), 1.25
    arc = lambda t: np.arccos(t / r) / np.pi  # noqa: E731  P(rU > t)
    expected = (arc(0.3) - arc(1.0)) + (arc(-0.7) - arc(0.0)) + (1.0 - arc(-1.0))
    assert cls.mean([[0.6, 0.8]])[0] == pytest.approx(expected, abs=1e-15)
    assert cls.kernel([[0.6, 0.8]], [[0.6, 0.8]])[0, 0] == pytest.approx(expected * (1.0 - expected), abs=1e-15)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize("dimension", [2, 3, 12])
def test_what_every_kernel_has(target, dimension):
    cls = Frequencies(1.1, target, dimension=dimension)
    x = np.concatenate([points_of(dimension, [0.3, 2.0, 1.0, 3.1], 4), np.zeros((1, dimension))])
    kernel = cls.kernel(x, x)
    np.testing.assert_allclose(kernel, kernel.T, rtol=0.0, atol=1e-13)
    assert np.linalg.eigvalsh(kernel).min() >= -1e-12
    np.testing.assert_array_equal(kernel[-1], 0.0)
    assert cls.mean(x)[-1] == cls.circle.exact(Fraction(0))
    # A rotation changes nothing, −x the sign of odd parts alone, and blocks of points are those of all.
    turned = x @ np.linalg.qr(np.random.default_rng(5).standard_normal((dimension, dimension)))[0]
    np.testing.assert_allclose(cls.kernel(turned, turned), kernel, rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(cls.mean(turned), cls.mean(x), rtol=0.0, atol=1e-13)
    np.testing.assert_allclose(cls.kernel(x[1:3], x), kernel[1:3], rtol=0.0, atol=1e-12)
    np.testing.assert_allclose(cls.kernel(-x, -x), kernel, rtol=0.0, atol=1e-12)
    assert cls.kernel(x[:0], x).shape == (0, 5)
    assert cls.mean(x[:0]).shape == (0,)
    for threads in (1, 2, 7):
        np.testing.assert_array_equal(cls.kernel(x, x, threads=threads), kernel)


@pytest.mark.parametrize("dimension", [2, 3, 10])
def test_odd_waves_digits_and_multiples(dimension):
    x = points_of(dimension, [0.3, 2.0, 1.0], 6)
    saw = Frequencies(1.5, targets.Sawtooth(), dimension=dimension)
    np.testing.assert_allclose(saw.mean(x), 0.0, atol=1e-15)
    np.testing.assert_allclose(saw.kernel(x, -x), -saw.kernel(x, x), rtol=0.0, atol=1e-14)
    more = Frequencies(1.5, 3 * targets.Sawtooth() + 7, dimension=dimension)
    np.testing.assert_allclose(more.kernel(x, x), 9.0 * saw.kernel(x, x), rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(more.mean(x), 7.0, atol=1e-14)
    digit, half = (Frequencies(1.5, t, dimension=dimension) for t in (targets.QuantileBit(3), targets.Threshold()))
    np.testing.assert_array_equal(digit.kernel(x, x), half.kernel(4.0 * x, 4.0 * x))
    np.testing.assert_array_equal(digit.mean(x), half.mean(4.0 * x))


def test_lines_close_to_each_other_in_direction():
    """K(x, y) of nearly parallel points goes to K(x, x) as it must: by the jumps that lie between them."""
    cls = Frequencies(1.0, targets.Square(), dimension=3)
    x = np.array([[0.3, 0.0, 0.0]])
    for gap in (1e-3, 1e-6, 1e-9, 1e-12):
        y = np.array([[0.3, 0.3 * gap, 0.0]])
        assert cls.kernel(x, y)[0, 0] == pytest.approx(1.0 - 2.0 / np.pi * np.arctan(gap), abs=1e-15)


def test_blocks_of_caps_join(monkeypatch):
    from barren.classes import sphere_lines

    cls = Frequencies(1.0, targets.Triangle() - targets.Sawtooth() + targets.Cosine(2), dimension=3)
    x, y = points_of(3, [0.3, 2.0, 1e-300, 3.1, 1.2], 8), points_of(3, [0.9, 0.2, 1.4], 9)
    whole = cls.kernel(x, x), cls.kernel(x, y), cls.mean(x)
    monkeypatch.setattr(sphere_lines, "_BLOCK", 7)
    for got, expected in zip((cls.kernel(x, x), cls.kernel(x, y), cls.mean(x)), whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0.0, atol=1e-12)


def kernel_in_many_digits(wave, d, x, y):
    """Σ over pairs of caps in 40 digits, from arc cosines and the plain formulas of docs/theory."""
    one, pi = mpmath.mpf(1), mpmath.pi
    k = {3: one / 2, 4: 1 / pi}
    for n in range(5, d + 4):
        k[n] = k[n - 2] * (n - 4) / (n - 3)

    def tail(n, cosine, angle):
        value, m = (one / 2, 1) if n % 2 else (angle / pi, 2)
        while m < n:
            m += 2
            value -= k[m] * cosine * mpmath.sin(angle) ** (m - 3)
        return value

    def pair(a, b, theta):
        A, B, c, s = mpmath.acos(a), mpmath.acos(b), mpmath.cos(theta), mpmath.sin(theta)
        sine_A, sine_B = mpmath.sin(A), mpmath.sin(B)
        cut = lambda t: max(-one, min(one, t))  # noqa: E731
        at_A, at_B = cut((b - a * c) / (s * sine_A)), cut((a - b * c) / (s * sine_B))
        if d % 2:
            both, n = one / 2 - mpmath.acos(cut((c - a * b) / (sine_A * sine_B))) / (2 * pi), 1
        else:
            both, n = max(mpmath.mpf(0), min(A, B, (A + B - theta) / 2)) / pi, 2
        while n < d:
            n += 2
            both -= k[n] * a * sine_A ** (n - 3) * tail(n - 1, at_A, mpmath.acos(at_A))
            both -= k[n] * b * sine_B ** (n - 3) * tail(n - 1, at_B, mpmath.acos(at_B))
        w_A, w_B = k[d + 2] * sine_A ** (d - 1), k[d + 2] * sine_B ** (d - 1)
        of_A, of_B = w_A * tail(d + 1, at_A, mpmath.acos(at_A)), w_B * tail(d + 1, at_B, mpmath.acos(at_B))
        corner = w_A * s * sine_A * k[d + 3] * mpmath.sqrt(1 - at_A**2) ** d
        product = c * (a * of_A + b * of_B + (both - a * of_A - b * of_B) / d) + corner
        ramps = product - a * (c * of_A + of_B) - b * (of_A + c * of_B) + a * b * both
        one_A, one_B = tail(d, a, A), tail(d, b, B)
        r_A, r_B = w_A - a * one_A, w_B - b * one_B
        left, right = of_A + c * of_B - a * both, c * of_A + of_B - b * both
        return both - one_A * one_B, left - r_A * one_B, right - one_A * r_B, ramps - r_A * r_B

    def caps_at(r):
        found = []
        for start, jump, kink in zip(*wave.breaks, strict=True):
            for turn in range(-int(r) - 2, int(r) + 2):
                t = mpmath.mpf(start.numerator) / start.denominator + turn
                if abs(t) < r:
                    sign = 1 if t > 0 else -1
                    found.append((sign, abs(t) / r, sign * jump, kink * r))
        return found

    norms = [mpmath.sqrt(sum(mpmath.mpf(t) ** 2 for t in point)) for point in (x, y)]
    theta = mpmath.acos(sum(mpmath.mpf(s) * mpmath.mpf(t) for s, t in zip(x, y, strict=True)) / norms[0] / norms[1])
    at_x, at_y = (caps_at(r) for r in norms)
    slopes = [wave.pieces[0, 2] * r for r in norms]
    total = slopes[0] * slopes[1] * mpmath.cos(theta) / d
    for slope, at in ((slopes[0], at_y), (slopes[1], at_x)):
        for sign, a, jump, kink in at:
            A = mpmath.acos(a)
            first = jump * k[d + 2] * mpmath.sin(A) ** (d - 1) + kink * tail(d + 2, a, A) / d
            total += mpmath.cos(theta) * slope * sign * first
    for sign, a, jump, kink in at_x:
        for other, b, leap, bend in at_y:
            found = pair(a, b, theta if sign == other else pi - theta)
            total += jump * leap * found[0] + kink * leap * found[1] + jump * bend * found[2] + kink * bend * found[3]
    return float(total)


@pytest.mark.parametrize("dimension", [2, 3, 6])
@pytest.mark.parametrize(
    ("target", "scale"), [(targets.Threshold(0.3), 0), (targets.Sawtooth(), 2), (targets.Triangle(), 3)], ids=repr
)
def test_rounding_grows_with_the_radius_as_docs_tell(target, scale, dimension):
    """1e-14 for jumps, 1e-15·r² with a slope, 1e-14·r³ with kinks."""
    for r in (1.2, 8.9):
        x = points_of(dimension, [r, 0.83 * r], 11)
        got = Frequencies(1.0, target, dimension=dimension).kernel(x[:1], x[1:])[0, 0]
        with mpmath.workdps(40):
            expected = kernel_in_many_digits(target.circle(), dimension, x[0], x[1])
        assert abs(got - expected) <= {0: 1e-14, 2: 1e-14 + 1e-15 * r**2, 3: 1e-14 * r**3}[scale]


@pytest.mark.parametrize(
    "target", [targets.Sawtooth(), targets.Threshold(0.3), targets.Cosine() + targets.Triangle()], ids=repr
)
@pytest.mark.parametrize("dimension", [2, 3])
def test_variances_and_bounds(target, dimension):
    law = inputs.RealSample(points_of(dimension, np.linspace(0.2, 2.0, 9), 12))
    J = np.random.default_rng(13).standard_normal((9, 4)) + 1.0
    cls = Frequencies(1.5, target, dimension=dimension)
    v = barren.gradient_variance(cls, jacobian=J, inputs=law)
    kernel = cls.kernel(law.points(), law.points())
    assert v.method == "kernel"
    assert v.standard_error == 0.0
    assert float(v) == pytest.approx(float(np.sum(kernel * (J @ J.T)) / 81), rel=1e-12)
    assert float(barren.gradient_variance(cls, ntk=J @ J.T, inputs=law)) == pytest.approx(float(v), rel=1e-12)
    assert float(v) <= v.bound * (1 + 1e-12)
    sharp, extremal = barren.sharp_bound(cls, law), barren.extremal_jacobian(cls, law)
    attained = barren.gradient_variance(cls, jacobian=extremal, inputs=law)
    assert float(attained) == pytest.approx(sharp, rel=1e-10)
    assert sharp == pytest.approx(np.linalg.eigvalsh(kernel).max() / 9, rel=1e-12)
    ladder = {rung.name: rung.value for rung in barren.bounds(cls, law)}
    assert ladder == {"sharp": pytest.approx(sharp), "trivial": pytest.approx(np.trace(kernel) / 9)}
    assert barren.sq_queries(cls, tolerance=0.5, inputs=law) == int(np.ceil(0.25 / sharp))
    with pytest.raises(ValueError, match="size needs a finite class; here a is uniform on a sphere in R"):
        barren.correlations(cls, law)


def test_draws_of_a_class():
    on_sphere = Frequencies(2.5, dimension=4).draw(50, seed=3)
    assert on_sphere.shape == (50, 4)
    np.testing.assert_allclose(np.linalg.norm(on_sphere, axis=1), 2.5, rtol=1e-15)
    np.testing.assert_array_equal(on_sphere, Frequencies(2.5, dimension=4).draw(50, seed=3))
    assert not np.array_equal(on_sphere, Frequencies(2.5, dimension=4).draw(50, seed=4))
    assert abs(on_sphere.mean()) < 0.5
    interval = Frequencies(2.5, integer=False).draw(1000)
    assert 0.0 <= interval.min() < 0.1
    assert 2.4 < interval.max() <= 2.5
    assert set(Frequencies(3).draw(100)) == {1.0, 2.0, 3.0}
    assert set(Frequencies(frequencies=[0.5, 4.0]).draw(100)) == {0.5, 4.0}
    with pytest.raises(ValueError, match="count must be an integer, at least 1"):
        Frequencies(3).draw(0)
    with pytest.raises(TypeError, match="seed must be an integer"):
        Frequencies(3).draw(1, seed=0.5)


def test_refusals_on_a_sphere():
    cls = Frequencies(1e3, dimension=2)
    for ask in (lambda x: cls.mean(x), lambda x: cls.kernel(x, [[1.0, 0.0]]), lambda x: cls.kernel([[1.0, 0.0]], x)):
        with pytest.raises(ValueError, match=r"[xy] must be such that ψ.* has fewer than 2\^24 jumps and kinks"):
            ask([[1e6, 0.0]])
    with pytest.raises(ValueError, match="x must be points with fewer pairs of jumps and kinks of ψ over the sphere"):
        cls.kernel(np.ones((200, 2)), np.ones((200, 2)))
    for wrong in ([1.0, 2.0], [[1.0, 2.0, 3.0]], [[np.nan, 1.0]]):
        with pytest.raises(ValueError, match="x must be"):
            cls.mean(wrong)
    with pytest.raises(ValueError, match="inputs must be a law of x in R"):
        barren.sharp_bound(cls)
    with pytest.raises(ValueError, match="integer must be left out"):
        Frequencies(3.0, integer=False, dimension=2)
    with pytest.raises(ValueError, match="A must be above 0"):
        Frequencies(0.0, dimension=2)
    with pytest.raises(ValueError, match="target must be a function on the circle"):
        Frequencies(1.0, targets.Bit(0), dimension=2)
