"""Checks of arrays, which come back in the one dtype and layout that the core takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from barren._validate.messages import came, refuse
from barren._validate.moduli import WORD_LIMIT

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

_SCAN = 1 << 20  # entries looked at together when searching for one that is not finite


def _array(name: str, value: object, expected: str, kinds: str) -> NDArray[Any]:
    """``value`` as an array of one of the dtype ``kinds`` (numpy's letters)."""
    if np.ma.is_masked(value):  # NumPy would take what lies under the mask
        refuse(ValueError, name, expected, "a masked array, some of it masked")
    if getattr(value, "requires_grad", False) is True:
        refuse(TypeError, name, expected, f"{came(value)} with requires_grad=True: pass {name}.detach()")
    try:
        array = np.asarray(value)
    except (
        TypeError,
        ValueError,
        RuntimeError,
        OverflowError,
    ) as error:  # ragged lists, tensors on a device, ...
        raise TypeError(f"{name} must be {expected}; got {came(value)}") from error
    if array.dtype.kind == "f" and "O" in kinds and not isinstance(value, np.ndarray):
        # numpy makes floats of a list with integers on both sides of 2**63.
        entries = np.array(value, dtype=object)
        if entries.size and _are_integers(entries):
            return entries
    if array.dtype.kind not in kinds:
        refuse(TypeError, name, expected, came(value))
    return array


def _are_integers(entries: NDArray[Any]) -> bool:
    """Whether the entries of an array of objects are integers, a bool being none."""
    return all(isinstance(entry, int | np.integer) and not isinstance(entry, bool) for entry in entries.flat)


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
        if not _are_integers(array):
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
    exact = array.dtype.kind in "iu" or (array.dtype.kind == "O" and _are_integers(array))
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
