"""The methods for parities on {0,1}^n (docs/theory, section 6); each file is a method, as in the folder above."""

from __future__ import annotations

from barren.variance import probes as estimates
from barren.variance.parity import direct, kernel, probes, walsh
from barren.variance.parity.sides import parity_of
from barren.variance.parity.sides import takes as takes
from barren.variance.problem import Problem

METHODS = {"direct": direct, "walsh": walsh, "kernel": kernel, "probes": probes}


def obstacle(problem: Problem, method: str) -> str | None:
    """Why a method cannot compute this problem, or None."""
    cls = parity_of(problem)
    if method not in METHODS:
        return "it is for frequencies on the real line" if method == "nufft" else "it is for residues modulo p"
    if method == "kernel":
        wanted = "it forms no Jacobian columns, and the variance of every parameter is wanted"
        return wanted if problem.per_parameter else None
    if not problem.tangent.has_columns:
        return "only Θ was given, and it needs Jacobian columns"
    if not problem.is_listed:
        return f"it lists the {cls.size} members, which do not fit in memory"
    return estimates.obstacle(problem) if method == "probes" else None
