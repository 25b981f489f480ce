"""The rest of the core: blocks of Θ, folds, transforms, sums over divisors, words of bits, and its settings."""

from __future__ import annotations

from typing import Any

import numpy as np

from barren import _core
from fuzzing.answers import WORK, Answer, Arguments, Entry, beyond_single, known, legal, spoiling, sums
from fuzzing.draws import Draw, Made, Packed

KERNELS = _core.available_kernels()


def draw_fold(draw: Draw) -> Arguments:
    n, m, columns = draw.size(), draw.size(edges=(1025,)), draw.columns()
    rows = draw.floats(n, 2 * columns, dtype=draw.dtype())
    first = int(draw.rng.integers(0, columns + 1))
    part = rows[:, first : first + columns]
    return {"rows": part if draw.chance(0.5) else part.copy(), "order": draw.rng.integers(-1, n, 2 * m),
            "weights": draw.floats(n), "sign": draw.one_of((1.0, -1.0, draw.number())),
            "out": draw.output(m, columns), "threads": draw.threads()}  # fmt: skip


def fold(rows: Any, order: Any, weights: Any, sign: Any, out: Any, threads: Any) -> Answer:
    legal(rows.ndim == 2 and weights.shape == (len(rows),) and out.ndim == 2 and rows.shape[1] == out.shape[1])
    legal(order.shape == (2 * len(out),) and bool(np.all((order >= -1) & (order < len(rows)))))
    none, m = np.zeros((1, rows.shape[1])), len(out)
    with np.errstate(all="ignore"):
        first, second = (
            np.vstack([factor[:, None] * np.asarray(rows, np.float64), none])[part]  # the last row for −1
            for factor, part in ((weights, order[:m]), (sign * weights, order[m:]))
        )
        lost = ~(np.isfinite(first) & np.isfinite(second))
        return Answer(first + second, spoiling(np.abs(first) + np.abs(second), lost), 1e-14)


def draw_weighted_energy(draw: Draw) -> Arguments:
    n, columns = draw.size(edges=(1023, 1024, 1025)), draw.columns()
    transform = draw.floats(n, columns) + 1j * draw.finite(n, columns)
    return {"weights": draw.floats(n), "transform": transform, "threads": draw.threads()}


def weighted_energy(weights: Any, transform: Any, threads: Any) -> Answer:
    legal(transform.ndim == 2 and weights.shape == (len(transform),))
    with np.errstate(all="ignore"):
        return flat(sums(weights[None, :], transform.real**2 + transform.imag**2, 1e-13))


def flat(one: Answer) -> Answer:
    """The only row of an answer."""
    return Answer(one.value[0], one.size[0], one.tolerance)


def draw_gcd_product(draw: Draw) -> Arguments:
    size = draw.size(60)
    primes = [q for q in range(2, size + 1) if all(q % d for d in range(2, q))]
    return {"v": draw.floats(size), "weights": draw.floats(size), "primes": np.array(primes, dtype=np.int64),
            "threads": draw.threads()}  # fmt: skip


def gcd_product(v: Any, weights: Any, primes: Any, threads: Any) -> Answer:
    legal(v.ndim == 1 and v.shape == weights.shape and primes.ndim == 1)
    legal(bool(np.all(np.diff(primes.astype(object)) > 0) and np.all((primes >= 2) & (primes <= len(v)))))
    known(primes.tolist() == [q for q in range(2, len(v) + 1) if all(q % d for d in range(2, q))] and len(v) < 400)
    numbers = np.arange(1, len(v) + 1)
    divides = (numbers[:, None] % numbers[None, :] == 0).astype(np.float64)
    with np.errstate(all="ignore"):
        # Only what a sum takes in may spoil it: zeros of the matrix are no terms.
        inner, size = (np.array([np.sum(part[column > 0]) for column in divides.T]) for part in (v, np.abs(v)))
        terms, sizes = weights * inner, spoiling(np.abs(weights) * size, ~np.isfinite(weights) | lost_terms(divides, v))
        value, size = (np.array([np.sum(part[row > 0]) for row in divides]) for part in (terms, sizes))
    return Answer(value, size, 1e-13)


def lost_terms(divides: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Whether a sum over the multiples of a number takes in what is not finite."""
    return np.array([not np.isfinite(v[column > 0]).all() for column in divides.T], dtype=bool)


# Blocks of Θ.


def pack(draw: Draw, rows: int, width: int, dtype: Any) -> Packed:
    """A factor with at least a row and a column."""
    return Packed(draw.floats(rows, width, dtype=dtype))


def draw_packed(dtype: Any) -> Any:
    """Draws the argument of a constructor."""

    def draw_one(draw: Draw) -> Arguments:
        matrix = draw.floats(draw.members() + 1, draw.points() + 1, dtype=dtype)
        return {"matrix": matrix, "threads": draw.threads()}

    return draw_one


def packed(matrix: Any, threads: Any) -> None:
    legal(matrix.ndim == 2 and matrix.size > 0)


def draw_of_packed(dtype: Any) -> Any:
    """Draws the object of a property."""
    return lambda draw: {"self": pack(draw, draw.size() + 1, draw.size() + 1, dtype)}


def matrix_of(value: Any) -> np.ndarray:
    """What a factor was made of."""
    legal(
        isinstance(value, Packed)
        and isinstance(value.matrix, np.ndarray)
        and value.matrix.ndim == 2
        and value.matrix.size > 0
    )
    return np.asarray(value.matrix)


def draw_gram_block(draw: Draw) -> Arguments:
    dtype, count = draw.dtype(), draw.one_of((1, 2))
    n, m = draw.members() + 1, draw.members() + 1
    found: Arguments = {}
    for prefix in ("", "second_")[:count]:
        width = draw.size(edges=(8, 255, 256, 257)) + 1
        found[prefix + "left"] = pack(draw, n, width, dtype)
        found[prefix + "right"] = pack(draw, m, width, dtype)
        found[prefix + "left_terms"], found[prefix + "right_terms"] = draw.floats(n), draw.floats(m)
        found[prefix + "constant"] = draw.number()
    rows, columns = (tuple(sorted(int(v) for v in draw.rng.integers(0, side + 1, 2))) for side in (n, m))
    return {**found, "rows": rows, "columns": columns,
            "out": draw.output(rows[1] - rows[0], columns[1] - columns[0]), "accumulate": draw.chance(0.5),
            "threads": draw.threads(), "reduced": draw.chance(0.5)}  # fmt: skip


def gram_block(**given: Any) -> Answer:
    # The core takes for an end what int() takes, an array of one number too.
    rows, columns = (slice(*map(int, given[side])) for side in ("rows", "columns"))
    out = given["out"]
    factors, single, beyond = [], False, np.False_
    for prefix in ("", "second_") if "second_left" in given else ("",):
        left, right = matrix_of(given[prefix + "left"]), matrix_of(given[prefix + "right"])
        u, v = given[prefix + "left_terms"], given[prefix + "right_terms"]
        legal(left.shape[1] == right.shape[1] and u.shape == (len(left),) and v.shape == (len(right),))
        legal(0 <= rows.start <= rows.stop <= len(left) and 0 <= columns.start <= columns.stop <= len(right))
        single |= left.dtype == np.float32
        product = sums(left[rows], right[columns].T, 0.0)
        beyond = beyond | (single & beyond_single(product.size))
        factors.append(
            (product.value, product.size, u[rows, None], v[None, columns], float(given[prefix + "constant"]))
        )
    legal(out.shape == (rows.stop - rows.start, columns.stop - columns.start))
    with np.errstate(all="ignore"):
        value, size = entry(factors, bool(given["reduced"]))
        if given["accumulate"]:
            value, size = value + out, size + np.abs(out)
        size = np.where(beyond & ~np.isnan(size), np.inf, size)
    return Answer(value, size, 2e-5 if single else 1e-13, single)


def entry(factors: list[Any], reduced: bool) -> tuple[np.ndarray, np.ndarray]:
    """The product of the factors and its size; reduced: less all that depends on a row or on a column alone."""
    wholes = [s + u + v + m for s, _, u, v, m in factors]
    sizes = [z + np.abs(u) + np.abs(v) + abs(m) for _, z, u, v, m in factors]
    if not reduced:
        return np.prod(wholes, axis=0), np.prod(sizes, axis=0)
    if len(factors) == 1:
        return factors[0][0], factors[0][1]
    (s, z, u, v, m), (t, y, w, x, k) = factors
    value = s * t + s * (w + x + k) + t * (u + v + m) + u * x + v * w
    size = z * y + z * (np.abs(w) + np.abs(x) + abs(k)) + y * (np.abs(u) + np.abs(v) + abs(m))
    return value, size + np.abs(u * x) + np.abs(v * w)


# Words of bits.


def draw_words(draw: Draw) -> Arguments:
    x, y = (draw.rng.integers(-(2**63), 2**63 - 1, draw.size(edges=(65,))) for _ in range(2))
    return {"x": x, "y": y >> draw.rng.integers(0, 63), "threads": draw.threads()}


def common_ones(x: Any, y: Any, threads: Any) -> Answer:
    return ones(x, y, lambda a, b: a & b)


def distances(x: Any, y: Any, threads: Any) -> Answer:
    return ones(x, y, lambda a, b: a ^ b)


def ones(x: Any, y: Any, join: Any) -> Answer:
    """The number of ones of every pair of words."""
    legal(x.ndim == 1 and y.ndim == 1)
    known(len(x) * len(y) < 20_000)
    found = [[(join(int(a), int(b)) & (2**64 - 1)).bit_count() for b in y] for a in x]
    return Answer(np.array(found, dtype=np.uint8).reshape(len(x), len(y)))


def draw_walsh(draw: Draw) -> Arguments:
    levels = int(draw.rng.integers(0, 6)) if draw.chance(0.97) else int(draw.rng.integers(6, 11))
    columns = draw.columns() if draw.chance(0.99) else int(draw.rng.integers(300, 1100))
    return {"rows": draw.output(1 << levels, columns), "threads": draw.threads()}


def walsh(rows: Any, threads: Any) -> Answer:
    legal(rows.ndim == 2 and len(rows) >= 1 and len(rows) & (len(rows) - 1) == 0)
    known(len(rows) <= 256 and rows.size <= 20_000)
    x = np.arange(len(rows))
    signs = 1.0 - 2.0 * np.vectorize(lambda v: int(v).bit_count() % 2)(x[:, None] & x[None, :])
    return sums(signs, rows, 1e-14)


# Settings. None of them takes more than a name or a Stop.


def nothing(draw: Draw) -> Arguments:
    return {}


def no_answer(**given: Any) -> None:
    """What can only be seen to come back."""


def draw_name(draw: Draw) -> Arguments:
    return {"name": draw.one_of(KERNELS)}


def use_kernel(name: Any) -> None:
    legal(name in KERNELS)


def draw_stop(draw: Draw) -> Arguments:
    return {"stop": draw.one_of((None, Made(False), Made(True)))}


def obey(stop: Any) -> None:
    legal(stop is None or isinstance(stop, Made))


def after_obeying(stop: Any) -> str | None:
    """A Stop that is set ends every call of the thread, and no other does."""
    must_stop = isinstance(stop, Made) and stop.is_set
    for call in (_core.checkpoint, lambda: _core.distances(np.zeros(1, np.int64), np.zeros(1, np.int64))):
        try:
            call()
        except KeyboardInterrupt:
            if not must_stop:
                return "a call was stopped"
        else:
            if must_stop:
                return "a call was not stopped"
    return None


def draw_self(draw: Draw) -> Arguments:
    return {"self": Made(draw.chance(0.5))}


def draw_column_means(draw: Draw) -> Arguments:
    n = draw.size(edges=(63, 64, 65, 129)) + 1
    return {"rows": draw.floats(n, draw.columns(), dtype=draw.dtype()), "threads": draw.threads()}


def column_means(rows: Any, threads: Any) -> Answer:
    legal(rows.ndim == 2 and len(rows) > 0)
    return flat(sums(np.full((1, len(rows)), 1.0 / len(rows)), rows, 1e-14))


def draw_cross_products(draw: Draw) -> Arguments:
    positions, width = draw.size(3), draw.size(edges=(7, 8, 9, 17))
    rows = draw.floats(draw.size(edges=(63, 64, 65)), positions * width, dtype=draw.dtype())
    return {"rows": rows, "vectors": draw.floats(positions, width), "threads": draw.threads()}


def cross_products(rows: Any, vectors: Any, threads: Any) -> Answer:
    legal(rows.ndim == 2 and vectors.ndim == 2 and rows.shape[1] == vectors.size)
    (positions, width), n = vectors.shape, len(rows)
    known(positions * n <= WORK)
    value, size = np.empty((positions, positions, n)), np.empty((positions, positions, n))
    for t in range(positions):
        part = sums(vectors, rows[:, t * width : (t + 1) * width].T, 1e-13)
        value[t], size[t] = part.value, part.size
    return Answer(value, size, 1e-13)


def is_set(self: Any) -> Answer:
    legal(isinstance(self, Made))
    return Answer(bool(self.is_set))


def set_stop(self: Any) -> None:
    legal(isinstance(self, Made))


SINGLE, DOUBLE = np.float32, np.float64
ENTRIES: dict[str, Entry] = {
    "fold": Entry(draw_fold, fold, "out"),
    "weighted_energy": Entry(draw_weighted_energy, weighted_energy),
    "gcd_product": Entry(draw_gcd_product, gcd_product),
    "column_means": Entry(draw_column_means, column_means),
    "cross_products": Entry(draw_cross_products, cross_products),
    "gram_block": Entry(draw_gram_block, gram_block, "out"),
    "PackedFactor32": Entry(draw_packed(SINGLE), packed),
    "PackedFactor64": Entry(draw_packed(DOUBLE), packed),
    "common_ones": Entry(draw_words, common_ones),
    "distances": Entry(draw_words, distances),
    "walsh_hadamard": Entry(draw_walsh, walsh, "rows"),
    "kernel": Entry(nothing, lambda: None),
    "available_kernels": Entry(nothing, lambda: Answer(list(KERNELS))),
    "available_threads": Entry(nothing, lambda: None),
    "use_kernel": Entry(draw_name, use_kernel),
    "checkpoint": Entry(nothing, lambda: None),
    "in_forked_child": Entry(nothing, lambda: Answer(False)),
    "obey": Entry(draw_stop, obey, after=after_obeying),
    "Stop": Entry(nothing, lambda: None),
    "Stop.set": Entry(draw_self, set_stop),
    "Stop.is_set": Entry(draw_self, is_set),
    **{
        f"PackedFactor{bits}.{name}": Entry(
            draw_of_packed(dtype), lambda self, axis=axis: Answer(matrix_of(self).shape[axis])
        )
        for bits, dtype in ((32, SINGLE), (64, DOUBLE))
        for axis, name in enumerate(("rows", "width"))
    },
}
