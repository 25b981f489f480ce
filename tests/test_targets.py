"""Targets against loops over exact fractions, for prime and composite moduli and up to 63 bits."""

from __future__ import annotations

import math
import pickle
import re
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barren import _core, _modular
from barren.targets import Bit, Cosine, Residue, Sawtooth, Square, Table, Threshold, Triangle

MODULI = [3, 4, 5, 6, 7, 8, 12, 16, 97, 101, 105, 210, 256, 1009]
TARGETS = [
    Sawtooth(),
    Cosine(),
    Cosine(2),
    Cosine(-5),
    Cosine(35),
    Bit(0),
    Bit(1),
    Bit(3),
    Threshold(),
    Threshold(0.3),
    Threshold(Fraction(1, 3)),
    Square(),
    Triangle(),
    Residue(),
]
LARGE = [2**62 - 57, 2**63 - 25, 2**63 - 1, 2**62, 3 * 2**61]


def exact(target, t, p):
    """ψ(t) by its definition, from a fraction."""
    ratio = Fraction(t, p)
    if isinstance(target, Sawtooth):
        return Fraction(0) if t == 0 else ratio - Fraction(1, 2)
    if isinstance(target, Cosine):
        with mpmath.workdps(40):
            return mpmath.cospi(mpmath.mpf(2 * (target.k * t % p)) / p)
    if isinstance(target, Bit):
        return int(f"{t:0100b}"[-1 - target.j])
    if isinstance(target, Threshold):
        return int(ratio >= Fraction(target.c))
    if isinstance(target, Residue):
        return t
    if isinstance(target, Square):
        return 0 if ratio in (0, Fraction(1, 2)) else (1 if ratio < Fraction(1, 2) else -1)
    return 4 * abs(ratio - Fraction(1, 2)) - 1


def fits(target, p):
    try:
        target.check(p)
    except ValueError:
        return False
    return True


CASES = [(target, p) for target in TARGETS for p in MODULI if fits(target, p)]
CASES += [(Table(np.random.default_rng(p).standard_normal(p)), p) for p in MODULI]


def test_few_pairs_do_not_fit():
    assert {(target, p) for target in TARGETS for p in MODULI if not fits(target, p)} == {
        *((Cosine(-5), p) for p in (5,)),
        *((Cosine(35), p) for p in (5, 7)),
        *((Bit(3), p) for p in (3, 4, 5, 6, 7, 8)),
    }


@pytest.mark.parametrize(("target", "p"), CASES)
def test_against_the_definition(target, p):
    table = target.table(p)
    assert table.dtype == np.float64
    assert table.shape == (p,)
    if isinstance(target, Table):
        expected = [float(value) for value in target.values]
    else:
        expected = [float(exact(target, t, p)) for t in range(p)]
    np.testing.assert_allclose(table, expected, rtol=0, atol=3e-16)
    np.testing.assert_allclose(table, expected, rtol=8e-16, atol=0)  # small values keep their accuracy too

    t = np.random.default_rng(1).integers(0, p, (3, 4))
    assert np.array_equal(target(t, p), table[t])
    assert np.array_equal(target(t.tolist(), np.int16(p)), table[t])

    steps = sum(abs(table[(i + 1) % p] - table[i]) for i in range(p))
    assert target.variation(np.int64(p)) == pytest.approx(steps, rel=1e-12)
    np.testing.assert_allclose(target.range(p), (table.min(), table.max()), rtol=1e-15, atol=0)
    values = sorted(set(table.tolist()))
    assert target.labels(p) == (tuple(values) if len(values) == 2 else None)

    name, parameter = target.formula(p)
    one, points = np.array([1]), np.arange(p)
    core = _core.values(one, points, p, name, parameter, table if name == "table" else np.empty(0), 1)
    np.testing.assert_allclose(core[0], table, rtol=0, atol=2e-15)


@pytest.mark.parametrize("p", LARGE)
@pytest.mark.parametrize("target", [*TARGETS, Cosine(2**61 + 3), Bit(61), Threshold(1e-18)])
def test_residues_of_63_bits(target, p):
    generator = np.random.default_rng(2)
    t = np.concatenate((generator.integers(0, p, 50), [0, 1, 2, p // 2 - 1, p // 2, p // 2 + 1, p // 4, p - 2, p - 1]))
    expected = [float(exact(target, int(r), p)) for r in t]
    np.testing.assert_allclose(target(t, p), expected, rtol=0, atol=3e-16)
    np.testing.assert_allclose(target(t, p), expected, rtol=1e-15, atol=0)  # small values too


@pytest.mark.parametrize("p", [101, 105, 256, 2**62 - 57])
def test_symmetries_hold_to_the_last_bit(p):
    t = np.random.default_rng(3).integers(1, p, 40)
    for odd in (Sawtooth(), Square()):
        assert np.array_equal(odd(p - t, p), -odd(t, p))
    for even in (Cosine(3), Triangle()):
        assert np.array_equal(even(p - t, p), even(t, p))
    if p % 4 == 0:
        assert Cosine()([0, p // 4, p // 2, 3 * (p // 4)], p).tolist() == [1.0, 0.0, -1.0, 0.0]


@pytest.mark.parametrize("p", [97, 105, 128])
def test_the_square_wave_is_two_sawtooths(p):
    t = np.arange(p)
    two = 2 * Sawtooth()(2 * t % p, p) - 4 * Sawtooth()(t, p)
    np.testing.assert_allclose(Square()(t, p), two, atol=1e-15)


def test_large_tables_are_built_in_blocks():
    p = (1 << 18) * 2 + 7
    assert np.array_equal(Cosine(3).table(p), Cosine(3)(np.arange(p), p))


def test_properties_for_moduli_of_any_size():
    p = 2**255 - 19
    assert Sawtooth().variation(p) == 2.0
    assert Cosine(1).variation(p) == pytest.approx(4.0)
    assert Bit(254).variation(p) == 2.0
    assert Bit(254).labels(p) == (0.0, 1.0)
    assert Threshold(Fraction(1, 3)).formula(p) == ("threshold", -(-p // 3))
    assert Cosine(-1).formula(p) == ("cosine", p - 1)
    with pytest.raises(ValueError, match=r"^p must be below 2\*\*63 for residues of 64 bits; got 5789"):
        Sawtooth()([1], p)
    with pytest.raises(ValueError, match=r"^p must be below 2\*\*63 for a table of ψ; got 5789"):
        Sawtooth().table(p)


@settings(deadline=None)
@given(st.integers(3, 2**63 - 1), st.integers(-(2**70), 2**70), st.integers(0, 2**63 - 1))
def test_multiply_is_exact(p, k, t):
    t %= p
    for few in (1, 300):  # Python integers, or additions of arrays
        assert _modular.multiply(k, np.full((few, 1), t), p).tolist() == [[k * t % p]] * few


@settings(deadline=None)
@given(st.integers(3, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_cosine_and_sine_are_on_the_circle(p, t):
    t = np.array([t % p])
    cosine, sine = _modular.cosine(t, p)[0], _modular.sine(t, p)[0]
    assert cosine**2 + sine**2 == pytest.approx(1.0, abs=1e-15)
    angle = 2 * math.pi * float(Fraction(int(t[0]), p))
    assert (cosine, sine) == pytest.approx((math.cos(angle), math.sin(angle)), abs=2e-15)


@settings(deadline=None)
@given(st.lists(st.integers(-2, 2), min_size=3, max_size=12))
def test_a_table_of_small_integers(values):
    table, p = Table(values), len(values)
    assert table.table(p).tolist() == values
    assert table.variation(p) == sum(abs(values[t] - values[t - 1]) for t in range(p))
    kinds = sorted(set(values))
    assert table.labels(p) == (tuple(kinds) if len(kinds) == 2 else None)


def test_tables_are_immutable_copies_equal_by_content():
    values = np.array([0.0, 1.0, -0.0])
    table = Table(values)
    values[1] = 7
    assert table.values.tolist() == [0.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        table.values[0] = 1
    with pytest.raises(AttributeError):
        table.values = values
    same = Table([0, 1, 0])
    assert same == table
    assert hash(same) == hash(table)
    assert table != Table([0, 1, 2])
    assert table != Sawtooth()
    assert not pickle.loads(pickle.dumps(table)).values.flags.writeable
    assert pickle.loads(pickle.dumps(table)) == table
    assert table.table(3).flags.writeable
    assert repr(table) == "Table([0, 1, 0])"
    assert repr(Table(range(9))) == "Table([0, 1, 2, 3, ...], 9 values)"


def test_formulas_are_values():
    assert Bit(np.int8(3)) == Bit(3)
    assert repr(Bit(3)) == "Bit(j=3)"
    assert Threshold(0.5) == Threshold() == Threshold(Fraction(1, 2))
    assert hash(Cosine(2)) == hash(Cosine(2))
    assert Sawtooth() != Square()
    with pytest.raises(AttributeError):
        Bit(3).j = 4


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: Bit(1.0), TypeError, "j must be an integer, at least 0; got 1.0"),
        (lambda: Bit(-1), ValueError, "j must be an integer, at least 0; got -1"),
        (
            lambda: Bit(3).check(8),
            ValueError,
            "j (a bit of the residues modulo 8) must be an integer in 0..2; got 3",
        ),
        (lambda: Cosine(1.5), TypeError, "k must be an integer; got 1.5"),
        (lambda: Cosine(0), ValueError, "k must be a frequency other than 0; got 0"),
        (lambda: Cosine(14).check(7), ValueError, "k must be no multiple of p = 7; got 14"),
        (lambda: Threshold("a"), TypeError, "c must be a finite number; got 'a'"),
        (lambda: Threshold(float("nan")), ValueError, "c must be a finite number; got nan"),
        (lambda: Threshold(1.0), ValueError, "c must be between 0 and 1, both excluded; got 1.0"),
        (lambda: Threshold(0), ValueError, "c must be between 0 and 1, both excluded; got 0"),
        (
            lambda: Threshold(0.9).variation(5),
            ValueError,
            "c must be at most (p-1)/p for p = 5, or ψ is 0 everywhere; got 0.9",
        ),
        (
            lambda: Table([1, 2]),
            ValueError,
            "values must be at least 3 numbers, one a residue; got an array of shape (2,) and dtype float64",
        ),
        (
            lambda: Table([1, 2, np.inf]),
            ValueError,
            "values must be a 1-D array of finite numbers; got inf at index 2",
        ),
        (
            lambda: Table([[1, 2, 3]]),
            ValueError,
            "values must be a 1-D array of finite numbers; got an array of shape (1, 3) and dtype int64",
        ),
        (lambda: Table("abc"), TypeError, "values must be a 1-D array of finite numbers; got 'abc'"),
        (lambda: Table([1, 2, 3])([0], 5), ValueError, "values must be one a residue, p = 5 of them; got 3"),
        (lambda: Sawtooth()([0], 2), ValueError, "p must be an integer, at least 3; got 2"),
        (lambda: Sawtooth()([0], 7.0), TypeError, "p must be an integer, at least 3; got 7.0"),
        (
            lambda: Sawtooth()([1.0], 7),
            TypeError,
            "t must be integers in 0..6; got a list of length 1: [1.0]",
        ),
        (lambda: Sawtooth()([[7]], 7), ValueError, "t must be integers in 0..6; got 7 at index 0"),
    ],
)
def test_bad_input(build, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        build()


def test_a_table_larger_than_the_memory_is_refused():
    with pytest.raises(
        ValueError, match=r"^p must be at most \d+ for a table of ψ to fit in the .* got 4611686018427387904"
    ):
        Bit(0).table(2**62)
