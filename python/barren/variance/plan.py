"""Which method computes a gradient variance, and why (docs/theory, section 3)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from barren.variance import character, direct, kernel, table
from barren.variance.problem import Problem

METHODS = {"direct": direct, "character": character, "kernel": kernel, "table": table}


@dataclass(frozen=True)
class Candidate:
    """One method, as the plan sees it.

    Attributes:
        method: "direct", "character", "kernel" or "table".
        obstacle: why it cannot compute this problem, or None.
        memory: bytes without which it cannot run; 0 when there is an obstacle.
        cost: its work, in what a matrix product would do in multiply-adds in the same time; 0 when there is an
            obstacle.
    """

    method: str
    obstacle: str | None
    memory: int
    cost: float


@dataclass(frozen=True)
class Plan:
    """The method chosen, what it was chosen from, and the reason."""

    method: str
    reason: str
    candidates: tuple[Candidate, ...]
    memory_limit: int
    note: str

    def __str__(self) -> str:
        lines = [f"method {self.method}: {self.reason}", f"model: {self.note}"]
        lines.append(f"memory limit {readable_bytes(self.memory_limit)}; candidates:")
        for candidate in self.candidates:
            verdict = (
                candidate.obstacle or f"needs at least {readable_bytes(candidate.memory)}, work {candidate.cost:.1e}"
            )
            lines.append(f"  {candidate.method:<10} {verdict}")
        return "\n".join(lines)


def default_memory_limit() -> int:
    """Half of the memory that is available now, in bytes."""
    try:
        available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not every system tells
        return 4 * 2**30
    return max(2**28, available // 2)


def make_plan(problem: Problem, method: str) -> Plan:
    """Takes the method asked for, or chooses one, and checks that it fits.

    "auto" takes the method of least work, as each one counts its own, among those that fit in the memory limit.

    Raises:
        ValueError: the method asked for cannot compute this problem, or nothing fits in the memory limit.
    """
    candidates = tuple(_candidate(problem, name) for name in METHODS)
    if method == "auto":
        chosen, reason = _choose(problem, candidates)
    else:
        chosen, reason = next(c for c in candidates if c.method == method), "asked for"
    if chosen.obstacle:
        raise ValueError(f"method {chosen.method!r} cannot be used here: {chosen.obstacle}")
    if chosen.memory > problem.memory_limit:
        raise ValueError(_too_small(problem, candidates))
    return Plan(chosen.method, reason, candidates, problem.memory_limit, problem.tangent.note)


def _candidate(problem: Problem, method: str) -> Candidate:
    obstacle = _obstacle(problem, method)
    if obstacle:
        return Candidate(method, obstacle, 0, 0.0)
    return Candidate(method, None, METHODS[method].smallest_memory(problem), METHODS[method].cost(problem))


def _obstacle(problem: Problem, method: str) -> str | None:
    if (reason := table.obstacle(problem, method)) is not None:
        return reason
    if method in ("direct", "character") and not problem.tangent.has_columns:
        return "only Θ was given, and it needs Jacobian columns"
    if method == "character" and not problem.cls.is_prime:
        return f"it needs an odd prime modulus, and p = {problem.cls.p} is composite"
    return None


def _choose(problem: Problem, candidates: tuple[Candidate, ...]) -> tuple[Candidate, str]:
    possible = [c for c in candidates if not c.obstacle]
    fitting = {c.method: c for c in possible if c.memory <= problem.memory_limit}
    if not fitting:
        raise ValueError(_too_small(problem, candidates))
    cheapest = min(fitting.values(), key=lambda candidate: candidate.cost)
    if len(possible) == 1:
        return cheapest, "the only method for this problem"
    return cheapest, "the least work of the methods that fit in memory"


def _too_small(problem: Problem, candidates: tuple[Candidate, ...]) -> str:
    needs = ", ".join(f"{c.method} needs {readable_bytes(c.memory)}" for c in candidates if not c.obstacle)
    return f"memory_limit must leave room for a method; got {readable_bytes(problem.memory_limit)}, and here {needs}"


def readable_bytes(count: int) -> str:
    """A number of bytes as people write it."""
    for unit, size in [("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)]:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
