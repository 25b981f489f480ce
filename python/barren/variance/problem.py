"""The two sides of a pairing, brought together: a class under a law of x, and the tangent of a model at its points."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from barren._validate import WORD_LIMIT, Floats
from barren.classes import ModularMultiplication, Parity
from barren.inputs import Law, RealLaw
from barren.tangents.base import Tangent
from barren.tangents.given import GivenJacobian
from barren.variance.invariance import common_step, permutes_points, sees_no_constant

if TYPE_CHECKING:
    from barren.variance.lookups import Labels

# Lists of members and points of so many bytes are made under any memory limit: to tell what every method needs.
SMALL_LISTS = 2**24
# A column that varies by less than this part of its size among so many rows is nearly a constant.
_STEADY, _SAMPLED = 2.0**-8, 64


@dataclass(frozen=True)
class Problem:
    """What every method is given.

    Attributes:
        cls: the target class that is computed with, of ψ less its constant, which no variance sees: the one asked for,
            or the modular class that it is on a grid. In the methods of `variance.frequency` alone it is a class of
            `Frequencies`, whatever is written here, and in those of `variance.parity` one of `Parity`.
        law: the law of x in that class.
        points: the points of the law, int64 (for p >= 2**63 Python integers) or float64, shape
            (n,), or (n, d) in R^d.
        weights: their probabilities c, float64, shape (n,), summing to one.
        tangent: the model at these points, row i belonging to points[i].
        threads: threads for the compiled core and the Fourier transforms; 0 means all.
        memory_limit: bytes that a method may use beside what it was given.
        deviations: whether the deviation of every member is wanted.
        per_parameter: whether the variance of every single parameter is wanted.
        rtol: the relative standard error that an estimate may have, or None where none was asked for.
        seed: of the random vectors of an estimate.
        labels: the derivatives of a loss that is not affine in the label, else None.
        whole: whether given multipliers are the whole class, and no sample of a larger one.
        prepared: seconds that it took to check the arguments, the model among them, and to tabulate the loss.
    """

    cls: ModularMultiplication
    law: Law | RealLaw
    points: np.ndarray
    weights: np.ndarray
    tangent: Tangent
    threads: int
    memory_limit: int
    deviations: bool
    per_parameter: bool = False
    rtol: float | None = None
    seed: int = 0
    labels: Labels | None = None
    whole: bool = False
    prepared: float = 0.0

    @property
    def is_sample(self) -> bool:
        """Whether the members are some multipliers of all units, so that the value has a standard error."""
        return not self.whole and isinstance(self.cls, ModularMultiplication) and self.cls.multipliers == "set"

    @property
    def is_listed(self) -> bool:
        """Whether the members can be listed, and with them tables of length p."""
        cls: object = self.cls
        if isinstance(cls, ModularMultiplication):
            return cls.p < WORD_LIMIT and self.list_bytes <= max(self.memory_limit, SMALL_LISTS)
        return self.cls.has_members and self.list_bytes <= self.memory_limit

    @property
    def list_bytes(self) -> int:
        """What the lists of members and points take."""
        return 8 * self.cls.size + 16 * self.points.size

    @functools.cached_property
    def rows_vanish(self) -> bool:
        """Whether Σ_j c_j K(x_i, x_j) = 0 for every i: every member sees the same of a constant (`invariance`)."""
        return sees_no_constant(self.cls, self.points[self.varies], self.weights[self.varies])

    @functools.cached_property
    def points_are_permuted(self) -> bool:
        """Whether Σ_x c_x·f(a·x) is the same for every member, whatever f is (`invariance`)."""
        return permutes_points(self.cls, self.points[self.varies], self.weights[self.varies])

    @functools.cached_property
    def varies(self) -> np.ndarray:
        """Which points tell members apart, shape (n,): at x = 0 all have one value; parities of k ones at 1…1 too.

        Nor does any x that the members, all equal modulo a divisor of p, take to one residue.
        """
        cls: object = self.cls
        if isinstance(cls, ModularMultiplication) and (step := common_step(cls)) > 1:
            residues: np.ndarray = self.points % (cls.p // step) != 0
            return residues
        found: np.ndarray = self.points != 0
        if isinstance(cls, Parity) and cls.weight is not None:
            found &= self.points != cls.points - 1
        return found if found.ndim == 1 else np.asarray(found.any(axis=1))

    @functools.cached_property
    def varying_weights(self) -> Floats:
        """The weights of x, 0 where no members are told apart, as at x = 0: such points are in no deviation."""
        return np.where(self.varies, self.weights, 0.0)

    def of_varying(self) -> Problem:
        """The same variance from less: points such as x = 0 weigh 0, and of a given Jacobian their rows are left out.

        A row would be in the means that are taken off all of them, and may be as large as it likes.
        """
        if self.varies.all() or not self.varies.any():
            return self
        if isinstance(self.tangent, GivenJacobian):
            return self.take(self.varies)
        return replace(self, weights=self.varying_weights)

    def take(self, kept: np.ndarray) -> Problem:
        """The problem of some points, by a mask of shape (n,); those that are left out must be in no deviation."""
        rows, labels = np.flatnonzero(kept), self.labels
        if labels is not None and labels.slopes is not None:
            labels = replace(labels, slopes=labels.slopes[rows])
        tangent = self.tangent.take(rows)
        return replace(self, points=self.points[rows], weights=self.weights[rows], tangent=tangent, labels=labels)

    def centred(self, block: np.ndarray) -> np.ndarray:
        """Columns of J less a constant each, where it gives no response but its rounding; else as they are."""
        return block - self.mean_row(block) if self.rows_vanish else block

    def steadied(self, block: np.ndarray) -> np.ndarray:
        """The same where a column is nearly a constant, to judge by some rows; else a constant is not worth a pass.

        For methods that sum in float64 and take differences of neighbours, so that few digits are lost otherwise.
        """
        kept = np.flatnonzero(self.varies) if self.rows_vanish else np.empty(0, dtype=np.int64)
        if not kept.size:
            return block
        some = block[kept[np.linspace(0, kept.size - 1, min(kept.size, _SAMPLED)).astype(np.int64)]]
        high, low = some.max(axis=0), some.min(axis=0)
        steady = bool((high - low < _STEADY * np.maximum(np.abs(high), np.abs(low))).any())
        return self.centred(block) if steady else block

    def mean_row(self, block: np.ndarray) -> np.ndarray:
        """The mean of the rows of a block of columns that belong to points that tell members apart; in its dtype."""
        return mean_of(block, self.varies)

    @property
    def needs_deviations(self) -> bool:
        """Whether d(a) is computed: asked for, or needed for the standard error of a given set."""
        return self.deviations or self.is_sample


@dataclass(frozen=True)
class Estimate:
    """An estimate of a variance: a part that is exact and a part from random probes.

    Attributes:
        exact: the part without error.
        probed: the mean of the probes.
        error: its standard error.
        freedom: the degrees of freedom of the χ² distribution that matches its mean and variance.
        probes: how many.
        note: one line on how they were made.
    """

    exact: float
    probed: float
    error: float
    freedom: float
    probes: int
    note: str = ""

    @property
    def value(self) -> float:
        """The estimate."""
        return self.exact + self.probed

    def interval(self, confidence: float) -> tuple[float, float]:
        """A confidence interval: a sum of few squares looks like a scaled χ² variable of `freedom` degrees."""
        from scipy.stats import chi2

        if not np.isfinite(self.freedom):
            return self.value, self.value
        low, high = chi2.ppf([0.5 + confidence / 2, 0.5 - confidence / 2], self.freedom).tolist()
        return self.exact + self.freedom * self.probed / low, self.exact + self.freedom * self.probed / high


@dataclass(frozen=True)
class Pairing:
    """What every method returns.

    Attributes:
        per_layer: the gradient variance of each layer; the total is their sum.
        deviations: d(a) = ‖G_a − E G‖² for every member, float64, shape (members,), or None if not wanted.
        per_parameter: layer -> the variance of each of its parameters, float64, or None if not wanted.
        estimate: where it is one and not exact.
        squared_norms: ‖J(x)‖² of every point where the method has them at hand, else None.
        outputs: N(x) of every point where the method has them at hand, else None.
        diagonal: Σ_x c_x²·K(x, x)·Θ(x, x) where Θ was paired entry by entry, of that Θ, else None: what Var would be if
            no two points had to do with each other, and the measure of what rounding leaves of it.
    """

    per_layer: dict[str, float]
    deviations: np.ndarray | None
    per_parameter: dict[str, np.ndarray] | None = None
    estimate: Estimate | None = None
    squared_norms: np.ndarray | None = None
    outputs: np.ndarray | None = None
    diagonal: float | None = None

    @property
    def variance(self) -> float:
        """The gradient variance: the sum over the layers."""
        return float(sum(self.per_layer.values()))


def accumulate(totals: dict[str, float], layer: str, amount: float) -> None:
    """Adds to a layer's share: column blocks of one layer come one after another."""
    totals[layer] = totals.get(layer, 0.0) + float(amount)


class Shares:
    """What each layer, and where wanted each parameter, adds to the variance, block of columns by block."""

    def __init__(self, problem: Problem) -> None:
        self._per_layer: dict[str, float] = {}
        self._columns: dict[str, list[np.ndarray]] | None = {} if problem.per_parameter else None

    def add(self, layer: str, variances: np.ndarray) -> None:
        """The variances of the next columns of a layer, shape (b,)."""
        accumulate(self._per_layer, layer, float(variances.sum()))
        if self._columns is not None:
            self._columns.setdefault(layer, []).append(variances)

    def pairing(self, deviations: np.ndarray | None) -> Pairing:
        """All of it, with the deviations."""
        columns = self._columns
        joined = None if columns is None else {layer: np.concatenate(parts) for layer, parts in columns.items()}
        return Pairing(self._per_layer, deviations, joined)


def mean_of(block: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The mean of some rows, kept (n,) bool, in the dtype of the block; a copy only if more than the first go."""
    gone = np.flatnonzero(~kept)
    rows = block if not gone.size else block[1:] if gone.tolist() == [0] else block[kept]
    found: np.ndarray = rows.mean(axis=0, dtype=np.float64).astype(block.dtype) if len(rows) else 0.0 * block[0]
    return found
