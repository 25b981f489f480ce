"""The class of frequencies against `reference`: exact fractions, plain sums, and quadrature."""

from __future__ import annotations

import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barren import _core, inputs, reference, targets
from barren.classes import Frequencies, ModularMultiplication

TARGETS = [
    targets.Sawtooth(),
    targets.Cosine(),
    targets.Cosine(-3),
    targets.Threshold(Fraction(1, 3)),
    targets.Threshold(0.5),
    targets.Square(),
    targets.Triangle(),
    targets.Table([0.5, -1.0, 2.0, 0.0, 0.25]),
    targets.QuantileBit(1),
    targets.QuantileBit(5),
]
SUMS = [
    2 * targets.Sawtooth(),
    1 - 2 * targets.Threshold(0.5),
    targets.Cosine(1) + targets.Cosine(3),
    targets.Cosine(2) - 0.5 * targets.Cosine(-5) + 3,
    targets.Sawtooth() - 0.25 * targets.Cosine(2),
    targets.QuantileBit(2) + 2 * targets.QuantileBit(1) - 1,
    targets.Square() + targets.Triangle() - targets.Table([0.5, -1.0, 2.0]) + 0.3,
]
TARGETS += SUMS
OF_LINES = [t for t in TARGETS if all(wave.pieces is not None for _, wave in t.circle().terms)]
TOLERANCE = {targets.Cosine: 2e-14, targets.Combination: 4e-14}
REALS = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda x: x == 0.0 or abs(x) > 1e-150)
HUGE = st.floats(1e15, 1e25) | st.floats(-1e25, -1e15)
SIXTHS = st.integers(-60, 60).map(lambda j: j / 6)
MULTIPLES = st.lists(REALS | SIXTHS, min_size=1, max_size=6)
POINTS = st.lists(REALS | HUGE | SIXTHS | st.sampled_from([0.0, -0.0, 0.5, 1 / 3, 2.0**60]), min_size=1, max_size=6)


def assert_values(cls, a, x):
    tolerance = TOLERANCE.get(type(cls.target), 1e-15)
    expected = reference.values(cls, a, x)
    np.testing.assert_allclose(cls.values(a, x), expected, rtol=0.0, atol=tolerance)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_values_are_those_of_exact_fractions(target, kernel_set):
    random = np.random.default_rng(1)
    x = np.concatenate([random.standard_normal(40), random.standard_normal(20) * 10.0 ** random.uniform(-9, 20, 20)])
    x = np.concatenate([x, np.arange(-12, 13) / 6, [0.0, -0.0, 1e-200, 2.0**70, 0.1]])
    cls = Frequencies(60, target)
    assert_values(cls, cls.members, x)
    assert_values(cls, np.concatenate([random.uniform(-9, 9, 50), [0.0]]), x)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@settings(max_examples=60, deadline=None)
@given(a=MULTIPLES, x=POINTS)
def test_values_at_any_point(target, a, x):
    assert_values(Frequencies(1, target), np.array(a), np.array(x))


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_values_in_several_dimensions(target, kernel_set):
    random = np.random.default_rng(2)
    a, x = random.standard_normal((50, 3)) * 100, np.round(random.standard_normal((30, 3)) * 8) / 8
    a[:10] = np.round(a[:10])
    assert_values(Frequencies(target=target, frequencies=a), a, x)


def test_cosines_at_consecutive_frequencies_keep_their_digits(kernel_set):
    """The recurrence starts anew in every group, so its error does not grow with a."""
    random = np.random.default_rng(3)
    x = np.concatenate([random.random(200), 10.0 ** random.uniform(-12, 3, 100), [0.0, 0.5, 1 / 3]])
    cls = Frequencies(target=targets.Cosine(), frequencies=np.arange(10**6, 10**6 + 96))
    expected = reference.values(cls, cls.members, x)
    assert np.abs(cls.values(cls.members, x) - expected).max() < 2e-14


@pytest.mark.parametrize("k", [3, 2**20, 2**51 - 1])
def test_harmonics_cost_no_digits(k, kernel_set):
    """The fraction of a·x is multiplied by k as the sum of two doubles; that of a rounded one is off by k·1e-16."""
    random = np.random.default_rng(14)
    a, x = random.uniform(-99, 99, 60), np.concatenate([random.standard_normal(60) * 10.0, [0.0, 1 / 3, 1e9 + 0.1]])
    cls = Frequencies(target=targets.Cosine(k), frequencies=a)
    assert np.abs(cls.values(a, x) - reference.values(cls, a, x)).max() < 1e-15
    ordered = Frequencies(96, targets.Cosine(k))
    assert np.abs(ordered.values(ordered.members, x) - reference.values(ordered, ordered.members, x)).max() < 4e-14


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_responses_and_forms(target, dtype, kernel_set):
    random = np.random.default_rng(4)
    n, d = 300, 5
    cls = Frequencies(70, target)
    x, weights, J = random.standard_normal(n), random.random(n) / n, random.standard_normal((n, d)).astype(dtype)
    psi = reference.values(cls, cls.members, x) - 0.25
    expected = (psi * weights) @ J.astype(float)
    results = [cls.responses(x, weights, J, threads=threads, shift=0.25) for threads in (1, 2, 7)]
    np.testing.assert_allclose(results[0], expected, rtol=0.0, atol=3e-6 if dtype == "float32" else 1e-13)
    assert all(np.array_equal(results[0], other) for other in results)
    back = cls.adjoint(x, J[:70], shift=0.25)
    np.testing.assert_allclose(back, psi.T @ J[:70] / 70, rtol=0.0, atol=1e-6 if dtype == "float32" else 1e-13)
    offset, theta = random.random(n), (J @ J.T).astype(dtype)
    forms = cls.quadratic_forms(x, offset, theta, shift=0.25)
    centred = psi - offset
    expected = np.einsum("ai,ij,aj->a", centred, theta.astype(float), centred)
    np.testing.assert_allclose(forms, expected, rtol=1e-4 if dtype == "float32" else 1e-11)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@settings(max_examples=25, deadline=None)
@given(A=st.integers(1, 9), x=POINTS)
def test_mean_and_kernel_of_integers(target, A, x):
    cls, x = Frequencies(A, target), np.array([*x, x[0]])  # a point that repeats
    atol = 1e-13 if abs(x).max() < 1e9 else 1e-12
    np.testing.assert_allclose(cls.mean(x), reference.values(cls, cls.members, x).mean(axis=0), rtol=0.0, atol=atol)
    np.testing.assert_allclose(cls.kernel(x, x[:2]), reference.kernel(cls, x, x[:2]), rtol=0.0, atol=atol)
    given_cls = Frequencies(target=target, frequencies=cls.members)
    np.testing.assert_allclose(given_cls.kernel(x, x), cls.kernel(x, x), rtol=0.0, atol=atol)


def test_closed_form_of_many_cosines():
    """Dirichlet's kernel against the sum over a hundred thousand members."""
    random = np.random.default_rng(5)
    x = np.concatenate([random.random(12), [0.0, 0.5, 1e-7, 3.0, 1234.5]])
    cls = Frequencies(100_000, targets.Cosine(2))
    summed = Frequencies(target=cls.target, frequencies=cls.members)
    np.testing.assert_allclose(cls.mean(x), summed.mean(x), rtol=0.0, atol=1e-13)
    np.testing.assert_allclose(cls.kernel(x, x), summed.kernel(x, x), rtol=0.0, atol=1e-13)


def of_midpoints(cls, x, y, count=200_001):
    """Mean at x and kernel of a on [0, A] by the midpoint rule."""
    a = (np.arange(count) + 0.5) / count * cls.A
    at_x, at_y = (np.array([[float(v) for v in row] for row in cls.values(a, points)]) for points in (x, y))
    return at_x.mean(axis=0), (at_x - at_x.mean(axis=0)).T @ (at_y - at_y.mean(axis=0)) / count


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_interval_against_the_midpoint_rule(target):
    x, y = np.array([0.7, -1.3, 0.0, 2.0, 0.01]), np.array([0.7, 1.3, -0.35, 1.0])
    cls = Frequencies(6.5, target, integer=False)
    mean, kernel = of_midpoints(cls, x, y)
    np.testing.assert_allclose(cls.mean(x), mean, rtol=0.0, atol=1e-4)
    np.testing.assert_allclose(cls.kernel(x, y), kernel, rtol=0.0, atol=2e-4)


@pytest.mark.parametrize("target", OF_LINES, ids=repr)
@settings(max_examples=20, deadline=None)
@given(
    A=st.fractions(Fraction(1, 8), 5, max_denominator=8),
    points=st.lists(st.fractions(-3, 3, max_denominator=8).map(lambda q: q or Fraction(1)), min_size=2, max_size=2),
)
def test_interval_in_exact_arithmetic(target, A, points):
    """Between the jumps the product of two lines is a parabola, which Simpson's rule integrates in fractions."""
    circle, (x, y) = target.circle(), points
    breaks = {Fraction(0), A}
    cuts = {
        (start + turn) / wave.harmonic
        for _, wave in circle.terms
        for start in wave.starts
        for turn in range(wave.harmonic)
    }
    for point in points:
        ends = sorted([Fraction(0), A * point])
        for turn in range(int(ends[0]) - 1, int(ends[1]) + 2):
            breaks |= {(turn + cut) / point for cut in cuts if 0 < (turn + cut) / point < A}
    product = mean_x = mean_y = 0.0
    ordered = sorted(breaks)
    for low, high in pairwise(ordered):
        # Open intervals: a line through two points inside gives the values at the ends.
        inner = [low + (high - low) * Fraction(k, 3) for k in (1, 2)]
        f, g = ([circle.exact(a * point % 1) for a in inner] for point in (x, y))
        at = [(2 * v[0] - v[1], (v[0] + v[1]) / 2, 2 * v[1] - v[0]) for v in (f, g)]
        width = float(high - low)
        product += width * sum(weight * s * t for weight, s, t in zip((1, 4, 1), *at, strict=True)) / 6
        mean_x, mean_y = mean_x + width * at[0][1], mean_y + width * at[1][1]
    A = float(A)
    cls = Frequencies(A, target, integer=False)
    x, y = float(x), float(y)
    np.testing.assert_allclose(cls.mean([x, y]), [mean_x / A, mean_y / A], rtol=0.0, atol=1e-13)
    expected = product / A - mean_x * mean_y / A**2
    np.testing.assert_allclose(cls.kernel([x], [y])[0, 0], expected, rtol=0.0, atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(
    A=st.floats(0.1, 9.0),
    x=st.floats(-4, 4).filter(lambda v: abs(v) > 1e-3),
    y=st.floats(-4, 4).filter(lambda v: abs(v) > 1e-3),
    k=st.integers(1, 4),
    target=st.sampled_from([targets.Sawtooth(), targets.Triangle(), targets.Threshold(0.3), targets.QuantileBit(2)]),
)
def test_a_cosine_and_lines_over_an_interval(A, x, y, k, target):
    """A Gauss rule of 40 nodes between the jumps and kinks of both sums, in a: exact to rounding there."""
    both = target - 2 * targets.Cosine(k)
    ((_, wave),) = target.circle().terms
    cuts = [float(start) for start in wave.starts]
    edges = {0.0, A}
    for point in (x, y):
        turns = np.arange(-1, int(A * abs(point) * wave.harmonic) + 2)
        places = (np.add.outer(turns, cuts) / (wave.harmonic * abs(point))).ravel()
        mirrored = (np.add.outer(turns, [1.0 - cut for cut in cuts]) / (wave.harmonic * abs(point))).ravel()
        edges |= {float(a) for a in (places if point > 0 else mirrored) if 0.0 < a < A}
    ends = np.array(sorted(edges))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[:-1] + ends[1:])
    a, c = (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel() / A
    f, g = Frequencies(target=both, frequencies=[1.0]).values(a, [x, y]).T
    cls = Frequencies(A, both, integer=False)
    np.testing.assert_allclose(cls.mean([x, y]), [c @ f, c @ g], rtol=0.0, atol=2e-12)
    np.testing.assert_allclose(cls.kernel([x], [y])[0, 0], c @ (f * g) - (c @ f) * (c @ g), rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_fourier_coefficients_mean_and_variation(target):
    circle, n = target.circle(), 1 << 18
    t = (np.arange(n) + 0.5) / n
    psi = Frequencies(target=target, frequencies=[1.0]).values([1.0], t)[0]
    k = np.array([-3, -2, -1, 0, 1, 2, 5])
    expected = np.array([np.mean(psi * np.exp(-2j * np.pi * q * t)) for q in k])
    np.testing.assert_allclose(circle.coefficients(k), expected, rtol=0.0, atol=1e-4)
    assert circle.mean == pytest.approx(psi.mean(), abs=1e-4)
    assert circle.variation == pytest.approx(np.abs(np.diff(psi, append=psi[0])).sum(), abs=1e-3)
    assert circle.range[0] <= psi.min() + 1e-3
    assert circle.range[1] >= psi.max() - 1e-3


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize("M", [11, 12])
@pytest.mark.parametrize("A", [1, 4, 10, 11])
def test_on_a_grid_the_class_is_modular(target, M, A):
    law, cls = inputs.Grid(M), Frequencies(A, target)
    modular = cls.modular(law)
    assert isinstance(modular, ModularMultiplication)
    assert modular.multipliers == ("units" if (M, A) == (11, 10) else "set")
    assert np.array_equal(modular.members, cls.members.astype(int) % M)
    circle, t = cls.circle, np.arange(M)
    exact = np.array([[circle.exact(Fraction(int(a) * j % M, M)) for j in t] for a in cls.members])
    np.testing.assert_allclose(modular.values(modular.members, t), exact, rtol=0.0, atol=1e-15)


def test_what_is_no_modular_class():
    cls = Frequencies(12)
    assert cls.modular(inputs.RealSample([0.5])) is None
    assert Frequencies(3.0, integer=False).modular(inputs.Grid(11)) is None
    assert Frequencies(frequencies=[0.5, 1.0]).modular(inputs.Grid(11)) is None
    negative = Frequencies(frequencies=[-1.0, 3.0]).modular(inputs.Grid(11))
    assert negative is not None
    assert negative.members.tolist() == [10, 3]


def test_repr_equality_and_pickle():
    for cls in (
        Frequencies(5, targets.Cosine(2)),
        Frequencies(5.5, integer=False),
        Frequencies(1.0, targets.Cosine(), dimension=2),
        Frequencies(frequencies=[1.0, 2.5]),
    ):
        twin = pickle.loads(pickle.dumps(cls))
        assert twin == cls
        assert hash(twin) == hash(cls)
        assert repr(twin) == repr(cls)
    assert Frequencies(5) != Frequencies(6)
    assert Frequencies(5) != 5


def test_labels_range_and_variation_of_sums():
    def of(target):
        circle = target.circle()
        return circle.labels, circle.range, circle.variation

    assert of(1 - 2 * targets.Threshold(0.5)) == ((-1.0, 1.0), (-1.0, 1.0), 4.0)
    assert of(2 * targets.Sawtooth() + 1) == (None, (0.0, 2.0), 4.0)
    two_bits = targets.QuantileBit(1) + 2 * targets.QuantileBit(2)
    assert of(two_bits) == (None, (0.0, 3.0), 8.0)  # 0, 2, 1, 3, and back to 0
    assert of(targets.QuantileBit(1) - targets.Threshold(0.25)) == ((-1.0, 0.0), (-1.0, 0.0), 2.0)
    labels, (low, high), variation = of(targets.Cosine(1) + targets.Cosine(2))
    assert labels is None
    assert (low, high) == (pytest.approx(-1.125, abs=1e-14), pytest.approx(2.0, abs=1e-14))  # 2u² + u − 1, u = cos
    assert variation == pytest.approx(2 * (3.125 + 1.125), abs=1e-12)  # 2, −9/8, 0, −9/8
    for far in (targets.QuantileBit(40) + targets.Sawtooth(), targets.Cosine(2**20) + targets.Cosine(1)):
        assert Frequencies(2, far).labels is None
        with pytest.raises(ValueError, match="target must be"):
            _ = Frequencies(2, far).range


@pytest.mark.parametrize("kernel_set", _core.available_kernels())
@pytest.mark.parametrize(
    "target", [targets.Triangle(), targets.Sawtooth(), targets.Square(), targets.Cosine()], ids=repr
)
def test_products_whose_rounding_is_half_an_integer(target, kernel_set):
    """5·x is an integer and 9/16, and as a double an integer and a half: the fraction must not be taken from that."""
    x = 333333333333333.3125
    before = _core.kernel()
    _core.use_kernel(kernel_set)
    try:
        cls = Frequencies(5, target)
        expected = reference.values(cls, cls.members, [x]).mean()
        np.testing.assert_allclose(cls.mean([x]), [expected], rtol=0.0, atol=1e-15)
    finally:
        _core.use_kernel(before)


@pytest.mark.parametrize("kind", ["integers", "interval"])
@pytest.mark.parametrize("k", [1, -3])
def test_kernels_of_cosines_lose_no_digits_at_small_points(kind, k):
    """There 1 − cos(2πkax) is 2(πkax)², and the kernel 4(πk)⁴x²y²·Var(a²)."""
    A, integers = 7, kind == "integers"
    cls = Frequencies(A, targets.Cosine(k), integer=integers)
    squares = np.arange(1.0, A + 1) ** 2
    variance = squares.var() if integers else A**4 * (1 / 5 - 1 / 9)
    x, y = np.array([1e-9, -3e-8, 0.0]), np.array([2e-9, 1e-7])
    expected = 4.0 * (np.pi * k) ** 4 * np.multiply.outer(x**2, y**2) * variance
    np.testing.assert_allclose(cls.kernel(x, y), expected, rtol=1e-9)
    x, y = np.array([0.001, 0.01, 0.011]), np.array([0.0105, 0.002])
    nodes = np.polynomial.legendre.leggauss(60)
    a, weights = (np.arange(1.0, A + 1), np.full(A, 1 / A)) if integers else (3.5 * nodes[0] + 3.5, nodes[1] / 2)
    left, right = (np.cos(2 * np.pi * k * np.multiply.outer(a, points)) for points in (x, y))
    exact = (left - weights @ left).T @ (weights[:, None] * (right - weights @ right))
    np.testing.assert_allclose(cls.kernel(x, y), exact, rtol=1e-8, atol=1e-15)
    assert cls.kernel([5e-324], [1e-5])[0, 0] == 0.0


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_products_that_round_to_zero_are_refused_where_the_sign_counts(target):
    """5e-324·(−1/2) rounds to −0, where the sawtooth is 0, and not 1/2 as beside 0."""
    for a, x in (([-0.5, 3.0], [5e-324]), ([1e-200], [0.0, -1e-200])):
        cls = Frequencies(target=target, frequencies=a)
        if all(wave.shape in ("cosine", "triangle") for _, wave in cls.circle.terms):
            expected = reference.values(cls, cls.members, x)
            np.testing.assert_allclose(cls.values(a, x), expected, rtol=0.0, atol=1e-15)
        else:
            with pytest.raises(ValueError, match="must not be so small that they round to 0"):
                cls.values(a, x)
    cls = Frequencies(target=target, frequencies=[-1.0, 1e-200])
    exact = reference.values(cls, cls.members, [0.0, 1e-100, -1e-100, 1e30])
    np.testing.assert_allclose(cls.values(cls.members, [0.0, 1e-100, -1e-100, 1e30]), exact, rtol=0.0, atol=1e-15)


def test_sums_of_products_as_small_as_their_signs_are_known():
    """5e-324·4.5 − 5e-324·3.5 rounds to 4 less 4 times 5e-324; beside 0 the sawtooth is ∓1/2, and 0 at 0."""

    def values(a, x, shape):
        wave = (1.0, shape, 1.0, (0.5, 0.0), (-0.5, 0.0), np.empty(0))
        return _core.frequency_values(np.array([a]), np.array([x]), [wave])[0, 0]

    tiny, epsilon = 2.0**-484, 2.0**-52
    a, x = [(1 + epsilon) * tiny, 1 + 2 * epsilon], np.array([(1 + epsilon) * tiny, -(tiny**2)])
    assert [values(a, x, "sawtooth"), values(a, -x, "sawtooth")] == [-0.5, 0.5]  # ±2^-1072
    for a in ([5e-324, 5e-324], [1.0, 1e-292]):
        with pytest.raises(ValueError, match="must be 0 or not below 2\\^-968"):
            values(a, [4.5, -3.5], "sawtooth")
        assert values(a, [4.5, -3.5], "cosine") == pytest.approx(np.cos(2 * np.pi * 4.5 * a[0]), abs=1e-15)
    assert values([1.0, 0.0], [0.25, -3.5], "sawtooth") == values([1.0], [0.25], "sawtooth") == -0.25


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_the_shortest_intervals(target):
    """On [0, A·x] within 1e-300 of 0 the class is what ψ is beside 0, on that side."""
    cls = Frequencies(1e-200, target, integer=False)
    beside = [cls.circle.exact(Fraction(1, 10**30)), cls.circle.exact(1 - Fraction(1, 10**30)), cls.mean([0.0])[0]]
    x = [1e-200, -1e-200, 0.0]
    np.testing.assert_allclose(cls.mean(x), [float(v) for v in beside], rtol=0.0, atol=1e-14)
    np.testing.assert_allclose(cls.kernel(x, x), 0.0, atol=1e-14)
    near = Frequencies(1.0, target, integer=False).mean([1e-9, -1e-9, 1e-15, -1e-15])
    np.testing.assert_allclose(near, [float(v) for v in (*beside[:2], *beside[:2])], rtol=0.0, atol=1e-8)
