"""Values of an axis: one, a list, or a range in words, such as {primes = [300, 3000]}. Data only: nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import numpy as np

from barren import _validate
from barren._primes import all_primes, spaced_primes
from barren.specs import nearest

Scalar = str | int | float | bool

_RANGES = ("primes", "range")
_OPTIONS = ("count", "spacing", "step")
_SPACINGS = ("linear", "log")
# Values of an axis at most; a slip of the finger, 10^12 for 10^2, would fill the memory.
_MOST = 10**7


def expand(name: str, given: Any) -> list[Scalar]:
    """The values that an axis was given, in order.

    Args:
        name: of the axis.
        given: a text, a number or a bool; a list, range or array of them; or a mapping: {"primes": [low, high]} (every
            prime, both ends included) or {"range": [low, high]} (every integer, or every `step`-th), with "count" only
            so many, evenly spaced by "spacing", "linear" (default) or "log" (of primes always).

    Raises:
        TypeError: something else.
        ValueError: an unknown key (the nearest is suggested), a repeat, no value at all, or more than 10^7.

    Example:
        >>> expand("p", {"primes": [300, 3000], "count": 4}), expand("seed", {"range": [0, 2]}), expand("loss", "bce")
        ([307, 647, 1399, 2999], [0, 1, 2], ['bce'])
    """
    if isinstance(given, range):
        _check_count(name, len(given), given)
        given = list(given)
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, Mapping):
        values: list[Any] = _ranged(name, given)
    elif isinstance(given, str | bool | int | float | np.generic):
        values = [given]
    elif isinstance(given, Sequence) and not isinstance(given, bytes | bytearray):
        values = list(given)
    else:
        expected = "a value, a list of values, or a range such as {primes = [300, 3000]} or {range = [0, 19]}"
        _validate.refuse(TypeError, f"axis {name}", expected, _validate.came(given))
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    if not values:
        raise ValueError(f"axis {name} must have at least one value; got none from {_validate.came(given)}")
    _check_distinct(name, values)
    return values


def _check_count(name: str, count: float, given: Any) -> None:
    if count > _MOST:
        raise ValueError(f"axis {name} must have at most {_MOST} values; got about {count:.3g} from {given!r}")


def _check_distinct(name: str, values: Sequence[Any]) -> None:
    try:
        seen = set(values)
    except TypeError:
        return  # lists in it: whoever checks the values refuses them
    if len(seen) < len(values):
        twice = next(value for place, value in enumerate(values) if value in values[:place])
        raise ValueError(f"axis {name} must have different values; got {twice!r} twice")


def _ranged(name: str, given: Mapping[Any, Any]) -> list[Any]:
    known = (*_RANGES, *_OPTIONS)
    for key in given:
        if key not in known:
            raise ValueError(
                f"axis {name} has no key {key!r}{nearest(str(key), known)}; a range has {', '.join(known)}"
            )
    kinds = [key for key in _RANGES if key in given]
    if len(kinds) != 1:
        raise ValueError(f"axis {name} must be a range of one kind, primes or range; got {kinds or 'neither'}")
    kind = kinds[0]
    low, high = _ends(name, kind, given[kind])
    step = _validate.integer(f"axis {name}: step", given.get("step", 1), low=1)
    if "step" in given and (kind == "primes" or "count" in given):
        raise ValueError(f"axis {name}: step goes with range and without count; got {dict(given)!r}")
    if "count" not in given:
        if "spacing" in given:
            raise ValueError(f"axis {name}: spacing goes with count; got it without")
        many = high - low + 1
        _check_count(name, many / max(log(high), 1.0) if kind == "primes" and high > 0 else many / step, dict(given))
        return all_primes(low, high) if kind == "primes" else list(range(low, high + 1, step))
    count = _validate.integer(f"axis {name}: count", given["count"], low=2)
    _check_count(name, count, dict(given))
    default = "log" if kind == "primes" else "linear"
    spacing = _validate.choice(f"axis {name}: spacing", given.get("spacing", default), _SPACINGS)
    if spacing == "log" and low < 1:
        raise ValueError(f"axis {name}: a range spaced by log must start at 1 or more; got {low}")
    if kind == "primes":
        if spacing != "log":
            raise ValueError(f"axis {name}: so many primes are spaced by log; got {spacing!r}")
        return spaced_primes(low, high, count)
    places = (np.geomspace if spacing == "log" else np.linspace)(low, high, count)
    return sorted({round(float(place)) for place in places})


def _ends(name: str, kind: str, ends: Any) -> tuple[int, int]:
    if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
        _validate.refuse(TypeError, f"axis {name}: {kind}", "two integers [low, high]", _validate.came(ends))
    low, high = (_validate.integer(f"axis {name}: {kind}", end) for end in ends)
    if high < low:
        raise ValueError(f"axis {name}: {kind} must be [low, high] with low <= high; got [{low}, {high}]")
    return low, high
