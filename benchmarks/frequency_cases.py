"""Benchmark cases of the real line: the direct engine against a hand-written loop, and transforms against it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from cases import Record, interleaved, relative, summary
from direct_cases import compiled

from barren import _core, _nufft, targets
from barren.classes import Frequencies, scattered

# One column of sawtooth responses and nothing else: 48 frequencies at a time, every value in a register, |a·x| below
# 2^51 so that the fraction needs no second reduction.
HAND_WRITTEN = r"""
#include <immintrin.h>
#include <cstdint>
extern "C" void sawtooth(std::int64_t size, std::int64_t n, const double* x, const double* column, double* out,
                         int threads) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 4)
    for (std::int64_t first = 0; first < size; first += 48) {
        const __m512d half = _mm512_set1_pd(0.5), sign = _mm512_set1_pd(-0.0), zero = _mm512_setzero_pd();
        __m512d a[6], sum[6];
        for (int v = 0; v < 6; ++v) {
            alignas(64) double lane[8];
            for (int l = 0; l < 8; ++l) lane[l] = double(first + 8 * v + l + 1);
            a[v] = _mm512_load_pd(lane);
            sum[v] = zero;
        }
        for (std::int64_t i = 0; i < n; ++i) {
            const __m512d point = _mm512_set1_pd(x[i]), c = _mm512_set1_pd(column[i]);
            for (int v = 0; v < 6; ++v) {
                const __m512d nearest = _mm512_roundscale_pd(_mm512_mul_pd(a[v], point), 8);
                const __m512d t = _mm512_fmsub_pd(a[v], point, nearest);
                const __m512d value = _mm512_sub_pd(t, _mm512_or_pd(half, _mm512_and_pd(sign, t)));
                const __mmask8 some = _mm512_cmp_pd_mask(t, zero, _CMP_NEQ_OQ);
                sum[v] = _mm512_mask3_fmadd_pd(value, c, sum[v], some);
            }
        }
        for (int v = 0; v < 6; ++v) {
            alignas(64) double lane[8];
            _mm512_store_pd(lane, sum[v]);
            for (int l = 0; l < 8 && first + 8 * v + l < size; ++l) out[first + 8 * v + l] = lane[l];
        }
    }
}
"""


def setting(size: int, n: int, columns: int, target: targets.Target) -> tuple[Any, ...]:
    """Frequencies 1..size, n scattered points, their weights, and a random Jacobian."""
    random = np.random.default_rng(0)
    return Frequencies(size, target), random.random(n), np.full(n, 1 / n), random.standard_normal((n, columns))


def frequency_direct(quick: bool) -> Record:
    """One column of sawtooth responses at scattered points, float64."""
    size, n = (500, 700) if quick else (9600, 10007)
    cls, x, weights, J = setting(size, n, 1, targets.Sawtooth())
    hand, threads = compiled(HAND_WRITTEN, "sawtooth"), _core.available_threads()
    column, expected = J[:, 0] / n, np.empty(size)

    def ours() -> np.ndarray:
        return cls.responses(x, weights, J, threads=threads)

    def rival() -> np.ndarray:
        assert hand is not None
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in (x, column, expected))
        hand(ctypes.c_int64(size), ctypes.c_int64(n), *pointers, ctypes.c_int(threads))
        return expected[:, None]

    truth = cls.values(cls.members, x) @ J / n
    difference = relative(ours(), truth)
    assert difference <= 1e-11, difference
    other: Callable[[], Any] = ours
    if hand is not None:
        assert relative(rival(), truth) <= 1e-11
        other = rival
    mine, theirs = interleaved(ours, other, runs=3 if quick else 15)
    name = "hand-written AVX-512" if hand else "itself: no AVX-512 or no compiler for a hand-written loop here"
    return summary(
        "frequencies, one column of sawtooth responses against a hand-written loop",
        "≥ 0.6× the hand-written loop",
        mine,
        theirs,
        difference=difference,
        case=f"frequencies 1..{size}, {n} points, 1 column, float64, {threads} threads; the rival is {name}",
    )


def frequency_nufft(quick: bool) -> Record:
    """Responses of all frequencies to a cosine, 16 columns: non-uniform transforms against the direct engine."""
    size, columns = (500 if quick else 100_000), 16
    cls, x, weights, J = setting(size, size, columns, targets.Cosine())
    ours = lambda: scattered.responses(cls, x, weights, J)  # noqa: E731
    rival = lambda: cls.responses(x, weights, J)  # noqa: E731
    difference = relative(ours(), rival())
    assert difference <= 1e-9, difference
    mine, theirs = interleaved(ours, rival, runs=3)
    return summary(
        "frequencies, responses by non-uniform transforms against the direct engine",
        "≥ 20×",
        mine,
        theirs,
        difference=difference,
        case=f"frequencies 1..{size}, {size} points, cosine, {columns} columns, {_nufft.backend()}",
    )


def exact_responses(members: np.ndarray, numerators: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Σ_x cos(2πa·x)·columns[x] at x = numerators/2^53: phases without an error, cosines and sums in long doubles."""
    turn = np.longdouble(8) * np.arctan(np.longdouble(1))
    out = np.empty((len(members), columns.shape[1]))
    for row, a in enumerate(members):
        # Products of 64 bits wrap around, which their last 53 bits do not notice.
        fractions = (np.uint64(a) * numerators & np.uint64(2**53 - 1)).astype(np.longdouble) / 2**53
        out[row] = (np.cos(turn * fractions)[:, None] * columns).sum(axis=0)
    return out


def frequency_nufft_accuracy(quick: bool) -> Record:
    """The error of the transforms, relative to the largest response, as the rounding of phases makes it grow with A."""
    sizes, n = ((500, 2000) if quick else (10**4, 10**5, 10**6)), 1000 if quick else 10**4
    numerators = np.random.default_rng(1).integers(0, 2**53, size=n, dtype=np.uint64)
    x, errors = numerators / 2.0**53, {}
    for size in sizes:
        cls, _, weights, J = setting(size, n, 2, targets.Cosine())
        found = scattered.responses(cls, x, weights, J)
        members = np.unique(np.geomspace(1, size, 40).astype(np.int64))
        expected = exact_responses(members, numerators, weights[:, None] * J)
        errors[f"A = {size}"] = float(np.abs(found[members - 1] - expected).max() / np.abs(found).max())
    assert max(errors.values()) <= 1e-9, errors
    return {
        "name": "frequencies, error of the non-uniform transforms",
        "asked": "≤ 1e-9",
        "case": f"cosine, {n} points, about 40 of the frequencies 1..A against exact phases, {_nufft.backend()}",
        "relative_error": errors,
    }


FREQUENCY_CASES = {case.__name__: case for case in (frequency_direct, frequency_nufft, frequency_nufft_accuracy)}
