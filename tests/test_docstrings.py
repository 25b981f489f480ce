"""Every public name says what its reader needs: scripts/check_docstrings.py finds what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

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


def test_classes_and_methods():
    assert list(check_docstrings.of_class(Pair)) == ["Attributes do not name second"]
    assert list(check_docstrings.of_member("scaled", Pair.scaled)) == [
        "does not name factor",
        "what is returned has no shape",
        "no Raises",
    ]
