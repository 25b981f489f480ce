"""`barren train`: parses, calls `barren.train`, prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

import barren
from barren import report, specs
from barren._command import console, print_json
from barren._files import whole
from barren.classes import TargetClass
from barren.cli_options import Frequencies, Json, Modulus, Multipliers, Parity, problem, usual_loss

_Targets = Annotated[
    list[str] | None,
    typer.Option(
        help="As for variance; several, each after its own --target, are one output each. Default bit:0 "
        "with p, cosine with frequencies.",
        metavar="ψ",
    ),
]
_Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="Of the optimizer, each after its own --option: momentum=0.9, betas=0.9,0.99, weight_decay=0.01, eps=1e-8 "
        "or nesterov=true.",
        metavar="NAME=VALUE",
    ),
]


def train(
    p: Modulus = None,
    frequencies: Frequencies = None,
    parity: Parity = None,
    target: _Targets = None,
    multipliers: Multipliers = "units",
    inputs: Annotated[
        str | None,
        typer.Option(help="The law of x, as for variance; default uniform, with frequencies uniform on [0, 1]."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="As for variance; default bits, or scalar.")] = None,
    model: Annotated[
        str, typer.Option(help="mlp:WIDTHS[:ACTIVATION], linear or gpt:LAYERS:WIDTH:HEADS; outputs as needed.")
    ] = "mlp:100x100:relu",
    members: Annotated[str, typer.Option(help="How many to draw, or a list such as 1,2,3 (one: 5,).")] = "8",
    seeds: Annotated[str, typer.Option(help="How many, or a list.")] = "3",
    loss: Annotated[
        str | None,
        typer.Option(
            help="bce (on the logit), mse, hinge (labels ±1) or cross-entropy (an output a label); default bce, with "
            "residue cross-entropy, with a signed parity hinge, with frequencies mse."
        ),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd, adam, adamw or sign-sgd.")] = "adam",
    options: _Options = None,
    lr: Annotated[str, typer.Option(help="Learning rate, or several joined by commas: a run each.")] = "0.001",
    steps: Annotated[int | None, typer.Option(help="Updates of a run; default 1000 without --epochs.")] = None,
    epochs: Annotated[int | None, typer.Option(help="In place of steps, with a sample.")] = None,
    batch_size: Annotated[int, typer.Option(help="Points of an update.")] = 100,
    data: Annotated[str, typer.Option(help="population[:TEST] or sample:M[:SHARE].")] = "population",
    records: Annotated[
        str | None, typer.Option(help="At how many steps metrics are recorded, or a list; default 20.")
    ] = None,
    stop_accuracy: Annotated[float | None, typer.Option(help="End a run that reaches this test accuracy.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="End a run after so many records without a lower test loss.")
    ] = None,
    tau: Annotated[float, typer.Option(help="With residue: the accuracy within tau·p.")] = 0.005,
    watch: Annotated[
        int | None, typer.Option(help="At how many records to look at the exact gradient variance; default none.")
    ] = None,
    watch_runs: Annotated[
        str | None, typer.Option(help="Which runs, by their numbers from 0, or how many; default 4.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, or a CUDA device such as cuda:0.")] = "cpu",
    threads: Annotated[int | None, typer.Option(help="Threads; default all. They change no number.")] = None,
    save: Annotated[Path | None, typer.Option(help="Save here, and go on from here.", metavar="DIR")] = None,
    save_every: Annotated[float, typer.Option(help="Seconds between two savings.")] = 30.0,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the rows to this .parquet file, what was watched beside it.", metavar="FILE"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Json = False,
) -> None:
    """Trains many targets of a class at once, and says which were learned."""
    usual: list[str | None] = ["cosine" if frequencies is not None else None]
    chosen = [*target] if target else usual
    problems = [problem(p, frequencies, parity, one, inputs or "uniform", multipliers) for one in chosen]
    classes: list[TargetClass] = [cls for cls, _, _ in problems]
    files = _files(out, watch is not None)
    ensemble = barren.train(
        classes,
        model,
        encoding=specs.encoding(encoding or ("scalar" if frequencies is not None else "bits")),
        members=specs.count_or_list("members", members),
        seeds=specs.count_or_list("seeds", seeds),
        loss=loss or usual_loss(classes[0], chosen),
        optimizer=optimizer,
        optimizer_options=specs.options("option", options or []),
        lr=specs.numbers("lr", lr),
        steps=1000 if steps is None and epochs is None else steps,
        epochs=epochs,
        batch_size=batch_size,
        data=data,
        inputs=None if inputs is None else problems[0][1],
        records=None if records is None else specs.count_or_list("records", records),
        stop_accuracy=stop_accuracy,
        patience=patience,
        tau=tau,
        watch=watch,
        watch_runs=None if watch_runs is None else specs.count_or_list("watch_runs", watch_runs),
        dtype=dtype,
        device=device,
        threads=threads,
        save=save,
        save_every=save_every,
        progress=not quiet,
    )
    for path, rows in zip(files, (ensemble.rows, ensemble.watched), strict=False):
        _write(path, rows)
    title = ", ".join(map(repr, classes))
    if as_json:
        print_json({"class": title, "note": ensemble.note, "runs": ensemble.rows, "watched": ensemble.watched})
        return
    console().print(report.training_table(ensemble.rows, title))
    if ensemble.watched:
        console().print(report.watch_table(ensemble.watched))
    typer.echo(ensemble.note)


def _files(out: Path | None, watched: bool) -> list[Path]:
    """Where the rows go, and what was watched; they may not be there yet."""
    if out is None:
        return []
    _refuse(out)  # before its name is read: "." and "/" have none
    if out.suffix != ".parquet":
        raise ValueError(f"out must be a file ending in .parquet; got {str(out)!r}")
    if not watched:
        return [out]
    beside = out.with_name(f"{out.stem}-watched{out.suffix}")
    _refuse(beside)
    return [out, beside]


def _refuse(path: Path) -> None:
    """Refuses a file that could not be written in the end, hours later."""
    if os.path.lexists(path):
        raise ValueError(f"out must be a file that is not there yet; got {str(path)!r}")
    if not path.parent.is_dir():
        raise ValueError(f"out must be in a directory that is there; got {str(path)!r}")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"out must be in a directory that can be written to; got {str(path)!r}")


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    with whole(path, force=False) as file:  # hours later there may be one
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)
