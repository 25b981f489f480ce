"""How a long run shows where it is: a bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from typing import Any

# Seconds between two lines where there is no terminal.
_INTERVAL = 10.0


class Progress:
    """Shows nothing but notices; the base of the others."""

    def notice(self, text: str) -> None:
        """Says something that the user should know, on standard error."""
        print(text, file=sys.stderr, flush=True)

    def begin(self, name: str, total: int, done: int, unit: str = "cells") -> None:
        """`done` of `total` units are there already."""
        self._name, self._total, self._before, self._done, self._unit = name, total, done, done, unit
        self._start, self._gone = time.monotonic(), 0.0

    def advance(self, count: int = 1, share: float | None = None) -> None:
        """So many more are done; where units differ, `share` of the work that was there at the beginning."""
        self._done += count
        self._gone += count / max(self._total - self._before, 1) if share is None else share

    def _left(self) -> float:
        """Seconds that are left at the pace so far."""
        return (time.monotonic() - self._start) * max(1.0 / max(self._gone, 1e-9) - 1.0, 0.0)

    def end(self) -> None:
        """Nothing more will come, for better or worse."""


class Lines(Progress):
    """A plain line at the start, every ten seconds, and at the end."""

    def begin(self, name: str, total: int, done: int, unit: str = "cells") -> None:
        """See `Progress.begin`."""
        super().begin(name, total, done, unit)
        self._said = self._start
        kept = f", {done} of them kept from an earlier run" if done else ""
        self.notice(f"{name}: {total} {unit}{kept}")

    def advance(self, count: int = 1, share: float | None = None) -> None:
        """See `Progress.advance`."""
        super().advance(count, share)
        now = time.monotonic()
        if now - self._said < _INTERVAL and self._done < self._total:
            return
        self._said = now
        elapsed = now - self._start
        rest = f", about {_clock(self._left())} left" if self._done < self._total else ""
        self.notice(f"{self._name}: {self._done} of {self._total} {self._unit} in {_clock(elapsed)}{rest}")


class Bar(Progress):
    """A bar with the time gone and an estimate of the time left; needs rich."""

    _bar: Any = None

    def notice(self, text: str) -> None:
        """Above the bar, if there is one."""
        if self._bar is None:
            super().notice(text)
        else:
            self._bar.console.print(text, markup=False, highlight=False)

    def begin(self, name: str, total: int, done: int, unit: str = "cells") -> None:
        """See `Progress.begin`."""
        from rich import progress
        from rich.console import Console

        super().begin(name, total, done, unit)
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
        )
        self._bar.start()
        self._task = self._bar.add_task(name, total=total, completed=done, left="-")

    def advance(self, count: int = 1, share: float | None = None) -> None:
        """See `Progress.advance`."""
        super().advance(count, share)
        self._bar.update(self._task, advance=count, left=_clock(self._left()))

    def end(self) -> None:
        """Leaves the bar as it is and gives the terminal back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def for_terminal(quiet: bool) -> Progress:
    """The progress that fits standard error."""
    if quiet:
        return Progress()
    return Bar() if sys.stderr.isatty() else Lines()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
