"""How far a sweep is: a bar on a terminal, a line a minute elsewhere, and a line an event in the store for machines."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from barren.sweeps.schema import FAILED, Row
from barren.variance.plan import readable_seconds

__all__ = ["EVENTS", "Bar", "Events", "Lines", "Shown", "shown_on_terminal"]

EVENTS = "events.jsonl"
_INTERVAL, _LOOK = 60.0, 5.0


class Shown:
    """Counts, and shows nothing but notices; the base of the others.

    The time that is left is told by the predicted cost of the cells that are left, at the pace of this run.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.cells = self.done = self.failed = self.kept = 0
        self._cost = self._total = 0.0

    def begin(self, cells: int, kept: int, cost: float) -> None:
        """`kept` of `cells` cells are in the store; the others are predicted to cost so many seconds."""
        self.cells, self.kept, self._total = cells, kept, cost
        self.done = self.failed = 0
        self._cost = 0.0
        self._start = self._clock()

    def advance(self, row: Row, cost: float) -> None:
        """A cell is there, whose cost was predicted."""
        self.done += 1
        self.failed += row["status"] == FAILED
        self._cost += cost

    def end(self) -> None:
        """Nothing more will come."""

    def notice(self, text: str) -> None:
        """Says something that the user should know, on standard error."""
        print(text, file=sys.stderr, flush=True)

    def left(self) -> float | None:
        """Seconds that are left by the pace so far; None before there is one."""
        if not self._cost:
            return None
        return (self._clock() - self._start) * max(self._total - self._cost, 0.0) / self._cost


class Lines(Shown):
    """A plain line at the start, once a minute, also while a long cell is computed, and at the end."""

    def begin(self, cells: int, kept: int, cost: float) -> None:
        """See `Shown.begin`."""
        super().begin(cells, kept, cost)
        self._said, self._saying, self._ended = self._start, threading.Lock(), threading.Event()
        before = f", {kept} of them in the store already" if kept else ""
        rest = f"; the rest takes {_about(cost)} by prediction" if kept < cells else ""
        self.notice(f"sweep: {cells} cells{before}{rest}")
        threading.Thread(target=self._watch, daemon=True).start()

    def advance(self, row: Row, cost: float) -> None:
        """See `Shown.advance`."""
        super().advance(row, cost)
        self._say_if_due()

    def end(self) -> None:
        """See `Shown.end`."""
        self._ended.set()
        with self._saying:
            self.notice(f"sweep: {self._where()} in {readable_seconds(self._clock() - self._start)}")

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK):
            self._say_if_due()

    def _say_if_due(self) -> None:
        with self._saying:
            if self._ended.is_set() or self._clock() - self._said < _INTERVAL:
                return
            self._said, left = self._clock(), self.left()
            rest = f"{_about(self._total)} by prediction" if left is None else f"{_about(left)} left"
            self.notice(f"sweep: {self._where()}, {rest}")

    def _where(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.kept + self.done} of {self.cells} cells{failed}"


def _about(seconds: float) -> str:
    told = readable_seconds(seconds)
    return told if told.startswith("under") else f"about {told}"


class Bar(Shown):
    """A bar whose length is predicted cost; needs rich."""

    def begin(self, cells: int, kept: int, cost: float) -> None:
        """See `Shown.begin`."""
        from rich import progress
        from rich.console import Console

        super().begin(cells, kept, cost)
        self._bar = progress.Progress(
            progress.TextColumn("sweep"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[told]}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left {task.fields[left]}"),
            console=Console(stderr=True),
        )
        self._bar.start()
        self._task = self._bar.add_task("sweep", total=max(cost, 1e-9), told=f"{kept} of {cells}", left="-")

    def advance(self, row: Row, cost: float) -> None:
        """See `Shown.advance`."""
        super().advance(row, cost)
        failed = f", {self.failed} failed" if self.failed else ""
        told = f"{self.kept + self.done} of {self.cells}{failed}"
        self._bar.update(self._task, advance=cost, told=told, left=readable_seconds(self.left() or 0.0))

    def end(self) -> None:
        """Leaves the bar as it is and gives the terminal back."""
        self._bar.stop()

    def notice(self, text: str) -> None:
        """Above the bar."""
        if hasattr(self, "_bar"):
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            super().notice(text)


def shown_on_terminal(quiet: bool) -> Shown:
    """What fits standard error."""
    if quiet:
        return Shown()
    return Bar() if sys.stderr.isatty() else Lines()


class Events:
    """The event log of a store: {"time": UTC, "event": name, ...} a line. Never the reason that a sweep ends.

    Args:
        store: the folder.
        shard: what to say which process it was.
    """

    def __init__(self, store: Path, shard: str | None) -> None:
        self._path, self._shard = store / EVENTS, shard

    def __call__(self, event: str, **values: Any) -> None:
        """Writes a line."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        whole = {"time": now, "event": event, **({"shard": self._shard} if self._shard else {}), **values}
        with suppress(OSError), self._path.open("ab", buffering=0) as file:
            file.write((json.dumps(whole, ensure_ascii=False) + "\n").encode())
