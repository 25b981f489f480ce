"""Frequencies: variances by every method, class kernels in closed form, and grids."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

import barren
from barren import targets
from ledger import circle, exact
from ledger.cases import Case, measured
from ledger.real_line import Real, dirichlet_kernel, law, real, sphere_kernel

NEAR_ZERO = (
    "All a·x are near 0, where ψ hardly varies: 1e-10 for a cosine. Responses and d(a) are sums of values of ψ, and "
    "such doubles differ in their last digits alone. The class kernel is made of differences there, so Var alone by "
    '`method="kernel"` keeps what is asked'
)
NODES = (
    "J is a constant and little more, and the points are a quadrature rule for the uniform law: Σ_j c_j·ψ(a·x_j) would "
    "be 0, so that the constant meets the rounding of values of ψ, 1e-16, alone"
)
HARD = ("Z + 1", "1 + 1e-6·Z", "1e-140·Z", "1e150·Z", "columns 1e-100, 1, 1e100 of Z", "Z, 1e12 at x = 0")


def cases() -> Iterator[Case]:
    """All of them."""
    for name in circle.SUMS:
        for kind, A in (("integers", 12), ("set", 9), ("interval", 5)):
            for points in ("scattered", "mixed", "small"):
                yield from _of_problem(real(kind, A, name, points), quick=points == "scattered" and kind != "interval")
    for name in ("sawtooth", "cosine 1", "cosine 1 + cosine 3/2"):
        yield from _of_problem(real("integers", 300, name, "scattered"))
        yield from _of_problem(real("integers", 12, name, "large"))
        for j in HARD:
            for kind, A in (("integers", 12), ("interval", 5)):
                yield from _of_problem(real(kind, A, name, "mixed", j))
        for j in HARD:
            yield from _of_problem(real("integers", 12, name, "nodes 40", j))
        for points in ("grid 13", "grid 12", "grid 61"):
            for j in HARD:
                yield from _of_problem(real("integers", 12, name, points, j), quick=points == "grid 13")
            yield from _of_problem(real("set", 9, name, points))
    for j in ("Z + 1", "1e-25·Z", "1e25·Z", "1e-37·Z"):
        yield from _of_problem(real("integers", 12, "cosine 1", "scattered", j, "float32"))
    yield from _kernels()


def _of_problem(problem: Real, quick: bool = False) -> Iterator[Case]:
    modular = problem.cls.modular(problem.law_of_x)
    if modular is not None:
        methods = [("direct", True), ("kernel", True), ("kernel", False)]
        methods += [("character", True), ("character", False)] if modular.is_prime else []
    else:
        methods = [("kernel", False)]
        if problem.kind != "interval":
            methods += [("direct", True), ("kernel", True)]
        if problem.kind == "integers" and problem.cls.circle.is_trigonometric:
            methods += [("nufft", True)]
    for method, deviations in methods:
        where = "on a grid" if modular is not None else "frequencies"
        engine = f"{where}, {method}"
        if method == "kernel" and modular is None:
            engine += f" ({_kernel_of(problem)})"
        measure = functools.partial(measured, problem, method, deviations)
        reason, limit = _reason(problem, method, deviations)
        yield Case(engine, problem.dtype, problem.name, measure, quick, reason, limit)


def _reason(problem: Real, method: str, deviations: bool) -> tuple[str, float]:
    """Why the asked digits cannot be kept here, and what the error stays below; "" and 0 where they must."""
    if problem.law == "small" and deviations:
        return NEAR_ZERO, 1e-2
    if problem.law.startswith("nodes") and problem.jacobian == "1 + 1e-6·Z":
        return NODES, {"kernel": 1e-1, "nufft": 1e-4}.get(method, 1e-7)
    return "", 0.0


def _kernel_of(problem: Real) -> str:
    trigonometric = problem.cls.circle.is_trigonometric
    if problem.kind == "interval":
        return "sinc" if trigonometric else "lines"
    return "Dirichlet" if problem.kind == "integers" and trigonometric else "members"


def _kernels() -> Iterator[Case]:
    """K(x, y) itself."""
    for name in circle.SUMS:
        for kind, A in (("integers", 12), ("set", 9), ("interval", 5)):
            for points in ("scattered", "mixed", "small"):
                problem = real(kind, A, name, points)
                measure = functools.partial(_kernel_error, problem)
                yield Case(f"class kernel ({_kernel_of(problem)})", "float64", problem.name, measure)
    for A in (1000, 10**6 + 3):
        for points in ("scattered", "mixed"):
            measure = functools.partial(_large_dirichlet, A, points)
            yield Case("class kernel (Dirichlet)", "float64", f"a: 1..{A}, cosine 1, x: {points}", measure)
    for d in (2, 3, 10, 50, 400):
        for scale in (1e-5, 0.3, 3.0):
            measure = functools.partial(_sphere, d, scale)
            yield Case("class kernel (Bessel)", "float64", f"sphere of radius 2 in R^{d}, ‖x‖ about {scale:g}", measure)


def _kernel_error(problem: Real) -> dict[str, float]:
    points = problem.law_of_x.points()
    return {"K": exact.error_of_all(problem.cls.kernel(points, points), problem.kernel)}


def _large_dirichlet(A: int, name: str) -> dict[str, float]:
    points = law(name)[0].points()
    got = barren.Frequencies(A, targets.Cosine()).kernel(points, points)
    return {"K": exact.error_of_all(got, dirichlet_kernel(A, [Fraction(float(x)) for x in points]))}


def _sphere(d: int, scale: float) -> dict[str, float]:
    points = np.random.default_rng(d).standard_normal((6, d)) * scale / np.sqrt(d)
    got = barren.Frequencies(2.0, targets.Cosine(), dimension=d).kernel(points, points)
    return {"K": exact.error_of_all(got, sphere_kernel(2.0, points))}
