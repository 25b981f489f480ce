"""Benchmark cases of Dedekind sums. Each asserts equality first, then times both sides in turn in this process."""

from __future__ import annotations

import random
import time

import numpy as np
from cases import Record, interleaved, relative, summary

import barren
from barren import encodings, inputs, models, targets
from barren.classes.dedekind import dedekind_sums

# The largest primes below 2^40, 2^52, 2^53 and 2^63, and the least above 2^52.
_PRIMES = (2**40 - 87, 2**52 - 47, 2**52 + 21, 2**53 - 111, 2**63 - 25)


def dedekind_speed(quick: bool) -> Record:
    """σ(h, k, 0) for many h against a loop over python-flint's sums, left as its rationals, of a tenth of them."""
    import flint

    count, part, rng = 2000 if quick else 1_000_000, 1 if quick else 10, np.random.default_rng(0)
    records, errors = {}, {}
    for k in _PRIMES:
        h = rng.integers(1, k, count)
        each = h[: count // part].tolist()
        sums = [flint.fmpq.dedekind_sum(a, k) for a in each]
        errors[str(k)] = relative(dedekind_sums(h[: len(each)], k), [12 * int(s.p) / int(s.q) for s in sums])
        assert errors[str(k)] <= 1e-13, errors

        def ours(h: np.ndarray = h, k: int = k) -> np.ndarray:
            return dedekind_sums(h, k)

        def rival(each: list[int] = each, k: int = k) -> list[object]:
            return [flint.fmpq.dedekind_sum(a, k) for a in each]

        records[k] = summary("", "", *interleaved(ours, rival, runs=2 if quick else 9), scale=part)
    worst = min(records, key=lambda k: records[k]["ratio"]["median"])
    record = {**records[worst], "name": "Dedekind sums against a loop over FLINT's", "asked": "≥ 20×"}
    record["case"] = f"{count} sums modulo {worst}, the slowest of {len(_PRIMES)} primes up to 2^63 − 25"
    record["relative_error"] = {"largest": max(errors.values())}
    record["others"] = {f"modulo {k}": found["ratio"] for k, found in records.items() if k != worst}
    return record


def prime255(quick: bool) -> Record:
    """The variance of the lowest bit over all multipliers of a 255-bit prime, from 500 random points."""
    p, n = 2**255 - 19, 20 if quick else 500
    draw = random.Random(0)
    points = [draw.randrange(1, p) for _ in range(n)]
    cls = barren.ModularMultiplication(p, targets.Bit(0))
    model = models.mlp(255, (64, 64), seed=0).double()
    start = time.perf_counter()
    v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss="bce", inputs=inputs.Sample(points))
    seconds = time.perf_counter() - start
    # Random points are independent coins to 70 digits: the diagonal of the kernel alone.
    error = abs(v.normalised * 4 * n - 1)
    assert error <= 1e-12, error
    return {
        "name": "lowest bit at p = 2^255 − 19, every multiplier",
        "case": f"bits → 64 → 64 → 1 sigmoid, BCE, {n} random points: {seconds:.2g} s",
        "asked": "≤ 60 s",
        "absolute_error": error,
        "seconds_of_all": seconds,
    }


DEDEKIND_CASES = {"dedekind_speed": dedekind_speed, "prime255": prime255}
