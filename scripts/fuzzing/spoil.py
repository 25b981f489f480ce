"""Arguments as a careless caller might pass them: every kind of wrong dtype, layout, shape, number and type."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from fuzzing.draws import Draw, Made, Packed

INTEGERS = (
    -1, 0, 1, 2, 3, 47, 255, 4095, 4096, 4097, 2**31 - 1, 2**31, 2**32, 2**52, 2**62, 2**63 - 1, 2**63, 2**64, 2**70,
    -(2**31), -(2**63), -(2**63) - 1, True, False,
)  # fmt: skip
FLOATS = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 5e-324, 1e-310, 1.5, -1.0, 2.0**52, 2.0**106, 1e300)
WORDS = ("", "table", "cosine", "bit", "threshold", "steps", "sine", "avx512", "x" * 5000, "a\0b", "\ud800", "ψ")


class Index:
    """What is no int but counts as one."""

    def __index__(self) -> int:
        return 3

    __int__ = __index__


class Subclass(np.ndarray):
    """An array that is more than an array."""


class Failing:
    """An object of which every conversion fails."""

    def __index__(self) -> int:
        raise ZeroDivisionError("no index")

    def __float__(self) -> float:
        raise ZeroDivisionError("no float")

    def __bool__(self) -> bool:
        raise ZeroDivisionError("no truth")

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise ZeroDivisionError("no array")


def anything(draw: Draw) -> Any:
    """Any object at all."""
    return draw.one_of(
        (None, 1.5, 7, "7", b"7", [], {}, (), (1, 2), [1.0], object(), int, 3j, Fraction(1, 3), np.float32(2),
         np.int8(3), np.zeros(()), np.zeros(3), Index(), Failing(), slice(3), memoryview(b"1234"),
         range(4), iter([1]), Draw, ...)
    )  # fmt: skip


def integer(draw: Draw, value: int) -> Any:
    """Another number, or none."""
    kind = draw.rng.random()
    if kind < 0.6:
        return draw.one_of(INTEGERS)
    if kind < 0.8:
        return value + draw.one_of((-2, -1, 1, 2))
    return draw.one_of((np.int8(value % 100), np.float64(2), float("nan"), Index())) if kind < 0.9 else anything(draw)


def real(draw: Draw, value: float) -> Any:
    """Another number, or none."""
    return draw.one_of(FLOATS) if draw.chance(0.7) else anything(draw)


def word(draw: Draw, value: str) -> Any:
    """Another word, or none."""
    return draw.one_of(WORDS) if draw.chance(0.8) else anything(draw)


def sequence(draw: Draw, value: Any) -> Any:
    """A tuple or list with one item spoilt, gone or twice, of another kind, or something else."""
    items, kind = list(value), draw.rng.random()
    if kind < 0.5 and items:
        place = int(draw.rng.integers(len(items)))
        items[place] = spoilt(draw, items[place])
    elif kind < 0.6:
        items = items[:-1]
    elif kind < 0.7:
        items = items + items[-1:]
    elif kind < 0.8:
        items = items[::-1]
    elif kind < 0.9:
        return anything(draw)
    return tuple(items) if isinstance(value, tuple) != draw.chance(0.1) else items


def array(draw: Draw, value: np.ndarray) -> Any:
    """The same numbers laid out otherwise, other numbers, another shape, or no array."""
    if max(value.shape, default=0) > 1 << 20:  # spoilt before: to lay it out otherwise would take for ever
        return anything(draw)
    try:
        return draw.one_of((layout, layout, entries, entries, shape, shape, kind_of))(draw, value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return anything(draw)  # an array spoilt before may not be spoilt in every other way: no word holds a date


def layout(draw: Draw, value: np.ndarray) -> Any:
    """Strides that are negative, zero, or of a part; Fortran order; out of line; not to be written to."""
    if value.ndim == 0:
        return value.copy()
    axis = int(draw.rng.integers(value.ndim))
    wide = np.repeat(value, 2, axis=axis)
    some = [slice(None)] * value.ndim

    def unaligned() -> np.ndarray:
        raw = np.zeros(value.nbytes + 1, np.uint8)[1:].view(value.dtype).reshape(value.shape)
        raw[...] = value
        return raw

    def read_only() -> np.ndarray:
        copy = value.copy()
        copy.flags.writeable = False
        return copy

    some[axis] = slice(None, None, 2)
    ways: list[Callable[[], np.ndarray]] = [
        lambda: wide[tuple(some)],
        lambda: np.flip(value, axis),
        lambda: np.broadcast_to(value[(slice(1),) * value.ndim], value.shape) if value.size else value.copy(),
        lambda: np.asfortranarray(value),
        lambda: value.T,
        unaligned,
        read_only,
        lambda: value.view(Subclass),
        lambda: np.ma.masked_array(value, mask=False),
        lambda: np.lib.stride_tricks.as_strided(value, value.shape, (0,) * value.ndim) if value.size else value.copy(),
    ]
    return draw.one_of(ways)()


def entries(draw: Draw, value: np.ndarray) -> np.ndarray:
    """One entry or all are out of the range of most arguments."""
    out = value.copy()
    if value.dtype.kind == "f":
        with np.errstate(over="ignore"):
            extreme = value.dtype.type(draw.one_of(FLOATS))
    elif value.dtype.kind in "iu":
        bounds = np.iinfo(value.dtype)
        extreme = draw.one_of((-1, -2, bounds.min, bounds.max, bounds.max // 2 + 1, 0, 1, 41, 1000))
        extreme = max(bounds.min, extreme)
    else:
        return out
    if out.size and draw.chance(0.8):
        out.flat[int(draw.rng.integers(out.size))] = extreme
    else:
        out[...] = extreme
    return out


def shape(draw: Draw, value: np.ndarray) -> np.ndarray:
    """Another rank, no entries, one entry less or more, and sizes that only an array without entries can have."""
    flat = value.reshape(-1)
    other = np.zeros((2**40, 0) if draw.chance(0.5) else (0, 2**40), value.dtype)
    ways = [
        value[None],
        value[..., None],
        flat.copy(),
        flat[:0].copy(),
        flat[:1].reshape(()).copy() if flat.size else np.zeros((), value.dtype),
        value[:-1].copy() if value.ndim else value,
        np.concatenate([value, value]) if value.ndim else value,
        np.ascontiguousarray(value.T),
        value.reshape(value.shape[::-1]),
        np.zeros((0,) * max(1, value.ndim), value.dtype),
        other,
        np.ascontiguousarray(np.concatenate([value, value], axis=-1)) if value.ndim else value,
    ]
    return draw.one_of(ways)


def kind_of(draw: Draw, value: np.ndarray) -> Any:
    """Another dtype or byte order, a list, a buffer, or something else."""
    if draw.chance(0.15):
        return anything(draw)
    if draw.chance(0.15):
        return draw.one_of((value.tolist(), tuple(value.tolist() if value.ndim else ()), memoryview(value.copy())))
    if draw.chance(0.2):
        return value.astype(value.dtype.newbyteorder())
    if value.dtype.itemsize == 8 and draw.chance(0.2):
        return value.view(draw.one_of((np.dtype(np.int64), np.dtype(np.float64), np.dtype("M8[s]"), np.dtype("V8"))))
    dtype = draw.one_of(
        (np.int8, np.int32, np.int64, np.uint64, np.float16, np.float32, np.float64, np.longdouble, np.complex128, bool,
         object, "U4", np.dtype([("x", np.float64)]))
    )  # fmt: skip
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return value.astype(dtype)
    except ValueError:  # words that are no numbers
        return anything(draw)


def spoilt(draw: Draw, value: Any) -> Any:
    """Something else in the place of a legal argument; now and then it is as legal."""
    if isinstance(value, np.ndarray):
        return array(draw, value)
    if isinstance(value, Packed):
        if draw.chance(0.5) and isinstance(value.matrix, np.ndarray):
            return Packed(array(draw, value.matrix))
        return draw.one_of((value.matrix, None, unmade(draw), anything(draw)))
    if isinstance(value, Made):
        return draw.one_of((None, unmade(draw), anything(draw)))
    if isinstance(value, bool):
        return draw.one_of((None, 1, 0, 2, "x", "", Failing(), np.bool_(True), np.zeros(2)))
    if isinstance(value, (tuple, list)):
        return sequence(draw, value)
    ways: dict[type, Callable[[Draw, Any], Any]] = {int: integer, float: real, str: word}
    way = ways.get(type(value))
    return anything(draw) if way is None else way(draw, value)


def aliased(draw: Draw, arguments: dict[str, Any], written: str) -> None:
    """Puts one of the arguments that are read into the memory that is written."""
    target = arguments[written]
    fitting = [
        name
        for name, value in arguments.items()
        if name != written and isinstance(value, np.ndarray) and value.dtype == target.dtype
        if 0 < value.size <= target.size
    ]
    if fitting:
        name = draw.one_of(fitting)
        shape = arguments[name].shape
        arguments[name] = target.reshape(-1)[: arguments[name].size].reshape(shape)


def unmade(draw: Draw) -> Any:
    """An object of the core whose __init__ was never called."""
    from barren import _core

    cls = draw.one_of((_core.PackedFactor32, _core.PackedFactor64, _core.Stop))
    return cls.__new__(cls)
