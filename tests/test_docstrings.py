"""Every public name says what its reader needs: scripts/check_docstrings.py finds what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike
from torch import Tensor

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import check_docstrings  # noqa: E402


def test_every_public_name_is_described():
    assert check_docstrings.faults() == []


def whole(values: ArrayLike, k: int) -> np.ndarray:
    """The first k numbers.

    Args:
        values: numbers, shape (n,).
        k: how many.

    Returns:
        float64 of shape (k,).

    Raises:
        ValueError: k is larger than n.

    Cost: O(k).

    Source: docs/theory, section 2.1.
    """


@pytest.mark.parametrize(
    ("cut", "fault"),
    [
        ("numbers, shape (n,)", "values has no shape"),
        ("        k: how many.\n", "Args do not name k"),
        ("    Returns:\n        float64 of shape (k,).\n", "no Returns"),
        ("of shape (k,)", "what is returned has no shape"),
        ("float64", "what is returned has no dtype"),
        ("    Raises:\n        ValueError: k is larger than n.\n", "no Raises"),
        ("    Cost: O(k).\n", "no Cost"),
        ("    Source: docs/theory, section 2.1.\n", "no Source"),
    ],
)
def test_what_is_missing_is_found(monkeypatch, cut, fault):
    assert list(check_docstrings.of_function(whole)) == []
    text = whole.__doc__
    assert cut in text
    monkeypatch.setattr(whole, "__doc__", text.replace(cut, "numbers" if "numbers" in cut else ""))
    assert fault in list(check_docstrings.of_function(whole))


@pytest.mark.parametrize("source", ["docs/nowhere", "docs/theory, section 9.9"])
def test_sources_must_exist(monkeypatch, source):
    monkeypatch.setattr(whole, "__doc__", whole.__doc__.replace("docs/theory, section 2.1", source))
    assert any("not there" in found for found in check_docstrings.of_function(whole))


class Pair:
    """Two numbers.

    Attributes:
        first: a number.

    Source: a definition.
    """

    first: float
    second: float

    def scaled(self, factor: float) -> np.ndarray:
        """Both."""
        if factor == 0.0:
            raise ValueError("factor must not be 0")
        return np.array([self.first, self.second]) * factor


class Slower(Pair):
    """Two numbers, after a while.

    Args:
        seconds: how long.

    Raises nothing.

    Source: a definition.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def waited(self, memory_limit: int) -> float:
        """How long it took, with memory_limit."""
        return self.seconds + memory_limit

    @property
    def build_s(self) -> float:
        """How long it takes to build."""
        return self.seconds

    def through(self, model: Callable[[Tensor], Tensor], weights: Tensor) -> float:
        """What a model makes of it.

        Args:
            model: a function.
            weights: numbers of shape (n,).
        """

    def of_two(self, first: float, second: float) -> float:
        """The sum of first and second."""

    def of_another(self, first: float) -> float:
        """The sum of the first and of a second.

        It is taken in float64.
        """


def test_classes_and_methods():
    assert list(check_docstrings.of_class(Pair)) == ["Attributes do not name second"]
    assert list(check_docstrings.of_member("scaled", Pair.scaled)) == [
        "Args do not name factor",
        "what is returned has no shape",
        "no Raises",
    ]


def test_parameters_of_methods_are_in_args_or_in_the_one_line():
    assert list(check_docstrings.of_member("of_two", Slower.of_two)) == []
    assert list(check_docstrings.of_member("of_another", Slower.of_another)) == ["Args do not name first"]


def test_what_an_overridden_method_says_holds():
    class Base:
        def of_another(self, first: float) -> float:
            """Another.

            Args:
                first: a number.
            """

    assert list(check_docstrings.of_member("of_another", Slower.of_another, (Base,))) == []


def test_times_and_sizes_have_units():
    assert list(check_docstrings.of_class(Slower)) == ["seconds has no unit"]
    assert list(check_docstrings.of_member("waited", Slower.waited)) == ["memory_limit has no unit"]
    assert list(check_docstrings.of_member("build_s", Slower.build_s)) == ["what is returned has no unit"]
    for name, said in (("seconds", "how many seconds"), ("limit_bytes", "in bytes"), ("timings", "many"), ("laws", "")):
        assert check_docstrings.has_unit(name, "float", said)
    assert check_docstrings.has_unit("memory", "str", "where it is kept")


def test_tensors_and_functions_of_them_have_shape_and_dtype():
    assert list(check_docstrings.of_member("through", Slower.through)) == [
        "model has no shape",
        "model has no dtype",
        "weights has no dtype",
    ]
    assert list(check_docstrings.of_value("loss", "Tensor", "as for `other`")) == []
