"""What every refusal says: ``<name> must be <what was expected>; got <what came>``."""

from __future__ import annotations

import numbers
import reprlib
from collections.abc import Sequence, Sized
from typing import NoReturn

import numpy as np

_brief = reprlib.Repr()
_brief.maxlist = _brief.maxtuple = _brief.maxset = _brief.maxfrozenset = _brief.maxdict = 4
_brief.maxstring = _brief.maxother = 60


def came(value: object) -> str:
    """What came, in a few words: a type and a shape, or the value where it is short.

    >>> came([1, 2, 3]), came(1.5), came(float), came(np.ones((2, 3)))
    ('a list of length 3: [1, 2, 3]', '1.5', 'the class float', 'an array of shape (2, 3) and dtype float64')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, np.generic):
        return f"a {type(value).__name__} of shape {tuple(value.shape)} and dtype {value.dtype}"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"{'a negative' if value < 0 else 'an'} integer of {value.bit_length()} bits"
    if value is None or isinstance(value, numbers.Number | str | np.generic):
        return _brief.repr(value) if isinstance(value, str) else repr(value)
    if isinstance(value, Sized) and isinstance(value, Sequence | set | frozenset | dict):
        return f"a {type(value).__name__} of length {len(value)}: {_brief.repr(value)}"
    return f"a {type(value).__name__}: {_brief.repr(value)}"


def refuse(kind: type[Exception], name: str, expected: str, got: str) -> NoReturn:
    """Raise ``kind`` with the one form of message."""
    raise kind(f"{name} must be {expected}; got {got}")


def interval(low: object | None, high: object | None) -> str:
    if low is not None and high is not None:
        return f" in {low}..{high}"
    if low is not None:
        return f", at least {low}"
    return "" if high is None else f", at most {high}"
