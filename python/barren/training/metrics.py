"""What is measured of a run: losses, accuracies, steps to a threshold; plain functions of outputs and labels.

Every function takes one run or many: outputs of shape (n,) or (R, n), or with k outputs a point (n, k) or (R, n, k).
Labels have the shape of one run, and then all runs share them, or that of all runs. A run with an output that is not
finite has the metric NaN, and the others are as if it were not there. The formulas stand in docs/experiments.
"""

from __future__ import annotations

import numpy as np

from barren import _validate
from barren._validate import Floats
from barren.training import shapes

LOSSES = ("mse", "bce", "hinge", "cross-entropy")
"""mse is ½(N − y)², as everywhere in barren; bce and cross-entropy take logits; hinge takes labels −1 and 1."""


def mean_loss(outputs: object, labels: object, loss: str, *, several: bool = False) -> Floats:
    """The mean loss over the points of a run.

    mse: ½(N − y)². bce: ln(1 + e^N) − y·N for y in [0, 1]. hinge: max(0, 1 − y·N) for y = ±1. cross-entropy:
    ln Σ_c e^{N_c} − N_y for a label y in 0..k−1.

    Args:
        outputs: N(x), shape (n,) or (R, n); with `several` and for cross-entropy (n, k) or (R, n, k).
        labels: of the shape of the outputs or of one run of them; for cross-entropy integers without the axis of k.
        loss: one of `LOSSES`.
        several: whether the last axis counts the outputs of a point, whose losses are summed.

    Returns:
        float64 of shape () or (R,); NaN for a run with an output that is not finite, infinity where it overflows.

    Raises:
        TypeError: an argument of another kind.
        ValueError: an unknown loss, shapes that do not fit, no point, labels that the loss does not take.

    Cost: O(R·n·k).

    Source: docs/experiments, on losses.

    Example:
        >>> mean_loss([[0.0, 2.0], [float("nan"), 0.0]], [0.0, 1.0], "mse")
        array([0.25,  nan])
    """
    name = _validate.choice("loss", loss, LOSSES)
    several = _validate.boolean("several", several)
    if name == "cross-entropy":
        found, classes = shapes.logits_with_classes(outputs, labels)
        found, finite = shapes.finite_runs(found, 2)
        with np.errstate(over="ignore"):
            losses = _log_sum_exp(found) - np.take_along_axis(found, classes[..., np.newaxis], axis=-1)[..., 0]
            return shapes.marked(losses.mean(axis=-1), finite)
    found, given = shapes.pair(outputs, labels, several)
    _check_labels(given, name)
    found, finite = shapes.finite_runs(found, 2 if several else 1)
    with np.errstate(over="ignore"):
        if name == "mse":
            losses = 0.5 * (found - given) ** 2
        elif name == "bce":
            losses = np.logaddexp(0.0, found) - given * found
        else:
            losses = np.maximum(0.0, 1.0 - given * found)
        return shapes.marked((losses.sum(axis=-1) if several else losses).mean(axis=-1), finite)


def constant_loss(labels: object, loss: str, *, several: bool = False) -> Floats:
    """The mean loss of the best constant output for these labels: what a model without an input reaches.

    mse: half the variance of the labels. bce: H(q) = −q·ln q − (1 − q)·ln(1 − q), q their mean. hinge: 2·min(q, 1 − q),
    q the part of 1. cross-entropy: −Σ_c q_c·ln q_c over the parts of the labels.

    Args:
        labels: shape (n,) or (R, n); with `several` (n, k) or (R, n, k); for cross-entropy integers, at least 0.
        loss: one of `LOSSES`.
        several: whether the last axis counts the outputs of a point: the sum over the best constant of each.

    Returns:
        float64 of shape () or (R,); exactly 0 where all labels are equal (for bce: all 0 or all 1).

    Raises:
        TypeError: an argument of another kind.
        ValueError: an unknown loss, another shape, no point, labels that the loss does not take.

    Cost: O(R·n·k); a sort of the labels of each run for cross-entropy.

    Source: docs/experiments, on losses.

    Example:
        >>> constant_loss([0, 0, 1, 3], "mse"), round(float(constant_loss([0, 0, 1, 3], "cross-entropy")), 6)
        (array(0.75), 1.039721)
    """
    from scipy.special import entr

    name = _validate.choice("loss", loss, LOSSES)
    if name == "cross-entropy":
        classes = shapes.class_numbers("labels", labels, _validate.WORD_LIMIT)
        parts = [np.unique(run, return_counts=True)[1] / run.size for run in np.atleast_2d(classes)]
        return np.array([entr(part).sum() for part in parts]).reshape(classes.shape[:-1])
    inner = 2 if _validate.boolean("several", several) else 1
    given = _validate.array("labels", labels, dimensions=(inner, inner + 1))
    _check_labels(given, name)
    mean = given.mean(axis=-inner)
    if name == "mse":
        # The rounded mean of equal labels would leave them a variance.
        varies = given.max(axis=-inner) > given.min(axis=-inner)
        best = np.where(varies, 0.5 * given.var(axis=-inner), 0.0)
    elif name == "bce":
        best = entr(mean) + entr(1.0 - mean)
    else:
        best = 1.0 - np.abs(mean)  # q = (1 + mean)/2
    return np.asarray(best.sum(axis=-1) if several else best)


def relative_loss(outputs: object, labels: object, loss: str, *, several: bool = False) -> Floats:
    """`mean_loss` over `constant_loss` of the same labels: 1 for the best constant, 0 for a perfect model.

    Args:
        outputs: as for `mean_loss`.
        labels: as for `mean_loss`.
        loss: one of `LOSSES`.
        several: as for `mean_loss`.

    Returns:
        float64 of shape () or (R,). Where the best constant has no loss: infinity, and NaN for 0/0.

    Raises:
        TypeError: as for `mean_loss`.
        ValueError: as for `mean_loss`.

    Cost: that of `mean_loss` and of `constant_loss`.

    Source: docs/experiments, on losses.

    Example:
        >>> relative_loss([[1.0, 1.0], [0.0, 2.0]], [0.0, 2.0], "mse")
        array([1., 0.])
    """
    found = mean_loss(outputs, labels, loss, several=several)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(found / constant_loss(labels, loss, several=several))


def accuracy(
    outputs: object, labels: object, *, values: tuple[float, float] = (0.0, 1.0), threshold: float | None = 0.0
) -> Floats:
    """The part of the points at which a two-valued target is guessed: the larger value iff N > threshold.

    Args:
        outputs: shape (n,) or (R, n).
        labels: each one of the two `values`; shape (n,) or (R, n).
        values: the smaller and the larger value of the target.
        threshold: 0 for a logit (bce, hinge); None for the middle of `values`, for a regression (mse).

    Returns:
        float64 of shape () or (R,); NaN for a run with an output that is not finite.

    Raises:
        TypeError: an argument of another kind.
        ValueError: shapes that do not fit, no point, values out of order, a label that is neither value.

    Cost: O(R·n).

    Source: docs/experiments, on accuracy.

    Example:
        >>> accuracy([[0.3, -2.0, 0.0], [-1.0, 5.0, 1.0]], [1, 0, 1])
        array([0.66666667, 0.33333333])
        >>> accuracy([0.3, 0.7], [0, 1], threshold=None)
        array(1.)
    """
    return _guessed(outputs, labels, values, threshold, several=False)


def bit_accuracy(
    outputs: object, labels: object, *, values: tuple[float, float] = (0.0, 1.0), threshold: float | None = 0.0
) -> Floats:
    """`accuracy` of every one of k outputs.

    Args:
        outputs: shape (n, k) or (R, n, k).
        labels: each one of the two `values`; shape (n, k) or (R, n, k).
        values: as for `accuracy`.
        threshold: as for `accuracy`.

    Returns:
        float64 of shape (k,) or (R, k); NaN for a run with an output that is not finite.

    Raises:
        TypeError: as for `accuracy`.
        ValueError: as for `accuracy`.

    Cost: O(R·n·k).

    Source: docs/experiments, on accuracy.

    Example:
        >>> bit_accuracy([[1.0, -1.0], [1.0, 1.0]], [[1, 0], [0, 1]])
        array([0.5, 1. ])
    """
    return _guessed(outputs, labels, values, threshold, several=True)


def top_accuracy(outputs: object, labels: object) -> Floats:
    """The part of the points whose label has the largest of k logits; of equal logits the first counts.

    Args:
        outputs: shape (n, k) or (R, n, k).
        labels: integers in 0..k−1, shape (n,) or (R, n).

    Returns:
        float64 of shape () or (R,); NaN for a run with an output that is not finite.

    Raises:
        TypeError: the labels are not integers, or the outputs not numbers.
        ValueError: shapes that do not fit, no point, a label out of range.

    Cost: O(R·n·k).

    Source: docs/experiments, on accuracy.

    Example:
        >>> top_accuracy([[0.0, 1.0, 0.5], [2.0, 2.0, 0.0]], [1, 1])
        array(0.5)
    """
    found, classes = shapes.logits_with_classes(outputs, labels)
    found, finite = shapes.finite_runs(found, 2)
    return shapes.marked((found.argmax(axis=-1) == classes).mean(axis=-1), finite)


def constant_accuracy(labels: object, *, several: bool = False) -> Floats:
    """The accuracy of the best constant guess: the largest part of the labels with one value. This is "chance".

    Args:
        labels: shape (n,) or (R, n); with `several` (n, k) or (R, n, k).
        several: whether the last axis counts the outputs of a point.

    Returns:
        float64 of shape () or (R,); with `several` (k,) or (R, k).

    Raises:
        TypeError: they are not numbers.
        ValueError: another shape, or no label.

    Cost: a sort of the labels of each run and output.

    Source: docs/experiments, on accuracy.

    Example:
        >>> constant_accuracy([[0, 1, 1, 1], [0, 1, 2, 2]])
        array([0.75, 0.5 ])
    """
    inner = 2 if _validate.boolean("several", several) else 1
    given = np.moveaxis(_validate.array("labels", labels, dimensions=(inner, inner + 1)), -inner, -1)
    flat = given.reshape(-1, given.shape[-1])
    largest = [np.unique(run, return_counts=True)[1].max() / run.size for run in flat]
    return np.array(largest).reshape(given.shape[:-1])


def steps_to(steps: object, history: object, threshold: float, *, rising: bool = True, records: int = 1) -> Floats:
    """The first recorded step at which a metric is at the threshold or past it.

    The step is known up to the distance between two records. A later fall below the threshold is not looked at; with
    `records` > 1 the first step counts from which that many records in a row are past the threshold.

    Args:
        steps: of the records, increasing, at least 0; shape (T,).
        history: the metric at each, shape (T,) or (R, T). NaN (not recorded, diverged) is not past a threshold.
        threshold: what is to be reached.
        rising: whether the metric is to rise to it (accuracy, at least the threshold) or fall to it (loss, at most).
        records: how many records in a row, at least 1.

    Returns:
        float64 of shape () or (R,); NaN where it is never reached.

    Raises:
        TypeError: an argument of another kind.
        ValueError: steps that do not increase, shapes that do not fit, records < 1.

    Cost: O(R·T·records).

    Source: docs/experiments, on steps and phases.

    Example:
        >>> steps_to([0, 10, 100], [[0.5, 0.9, 1.0], [0.5, 0.5, 0.6]], 0.9)
        array([10., nan])
    """
    at = shapes.step_numbers(steps)
    values = _validate.array("history", history, dimensions=(1, 2), finite=False)
    if values.shape[-1] != len(at):
        expected = f"an array of shape ({len(at)},) or (R, {len(at)}), a record a step"
        _validate.refuse(ValueError, "history", expected, _validate.came(values))
    threshold = _validate.real("threshold", threshold)
    count = _validate.integer("records", records, low=1)
    past = values >= threshold if _validate.boolean("rising", rising) else values <= threshold
    starts = np.zeros_like(past)
    if count <= len(at):
        windows = np.lib.stride_tricks.sliding_window_view(past, count, axis=-1)
        starts[..., : windows.shape[-2]] = windows.all(axis=-1)
    return np.where(starts.any(axis=-1), at[starts.argmax(axis=-1)], np.nan)


def _guessed(
    outputs: object, labels: object, values: tuple[float, float], threshold: float | None, *, several: bool
) -> Floats:
    found, given = shapes.pair(outputs, labels, several)
    low, high = _validate.vector("values", values, length=2).tolist()
    if low >= high:
        _validate.refuse(ValueError, "values", "the smaller and the larger value", _validate.came(values))
    cut = low + 0.5 * (high - low) if threshold is None else _validate.real("threshold", threshold)
    strange = np.flatnonzero((given != low) & (given != high))
    if strange.size:
        _validate.refuse(ValueError, "labels", f"{low:g} or {high:g}", repr(float(given.flat[strange[0]])))
    inner = 2 if several else 1
    found, finite = shapes.finite_runs(found, inner)
    right = ((found > cut) == (given == high)).mean(axis=-inner)
    return shapes.marked(right, finite[..., np.newaxis] if several else finite)


def _check_labels(labels: Floats, loss: str) -> None:
    wrong = {
        "mse": np.zeros(labels.shape, dtype=np.bool_),
        "bce": (labels < 0.0) | (labels > 1.0),
        "hinge": np.abs(labels) != 1.0,
    }[loss]
    if wrong.any():
        expected = "in [0, 1] for loss='bce'" if loss == "bce" else "-1 or 1 for loss='hinge'"
        _validate.refuse(ValueError, "labels", expected, repr(float(labels[wrong][0])))


def _log_sum_exp(logits: Floats) -> Floats:
    largest = logits.max(axis=-1)
    total: Floats = largest + np.log(np.exp(logits - largest[..., np.newaxis]).sum(axis=-1))
    return total
