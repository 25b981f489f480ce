"""Does d(a) at initialisation tell what becomes of training? Rank correlations, AUC, and the oracle horizon beside it.

d(a) = ‖G_a − E G‖² is the deviation of a member's gradient (`GradientVariance.deviations`). Formulas: docs/experiments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barren import _validate
from barren._validate import Floats
from barren.bounds.queries import oracle_horizon
from barren.training import ranks, shapes
from barren.training.phases import Interval

_BLOCK = 1 << 21  # weights of resamples held at once
_MOST_FOR_KENDALL = 2000  # rows up to which τ's resamples are cheap: each costs n² products


@dataclass(frozen=True)
class Statistic:
    """One measure of prediction.

    Attributes:
        value: NaN where it is not defined, and `reason` says why.
        interval: percentiles of the bootstrap, NaN where there is none.
        p_value: of the hypothesis that score and outcome are independent, two-sided, by permutation; at least
            1/(resamples + 1). NaN where there is none; for Kendall's τ, which tests nothing that Spearman's does not.
        resamples: how many resamples the interval is of; those in which the measure is not defined are left out.
        reason: why something is NaN, else None.

    Source: docs/experiments, on whether d(a) predicts.
    """

    value: float
    interval: Interval
    p_value: float
    resamples: int
    reason: str | None = None


@dataclass(frozen=True)
class Prediction:
    """How well a score at initialisation predicts the outcome of training.

    Attributes:
        spearman: rank correlation of score and outcome, in −1..1.
        kendall: τ_b of score and outcome.
        auc: that the score of a learned row is above that of another, ties half: ½ for no prediction.
        rows: how many runs.
        members: how many members they are of.
        learned: how many rows learned.

    Source: docs/experiments, on whether d(a) predicts.
    """

    spearman: Statistic
    kendall: Statistic
    auc: Statistic
    rows: int
    members: int
    learned: int


def auc(scores: object, positive: object) -> float:
    """The area under the ROC curve by ranks: (Σ ranks of positives − P(P + 1)/2)/(P·N), ties with their mean rank.

    Args:
        scores: finite numbers, shape (n,).
        positive: bools, shape (n,): P of them true, N false.

    Returns:
        P(score of a positive > that of a negative) + ½·P(equal); NaN if P or N is 0.

    Raises:
        TypeError: an argument of another kind.
        ValueError: shapes that do not fit, a score that is not finite.

    Cost: one sort.

    Source: docs/experiments, on whether d(a) predicts.

    Example:
        >>> auc([1.0, 2.0, 2.0, 3.0], [False, False, True, True])
        0.875
    """
    values = _validate.array("scores", scores, dimensions=(1,))
    flags = shapes.flags("positive", positive, values.shape)
    return float(ranks.auc(ranks.order_of(values), flags, np.ones((1, len(values))))[0])


def predict(
    scores: object,
    outcomes: object,
    learned: object,
    *,
    members: object = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Prediction:
    """Rank correlation of scores with outcomes and AUC for "learned", with intervals and p-values.

    Intervals are percentiles of a bootstrap over members. Each row its own member: rows are drawn with replacement, for
    the AUC within the learned and within the others. Several rows a member: whole members are drawn, also for the AUC.
    Such intervals are too short for few members; below about twenty of a class they should not be leant on.

    p-values: scores are permuted among the members, p = (1 + #{|T*| ≥ |T|})/(1 + resamples), T the statistic less its
    mean under independence. Members with several rows are permuted whole, which needs equally many rows of each.

    Args:
        scores: d(a) at initialisation, or any score, finite, shape (n,). Only their order counts.
        outcomes: final accuracy, say, finite, shape (n,). Diverged runs are to be left out, and counted in words.
        learned: bools, shape (n,).
        members: which member each row is of, shape (n,); None: all different.
        level: in 0..1, both ends left out.
        resamples: of each bootstrap and of each permutation test, at least 100.
        seed: at least 0.

    Returns:
        A `Prediction`: three `Statistic`s, and how many rows and members they are of.

    Raises:
        TypeError: an argument of another kind.
        ValueError: shapes that do not fit, a number that is not finite, a level out of range.

    Cost: O(resamples·n) and a sort; for Kendall's τ O(resamples·n²), and no interval of it above 2000 rows.

    Source: docs/experiments, on whether d(a) predicts.

    Example:
        >>> final = np.array([0.5, 0.5, 0.6, 0.5, 0.9, 1.0])
        >>> found = predict([1, 2, 3, 4, 5, 6], final, final > 0.8)
        >>> round(found.spearman.value, 3), round(found.kendall.value, 3), found.auc.value, found.auc.p_value < 0.2
        (0.82, 0.745, 1.0, True)
    """
    given = _validate.array("scores", scores, dimensions=(1,))
    final = _validate.vector("outcomes", outcomes, length=len(given))
    flags = shapes.flags("learned", learned, given.shape)
    which = shapes.group_numbers("members", members, len(given))
    plan = _Resampling(
        which,
        shapes.confidence(level),
        _validate.integer("resamples", resamples, low=100),
        _validate.integer("seed", seed, low=0),
    )
    x, y = ranks.order_of(given), ranks.order_of(final)
    return Prediction(
        _correlation(x, y, plan),
        _tau(x, y, plan),
        _area(x, flags, plan),
        len(given),
        plan.members,
        int(flags.sum()),
    )


@dataclass(frozen=True)
class HorizonComparison:
    """One run beside its oracle horizon. Fields are plain numbers: a row of a table.

    Attributes:
        variance: the gradient variance, or a bound on it.
        error: what the gradients are known up to.
        horizon: steps of which a method with that error learns nothing, a whole number or infinity.
        steps: steps that the run took to its threshold; NaN if it did not get there.
        ratio: steps/horizon; NaN without steps, infinity for a horizon of 0.
        sooner: whether the run was done before the horizon. That contradicts no theorem: the oracle may hide what a
            real gradient shows. It says that this horizon does not describe the run.

    Source: docs/experiments, on whether d(a) predicts.
    """

    variance: float
    error: float
    horizon: float
    steps: float
    ratio: float
    sooner: bool


def compare_horizons(
    variances: object, steps: object, *, error: object, probability: float = 0.99
) -> list[HorizonComparison]:
    """The oracle horizon of each run against the steps that it needed.

    Args:
        variances: Var at initialisation, or a bound that holds along the run, at least 0, shape (R,).
        steps: of `steps_to`, NaN for never, shape (R,).
        error: ε of `oracle_horizon`, positive: the resolution of a gradient (its noise over a minibatch, or the
            rounding of the dtype); one number or shape (R,).
        probability: of `oracle_horizon`.

    Returns:
        A `HorizonComparison` a run, in order.

    Raises:
        TypeError: an argument of another kind.
        ValueError: shapes that do not fit, a number out of range.

    Cost: O(R).

    Source: docs/experiments, on whether d(a) predicts.

    Example:
        >>> [row] = compare_horizons([1e-8], [50], error=1e-3, probability=0.75)
        >>> row.horizon, row.ratio, row.sooner
        (25, 2.0, False)
    """
    var = _validate.array("variances", variances, dimensions=(1,))
    at = _validate.array("steps", steps, dimensions=(1,), finite=False)
    if at.shape != var.shape:
        _validate.refuse(ValueError, "steps", f"of shape {var.shape}, as variances", _validate.came(at))
    if (at < 0).any() or np.isinf(at).any():
        _validate.refuse(ValueError, "steps", "at least 0, or NaN for never", _validate.came(steps))
    errors = _validate.array("error", error, dimensions=(0, 1))
    if errors.shape not in ((), var.shape):
        _validate.refuse(ValueError, "error", f"one number or of shape {var.shape}", _validate.came(errors))
    return [
        _compare(float(v), float(t), float(e), probability)
        for v, t, e in zip(var, at, np.broadcast_to(errors, var.shape), strict=True)
    ]


def _compare(variance: float, steps: float, error: float, probability: float) -> HorizonComparison:
    horizon = oracle_horizon(variance, error=error, probability=probability)
    if math.isnan(steps) or (steps == 0 and horizon == 0):
        ratio = math.nan
    else:
        ratio = math.inf if horizon == 0 else steps / horizon
    return HorizonComparison(variance, error, horizon, steps, ratio, bool(steps < horizon))


class _Resampling:
    """How rows are drawn and permuted; every statistic has a stream of its own."""

    def __init__(self, which: NDArray[np.int64], level: float, resamples: int, seed: int) -> None:
        self.which, self.level, self.resamples, self.seed = which, level, resamples, seed
        sizes = np.bincount(which)
        self.members = len(sizes)
        self.single = self.members == len(which)
        self.equal = bool((sizes == sizes[0]).all())

    def interval(
        self, stream: int, statistic: Callable[[Floats], Floats], strata: NDArray[np.bool_] | None = None
    ) -> tuple[Interval, int]:
        """Percentiles of the statistic over resamples, and how many of these it was defined for."""
        streams = [np.random.default_rng([self.seed, stream, part]) for part in range(2)]
        values = np.concatenate([statistic(self._weights(streams, count, strata)) for count in self._blocks()])
        values = values[np.isfinite(values)]
        ends = [0.5 - 0.5 * self.level, 0.5 + 0.5 * self.level]
        low, high = np.quantile(values, ends) if len(values) else (np.nan, np.nan)
        return Interval(float(low), float(high), self.level, "bootstrap"), len(values)

    def p_value(self, stream: int, x: Floats, y: Floats) -> float:
        """Two-sided, of Σ x·y for centred x and y that are multiples of ½: their sums are exact."""
        if not self.equal:
            return math.nan
        rng = np.random.default_rng([self.seed, stream])
        rows = np.argsort(self.which, kind="stable").reshape(self.members, -1)
        observed = abs(float(x @ y))
        blocks, arranged = x[rows], y[rows].reshape(-1)
        reached = 0
        for count in self._blocks():
            mixed = rng.permuted(np.tile(np.arange(self.members), (count, 1)), axis=1)
            reached += int((np.abs(blocks[mixed].reshape(count, -1) @ arranged) >= observed).sum())
        return (1 + reached) / (1 + self.resamples)

    def _blocks(self) -> list[int]:
        step = max(1, _BLOCK // len(self.which))
        return [min(step, self.resamples - start) for start in range(0, self.resamples, step)]

    def _weights(self, streams: list[np.random.Generator], count: int, strata: NDArray[np.bool_] | None) -> Floats:
        """How often each row is drawn, shape (count, n)."""
        if strata is None:
            return _drawn(streams[0], count, self.members)[:, self.which]
        weights = np.empty((count, len(strata)))
        for rng, part in zip(streams, (strata, ~strata), strict=True):
            weights[:, part] = _drawn(rng, count, int(part.sum()))
        return weights


def _drawn(rng: np.random.Generator, count: int, n: int) -> Floats:
    """How often each of n is drawn in n draws, `count` times: shape (count, n)."""
    drawn = rng.integers(0, n, size=(count, n)) + n * np.arange(count)[:, np.newaxis]
    return np.bincount(drawn.reshape(-1), minlength=count * n).reshape(count, n).astype(np.float64)


def _none(plan: _Resampling, reason: str) -> Statistic:
    return Statistic(math.nan, Interval(math.nan, math.nan, plan.level, "bootstrap"), math.nan, 0, reason)


def _undefined(x: ranks.Order, y: ranks.Order) -> str | None:
    """Why a correlation of ranks is not defined."""
    if len(x.group) < 2:
        return "one row has no order"
    if len(x.starts) == 1:
        return "the scores are all equal"
    return "the outcomes are all equal" if len(y.starts) == 1 else None


def _correlation(x: ranks.Order, y: ranks.Order, plan: _Resampling) -> Statistic:
    reason = _undefined(x, y)
    if reason is not None:
        return _none(plan, reason)
    one = np.ones((1, len(x.group)))
    value = float(ranks.spearman(x, y, one)[0])
    interval, used = plan.interval(0, lambda weights: ranks.spearman(x, y, weights))
    p_value = plan.p_value(1, x.centred_ranks(one)[0], y.centred_ranks(one)[0])
    return _complete(Statistic(value, interval, p_value, used), plan)


def _tau(x: ranks.Order, y: ranks.Order, plan: _Resampling) -> Statistic:
    reason = _undefined(x, y)
    if reason is not None:
        return _none(plan, reason)
    value = float(ranks.kendall(x, y, np.ones((1, len(x.group))))[0])
    if len(x.group) > _MOST_FOR_KENDALL:
        reason = f"no interval above {_MOST_FOR_KENDALL} rows"
        return Statistic(value, Interval(math.nan, math.nan, plan.level, "bootstrap"), math.nan, 0, reason)
    interval, used = plan.interval(2, lambda weights: ranks.kendall(x, y, weights))
    return _complete(Statistic(value, interval, math.nan, used), plan)


def _area(x: ranks.Order, learned: NDArray[np.bool_], plan: _Resampling) -> Statistic:
    positives = int(learned.sum())
    if positives == 0:
        return _none(plan, "no row learned")
    if positives == len(learned):
        return _none(plan, "every row learned")
    one = np.ones((1, len(learned)))
    value = float(ranks.auc(x, learned, one)[0])
    centred = np.where(learned, 1.0, 0.0)
    p_value = plan.p_value(4, x.centred_ranks(one)[0], centred)
    if plan.single and min(positives, len(learned) - positives) < 2:
        side = "learned" if positives == 1 else "did not learn"
        empty = Interval(math.nan, math.nan, plan.level, "bootstrap")
        return Statistic(value, empty, p_value, 0, f"one row {side}: no interval")
    interval, used = plan.interval(3, lambda weights: ranks.auc(x, learned, weights), learned if plan.single else None)
    return _complete(Statistic(value, interval, p_value, used), plan)


def _complete(found: Statistic, plan: _Resampling) -> Statistic:
    """The statistic with what is wanting said: one member cannot be resampled, unequal ones not be permuted."""
    if plan.members == 1:
        empty = Interval(math.nan, math.nan, plan.level, "bootstrap")
        return Statistic(found.value, empty, math.nan, 0, "all rows are of one member")
    if not plan.equal:
        reason = "no p-value: members have different numbers of rows"
        return Statistic(found.value, found.interval, found.p_value, found.resamples, reason)
    return found
