"""The data of a group of runs: a stream a seed, labels a run, and the hashes of what was shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from barren.training.hashes import claims, set_digests
from barren.training.protocols import Stream
from barren.training.task import Array, Run, Task

# What the features and labels of the steps at hand may take.
_BYTES = 1 << 25
# Points of a training set that are looked at for the metrics on it.
MOST_TRAIN_POINTS = 4096
# Where points are drawn afresh: about so many of the last steps.
_FRESH_POINTS = 256
# Points that the network is shown at once for the metrics, at most: about a batch, for the caches. None is a small
# rest, and their runs are aligned alike.
_PIECE, _UNIT = 128, 16


class Feed:
    """Batches for a group of runs.

    Runs of one seed are shown the same points, each with the labels of its member.

    Args:
        task: What the runs share.
        runs: The runs, in the order of the tensors.
        spare: How often the last run is repeated at the end.

    Attributes:
        point_chains: Seed -> hash of all points drawn afresh so far.
        label_chains: Run -> hash of all their labels.
        ended: Run that has ended -> the hash of the points up to then.
    """

    def __init__(self, task: Task, runs: Sequence[Run], spare: int) -> None:
        self.task, self.spare = task, spare
        self.seeds = list(dict.fromkeys(run.seed for run in runs))
        self.streams: dict[int, Stream] = {
            seed: task.protocol.stream(task.classes[0], task.law, seed, task.batch_size) for seed in self.seeds
        }
        self.fresh = next(iter(self.streams.values())).train is None
        self.point_chains = dict.fromkeys(self.seeds, b"")
        self.label_chains = {run: b"" for run in runs}
        self.ended: dict[Run, bytes] = {}
        self._select(runs)

    def keep(self, runs: Sequence[Run]) -> None:
        """Drops every run but these; the hashes of the others stay as they are."""
        for run in set(self.runs) - set(runs):
            self.ended[run] = self.point_chains[run.seed]
        self._select(runs)

    def _select(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)
        self._members = {}
        for run in runs:
            self._members.setdefault(run.seed, {}).setdefault(run.member, len(self._members[run.seed]))
        self._active = list(self._members)
        first = dict(zip(self._active, np.cumsum([0, *map(len, self._members.values())]).tolist(), strict=False))
        rows = [first[run.seed] + self._members[run.seed][run.member] for run in runs]
        seeds = [self._active.index(run.seed) for run in runs]
        self._rows = rows
        self._row_of, self._seed_of = (
            torch.tensor(which + which[-1:] * self.spare, device=self.task.device) for which in (rows, seeds)
        )

    _members: dict[int, dict[object, int]]

    def batches(self, first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Features (runs, n, width) and labels (runs, n, classes) of the steps first..last−1."""
        while first < last:
            sizes = self.streams[self.seeds[0]].batch_sizes(first, min(last, first + self._at_once))
            points = {seed: self.streams[seed].points(first, first + len(sizes)) for seed in self._active}
            features, labels = self._features(points), self._labels(points)
            shown = self._tensor(labels.astype(self.task.dtype, copy=False))
            start = 0
            for size in sizes:
                rows = slice(start, start + size)
                if self.fresh:
                    self._chain(points, labels, rows)
                # Gathered for every run: tensors without gaps, whatever else is in memory.
                yield features[:, rows][self._seed_of], shown[:, rows][self._row_of]
                start += size
            first += len(sizes)

    @property
    def _at_once(self) -> int:
        """Steps whose data are made together."""
        task = self.task
        width = task.features(self.streams[self._active[0]].test[:1]).shape[1]
        members = sum(map(len, self._members.values()))
        numbers = task.batch_size * (len(self._active) * width + members * len(task.classes))
        return max(1, min(64, int(_BYTES // (8 * numbers))))

    def test(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The test sets of all runs, in pieces."""
        yield from self._pieces({seed: self.streams[seed].test for seed in self._active})

    def train(self, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The first points of the training sets; where they are drawn afresh, those of the last steps."""
        points = {}
        for seed in self._active:
            whole = self.streams[seed].train
            if whole is None:
                count = -(-_FRESH_POINTS // self.task.batch_size)
                first = max(0, step - count)
                whole = self.streams[seed].points(first, first + count)
            points[seed] = whole[:MOST_TRAIN_POINTS]
        yield from self._pieces(points)

    def _pieces(self, points: dict[int, Array]) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(next(iter(points.values())))
        count, units = -(-n // _PIECE), -(-n // _UNIT)
        cuts = [*(_UNIT * (units * k // count) for k in range(count)), n]
        for start, end in pairwise(cuts):
            piece = {seed: x[start:end] for seed, x in points.items()}
            yield self._features(piece)[self._seed_of], self._tensor(self._labels(piece))[self._row_of]

    def _features(self, points: dict[int, Array]) -> Tensor:
        """(seeds, n, width)."""
        return self._tensor(np.stack([self.task.features(points[seed]) for seed in self._active]))

    def _labels(self, points: dict[int, Array]) -> Array:
        """The labels of every member of every seed, float64, (rows, n, classes)."""
        return np.concatenate([self.task.values(np.array(list(self._members[s])), points[s]) for s in self._active])

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.task.device)

    def _chain(self, points: dict[int, Array], labels: Array, rows: slice) -> None:
        """Each link is the hash of the last one and of what this step showed."""
        for seed in self._active:
            self.point_chains[seed] = _link(self.point_chains[seed], points[seed][rows])
        for run, row in zip(self.runs, self._rows, strict=True):
            self.label_chains[run] = _link(self.label_chains[run], labels[row, rows])

    def chains(self, run: Run) -> dict[str, bytes]:
        """The hashes so far of what a run was shown, where it is drawn afresh."""
        return {"points": self.ended.get(run, self.point_chains[run.seed]), "labels": self.label_chains[run]}

    def restore(self, run: Run, points: bytes, labels: bytes, *, ended: bool) -> None:
        """Puts back what `chains` gave."""
        self.label_chains[run] = labels
        if ended:
            self.ended[run] = points
        else:
            self.point_chains[run.seed] = points

    def hashes(self, run: Run) -> dict[str, str | None]:
        """What the sets of a run are said to be, and SHA-256 of the points and labels that it was shown.

        A set is hashed whatever its order, fresh draws as the chain of what the steps showed: None where no step was.
        """
        stream, member = self.streams[run.seed], np.array([run.member])
        found: dict[str, str | None] = {**claims(self.task, run.seed)}
        hashed: tuple[str | None, ...]
        for part, points in (("train", stream.train), ("test", stream.test)):
            if points is None:
                hashed = tuple(chain.hex() or None for chain in self.chains(run).values())
            else:
                hashed = set_digests(points, self.task.values(member, points)[0])
            found[f"{part}_points"], found[f"{part}_labels"] = hashed
        return found


def _link(before: bytes, content: Array) -> bytes:
    return hashlib.sha256(before + np.ascontiguousarray(content).tobytes()).digest()
