"""Integrals over a sphere of frequencies for `reference.py`: Gauss rules between all jumps and kinks of the functions.

Nested integrals over angles, straight from the definition, and so slow; the closed forms of `classes/caps.py` and
`sphere_lines.py` are compared with them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from barren.classes import Frequencies

# A weight, and the values at x and at y, or the mean of those at y.
_Row = tuple[float, float, float]


def over_sphere(cls: Frequencies, x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """The means of h_a(x), h_a(y) and their product for a uniform on a sphere.

    In the plane an integral over the angle of a. In R^d, d ≥ 3, a has the angle φ to x, of density sin^{d−2} φ, and
    what is left of it the angle χ to what is left of y, of density sin^{d−3} χ.
    """
    r_x, r_y = (float(cls.A or 0.0) * float(np.linalg.norm(point)) for point in (x, y))
    xi, eta = (np.asarray(point) / (np.linalg.norm(point) or 1.0) for point in (x, y))
    theta = 2.0 * float(np.arctan2(np.linalg.norm(xi - eta), np.linalg.norm(xi + eta)))
    at = _in_the_plane if cls.dimension == 2 else _in_space
    rows = at(cls, r_x, r_y, theta)
    w, f, g = (np.array(column) for column in zip(*rows, strict=True))
    w /= w.sum()
    return float(w @ f), float(w @ g), float(w @ (f * g))


def _in_the_plane(cls: Frequencies, r_x: float, r_y: float, theta: float) -> list[_Row]:
    edges = [sign * np.arccos(t / r_x) for t in _breaks(cls, r_x) for sign in (1, -1)]
    edges += [theta + sign * np.arccos(t / r_y) for t in _breaks(cls, r_y) for sign in (1, -1)]
    rule = _rule([edge % (2.0 * np.pi) for edge in edges], 2.0 * np.pi, _swing(cls, r_x + r_y), 32)
    return [(w, _psi(cls, r_x * np.cos(phi)), _psi(cls, r_y * np.cos(phi - theta))) for phi, w in rule]


def _in_space(cls: Frequencies, r_x: float, r_y: float, theta: float) -> list[_Row]:
    touching = [theta + sign * np.arccos(t / r_y) for t in _breaks(cls, r_y) for sign in (1, -1)]
    edges = [theta, np.pi - theta, *(abs(np.pi - abs(np.pi - abs(edge))) for edge in touching)]
    edges += [np.arccos(t / r_x) for t in _breaks(cls, r_x)]
    swing, d = _swing(cls, r_x + r_y), cls.dimension
    rows = []
    for phi, w in _rule(edges, np.pi, swing, 32):
        along, across = r_y * np.cos(theta) * np.cos(phi), r_y * np.sin(theta) * np.sin(phi)
        if across == 0.0:
            rows.append((w * np.sin(phi) ** (d - 2), _psi(cls, r_x * np.cos(phi)), _psi(cls, along)))
            continue
        met = [(t - along) / across for t in _breaks(cls, r_y)]
        inner = list(_rule([np.arccos(c) for c in met if abs(c) < 1.0], np.pi, swing, 16))
        masses = [v * np.sin(chi) ** (d - 3) for chi, v in inner]
        at_y = [_psi(cls, along + across * np.cos(chi)) for chi, _ in inner]
        given = sum(v * value for v, value in zip(masses, at_y, strict=True)) / sum(masses)
        rows.append((w * np.sin(phi) ** (d - 2), _psi(cls, r_x * np.cos(phi)), given))
    return rows


def _psi(cls: Frequencies, t: float) -> float:
    return float(cls.circle.exact(Fraction(t) % 1))


def _breaks(cls: Frequencies, r: float) -> list[float]:
    """Where ψ may jump or bend in −r..r."""
    places = []
    for _, wave in cls.circle.terms:
        turns = math.ceil(r * wave.harmonic) + 1
        places += [(start + turn) / wave.harmonic for turn in range(-turns, turns) for start in wave.starts]
    return [float(t) for t in set(places) if abs(t) < r]


def _swing(cls: Frequencies, r: float) -> float:
    """How fast the smooth parts of the integrands turn: powers of the sine, and cosines among the waves."""
    fastest = max((wave.harmonic for _, wave in cls.circle.terms if wave.is_trigonometric), default=0)
    return cls.dimension + 2.0 * np.pi * fastest * r


def _rule(edges: list[float], end: float, swing: float, count: int) -> Iterator[tuple[float, float]]:
    """Nodes and weights on 0..end: a Gauss rule for each piece between edges, and more pieces for what turns fast.

    Nodes crowd at the edges, as t(3 − t²)/2 of those of Gauss: a root of the distance from an edge is smooth in t.
    """
    inside = sorted({0.0, end, *(float(edge) for edge in edges if 0.0 < edge < end)})
    roots, weights = np.polynomial.legendre.leggauss(count)
    for low, high in itertools.pairwise(inside):
        parts = math.ceil((high - low) * (swing + 8.0) / 8.0)
        for i in range(parts):
            half, middle = 0.5 * (high - low) / parts, low + (high - low) * (i + 0.5) / parts
            for t, w in zip(roots.tolist(), weights.tolist(), strict=True):
                yield middle + half * 0.5 * t * (3.0 - t * t), half * w * 1.5 * (1.0 - t * t)
