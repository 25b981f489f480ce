"""Benchmark cases of the direct engine: the product, one column, threads, moduli, and what a user would write.

Each asserts that both sides agree, then times them in turn in this process.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cases import Record, interleaved, relative, summary

import barren
from barren import _core, targets
from barren.variance.direct import responses

# The instructions of one column of sawtooth responses and nothing else, as one would write them for one machine: 64
# multipliers at a time, every value in a register, p below 2^23 so that float32 holds a residue with its half.
HAND_WRITTEN = r"""
#include <immintrin.h>
#include <cstdint>
extern "C" void sawtooth(std::uint32_t p, const float* column, double* out, int threads) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 4)
    for (std::int64_t first = 1; first < std::int64_t(p); first += 64) {
        const __m512i m = _mm512_set1_epi32(int(p));
        const __m512 slope = _mm512_set1_ps(1.0f / float(p)), half = _mm512_set1_ps(-0.5f);
        __m512i r[4], a[4];
        double sums[64] = {};
        for (int v = 0; v < 4; ++v) {
            r[v] = _mm512_setzero_si512();
            alignas(64) std::uint32_t lane[16];
            for (int l = 0; l < 16; ++l) lane[l] = std::uint32_t((first + 16 * v + l) % p);
            a[v] = _mm512_load_si512(lane);
        }
        for (std::uint32_t begin = 0; begin < p; begin += 256) {
            const std::uint32_t end = begin + 256 < p ? begin + 256 : p;
            __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
            for (std::uint32_t x = begin; x < end; ++x) {
                const __m512 c = _mm512_set1_ps(column[x]);
                for (int v = 0; v < 4; ++v) {
                    const __mmask16 some = _mm512_test_epi32_mask(r[v], r[v]);
                    const __m512 psi = _mm512_maskz_fmadd_ps(some, _mm512_cvtepi32_ps(r[v]), slope, half);
                    sum[v] = _mm512_fmadd_ps(psi, c, sum[v]);
                    const __m512i next = _mm512_add_epi32(r[v], a[v]);
                    r[v] = _mm512_min_epu32(next, _mm512_sub_epi32(next, m));
                }
            }
            for (int v = 0; v < 4; ++v) {
                alignas(64) float lane[16];
                _mm512_store_ps(lane, sum[v]);
                for (int l = 0; l < 16; ++l) sums[16 * v + l] += double(lane[l]);
            }
        }
        for (int l = 0; l < 64 && first + l < std::int64_t(p); ++l) out[first + l - 1] = sums[l];
    }
}
"""


def setting(p: int, columns: int, dtype: str = "float32") -> tuple[Any, ...]:
    """The class of the sawtooth over all units, its points, their weights, and a random Jacobian."""
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    J = np.random.default_rng(0).standard_normal((p, columns)).astype(dtype)
    return cls, np.arange(p), np.full(p, 1 / p), J


def direct_product(quick: bool) -> Record:
    """256 columns, all multipliers, float32, against the flop rate of a plain sgemm of the same shape."""
    p, columns = (1009 if quick else 10007), 256
    cls, points, weights, J = setting(p, columns)
    psi = cls.table().astype(np.float32)
    matrix = psi[(cls.members[:, None] * points) % p]  # the rival is handed what `direct` makes as it goes
    scaled = J * np.float32(1 / p)
    records = {}
    for route, plain in (("correlation", False), ("residues", True)):

        def ours(plain: bool = plain) -> np.ndarray:
            return responses(cls, points, weights, J, plain=plain)

        difference = relative(ours(), matrix @ scaled)
        assert difference <= 1e-5, difference
        mine, theirs = interleaved(ours, lambda: matrix @ scaled, runs=2 if quick else 9)
        records[route] = summary("", "", mine, theirs, difference=difference)
    operations = 2.0 * p * (p - 1) * columns
    record = {
        **records["correlation"],
        "name": "direct with many columns against a plain sgemm of the same shape",
        "asked": "≥ 0.7× its flop rate",
        "case": f"p = {p}, all multipliers, {columns} columns, float32, two threads both",
        "by_residues": {key: records["residues"][key] for key in ("ratio", "seconds")},
    }
    record["operations_a_second"] = {side: operations / record["seconds"][side] for side in ("ours", "rival")}
    return record


def direct_one_column(quick: bool) -> Record:
    """One column of sawtooth responses against a hand-written loop of the instructions; residues a second."""
    p = 1009 if quick else 10007
    cls, points, weights, J = setting(p, 1)
    hand = hand_written()
    threads = _core.available_threads()
    column, expected = (J[:, 0] / p).astype(np.float32), np.empty(p - 1)

    def rival() -> np.ndarray:
        assert hand is not None
        hand(p, column.ctypes.data, expected.ctypes.data, threads)
        return expected[:, None]

    routes: dict[str, Callable[[], np.ndarray]] = {
        "correlation": lambda: responses(cls, points, weights, J, plain=False),
        "residues": lambda: responses(cls, points, weights, J, plain=True),
    }
    truth = responses(cls, points, weights, J.astype(np.float64))
    runs = 3 if quick else 25
    records = {}
    for route, ours in routes.items():
        difference = relative(ours(), truth)
        assert difference <= 1e-5, difference
        if hand is not None:
            assert relative(rival(), truth) <= 1e-5
        mine, theirs = interleaved(ours, ours if hand is None else rival, runs=runs)
        records[route] = summary("", "", mine, theirs, difference=difference)
        for side in ("ours", "rival"):
            records[route][f"residues_a_second_{side}"] = p * (p - 1) / records[route]["seconds"][side]
    rival_name = "hand-written AVX-512" if hand else "itself: no AVX-512 or no compiler for a hand-written loop here"
    return {
        **records["residues"],
        "name": "one column of sawtooth responses against a hand-written loop",
        "asked": "≥ 8 billion residues a second on AVX-512, ≥ 0.6× the hand-written loop",
        "case": f"p = {p}, all multipliers, 1 column, float32, {threads} threads; the rival is {rival_name}",
        "as_correlation": {
            key: records["correlation"][key] for key in ("ratio", "seconds", "difference", "residues_a_second_ours")
        },
    }


def compiled(source: str, name: str) -> Any:
    """A function of C++ source by the system's compiler, or None where that or the instruction set is missing."""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))), None)
    if compiler is None or "avx512" not in _core.available_kernels():
        return None
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "loop.cpp").write_text(source)
        flags = ["-O3", "-std=c++17", "-shared", "-fPIC", "-fopenmp", "-mavx512f", "-mavx512dq", "-mfma"]
        command = [compiler, *flags, str(folder / "loop.cpp"), "-o", str(folder / "loop.so")]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return None
        function = getattr(ctypes.CDLL(str(folder / "loop.so")), name)
    finally:
        shutil.rmtree(folder)
    function.restype = None
    return function


def hand_written() -> Callable[..., None] | None:
    """The loop above, compiled, or None where it cannot be."""
    function = compiled(HAND_WRITTEN, "sawtooth")
    if function is None:
        return None
    function.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    return function  # type: ignore[no-any-return]


def direct_threads(quick: bool) -> Record:
    """Two threads against one: the same bits, and how much faster."""
    p, columns = (1009 if quick else 4093), 64
    cls, points, weights, J = setting(p, columns)
    records = {}
    for route, plain in (("correlation", False), ("residues", True)):

        def run(threads: int, plain: bool = plain) -> np.ndarray:
            return responses(cls, points, weights, J, threads=threads, plain=plain)

        assert np.array_equal(run(1), run(2))
        two, one = interleaved(lambda: run(2), lambda: run(1), runs=3 if quick else 25)
        records[route] = summary("", "", two, one)
    return {
        **records["correlation"],
        "name": "direct on two threads against one",
        "asked": "≥ 1.7×, the same bits",
        "case": f"p = {p}, all multipliers, {columns} columns, float32",
        "by_residues": {key: records["residues"][key] for key in ("ratio", "seconds")},
    }


def direct_numba(quick: bool) -> Record:
    """`direct` against the loops that a user of numba would write, float32, 16 columns."""
    p, columns = (509 if quick else 10007), 16
    cls, points, weights, J = setting(p, columns)
    record: Record = {
        "name": "direct against numba",
        "asked": "what a user would write",
        "case": f"p = {p}, all multipliers, {columns} columns, float32",
    }
    try:
        import numba
    except ImportError:
        return {**record, "rival": "numba is not installed"}

    @numba.njit(parallel=True, fastmath=True, boundscheck=False)
    def loops(psi, members, scaled, out):  # type: ignore[no-untyped-def]
        for i in numba.prange(len(members)):
            a, t = members[i], 0
            for x in range(scaled.shape[0]):
                value = psi[t]
                for c in range(scaled.shape[1]):
                    out[i, c] += value * scaled[x, c]
                t += a
                if t >= len(psi):
                    t -= len(psi)

    psi, scaled = cls.table().astype(np.float32), J * np.float32(1 / p)

    def rival() -> np.ndarray:
        out = np.zeros((len(cls.members), columns))
        loops(psi, cls.members, scaled, out)
        return out

    def ours() -> np.ndarray:
        return responses(cls, points, weights, J)

    difference = relative(ours(), rival())
    assert difference <= 1e-5, difference
    mine, theirs = interleaved(ours, rival, runs=2 if quick else 5)
    timed = summary("", "", mine, theirs, difference=difference, numba=numba.__version__)
    return {**timed, **record}


def direct_moduli(quick: bool) -> Record:
    """Points in no order, one column, moduli up to 62 bits, against sums of Python integers: residues a second."""
    members, n = (96, 512) if quick else (4800, 4096)
    rates = {}
    for modulus in (10007, 2**31 - 1, 2**50 - 27, 2**62 - 57):
        rng = np.random.default_rng(0)
        a, x = np.unique(rng.integers(0, modulus, members)), rng.integers(0, modulus, n)
        args = (a, x, modulus, "sawtooth", 0, np.empty(0), np.ones(n), np.ones((n, 1)))
        got = _core.responses(*args)[:20, 0]
        exact = [sum(2 * (int(v) * int(w) % modulus) - modulus for w in x if int(v) * int(w) % modulus) for v in a[:20]]
        expected = np.array([value / (2 * modulus) for value in exact])
        assert np.abs(got - expected).max() <= 1e-12 * n, modulus
        times, _ = interleaved(lambda args=args: _core.responses(*args), lambda: None, runs=1 if quick else 5)
        rates[str(modulus)] = len(a) * n / min(times)
    return {
        "name": "direct with points in no order",
        "asked": "any modulus below 2^63; residues a second",
        "case": f"{members} multipliers, {n} points, 1 column, float64, kernel {_core.kernel()}",
        "residues_a_second_by_modulus": rates,
    }


DIRECT_CASES = {
    case.__name__: case for case in (direct_product, direct_one_column, direct_threads, direct_numba, direct_moduli)
}
