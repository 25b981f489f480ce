"""The functions of the core on residues: how each is called, and what it must answer."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from fuzzing.answers import (
    WORK,
    Answer,
    Arguments,
    Entry,
    beyond_single,
    dedekind,
    forms,
    known,
    legal,
    psi,
    residues,
    shifted_dedekind,
    spoiling,
    sums,
    terms_of,
    weighted,
    within,
)
from fuzzing.draws import Draw


def family(draw: Draw, dtype: Any) -> Arguments:
    """Multipliers, points, a modulus and a ψ."""
    modulus = draw.modulus()
    a, x = draw.residues(draw.members(), modulus), draw.residues(draw.points(), modulus)
    if modulus < 400 and draw.chance(0.5):
        return {"multipliers": a, "points": x, "modulus": modulus, "formula": draw.one_of(("table", "bit", "cosine")),
                "parameter": 0, "table": draw.floats(modulus, dtype=dtype)}  # fmt: skip
    formula = draw.one_of(("sawtooth", "cosine", "bit", "threshold", "square", "triangle"))
    parameter = draw.one_of((0, 1, 2, 5, 62) if formula == "bit" else (0, 1, 2, modulus // 2, modulus, 2**62))
    return {"multipliers": a, "points": x, "modulus": modulus, "formula": formula, "parameter": parameter,
            "table": np.empty(0, dtype)}  # fmt: skip


def draw_values(draw: Draw) -> Arguments:
    return {**family(draw, np.float64), "threads": draw.threads()}


def values(
    multipliers: Any, points: Any, modulus: Any, formula: Any, parameter: Any, table: Any, threads: Any
) -> Answer:
    at = psi(formula, int(parameter), table, residues(multipliers, points, int(modulus)), int(modulus))
    return Answer(at, np.where(np.isnan(at), np.nan, 1.0) if not table.size else np.abs(at), 2e-15)


def draw_responses(draw: Draw) -> Arguments:
    dtype = draw.dtype()
    members = family(draw, dtype)
    n = len(members["points"])
    return {**members, "weights": draw.floats(n), "jacobian": draw.floats(n, draw.columns(), dtype=dtype),
            "threads": draw.threads(), "shift": draw.number()}  # fmt: skip


def responses(multipliers: Any, points: Any, modulus: Any, formula: Any, parameter: Any, table: Any, weights: Any,
              jacobian: Any, threads: Any, shift: Any) -> Answer:  # fmt: skip
    legal(jacobian.ndim == 2 and len(jacobian) == len(points) and weights.shape == points.shape)
    legal(math.isfinite(shift))
    at = psi(formula, int(parameter), table, residues(multipliers, points, int(modulus)), int(modulus))
    moved = shift if not table.size else 0.0
    single = jacobian.dtype == np.float32
    size = terms_of(formula, table, at) + abs(moved)
    return sums(at - moved, weighted(weights, jacobian), 2e-5 if single else 1e-13, single, size)


def draw_correlations(draw: Draw) -> Arguments:
    p, root = draw.prime_and_root()
    dtype, n = draw.dtype(), draw.points()
    every = draw.rng.permutation(p)[: draw.members()].astype(np.int64)
    powers = np.array([pow(root, i, p) for i in range(p - 1)], dtype=np.int64)
    return {"multipliers": every, "points": draw.residues(n, p), "modulus": p, "powers": powers,
            "table": draw.floats(p, dtype=dtype), "weights": draw.floats(n),
            "jacobian": draw.floats(n, draw.columns(), dtype=dtype), "threads": draw.threads()}  # fmt: skip


def correlations(multipliers: Any, points: Any, modulus: Any, powers: Any, table: Any, weights: Any, jacobian: Any,
                 threads: Any) -> Answer:  # fmt: skip
    legal(table.size > 0 and powers.ndim == 1 and sorted(powers) == list(range(1, int(modulus))) and modulus >= 2)
    legal(len(set(multipliers.tolist())) == multipliers.size)
    legal(jacobian.ndim == 2 and len(jacobian) == len(points) and weights.shape == points.shape)
    at = psi("table", 0, table, residues(multipliers, points, int(modulus)), int(modulus))
    root = int(powers[1]) if len(powers) > 1 else 1
    known(bool(np.all(np.isfinite(table))))  # points that do not occur are there with a weight of 0
    known(powers.tolist() == [pow(root, i, int(modulus)) for i in range(len(powers))])
    single = jacobian.dtype == np.float32
    with np.errstate(all="ignore"):
        terms = weights[:, None] * np.asarray(jacobian, np.float64)  # rounded to float32 once points are together
        answer = sums(at, terms, 2e-5 if single else 1e-13, single)
        size = np.where(single & np.any(beyond_single(np.abs(terms)), axis=0), np.inf, answer.size)
    return Answer(answer.value, spoiling(size, np.isnan(answer.size)), answer.tolerance, single)


def draw_quadratic_forms(draw: Draw) -> Arguments:
    dtype = draw.dtype()
    members = family(draw, dtype)
    n = len(members["points"])
    return {**members, "offset": draw.finite(n), "ntk": draw.symmetric(n, dtype), "threads": draw.threads(),
            "shift": draw.number()}  # fmt: skip


def quadratic_forms(multipliers: Any, points: Any, modulus: Any, formula: Any, parameter: Any, table: Any, offset: Any,
                    ntk: Any, threads: Any, shift: Any) -> Answer:  # fmt: skip
    legal(ntk.shape == (len(points), len(points)) and offset.shape == points.shape and math.isfinite(shift))
    at = psi(formula, int(parameter), table, residues(multipliers, points, int(modulus)), int(modulus))
    moved = shift if not table.size else 0.0
    return forms(at - moved, terms_of(formula, table, at) + abs(moved), offset, ntk)


def draw_pairing(draw: Draw) -> Arguments:
    order, n, m = draw.size(), draw.size(), draw.size(edges=(8, 9, 17))
    return {"kernel": draw.floats(order), "row_logarithms": draw.rng.integers(-1, order, n), "row_weights":
            draw.floats(n), "column_logarithms": draw.rng.integers(-1, order, m), "column_weights": draw.floats(m),
            "ntk": draw.floats(n, m, dtype=draw.dtype()), "threads": draw.threads()}  # fmt: skip


def pairing(kernel: Any, row_logarithms: Any, row_weights: Any, column_logarithms: Any, column_weights: Any, ntk: Any,
            threads: Any) -> Answer:  # fmt: skip
    legal(kernel.ndim == 1 and ntk.shape == (len(row_logarithms), len(column_logarithms)))
    for logarithms, weights in ((row_logarithms, row_weights), (column_logarithms, column_weights)):
        legal(logarithms.ndim == 1 and weights.shape == logarithms.shape)
        legal(bool(np.all((logarithms >= -1) & (logarithms <= len(kernel) - 1))))
    rows, columns = row_logarithms >= 0, column_logarithms >= 0
    if not rows.any() or not columns.any():
        return Answer(0.0)
    ratios = np.subtract.outer(row_logarithms[rows], column_logarithms[columns]) % len(kernel)
    with np.errstate(all="ignore"):
        terms = kernel[ratios] * np.asarray(ntk, np.float64)[np.ix_(rows, columns)] * column_weights[columns]
        terms = terms * row_weights[rows, None]
        inner = np.abs(kernel[ratios]) * np.abs(column_weights[columns])  # taken before the others
        size = np.sum(np.abs(terms)) + 0.0 * np.sum(inner)
        parts = (kernel[ratios], ntk[np.ix_(rows, columns)], column_weights[columns], row_weights[rows])
        lost = not all(np.isfinite(part).all() for part in parts)
    return Answer(float(np.sum(terms)), spoiling(size, lost), 1e-13)


# Tables over (point, level).


def lookup(draw: Draw) -> tuple[Arguments, int]:
    """Multipliers and points, and a level a residue or none at all; how many levels there are."""
    modulus = draw.small_modulus()
    a, x = draw.residues(draw.members(), modulus), draw.residues(draw.points(), modulus)
    count = modulus if draw.chance(0.3) else draw.size(8) + 1
    levels = draw.rng.integers(0, count, modulus).astype(np.int32)
    if count == modulus and draw.chance(0.7):
        levels = np.empty(0, np.int32)
    return {"multipliers": a, "points": x, "modulus": modulus, "levels": levels}, count


def level_of(multipliers: Any, points: Any, modulus: Any, levels: Any, count: int) -> np.ndarray:
    """The level of a·x mod m, shape (members, points)."""
    t = residues(multipliers, points, int(modulus))
    legal(levels.ndim == 1 and (levels.size == modulus if levels.size else count == modulus))
    legal(bool(np.all((levels >= 0) & (levels < count))))
    return np.asarray(levels[t.astype(np.int64)] if levels.size else t, np.int64)


def draw_level_counts(draw: Draw) -> Arguments:
    where, count = lookup(draw)
    return {**where, "count": count, "threads": draw.threads()}


def one_hot(at: np.ndarray, count: int) -> np.ndarray:
    """1 where a level is that of a member at a point: shape (members, points, levels)."""
    known(at.size * count <= 2_000_000)
    return at[..., None] == np.arange(count)


def level_counts(multipliers: Any, points: Any, modulus: Any, levels: Any, count: Any, threads: Any) -> Answer:
    legal(count >= 0)
    at = level_of(multipliers, points, modulus, levels, count)
    return Answer(one_hot(at, int(count)).sum(axis=0, dtype=np.int64))


def draw_gather(draw: Draw) -> Arguments:
    where, count = lookup(draw)
    table = draw.floats(len(where["points"]), count, draw.size(4, edges=(9,)), dtype=draw.dtype())
    return {**where, "table": table, "threads": draw.threads()}


def gather(multipliers: Any, points: Any, modulus: Any, levels: Any, table: Any, threads: Any) -> Answer:
    legal(table.ndim == 3 and len(table) == len(points))
    at = level_of(multipliers, points, modulus, levels, table.shape[1])
    return Answer(table[np.arange(len(points)), at])


def draw_gather_sums(draw: Draw) -> Arguments:
    arguments = draw_gather(draw)
    table, threads = arguments.pop("table"), arguments.pop("threads")
    return {**arguments, "weights": draw.floats(len(table)), "table": table, "threads": threads}


def gather_sums(
    multipliers: Any, points: Any, modulus: Any, levels: Any, weights: Any, table: Any, threads: Any
) -> Answer:
    legal(weights.shape == points.shape)
    found = np.asarray(gather(multipliers, points, modulus, levels, table, threads).value, np.float64)
    with np.errstate(all="ignore"):
        terms = weights[:, None] * found
        lost = ~np.isfinite(terms).all(axis=1)
        return Answer(terms.sum(axis=1), spoiling(np.abs(terms).sum(axis=1), lost), 1e-13)


def draw_scatter_sums(draw: Draw) -> Arguments:
    where, count = lookup(draw)
    rows = draw.floats(len(where["points"]), draw.size(4, edges=(9,)), dtype=draw.dtype())
    return {**where, "count": count, "rows": rows, "threads": draw.threads()}


def scatter_sums(
    multipliers: Any, points: Any, modulus: Any, levels: Any, count: Any, rows: Any, threads: Any
) -> Answer:
    legal(rows.ndim == 2 and len(rows) == len(points) and count >= 0)
    at = level_of(multipliers, points, modulus, levels, count)
    value, size = (np.zeros((len(multipliers), int(count), rows.shape[1])) for _ in range(2))
    members = np.arange(len(multipliers))
    with np.errstate(all="ignore"):
        for x in range(len(points)):
            value[members, at[:, x]] += np.asarray(rows[x], np.float64)
            size[members, at[:, x]] += np.abs(np.asarray(rows[x], np.float64))
    return Answer(value, spoiling(size, np.isinf(size)), 1e-13)  # finite ones are too small to overflow


# Powers and logarithms.


def draw_powers(draw: Draw) -> Arguments:
    count = 4100 if draw.chance(0.002) else draw.points()
    exponents = draw.rng.integers(0, 2**63 - 1, count) >> draw.rng.integers(0, 63, count)
    return {"base": draw.one_of((0, 1, 2, 10, 2**62)), "exponents": exponents, "modulus": draw.modulus(),
            "threads": draw.threads()}  # fmt: skip


def powers(base: Any, exponents: Any, modulus: Any, threads: Any) -> Answer:
    legal(exponents.ndim == 1 and 1 <= modulus < 2**63 and base >= 0 and bool(np.all(exponents >= 0)))
    return Answer(np.array([pow(int(base), int(e), int(modulus)) for e in exponents], dtype=np.int64))


def draw_power_table(draw: Draw) -> Arguments:
    p = int(draw.rng.integers(2, 600))
    return {"root": int(draw.rng.integers(0, p)), "p": p, "threads": draw.threads()}


def power_table(root: Any, p: Any, threads: Any) -> Answer:
    legal(p >= 2)
    return power_range(root, 0, p - 1, p, threads)


def draw_power_range(draw: Draw) -> Arguments:
    p = max(2, draw.modulus())
    return {"root": int(draw.rng.integers(0, p)), "first": draw.one_of((0, 1, 1000, 2**62)), "count": draw.points(),
            "p": p, "threads": draw.threads()}  # fmt: skip


def power_range(root: Any, first: Any, count: Any, p: Any, threads: Any) -> Answer:
    legal(2 <= p < 2**63 and 0 <= root < p and first >= 0 and count >= 0)
    known(count <= WORK)
    return Answer(np.array([pow(int(root), int(first) + i, int(p)) for i in range(int(count))], dtype=np.int64))


def draw_logarithm_table(draw: Draw) -> Arguments:
    p, root = draw.prime_and_root()
    return {"powers": np.array([pow(root, i, p) for i in range(p - 1)], dtype=np.int64), "p": p}


def logarithm_table(powers: Any, p: Any) -> Answer:
    legal(powers.ndim == 1 and p >= 2 and sorted(powers.tolist()) == list(range(1, int(p))))
    return Answer(np.array([-1, *np.argsort(powers)], dtype=np.int64))


# Dedekind sums.


def draw_dedekind_sums(draw: Draw) -> Arguments:
    k, n = draw.modulus(), draw.size(edges=(31, 32, 33, 64))
    c = draw.residues(n, k) if draw.chance(0.5) else np.empty(0, np.int64)
    return {"h": draw.residues(n, k), "c": c, "k": k, "threads": draw.threads()}


def dedekind_sums(h: Any, c: Any, k: Any, threads: Any) -> Answer:
    legal(h.ndim == 1 and c.ndim == 1 and c.size in (0, h.size) and 1 <= k < 2**63)
    within(h, int(k))
    within(c, int(k))
    known(k < 1000 or not np.any(c))
    shifts = c if c.size else np.zeros_like(h)
    exact = [
        shifted_dedekind(int(v), int(k), int(s)) if s else dedekind(int(v), int(k))
        for v, s in zip(h, shifts, strict=True)
    ]
    return Answer(np.array([float(v) for v in exact]))


def ratios(draw: Draw, k: int) -> Arguments:
    """The inverses and columns whose products are the ratios."""
    return {"inverses": draw.residues(draw.size(), k), "columns": draw.residues(draw.size(), k), "k": k}


def draw_dedekind_ratios(draw: Draw) -> Arguments:
    k = draw.modulus()
    shifts = draw.one_of(((0, 0), tuple(int(v) for v in draw.rng.integers(0, k, 2))))
    return {**ratios(draw, k), "a": shifts[0], "b": shifts[1], "threads": draw.threads()}


def dedekind_ratios(inverses: Any, columns: Any, k: Any, a: Any, b: Any, threads: Any) -> Answer:
    known(inverses.size > 0)  # columns are looked at where there is a ratio
    t = residues(inverses, columns, int(k))
    legal(0 <= a < k and 0 <= b < k)
    h = np.array(t.reshape(-1), dtype=np.int64)
    c = np.array([(int(b) - int(v) * int(a)) % int(k) for v in h], dtype=np.int64)
    return Answer(dedekind_sums(h, c, k, threads).value.reshape(t.shape))


def draw_sawtooth_ratios(draw: Draw) -> Arguments:
    k = draw.modulus()
    return {**ratios(draw, k), "shift": int(draw.rng.integers(0, k)), "threads": draw.threads()}


def sawtooth_ratios(inverses: Any, columns: Any, k: Any, shift: Any, threads: Any) -> Answer:
    known(inverses.size > 0)  # columns are looked at where there is a ratio
    t = residues(inverses, columns, int(k))
    legal(0 <= shift < k)
    place = [(int(v) + int(shift)) % int(k) for v in t.reshape(-1)]
    value = [float(Fraction(2 * v - int(k), 2 * int(k))) if v else 0.0 for v in place]
    return Answer(np.array(value, dtype=np.float64).reshape(t.shape), 0.5, 1e-15)


ENTRIES: dict[str, Entry] = {
    "values": Entry(draw_values, values),
    "responses": Entry(draw_responses, responses),
    "correlations": Entry(draw_correlations, correlations),
    "quadratic_forms": Entry(draw_quadratic_forms, quadratic_forms),
    "pairing": Entry(draw_pairing, pairing),
    "level_counts": Entry(draw_level_counts, level_counts),
    "gather": Entry(draw_gather, gather),
    "gather_sums": Entry(draw_gather_sums, gather_sums),
    "scatter_sums": Entry(draw_scatter_sums, scatter_sums),
    "powers": Entry(draw_powers, powers),
    "power_table": Entry(draw_power_table, power_table),
    "power_range": Entry(draw_power_range, power_range),
    "logarithm_table": Entry(draw_logarithm_table, logarithm_table),
    "dedekind_sums": Entry(draw_dedekind_sums, dedekind_sums),
    "dedekind_ratios": Entry(draw_dedekind_ratios, dedekind_ratios),
    "sawtooth_ratios": Entry(draw_sawtooth_ratios, sawtooth_ratios),
}
