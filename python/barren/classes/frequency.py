"""Periodic functions of a real input: h_a(x) = ψ(a·x), the class of docs/theory, section 5."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from barren import _core, _memory, _validate
from barren._scales import for_singles, size_for
from barren._twofold import Twofold
from barren._validate import Floats, came
from barren._warnings import warn
from barren.classes import closed_forms, frequency_sums, near_zero, on_grid
from barren.classes.base import TargetClass
from barren.classes.frequency_arguments import column, drawn, given_frequencies, largest, refuse_large
from barren.classes.modular import ModularMultiplication
from barren.inputs.reals import NODES, Density, Grid, RealLaw
from barren.targets import Sawtooth, Target
from barren.targets.circle import AnyCircle

_NODES_A_PERIOD = 8  # of the default law


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Frequencies(TargetClass):
    """The class of h_a(x) = ψ(a·x), ψ of period 1, for a real x, or of ψ(⟨a, x⟩) for x in R^d.

    A point x is the double that it is, and so is a: the fraction of a·x is then right to its last digit, however large
    a·x is. In R^d the products are added up as pairs of doubles, to about 2^-104 of their size: a sum that is nearer to
    a jump of ψ than that may be on its other side. From 2^106 on every product is an integer, which is refused. Under
    the law `Grid` x is the fraction j/M itself; a stays the double that it is.

    Args:
        A: the largest frequency: a is uniform on {1, …, A}, or with ``integer=False`` on the interval [0, A]; for
            ``dimension`` d > 1 the radius of the sphere in R^d on which a is uniform. Left out where `frequencies` are
            given.
        target: ψ read on the circle: ``Sawtooth()`` (default), ``Cosine``, ``Threshold``, ``QuantileBit``, ``Square``,
            ``Triangle``, a ``Table`` as a step function, and combinations of these.
        integer: whether a is an integer; must be left out for a sphere and for given frequencies.
        dimension: d, the number of coordinates of x.
        frequencies: the members themselves: finite numbers of shape ``(A,)``, or ``(A, d)`` for R^d.

    Attributes:
        A: the largest frequency or the radius, None where frequencies are given.
        target: ψ.
        kind: ``"integers"``, ``"interval"``, ``"sphere"`` or ``"set"``.
        dimension: d, 1 for the line.

    Raises:
        TypeError: an argument of another kind.
        ValueError: A is not positive, a target that has no meaning on the circle, both or none of A and frequencies,
            frequencies that are none or not finite.

    Source: docs/theory, section 5.

    >>> cls = Frequencies(3)
    >>> cls
    Frequencies(3, target=Sawtooth())
    >>> cls.values([1, 3], [0.25, 0.5])
    array([[-0.25,  0.  ],
           [ 0.25,  0.  ]])
    >>> from barren import targets
    >>> Frequencies(8.0, targets.Cosine(), integer=False).kernel([0.0, 1.0], [1.0]).round(6)
    array([[0. ],
           [0.5]])
    """

    A: int | float | None
    target: Target
    kind: str
    dimension: int
    _given: Floats | None

    def __init__(
        self,
        A: float | None = None,
        target: Target = Sawtooth(),  # noqa: B008  (immutable)
        integer: bool | None = None,
        dimension: int | None = None,
        *,
        frequencies: ArrayLike | None = None,
    ) -> None:
        _validate.instance("target", target, Target, "a target such as targets.Sawtooth()")
        target.circle()  # refuses a target that has no meaning there
        if (A is None) == (frequencies is None):
            got = "neither" if A is None else "both"
            _validate.refuse(ValueError, "A", "given, or frequencies= in its place, and not both", got)
        if integer is not None:
            integer = _validate.boolean("integer", integer)
        d = None if dimension is None else _validate.integer("dimension", dimension, low=1)
        given = None
        if frequencies is not None:
            given = given_frequencies(frequencies, d)
            d = 1 if given.ndim == 1 else int(given.shape[1])
        d = 1 if d is None else d
        kind = "set" if given is not None else "sphere" if d > 1 else "interval" if integer is False else "integers"
        if integer is not None and kind in ("set", "sphere"):
            why = "for given frequencies" if kind == "set" else f"in R^{d}, where a lies on a sphere"
            _validate.refuse(ValueError, "integer", f"left out {why}", came(integer))
        top = None if A is None else largest(A, kind)
        for name, value in {"A": top, "target": target, "kind": kind, "dimension": d, "_given": given}.items():
            object.__setattr__(self, name, value)

    @cached_property
    def circle(self) -> AnyCircle:
        """ψ on the circle."""
        return self.target.circle()

    def with_target(self, target: Target) -> Frequencies:
        """The class of the same frequencies and another ψ.

        Args:
            target: the other ψ, one that has a meaning on the circle.

        Raises:
            TypeError: not a target.
            ValueError: ψ has no meaning on the circle.
        """
        _validate.instance("target", target, Target, "a target such as targets.Sawtooth()")
        target.circle()
        made = copy.copy(self)  # without what was computed of ψ
        object.__setattr__(made, "target", target)
        return made

    @cached_property
    def without_constant(self) -> Frequencies:
        """The class of ψ less its constant, with the same covariances and all their digits; itself without one."""
        target = self.target.without_constant()
        return self if target is self.target else self.with_target(target)

    @property
    def has_members(self) -> bool:
        """Whether the class is a finite one: not for a uniform on an interval or on a sphere."""
        return self.kind in ("integers", "set")

    @property
    def size(self) -> int:
        """The number of members: A, or how many were given.

        Raises:
            ValueError: the class is not finite.
        """
        self._need_members("size")
        return int(self.A) if self._given is None else len(self._given)  # type: ignore[arg-type]

    @cached_property
    def members(self) -> Floats:
        """The frequencies, read-only: 1..A as float64 of shape ``(A,)``, or as given, ``(A,)`` or ``(A, d)``.

        Raises:
            ValueError: the class is not finite, or they do not fit in memory.
        """
        self._need_members("members")
        if self._given is not None:
            return self._given
        _validate.tabulated("A", self.size, 8, "the list of all members")
        members = np.arange(1.0, self.size + 1.0)
        members.setflags(write=False)
        return members

    @property
    def labels(self) -> tuple[float, float] | None:
        """The two values that ψ takes, the smaller first, or None if it takes more."""
        return self.circle.labels

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value of ψ."""
        return self.circle.range

    @property
    def period(self) -> float:
        """What an encoding is told beside x: the period of ψ."""
        return 1.0

    @property
    def default_law(self) -> RealLaw:
        """The nodes of a Gauss–Legendre rule on [0, 1], 1024 or eight a period: a law close to the uniform one.

        Eight for a period of the fastest wave at the largest frequency. How close λ at these points is to λ for the
        uniform law itself, which `sharp_bound(cls)` gives for 1..A, is measured in docs/exactness.

        Raises:
            ValueError: in R^d, where no law is the natural one; and for frequencies whose nodes do not fit in memory.
        """
        if self.dimension > 1:
            _validate.refuse(ValueError, "inputs", f"a law of x in R^{self.dimension}, such as RealSample", "none")
        return Density("uniform", nodes=self._nodes(1.0, "none"))

    def _nodes(self, width: float, law: str) -> int:
        """How many nodes of a rule resolve the class on so long an interval; refused where they do not fit."""
        nodes = _NODES_A_PERIOD * self._periods(width)
        if 16.0 * nodes > (_memory.physical() or 2**33):
            expected = "given where 8 nodes a period do not fit in memory: Grid(M), Density(nodes=, seed=), RealSample"
            _validate.refuse(ValueError, "inputs", expected, f"{law}, with {self!r} ({nodes:.3g} nodes)")
        return max(NODES, math.ceil(nodes))

    def _periods(self, width: float) -> float:
        """How many periods of the fastest wave at the largest frequency so long an interval has."""
        highest = float(np.abs(self._given).max()) if self._given is not None else float(self.A or 0.0)
        fastest = max(max(wave.harmonic, wave.table.size // 2) for _, wave in self.circle.terms)
        return fastest * highest * width

    def law_of(self, inputs: object | None) -> RealLaw:
        """The law of x that was given, once it is one for this class; None stands for the default.

        A quadrature rule whose nodes were not given gets eight a period, and 1024 at least.

        Raises:
            TypeError: it is not one of the real line.
            ValueError: it is a law in another dimension.
        """
        expected = "a law of x from barren.inputs on the real line, such as Grid(1024), Density or RealSample"
        law: RealLaw = _validate.instance("inputs", self.default_law if inputs is None else inputs, RealLaw, expected)
        if law.dimension != self.dimension:
            expected = f"a law in {self.dimension} dimension{'s' * (self.dimension > 1)}, as the class"
            _validate.refuse(ValueError, "inputs", expected, f"{law!r} in {law.dimension}")
        if isinstance(law, Density) and law.is_rule and law.nodes is None:
            return replace(law, nodes=self._nodes(law.width, repr(law)))
        return law

    def warn_of_few_nodes(self, law: RealLaw) -> None:
        """Warns of a quadrature rule that tells of its nodes and not of its law: it does not resolve a period."""
        if not (isinstance(law, Density) and law.is_rule):
            return
        periods = self._periods(law.width)
        if law.size() < 2.0 * periods:
            warn(
                f"{law.size()} nodes are {law.size() / periods:.2g} for a period of the fastest wave of {self!r}: the "
                "value is that of these nodes, which is far from that of the law; nodes=None takes 8 for a period"
            )

    def points_of(self, law: object) -> tuple[Floats, Floats]:
        """The points of a law of x, shape ``(n,)`` or ``(n, d)``, and their weights.

        Args:
            law: a law of the real line, in this class's dimension.

        Raises:
            TypeError: the law is not one of the real line.
            ValueError: it is a law of another dimension, or a·x is too large.
        """
        checked = self.law_of(law)
        points = checked.points()
        self.under(checked)._points("inputs", points)
        return points, checked.weights()

    def values(self, a: ArrayLike, x: ArrayLike, *, threads: int | None = None) -> Floats:
        """h_a(x) = ψ(⟨a, x⟩).

        Args:
            a: frequencies, shape ``(A,)`` or ``(A, d)``; they need not be members.
            x: points, shape ``(n,)`` or ``(n, d)``.
            threads: how many threads to use, default all that may be used; the result does not depend on it.

        Returns:
            float64 of shape ``(A, n)``.

        Raises:
            TypeError: ``a`` or ``x`` are not numbers.
            ValueError: another shape, a number that is not finite, or products of 2^106 and more.

        Cost: O(A·n).
        """
        rows = _validate.coordinates("a", a, dimension=self.dimension)
        points = self._points("x", x, np.abs(column(rows)).max(axis=0, initial=0.0))
        return self._values(rows, points, _validate.threads(threads))

    def mean(self, x: ArrayLike, *, threads: int | None = None) -> Floats:
        """h̄(x) = E_a h_a(x), float64 of shape ``(n,)``.

        A sum over the members; for an interval or a sphere in closed form, and for sums of cosines at 1..A too.

        Raises:
            TypeError: ``x`` are not numbers.
            ValueError: another shape, a number that is not finite, products of 2^106 and more, or a ψ with more than
                2^24 jumps and kinks over a sphere.

        Cost: O(A·n), in closed form O(n), on a sphere O(A·|x|·d·n).
        """
        points, workers = self._points("x", x), _validate.threads(threads)
        if self.is_closed or not self.has_members:
            closed_forms.refuse_many(self, "x", points)
            return closed_forms.mean(self, points)
        return np.ascontiguousarray(self.adjoint(points, np.ones((self.size, 1)), threads=workers)[:, 0])

    def kernel(self, x: ArrayLike, y: ArrayLike, *, threads: int | None = None) -> Floats:
        """The class kernel K(x, y) = Cov_a(ψ(⟨a, x⟩), ψ(⟨a, y⟩)), float64 of shape ``(n, m)``.

        For a cosine in closed form: with D(t) = E_a cos(2πkat) it is ½(D(x−y) + D(x+y)) − D(x)D(y), where D is a
        Dirichlet kernel for 1..A, a sinc for [0, A] and a Bessel function for a sphere, and for a sum of cosines a sum
        over pairs. For the other targets a on [0, A] is integrated exactly from line to line of ψ, and on a sphere K is
        a sum over pairs of caps, one for each jump or kink of ψ, whose common measure has a closed form; a sum over the
        members is taken in blocks.

        Raises:
            TypeError: ``x`` or ``y`` are not numbers.
            ValueError: another shape, a number that is not finite, products that are too large, or an integral over
                more lines than can be summed in minutes.

        Cost: O(n·m) in closed form, O(n·m·A·(|x| + |y|)) for an interval, O(n·m·A²·|x|·|y|·d) for a sphere where ψ
        jumps or bends, O(A·n·m) for members.
        Source: docs/theory, section 5.
        """
        rows, columns = self._points("x", x), self._points("y", y)
        workers = _validate.threads(threads)
        small = self._at_small_points(rows, columns)
        if small is not None:
            return small
        if self.is_closed or not self.has_members:
            closed_forms.refuse_long(self, rows, columns)
            return closed_forms.kernel(self, rows, columns, workers)
        return frequency_sums.kernel(self.without_constant, rows, columns, workers)

    def _at_small_points(self, x: Floats, y: Floats) -> Floats | None:
        """K where a·x is small for every member, else None."""
        return near_zero.covariance(self, self.circle.terms, x, self.circle.terms, y)

    def draw(self, count: int, seed: int = 0) -> Floats:
        """Independent frequencies a of the class, for ``Frequencies(frequencies=cls.draw(1000))``, a sample of it.

        Args:
            count: how many, at least 1.
            seed: of NumPy's generator.

        Returns:
            float64 of shape ``(count,)``, or ``(count, d)`` in R^d; of a finite class members, which may repeat.

        Raises:
            TypeError, ValueError: an argument that is not an integer, or one too small.

        >>> Frequencies(2.0, dimension=3).draw(1).shape
        (1, 3)
        """
        random = np.random.default_rng(_validate.integer("seed", seed, low=0))
        many = _validate.integer("count", count, low=1)
        return drawn(self.kind, self.A, self.dimension, self._given, many, random)

    def responses(
        self, points: Floats, weights: Floats, jacobian: np.ndarray, *, threads: int = 0, shift: float = 0.0
    ) -> Floats:
        """R[a] = Σ_x c_x·(ψ(⟨a, x⟩) − shift)·J(x) for every member.

        Args:
            points: shape ``(n,)`` or ``(n, d)``.
            weights: c, float64, shape ``(n,)``.
            jacobian: float32 or float64, shape ``(n, b)``; products are summed in its dtype over runs of 256 points.
            threads: 0 means all.
            shift: a constant in the middle of ψ, so that fewer digits are lost.

        Returns:
            float64, shape ``(members, b)``. Same bits for any number of threads.
        """
        a, x, divisor = self._sides(self.members, points)
        weights, exponent = for_singles(weights, size_for(jacobian.dtype, weights, jacobian))
        arguments = (a, x, self.circle.core, weights, np.ascontiguousarray(jacobian))
        found = np.asarray(_core.frequency_responses(*arguments, threads, shift - self.circle.constant, divisor))
        return np.ldexp(found, exponent) if exponent else found

    def adjoint(self, points: Floats, block: np.ndarray, *, threads: int = 0, shift: float = 0.0) -> Floats:
        """Σ_a (ψ(⟨a, x⟩) − shift)·block[a]/A at every point: the responses with members and points exchanged.

        Args:
            points: shape (n,) or (n, d).
            block: a row a member, shape (A, k).
            threads: how many; 0 for all that may be used.
            shift: what is taken off ψ.

        Returns:
            float64 of shape (n, k).
        """
        a, x, divisor = self._sides(self.members, points)
        # ψ(⟨a, x⟩) is symmetric in a and x: the points take the place of the members.
        arguments = (x, a, self.circle.core, np.full(self.size, 1.0 / self.size), np.ascontiguousarray(block))
        return np.asarray(_core.frequency_responses(*arguments, threads, shift - self.circle.constant, divisor))

    def quadratic_forms(
        self, points: Floats, offset: Floats, ntk: np.ndarray, *, threads: int = 0, shift: float = 0.0
    ) -> Floats:
        """(ψ_a − shift − offset)ᵀ·ntk·(ψ_a − shift − offset) for every member and a symmetric ntk.

        Args:
            points: shape (n,) or (n, d).
            offset: a number a point, shape (n,).
            ntk: shape (n, n), symmetric.
            threads: how many; 0 for all that may be used.
            shift: what is taken off ψ.

        Returns:
            float64 of shape (A,).
        """
        a, x, divisor = self._sides(self.members, points)
        arguments = (a, x, self.circle.core, offset, np.ascontiguousarray(ntk))
        return np.asarray(_core.frequency_quadratic_forms(*arguments, threads, shift - self.circle.constant, divisor))

    def lists_members(self, deviations: bool) -> bool:
        """Whether a variance, or one with deviations, needs the list of members: not where the kernel is closed."""
        return self.has_members and (deviations or not self.is_closed)

    def lines(self, points: Floats) -> float:
        """Steps of the exact integral over [0, A], or what takes as long on a sphere; the mean over pairs of points.

        Args:
            points: real numbers, shape ``(n,)`` or ``(n, d)``.
        """
        return closed_forms.steps(self, points, points) / len(points) ** 2

    def under(self, law: object) -> Frequencies:
        """The class as it is at the points of a law.

        On a grid those are the fractions j/M and not the doubles next to them. Everywhere else a point is the double
        that it is, and this is the class itself.
        """
        from barren.classes.grid import OnGrid

        return OnGrid(self, law.M) if isinstance(law, Grid) and self.dimension == 1 else self

    def modular(self, law: object) -> ModularMultiplication | None:
        """The class modulo M that this one is on the grid of M points, or None where it is none.

        x = j/M gives ψ(a·j/M), a function of a·j mod M: integer frequencies are multipliers modulo M. Those of 1..M−1
        for a prime M are the units. Frequencies that are equal modulo M are members with the same values on the grid,
        and each counts. ψ or terms of it may be constant there. x is the fraction j/M itself and not the double next
        to it.

        Args:
            law: of x; only a `Grid` gives a class.

        Source: docs/theory, section 5.
        """
        return on_grid.modular(self, law)

    @property
    def is_closed(self) -> bool:
        """Whether mean and kernel need neither the members nor an integral: cosines, but for a given set."""
        return self.circle.is_trigonometric and self.kind != "set"

    def _need_members(self, name: str) -> None:
        if not self.has_members:
            where = f"[0, {self.A:g}]" if self.kind == "interval" else f"a sphere in R^{self.dimension}"
            raise ValueError(f"{name} needs a finite class; here a is uniform on {where}")

    def _points(self, name: str, value: ArrayLike, largest: Floats | None = None) -> Floats:
        """Points, checked, also against frequencies of the largest sizes given, by default those of the members."""
        points = _validate.coordinates(name, value, dimension=self.dimension)
        if largest is None and self._given is not None:
            largest = np.abs(column(self._given)).max(axis=0)
        refuse_large(name, np.full(self.dimension, float(self.A or 0.0)) if largest is None else largest, points)
        return points

    def twofold(self, x: Floats) -> Twofold:
        """The points as the sum of two doubles.

        Args:
            x: points, shape (n,) or (n, d).
        """
        return x, np.zeros_like(x)

    def _sides(self, a: Floats, x: Floats) -> tuple[Floats, Floats, float]:
        """Frequencies and points as the core takes them, a row each, and what it divides their products by."""
        return column(a), column(x), 1.0

    def _values(self, a: Floats, x: Floats, workers: int) -> Floats:
        rows, columns, divisor = self._sides(a, x)
        constant = self.circle.constant
        return np.asarray(_core.frequency_values(rows, columns, self.circle.core, workers, -constant, divisor))

    def _key(self) -> tuple[Any, ...]:
        given = None if self._given is None else (self._given.shape, self._given.tobytes())
        return self.A, self.target, self.kind, self.dimension, given

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frequencies):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        if self._given is not None:
            shown = np.array2string(self._given, separator=", ", threshold=6)
            return f"Frequencies(target={self.target!r}, frequencies={shown})"
        more = {"interval": ", integer=False", "sphere": f", dimension={self.dimension}"}.get(self.kind, "")
        return f"Frequencies({self.A!r}, target={self.target!r}{more})"

    def __reduce__(self) -> tuple[Any, ...]:
        integer = False if self.kind == "interval" else None
        return _rebuilt, (self.A, self.target, integer, self.dimension, self._given)


def _rebuilt(
    A: float | None, target: Target, integer: bool | None, dimension: int, frequencies: Floats | None
) -> Frequencies:
    return Frequencies(A, target, integer, dimension, frequencies=frequencies)
