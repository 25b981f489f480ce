"""Modular cases: targets, laws, multipliers and Jacobians by name, each with its exact twin."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

import barren
from barren import inputs, targets
from ledger import exact
from ledger.exact import Numbers


def _table(p: int) -> np.ndarray:
    return np.random.default_rng(p).standard_normal(p)


def target(name: str, p: int) -> targets.Target:
    """The package's target."""
    plain: dict[str, Any] = {
        "sawtooth": targets.Sawtooth,
        "square": targets.Square,
        "triangle": targets.Triangle,
        "residue": targets.Residue,
    }
    if name in plain:
        made: targets.Target = plain[name]()
        return made
    others = {
        "cosine 2": lambda: targets.Cosine(2),
        "bit 0": lambda: targets.Bit(0),
        "bit 1": lambda: targets.Bit(1),
        "threshold 0.3": lambda: targets.Threshold(0.3),
        "quantile bit 2": lambda: targets.QuantileBit(2),
        "sawtooth − 2·bit 0": lambda: targets.Sawtooth() - 2 * targets.Bit(0),
        "1 − 2·bit 0": lambda: 1 - 2 * targets.Bit(0),
        "table": lambda: targets.Table(_table(p)),
        "table, 1 + 1e-6·Z": lambda: targets.Table(1.0 + 1e-6 * _table(p)),
        "table, 1e-60·Z": lambda: targets.Table(1e-60 * _table(p)),
    }
    return others[name]()


def psi(name: str, t: int, p: int) -> Fraction:
    """ψ(t) from its definition."""
    turns = Fraction(t, p)
    if name == "cosine 2":
        return exact.cosine(2 * turns % 1)
    if name == "quantile bit 2":
        return Fraction(4 * t // p % 2)
    if name.startswith("table"):
        values = _table(p)[t]
        scaled = {"table": values, "table, 1 + 1e-6·Z": 1.0 + 1e-6 * values, "table, 1e-60·Z": 1e-60 * values}
        return Fraction(float(scaled[name]))
    return {
        "sawtooth": exact.sawtooth(turns),
        "square": exact.square(turns),
        "triangle": exact.triangle(turns),
        "residue": Fraction(t),
        "bit 0": Fraction(t & 1),
        "bit 1": Fraction(t >> 1 & 1),
        "threshold 0.3": Fraction(int(turns >= Fraction(0.3))),
        "sawtooth − 2·bit 0": exact.sawtooth(turns) - 2 * (t & 1),
        "1 − 2·bit 0": Fraction(1 - 2 * (t & 1)),
    }[name]


def law(name: str, p: int) -> tuple[inputs.Law, list[int], list[Fraction]]:
    """A law of x, its points and their exact weights."""
    if name in ("uniform", "uniform without 0"):
        first = int(name != "uniform")
        return inputs.Uniform(zero=not first), list(range(first, p)), [Fraction(1, p - first)] * (p - first)
    if name == "3 random bits":
        counts = [sum(1 for value in range(8) if value % p == x) for x in range(min(8, p))]
        return inputs.RandomBits(3), list(range(min(8, p))), [Fraction(count, 8) for count in counts]
    rng = np.random.default_rng(p + 1)
    points = rng.integers(0, p, max(2, p // 2))
    mass = rng.random(len(points)) + 0.01 if name == "sample" else 10.0 ** rng.uniform(-12.0, 0.0, len(points))
    mass /= mass.sum()
    return inputs.Sample(points, mass), [int(x) for x in points], [Fraction(float(c)) for c in mass]


def jacobian(name: str, points: list[int], columns: int = 3) -> np.ndarray:
    """J by name, float64; "p = 101, n = 101" always gives the same numbers."""
    rng, n = np.random.default_rng(len(points) + columns), len(points)
    noise = rng.standard_normal((n, columns))
    at_zero = (np.array(points) == 0)[:, None]
    signs = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)[:, None]
    made: dict[str, np.ndarray] = {
        "Z + 1": noise + 1.0,
        "1 + 1e-6·Z": 1.0 + 1e-6 * noise,
        "1, −3, 1000 times 1 + 1e-6·Z": np.resize([1.0, -3.0, 1000.0], columns) * (1.0 + 1e-6 * noise),
        "1 + 2^-12·integers": 1.0 + 2.0**-12 * np.rint(4.0 * noise),
        "constant": np.full((n, columns), 1.0 / 3.0),
        "±1e6 + Z": 1e6 * signs + noise,
        "Z, 1e12 at x = 0": np.where(at_zero, 1e12, noise),
        "1 + 1e-6·Z, 1e12 at x = 0": np.where(at_zero, 1e12, 1.0 + 1e-6 * noise),
        "Z, one row 1e8": np.where(np.arange(n)[:, None] == n // 2, 1e8, noise),
        "1e-140·Z": 1e-140 * noise,
        "1e150·Z": 1e150 * noise,
        "columns 1e-100, 1, 1e100 of Z": np.resize([1e-100, 1.0, 1e100], columns) * noise,
        "1e-25·Z": 1e-25 * noise,
        "1e25·Z": 1e25 * noise,
        "1e-37·Z": 1e-37 * noise,
    }
    return made[name]


@dataclass(frozen=True)
class Modular:
    """One problem: numbers for the package, and what is exact of it."""

    p: int
    target: str
    multipliers: str
    law: str = "uniform"
    jacobian: str = "Z + 1"
    dtype: str = "float64"

    @property
    def name(self) -> str:
        """The case in words."""
        return f"p = {self.p}, {self.target}, a: {self.multipliers}, x: {self.law}, J: {self.jacobian}"

    @cached_property
    def members(self) -> list[int]:
        """The multipliers."""
        units = [a for a in range(self.p) if np.gcd(a, self.p) == 1]
        if self.multipliers == "all":
            return list(range(self.p))
        return {"units": units, "some units": units[::-2], "some": [self.p - 1, 0, 1, 2]}[self.multipliers]

    @cached_property
    def cls(self) -> barren.ModularMultiplication:
        """The class."""
        given: Any = self.multipliers if self.multipliers in ("units", "all") else self.members
        return barren.ModularMultiplication(self.p, target(self.target, self.p), given)

    @property
    def law_of_x(self) -> inputs.Law:
        """The law of x."""
        return law(self.law, self.p)[0]

    @cached_property
    def numbers(self) -> np.ndarray:
        """J."""
        return jacobian(self.jacobian, law(self.law, self.p)[1]).astype(self.dtype)

    @cached_property
    def values(self) -> Numbers:
        """ψ(a·x) for every member and point."""
        points = law(self.law, self.p)[1]
        table = exact.of_fractions((psi(self.target, t, self.p) for t in range(self.p)), (self.p,))
        return table[np.outer(self.members, points) % self.p]

    @cached_property
    def weights(self) -> Numbers:
        """The weights of the points."""
        mass = law(self.law, self.p)[2]
        return exact.of_fractions(mass, (len(mass),))

    @cached_property
    def pairing(self) -> exact.Pairing:
        """From J."""
        return exact.pairing(self.values, self.weights, exact.of_floats(self.numbers))

    @cached_property
    def theta(self) -> np.ndarray:
        """A symmetric Θ, rounded: the data of the cases that give it."""
        product = self.numbers.astype(np.float64) @ self.numbers.astype(np.float64).T
        return (np.triu(product) + np.triu(product, 1).T).astype(self.dtype)

    @cached_property
    def form(self) -> exact.Pairing:
        """From Θ as it was rounded."""
        return exact.form(self.values, self.weights, exact.of_floats(self.theta))


@lru_cache(maxsize=64)
def modular(*arguments: str | int) -> Modular:
    """A problem, kept: engines share its exact side."""
    return Modular(*arguments)  # type: ignore[arg-type]
