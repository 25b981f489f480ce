"""What the metrics of runs share: the shapes of outputs and labels, runs that are not finite, groups of runs."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from barren import _validate
from barren._validate import Floats

Flags: TypeAlias = NDArray[np.bool_]


def pair(outputs: object, labels: object, several: bool) -> tuple[Floats, Floats]:
    """Outputs and their labels: of the same shape, or labels of one run."""
    inner = 2 if several else 1
    found = _validate.array("outputs", outputs, dimensions=(inner, inner + 1), finite=False)
    given = _validate.array("labels", labels, dimensions=(inner, inner + 1))
    check_shape(given, found.shape, inner)
    return found, given


def logits_with_classes(outputs: object, labels: object) -> tuple[Floats, NDArray[np.int64]]:
    """Logits and the class of each point, both with the axis of runs where one has it."""
    found = _validate.array("outputs", outputs, dimensions=(2, 3), finite=False)
    classes = class_numbers("labels", labels, found.shape[-1])
    check_shape(classes, found.shape[:-1], 1)
    return found, np.broadcast_to(classes, found.shape[:-1])


def class_numbers(name: str, labels: object, count: int) -> NDArray[np.int64]:
    """Labels as integers in 0..count−1, of one run or of many."""
    classes = _validate.residues(name, labels, count, any_shape=True)
    if classes.ndim not in (1, 2) or classes.size == 0:
        expected = "an array of integers of shape (n,) or (R, n), at least one"
        _validate.refuse(ValueError, name, expected, _validate.came(classes))
    return classes


def check_shape(labels: NDArray[np.float64] | NDArray[np.int64], shape: tuple[int, ...], inner: int) -> None:
    """Labels are those of all runs, or those of one that all share."""
    if labels.shape not in (shape, shape[-inner:]):
        expected = f"of shape {shape[-inner:]}" + ("" if len(shape) == inner else f" or {shape}") + ", as the outputs"
        _validate.refuse(ValueError, "labels", expected, _validate.came(labels))


def finite_runs(outputs: Floats, inner: int) -> tuple[Floats, Flags]:
    """The outputs with zeros in place of runs that are not finite, and which runs are."""
    finite = np.isfinite(outputs).all(axis=tuple(range(-inner, 0)))
    kept = finite.reshape(finite.shape + (1,) * inner)
    return np.where(kept, outputs, 0.0), np.asarray(finite)


def marked(metric: Floats | np.float64, finite: Flags) -> Floats:
    """The metric with NaN for the runs that are not finite."""
    return np.where(finite, metric, np.nan)


def step_numbers(steps: object) -> Floats:
    """The steps of the records, increasing and at least 0."""
    at = _validate.array("steps", steps, dimensions=(1,))
    if at[0] < 0 or (np.diff(at) <= 0).any():
        _validate.refuse(ValueError, "steps", "increasing and at least 0", _validate.came(steps))
    return at


def flags(name: str, value: object, shape: tuple[int, ...]) -> Flags:
    """Bools of this shape."""
    given = _plain(value)
    if given is None or given.dtype != np.bool_:
        _validate.refuse(TypeError, name, f"bools of shape {shape}", _validate.came(value))
    if given.shape != shape:
        _validate.refuse(ValueError, name, f"bools of shape {shape}", _validate.came(given))
    return given


def group_numbers(name: str, groups: object, rows: int) -> NDArray[np.int64]:
    """The number of each row's group; every row its own for None."""
    if groups is None:
        return np.arange(rows)
    given = _plain(groups)
    if given is None or given.dtype.kind not in "biufU":
        _validate.refuse(TypeError, name, "numbers or strings", _validate.came(groups))
    if given.shape != (rows,):
        _validate.refuse(ValueError, name, f"of shape ({rows},)", _validate.came(groups))
    return np.unique(given, return_inverse=True)[1].astype(np.int64)


def confidence(level: float) -> float:
    """A level of confidence: between 0 and 1, both left out."""
    number = _validate.real("level", level)
    if not 0.0 < number < 1.0:
        _validate.refuse(ValueError, "level", "between 0 and 1", repr(level))
    return number


def _plain(value: object) -> NDArray[Any] | None:
    """An array, None where numpy makes none (ragged lists)."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        return None
