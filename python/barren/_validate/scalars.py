"""Checks of single values: numbers, words, instances."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from barren._validate.messages import came, interval, refuse


def integer(name: str, value: object, *, low: int | None = None, high: int | None = None) -> int:
    """``value`` as a Python integer; whatever has ``__index__`` is one, a bool and a float are not.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is outside ``low..high`` (both ends allowed).

    >>> integer("p", np.int32(7), low=3)
    7
    >>> integer("p", 2, low=3)
    Traceback (most recent call last):
    ValueError: p must be an integer, at least 3; got 2
    """
    expected = f"an integer{interval(low, high)}"
    if isinstance(value, bool | np.bool_):
        refuse(TypeError, name, expected, came(value))
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        refuse(TypeError, name, expected, came(value))
    if (low is not None and number < low) or (high is not None and number > high):
        refuse(ValueError, name, expected, came(number))
    return number


def real(name: str, value: object, *, low: float | None = None, high: float | None = None) -> float:
    """``value`` as a finite float; integers and fractions will do, a bool, a string and a complex will not.

    Raises:
        TypeError: it is not a real number.
        ValueError: it is not finite, or outside ``low..high`` (both ends allowed).
    """
    expected = f"a finite number{interval(low, high)}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real | Fraction):
        refuse(TypeError, name, expected, came(value))
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        refuse(ValueError, name, expected, came(value))
    return number


def boolean(name: str, value: object) -> bool:
    """``value`` as a bool; numbers are not taken for one.

    Raises:
        TypeError: it is not a bool.
    """
    if not isinstance(value, bool | np.bool_):
        refuse(TypeError, name, "True or False", came(value))
    return bool(value)


def choice(name: str, value: object, options: Sequence[str]) -> str:
    """``value``, one of the words ``options``.

    Raises:
        TypeError: it is not a string.
        ValueError: it is another word.
    """
    expected = f"one of {', '.join(map(repr, options))}"
    if not isinstance(value, str):
        refuse(TypeError, name, expected, came(value))
    if value not in options:
        refuse(ValueError, name, expected, came(value))
    return value


def instance(name: str, value: Any, kinds: type | tuple[type, ...], expected: str) -> Any:
    """``value``, an instance of ``kinds``; ``expected`` says in words which.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, kinds):
        refuse(TypeError, name, expected, came(value))
    return value


def threads(value: object) -> int:
    """The number of threads as the core takes it: 0, all that may be used, for None.

    Raises:
        TypeError: it is neither None nor an integer.
        ValueError: it is outside 1..4096.
    """
    return 0 if value is None else integer("threads", value, low=1, high=4096)
