"""Where numbers come from: what was run, versions, commit, processor, and the hashes of data and weights."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barren import _core, _fft, config
from barren._canonical import array_digest

if TYPE_CHECKING:
    import torch

__all__ = ["command_of", "of_weights", "peak_memory", "provenance"]


def command_of(
    grid: object,
    executor: object = None,
    workers: int | None = None,
    threads: int | None = None,
    shard: tuple[int, int] | None = None,
    retry_failed: bool = False,
    memory_limit: int | None = None,
) -> str:
    """What does the same as this call of `barren.sweep`: a command line if there is one, else the call in Python.

    Args:
        grid: the path of a file, of which its name is told, or anything else.
        executor: as `barren.sweep` takes it; of a scheduler it is not told where it is.
        workers: as `barren.sweep` takes it.
        threads: as `barren.sweep` takes it.
        shard: as `barren.sweep` takes it.
        retry_failed: as `barren.sweep` takes it.
        memory_limit: None for the default.

    Example:
        >>> command_of("grids/all.toml", "processes", workers=2, shard=(1, 4))
        'barren sweep run all.toml --out STORE --workers 2 --shard 1/4'
        >>> command_of({"p": 5}, memory_limit=1024)
        'barren.sweep(grid, STORE, memory_limit=1024)'
    """
    name = Path(grid).name if isinstance(grid, str | os.PathLike) else None
    where = f"{type(executor).__name__}()"
    if isinstance(executor, str):
        where = repr("ADDRESS" if "://" in executor else executor)
    options: dict[str, list[str]] = {"'ADDRESS'": ["--scheduler", "ADDRESS"], "NoneType()": []}
    if workers is not None:
        options |= {"'processes'": ["--workers", str(workers)], "'dask'": ["--dask", str(workers)]}
    if name is not None and memory_limit is None and where in options:
        words = ["barren", "sweep", "run", name, "--out", "STORE", *options[where]]
        words += [] if threads is None else ["--threads", str(threads)]
        words += [] if shard is None else ["--shard", f"{shard[0]}/{shard[1]}"]
        words += ["--retry-failed"] if retry_failed else []
        return " ".join(map(shlex.quote, words))
    given = {
        "executor": None if executor is None else where,
        "workers": workers,
        "threads": threads,
        "shard": shard,
        "retry_failed": retry_failed or None,
        "memory_limit": memory_limit,
    }
    named = "".join(f", {key}={value}" for key, value in given.items() if value is not None)
    return f"barren.sweep({'grid' if name is None else repr(name)}, STORE{named})"


@lru_cache(maxsize=1)
def provenance() -> dict[str, Any]:
    """Column -> value, of this process: what a reader needs to make a row again. No path and no name of a machine."""
    found = config.configuration()
    return {
        "barren_version": _core.__version__,
        "commit": _commit(),
        **{f"{name}_version": _version(found[name]) for name in ("python", "numpy", "scipy", "torch")},
        "fft": _fft.backend(),
        "cpu": _cpu(),
        "instruction_set": _core.kernel(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def of_weights(model: torch.nn.Module) -> str:
    """SHA-256 of a model's parameters and buffers, in order."""
    return array_digest(*(tensor.detach().cpu().numpy() for tensor in model.state_dict().values()))


def peak_memory() -> int | None:
    """The largest resident memory of this process so far, in bytes; None where the system does not tell."""
    try:  # not getrusage where this is there: its number is that of the process before it was this program, if larger
        with open("/proc/self/status", "rb") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith(b"VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # not on every system
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest


def _version(text: str) -> str | None:
    return None if text == "not installed" else text


def _commit() -> str | None:
    """Of the checkout that this file is a part of, or that the core was built in; + where something is changed."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str | None:
        try:
            made = subprocess.run(
                ["git", "-C", str(here.parent), *arguments], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return made.stdout.strip() if made.returncode == 0 else None

    if not git("ls-files", "--error-unmatch", here.name):
        return _core.commit or None
    commit, changed = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    return None if commit is None else f"{commit}{'+' if changed else ''}"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
