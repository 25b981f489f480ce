"""Correlations over the units in halves, with both Fourier libraries, against dense sums."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import PRIMES, relative, targets_for

import barren
from barren import _core, _fft, targets
from barren.classes.correlation import Correlation, HalfTransform, halves_of, in_logarithmic_order
from barren.classes.pairs import PairTransform

ALL_PRIMES = [*PRIMES, 7, 11, 103]  # (p−1)/2 even and odd


@pytest.fixture(params=["scipy", "ducc0"])
def backend(request, monkeypatch):
    monkeypatch.setattr(_fft, "_has_ducc0", lambda: request.param == "ducc0")
    return request.param


def shifts(cls: barren.ModularMultiplication) -> np.ndarray:
    """ψ̃(g^{i+j}) as a matrix, straight from its definition."""
    correlation = Correlation(cls)
    psi = cls.table()[correlation.group.powers]
    i = np.arange(cls.p - 1)
    return (psi - psi.mean())[(i[:, None] + i) % (cls.p - 1)]


@pytest.mark.parametrize("p", ALL_PRIMES)
def test_responses_and_energies_are_plain_sums(p, backend):
    assert _fft.backend().startswith(backend)
    f = np.random.default_rng(p).standard_normal((p - 1, 3)) + 5.0
    for target in targets_for(p):
        cls = barren.ModularMultiplication(p, target)
        correlation, matrix = Correlation(cls), shifts(cls)
        scale = max(float(np.abs(matrix @ f).max()), 1e-13)
        assert np.abs(correlation.responses(f) - matrix @ f).max() <= 1e-13 * scale, cls
        m = correlation.m

        def fold(order: np.ndarray, sign: float, out: np.ndarray, m: int = m) -> None:
            np.copyto(out, f[order[:m]] + sign * f[order[m:]])

        expected = np.mean((matrix @ f) ** 2, axis=0)
        tolerance = 1e-13 * max(expected.max(), 1e-13)
        assert np.abs(correlation.energies(fold, 3, apart=True) - expected).max() <= tolerance, cls
        pairs = np.array([expected[:2].sum(), expected[2]])
        assert np.abs(correlation.energies(fold, 3) - pairs).max() <= tolerance, cls


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 9, 50, 51])
@pytest.mark.parametrize("odd", [False, True])
def test_half_transforms_go_there_and_back(m, odd, backend):
    h = np.random.default_rng(m).standard_normal((m, 2))
    transform = HalfTransform(m, odd)
    coefficients = transform.forward(h.copy())
    assert relative(transform.inverse(coefficients.copy()), h) <= 1e-14
    # Every character of this parity once: Parseval over the whole length 2m.
    whole = np.concatenate([h, -h if odd else h])
    energy = (transform.multiplicities[:, None] * np.abs(coefficients) ** 2).sum(axis=0)
    assert relative(4.0 * energy, (np.abs(np.fft.fft(whole, axis=0)) ** 2).sum(axis=0)) <= 1e-13
    assert transform.multiplicities.sum() == m


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 9, 50, 51, 3 * 101, 4 * 103, 9 * 101, 10 * 107, 3 * 101**2])
@pytest.mark.parametrize("odd", [False, True])
def test_pairs_are_transformed_to_every_frequency_of_their_half_once(m, odd, backend):
    rng = np.random.default_rng(m)
    f = rng.standard_normal((2 * m, 2)) @ np.array([[1.0, 0.0], [0.0, 1e-3]])
    sign, transform = (-1.0 if odd else 1.0), PairTransform(m, odd)
    assert sorted(transform.order.tolist()) == list(range(2 * m))
    folded = f[transform.order[:m]] + sign * f[transform.order[m:]]
    pairs = folded.view(np.complex128).copy()
    transform.forward(pairs, 2)
    z = f[:, 0] + 1j * f[:, 1]
    expected = np.fft.fft(z)[1 if odd else 0 :: 2]
    # The order is that of any one sequence, whose frequencies this one must have at the same places.
    assert relative(np.sort(np.abs(pairs[:, 0])), np.sort(np.abs(expected))) <= 1e-12
    one, other = rng.standard_normal(m), rng.standard_normal(m)
    h = one + 1j * other
    halves = (np.concatenate([half, sign * half]) for half in (one, h))
    spectra = [np.abs(np.fft.fft(half))[1 if odd else 0 :: 2] ** 2 / 4.0 for half in halves]
    first = transform.order[:m]
    given = (np.where(first < m, 1.0, sign) * h[first % m]).astype(np.complex128)[:, None]
    transform.forward(given, 1)
    weighted = _core.weighted_energy(transform.energies(one), given)[0]
    assert abs(weighted - spectra[0] @ spectra[1]) <= 1e-11 * weighted


def test_lengths_with_a_large_prime_factor_are_split():
    assert [_fft.good_thomas(n) for n in (21 * 2381, 4 * 103**2)] == [(21, 2381), (4, 103**2)]
    assert [_fft.good_thomas(n) for n in (1, 97 * 96, 2 * 103, 103, 103**2)] == [
        (1, 1), (1, 97 * 96), (1, 206), (1, 103), (1, 103**2)]  # fmt: skip
    order = _fft.good_thomas_order(21, 2381)
    assert np.array_equal(order % 21, np.repeat(np.arange(21), 2381))
    assert np.array_equal(order % 2381, np.tile(np.arange(2381), 21))


def test_most_targets_have_one_half():
    p = 101
    one = [targets.Sawtooth(), targets.Bit(0), targets.Square(), targets.Threshold(0.5), targets.Cosine(3)]
    for target in [*one, targets.Triangle()]:
        cls = barren.ModularMultiplication(p, target)
        assert halves_of(cls) == len(Correlation(cls).halves) == 1
    for target in [targets.Threshold(0.3), targets.Table(np.arange(float(p)) ** 2)]:
        cls = barren.ModularMultiplication(p, target)
        assert halves_of(cls) == len(Correlation(cls).halves) == 2
    constant = barren.ModularMultiplication(3, targets.Cosine(1))
    assert halves_of(constant) == len(Correlation(constant).halves) == 0


def test_rows_with_the_same_logarithm_are_added():
    rows = np.array([[1.0], [2.0], [4.0], [8.0]])
    out = in_logarithmic_order(rows, np.array([2, -1, 0, 2]), 4)
    assert out.ravel().tolist() == [4.0, 0.0, 9.0, 0.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fold_of_a_block_of_columns(dtype):
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((7, 9)).astype(dtype)
    rows, weights = whole[:, 2:6], rng.random(7)
    order = np.array([3, -1, 0, 6, 2, -1])
    f = np.where((order >= 0)[:, None], weights[order, None] * rows[order].astype(float), 0.0)
    for threads in (1, 2, 7):
        for sign in (1.0, -1.0):
            out = np.full((3, 4), np.nan)
            _core.fold(rows, order, weights, sign, out, threads)
            assert np.array_equal(out, f[:3] + sign * f[3:])


def test_weighted_energy_is_the_same_on_any_number_of_threads():
    rng = np.random.default_rng(1)
    transform = rng.standard_normal((3000, 3)) + 1j * rng.standard_normal((3000, 3))
    weights = rng.random(3000)
    answers = [_core.weighted_energy(weights, transform, threads) for threads in (1, 2, 7)]
    assert all(np.array_equal(answers[0], other) for other in answers)
    assert relative(answers[0], weights @ np.abs(transform) ** 2) <= 1e-14


ORDER, WEIGHTS, ROWS, OUT = np.arange(6), np.ones(6), np.ones((6, 2)), np.empty((3, 2))


@pytest.mark.parametrize(
    "arguments",
    [
        (ROWS[:, 0], ORDER, WEIGHTS, 1.0, OUT),
        (ROWS, ORDER[:5], WEIGHTS, 1.0, OUT),
        (ROWS, ORDER, WEIGHTS[:5], 1.0, OUT),
        (ROWS, ORDER, WEIGHTS, 1.0, np.empty((3, 3))),
        (ROWS, ORDER + 1, WEIGHTS, 1.0, OUT),
        (ROWS, ORDER - 2, WEIGHTS, 1.0, OUT),
        (np.asfortranarray(np.ones((6, 2))), ORDER, WEIGHTS, 1.0, OUT),
        (ROWS[::-1], ORDER, WEIGHTS, 1.0, OUT),
        (np.broadcast_to(np.ones((1, 2)), (6, 2)), ORDER, WEIGHTS, 1.0, OUT),
        (np.empty((0, 2)), ORDER, np.empty(0), 1.0, OUT),
        (ROWS, ORDER, WEIGHTS, 1.0, np.broadcast_to(np.zeros(2), (3, 2))),
        (ROWS, ORDER.astype(np.int32), WEIGHTS, 1.0, OUT),
        (ROWS.astype(int), ORDER, WEIGHTS, 1.0, OUT),
        (ROWS, ORDER, WEIGHTS, 1.0, OUT, -1),
    ],
)
def test_fold_refuses_what_it_cannot_read_safely(arguments):
    with pytest.raises((TypeError, ValueError)):
        _core.fold(*arguments)


def test_weighted_energy_refuses_what_it_cannot_read_safely():
    with pytest.raises(ValueError, match="weights must have"):
        _core.weighted_energy(np.ones(3), np.ones((4, 1), dtype=complex))
    with pytest.raises(TypeError):
        _core.weighted_energy(np.ones(4), np.ones((4, 1)))
    assert _core.weighted_energy(np.empty(0), np.empty((0, 2), dtype=complex)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("columns", [None, 3])
def test_rows_in_logarithmic_order_are_weighted_and_added(repeats, columns, monkeypatch):
    monkeypatch.setattr("barren.classes.correlation._ANY_ORDER", 1 << 20)  # several pieces
    random = np.random.default_rng(3)
    logarithms = random.integers(-1, 40, 90) if repeats else random.permutation(np.arange(-1, 40))
    rows, weights = random.random((len(logarithms), columns or 1)), random.random(len(logarithms))
    rows = rows if columns else rows[:, 0]
    expected = np.zeros((40, *rows.shape[1:]))
    for logarithm, weight, row in zip(logarithms, weights, rows, strict=True):
        if logarithm >= 0:
            expected[logarithm] += weight * row
    found = in_logarithmic_order(rows, logarithms, 40, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    plain = in_logarithmic_order(weights.reshape(-1, *[1] * (rows.ndim - 1)) * rows, logarithms, 40)
    np.testing.assert_array_equal(plain, found)


def test_long_columns_are_transformed_few_at_a_time(backend, monkeypatch):
    """A length with a large prime factor takes three times as long, and half of the frequencies are not half of it."""
    m, columns, stops = 400_009, 12, []
    monkeypatch.setattr(_core, "checkpoint", lambda: stops.append(1))
    x = np.random.default_rng(0).standard_normal((m, columns))
    spectrum = _fft.rfft(x)
    assert len(stops) > columns // 4
    np.testing.assert_allclose(spectrum[:, 5], np.fft.rfft(x[:, 5]), atol=1e-9)
    stops.clear()
    again = _fft.irfft(spectrum, m)
    assert len(stops) > columns // 4
    np.testing.assert_allclose(again, x, atol=1e-12)


@pytest.mark.parametrize("p", [8363, 8387, 8053, 65537])  # (p−1)/2 = 37·113, 7·599, 2·3·11·61 and 2^15
@pytest.mark.parametrize("options", [{"deviations": False}, {"deviations": False, "per_parameter": True}, {}])
def test_the_number_of_threads_changes_no_bit_whatever_the_number_of_columns(p, options, backend):
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    for columns in (1, 8, 15, 17, 31):
        jacobian = np.random.default_rng(columns).standard_normal((p, columns))
        runs = [
            barren.gradient_variance(cls, jacobian=jacobian, method="character", threads=threads, **options)
            for threads in (1, 2, 7)
        ]
        assert len({float(v) for v in runs}) == 1
        if not options:
            assert all(np.array_equal(runs[0].deviations, v.deviations) for v in runs)
