"""Problems on the real line: classes of frequencies and laws of x by name, each with its exact twin."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property, lru_cache

import mpmath
import numpy as np

import barren
from barren import inputs
from ledger import circle, exact
from ledger.exact import Numbers
from ledger.modular import jacobian


def law(name: str) -> tuple[inputs.RealLaw, list[Fraction], list[Fraction]]:
    """A law of x, its points and weights: the doubles that they are, and on a grid the fractions themselves."""
    kind, _, size = name.partition(" ")
    if kind == "grid":
        M = int(size)
        return inputs.Grid(M), [Fraction(j, M) for j in range(M)], [Fraction(1, M)] * M
    rng = np.random.default_rng(len(name))
    made: inputs.RealLaw
    if kind == "nodes":
        made = inputs.Density("uniform", nodes=int(size))
    else:
        points = {
            "scattered": lambda: rng.uniform(-2.0, 2.0, 9),
            "small": lambda: 1e-6 * rng.uniform(-1.0, 1.0, 9),
            "mixed": lambda: np.append(0.0, 10.0 ** rng.uniform(-9.0, 1.0, 8)),
            "large": lambda: 1e12 * rng.uniform(0.1, 1.0, 9),
        }[kind]()
        mass = rng.random(len(points)) + 0.01
        made = inputs.RealSample(points, mass / mass.sum())
    return made, [Fraction(float(x)) for x in made.points()], [Fraction(float(c)) for c in made.weights()]


@dataclass(frozen=True)
class Real:
    """One problem on the real line: frequencies "integers" 1..A, on the "interval" [0, A], or a "set" of A of them."""

    kind: str
    A: int
    target: str
    law: str
    jacobian: str = "Z + 1"
    dtype: str = "float64"

    @property
    def name(self) -> str:
        """The case in words."""
        a = {"integers": f"1..{self.A}", "interval": f"[0, {self.A}]", "set": f"{self.A} numbers"}[self.kind]
        return f"a: {a}, {self.target}, x: {self.law}, J: {self.jacobian}"

    @cached_property
    def frequencies(self) -> list[Fraction]:
        """All members."""
        if self.kind == "integers":
            return [Fraction(a) for a in range(1, self.A + 1)]
        return [Fraction(float(a)) for a in np.random.default_rng(self.A).uniform(-20.0, 20.0, self.A)]

    @cached_property
    def cls(self) -> barren.Frequencies:
        """The class."""
        target = circle.target(self.target)
        if self.kind == "set":
            return barren.Frequencies(target=target, frequencies=[float(a) for a in self.frequencies])
        return barren.Frequencies(self.A, target, integer=self.kind == "integers")

    @cached_property
    def law_of_x(self) -> inputs.RealLaw:
        """The law."""
        return law(self.law)[0]

    @cached_property
    def points(self) -> list[Fraction]:
        """The points."""
        return law(self.law)[1]

    @cached_property
    def weights(self) -> Numbers:
        """Their weights."""
        mass = law(self.law)[2]
        return exact.of_fractions(mass, (len(mass),))

    @cached_property
    def numbers(self) -> np.ndarray:
        """J."""
        zeros = [int(x != 0) for x in self.points]
        return jacobian(self.jacobian, zeros).astype(self.dtype)

    @cached_property
    def values(self) -> Numbers:
        """ψ(a·x)."""
        rows = [[circle.value(self.target, a * x % 1) for x in self.points] for a in self.frequencies]
        return exact.of_fractions((v for row in rows for v in row), (len(rows), len(self.points)))

    @property
    def kernel(self) -> Numbers:
        """K(x, y) at all pairs of points."""
        return _kernel(self.kind, self.A, self.target, self.law)

    @cached_property
    def pairing(self) -> exact.Pairing:
        """Var, and d(a) where there are members."""
        if self.kind != "interval":
            return exact.pairing(self.values, self.weights, exact.of_floats(self.numbers))
        return kernel_pairing(self.kernel, self.weights, exact.of_floats(self.numbers))


@cache
def _kernel(kind: str, A: int, target: str, name: str) -> Numbers:
    problem = Real(kind, A, target, name)
    if kind != "interval":
        return exact.covariance(problem.values, problem.values)
    points, end = problem.points, Fraction(A)
    n, means, entries = len(points), [circle.mean(target, x, end) for x in points], {}
    for i in range(n):
        for j in range(i, n):
            product = circle.mean_of_product(target, points[i], target, points[j], end)
            entries[i, j] = entries[j, i] = product - means[i] * means[j]
    return exact.of_fractions((entries[i, j] for i in range(n) for j in range(n)), (n, n))


def kernel_pairing(kernel: Numbers, weights: Numbers, jacobian: Numbers) -> exact.Pairing:
    """Var = Σ_{x,y} c_x c_y K(x, y)·⟨J(x), J(y)⟩."""
    rows = weights.top[:, None] * jacobian.top
    bottom = kernel.bottom * (weights.bottom * jacobian.bottom) ** 2
    variance = Fraction(int((kernel.top.dot(rows) * rows).sum()), bottom)
    norm = Fraction(int((rows * jacobian.top).sum()), weights.bottom * jacobian.bottom**2)
    return exact.Pairing(variance, Numbers(np.array([], dtype=object), 1), norm)


def sphere_kernel(radius: float, points: np.ndarray) -> Numbers:
    """K(x, y) of cos(2π⟨a, x⟩), a uniform on the sphere: ½(D(x − y) + D(x + y)) − D(x)·D(y), D(t) a series in ‖t‖²."""
    d, n = points.shape[1], len(points)
    rows = [[Fraction(float(t)) for t in row] for row in points]

    def mean(t: list[Fraction]) -> mpmath.mpf:
        square = sum((entry**2 for entry in t), Fraction(0)) * Fraction(radius) ** 2
        r2 = (2 * mpmath.pi) ** 2 * mpmath.mpf(square.numerator) / square.denominator
        return mpmath.hyp0f1(mpmath.mpf(d) / 2, -r2 / 4)

    alone, entries = [mean(row) for row in rows], []
    for i in range(n):
        for j in range(n):
            less, more = ([s + sign * t for s, t in zip(rows[i], rows[j], strict=True)] for sign in (-1, 1))
            entries.append(exact.of_real((mean(less) + mean(more)) / 2 - alone[i] * alone[j]))
    return exact.of_fractions(entries, (n, n))


def dirichlet_kernel(A: int, points: list[Fraction]) -> Numbers:
    """K(x, y) of cos(2πax), a = 1..A, for an A too large for a sum: Dirichlet kernels to 120 digits."""

    def mean(t: Fraction) -> mpmath.mpf:
        t %= 1
        if t == 0:
            return mpmath.mpf(1)
        x = mpmath.pi * mpmath.mpf(t.numerator) / t.denominator
        return mpmath.sin(A * x) * mpmath.cos((A + 1) * x) / (A * mpmath.sin(x))

    alone = [mean(x) for x in points]
    entries = [
        exact.of_real((mean(x - y) + mean(x + y)) / 2 - alone[i] * alone[j])
        for i, x in enumerate(points)
        for j, y in enumerate(points)
    ]
    return exact.of_fractions(entries, (len(points), len(points)))


@lru_cache(maxsize=64)
def real(*arguments: str | int) -> Real:
    """A problem, kept."""
    return Real(*arguments)  # type: ignore[arg-type]
