"""The compiled core called directly: kernels, threads, Ctrl-C, forks, and wrong calls that must not crash."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from helpers import AT_ONCE, COMPOSITES, PRIMES, relative, targets_for

import barren
from barren import _core, reference

NO_TABLE = np.empty(0)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, so that what is chosen or imported once is chosen again."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_formulas_of_the_core_are_those_of_the_targets(p):
    every = np.arange(p)
    for target in targets_for(p):
        formula, parameter = target.formula(p)
        table = target.table(p)
        expected = reference.values(barren.ModularMultiplication(p, target), every, every)
        looked_up = _core.values(every, every, p, formula, parameter, table)
        assert np.array_equal(looked_up, expected), target
        if formula != "table":
            computed = _core.values(every, every, p, formula, parameter, NO_TABLE)
            assert np.abs(computed - expected).max() <= 3e-16, target


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 255, 256, 257, 1000])
@pytest.mark.parametrize("columns", [1, 8, 17])
def test_responses_over_shapes_that_straddle_the_blocks(dtype, n, columns):
    p, rng = 1013, np.random.default_rng(n + columns)
    table = rng.standard_normal(p)
    J, c = rng.standard_normal((n, columns)), rng.random(n)
    for members, points in itertools.product(
        [np.arange(1, 2), np.arange(5, 38)], [np.arange(n) % p, rng.integers(0, p, n)]
    ):
        got = _core.responses(members, points, p, "table", 0, table.astype(dtype), c, J.astype(dtype))
        expected = table[np.outer(members, points) % p] @ (c[:, None] * J)
        assert relative(got, expected) <= (1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quadratic_forms(dtype):
    p, rng = 211, np.random.default_rng(0)
    table, offset = rng.standard_normal(p), rng.standard_normal(150)
    points, members = rng.integers(0, p, 150), np.arange(1, p)
    root = rng.standard_normal((150, 4))
    theta = root @ root.T
    got = _core.quadratic_forms(members, points, p, "table", 0, table.astype(dtype), offset, theta.astype(dtype))
    centred = table[np.outer(members, points) % p] - offset
    expected = np.einsum("ai,ij,aj->a", centred, theta, centred)
    assert relative(got, expected) <= (1e-4 if dtype == np.float32 else 1e-13)


def test_every_instruction_set_agrees_and_none_is_taken_silently():
    code = """
        import numpy as np
        from barren import _core
        rng = np.random.default_rng(0)
        for dtype in (np.float32, np.float64):
            table, J = rng.standard_normal(1009).astype(dtype), rng.standard_normal((1009, 21)).astype(dtype)
            out = _core.responses(np.arange(1, 1009), np.arange(1009), 1009, "table", 0, table, np.ones(1009), J)
            print(_core.kernel(), *(repr(float(x)) for x in out[::100, ::5].ravel()))
    """
    results = {}
    for kernel in _core.available_kernels():
        done = run_python(code, BARREN_KERNEL=kernel)
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        assert [line[0] for line in lines] == [kernel, kernel]
        results[kernel] = [np.array(line[1:], dtype=float) for line in lines]
    assert "baseline" in results
    for single, double in results.values():
        assert relative(single, results["baseline"][0]) <= 1e-5
        assert relative(double, results["baseline"][1]) <= 1e-13
    lacking = sorted({"avx2", "avx512", "avx512ifma", "neon"} - set(results))  # no machine has all of them
    for name in ["abacus", *lacking]:
        refused = run_python(code, BARREN_KERNEL=name)
        assert refused.returncode != 0
        assert f"BARREN_KERNEL={name} is not available here; this machine runs baseline" in refused.stderr
    assert lacking


def test_same_bits_for_one_two_and_seven_threads():
    rng, p = np.random.default_rng(1), 2003
    J, c, points = rng.standard_normal((p, 11)), rng.random(p), np.arange(p)
    table = rng.standard_normal(p)
    theta = J @ J.T
    logarithms = rng.integers(-1, p - 1, p)
    for members in [np.arange(1, p), np.arange(3, 5)]:
        for dtype in [np.float32, np.float64]:
            args = (members, points, p, "table", 0, table.astype(dtype))
            outs = [_core.responses(*args, c, J.astype(dtype), threads) for threads in (1, 2, 7)]
            assert all(np.array_equal(outs[0], out) for out in outs[1:])
            outs = [_core.quadratic_forms(*args, c, theta.astype(dtype), threads) for threads in (1, 2, 7)]
            assert all(np.array_equal(outs[0], out) for out in outs[1:])
    pairs = [_core.pairing(table[:-1], logarithms, c, logarithms, c, theta, threads) for threads in (1, 2, 7)]
    assert pairs[0] == pairs[1] == pairs[2]


@pytest.mark.parametrize("weight", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("columns", [0, 1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_pairing_without_a_pair_is_zero_whatever_the_weights(weight, columns, dtype):
    rows = np.array([1, 0, -1]), np.array([weight, 1.0, 2.0])
    left_out = np.full(columns, -1), np.full(columns, weight)
    kernel, theta = np.array([weight, 2.0]), np.full((3, columns), weight, dtype)
    assert _core.pairing(kernel, *rows, *left_out, theta) == 0.0
    assert _core.pairing(kernel, *left_out, *rows, theta.T.copy()) == 0.0
    some = np.zeros(1, np.int64), np.ones(1)
    assert not np.isfinite(_core.pairing(np.ones(2), *rows, *some, np.ones((3, 1), dtype)))
    rows[0][0] = -1
    assert _core.pairing(np.ones(2), *rows, *some, np.ones((3, 1), dtype)) == 1.0


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_a_long_call_within_half_a_second(threads):
    p = 100003
    J = np.ones((p, 64))
    sent = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.5, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        _core.responses(np.arange(1, p), np.arange(p), p, "sawtooth", 0, NO_TABLE, np.ones(p), J, threads)
    assert time.monotonic() - sent[0] < AT_ONCE
    timer.join()
    # The core is usable afterwards, and the error is gone.
    assert _core.powers(2, np.array([10]), 1000)[0] == 24


def test_the_gil_is_released():
    p, ticks = 20011, []
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.002):
            ticks.append(1)

    ticker = threading.Thread(target=tick)
    ticker.start()
    before = len(ticks)
    _core.responses(np.arange(1, p), np.arange(p), p, "sawtooth", 0, NO_TABLE, np.ones(p), np.ones((p, 8)))
    during = len(ticks) - before
    stop.set()
    ticker.join()
    assert during >= 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_forked_child_runs_and_agrees():
    """A parallel region in a child forked after the parent used one would hang for ever."""
    p = 1009
    args = (np.arange(1, p), np.arange(p), p, "sawtooth", 0, NO_TABLE, np.ones(p), np.ones((p, 3)))
    expected = _core.responses(*args, 2)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        same = np.array_equal(_core.responses(*args, 2), expected) and _core.available_threads() == 1
        os.write(writer, b"1" if same else b"0")
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"1"
    assert os.waitpid(child, 0)[1] == 0


def test_threads_of_the_environment_are_honoured():
    code = "from barren import _core; print(_core.available_threads())"
    assert run_python(code, OMP_NUM_THREADS="1").stdout.strip() == "1"


INTS, ONES = np.array([1, 2]), np.ones(2)
LEVELS = np.array([0, 1, 2, 0, 1, 2, 0], dtype=np.int32)
GOOD = {
    "powers": (3, INTS, 7),
    "power_table": (3, 7),
    "logarithm_table": (_core.power_table(3, 7), 7),
    "values": (INTS, INTS, 7, "sawtooth", 0, NO_TABLE),
    "responses": (INTS, INTS, 7, "sawtooth", 0, NO_TABLE, ONES, np.ones((2, 3))),
    "correlations": (INTS, INTS, 7, _core.power_table(3, 7), np.ones(7), ONES, np.ones((2, 3))),
    "quadratic_forms": (INTS, INTS, 7, "sawtooth", 0, NO_TABLE, ONES, np.ones((2, 2))),
    "pairing": (np.ones(6), INTS, ONES, INTS, ONES, np.ones((2, 2))),
    "level_counts": (INTS, INTS, 7, LEVELS, 3),
    "gather": (INTS, INTS, 7, LEVELS, np.ones((2, 3, 2))),
    "gather_sums": (INTS, INTS, 7, LEVELS, ONES, np.ones((2, 3, 2))),
    "scatter_sums": (INTS, INTS, 7, LEVELS, 3, np.ones((2, 2))),
}


def wrong_values(value: object) -> list[object]:
    """What a careless caller might pass instead."""
    if isinstance(value, str):
        return ["", "sine", None, 3]
    if isinstance(value, int):
        return [-1, 0, 2**62, 2**63, 2**70, 1.5, "7", None]
    assert isinstance(value, np.ndarray)
    padded = np.zeros(tuple(2 * side for side in value.shape), value.dtype)[
        tuple(slice(None, None, 2) for _ in value.shape)
    ]
    huge = 2**30 if value.dtype == np.int32 else 2**62
    unaligned = np.zeros(value.nbytes + 1, np.uint8)[1:].view(value.dtype).reshape(value.shape)
    return [
        padded,
        unaligned,
        value.astype(value.dtype.newbyteorder()),
        value.astype(np.int64 if value.dtype == np.int32 else np.int32),
        value.astype(np.complex128),
        value.astype(object),
        value[:0],
        np.concatenate([value, value]),
        value[None],
        value.sum(),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        -value - 5,
        value + huge // 2**22,
        value * np.nan if value.dtype.kind == "f" else value - huge,
        list(value),
        None,
    ]


@pytest.mark.parametrize("name", GOOD)
def test_wrong_calls_raise_or_return_and_never_crash(name):
    """One argument wrong at a time, each in every wrong way."""
    call, good = getattr(_core, name), GOOD[name]
    call(*good)
    for position, value in enumerate(good):
        for wrong in wrong_values(value):
            args = [*good[:position], wrong, *good[position + 1 :]]
            with contextlib.suppress(TypeError, ValueError, OverflowError, MemoryError):
                call(*args)
    for threads in (-1, 5000, 2**40, 1.5, "2"):
        if name != "logarithm_table":
            with pytest.raises((TypeError, ValueError)):
                call(*good, threads)


FUZZED = ["values", "responses", "correlations", "quadratic_forms", "pairing", "powers", "logarithm_table"]


@pytest.mark.parametrize("name", FUZZED)
def test_seeded_fuzz_of_small_random_calls(name):
    """Random sizes, mostly wrong, some right: an exception or an answer, and no crash."""
    rng = np.random.default_rng(0)
    answers = 0
    for _ in range(3000):
        a, n, c, p = (int(v) for v in rng.integers(0, 6, 4))
        lengths = [n if rng.random() < 0.9 else int(rng.integers(0, 6)) for _ in range(4)]
        dtype = np.float32 if rng.random() < 0.5 else np.float64
        table = rng.random(p if rng.random() < 0.9 else 3).astype(dtype)
        members, points = (
            rng.integers(-1 if rng.random() < 0.1 else 0, max(p, 1), a),
            rng.integers(0, max(p, 1), lengths[0]),
        )
        family = (members, points, p, "table", 0, table)
        args = {
            "values": family,
            "responses": (*family, rng.random(lengths[1]), rng.random((lengths[2], c)).astype(dtype)),
            "correlations": (
                rng.permutation(members) if rng.random() < 0.3 else np.unique(members),
                points,
                p,
                rng.permutation(np.arange(1, max(p, 1))) if rng.random() < 0.9 else points,
                table,
                rng.random(lengths[1]),
                rng.random((lengths[2], c)).astype(dtype),
            ),
            "quadratic_forms": (*family, rng.random(lengths[1]), rng.random((n, lengths[3])).astype(dtype)),
            "pairing": (
                rng.random(p),
                points,
                rng.random(lengths[1]),
                members,
                rng.random(a),
                rng.random((lengths[2], a)),
            ),
            "powers": (a, points, p),
            "logarithm_table": (points, p),
        }[name]
        try:
            out = getattr(_core, name)(*args)
        except (TypeError, ValueError):
            continue
        answers += 1
        assert np.all(np.isfinite(out))
    if name != "logarithm_table":
        assert answers > 300


def test_tables_of_a_group():
    for p, root in [(3, 2), (101, 2), (100003, 2)]:
        powers = _core.power_table(root, p)
        assert sorted(powers) == list(range(1, p))
        assert all(int(powers[i]) == pow(root, i, p) for i in range(0, p - 1, max(1, p // 50)))
        logarithms = _core.logarithm_table(powers, p)
        assert logarithms[0] == -1
        assert np.array_equal(powers[logarithms[1:]], np.arange(1, p))
    with pytest.raises(ValueError, match="not primitive"):
        _core.logarithm_table(_core.power_table(2, 7), 7)


def test_powers_near_the_limit():
    modulus = 2**63 - 25
    exponents = np.array([0, 1, 2, 63, 2**62, modulus - 1])
    assert [int(v) for v in _core.powers(3, exponents, modulus)] == [pow(3, int(e), modulus) for e in exponents]


@pytest.mark.parametrize("modulus", [1, 2, 3, 2**31 - 1, 2**32 + 15, 2**52 + 21, 2**62 + 135, 2**63 - 25])
def test_many_powers_are_those_of_integers(modulus):
    """More exponents than make a table of factors pay, of every length."""
    rng = np.random.default_rng(0)
    exponents = np.concatenate([np.arange(2050), rng.integers(0, 2**63 - 1, 2050) >> rng.integers(0, 63, 2050)])
    for base in (0, 1, 3, 2**62 + 1):
        got = _core.powers(base, exponents, modulus)
        assert got.tolist() == [pow(base, int(e), modulus) for e in exponents]
        assert np.array_equal(_core.powers(base, exponents[:100].copy(), modulus), got[:100])


def test_wrong_shifts_and_kernels_are_refused():
    for shift in (np.nan, np.inf, -np.inf):
        for name in ("responses", "quadratic_forms"):
            with pytest.raises(ValueError, match="shift must be finite"):
                getattr(_core, name)(*GOOD[name], 0, shift)
    for wrong in (None, 3, b"abacus", "x" * 10_000, ""):
        with contextlib.suppress(TypeError, ValueError):
            _core.use_kernel(wrong)


def test_answers_that_no_memory_holds_are_refused():
    """Of arguments that hold little or nothing, their sides being huge."""
    wide, table = np.ones((0, 2**59)), np.ones((1, 0, 2**59))
    none, no_levels = np.empty(0, np.int64), np.zeros(7, np.int32)
    with pytest.raises(MemoryError):
        _core.level_counts(INTS, INTS, 7, LEVELS, 2**61)
    with pytest.raises(MemoryError):
        _core.responses(INTS, none, 7, "sawtooth", 0, NO_TABLE, np.empty(0), wide)
    with pytest.raises(MemoryError):
        _core.gather(INTS, INTS, 7, no_levels, table)


def test_objects_that_were_never_made_are_refused():
    """Made by __new__ alone they hold no memory of their own, and None holds none either."""
    kinds = (_core.PackedFactor32, _core.PackedFactor64, _core.Stop)
    factor, out = _core.PackedFactor64(np.ones((3, 2))), np.zeros((3, 3))
    rest = (np.ones(3), np.ones(3), 0.0, (0, 3), (0, 3), out, False)
    _core.gram_block(factor, factor, *rest)
    for wrong in (None, *(kind.__new__(kind) for kind in kinds)):
        for function in (
            _core.Stop.set,
            _core.Stop.is_set,
            kinds[0].rows.fget,
            kinds[1].rows.fget,
            kinds[1].width.fget,
        ):
            with pytest.raises(TypeError):
                function(wrong)
        for left, right in ((wrong, factor), (factor, wrong), (wrong, wrong)):
            with pytest.raises(TypeError):
                _core.gram_block(left, right, *rest)
        if wrong is not None:
            with pytest.raises(TypeError):
                _core.obey(wrong)
    _core.checkpoint()


def test_what_is_written_shares_no_memory_with_what_is_read():
    memory = np.arange(12.0)
    out = memory[:6].reshape(3, 2)
    apart = {"rows": memory[6:].reshape(3, 2), "order": np.array([0, 1, 2, 2, -1, 0]), "weights": np.ones(3)}
    _core.fold(**apart, sign=1.0, out=out)
    for name, wrong in (
        ("rows", memory[4:10].reshape(3, 2)),
        ("weights", memory[5:8]),
        ("order", out.reshape(-1).view(np.int64)),
    ):
        with pytest.raises(ValueError, match=f"out must not share memory with {name}"):
            _core.fold(**{**apart, name: wrong}, sign=1.0, out=out)
    factor = _core.PackedFactor64(np.ones((3, 2)))
    rest = (0.0, (0, 3), (0, 2), out, False)
    _core.gram_block(factor, factor, memory[6:9], memory[9:12], *rest)
    with pytest.raises(ValueError, match="out must not share memory with left_terms"):
        _core.gram_block(factor, factor, memory[5:8], memory[9:12], *rest)
    with pytest.raises(ValueError, match="out must not share memory with right_terms"):
        _core.gram_block(factor, factor, memory[6:9], memory[:3], *rest)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
def test_more_threads_than_the_system_can_start_do_not_end_the_process():
    """The OpenMP runtime would exit where a thread cannot be started: 4096 stacks need more than two gigabytes."""
    code = """
        import resource, numpy as np
        from barren import _core
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + (2 << 30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        n = 8 * 4096
        rows, columns = (np.zeros(n, int), np.ones(n)), (np.zeros(1, int), np.ones(1))
        print(_core.pairing(np.ones(1), *rows, *columns, np.ones((n, 1)), 4096))
    """
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 8 * 4096
