"""How points are shown to a model: what is asked of an encoding, and in which dtype its rows arrive."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import barren
from barren import targets

BITS = barren.ModularMultiplication(7, targets.Bit(0))


@pytest.mark.parametrize(
    ("cls", "fits"), [(BITS, "Bits"), (barren.Parity(3), "Bits"), (barren.Frequencies(3), "Scalar")], ids=repr
)
def test_an_encoding_that_fits_is_named_where_none_is_given(cls, fits):
    with pytest.raises(TypeError, match=rf"such as encodings\.{fits}\(\) for {cls!r:.5}.*; got nothing$"):
        barren.gradient_variance(cls, nn.Linear(3, 1))


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (3, r"one of barren\.encodings, such as .*; got 3$"),
        (lambda x: x, r"a function \(x, p\) -> array.*got <lambda>\(x\): too many positional arguments$"),
        (
            lambda x, p, q: x,
            r"a function \(x, p\) -> array.*got <lambda>\(x, p, q\): missing a required argument",
        ),
    ],
)
def test_what_is_no_encoding_is_told_in_words(encoding, message):
    with pytest.raises(TypeError, match=f"^encoding must be {message}"):
        barren.gradient_variance(BITS, nn.Linear(3, 1), encoding=encoding)
    with pytest.raises(TypeError, match=f"^encoding must be {message}"):
        barren.train(BITS, "mlp:3", encoding=encoding, steps=1)


@pytest.mark.parametrize("encoding", [lambda *given: np.vander(given[0], 3), lambda x, p, width=3: np.vander(x, width)])
def test_a_function_of_more_arguments_will_do(encoding):
    assert float(barren.gradient_variance(BITS, nn.Linear(3, 1), encoding=encoding)) > 0.0


def test_whole_numbers_reach_a_model_as_floats_of_its_dtype():
    seen = []

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = nn.Embedding(7, 1)

        def forward(self, x):
            seen.append(x.dtype)
            return self.rows(x.long()).flatten(1)

    barren.gradient_variance(BITS, Tokens(), encoding=lambda x, p: x[:, None])
    assert set(seen) == {torch.float32}


def test_a_jacobian_with_a_graph_is_to_be_detached():
    jacobian = torch.ones(7, 2, requires_grad=True)
    with pytest.raises(TypeError, match=r"^jacobian must be .* with requires_grad=True: pass jacobian\.detach\(\)$"):
        barren.gradient_variance(BITS, jacobian=jacobian)
    assert float(barren.gradient_variance(BITS, jacobian=jacobian.detach())) >= 0.0
