"""The functions of the core on the real line: waves at exact turns, and integrals of lines."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from fuzzing.answers import Answer, Arguments, Entry, forms, known, legal, sums, wave, weighted
from fuzzing.draws import Draw

SHAPES = ("sawtooth", "cosine", "threshold", "square", "triangle", "steps")


def term(draw: Draw) -> tuple[Any, ...]:
    """A part of ψ: (coefficient, shape, harmonic, cut, cut less one, table)."""
    shape = draw.one_of(SHAPES)
    cut = draw.one_of((0.5, 0.25, 1 / 3, 0.875, float(draw.rng.uniform(0.01, 1))))
    rest = draw.one_of((0.0, 0.0, 1e-18))
    exact = Fraction(cut) + Fraction(rest) - 1
    below = float(exact)
    table = draw.finite(int(draw.rng.integers(1, 9))) if shape == "steps" else np.empty(0)
    harmonic = {"cosine": draw.one_of((1.0, 2.0, 3.0)), "threshold": draw.one_of((1.0, 2.0, 4.0))}.get(shape, 1.0)
    coefficient = 1.0 if draw.chance(0.6) else draw.number()
    return coefficient, shape, harmonic, (cut, rest), (below, float(exact - Fraction(below))), table


def frequencies(draw: Draw) -> Arguments:
    """Frequencies, points, waves and a divisor; integers where there is one."""
    divisor, dimension = 1.0, draw.one_of((1, 1, 1, 2, 3))
    a, x = (draw.size(10, edges=(47, 48, 49, 97)), draw.size(10, edges=(255, 256, 257)))
    if dimension == 1 and draw.chance(0.3):
        divisor = draw.one_of((2.0, 7.0, 101.0, 2.0**40 + 1))
        left, right = (draw.rng.integers(0, int(divisor) + 1, (n, 1)).astype(np.float64) for n in (a, x))
    else:
        left, right = draw.finite(a, dimension), draw.finite(x, dimension)
        if draw.chance(0.3):
            left = np.arange(3.0, 3.0 + a * dimension).reshape(a, dimension)
    return {"frequencies": left, "points": right, "waves": [term(draw) for _ in range(1 if draw.chance(0.6) else 2)],
            "divisor": divisor, "shift": draw.number(), "threads": draw.threads()}  # fmt: skip


def at(a: Any, x: Any, waves: Any, divisor: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """ψ − shift at exact turns, and the size of its terms."""
    legal(a.ndim == x.ndim == 2 and a.shape[1] == x.shape[1] > 0 and math.isfinite(shift) and len(waves) > 0)
    legal(bool(np.all(np.abs(a) <= 2.0**990) and np.all(np.abs(x) <= 2.0**990)))
    legal(divisor == math.floor(divisor) and 1 <= divisor < 2**51 and (divisor == 1 or a.shape[1] == 1))
    for coefficient, shape, harmonic, *_, table in waves:
        legal(shape in SHAPES and math.isfinite(coefficient) and (shape != "steps" or len(table) > 0))
        legal(harmonic == math.floor(harmonic) and abs(harmonic) < 2**52)
        legal(harmonic == 1 or shape in ("cosine", "threshold"))
    known(len(a) * len(x) * len(waves) <= 400)
    # What only the caller can know: that cuts are those of one number, harmonics of thresholds powers of two, and
    # that products of two real numbers are not taken over a divisor.
    for _, shape, harmonic, cut, below, _ in waves:
        known(all(map(math.isfinite, (*cut, *below))) and abs(harmonic) <= 8)
        if shape == "threshold":
            exact = Fraction(cut[0]) + Fraction(cut[1])
            known(0 < exact <= 1 and exact - 1 == Fraction(below[0]) + Fraction(below[1]))
            known(abs(harmonic) in (1.0, 2.0, 4.0) and cut[0] == float(exact) and below[0] == float(exact - 1))
    known(divisor == 1 or bool(np.all(a == np.floor(a)) and np.all(x == np.floor(x))))
    known(bool((np.all(np.abs(a) < 1e6) and np.all(np.abs(x) < 1e6)) or divisor > 1))
    turns = [[sum(Fraction(s) * Fraction(t) for s, t in zip(u, v, strict=True)) / int(divisor) for v in x.tolist()]
             for u in a.tolist()]  # fmt: skip
    value, size = np.full((len(a), len(x)), -float(shift)), np.full((len(a), len(x)), abs(float(shift)))
    with np.errstate(all="ignore"):
        for coefficient, shape, harmonic, cut, _, table in waves:
            part = [[wave(shape, harmonic, cut, table, turn) for turn in row] for row in turns]
            parts = coefficient * np.array(part, dtype=np.float64).reshape(value.shape)
            value, size = value + parts, size + np.maximum(np.abs(parts), abs(coefficient))
    return value, size


def draw_values(draw: Draw) -> Arguments:
    found = frequencies(draw)
    return {key: found[key] for key in ("frequencies", "points", "waves", "threads", "shift", "divisor")}


def values(frequencies: Any, points: Any, waves: Any, threads: Any, shift: Any, divisor: Any) -> Answer:
    value, size = at(frequencies, points, waves, divisor, shift)
    return Answer(value, size, 1e-12)


def draw_responses(draw: Draw) -> Arguments:
    found = frequencies(draw)
    n = len(found["points"])
    jacobian = draw.floats(n, draw.columns(), dtype=draw.dtype())
    return {"frequencies": found["frequencies"], "points": found["points"], "waves": found["waves"],
            "weights": draw.floats(n), "jacobian": jacobian, "threads": found["threads"], "shift": found["shift"],
            "divisor": found["divisor"]}  # fmt: skip


def responses(frequencies: Any, points: Any, waves: Any, weights: Any, jacobian: Any, threads: Any, shift: Any,
              divisor: Any) -> Answer:  # fmt: skip
    legal(jacobian.ndim == 2 and len(jacobian) == len(points) and weights.shape == (len(points),))
    value, size = at(frequencies, points, waves, divisor, shift)
    single = jacobian.dtype == np.float32
    return sums(value, weighted(weights, jacobian), 2e-5 if single else 1e-12, single, size)


def draw_quadratic_forms(draw: Draw) -> Arguments:
    found = frequencies(draw)
    n = len(found["points"])
    return {"frequencies": found["frequencies"], "points": found["points"], "waves": found["waves"],
            "offset": draw.finite(n), "ntk": draw.symmetric(n, draw.dtype()), "threads": found["threads"],
            "shift": found["shift"], "divisor": found["divisor"]}  # fmt: skip


def quadratic_forms(frequencies: Any, points: Any, waves: Any, offset: Any, ntk: Any, threads: Any, shift: Any,
                    divisor: Any) -> Answer:  # fmt: skip
    legal(ntk.shape == (len(points), len(points)) and offset.shape == (len(points),))
    value, size = at(frequencies, points, waves, divisor, shift)
    return forms(value, size, offset, ntk, 1e-12)


def pieces(draw: Draw) -> np.ndarray:
    """Lines of a ψ: rows (start, value, slope), the starts from 0 on."""
    count = int(draw.rng.integers(1, 5))
    starts = np.sort(draw.rng.choice(np.arange(1, 64), count - 1, replace=False)) / 64
    return np.column_stack([np.append(0.0, starts), draw.finite(count), draw.finite(count)])


def rates(draw: Draw) -> np.ndarray:
    """X of the size of a few turns, none of them 0."""
    values = draw.finite(draw.size(4))
    return np.where(values == 0.0, 0.75, values)


def check_lines(of: Any, *rates: Any) -> None:
    """What the core checks of lines and of what they are taken at."""
    legal(of.ndim == 2 and of.shape[1] == 3 and len(of) > 0 and of[0, 0] == 0.0)
    legal(bool(np.all(np.diff(of[:, 0]) > 0) and np.all(of[:, 0] < 1.0)))
    for x in rates:
        legal(x.ndim == 1 and bool(np.all((np.abs(x) < 2.0**40) & (x != 0.0))))


def check_cost(*arrays: Any) -> None:
    """What is enough to compare, and no numbers that leave a difference of two others without digits."""
    for array in arrays:
        known(bool(np.all(np.isfinite(array)) and np.all(np.abs(array) < 100)) and array.size <= 24)
        known(bool(np.all((array == 0.0) | (np.abs(array) > 1e-6))))


def passes(pieces: np.ndarray, x: float) -> np.ndarray:
    """Every u in (0, 1) at which u·x passes the start of a line."""
    turns = np.arange(np.floor(min(0.0, x)) - 1, np.ceil(max(0.0, x)) + 1)
    ends = np.add.outer(turns, pieces[:, 0]).reshape(-1) / x
    return ends[(ends > 0.0) & (ends < 1.0)]


def lines_at(pieces: np.ndarray, x: float, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ψ(u·x) near each u as (constant, slope) of a line in u."""
    whole = np.floor(u * x)
    start, value, slope = pieces[np.searchsorted(pieces[:, 0], u * x - whole, side="right") - 1].T
    return value - slope * (whole + start), slope * x


def draw_products(draw: Draw) -> Arguments:
    return {"x": rates(draw), "y": rates(draw), "of_x": pieces(draw), "of_y": pieces(draw), "threads": draw.threads()}


def products(x: Any, y: Any, of_x: Any, of_y: Any, threads: Any) -> Answer:
    check_lines(of_x, x, y)
    check_lines(of_y)
    check_cost(x, y, of_x, of_y)
    value = np.zeros((len(x), len(y)))
    for i, j in np.ndindex(value.shape):
        ends = np.unique([0.0, 1.0, *passes(of_x, x[i]), *passes(of_y, y[j])])
        begin, end = ends[:-1], ends[1:]
        sides = [lines_at(of, at, (begin + end) / 2) for of, at in ((of_x, x[i]), (of_y, y[j]))]
        (f0, f1), (g0, g1) = ([constant + slope * u for u in (begin, end)] for constant, slope in sides)
        value[i, j] = np.sum((end - begin) * (2 * f0 * g0 + 2 * f1 * g1 + f0 * g1 + f1 * g0)) / 6
    return Answer(value, scale(of_x, x) * scale(of_y, y), 1e-12)


def scale(pieces: np.ndarray, x: np.ndarray) -> float:
    """What a line may be and what its constant may be, which cancel."""
    return float((1 + np.abs(pieces).max()) * (1 + np.abs(x).max(initial=0.0)))


def draw_cosines(draw: Draw) -> Arguments:
    return {"x": rates(draw), "y": rates(draw), "of_y": pieces(draw), "threads": draw.threads()}


def cosines(x: Any, y: Any, of_y: Any, threads: Any) -> Answer:
    check_lines(of_y, x, y)
    check_cost(x, y, of_y)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    value = np.zeros((len(x), len(y)))
    for i, j in np.ndindex(value.shape):
        turns = np.arange(1, 2 * np.ceil(abs(x[i]))) / (2 * np.ceil(abs(x[i])))  # half a wave at most between two
        ends = np.unique([0.0, 1.0, *turns, *passes(of_y, y[j])])
        middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
        constant, slope = lines_at(of_y, y[j], middle)
        u = middle[:, None] + half[:, None] * nodes
        waves = np.cos(2 * np.pi * u * x[i]) * (constant[:, None] + slope[:, None] * u)
        value[i, j] = np.sum(half[:, None] * weights * waves)
    return Answer(value, scale(of_y, y) * (1 + np.abs(x).max(initial=0.0)), 1e-11)


ENTRIES: dict[str, Entry] = {
    "frequency_values": Entry(draw_values, values),
    "frequency_responses": Entry(draw_responses, responses),
    "frequency_quadratic_forms": Entry(draw_quadratic_forms, quadratic_forms),
    "interval_products": Entry(draw_products, products),
    "interval_cosines": Entry(draw_cosines, cosines),
}
