"""Where numbers come from: versions, commit, processor, and the hashes of data and weights."""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barren import _core, _fft, config
from barren._canonical import array_digest

if TYPE_CHECKING:
    import torch

__all__ = ["of_weights", "peak_memory", "provenance"]


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
