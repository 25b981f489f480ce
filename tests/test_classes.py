"""Modular multiplication against loops, brute-force covariances and a direct Fourier sum."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barren import classes
from barren.classes import ModularMultiplication, members, unit_group
from barren.targets import Bit, Cosine, Sawtooth, Square, Table, Threshold, Triangle

PRIMES = [3, 5, 7, 31, 101]
COMPOSITES = [4, 6, 9, 15, 16, 60, 105]


def targets(p):
    generator = np.random.default_rng(p)
    return [
        Sawtooth(),
        Cosine(),
        Cosine(2),
        Bit(0),
        Bit((p - 1).bit_length() - 1),
        Threshold(0.4),
        Square(),
        Triangle(),
        Table(generator.standard_normal(p)),
        Table(1e6 + generator.standard_normal(p)),
    ]


def multipliers(p):
    return ["units", "all", np.random.default_rng(p).permutation(p)[: (p + 2) // 2], [p - 1]]


def class_id(cls):
    return f"{cls.p}-{cls.target!r}-{cls.multipliers}{cls.size}"


CLASSES = [
    ModularMultiplication(p, target, chosen)
    for p in PRIMES + COMPOSITES
    for target in targets(p)
    for chosen in multipliers(p)
]


def by_hand(cls, x):
    """h_a(x) for every member, one residue after the other."""
    psi = cls.target.table(cls.p)
    return np.array([[psi[int(a) * int(point) % cls.p] for point in x] for a in cls.members])


def covariance(left, right):
    """E(h(x) − h̄(x))(h(y) − h̄(y)), an exactly rounded sum for every pair."""
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    return np.array([[math.fsum(f * g) / len(f) for g in right.T] for f in left.T])


@pytest.mark.parametrize("cls", CLASSES, ids=class_id)
def test_values_mean_and_kernel_by_brute_force(cls):
    x = np.concatenate((np.random.default_rng(0).integers(0, cls.p, 6), [0, 1, cls.p - 1]))
    y = np.array([0, 2, cls.p // 2, 2])
    scale = np.abs(cls.table()).max()
    at_x, at_y = by_hand(cls, x), by_hand(cls, y)
    np.testing.assert_allclose(cls.values(cls.members, x), at_x, rtol=0, atol=2e-15 * scale)
    np.testing.assert_allclose(cls.mean(x), at_x.mean(axis=0), rtol=0, atol=3e-15 * scale)
    np.testing.assert_allclose(cls.kernel(x, y), covariance(at_x, at_y), rtol=0, atol=1e-14 * scale)
    np.testing.assert_array_equal(cls.kernel(x, x), cls.kernel(x, x).T)


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_members(p):
    coprime = [a for a in range(p) if math.gcd(a, p) == 1]
    for chosen, expected in (("units", coprime), ("all", list(range(p))), ([2, 0], [2, 0])):
        cls = ModularMultiplication(np.int32(p), multipliers=chosen)
        assert cls.members.dtype == np.int64
        assert cls.members.tolist() == expected
        assert cls.size == len(expected)
        assert not cls.members.flags.writeable
        assert cls.members is cls.members
    assert ModularMultiplication(p).is_prime == (p in PRIMES)
    assert ModularMultiplication(p, multipliers=[2, 0]).multipliers == "set"


@pytest.mark.parametrize("p", PRIMES)
def test_unit_group(p):
    group = unit_group(np.int16(p))
    assert group is unit_group(p)
    assert group.powers.tolist() == [pow(group.root, i, p) for i in range(p - 1)]
    assert sorted(group.powers) == list(range(1, p))
    assert group.logarithms[0] == -1
    assert [group.powers[i] for i in group.logarithms[1:]] == list(range(1, p))
    assert not group.powers.flags.writeable
    assert not group.logarithms.flags.writeable


@pytest.mark.parametrize("p", PRIMES)
def test_spectrum_is_the_direct_fourier_sum(p):
    powers = unit_group(p).powers
    roots = np.exp(-2j * np.pi * np.outer(np.arange(p - 1), np.arange(p - 1)) / (p - 1))
    for target in targets(p):
        cls = ModularMultiplication(p, target)
        expected = np.abs(roots @ cls.table()[powers]) ** 2
        np.testing.assert_allclose(cls.spectrum(), expected, rtol=1e-12, atol=1e-12 * expected.max())


@pytest.mark.parametrize("p", PRIMES)
def test_kernel_by_ratio(p):
    group = unit_group(p)
    for target in targets(p):
        cls = ModularMultiplication(p, target, "all")  # over the units, whatever the members are
        ratios = cls.kernel_by_ratio()
        shifted = [np.roll(cls.table()[group.powers], -k) for k in range(p - 1)]
        expected = covariance(shifted[0][:, None], np.array(shifted).T)[0]
        np.testing.assert_allclose(ratios, expected, rtol=0, atol=1e-14 * np.abs(cls.table()).max())
        np.testing.assert_array_equal(ratios[1:], ratios[:0:-1])
        assert not ratios.flags.writeable
        assert ratios is cls.kernel_by_ratio()


def test_known_spectra():
    p = 1009
    trivial, *others = ModularMultiplication(p, Cosine(7)).spectrum()
    assert trivial == pytest.approx(1.0)  # the cosines of a prime sum to −1 without that of 0
    np.testing.assert_allclose(others[1::2], p, rtol=1e-11)  # even characters: Gauss sums have modulus √p
    np.testing.assert_allclose(others[0::2], 0, atol=1e-20 * p)  # and the odd ones do not see an even ψ
    saw = ModularMultiplication(p).spectrum()
    np.testing.assert_allclose(saw[0::2], 0, atol=1e-20 * p)
    assert p * saw.max() / (p * (p - 1)) == pytest.approx(1.1178, abs=5e-5)  # docs/theory, section 4
    bit = ModularMultiplication(p, Bit(0)).spectrum()
    assert p * bit[1:].max() / (p * (p - 1)) == pytest.approx(2.160, abs=5e-4)


def test_sawtooth_kernel_is_a_dedekind_sum():
    p = 101

    def saw(t):
        return Fraction(0) if t % p == 0 else Fraction(t % p, p) - Fraction(1, 2)

    kernel = ModularMultiplication(p).kernel([1, 5], [3, 10, 0])
    for i, x in enumerate((1, 5)):
        for j, y in enumerate((3, 10, 0)):
            ratio = y * pow(x, -1, p) % p
            dedekind = sum(saw(u) * saw(ratio * u) for u in range(p))
            assert kernel[i, j] == pytest.approx(float(dedekind / (p - 1)), abs=1e-16)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_kernel_depends_on_the_ratio_and_pairs_with_the_spectrum(data):
    p = data.draw(st.sampled_from([5, 13, 97, 257]))
    values = data.draw(st.lists(st.floats(-10, 10), min_size=p, max_size=p))
    cls = ModularMultiplication(p, Table(values))
    x, y, unit = (data.draw(st.integers(1, p - 1)) for _ in range(3))
    tolerance = 1e-13 * max(1.0, np.abs(values).max() ** 2)
    moved = cls.kernel([x * unit % p], [y * unit % p])
    np.testing.assert_allclose(cls.kernel([x], [y]), moved, rtol=0, atol=tolerance)
    # Parseval: the variance of ψ over the units is the mean of |P|²/(p−1) without the trivial character.
    variance = cls.spectrum()[1:].sum() / (p - 1) ** 2
    np.testing.assert_allclose(cls.kernel([x], [x]), variance, rtol=0, atol=tolerance)


@pytest.mark.parametrize("p", [2**61 - 1, 2**63 - 25, 2**63 - 1, 2**62])
@pytest.mark.parametrize("target", [Sawtooth(), Cosine(3), Bit(0), Bit(61), Threshold(0.3), Square(), Triangle()])
def test_values_and_sets_of_63_bits(p, target):
    if isinstance(target, Bit) and target.j >= (p - 1).bit_length():
        target = Bit(60)
    generator = np.random.default_rng(4)
    members, x = np.unique(generator.integers(0, p, 7)), generator.integers(0, p, 5)
    cls = ModularMultiplication(p, target, members)
    expected = np.array([[target([int(a) * int(point) % p], p)[0] for point in x] for a in members])
    np.testing.assert_allclose(cls.values(members, x), expected, rtol=0, atol=2e-15)
    np.testing.assert_allclose(cls.mean(x), expected.mean(axis=0), rtol=0, atol=2e-15)
    np.testing.assert_allclose(cls.kernel(x, x[:2]), covariance(expected, expected[:, :2]), rtol=0, atol=2e-15)


@pytest.mark.parametrize("cls", [ModularMultiplication(101), ModularMultiplication(105, Bit(1), "all")], ids=class_id)
def test_blocks_change_nothing_but_rounding(cls, monkeypatch):
    x, y = np.arange(cls.p), np.arange(0, cls.p, 3)
    some = cls.with_multipliers(cls.members[::2])
    whole = [cls.kernel(x, y), some.kernel(x, y), some.mean(x)]
    monkeypatch.setattr(members, "BLOCK_BYTES", 1)
    blocked = [cls.kernel(x, y), some.kernel(x, y), some.mean(x)]
    for one, other in zip(whole, blocked, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-15)


def test_threads_change_nothing():
    cls = ModularMultiplication(105, Sawtooth(), "all")
    x = np.arange(105)
    for result in (
        lambda n: cls.values(x, x, threads=n),
        lambda n: cls.kernel(x, x, threads=n),
        lambda n: cls.mean(x, threads=n),
    ):
        assert np.array_equal(result(1), result(2))
        assert np.array_equal(result(1), result(None))


def test_empty_lists_of_points():
    for cls in (
        ModularMultiplication(7),
        ModularMultiplication(6),
        ModularMultiplication(7, multipliers=[1]),
    ):
        assert cls.values([], [1, 2]).shape == (0, 2)
        assert cls.values([1], []).shape == (1, 0)
        assert cls.mean([]).shape == (0,)
        assert cls.kernel([], [1, 2]).shape == (0, 2)
        assert cls.kernel([1, 2], []).shape == (2, 0)


def test_table_is_kept_and_read_only():
    cls = ModularMultiplication(101, Triangle())
    assert cls.table() is cls.table()
    assert not cls.table().flags.writeable
    assert np.array_equal(cls.table(), Triangle().table(101))


def test_classes_are_immutable_values():
    given_members = np.array([3, 1])
    cls = ModularMultiplication(7, Bit(1), given_members)
    given_members[0] = 5
    assert cls.members.tolist() == [3, 1]
    cls.kernel([1], [2])
    for name in ("p", "target", "multipliers", "members", "other"):
        with pytest.raises(AttributeError):
            setattr(cls, name, 1)
    for twin in (
        copy.deepcopy(cls),
        pickle.loads(pickle.dumps(cls)),
        ModularMultiplication(7, Bit(1), [3, 1]),
    ):
        assert twin == cls
        assert hash(twin) == hash(cls)
        assert not twin.members.flags.writeable
    assert len(pickle.dumps(ModularMultiplication(100003))) < 500
    others = [ModularMultiplication(7, Bit(1), [1, 3]), ModularMultiplication(7, Bit(0), [3, 1])]
    others += [ModularMultiplication(5, Bit(1), [3, 1]), ModularMultiplication(7, Bit(1)), 7]
    assert all(cls != other for other in others)
    assert cls.with_multipliers("all") == ModularMultiplication(7, Bit(1), "all")


def test_representation():
    assert repr(ModularMultiplication(7)) == "ModularMultiplication(7, target=Sawtooth(), multipliers='units')"
    cls = ModularMultiplication(7, Bit(1), [3, 1])
    assert repr(cls) == "ModularMultiplication(7, target=Bit(j=1), multipliers=[3, 1])"
    assert eval(repr(cls)) == cls
    assert len(repr(ModularMultiplication(1009, multipliers=np.arange(1009)))) < 120


def test_importing_the_class_side_imports_nothing_heavy():
    package = str(next(iter(classes.__path__)))
    script = (
        "import sys, types\n"
        "barren = sys.modules['barren'] = types.ModuleType('barren')  # without the whole surface\n"
        "barren.__path__ = [sys.argv[1]]\n"
        "import barren.classes, barren.inputs, barren.encodings\n"
        "print(sorted({'torch', 'scipy', 'sympy'} & set(sys.modules)))\n"
    )
    folder = package.rsplit("classes", 1)[0]
    out = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_kernel_of_no_points_is_empty():
    none = np.array([], dtype=np.int64)
    for cls in (
        ModularMultiplication(12, Bit(0)),
        ModularMultiplication(11, Bit(0), [1, 2]),
        ModularMultiplication(11, Bit(0)),
    ):
        assert cls.kernel(none, none).shape == (0, 0)
