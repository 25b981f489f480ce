"""Class kernels where a·x is small for every member: ψ hardly varies, and differences of its values have few digits.

ψ(ax) is ψ beside 0 and a little more, which is −2·sin²(πkax) for a cosine and slope·kax for a wave of lines, as long as
no jump or kink is met. Covariances do not see the first part, so it is never added (docs/theory, section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from barren._validate import Floats
from barren.targets.circle import Circle

if TYPE_CHECKING:
    from barren.classes.frequency import Frequencies

Terms: TypeAlias = tuple[tuple[float, Circle], ...]

# k·a·x up to here is small: 40 nodes integrate products of sin² of it over [0, A] without an error.
_SMALL_PHASE, _LEGENDRE_NODES = 0.25, 40
_MOST_PHASES = 1 << 22


def covariance(cls: Frequencies, of_x: Terms, x: Floats, of_y: Terms, y: Floats) -> Floats | None:
    """Cov_a(ψ(ax), φ(ay)), float64 of shape (len(x), len(y)), or None where a·x is not small or members are too many.

    On [0, A] by a Gauss–Legendre rule, exact to rounding there; on 1..A and for given frequencies by a sum.

    Args:
        cls: a class in one dimension.
        of_x: the waves of ψ with their factors.
        x: points, shape (n,).
        of_y: the waves of φ.
        y: points, shape (m,).
    """
    if cls.dimension > 1 or not x.size or not y.size:
        return None
    x, y = within_a_period(cls, x), within_a_period(cls, y)
    largest = _largest_frequency(cls)
    if any(largest * float(np.abs(points).max()) >= _reach(terms) for terms, points in ((of_x, x), (of_y, y))):
        return None
    if _has_both_signs(cls) and any(_jumps_at_zero(wave) for terms in (of_x, of_y) for _, wave in terms):
        return None
    nodes = _nodes(cls, x.size + y.size)
    if nodes is None:
        return None
    frequencies, weights = nodes
    left, right = (_varying(terms, np.multiply.outer(frequencies, at)) for terms, at in ((of_x, x), (of_y, y)))
    for side in (left, right):
        side -= weights @ side
    out: Floats = (weights[:, np.newaxis] * left).T @ right
    return out


def within_a_period(cls: Frequencies, x: Floats) -> Floats:
    """The number x less the nearest integer, which integer frequencies do not see; exact."""
    return x - np.rint(x) if cls.kind == "integers" else x


def _largest_frequency(cls: Frequencies) -> float:
    return float(np.abs(cls.members).max()) if cls.kind == "set" else float(cls.A or 0.0)


def _has_both_signs(cls: Frequencies) -> bool:
    """Whether a·x may lie on either side of 0, or be 0, for one x."""
    return cls.kind == "set" and not ((cls.members > 0.0).all() or (cls.members < 0.0).all())


def _jumps_at_zero(wave: Circle) -> bool:
    """Whether the wave has another value on the left of 0 than on the right, as the sawtooth."""
    if wave.pieces is None:
        return False
    start, value, slope = wave.pieces[-1]
    return bool(value + slope * (1.0 - start) != wave.pieces[0, 1])


def _reach(terms: Terms) -> float:
    """Up to which |a·x| no wave has gone a quarter of a period, or met a jump or a kink."""
    reach = np.inf
    for _, wave in terms:
        limit = _SMALL_PHASE
        if wave.pieces is not None and len(wave.pieces) > 1:
            limit = min(limit, float(wave.pieces[1, 0]), 1.0 - float(wave.pieces[-1, 0]))
        reach = min(reach, limit / wave.harmonic)
    return float(reach)


def _nodes(cls: Frequencies, points: int) -> tuple[Floats, Floats] | None:
    """Frequencies and weights that give E_a."""
    if cls.kind == "interval":
        nodes, weights = np.polynomial.legendre.leggauss(_LEGENDRE_NODES)
        return 0.5 * float(cls.A or 0.0) * (nodes + 1.0), 0.5 * weights
    if cls.size * points > _MOST_PHASES:
        return None
    return cls.members, np.full(cls.size, 1.0 / cls.size)


def _varying(terms: Terms, t: Floats) -> Floats:
    """Σ factor·(wave(t) less its value beside 0) on the side of t."""
    out = np.zeros(t.shape)
    for factor, wave in terms:
        if wave.pieces is None:
            out -= 2.0 * factor * np.sin(np.pi * wave.harmonic * t) ** 2
        else:
            slopes = np.where(t < 0.0, wave.pieces[-1, 2], wave.pieces[0, 2])
            out += factor * wave.harmonic * slopes * t
    return out
