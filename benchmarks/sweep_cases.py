"""Benchmark cases of sweeps: what a cell costs beside its work, what a plan costs, what a second worker gives."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cases import Record

import barren
from barren.sweeps import executors, parts, rows_of
from barren.sweeps.provenance import provenance
from barren.sweeps.schema import DONE, VOLATILE, Cell, Row

_PLAN = """
import sys, time
from barren.sweeps import Grid, price
from barren.sweeps.provenance import peak_memory
start = time.perf_counter()
grid = Grid({"p": {"range": [101, 100 + int(sys.argv[1])]}, "seed": {"range": [0, 99]}, "encoding": "bits:17",
             "target": ["bit:0", "sawtooth"], "loss": "mse",
             "model": ["mlp:10", "mlp:20", "mlp:100:relu", "mlp:200", "linear"]})
found = price(grid)
assert found.seconds.shape == (len(grid),) and (found.seconds > 0).all()
print(len(grid), time.perf_counter() - start, peak_memory())
"""


def sweep_overhead(quick: bool) -> Record:
    """Cells whose work is nothing, in this process: everything else that a sweep does, its import of torch included."""
    count = 200 if quick else 10_000
    grid = {"p": 101, "seed": {"range": [0, count - 1]}, "model": "mlp:4"}

    def nothing(cells: Sequence[Cell], **_: Any) -> Iterator[Row]:
        for cell in cells:
            layers = {"layer_names": ["0", "2"], "layer_variances": [0.25, 0.25]}
            yield parts.row_of(cell, status=DONE, value=0.5, seconds=0.0, **layers, **provenance())

    real, executors.compute = executors.compute, nothing
    try:
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            done = barren.sweep(grid, out)
            seconds = time.perf_counter() - start
            assert done.computed == len(rows_of(out)) == count
    finally:
        executors.compute = real
    if not quick:
        assert seconds / count <= 2e-3
    return {
        "name": "what a sweep takes beside the work of its cells",
        "case": f"{count} cells without work, in-process: {1e3 * seconds / count:.2f} ms a cell",
        "asked": "≤ 2 ms a cell",
        "seconds_a_cell": seconds / count,
    }


def sweep_plan(quick: bool) -> Record:
    """The plan of a million cells, in a process of its own."""
    made = subprocess.run(
        [sys.executable, "-c", _PLAN, "10" if quick else "1000"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    cells, seconds, peak = made.stdout.split()
    if not quick:
        assert float(seconds) <= 10.0
        assert int(peak) <= 500e6
    return {
        "name": "plan of a large grid",
        "case": f"{cells} cells, in {float(seconds):.1f} s",
        "asked": "≤ 10 s and ≤ 500 MB for 10^6 cells",
        "plan_seconds": float(seconds),
        "bytes": int(peak),
    }


def sweep_dask(quick: bool) -> Record:
    """A Dask cluster on this machine with two single-thread workers against one with one; its start is not timed."""
    model = "mlp:40" if quick else "mlp:400x400"
    sizes = {"primes": [101, 120]} if quick else {"primes": [1000, 1500], "count": 12}
    grid = {"p": sizes, "seed": {"range": [0, 1 if quick else 3]}, "encoding": "bits:12", "model": model}
    times: dict[int, list[float]] = {1: [], 2: []}
    rows: dict[int, list[Row]] = {}
    for _ in range(1 if quick else 3):
        for workers, taken in times.items():
            with tempfile.TemporaryDirectory() as out:
                barren.sweep(grid, out, executor="dask", workers=workers, threads=1)
                taken.append(_between(Path(out)))
                rows[workers] = _compared(rows_of(out))
    assert rows[1] == rows[2]
    ratios = sorted(one / two for one, two in zip(times[1], times[2], strict=True))
    return {
        "name": "a Dask cluster on this machine with two workers against one",
        "case": f"{len(rows[1])} cells of one thread each, {model}, from the first cell that is back to the last",
        "asked": "≥ 1.6×, the same rows",
        "seconds": {"rival": min(times[1]), "ours": min(times[2]), "runs": len(ratios)},
        "ratio": {"median": ratios[len(ratios) // 2], "min": ratios[0], "max": ratios[-1]},
    }


def _between(store: Path) -> float:
    """Seconds from the first cell that came back to the last: workers start, and load torch, before."""
    import json
    from datetime import datetime

    events = [json.loads(line) for line in (store / "events.jsonl").read_text().splitlines()]
    cells = [datetime.fromisoformat(event["time"]) for event in events if event["event"] == "cell"]
    return (cells[-1] - cells[0]).total_seconds()


def _compared(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in VOLATILE} for row in rows]


SWEEP_CASES = {"sweep_overhead": sweep_overhead, "sweep_plan": sweep_plan, "sweep_dask": sweep_dask}
