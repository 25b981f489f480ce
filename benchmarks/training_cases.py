"""Benchmark cases of training: a whole ensemble against the same runs one after another."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from cases import Record

import barren
from barren import encodings, figures, inputs, models, specs, targets
from barren.training import Population, Watch

_LEARNING_RATE, _BATCH = 1e-3, 100


def network(seed: int) -> Any:
    """16 bits -> 100 -> 100 -> 1, ReLU."""
    return models.mlp(16, (100, 100), "relu", seed=seed)


def plain_loop(cls: Any, module: Any, member: int, seed: int, steps: int) -> Any:
    """What a user writes: fresh points, their encoding and labels, a backward pass, a step of torch's Adam.

    The points are those of the ensemble's run, drawn 64 steps at a time as there; torch uses one thread, with which
    this loop is faster than with two.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    stream, show = Population().stream(cls, inputs.Uniform(), seed, _BATCH), encodings.Bits()
    optimizer = torch.optim.Adam(module.parameters(), lr=_LEARNING_RATE)
    for first in range(0, steps, 64):
        last = min(steps, first + 64)
        x = stream.points(first, last)
        features = torch.from_numpy(show(x, cls.p).astype(np.float32)).reshape(last - first, _BATCH, -1)
        labels = torch.from_numpy(cls.values([member], x)[0].astype(np.float32)).reshape(last - first, _BATCH)
        for shown, wanted in zip(features, labels, strict=True):
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(module(shown)[:, 0], wanted).backward()
            optimizer.step()
    return module


def ensemble(quick: bool) -> Record:
    """64 networks, 8 multipliers and 8 seeds, against the loop of plain torch and against `barren.train` run by run.

    Rivals are timed on every eighth run, for the time of each is the same, in turn with the ensemble.
    """
    import torch

    steps, sample = (60, 2) if quick else (1000, 8)
    cls = barren.ModularMultiplication(65521, target=targets.Bit(0))
    settings: dict[str, Any] = {"steps": steps, "batch_size": _BATCH, "lr": _LEARNING_RATE, "optimizer": "adam"}
    whole = barren.train(cls, network, members=8, seeds=8, **settings)
    largest = 0.0
    times: dict[str, list[float]] = {"ours": [], "plain": [], "alone": []}
    for _ in range(1 if quick else 3):
        times["ours"].append(_seconds(lambda: barren.train(cls, network, members=8, seeds=8, **settings)))
        alone = plain = 0.0
        for row in whole.rows[:: len(whole.rows) // sample]:
            start = time.perf_counter()
            (solo,) = barren.train(cls, network, members=[row["member"]], seeds=[row["seed"]], **settings).rows
            alone += time.perf_counter() - start
            largest = max(largest, _difference(row, solo))
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            module = network(row["seed"])
            plain += _seconds(lambda row=row, module=module: plain_loop(cls, module, row["member"], row["seed"], steps))
            torch.set_num_threads(threads)
        times["alone"].append(alone * len(whole.rows) / sample)
        times["plain"].append(plain * len(whole.rows) / sample)
    assert largest <= 1e-5, largest
    return {
        "name": "64 networks trained together against one after another",
        "asked": "≥ 6×, each run equal to its solo run to 1e-5 in every metric",
        "ratio": _ratio(times["plain"], times["ours"]),
        "seconds": {**{name: sorted(t)[len(t) // 2] for name, t in times.items() if name != "plain"},
                    "rival": sorted(times["plain"])[len(times["plain"]) // 2], "runs": len(times["ours"])},
        "others": {"against barren.train run by run": _ratio(times["alone"], times["ours"])},
        "difference": largest,
        "case": f"64 × (16 bits → 100 → 100 → 1, ReLU), {steps} steps of Adam, batch {_BATCH}, float32, metrics at "
        "22 records; the rival is a loop of plain torch without metrics, one thread, timed on every eighth run",
    }  # fmt: skip


def watch_cost(quick: bool) -> Record:
    """All looks at one checkpoint against the training between two, with the default of `gradient-along-training`.

    Its looks are spaced in log(step), so the training between two is taken as the mean: all of it over their number.
    """
    settings = figures.FIGURES["gradient-along-training"].settings(False, 0)
    if quick:
        settings |= {"primes": [101], "others": [30], "steps": 60, "looks": 4, "seeds": [0]}
    cls = barren.ModularMultiplication(settings["primes"][0], specs.target(settings["target"]))
    watch = Watch(cls, loss=settings["loss"], batch_size=settings["batch_size"])
    members, width = [*settings["easy"], *settings["others"]], encodings.Bits().width(cls.p)
    runs = [
        (member, models.from_spec(settings["model"], width, seed)) for member in members for seed in settings["seeds"]
    ]
    largest = 0.0
    for member, model in runs:
        look = watch.look(model, member)
        v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss=settings["loss"], dtype="float64")
        truth = float(v.deviations[np.searchsorted(v.members, member)])
        largest = max(largest, abs(look.variance / float(v) - 1.0), abs(look.deviation / truth - 1.0))
    assert largest <= 1e-10, largest
    shared = {name: settings[name] for name in ("seeds", "loss", "lr", "batch_size", "steps")}
    times: dict[str, list[float]] = {"looks": [], "between": []}
    for _ in range(1 if quick else 5):
        times["looks"].append(_seconds(lambda: watch.look_all([model for _, model in runs], [a for a, _ in runs])))
        whole = _seconds(lambda: barren.train(cls, settings["model"], members=members, records=1, **shared))
        times["between"].append(whole / settings["looks"])
    return {
        "name": "the training between two looks over the looks at all runs",
        "asked": "≥ 1: the watch costs less than the training between two checkpoints",
        "ratio": _ratio(times["between"], times["looks"]),
        "seconds": {"ours": sorted(times["looks"])[len(times["looks"]) // 2],
                    "rival": sorted(times["between"])[len(times["between"]) // 2], "runs": len(times["looks"])},
        "seconds_a_look": sorted(times["looks"])[len(times["looks"]) // 2] / len(runs),
        "difference": largest,
        "case": f"p = {cls.p}, {len(runs)} runs of {settings['model']}, all of them watched, {settings['steps']} steps "
        f"of Adam, batch {settings['batch_size']}, {settings['looks'] + 1} looks; the training is without a watch, its "
        "start and its end with it, and between two looks is the whole over their number less one",
    }  # fmt: skip


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _ratio(rival: list[float], ours: list[float]) -> dict[str, float]:
    ratios = sorted(r / o for r, o in zip(rival, ours, strict=True))
    return {"median": ratios[len(ratios) // 2], "min": ratios[0], "max": ratios[-1]}


def _difference(row: dict[str, Any], solo: dict[str, Any]) -> float:
    """The largest difference of a metric; what is no number must be equal."""
    largest = 0.0
    for key, value in row.items():
        if not isinstance(value, float) or math.isnan(value):
            assert str(solo[key]) == str(value), (key, value, solo[key])
        else:
            largest = max(largest, abs(value - solo[key]))
    return largest


TRAINING_CASES = {case.__name__: case for case in (ensemble, watch_cost)}
