"""What is measured of a run whose target is a residue: distances on the circle Z_p (docs/experiments)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from barren import _validate
from barren._validate import Floats
from barren.training import shapes

FORMS = ("residue", "scalar", "angle")
"""How outputs say a residue ŷ: "residue" ŷ = N; "scalar" ŷ = p·N, as `encodings.Scalar` shows residues; "angle" two
outputs with the direction of (cos 2πŷ/p, sin 2πŷ/p), as `encodings.Angular` shows them."""

_LARGEST = 2**53  # residues below it are doubles


def residue_of(outputs: object, p: int, form: str = "angle") -> Floats:
    """The residue that outputs stand for, a real number in [0, p), by the convention `form`.

    Args:
        outputs: shape (n,) or (R, n); for "angle" (n, 2) or (R, n, 2), of any length but zero ((0, 0) is taken for 0).
        p: the modulus, 3..2^53.
        form: one of `FORMS`.

    Returns:
        float64 of shape (n,) or (R, n); NaN where an output is not finite.

    Raises:
        TypeError: an argument of another kind.
        ValueError: another shape, an unknown form, a modulus out of range.

    Cost: O(R·n).

    Source: docs/experiments, on accuracy.

    Example:
        >>> residue_of([[0.0, 2.0], [-1.0, 0.0]], 8), residue_of([0.25, 1.5], 8, "scalar")
        (array([2., 4.]), array([2., 4.]))
    """
    p = _validate.integer("p", p, low=3, high=_LARGEST)
    form = _validate.choice("form", form, FORMS)
    inner = 2 if form == "angle" else 1
    found = _validate.array("outputs", outputs, dimensions=(inner, inner + 1), finite=False)
    if form == "angle" and found.shape[-1] != 2:
        _validate.refuse(ValueError, "outputs", "of shape (n, 2) or (R, n, 2)", _validate.came(found))
    found = np.where(np.isfinite(found), found, np.nan)
    if form == "angle":
        turned = np.arctan2(found[..., 1], found[..., 0]) * (p / (2.0 * np.pi))
    else:
        with np.errstate(over="ignore"):
            turned = found * p if form == "scalar" else found
        turned = np.where(np.isfinite(turned), turned, np.nan)
    reduced = np.mod(turned, float(p))
    return np.where(reduced == p, 0.0, reduced)  # a tiny negative number is rounded to p


def circular_distance(predicted: object, labels: object, p: int) -> Floats:
    """|ŷ − y| on the circle: min(r, p − r) with r = (ŷ − y) mod p, in 0..p/2.

    Args:
        predicted: ŷ, real numbers, shape (n,) or (R, n).
        labels: y, residues mod p, shape (n,) or (R, n).
        p: the modulus, 3..2^53.

    Returns:
        float64 of the shape of `predicted`; NaN where that is not finite.

    Raises:
        TypeError: an argument of another kind.
        ValueError: shapes that do not fit, a label out of range.

    Cost: O(R·n).

    Source: docs/experiments, on accuracy.

    Example:
        >>> circular_distance([0.5, 6.0, 3.0], [6, 0, 3], 7)
        array([1.5, 1. , 0. ])
    """
    p = _validate.integer("p", p, low=3, high=_LARGEST)
    found = _validate.array("predicted", predicted, dimensions=(1, 2), finite=False)
    given = shapes.class_numbers("labels", labels, p)
    shapes.check_shape(given, found.shape, 1)
    rest = np.mod(np.where(np.isfinite(found), found, np.nan) - given, float(p))
    distance: Floats = np.minimum(rest, p - rest)
    return distance


def circular_error(outputs: object, labels: object, p: int, form: str = "angle") -> Floats:
    """The mean circular distance over p, in 0..1/2. A guess that knows nothing of y uniform on Z_p has about 1/4.

    Args:
        outputs: as for `residue_of`.
        labels: residues mod p, shape (n,) or (R, n).
        p: the modulus, 3..2^53.
        form: one of `FORMS`.

    Returns:
        float64 of shape () or (R,); NaN for a run with an output that is not finite.

    Raises:
        TypeError: as for `residue_of` and `circular_distance`.
        ValueError: as for `residue_of` and `circular_distance`.

    Cost: O(R·n).

    Source: docs/experiments, on accuracy.

    Example:
        >>> circular_error([0.25, 0.5], [2, 6], 8, "scalar")
        array(0.125)
    """
    distances, finite = _run_distances(outputs, labels, p, form)
    return shapes.marked(distances.mean(axis=-1) / p, finite)


def accuracy_within(outputs: object, labels: object, p: int, tau: float, form: str = "angle") -> Floats:
    """The part of the points with a circular distance of at most τ·p.

    A guess that knows nothing of y uniform on Z_p has about 2τ; `constant_within` is that of the best constant.

    Args:
        outputs: as for `residue_of`.
        labels: residues mod p, shape (n,) or (R, n).
        p: the modulus, 3..2^53.
        tau: τ in 0..1/2; a distance equal to τ·p counts up to rounding.
        form: one of `FORMS`.

    Returns:
        float64 of shape () or (R,); NaN for a run with an output that is not finite.

    Raises:
        TypeError: as for `residue_of` and `circular_distance`.
        ValueError: as for `residue_of` and `circular_distance`, and for τ out of range.

    Cost: O(R·n).

    Source: docs/experiments, on accuracy.

    Example:
        >>> accuracy_within([0.25, 0.5], [2, 6], 8, 0.125, "scalar")
        array(0.5)
    """
    tau = _validate.real("tau", tau, low=0.0, high=0.5)
    distances, finite = _run_distances(outputs, labels, p, form)
    return shapes.marked((distances <= tau * p).mean(axis=-1), finite)


def constant_within(labels: object, p: int, tau: float) -> Floats:
    """The accuracy within τ·p of the best constant: the largest part of the labels on one arc of length 2τ·p.

    Args:
        labels: residues mod p, shape (n,) or (R, n).
        p: the modulus, 3..2^53.
        tau: τ in 0..1/2.

    Returns:
        float64 of shape () or (R,).

    Raises:
        TypeError: an argument of another kind.
        ValueError: another shape, a label or τ out of range.

    Cost: a sort of the labels of each run: the best arc begins at a label.

    Source: docs/experiments, on accuracy.

    Example:
        >>> constant_within([0, 1, 4, 7], 8, 0.125)
        array(0.75)
    """
    p = _validate.integer("p", p, low=3, high=_LARGEST)
    given = shapes.class_numbers("labels", labels, p)
    length = 2.0 * _validate.real("tau", tau, low=0.0, high=0.5) * p
    largest = []
    for run in np.atleast_2d(given):
        ordered = np.sort(run)
        ends = np.searchsorted(np.concatenate([ordered, ordered + p]), ordered + length, side="right")
        largest.append(min(int((ends - np.searchsorted(ordered, ordered)).max()), run.size) / run.size)
    return np.array(largest).reshape(given.shape[:-1])


def _run_distances(outputs: object, labels: object, p: int, form: str) -> tuple[Floats, NDArray[np.bool_]]:
    distances = circular_distance(residue_of(outputs, p, form), labels, p)
    return shapes.finite_runs(distances, 1)
