"""Bounds: λ by every route, and ρ_A."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

import barren
from barren import inputs, targets
from barren.bounds import gcd_spectral_radius, one_hot_bound
from ledger import circle, eigen, exact, parity_cases
from ledger.cases import Case
from ledger.exact import Numbers
from ledger.modular import law, modular
from ledger.other_cases import inner_products

TARGETS = ("sawtooth", "bit 0", "cosine 2", "triangle", "table", "table, 1 + 1e-6·Z", "table, 1e-60·Z")


def cases() -> Iterator[Case]:
    """All of them."""
    for p in (3, 13, 61):
        for multipliers in ("units", "all"):
            for points in ("uniform", "uniform without 0"):
                for name in TARGETS:
                    if not (p == 3 and name == "cosine 2"):
                        measure = functools.partial(_sharp, p, name, multipliers, points)
                        case = f"p = {p}, {name}, a: {multipliers}, x: {points}"
                        yield Case("λ, characters", "float64", case, measure, p == 13 and points == "uniform")
    for p in (13, 61, 45):
        for multipliers in ("units", "all", "some"):
            for points in ("uniform", "3 random bits", "sample", "sample, weights 1e-12 to 1"):
                for name in ("sawtooth", "bit 0", "table, 1 + 1e-6·Z"):
                    if p == 45 or multipliers == "some" or points != "uniform":
                        measure = functools.partial(_sharp, p, name, multipliers, points)
                        case = f"p = {p}, {name}, a: {multipliers}, x: {points}"
                        yield Case("λ, dense", "float64", case, measure, p == 13)
    for p, name in ((1201, "sawtooth"), (1201, "bit 0")):
        measure = functools.partial(_sharp, p, name, "units", "sample")
        yield Case("λ, Lanczos by transforms", "float64", f"p = {p}, {name}, x: 600 points", measure)
    for name in ("sawtooth", "bit 0"):
        measure = functools.partial(_sharp, 515, name, "units", "uniform")
        yield Case("λ, Lanczos by values", "float64", f"p = 515, {name}, a: units", measure)
    yield Case("λ, Lanczos by K", "float64", "a: [0, 5], cosine 1, x: 513 points", _interval)
    for A in (2, 9, 16):
        for name in circle.SUMS:
            if name != "1e8·sawtooth − 1e8·square":
                measure = functools.partial(_unit_interval, name, A)
                yield Case("λ on [0, 1], Lanczos", "float64", f"a: 1..{A}, {name}", measure, A == 2)
    for A in (1, 2, 3, 10, 30, 60, 400):
        yield Case("ρ_A, Lanczos", "float64", f"A = {A}", functools.partial(_radius, A), A <= 10)
    for n, weight in ((4, 0), (4, 2), (6, 3)):
        for points in ("uniform", "sample"):
            problem = parity_cases.parity(n, weight, True, points, "Z + 1")
            yield Case("λ, parities", "float64", problem.name, functools.partial(_parity, problem), n == 4)
    for p, multipliers, name in ((13, "units", "residue"), (13, "all", "residue"), (15, "units", "residue")):
        yield Case("λ, one-hot labels", "float64", f"p = {p}, {name}, a: {multipliers}", _hot(p, name, multipliers))
    yield Case("λ, one-hot labels", "float64", "p = 31, bit 1, a: units", _hot(31, "bit 1", "units"))


def _sharp(p: int, name: str, multipliers: str, points: str) -> dict[str, float]:
    problem = modular(p, name, multipliers, points)
    expected = eigen.of_class(problem.values, problem.weights)
    return {"λ": exact.error(barren.sharp_bound(problem.cls, law(points, p)[0]), expected, _square(problem.values))}


def _square(values: Numbers) -> Fraction:
    """The largest ψ², by which an error is measured where λ is 0."""
    return Fraction(int(abs(values.top).max()), values.bottom) ** 2


def _interval() -> dict[str, float]:
    points = np.random.default_rng(0).uniform(-2.0, 2.0, 513)
    fractions = [Fraction(float(x)) for x in points]
    twice = {x: circle.mean("cosine 1", x, Fraction(5)) for x in fractions}
    n = len(points)
    entries = np.empty((n, n), dtype=object)
    for i, x in enumerate(fractions):
        for j in range(i, n):
            product = circle.mean_of_product("cosine 1", x, "cosine 1", fractions[j], Fraction(5))
            entries[i, j] = entries[j, i] = product - twice[x] * twice[fractions[j]]
    kernel = exact.of_fractions(entries.ravel().tolist(), (n, n))
    weights = exact.of_fractions([Fraction(1, n)] * n, (n,))
    cls = barren.Frequencies(5.0, targets.Cosine(), integer=False)
    got = barren.sharp_bound(cls, inputs.RealSample(points))
    return {"λ": exact.error(got, eigen.of_kernel(kernel, weights))}


def _unit_interval(name: str, A: int) -> dict[str, float]:
    gram = inner_products(name, A)
    rows, total = gram.top.sum(axis=0), int(gram.top.sum())
    centred = A * A * gram.top - A * (rows[:, None] + rows) + total
    expected = eigen.of_matrix(Numbers(centred, A**3 * gram.bottom))
    return {"λ": exact.error(barren.sharp_bound(barren.Frequencies(A, circle.target(name))), expected)}


def _radius(A: int) -> dict[str, float]:
    return {"ρ": exact.error(gcd_spectral_radius(A), eigen.gcd_radius(A))}


def _parity(problem: parity_cases.Parity) -> dict[str, float]:
    n = len(problem.points)
    weights = exact.of_fractions([Fraction(1, n)] * n, (n,))
    expected = eigen.of_class(problem.values, weights)
    return {"λ": exact.error(barren.sharp_bound(problem.cls, problem.law_of_x), expected, Fraction(1))}


def _hot(p: int, name: str, multipliers: str) -> functools.partial[dict[str, float]]:
    return functools.partial(_one_hot, p, name, multipliers)


def _one_hot(p: int, name: str, multipliers: str) -> dict[str, float]:
    """Of [⟨h̃_a, h̃_b⟩/|A|], ⟨h_a, h_b⟩ the probability of equal labels."""
    problem = modular(p, name, multipliers)
    top = problem.values.top
    A = len(top)
    equal = np.array([[int((left == right).sum()) for right in top] for left in top], dtype=object)
    rows, total = equal.sum(axis=0), int(equal.sum())
    centred = A * A * equal - A * (rows[:, None] + rows) + total
    expected = eigen.of_matrix(Numbers(centred, A**3 * p))
    return {"λ": exact.error(one_hot_bound(problem.cls), expected)}
