"""Blocks on several threads, results in order: the same sums, and so the same bits, for any number of threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from barren import _core
from barren.tangents.base import Tangent

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def in_order(work: Callable[[_Task], _Result], tasks: Iterator[_Task], workers: int) -> Iterator[_Result]:
    """work(task) for every task, in the order of the tasks, at most two a worker ahead of what was taken.

    The first task runs in the calling thread, so that what all share is made once. An exception, Ctrl-C too, stops what
    has not begun and waits for what has: blocks are short, and no thread outlives the call.
    """
    for task in tasks:
        yield work(task)
        break
    if workers <= 1:
        yield from map(work, tasks)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="barren") as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def ready(tangent: Tangent) -> None:
    """Captures what blocks of Θ are made of, before several threads ask for blocks.

    On one thread: torch cuts its loops by the number of threads, and the last digits depend on where.
    """
    if tangent.concurrent:
        with tangent.limited(1):
            for _ in tangent.ntk(slice(0, 1), slice(0, 1)):
                pass


def workers_of(tangent: Tangent, threads: int) -> int:
    """How many threads make blocks of Θ: all of the call, where the tangent allows it."""
    return (threads or _core.available_threads()) if tangent.concurrent else 1
