"""Which method computes a gradient variance, what it will cost, and why it was chosen (docs/theory, section 3)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from barren import _memory
from barren.variance import character, direct, frequency, kernel, parity, probes, table
from barren.variance.problem import Problem
from barren.variance.speeds import Speeds

EXACT = ("direct", "character", "kernel", "table", "nufft", "walsh")
METHODS = {"direct": direct, "character": character, "kernel": kernel, "table": table, "probes": probes}
# Methods of one kind of class alone, and what that is.
_OF_OTHERS = {
    "nufft": "frequencies on the real line",
    "walsh": "parities",
    "sample": "frequencies on an interval or a sphere",
}
NAMES = (*METHODS, *_OF_OTHERS)
# Seconds of work by count above which the model is timed before a method is chosen: a second at most, and less here.
_WORTH_TIMING = 4.0
# A method that is so many times as slow by count as the fastest is not timed.
_FAR = 4.0


@dataclass(frozen=True)
class Candidate:
    """One method, as the plan sees it.

    Attributes:
        method: "direct", "character", "kernel", "table", "nufft", "walsh", "probes" or "sample".
        obstacle: why it cannot compute this problem, or None; the numbers are then 0.
        smallest_memory: bytes without which it cannot run.
        memory: bytes that it is predicted to take, beside the model and what was given.
        seconds: its predicted time.
    """

    method: str
    obstacle: str | None
    smallest_memory: int = 0
    memory: int = 0
    seconds: float = 0.0

    @property
    def is_exact(self) -> bool:
        """Whether its error is that of float arithmetic only."""
        return self.method in EXACT


@dataclass(frozen=True)
class Plan:
    """The method chosen, what it was chosen from, and the reason; `print` shows it as a table.

    Attributes:
        method: the method.
        reason: why this one.
        candidates: every method with its predicted seconds and bytes, or why it cannot be used here.
        memory_limit: bytes.
        rtol: the relative standard error asked for, or None.
        note: the model's route.
        is_remote: whether the model is on another device, which prices tell less of.

    Source: docs/performance, on what a method costs.
    """

    method: str
    reason: str
    candidates: tuple[Candidate, ...]
    memory_limit: int
    rtol: float | None
    note: str
    is_remote: bool = False

    @property
    def chosen(self) -> Candidate:
        """The candidate of the method chosen."""
        return next(candidate for candidate in self.candidates if candidate.method == self.method)

    @property
    def seconds(self) -> float:
        """Predicted seconds of the method chosen, by the rates of this machine."""
        return self.chosen.seconds

    @property
    def memory(self) -> int:
        """Bytes that the method chosen is predicted to take."""
        return self.chosen.memory

    def __str__(self) -> str:
        lines = [f"method {self.method}: {self.reason}", f"model: {self.note}"]
        if self.is_remote:
            lines.append(
                "prices: the model is on another device and was timed there, on a few samples, which says little of "
                "large batches; all else is priced at the rates of this machine's processor"
            )
        lines.append(f"memory limit {readable_bytes(self.memory_limit)}; candidates:")
        for candidate in self.candidates:
            lines.append(f"  {candidate.method:<10} {candidate.obstacle or _price(candidate)}")
        return "\n".join(lines)


def default_memory_limit() -> int:
    """Half of the memory that is available now, in bytes; 4 GiB where the system does not tell."""
    return max(2**28, (_memory.available() or 8 * 2**30) // 2)


def make_plan(problem: Problem, method: str) -> Plan:
    """Takes the method asked for, or chooses one, and checks that it fits.

    "auto" takes the exact method of least predicted time among those that fit in the memory limit. Probes and samples
    join where `rtol` was given, and where no exact method fits.

    Args:
        problem: the problem.
        method: a method or "auto".

    Raises:
        ValueError: the method asked for cannot compute this problem, or nothing fits in the memory limit.
    """
    probed = method == "probes" or (method == "auto" and problem.rtol is not None)
    speeds = Speeds(problem, probed=probed)
    _ = speeds.rates  # measured here the first time on a machine, which is no part of planning
    start = time.perf_counter()
    candidates = _candidates(problem, speeds)
    possible = [c for c in candidates if not c.obstacle and method in ("auto", c.method)]
    least = min((c.seconds for c in possible), default=0.0)
    if problem.tangent.is_model and _WORTH_TIMING < least < np.inf:
        # The others cannot win, and timing them would be a part of the work.
        close = {c.method for c in possible if c.seconds <= _FAR * least}
        timed = Speeds(problem, timed=True, probed=probed)
        candidates = tuple(_candidate(problem, timed, c.method) if c.method in close else c for c in candidates)
    if method == "auto":
        chosen, reason = _choose(problem, candidates)
        if chosen.method == "probes" and (lack := probes.obstacle(problem)) is not None:
            # Found by trying the model, which is worth it only here.
            candidates = tuple(Candidate("probes", lack) if c is chosen else c for c in candidates)
            chosen, reason = _choose(problem, candidates)
    else:
        chosen, reason = next(c for c in candidates if c.method == method), "asked for"
    if chosen.obstacle:
        raise ValueError(f"method {chosen.method!r} cannot be used here: {chosen.obstacle}")
    if chosen.smallest_memory > problem.memory_limit:
        raise ValueError(_too_small(problem, candidates, None if method == "auto" else method))
    # `gradient_variance` plans too, and where a model is timed that is a share of all.
    planning = time.perf_counter() - start
    candidates = tuple(replace(c, seconds=c.seconds + planning) if not c.obstacle else c for c in candidates)
    limit, tangent = problem.memory_limit, problem.tangent
    return Plan(chosen.method, reason, candidates, limit, problem.rtol, tangent.note, tangent.is_remote)


def engine_of(problem: Problem, method: str) -> Any:
    """The file that holds a method for this kind of class."""
    if parity.takes(problem):
        return parity.METHODS[method]
    return (frequency.METHODS if frequency.takes(problem) else METHODS)[method]


def _candidates(problem: Problem, speeds: Speeds) -> tuple[Candidate, ...]:
    return tuple(_candidate(problem, speeds, name) for name in NAMES)


def _candidate(problem: Problem, speeds: Speeds, method: str) -> Candidate:
    obstacle = _obstacle(problem, method)
    if obstacle:
        return Candidate(method, obstacle)
    engine = engine_of(problem, method)
    least = max(engine.smallest_memory(problem), problem.list_bytes if problem.is_listed else 0)
    if least > problem.memory_limit:
        return Candidate(method, None, least, least, float("inf"))
    return Candidate(method, None, least, engine.memory(problem), speeds.fixed + float(engine.seconds(problem, speeds)))


def _obstacle(problem: Problem, method: str) -> str | None:
    if frequency.takes(problem):
        return frequency.obstacle(problem, method)
    if parity.takes(problem):
        return parity.obstacle(problem, method)
    if method in _OF_OTHERS:
        return f"it is for {_OF_OTHERS[method]}"
    if (reason := table.obstacle(problem, method)) is not None:
        return reason
    if method != "kernel" and not problem.is_listed:
        return f"it lists the {problem.cls.size} members, which do not fit in memory"
    if method in ("direct", "character", "probes") and not problem.tangent.has_columns:
        return "only Θ was given, and it needs Jacobian columns"
    if method == "character" and not problem.cls.is_prime:
        return f"it needs an odd prime modulus, and p = {problem.cls.p} is composite"
    if problem.per_parameter and method in ("kernel", "table"):
        return "it forms no Jacobian columns, and the variance of every parameter is wanted"
    if method == "probes" and problem.is_sample:
        return "a given set of multipliers is summed exactly"
    return None


def _choose(problem: Problem, candidates: tuple[Candidate, ...]) -> tuple[Candidate, str]:
    possible = [c for c in candidates if not c.obstacle]
    fitting = [c for c in possible if c.smallest_memory <= problem.memory_limit]
    if not possible:
        reasons = "; ".join(f"{c.method}: {c.obstacle}" for c in candidates)
        raise ValueError(f"no method can compute this problem: {reasons}")
    if not fitting:
        raise ValueError(_too_small(problem, candidates))
    exact = [c for c in fitting if c.is_exact]
    if exact and problem.rtol is None:
        cheapest = min(exact, key=lambda candidate: candidate.seconds)
        if len([c for c in possible if c.is_exact]) == 1:
            return cheapest, "the only exact method for this problem"
        return cheapest, "the exact method of least predicted time that fits in memory"
    cheapest = min(fitting, key=lambda candidate: candidate.seconds)
    if cheapest.is_exact:
        return cheapest, "exact, and no estimate is predicted to be faster"
    if not exact:
        none = "fits in memory" if any(c.is_exact for c in possible) else "can compute this problem"
        return cheapest, f"an estimate: no exact method {none}"
    return cheapest, f"an estimate to rtol = {problem.rtol:g}, predicted to be faster than every exact method"


def _price(candidate: Candidate) -> str:
    if candidate.seconds == float("inf"):
        return f"does not fit: needs at least {readable_bytes(candidate.smallest_memory)}"
    exact = "exact" if candidate.is_exact else "estimate"
    taken = readable_seconds(candidate.seconds)
    about = "" if taken.startswith("under") else "about "
    return f"{exact}, {about}{taken} and {readable_bytes(candidate.memory)}"


def _too_small(problem: Problem, candidates: tuple[Candidate, ...], forced: str | None = None) -> str:
    possible = [c for c in candidates if not c.obstacle]
    needs = ", ".join(f"{c.method} needs {readable_bytes(c.smallest_memory)}" for c in possible)
    lacking = "".join(f"; probes: {c.obstacle}" for c in candidates if c.method == "probes" and c.obstacle)
    what = "a method" if forced is None else f"method {forced!r}, which was asked for"
    room = readable_bytes(problem.memory_limit)
    return f"memory_limit must leave room for {what}; got {room}, and here {needs}{lacking}"


def readable_bytes(count: int) -> str:
    """A number of bytes as people write it."""
    for unit, size in [("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)]:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def readable_seconds(seconds: float) -> str:
    """A time as people write it."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 90:
        return f"{seconds / 60:.1f} min"
    if seconds < 0.001:
        return "under 1 ms"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"
