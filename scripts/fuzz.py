"""Calls every function of the compiled core with random arguments, right and wrong, in a child process.

    python scripts/fuzz.py                                  # 10^6 calls; ends with a table and a line of numbers
    python scripts/fuzz.py --seed 7 --only 123456           # one call again, in this process, with its arguments

A crash of the child, a hang or a growing memory is a finding, and so is an exception of the wrong kind, a legal call
that is refused, a write beside an output, an argument changed, or an answer that differs from a slow one (on a share of
the calls).
What is exported is found by introspection; a function, an overload or a parameter without a strategy fails at once.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import mmap
import os
import queue
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fuzzing import worker

from barren import _progress

PLACE = 16  # bytes that a child shares: the number of its call, and whether calls have begun
TICK = 0.25  # seconds between two looks at the child
MOST_FINDINGS = 20
GROWTH = 64 << 20  # bytes that a child may take more after its first calls
WARM = 20_000  # calls after which its memory should be steady
ROOM = 6 << 30  # address space beyond that of the start: more is refused to the child, and must come as a MemoryError


@dataclass
class Report:
    """What came of all calls."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    growth: int = 0

    def total(self, came: str | None = None) -> int:
        """How many calls there were, or how many of them ended so."""
        return sum(count for key, count in self.counts.items() if came is None or key.endswith(f" {came}"))

    def table(self) -> str:
        """A line a function."""
        names = sorted({key.split()[0] for key in self.counts})
        head = f"{'':28}{'calls':>10}{'refused':>10}{'answered':>10}{'compared':>10}"
        rows = [head]
        for name in [*names, "all"]:
            of_it = {c: self.counts[f"{name} {c}"] for c in ("refused", "answered", "compared")}
            if name == "all":
                of_it = {c: self.total(c) for c in of_it}
            cells = (sum(of_it.values()), of_it["refused"], of_it["answered"] + of_it["compared"], of_it["compared"])
            rows.append(f"{name:28}" + "".join(f"{cell:>10}" for cell in cells))
        return "\n".join(rows)


class Child:
    """A process that makes calls, and what it says; its files live as long as it does."""

    def __init__(self, command: Sequence[str], first: int) -> None:
        self.file = tempfile.NamedTemporaryFile()  # noqa: SIM115
        self.file.write(first.to_bytes(PLACE, "little"))
        self.file.flush()
        self.place = mmap.mmap(self.file.fileno(), PLACE)
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*command, "--place", self.file.name, "--first", str(first)],
            stdout=subprocess.PIPE, stderr=self.errors, text=True,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.put(line)

    def index(self) -> int:
        """The number of the call that is being made."""
        return int.from_bytes(self.place[:8], "little")

    def has_begun(self) -> bool:
        """Whether it makes calls by now."""
        return bool(self.place[8])

    def end(self, sent: signal.Signals) -> None:
        """Stops it; its stack goes to its errors where it can."""
        self.process.send_signal(sent)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """Gives its files back."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.place.close()
        self.file.close()
        self.errors.close()

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        self.errors.seek(0)
        return "".join(self.errors.readlines()[-60:])


def supervise(
    command: Sequence[str], seed: int, first: int, last: int, *, limit: float = 60.0, seconds: float | None = None
) -> Report:
    """Has the calls first..last−1 made by children of this command, one after the other where one crashes or hangs.

    `limit` is how long one call may take; it is counted in looks at the child, so that a machine that stands still is
    no finding.
    """
    report, progress = Report(), _progress.for_terminal(False)
    progress.begin(f"fuzzing the core, seed {seed}", last - first, 0, "calls")
    start, next_one = time.monotonic(), first
    try:
        while next_one < last and len(report.findings) < MOST_FINDINGS:
            child = Child([*command, "--seed", str(seed), "--last", str(last)], next_one)
            try:
                ended = _watch(child, report, progress, limit, None if seconds is None else start + seconds)
                if ended is None:
                    break
                next_one = child.index() + 1
                report.findings.append(f"call {child.index()}: {ended}\n{child.last_words()}")
                progress.notice(f"call {child.index()}: {ended}")
            finally:
                child.reader.join(10)
                child.close()
    finally:
        progress.end()
    return report


def _watch(child: Child, report: Report, progress: _progress.Progress, limit: float, until: float | None) -> str | None:
    """Follows a child to its end; None if that is well."""
    steady: int | None = None
    at, looks, done = child.index(), 0, child.index()
    try:
        while True:
            code = child.process.poll()
            if code is not None:
                child.reader.join(10)
            while not child.lines.empty():
                said = json.loads(child.lines.get())
                if "wrong" in said:
                    finding = f"call {said['index']}: {said['wrong']}\n    {said['call']}"
                    report.findings.append(finding)
                    progress.notice(finding)
                    continue
                report.counts.update(said["counts"])
                progress.advance(said["done"] - done)
                done = said["done"]
                if report.total() >= WARM:
                    steady = steady or said["resident"]
                    report.growth = max(report.growth, said["resident"] - steady)
            if code is not None:
                return None if code == 0 else _cause(code)
            if report.growth > GROWTH:
                report.findings.append(f"memory grew by {report.growth >> 20} MiB in {report.total()} calls")
            if len(report.findings) >= MOST_FINDINGS or report.growth > GROWTH or _past(until):
                child.end(signal.SIGTERM)
                return None
            looks = looks + 1 if child.index() == at and child.has_begun() else 0
            at = child.index()
            if looks * TICK > limit:
                child.end(signal.SIGABRT)
                return f"did not come back within {limit:g} s"
            time.sleep(TICK)
    finally:
        if child.process.poll() is None:
            child.end(signal.SIGKILL)


def _past(until: float | None) -> bool:
    return until is not None and time.monotonic() > until


def _cause(code: int) -> str:
    return f"crashed by {signal.Signals(-code).name}" if code < 0 else f"ended the process with code {code}"


def make_calls(arguments: argparse.Namespace) -> None:
    """What a child does."""
    faulthandler.enable()
    if "san" not in os.environ.get("LD_PRELOAD", ""):  # the sanitizers map terabytes
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use + ROOM, in_use + ROOM))
    with open(arguments.place, "r+b") as file, mmap.mmap(file.fileno(), PLACE) as place:
        worker.work(arguments.seed, arguments.first, arguments.last, arguments.share, place)


def make_one(arguments: argparse.Namespace) -> None:
    """One call, here."""
    worker.settle(arguments.only)
    call = worker.drawn(arguments.seed, arguments.only, arguments.share, list(worker.ENTRIES))
    print(call, flush=True)
    call.is_compared = True
    print(*worker.made(call))


def main() -> None:
    """Parses, checks that nothing is left out, runs, tells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first call")
    parser.add_argument("--seconds", type=float, help="stop after so long, however many calls were made")
    parser.add_argument("--share", type=float, default=0.2, help="the share of calls that are compared")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that one call may take")
    parser.add_argument("--only", type=int, help="make the call of this number alone, and show it")
    parser.add_argument("--place", help=argparse.SUPPRESS)
    parser.add_argument("--last", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.place is not None:
        return make_calls(arguments)
    if arguments.only is not None:
        return make_one(arguments)
    if missing := worker.gaps():
        sys.exit("\n".join(missing))
    command = [sys.executable, __file__, "--share", str(arguments.share)]
    report = supervise(
        command, arguments.seed, arguments.first, arguments.first + arguments.calls,
        limit=arguments.limit, seconds=arguments.seconds,
    )  # fmt: skip
    print(report.table())
    print(
        f"{report.total()} calls of {len(worker.ENTRIES)} entries, seed {arguments.seed}: {len(report.findings)}"
        f" findings; {report.total('compared')} compared with slow answers; "
        f"memory grew by {report.growth / 2**20:.1f} MiB"
    )
    for finding in report.findings:
        print(finding)
    if report.findings:
        sys.exit(f"repeat one with: python scripts/fuzz.py --seed {arguments.seed} --only NUMBER")
    return None


if __name__ == "__main__":
    main()
