"""A sweep: the cells of a grid that are not in a store yet, computed into it."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from barren import _validate
from barren._warnings import shown_once
from barren.sweeps import axes, prices
from barren.sweeps.cells import MEMORY_LIMIT, maker_of, told
from barren.sweeps.descriptions import name_of
from barren.sweeps.executors import Here, Lane, lane_of
from barren.sweeps.grid import Grid
from barren.sweeps.parts import identity, key_of, row_of
from barren.sweeps.progress import Events, Shown, shown_on_terminal
from barren.sweeps.provenance import command_of
from barren.sweeps.schema import FAILED, Cell, Row
from barren.sweeps.store import Store

_T = TypeVar("_T")

__all__ = ["Outcome", "grid_of", "sweep"]

# Cells of one class go to a worker together until they take so long; training runs of one pack always do.
_BATCH_SECONDS, _BATCH_CELLS, _PACK = 0.5, 256, 32
_KILLED = "WorkerDied: the worker died while it computed this cell, for want of memory perhaps"
_CLASS_AXES = ("p", "frequencies", "parity", "target", "multipliers", "inputs")
# Seconds between two looks at cells that another process has claimed.
_PAUSE = 0.2


@dataclass(frozen=True)
class Outcome:
    """What a sweep did.

    Attributes:
        cells: of the grid, or of the shard.
        kept: that were in the store before.
        computed: that this call computed; another process may have done the rest.
        failed: cells of the grid whose row says so, from before too.
        seconds: that it took, in seconds.

    Source: docs/sweeps.
    """

    cells: int
    kept: int
    computed: int
    failed: int
    seconds: float


@dataclass(frozen=True)
class _Batch:
    """Cells that go to a worker together: of one class."""

    cells: tuple[Cell, ...]
    names: tuple[bytes, ...]
    costs: tuple[float, ...]

    def only(self, places: Sequence[int]) -> _Batch:
        """Some of them."""
        return _Batch(_some(self.cells, places), _some(self.names, places), _some(self.costs, places))


def grid_of(grid: Grid | Mapping[str, Any] | str | os.PathLike[str]) -> Grid:
    """A grid, from its description or a TOML file.

    Raises:
        TypeError, ValueError: see `Grid`.
    """
    if isinstance(grid, Grid):
        return grid
    return Grid.from_file(grid) if isinstance(grid, str | os.PathLike) else Grid(grid)


def sweep(
    grid: Grid | Mapping[str, Any] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    executor: str | Executor | None = None,
    workers: int | None = None,
    threads: int | None = None,
    shard: tuple[int, int] | None = None,
    retry_failed: bool = False,
    memory_limit: int = MEMORY_LIMIT,
    progress: bool | Shown = False,
) -> Outcome:
    """Computes every cell of a grid that is not in the store `out` yet, and keeps each as soon as it is finished.

    The store can be interrupted at any moment, also by SIGKILL, and swept into by several processes at once: the same
    call goes on with what is not there. A row is the same bits whatever the executor, the order and the number of
    workers, apart from the columns of `barren.sweeps.schema.VOLATILE`; where torch itself makes the gradients (layers
    without a rule, probes), with as many threads a cell. With the method "auto" the choice is by measured prices, so
    that the last digits may differ between machines.

    Args:
        grid: axis -> values, such as {"p": {"primes": [300, 3000]}, "seed": {"range": [0, 19]}}, the path of a TOML
            file with the same content, or a `barren.sweeps.Grid` (docs/sweeps). A model "module:callable" is imported
            and called with width, seed and outputs: it runs code.
        out: the folder of the store, made where there is none.
        executor: None computes here; "processes"; "dask" for a cluster on this machine; the address of a Dask
            scheduler, "tcp://…"; or any executor of concurrent.futures, which is left open.
        workers: how many of "processes" or "dask"; default as many as cores.
        threads: threads of a cell; default the cores over the workers, and 1 at a scheduler's address.
        shard: (i, n): only every n-th cell, from the i-th on, i in 1..n, for job arrays.
        retry_failed: whether cells of this grid, or of the shard, that failed are computed again.
        memory_limit: bytes that a cell may use beside its model; the same everywhere, for it decides in which pieces
            large sums are made.
        progress: whether to show how far it is, on standard error.

    Returns:
        An `Outcome`: cells, kept, computed, failed, seconds. A cell that fails has a row that says so, and the others
        go on.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or value; see `Grid` and `Store`.
        StoreError: the store cannot be written to (a full disk, a folder that is read-only); it is sound.
        LostError: workers die again and again, or the scheduler does not come back.

    Cost: that of the cells, and under 2 ms a cell.

    Source: docs/sweeps.

    Example:
        >>> import barren, tempfile
        >>> from barren.sweeps import rows_of
        >>> with tempfile.TemporaryDirectory() as out:
        ...     done = barren.sweep({"kind": "bounds", "p": [5, 7, 11]}, out)
        ...     again = barren.sweep({"kind": "bounds", "p": [5, 7, 11]}, out)
        ...     values = sorted(row["value"] for row in rows_of(out))
        >>> done.computed, again.computed, len(values)
        (3, 0, 3)
    """
    chosen = grid_of(grid)
    part = _shard_of(shard)
    limit = _validate.integer("memory_limit", memory_limit, low=1)
    _validate.boolean("retry_failed", retry_failed)
    opened, share = lane_of(executor, workers, threads, limit)
    shown = progress if isinstance(progress, Shown) else shown_on_terminal(not _validate.boolean("progress", progress))
    for model in _models(chosen):
        maker_of(model)  # a name that cannot be imported is a mistake of the grid, not of its cells
    start = time.perf_counter()
    with Store(out) as store:
        store.keep_grid(chosen.description)
        how = command_of(grid, executor, workers, threads, part, retry_failed, None if limit == MEMORY_LIMIT else limit)
        store.keep_command({"grid": name_of(chosen.description), "command": how})
        told.clear()
        with shown_once(told):
            found = prices.price(chosen, threads=share, memory_limit=limit, budget=2.0)
        work = _Sweep(chosen, store, shown, found.seconds, part, retry_failed)
        work.run(opened)
        failed = work.failed()
    return Outcome(work.total, work.kept, shown.done, failed, time.perf_counter() - start)


class _Sweep:
    """One call of `sweep`, its store open."""

    def __init__(
        self,
        grid: Grid,
        store: Store,
        shown: Shown,
        seconds: np.ndarray,
        shard: tuple[int, int] | None,
        retry_failed: bool,
    ) -> None:
        self.grid, self.store, self.shown, self.seconds = grid, store, shown, seconds
        self.event = Events(store.path, None if shard is None else f"{shard[0]}/{shard[1]}")
        packed = grid.kind == "train"
        names = [name for block in grid.blocks for name in block.names]
        pack = grid.numbers([name for name in names if name != "member"]) if packed else np.arange(len(grid))
        self._pack = pack if packed else None
        order = _longest_first(grid, seconds, pack)
        self.order = order if shard is None else order[pack[order] % shard[1] == shard[0] - 1]
        self.total = len(self.order)
        self._kills: dict[bytes, int] = {}
        if retry_failed:
            store.forget_failed(self._failed())
        if store.statuses:
            missing = [place for place in self.order.tolist() if _name(grid.cell(place)) not in store.statuses]
            self.pending = np.array(missing, np.int64)
        else:
            self.pending = self.order
        self.kept = self.total - len(self.pending)

    def run(self, opened: Any) -> None:
        """Computes what is missing."""
        cost = float(self.seconds[self.pending].sum())
        self.event("begin", cells=self.total, kept=self.kept, predicted_seconds=cost)
        self.shown.begin(self.total, self.kept, cost)
        try:
            if len(self.pending):
                lane: Here | Lane = opened()
                try:
                    self._drive(lane)
                finally:
                    lane.close()
        except BaseException as error:
            self.event("stopped", error=f"{type(error).__name__}: {error}")
            raise
        finally:
            self.shown.end()
        self.event("end", computed=self.shown.done, failed=self.shown.failed)

    def failed(self) -> int:
        """How many cells of the grid or shard have failed."""
        return len(self._failed())

    def _failed(self) -> list[bytes]:
        statuses = self.store.statuses
        if FAILED not in statuses.values():
            return []
        names = (_name(self.grid.cell(place)) for place in self.order.tolist())
        return [name for name in names if statuses.get(name) == FAILED]

    def _drive(self, lane: Here | Lane) -> None:
        waiting = self._batches()
        while True:
            refused: deque[_Batch] = deque()
            if isinstance(lane, Here):
                while (batch := self._next(waiting, refused)) is not None:
                    self._here(lane, batch)
            else:
                self._elsewhere(lane, waiting, refused)
            if not refused:
                return
            time.sleep(_PAUSE)  # another process has them: they will be there, or free again
            self.store.refresh()
            waiting = iter(refused)

    def _elsewhere(self, lane: Lane, waiting: Iterator[_Batch], refused: deque[_Batch]) -> None:
        flying: dict[Future[list[Row]], _Batch] = {}
        suspects: list[_Batch] = []
        while True:
            while (
                not suspects and len(flying) < 2 * lane.workers and (batch := self._next(waiting, refused)) is not None
            ):
                flying[lane.submit(batch.cells)] = batch
            if flying:
                self._landed(lane, flying, suspects)
            elif suspects:
                self._alone(lane, suspects.pop())
            else:
                return

    def _next(self, waiting: Iterator[_Batch], refused: deque[_Batch]) -> _Batch | None:
        """The next batch with a cell that is missing and free, claimed; cells that another process has are put off."""
        for batch in waiting:
            missing = [n for n, name in enumerate(batch.names) if name not in self.store.statuses]
            taken = [n for n in missing if self.store.claims.take(batch.names[n])]
            self.store.refresh()  # after the claim: what another process has finished before is there now
            mine = [n for n in taken if batch.names[n] not in self.store.statuses]
            for n in set(taken) - set(mine):
                self.store.claims.drop(batch.names[n])
            others = [n for n in missing if n not in set(taken)]
            if others:
                refused.append(batch.only(others))
            if mine:
                return batch.only(mine)
        return None

    def _here(self, lane: Here, batch: _Batch) -> None:
        try:
            for row, name, cost in zip(lane.rows(batch.cells), batch.names, batch.costs, strict=True):
                self._keep(row, name, cost)
        except BaseException:
            self._free(batch)
            raise

    def _landed(self, lane: Lane, flying: dict[Future[list[Row]], _Batch], suspects: list[_Batch]) -> None:
        """Keeps what has come back; what was lost is submitted again, or suspected of killing its workers."""
        done, _ = wait(flying, timeout=1.0, return_when=FIRST_COMPLETED)
        again: list[_Batch] = []
        for future in done:
            batch = flying.pop(future)
            error = self._back(lane, future, batch)
            if error is None:
                continue
            kills = self._kills.get(batch.names[0], 0) + lane.killed(error)
            self._kills[batch.names[0]] = kills
            (suspects if kills >= lane.most_kills else again).append(batch)
        for batch in again:
            flying[lane.submit(batch.cells)] = batch

    def _alone(self, lane: Lane, batch: _Batch) -> None:
        """Cell by cell with nothing beside it: a cell whose worker dies, where one without work lives, has failed."""
        for place in range(len(batch.cells)):
            one = batch.only([place])
            while (error := self._tried(lane, one)) is not None:
                if lane.killed(error) and self._tried(lane, batch.only([])) is None:
                    self._keep(row_of(one.cells[0], status=FAILED, error=_KILLED), one.names[0], one.costs[0])
                    break

    def _tried(self, lane: Lane, batch: _Batch) -> BaseException | None:
        future = lane.submit(batch.cells)
        wait([future])
        return self._back(lane, future, batch)

    def _back(self, lane: Lane, future: Future[list[Row]], batch: _Batch) -> BaseException | None:
        """Keeps the rows of a batch; why it was lost, if it was.

        Raises:
            BaseException: an error that is no loss of workers.
        """
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            lane.landed()
            for row, name, cost in zip(future.result(), batch.names, batch.costs, strict=True):
                self._keep(row, name, cost)
        elif lane.lost(error):
            self.event("lost", cells=len(batch.cells))
        else:
            raise error
        return error

    def _keep(self, row: Row, name: bytes, cost: float) -> None:
        self.store.add(row)
        self.store.claims.drop(name)
        self.shown.advance(row, cost)
        self.event("cell", cell=row["cell_sha256"], status=row["status"], seconds=row["seconds"])

    def _free(self, batch: _Batch) -> None:
        for name in batch.names:
            self.store.claims.drop(name)

    def _batches(self) -> Iterator[_Batch]:
        """The missing cells in order, some of one class at a time."""
        group = self.grid.numbers(_CLASS_AXES)
        some: list[int] = []
        for place in self.pending.tolist():
            if some and not self._fits(some, place, group):
                yield self._batch(some)
                some = []
            some.append(place)
        if some:
            yield self._batch(some)

    def _fits(self, some: list[int], place: int, group: np.ndarray) -> bool:
        if self._pack is not None:
            return bool(self._pack[some[0]] == self._pack[place]) and len(some) < _PACK
        if group[some[0]] != group[place] or len(some) >= _BATCH_CELLS:
            return False
        return float(self.seconds[some].sum() + self.seconds[place]) <= _BATCH_SECONDS

    def _batch(self, places: list[int]) -> _Batch:
        cells = tuple(self.grid.cell(place) for place in places)
        return _Batch(cells, tuple(_name(cell) for cell in cells), tuple(self.seconds[places].tolist()))


def _longest_first(grid: Grid, seconds: np.ndarray, pack: np.ndarray) -> np.ndarray:
    """Numbers of the cells: the class with the longest cell first, its cells together, the longest of them first."""
    group = grid.numbers(_CLASS_AXES)
    longest = np.zeros(int(group.max()) + 1)
    np.maximum.at(longest, group, seconds)
    return np.lexsort((np.arange(len(grid)), pack, -seconds, group, -longest[group]))


def _some(values: tuple[_T, ...], places: Sequence[int]) -> tuple[_T, ...]:
    return tuple(values[place] for place in places)


def _name(cell: Cell) -> bytes:
    return bytes.fromhex(identity(key_of(cell)))


def _models(grid: Grid) -> list[str]:
    """Callables among the models of a grid."""
    named = [
        str(setting[block.names.index("model")])
        for block in grid.blocks
        if "model" in block.names
        for setting in block.settings
    ]
    return [model for model in dict.fromkeys(named) if axes.is_callable(model)]


def _shard_of(shard: tuple[int, int] | None) -> tuple[int, int] | None:
    if shard is None:
        return None
    if not isinstance(shard, Sequence) or isinstance(shard, str) or len(shard) != 2:
        _validate.refuse(TypeError, "shard", "(i, n), two integers", _validate.came(shard))
    count = _validate.integer("shard", shard[1], low=1)
    return _validate.integer("shard", shard[0], low=1, high=count), count
