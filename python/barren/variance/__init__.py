"""THE PAIRING: the gradient variance of a model over a target class."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from barren._scales import refuse_overflow
from barren.classes import ModularMultiplication, TargetClass
from barren.inputs import Law, RealLaw
from barren.tangents.given import GivenJacobian, GivenNTK
from barren.variance import rounding
from barren.variance.arguments import Encoding, prepare
from barren.variance.plan import Plan, engine_of, make_plan
from barren.variance.problem import Pairing, Problem
from barren.variance.result import GradientVariance

if TYPE_CHECKING:
    import torch

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

__all__ = ["GivenJacobian", "GivenNTK", "GradientVariance", "Plan", "gradient_variance", "plan"]


def gradient_variance(
    cls: TargetClass,
    model: torch.nn.Module | None = None,
    *,
    jacobian: np.ndarray | None = None,
    ntk: np.ndarray | None = None,
    encoding: Encoding | None = None,
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = "mse",
    inputs: Law | RealLaw | None = None,
    method: str = "auto",
    deviations: bool | None = None,
    per_parameter: bool = False,
    rtol: float | None = None,
    seed: int = 0,
    dtype: Any = None,
    memory_limit: int | None = None,
    threads: int | None = None,
) -> GradientVariance:
    """The variance of the loss gradient over the random choice of the target: all that a gradient method can see of it.

    Var(H, w) = E_a‖G_a − E G‖² with G_a the gradient of the expected loss when the target is h_a, a uniform over the
    class. It equals E_{x,x'} K(x,x')·Θ(x,x'), the class kernel paired with the model's tangent kernel (docs/theory,
    section 1), and is computed exactly over every member, up to the rounding of float arithmetic, unless an estimate is
    asked for (`rtol`, `method="probes"` or "sample") or nothing exact can be computed, which is warned of; an estimate
    carries its standard error. Exactly one of `model`, `jacobian` and `ntk` is given.

    Args:
        cls: the target class, `ModularMultiplication`, `Frequencies` or `Parity`.
        model: a torch module with one output a sample (with loss="cross-entropy" one a label); its trainable parameters
            are w. It is left as it was.
        jacobian: J instead of a model, float32 or float64, shape (n, d): row i is the gradient of the output at the
            i-th point of the law.
        ntk: Θ = J·Jᵀ instead of a model, shape (n, n), symmetric.
        encoding: how x is shown to the model: one of `barren.encodings`, or any function (x, p) -> array (n, width);
            with frequencies (x, 1.0), real x. The model gets it in its dtype, as floats also where they are whole: a
            forward with an embedding calls x.long().
        loss: "mse" (½(N−y)²) or "bce" (binary cross-entropy on a logit N), for both of which the variance is the same
            function of J; "hinge" (max(0, 1 − y·N)) for labels −1 and 1; any callable (outputs, labels) -> one loss a
            sample, tensors of shape (n,) in the dtype of the model; or "cross-entropy" (of logits), for a target of
            whole values 0..L−1 such as `targets.Residue()` and a model with an output a label.
        inputs: the law of x; default `cls.default_law`: `inputs.Uniform()`, and for frequencies `inputs.Density()` with
            1024 nodes, or eight a period of the fastest wave at the largest frequency where those are more. Rows of
            `jacobian` and `ntk` follow the points of the law: increasing for Uniform and RandomBits, as given for
            Sample.
        method: "auto", "direct", "character" (prime modulus), "nufft" (a cosine at frequencies 1..A), "walsh"
            (parities), "kernel", "probes", or "sample" (frequencies drawn on an interval or a sphere); "table" for
            cross-entropy and for a callable loss of more than two labels.
        deviations: whether to compute d(a) for every member too; default wherever the members can be listed. Beyond
            that d(a) cannot be had, and True is refused: for a prime p of any size and a ψ with a sawtooth expansion
            the variance over all of them is exact, by Dedekind sums; frequencies on an interval or a sphere are
            integrated over.
        per_parameter: whether to compute the variance of every single parameter too (not by "kernel" or "table").
        rtol: the relative standard error that will do: with "auto" an estimate is taken where it is predicted to be
            faster than every exact method. Default: exact, or 0.05 for method="probes" and "sample".
        seed: of the random vectors, or frequencies, of an estimate.
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

    Source: docs/theory, section 1 (the quantity); 3, 5 and 6.3 (how it is computed).

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
    problem = prepare(
        cls,
        model,
        jacobian=jacobian,
        ntk=ntk,
        encoding=encoding,
        loss=loss,
        inputs=inputs,
        method=method,
        deviations=deviations,
        per_parameter=per_parameter,
        rtol=rtol,
        seed=seed,
        dtype=dtype,
        memory_limit=memory_limit,
        threads=threads,
    )
    plan = make_plan(problem, method)
    if method == "auto" and rtol is None and not plan.chosen.is_exact:
        cure = ", or a larger memory_limit=" if "memory" in plan.reason else ""
        warnings.warn(
            f"{plan.reason.removeprefix('an estimate: ')}: this is an estimate to a relative standard error of 5 % "
            f"(give rtol= to say what will do{cure})",
            UserWarning,
            stacklevel=2,
        )
    # An overflow ends in an infinite sum, which is refused below.
    with problem.tangent.limited(problem.threads), np.errstate(over="ignore", invalid="ignore"):
        pairing = engine_of(problem, plan.method).run(problem)
        squared_norms = pairing.squared_norms
        if squared_norms is None:
            squared_norms = problem.tangent.squared_norms()
        problem.tangent.check_unchanged()
    plan = replace(plan, note=problem.tangent.note)  # a batch may have sent a layer another way
    labels = problem.labels
    mean_squared_norm = float(problem.weights @ squared_norms)
    _check_sound(pairing, mean_squared_norm, given=ntk is not None)
    rounding.warn(problem, pairing, mean_squared_norm)
    return GradientVariance(
        value=max(0.0, pairing.variance),  # below zero is rounding of a variance that is zero
        standard_error=_standard_error(cls, pairing),
        per_layer=pairing.per_layer,
        mean_squared_norm=mean_squared_norm,
        mean_squared_norm_of_probability=_of_probability(problem, pairing, squared_norms, loss),
        plan=plan,
        cls=cls,
        inputs=cls.law_of(inputs),
        estimate=pairing.estimate,
        _deviations=pairing.deviations,
        _per_parameter=pairing.per_parameter,
        _labels="numbers" if labels is None else "one-hot" if labels.slopes is None else "table",
        is_listed=problem.is_listed,
    )


def _as(verb: Callable[_Arguments, Any]) -> Callable[[Callable[..., _Result]], Callable[_Arguments, _Result]]:
    """Gives a function the arguments and defaults of a verb, so that they are listed once."""
    signature = inspect.signature(verb)

    def decorate(function: Callable[..., _Result]) -> Callable[_Arguments, _Result]:
        @functools.wraps(function)
        def call(*positional: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
            try:
                bound = signature.bind(*positional, **named)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            bound.apply_defaults()
            return function(*bound.args, **bound.kwargs)

        returned = inspect.signature(function).return_annotation
        call.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
        return call

    return decorate


@_as(gradient_variance)
def plan(*arguments: Any, **options: Any) -> Plan:  # noqa: D417  (its arguments are those of the other verb)
    """What `gradient_variance` would do with the same arguments, and what it would cost; nothing of it is done.

    The machine's rates are measured once and kept (some seconds). The model is timed on a few samples where its work
    cannot be counted, and before long work. `gradient_variance` chooses by the same prices.

    Args:
        cls, model, jacobian, ntk, encoding, loss, inputs: those of `gradient_variance`, which describes them.
        method, deviations, per_parameter, rtol, seed, dtype, memory_limit, threads: those of `gradient_variance` too.

    Returns:
        A `Plan`: `plan.method`, `plan.seconds`, `plan.memory` (bytes), `plan.candidates`; `print(plan)` explains it.

    Raises:
        TypeError, ValueError: as `gradient_variance`.

    Cost: the checks of the model, and the timing: about a second at most, or a few passes over one sample.

    Source: docs/performance, on what a method costs.

    Example:
        >>> import numpy as np
        >>> import barren
        >>> cls = barren.ModularMultiplication(1009)
        >>> plan = barren.plan(cls, jacobian=np.ones((1009, 3)))
        >>> plan.chosen.is_exact, plan.seconds < 10.0
        (True, True)
    """
    problem = prepare(*arguments, **options, priced=True)
    return make_plan(problem, options["method"])


# To a type checker that comes here by `barren`, the name `plan` may be the module.
plan_of = plan


def _of_probability(problem: Problem, pairing: Pairing, squared_norms: np.ndarray, loss: object) -> float | None:
    """E‖σ'(N)·J‖², σ the logistic function."""
    if loss != "bce":
        return None
    outputs = problem.tangent.outputs if pairing.outputs is None else pairing.outputs
    if outputs is None:
        return None
    # σ' = σ(N)·σ(−N) = 1/(4·cosh²(N/2)), which does not overflow to nan for large |N| the way exp(N) would.
    slope = 0.25 / np.cosh(np.clip(outputs / 2, -350.0, 350.0)) ** 2
    return float(problem.weights @ (slope**2 * squared_norms))


def _check_sound(pairing: Pairing, mean_squared_norm: float, *, given: bool) -> None:
    """Refuses a result that overflowed, and a negative one, which only an indefinite Θ can give."""
    if not np.isfinite(pairing.variance) or not np.isfinite(mean_squared_norm):
        refuse_overflow("the Jacobian, Θ, the model or ψ")
    if given and pairing.variance < -1e-6 * mean_squared_norm:
        raise ValueError(
            "ntk must be positive semidefinite, J·Jᵀ of some J; got one with which the variance would be "
            f"{pairing.variance:.3g}"
        )


def _standard_error(cls: TargetClass, pairing: Pairing) -> float:
    """0.0 for a whole class summed exactly; for a given set its error as an estimate for all units, with a warning."""
    if pairing.estimate is not None:
        return pairing.estimate.error
    if not isinstance(cls, ModularMultiplication) or cls.multipliers != "set":
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
