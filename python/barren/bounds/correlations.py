"""How nearly orthogonal the members of a class are: the correlation of every pair (docs/theory, section 4.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from barren import _validate
from barren._validate import Floats
from barren.bounds.eigen import LARGEST_BYTES
from barren.bounds.finite import at_points
from barren.bounds.modular import is_uniform_prime
from barren.bounds.real_line import Gram
from barren.bounds.sharp import gram_of, resolved
from barren.classes import ModularMultiplication, TargetClass
from barren.inputs import Law, RealLaw, Uniform

_BLOCK_BYTES = 1 << 25
_CONSTANT = 1e-24  # a member whose variance over x is below this part of its square is a constant


@dataclass(frozen=True)
class Correlations:
    """|ρ(a, b)| over all pairs a ≠ b of members that are not constant.

    Attributes:
        by_ratio: for a whole class on a prime and a uniform law, ρ of the members a and a·g^k for k = 0..p−2, g the
            root of ``unit_group(p)``, float64 of shape (p−1,); otherwise None.
        members: the members of these pairs, shape (m,).
        pairs: how many pairs there are.
        largest: the largest |ρ|; 0 where there is no pair.
        root_mean_square: (Σρ²/pairs)^½.

    Source: docs/theory, section 4.4.
    """

    by_ratio: Floats | None
    members: np.ndarray = field(repr=False)
    pairs: int
    largest: float
    root_mean_square: float
    _sizes: Floats = field(repr=False)
    _counts: np.ndarray | None = field(repr=False)

    def quantile(self, q: float) -> float:
        """The least |ρ| that at least the part q of all pairs does not exceed.

        Args:
            q: the part, in 0..1; 0.5 is the median.

        Raises:
            ValueError: q outside 0..1.
        """
        q = _validate.real("q", q, low=0.0, high=1.0)
        if self.pairs == 0:
            return 0.0
        if self._counts is None:
            return float(self._sizes[max(0, int(np.ceil(q * self.pairs)) - 1)])
        below = np.cumsum(self._counts)
        return float(self._sizes[min(int(np.searchsorted(below, q * self.pairs)), len(below) - 1)])


def correlations(cls: TargetClass, inputs: Law | RealLaw | None = None) -> Correlations:
    """Every pairwise correlation ρ(a, b) = Cov_x(h_a, h_b)/(Var_x(h_a)·Var_x(h_b))^½.

    Orthogonal members would have ρ = 0. For a whole class on a prime and a uniform law ρ depends on b/a alone, so one
    vector of ratios tells of all pairs: with κ of ``kernel_by_ratio`` and x ≠ 0 it is κ[k]/κ[0]; with x = 0 both gain
    (m − ψ(0))²/p, m the mean of ψ over the units. Sawtooth: ρ = 12·s(b/a, p)/p up to the factor that makes ρ(a, a) = 1.

    Args:
        cls: the class.
        inputs: the law of x; default as for `sharp_bound`.

    Returns:
        A `Correlations`: `largest`, `root_mean_square`, `quantile(q)` over all pairs.

    Raises:
        ValueError: no closed form is known and the correlations of all pairs would take more than 2 GiB.

    Cost: O(p log p) by ratios; otherwise O(members²·n) and 4·members² bytes.

    Source: docs/theory, section 4.4.

    Example:
        >>> import barren
        >>> found = correlations(barren.ModularMultiplication(101))
        >>> found.pairs, round(found.largest, 12), round(found.quantile(0.5), 3)
        (4950, 1.0, 0.059)
    """
    asked = cls
    cls, law, _ = resolved(cls, inputs)
    if law is None:
        _check_pairs(cls.size)
    if is_uniform_prime(cls, law):
        return _from_ratios(cls, law)
    members, blocks = correlation_rows(cls, law, asked)
    count = len(members)
    _check_pairs(count)
    sizes = np.empty(count * (count - 1) // 2)
    filled = 0
    for start, block in blocks:
        for i, row in enumerate(block, start):
            sizes[filled : filled + count - 1 - i] = np.abs(row[i + 1 :])
            filled += count - 1 - i
    sizes.sort()
    return _summary(None, members, sizes, None)


def _check_pairs(count: int) -> None:
    if 4 * count**2 > LARGEST_BYTES:
        _validate.refuse(ValueError, "cls", "a class whose pairs fit in 2 GiB here", f"{count} members")


def correlation_by_ratio(cls: ModularMultiplication, law: Law | RealLaw | None) -> Floats:
    """ρ(a, a·g^k) for k = 0..p−2; ψ constant on the law's points gives zeros."""
    ratios = np.array(cls.kernel_by_ratio())
    if isinstance(law, Uniform) and law.zero:
        # Over all of Z_p the mean is μ = m + (ψ(0) − m)/p: Σ_x gains (p−1)(m − μ)² from the units, (ψ(0) − μ)² from 0.
        table, p = cls.table(), cls.p
        ratios += float(table[0] - table[1:].mean()) ** 2 / p
    return ratios / ratios[0] if ratios[0] > 0.0 else ratios


def correlation_rows(
    cls: TargetClass, law: Law | RealLaw | None, asked: TargetClass
) -> tuple[np.ndarray, Iterator[tuple[int, Floats]]]:
    """The members that are not constant on the law's points, and rows of the matrix of ρ: (first row, block).

    Args:
        cls: the class that is computed with.
        law: the law of x in it.
        asked: the class that was asked for, whose members are returned: frequencies, of which `cls` has residues.

    Raises:
        ValueError: the values of all members would take more than 2 GiB.
    """
    size = cls.size
    if law is None:
        return cls.members, _gram_rows(gram_of(cls))
    at = at_points(cls, law)
    if 8 * size * at.n > LARGEST_BYTES:
        expected = "a class whose values at all points fit in 2 GiB here"
        _validate.refuse(ValueError, "cls", expected, f"{size} members and {at.n} points")
    values = cls.values(cls.members, at.points)
    squares = values**2 @ at.weights
    values -= (values @ at.weights)[:, None]
    values *= np.sqrt(at.weights)
    norms = np.sqrt(np.einsum("ai,ai->a", values, values))
    varies = norms**2 > _CONSTANT * squares
    values = values[varies] / norms[varies, None]
    return asked.members[varies], _rows(values)


def _gram_rows(gram: Gram) -> Iterator[tuple[int, Floats]]:
    step = max(1, _BLOCK_BYTES // (8 * gram.size))
    for start in range(0, gram.size, step):
        yield start, gram.rows(start, min(start + step, gram.size)) / gram.norm


def _rows(values: Floats) -> Iterator[tuple[int, Floats]]:
    step = max(1, _BLOCK_BYTES // (8 * max(1, len(values))))
    for start in range(0, len(values), step):
        yield start, values[start : start + step] @ values.T


def _from_ratios(cls: ModularMultiplication, law: Law | RealLaw | None) -> Correlations:
    ratios, order = correlation_by_ratio(cls, law), cls.p - 1
    members = cls.members[cls.members > 0]  # x -> ψ(0·x) is constant
    if ratios[0] == 0.0:
        return _summary(ratios, members[:0], np.empty(0), None)
    half = order // 2
    # Ratios g^k and g^{−k} are the same pairs; each k < half has p − 1 of them, and g^half = −1 pairs a with −a.
    counts = np.full(half, order, dtype=np.int64)
    counts[-1] = half
    sizes = np.abs(ratios[1 : half + 1])
    ascending = np.argsort(sizes, kind="stable")
    ratios.setflags(write=False)
    return _summary(ratios, members, sizes[ascending], counts[ascending])


def _summary(by_ratio: Floats | None, members: np.ndarray, sizes: Floats, counts: np.ndarray | None) -> Correlations:
    pairs = len(sizes) if counts is None else int(counts.sum())
    total = float(sizes @ sizes) if counts is None else float(sizes**2 @ counts)
    largest = float(sizes[-1]) if pairs else 0.0
    return Correlations(by_ratio, members, pairs, largest, (total / pairs) ** 0.5 if pairs else 0.0, sizes, counts)
