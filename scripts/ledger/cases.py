"""What a case of the ledger is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import barren
from ledger import exact

# What is asked of exact engines: of float64 data, and of float32 data, whose sums are in float32 for runs of 256.
ASKED = {"float64": 1e-12, "float32": 1e-5}
# From here on an error must come with a warning.
WARNED = 0.01


@dataclass(frozen=True)
class Case:
    """One comparison of an engine with its exact twin.

    Attributes:
        engine: the row of the ledger that it belongs to.
        dtype: of the data.
        name: the case in words.
        measure: computes both sides; quantity -> relative error.
        quick: whether it is one of those that the tests run.
        reason: why the engine cannot do what is asked here; empty where it must.
        limit: what the error may be.
    """

    engine: str
    dtype: str
    name: str
    measure: Callable[[], dict[str, float]]
    quick: bool = False
    reason: str = ""
    limit: float = 0.0

    @property
    def allowed(self) -> float:
        """The largest error that passes."""
        return self.limit or ASKED[self.dtype]

    def errors(self) -> dict[str, float]:
        """Quantity -> relative error; where one is a percent, the package must have warned of it.

        Raises:
            AssertionError: it has not.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = self.measure()
        if max(found.values()) >= WARNED and not any("rounding" in str(warning.message) for warning in caught):
            raise AssertionError(f"{self.engine}: {self.name}: errors {found} without a warning")
        return found


class Problem(Protocol):
    """A class, a law and a Jacobian, with the exact pairing of the three."""

    cls: Any
    numbers: Any
    law_of_x: Any
    pairing: exact.Pairing


def measured(problem: Problem, method: str, deviations: bool) -> dict[str, float]:
    """The errors of Var, and of d(a) where it is asked for."""
    v = barren.gradient_variance(
        problem.cls, jacobian=problem.numbers, inputs=problem.law_of_x, method=method, deviations=deviations
    )
    expected = problem.pairing
    found = {"Var": exact.error(float(v), expected.variance, expected.scale)}
    if deviations:
        found["d(a)"] = exact.error_of_all(v.deviations, expected.deviations, expected.scale)
    return found
