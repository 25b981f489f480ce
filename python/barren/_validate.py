"""Every check of an argument, and its message.

A message reads ``<name> must be <what was expected>; got <what came>``. A wrong kind of object is a
``TypeError``, a wrong value or shape a ``ValueError``. Arrays come back in the one dtype and layout that the
core takes, without a copy where that is possible: who keeps an array copies it.
"""

from __future__ import annotations

import functools
import math
import numbers
import operator
import os
import reprlib
from collections.abc import Sequence, Sized
from fractions import Fraction
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

WORD_LIMIT = 2**63
"""Residues are 64-bit signed integers, so a modulus that is computed with is below this."""

_SCAN = 1 << 20  # entries looked at together when searching for one that is not finite
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


def _interval(low: object | None, high: object | None) -> str:
    if low is not None and high is not None:
        return f" in {low}..{high}"
    if low is not None:
        return f", at least {low}"
    return "" if high is None else f", at most {high}"


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
    expected = f"an integer{_interval(low, high)}"
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
    expected = f"a finite number{_interval(low, high)}"
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


def _array(name: str, value: object, expected: str, kinds: str) -> NDArray[Any]:
    """``value`` as an array of one of the dtype ``kinds`` (numpy's letters)."""
    try:
        array = np.asarray(value)
    except (
        TypeError,
        ValueError,
        RuntimeError,
        OverflowError,
    ) as error:  # ragged lists, tensors on a device, ...
        raise TypeError(f"{name} must be {expected}; got {came(value)}") from error
    if array.dtype.kind not in kinds:
        refuse(TypeError, name, expected, came(value))
    return array


def residues(name: str, value: object, modulus: int, *, any_shape: bool = False, otherwise: str = "") -> Integers:
    """``value`` as residues: integers in 0..modulus-1. An array of integer-valued floats is refused.

    Args:
        name: the argument's name.
        value: integers, an array or whatever numpy makes one of; an empty list is an empty array.
        modulus: the residues are below it, and below 2**63.
        any_shape: whether other shapes than ``(n,)`` will do.
        otherwise: what else the caller takes, for the message.

    Returns:
        int64, C-contiguous, of shape ``(n,)``, or of the shape of ``value`` if ``any_shape``.

    Raises:
        TypeError: they are not integers.
        ValueError: wrong number of dimensions, or one is out of range (the first such is named).
    """
    limit = min(modulus, WORD_LIMIT)
    kind = "integers" if any_shape else "a 1-D array of integers"
    expected = f"{otherwise}{kind} in 0..{limit - 1}"
    array = _array(name, value, expected, "biufO")
    if array.size == 0 and not isinstance(value, np.ndarray):
        array = array.astype(np.int64)  # numpy makes an empty list an array of floats
    if array.dtype.kind == "O":
        if not all(isinstance(entry, int | np.integer) and not isinstance(entry, bool) for entry in array.flat):
            refuse(TypeError, name, expected, came(value))
    elif array.dtype.kind not in "iu":
        refuse(TypeError, name, expected, came(value))
    if array.ndim != 1 and not any_shape:
        refuse(ValueError, name, expected, came(value))
    if array.size and (int(array.min()) < 0 or int(array.max()) >= limit):
        flat = array.reshape(-1)
        index = int(np.flatnonzero((flat < 0) | (flat >= limit))[0])
        refuse(ValueError, name, expected, f"{came(int(flat[index]))} at index {index}")
    return np.asarray(array, dtype=np.int64, order="C")


def points(name: str, value: object, modulus: int | None) -> NDArray[Any]:
    """``value`` as residues for a modulus of any size; None where it is not known yet.

    Returns:
        int64 for a modulus below 2**63, else an array of Python integers (dtype object); of shape ``(n,)``.

    Raises:
        TypeError: they are not integers.
        ValueError: wrong number of dimensions, or one is out of range (the first such is named).

    >>> points("x", [1, 2**80], 2**89 - 1)
    array([1, 1208925819614629174706176], dtype=object)
    """
    if modulus is not None and modulus <= WORD_LIMIT:
        return residues(name, value, modulus)
    expected = f"a 1-D array of integers{', at least 0' if modulus is None else f' in 0..{came(modulus - 1)}'}"
    array = _array(name, value, expected, "biufO")
    exact = array.dtype.kind in "iu" or (
        array.dtype.kind == "O"
        and all(isinstance(entry, int | np.integer) and not isinstance(entry, bool) for entry in array.flat)
    )
    if not exact and (array.size or isinstance(value, np.ndarray)):
        refuse(TypeError, name, expected, came(value))
    if array.ndim != 1:
        refuse(ValueError, name, expected, came(value))
    out = np.empty(array.size, dtype=object)
    for index, entry in enumerate(array.tolist()):
        out[index] = int(entry)
        if entry < 0 or (modulus is not None and entry >= modulus):
            refuse(ValueError, name, expected, f"{came(int(entry))} at index {index}")
    return out


def _check_finite(name: str, expected: str, array: NDArray[Any]) -> None:
    """Refuse a NaN or an infinity; a million entries are looked at together, so nothing large is made."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, _SCAN):
        finite = np.isfinite(flat[start : start + _SCAN])
        if not finite.all():
            index = start + int(np.argmin(finite))
            where = index if array.ndim == 1 else tuple(int(i) for i in np.unravel_index(index, array.shape))
            refuse(ValueError, name, expected, f"{float(flat[index])} at index {where}")


def vector(name: str, value: object, *, length: int | None = None) -> Floats:
    """``value`` as a vector of finite numbers.

    Returns:
        float64, C-contiguous, of shape ``(n,)``.

    Raises:
        TypeError: they are not real numbers.
        ValueError: not one-dimensional, not of ``length``, or an entry is not finite.
    """
    expected = f"a 1-D array of {'' if length is None else f'{length} '}finite numbers"
    array = _array(name, value, expected, "biuf")
    if array.ndim != 1 or (length is not None and array.size != length):
        refuse(ValueError, name, expected, came(array))
    out: Floats = np.ascontiguousarray(array, dtype=np.float64)
    _check_finite(name, expected, out)
    return out


def array(name: str, value: object, *, dimensions: Sequence[int], finite: bool = True) -> Floats:
    """``value`` as an array of numbers with one of these numbers of axes, and at least one entry.

    Args:
        name: the argument's name.
        value: numbers, an array or whatever numpy makes one of.
        dimensions: how many axes it may have.
        finite: whether a NaN and an infinity are refused.

    Returns:
        float64, C-contiguous, of the shape of ``value``.

    Raises:
        TypeError: they are not real numbers.
        ValueError: another number of axes, no entry, or one that is not finite.
    """
    axes = " or ".join(map(str, dimensions)) + (" axis" if list(dimensions) == [1] else " axes")
    expected = f"an array of {'finite ' if finite else ''}numbers with {axes} and at least one entry"
    found = _array(name, value, expected, "biuf")
    if found.ndim not in dimensions or found.size == 0:
        refuse(ValueError, name, expected, came(found))
    out: Floats = np.asarray(found, dtype=np.float64, order="C")
    if finite:
        _check_finite(name, expected, out)
    return out


def coordinates(name: str, value: object, *, dimension: int | None = None) -> Floats:
    """``value`` as points of the real line, or of R^d: finite numbers of shape ``(n,)`` or ``(n, d)``.

    Args:
        name: the argument's name.
        value: numbers, an array or whatever numpy makes one of.
        dimension: d where it is known; 1 stands for shape ``(n,)``.

    Returns:
        float64, C-contiguous.

    Raises:
        TypeError: they are not real numbers.
        ValueError: another shape, or an entry is not finite.
    """
    shape = {None: "(n,) or (n, d)", 1: "(n,)"}.get(dimension, f"(n, {dimension})")
    expected = f"an array of finite numbers, of shape {shape}"
    array = _array(name, value, expected, "biuf")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    wrong = array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0)
    if wrong or (dimension is not None and (1 if array.ndim == 1 else array.shape[1]) != dimension):
        refuse(ValueError, name, expected, came(array))
    out: Floats = np.ascontiguousarray(array, dtype=np.float64)
    _check_finite(name, expected, out)
    return out


def matrix(name: str, value: object, *, rows: int | None = None, columns: int | None = None) -> NDArray[Any]:
    """``value`` as a matrix of finite numbers.

    Returns:
        float32 if it came so, else float64; C-contiguous, of shape ``(rows, columns)``.

    Raises:
        TypeError: they are not real numbers.
        ValueError: not two-dimensional, another number of rows or columns, or an entry is not finite.
    """
    shape = f"({'n' if rows is None else rows}, {'m' if columns is None else columns})"
    expected = f"a 2-D array of finite numbers, of shape {shape}"
    array = _array(name, value, expected, "biuf")
    wrong = array.ndim != 2 or (rows is not None and array.shape[0] != rows)
    if wrong or (columns is not None and array.shape[1] != columns):
        refuse(ValueError, name, expected, came(array))
    out = np.ascontiguousarray(array, dtype=np.float32 if array.dtype == np.float32 else np.float64)
    _check_finite(name, expected, out)
    return out


def weights(name: str, value: object, length: int) -> Floats:
    """``value`` as the weights of a law: non-negative, summing to one within 1e-9, and then used as they are.

    Returns:
        float64 of shape ``(length,)``.

    Raises:
        TypeError: they are not real numbers.
        ValueError: wrong shape, an entry negative or not finite, or another sum.
    """
    array = vector(name, value, length=length)
    negative = np.flatnonzero(array < 0)
    if negative.size:
        index = int(negative[0])
        refuse(ValueError, name, "non-negative", f"{float(array[index])} at index {index}")
    total = math.fsum(array)
    if abs(total - 1.0) > 1e-9:
        refuse(ValueError, name, "weights that sum to 1 within 1e-9", f"a sum of {total!r}")
    return array


def prime(name: str, value: object, purpose: str) -> int:
    """``value``, an odd prime, which ``purpose`` needs.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is not an odd prime; the message shows its factors where they are quickly found.

    >>> prime("p", 1001, "the character method")
    Traceback (most recent call last):
    ValueError: p must be an odd prime for the character method; got 1001 = 7 · 11 · 13
    """
    import sympy

    number = integer(name, value)
    if number > 2 and sympy.isprime(number):
        return number
    got = came(number)
    if number > 3 and number.bit_length() <= 64:
        factors = sympy.factorint(number, multiple=True)
        if len(factors) > 1:
            got += f" = {' · '.join(map(str, factors))}"
    elif number > 3:
        got += ", which is composite"
    refuse(ValueError, name, f"an odd prime for {purpose}", got)


def word_modulus(name: str, value: int, purpose: str) -> int:
    """``value``, a modulus whose residues fit in 64 bits, which ``purpose`` needs.

    Raises:
        ValueError: it is 2**63 or more.
    """
    if value >= WORD_LIMIT:
        refuse(ValueError, name, f"below 2**63 for {purpose}", came(value))
    return value


def tabulated(name: str, value: int, bytes_each: int, purpose: str) -> int:
    """``value``, a modulus so small that ``bytes_each`` bytes a residue fit in this machine's memory.

    Raises:
        ValueError: it is 2**63 or more, or the table would be larger than the physical memory.
    """
    word_modulus(name, value, purpose)
    memory, needed = physical_memory(), bytes_each * value
    if memory is not None and needed > memory:
        room = f"{memory / 2**30:.1f} GiB of this machine"
        expected = f"at most {memory // bytes_each} for {purpose} to fit in the {room}"
        refuse(ValueError, name, expected, f"{came(value)}, which needs {needed / 2**30:.1f} GiB")
    return value


@functools.lru_cache(maxsize=1)
def physical_memory() -> int | None:
    """The machine's memory in bytes, None where the system does not tell."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    return pages * size if pages > 0 and size > 0 else None
