"""Laws of x against their definitions, in exact fractions."""

from __future__ import annotations

import math
import pickle
import re
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barren.inputs import RandomBits, Sample, Uniform


@pytest.mark.parametrize("p", [3, 4, 7, 100, 1009])
def test_uniform(p):
    for law, points in ((Uniform(), range(p)), (Uniform(zero=False), range(1, p))):
        assert law.size(p) == len(points)
        assert law.points(p).dtype == np.int64
        assert law.points(np.int32(p)).tolist() == list(points)
        assert law.weights(p).tolist() == [1 / len(points)] * len(points)


@pytest.mark.parametrize("p", [3, 4, 5, 8, 13, 31, 32, 100])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 9])
def test_random_bits_by_counting(p, n):
    counts = Counter(x % p for x in range(2**n))
    law = RandomBits(n)
    assert law.size(p) == len(counts)
    assert law.points(p).tolist() == sorted(counts)
    assert law.weights(p).tolist() == [float(Fraction(counts[t], 2**n)) for t in sorted(counts)]


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(3, 2000))
def test_random_bits_are_exact_fractions(n, p):
    quotient, remainder = divmod(2**n, p)
    exact = [Fraction(quotient + (t < remainder), 2**n) for t in range(p)]
    assert sum(exact) == 1
    law = RandomBits(n)
    assert law.points(p).tolist() == [t for t in range(p) if exact[t]]
    assert law.weights(p).tolist() == [float(w) for w in exact if w]
    assert math.fsum(law.weights(p)) == pytest.approx(1.0, abs=1e-15)


def test_sizes_of_large_moduli_build_nothing():
    p = 2**255 - 19
    assert Uniform().size(p) == p
    assert Uniform(zero=False).size(p) == p - 1
    assert RandomBits(300).size(p) == p
    assert RandomBits(200).size(p) == 2**200
    assert RandomBits(10**9).size(p) == p
    assert Sample([1, 2]).size(p) == 2
    assert Sample([1, 2**63 - 1]).points(p).tolist() == [1, 2**63 - 1]


def test_sample_keeps_order_and_repeats():
    law = Sample(np.array([4, 1, 4]), weights=[0.5, 0.25, 0.25])
    assert law.size(5) == 3
    assert law.points(5).tolist() == [4, 1, 4]
    assert law.weights(5).tolist() == [0.5, 0.25, 0.25]
    assert Sample([4, 1, 4]).weights(5).tolist() == [1 / 3] * 3
    assert repr(law) == "Sample(3 points in 1..4, weighted)"
    assert repr(Sample([4])) == "Sample(1 point in 4..4, equal weights)"


def test_sample_is_an_immutable_value():
    points, weights = np.array([4, 1]), np.array([0.5, 0.5])
    law = Sample(points, weights)
    points[0] = weights[0] = 0
    assert law == Sample([4, 1])
    assert hash(law) == hash(Sample([4, 1]))
    assert law != Sample([1, 4])
    assert law != Sample([4, 1], [0.25, 0.75])
    assert law != Uniform()
    copy = pickle.loads(pickle.dumps(law))
    assert copy == law
    for array in (law.points(5), law.weights(5), copy.points(5), copy.weights(5)):
        assert not array.flags.writeable
    with pytest.raises(AttributeError):
        law._points = points


def test_laws_are_values():
    assert Uniform() == Uniform(zero=True) != Uniform(zero=False)
    assert repr(Uniform()) == "Uniform(zero=True)"
    assert hash(RandomBits(np.int8(5))) == hash(RandomBits(5))
    assert repr(RandomBits(5)) == "RandomBits(n=5)"
    with pytest.raises(AttributeError):
        RandomBits(5).n = 6


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: Uniform(zero=0), TypeError, "zero must be True or False; got 0"),
        (lambda: Uniform().size(2), ValueError, "p must be an integer, at least 3; got 2"),
        (lambda: Uniform().points(7.0), TypeError, "p must be an integer, at least 3; got 7.0"),
        (
            lambda: Uniform().points(2**63),
            ValueError,
            f"the number of points of the law of x must be below 2**63 for an array of them; got {2**63}",
        ),
        (lambda: RandomBits(0), ValueError, "n must be an integer, at least 1; got 0"),
        (lambda: RandomBits(2.0), TypeError, "n must be an integer, at least 1; got 2.0"),
        (lambda: Sample([]), ValueError, "points must be at least one residue; got a list of length 0: []"),
        (
            lambda: Sample([1.0]),
            TypeError,
            "points must be a 1-D array of integers, at least 0; got a list of length 1: [1.0]",
        ),
        (
            lambda: Sample([-1]),
            ValueError,
            "points must be a 1-D array of integers, at least 0; got -1 at index 0",
        ),
        (
            lambda: Sample([1, 7]).points(7),
            ValueError,
            "points must be a 1-D array of integers in 0..6; got 7 at index 1",
        ),
        (
            lambda: Sample([1, 7]).weights(7),
            ValueError,
            "points must be a 1-D array of integers in 0..6; got 7 at index 1",
        ),
        (
            lambda: Sample([1, 2], [1.0]),
            ValueError,
            "weights must be a 1-D array of 2 finite numbers; got an array of shape (1,) and dtype float64",
        ),
        (
            lambda: Sample([1, 2], [1.5, -0.5]),
            ValueError,
            "weights must be non-negative; got -0.5 at index 1",
        ),
        (
            lambda: Sample([1, 2], [0.5, 0.4]),
            ValueError,
            "weights must be weights that sum to 1 within 1e-9; got a sum of 0.9",
        ),
        (
            lambda: Sample([1, 2], ["a", "b"]),
            TypeError,
            "weights must be a 1-D array of 2 finite numbers; got a list of length 2: ['a', 'b']",
        ),
    ],
)
def test_bad_input(build, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        build()


def test_more_points_than_memory_are_refused():
    for law in (Uniform(), RandomBits(61)):
        for method in (law.points, law.weights):
            with pytest.raises(ValueError, match=r"^the number of points of the law of x must be at most \d+"):
                method(2**62)
