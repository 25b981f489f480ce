"""Look-ups and sums over tables in the core, against Python integers and plain NumPy."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time

import numpy as np
import pytest
from helpers import AT_ONCE, relative

from barren import _core

NO_LEVELS = np.empty(0, dtype=np.int32)


def levels_at(members, points, p, levels):
    """The level of a·x mod p in Python integers, shape (A, n)."""
    residues = np.array([[int(a) * int(x) % p for x in points] for a in members], dtype=np.int64)
    residues = residues.reshape(len(members), len(points))
    return levels[residues] if len(levels) else residues


def cases():
    """Moduli × members × points × levels: consecutive and not, repeated, none, more than a group and a strip."""
    for p in (3, 16, 101, 1013):
        rng = np.random.default_rng(p)
        members = [np.arange(1, p), rng.permutation(p)[: p // 2], np.array([0]), np.empty(0, np.int64)]
        points = [np.arange(p), np.arange(1, p), rng.integers(0, p, 77), np.empty(0, np.int64)]
        for a, x in itertools.product(members, points):
            yield p, a, x, rng.integers(0, 5, p).astype(np.int32), 5
        yield p, members[0], points[0], NO_LEVELS, p


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 3])
def test_every_sum_agrees_with_numpy(dtype, columns):
    for p, a, x, levels, count in cases():
        rng = np.random.default_rng(len(a) + len(x))
        at = levels_at(a, x, p, levels)
        table = rng.standard_normal((len(x), count, columns)).astype(dtype)
        rows, weights = rng.standard_normal((len(x), columns)).astype(dtype), rng.random(len(x))
        looked_up = table[np.arange(len(x)), at]
        assert np.array_equal(_core.gather(a, x, p, levels, table), looked_up)
        summed = np.einsum("x,axc->ac", weights, looked_up.astype(np.float64))
        assert np.abs(_core.gather_sums(a, x, p, levels, weights, table) - summed).max(initial=0) <= 1e-11
        members, positions = np.ogrid[: len(a), : len(x)]
        scattered, counts = np.zeros((len(a), count, columns)), np.zeros((len(x), count), np.int64)
        np.add.at(scattered, (members, at), rows)
        np.add.at(counts, (positions, at), 1)
        got = _core.scatter_sums(a, x, p, levels, count, rows)
        assert np.abs(got - scattered).max(initial=0) <= 1e-12
        assert np.array_equal(_core.level_counts(a, x, p, levels, count), counts)


def test_a_large_modulus_with_few_points():
    p, rng = 10_000_019, np.random.default_rng(0)
    levels = (np.arange(p) % 7).astype(np.int32)
    a, x = rng.integers(0, p, 30), rng.integers(0, p, 50)
    table = rng.standard_normal((50, 7, 2))
    assert np.array_equal(_core.gather(a, x, p, levels, table), table[np.arange(50), levels_at(a, x, p, levels)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_for_one_two_and_seven_threads(dtype):
    p, rng = 1511, np.random.default_rng(0)
    levels = rng.integers(0, 40, p).astype(np.int32)
    x, weights = np.arange(p), rng.random(p)
    for a, columns in itertools.product([np.arange(1, p), np.arange(3, 5)], [1, 4]):
        table = rng.standard_normal((p, 40, columns)).astype(dtype)
        rows = table[:, 0].copy()
        where = (a, x, p, levels)
        for call, args in (
            (_core.gather, (*where, table)),
            (_core.gather_sums, (*where, weights, table)),
            (_core.scatter_sums, (*where, 40, rows)),
            (_core.level_counts, (*where, 40)),
        ):
            one, two, seven = (call(*args, threads) for threads in (1, 2, 7))
            assert np.array_equal(one, two)
            assert np.array_equal(one, seven)


def test_digits_are_summed_in_float64():
    """A float32 table of large entries that nearly cancel: sums of its exact values."""
    p, a = 1009, np.arange(1, 1009)
    table = (1e4 + np.random.default_rng(0).standard_normal((p, p, 1))).astype(np.float32)
    weights = np.where(np.arange(p) % 2, 1.0, -1.0)
    expected = [np.dot(weights, table[np.arange(p), m * np.arange(p) % p, 0].astype(np.float64)) for m in a]
    assert relative(_core.gather_sums(a, np.arange(p), p, NO_LEVELS, weights, table)[:, 0], np.array(expected)) < 1e-13


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["gather_sums", "scatter_sums", "level_counts", "gather"])
def test_ctrl_c_stops_a_long_call_within_half_a_second(name, threads):
    p, few = 2_000_003, np.arange(500)
    levels = (np.arange(p) % 2).astype(np.int32)
    many = np.arange(5000)
    args = {
        "gather_sums": (many, few, p, levels, np.ones(500), np.ones((500, 2, 1000)), threads),
        "scatter_sums": (many, few, p, levels, 2, np.ones((500, 1000)), threads),
        "level_counts": (np.arange(p), np.arange(20000), p, levels, 2, threads),
        "gather": (many, few, p, levels, np.ones((500, 2, 8)), threads),
    }[name]

    def again_and_again() -> None:
        while True:
            getattr(_core, name)(*args)

    sent = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        again_and_again()
    assert time.monotonic() - sent[0] < AT_ONCE
    timer.join()


def test_seeded_fuzz_of_small_random_calls():
    """Random sizes, mostly wrong, some right: an exception or an answer, and no crash."""
    rng = np.random.default_rng(0)
    answers = dict.fromkeys(["level_counts", "gather", "gather_sums", "scatter_sums"], 0)
    for _ in range(4000):
        a, n, c, p, count = (int(v) for v in rng.integers(0, 6, 5))
        lengths = [n if rng.random() < 0.9 else int(rng.integers(0, 6)) for _ in range(4)]
        dtype = np.float32 if rng.random() < 0.5 else np.float64
        low = -1 if rng.random() < 0.1 else 0
        members, points = rng.integers(low, max(p, 1), a), rng.integers(0, max(p, 1), lengths[0])
        levels = rng.integers(low, max(count, 1), p if rng.random() < 0.9 else 3).astype(np.int32)
        where = (members, points, p, levels)
        table = rng.random((lengths[1], count, c)).astype(dtype)
        arguments = {
            "level_counts": (*where, count),
            "gather": (*where, table),
            "gather_sums": (*where, rng.random(lengths[2]), table),
            "scatter_sums": (*where, count, table[:, 0] if count else rng.random((lengths[3], c))),
        }
        for name, args in arguments.items():
            try:
                out = getattr(_core, name)(*(np.ascontiguousarray(v) if hasattr(v, "shape") else v for v in args))
            except (TypeError, ValueError):
                continue
            answers[name] += 1
            assert np.all(np.isfinite(out))
    assert min(answers.values()) > 300


def test_messages_name_what_is_wrong():
    levels, table = np.zeros(7, np.int32), np.ones((2, 1, 1))
    one = np.array([1, 2])
    for wrong, message in [
        ((np.array([7]), one, 7, levels, table), "multipliers must lie in 0..modulus-1"),
        ((one, np.array([-1, 0]), 7, levels, table), "points must lie in 0..modulus-1"),
        ((one, one, 7, levels[:6], table), "levels must have one entry a residue"),
        ((one, one, 7, levels + np.int32(1), table), "levels must lie in"),
        ((one, one, 7, NO_LEVELS, table), "without levels"),
        ((one, one[:1], 7, levels, table), "table must have a row a point"),
        ((one, one, 0, levels, table), "modulus must be at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            _core.gather(*wrong)
