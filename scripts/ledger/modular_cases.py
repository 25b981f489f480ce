"""Variances and deviations of modular classes from numbers, by every exact method."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import barren
from barren.variance import direct
from ledger import exact
from ledger.cases import Case
from ledger.modular import Modular, modular

TARGETS = (
    "sawtooth",
    "cosine 2",
    "bit 0",
    "bit 1",
    "threshold 0.3",
    "quantile bit 2",
    "sawtooth − 2·bit 0",
    "1 − 2·bit 0",
    "square",
    "triangle",
    "table",
    "table, 1 + 1e-6·Z",
    "table, 1e-60·Z",
)
LAWS = ("uniform", "uniform without 0", "3 random bits", "sample", "sample, weights 1e-12 to 1")
# What J has beyond its part that varies; under laws and classes that see it and such that do not.
HARD = (
    "1 + 1e-6·Z",
    "1, −3, 1000 times 1 + 1e-6·Z",
    "constant",
    "±1e6 + Z",
    "Z, 1e12 at x = 0",
    "1 + 1e-6·Z, 1e12 at x = 0",
    "Z, one row 1e8",
    "1e-140·Z",
    "1e150·Z",
    "columns 1e-100, 1, 1e100 of Z",
)
SYMMETRY = (
    "J is large where ψ cannot see it by a symmetry: odd under x -> −x where ψ is even (modulo p), or a character of "
    "no member (parities). The large part cancels in every sum over x and leaves its rounding, 1e-16 of |J| for "
    "methods that sum responses and 1e-16 of |J|² for those that multiply J with itself"
)
AGREE = (
    "One row of J is 1e8, at a point x ≠ 0 where the few members of the set give other residues of one ψ: what cancels "
    "leaves its rounding, as above"
)
SINGLE = ("Z + 1", "1 + 2^-12·integers", "1e-25·Z", "1e25·Z", "1e-37·Z")


def problems() -> Iterator[tuple[Modular, bool]]:
    """Every problem once, and whether it is a quick one."""
    seen = set()
    for arguments in _listed():
        if arguments not in seen:
            seen.add(arguments)
            problem = modular(*arguments)
            yield problem, problem.p <= 16 or (problem.p == 45 and problem.jacobian != "Z + 1")


def _listed() -> Iterator[tuple[int | str, ...]]:
    for p in (3, 5, 13, 61, 101):
        for name in TARGETS if p == 61 else ("sawtooth", "bit 0", "cosine 2"):
            if not (p == 3 and name == "cosine 2"):
                yield p, name, "units"
    for p in (13, 61):
        for multipliers in ("units", "all", "some units", "some"):
            for law in LAWS:
                for name in ("sawtooth", "bit 0"):
                    yield p, name, multipliers, law
    for p in (4, 15, 16, 45, 64, 105):
        for multipliers in ("units", "all", "some"):
            for name in ("sawtooth", "bit 0", "triangle"):
                yield p, name, multipliers
    for p, multipliers in ((13, "units"), (13, "all"), (61, "units"), (61, "all"), (61, "some units"), (61, "some")):
        for j in HARD:
            for name in ("sawtooth", "bit 0", "triangle"):
                yield p, name, multipliers, "uniform", j
    for p in (15, 45):
        for multipliers in ("units", "all", "some units"):
            for j in HARD:
                for name in ("sawtooth", "bit 0"):
                    yield p, name, multipliers, "uniform", j
    for law in LAWS[1:]:
        for j in HARD:
            yield 61, "sawtooth", "units", law, j
    for multipliers in ("units", "all", "some units"):
        for j in SINGLE:
            yield 61, "sawtooth", multipliers, "uniform", j, "float32"
            yield 15, "bit 0", multipliers, "uniform", j, "float32"


def cases() -> Iterator[Case]:
    """All of them."""
    for problem, quick in problems():
        prime = problem.cls.is_prime
        route = "logarithms" if direct.takes_correlations(problem.cls, len(problem.numbers)) else "residues"
        engines = [(f"direct, by {route}", "direct", True), ("kernel, Var alone", "kernel", False)]
        engines += [("kernel, with d(a)", "kernel", True)]
        if prime:
            engines += [("character, Var alone", "character", False), ("character, with d(a)", "character", True)]
        for engine, method, deviations in engines:
            measure = functools.partial(_from_jacobian, problem, method, deviations)
            reason, limit = _reason(problem, method)
            yield Case(engine, problem.dtype, problem.name, measure, quick, reason, limit)
        if problem.jacobian in ("Z + 1", "1 + 1e-6·Z", "±1e6 + Z", "constant", "1e-140·Z", "1e150·Z"):
            for deviations in (False, True):
                engine = f"kernel of a given Θ, {'with d(a)' if deviations else 'Var alone'}"
                measure = functools.partial(_from_theta, problem, deviations)
                reason, limit = _reason(problem, "kernel")
                yield Case(engine, problem.dtype, problem.name, measure, quick, reason, limit)


def _reason(problem: Modular, method: str) -> tuple[str, float]:
    """Why the asked digits cannot be kept here, and what the error stays below; "" and 0 where they must."""
    limit = 1e-1 if method == "kernel" else 1e-7
    if problem.jacobian == "±1e6 + Z" and problem.target == "triangle":
        return SYMMETRY, limit
    few = (15, "some units", "bit 0")
    if problem.jacobian == "Z, one row 1e8" and (problem.p, problem.multipliers, problem.target) == few:
        return AGREE, limit
    return "", 0.0


def _from_jacobian(problem: Modular, method: str, deviations: bool) -> dict[str, float]:
    v = barren.gradient_variance(
        problem.cls, jacobian=problem.numbers, inputs=problem.law_of_x, method=method, deviations=deviations
    )
    return _errors(v, problem.pairing, deviations)


def _from_theta(problem: Modular, deviations: bool) -> dict[str, float]:
    v = barren.gradient_variance(
        problem.cls, ntk=problem.theta, inputs=problem.law_of_x, method="kernel", deviations=deviations
    )
    return _errors(v, problem.form, deviations)


def _errors(v: barren.GradientVariance, expected: exact.Pairing, deviations: bool) -> dict[str, float]:
    found = {"Var": exact.error(float(v), expected.variance, expected.scale)}
    if deviations:
        found["d(a)"] = exact.error_of_all(v.deviations, expected.deviations, expected.scale)
    return found
