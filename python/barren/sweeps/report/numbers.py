"""Numbers as a reader sees them: four digits, and words for what is missing or no number."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["MISSING", "count", "duration", "memory", "number", "percent", "plain", "power", "span"]

MISSING = "–"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 4) -> str:
    """A number to so many significant digits.

    Example:
        >>> number(0.000078384), number(1008), number(0.25), number(float("inf")), number(None)
        ('7.838e-5', '1008', '0.2500', '∞', '–')
    """
    if value is None:
        return MISSING
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    if 1e-3 <= abs(value) < 10.0 ** max(digits, 5):
        return f"{value:#.{digits}g}".removesuffix(".") if abs(value) < 10.0**digits else f"{value:.0f}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def span(low: float, high: float, decimals: int | None = None) -> str:
    """An interval, to three digits or to so many decimals; ends that are NaN are none.

    Example:
        >>> span(0.00123, 0.4), span(-1.01234, -0.4, decimals=3), span(float("nan"), 1.0)
        ('0.00123 to 0.400', '-1.012 to -0.400', '–')
    """
    if math.isnan(low) or math.isnan(high):
        return MISSING
    return " to ".join(number(end, 3) if decimals is None else f"{end:.{decimals}f}" for end in (low, high))


def percent(share: float | None) -> str:
    """A share in percent.

    Example:
        >>> percent(0.25132), percent(0.00041), percent(None)
        ('25.1 %', '0.0410 %', '–')
    """
    if share is None or not math.isfinite(share):
        return number(share)
    return f"{number(100.0 * share, 3)} %"


def count(number_of: int, word: str, plural: str | None = None) -> str:
    """A count with its word.

    Example:
        >>> count(1, "cell"), count(1234, "cell"), count(0, "prime")
        ('1 cell', '1234 cells', 'no primes')
    """
    return f"{number_of or 'no'} {word if number_of == 1 else plural or word + 's'}"


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it.

    Example:
        >>> duration(0.0021), duration(75.2), duration(7300)
        ('2.10 ms', '75.2 s', '2.03 h')
    """
    if seconds is None or not math.isfinite(seconds):
        return number(seconds)
    for limit, unit, name in ((1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (7200.0, 60.0, "min")):
        if seconds < limit:
            return f"{number(seconds / unit, 3)} {name}"
    return f"{number(seconds / 3600.0, 3)} h"


def memory(size: int | None) -> str:
    """A size in MB or GB.

    Example:
        >>> memory(250_000_000), memory(3_210_000_000)
        ('250 MB', '3.21 GB')
    """
    if size is None:
        return MISSING
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def plain(value: Any) -> str:
    """A setting as it was given: no digits that it does not have.

    Example:
        >>> plain(0.001), plain("bit:0"), plain(True), plain(None)
        ('0.001', 'bit:0', 'yes', '–')
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def power(exponent: int) -> str:
    """A power of ten in one line of text.

    Example:
        >>> power(-5), power(0), power(1)
        ('10⁻⁵', '1', '10')
    """
    return {0: "1", 1: "10"}.get(exponent, "10" + str(exponent).translate(_SUPERSCRIPTS))
