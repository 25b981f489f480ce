"""Periodic functions of a real input: h_a(x) = ψ(a·x), the class of docs/theory, section 5."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from barren import _core, _validate
from barren._validate import Floats, came
from barren.classes import closed_forms
from barren.classes.base import TargetClass
from barren.classes.modular import ModularMultiplication
from barren.inputs.reals import Density, Grid, RealLaw
from barren.targets import Sawtooth, Table, Target
from barren.targets.circle import Circle

_BLOCK_BYTES = 1 << 25  # values of a block of members; with a few intermediate arrays this stays below 64 MiB
_MOST_NODES, _NODES_A_PERIOD = 1 << 14, 8  # of the default law
_EXACT_INTEGERS = 2**53  # frequencies are doubles in the core
_LARGEST_PRODUCT = 2.0**106  # from here on a product of two doubles is an integer: no digit of its fraction is left
_LARGEST_SIZE = 2.0**990
_MOST_LINES = 2.0**40  # intervals of one pair of points in an exact integral


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Frequencies(TargetClass):
    """The class of h_a(x) = ψ(a·x), ψ of period 1, for a real x, or of ψ(⟨a, x⟩) for x in R^d.

    A point x is the double that it is, and so is a: the fraction of a·x is then right to its last digit, however large
    a·x is. From 2^106 on every product of two doubles is an integer, which is refused.

    Args:
        A: the largest frequency: a is uniform on {1, …, A}, or with ``integer=False`` on the interval [0, A]; for
            ``dimension`` d > 1 the radius of the sphere in R^d on which a is uniform. Left out where `frequencies` are
            given.
        target: ψ read on the circle: ``Sawtooth()`` (default), ``Cosine``, ``Threshold``, ``Square``, ``Triangle``,
            or a ``Table`` as a step function. A sphere takes ``Cosine``.
        integer: whether a is an integer; must be left out for a sphere and for given frequencies.
        dimension: d, the number of coordinates of x.
        frequencies: the members themselves: finite numbers of shape ``(A,)``, or ``(A, d)`` for R^d.

    Attributes:
        A: the largest frequency or the radius, None where frequencies are given.
        target: ψ.
        kind: ``"integers"``, ``"interval"``, ``"sphere"`` or ``"set"``.
        dimension: d.

    Raises:
        TypeError: an argument of another kind.
        ValueError: A is not positive, a target that has no meaning on the circle, both or none of A and frequencies,
            frequencies that are none or not finite.

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
        circle = target.circle()
        if (A is None) == (frequencies is None):
            got = "neither" if A is None else "both"
            _validate.refuse(ValueError, "A", "given, or frequencies= in its place, and not both", got)
        if integer is not None:
            integer = _validate.boolean("integer", integer)
        d = None if dimension is None else _validate.integer("dimension", dimension, low=1)
        given = None
        if frequencies is not None:
            given = _given(frequencies, d)
            d = 1 if given.ndim == 1 else int(given.shape[1])
        d = 1 if d is None else d
        kind = "set" if given is not None else "sphere" if d > 1 else "interval" if integer is False else "integers"
        if integer is not None and kind in ("set", "sphere"):
            why = "for given frequencies" if kind == "set" else f"in R^{d}, where a lies on a sphere"
            _validate.refuse(ValueError, "integer", f"left out {why}", came(integer))
        if kind == "sphere" and not circle.harmonic:
            expected = f"targets.Cosine(k) on a sphere in R^{d}, or frequencies= a sample of the sphere"
            _validate.refuse(ValueError, "target", expected, repr(target))
        largest = None if A is None else _largest(A, kind)
        for name, value in {"A": largest, "target": target, "kind": kind, "dimension": d, "_given": given}.items():
            object.__setattr__(self, name, value)

    @cached_property
    def circle(self) -> Circle:
        """ψ on the circle."""
        return self.target.circle()

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

        Raises:
            ValueError: in R^d, where no law is the natural one; and for frequencies that need more than 2^14 nodes.
        """
        if self.dimension > 1:
            _validate.refuse(ValueError, "inputs", f"a law of x in R^{self.dimension}, such as RealSample", "none")
        largest = float(np.abs(self._given).max()) if self._given is not None else float(self.A or 0.0)
        if largest > _MOST_NODES / _NODES_A_PERIOD:
            highest = _MOST_NODES // _NODES_A_PERIOD
            expected = f"given for frequencies above {highest}, such as Grid, Density or RealSample"
            _validate.refuse(ValueError, "inputs", expected, f"none, with {self!r}")
        return Density("uniform", nodes=max(1024, _NODES_A_PERIOD * math.ceil(largest)))

    def law_of(self, inputs: object | None) -> RealLaw:
        """The law of x that was given, once it is one for this class; None stands for the default.

        Raises:
            TypeError: it is not one of the real line.
            ValueError: it is a law in another dimension.
        """
        expected = "a law of x from barren.inputs on the real line, such as Grid(1024), Density or RealSample"
        law: RealLaw = _validate.instance("inputs", self.default_law if inputs is None else inputs, RealLaw, expected)
        if law.dimension != self.dimension:
            expected = f"a law in {self.dimension} dimension{'s' * (self.dimension > 1)}, as the class"
            _validate.refuse(ValueError, "inputs", expected, f"{law!r} in {law.dimension}")
        return law

    def points_of(self, law: object) -> tuple[Floats, Floats]:
        """The points of a law of x, shape ``(n,)`` or ``(n, d)``, and their weights.

        Raises:
            TypeError: the law is not one of the real line.
            ValueError: it is a law of another dimension, or a·x is too large.
        """
        checked = self.law_of(law)
        points = checked.points()
        self._check_products("inputs", points)
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
        points = _validate.coordinates("x", x, dimension=self.dimension)
        _refuse_large("x", np.abs(_column(rows)).max(axis=0, initial=0.0), points)
        return self._values(rows, points, _validate.threads(threads))

    def mean(self, x: ArrayLike, *, threads: int | None = None) -> Floats:
        """h̄(x) = E_a h_a(x), float64 of shape ``(n,)``.

        A sum over the members; for an interval or a sphere in closed form, and for a cosine at 1..A too.

        Raises:
            TypeError: ``x`` are not numbers.
            ValueError: another shape, a number that is not finite, or products of 2^106 and more.

        Cost: O(A·n), in closed form O(n).
        """
        points, workers = self._points("x", x), _validate.threads(threads)
        if self._is_closed:
            return closed_forms.mean_of_cosines(self, points)
        if self.kind == "interval":
            return closed_forms.mean_over_interval(self.circle, float(self.A or 0.0), points)
        weights = np.full(self.size, 1.0 / self.size)
        # ψ(⟨a, x⟩) is symmetric in a and x: the points take the place of the members.
        at_points = self._responses(points, self.members, weights, np.ones((self.size, 1)), workers, 0.0)
        return np.ascontiguousarray(at_points[:, 0])

    def kernel(self, x: ArrayLike, y: ArrayLike, *, threads: int | None = None) -> Floats:
        """The class kernel K(x, y) = Cov_a(ψ(⟨a, x⟩), ψ(⟨a, y⟩)), float64 of shape ``(n, m)``.

        For a cosine in closed form: with D(t) = E_a cos(2πkat) it is ½(D(x−y) + D(x+y)) − D(x)D(y), where D is a
        Dirichlet kernel for 1..A, a sinc for [0, A] and a Bessel function for a sphere. For the other targets a on
        [0, A] is integrated exactly from line to line of ψ; a sum over the members is taken in blocks.

        Raises:
            TypeError: ``x`` or ``y`` are not numbers.
            ValueError: another shape, a number that is not finite, or products that are too large.

        Cost: O(n·m) in closed form, O(n·m·A·(|x| + |y|)) for an interval, O(A·n·m) for members.
        Source: docs/theory, section 5.
        """
        rows, columns = self._points("x", x), self._points("y", y)
        workers = _validate.threads(threads)
        if self._is_closed:
            return closed_forms.kernel_of_cosines(self, rows, columns)
        if self.kind == "interval":
            self._check_lines(rows, columns)
            return closed_forms.kernel_over_interval(self.circle, float(self.A or 0.0), rows, columns, workers)
        return self._kernel_from_members(rows, columns, workers)

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
        return self._responses(self.members, points, weights, jacobian, threads, shift)

    def adjoint(self, points: Floats, block: np.ndarray, *, threads: int = 0, shift: float = 0.0) -> Floats:
        """Σ_a (ψ(⟨a, x⟩) − shift)·block[a]/A at every point: the responses with members and points exchanged."""
        weights = np.full(self.size, 1.0 / self.size)
        return self._responses(points, self.members, weights, block, threads, shift)

    def quadratic_forms(
        self, points: Floats, offset: Floats, ntk: np.ndarray, *, threads: int = 0, shift: float = 0.0
    ) -> Floats:
        """(ψ_a − shift − offset)ᵀ·ntk·(ψ_a − shift − offset) for every member and a symmetric ntk."""
        core = self.circle.core
        arguments = (_column(self.members), _column(points), *core, offset, np.ascontiguousarray(ntk))
        return np.asarray(_core.frequency_quadratic_forms(*arguments, threads, shift))

    def lists_members(self, deviations: bool) -> bool:
        """Whether a variance, or one with deviations, needs the list of members: not where the kernel is closed."""
        return self.has_members and (deviations or not self._is_closed)

    def lines(self, points: Floats) -> float:
        """How many lines ψ(a·x) has for a on [0, A], the mean over two points: steps of the exact integral."""
        pieces = self.circle.pieces
        assert pieces is not None
        return 2.0 * len(pieces) * float(self.A or 0.0) * float(np.abs(points).mean())

    def modular(self, law: object) -> ModularMultiplication | None:
        """The class modulo M that this one is on the grid of M points, or None where it is none.

        x = j/M gives ψ(a·j/M), a function of a·j mod M: integer frequencies are multipliers modulo M. Those of 1..M−1
        for a prime M are the units. Here x is the fraction j/M itself and not the double next to it.

        Raises:
            ValueError: integer frequencies of which two are equal modulo M: the grid cannot tell them apart.

        Source: docs/theory, section 5.
        """
        if not isinstance(law, Grid) or self.dimension > 1 or not self.has_members:
            return None
        if self.kind == "integers" and self.size > law.M:
            self._refuse_grid(law)
        members = self.members
        if np.any(members != np.rint(members)) or np.any(np.abs(members) >= _EXACT_INTEGERS):
            return None
        residues = np.mod(members.astype(np.int64), law.M)
        if len(np.unique(residues)) < len(residues):
            self._refuse_grid(law)
        target = self._modular_target(law.M)
        if self.kind == "integers" and self.size == law.M - 1:
            whole = ModularMultiplication(law.M, target)
            if whole.is_prime:
                return whole
        return ModularMultiplication(law.M, target, residues)

    def _refuse_grid(self, law: Grid) -> None:
        expected = "a grid on which all frequencies differ, of at least A points (or RealSample(np.arange(M) / M))"
        _validate.refuse(ValueError, "inputs", expected, f"{law!r} with {self!r}")

    def _modular_target(self, M: int) -> Target:
        if not isinstance(self.target, Table):
            self.target.check(M)
            return self.target
        steps = np.array([k * self.target.values.size // M for k in range(M)])
        return Table(self.target.values[steps])

    @property
    def _is_closed(self) -> bool:
        return bool(self.circle.harmonic) and self.kind != "set"

    def _need_members(self, name: str) -> None:
        if not self.has_members:
            where = f"[0, {self.A:g}]" if self.kind == "interval" else f"a sphere in R^{self.dimension}"
            raise ValueError(f"{name} needs a finite class; here a is uniform on {where}")

    def _points(self, name: str, value: ArrayLike) -> Floats:
        points = _validate.coordinates(name, value, dimension=self.dimension)
        self._check_products(name, points)
        return points

    def _check_products(self, name: str, points: Floats) -> None:
        if self._given is not None:
            largest = np.abs(_column(self._given)).max(axis=0)
        else:
            largest = np.full(self.dimension, float(self.A or 0.0))
        _refuse_large(name, largest, points)

    def _check_lines(self, x: Floats, y: Floats) -> None:
        largest = float(self.A or 0.0) * max(float(np.abs(points).max(initial=0.0)) for points in (x, y))
        if largest >= _MOST_LINES:
            expected = "such that A·x stays below 2^40 for an exact integral over the interval"
            _validate.refuse(ValueError, "x", expected, f"A·x = {largest:g}")

    def _values(self, a: Floats, x: Floats, workers: int) -> Floats:
        return np.asarray(_core.frequency_values(_column(a), _column(x), *self.circle.core, workers))

    def _responses(
        self, a: Floats, x: Floats, weights: Floats, block: np.ndarray, threads: int, shift: float
    ) -> Floats:
        arguments = (_column(a), _column(x), *self.circle.core, weights, np.ascontiguousarray(block))
        return np.asarray(_core.frequency_responses(*arguments, threads, shift))

    def _member_blocks(self, points: tuple[Floats, ...], workers: int) -> Iterator[tuple[Floats, ...]]:
        """The values at each of ``points`` for one block of members after the other, in new arrays."""
        step = max(1, _BLOCK_BYTES // (8 * max(1, sum(len(x) for x in points))))
        members = self.members
        for start in range(0, len(members), step):
            block = members[start : start + step]
            yield tuple(self._values(block, x, workers) for x in points)

    def _kernel_from_members(self, x: Floats, y: Floats, workers: int) -> Floats:
        same = np.array_equal(x, y)
        mean_x, mean_y = self.mean(x, threads=workers or None), self.mean(y, threads=workers or None)
        out = np.zeros((len(x), len(y)))
        for blocks in self._member_blocks((x,) if same else (x, y), workers):
            left, right = blocks[0], blocks[-1]
            left -= mean_x
            if not same:
                right -= mean_y
            out += left.T @ right
        out /= self.size
        return out

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


def _largest(A: object, kind: str) -> int | float:
    """A checked: a positive integer, or a positive number for an interval and a sphere."""
    if kind == "integers":
        if not isinstance(A, int | np.integer) and isinstance(A, numbers.Real | Fraction):
            _validate.refuse(TypeError, "A", "an integer (or pass integer=False for a on [0, A])", came(A))
        return _validate.integer("A", A, low=1, high=_EXACT_INTEGERS)
    number = _validate.real("A", A)
    if number <= 0.0:
        _validate.refuse(ValueError, "A", "above 0", came(A))
    return number


def _given(frequencies: ArrayLike, dimension: int | None) -> Floats:
    """Given frequencies as a read-only copy, at least one."""
    members = _validate.coordinates("frequencies", frequencies, dimension=dimension) + 0.0
    if len(members) == 0:
        _validate.refuse(ValueError, "frequencies", "at least one", came(frequencies))
    members.setflags(write=False)
    return members


def _column(points: Floats) -> Floats:
    """A row a point, as the core takes it."""
    return points[:, np.newaxis] if points.ndim == 1 else points


def _refuse_large(name: str, largest: Floats, points: Floats) -> None:
    """Refuse products of frequencies, in size at most `largest` a coordinate, with points where no fraction is left."""
    sizes = np.abs(_column(points)).max(axis=0, initial=0.0)
    product = float((largest * sizes).sum()) if points.size else 0.0
    if product >= _LARGEST_PRODUCT or float(sizes.max(initial=0.0)) > _LARGEST_SIZE:
        expected = "such that a·x stays below 2^106 = 8.1e31: beyond it no digit of the fraction of a·x is left"
        _validate.refuse(ValueError, name, expected, f"{float(sizes.max()):g} with frequencies up to {largest.max():g}")
