"""The answer of `barren.gradient_variance`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barren import _validate
from barren.bounds import one_hot_bound
from barren.bounds.sharp import sharp_bound_at
from barren.classes import ModularMultiplication, Parity, TargetClass
from barren.inputs import Law, RealLaw
from barren.variance.plan import Plan
from barren.variance.problem import Estimate


@dataclass(frozen=True, eq=False)
class GradientVariance:
    """A gradient variance Var(H, w) = E_a‖G_a − E G‖² and what was learnt on the way. `float(v)` is the number itself.

    Attributes:
        value: the variance.
        standard_error: 0.0 when the class is a whole one ("units" or "all") and the method exact; the standard error of
            an estimate by probes or by a sample of frequencies. For a given set of multipliers `value` is
            exact for that set, and this is its standard error as an estimate for all units: the standard deviation of
            the deviations over √members, with the correction for a finite class; infinite for a single multiplier.
        per_layer: the variance of each layer's gradient; sums to `value`.
        mean_squared_norm: B² = E_x‖J(x)‖², J the gradient of the output, times the loss's weight ω for a callable loss
            of two labels (not with method="table"). For cross-entropy E_x Σ_c‖J_c(x)‖², over all outputs c.
        mean_squared_norm_of_probability: E_x‖σ'(N)·J(x)‖², J(x) times the derivative of the sigmoid: the mean squared
            gradient of the probability. Only for loss="bce" with a model, else None.
        method: the method that computed it.
        plan: the candidates and the reason for the choice.
        cls: the target class.
        inputs: the law of x.
        is_listed: whether the members, and so their deviations, can be listed.
        estimate: what is known of an estimate (how many probes or frequencies, which part is exact), None of an exact
            value.

    Source: docs/theory, section 1.
    """

    value: float
    standard_error: float
    per_layer: dict[str, float]
    mean_squared_norm: float
    mean_squared_norm_of_probability: float | None
    plan: Plan = field(repr=False)
    cls: TargetClass
    inputs: Law | RealLaw
    estimate: Estimate | None = None
    is_listed: bool = field(repr=False, default=True)
    _deviations: np.ndarray | None = field(repr=False, default=None)
    _per_parameter: dict[str, np.ndarray] | None = field(repr=False, default=None)
    _labels: str = field(repr=False, default="numbers")

    def __float__(self) -> float:
        return self.value

    @property
    def method(self) -> str:
        """The method that computed it."""
        return self.plan.method

    @property
    def members(self) -> np.ndarray:
        """Every multiplier a, int64, or every frequency, float64; shape (members,).

        Raises:
            ValueError: there are too many to be listed; `cls.size` counts them.
        """
        return self.cls.members

    @property
    def deviations(self) -> np.ndarray:
        """d(a) = ‖G_a − E G‖² for every member, float64, shape (members,); its mean is the variance.

        By probes each is an estimate without bias, whose relative standard error is at most √(2/probes).

        Raises:
            ValueError: they were not computed, because of `deviations=False`, because the members are too many to be
                listed, or because forward mode does not go through the model and the estimate is of the dual form.
        """
        if self._deviations is None and not self.cls.has_members:
            raise ValueError(f"deviations need a list of members, and {self.cls!r} has none: only its kernel")
        if self._deviations is None and self.estimate is not None:
            raise ValueError(
                "deviations need forward mode, which does not go through this model: the estimate is of the dual form "
                "(backward passes with random labels), which gives the variance and its parameters' shares only"
            )
        if self._deviations is None and not self.is_listed:
            raise ValueError(
                f"deviations need the list of all {self.cls.size} members, which does not fit in memory; "
                "the variance over them comes from their kernel"
            )
        if self._deviations is None:
            raise ValueError("deviations were not computed; pass deviations=True to gradient_variance")
        return self._deviations

    @property
    def normalised(self) -> float:
        """Var/B² with J of the output itself (for "bce": of the logit). 0/0 is nan: a model without a gradient."""
        return _ratio(self.value, self.mean_squared_norm)

    @property
    def normalised_by_probability(self) -> float:
        """Var/E‖σ'(N)·J‖², at least 16 times `normalised`: how published plots divide (docs/theory, section 1).

        Raises:
            ValueError: the loss is not "bce", or numbers were given in place of a model.
        """
        if self.mean_squared_norm_of_probability is None:
            raise ValueError('the normalisation by the probability needs a model and loss="bce"')
        return _ratio(self.value, self.mean_squared_norm_of_probability)

    @property
    def bound(self) -> float:
        """λ(H)·B²: no model of the same mean squared norm has a larger variance (docs/theory, section 4).

        λ is that of the law of x of this variance, `v.inputs`: on the real line that of its points, also where these
        are the nodes of a quadrature rule, as by default. `sharp_bound(cls)` is λ for x uniform on [0, 1] itself.

        Var and λ·B² are rounded each on its own, by a few units in the last place, and are not made to agree: where Var
        attains the bound, as at a single point, `float(v)` may exceed it by so much, and where both are 0 one of them
        may be what rounding leaves, of the order of 1e-32·B².

        Raises:
            ValueError: the loss was taken as a table of its derivatives: the class alone then gives no such bound.
        """
        if self._labels == "table":
            raise ValueError(
                "the bound holds for losses whose derivative is affine in the label and for cross-entropy; this loss "
                "was taken as a table of its derivatives"
            )
        if self._labels == "one-hot":
            assert isinstance(self.cls, ModularMultiplication)  # whose labels alone are taken one-hot
            assert isinstance(self.inputs, Law)
            return one_hot_bound(self.cls, self.inputs) * self.mean_squared_norm
        return sharp_bound_at(self.cls, self.inputs) * self.mean_squared_norm

    @property
    def per_parameter(self) -> dict[str, np.ndarray]:
        """Layer -> the variance of each of its parameters, float64, in the order of its tensors, each row by row.

        By probes these are estimates from 64 backward passes, each with a relative standard error of 0.18.

        Raises:
            ValueError: they were not asked for.
        """
        if self._per_parameter is None:
            raise ValueError("variances of single parameters were not computed; pass per_parameter=True")
        return self._per_parameter

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """A confidence interval of an estimate by probes or a sample; of an exact value, the value twice.

        A sum of few squares is skew, so the interval is that of a scaled χ² variable with the estimate's mean and
        variance, and wider above (docs/exactness).

        Args:
            confidence: between 0 and 1.

        Raises:
            ValueError: the value is for a given set of multipliers, whose spread has too heavy a tail for an interval.
        """
        confidence = _validate.real("confidence", confidence)
        if not 0.0 < confidence < 1.0:
            raise ValueError(f"confidence must be between 0 and 1; got {confidence!r}")
        if self.estimate is not None:
            return self.estimate.interval(confidence)
        if self.standard_error:
            raise ValueError("interval needs a whole class; deviations of a given set have too heavy a tail for one")
        return self.value, self.value

    def easiest(self, count: int = 10) -> list[tuple[Any, float]]:
        """The multipliers a gradient sees best: (a, share of the variance), largest d(a) first.

        Args:
            count: how many, of all where there are fewer.

        Raises:
            TypeError: count is not an integer.
            ValueError: count is negative, or the deviations were not computed.
        """
        count = _validate.integer("count", count, low=0)
        order = np.argsort(self.deviations)[::-1][:count]
        total = float(self.deviations.sum())
        return [(self.members[i].tolist(), _ratio(float(self.deviations[i]), total)) for i in order]

    def explain(self) -> str:
        """The plan in words: method, reason, the model's route, every candidate's price; how an estimate was made."""
        if not self.is_listed and self.cls.has_members:
            how = "their kernel" if isinstance(self.cls, Parity) else "Dedekind sums"
            return f"{self.plan}\nmembers: all {self.cls.size}, by {how}; too many to list, so no deviations"
        note = "" if self.estimate is None else f"\nestimate: {self.estimate.note}"
        if isinstance(self.inputs, RealLaw):
            note = f"{note}\nbound: λ is that of the {self.inputs.size()} points of {self.inputs!r}"
        return f"{self.plan}{note}"


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else float("nan")
