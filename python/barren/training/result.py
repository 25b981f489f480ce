"""What an ensemble gives: a row a run, the history of its metrics, the trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from barren.training import phases
from barren.training.group import DIVERGED, Group
from barren.training.hashes import check_data
from barren.training.metrics import steps_to
from barren.training.task import Array, Run, Task

# Phases of runs without an accuracy are told by the loss over that of the best constant.
BY_LOSS = phases.Thresholds(train=0.05, test=0.1, rising=False)


class Ensemble:
    """The results of `barren.train`.

    Attributes:
        rows: A dictionary a run: member, seed, lr, steps made, why it ended, phase, learned, the metrics on training
            and test set at its end, their sizes, steps to the threshold, what its data are said to be and their hashes.
        history: Metric -> float64 of shape (runs, records); NaN after the end of a run.
        watched: A dictionary a look of the gradient watch: run (its number in `rows`), member, seed, lr, step, the
            numbers of a `barren.training.Look`, and in "sampled" the names of those that are estimates.
        records: The steps of the records, int64.
        note: How the runs were advanced, and what could not be batched.

    Source: docs/experiments, on what is measured.
    """

    def __init__(
        self, task: Task, runs: Sequence[Run], groups: Sequence[Group], parts: Sequence[Sequence[int]], note: str
    ) -> None:
        self.note, self.records = note, np.array(task.records)
        self._where = {
            place: (group, row) for group, part in zip(groups, parts, strict=True) for row, place in enumerate(part)
        }
        names = groups[0].records
        self.history: dict[str, Array] = {name: self._gathered(name, len(runs)) for name in names}
        self.rows: list[dict[str, Any]] = self._rows(task, runs)
        check_data(self.rows)
        self.watched: list[dict[str, Any]] = [
            look
            for place, run in enumerate(runs)
            for look in self._where[place][0].looks.rows(self._where[place][1], run, place, task.records)
        ]

    def _gathered(self, name: str, count: int) -> Array:
        return np.stack([self._where[place][0].records[name][self._where[place][1]] for place in range(count)])

    def _rows(self, task: Task, runs: Sequence[Run]) -> list[dict[str, Any]]:
        ends = [group.ends[row] for group, row in (self._where[place] for place in range(len(runs)))]
        diverged = np.array([end == DIVERGED for end in ends])
        metric, chosen = ("accuracy", phases.Thresholds()) if task.is_classified else ("relative_loss", BY_LOSS)
        train, test = self.history[f"train_{metric}"], self.history[f"test_{metric}"]
        found = phases.phases(self.records, train, test, chosen, diverged=diverged)
        reached = steps_to(self.records, test, chosen.test, rising=chosen.rising)
        rows = []
        for place, run in enumerate(runs):
            group, row = self._where[place]
            last = int(np.searchsorted(self.records, group.stops[row]))
            values = {name: float(array[place, last]) for name, array in self.history.items()}
            stream = group.feed.streams[run.seed]
            rows.append(
                {
                    "member": run.member,
                    "seed": run.seed,
                    "lr": run.rate,
                    "steps": group.stops[row],
                    "end": ends[place],
                    "diverged_at": int(group.broken[row]) if group.broken[row] >= 0 else None,
                    "phase": str(found[place]),
                    **_learned(task, values, len(stream.test)),
                    "steps_to_test": None if np.isnan(reached[place]) else int(reached[place]),
                    **values,
                    "data": repr(task.protocol),
                    "data_seed": run.seed if task.protocol.is_drawn else None,
                    "train_size": stream.size,
                    "test_size": len(stream.test),
                    **group.feed.hashes(run),
                }
            )
        return rows

    def model(self, run: int) -> nn.Module:
        """The network of the run of that number, as it ended, on the CPU.

        Args:
            run: its number, the place of its row in `rows`.

        Raises:
            IndexError: There is no such run.
        """
        group, row = self._where[range(len(self.rows))[run]]
        return group.module(row)

    def table(self) -> Any:
        """The rows as a pyarrow table, a column a key."""
        import pyarrow

        return pyarrow.Table.from_pylist(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        counted = {name: sum(row["phase"] == name for row in self.rows) for name in phases.PHASES}
        told = ", ".join(f"{count} {name}" for name, count in counted.items() if count)
        return f"Ensemble({len(self.rows)} runs: {told})"


def _learned(task: Task, values: dict[str, float], points: int) -> dict[str, bool | None]:
    """Whether the 99 % lower bound of the test accuracy is above chance: of the run, or of each of its outputs."""
    if not task.is_classified:
        return {"learned": None}
    endings = [""] if len(task.classes) == 1 else [f"_{k}" for k in range(len(task.classes))]
    each: dict[str, bool | None] = {}
    for ending in endings:  # a run that diverged has the accuracy NaN, and did not learn
        accuracy, chance = values[f"test_accuracy{ending}"], values[f"test_chance{ending}"]
        each[f"learned{ending}"] = bool(np.isfinite(accuracy) and phases.learned(accuracy, points, chance))
    return {"learned": all(each.values()), **each}
