"""Benchmark cases of the table method. Each asserts that both sides agree, then times them in turn in this process."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import Record, interleaved, relative, summary

import barren
from barren import _core, encodings, models, reference, targets


def cross_entropy(quick: bool) -> Record:
    """p-way cross-entropy on the residue, every multiplier, against one autograd backward pass per multiplier."""
    p, hidden = (31, 32) if quick else (113, 128)
    cls, encoding = barren.ModularMultiplication(p, targets.Residue()), encodings.Bits()
    single = models.mlp(encoding.width(p), (hidden,), "relu", outputs=p, seed=0)
    double = models.mlp(encoding.width(p), (hidden,), "relu", outputs=p, seed=0).double()
    truth = reference.from_model(cls, double, encoding, "cross-entropy")
    errors, deviation_errors = {}, {}
    for name, model in [("float32", single), ("float64", double)]:
        v = barren.gradient_variance(cls, model, encoding=encoding, loss="cross-entropy")
        errors[name] = abs(float(v) - truth.variance) / truth.variance
        deviation_errors[name] = relative(v.deviations, truth.deviations)
    assert max(errors["float32"], deviation_errors["float32"]) <= 1e-4, (errors, deviation_errors)
    assert max(errors["float64"], deviation_errors["float64"]) <= 1e-10, (errors, deviation_errors)

    def ours() -> Any:
        return barren.gradient_variance(cls, single, encoding=encoding, loss="cross-entropy")

    def rival() -> float:
        every = reference.gradients(cls, single, encoding, "cross-entropy")
        return sum(float(gradient @ gradient) for gradient in every)

    mine, theirs = interleaved(ours, rival, runs=2 if quick else 9)
    record = summary("cross-entropy on the residue against one backward pass each", "", mine, theirs)
    record["case"] = f"p = {p}, bits → {hidden} → {p} relu, cross-entropy, float32 model, all {cls.size} multipliers"
    record["relative_error"], record["relative_error_of_deviations"] = errors, deviation_errors
    return record


def gather_sums(quick: bool) -> Record:
    """Σ_x c_x·T[x, a·x mod p] for every multiplier against NumPy's fancy indexing by blocks, float64."""
    p = 499 if quick else 4093
    rng = np.random.default_rng(0)
    T, c = rng.standard_normal((p, p)), np.full(p, 1 / p)
    members, points, levels = np.arange(1, p), np.arange(p), np.arange(p, dtype=np.int32)

    def numpy_blocks(block: int = 256) -> np.ndarray:
        out = np.empty(p - 1)
        for start in range(0, p - 1, block):
            a = members[start : start + block, None]
            out[start : start + block] = T[points, (a * points) % p] @ c
        return out

    def ours() -> np.ndarray:
        return _core.gather_sums(members, points, p, levels, c, T[:, :, None])[:, 0]

    difference = relative(ours(), numpy_blocks())
    assert difference <= 1e-12, difference
    mine, theirs = interleaved(ours, numpy_blocks, runs=3 if quick else 9)
    record = summary("gather-sum against NumPy fancy indexing", "", mine, theirs, difference=difference)
    record["case"] = f"p = {p}, all multipliers, table of {p} × {p} float64, blocks of 256 multipliers in NumPy"
    record["residues_a_second"] = (p - 1) * p / record["seconds"]["ours"]
    return record


TABLE_CASES = {"cross_entropy": cross_entropy, "gather_sums": gather_sums}
