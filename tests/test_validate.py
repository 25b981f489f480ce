"""Checks of arguments: what is accepted, in which form it comes back, and every message."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from barren import _memory, _validate


def refuses(kind, message):
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("value", [7, np.int8(7), np.uint64(7), np.array(7)])
def test_integer_accepts_whatever_is_one(value):
    number = _validate.integer("p", value, low=7, high=7)
    assert number == 7
    assert type(number) is int


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (True, "True"),
        (np.True_, "np.True_"),
        (7.0, "7.0"),
        ("7", "'7'"),
        (None, "None"),
        (Fraction(7), "Fraction(7, 1)"),
        ([7], "a list of length 1: [7]"),
        (int, "the class int"),
        (np.array([7]), "an array of shape (1,) and dtype int64"),
    ],
)
def test_integer_refuses_other_kinds(value, came):
    with refuses(TypeError, f"p must be an integer; got {came}"):
        _validate.integer("p", value)


@pytest.mark.parametrize(
    ("limits", "value", "expected"),
    [
        ({"low": 3}, 2, "an integer, at least 3; got 2"),
        ({"high": 3}, 4, "an integer, at most 3; got 4"),
        ({"low": 0, "high": 3}, -1, "an integer in 0..3; got -1"),
        ({"high": 3}, 2**5000, "an integer, at most 3; got an integer of 5001 bits"),
        ({"low": 3}, -(2**5000), "an integer, at least 3; got a negative integer of 5001 bits"),
    ],
)
def test_integer_refuses_values_out_of_range(limits, value, expected):
    with refuses(ValueError, f"n must be {expected}"):
        _validate.integer("n", value, **limits)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int16(2), Fraction(2)])
def test_real_accepts_numbers(value):
    number = _validate.real("c", value, low=2, high=2)
    assert number == 2.0
    assert type(number) is float


@pytest.mark.parametrize("value", [True, "2", 2j, None, [2.0]])
def test_real_refuses_other_kinds(value):
    with refuses(TypeError, f"c must be a finite number; got {_validate.came(value)}"):
        _validate.real("c", value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, 1.5])
def test_real_refuses_values(value):
    with pytest.raises(ValueError, match=r"^c must be a finite number in 0..1; got "):
        _validate.real("c", value, low=0, high=1)


def test_boolean():
    assert _validate.boolean("zero", np.True_) is True
    with refuses(TypeError, "zero must be True or False; got 1"):
        _validate.boolean("zero", 1)


def test_choice():
    assert _validate.choice("loss", "bce", ("mse", "bce")) == "bce"
    with refuses(ValueError, "loss must be one of 'mse', 'bce'; got 'hinge'"):
        _validate.choice("loss", "hinge", ("mse", "bce"))
    with refuses(TypeError, "loss must be one of 'mse', 'bce'; got 3"):
        _validate.choice("loss", 3, ("mse", "bce"))


def test_instance():
    assert _validate.instance("f", 1, (int, str), "an integer or a word") == 1
    with refuses(TypeError, "f must be an integer or a word; got 1.5"):
        _validate.instance("f", 1.5, (int, str), "an integer or a word")


def test_threads():
    assert _validate.threads(None) == 0
    assert _validate.threads(3) == 3
    with refuses(ValueError, "threads must be an integer in 1..4096; got 0"):
        _validate.threads(0)


@pytest.mark.parametrize(
    "value",
    [
        [0, 6],
        (0, 6),
        np.array([0, 6], dtype=np.uint64),
        np.array([0, 6], dtype=">i2"),
        np.array([0, 6], dtype=object),
        np.array([0, 1, 6])[::2],
        range(0, 7, 6),
    ],
)
def test_residues_come_as_contiguous_int64(value):
    out = _validate.residues("x", value, 7)
    assert out.dtype == np.int64
    assert out.dtype.isnative
    assert out.flags.c_contiguous
    assert out.tolist() == [0, 6]


@pytest.mark.parametrize("first", [2**63 + 5, 2**64 + 3, np.uint64(2**63 + 5)])
def test_lists_of_integers_on_both_sides_of_2_to_63_stay_exact(first):
    """Of such a list numpy makes float64."""
    for value in ([first, 7], (7, first), [first, 7, np.int64(9)]):
        assert _validate.points("x", value, 2**64 + 13).tolist() == [int(entry) for entry in value]
    with refuses(ValueError, f"x must be a 1-D array of integers in 0..6; got {int(first)} at index 1"):
        _validate.residues("x", [5, first], 7)
    for wrong in ([first, 7.0], [first, True, 7]):
        with pytest.raises(TypeError, match="x must be a 1-D array of integers"):
            _validate.points("x", wrong, 2**64 + 13)


def test_residues_of_an_empty_list_and_of_any_shape():
    assert _validate.residues("x", [], 7).dtype == np.int64
    assert _validate.residues("x", [[1], [2]], 7, any_shape=True).shape == (2, 1)
    assert _validate.residues("x", 3, 7, any_shape=True).shape == ()


@pytest.mark.parametrize(
    ("value", "came"),
    [
        ([1.0, 2.0], "a list of length 2: [1.0, 2.0]"),
        (np.array([1.0]), "an array of shape (1,) and dtype float64"),
        (np.array([]), "an array of shape (0,) and dtype float64"),
        ([True, False], "a list of length 2: [True, False]"),
        ([1, "a"], "a list of length 2: [1, 'a']"),
        ([2**70, None], f"a list of length 2: [{2**70}, None]"),
        ([[1], [2, 3]], "a list of length 2: [[1], [2, 3]]"),
        (None, "None"),
    ],
)
def test_residues_refuse_other_kinds(value, came):
    with refuses(TypeError, f"x must be a 1-D array of integers in 0..6; got {came}"):
        _validate.residues("x", value, 7)


@pytest.mark.parametrize(
    ("value", "came"),
    [
        ([0, 7], "7 at index 1"),
        ([0, 1, -1, 9], "-1 at index 2"),
        ([2**70], f"{2**70} at index 0"),
        (np.array([2**63], dtype=np.uint64), f"{2**63} at index 0"),
        ([[1, 2]], "a list of length 1: [[1, 2]]"),
        (np.array(3), "an array of shape () and dtype int64"),
    ],
)
def test_residues_refuse_values_and_shapes(value, came):
    with refuses(ValueError, f"x must be a 1-D array of integers in 0..6; got {came}"):
        _validate.residues("x", value, 7)


def test_vector():
    out = _validate.vector("v", np.arange(6, dtype=np.float32)[::2], length=3)
    assert out.dtype == np.float64
    assert out.flags.c_contiguous
    assert out.tolist() == [0.0, 2.0, 4.0]
    assert _validate.vector("v", [True, 2]).tolist() == [1.0, 2.0]
    with refuses(TypeError, "v must be a 1-D array of finite numbers; got a list of length 1: [1j]"):
        _validate.vector("v", [1j])
    with refuses(TypeError, "v must be a 1-D array of finite numbers; got a list of length 1: ['a']"):
        _validate.vector("v", ["a"])
    with refuses(ValueError, "v must be a 1-D array of 4 finite numbers; got an array of shape (3,) and dtype float64"):
        _validate.vector("v", out, length=4)
    with refuses(ValueError, "v must be a 1-D array of finite numbers; got nan at index 1"):
        _validate.vector("v", [0.0, np.nan])


def test_an_entry_that_is_not_finite_is_found_far_into_a_large_array():
    large = np.zeros((2, 1 << 20), dtype=np.float32)
    large[1, 5] = -np.inf
    with refuses(ValueError, "J must be a 2-D array of finite numbers, of shape (n, m); got -inf at index (1, 5)"):
        _validate.matrix("J", large)


@pytest.mark.parametrize(("given", "kept"), [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i4", "f8"), (">f4", "f8")])
def test_matrix_keeps_float32_and_float64(given, kept):
    out = _validate.matrix("J", np.arange(6).reshape(3, 2).T.astype(given), rows=2, columns=3)
    assert out.dtype == np.dtype(kept)
    assert out.flags.c_contiguous
    assert out.tolist() == [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]


def test_matrix_is_not_copied_without_need_and_refuses_shapes():
    array = np.ones((2, 3))
    assert _validate.matrix("J", array) is array
    for wrong in ({"rows": 3}, {"columns": 2}):
        with pytest.raises(ValueError, match=r"got an array of shape \(2, 3\) and dtype float64$"):
            _validate.matrix("J", array, **wrong)
    with refuses(
        ValueError,
        "J must be a 2-D array of finite numbers, of shape (n, m); got an array of shape (3,) and dtype float64",
    ):
        _validate.matrix("J", np.ones(3))


def test_weights():
    given = np.array([0.25, 0.75 + 5e-10])
    assert _validate.weights("weights", given, 2) is given
    with refuses(ValueError, "weights must be weights that sum to 1 within 1e-9; got a sum of 0.5"):
        _validate.weights("weights", [0.25, 0.25], 2)
    with refuses(ValueError, "weights must be non-negative; got -0.5 at index 1"):
        _validate.weights("weights", [1.5, -0.5], 2)
    with pytest.raises(ValueError, match=r"^weights must be a 1-D array of 3 finite numbers; got"):
        _validate.weights("weights", [0.5, 0.5], 3)


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (1001, "1001 = 7 · 11 · 13"),
        (12, "12 = 2 · 2 · 3"),
        (2, "2"),
        (1, "1"),
        (-7, "-7"),
        (2**89 - 3, f"{2**89 - 3}, which is composite"),
    ],
)
def test_prime_says_why_not(value, came):
    with refuses(ValueError, f"p must be an odd prime for the character method; got {came}"):
        _validate.prime("p", value, "the character method")


def test_prime_accepts_odd_primes_of_any_size():
    for p in (3, 1009, 2**89 - 1):
        assert _validate.prime("p", p, "a test") == p
    with refuses(TypeError, "p must be an integer; got 7.0"):
        _validate.prime("p", 7.0, "a test")


def test_word_modulus_and_tabulated(monkeypatch):
    assert _validate.word_modulus("p", 2**63 - 1, "residues") == 2**63 - 1
    with refuses(ValueError, f"p must be below 2**63 for residues; got {2**63}"):
        _validate.word_modulus("p", 2**63, "residues")
    monkeypatch.setattr(_memory, "physical", lambda: 2**30)
    assert _validate.tabulated("p", 2**27, 8, "a table of ψ") == 2**27
    expected = f"at most {2**27} for a table of ψ to fit in the 1.0 GiB of this machine"
    with refuses(ValueError, f"p must be {expected}; got {2**28}, which needs 2.0 GiB"):
        _validate.tabulated("p", 2**28, 8, "a table of ψ")
    monkeypatch.setattr(_memory, "physical", lambda: None)
    assert _validate.tabulated("p", 2**50, 8, "a table of ψ") == 2**50


def test_came_is_short():
    class Thing:
        def __repr__(self):
            return "x" * 1000

    values = [Thing(), "x" * 1000, list(range(1000)), 2**10000, {1: 2}, np.ones((3, 4)), object]
    assert all(len(_validate.came(value)) < 100 for value in values)


def test_array_takes_the_axes_that_are_named():
    found = _validate.array("history", [[1, 2]], dimensions=(1, 2))
    assert (found.shape, found.dtype) == ((1, 2), np.float64)
    assert np.isnan(_validate.array("history", [np.nan], dimensions=(1,), finite=False)[0])
    expected = "history must be an array of finite numbers with 1 axis and at least one entry"
    with refuses(ValueError, f"{expected}; got an array of shape () and dtype float64"):
        _validate.array("history", 3.0, dimensions=(1,))
    with pytest.raises(ValueError, match="with 1 or 2 axes and at least one entry"):
        _validate.array("history", np.ones((0, 3)), dimensions=(1, 2))
    with pytest.raises(ValueError, match=r"finite numbers .*; got nan at index \(0, 1\)"):
        _validate.array("history", [[1.0, np.nan]], dimensions=(1, 2))
    with pytest.raises(TypeError, match="history must be an array of numbers"):
        _validate.array("history", ["a"], dimensions=(1,), finite=False)


def test_masked_arrays_are_refused_where_something_is_masked():
    masked = np.ma.masked_greater([0.25, 0.75], 0.5)
    for check, options in [
        (_validate.vector, {}),
        (_validate.weights, {"length": 2}),
        (_validate.array, {"dimensions": (1,)}),
    ]:
        with pytest.raises(ValueError, match=r"w must be .*; got a masked array, some of it masked"):
            check("w", masked, **options)
    with pytest.raises(ValueError, match=r"J must be .*; got a masked array"):
        _validate.matrix("J", masked[:, None])
    np.testing.assert_array_equal(_validate.vector("w", np.ma.array([0.25, 0.75])), [0.25, 0.75])
