"""What keeps a method from a problem beside residues, whatever the class."""

from __future__ import annotations

from collections.abc import Container

from barren.variance.problem import Problem


def obstacle(problem: Problem, method: str, methods: Container[str], other: str, unlisted: str | None) -> str | None:
    """Why a method cannot compute this problem, or None.

    Args:
        problem: the problem.
        method: the method.
        methods: those of the class.
        other: what the methods that are not among them are for.
        unlisted: why the members cannot be listed, or None where they can.
    """
    if method not in methods:
        return f"it is for {other}"
    if method == "kernel":
        wanted = "it forms no Jacobian columns, and the variance of every parameter is wanted"
        return wanted if problem.per_parameter else None
    if unlisted is not None:
        return unlisted
    return None if problem.tangent.has_columns else "only Θ was given, and it needs Jacobian columns"
