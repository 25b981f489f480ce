"""Checks the installed barren beside torch: both import orders give the same bits, and nothing hangs.

A wheel brings its own OpenMP runtime or none, torch brings one too, so a process may hold two. Each case is a process
of its own, which computes variances from numbers and of models, then the same while another thread multiplies in torch,
then in a forked child; a case that has not ended after some minutes counts as hung. Exits 1 if something differs or
hangs.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

CASES = {"alone": ["barren"], "barren-first": ["barren", "torch"], "torch-first": ["torch", "barren"]}
_PATIENCE = 600.0  # seconds; a case takes some on a quiet machine
_RUNTIMES = re.compile(r"\S*/(?:libgomp|libomp|libiomp)[^/\s]*")


def main() -> int:
    """Runs every case, prints what each held, and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=list(CASES), help="run one case in this process and print what it found")
    parser.add_argument(
        "--separate", action="store_true", help="fail unless the runtimes of barren and torch are two files"
    )
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(_case(arguments.case)))
        return 0
    found = {case: _in_a_process(case) for case in CASES}
    for case, result in found.items():
        print(
            f"{case}: {len(result['digests'])} results, OpenMP runtimes: {', '.join(result['runtimes']) or 'not told'}"
        )
    wrong = _differences(found)
    if arguments.separate and any(len(found[case]["runtimes"]) < 2 for case in CASES if case != "alone"):
        wrong.append("a process beside torch holds one OpenMP runtime, not two")
    print("\n".join(wrong) if wrong else "the same bits in every order, beside a busy torch, and in a forked child")
    return 1 if wrong else 0


def _in_a_process(case: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--case", case]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(f"{case} has not ended after {_PATIENCE:.0f} s: it hangs")
    if done.returncode != 0:
        sys.exit(f"{case} ended with status {done.returncode}:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _differences(found: dict[str, dict[str, Any]]) -> list[str]:
    """Where a result of the same name is not the same in two cases, or in one at another time."""
    wrong = []
    known: dict[str, tuple[str, str]] = {}
    for case, result in found.items():
        for name, digest in result["digests"].items():
            first, expected = known.setdefault(name.partition(" | ")[0], (f"{case}, {name}", digest))
            if digest != expected:
                wrong.append(f"{case}, {name} differs from {first}")
    return wrong


def _case(case: str) -> dict[str, object]:
    for name in CASES[case]:
        importlib.import_module(name)
        if name == "barren":
            _numbers()  # its threads are there before what is imported next
    digests = _numbers()
    if "torch" in CASES[case]:
        digests |= _models()
        digests |= _beside_a_busy_torch()
        if hasattr(os, "fork"):
            digests |= _in_a_forked_child()
    return {"digests": digests, "runtimes": _runtimes()}


def _digest(*arrays: object) -> str:
    import numpy as np

    together = hashlib.sha256()
    for array in arrays:
        together.update(np.ascontiguousarray(array).tobytes())
    return together.hexdigest()


def _numbers(when: str = "") -> dict[str, str]:
    """Engines of the core from numbers, on one thread and on four: large enough that threads are woken."""
    import numpy as np

    import barren
    from barren import targets

    digests = {}
    cls = barren.ModularMultiplication(4093, targets.Bit(0))
    jacobian = np.random.default_rng(0).standard_normal((4093, 24))
    for method in ("direct", "character", "kernel"):
        for threads in (1, 4):
            found = barren.gradient_variance(cls, jacobian=jacobian, method=method, threads=threads)
            digests[f"{method} | {threads} threads{when}"] = _digest(float(found), found.deviations)
    return digests


def _models(when: str = "") -> dict[str, str]:
    """A perceptron by the kernel method: torch's passes and the core's products in turn."""
    import torch

    import barren
    from barren import encodings, models, targets

    digests = {}
    for dtype in (torch.float32, torch.float64):
        cls = barren.ModularMultiplication(1009, targets.Bit(0))
        model = models.mlp(10, (64, 64), "tanh", seed=0).to(dtype)
        found = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss="bce", method="kernel")
        digests[f"model {dtype} | {when}"] = _digest(float(found), found.deviations)
    return digests


def _beside_a_busy_torch() -> dict[str, str]:
    """The same while a thread multiplies in torch, with torch's own threads; its products keep their bits too."""
    import torch

    matrix = torch.randn(512, 512, generator=torch.Generator().manual_seed(0))
    alone = beside = matrix @ matrix
    stop = threading.Event()

    def multiply() -> None:
        nonlocal beside
        while not stop.is_set() and torch.equal(beside, alone):
            beside = matrix @ matrix

    thread = threading.Thread(target=multiply)
    thread.start()
    try:
        digests = _numbers(", torch busy") | _models("torch busy")
    finally:
        stop.set()
        thread.join()
    products = {"torch's product | alone": _digest(alone.numpy()), "torch's product | beside": _digest(beside.numpy())}
    return digests | products


def _in_a_forked_child() -> dict[str, str]:
    """The numbers again in a child forked after both runtimes have been at work."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(_numbers(", in a forked child")).encode())  # less than a pipe holds
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    digests: dict[str, str] = json.loads(text)
    return digests


def _runtimes() -> list[str]:
    """Names of the OpenMP runtimes in this process, where the system tells."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return []
    return sorted({Path(path).name for path in _RUNTIMES.findall(maps)})


if __name__ == "__main__":
    sys.exit(main())
