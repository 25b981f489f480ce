"""What the tests of sweeps share: grids that need no torch, child processes, and rows without what may differ."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from barren.sweeps import rows_of, schema
from barren.sweeps.progress import EVENTS

SMALL: dict[str, Any] = {"kind": "bounds", "p": [5, 7, 11, 15], "target": ["bit:0", "sawtooth"]}
# About 15 ms a cell: long enough to be killed in the middle.
SLOW: dict[str, Any] = {"kind": "bounds", "p": {"primes": [60_000, 70_000], "count": 20}, "target": ["bit:0", "square"]}
SLOW_TOML = """\
kind = "bounds"
p = { primes = [60_000, 70_000], count = 20 }
target = ["bit:0", "square"]
"""
NETWORKS: dict[str, Any] = {
    "p": [31, 37],
    "seed": {"range": [0, 2]},
    "encoding": ["bits:6", "one-hot"],
    "model": "mlp:9:relu",
    "method": ["kernel", "direct"],
}


def plain(rows: list[schema.Row]) -> list[schema.Row]:
    """Rows without the columns that may differ, nan as a text so that it equals itself."""
    kept = [{name: value for name, value in row.items() if name not in schema.VOLATILE} for row in rows]
    return json.loads(json.dumps(kept).replace("NaN", '"nan"'))


def stored(path: Path) -> list[schema.Row]:
    """The rows of a store, to be compared."""
    return plain(rows_of(path))


def child(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """`barren sweep` in a process of its own; options of `subprocess.Popen`."""
    command = [sys.executable, "-m", "barren", "sweep", *map(str, arguments)]
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}  # the models of the tests
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, **pipes, **options)


def events(path: Path, name: str) -> list[dict[str, Any]]:
    """The events of a store of one name; a line that a kill cut short is none."""
    found = []
    if (path / EVENTS).exists():
        for line in (path / EVENTS).read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return [event for event in found if event["event"] == name]


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


# A scheduler with two workers in one process, which one signal kills.
SCHEDULER = """\
import sys, time
from distributed import LocalCluster
with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, scheduler_port=int(sys.argv[1]),
                  dashboard_address=":0", memory_limit=0):
    print("ready", flush=True)
    time.sleep(3600)
"""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def scheduler(port: int) -> subprocess.Popen[str]:
    """A scheduler of Dask at this port, in a process of its own, once it is there."""
    started = subprocess.Popen([sys.executable, "-c", SCHEDULER, str(port)], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started
