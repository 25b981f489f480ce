"""Axes of a picture: from numbers to lengths, and the numbers that are written beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from barren.sweeps.report.numbers import power

__all__ = ["Scale", "scale"]

_MOST_TICKS = 7


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic axis. A logarithmic one counts in powers of ten.

    Attributes:
        low: its beginning, in its count.
        high: its end.
        log: whether it is logarithmic.
        ticks: (where, text) of what is written, in its count.
    """

    low: float
    high: float
    log: bool
    ticks: tuple[tuple[float, str], ...]

    def part(self, value: float) -> float:
        """Where a number lies: 0 at the beginning, 1 at the end, and what lies beyond is at an end."""
        if value == math.inf or (self.log and value <= 0.0):
            return float(value == math.inf)
        at = math.log10(value) if self.log else value
        return min(1.0, max(0.0, (at - self.low) / (self.high - self.low)))

    def tick_parts(self) -> list[tuple[float, str]]:
        """Where the texts stand, as `part` of their numbers."""
        return [((at - self.low) / (self.high - self.low), text) for at, text in self.ticks]


def scale(values: Sequence[float], *, log: bool, within: tuple[float, float] | None = None) -> Scale:
    """The axis that holds these numbers, with a little room at both ends.

    Args:
        values: finite, at least one; above 0 with `log`.
        log: whether it is to be logarithmic.
        within: ends that the axis has in any case, and no room beyond.

    Example:
        >>> [text for _, text in scale([1e-5, 3e-2], log=True).ticks]
        ['10⁻⁵', '10⁻⁴', '10⁻³', '10⁻²']
        >>> [text for _, text in scale([0.5], log=False, within=(0.0, 1.0)).ticks]
        ['0', '0.2', '0.4', '0.6', '0.8', '1']
    """
    ends = (min(values), max(values)) if within is None else (min(*values, within[0]), max(*values, within[1]))
    low, high = (math.log10(end) for end in ends) if log else ends
    least = 0.18 if log else 1e-9 * max(abs(low), abs(high), 1e-300)
    if high - low < least:  # one place, or nearly
        half = 0.25 if log else 0.5 * (abs(low) or 1.0)
        low, high = low - half, high + half
    if within is None:
        room = 0.04 * (high - low)
        low, high = low - room, high + room
    return Scale(low, high, log, _log_ticks(low, high) if log else _linear_ticks(low, high))


def _log_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    if high - low > 2.0:
        step = math.ceil((last - first + 1) / _MOST_TICKS)
        plain = first >= -2 and last <= 4
        return tuple((k, _plain(10.0**k) if plain else power(k)) for k in range(first, last + 1, step))
    digits = (1, 2, 5) if high - low > 0.9 else (1, 1.5, 2, 3, 4, 5, 7)
    places = [(k + math.log10(d), d, k) for k in range(math.floor(low), last + 1) for d in digits]
    kept = [(at, d, k) for at, d, k in places if low <= at <= high]
    plain = all(-4 <= k < 5 for _, _, k in kept)
    return tuple((at, f"{d * 10.0**k:.6g}" if plain else _with_power(d, k)) for at, d, k in kept)


def _linear_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    rough = (high - low) / 5.0
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * d for d in (1, 2, 5, 10) if size * d >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple((k * step, _plain(k * step)) for k in range(first, last + 1))


def _with_power(digit: float, exponent: int) -> str:
    if exponent == 0:
        return f"{digit:g}"
    return power(exponent) if digit == 1 else f"{digit:g}·{power(exponent)}"


def _plain(value: float) -> str:
    if value != 0.0 and not 1e-4 <= abs(value) < 1e6:
        exponent = math.floor(math.log10(abs(value)) + 1e-12)
        return _with_power(float(f"{value / 10.0**exponent:.3g}"), exponent)
    return f"{value:.6g}"
