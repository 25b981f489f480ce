"""Losses that are not affine in the label, and cross-entropy, on linear models whose Jacobian is given numbers.

The model is x -> ⟨w, J(x)⟩ with w a quarter of the first unit vector: its gradient is J(x) and its output a quarter of
the first column, without an error. So both sides know the derivatives of the loss at every label as fractions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import torch

import barren
from ledger import exact
from ledger.cases import Case
from ledger.exact import Numbers
from ledger.modular import Modular, modular

HARD = ("Z + 1", "1 + 1e-6·Z", "constant", "Z, one row 1e8", "columns 1e-100, 1, 1e100 of Z")
WIDE = 40


def absolute(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """|N − y|, of derivative ±1."""
    return (outputs - labels).abs()


def cubic(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(N − y)³/3, of derivative (N − y)²."""
    return (outputs - labels) ** 3 / 3


def _sign(output: Fraction, label: Fraction) -> Fraction:
    return Fraction((output > label) - (output < label))


SLOPES = {"|N − y|": (absolute, _sign), "(N − y)³/3": (cubic, lambda output, label: (output - label) ** 2)}


def cases() -> Iterator[Case]:
    """All of them."""
    for loss in SLOPES:
        for p, multipliers in ((13, "units"), (13, "all"), (31, "units"), (31, "some"), (15, "units"), (16, "all")):
            for law in ("uniform", "sample"):
                for j in HARD:
                    if loss == "(N − y)³/3" and j not in ("Z + 1", "constant"):
                        continue  # torch rounds these derivatives: they are no exact data
                    for columns in (3, WIDE):
                        problem = modular(p, "sawtooth" if loss == "|N − y|" else "residue", multipliers, law, j)
                        name = f"{problem.name}, {columns} columns, {loss}"
                        measure = functools.partial(_table, problem, loss, columns)
                        quick = p == 13 and columns == 3
                        yield Case("table, one output", "float64", name, measure, quick)
    for p, multipliers in ((13, "units"), (13, "all"), (15, "units"), (16, "all")):
        for law in ("uniform", "sample"):
            for j in HARD:
                problem = modular(p, "residue", multipliers, law, j)
                measure = functools.partial(_cross_entropy, problem)
                yield Case("table, cross-entropy", "float64", problem.name, measure, p == 13)


class _Rows:
    """An encoding that shows the model the rows of a matrix."""

    def __init__(self, points: np.ndarray, rows: np.ndarray) -> None:
        self._rows = dict(zip(points.tolist(), rows, strict=True))

    def __call__(self, x: np.ndarray, p: Any) -> np.ndarray:
        return np.array([self._rows[point] for point in np.asarray(x).tolist()])


def _linear(inputs: int, outputs: int) -> torch.nn.Module:
    model = torch.nn.Linear(inputs, outputs, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.zero_()
        if outputs == 1:
            model.weight[0, 0] = 0.25
    return model


def _distinct(problem: Modular) -> tuple[np.ndarray, Numbers]:
    """The points of the law that differ, and the weight of each: an encoding shows equal points equal rows."""
    points = problem.law_of_x.points(problem.p)
    places = np.unique(points)
    sums = [
        sum((w for x, w in zip(points.tolist(), problem.weights.fractions(), strict=True) if x == place), Fraction(0))
        for place in places.tolist()
    ]
    return places, exact.of_fractions(sums, (len(sums),))


def _table(problem: Modular, loss: str, columns: int) -> dict[str, float]:
    from ledger.modular import jacobian

    function, slope = SLOPES[loss]
    places, weights = _distinct(problem)
    rows = jacobian(problem.jacobian, places.tolist(), columns)
    v = barren.gradient_variance(
        problem.cls,
        _linear(columns, 1),
        encoding=_Rows(places, rows),
        loss=function,
        inputs=problem.law_of_x,
        method="table",
    )
    psi = _psi(problem, places)
    outputs = [Fraction(float(value)) / 4 for value in rows[:, 0]]
    derivatives = [[slope(n, y) for n, y in zip(outputs, member, strict=True)] for member in psi]
    table = exact.of_fractions((d for row in derivatives for d in row), (len(psi), len(places)))
    return _errors(v, exact.pairing(table, weights, exact.of_floats(rows)))


def _psi(problem: Modular, places: np.ndarray) -> list[list[Fraction]]:
    from ledger.modular import psi

    table = [psi(problem.target, t, problem.p) for t in range(problem.p)]
    return [[table[a * x % problem.p] for x in places.tolist()] for a in problem.members]


def _cross_entropy(problem: Modular) -> dict[str, float]:
    from ledger.modular import jacobian

    places, weights = _distinct(problem)
    rows = jacobian(problem.jacobian, places.tolist(), 3)
    v = barren.gradient_variance(
        problem.cls,
        _linear(3, problem.p),
        encoding=_Rows(places, rows),
        loss="cross-entropy",
        inputs=problem.law_of_x,
        method="table",
    )
    labels, features = np.array(_psi(problem, places), dtype=object), exact.of_floats(rows)
    total, deviations = Fraction(0), Fraction(0)
    parts = []
    for k in range(problem.p):  # the gradient in row k of the weights is −Σ_x c_x·1[ψ(ax) = k]·h(x), and one without a
        indicator = np.where(labels == k, 1, 0).astype(object)
        parts.append(exact.pairing(Numbers(indicator, 1), weights, features))
        total += parts[-1].variance
        deviations += parts[-1].scale
    sums = [
        sum((Fraction(int(part.deviations.top[a]), part.deviations.bottom) for part in parts), Fraction(0))
        for a in range(len(labels))
    ]
    return _errors(v, exact.Pairing(total, exact.of_fractions(sums, (len(sums),)), deviations))


def _errors(v: barren.GradientVariance, expected: exact.Pairing) -> dict[str, float]:
    return {
        "Var": exact.error(float(v), expected.variance, expected.scale),
        "d(a)": exact.error_of_all(v.deviations, expected.deviations, expected.scale),
    }
