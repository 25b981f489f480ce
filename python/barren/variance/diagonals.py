"""Deviations of a whole class on a prime from the wrapped diagonals of Θ, in O(p² log p) (docs/theory, section 3.3).

In discrete-log order ψ̃_a is a cyclic shift of ψ̃. With M = cΘc, the products w_s(i) = ψ̃(g^i)·ψ̃(g^{i+s}) and the wrapped
diagonals M_s(i) = M(g^i, g^{i+s}), the deviation of a = g^j is Σ_s Σ_i w_s(i+j)·M_s(i): a sum of cyclic correlations.
Diagonals are made a band at a time from rectangles of Θ, so Θ itself is never held.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from barren import _core, _fft
from barren._pool import in_order
from barren.classes.correlation import all_differ, halves_of
from barren.classes.group import unit_group
from barren.classes.ratios import zero_excess
from barren.tangents.base import Tangent
from barren.variance.problem import Pairing, Problem, accumulate

# What the arrays of one band may take; more makes no difference to the speed.
_BAND_BYTES = 2**28
# Rows of Θ that the core makes together.
_GROUP = 48
# Groups of a rectangle at most: its corners are wasted, and all threads should have the same work.
_MOST_GROUPS = 4
# Wrapped diagonals that are transformed together: they stay in the second cache, and threads share the work.
_TOGETHER = 32
# Columns of a sample of rows' entries; four samples are taken.
_SAMPLED = 8


def rows_by_logarithm(problem: Problem) -> tuple[np.ndarray, np.ndarray] | None:
    """The row and the weight of each unit in logarithmic order, or None where a unit has more than one row.

    A unit that does not occur is given any row, with the weight 0.
    """
    logarithms = unit_group(problem.cls.p).logarithms[problem.points]
    units = np.flatnonzero(logarithms >= 0)
    if not all_differ(logarithms[units], problem.cls.p - 1):
        return None
    rows, weights = np.zeros(problem.cls.p - 1, dtype=np.int64), np.zeros(problem.cls.p - 1)
    rows[logarithms[units]] = units
    weights[logarithms[units]] = problem.weights[units]
    return rows, weights


def shifts_a_band(order: int, memory: int) -> int:
    """How many wrapped diagonals are made together; five arrays of their size are held, and a quarter is for Θ."""
    return int(np.clip(min(memory - memory // 4, _BAND_BYTES) // (40 * order), 1, order // 2 + 1))


def rows_a_rectangle(shifts: int) -> int:
    """How many rows of Θ are made together for so many diagonals: few, since the corners of a rectangle are wasted."""
    return int(np.clip(shifts // 4 // _GROUP, 1, _MOST_GROUPS)) * _GROUP


def bytes_within(order: int, memory: int, workers: int) -> int:
    """What the arrays of one band take, and a rectangle of Θ a worker, as far as they fit."""
    shifts = shifts_a_band(order, memory)
    each, band = _rectangle_bytes(shifts), 40 * order * shifts
    return band + each * _workers_within(workers, each, memory - band)


def least_bytes(order: int) -> int:
    """What a band of one diagonal takes, and one rectangle."""
    return bytes_within(order, 0, 1)


def _rectangle_bytes(shifts: int) -> int:
    """What a worker holds: the rectangles of one layer and the next, each as it came and weighted, and their sum."""
    rows = rows_a_rectangle(shifts)
    return 40 * rows * (rows + shifts)


def _workers_within(workers: int, each: int, room: int) -> int:
    """How many workers there are, if each takes so many bytes: where rectangles are cut does not depend on it."""
    return int(np.clip(room // each, 1, workers))


def overhead(order: int, memory: int) -> float:
    """How many entries of Θ are made for each that is needed."""
    shifts = shifts_a_band(order, memory)
    return 1.0 + rows_a_rectangle(shifts) / shifts


def run(problem: Problem, memory: int) -> Pairing | None:
    """Var of every layer and d(a) of every member; None if the model turns out to need too many columns for blocks.

    Args:
        problem: a whole class on a prime modulus, with no more than one row a unit.
        memory: bytes that a band may take.
    """
    places = rows_by_logarithm(problem)
    assert places is not None
    rows, weights = places
    tangent = problem.tangent.take(rows)
    tangent.ready(problem.threads)
    if not tangent.ntk_is_cheap:
        return None
    bands = _Bands(problem, tangent, weights, memory)
    forms = _Forms(problem)
    kernel = whole_kernel(problem)
    per_layer: dict[str, float] = {}
    diagonal = 0.0
    for shifts, sums, diagonals in bands:
        twice = np.where((shifts == 0) | (2 * shifts == bands.order), 1.0, 2.0)
        for layer, amounts in sums.items():
            accumulate(per_layer, layer, float((twice * kernel[shifts]) @ amounts))
            diagonal += float(kernel[0] * amounts[0]) if shifts[0] == 0 else 0.0
        forms.add(shifts, twice, diagonals)
    norms, outputs = _of_points(problem, rows, bands.tangent)
    deviations = forms.deviations(bands.offset)
    return Pairing(per_layer, deviations, squared_norms=norms, outputs=outputs, diagonal=diagonal)


def _of_points(problem: Problem, rows: np.ndarray, taken: Tangent) -> tuple[np.ndarray, np.ndarray | None]:
    """‖J(x)‖² and N(x) of every point, from the tangent at the units; N only where it was made on the way."""
    absent = np.flatnonzero(unit_group(problem.cls.p).logarithms[problem.points] < 0)
    rest = problem.tangent.take(absent) if len(absent) else None
    norms = np.empty(len(problem.points))
    norms[rows] = taken.squared_norms()
    if rest is not None:
        norms[absent] = rest.squared_norms()
    if taken.outputs_at_hand is None:
        return norms, None
    outputs = np.empty(len(problem.points))
    outputs[rows] = taken.outputs_at_hand
    if rest is not None:
        outputs[absent] = rest.outputs
    return norms, outputs


def whole_kernel(problem: Problem) -> np.ndarray:
    """κ by difference of logarithms, of "units" or "all" (docs/theory, section 2)."""
    cls = problem.cls
    kernel = cls.kernel_by_ratio()
    if cls.multipliers == "units":
        return kernel
    p = cls.p
    return np.asarray((p - 1) / p * kernel + (p - 1) / p**2 * zero_excess(cls) ** 2)


class _Bands:
    """Bands of wrapped diagonals of M = cΘc − u_i − u_j, in logarithmic order.

    ψ̃ sums to zero, so u changes no deviation; u about the row means of M takes out the constant part of Θ, whose
    rounding in the transforms would cost digits.
    """

    def __init__(self, problem: Problem, tangent: Tangent, weights: np.ndarray, memory: int) -> None:
        self.order = len(weights)
        self.tangent, self.weights = tangent, weights
        self.threads = problem.threads
        self.shifts = shifts_a_band(self.order, memory)
        each, room = _rectangle_bytes(self.shifts), memory - 40 * self.order * self.shifts
        self.workers = _workers_within(self.tangent.workers(problem.threads), each, room)
        self.height = rows_a_rectangle(self.shifts)
        self.reduced = problem.rows_vanish
        self.offset = _about_row_means(self.tangent, weights, self.reduced)

    def __iter__(self) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
        """(s, layer -> Σ_i M_layer(i, i+s), M_s(i) of shape (len(s), p−1)), for s = 0..(p−1)/2; sums without u."""
        last = self.order // 2 + 1
        for first in range(0, last, self.shifts):
            shifts = np.arange(first, min(first + self.shifts, last))
            sums: dict[str, np.ndarray] = {}
            diagonals = np.empty((len(shifts), self.order))

            def fill(start: int, shifts: np.ndarray = shifts, into: np.ndarray = diagonals) -> dict[str, np.ndarray]:
                return self._fill(start, shifts, into)

            for amounts in in_order(fill, iter(range(0, self.order, self.height)), self.workers):
                for layer, amount in amounts.items():
                    sums[layer] = sums[layer] + amount if layer in sums else amount
            yield shifts, sums, diagonals

    def _fill(self, start: int, shifts: np.ndarray, diagonals: np.ndarray) -> dict[str, np.ndarray]:
        """Writes M_s(i) for the rows of one rectangle; layer -> Σ_i M_layer(i, i+s) over these rows."""
        stop = min(start + self.height, self.order)
        sums: dict[str, np.ndarray] = {}
        total = None
        with self.tangent.limited(1 if self.workers > 1 else self.threads):  # of each thread that makes rectangles
            for layer, rectangle in self._rectangles(start, stop, int(shifts[0]), len(shifts)):
                sums[layer] = _diagonals(rectangle, len(shifts)).sum(axis=0)
                if total is None:
                    total = rectangle
                else:
                    total += rectangle
        assert total is not None
        total -= self.offset[start:stop, None]
        total -= self.offset[np.arange(start + shifts[0], stop + shifts[-1]) % self.order]
        diagonals[:, start:stop] = _diagonals(total, len(shifts)).T
        return sums

    def _rectangles(self, start: int, stop: int, first: int, count: int) -> Iterator[tuple[str, np.ndarray]]:
        """(layer, c·Θ_layer·c) for rows start..stop−1 and the columns that `count` diagonals from `first` on need."""
        left, right = start + first, stop + first + count - 1
        pieces: list[Iterator[tuple[str, np.ndarray]]] = []
        while left < right:  # columns wrap around
            low = left % self.order
            high = min(self.order, low + right - left)
            pieces.append(self.tangent.ntk(slice(start, stop), slice(low, high), reduced=self.reduced))
            left += high - low
        columns = self.weights[np.arange(start + first, right) % self.order]
        for parts in zip(*pieces, strict=True):
            joined = np.concatenate([block for _, block in parts], axis=1, dtype=np.float64)
            joined *= self.weights[start:stop, None]
            joined *= columns
            yield parts[0][0], joined


def _diagonals(rectangle: np.ndarray, count: int) -> np.ndarray:
    """View of rectangle[i, i + s] for s < count, shape (rows, count)."""
    down, right = rectangle.strides
    return np.lib.stride_tricks.as_strided(rectangle, (len(rectangle), count), (down + right, right), writeable=False)


def _about_row_means(tangent: Tangent, weights: np.ndarray, reduced: bool) -> np.ndarray:
    """u_i = r_i − r̄/2, r_i the mean of row i of cΘc over some columns: near enough to take out what is constant."""
    n = len(weights)
    starts = np.unique(np.linspace(0, max(0, n - _SAMPLED), 4).astype(int))
    means = np.zeros(n)
    for start in starts:
        columns = slice(int(start), min(n, int(start) + _SAMPLED))
        for _, block in tangent.ntk(slice(0, n), columns, reduced=reduced):
            means += block @ weights[columns]
    means *= weights / (len(starts) * min(n, _SAMPLED))
    return np.asarray(means - 0.5 * means.mean())


class _Forms:
    """Σ_{i,k} ψ̃(i+j)·ψ̃(k+j)·M(i, k) for every j, gathered from bands of wrapped diagonals."""

    def __init__(self, problem: Problem) -> None:
        self.cls, self.workers = problem.cls, problem.threads or _core.available_threads()
        self.group, self.order = unit_group(problem.cls.p), problem.cls.p - 1
        table = self.cls.table()
        psi = table[self.group.powers]
        mean = psi.mean()
        self.zero_excess = zero_excess(self.cls)
        self.psi = psi - mean
        # Of an even or odd ψ̃ the products w_s have the period (p−1)/2: half as long a transform.
        self.length = self.order // (2 if halves_of(self.cls) < 2 else 1)
        self.spectrum = np.zeros(self.length // 2 + 1, dtype=np.complex128)
        self.row_sums = np.zeros(self.order) if self.cls.multipliers == "all" else None

    def add(self, shifts: np.ndarray, twice: np.ndarray, diagonals: np.ndarray) -> None:
        """Adds M_s for these s; those that stand for −s too count twice."""
        if self.row_sums is not None:
            for shift, weight, diagonal in zip(shifts, twice, diagonals, strict=True):
                self.row_sums += diagonal
                if weight == 2.0:
                    self.row_sums += np.roll(diagonal, shift)
        doubled = np.concatenate([self.psi, self.psi])
        shifted = np.lib.stride_tricks.as_strided(
            doubled[shifts[0] :], (len(shifts), self.length), (doubled.strides[0], doubled.strides[0]), writeable=False
        )

        def share(start: int) -> np.ndarray:
            some = slice(start, start + _TOGETHER)
            products = self.psi[: self.length] * shifted[some]
            products *= twice[some, None]
            folded = diagonals[some]
            if self.length < self.order:
                folded = folded[:, : self.length] + folded[:, self.length :]
            transformed = _fft.rfft(folded, 1)
            np.conj(transformed, out=transformed)
            return np.asarray(np.einsum("sf,sf->f", _fft.rfft(products, 1), transformed))

        for spectrum in in_order(share, iter(range(0, len(shifts), _TOGETHER)), self.workers):
            self.spectrum += spectrum

    def deviations(self, offset: np.ndarray) -> np.ndarray:
        """d(a) of every member; `offset` is the u that was taken from rows and columns."""
        cls = self.cls
        forms = _fft.irfft(self.spectrum, n=self.length)
        if self.length < self.order:
            forms = np.concatenate([forms, forms])
        members = cls.members
        units = members != 0
        out = np.empty(cls.size)
        if self.row_sums is not None:
            # ψ̃ over all of Z_p is ψ̃ over the units less one constant; at a = 0 it is a constant.
            row_sums = self.row_sums + self.order * offset + offset.sum()
            total = row_sums.sum()
            constant = self.zero_excess / cls.p
            cross = _fft.irfft(_fft.rfft(self.psi) * np.conj(_fft.rfft(row_sums)), n=self.order)
            forms = forms + constant**2 * total - 2.0 * constant * cross
            out[~units] = ((1.0 - 1.0 / cls.p) * self.zero_excess) ** 2 * total
        out[units] = forms[self.group.logarithms[members[units]]]
        return out
