"""Blocks on several threads, results in order: the same sums, and so the same bits, for any number of threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from barren import _core

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


_NAME = "barren"


def is_worker() -> bool:
    """Whether this is a thread of `in_order`, which ends with its call."""
    return threading.current_thread().name.startswith(f"{_NAME}_")


def in_order(work: Callable[[_Task], _Result], tasks: Iterator[_Task], workers: int) -> Iterator[_Result]:
    """work(task) for every task, in the order of the tasks, at most two a worker ahead of what was taken.

    An exception, Ctrl-C too, stops what has not begun, and what has at its next checkpoint: core calls look at the flag
    that the threads of this call obey, and what the core does not do is short or calls `_core.checkpoint` in between.
    No thread outlives the call.
    """
    if workers <= 1:
        yield from map(work, tasks)
        return
    stop = _core.Stop()
    with ThreadPoolExecutor(workers, _NAME, initializer=_core.obey, initargs=(stop,)) as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            stop.set()
            for future in waiting:
                future.cancel()
