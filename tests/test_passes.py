"""Columns of layers without a rule: made in as few passes as memory allows, and cut to what a method takes."""

from __future__ import annotations

import helpers
import numpy as np
import pytest
import torch
from helpers import relative

import barren
from barren import encodings, inputs, reference, targets
from barren.tangents.columns import Columns
from barren.variance import direct
from barren.variance.arguments import prepare
from barren.variance.passes import Passes

pytestmark = helpers.NODES_ALONE

P = 61


class Mixed(torch.nn.Module):
    """A layer with a rule between parameters without one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Parameter(torch.randn(6, 10))
        self.linear = torch.nn.Linear(10, 8)
        self.last = torch.nn.Parameter(torch.randn(8))

    def forward(self, x):
        inner = torch.tanh(self.linear(torch.tanh(torch.einsum("ni,ij->nj", x, self.first))))
        return torch.einsum("nj,j->n", inner, self.last)


@pytest.fixture
def samples(monkeypatch):
    """How many samples are differentiated while a method makes its columns, and not for squared norms."""
    seen, rows, blocks = [0], Columns.rows, Columns.blocks

    def counted(self, *arguments):
        making[0] += 1
        try:
            yield from blocks(self, *arguments)
        finally:
            making[0] -= 1

    def counted_rows(self, names, features):
        seen[0] += len(features) if making[0] else 0
        return rows(self, names, features)

    making = [0]
    monkeypatch.setattr(Columns, "blocks", counted)
    monkeypatch.setattr(Columns, "rows", counted_rows)
    return seen


def problem_of(limit):
    asked = {"jacobian": None, "ntk": None, "encoding": encodings.Bits(), "loss": "mse", "inputs": None, "rtol": None}
    asked |= {"method": "direct", "deviations": True, "per_parameter": False, "seed": 0, "dtype": None, "threads": 1}
    return prepare(barren.ModularMultiplication(P, targets.Bit(0)), Mixed(), memory_limit=limit, **asked)


def joined(blocks, most=10**9):
    parts: dict[str, list[np.ndarray]] = {}
    for layer, block in blocks:
        assert block.shape[1] <= most
        parts.setdefault(layer, []).append(block.copy())
    return {layer: np.concatenate(some, axis=1) for layer, some in parts.items()}


@pytest.mark.parametrize("columns", [5, 32, 1000])
@pytest.mark.parametrize("room", [0, 3, 70, 10**6])
def test_the_blocks_are_those_of_the_tangent(columns, room):
    problem = problem_of(2**40)
    a_column = 4 * P
    passes = Passes(problem, columns, 2**40 - 2 * room * a_column)
    whole, found = joined(problem.tangent.column_blocks(2**40)), joined(passes.blocks(), columns)
    assert list(found) == list(whole)
    for layer, block in found.items():
        np.testing.assert_allclose(block, whole[layer], rtol=1e-5, atol=1e-7)
    # A wide block, and a chunk of its rows twice in half of that, within the room; or no wider than asked for.
    assert passes.made <= max(columns, room) * a_column
    assert passes.made == columns * a_column or passes.memory <= 2**40
    if room >= problem.tangent.parameters > columns:
        assert passes.made == problem.tangent.parameters * a_column


@pytest.mark.parametrize("method", ["direct", "character"])
def test_one_pass_makes_all_columns_that_fit(method, samples, monkeypatch):
    monkeypatch.setattr(direct, "_COLUMNS", 8)
    monkeypatch.setattr("barren.variance.character.COLUMNS", 8)
    cls = barren.ModularMultiplication(P, targets.Bit(0))
    v = barren.gradient_variance(cls, Mixed(), encoding=encodings.Bits(), method=method)
    assert samples[0] == P  # of the two parameters of the model itself, which share a pass
    expected = reference.from_model(cls, Mixed(), encodings.Bits())
    assert relative(float(v), expected.variance) <= 1e-5
    assert relative(v.deviations, expected.deviations) <= 1e-5
    assert v.plan.memory >= 2 * 4 * P * (60 + 88 + 8)  # all of J, and a chunk of its rows twice


@pytest.mark.parametrize(
    ("cls", "law", "method"),
    [
        (barren.Frequencies(40), inputs.Density("uniform", P), "direct"),
        (barren.Frequencies(40, targets.Cosine()), inputs.Density("uniform", P), "nufft"),
        (barren.Parity(6, 3), None, "direct"),
        (barren.Parity(6), None, "walsh"),
    ],
    ids=["frequencies", "cosine", "parities", "all parities"],
)
def test_other_classes_make_all_columns_in_one_pass(cls, law, method, samples, monkeypatch):
    for place in ("barren.variance.frequency.columns.MOST_COLUMNS", "barren.variance.parity.direct._MOST_COLUMNS"):
        monkeypatch.setattr(place, 8)
    encoding = encodings.Bits() if isinstance(cls, barren.Parity) else _six_waves
    barren.gradient_variance(cls, Mixed(), encoding=encoding, inputs=law, method=method)
    assert samples[0] == len(cls.points_of(cls.law_of(law))[0])


def _six_waves(x, period):
    return np.cos(2 * np.pi * np.outer(x, np.arange(1, 7)))
