from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from sweep_cases import SLOW, SLOW_TOML, child, events, free_port, scheduler, stored, wait_for

import barren
from barren.sweeps import LostError, executors

COUNT = 40
WORKERS = {"processes": "--workers", "dask": "--dask"}
MIXED: dict[str, Any] = {"p": [31, 37], "seed": [0, 1], "model": "mlp:9:relu", "method": ["kernel", "direct"]}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The rows of both grids, swept here in one go."""
    out = tmp_path_factory.mktemp("undisturbed")
    barren.sweep(SLOW, out / "slow")
    barren.sweep(MIXED, out / "mixed")
    return {name: stored(out / name) for name in ("slow", "mixed")}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """`SLOW` as a file."""
    path = tmp_path / "grid.toml"
    path.write_text(SLOW_TOML)
    return path


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Something that happens while a sweep runs; its failure is the test's."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not failures, failures


def workers(of: int | None) -> list[psutil.Process]:
    """Spawned processes that compute, of this process or another one."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_a_worker(out: Path, times: int, every: int, of: int | None = None) -> Callable[[], None]:
    """Kills a worker each time that so many cells more are there."""

    def work() -> None:
        for number in range(times):
            wait_for(lambda: len(events(out, "cell")) >= every * (number + 1) and workers(of))  # noqa: B023
            workers(of)[0].kill()

    return work


def test_a_process_pool_gives_the_same_rows_and_outlives_its_workers(
    tmp_path: Path, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    with meanwhile(kill_a_worker(tmp_path / "slow", times=2, every=10)):
        done = barren.sweep(SLOW, tmp_path / "slow", executor="processes", workers=min(2, executors.cores()))
    assert (done.computed, done.failed) == (COUNT, 0)
    assert stored(tmp_path / "slow") == undisturbed["slow"]
    assert events(tmp_path / "slow", "lost")


def test_workers_of_a_killed_sweep_end_with_it(tmp_path: Path, grid: Path) -> None:
    process = child("run", grid, "--out", tmp_path / "slow", "--workers", "1")
    wait_for(lambda: events(tmp_path / "slow", "cell"))
    left = workers(process.pid)
    assert left
    process.kill()
    process.communicate()
    assert not psutil.wait_procs(left, timeout=30)[1]


def test_an_interrupt_of_all_processes_of_a_terminal_is_one_line(tmp_path: Path, grid: Path) -> None:
    out = tmp_path / "slow"
    process = child("run", grid, "--out", out, "--workers", "1", "--quiet", start_new_session=True)
    wait_for(lambda: events(out, "cell"), 180)
    left = workers(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 130
    assert said == "interrupted: what was finished is kept, the same command goes on from there\n"
    assert not psutil.wait_procs(left, timeout=30)[1]


def test_any_executor_of_concurrent_futures(tmp_path: Path, undisturbed: dict[str, list[dict[str, Any]]]) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        barren.sweep(MIXED, tmp_path / "mixed", executor=pool)
        assert pool.submit(sum, [1, 2]).result() == 3  # left open
    assert stored(tmp_path / "mixed") == undisturbed["mixed"]


def test_workers_that_cannot_live_at_all_fail_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_end_with_parent", os.abort)  # what a process does when it starts
    with pytest.raises(LostError, match="workers died 9 times in a row"):
        barren.sweep({"kind": "bounds", "p": [5, 7, 11]}, tmp_path, executor="processes", workers=1)
    assert not stored(tmp_path)


def test_workers_that_die_again_and_again_end_the_sweep_in_words() -> None:
    lane = executors.Processes(1, 1, 2**30)

    def die(times: int) -> None:
        for _ in range(times):
            lane._pool._broken = "for the test"
            lane.lost(executors.BrokenProcessPool())

    try:
        die(8)
        lane.landed()
        die(8)
        with pytest.raises(LostError, match="workers died 9 times in a row"):
            die(1)
    finally:
        lane.close()


@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_a_cell_that_kills_its_worker_has_failed_and_the_others_go_on(
    executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")  # it would try three times more
    (tmp_path / "grid.toml").write_text('p = 7\nseed = [1, 2, 3, 4]\nmodel = "sweep_models:die"\n')
    process = child("run", tmp_path / "grid.toml", "--out", tmp_path / "out", WORKERS[executor], "1")
    said, told = process.communicate()
    assert process.returncode == 1, told
    assert "4 cells: 0 were there, 4 computed, 2 failed" in said
    rows = {row["seed"]: row for row in stored(tmp_path / "out")}
    assert rows[2]["error"].startswith("WorkerDied: the worker died while it computed this cell")
    assert rows[3]["error"] == "ValueError: no network for this seed"
    assert rows[1]["status"] == rows[4]["status"] == "done"


def test_dask_on_this_machine_survives_killed_workers(
    tmp_path: Path, grid: Path, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    # In a process of its own, for Dask leaves sockets of killed workers to the garbage collector, which pytest tells.
    process = child("run", grid, "--out", tmp_path / "slow", "--dask", str(min(2, executors.cores())))
    with meanwhile(kill_a_worker(tmp_path / "slow", times=2, every=12, of=process.pid)):
        said, _ = process.communicate()
    assert process.returncode == 0
    assert f"{COUNT} cells: 0 were there, {COUNT} computed, 0 failed" in said
    assert stored(tmp_path / "slow") == undisturbed["slow"]


def test_a_scheduler_that_is_started_anew(
    tmp_path: Path, grid: Path, undisturbed: dict[str, list[dict[str, Any]]]
) -> None:
    port = free_port()

    def stop(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    running = [scheduler(port)]

    def restart() -> None:
        wait_for(lambda: len(events(tmp_path / "slow", "cell")) >= 10)
        stop(running[0])
        time.sleep(0.5)
        running.append(scheduler(port))

    try:
        address = f"tcp://127.0.0.1:{port}"
        process = child("run", grid, "--out", tmp_path / "slow", "--scheduler", address)
        with meanwhile(restart):
            said, _ = process.communicate()
    finally:
        for one in running:
            stop(one)
    assert len(running) == 2
    assert process.returncode == 0
    assert f"{COUNT} cells: 0 were there, {COUNT} computed, 0 failed" in said
    assert stored(tmp_path / "slow") == undisturbed["slow"]


def test_workers_that_come_later_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [{}, {"a": {"nthreads": 1}, "b": {"nthreads": 3}}]
    client = SimpleNamespace(scheduler_info=lambda n_workers: {"workers": there.pop(0)}, close=lambda timeout: None)
    monkeypatch.setattr(executors.Dask, "_connected", lambda *_: client)
    monkeypatch.setattr(executors, "_RECOUNT", 0.0)
    lane = executors.Dask("tcp://127.0.0.1:9", None, 1, 2**30)
    assert lane.workers == 1
    lane.landed()
    assert lane.workers == 4
    lane.landed()  # nobody answers
    assert lane.workers == 4
    lane.close()


def test_no_scheduler_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_PATIENCE", 0.5)
    with pytest.raises(LostError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9;"):
        barren.sweep(SLOW, tmp_path, executor="tcp://127.0.0.1:9")
