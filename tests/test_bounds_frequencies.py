"""Bounds of frequencies: gcd matrices, Gram matrices on [0, 1] in closed form, the ladder."""

from __future__ import annotations

import tracemalloc
import warnings
from fractions import Fraction

import helpers
import numpy as np
import pytest
from cli_runner import run
from helpers import relative

import barren
from barren import _core, _memory, inputs, targets
from barren.bounds.gcd import BYTES_A_FREQUENCY, GcdMatrix, _primes, _totients
from barren.bounds.real_line import gram

pytestmark = helpers.NODES_ALONE

TARGETS = [
    targets.Sawtooth(),
    targets.Square(),
    targets.Triangle(),
    targets.Cosine(1),
    targets.Cosine(2),
    targets.Threshold(0.5),
    targets.Threshold(0.3),
    targets.Threshold(Fraction(2, 3)),
    targets.Table([1.0, 0.0, 2.0, 5.0, -1.0]),
    targets.QuantileBit(3),
    2 * targets.Sawtooth() + 1,
    1 - 2 * targets.Threshold(0.5),
    targets.Cosine(1) + 0.5 * targets.Cosine(3),
    targets.Cosine(2) - targets.Cosine(4) - 3 * targets.Cosine(6),
    targets.Sawtooth() - targets.Triangle() + 0.5 * targets.QuantileBit(2),
    targets.Cosine(6) + targets.Triangle() - targets.Threshold(0.3),
]


def plain_gram(A: int, target: targets.Target) -> np.ndarray:
    """⟨h_a − c₀, h_b − c₀⟩ by a Gauss rule on every interval without a jump or kink of any member: exact for lines."""
    circle = target.circle()
    cuts = {Fraction(0), Fraction(1, 2)}
    for _, wave in circle.terms:
        starts = [Fraction(0)] if wave.pieces is None else wave.starts
        cuts |= {(start + turn) / wave.harmonic for start in starts for turn in range(wave.harmonic)}
    breaks = sorted({(cut + k) / a for a in range(1, A + 1) for cut in cuts for k in range(a)} | {Fraction(1)})
    nodes, weights = np.polynomial.legendre.leggauss(12)
    low, high = np.array([float(b) for b in breaks[:-1]]), np.array([float(b) for b in breaks[1:]])
    x = (0.5 * (low + high)[:, None] + 0.5 * (high - low)[:, None] * nodes).reshape(-1)
    c = (0.5 * (high - low)[:, None] * weights).reshape(-1)
    values = barren.Frequencies(A, target).values(np.arange(1.0, A + 1.0), x)
    values -= (values @ c)[:, None]
    return np.asarray((values * c) @ values.T)


@pytest.mark.parametrize("A", [1, 2, 7, 64, 300])
@pytest.mark.parametrize(("s", "odd"), [(1, False), (2, False), (1, True), (2, True)])
def test_gcd_products_are_those_of_the_matrix(A, s, odd):
    a = np.arange(1, A + 1)
    matrix = np.gcd.outer(a, a).astype(float) ** (2 * s) / np.outer(a, a).astype(float) ** s
    if odd:
        twos = a & -a
        matrix[twos[:, None] != twos] = 0.0
    fast, v = GcdMatrix(A, s, odd), np.random.default_rng(A).standard_normal(A)
    assert relative(fast.product(v), matrix @ v) <= 1e-12
    assert relative(fast.rows(0, A), matrix) <= 1e-14
    assert fast.squared_norm() == pytest.approx(np.sum(matrix**2), rel=1e-12)


def test_gcd_products_have_the_same_bits_on_any_threads():
    A = 300_000
    v = np.random.default_rng(0).standard_normal(A)
    first, *others = (_core.gcd_product(v, _totients(A, 2), _primes(A), threads) for threads in (1, 2, 7))
    assert all(np.array_equal(first, other) for other in others)


def test_the_core_refuses_bad_arrays():
    ones = np.ones(4)
    for primes in ([3, 2], [2, 5], [1, 2], [2, 2], [-1]):
        with pytest.raises(ValueError, match="primes must increase and lie in"):
            _core.gcd_product(ones, ones, np.array(primes), 1)
    with pytest.raises(ValueError, match="same number of entries"):
        _core.gcd_product(ones, np.ones(3), np.array([2, 3]), 1)
    with pytest.raises(TypeError):
        _core.gcd_product(ones.astype(np.float32), ones, np.array([2, 3]), 1)
    assert _core.gcd_product(np.empty(0), np.empty(0), np.empty(0, np.int64), 2).shape == (0,)


@pytest.mark.parametrize(("A", "expected"), [(10, 2.535009), (100, 4.110113), (1000, 5.519765), (10000, 6.814427)])
def test_spectral_radii(A, expected):
    """Measured for docs/theory, section 4.3, to seven digits."""
    assert barren.gcd_spectral_radius(A) == pytest.approx(expected, abs=6e-7)


def test_spectral_radius_is_that_of_the_matrix():
    for A in (1, 2, 3, 50):
        a = np.arange(1, A + 1)
        matrix = np.gcd.outer(a, a) ** 2 / np.outer(a, a)
        assert barren.gcd_spectral_radius(A) == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=1e-12)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_gram_matrices_on_the_unit_interval(target):
    for A in (1, 2, 3, 20):
        found = gram(A, target)
        plain = plain_gram(A, target)
        products = np.stack([found.product(row) for row in np.eye(A)])
        assert relative(products, plain) <= 1e-9, A
        assert relative(found.rows(0, A), plain) <= 1e-9
        assert found.norm == pytest.approx(plain[0, 0], rel=1e-9)
        assert found.squared_norm == pytest.approx(np.sum(plain**2), rel=1e-9)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_the_ladder_on_the_unit_interval(target):
    for A in (1, 2, 3, 20):
        plain = plain_gram(A, target)
        centred = plain - plain.mean(axis=0)
        centred -= centred.mean(axis=1)[:, None]
        cls = barren.Frequencies(A, target)
        ladder = {rung.name: rung.value for rung in barren.bounds(cls)}
        sharp = float(np.linalg.eigvalsh(centred)[-1]) / A
        assert ladder["sharp"] == barren.sharp_bound(cls)
        assert ladder["sharp"] == pytest.approx(sharp, rel=1e-8, abs=1e-14)
        diagonal = np.diag(centred)
        frobenius = np.sqrt(max(0.0, np.sum(centred**2) - np.sum(diagonal**2)))
        assert ladder["boas-bellman"] == pytest.approx((diagonal.max() + frobenius) / A, rel=1e-6, abs=1e-9)
        assert ladder["trivial"] == pytest.approx(diagonal.mean(), rel=1e-8, abs=1e-14)
        variation = target.circle().variation
        assert ladder["bounded-variation"] == pytest.approx(variation**2 / 12 * barren.gcd_spectral_radius(A) / A)
        for name in ("boas-bellman", "bounded-variation", "trivial"):
            assert ladder[name] >= ladder["sharp"] * (1 - 1e-9) - 1e-15, name


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_every_inner_product_is_below_that_of_the_variation(target):
    """|⟨h_a, h_b⟩| ≤ (V²/12)·gcd²/(ab), entry by entry."""
    A = 20
    bound = target.circle().variation ** 2 / 12 * GcdMatrix(A).rows(0, A)
    assert np.all(np.abs(plain_gram(A, target)) <= bound * (1 + 1e-9) + 1e-14)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize(
    "law", [inputs.Grid(31), inputs.Density("gaussian", nodes=40), inputs.RealSample([0.1, 0.3, -2.5, 0.3])], ids=repr
)
def test_bounds_at_the_points_of_a_law(target, law):
    points, weights = law.points(), law.weights()
    for cls in (barren.Frequencies(12, target), barren.Frequencies(frequencies=[0.5, 2.25, 3.0], target=target)):
        centred = cls.values(cls.members, points) - cls.mean(points)
        inner = (centred * weights) @ centred.T / cls.size
        ladder = {rung.name: rung.value for rung in barren.bounds(cls, law)}
        assert ladder["sharp"] == pytest.approx(np.linalg.eigvalsh(inner)[-1], rel=1e-10, abs=1e-14)
        assert ladder["trivial"] == pytest.approx(np.trace(inner), rel=1e-10, abs=1e-14)
        J = barren.extremal_jacobian(cls, law)[:, 0]
        assert np.sum(((centred * weights) @ J) ** 2) / cls.size == pytest.approx(ladder["sharp"], rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("target", [targets.Cosine(), targets.Triangle(), targets.Sawtooth()])
def test_laws_with_a_density(target):
    """λ for a Gaussian is at most M = sup Σ_n ρ(t + n) times λ for [0, 1], and for a cosine nearly that."""

    def density(x):
        return np.exp(-8.0 * x**2) * (8.0 / np.pi) ** 0.5  # σ = 1/4

    most = sum(density(np.linspace(0.0, 1.0, 1001) + n) for n in range(-6, 7)).max()
    assert most == pytest.approx(1.597, abs=5e-4)
    law = inputs.Density(density, nodes=2048, interval=(-1.5, 1.5))
    for A in (2, 7, 32):
        cls = barren.Frequencies(A, target)
        ratio = barren.sharp_bound(cls, law) / barren.sharp_bound(cls)
        assert 0.3 < ratio <= most
    assert not isinstance(target, targets.Cosine) or ratio > 0.98 * most


def test_a_class_without_members():
    cls, law = barren.Frequencies(8.0, targets.Cosine(), integer=False), inputs.Grid(31)
    roots = np.sqrt(law.weights())
    kernel = roots[:, None] * cls.kernel(law.points(), law.points()) * roots
    ladder = {rung.name: rung.value for rung in barren.bounds(cls, law)}
    assert set(ladder) == {"sharp", "trivial"}
    assert ladder["sharp"] == pytest.approx(np.linalg.eigvalsh(kernel)[-1], rel=1e-10)
    assert ladder["trivial"] == pytest.approx(np.trace(kernel), rel=1e-10)
    assert barren.sq_queries(cls, tolerance=0.5, inputs=law) == np.ceil(0.25 / ladder["sharp"])


def test_bad_input():
    with pytest.raises(TypeError, match="A must be an integer"):
        barren.gcd_spectral_radius(2.5)
    with pytest.raises(ValueError, match="A must be an integer, at least 1"):
        barren.gcd_spectral_radius(0)
    with pytest.raises(TypeError, match="inputs must be a law"):
        barren.sharp_bound(barren.Frequencies(5), inputs.Uniform())
    with pytest.raises(TypeError, match="inputs must be a law"):
        barren.sharp_bound(barren.ModularMultiplication(5), inputs.Grid(7))
    with pytest.raises(ValueError, match="A must be at most 16384"):
        barren.sharp_bound(barren.Frequencies(10**6, targets.Threshold(0.3)))


@pytest.mark.parametrize("n", [2, 600])
def test_no_eigenvalue_of_what_is_not_finite(n):
    from barren.bounds.eigen import largest_dense, largest_lanczos

    matrix = np.eye(n)
    matrix[0, 0] = np.nan
    with pytest.raises(ArithmeticError, match="not finite"):
        largest_dense(matrix)
    with pytest.raises(ArithmeticError, match="not finite"):
        largest_lanczos(lambda v: matrix @ v.ravel(), n)


@pytest.mark.parametrize("x", [0.0, 1.0, -7.0])
@pytest.mark.parametrize("method", ["direct", "kernel", "auto"])
def test_equal_responses_have_no_variance(x, method):
    """At an integer all members are ψ(0): the mean of equal numbers must be one of them, as it is not if rounded."""
    law, J = inputs.RealSample([x]), np.random.default_rng(1).standard_normal((1, 5))
    for target in (3 * targets.Threshold(0.7), targets.Sawtooth() - 0.3 * targets.Square()):
        for A in (3, 30, 1000):
            v = barren.gradient_variance(barren.Frequencies(A, target), jacobian=J, inputs=law, method=method)
            assert (float(v), v.bound) == (0.0, 0.0)


def _of_the_class(cls: barren.Frequencies | barren.ModularMultiplication, law: object) -> np.ndarray:
    """All that is a covariance: bounds, correlations, the kernel, variances and deviations by two methods."""
    points, _ = cls.points_of(law)
    rho = barren.correlations(cls, law)
    found = [barren.sharp_bound(cls, law), rho.largest, rho.root_mean_square, *cls.kernel(points, points).ravel()]
    found += [rung.value for rung in barren.bounds(cls, law)]
    J = np.random.default_rng(1).standard_normal((len(points), 3))
    for method in ("direct", "kernel"):
        v = barren.gradient_variance(cls, jacobian=J, inputs=law, method=method)
        found += [float(v), v.bound, *v.deviations]
    return np.array(found)


ON_THE_LINE = inputs.RealSample(np.random.default_rng(0).uniform(-2.0, 2.0, 6))
RESIDUES = inputs.Sample([1, 2, 5, 7, 9, 11])
STEPS = np.array([0.0, 8.0, 4.0, 1024.0])  # float64 numbers with any of the constants too


@pytest.mark.parametrize("constant", [1e12, 1e16, -1e16])
@pytest.mark.parametrize(
    ("made", "law"),
    [
        (lambda C: barren.Frequencies(5, targets.Sawtooth() + C), ON_THE_LINE),
        (lambda C: barren.Frequencies(5, targets.Cosine(1) + targets.Cosine(2) + C), ON_THE_LINE),
        (lambda C: barren.Frequencies(5, targets.Table(STEPS + C)), ON_THE_LINE),
        (lambda C: barren.Frequencies(5, targets.Triangle() - 3 * targets.Table(STEPS + C)), ON_THE_LINE),
        (lambda C: barren.Frequencies(target=targets.Sawtooth() + C, frequencies=[1.5, 2.25, -3.0]), ON_THE_LINE),
        (lambda C: barren.Frequencies(target=C - targets.Sawtooth(), frequencies=[1.5, 2.25]), inputs.Grid(6)),
        (lambda C: barren.Frequencies(5, targets.Sawtooth() - targets.Threshold() + C), inputs.Grid(6)),
        (lambda C: barren.ModularMultiplication(13, targets.Sawtooth() + C), RESIDUES),
        (lambda C: barren.ModularMultiplication(13, 2 * targets.Bit(0) + C, "all"), RESIDUES),
        (lambda C: barren.ModularMultiplication(13, targets.Bit(0) + C, [1, 2, 5, 6]), RESIDUES),
        (lambda C: barren.ModularMultiplication(15, targets.Sawtooth() + C), RESIDUES),
        (lambda C: barren.ModularMultiplication(13, targets.Sawtooth() + C), inputs.Uniform()),
        (lambda C: barren.ModularMultiplication(4, targets.Table(STEPS + C), "all"), inputs.Uniform()),
    ],
)
def test_no_covariance_sees_a_constant_of_the_target(made, law, constant):
    """However large: beside 1e16 a sawtooth is 0 to every digit, and Var ≤ λ·B² would be lost with λ."""
    plain = _of_the_class(made(0.0), law)
    assert plain[0] > 0.0
    # To rounding: at equal factors ψ itself is another target, computed by other instructions.
    np.testing.assert_allclose(_of_the_class(made(constant), law), plain, rtol=1e-12, atol=1e-14 * plain.max())


@pytest.mark.parametrize("target", [targets.Sawtooth() - targets.Triangle(), targets.Threshold(0.3), targets.Square()])
def test_no_bound_on_the_unit_interval_sees_a_constant(target):
    plain = [(rung.name, rung.value) for rung in barren.bounds(barren.Frequencies(7, target))]
    assert [(rung.name, rung.value) for rung in barren.bounds(barren.Frequencies(7, target + 1e16))] == plain


TOO_MANY = 10**11


@pytest.mark.parametrize("target", [targets.Sawtooth(), targets.Square(), targets.Cosine(1) + targets.Cosine(3)])
@pytest.mark.parametrize("verb", [barren.sharp_bound, barren.bounds])
def test_frequencies_whose_vectors_do_not_fit_in_memory_are_refused(verb, target, monkeypatch):
    cls = barren.Frequencies(TOO_MANY, target)
    with pytest.raises(ValueError, match=r"A must be at most \d+ for Lanczos vectors .* GiB of this machine; got 1"):
        verb(cls)
    monkeypatch.setattr(_memory, "physical", lambda: 430 * 999)
    with pytest.raises(ValueError, match=r"A must be at most .* got 1000, which needs 0.0 GiB"):
        verb(barren.Frequencies(1000, target))
    with pytest.raises(ValueError, match="A must be at most 999 for Lanczos vectors"):
        barren.gcd_spectral_radius(1000)
    assert barren.gcd_spectral_radius(999) > 5.0


def test_correlations_of_too_many_frequencies_are_refused_before_any_work():
    with pytest.raises(ValueError, match="cls must be a class whose pairs fit in 2 GiB here; got 1000000000 members"):
        barren.correlations(barren.Frequencies(10**9))


def test_the_command_line_refuses_them_in_one_line():
    code, out, err = run("bounds", "--frequencies", str(TOO_MANY))
    assert (code, out) == (2, "")
    assert err.startswith("barren: A must be at most ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("target", "each"),
    [
        (targets.Sawtooth(), BYTES_A_FREQUENCY),
        (targets.Square(), BYTES_A_FREQUENCY),
        (targets.Cosine(1), BYTES_A_FREQUENCY + 60),
        (targets.Cosine(1) + targets.Cosine(3) - targets.Cosine(4), BYTES_A_FREQUENCY + 180),
    ],
)
def test_bounds_take_the_memory_that_is_asked_for(target, each):
    """All that NumPy allocates, at its peak: no more than what was checked, and not far less."""
    cls = barren.Frequencies(20000, target)
    barren.bounds(barren.Frequencies(10, target))  # what is loaded once
    _primes.cache_clear()
    _totients.cache_clear()
    tracemalloc.start()
    try:
        barren.bounds(cls)
        peak = tracemalloc.get_traced_memory()[1] / cls.size
    finally:
        tracemalloc.stop()
    assert 0.8 * each < peak < each


HUGE = "the squared gradient must be a finite float64; got an overflow: scale ψ down"


@pytest.mark.parametrize(
    ("cls", "law"),
    [
        (barren.Frequencies(3, 1e300 * targets.Sawtooth()), None),
        (barren.Frequencies(3, 1e160 * targets.Cosine(1)), None),
        (barren.Frequencies(3, targets.Table([1e160, 0.0, 1.0])), None),
        (barren.Frequencies(3, 1e160 * targets.Sawtooth()), ON_THE_LINE),
        (barren.Frequencies(3, 1e160 * targets.Sawtooth()), inputs.Grid(7)),
        (barren.ModularMultiplication(101, 1e200 * targets.Sawtooth()), None),
        (barren.ModularMultiplication(101, 1e200 * targets.Sawtooth(), [1, 2, 5]), None),
        (barren.ModularMultiplication(3, targets.Table([1e160, 0.0, 1.0])), None),
        (barren.ModularMultiplication(2**61 - 1, 1e160 * targets.Sawtooth()), inputs.Sample([1, 2, 3])),
    ],
)
def test_bounds_that_are_no_numbers_are_refused(cls, law):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for verb in (barren.sharp_bound, barren.bounds):
            with pytest.raises(ValueError, match=HUGE):
                verb(cls, law)


def test_a_variance_that_is_no_number_is_refused_in_the_same_words():
    cls = barren.Frequencies(3, 1e160 * targets.Sawtooth())
    J = np.random.default_rng(1).standard_normal((6, 2))
    with (
        np.errstate(over="ignore"),
        pytest.raises(ValueError, match="must be a finite float64; got an overflow: scale the Jacobian, Θ, the model"),
    ):
        barren.gradient_variance(cls, jacobian=J, inputs=ON_THE_LINE)


@pytest.mark.parametrize("exponent", [300, 500, -300, -500])
@pytest.mark.parametrize(
    ("made", "law"),
    [
        (lambda s: barren.Frequencies(3, s * targets.Sawtooth()), None),
        (lambda s: barren.Frequencies(3, s * targets.Threshold(0.3) - s * targets.Triangle()), None),
        (lambda s: barren.Frequencies(3, targets.Table([s, 0.0, 0.25 * s])), None),
        (lambda s: barren.Frequencies(3, s * targets.Sawtooth()), ON_THE_LINE),
        (lambda s: barren.ModularMultiplication(101, s * targets.Sawtooth()), None),
        (lambda s: barren.ModularMultiplication(13, s * targets.Bit(0), [1, 2, 5]), RESIDUES),
    ],
)
def test_bounds_grow_by_the_square_of_the_target(made, law, exponent):
    """By a power of two without a rounding, though fourth powers of ψ would be no numbers; correlations do not grow."""
    one, scaled = made(1.0), made(2.0**exponent)
    for rung, other in zip(barren.bounds(one, law), barren.bounds(scaled, law), strict=True):
        grown = rung.value * 2.0 ** (2 * exponent) if rung.proven else rung.value
        assert (other.name, other.value) == (rung.name, pytest.approx(grown, rel=1e-13, abs=0.0))
    assert barren.sharp_bound(scaled, law) == pytest.approx(
        barren.sharp_bound(one, law) * 2.0 ** (2 * exponent), rel=1e-13, abs=0.0
    )
    rho = barren.correlations(one, law)
    assert barren.correlations(scaled, law).root_mean_square == pytest.approx(rho.root_mean_square, rel=1e-13)
    assert barren.sq_queries(scaled, tolerance=2.0 ** (exponent + 3), inputs=law) == barren.sq_queries(
        one, tolerance=8.0, inputs=law
    )
    dimensions = [barren.sq_dimension(cls, law) for cls in (one, scaled)]
    assert (dimensions[0].lower, dimensions[0].upper) == (dimensions[1].lower, dimensions[1].upper)


def test_correlations_of_a_huge_target():
    assert barren.correlations(barren.Frequencies(3, 1e160 * targets.Sawtooth())).largest == pytest.approx(0.5)


@pytest.mark.parametrize(
    "made",
    [
        lambda: 10**400 * targets.Sawtooth(),
        lambda: 1e200 * (1e200 * targets.Bit(0)),
        lambda: targets.Square() + 10**400,
    ],
)
def test_coefficients_that_are_no_float64_are_refused(made):
    with pytest.raises(ValueError, match="terms must be coefficients that are float64 numbers; got one of 40"):
        made()
