"""What this installation is made of and how it runs."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from barren import _core, _fft

__all__ = ["configuration", "show_config"]


def configuration() -> dict[str, str]:
    """Version, compiler, instruction set in use, threads, Fourier backend and the libraries' versions, as strings.

    Returns:
        Name -> text, such as "kernel" -> "avx2"; the same keys on every machine.

    Raises nothing: a library that is missing is said to be.

    Cost: a few imports, some milliseconds.

    Source: docs/exactness, on what may change the last digits.
    """
    return {
        "barren": _core.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "compiler": _core.compiler,
        "kernel": f"{_core.kernel()} (of {', '.join(_core.available_kernels())})",
        "threads": str(_core.available_threads()),
        "fft": _fft.backend(),
        **{name: _installed(name) for name in ("numpy", "scipy", "sympy", "torch")},
    }


def show_config() -> None:
    """Prints `configuration()`, a line an entry. The environment variable BARREN_KERNEL forces the instruction set.

    Raises nothing.

    Cost: that of `configuration`.

    Source: docs/exactness, on what may change the last digits.

    Example:
        >>> import barren
        >>> barren.show_config()                              # doctest: +ELLIPSIS
        barren    0.1.0
        ...
    """
    for name, value in configuration().items():
        print(f"{name:<9} {value}")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
