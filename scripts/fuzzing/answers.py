"""What a slow answer is, how the core's is compared with it, and the pieces that answers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fuzzing.draws import Draw

WORK = 8_000  # entries of a table of ψ: beyond it a slow answer is too slow


class IllegalError(Exception):
    """These arguments have no answer: the core must refuse them."""


class UnknownError(Exception):
    """Nothing to compare with: only the caller can know what these arguments stand for, or they are too many."""


def legal(condition: bool) -> None:
    """Raises unless the core may take it."""
    if not condition:
        raise IllegalError


def known(condition: bool) -> None:
    """Raises unless there is an answer to compare with."""
    if not condition:
        raise UnknownError


@dataclass
class Answer:
    """An array, the sum of the sizes of its terms, and what share of that sum rounding may take."""

    value: Any
    size: Any = 0.0
    tolerance: float = 0.0
    single: bool = False  # products are taken in float32, which ends at 3e38 and begins at 1e-45

    def mistake(self, got: Any) -> str | None:
        """What is wrong with the core's answer, or None."""
        if not isinstance(self.value, np.ndarray):
            same = got == self.value or (isinstance(got, float) and math.isnan(got) and math.isnan(self.value))
            if self.tolerance == 0.0 or not isinstance(got, float):
                return None if same and type(got) is type(self.value) else f"got {got!r}, expected {self.value!r}"
        got, value = np.asarray(got), np.asarray(self.value)
        if got.dtype != value.dtype or got.shape != value.shape:
            return f"got {got.dtype} of shape {got.shape}, expected {value.dtype} of shape {value.shape}"
        if self.tolerance == 0.0:
            wrong = got != value
            if value.dtype.kind == "f":
                wrong &= ~(np.isnan(got) & np.isnan(value))
        else:
            size = np.broadcast_to(self.size, value.shape)
            most, least = (1e37, 1e-37) if self.single else (1e299, 1e-290)
            with np.errstate(invalid="ignore", over="ignore"):
                near = np.abs(got - value) <= self.tolerance * size + least
            # A term that is no number leaves none; where terms are huge the order of the sum decides what overflows.
            wrong = np.where(np.isnan(size), np.isfinite(got), (size < most) & ~near)
        if not np.any(wrong):
            return None
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        return f"{np.count_nonzero(wrong)} of {wrong.size} wrong, at {place} got {got[place]!r}, not {value[place]!r}"


Arguments = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A function of the core: how its arguments are drawn, what it answers, and which of them it writes to."""

    draw: Callable[[Draw], Arguments]
    answer: Callable[..., Answer | None]
    written: str | None = None
    after: Callable[..., str | None] | None = None  # what is looked at besides, from the arguments; None: all is well


def sums(
    left: np.ndarray, right: np.ndarray, tolerance: float, single: bool = False, size: np.ndarray | None = None
) -> Answer:
    """The matrix product in float64; `size` that of the terms of `left` where they are not its entries."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    with np.errstate(all="ignore"):
        sizes = (np.abs(left) if size is None else size) @ np.abs(right)
        lost = np.logical_or.outer(~np.isfinite(left).all(axis=1), ~np.isfinite(right).all(axis=0))
        return Answer(left @ right, spoiling(sizes, lost), tolerance, single)


def spoiling(size: Any, lost: Any) -> Any:
    """The size of sums, NaN where one of their terms is no finite number: no finite number may come of it."""
    return np.where(lost, np.nan, size)


def weighted(weights: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    """The rows of a Jacobian times their weights, which are rounded to its dtype."""
    with np.errstate(all="ignore"):
        return np.asarray(np.asarray(weights, jacobian.dtype)[:, None] * jacobian, np.float64)


def forms(psi: np.ndarray, size: np.ndarray, offset: np.ndarray, ntk: np.ndarray, tolerance: float = 1e-13) -> Answer:
    """(ψ − offset)ᵀ·Θ·(ψ − offset), ψ and offset rounded to the dtype of Θ; `size` that of the terms of ψ."""
    single = ntk.dtype == np.float32
    known(bool(np.array_equal(ntk, ntk.T, equal_nan=True)))
    with np.errstate(all="ignore"):
        at = np.asarray(np.asarray(psi, ntk.dtype) - np.asarray(offset, ntk.dtype), np.float64)
        theta, size = np.asarray(ntk, np.float64), size + np.abs(offset)
        value, inner = np.sum((at @ theta) * at, axis=1), size @ np.abs(theta)
        beyond = single & np.any(beyond_single(inner), axis=1)
        lost = ~(np.isfinite(at).all(axis=1) & np.isfinite(theta).all())
        sizes = np.where(beyond, np.inf, np.sum(inner * size, axis=1))
        return Answer(value, spoiling(sizes, lost), 2e-5 if single else tolerance, single)


def beyond_single(size: np.ndarray) -> np.ndarray:
    """Where float32 has no such numbers, or not with all digits, for sums of this size: nothing is compared there."""
    return np.asarray((size > 1e37) | ((size < 1e-30) & (size > 0.0)))


def within(values: np.ndarray, modulus: int) -> None:
    """Residues lie in 0..m−1."""
    legal(bool(np.all((values >= 0) & (values <= modulus - 1))))


def residues(a: np.ndarray, x: np.ndarray, modulus: int) -> np.ndarray:
    """a·x mod m, in integers of any length where 64 bits are too few."""
    legal(a.ndim == 1 and x.ndim == 1 and 1 <= modulus < 2**63)
    within(a, modulus)
    within(x, modulus)
    known(len(a) * len(x) <= WORK)
    if modulus < 2**31:
        return np.multiply.outer(a, x) % modulus
    products = [[int(r) * int(t) % modulus for t in x] for r in a]
    return np.array(products, dtype=object).reshape(len(a), len(x))


def psi(formula: str, parameter: int, table: np.ndarray, t: np.ndarray, m: int) -> np.ndarray:
    """ψ at residues, by its table or its formula (docs/theory, section 2)."""
    legal(table.ndim == 1 and parameter >= 0)
    legal(formula in ("table", "sawtooth", "cosine", "bit", "threshold", "square", "triangle"))
    legal(formula != "bit" or parameter < 63)
    if table.size:
        legal(table.size == m)
        return np.asarray(table, np.float64)[t.astype(np.int64)]
    legal(formula != "table")
    of_one: dict[str, Callable[[int], float]] = {
        "sawtooth": lambda r: 0.0 if r == 0 else (2 * r - m) / (2 * m),
        "cosine": lambda r: cosine(_centred(Fraction(parameter * r, m))),
        "bit": lambda r: float(r >> parameter & 1),
        "threshold": lambda r: float(r >= parameter),
        "square": lambda r: 0.0 if r == 0 or 2 * r == m else 1.0 if 2 * r < m else -1.0,
        "triangle": lambda r: 2 * abs(2 * r - m) / m - 1,
    }
    known_values: dict[int, float] = {}
    flat = [known_values.setdefault(r, of_one[formula](r)) for r in map(int, t.reshape(-1))]
    return np.array(flat, dtype=np.float64).reshape(t.shape)


def terms_of(formula: str, table: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The size of what ψ is computed from: a triangle is a number less 1, and the others lose nothing near 0."""
    return np.abs(at) if table.size or formula != "triangle" else np.abs(at) + 2.0


def cosine(turn: Fraction) -> float:
    """The cosine of a turn in [−1/2, 1/2], by its distance to a quarter: as accurate near 0 as anywhere."""
    return math.sin(2 * math.pi * float(Fraction(1, 4) - abs(turn)))


def _centred(t: Fraction) -> Fraction:
    """The same turn in (−1/2, 1/2]."""
    return t - math.ceil(t - Fraction(1, 2))


def wave(shape: str, harmonic: float, cut: Sequence[float], table: np.ndarray, turn: Fraction) -> float:
    """A wave of the real line at an exact turn (docs/theory, section 5)."""
    t = _centred(turn * int(harmonic) if shape in ("cosine", "threshold") else turn)
    whole = t % 1
    if shape == "sawtooth":
        return 0.0 if whole == 0 else float(whole - Fraction(1, 2))
    if shape == "cosine":
        return cosine(t)
    if shape == "threshold":
        return float(whole >= Fraction(cut[0]) + Fraction(cut[1]))
    if shape == "square":
        return 0.0 if whole in (0, Fraction(1, 2)) else 1.0 if whole < Fraction(1, 2) else -1.0
    if shape == "triangle":
        return float(1 - 4 * min(abs(t), 1 - abs(t)))
    return float(table[int(whole * len(table))])


def dedekind(h: int, k: int) -> Fraction:
    """12·s(h, k) by the law of reciprocity, in fractions: O(log k) steps for a k of any size."""
    total, sign = Fraction(0), 1
    divisor = math.gcd(h, k)
    h, k = h // divisor % (k // divisor), k // divisor
    while h:
        total += sign * (Fraction(h, k) + Fraction(k, h) + Fraction(1, h * k) - 3)
        h, k, sign = k % h, h, -sign
    return total


def shifted_dedekind(h: int, k: int, c: int) -> Fraction:
    """σ(h, k, c), term by term in integers."""
    j = np.arange(1, k)
    y = (h * j + c) % k
    return Fraction(3 * int(np.sum(np.where(y == 0, 0, (2 * j - k) * (2 * y - k)))), k * k)
