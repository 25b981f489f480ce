"""The arguments of a gradient variance, checked and brought together as a `Problem`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from barren import _validate
from barren.classes import Frequencies, ModularMultiplication, Parity, TargetClass
from barren.encodings import features_of
from barren.inputs import Law, RealLaw, Uniform
from barren.tangents.base import Tangent
from barren.tangents.given import GivenJacobian, GivenNTK
from barren.variance import table
from barren.variance.plan import NAMES, default_memory_limit, readable_bytes
from barren.variance.problem import SMALL_LISTS, Problem

if TYPE_CHECKING:
    import torch

Encoding = Callable[[np.ndarray, Any], np.ndarray]
_Sides = tuple[Tangent, "table.Labels | None"]

# The first model of a process pays for what torch sets up once, in so many seconds at most: no prediction counts that.
_WORTH_REPEATING = 3.0
_used: list[bool] = []


def prepare(
    cls: TargetClass,
    model: torch.nn.Module | None,
    *,
    jacobian: np.ndarray | None,
    ntk: np.ndarray | None,
    encoding: Encoding | None,
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    inputs: Law | RealLaw | None,
    method: str,
    deviations: bool | None,
    per_parameter: bool,
    rtol: float | None,
    seed: int,
    dtype: Any,
    memory_limit: int | None,
    threads: int | None,
    priced: bool = False,
) -> Problem:
    """The problem that the arguments of `gradient_variance` pose; every check of them is made here.

    `priced` says that nothing but its price is wanted: the first model of a process is then checked twice, for the
    second time tells what checks take.

    Raises:
        TypeError, ValueError: see `gradient_variance`.
    """
    _validate.instance("cls", cls, TargetClass, "a target class such as barren.ModularMultiplication(1009)")
    law = cls.law_of(inputs)
    _validate.choice("method", method, ["auto", *NAMES])
    if deviations is not None:
        _validate.boolean("deviations", deviations)
    _validate.boolean("per_parameter", per_parameter)
    error = None if rtol is None else _validate.real("rtol", rtol)
    if error is not None and error <= 0.0:
        raise ValueError(f"rtol must be None or a number above 0, the relative standard error; got {rtol!r}")
    seed = _validate.integer("seed", seed, low=0)
    workers = 0 if threads is None else _validate.integer("threads", threads, low=1, high=4096)
    limit = default_memory_limit() if memory_limit is None else _validate.integer("memory_limit", memory_limit, low=1)
    listed = _check_fits(cls, law, limit, deviations)
    wanted = listed if deviations is None else deviations
    _check_loss(cls, loss, model)
    if loss == "hinge":
        from barren.tangents.labels import hinge

        loss = hinge
    points, weights = cls.points_of(law)
    if isinstance(cls, Frequencies):
        cls.warn_of_few_nodes(law)
    (tangent, labels), prepared = _timed(
        lambda: _sides(cls, points, model, jacobian, ntk, encoding, loss, dtype, method, limit),
        again=priced and model is not None and not _used,
    )
    if model is not None:
        _used.append(True)
    problem = Problem(
        cast("ModularMultiplication", cls.without_constant.under(law)),
        law,
        points,
        weights,
        tangent,
        workers,
        limit,
        wanted,
        per_parameter,
        error,
        seed,
        labels,
        prepared=prepared,
    )
    if deviations and method == "probes" and tangent.has_columns and (lack := tangent.forward_obstacle) is not None:
        raise ValueError(f"deviations must be None or False where probes take the dual form, which gives none: {lack}")
    return _on_grid(problem, cls.without_constant.modular(law)) if isinstance(cls, Frequencies) else problem


def _timed(make: Callable[[], _Sides], *, again: bool) -> tuple[_Sides, float]:
    """Both sides, and the seconds that they take; of the second time if they are made again."""
    start = time.perf_counter()
    made = make()
    taken = time.perf_counter() - start
    if again and taken < _WORTH_REPEATING:
        return _timed(make, again=False)
    return made, taken


def _on_grid(problem: Problem, cls: ModularMultiplication | None) -> Problem:
    """The problem of the modular class that frequencies are on a grid, if they are one (docs/theory, section 5)."""
    if cls is None:
        return problem
    points, weights = cls.points_of(Uniform())
    return replace(problem, cls=cls.without_constant, law=Uniform(), points=points, weights=weights, whole=True)


def _check_frequencies_fit(cls: Frequencies, law: RealLaw, limit: int, deviations: bool | None) -> bool:
    """Whether the members can be listed; the points must be, and members that cannot need a kernel in closed form."""
    if deviations and not cls.has_members:
        raise ValueError(
            f"deviations must be left out (None or False) where a class has no list of members; got True with {cls!r}"
        )
    points = 16 * law.size() * cls.dimension
    listed = cls.has_members and 48 * cls.size + points <= limit  # with their weights, and d(a) as it is made
    if listed:
        return True
    if points > limit or (cls.has_members and (deviations or cls.lists_members(deviations=False))):
        members = cls.size if cls.has_members else 0
        raise ValueError(
            f"memory_limit must hold the list of members and points; got {readable_bytes(limit)}, and {members} "
            f"frequencies with {law.size()} points need {readable_bytes(48 * members + points)} (give frequencies= "
            "fewer members; give inputs= fewer points, such as Grid(M) or Density(nodes=, seed=); cosines need no list "
            "with deviations=False)"
        )
    return False


def _check_parities_fit(cls: Parity, law: Law, limit: int, deviations: bool | None) -> bool:
    """Whether the members can be listed; the points must be, and the kernel has a closed form."""
    points = 24 * law.size(cls.points)
    if points > limit:
        raise ValueError(
            f"memory_limit must hold the list of points; got {readable_bytes(limit)}, and {law.size(cls.points)} "
            f"points need {readable_bytes(points)} (give a Sample)"
        )
    listed = 8 * cls.size + points <= limit
    if deviations and not listed:
        raise ValueError(
            "deviations must be left out (None or False) where the members cannot be listed; "
            f"got True with {cls.size} members"
        )
    return listed


def _check_fits(cls: TargetClass, law: Any, limit: int, deviations: bool | None) -> bool:
    """Whether the members can be listed; the points must be, and members that cannot need a kernel without a table."""
    if isinstance(cls, Frequencies):
        return _check_frequencies_fit(cls, law, limit, deviations)
    if isinstance(cls, Parity):
        return _check_parities_fit(cls, law, limit, deviations)
    assert isinstance(cls, ModularMultiplication)
    if cls.p >= _validate.WORD_LIMIT and cls.table_obstacle is not None:  # its members are not even counted
        _validate.refuse(ValueError, "p", "below 2**63 here", f"{_validate.came(cls.p)}: {cls.table_obstacle}")
    points, size = 16 * law.size(cls.p), cls.size
    listed = cls.p < _validate.WORD_LIMIT and 8 * size + points <= max(limit, SMALL_LISTS)
    if listed:
        return True
    if points > limit or not cls.by_dedekind_sums:
        why = "give a Sample" if points > limit or cls.table_obstacle is None else f"without them {cls.table_obstacle}"
        raise ValueError(
            f"memory_limit must hold the list of members and points; got {readable_bytes(limit)}, and {size} "
            f"multipliers with {law.size(cls.p)} points need {readable_bytes(8 * size + points)} ({why})"
        )
    if deviations:
        raise ValueError(
            "deviations must be left out (None or False) where the members cannot be listed; "
            f"got True with {size} members"
        )
    return False


def _check_loss(cls: TargetClass, loss: object, model: object) -> None:
    if callable(loss):
        if model is None:
            raise ValueError(
                "loss must be 'mse' or 'bce' where jacobian or ntk is given; a callable loss needs the model"
            )
        return
    if not isinstance(loss, str):
        raise TypeError(f"loss must be 'mse', 'bce', 'cross-entropy', 'hinge' or a callable; got {type(loss).__name__}")
    _validate.choice("loss", loss, ["mse", "bce", table.CROSS_ENTROPY, "hinge"])
    if loss in ("hinge", table.CROSS_ENTROPY) and model is None:
        raise ValueError(f"loss must be 'mse' or 'bce' where jacobian or ntk is given; {loss} needs the model")
    if loss == "hinge" and cls.labels != (-1.0, 1.0):
        raise ValueError(
            f"target must have the labels -1 and 1 for loss='hinge', such as 1 - 2 * targets.Bit(0) or Parity(n, "
            f"signed=True); got {cls!r}"
        )
    if loss == "bce":
        low, high = cls.range
        if low < 0.0 or high > 1.0:
            raise ValueError(
                f"target must have labels in [0, 1] for loss='bce'; got {cls!r} with values {low:g} to {high:g} "
                "(loss='mse' gives the same variance for the same outputs)"
            )


def _sides(
    cls: TargetClass,
    points: np.ndarray,
    model: torch.nn.Module | None,
    jacobian: np.ndarray | None,
    ntk: np.ndarray | None,
    encoding: Encoding | None,
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    dtype: Any,
    method: str,
    limit: int,
) -> tuple[Tangent, table.Labels | None]:
    """The model side, and where the loss is not affine in the label its table."""
    if not isinstance(cls, ModularMultiplication):
        _check_affine(cls, loss)
        return _tangent(cls, points, model, jacobian, ntk, encoding, loss, dtype), None
    if not table.applies(cls, loss, method):
        return _tangent(cls, points, model, jacobian, ntk, encoding, loss, dtype), None
    if loss == table.CROSS_ENTROPY:
        labels = table.class_labels(cls, limit)
        return _tangent(cls, points, model, jacobian, ntk, encoding, loss, dtype, logits=labels.count), labels
    tangent = _tangent(cls, points, model, jacobian, ntk, encoding, "mse", dtype)  # J itself, without a weight
    assert model is not None
    return tangent, table.loss_labels(cls, model, tangent, loss, limit)


def _check_affine(cls: TargetClass, loss: object) -> None:
    """Beside residues there is no table of labels, so the loss must be affine in the label."""
    if loss == table.CROSS_ENTROPY or (callable(loss) and cls.labels is None):
        raise ValueError(
            "loss must be 'mse' or 'bce' for frequencies and parities, or a callable with two values, such as those of "
            f"targets.Threshold(); got {loss if isinstance(loss, str) else 'a callable'} with {cls!r}"
        )


def _tangent(
    cls: TargetClass,
    points: np.ndarray,
    model: torch.nn.Module | None,
    jacobian: np.ndarray | None,
    ntk: np.ndarray | None,
    encoding: Encoding | None,
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    dtype: Any,
    *,
    logits: int | None = None,
) -> Tangent:
    """The model side, from whichever of the three was given; for cross-entropy with at least so many outputs."""
    given = [name for name, value in [("model", model), ("jacobian", jacobian), ("ntk", ntk)] if value is not None]
    if len(given) != 1:
        raise ValueError(f"exactly one of model, jacobian and ntk must be given; got {', '.join(given) or 'none'}")
    if model is None:
        for name, value in [("encoding", encoding), ("dtype", dtype)]:
            if value is not None:
                raise ValueError(f"{name} goes with a model; got it with {given[0]}")
        n = len(points)
        if jacobian is not None:
            tangent = GivenJacobian(jacobian, n)
            tangent.check_squares()
            return tangent
        assert ntk is not None
        kernel = GivenNTK(ntk, n)
        kernel.check_squares()
        return kernel
    from barren.tangents import tangent_of_model

    features = features_of(encoding, points, cls.period, cls).astype(np.float64, copy=False)
    name = repr(encoding) if hasattr(encoding, "width") else getattr(encoding, "__name__", "encoding")
    if logits is not None:
        from barren.tangents.logits import logits_of_model

        return logits_of_model(model, features, labels=logits, dtype=dtype, encoding_name=name)
    return tangent_of_model(model, features, loss=loss, labels=cls.labels, dtype=dtype, encoding_name=name)
