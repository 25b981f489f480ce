"""`barren sweep`: plan, run, status, export, verify and merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from barren._command import INTERRUPTED, Application, console, plainly, print_json
from barren._warnings import shown_once
from barren.sweeps import prices, run, upkeep
from barren.sweeps.cells import MEMORY_LIMIT
from barren.sweeps.executors import LostError, lane_of
from barren.sweeps.progress import shown_on_terminal
from barren.variance.plan import readable_bytes, readable_seconds

app = Application(
    name="sweep",
    help="Grids of cells into a store: resumable, on one machine or a cluster, each row traceable.",
    no_args_is_help=True,
)

_Grid = Annotated[Path, typer.Argument(help="The grid, a TOML file (docs/sweeps).", metavar="GRID")]
_Store = Annotated[Path, typer.Argument(help="The folder of a store.", metavar="STORE")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Workers = Annotated[int | None, typer.Option(help="Processes of this machine.", metavar="N", min=1)]
_Dask = Annotated[int | None, typer.Option(help="A Dask cluster of so many workers here.", metavar="N", min=1)]
_Scheduler = Annotated[str | None, typer.Option(help="A Dask scheduler, such as tcp://host:8786.", metavar="ADDRESS")]
_Threads = Annotated[int | None, typer.Option(help="Threads of a cell.", min=1)]


@app.command("plan")
@plainly
def plan_command(grid: _Grid, workers: _Workers = None, threads: _Threads = None, as_json: _Json = False) -> None:
    """Says how many cells there are, and what time and memory they are predicted to take; status 1 if none can be."""
    chosen = run.grid_of(grid)
    _, share = lane_of("processes" if workers else None, workers, threads, MEMORY_LIMIT)
    with shown_once(set()):
        found = prices.price(chosen, threads=share)
    side_by_side, hopeless = workers or 1, not found.priced
    seconds = max(float(found.seconds.sum()) / side_by_side, float(found.seconds.max()))
    longest, memory = readable_seconds(found.seconds.max()), side_by_side * found.memory
    if as_json:
        cost = {"predicted_seconds": None if hopeless else seconds, "predicted_bytes": None if hopeless else memory}
        more = {"workers": side_by_side, "threads": share, "obstacles": list(found.obstacles)}
        print_json({"cells": len(chosen), **cost, **more})
    else:
        typer.echo(f"{len(chosen)} cells of kind {chosen.kind}, {chosen.family}")
        if not hopeless:
            typer.echo(f"predicted time {readable_seconds(seconds)}, {side_by_side} at once on {share} threads each")
            typer.echo(f"predicted memory {readable_bytes(memory)}")
            typer.echo(f"from the prices of {found.priced} cells; the longest takes {longest}")
        for obstacle in found.obstacles:
            typer.echo(f"cannot be computed: {obstacle}")
    if hopeless:  # all families were looked at then
        typer.echo("no cell that was looked at can be computed", err=True)
        raise typer.Exit(1)


@app.command("run")
@plainly
def run_command(
    grid: _Grid,
    out: Annotated[Path, typer.Option(help="The folder of the store.", metavar="STORE")],
    workers: _Workers = None,
    dask: _Dask = None,
    scheduler: _Scheduler = None,
    threads: _Threads = None,
    shard: Annotated[
        str | None, typer.Option(help="Only every N-th cell from the I-th on, for job arrays.", metavar="I/N")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Compute failed cells again.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: _Json = False,
) -> None:
    """Computes the cells that are not in the store yet; status 1 if a cell of the grid has failed."""
    if [workers, dask, scheduler].count(None) < 2:
        raise ValueError("run takes one of --workers, --dask and --scheduler")
    executor = "processes" if workers else "dask" if dask else scheduler
    if scheduler is not None and "://" not in scheduler:
        raise ValueError(f"scheduler must be an address such as tcp://host:8786; got {scheduler!r}")
    try:
        done = run.sweep(
            grid,
            out,
            executor=executor,
            workers=workers or dask,
            threads=threads,
            shard=_shard(shard),
            retry_failed=retry_failed,
            progress=shown_on_terminal(quiet),
        )
    except LostError as error:
        typer.echo(f"barren: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: what was finished is kept, the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(vars(done))
    elif not quiet:
        typer.echo(
            f"{done.cells} cells: {done.kept} were there, {done.computed} computed, {done.failed} failed, "
            f"in {readable_seconds(done.seconds)}"
        )
    if done.failed:
        typer.echo(f"{done.failed} cells failed; 'barren sweep status {out}' says why, --retry-failed", err=True)
        raise typer.Exit(1)


@app.command("status")
@plainly
def status_command(store: _Store, as_json: _Json = False) -> None:
    """Says how far every grid of a store is, and why cells failed."""
    found = upkeep.status(store)
    if as_json:
        print_json({"store": [vars(one) for one in found]})
        return
    table = Table("grid", "cells", "done", "failed", "missing", "time of its cells")
    for number, one in enumerate(found):
        name = "all rows" if one.grid is None else f"{number}: {_told(one.grid)}"
        missing = str(one.cells - one.done - one.failed)
        table.add_row(name, str(one.cells), str(one.done), str(one.failed), missing, readable_seconds(one.seconds))
    console().print(table)
    for text, count in found[0].errors:
        typer.echo(f"{count} failed: {text}")


@app.command("export")
@plainly
def export_command(
    store: _Store,
    out: Annotated[Path, typer.Option(help="A file ending in .parquet, .csv or .jsonl.", metavar="FILE")],
) -> None:
    """Writes all rows into one file."""
    typer.echo(f"{upkeep.export(store, out)} rows")


@app.command("verify")
@plainly
def verify_command(
    store: _Store,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set what is damaged aside; the next run computes its cells again.")
    ] = False,
) -> None:
    """Checks every file of a store; status 1 if something is damaged."""
    found, cells = upkeep.examine(store, repair=repair)
    for finding in found:
        typer.echo(finding.text)
    damaged = sum(finding.is_damage for finding in found)
    if damaged:
        typer.echo(f"{damaged} damaged; --repair sets it aside, and the next run computes its cells again")
        raise typer.Exit(1)
    typer.echo(f"{cells} rows, all as they were written")


@app.command("merge")
@plainly
def merge_command(
    out: Annotated[Path, typer.Argument(help="The store that takes the rows.", metavar="OUT")],
    stores: Annotated[list[Path], typer.Argument(help="The stores they are in.", metavar="STORE...")],
) -> None:
    """Brings the rows of several stores into one, each cell once."""
    new, differing = upkeep.merge(out, stores)
    typer.echo(f"{new} rows are new")
    if differing:
        typer.echo(f"{len(differing)} cells have other values in other stores, such as {differing[0]}", err=True)


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    pieces = text.split("/")
    if len(pieces) != 2 or not all(piece.isascii() and piece.isdigit() for piece in pieces):
        raise ValueError(f"shard must be written I/N, such as 1/4; got {text!r}")
    return int(pieces[0]), int(pieces[1])


def _told(grid: dict[str, Any]) -> str:
    text = ", ".join(f"{name} = {value}" for name, value in grid.items() if name != "kind")
    return text if len(text) <= 70 else text[:69] + "…"
