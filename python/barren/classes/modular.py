"""Modular multiplication: h_a(x) = ψ(a·x mod p), the class of docs/theory, section 2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from barren import _core, _fft, _modular, _validate
from barren._validate import Floats, Integers, came
from barren.classes import dedekind, members, ratios
from barren.classes.group import unit_group
from barren.classes.integers import OnIntegers
from barren.targets import Sawtooth, Table, Target

_NO_TABLE: Floats = np.empty(0)
# Above this the kernel and the mean of a sawtooth-rational ψ on a prime come from Dedekind sums.
_LARGEST_TABLE = 1 << 22


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ModularMultiplication(OnIntegers):
    """The class of h_a(x) = ψ(a·x mod p), with the multiplier a drawn uniformly from the members.

    Args:
        p: the modulus, any integer from 3 on, prime or composite. From 2**63 on points are Python integers, and
            what needs a table or the list of members raises; kernel and mean need neither for a prime p and a ψ
            with a sawtooth expansion.
        target: ψ, default ``targets.Sawtooth()``.
        multipliers: ``"units"``, all a in 1..p−1 coprime to p; ``"all"``, all of 0..p−1; or the multipliers
            themselves, distinct residues of shape ``(A,)``.

    Attributes:
        p: the modulus.
        target: ψ.
        multipliers: ``"units"``, ``"all"`` or ``"set"``.

    Raises:
        TypeError: p is not an integer, target not a ``Target``, multipliers neither a word nor integers.
        ValueError: p < 3, a target that does not fit p, another word, or multipliers that are out of range,
            repeated or none.

    Source: docs/theory, section 2.

    >>> from barren import targets
    >>> cls = ModularMultiplication(7, target=targets.Bit(0))
    >>> cls
    ModularMultiplication(7, target=Bit(j=0), multipliers='units')
    >>> cls.values([1, 3], [0, 1, 2, 3])
    array([[0., 1., 0., 1.],
           [0., 1., 0., 0.]])
    >>> cls.kernel([1], [1, 2, 6])
    array([[ 0.25      , -0.08333333, -0.25      ]])
    """

    p: int
    target: Target
    multipliers: str
    _given: Integers | None

    def __init__(
        self,
        p: int,
        target: Target = Sawtooth(),  # noqa: B008  (immutable)
        multipliers: str | ArrayLike = "units",
    ) -> None:
        p = _validate.integer("p", p, low=3)
        _validate.instance("target", target, Target, "a target such as targets.Sawtooth()")
        target.check(p)
        given = None if isinstance(multipliers, str) else members.distinct_residues(multipliers, p)
        word = _validate.choice("multipliers", multipliers, ("units", "all")) if given is None else "set"
        for name, value in (("p", p), ("target", target), ("multipliers", word), ("_given", given)):
            object.__setattr__(self, name, value)

    @cached_property
    def is_prime(self) -> bool:
        """Whether p is prime (for p >= 2**64: a probable prime by the Baillie–PSW test)."""
        import sympy

        return bool(sympy.isprime(self.p))

    @cached_property
    def _prime_divisors(self) -> tuple[int, ...]:
        import sympy

        return (self.p,) if self.is_prime else tuple(int(q) for q in sympy.primefactors(self.p))

    @cached_property
    def has_repeats(self) -> bool:
        """Whether a multiplier is there more than once, as frequencies are that are equal on a grid."""
        return self._given is not None and len(np.unique(self._given)) < self._given.size

    @cached_property
    def size(self) -> int:
        """The number of members: φ(p) (which needs the factors of p), p, or how many were given."""
        if self._given is not None:
            return int(self._given.size)
        size = self.p
        if self.multipliers == "units":
            for q in self._prime_divisors:
                size = size // q * (q - 1)
        return size

    @cached_property
    def members(self) -> Integers:
        """The multipliers, int64 of shape ``(size,)``, read-only: increasing, or as given.

        Raises:
            ValueError: p is 2**63 or more, or they do not fit in memory.
        """
        if self._given is not None:
            return self._given
        _validate.tabulated("p", self.p, 8, "the list of all members")
        if self.multipliers == "all":
            members = np.arange(self.p, dtype=np.int64)
        else:
            members = np.flatnonzero(self._coprime(self.p)).astype(np.int64, copy=False)
        members.setflags(write=False)
        return members

    @property
    def labels(self) -> tuple[float, float] | None:
        """The two values that ψ takes on Z_p, the smaller first, or None if it takes more."""
        return self.target.labels(self.p)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value of ψ on Z_p."""
        return self.target.range(self.p)

    @property
    def period(self) -> int:
        """What an encoding is told beside x: p."""
        return self.p

    @classmethod
    def with_repeats(cls, p: int, target: Target, residues: Integers) -> ModularMultiplication:
        """The class of given residues of which some may be equal, each a member: what frequencies are on a grid.

        Args:
            p: the modulus.
            target: ψ.
            residues: the members, shape (A,), int64.
        """
        made = cls(p, target, residues[:1])
        given = np.array(residues, dtype=np.int64)
        given.setflags(write=False)
        object.__setattr__(made, "_given", given)
        return made

    def with_multipliers(self, multipliers: str | ArrayLike) -> ModularMultiplication:
        """The class of the same p and ψ with other multipliers.

        Args:
            multipliers: "units", "all", or different integers 0..p−1 of shape ``(m,)``.

        Raises:
            TypeError: they are neither a word nor integers.
            ValueError: another word than "units" and "all", or multipliers out of range, repeated or none.
        """
        return ModularMultiplication(self.p, self.target, multipliers)

    def with_target(self, target: Target) -> ModularMultiplication:
        """The class of the same members and another ψ.

        Args:
            target: the other ψ.

        Raises:
            TypeError: not a target.
            ValueError: ψ does not fit p.
        """
        if self._given is None:
            return ModularMultiplication(self.p, target, self.multipliers)
        return ModularMultiplication.with_repeats(self.p, target, self._given)

    @cached_property
    def without_constant(self) -> ModularMultiplication:
        """The class of ψ less its constant, with the same covariances and all their digits; itself without one."""
        target = self.target.without_constant()
        return self if target is self.target else self.with_target(target)

    def values(self, a: ArrayLike, x: ArrayLike, *, threads: int | None = None) -> Floats:
        """h_a(x) = ψ(a·x mod p).

        Args:
            a: multipliers, residues of shape ``(A,)``; they need not be members.
            x: points, residues of shape ``(n,)``.
            threads: how many threads to use, default all that may be used; the result does not depend on it.

        Returns:
            float64 of shape ``(A, n)``.

        Raises:
            TypeError: ``a`` or ``x`` are not integers.
            ValueError: a residue is out of range, or p is 2**63 or more.

        Cost: O(A·n).
        """
        return self._values(self._residues("a", a), self._residues("x", x), _validate.threads(threads))

    def table(self) -> Floats:
        """(ψ(0), …, ψ(p−1)), float64 of shape ``(p,)``, read-only; kept after the first call.

        Raises:
            ValueError: p is 2**63 or more, or the table does not fit in memory.
        """
        return self._table

    def mean(self, x: ArrayLike, *, route: str = "auto", threads: int | None = None) -> Floats:
        """h̄(x) = E_a h_a(x).

        Let d = gcd(x, p). When a runs through the units, a·x takes every residue t with gcd(t, p) = d equally
        often; when a runs through Z_p, every multiple of d. So the mean is that of ψ over those residues, and
        for a prime p it has two values: at x = 0, and elsewhere.

        Args:
            x: points, residues of shape ``(n,)``.
            route: as for `kernel`.
            threads: how many threads to use, default all that may be used; the result does not depend on it.

        Returns:
            float64 of shape ``(n,)``.

        Raises:
            TypeError: ``x`` are not integers.
            ValueError: a residue is out of range, or p is too large for a table (a set needs none) and there is no
                other route.

        Cost: O(p) for each different d; for a set of A multipliers O(A·n).
        """
        without_table = self._without_table(route)
        if without_table is not None:
            return without_table.mean(_validate.points("x", x, self.p))
        points, workers = self._residues("x", x), _validate.threads(threads)
        if self._given is None:
            divisors, which = np.unique(np.gcd(points, self.p), return_inverse=True)
            means = np.array([self._mean_at_divisor(int(d)) for d in divisors], dtype=np.float64)
            return means[which.reshape(-1)]
        return members.mean(self, points, workers)

    def kernel(self, x: ArrayLike, y: ArrayLike, *, route: str = "auto", threads: int | None = None) -> Floats:
        """The class kernel K(x, y) = Cov_a(ψ(ax), ψ(ay)).

        For a prime p and ``"units"`` K(x, y) = κ[log y − log x] for x, y ≠ 0, and 0 where one of them is 0.
        For ``"all"`` the member a = 0 adds, by the law of total covariance,
        K_all = ((p−1)/p)·K + ((p−1)/p²)·(ψ(0) − m)² for x, y ≠ 0, with m the mean of ψ over the units.
        For a composite p and for a set of multipliers the covariance is summed over the members, a block at a
        time. Where ψ has a sawtooth expansion and p is prime, K is a small sum of Dedekind sums and needs no table:
        so it is computed above p = 2**22, for p of any size.

        Args:
            x: points, residues of shape ``(n,)``.
            y: points, residues of shape ``(m,)``.
            route: "auto", or to force one "table" or "dedekind".
            threads: how many threads to use, default all that may be used.

        Returns:
            float64 of shape ``(n, m)``.

        Raises:
            TypeError: ``x`` or ``y`` are not integers.
            ValueError: a residue is out of range, or p is too large for the tables and there is no other route (the
                message says which targets have a sawtooth expansion).

        Cost: O(p log p) once and O(n·m) for a prime p; else O(A·n·m) for A members; O(n·m·log p) by Dedekind sums.
        Source: docs/theory, section 2.
        """
        workers, without_table = _validate.threads(threads), self._without_table(route)
        if without_table is not None:
            return without_table(_validate.points("x", x, self.p), _validate.points("y", y, self.p), workers)
        rows, columns = self._residues("x", x), self._residues("y", y)
        if self._given is None and self.is_prime:
            return ratios.kernel(self, rows, columns)
        return members.kernel(self.without_constant, rows, columns, workers)

    def kernel_by_ratio(self) -> Floats:
        """κ[k] = Cov(ψ(a), ψ(a·g^k)) over the units a, with g the root of ``unit_group(p)``.

        κ = (1/(p−1)²)·Σ_{χ≠0} |P[χ]|² e(χk/(p−1)), an FFT of the centred ψ(g^i) and one back; κ[−k] = κ[k] to
        the last bit.

        Returns:
            float64 of shape ``(p−1,)``, read-only; kept after the first call.

        Raises:
            ValueError: p is not an odd prime, or too large for the tables.

        Cost: O(p log p). Source: docs/theory, section 2.
        """
        return self._ratios

    def spectrum(self) -> Floats:
        """|P[χ]|² for the characters χ = 0..p−2, P the discrete Fourier transform of ψ(g^i) over i = 0..p−2.

        Index 0 is the trivial character.

        Returns:
            float64 of shape ``(p−1,)``.

        Raises:
            ValueError: p is not an odd prime, or too large for the tables.

        Cost: O(p log p). Source: docs/theory, section 2.

        >>> ModularMultiplication(5).spectrum().round(12)
        array([0. , 0.4, 0. , 0.4])
        """
        half = self._half_spectrum("the spectrum over characters")
        half[0] = (self.unit_mean * (self.p - 1)) ** 2
        return np.concatenate((half, half[-2:0:-1]))  # ψ is real, so χ and its conjugate have the same modulus

    @cached_property
    def table_obstacle(self) -> str | None:
        """Why kernel and mean cannot be had without a table, or None where they can."""
        return dedekind.obstacle(self)

    @cached_property
    def sawtooth_kernel(self) -> dedekind.SawtoothKernel:
        """Kernel and mean by Dedekind sums.

        Raises:
            ValueError: p is composite, the multipliers are a given set, or ψ has no sawtooth expansion.
        """
        if self.table_obstacle is not None:
            raise ValueError(f"the kernel cannot be computed without a table of ψ: {self.table_obstacle}")
        expansion = self.target.sawtooth_expansion(self.p)
        assert expansion is not None
        return dedekind.SawtoothKernel(expansion, units=self.multipliers == "units")

    @cached_property
    def by_dedekind_sums(self) -> bool:
        """Whether kernel and mean come from Dedekind sums: for a large p, wherever they can."""
        return self.p > _LARGEST_TABLE and self._given is None and self.table_obstacle is None

    def _without_table(self, route: str) -> dedekind.SawtoothKernel | None:
        """The kernel by Dedekind sums where that route is to be taken, else None."""
        _validate.choice("route", route, ("auto", "table", "dedekind"))
        if route == "dedekind" or (route == "auto" and self.by_dedekind_sums):
            return self.sawtooth_kernel
        if self.p >= _validate.WORD_LIMIT:
            raise ValueError(f"p must be below 2**63 for a table of ψ; got {came(self.p)}, and {self.table_obstacle}")
        return None

    @cached_property
    def _table(self) -> Floats:
        table = self.target.table(self.p)
        table.setflags(write=False)
        return table

    @cached_property
    def unit_mean(self) -> float:
        """The mean of ψ over the units."""
        return self._mean_of_multiples(1, units=True)

    @cached_property
    def _ratios(self) -> Floats:
        half, order = self._half_spectrum("the class kernel by ratios"), self.p - 1
        ratios = np.asarray(_fft.irfft(half.astype(np.complex128), order)) / order
        ratios[1:] = 0.5 * (ratios[1:] + ratios[:0:-1])
        ratios.setflags(write=False)
        return ratios

    def _half_spectrum(self, purpose: str) -> Floats:
        """|P[χ]|² for χ = 0..(p−1)/2 of the centred ψ(g^i), so index 0 is zero."""
        _validate.prime("p", self.p, purpose)
        _validate.tabulated("p", self.p, 8, "a table of ψ")
        cls = self.without_constant
        coefficients = _fft.rfft(cls.table()[unit_group(self.p).powers] - cls.unit_mean)
        coefficients[0] = 0.0
        return np.asarray(coefficients.real**2 + coefficients.imag**2, dtype=np.float64)

    def _coprime(self, n: int) -> NDArray[np.bool_]:
        """Which of 0..n−1 are coprime to n, for a divisor n of p."""
        out = np.ones(n, dtype=np.bool_)
        for q in self._prime_divisors:
            if n % q == 0:
                out[::q] = False
        return out

    def _mean_of_multiples(self, d: int, *, units: bool) -> float:
        """The mean of ψ over the multiples of d, or over the t with gcd(t, p) = d; d a divisor of p."""
        multiples = self._table[::d]
        return float(multiples[self._coprime(self.p // d)].mean() if units else multiples.mean())

    def _mean_at_divisor(self, d: int) -> float:
        return self._mean_of_multiples(d, units=self.multipliers == "units")

    def _residues(self, name: str, value: ArrayLike) -> Integers:
        _validate.word_modulus("p", self.p, "residues of 64 bits")
        return _validate.residues(name, value, self.p)

    def _values(self, a: Integers, x: Integers, workers: int) -> Floats:
        name, parameter = self.target.formula(self.p)
        if name == "table" and self.p > _LARGEST_TABLE and not isinstance(self.target, Table):
            rows = [self.target(_modular.multiply(int(multiplier), x, self.p), self.p) for multiplier in a]
            return np.array(rows).reshape(a.size, x.size)
        table = self._table if name == "table" else _NO_TABLE
        return np.asarray(_core.values(a, x, self.p, name, parameter, table, workers))

    def _key(self) -> tuple[Any, ...]:
        return self.p, self.target, self.multipliers, None if self._given is None else self._given.tobytes()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModularMultiplication):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = (
            repr(self.multipliers) if self._given is None else np.array2string(self._given, separator=", ", threshold=6)
        )
        return f"ModularMultiplication({self.p}, target={self.target!r}, multipliers={shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        multipliers = self.multipliers if self._given is None else self._given
        return ModularMultiplication, (self.p, self.target, multipliers)  # without the tables that were kept
