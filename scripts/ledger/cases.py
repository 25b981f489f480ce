"""What a case of the ledger is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

# What is asked of exact engines: of float64 data, and of float32 data, whose sums are in float32 for runs of 256.
ASKED = {"float64": 1e-12, "float32": 1e-5}


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
        """Quantity -> relative error; warnings that results carry are no matter here."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.measure()
