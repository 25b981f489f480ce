"""The methods for parities on {0,1}^n (docs/theory, section 6); each file is a method, as in the folder above."""

from __future__ import annotations

from barren.variance import obstacles
from barren.variance.parity import direct, kernel, probes, walsh
from barren.variance.parity.sides import parity_of
from barren.variance.parity.sides import takes as takes
from barren.variance.problem import Problem

METHODS = {"direct": direct, "walsh": walsh, "kernel": kernel, "probes": probes}


def obstacle(problem: Problem, method: str) -> str | None:
    """Why a method cannot compute this problem, or None."""
    others = {"nufft": "frequencies on the real line", "sample": "frequencies on an interval or a sphere"}
    other = others.get(method, "residues modulo p")
    unlisted = f"it lists the {parity_of(problem).size} members, which do not fit in memory"
    return obstacles.obstacle(problem, method, METHODS, other, None if problem.is_listed else unlisted)
