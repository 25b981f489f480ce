"""Parities: variances by every method, from J and from Θ, and the class kernel."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np

import barren
from barren import inputs
from ledger import exact
from ledger.cases import Case, measured
from ledger.exact import Numbers
from ledger.modular import jacobian
from ledger.modular_cases import SYMMETRY

HARD = (
    "Z + 1",
    "1 + 1e-6·Z",
    "constant",
    "±1e6 + Z",
    "Z, 1e12 at x = 0",
    "Z, one row 1e8",
    "1e-140·Z",
    "1e150·Z",
    "columns 1e-100, 1, 1e100 of Z",
)


@dataclass(frozen=True)
class Parity:
    """One problem: n bits, members of `weight` ones (0: all), a law of x, J."""

    n: int
    weight: int
    signed: bool
    law: str
    jacobian: str
    dtype: str = "float64"

    @property
    def name(self) -> str:
        """The case in words."""
        ones = f"{self.weight} ones" if self.weight else "all members"
        values = "±1" if self.signed else "0 and 1"
        return f"{self.n} bits, {ones}, {values}, x: {self.law}, J: {self.jacobian}"

    @cached_property
    def cls(self) -> barren.Parity:
        """The class."""
        return barren.Parity(self.n, self.weight or None, signed=self.signed)

    @cached_property
    def points(self) -> list[int]:
        """The points of the law."""
        if self.law == "uniform":
            return list(range(2**self.n))
        return [int(x) for x in np.random.default_rng(self.n).integers(0, 2**self.n, 2**self.n // 2)]

    @property
    def law_of_x(self) -> inputs.Law:
        """The law."""
        return inputs.Uniform() if self.law == "uniform" else inputs.Sample(self.points)

    @cached_property
    def values(self) -> Numbers:
        """h_v(x), bit by bit."""
        members = [v for v in range(2**self.n) if not self.weight or bin(v).count("1") == self.weight]
        odd = [[bin(v & x).count("1") % 2 for x in self.points] for v in members]
        array = np.array(odd, dtype=object)
        return Numbers(1 - 2 * array if self.signed else array, 1)

    @cached_property
    def numbers(self) -> np.ndarray:
        """J."""
        return jacobian(self.jacobian, self.points).astype(self.dtype)

    @cached_property
    def pairing(self) -> exact.Pairing:
        """What is exact."""
        n = len(self.points)
        weights = exact.of_fractions([Fraction(1, n)] * n, (n,))
        return exact.pairing(self.values, weights, exact.of_floats(self.numbers))


@lru_cache(maxsize=64)
def parity(*arguments: int | bool | str) -> Parity:
    """A problem, kept."""
    return Parity(*arguments)  # type: ignore[arg-type]


def cases() -> Iterator[Case]:
    """All of them."""
    for n, weight, signed in ((4, 0, True), (6, 0, False), (4, 2, True), (6, 1, False), (6, 3, True), (5, 5, True)):
        for law in ("uniform", "sample"):
            for j in HARD:
                yield from _of_problem(parity(n, weight, signed, law, j), n == 4)
            for j in ("Z + 1", "1 + 2^-12·integers", "1e-25·Z", "1e25·Z"):
                yield from _of_problem(parity(n, weight, signed, law, j, "float32"), n == 4)
        problem = parity(n, weight, signed, "uniform", "Z + 1")
        yield Case("class kernel (parity)", "float64", problem.name, functools.partial(_kernel, problem), True)


def _of_problem(problem: Parity, quick: bool) -> Iterator[Case]:
    for method in ("walsh", "direct", "kernel"):
        for deviations in (False, True):
            engine = f"parity, {method}, {'with d(a)' if deviations else 'Var alone'}"
            measure = functools.partial(measured, problem, method, deviations)
            hidden = problem.jacobian == "±1e6 + Z" and problem.law == "uniform" and problem.weight not in (0, 1)
            reason, limit = (SYMMETRY, 1e-1 if method == "kernel" else 1e-7) if hidden else ("", 0.0)
            yield Case(engine, problem.dtype, problem.name, measure, quick, reason, limit)


def _kernel(problem: Parity) -> dict[str, float]:
    points = np.array(problem.points)
    return {
        "K": exact.error_of_all(problem.cls.kernel(points, points), exact.covariance(problem.values, problem.values))
    }
