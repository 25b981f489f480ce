"""The watch of an ensemble: at which records and runs it looks, and what it has seen in a group of runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from torch import nn

from barren import _validate
from barren.training.look import Look
from barren.training.task import Array, Run, Task
from barren.training.watch import Watch

# Runs that are watched where it is not said which.
_RUNS = 4
_NAMES = tuple(field.name for field in fields(Look))


@dataclass(frozen=True)
class Watching:
    """When and where an ensemble is watched.

    Attributes:
        watch: The class side.
        steps: The steps of the looks, each that of a record.
        runs: The numbers of the watched runs, increasing.
    """

    watch: Watch
    steps: tuple[int, ...]
    runs: tuple[int, ...]

    def describe(self) -> dict[str, Any]:
        """As plain values."""
        return {**self.watch.describe(), "steps": list(self.steps), "runs": list(self.runs)}


def watching_of(
    task: Task, runs: int, watch: Watch | int | None, watch_runs: int | Sequence[int] | None
) -> Watching | None:
    """The `Watching` that the arguments of `train` ask for, or None.

    Raises:
        TypeError: Neither a watch nor a number of looks; runs that are no numbers.
        ValueError: A watch of another class, encoding, loss or batch size; a task that cannot be watched; a run that is
            not there; runs without a watch.
    """
    if watch is None:
        if watch_runs is not None:
            raise ValueError(f"watch_runs needs watch=; got {_validate.came(watch_runs)} alone")
        return None
    if len(task.classes) > 1:
        raise ValueError(f"watch needs one class, for its gradient is that of one output; got {len(task.classes)}")
    if isinstance(watch, Watch):
        _check_same(task, watch)
        made = watch
    elif isinstance(watch, int | np.integer) and not isinstance(watch, bool):
        made = Watch(
            task.classes[0],
            encoding=task.encoding,
            loss=task.loss.function or task.loss.name,
            batch_size=task.batch_size,
            inputs=task.law,
            looks=_validate.integer("watch", watch, low=1),
        )
    else:
        expected = "a number of looks or a barren.training.Watch"
        _validate.refuse(TypeError, "watch", expected, _validate.came(watch))
    return Watching(made, _steps(task.records, made.looks), _places(runs, watch_runs))


def _check_same(task: Task, watch: Watch) -> None:
    pairs = {
        "class": (watch.cls, task.classes[0]),
        "encoding": (watch.encoding, task.encoding),
        "loss": (watch.loss, task.loss),
        "batch_size": (watch.batch_size, task.batch_size),
        "inputs": (watch.law, task.law),
    }
    for name, (theirs, ours) in pairs.items():
        if theirs != ours:
            raise ValueError(f"watch must be of the {name} that is trained, {ours!r}; got {theirs!r}")


def _steps(records: Sequence[int], looks: int | None) -> tuple[int, ...]:
    """The records nearest to so many steps evenly in log(1 + step), the first and the last among them."""
    if looks is None or looks >= len(records):
        return tuple(records)
    if looks == 1:
        return (records[0],)
    at = np.log1p(np.array(records, dtype=np.float64))
    wanted = np.linspace(at[0], at[-1], looks)
    return tuple(records[k] for k in np.unique(np.abs(at[:, None] - wanted).argmin(axis=0)))


def _places(runs: int, given: int | Sequence[int] | None) -> tuple[int, ...]:
    """The runs given, or so many spread evenly over all of them."""
    if given is None or isinstance(given, int | np.integer):
        count = min(_RUNS, runs) if given is None else _validate.integer("watch_runs", given, low=1, high=runs)
        return tuple(np.rint(np.linspace(0, runs - 1, count)).astype(np.int64).tolist())
    if not isinstance(given, Sequence | np.ndarray | range):
        _validate.refuse(TypeError, "watch_runs", "a count or a list of numbers of runs", _validate.came(given))
    found = {_validate.integer("watch_runs", place, low=0, high=runs - 1) for place in given}
    if not found:
        _validate.refuse(ValueError, "watch_runs", "at least one run", _validate.came(given))
    return tuple(sorted(found))


class Looks:
    """What was seen in a group of runs.

    Args:
        watching: When and at what to look, or None for never.
        places: The watched runs, by their places in the group.
        shape: Runs and records of the group.
        threads: Threads of a look.

    Attributes:
        places: The same.
        seen: Name of a number of a look -> float64 of that shape, NaN where there was no look.
    """

    def __init__(
        self, watching: Watching | None, places: Collection[int], shape: tuple[int, int], threads: int
    ) -> None:
        self._watching, self._threads = watching, threads
        self.places = frozenset(places)
        names = _NAMES if self.places else ()
        self.seen = {name: np.full(shape, np.nan) for name in names}

    def due(self, step: int) -> bool:
        """Whether there is something to look at after so many steps."""
        return self._watching is not None and bool(self.places) and step in self._watching.steps

    def look(self, places: Sequence[int], column: int, runs: Sequence[Run], networks: Sequence[nn.Module]) -> None:
        """Looks at networks of one structure, as they are without dropout; they are the caller's copies."""
        assert self._watching is not None
        members = [run.member for run in runs]
        found = self._watching.watch.look_all([one.eval() for one in networks], members, threads=self._threads)
        for place, look in zip(places, found, strict=True):
            for name, value in look.row().items():
                self.seen[name][place, column] = value

    def state(self) -> dict[str, Array]:
        """What a checkpoint holds of it."""
        return {f"look/{name}": values for name, values in self.seen.items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Puts back what `state` gave."""
        for name in self.seen:
            self.seen[name] = arrays[f"look/{name}"].copy()

    def rows(self, place: int, run: Run, number: int, records: Sequence[int]) -> list[dict[str, Any]]:
        """A dictionary a look at this run, in the order of the steps."""
        if place not in self.places:
            return []
        assert self._watching is not None
        sampled = ", ".join(self._watching.watch.sampled)
        rows = []
        for column in np.flatnonzero(~np.isnan(self.seen["seconds"][place])).tolist():
            numbers = {name: float(values[place, column]) for name, values in self.seen.items()}
            about = {"run": number, "member": run.member, "seed": run.seed, "lr": run.rate, "step": records[column]}
            rows.append({**about, **numbers, "sampled": sampled})
        return rows
