"""Products with J and its transpose: chunks, groups of directions, dtypes, and what forward mode cannot follow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tangent_cases import MIXED, SLOW, Embedded, features, mlp, oracle, seeded
from test_tangents import check_products
from torch import nn

from barren.tangents import GivenJacobian, GivenNTK, products, tangent_of_model


class Cube(torch.autograd.Function):
    """x³, with a derivative in reverse mode and, if asked, one in forward mode."""

    generate_vmap_rule = True
    slope = None

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx, gradient):
        return 3 * ctx.saved_tensors[0] ** 2 * gradient


class WrongCube(Cube):
    @staticmethod
    def jvp(ctx, tangent):
        return 3.001 * ctx.saved_tensors[0] ** 2 * tangent


class RightCube(Cube):
    @staticmethod
    def jvp(ctx, tangent):
        return 3 * ctx.saved_tensors[0] ** 2 * tangent


class Cubed(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.first, self.last, self.function = nn.Linear(6, 4), nn.Linear(4, 1), function

    def forward(self, x):
        return self.last(self.function.apply(self.first(x)))


def test_chunks_and_groups_do_not_show(monkeypatch):
    model, x = seeded(mlp), features(10)
    monkeypatch.setattr(products, "_MOST_SAMPLES", 3)
    tangent = tangent_of_model(model, x).products_within(2 * 8 * 107 * 2)  # two directions a group
    check_products(tangent, oracle(model, x), 1e-12)
    check_products(tangent.take([9, 2, 2]), oracle(model, x)[[9, 2, 2]], 1e-12)
    omega = np.linspace(-1.0, 2.0, 10)
    check_products(tangent.scale_rows(omega), omega[:, None] * oracle(model, x), 1e-12)


def test_the_primal_is_evaluated_once_for_a_group_of_directions():
    model, x = seeded(mlp), features(9)
    tangent = tangent_of_model(model, x)
    assert tangent.has_products
    calls = []
    model.register_forward_hook(lambda *args: calls.append(1))
    tangent.products(np.ones((tangent.parameters, 20)))
    assert len(calls) == 1


def test_float32():
    model, x = seeded(mlp), features()
    tangent = tangent_of_model(seeded(mlp).float(), x)
    check_products(tangent, oracle(model, x), 1e-5)


@pytest.mark.parametrize("make", [SLOW["branching"][0], SLOW["recurrent"][0]])
def test_models_that_vmap_cannot_follow(make):
    model, x = seeded(make), features(5)
    with pytest.warns(UserWarning, match="vectorised"):
        tangent = tangent_of_model(model, x)
    check_products(tangent, oracle(model, x), 1e-12)


def test_sparse_gradients():
    model, x = seeded(lambda: Embedded(sparse=True)), features(5)
    check_products(tangent_of_model(model, x), oracle(model, x), 1e-12)


def test_forward_mode_that_is_missing_or_wrong_is_not_used():
    cases = [
        (MIXED["parametrised"][0], "forward mode does not go through this model: .*_weight_norm"),
        (lambda: Cubed(Cube), "forward mode does not go through this model"),
        (lambda: Cubed(WrongCube), r"differs from reverse mode in 'first\.(weight|bias)' by"),
    ]
    x = features(5)
    for make, message in cases:
        model = seeded(make)
        tangent = tangent_of_model(model, x)
        assert not tangent.has_products
        with pytest.raises(ValueError, match=message):
            tangent.products(np.ones((tangent.parameters, 1)))
        check_products(tangent, oracle(model, x), 1e-12)  # reverse mode is as good as ever
    tangent = tangent_of_model(seeded(lambda: Cubed(RightCube)), x)
    assert tangent.has_products
    check_products(tangent, oracle(seeded(lambda: Cubed(RightCube)), x), 1e-12)


def test_bad_vectors():
    tangents = [tangent_of_model(seeded(mlp), features()), GivenJacobian(np.ones((9, 107)))]
    for tangent in tangents:
        for bad in (np.ones(107), np.ones((9, 2)), np.full((107, 1), np.nan)):
            with pytest.raises(ValueError, match="directions must be"):
                tangent.products(bad)
        for bad in (np.ones(9), np.ones((107, 2)), np.full((9, 1), np.inf)):
            with pytest.raises(ValueError, match="cotangents must be"):
                tangent.transposed_products(bad)
    given = GivenNTK(np.eye(3))
    assert not given.has_products
    for call in (given.products, given.transposed_products):
        with pytest.raises(ValueError, match="does not determine"):
            call(np.ones((3, 1)))


def test_none_at_all():
    tangent = tangent_of_model(seeded(mlp), features())
    assert tangent.products(np.ones((tangent.parameters, 0))).shape == (9, 0)
    assert tangent.transposed_products(np.ones((9, 0))).shape == (tangent.parameters, 0)
