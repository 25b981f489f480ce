"""The methods on the real line: those of a class of `Frequencies` (docs/theory, section 5).

On a grid with integer frequencies the class is a modular one and has the methods of that; here is everything else. Each
file is a method, as in the folder above.
"""

from __future__ import annotations

from barren.classes import Frequencies, scattered
from barren.variance import probes as estimates
from barren.variance.frequency import direct, kernel, nufft, probes
from barren.variance.frequency.columns import frequencies_of
from barren.variance.problem import Problem

METHODS = {"direct": direct, "nufft": nufft, "kernel": kernel, "probes": probes}


def takes(problem: Problem) -> bool:
    """Whether the problem is one on the real line."""
    cls: object = problem.cls
    return isinstance(cls, Frequencies)


def obstacle(problem: Problem, method: str) -> str | None:
    """Why a method cannot compute this problem, or None."""
    cls = frequencies_of(problem)
    if method not in METHODS:
        return "it is for parities" if method == "walsh" else "it is for residues modulo p"
    if method == "kernel":
        wanted = "it forms no Jacobian columns, and the variance of every parameter is wanted"
        return wanted if problem.per_parameter else None
    if not cls.has_members:
        return "the class has no list of members, only its kernel"
    if not problem.tangent.has_columns:
        return "only Θ was given, and it needs Jacobian columns"
    if method == "probes":
        return estimates.obstacle(problem)
    return scattered.obstacle(cls) if method == "nufft" else None
