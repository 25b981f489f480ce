"""The methods on the real line: those of a class of `Frequencies` (docs/theory, section 5).

On a grid with integer frequencies the class is a modular one and has the methods of that; here is everything else. Each
file is a method, as in the folder above.
"""

from __future__ import annotations

from barren.classes import Frequencies, closed_forms, scattered
from barren.variance import obstacles
from barren.variance.frequency import direct, kernel, nufft, probes, sample
from barren.variance.frequency.columns import frequencies_of
from barren.variance.problem import Problem

METHODS = {"direct": direct, "nufft": nufft, "kernel": kernel, "probes": probes, "sample": sample}


def takes(problem: Problem) -> bool:
    """Whether the problem is one on the real line."""
    cls: object = problem.cls
    return isinstance(cls, Frequencies)


def obstacle(problem: Problem, method: str) -> str | None:
    """Why a method cannot compute this problem, or None."""
    cls = frequencies_of(problem)
    if method == "sample":
        return sample.obstacle(problem)
    other = "parities" if method == "walsh" else "residues modulo p"
    unlisted = None if cls.has_members else "the class has no list of members, only its kernel"
    found = obstacles.obstacle(problem, method, METHODS, other, unlisted)
    if found is None and method == "kernel" and not cls.has_members:
        return _too_long(cls, problem)
    return scattered.obstacle(cls) if found is None and method == "nufft" else found


def _too_long(cls: Frequencies, problem: Problem) -> str | None:
    """Why the kernel of a class without members would take hours, or None."""
    try:
        closed_forms.refuse_long(cls, problem.points, problem.points)
    except ValueError as error:
        return f"its kernel takes too long: {error}"
    return None
