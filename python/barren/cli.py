"""The command line: parses, calls, prints. Needs typer and rich; `barren.__main__` says so where they are missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import barren
from barren import _validate, cli_train, report, specs
from barren import check as checks
from barren._command import INTERRUPTED, Application, console, plainly, print_json
from barren.classes import TargetClass
from barren.cli_options import Frequencies, Inputs, Json, Modulus, Multipliers, Parity, Target, problem, usual_loss
from barren.encodings import Angular, Encoding, Scalar
from barren.sweeps.commands import app as sweep_app

app = Application(
    name="barren",
    help="Can gradient descent see this target at all? Exact gradient variance over a whole class of targets.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(sweep_app)


@app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(f"barren {barren.__version__}")
        raise typer.Exit


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the application and returns the exit status."""
    hook = sys.excepthook  # which typer exchanges
    try:
        app(args=None if arguments is None else list(arguments), prog_name="barren")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    finally:
        sys.excepthook = hook
    return 0


@app.command()
@plainly
def variance(
    p: Modulus = None,
    frequencies: Frequencies = None,
    parity: Parity = None,
    target: Target = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="bits[:W], signs[:W], digits[:B[:W]], one-hot, scalar, angular[:H] or group-element:G:M; default "
            "bits, with frequencies scalar (or angular[:H])."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="mlp:WIDTHS[:ACTIVATION], linear or gpt:LAYERS:WIDTH:HEADS; outputs as needed.")
    ] = "mlp:1000x1000:sigmoid",
    loss: Annotated[
        str | None,
        typer.Option(
            help="bce (on the logit), mse, hinge (labels ±1) or cross-entropy (an output a label); default bce, with "
            "residue cross-entropy, with a signed parity hinge, with frequencies mse."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initialisation.")] = 0,
    inputs: Inputs = "uniform",
    multipliers: Multipliers = "units",
    method: Annotated[
        str, typer.Option(help="auto, direct, character, walsh, kernel, table, nufft, probes or sample.")
    ] = "auto",
    rtol: Annotated[float | None, typer.Option(help="Relative standard error that will do; default exact.")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    top: Annotated[int, typer.Option(help="How many of the easiest multipliers to print.", min=0)] = 10,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would cost, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Exact gradient variance of a model at its initialisation, over every member of a class."""
    cls, law, asked = problem(p, frequencies, parity, target, inputs, multipliers)
    on_line = frequencies is not None
    encoding, loss = encoding or ("scalar" if on_line else "bits"), loss or usual_loss(cls, [target])
    shown = specs.encoding(encoding)
    width = _width_on_the_line(shown) if on_line else shown.width(int(cls.period))
    from barren import models  # torch, after everything that can be refused without it

    options: dict[str, Any] = {"encoding": shown, "loss": loss, "inputs": law, "method": method, "dtype": dtype}
    outputs = _outputs(cls, loss)
    try:
        network = models.from_spec(model, width, seed, outputs=outputs)
    except RuntimeError as error:  # of torch, whose allocator says no more than this
        raise ValueError(f"model must fit in memory; got {model!r} with {outputs} outputs") from error
    if plan:
        typer.echo(str(barren.plan(cls, network, rtol=rtol, **options)))
        return
    answer = barren.gradient_variance(cls, network, rtol=rtol, seed=seed, **options)
    asked |= {"encoding": encoding, "model": model, "loss": loss, "seed": seed, "dtype": dtype}
    found = report.variance_report(answer, top)
    if as_json:
        print_json({**asked, **found})
    else:
        typer.echo("\n".join(report.variance_lines(asked, found)))


def _outputs(cls: TargetClass, loss: str) -> int:
    """How many outputs the network has: one, or for cross-entropy one a label."""
    if loss != "cross-entropy" or not isinstance(cls, barren.ModularMultiplication):
        return 1
    if cls.p >= _validate.WORD_LIMIT:
        _validate.refuse(ValueError, "p", "below 2**63 for an output a label (cross-entropy)", _validate.came(cls.p))
    return max(1, int(cls.range[1]) + 1)


def _width_on_the_line(shown: Encoding) -> int:
    """Columns of an encoding of real numbers."""
    if not isinstance(shown, Scalar | Angular):
        raise ValueError(f"encoding must be scalar or angular[:H] with --frequencies; got {shown!r}")
    return shown.width(3)  # of any modulus


@app.command()
@plainly
def bounds(
    p: Modulus = None,
    frequencies: Frequencies = None,
    parity: Parity = None,
    target: Target = None,
    inputs: Inputs = "uniform",
    multipliers: Multipliers = "units",
    as_json: Json = False,
) -> None:
    """The ladder of bounds on Var/B², from the class alone."""
    cls, law, asked = problem(p, frequencies, parity, target, inputs, multipliers)
    ladder, size = barren.bounds(cls, law), cls.size
    if p is not None:
        size, symbol = asked["p"], "p"
        title = f"{asked['target']}, p = {p}, multipliers {multipliers}"
    elif parity is not None:
        symbol, title = "|H|", f"{cls!r}, x {inputs}"
    else:
        symbol = "A"
        where = "uniform on [0, 1]" if law is None else inputs
        title = f"{asked['target']} of a·x, a = 1..{frequencies}, x {where}"
    if as_json:
        rungs = [{"name": r.name, "value": r.value, "formula": r.formula, "proven": r.proven} for r in ladder]
        print_json({**asked, "bounds": rungs})
        return
    table = Table("bound on Var/B²", "value", f"{symbol} × value", "how", title=title)
    for rung in ladder:
        name = rung.name if rung.proven else f"({rung.name}: no bound)"
        table.add_row(name, f"{rung.value:.6g}", f"{size * rung.value:.6g}", rung.formula)
    console().print(table)


app.command()(plainly(cli_train.train))


@app.command()
@plainly
def figure(
    name: Annotated[str | None, typer.Argument(help="Which figure; --list names them.")] = None,
    out: Annotated[Path | None, typer.Option(help="Directory for the results.", metavar="DIR")] = None,
    full: Annotated[bool, typer.Option("--full", help="The published or large setting; takes far longer.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the first initialisation.", min=0)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a finished figure, and other files of its names.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the figures and stop.")] = False,
) -> None:
    """Computes a figure: numbers (Parquet), picture (PNG, SVG), record (JSON). Resumes where it was stopped."""
    from barren import figures
    from barren._progress import for_terminal

    if listed:
        longest = max(map(len, figures.FIGURES))
        for each in figures.FIGURES.values():
            typer.echo(f"{each.name:<{longest}}  {each.summary}")
        return
    chosen = None if name is None else figures.figure(name)
    if chosen is None or out is None:
        raise ValueError("a figure needs its name and --out DIR; --list names the figures")
    command = f"barren figure {name} --out DIR --seed {seed}{' --full' if full else ''}"
    try:
        made = figures.make(
            chosen, out, full=full, seed=seed, force=force, progress=for_terminal(quiet), command=command
        )
    except KeyboardInterrupt:
        typer.echo("interrupted: the finished cells are kept, the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED) from None
    for path in made.files.values():
        typer.echo(path)


@app.command("report")
@plainly
def report_of_store(
    store: Annotated[Path, typer.Argument(help="The store, a folder of barren sweep.", metavar="DIR")],
    out: Annotated[
        Path | None, typer.Option(help="The page; default report.html in the store.", metavar="FILE")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.", metavar="TEXT")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a page that is there.")] = False,
) -> None:
    """Writes a store as one HTML page that stands alone: figures, slopes with intervals, tables, provenance."""
    from barren.sweeps.report import write

    typer.echo(write(store, out, title=title, force=force))


@app.command()
@plainly
def check(
    verbose: Annotated[bool, typer.Option("--all", help="A line a comparison, not a line an engine and kind.")] = False,
) -> None:
    """Compares every engine with the slow reference on this machine; status 1 if one disagrees."""
    shown = console()
    made = checks.run()
    table = Table("engine", "case", "relative error", "tolerance", "verdict", title="engines against barren.reference")
    for line in made if verbose else checks.worst(made):
        verdict = "agrees" if line.agrees else "DISAGREES"
        table.add_row(line.engine, line.case, f"{line.error:.1e}", f"{line.tolerance:.0e}", verdict)
    shown.print(table)
    if not checks.has_torch():
        typer.echo(checks.MODEL_CASES_LEFT_OUT)
    wrong = sum(not comparison.agrees for comparison in made)
    typer.echo(f"{len(made)} comparisons, {wrong or 'no'} disagreement{'' if wrong == 1 else 's'}")
    if wrong:
        raise typer.Exit(1)


@app.command()
@plainly
def info(
    as_json: Json = False,
    recalibrate: Annotated[bool, typer.Option("--recalibrate", help="Measure the rates of plans anew.")] = False,
) -> None:
    """Version, compiler, instruction set in use, threads, libraries."""
    if recalibrate:
        from barren.variance.calibration import recalibrate as measure_anew

        typer.echo(f"rates measured anew: {measure_anew()}", err=True)
    if as_json:
        print_json(dict(barren.configuration()))
    else:
        barren.show_config()
