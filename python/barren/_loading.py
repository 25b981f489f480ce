"""Loads the core, before anything else of the package: it refuses where the package cannot run."""

from __future__ import annotations

from importlib import import_module

__all__ = ["__version__"]

# PF_FORKNOEXEC of Linux: forked, and no program started since.
_FORKED = 0x40


def _may_lack_threads() -> bool:
    """Whether this process was forked, without exec, from one that had libgomp loaded; asked before the core loads it.

    What such a process inherits of libgomp waits for threads that only its parent has. Other OpenMP libraries look
    after themselves in a child. False where the system does not tell.
    """
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            flags = int(file.read().rpartition(")")[2].split()[6])
        if not flags & _FORKED:
            return False
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            return "libgomp" in file.read()
    except (OSError, ValueError, IndexError):
        return False


def _refuse_sub_interpreters() -> None:
    """Before the core and NumPy are loaded: what they do in a second interpreter is a warning, or a deadlock."""
    for name in ("_interpreters", "_xxsubinterpreters"):  # from CPython 3.13 on, and before
        try:
            interpreters = import_module(name)
        except ImportError:
            continue
        if interpreters.get_current() != interpreters.get_main():
            raise ImportError(
                "barren cannot be imported in a sub-interpreter, for it and NumPy have one state a process: "
                "import it in the main one (under mod_wsgi: WSGIApplicationGroup %{GLOBAL}), or use processes"
            )
        return


def _load() -> str:
    """Returns the version; the core notes the forks that come after it is loaded by itself."""
    _refuse_sub_interpreters()
    lacking = _may_lack_threads()
    from barren import _core

    if lacking:
        _core.note_fork()
    return _core.__version__


__version__ = _load()
