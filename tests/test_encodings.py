"""Encodings against plain Python, digit by digit and angle by angle."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barren.encodings import Angular, Bits, Digits, GroupElement, OneHot, Scalar

MODULI = [3, 4, 7, 8, 9, 97, 100, 101, 1009]


def digits(x, base, width):
    out = []
    for _ in range(width):
        out.append(x % base)
        x //= base
    assert x == 0
    return out[::-1]


@pytest.mark.parametrize("p", MODULI)
def test_bits_and_digits(p):
    x = np.arange(p)
    width = len(f"{p - 1:b}")
    assert Bits().width(p) == width
    assert Bits()(x, p).tolist() == [[float(d) for d in f"{t:0{width}b}"] for t in range(p)]
    assert Bits(width + 70)(x, p).tolist() == [digits(t, 2, width + 70) for t in range(p)]
    assert Digits().width(p) == len(str(p - 1))
    for base in (2, 3, 10, 1000, 2**62):
        encoding = Digits(base)
        assert encoding(x, p).tolist() == [digits(t, base, encoding.width(p)) for t in range(p)]
    assert Digits(10, width=25)(x, p).tolist() == [digits(t, 10, 25) for t in range(p)]


@settings(deadline=None)
@given(st.integers(3, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(2, 20))
def test_digits_of_large_residues(p, x, base):
    row = Digits(base)([x % p], p)[0]
    value = 0
    for digit in row:
        assert 0 <= digit < base
        value = value * base + int(digit)
    assert value == x % p


@pytest.mark.parametrize("p", MODULI)
def test_one_hot_scalar_angular(p):
    x = np.array([p - 1, 0, 1, p // 2, 1])
    one_hot = OneHot()(x, p)
    assert one_hot.tolist() == [[float(t == r) for t in range(p)] for r in x]
    assert Scalar()(x, p).tolist() == [[int(r) / p] for r in x]
    for encoding, harmonics in ((Angular(), [1]), (Angular(3), [1, 2, 3]), (Angular([5, -2]), [5, -2])):
        assert encoding.width(p) == 2 * len(harmonics)
        expected = [[f(2 * math.pi * (k * int(r) % p) / p) for k in harmonics for f in (math.cos, math.sin)] for r in x]
        np.testing.assert_allclose(encoding(x, p), expected, rtol=0, atol=2e-15)


def test_angles_of_large_residues_are_reduced_exactly():
    p, k = 2**63 - 25, 2**61 + 7
    x = np.random.default_rng(0).integers(0, p, 30)
    angles = [2 * math.pi * float(Fraction(k * int(r) % p, p)) for r in x]
    expected = np.array([[math.cos(angle), math.sin(angle)] for angle in angles])
    np.testing.assert_allclose(Angular([k])(x, p), expected, rtol=0, atol=2e-15)


@pytest.mark.parametrize(("generator", "modulus", "p"), [(2, 7, 3), (4, 23, 11), (3, 2**31 - 1, 2**31 - 2), (9, 80, 4)])
def test_group_element(generator, modulus, p):
    x = np.arange(min(p, 200))
    encoding = GroupElement(generator, modulus)
    width = len(f"{modulus - 1:b}")
    assert encoding.width(p) == width
    assert encoding(x, p).tolist() == [digits(pow(generator, int(t), modulus), 2, width) for t in x]


def test_group_element_of_63_bits():
    modulus = 2**63 - 25  # a prime, so every generator has order dividing modulus - 1
    x = np.array([0, 1, 2**40 + 3, modulus - 2])
    rows = GroupElement(3, modulus)(x, modulus - 1)
    assert rows.tolist() == [digits(pow(3, int(t), modulus), 2, 63) for t in x]


@pytest.mark.parametrize(
    "encoding", [Bits(), Bits(12), Digits(3), OneHot(), Scalar(), Angular(2), GroupElement(2, 2**11 - 1)]
)
def test_shape_dtype_and_any_order_of_points(encoding):
    p = 11
    all_rows = encoding(np.arange(p), p)
    assert all_rows.dtype == np.float64
    assert all_rows.flags.c_contiguous
    assert all_rows.shape == (p, encoding.width(p))
    x = np.array([3, 10, 3, 0], dtype=np.int8)
    assert np.array_equal(encoding(x, np.int16(p)), all_rows[x])
    assert encoding([], p).shape == (0, encoding.width(p))
    assert eval(repr(encoding)) == encoding
    assert hash(eval(repr(encoding))) == hash(encoding)
    with pytest.raises(AttributeError):
        encoding.base = 3
    with pytest.raises(ValueError, match=r"^x must be a 1-D array of integers in 0..10; got 11 at index 1$"):
        encoding([0, 11], p)
    with pytest.raises(TypeError, match=r"^x must be a 1-D array of integers in 0..10; got a list"):
        encoding([0.0], p)
    with pytest.raises(ValueError, match=r"^p must be an integer, at least 3; got 2$"):
        encoding([0], 2)
    with pytest.raises(TypeError, match=r"^p must be an integer, at least 3; got 11.0$"):
        encoding.width(11.0)


def test_encodings_that_differ():
    assert Bits() != Digits(2)
    assert Bits() != Bits(5)
    assert Angular(2) == Angular([1, 2])
    assert repr(Angular([5, 1])) == "Angular(harmonics=[5, 1])"


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: Bits(0), ValueError, "width must be an integer, at least 1; got 0"),
        (lambda: Bits(3.0), TypeError, "width must be an integer, at least 1; got 3.0"),
        (
            lambda: Bits(3)([1], 9),
            ValueError,
            "width must be at least 4, the digits of p-1 = 8 in base 2; got 3",
        ),
        (lambda: Digits(1), ValueError, f"base must be an integer in 2..{2**63 - 1}; got 1"),
        (
            lambda: Digits(10, 2).width(101),
            ValueError,
            "width must be at least 3, the digits of p-1 = 100 in base 10; got 2",
        ),
        (
            lambda: OneHot()([1], 2**63),
            ValueError,
            f"p must be below 2**63 for residues of 64 bits, which OneHot needs; got {2**63}",
        ),
        (lambda: Angular(0), ValueError, "harmonics must be an integer, at least 1; got 0"),
        (lambda: Angular(1.5), TypeError, "harmonics must be an integer, at least 1; got 1.5"),
        (
            lambda: Angular("12"),
            TypeError,
            "harmonics must be an integer or a sequence of integers; got '12'",
        ),
        (lambda: Angular([1, 2.0]), TypeError, "harmonics[1] must be an integer; got 2.0"),
        (
            lambda: Angular([]),
            ValueError,
            "harmonics must be distinct integers, at least one; got a tuple of length 0: ()",
        ),
        (
            lambda: Angular([2, 2]),
            ValueError,
            "harmonics must be distinct integers, at least one; got a tuple of length 2: (2, 2)",
        ),
        (lambda: GroupElement(1, 7), ValueError, "generator must be an integer in 2..6; got 1"),
        (lambda: GroupElement(2, 2), ValueError, f"modulus must be an integer in 3..{2**63 - 1}; got 2"),
        (lambda: GroupElement(2.0, 7), TypeError, "generator must be an integer in 2..6; got 2.0"),
        (
            lambda: GroupElement(3, 7)([0], 3),
            ValueError,
            "generator must be such that generator**p = 1 modulo 7 for p = 3; got 3, whose power is 6",
        ),
    ],
)
def test_bad_input(build, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        build()


def test_rows_larger_than_the_memory_are_refused():
    with pytest.raises(ValueError, match=r"^the size of the encoded x must be at most \d+ for OneHot\(\) to fit"):
        OneHot()([0, 1], 2**61)
