"""Accuracy of training on the low bits of a·x mod p against the step, by the bit length of p.

With `full` the settings are those published in arXiv 2310.01611, Fig. 2: primes of 16 to 26 bits, 5 of each; 5000
labelled points, 70 % of them for training; Adam at 1e-3, batches of 100, 2000 epochs; the 3 lowest bits. The published
code draws x with n−1 random bits and not uniformly: `laws` has both. The network is not known to us, so it is the
setting `hidden`.

The default is ours, for a few minutes: every batch and the test set are drawn afresh from the law of x ("population").
For a small p there is then hardly a test point that was not trained on: to learn the whole table by heart is allowed,
and what is measured is whether gradient descent finds the function at all. For a large p few points come twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import barren
from barren import encodings, inputs, targets
from barren.figures import trained
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, spread, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

LAWS = {"uniform": "x uniform on 0..p−1", "random-bits": "x of n−1 random bits"}
_SHARED = ("bits", "hidden", "activation", "data", "steps", "epochs", "batch_size", "optimizer", "lr", "records")


def settings(full: bool, seed: int) -> Settings:
    """Bit lengths 16..26 as published, or 8 lengths from 6 to 26 and 2000 steps of fresh draws; 5 primes × 5 seeds."""
    lengths = range(16, 27) if full else (6, 10, 13, 15, 17, 19, 22, 26)
    return {
        "primes": {str(n): trained.random_primes(n, 5, seed) for n in lengths},
        "seeds": seeds_from(seed, 5),
        "laws": ["random-bits", "uniform"] if full else ["uniform"],
        "bits": [0, 1, 2] if full else [0],
        "hidden": [100, 100] if full else [64, 64],
        "activation": "relu",
        "data": "sample:5000:0.7" if full else "population:1000",
        "steps": None if full else 2000,
        "epochs": 2000 if full else None,
        "batch_size": 100,
        "optimizer": "adam",
        "lr": 1e-3,
        "records": 40 if full else 16,
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a law and a prime, with seeds of its own."""
    primes = [(int(n), p) for n, listed in settings["primes"].items() for p in listed]
    shared = {name: settings[name] for name in _SHARED}
    return [
        {"law": law, "n": n, "p": p, "seeds": trained.seeds_of_part(settings["seeds"], part), **shared}
        for law in settings["laws"]
        for part, (n, p) in enumerate(primes)
    ]


def compute(cell: Cell) -> list[Row]:
    """A row a seed, a record and a bit: one random multiplier of the prime, all seeds trained together."""
    start = time.perf_counter()
    n, p, bits = cell["n"], cell["p"], cell["bits"]
    ensemble = barren.train(
        [barren.ModularMultiplication(p, targets.Bit(bit)) for bit in bits],
        trained.perceptron(n, cell["hidden"], cell["activation"], len(bits)),
        encoding=encodings.Bits(n),
        members=trained.random_multipliers(p, 1, cell["seeds"][0]),
        seeds=cell["seeds"],
        inputs=inputs.Uniform() if cell["law"] == "uniform" else inputs.RandomBits(n - 1),
        **{name: cell[name] for name in _SHARED[3:]},
    )
    names = {bit: ("" if len(bits) == 1 else f"_{place}") for place, bit in enumerate(bits)}
    metrics = ("train_accuracy", "test_accuracy", "test_chance")
    found = trained.history_rows(ensemble, [name + end for end in names.values() for name in metrics])
    epoch = ensemble.rows[0]["train_size"]
    seconds = time.perf_counter() - start
    return [
        {
            "law": cell["law"],
            "n": n,
            "p": p,
            "a": row["member"],
            "seed": row["seed"],
            "step": row["step"],
            "epoch": None if epoch is None else row["step"] / -(-epoch // cell["batch_size"]),
            "bit": bit,
            **{name: row[name + end] for name in metrics},
            "points": ensemble.rows[0]["test_size"],
            "seconds": seconds,
        }
        for row in found
        for bit, end in names.items()
    ]


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """A line of panels a law and bit: accuracy against step, and the last one against the bit length."""
    kinds = [(law, bit) for law in settings["laws"] for bit in settings["bits"]]
    canvas.set_size_inches(12.0, 0.9 + 4.7 * len(kinds))
    grid = canvas.subplots(len(kinds), 2, squeeze=False)
    for (left, right), (law, bit) in zip(grid, kinds, strict=True):
        part = where(rows, law=law, bit=bit)
        _histories(left, part, settings)
        _last(right, part)
        left.set_title(f"bit {bit} of a·x mod p, {LAWS[law]}", fontsize=10.5)
        right.set_title("at the last step, every run", fontsize=10.5)
    network = "→".join(["n", *map(str, settings["hidden"]), str(len(settings["bits"]))])
    data = settings["data"].split(":")
    told = f"{data[1]} points, the rest for the test" if data[0] == "sample" else "fresh points at every step"
    primes = {len(listed) for listed in settings["primes"].values()}
    canvas.suptitle(
        "Does training find the low bits of a·x mod p? p a random prime of n bits, a random multiplier\n"
        f"{network}, {settings['activation']}, {settings['optimizer']} {settings['lr']:g}, batch "
        f"{settings['batch_size']}, {told}; {min(primes)} primes × {len(settings['seeds'])} seeds a length",
        fontsize=10.5,
    )


def _histories(axes: Axes, rows: Sequence[Row], settings: Settings) -> None:
    """A line a bit length, in the t interval over primes."""
    time_of = "step" if settings["epochs"] is None else "epoch"
    lengths = sorted({row["n"] for row in rows})
    for place, n in enumerate(lengths):
        of_length = [row for row in where(rows, n=n) if row["step"] > 0]
        at, mean, low, high = trained.pooled_at(of_length, time_of, "test_accuracy", "p")
        shade = trained.shade(place, len(lengths))
        axes.plot(at, mean, trained.MARKS[place % len(trained.MARKS)], color=shade, markersize=4, label=f"n = {n}")
        axes.fill_between(at, low, high, color=shade, alpha=0.13, linewidth=0)
    axes.axhline(0.5, color="0.3", linestyle=(0, (1, 3)), linewidth=1.2, label="½")
    axes.set_xscale("log")
    axes.set_ylim(0.45, 1.03)
    axes.set_xlabel(f"{time_of} (dimensionless)")
    axes.set_ylabel("test accuracy (dimensionless)\nband: 95 % t interval over primes")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=8.5, ncols=2)


def _last(axes: Axes, rows: Sequence[Row]) -> None:
    """Every run, the mean with its interval, and what the best constant has right."""
    last = trained.last_rows(rows, ("p", "a", "seed"))
    ended = trained.finished(last, "test_accuracy")
    lost = len(last) - len(ended)
    axes.plot(column(ended, "n"), column(ended, "test_accuracy"), ".", color="0.6", markersize=5, label="a run")
    at = trained.draw_means(axes, ended, "n", capsize=4, markersize=5)
    places, chance, _, _ = spread(ended, "n", "test_chance")
    axes.plot(places, chance, "--", color="0.3", label="best constant on the same test points")
    axes.axhline(0.5, color="0.3", linestyle=(0, (1, 3)), linewidth=1.2, label="½")
    axes.set_ylim(0.45, 1.03)
    axes.set_xticks(at)
    axes.set_xlabel("bit length n of p (dimensionless)")
    axes.set_ylabel("test accuracy (dimensionless)")
    axes.grid(alpha=0.3)
    # Short lengths are learnt and long ones are not: below the mean on the left is room.
    title = f"{lost} runs diverged" if lost else None
    axes.legend(loc="lower left", bbox_to_anchor=(0.01, 0.14), framealpha=0.95, fontsize=8.5, title=title)


FIGURE = Figure(
    name="parity-training",
    summary="test accuracy on the low bits of a·x mod p against the training step, by the bit length of p",
    columns={
        "law": str,
        "n": int,
        "p": int,
        "a": int,
        "seed": int,
        "step": int,
        "epoch": float,
        "bit": int,
        "train_accuracy": float,
        "test_accuracy": float,
        "test_chance": float,
        "points": int,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
