"""Does the gradient at initialisation tell which multipliers will be learnt?

For every trained target a and seed: d(a)/Var, the exact deviation d(a) = ‖G_a − E G‖² over its mean Var, both at the
initial network of that seed, over the whole class and the law of x, against what became of training. In units of Var
the runs of several seeds can be put together: Var differs from one initial network to the next. The settings are ours:
the lowest bit of a·x mod p, a few easy multipliers and a random draw of the others, a part of all points for training
and the rest for the test.

The easy ones are chosen because they are known to have large deviations, so a correlation over all members says less
than one over the random members alone: both are given. Some of the random ones are powers of 2 too, `powers_of_two`.

The oracle horizon is T = ⌊(1 − P)·ε²/Var⌋ with P = `probability` and ε² = E‖∇ℓ‖²/batch, the mean squared norm of the
gradient of a sample over the batch: what a batch's gradient is known up to. Var and ε are those at the initial network.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import barren
from barren import encodings, inputs, targets
from barren.figures import trained
from barren.figures.base import Cell, Figure, Row, Settings, column, seeds_from, where

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from torch import nn

    from barren.training.prediction import Prediction, Statistic

_TRAINED = ("steps", "batch_size", "optimizer", "lr", "records")
_KINDS = {"easy": ("^", "0.0", "±2^k and small multipliers"), "random": ("o", "0.55", "random multipliers")}
_RUN = ("p", "a", "seed")


def settings(full: bool, seed: int) -> Settings:
    """Three primes to 1009, 14 easy and 22 random multipliers, 4 seeds; with `full` primes to 4093, 100 and 10."""
    return {
        "primes": [251, 503, 1009, 2003, 4093] if full else [251, 503, 1009],
        "easy": [1, -1, 2, -2, 4, -4, 8, -8, 16, 32, 64, 3, 5, 7],
        "random": 100 if full else 22,
        "seeds": seeds_from(seed, 10 if full else 4),
        "hidden": [64, 64],
        "activation": "relu",
        "train": 0.25,
        "steps": 20_000 if full else 1500,
        "batch_size": 32,
        "optimizer": "adam",
        "lr": 1e-3,
        "records": 24 if full else 18,
        "reach": 0.75,
        "probability": 0.5,
    }


def cells(settings: Settings) -> list[Cell]:
    """A cell a prime."""
    shared = {name: value for name, value in settings.items() if name != "primes"}
    return [{"p": p, **shared} for p in settings["primes"]]


def members_of(p: int, easy: Sequence[int], count: int, seed: int) -> dict[int, str]:
    """Multiplier -> its kind: the easy ones modulo p, then others at random."""
    found = {a % p: "easy" for a in easy}
    for a in np.random.default_rng([seed, p]).permutation(np.arange(1, p)).tolist():
        if len(found) >= len(easy) + count:
            break
        found.setdefault(a, "random")
    return found


def powers_of_two(p: int, least: int = -3, most: int = 9) -> set[int]:
    """±2^k mod p for k in `least`..`most`: easy for bits, among them inverses that do not look it."""
    return {sign * pow(2, k, p) % p for k in range(least, most + 1) for sign in (1, -1)}


def compute(cell: Cell) -> list[Row]:
    """A row a run and record, with d(a), the variance and the horizon of its initial network."""
    start = time.perf_counter()
    p, batch = cell["p"], cell["batch_size"]
    cls = barren.ModularMultiplication(p, targets.Bit(0))
    shown = encodings.Bits()
    maker = trained.perceptron(shown.width(p), cell["hidden"], cell["activation"], 1)
    members = members_of(p, cell["easy"], cell["random"], cell["seeds"][0])
    ensemble = barren.train(
        cls,
        maker,
        encoding=shown,
        members=list(members),
        seeds=cell["seeds"],
        inputs=inputs.Uniform(),
        data=f"sample:{p}:{cell['train']}",
        **{name: cell[name] for name in _TRAINED},
    )
    before = {seed: _at_start(cls, maker(seed), list(members), batch) for seed in cell["seeds"]}
    rows = []
    for row in _with_outcome(ensemble, cell["reach"]):
        known = before[row["seed"]]
        rows.append(
            {
                "p": p,
                "a": row["member"],
                "kind": members[row["member"]],
                "seed": row["seed"],
                "step": row["step"],
                "test_accuracy": row["test_accuracy"],
                "chance": row["test_chance"],
                "learned": row["learned"],
                "steps_needed": row["steps_needed"],
                "points": ensemble.rows[0]["test_size"],
                "deviation": known["deviations"][row["member"]],
                "variance": known["variance"],
                "error": known["error"],
                "horizon": barren.oracle_horizon(
                    known["variance"], error=known["error"], probability=cell["probability"]
                ),
            }
        )
    seconds = time.perf_counter() - start
    return [{**row, "seconds": seconds} for row in rows]


def _with_outcome(ensemble: Any, reach: float) -> list[Row]:
    """The rows of the history, with whether the accuracy is above chance and when it was at least `reach`."""
    from barren.training import metrics, phases

    needed = metrics.steps_to(ensemble.records, ensemble.history["test_accuracy"], reach)
    at = {(row["member"], row["seed"]): trained.number(steps) for row, steps in zip(ensemble.rows, needed, strict=True)}
    points = ensemble.rows[0]["test_size"]
    rows = []
    for row in trained.history_rows(ensemble, ("test_accuracy", "test_chance")):
        accuracy = row["test_accuracy"]
        learned = accuracy is not None and phases.learned(accuracy, points, row["test_chance"])
        rows.append({**row, "learned": int(learned), "steps_needed": at[row["member"], row["seed"]]})
    return rows


def _at_start(cls: barren.ModularMultiplication, module: nn.Module, members: list[int], batch: int) -> dict[str, Any]:
    """d(a) of every member, the variance, and ε, of one initial network. In double precision."""
    answer = barren.gradient_variance(
        cls,
        module,
        encoding=encodings.Bits(),
        loss="bce",
        method="kernel",  # fixed: what "auto" predicts, and so the last digits, may differ between machines
        dtype="float64",
    )
    deviations = dict(zip(answer.members, answer.deviations, strict=True))
    squares, outputs = _squared_gradients(module, encodings.Bits()(np.arange(int(cls.p)), cls.p))
    slopes = 1.0 / (1.0 + np.exp(-outputs)) - cls.values(members, np.arange(int(cls.p)))
    error = float(np.sqrt(np.mean(slopes**2 * squares) / batch))
    return {
        "deviations": {a: float(deviations[a]) for a in members},
        "variance": float(answer),
        "error": error,
    }


def _squared_gradients(module: nn.Module, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """‖∇N(x)‖² and N(x) at every x, float64."""
    import torch
    from torch.func import functional_call, grad_and_value, vmap

    network = module.double()
    parameters = {name: value.detach() for name, value in network.named_parameters()}

    def output(weights: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = functional_call(network, dict(weights), (x[None],))
        return found.squeeze()

    gradients, values = vmap(grad_and_value(output), (None, 0), chunk_size=256)(parameters, torch.from_numpy(shown))
    squares = torch.stack([g.flatten(1).square().sum(1) for g in gradients.values()]).sum(0)
    return squares.numpy(), values.numpy()


def predictions(rows: Sequence[Row], resamples: int = 2000) -> Prediction | None:
    """How d(a)/Var predicts the accuracy of these runs, one row a run; None where there is none."""
    from barren.training import prediction

    kept = trained.finished(rows, "test_accuracy")
    if not kept:
        return None
    return prediction.predict(
        column(kept, "deviation") / column(kept, "variance"),
        column(kept, "test_accuracy"),
        column(kept, "learned").astype(bool),
        members=column(kept, "a"),
        resamples=resamples,
    )


def draw(rows: Sequence[Row], settings: Settings, canvas: Canvas) -> None:
    """Above: accuracy against d(a)/Var, a panel a prime. Below: the correlation along training; horizon and steps."""
    primes = settings["primes"]
    canvas.set_size_inches(max(12.0, 4.3 * len(primes)), 10.4)
    outer = canvas.add_gridspec(2, 1, height_ratios=[5.4, 4.6])
    above, below = canvas.add_subfigure(outer[0]), canvas.add_subfigure(outer[1])
    grid = above.subplots(1, len(primes), squeeze=False, sharey=True)[0]
    last = trained.last_rows(rows, _RUN)
    for axes, p in zip(grid, primes, strict=True):
        _scatter(axes, where(last, p=p), p)
    grid[0].set_ylabel(f"test accuracy after {settings['steps']} steps (dimensionless)")
    handles, labels = grid[0].get_legend_handles_labels()
    above.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    left, right = below.subplots(1, 2)
    _along(left, rows, primes)
    _horizons(right, last, settings)
    network = "→".join(["bits", *map(str, settings["hidden"]), "1"])
    canvas.suptitle(
        "Does d(a)/Var, d(a) = ‖G_a − E G‖², at initialisation predict what becomes of training? "
        "Lowest bit of a·x mod p\n"
        f"{network}, {settings['activation']}, BCE, {settings['optimizer']} {settings['lr']:g}, batch "
        f"{settings['batch_size']}; {100 * settings['train']:g} % of all x for training, the rest for the test; "
        f"{len(settings['seeds'])} seeds",
        fontsize=10.5,
    )


def _scatter(axes: Axes, rows: Sequence[Row], p: int) -> None:
    ended = trained.finished(rows, "test_accuracy")
    for kind, (mark, shade, label) in _KINDS.items():
        part = where(ended, kind=kind)
        x = column(part, "deviation") / column(part, "variance") if part else np.array([])
        y = column(part, "test_accuracy") if part else np.array([])
        fill = shade if kind == "random" else "none"
        axes.plot(
            x, y, mark, markeredgecolor=shade, markerfacecolor=fill, markersize=4.5, label=label, linestyle="none"
        )
    chance = np.mean([row["chance"] for row in ended]) if ended else 0.5
    axes.axhline(chance, color="0.3", linestyle="--", linewidth=1.2, label="best constant")
    axes.set_xscale("log")
    axes.set_ylim(0.35, 1.03)
    axes.grid(alpha=0.3)
    axes.set_xlabel("d(a) / Var (dimensionless)")
    counted = f"{int(sum(row['learned'] for row in ended))} of {len(ended)} runs above chance"
    lost = f", {len(rows) - len(ended)} diverged" if len(ended) < len(rows) else ""
    lines = [f"p = {p}: {counted}{lost}"]
    for name, part in (("all", ended), ("random only", where(ended, kind="random"))):
        found = predictions(part)
        if found is not None:
            lines += [f"{name}: Spearman {told(found.spearman)}", f"{name}: AUC {told(found.auc)}"]
    axes.set_title("\n".join(lines), fontsize=9)


def told(found: Statistic) -> str:
    """A value with its interval, or why there is none."""
    if np.isnan(found.value):
        return f"undefined: {found.reason}"
    if np.isnan(found.interval.low):
        return f"{found.value:.2f} ({found.reason})"
    return f"{found.value:.2f} [{found.interval.low:.2f}, {found.interval.high:.2f}]"


def _along(axes: Axes, rows: Sequence[Row], primes: Sequence[int]) -> None:
    """Spearman's correlation of d(a)/Var with the accuracy after so many steps."""
    for place, p in enumerate(primes):
        of_prime = [row for row in where(rows, p=p) if row["step"] > 0]
        shade = trained.shade(place, 1 + len(primes))
        for kind, dash in (("all", "-"), ("random", ":")):
            part = of_prime if kind == "all" else where(of_prime, kind=kind)
            at = sorted({row["step"] for row in part})
            found = [predictions(where(part, step=step), resamples=200) for step in at]
            values = np.array([np.nan if one is None else one.spearman.value for one in found])
            ends = np.array([[v, v] if f is None else [f.spearman.interval.low, f.spearman.interval.high]
                             for v, f in zip(values, found, strict=True)]).reshape(-1, 2)  # fmt: skip
            label = f"p = {p}, {'all members' if kind == 'all' else 'random only'}"
            mark = trained.MARKS[place % len(trained.MARKS)][0]
            axes.plot(at, values, dash, marker=mark, color=shade, markersize=4, linewidth=1.4, label=label)
            axes.fill_between(at, ends[:, 0], ends[:, 1], color=shade, alpha=0.09, linewidth=0)
    axes.axhline(0.0, color="0.3", linestyle="--", linewidth=1.0)
    axes.set_xscale("log")
    axes.set_ylim(-1.05, 1.05)
    axes.set_title("rank correlation along training (bands: 95 % bootstrap over members)", fontsize=10.5)
    axes.set_xlabel("step (dimensionless)")
    axes.set_ylabel("Spearman's ρ of d(a)/Var and accuracy\n(dimensionless)")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8.5, ncols=2)


def _horizons(axes: Axes, last: Sequence[Row], settings: Settings) -> None:
    """Steps needed against the oracle horizon; runs that never got there stand above the others."""
    from barren.training import prediction

    rows = list(last)
    never = 2.0 * settings["steps"]
    steps = np.array([np.nan if row["steps_needed"] is None else row["steps_needed"] for row in rows], dtype=np.float64)
    compared = prediction.compare_horizons(
        column(rows, "variance"), steps, error=column(rows, "error"), probability=settings["probability"]
    )
    horizon = np.array([one.horizon for one in compared])
    kinds = column(rows, "kind")
    for kind, (mark, shade, label) in _KINDS.items():
        part = kinds == kind
        y = np.where(np.isnan(steps[part]), never, np.maximum(steps[part], 1.0))
        x = np.maximum(horizon[part], 0.5) * (
            0.97 if kind == "easy" else 1.03
        )  # side by side: one horizon a prime and seed
        fill = shade if kind == "random" else "none"
        axes.plot(
            x, y, mark, linestyle="none", markersize=4.5, markeredgecolor=shade, markerfacecolor=fill, label=label
        )
    ends = np.array([max(1.0, horizon.min()) / 1.5, max(2.0, horizon.max()) * 1.5])
    axes.plot(ends, ends, "-", color="0.3", linewidth=1.0, label="steps = horizon")
    axes.axhline(never, color="0.7", linewidth=0.8, linestyle=":")
    axes.annotate("never", (0.01, never), xycoords=("axes fraction", "data"), fontsize=9, va="bottom")
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain(axes, ends)
    axes.set_ylim(0.8, 20.0 * never)
    sooner = sum(one.sooner for one in compared)
    axes.set_title(
        f"oracle horizon and steps needed: {sooner} of {int(np.isfinite(steps).sum())} runs that got there\n"
        f"were sooner, {int(np.isnan(steps).sum())} never did",
        fontsize=10.5,
    )
    axes.set_xlabel(f"horizon T at initialisation, P = {settings['probability']:g} (steps)")
    axes.set_ylabel(f"steps to a test accuracy of {settings['reach']:g}")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=8.5, ncols=2)


def _plain(axes: Axes, ends: np.ndarray) -> None:
    """Plain numbers at 1, 2 and 5 times powers of ten, which a logarithmic axis of one decade lacks."""
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    ticks = [digit * 10**power for power in range(8) for digit in (1, 2, 5)]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if ends[0] <= tick <= ends[1]]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


FIGURE = Figure(
    name="predictability",
    summary="final accuracy of every trained target against its d(a)/Var at initialisation, and the oracle horizon",
    columns={
        "p": int,
        "a": int,
        "kind": str,
        "seed": int,
        "step": int,
        "test_accuracy": float,
        "chance": float,
        "learned": int,
        "steps_needed": int,
        "points": int,
        "deviation": float,
        "variance": float,
        "error": float,
        "horizon": float,
        "seconds": float,
    },
    settings=settings,
    cells=cells,
    compute=compute,
    draw=draw,
)
