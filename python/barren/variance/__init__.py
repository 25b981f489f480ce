"""THE PAIRING: the gradient variance of a model over a target class."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from barren import _validate
from barren.classes import ModularMultiplication
from barren.inputs import Law, Uniform
from barren.tangents.base import Tangent
from barren.tangents.given import GivenJacobian, GivenNTK
from barren.variance import table
from barren.variance.plan import METHODS, default_memory_limit, make_plan, readable_bytes
from barren.variance.problem import Pairing, Problem
from barren.variance.result import GradientVariance

if TYPE_CHECKING:
    import torch

__all__ = ["GradientVariance", "gradient_variance"]

Encoding = Callable[[np.ndarray, int], np.ndarray]


def gradient_variance(
    cls: ModularMultiplication,
    model: torch.nn.Module | None = None,
    *,
    jacobian: np.ndarray | None = None,
    ntk: np.ndarray | None = None,
    encoding: Encoding | None = None,
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = "mse",
    inputs: Law | None = None,
    method: str = "auto",
    deviations: bool = True,
    dtype: Any = None,
    memory_limit: int | None = None,
    threads: int | None = None,
) -> GradientVariance:
    """The variance of the loss gradient over the random choice of the target: all that a gradient method can see of it.

    Var(H, w) = E_a‖G_a − E G‖² with G_a the gradient of the expected loss when the target is h_a, a uniform over the
    class. It equals E_{x,x'} K(x,x')·Θ(x,x'), the class kernel paired with the model's tangent kernel (docs/theory,
    section 1), and is computed exactly over every member, up to the rounding of float arithmetic. Exactly one of
    `model`, `jacobian` and `ntk` is given.

    Args:
        cls: the target class.
        model: a torch module with one output a sample (with loss="cross-entropy" one a label); its trainable parameters
            are w. It is left as it was.
        jacobian: J instead of a model, float32 or float64, shape (n, d): row i is the gradient of the output at the
            i-th point of the law.
        ntk: Θ = J·Jᵀ instead of a model, shape (n, n), symmetric.
        encoding: how x is shown to the model: one of `barren.encodings`, or any function (x, p) -> float array (n,
            width).
        loss: "mse" (½(N−y)²) or "bce" (binary cross-entropy on a logit N), for both of which the variance is the same
            function of J; any callable (outputs, labels) -> one loss a sample; or "cross-entropy" (of logits), for a
            target of whole values 0..L−1 such as `targets.Residue()` and a model with an output a label.
        inputs: the law of x; default `inputs.Uniform()`. Rows of `jacobian` and `ntk` follow `inputs.points(p)`:
            increasing for Uniform and RandomBits, as given for Sample.
        method: "auto", "direct", "character" (prime modulus) or "kernel"; for cross-entropy and for a callable loss of
            more than two labels "table".
        deviations: whether to compute d(a) for every member too.
        dtype: "float32" or "float64": what the model is evaluated in; default the dtype of its parameters.
        memory_limit: bytes that the computation may use beside its input; default half of what is available.
        threads: threads of the compiled core and the Fourier transforms; default all that the process may use.

    Returns:
        A `GradientVariance`: `float(v)`, `v.deviations`, `v.per_layer`, `v.normalised`, `v.bound`, `v.explain()`.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: an argument of the wrong value or shape; a model that is no function of one sample, has no trainable
            parameter, another number of outputs, or a non-finite output or gradient; a method that cannot compute this
            problem; a memory limit under the smallest plan. Nothing partial is returned.

    Cost: see docs/theory, section 3; `v.explain()` tells the method and its memory.

    Example:
        >>> import numpy as np
        >>> import barren
        >>> from barren import targets
        >>> cls = barren.ModularMultiplication(11, target=targets.Bit(0))
        >>> jacobian = np.eye(11)                     # one parameter a point
        >>> v = barren.gradient_variance(cls, jacobian=jacobian)
        >>> round(float(v) * 11**2, 12)               # ten points that vary, each with variance 1/4
        2.5
        >>> float(v) <= v.bound
        True
    """
    _validate.instance("cls", cls, ModularMultiplication, "a target class such as barren.ModularMultiplication(1009)")
    law = _validate.instance("inputs", Uniform() if inputs is None else inputs, Law, "a law of x from barren.inputs")
    _validate.choice("method", method, ["auto", *METHODS])
    _validate.instance("deviations", deviations, bool, "True or False")
    threads = 0 if threads is None else _validate.integer("threads", threads, low=1, high=4096)
    limit = default_memory_limit() if memory_limit is None else _validate.integer("memory_limit", memory_limit, low=1)
    _check_fits(cls, law, limit)
    _check_loss(cls, loss, model)
    points, weights = law.points(cls.p), law.weights(cls.p)
    tangent, labels = _sides(cls, points, model, jacobian, ntk, encoding, loss, dtype, method, limit)
    problem = Problem(cls, law, points, weights, tangent, threads, limit, deviations, labels)
    plan = make_plan(problem, method)
    pairing = METHODS[plan.method].run(problem)
    squared_norms = tangent.squared_norms()
    return GradientVariance(
        value=pairing.variance,
        standard_error=_standard_error(cls, pairing),
        members=cls.members,
        per_layer=pairing.per_layer,
        mean_squared_norm=float(weights @ squared_norms),
        mean_squared_norm_of_probability=_of_probability(weights, squared_norms, tangent, loss),
        plan=plan,
        cls=cls,
        inputs=law,
        _deviations=pairing.deviations,
        _labels="numbers" if labels is None else "one-hot" if labels.slopes is None else "table",
    )


def _check_fits(cls: ModularMultiplication, law: Law, limit: int) -> None:
    """The members and the points are listed by every method, so they must be countable before anything is built."""
    if cls.p >= 2**63:
        raise ValueError(f"p must be below 2^63 for the direct, character and kernel methods; got {cls.p}")
    smallest = 8 * (cls.size + 2 * law.size(cls.p))
    if smallest > limit:
        raise ValueError(
            f"memory_limit must hold the list of members and points; got {readable_bytes(limit)}, and {cls.size} "
            f"multipliers with {law.size(cls.p)} points need {readable_bytes(smallest)} "
            "(give a set of multipliers or a Sample)"
        )


def _check_loss(cls: ModularMultiplication, loss: object, model: object) -> None:
    if callable(loss):
        if model is None:
            raise ValueError(
                "loss must be 'mse' or 'bce' where jacobian or ntk is given; a callable loss needs the model"
            )
        return
    if not isinstance(loss, str):
        raise TypeError(f"loss must be 'mse', 'bce', 'cross-entropy' or a callable; got {type(loss).__name__}")
    _validate.choice("loss", loss, ["mse", "bce", table.CROSS_ENTROPY])
    if loss == table.CROSS_ENTROPY and model is None:
        raise ValueError("loss must be 'mse' or 'bce' where jacobian or ntk is given; cross-entropy needs the model")
    if loss == "bce":
        low, high = cls.target.range(cls.p)
        if low < 0.0 or high > 1.0:
            raise ValueError(
                f"target must have labels in [0, 1] for loss='bce'; got {cls.target!r} with values {low:g} to {high:g} "
                "(loss='mse' gives the same variance for the same outputs)"
            )


def _sides(
    cls: ModularMultiplication,
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
    if not table.applies(cls, loss, method):
        return _tangent(cls, points, model, jacobian, ntk, encoding, loss, dtype), None
    if loss == table.CROSS_ENTROPY:
        labels = table.class_labels(cls, limit)
        return _tangent(cls, points, model, jacobian, ntk, encoding, loss, dtype, logits=labels.count), labels
    tangent = _tangent(cls, points, model, jacobian, ntk, encoding, "mse", dtype)  # J itself, without a weight
    assert model is not None
    return tangent, table.loss_labels(cls, model, tangent, loss, limit)


def _tangent(
    cls: ModularMultiplication,
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
            return GivenJacobian(_validate.matrix("jacobian", jacobian, rows=n))
        return GivenNTK(_validate.matrix("ntk", ntk, rows=n, columns=n))
    from barren.tangents import tangent_of_model

    features, name = _features(encoding, points, cls.p)
    if logits is not None:
        from barren.tangents.logits import logits_of_model

        return logits_of_model(model, features, labels=logits, dtype=dtype, encoding_name=name)
    return tangent_of_model(
        model, features, loss=loss, labels=cls.target.labels(cls.p), dtype=dtype, encoding_name=name
    )


def _features(encoding: Encoding | None, points: np.ndarray, p: int) -> tuple[np.ndarray, str]:
    """What the model sees, float64, shape (n, width), and the encoding's name for messages."""
    if not callable(encoding):
        came = "nothing" if encoding is None else type(encoding).__name__
        raise TypeError(f"encoding must be one of barren.encodings or a function (x, p) -> array; got {came}")
    name = repr(encoding) if hasattr(encoding, "width") else getattr(encoding, "__name__", "encoding")
    features = _validate.matrix("the encoding's result", encoding(points, p), rows=len(points))
    return features.astype(np.float64, copy=False), name


def _of_probability(weights: np.ndarray, squared_norms: np.ndarray, tangent: Tangent, loss: object) -> float | None:
    """E‖σ'(N)·J‖², σ the logistic function."""
    if loss != "bce" or tangent.outputs is None:
        return None
    # σ' = σ(N)·σ(−N) = 1/(4·cosh²(N/2)), which does not overflow to nan for large |N| the way exp(N) would.
    slope = 0.25 / np.cosh(np.clip(tangent.outputs / 2, -350.0, 350.0)) ** 2
    return float(weights @ (slope**2 * squared_norms))


def _standard_error(cls: ModularMultiplication, pairing: Pairing) -> float:
    """0.0 for a whole class; for a given set its error as an estimate for all units, warned of if it says little."""
    if cls.multipliers != "set":
        return 0.0
    deviations = pairing.deviations
    assert deviations is not None
    count, population = len(deviations), cls.with_multipliers("units").size
    if count == 1:
        return float("inf")
    unseen = max(0.0, 1.0 - count / population)
    largest = -(-count // 100)
    share = float(np.sort(deviations)[-largest:].sum() / deviations.sum()) if deviations.any() else 0.0
    if unseen and share > min(0.5, 10.0 * largest / count):
        warnings.warn(
            f"the {largest} largest of {count} deviations carry {share:.0%} of the variance: the tail is heavy, and "
            "neither the value nor its standard error says much about multipliers that were not given; "
            "use multipliers='units'",
            UserWarning,
            stacklevel=3,
        )
    return float(np.std(deviations, ddof=1) / np.sqrt(count) * np.sqrt(unseen))
