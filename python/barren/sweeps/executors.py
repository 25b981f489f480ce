"""Where cells are computed: here, in processes of this machine, by any executor of concurrent.futures, or by Dask.

A lane takes batches of cells and gives futures of rows; this process itself gives rows one by one. What is lost with
a worker is computed again; rows do not depend on where they were computed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import connection
from typing import Any

from barren import _core, _validate
from barren.sweeps.cells import compute
from barren.sweeps.schema import Cell, Row

__all__ = ["Dask", "Given", "Here", "Lane", "LostError", "Processes", "lane_of"]

# How often in a row workers may die before the sweep gives up: a cell that kills its worker would do so for ever.
_MOST_LOSSES = 8
# Seconds that a scheduler may take to answer, and to come back.
_PATIENCE, _RECONNECT = 10.0, 60.0
# Seconds between two looks at how many workers a scheduler has.
_RECOUNT = 5.0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class LostError(RuntimeError):
    """The workers are gone and do not come back; the same command goes on from what is in the store."""


def rows_of(cells: Sequence[Cell], threads: int | None, memory_limit: int) -> list[Row]:
    """What a worker does."""
    return list(compute(cells, threads=threads, memory_limit=memory_limit))


def _end_with_parent() -> None:
    """In a worker: it ends when the process that started it does, by a kill too; it would wait for work for ever.

    Ctrl-C goes to all processes of a terminal; the one that started the others ends them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Here:
    """This process: a batch is computed when it is its turn, and its rows come one by one.

    Args:
        threads: of a batch.
        memory_limit: of a cell.
    """

    workers = 1

    def __init__(self, threads: int | None, memory_limit: int) -> None:
        self.threads, self.memory_limit = threads, memory_limit

    def rows(self, cells: Sequence[Cell]) -> Iterator[Row]:
        """The rows of a batch."""
        return compute(cells, threads=self.threads, memory_limit=self.memory_limit)

    def close(self) -> None:
        """There is nothing to stop."""


class Lane(ABC):
    """Takes batches and gives futures of their rows; the base of what computes elsewhere.

    Args:
        workers: batches that are computed at once.
        threads: of a batch.
        memory_limit: of a cell.

    Attributes:
        most_kills: how often `killed` is said of a batch before its cells are computed one by one, nothing beside them.
    """

    most_kills = 2

    def __init__(self, workers: int, threads: int | None, memory_limit: int) -> None:
        self.workers, self.threads, self.memory_limit = workers, threads, memory_limit
        self._losses = 0  # in a row

    @abstractmethod
    def submit(self, cells: Sequence[Cell]) -> Future[list[Row]]:
        """The rows of a batch, in time."""

    def lost(self, error: BaseException) -> bool:
        """Whether an error says that workers or their batch were lost, and batches can be submitted again."""
        return False

    def killed(self, error: BaseException) -> bool:
        """Whether an error says that the worker died which computed the batch, or one beside it."""
        return False

    def landed(self) -> None:
        """A batch has come back."""
        self._losses = 0

    @abstractmethod
    def close(self) -> None:
        """Stops what has been begun."""


class Given(Lane):
    """An executor that the caller has, which is left open."""

    def __init__(self, executor: Executor, workers: int, threads: int | None, memory_limit: int) -> None:
        super().__init__(workers, threads, memory_limit)
        self._executor = executor
        self._waiting: set[Future[list[Row]]] = set()

    def submit(self, cells: Sequence[Cell]) -> Future[list[Row]]:
        """See `Lane.submit`."""
        found = self._executor.submit(rows_of, cells, self.threads, self.memory_limit)
        self._waiting.add(found)
        found.add_done_callback(self._waiting.discard)
        return found

    def close(self) -> None:
        """See `Lane.close`: what waits in the executor would be computed for nobody."""
        for future in list(self._waiting):
            future.cancel()


class Processes(Lane):
    """Processes of this machine, started anew (spawn), each with its share of the threads."""

    def __init__(self, workers: int, threads: int, memory_limit: int) -> None:
        super().__init__(workers, threads, memory_limit)
        self._pool = self._made()

    def submit(self, cells: Sequence[Cell]) -> Future[list[Row]]:
        """See `Lane.submit`."""
        with _environment(self.threads or 1):  # read when a process is started
            try:
                return self._pool.submit(rows_of, cells, self.threads, self.memory_limit)
            except BrokenProcessPool as error:
                broken: Future[list[Row]] = Future()
                broken.set_exception(error)
                return broken

    def lost(self, error: BaseException) -> bool:
        """See `Lane.lost`: a process was killed, and the pool with it."""
        if not isinstance(error, BrokenProcessPool | CancelledError):
            return False
        if getattr(self._pool, "_broken", False):
            self._losses += 1
            if self._losses > _MOST_LOSSES:
                raise LostError(
                    f"workers died {self._losses} times in a row, for want of memory perhaps: take fewer; what "
                    "was finished is kept, and the same command goes on"
                ) from error
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._made()
        return True

    def killed(self, error: BaseException) -> bool:
        """See `Lane.killed`."""
        return isinstance(error, BrokenProcessPool)

    def close(self) -> None:
        """See `Lane.close`: processes that compute are ended."""
        processes = list((getattr(self._pool, "_processes", None) or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
        )


class Dask(Lane):
    """A Dask cluster: of so many single workers on this machine, or that of a scheduler.

    Batches of a worker that dies are computed by another; if the scheduler is started anew the sweep connects again.

    Args:
        address: of the scheduler, or None for workers of this machine.
        workers: of this machine; None for all that the scheduler has.
        threads: of a batch.
        memory_limit: of a cell.

    Raises:
        LostError: no scheduler answers at the address.
    """

    most_kills = 1  # the scheduler has tried several times by then

    def __init__(self, address: str | None, workers: int | None, threads: int, memory_limit: int) -> None:
        import dask
        import distributed

        self._distributed, self._cluster = distributed, None
        if address is None:
            names = dict.fromkeys(_THREADS, str(threads))
            with dask.config.set({"distributed.nanny.pre-spawn-environ": names}):
                self._cluster = distributed.LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", memory_limit=0
                )
        self._address = self._cluster.scheduler_address if self._cluster is not None else address
        self._client = self._connected(_PATIENCE)
        super().__init__(self._threads_there(), threads, memory_limit)
        self._counted = time.monotonic()

    def submit(self, cells: Sequence[Cell]) -> Future[list[Row]]:
        """See `Lane.submit`."""
        found: Future[list[Row]] = Future()
        task = self._client.submit(rows_of, cells, self.threads, self.memory_limit, pure=False)
        task.add_done_callback(lambda one: _passed_on(one, found))
        return found

    def lost(self, error: BaseException) -> bool:
        """See `Lane.lost`."""
        from distributed.client import FutureCancelledError

        killed = self.killed(error)
        if not (killed or isinstance(error, CancelledError | FutureCancelledError | OSError | LostError)):
            return False
        self._losses += 1
        if self._losses > _MOST_LOSSES:
            raise LostError(
                f"batches were lost {self._losses} times in a row; what was finished is kept, and the same command "
                "goes on"
            ) from error
        if not killed and not self._answers():
            with suppress(Exception):
                self._client.close(timeout=1)
            self._client = self._connected(_RECONNECT)
        return True

    def landed(self) -> None:
        """See `Lane.landed`."""
        super().landed()
        if time.monotonic() - self._counted > _RECOUNT:
            with suppress(Exception):  # a scheduler that is gone is told where batches are lost
                self.workers = self._threads_there()
            self._counted = time.monotonic()

    def killed(self, error: BaseException) -> bool:
        """See `Lane.killed`."""
        return isinstance(error, self._distributed.scheduler.KilledWorker)

    def close(self) -> None:
        """See `Lane.close`."""
        with suppress(Exception):
            self._client.close(timeout=5)
        if self._cluster is not None:
            self._cluster.close(timeout=10)

    def _threads_there(self) -> int:
        """Of all workers that the scheduler has now; those of a cluster come and go."""
        found = self._client.scheduler_info(n_workers=-1)["workers"]
        return max(1, sum(int(one["nthreads"]) for one in found.values()))

    def _answers(self) -> bool:
        """Whether the client has a scheduler that answers."""
        try:
            self._client.run_on_scheduler(os.getpid)
        except Exception:
            return False
        return bool(self._client.status == "running")

    def _connected(self, patience: float) -> Any:
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._distributed.Client(  # type: ignore[no-untyped-call]
                    self._address, timeout=min(5.0, patience), set_as_default=False
                )
            except (OSError, TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise LostError(
                        f"no Dask scheduler answers at {self._address}; what was finished is kept, and the same "
                        "command goes on once one does"
                    ) from error
                time.sleep(0.5)


def _passed_on(task: Any, found: Future[list[Row]]) -> None:
    """From a future of Dask to one that can be waited for together with others."""
    try:
        if task.cancelled():
            found.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            found.set_exception(error)
        else:
            found.set_result(task.result())
    except BaseException as error:
        found.set_exception(error if isinstance(error, Exception) else CancelledError())
    with suppress(Exception):
        task.release()


def cores() -> int:
    """Threads that this process may use."""
    return _core.available_threads()


def lane_of(
    executor: str | Executor | None, workers: int | None, threads: int | None, memory_limit: int
) -> tuple[Callable[[], Here | Lane], int]:
    """What opens the lane that was asked for, and the threads of a cell there.

    Raises:
        TypeError: it is no executor.
        ValueError: more threads than there are cores, or an unknown text.
    """
    available = cores()
    expected = "None, 'processes', 'dask', the address of a Dask scheduler, or an executor of concurrent.futures"
    count = None if workers is None else _validate.integer("workers", workers, low=1, high=4096)
    each = None if threads is None else _validate.integer("threads", threads, low=1, high=4096)
    if executor is None:
        if count not in (None, 1):
            raise ValueError(f"workers go with an executor such as 'processes'; got {count} without one")
        _check_threads(1, each or available, available)
        return lambda: Here(each, memory_limit), each or available
    if isinstance(executor, str) and "://" in executor:
        return lambda: Dask(executor, None, each or 1, memory_limit), each or 1
    if isinstance(executor, Executor):
        many = count or int(getattr(executor, "_max_workers", 1))
    elif executor in ("processes", "dask"):
        many = count or available
    else:
        kind = ValueError if isinstance(executor, str) else TypeError
        _validate.refuse(kind, "executor", expected, _validate.came(executor))
    share = each or max(1, available // many)
    if isinstance(executor, ProcessPoolExecutor) or not isinstance(executor, Executor):
        _check_threads(many, share, available)
    if isinstance(executor, Executor):
        return lambda: Given(executor, many, share, memory_limit), share
    if executor == "dask":
        return lambda: Dask(None, many, share, memory_limit), share
    return lambda: Processes(many, share, memory_limit), share


def _check_threads(workers: int, threads: int, available: int) -> None:
    """Of what computes on this machine."""
    if workers * threads > available:
        raise ValueError(f"workers × threads must be at most the {available} cores; got {workers} × {threads}")


_environment_lock = threading.Lock()


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """The variables that tell a process that is started here how many threads it may use."""
    with _environment_lock:
        before = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, str(threads)))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
