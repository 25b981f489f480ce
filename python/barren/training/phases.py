"""What became of a run, by stated thresholds, and whether its accuracy is above chance (docs/experiments)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from barren import _validate
from barren._intervals import t_interval
from barren._validate import Floats
from barren.training import shapes
from barren.training.metrics import steps_to

PHASES = ("fails", "memorises", "generalises", "generalises late", "diverged")


@dataclass(frozen=True)
class Thresholds:
    """Where the phases of a run begin. The defaults are for accuracies.

    For relative losses a choice is ``Thresholds(train=0.05, test=0.1, rising=False)``.

    Args:
        train: what the metric on the training set is to reach.
        test: what the metric on the test set is to reach.
        late: a run generalises late if the test set's step is more than `late` times the training set's; at least 1.
        records: how many records in a row a threshold is to be kept, so that a lucky one does not count; at least 1.
        rising: whether the metric rises (accuracy) or falls (loss).

    Raises:
        TypeError: an argument of another kind.
        ValueError: late < 1, records < 1.

    Source: docs/experiments, on steps and phases.
    """

    train: float = 0.99
    test: float = 0.95
    late: float = 10.0
    records: int = 1
    rising: bool = True

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            object.__setattr__(self, name, _validate.real(name, getattr(self, name)))
        object.__setattr__(self, "late", _validate.real("late", self.late, low=1.0))
        object.__setattr__(self, "records", _validate.integer("records", self.records, low=1))
        object.__setattr__(self, "rising", _validate.boolean("rising", self.rising))


def phases(
    steps: object,
    train: object,
    test: object,
    thresholds: Thresholds | None = None,
    *,
    diverged: object = None,
) -> NDArray[np.str_]:
    """The phase of every run, one of `PHASES`.

    With s and t the first steps at which the thresholds on the training and the test set are reached (`steps_to`):
    "fails" without s and t; "memorises" with s and without t; "generalises late" if t > late·max(s, 1);
    "generalises" with t otherwise, also without s. "diverged" comes before all others.

    s and t are known up to the distance between two records, so the records bound what "late" can tell.

    Args:
        steps: of the records, increasing, at least 0; shape (T,).
        train: the metric on the training set, shape (T,) or (R, T).
        test: the metric on the test set, of the same shape.
        thresholds: default `Thresholds()`.
        diverged: bool, shape () or (R,): which runs diverged; a NaN in a history is then a record that was not made
            (after an early stop). None: those with a record that is not finite.

    Returns:
        Text, dtype str, of shape () or (R,).

    Raises:
        TypeError: an argument of another kind.
        ValueError: shapes that do not fit, steps that do not increase.

    Cost: O(R·T).

    Source: docs/experiments, on steps and phases.

    Example:
        >>> learnt, late = [0.5, 1.0, 1.0, 1.0], [0.5, 0.5, 0.6, 1.0]
        >>> phases([0, 10, 100, 1000], [learnt, learnt, learnt], [learnt, late, [0.5, 0.5, 0.5, 0.5]]).tolist()
        ['generalises', 'generalises late', 'memorises']
    """
    at = shapes.step_numbers(steps)
    chosen = Thresholds() if thresholds is None else thresholds
    _validate.instance("thresholds", chosen, Thresholds, "Thresholds or None")
    histories = [_history(name, value, len(at)) for name, value in (("train", train), ("test", test))]
    if histories[0].shape != histories[1].shape:
        _validate.refuse(
            ValueError, "test", f"of the shape of train, {histories[0].shape}", _validate.came(histories[1])
        )
    lost = ~np.isfinite(histories).all(axis=(0, -1))
    if diverged is not None:
        lost = shapes.flags("diverged", diverged, histories[0].shape[:-1])
    memorised, generalised = (
        steps_to(at, history, level, rising=chosen.rising, records=chosen.records)
        for history, level in zip(histories, (chosen.train, chosen.test), strict=True)
    )
    known = np.isfinite(generalised)
    late = known & (generalised > chosen.late * np.maximum(memorised, 1.0))  # false where s is NaN
    return np.select(
        [lost, late, known, np.isfinite(memorised)],
        ["diverged", "generalises late", "generalises", "memorises"],
        "fails",
    )


@dataclass(frozen=True)
class Interval:
    """A confidence interval: `low`, `high`, its level, and the method's name. NaN ends: there is none.

    Attributes:
        low: its lower end.
        high: its upper end.
        level: in 0..1.
        method: how it was made.

    Source: docs/experiments, on learned.
    """

    low: float
    high: float
    level: float
    method: str


def lower_bound(accuracy: object, points: object, *, level: float = 0.99) -> Floats:
    """The exact one-sided lower bound (Clopper and Pearson) on the accuracy behind an accuracy on test points.

    With k of n points right it is the q at which P(Binomial(n, q) ≥ k) = 1 − level, the quantile 1 − level of
    Beta(k, n − k + 1); 0 for k = 0. It exceeds the true accuracy with probability at most 1 − level.

    Args:
        accuracy: k/n, shape () or (R,); NaN for a run that diverged.
        points: n, shape () or (R,).
        level: in 0..1, both ends left out.

    Returns:
        float64 of shape () or (R,); NaN where the accuracy is.

    Raises:
        TypeError: an argument of another kind.
        ValueError: accuracies that are no multiple of 1/points, a level out of range.

    Cost: one quantile a run.

    Source: docs/experiments, on learned; C. Clopper and E. Pearson, 1934.

    Example:
        >>> lower_bound([0.5, 1.0], 1000).round(4)
        array([0.4628, 0.9954])
    """
    from scipy.stats import beta

    right, n = _counts(accuracy, points)
    level = shapes.confidence(level)
    inside = right > 0
    safe = np.where(inside, right, 1.0)
    bound = np.where(inside, beta.ppf(1.0 - level, safe, n - safe + 1.0), 0.0)
    return np.where(np.isnan(right), np.nan, bound)


def learned(accuracy: object, points: object, chance: object, *, level: float = 0.99) -> NDArray[np.bool_]:
    """Whether the lower bound of the test accuracy is above chance; never for a run that diverged.

    A run that guesses by a coin of its own at every point is called learned with probability at most 1 − level: of a
    hundred such runs one is. A run that guesses a constant never is: chance is the best constant on the same labels.

    Args:
        accuracy: on the test set, shape () or (R,).
        points: how many the test set has, shape () or (R,).
        chance: the accuracy of the best constant there (`constant_accuracy`), in 0..1, shape () or (R,).
        level: of the one-sided bound.

    Returns:
        bool of shape () or (R,).

    Raises:
        TypeError: as for `lower_bound`.
        ValueError: as for `lower_bound`, and for a chance out of range.

    Cost: that of `lower_bound`.

    Source: docs/experiments, on learned; C. Clopper and E. Pearson, 1934.

    Example:
        >>> learned([0.53, 0.54, float("nan")], 1000, 0.5)
        array([False,  True, False])
    """
    bound = lower_bound(accuracy, points, level=level)
    by_chance = _validate.array("chance", chance, dimensions=(0, 1))
    if (by_chance < 0).any() or (by_chance > 1).any():
        _validate.refuse(ValueError, "chance", "in 0..1", _validate.came(chance))
    _check_fits("chance", by_chance, bound.shape)
    return np.asarray(bound > by_chance)


def accuracy_interval(accuracy: float, points: int, *, level: float = 0.95) -> Interval:
    """The exact two-sided interval (Clopper and Pearson) of one run's accuracy over new test points.

    Args:
        accuracy: k/n, a multiple of 1/points.
        points: n.
        level: in 0..1, both ends left out.

    Returns:
        An `Interval`; from 0 for k = 0, up to 1 for k = n.

    Raises:
        TypeError: an argument of another kind.
        ValueError: an accuracy that is no multiple of 1/points, a level out of range.

    Cost: two quantiles.

    Source: docs/experiments, on learned; C. Clopper and E. Pearson, 1934.

    Example:
        >>> found = accuracy_interval(0.5, 100)
        >>> round(found.low, 4), round(found.high, 4)
        (0.3983, 0.6017)
    """
    n = _validate.integer("points", points, low=1)
    number = _validate.real("accuracy", accuracy, low=0.0, high=1.0)
    return _exact(round(float(_counts(number, n)[0])), n, shapes.confidence(level))


@dataclass(frozen=True)
class PooledAccuracy:
    """The accuracy of several runs together.

    Attributes:
        accuracy: the mean over the runs, each counting the same.
        runs: how many there are.
        groups: how many groups of runs there are, of one prime say: runs where no groups were given.
        points: the test points of all runs together.
        within: the exact binomial interval of all answers pooled, right points over points: how well **these** runs are
            measured. It says nothing of other seeds, and needs test sets drawn apart.
        over_runs: t interval of the mean over the groups' means: what other seeds (other groups) would give. Of width 0
            where all agree, and then no more than that is known.
        bootstrap: the interval for the same by resampling whole groups with their runs.

    Source: docs/experiments, on learned.
    """

    accuracy: float
    runs: int
    groups: int
    points: int
    within: Interval
    over_runs: Interval
    bootstrap: Interval


def pooled_accuracy(
    accuracies: object,
    points: object,
    *,
    groups: object = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PooledAccuracy:
    """Accuracy over several runs, with the two intervals that answer two questions.

    A binomial interval of pooled answers is wrong as a statement on seeds: runs differ by more than their test points
    do. So there are two: `within` for the runs at hand, `over_runs` and `bootstrap` for runs to come. The t interval is
    M ± t·s/√G over the G groups' means, M their mean.

    Args:
        accuracies: of the runs on their test sets, shape (R,). Diverged runs are to be left out, and counted in words.
        points: how many test points, one number or shape (R,).
        groups: what runs have in common (their prime, their member), shape (R,), any values that compare; None for
            runs that have nothing in common. With groups `accuracy` is still the mean over runs.
        level: in 0..1, both ends left out.
        resamples: of the bootstrap, at least 100.
        seed: of the bootstrap, at least 0.

    Returns:
        A `PooledAccuracy`: `accuracy`, `within`, `over_runs`, `bootstrap`.

    Raises:
        TypeError: an argument of another kind.
        ValueError: an accuracy that is not finite or no multiple of 1/points, shapes that do not fit, a level out of
            range.

    Cost: O(resamples·G).

    Source: docs/experiments, on learned.

    Example:
        >>> found = pooled_accuracy([1.0, 1.0, 0.5, 1.0, 0.5], 1000)
        >>> round(found.within.low, 3), round(found.over_runs.low, 3), found.bootstrap.low
        (0.789, 0.46, 0.6)
    """
    share = _validate.array("accuracies", accuracies, dimensions=(1,))
    right, n = _counts(share, points)
    level = shapes.confidence(level)
    resamples = _validate.integer("resamples", resamples, low=100)
    rng = np.random.default_rng(_validate.integer("seed", seed, low=0))
    which = shapes.group_numbers("groups", groups, len(share))
    sizes = np.bincount(which).astype(np.float64)
    sums = np.bincount(which, weights=share).astype(np.float64)
    total, correct = int(n.sum()), int(right.sum())
    return PooledAccuracy(
        float(share.mean()),
        len(share),
        len(sizes),
        total,
        _exact(correct, total, level),
        _student(sums / sizes, level),
        _bootstrap(sums, sizes, level, resamples, rng),
    )


def _exact(right: int, points: int, level: float) -> Interval:
    from scipy.stats import binomtest

    found = binomtest(right, points).proportion_ci(level, method="exact")
    return Interval(float(found.low), float(found.high), level, "exact binomial")


def _student(means: Floats, level: float) -> Interval:
    return Interval(*t_interval(means, level), level, "t")


def _bootstrap(sums: Floats, sizes: Floats, level: float, resamples: int, rng: np.random.Generator) -> Interval:
    """Percentiles of the mean over runs, groups drawn with replacement."""
    count = len(sums)
    if count < 2:
        return Interval(np.nan, np.nan, level, "bootstrap")
    means = np.empty(resamples)
    step = max(1, (1 << 20) // count)
    for start in range(0, resamples, step):
        drawn = rng.integers(0, count, size=(min(step, resamples - start), count))
        means[start : start + step] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.5 - 0.5 * level, 0.5 + 0.5 * level])
    return Interval(float(low), float(high), level, "bootstrap")


def _counts(accuracy: object, points: object) -> tuple[Floats, Floats]:
    """How many points were right, and how many there are; NaN where a run diverged."""
    share = _validate.array("accuracy", accuracy, dimensions=(0, 1), finite=False)
    n = _validate.residues("points", points, _validate.WORD_LIMIT, any_shape=True).astype(np.float64)
    _check_fits("points", n, share.shape)
    if (n < 1).any():
        _validate.refuse(ValueError, "points", "at least 1", _validate.came(points))
    outside = (share < 0.0) | (share > 1.0)  # neither is true of NaN
    right = np.rint(np.where(outside, 0.0, share) * n)
    if outside.any() or (np.abs(share * n - right) > 1e-3).any():
        _validate.refuse(ValueError, "accuracy", "multiples of 1/points in 0..1, or NaN", _validate.came(accuracy))
    return right, np.broadcast_to(n, share.shape)


def _history(name: str, value: object, records: int) -> Floats:
    found = _validate.array(name, value, dimensions=(1, 2), finite=False)
    if found.shape[-1] != records:
        _validate.refuse(
            ValueError, name, f"of shape ({records},) or (R, {records}), a record a step", _validate.came(found)
        )
    return found


def _check_fits(name: str, array: Floats, shape: tuple[int, ...]) -> None:
    if array.shape not in ((), shape):
        _validate.refuse(ValueError, name, f"one number or of shape {shape}", _validate.came(array))
