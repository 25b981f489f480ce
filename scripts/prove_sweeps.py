"""Kills sweeps at random moments, at the size that was asked for, and compares every row with an undisturbed run.

    python scripts/prove_sweeps.py                     # about ten minutes on two quiet cores
    python scripts/prove_sweeps.py --kills 2 --losses 1

Four proofs: SIGKILL of the sweep at random moments; of workers of a Dask cluster; of the scheduler; two processes in
one store, one of them killed. After each: exactly the expected cells in the parts, none twice, none missing, all values
the same bits. The folder tests/ must be beside it, and the checkout left alone meanwhile: rows say its commit.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import psutil
from sweep_cases import child, events, free_port, scheduler, stored, wait_for

import barren
from barren.sweeps import Grid, log, parts, upkeep

GRID = """\
p = { primes = [300, 1000], count = 24 }
seed = { range = [0, 4] }
encoding = "bits:10"
model = "mlp:200x200:sigmoid"
"""


def agree(out: Path, expected: list[dict[str, Any]]) -> None:
    """Exactly the expected rows, by whoever reads the parts, and nothing left over."""
    found = [cell for part in parts.listed(out) for cell in parts.read(part).column("cell_sha256").to_pylist()]
    assert sorted(found) == [row["cell_sha256"] for row in expected], "a cell is missing, or there twice"
    for row, wanted in zip(stored(out), expected, strict=True):
        differ = {name: (row[name], wanted[name]) for name in row if row[name] != wanted[name]}
        assert not differ, f"{row['key']}: {differ}"
    assert not log.listed(out)
    assert not upkeep.verify(out)


def done(out: Path) -> int:
    """Cells that have come back so far."""
    return len(events(out, "cell"))


def killed(grid: Path, out: Path, kills: int, cells: int) -> None:
    """SIGKILL of the whole sweep, from its start to its end."""
    draw = random.Random(7)
    for number in range(kills):
        process = child("run", grid, "--out", out, "--quiet")
        if number % 4 == 3:  # at its start too: while modules are loaded, the store opened, logs taken over
            time.sleep(4.0 * draw.random())
        else:
            aim = done(out) + draw.randrange(1, max(2, cells // kills))
            wait_for(lambda aim=aim, process=process: done(out) >= aim or process.poll() is not None, 300)
            time.sleep(0.05 * draw.random())
        process.send_signal(signal.SIGKILL)
        process.communicate()
        print(f"  kill {number + 1}: {done(out)} cells have come back", flush=True)


def workers_killed(grid: Path, out: Path, losses: int, cells: int) -> None:
    """A worker of a Dask cluster on this machine, again and again."""

    def work() -> None:
        for number in range(losses):
            aim = (number + 1) * cells // (losses + 2)
            wait_for(lambda aim=aim: done(out) >= aim and _workers(), 600)
            _workers()[0].kill()
            print(f"  worker {number + 1} killed", flush=True)

    _during(work, lambda: barren.sweep(grid, out, executor="dask", workers=2))


def scheduler_killed(grid: Path, out: Path, cells: int) -> None:
    """The scheduler, and another one at its address."""
    port = free_port()
    running = [scheduler(port)]

    def work() -> None:
        wait_for(lambda: done(out) >= cells // 3, 600)
        running[0].kill()
        running[0].wait()
        running.append(scheduler(port))
        print("  scheduler killed and started anew", flush=True)

    try:
        _during(work, lambda: barren.sweep(grid, out, executor=f"tcp://127.0.0.1:{port}"))
    finally:
        for process in running:
            process.kill()
            process.wait()


def two_processes(grid: Path, out: Path, cells: int) -> None:
    """Two in one store; one is killed, the other one takes its cells over."""
    first, second = (child("run", grid, "--out", out, "--quiet", "--threads", "1") for _ in range(2))
    wait_for(lambda: done(out) >= cells // 3, 600)
    first.kill()
    first.communicate()
    _, said = second.communicate()
    assert second.returncode == 0, said
    barren.sweep(grid, out)


def _workers() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _during(work: Callable[[], None], sweep: Callable[[], object]) -> None:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    sweep()
    thread.join()


def main() -> None:
    """Runs the proofs; the first disagreement ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--losses", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (grid := place / "grid.toml").write_text(GRID)
        cells = len(Grid.from_file(grid))
        barren.sweep(grid, place / "undisturbed")
        expected = stored(place / "undisturbed")
        print(f"undisturbed: {len(expected)} cells", flush=True)
        proofs: dict[str, Callable[[Path], None]] = {
            "killed": lambda out: killed(grid, out, options.kills, cells),
            "workers killed": lambda out: workers_killed(grid, out, options.losses, cells),
            "scheduler killed": lambda out: scheduler_killed(grid, out, cells),
            "two processes": lambda out: two_processes(grid, out, cells),
        }
        for name, proof in proofs.items():
            start = time.perf_counter()
            out = place / name.replace(" ", "-")
            proof(out)
            last = barren.sweep(grid, out)
            agree(out, expected)
            print(
                f"{name}: {last.computed} cells were left for the last run; all rows agree, "
                f"{time.perf_counter() - start:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
