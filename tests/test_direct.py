"""The direct engine: every kernel against every other, both routes, any modulus, against the reference and integers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from helpers import AT_ONCE, COMPOSITES, PRIMES, laws_for, multipliers_for, relative, targets_for

import barren
from barren import _core, reference, targets
from barren.classes.group import unit_group
from barren.variance import direct

KERNELS = _core.available_kernels()
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}


@contextlib.contextmanager
def using(kernel: str) -> Iterator[None]:
    """One instruction set for a while."""
    before = _core.kernel()
    _core.use_kernel(kernel)
    try:
        yield
    finally:
        _core.use_kernel(before)


@pytest.fixture(params=KERNELS)
def kernel(request):
    with using(request.param):
        yield request.param


def test_a_kernel_is_taken_by_name_or_refused():
    before = _core.kernel()
    for name in KERNELS:
        with using(name):
            assert _core.kernel() == name
    with pytest.raises(ValueError, match="kernel 'abacus' is not available here; this machine runs baseline"):
        _core.use_kernel("abacus")
    assert _core.kernel() == before


@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_formulas_in_every_kernel(kernel, p):
    every = np.arange(p)
    for target in targets_for(p):
        formula, parameter = target.formula(p)
        if formula == "table":
            continue
        expected = reference.values(barren.ModularMultiplication(p, target), every, every)
        for points in (every, every[::-1].copy()):  # by steps, and by products
            got = _core.values(every, points, p, formula, parameter, np.empty(0))
            assert np.abs(got - expected[:, points]).max() <= 4e-16, target


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", PRIMES + COMPOSITES)
def test_both_routes_in_every_kernel_against_the_plain_sum(kernel, p, dtype):
    rng = np.random.default_rng(p)
    for target in targets_for(p):
        for multipliers in multipliers_for(p):
            cls = barren.ModularMultiplication(p, target, multipliers)
            for law in laws_for(p):
                points, weights = law.points(p), law.weights(p)
                J = rng.standard_normal((len(points), 3)).astype(dtype)
                expected = reference.values(cls, cls.members, points) @ (weights[:, None] * J.astype(np.float64))
                scale = float(np.abs(weights[:, None] * J).sum())
                for plain in (True, False) if cls.is_prime and p > 2 else (True,):
                    got = direct.responses(cls, points, weights, J, plain=plain)
                    assert np.abs(got - expected).max() <= TOLERANCE[dtype] * scale, (target, multipliers, law, plain)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8, 9, 12, 17, 40])
def test_kernels_routes_and_threads_agree_over_column_counts(dtype, columns):
    p, rng = 1009, np.random.default_rng(columns)
    J, weights, points = rng.standard_normal((p, columns)).astype(dtype), rng.random(p), np.arange(p)
    for target in (targets.Sawtooth(), targets.Bit(1), targets.Threshold(0.3), targets.Square(), targets.Triangle()):
        for multipliers in ("units", "all", np.arange(3, 20)):
            cls = barren.ModularMultiplication(p, target, multipliers)
            results = {}
            for name in KERNELS:
                with using(name):
                    for plain in (True, False):
                        runs = [direct.responses(cls, points, weights, J, plain=plain, threads=n) for n in (1, 2, 7)]
                        assert all(np.array_equal(runs[0], run) for run in runs[1:]), (name, plain)
                        results[name, plain] = runs[0]
            expected = results["baseline", True]
            for key, got in results.items():
                assert relative(got, expected) <= TOLERANCE[dtype], (target, key)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_residues_keep_their_digits(kernel, dtype):
    """ψ of residues that float32 does not hold, by steps and by products: no more lost than rounding ψ loses."""
    for m in (2**24 + 43, 2**31 - 1, 2**31 + 11, 2**45 + 59):
        centre = (m + 1) // 2  # the sawtooth is smallest there
        points = np.arange(centre - 40, centre + 40)
        members = np.array([1, 2, 3, m - 1])
        for name in ("sawtooth", "triangle", "square", "threshold", "bit"):
            target = {"threshold": targets.Threshold(0.5), "bit": targets.Bit(3)}.get(name)
            target = target or getattr(targets, name.capitalize())()
            formula, parameter = target.formula(m)
            expected = reference.values(barren.ModularMultiplication(m, target, members), members, points)
            for order in (slice(None), slice(None, None, -1)):
                xs = points[order].copy()
                J = np.eye(len(xs), dtype=dtype)
                got = _core.responses(members, xs, m, formula, parameter, np.empty(0, dtype), np.ones(len(xs)), J)
                ulp = np.finfo(dtype).eps
                assert np.all(
                    np.abs(got - expected[:, order])
                    <= 2 * ulp * np.maximum(np.abs(expected[:, order]), 0.0) + (2 * ulp if name == "triangle" else 0.0)
                ), (m, name)


NEAR_LIMITS = [
    limit + offset
    for limit, offsets in [
        (2**31, (-1, 0, 11)),
        (2**32, (-5, 0, 15)),
        (2**50, (-27, 55)),
        (2**51, (0, 1)),
        (2**52, (-47, 0, 21)),
        (2**62, (-57, 0, 135)),
        (2**63, (-25, -1)),
    ]
    for offset in offsets
]


@pytest.mark.parametrize("modulus", NEAR_LIMITS)
def test_products_of_any_modulus_are_those_of_integers(kernel, modulus):
    """Every bit of a·x mod m, so the residue itself."""
    rng = np.random.default_rng(modulus % 1000)
    edge = [0, 1, 2, modulus // 2, modulus - 2, modulus - 1]
    members = np.concatenate([edge, rng.integers(0, modulus, 60)])
    points = np.concatenate([edge, rng.integers(0, modulus, 300)])
    got = np.zeros((len(members), len(points)), dtype=np.int64)
    for j in range(modulus.bit_length()):
        got += _core.values(members, points, modulus, "bit", j, np.empty(0)).astype(np.int64) << j
    expected = [[int(a) * int(x) % modulus for x in points] for a in members]
    assert got.tolist() == expected


def test_the_route_is_taken_where_it_pays():
    for p, multipliers, n, expected in [
        (101, "units", 101, True),
        (101, "all", 1000, True),
        (101, "units", 50, False),
        (101, [1, 2, 3], 101, False),
        (105, "units", 105, False),
    ]:
        cls = barren.ModularMultiplication(p, multipliers=multipliers)
        assert direct.takes_correlations(cls, n) is expected


def test_correlations_take_repeated_points_in_float64():
    """A thousand copies of a point are one term: float32 rounds once."""
    p = 101
    cls = barren.ModularMultiplication(p)
    points = np.repeat(np.arange(p), 1000)
    J = np.random.default_rng(0).standard_normal((len(points), 2)).astype(np.float32)
    weights = np.full(len(points), 1.0)
    summed = J.astype(np.float64).reshape(p, 1000, 2).sum(axis=1)
    expected = reference.values(cls, cls.members, np.arange(p)) @ summed
    assert relative(direct.responses(cls, points, weights, J, plain=False), expected) <= 1e-6


def test_correlations_refuse_what_is_no_group():
    p = 11
    powers, table, x = unit_group(p).powers, np.ones(p), np.arange(p)
    good = (x, x, p, powers, table, np.ones(p), np.ones((p, 2)))
    assert np.all(_core.correlations(*good) == p)
    with pytest.raises(ValueError, match="multipliers must be distinct"):
        _core.correlations(np.zeros(2, dtype=np.int64), *good[1:])
    with pytest.raises(ValueError, match="not primitive"):
        _core.correlations(*good[:3], np.resize(np.array([1, 2]), p - 1), *good[4:])
    with pytest.raises(ValueError, match="one entry a unit"):
        _core.correlations(*good[:3], powers[:-1].copy(), *good[4:])
    with pytest.raises(ValueError, match="needs a table"):
        _core.correlations(*good[:4], np.empty(0), *good[5:])


def test_a_shift_moves_every_response_alike():
    p, rng = 211, np.random.default_rng(0)
    points, weights, J = np.arange(p), rng.random(p), rng.standard_normal((p, 4))
    for target in (targets.Sawtooth(), targets.Bit(0), targets.Threshold(0.3), targets.Square(), targets.Triangle()):
        cls = barren.ModularMultiplication(p, target)
        for plain in (True, False):
            plainly = direct.responses(cls, points, weights, J, plain=plain)
            shifted = direct.responses(cls, points, weights, J, plain=plain, shift=0.25)
            assert relative(shifted, plainly - 0.25 * (weights @ J)) <= 1e-13
    with pytest.raises(ValueError, match="shift must be finite"):
        _core.responses(points, points, p, "bit", 0, np.empty(0), weights, J, 1, np.nan)


def _long_calls() -> dict[str, object]:
    """Calls that take many seconds, each in another part of the core."""
    p = 100003
    x, ones, none = np.arange(p), np.ones(p), np.empty(0)
    powers = unit_group(p).powers
    wide = np.ones((p, 64))
    table = np.random.default_rng(0).standard_normal(p)
    return {
        "steps": lambda n: _core.responses(x, x, p, "sawtooth", 0, none, ones, wide, n),
        "look-ups": lambda n: _core.responses(x, x, p, "table", 0, table, ones, wide, n),
        "products": lambda n: _core.responses(x, x[::-1].copy(), 2**62, "cosine", 1, none, ones, wide, n),
        "correlations": lambda n: _core.correlations(x, x, p, powers, table, ones, wide, n),
        "forms": lambda n: _core.quadratic_forms(x, x[:2000], p, "bit", 0, none, ones[:2000], np.ones((2000, 2000)), n),
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["steps", "look-ups", "products", "correlations", "forms"])
def test_ctrl_c_stops_every_loop_within_half_a_second(name, threads):
    call = _long_calls()[name]
    sent = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call(threads)
    assert time.monotonic() - sent[0] < AT_ONCE
    timer.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_forked_child_correlates_and_agrees():
    p = 1009
    cls = barren.ModularMultiplication(p)
    args = (cls, np.arange(p), np.ones(p), np.ones((p, 3)))
    expected = [direct.responses(*args, threads=2, plain=plain) for plain in (True, False)]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        again = [direct.responses(*args, threads=2, plain=plain) for plain in (True, False)]
        os.write(writer, b"1" if all(map(np.array_equal, again, expected)) else b"0")
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"1"
    assert os.waitpid(child, 0)[1] == 0


PEAK = """
import sys
import numpy as np
import barren
from barren import inputs, targets
from barren.tangents.given import GivenJacobian
from barren.variance import direct
from barren.variance.problem import Problem

def field(name):
    lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return 1024 * int(lines[name].split()[0])

p, multipliers, dtype = eval(sys.argv[1])
cls, law = barren.ModularMultiplication(p, targets.Bit(0), multipliers), inputs.Uniform()
J = np.ones((p, 600), dtype)
problem = Problem(cls, law, law.points(p), law.weights(p), GivenJacobian(J), 2, 2**26, True)
promised = max(direct.smallest_memory(problem), problem.memory_limit)
before = field("VmRSS")
direct.run(problem)
print(field("VmHWM") - before, promised)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("p", "multipliers"), [(20011, "units"), (20011, [1, 2, 3]), (20010, "units")])
def test_memory_stays_within_what_is_promised(p, multipliers, dtype):
    """The peak of a fresh process that gives back what it frees, so that what lives together is what is counted."""
    command = [sys.executable, "-c", PEAK, repr((p, multipliers, dtype))]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    peak, promised = map(int, done.stdout.split())
    assert promised / 4 <= peak <= promised
