"""The benchmark cases. Each asserts that both sides agree, then times them in turn in this process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import barren
from barren import encodings, inputs, models, reference, targets
from barren.variance.direct import responses

Record = dict[str, Any]


def relative(got: Any, expected: Any) -> float:
    """Largest difference over the largest entry expected."""
    return float(np.max(np.abs(np.asarray(got) - np.asarray(expected))) / np.max(np.abs(expected)))


def interleaved(ours: Callable[[], Any], rival: Callable[[], Any], runs: int) -> tuple[list[float], list[float]]:
    """Seconds of both, in turn, after one run of each that is not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    ours()
    for _ in range(runs):
        for call, seconds in zip((ours, rival), times, strict=True):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return times


def summary(name: str, asked: str, ours: list[float], rival: list[float], scale: float = 1.0, **more: Any) -> Record:
    """A record with the ratio rival/ours pair by pair; `scale` is how much of the rival's work one run of it was."""
    ratios = [scale * r / o for o, r in zip(ours, rival, strict=True)]
    return {
        "name": name,
        "asked": asked,
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "seconds": {"ours": statistics.median(ours), "rival": scale * statistics.median(rival), "runs": len(ours)},
        **more,
    }


def mlp(p: int, dtype: str) -> Any:
    """Bits -> 1000 -> 1000 -> 1, sigmoid, default torch initialisation, seed 0."""
    import torch

    return models.mlp((p - 1).bit_length(), (1000, 1000), "sigmoid", seed=0).to(getattr(torch, dtype))


def against_the_loop(cls: Any, model: Any, encoding: Any, sample: int, runs: int) -> dict[str, Any]:
    """`gradient_variance` against one backward pass a multiplier, binary cross-entropy, with and without deviations.

    The loop runs over every `sample`-th multiplier, for its time is the same for each.

    Returns:
        A record of the variance alone, with "with_deviations" beside it.
    """
    some = cls.with_multipliers(cls.members[::sample])
    records = []
    for deviations in (False, True):
        ours, rival = interleaved(
            lambda wanted=deviations: barren.gradient_variance(
                cls, model, encoding=encoding, loss="bce", deviations=wanted
            ),
            lambda: sum(float(g @ g) for g in reference.gradients(some, model, encoding, "bce")),
            runs=runs,
        )
        records.append(summary("", "", ours, rival, scale=cls.size / some.size))
    return {**records[0], "with_deviations": {key: records[1][key] for key in ("ratio", "seconds")}}


def autograd(quick: bool) -> Record:
    """The exact variance over all 1008 multipliers against one autograd backward pass per multiplier."""
    p = 101 if quick else 1009
    cls = barren.ModularMultiplication(p, targets.Bit(0))
    single, double = mlp(p, "float32"), mlp(p, "float64")
    double.load_state_dict(single.state_dict())  # the same weights, so that the truth for both is the float64 reference
    options = {"encoding": encodings.Bits(), "loss": "bce"}
    truth = reference.from_model(cls, double, encodings.Bits(), "bce")
    answers = {
        name: barren.gradient_variance(cls, model, **options)
        for name, model in [("float32", single), ("float64", double)]
    }
    errors = {name: abs(float(v) - truth.variance) / truth.variance for name, v in answers.items()}
    assert errors["float32"] <= 1e-6, errors
    assert errors["float64"] <= 1e-10, errors
    deviation_errors = {name: relative(v.deviations, truth.deviations) for name, v in answers.items()}
    return {
        **against_the_loop(cls, single, encodings.Bits(), 20, runs=1 if quick else 5),
        "name": "all multipliers against one backward pass each",
        "asked": "≥ 300×, error ≤ 1e-6 (float32), ≤ 1e-10 (float64)",
        "case": f"p = {p}, bits → 1000 → 1000 → 1 sigmoid, BCE, float32 model, method {answers['float32'].method}",
        "relative_error": errors,
        "relative_error_of_deviations": deviation_errors,
    }


def memory(quick: bool) -> Record:
    """Peak memory of a whole fresh process that computes the case above."""
    p = 101 if quick else 1009
    code = (
        "import barren; from barren import encodings, models, targets;"
        f"cls = barren.ModularMultiplication({p}, targets.Bit(0));"
        f"model = models.mlp({(p - 1).bit_length()}, (1000, 1000), 'sigmoid', seed=0);"
        "barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss='bce');"
        # Not getrusage, whose peak a child inherits from its parent.
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak = int(done.stdout) * 1024
    assert peak < 10**9, peak
    return {"name": "peak memory of the process", "asked": "< 1 GB", "case": f"p = {p}, as above", "bytes": peak}


def accuracy(quick: bool) -> Record:
    """`direct` and `character` against the reference in float64: moduli × targets × multipliers × weights."""
    moduli = [101, 105] if quick else [3, 11, 101, 499, 1009, 1999, 15, 105, 1001, 1024]
    worst: dict[str, dict[str, Any]] = {}
    cells = 0
    for p in moduli:
        rng = np.random.default_rng(p)
        weights = rng.random(p)
        laws = [inputs.Uniform(), inputs.Sample(np.arange(p), weights / weights.sum())]
        kinds = [targets.Sawtooth(), targets.Cosine(1), targets.Bit(0), targets.Threshold(0.5), targets.Square()]
        kinds += [targets.Triangle(), targets.Table(rng.standard_normal(p))]
        for target in kinds:
            for multipliers in ("units", "all"):
                cls = barren.ModularMultiplication(p, target, multipliers)
                for law in laws:
                    J = rng.standard_normal((p, 3)) + 1.0
                    truth = reference.from_jacobian(cls, J, law)
                    for method in ["direct", "character"] if cls.is_prime else ["direct"]:
                        v = barren.gradient_variance(cls, jacobian=J, inputs=law, method=method)
                        # Where h_a does not vary (p = 3, the lowest bit mod 1024) the variance is rounding.
                        scale = max(truth.variance, 1e-16 * v.mean_squared_norm)
                        error = abs(float(v) - truth.variance) / scale
                        cells += 1
                        if error >= worst.get(method, {"error": -1.0})["error"]:
                            worst[method] = {"error": error, "at": f"{cls!r:.120}, {law!r:.30}"}
                        assert error <= 1e-12, (cls, law, method, error)
    return {
        "name": "direct and character against the reference",
        "asked": "≤ 1e-12 in float64: primes up to 2000, every target, units and all, uniform and random weights",
        "case": f"{cells} cells over moduli {moduli}",
        "worst": worst,
    }


def dedekind(quick: bool) -> Record:
    """Response of the sawtooth to the sawtooth against Dedekind sums from FLINT, every multiplier."""
    import flint

    p = 1009 if quick else 10007
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    got = responses(cls, np.arange(p), np.ones(p), cls.table()[:, None])[:, 0]
    expected = np.array([float(flint.fmpq.dedekind_sum(int(a), p)) for a in cls.members])
    error = float(np.abs(got - expected).max())
    assert error <= 1e-9, error
    return {
        "name": "sawtooth responses are Dedekind sums",
        "asked": "≤ 1e-9 for every a at p = 10007",
        "case": f"p = {p}, {len(expected)} multipliers, sums up to {np.abs(expected).max():.4g}",
        "absolute_error": error,
    }


def direct(quick: bool) -> Record:
    """`direct` against a blocked NumPy product, float32, 16 columns, all multipliers."""
    p, columns = (1009 if quick else 10007), 16
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    psi, points, weights = cls.table().astype(np.float32), np.arange(p), np.full(p, 1 / p)
    J = np.random.default_rng(0).standard_normal((p, columns)).astype(np.float32)

    def numpy_blocks(block: int = 256) -> np.ndarray:
        scaled, out = J * np.float32(1 / p), np.empty((p - 1, columns), np.float32)
        for start in range(0, p - 1, block):
            a = cls.members[start : start + block, None]
            out[start : start + block] = psi[(a * points) % p] @ scaled
        return out

    def ours() -> np.ndarray:
        return responses(cls, points, weights, J, table=psi)

    difference = relative(ours(), numpy_blocks())
    assert difference <= 1e-5, difference
    mine, theirs = interleaved(ours, numpy_blocks, runs=3 if quick else 9)
    record = summary("direct against blocked NumPy", "≥ 10×", mine, theirs, difference=difference)
    record["case"] = f"p = {p}, all multipliers, {columns} columns, float32, blocks of 256 multipliers in NumPy"
    record["residues_a_second"] = (p - 1) * p / record["seconds"]["ours"]
    return record


END_TO_END_CASES = {case.__name__: case for case in (autograd, memory, accuracy, dedekind, direct)}
