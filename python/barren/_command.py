"""What all commands share: mistakes become one line, results a table or JSON."""

from __future__ import annotations

import functools
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from barren._canonical import finite
from barren._parquet import OldReaderError

_Params = ParamSpec("_Params")
_MISTAKE = 2
INTERRUPTED = 130
_OPTIONAL = ("torch", "matplotlib", "pyarrow", "dask", "distributed")
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _without_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


class _Command(TyperCommand):
    """Whose flags are shown without the type that they do not take; --help is one that typer makes itself."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))


class _Group(TyperGroup):
    """The same."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))


class Application(typer.Typer):
    """A group of commands of this package."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=_Group, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[_Function], _Function]:
        """As typer's."""
        return super().command(name, cls=_Command, **options)


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
            extra = "cluster" if missing in ("dask", "distributed") else "experiments"
            raise _stop(f'this needs {missing}: pip install "barren[{extra}]"') from None
        except (OldReaderError, TypeError, ValueError, OSError) as error:
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
    return typer.Exit(_MISTAKE)


def print_json(value: dict[str, Any]) -> None:
    """One object, indented."""
    typer.echo(json.dumps(finite(value), ensure_ascii=False, indent=2))


def console() -> Console:
    """As wide as the terminal; wide enough for a table where there is none."""
    return Console(width=None if sys.stdout.isatty() else 150)
