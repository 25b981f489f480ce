"""What the commands share: options, the class that they name, mistakes in one line, JSON and tables."""

from __future__ import annotations

import functools
import json
import math
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console

import barren
from barren import specs
from barren.classes import TargetClass

_Params = ParamSpec("_Params")
MISTAKE = 2
INTERRUPTED = 130
_OPTIONAL = ("torch", "matplotlib", "pyarrow")

Modulus = Annotated[str | None, typer.Option("--p", help="The modulus p, 3 or more: 1009, or 2^255-19.", metavar="P")]
Frequencies = Annotated[
    int | None, typer.Option(help="In place of p: frequencies 1..A, x -> ψ(a·x) for real x.", metavar="A")
]
Parity = Annotated[
    str | None,
    typer.Option(
        help="In place of p: parities of N bits, or of SIZE of them; values ±1 if signed.", metavar="N[:SIZE]"
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        help="sawtooth, cosine[:K], bit:J, quantile-bit[:I], threshold[:C], square or triangle; default bit:0 with p, "
        "sawtooth with frequencies, of which bit:J is none.",
        metavar="ψ",
    ),
]
Inputs = Annotated[
    str,
    typer.Option(
        help="The law of x: uniform, nonzero, random-bits:N, powers-of-two, small:N or low-weight:W[:COUNT[:SEED]]; "
        "with frequencies uniform[:NODES], gaussian:SCALE[:NODES] or grid:M."
    ),
]
Multipliers = Annotated[str, typer.Option(help="units, all, or a list such as 1,2,4.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def plainly(command: Callable[_Params, None]) -> Callable[_Params, None]:
    """A mistake of the user becomes one line on standard error and status 2; warnings become lines too."""

    @functools.wraps(command)
    def wrapped(*args: _Params.args, **kwargs: _Params.kwargs) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", UserWarning)
                warnings.showwarning = _show_warning
                command(*args, **kwargs)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _OPTIONAL:
                raise
            raise _stop(f'this needs {missing}: pip install "barren[experiments]"') from None
        except (TypeError, ValueError, OSError) as error:
            raise _stop(" ".join(str(error).split())) from None
        except RuntimeError as error:
            if not str(error).startswith("BARREN_KERNEL"):  # set by the user; anything else is a fault of ours
                raise
            raise _stop(str(error)) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return wrapped


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"warning: {message}", err=True)


def _stop(message: str) -> typer.Exit:
    typer.echo(f"barren: {message}", err=True)
    return typer.Exit(MISTAKE)


def problem(
    p: str | None, frequencies: int | None, parity: str | None, target: str | None, inputs: str, multipliers: str
) -> tuple[TargetClass, Any, dict[str, Any]]:
    """The class and the law of x that were asked for, and the words for them."""
    if [p, frequencies, parity].count(None) != 2:
        raise ValueError("one of --p, --frequencies and --parity must be given")
    asked: dict[str, Any]
    if p is not None:
        modulus = specs.modulus(p)
        asked = {"p": modulus, "target": target or "bit:0", "inputs": inputs, "multipliers": multipliers}
        modular = barren.ModularMultiplication(modulus, specs.target(asked["target"]), specs.multipliers(multipliers))
        return modular, specs.law(inputs), asked
    if parity is not None:
        if (target or "bit:0", multipliers) != ("bit:0", "units"):
            raise ValueError("--target and --multipliers go with --p; a parity has neither")
        return specs.parity(parity), specs.law(inputs), {"parity": parity, "inputs": inputs}
    if multipliers != "units":
        raise ValueError("--multipliers goes with --p; frequencies are 1..A")
    asked = {"frequencies": frequencies, "target": target or "sawtooth", "inputs": inputs}
    return barren.Frequencies(frequencies, specs.target(asked["target"])), specs.real_law(inputs), asked


def print_json(value: dict[str, Any]) -> None:
    """One JSON object; null for numbers that are not finite."""
    typer.echo(json.dumps(_finite(value), ensure_ascii=False, indent=2))


def _finite(value: Any) -> Any:
    """JSON has no nan and no infinity: null stands for them."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def console() -> Console:
    """As wide as the terminal; wide enough for a table where there is none."""
    return Console(width=None if sys.stdout.isatty() else 150)
