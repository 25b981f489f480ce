"""Laws of a real input x, or one in R^d: points that stand for the law, and their weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from barren import _validate
from barren._validate import Floats, came

_DENSITIES = ("uniform", "gaussian")
# How far from one the integral of a density may be: a rule of n nodes that misses it by more does not resolve it.
_INTEGRAL_ERROR = 1e-6
# The nodes of a rule, or points of a sample, where none are asked for.
NODES = 1024
# A Gaussian law beyond so many standard deviations has 1e-17 of its mass; the largest Gauss–Hermite rule, beyond which
# equal spaces are closer and as good.
_REACH, _LARGEST_HERMITE = 8.5, 64
# A Gauss–Legendre rule of n nodes takes O(n²) operations: larger ones are panels of rules of so many nodes.
_LARGEST_RULE, _PANEL = 4096, 64
# A sample of a function is drawn from steps: the integrals over this many cells, by four nodes each.
_CELLS, _CELL_NODES = 1 << 16, 4
# Bytes a node at the peak, measured: of a rule. A sample takes its points, its weights and less than as much as these
# for what is at hand, that of a function also the inverse of a distribution.
_BYTES_OF_RULE, _BYTES_OF_INVERSE = 40, 32


class RealLaw(ABC):
    """A law of x on the real line or in R^d: points and their weights, which sum to one.

    Source: docs/theory, section 1 (the law c of x).
    """

    @property
    def dimension(self) -> int:
        """d: 1 on the real line."""
        return 1

    @abstractmethod
    def size(self) -> int:
        """How many points there are; nothing is built."""

    @abstractmethod
    def points(self) -> Floats:
        """The points, float64 of shape ``(n,)`` on the real line and ``(n, d)`` in R^d."""

    @abstractmethod
    def weights(self) -> Floats:
        """The weight of every point, float64 of shape ``(n,)``."""


@dataclass(frozen=True)
class Grid(RealLaw):
    """x uniform on 0, 1/M, …, (M−1)/M.

    Integer frequencies on a grid are residues modulo M: for a prime M every method of the modular class applies
    (docs/theory, section 5). For every frequency x is the fraction j/M itself, though `points` shows the double next to
    it: ψ jumps where a·j/M does.

    Args:
        M: the number of points, at least 3.

    Raises:
        TypeError: M is not an integer.
        ValueError: M < 3.

    Source: docs/theory, section 5.

    >>> Grid(4).points(), Grid(4).weights()
    (array([0.  , 0.25, 0.5 , 0.75]), array([0.25, 0.25, 0.25, 0.25]))
    """

    M: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "M", _validate.integer("M", self.M, low=3))

    def size(self) -> int:
        """M."""
        return self.M

    def points(self) -> Floats:
        """j/M for j = 0..M−1, each rounded once."""
        _validate.tabulated("M", self.M, 8, "the points of the grid")
        return np.arange(self.M) / float(self.M)

    def weights(self) -> Floats:
        """1/M each."""
        _validate.tabulated("M", self.M, 8, "the points of the grid")
        return np.full(self.M, 1 / self.M)


@dataclass(frozen=True, init=False, eq=False, repr=False)
class RealSample(RealLaw):
    """Given points: their order is kept and repeats are allowed.

    A point is the double that it is, and not a rounded decimal: x = 0.1 means 3602879701896397/2^55.

    Args:
        points: finite numbers, shape ``(n,)`` for the real line, ``(n, d)`` for R^d, n >= 1; a copy is kept.
        weights: non-negative numbers that sum to one within 1e-9, shape ``(n,)``; default 1/n each.

    Raises:
        TypeError: they are not real numbers.
        ValueError: no point, one that is not finite, or weights of another length, negative, or of another sum.

    Source: docs/theory, section 1 (the law c of x).

    >>> law = RealSample([0.5, -1.0, 0.5])
    >>> law.points(), law.weights()
    (array([ 0.5, -1. ,  0.5]), array([0.33333333, 0.33333333, 0.33333333]))
    """

    _points: Floats
    _weights: Floats

    def __init__(self, points: ArrayLike, weights: ArrayLike | None = None) -> None:
        kept = _validate.coordinates("points", points) + 0.0
        if kept.size == 0:
            _validate.refuse(ValueError, "points", "at least one point", came(points))
        n = len(kept)
        mass = np.full(n, 1 / n) if weights is None else _validate.weights("weights", weights, n) + 0.0
        for name, array in (("_points", kept), ("_weights", mass)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def dimension(self) -> int:
        """How many coordinates a point has."""
        return 1 if self._points.ndim == 1 else int(self._points.shape[1])

    def size(self) -> int:
        """The number of points given."""
        return len(self._points)

    def points(self) -> Floats:
        """The points as given, read-only."""
        return self._points

    def weights(self) -> Floats:
        """The weights as given, read-only."""
        return self._weights

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RealSample):
            return NotImplemented
        return np.array_equal(self._points, other._points) and np.array_equal(self._weights, other._weights)

    def __hash__(self) -> int:
        return hash((RealSample, self._points.tobytes(), self._weights.tobytes()))

    def __repr__(self) -> str:
        equal = bool(np.all(self._weights == self._weights[0]))
        n = len(self._points)
        where = "" if self.dimension == 1 else f" in R^{self.dimension}"
        return f"RealSample({n} point{'s' * (n > 1)}{where}, {'equal weights' if equal else 'weighted'})"

    def __reduce__(self) -> tuple[object, ...]:
        return RealSample, (self._points, self._weights)  # through the constructor: read-only when unpickled too


@dataclass(frozen=True)
class Density(RealLaw):
    """x of a density: the nodes of a quadrature rule, or with `seed` a random sample.

    A Gauss rule of n nodes integrates polynomials up to degree 2n − 1 without error; above 4096 nodes a Gauss–Legendre
    rule is made of panels of 64 nodes, each with a rule of its own. A Gaussian law has a Gauss–Hermite rule of up to 64
    nodes; more nodes are equally spaced up to 8.5 standard deviations on either side, which lie closer near 0 and leave
    less than 1e-15 of any wave that they resolve. What a rule does to ψ(a·x) is another matter: it must
    resolve a period, so n well above the number of periods, or the sum tells of the rule and not of the law
    (docs/exactness has numbers); below two nodes a period of the largest frequency that is warned of.

    Args:
        density: "uniform" on `interval` (Gauss–Legendre), "gaussian" with the mean 0 and the standard deviation `scale`
            or a function that vanishes outside `interval` (Gauss–Legendre): x of shape (m,) to values of the same
            shape, with the integral 1.
        nodes: how many points; None for 1024, and of a rule that a class of frequencies is paired with eight a period
            of its fastest wave if those are more.
        interval: where a uniform law or a function lives.
        scale: the standard deviation of "gaussian".
        seed: None for the rule; an integer for a sample of so many points with equal weights. That of a function is
            drawn by the inverse of its distribution function, which is taken as linear on each of 2^16 equal cells of
            the interval: the mass of a cell is right, and where in it a point falls is uniform.
        dimension: coordinates of a point, each drawn by itself; more than one only for a sample.

    Raises:
        TypeError: an argument of another kind.
        ValueError: another name, an interval or a scale that is empty, no seed in R^d; a function that is negative
            somewhere, not finite or does not integrate to one.

    Source: docs/exactness, on the real line; the rules are those of scipy.special.

    >>> law = Density("uniform", nodes=2)
    >>> law.points().round(4), law.weights()
    (array([0.2113, 0.7887]), array([0.5, 0.5]))
    """

    density: str | Callable[[Floats], Floats] = "uniform"
    nodes: int | None = None
    interval: tuple[float, float] = (0.0, 1.0)
    scale: float = 1.0
    seed: int | None = None
    dimension: int = 1

    def __post_init__(self) -> None:
        if not callable(self.density):
            if not isinstance(self.density, str):
                _validate.refuse(TypeError, "density", "'uniform', 'gaussian' or a function", came(self.density))
            _validate.choice("density", self.density, _DENSITIES)
        if not isinstance(self.interval, tuple | list) or len(self.interval) != 2:
            _validate.refuse(TypeError, "interval", "two numbers, the smaller first", came(self.interval))
        low, high = (_validate.real(f"interval[{i}]", end) for i, end in enumerate(self.interval))
        if not (low < high and math.isfinite(high - low)):
            _validate.refuse(ValueError, "interval", "two numbers, the smaller first", came((low, high)))
        scale = _validate.real("scale", self.scale)
        if scale <= 0.0:
            _validate.refuse(ValueError, "scale", "a standard deviation above 0", came(self.scale))
        seed = None if self.seed is None else _validate.integer("seed", self.seed, low=0)
        dimension = _validate.integer("dimension", self.dimension, low=1)
        if dimension > 1 and seed is None:
            _validate.refuse(ValueError, "seed", f"an integer in R^{dimension}, where a law is sampled", "None")
        nodes = None if self.nodes is None else _validate.integer("nodes", self.nodes, low=1)
        values = {"nodes": nodes, "interval": (low, high), "scale": scale}
        for name, value in {**values, "seed": seed, "dimension": dimension}.items():
            object.__setattr__(self, name, value)
        if callable(self.density):  # what a function is shows when it is called: here, and not in a later computation
            _ = self._rule if seed is None else self._below

    def size(self) -> int:
        """The number of nodes."""
        return NODES if self.nodes is None else self.nodes

    @property
    def is_rule(self) -> bool:
        """Whether the points are the nodes of a quadrature rule, and no sample."""
        return self.seed is None

    @property
    def width(self) -> float:
        """The length of what the nodes of a rule spread over."""
        return 2.0 * _REACH * self.scale if self.density == "gaussian" else self.interval[1] - self.interval[0]

    def points(self) -> Floats:
        """The nodes, increasing, or the sample in the order in which it was drawn.

        Raises:
            ValueError: they do not fit in memory.
        """
        return self._rule[0]

    def weights(self) -> Floats:
        """The weights of the rule, or 1/n each."""
        return self._rule[1]

    @cached_property
    def _rule(self) -> tuple[Floats, Floats]:
        _validate.tabulated("nodes", self.size(), self._bytes_a_node, "the points and their weights")
        points, weights = self._sample(self.seed) if self.seed is not None else self._quadrature()
        points.setflags(write=False)
        weights.setflags(write=False)
        return points, weights

    @property
    def _bytes_a_node(self) -> int:
        if self.is_rule:
            return _BYTES_OF_RULE
        return 8 * (self.dimension + 2) + (_BYTES_OF_INVERSE * self.dimension if callable(self.density) else 0)

    def _sample(self, seed: int) -> tuple[Floats, Floats]:
        random = np.random.default_rng(seed)
        count = self.size()
        shape = (count,) if self.dimension == 1 else (count, self.dimension)
        if callable(self.density):
            points = self._drawn(random.random(shape))
        elif self.density == "uniform":
            points = random.uniform(*self.interval, size=shape)
        else:
            points = self.scale * random.standard_normal(shape)
        return points, np.full(count, 1 / count)

    def _quadrature(self) -> tuple[Floats, Floats]:
        from scipy.special import roots_hermitenorm

        count = self.size()
        if self.density == "gaussian":
            if count <= _LARGEST_HERMITE:
                points, weights = roots_hermitenorm(count)
            else:
                points = (np.arange(count) - 0.5 * (count - 1)) * (2.0 * _REACH / count)
                weights = np.exp(-0.5 * points**2)
            return self.scale * points, weights / weights.sum()
        panels = 1 if count <= _LARGEST_RULE else -(-count // _PANEL)
        points, weights = _legendre(count, panels, *self.interval)
        if not callable(self.density):
            return points, weights / weights.sum()
        weights *= self._values(points)
        return points, weights / self._integral(weights)

    def _drawn(self, uniform: Floats) -> Floats:
        """Where the distribution function takes these values, for a density that is a function."""
        below = self._below
        cell = np.minimum(np.searchsorted(below, uniform, side="right") - 1, _CELLS - 1)
        mass = below[cell + 1] - below[cell]
        inside = np.divide(uniform - below[cell], mass, out=np.full(uniform.shape, 0.5), where=mass > 0.0)
        low, high = self.interval
        return np.asarray(low + (high - low) * ((cell + inside) / _CELLS))

    @cached_property
    def _below(self) -> Floats:
        """The distribution function at the borders of the cells, for a density that is a function."""
        points, weights = _legendre(_CELLS * _CELL_NODES, _CELLS, *self.interval)
        masses = (weights * self._values(points)).reshape(_CELLS, _CELL_NODES).sum(axis=1)
        below = np.concatenate([[0.0], np.cumsum(masses / self._integral(masses))])
        below[-1] = 1.0
        return below

    def _values(self, points: Floats) -> Floats:
        """The density at points, checked."""
        assert callable(self.density)
        values = _validate.vector("the density's values", self.density(points), length=len(points))
        if values.min() < 0.0:
            index = int(values.argmin())
            got = f"{values[index]:g} at x = {points[index]:g}"
            _validate.refuse(ValueError, "the density's values", "non-negative", got)
        return values

    def _integral(self, masses: Floats) -> float:
        """The sum of masses, which must be one."""
        total = float(masses.sum())
        if abs(total - 1.0) > _INTEGRAL_ERROR:
            nodes = self.size() if self.is_rule else _CELLS * _CELL_NODES
            expected = f"a function that integrates to 1 over {self.interval} by {nodes} nodes"
            _validate.refuse(ValueError, "density", expected, f"an integral of {total:g}")
        return total


def _legendre(nodes: int, panels: int, low: float, high: float) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss–Legendre rules on panels of [low, high], as wide as they have nodes; increasing."""
    from scipy.special import roots_legendre

    size, more = divmod(nodes, panels)  # `more` panels have one node more
    counts = np.full(panels, size)
    counts[:more] += 1
    ends = low + (high - low) * (np.concatenate([[0], np.cumsum(counts)]) / nodes)
    points, weights = [], []
    for count, edges in ((size + 1, ends[: more + 1]), (size, ends[more:])):
        if len(edges) > 1:
            roots, masses = roots_legendre(count)
            middles, halves = 0.5 * (edges[:-1] + edges[1:]), 0.5 * np.diff(edges)
            points.append((middles[:, np.newaxis] + np.multiply.outer(halves, roots)).ravel())
            weights.append(np.multiply.outer(halves, masses).ravel())
    return np.concatenate(points), np.concatenate(weights)
