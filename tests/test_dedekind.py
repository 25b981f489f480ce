"""Dedekind sums, sawtooth expansions and the class kernel without a table, against the definitions."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from fractions import Fraction

import flint
import numpy as np
import pytest
from helpers import relative
from hypothesis import given, settings
from hypothesis import strategies as st

import barren
from barren import _core, inputs, reference, targets
from barren.classes import dedekind, modular
from barren.targets import Bit, Cosine, QuantileBit, Residue, Sawtooth, Square, Threshold, Triangle

NONE = np.empty(0, dtype=np.int64)
LARGE = (2**40 - 87, 2**52 - 47, 2**52 + 21, 2**61 - 1, 2**63 - 25)
HUGE = 2**255 - 19

RATIONAL = [
    Sawtooth(),
    Square(),
    Threshold(0.3),
    Threshold(Fraction(1, 2)),
    *map(Bit, range(12)),
    *map(QuantileBit, range(1, 13)),
    1 - 2 * Bit(0),
    Sawtooth() * Fraction(1, 3) + 2 * Threshold(0.3) - Bit(1) + 5,
]


def fitting(p: int, several: list[targets.Target]) -> list[targets.Target]:
    kept = []
    for target in several:
        try:
            target.check(p)
        except ValueError:
            continue
        kept.append(target)
    return kept


def exact_sum(h: int, k: int, c: int) -> Fraction:
    """By python-flint where c = 0, else by Euclid on Python integers, which small k compare with the definition."""
    return Fraction(dedekind.dedekind_numerator(h, k, c), k)


@pytest.fixture(params=_core.available_kernels())
def kernel(request):
    before = _core.kernel()
    _core.use_kernel(request.param)
    yield request.param
    _core.use_kernel(before)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 6, 7, 12, 25, 36, 41, 101])
def test_sums_are_those_of_the_definition_rounded_once(k, kernel):
    h, c = (array.reshape(-1) for array in np.meshgrid(np.arange(k), np.arange(k), indexing="ij"))
    expected = [float(reference.dedekind_sum(int(a), k, int(b))) for a, b in zip(h, c, strict=True)]
    assert dedekind.dedekind_sums(h, k, c).tolist() == expected
    assert dedekind.dedekind_sums(h.astype(object) + k * 0, k, c).tolist() == expected
    assert [dedekind._any_sum(int(a), k, int(b)) for a, b in zip(h, c, strict=True)] == expected
    assert _core.dedekind_sums(h, NONE, k).tolist() == _core.dedekind_sums(h, 0 * c, k).tolist()


@pytest.mark.parametrize("k", [*LARGE, 2**52 - 1, 2**52, 2**53 - 111, 2**53, 2**63 - 1, 3 * 2**50])
def test_sums_of_large_moduli_equal_flints_to_the_last_bit(k, kernel):
    rng = np.random.default_rng(k % 1000)
    some = [0, 1, 2, 3, k - 1, k - 2, k // 2, k // 3 + 1]
    h = np.concatenate([some, rng.integers(0, k, 700)]).astype(np.int64)
    found = [flint.fmpq.dedekind_sum(a // math.gcd(a, k), k // math.gcd(a, k)) for a in h.tolist()]
    expected = np.array([12 * int(s.p) / int(s.q) for s in found])
    for threads in (1, 2, 7):
        got = _core.dedekind_sums(h, NONE, k, threads)
        assert np.array_equal(got, expected)
    assert relative(got, expected) <= 1e-13
    c = rng.integers(0, k, h.size)
    shifted = _core.dedekind_sums(h, c, k, 1)
    assert np.array_equal(shifted, [dedekind._any_sum(int(a), k, int(b)) for a, b in zip(h, c, strict=True)])
    assert np.array_equal(shifted, _core.dedekind_sums(h, c, k, 7))


def test_sums_in_lanes_equal_those_in_integers(kernel):
    """Moduli of every length; h with large quotients, common divisors and many steps. A shift of 0 is in integers."""
    rng = np.random.default_rng(3)
    fibonacci = [1, 2]
    while fibonacci[-1] < 2**62:
        fibonacci.append(sum(fibonacci[-2:]))
    moduli = [*range(1, 40), *fibonacci, *(2**bits + d for bits in (51, 52, 53, 62) for d in (-2, -1, 1, 3))]
    moduli += [int(k) for bits in range(6, 64) for k in rng.integers(2 ** (bits - 1), 2**bits, 4, dtype=np.uint64)]
    for k in moduli:
        near = [k // i for i in range(1, 12)] + [k >> i for i in range(63)]
        h = [a + d for a in near for d in (-1, 0, 1)]
        h += [2**i for i in range(63)] + [-(3**i) for i in range(40)] + fibonacci[-4:]
        places = np.concatenate([[a % k for a in h], rng.integers(0, k, 200)]).astype(np.int64)
        expected = _core.dedekind_sums(places, np.zeros_like(places), k, 1)
        assert np.array_equal(_core.dedekind_sums(places, NONE, k, 1), expected)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_reciprocity(data):
    k = data.draw(st.integers(2, 2**80))
    h = data.draw(st.integers(1, k))
    c = data.draw(st.integers(0, k - 1))
    common = math.gcd(h, k)
    h, k = h // common, k // common
    c %= k
    edge = int(c == 0 or c % h != 0)
    other = exact_sum(k % h, h, c % h) if h > 1 else 0
    right = Fraction(h, k) + Fraction(k, h) + Fraction(1, h * k) + Fraction(6 * c * c, h * k) - 6 * (c // h) - 3 * edge
    assert exact_sum(h % k if k > 1 else 0, k, c) + other == right


def test_euclid_without_flint_is_the_same(monkeypatch):
    k = HUGE
    h = [pow(3, i, k) for i in range(1, 40)] + [1, 2, k - 1]
    with_flint = [dedekind.dedekind_numerator(a, k) for a in h]
    monkeypatch.setattr(dedekind, "_flint", lambda: None)
    assert [dedekind.dedekind_numerator(a, k) for a in h] == with_flint
    assert dedekind.dedekind_sums(h, k).tolist() == [n / k for n in with_flint]
    assert dedekind.dedekind_sums([3], 2**64 + 4, [5])[0] == dedekind._any_sum(3, 2**64 + 4, 5)


@pytest.mark.parametrize("p", [3, 5, 7, 9, 13, 15, 31, 33, 63, 65, 101, 127, 129, 255, 257, 1009])
def test_expansions_equal_their_target_at_every_residue_in_exact_rationals(p):
    for target in fitting(p, RATIONAL):
        expansion = target.sawtooth_expansion(p)
        assert expansion is not None, target
        values = [expansion.value(t) for t in range(p)]
        assert expansion.mean == sum(values, Fraction(0)) / p
        assert values == [exact_value(target, t, p) for t in range(p)], target
        assert np.allclose([float(value) for value in values], target.table(p), rtol=0, atol=1e-15)


def exact_value(target: targets.Target, t: int, p: int) -> Fraction:
    if isinstance(target, targets.Combination):
        return target.constant + sum((c * exact_value(part, t, p) for c, part in target.terms), Fraction(0))
    if isinstance(target, Sawtooth):
        return reference.sawtooth(Fraction(t, p))
    if isinstance(target, QuantileBit):
        return Fraction(2**target.i * t // p % 2)
    return Fraction(target([t], p)[0])


def test_targets_without_an_expansion_say_which_have_one():
    for target in (Cosine(), Triangle(), Residue(), targets.Table(np.arange(101.0)), Cosine() + Bit(0)):
        assert target.sawtooth_expansion(101) is None
        assert "Sawtooth, Square, Threshold, QuantileBit, Bit(j)" in target.sawtooth_obstacle(101)
    assert Bit(100).sawtooth_expansion(HUGE) is None
    assert len(Bit(254).sawtooth_expansion(HUGE).terms) == 2
    assert "is even" in Bit(0).sawtooth_obstacle(100)
    assert Bit(0).sawtooth_obstacle(101) is None


PRIMES = [p for p in range(3, 80) if all(p % q for q in range(2, p))] + [101, 211]


@pytest.mark.parametrize("p", PRIMES)
@pytest.mark.parametrize("multipliers", ["units", "all"])
def test_kernel_and_mean_of_every_sawtooth_rational_target(p, multipliers):
    x = np.arange(p)
    some = np.unique(np.linspace(0, p - 1, 7).astype(np.int64))
    for target in fitting(p, RATIONAL):
        cls = barren.ModularMultiplication(p, target, multipliers)
        expected = reference.kernel(cls, x, x)
        scale = max(float(np.abs(expected).max()), 1e-3)
        got = cls.kernel(x, x, route="dedekind")
        assert np.abs(got - expected).max() <= 1e-12 * scale, target
        assert np.array_equal(got, got.T)
        assert np.abs(cls.kernel(x, some, route="dedekind") - expected[:, some]).max() <= 1e-12 * scale
        assert np.abs(cls.mean(x, route="dedekind") - cls.mean(x)).max() <= 1e-12
        units = some[some > 0].astype(object)
        exact = cls.sawtooth_kernel._exact_blocks(units, units[::-1].copy(), 0, False)[:, ::-1]
        assert np.abs(exact - expected[np.ix_(some[some > 0], some[some > 0])]).max() <= 1e-12 * scale, target


@pytest.mark.parametrize("p", [5, 13])
def test_kernel_of_small_primes_in_exact_rationals(p):
    for target, multipliers in itertools.product(fitting(p, RATIONAL), ["units", "all"]):
        cls = barren.ModularMultiplication(p, target, multipliers)
        got = cls.kernel(np.arange(p), np.arange(p), route="dedekind")
        exact = [[float(reference.exact_kernel(cls, x, y)) for y in range(p)] for x in range(p)]
        assert np.abs(got - exact).max() <= 1e-14


@pytest.mark.parametrize("p", LARGE)
def test_the_core_and_python_integers_agree_at_large_primes(p):
    import sympy

    p = sympy.prevprime(p + 1)
    x = np.array([1, 2, 3, p - 1, p // 2, *np.random.default_rng(0).integers(1, p, 9)])
    for target in [Sawtooth(), Square(), Threshold(0.3), Bit(0), Bit(1), Bit(2), QuantileBit(2), 1 - 2 * Bit(0)]:
        cls = barren.ModularMultiplication(p, target)
        got = cls.kernel(x, x)
        exact = cls.sawtooth_kernel._exact_blocks(x.astype(object), x.astype(object), 0, False)
        assert relative(got, exact) <= 1e-14, target
        assert np.array_equal(got, cls.kernel(x, x, threads=1))
        assert np.array_equal(got, cls.kernel(x, x, threads=7))
        assert np.linalg.eigvalsh(got).min() >= -1e-12


@pytest.mark.parametrize("target", [Sawtooth(), Bit(0), QuantileBit(2), Threshold(0.25)])
def test_dedekind_character_and_brute_force_routes_agree_at_10007(target, monkeypatch):
    p, n = 10007, 24
    rng = np.random.default_rng(7)
    law, jacobian = inputs.Sample(rng.integers(0, p, n)), rng.standard_normal((n, 3)) + 1.0
    cls = barren.ModularMultiplication(p, target)
    brute = reference.from_jacobian(cls, jacobian, law).variance
    character = float(barren.gradient_variance(cls, jacobian=jacobian, inputs=law, method="character"))
    monkeypatch.setattr(modular, "_LARGEST_TABLE", 10**4)
    again = barren.ModularMultiplication(p, target)
    assert again.by_dedekind_sums
    v = barren.gradient_variance(again, jacobian=jacobian, inputs=law, method="kernel")
    assert relative(character, brute) <= 1e-10
    assert relative(float(v), brute) <= 1e-10
    assert relative(float(v.deviations.mean()), brute) <= 1e-10
    assert float(v) <= v.bound


def test_variance_over_every_multiplier_of_a_255_bit_prime():
    cls, law = barren.ModularMultiplication(HUGE, Bit(0)), inputs.Sample([1, 3, 3, 2**200, HUGE - 1, 0])
    jacobian = np.random.default_rng(1).standard_normal((6, 4))
    v = barren.gradient_variance(cls, jacobian=jacobian, inputs=law)
    # lsb(a) and lsb(3a) agree for a third less than half of the rest; −1 turns the bit of every a ≠ 0 around.
    correlation = np.array(
        [
            [1, 1 / 3, 1 / 3, 0, -1, 0],
            [1 / 3, 1, 1, 0, -1 / 3, 0],
            [1 / 3, 1, 1, 0, -1 / 3, 0],
            [0, 0, 0, 1, 0, 0],
            [-1, -1 / 3, -1 / 3, 0, 1, 0],
            [0, 0, 0, 0, 0, 0],
        ]
    )
    expected = np.sum(correlation / 4 * (jacobian @ jacobian.T)) / 36
    assert relative(float(v), expected) <= 1e-14
    assert (v.method, v.standard_error, cls.size, v.is_listed) == ("kernel", 0.0, HUGE - 1, False)
    assert float(v) <= v.bound
    assert "all 578960446186580977117854925043439539266349923328202820197287920039565648199" in v.explain()
    assert "which do not fit in memory" in str(barren.plan(cls, jacobian=jacobian, inputs=law))
    for wrong in (lambda: v.deviations, lambda: v.members, lambda: v.easiest()):
        with pytest.raises(ValueError, match="list of all"):
            wrong()


def test_large_primes_below_2_to_63_have_no_deviations_either():
    cls = barren.ModularMultiplication(2**61 - 1, Sawtooth(), "all")
    v = barren.gradient_variance(cls, jacobian=np.eye(3), inputs=inputs.Sample([1, 2, 0]))
    kernel = cls.sawtooth_kernel._exact_blocks(np.array([1, 2], object), np.array([1, 2], object), 0, False)
    assert relative(float(v), kernel.trace() / 9) <= 1e-14
    with pytest.raises(ValueError, match="list of all"):
        _ = v.deviations


BAD = {
    "deviations": (HUGE, Bit(0), [1, 2], {"deviations": True}, "deviations must be left out"),
    "no expansion": (HUGE, Cosine(), [1, 2], {}, r"p must be below 2\*\*63 here; .* Sawtooth, Square, Threshold"),
    "no expansion, listed nowhere": (2**61 - 1, Cosine(), [1, 2], {}, r"members and points; .* Sawtooth, Square"),
    "composite": (HUGE - 2, Bit(0), [1, 2], {}, "Dedekind sums need an odd prime p"),
    "composite below": (2**61 + 1, Bit(0), [1, 2], {}, "Dedekind sums need an odd prime p"),
    "out of range": (HUGE, Bit(0), [1, HUGE], {}, f"points must be .* in 0..{HUGE - 1}; got {HUGE} at index 1"),
    "another method": (HUGE, Bit(0), [1, 2], {"method": "direct"}, "cannot be used here: it lists the 5789"),
    "parameters": (HUGE, Bit(0), [1, 2], {"per_parameter": True}, "no method can compute this problem"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    p, target, points, options, message = BAD[name]
    cls = barren.ModularMultiplication(p, target)
    with pytest.raises(ValueError, match=message):
        barren.gradient_variance(cls, jacobian=np.eye(2), inputs=inputs.Sample(points), **options)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: dedekind.dedekind_sums([7], 7), ValueError, "h must be"),
        (lambda: dedekind.dedekind_sums([1.5], 7), TypeError, "h must be"),
        (lambda: dedekind.dedekind_sums([1], 7, [1, 2]), ValueError, "c must be of the length of h, 1; got 2"),
        (lambda: dedekind.dedekind_sums([1], 0), ValueError, "k must be an integer, at least 1; got 0"),
        (lambda: _core.dedekind_sums(np.array([7]), NONE, 7), ValueError, "h must lie in 0..k-1"),
        (lambda: _core.dedekind_sums(np.array([-1]), NONE, 7), ValueError, "h must lie in 0..k-1"),
        (lambda: _core.dedekind_sums(np.array([1]), np.array([9]), 7), ValueError, "c must lie in 0..k-1"),
        (lambda: _core.dedekind_sums(np.array([1]), np.array([1, 2]), 7), ValueError, "one entry for each h"),
        (lambda: _core.dedekind_ratios(np.array([9]), NONE, 7, 0, 0), ValueError, "inverses must lie in 0..k-1"),
        (lambda: _core.dedekind_ratios(np.array([1]), np.array([9]), 7, 0, 0), ValueError, "columns must lie in"),
        (lambda: _core.dedekind_ratios(NONE, NONE, 7, 7, 0), ValueError, "shifts must lie in 0..k-1"),
        (lambda: _core.sawtooth_ratios(NONE, NONE, 7, -1), ValueError, "shift must lie in 0..k-1"),
        (lambda: _core.sawtooth_ratios(NONE, NONE, 0, 0), ValueError, "modulus must be at least 1"),
        (lambda: barren.ModularMultiplication(101).kernel([1], [1], route="fast"), ValueError, "route must be one of"),
        (lambda: barren.ModularMultiplication(101, Cosine()).kernel([1], [1], route="dedekind"), ValueError, "Cosine"),
        (lambda: QuantileBit(0), ValueError, "i must be an integer, at least 1; got 0"),
        (lambda: QuantileBit(4).check(8), ValueError, "i must be at most 3"),
        (lambda: targets.Combination([]), ValueError, "at least one target"),
        (lambda: Bit(0) - Bit(0), ValueError, "at least one target"),
        (lambda: targets.Combination([("2", Bit(0))]), TypeError, r"terms\[0\]\[0\] must be a finite number"),
        (lambda: targets.Combination([(2, 3)]), TypeError, r"terms\[0\]\[1\] must be a target"),
        (lambda: float("nan") * Bit(0), ValueError, "finite"),
        (lambda: Bit(0) + "1", TypeError, "unsupported operand"),
        (lambda: (Bit(0) + Sawtooth()).range(2**31 - 1), ValueError, r"p must be at most 2\*\*24"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_ctrl_c_stops_the_sums():
    h = np.random.default_rng(0).integers(0, 2**62, 4 * 10**7)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _core.dedekind_sums(h, h, 2**62 + 1, 1)
    assert time.monotonic() - start < 2.0  # all of it takes far longer
    timer.join()


def test_sums_in_a_forked_child():
    code = """
        import os
        import numpy as np
        from barren import _core
        h = np.arange(10**5)
        first = _core.dedekind_sums(h, np.empty(0, np.int64), 2**40, 2)
        child = os.fork()
        if child == 0:
            same = np.array_equal(_core.dedekind_sums(h, np.empty(0, np.int64), 2**40, 2), first)
            os._exit(0 if same else 1)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=60).returncode == 0


def by_reciprocity(h: int, k: int, c: int) -> Fraction:
    """σ(h, k, c) by the reciprocity of docs/theory, section 2.1, as it stands."""
    if h == 0:
        return Fraction(0)  # k = 1
    e = 1 if c == 0 or c % h else 0
    right = Fraction(h, k) + Fraction(k, h) + Fraction(1 + 6 * c**2, h * k) - 6 * (c // h) - 3 * e
    return right - by_reciprocity(k % h, h, c % h)


def test_shifts_that_share_the_algorithm_of_euclid():
    """Many shifts of one h at once, multiples of remainders among them, against the plain recursion in fractions."""
    k = 2**89 - 1
    random = np.random.default_rng(4)
    for _ in range(5):
        h = int.from_bytes(random.bytes(11), "big") % (k - 1) + 1
        remainders = [k, h]
        while remainders[-1]:
            remainders.append(remainders[-2] % remainders[-1])
        shifts = [0, 1, k - 1, *remainders[1:-1:5], *(3 * r % k for r in remainders[2:-1:7])]
        shifts += [int.from_bytes(random.bytes(11), "big") % k for _ in range(5)]
        found = dedekind.dedekind_numerators(h, k, shifts)
        assert [Fraction(numerator, k) for numerator in found] == [by_reciprocity(h, k, c) for c in shifts]


def test_what_a_sample_says_of_its_law():
    """The diagonal of K is what coins would give; lowest bits of a·x and 3a·x share a third, random points none."""
    cls = barren.ModularMultiplication(HUGE, Bit(0))
    kernel = cls.kernel([1], [1, 3])[0]
    assert kernel[1] / kernel[0] == pytest.approx(1 / 3, abs=1e-12)
    random = np.random.default_rng(0)
    points = [int.from_bytes(random.bytes(32), "big") % HUGE for _ in range(20)]
    kernel = cls.kernel(points, points)
    assert np.abs(kernel - np.diag(np.diag(kernel))).max() < 1e-70 * kernel[0, 0]
    jacobian = random.standard_normal((20, 3))
    v = barren.gradient_variance(cls, jacobian=jacobian, inputs=inputs.Sample(points))
    assert float(v) == pytest.approx(v.mean_squared_norm * kernel[0, 0] / 20, rel=1e-12)


def kernel_by_reciprocity(cls: barren.ModularMultiplication, x: int, y: int) -> Fraction:
    """K(x, y) over the units in exact rationals, term by term of the expansion of ψ: the sum over Z_p less a = 0."""
    p, psi = cls.p, cls.target.sawtooth_expansion(cls.p)
    total = p * psi.constant**2
    for (c, m, s), (d, n, u) in itertools.product(psi.terms, psi.terms):
        h = n * y * pow(m * x, -1, p) % p
        total += c * d * by_reciprocity(h, p, (u - h * s) % p) / 12
    for residue, mass in psi.masses.items():
        there, back = psi.value(residue * y * pow(x, -1, p)), residue * x * pow(y, -1, p) % p
        total += mass * (there + psi.value(back) - psi.masses.get(back, 0))  # both masses at once count once
    mean = (p * psi.mean - psi.value(0)) / (p - 1)
    return (total - psi.value(0) ** 2) / (p - 1) - mean**2


@pytest.mark.parametrize("p", [7, 101, 16777259, 2**61 - 1, 2**255 - 19])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_variance_of_a_combination_at_a_large_prime(p, dtype):
    points, J = [1, 2, 3, p - 1], np.random.default_rng(0).standard_normal((4, 3)).astype(dtype)
    for target in (targets.Bit(0) + targets.QuantileBit(1), targets.Sawtooth() - 2 * targets.Bit(0)):
        cls, law = barren.ModularMultiplication(p, target), inputs.Sample(points)
        exact = [[kernel_by_reciprocity(cls, x, y) for y in points] for x in points]
        if p < 1000:
            assert exact == [[reference.exact_kernel(cls, x, y) for y in points] for x in points]
        expected = np.sum(np.array(exact, dtype=np.float64) * (J.astype(np.float64) @ J.T.astype(np.float64))) / 16
        found = barren.gradient_variance(cls, jacobian=J, inputs=law, method="kernel")
        assert float(found) == pytest.approx(expected, rel=1e-6 if dtype == "float32" else 1e-12)
