"""The benchmark case of the planner: what it predicts on problems of every method, against what they take."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from cases import Record, mlp
from engine_cases import BITS

import barren
from barren import encodings, inputs, models, targets


def predictions(quick: bool) -> Record:
    """Predicted against measured time of `barren.plan`, on problems of every method.

    Other work slows a machine for seconds on end, so all cases are gone through several times: what is predicted is the
    median of the plans, what is measured the least of the runs, as the rates are the least of theirs.
    """
    cases = _planned(quick)
    plans: dict[str, list[barren.Plan]] = {name: [] for name, _, _ in cases}
    times: dict[str, list[float]] = {name: [] for name, _, _ in cases}
    for _ in range(1 if quick else 3):
        for name, cls, call in cases:
            barren.gradient_variance(cls, **call)  # what libraries set up once is no part of either
            plans[name].append(barren.plan(cls, **call))
            for _ in range(3):
                start = time.perf_counter()
                barren.gradient_variance(cls, **call)
                times[name].append(time.perf_counter() - start)
    found = [
        {
            "case": name,
            "method": plans[name][0].method,
            "predicted": float(np.median([plan.seconds for plan in plans[name]])),
            "measured": min(times[name]),
        }
        for name in times
    ]
    factors = {f["case"]: max(f["predicted"] / f["measured"], f["measured"] / f["predicted"]) for f in found}
    worst = max(factors.values())
    # At tiny sizes what a call costs, and no work, is measured.
    assert quick or worst <= 2.0, factors
    return {
        "name": "predicted against measured seconds",
        "asked": "within a factor of 2",
        "case": f"{len(found)} problems, worst factor {worst:.2f}",
        "worst_factor": worst,
        "predictions": found,
    }


def _planned(quick: bool) -> list[tuple[str, Any, dict[str, Any]]]:
    random = np.random.default_rng(0)

    def numbers(p: int, columns: int, dtype: str = "float64") -> np.ndarray:
        return random.standard_normal((p, columns)).astype(dtype)

    sizes = (101, 211, 251, 509) if quick else (1009, 4093, 10007, 100003)
    small, middle, large, huge = (barren.ModularMultiplication(p, targets.Bit(0)) for p in sizes)
    safe = barren.ModularMultiplication(107 if quick else 100043, targets.Bit(0))  # p − 1 = 2q with a prime q
    residue = barren.ModularMultiplication(31 if quick else 499, targets.Residue())
    digits = encodings.Digits(10)
    attending = models.gpt(digits.width(small.p), layers=2, width=64, heads=4, vocabulary=10, seed=0)
    classifier = models.mlp((residue.p - 1).bit_length(), (128,), "relu", outputs=residue.p, seed=0)
    network = {"model": mlp(small.p, "float32"), **BITS}
    wide = {"model": mlp(middle.p, "float32"), **BITS}
    brief = barren.ModularMultiplication(31 if quick else 503, targets.Bit(0))
    composite = barren.ModularMultiplication(33 if quick else 501, targets.Bit(0))
    labelled = barren.ModularMultiplication(31 if quick else 503, targets.Residue())
    narrow = models.mlp((brief.p - 1).bit_length(), (30, 30), seed=0)
    given = numbers(composite.p, 40)
    few = models.mlp((large.p - 1).bit_length(), (100, 100), "sigmoid", seed=0)
    # On a grid frequencies are a modular class; here they are not.
    waves, line = (
        barren.Frequencies(128 if quick else 1000),
        barren.Frequencies(64 if quick else 1000, targets.Cosine()),
    )
    scattered, parities = inputs.RealSample(random.random(512 if quick else 10007)), barren.Parity(8 if quick else 14)
    few_bits = barren.Parity(6 if quick else 10, 3)
    points = scattered.size(), parities.points
    return [
        ("network, p small", small, network),
        ("network, p small, no deviations", small, {**network, "deviations": False}),
        ("network, p middle", middle, wide),
        ("network, p middle, no deviations", middle, {**wide, "deviations": False}),
        ("direct, 16 columns", large, {"jacobian": numbers(large.p, 16, "float32"), "method": "direct"}),
        ("direct, 256 columns", large, {"jacobian": numbers(large.p, 256, "float32"), "method": "direct"}),
        ("character, 64 columns", huge, {"jacobian": numbers(huge.p, 64), "deviations": False}),
        ("character, 64 columns, deviations", huge, {"jacobian": numbers(huge.p, 64)}),
        ("character, 64 columns, safe prime", safe, {"jacobian": numbers(safe.p, 64), "deviations": False}),
        ("table, cross-entropy", residue, {"model": classifier, **BITS, "loss": "cross-entropy"}),
        ("a model without rules", small, {"model": _without_rules((small.p - 1).bit_length()), **BITS}),
        ("a GPT-2-like model", small, {"model": attending, "encoding": digits, "loss": "bce"}),
        ("small: a loss at every label", labelled, {"model": narrow, **BITS, "loss": _cubic}),
        ("small: convolutions by the kernel", brief, {"model": _convolutions(brief), **BITS, "method": "kernel"}),
        ("small: Θ, composite modulus", composite, {"ntk": given @ given.T}),
        ("small: a narrow network", brief, {"model": narrow, **BITS}),
        ("probes, network", large, {"model": few, **BITS, "method": "probes"}),
        ("frequencies, 64 columns", waves, {"jacobian": numbers(points[0], 64), "inputs": scattered}),
        ("frequencies, cosine, 16 columns", line, {"jacobian": numbers(points[0], 16), "inputs": scattered}),
        ("parities, all of 14 bits, 64 columns", parities, {"jacobian": numbers(points[1], 64)}),
        ("parities of 3 among 10 bits, network", few_bits, {"model": mlp(few_bits.points, "float32"), **BITS}),
    ]


def _cubic(outputs: Any, labels: Any) -> Any:
    return (outputs - labels) ** 2 * outputs / 6


def _convolutions(cls: Any) -> Any:
    """Convolutions along the bits, and a linear layer."""
    import torch

    torch.manual_seed(0)
    width, channels = (cls.p - 1).bit_length(), 8
    layers = [torch.nn.Unflatten(1, (1, width)), torch.nn.Conv1d(1, channels, 3, padding=1), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(channels * width, 1))


def _without_rules(width: int, hidden: int = 200) -> Any:
    """A network of products by einsum, which no rule knows."""
    import torch

    class Products(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            draw = torch.Generator().manual_seed(0)
            shapes = [(width, hidden), (hidden, hidden), (hidden,)]
            weights = [torch.randn(*shape, generator=draw) / shape[0] ** 0.5 for shape in shapes]
            self.first, self.second, self.last = map(torch.nn.Parameter, weights)

        def forward(self, x: Any) -> Any:
            inner = torch.tanh(torch.einsum("ni,iw->nw", x, self.first))
            return torch.einsum("nw,w->n", torch.tanh(torch.einsum("nw,wv->nv", inner, self.second)), self.last)

    return Products()


PLANNER_CASES = {"predictions": predictions}
