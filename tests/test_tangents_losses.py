"""Losses that are not affine in the label: rows ω(x)·J(x) against autograd of the loss difference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tangent_cases import Convolution, columns, features, mlp, seeded
from torch import nn
from torch.nn import functional

from barren.tangents import loss_weights, tangent_of_model


def hinge(outputs, labels):
    return torch.relu(1.0 - labels * outputs)


def sigmoid_squared(outputs, labels):
    return (torch.sigmoid(outputs) - labels) ** 2


def probability(outputs, labels):
    return functional.binary_cross_entropy(outputs, labels, reduction="none")


def squared(outputs, labels):
    return 0.5 * (outputs - labels) ** 2


def ends_in_sigmoid():
    return nn.Sequential(mlp(), nn.Sigmoid())


LOSSES = {
    "hinge": (hinge, (-1.0, 1.0), mlp),
    "sigmoid and squared error": (sigmoid_squared, (0.0, 1.0), mlp),
    "cross-entropy of a probability": (probability, (0.0, 1.0), ends_in_sigmoid),
    "a module": (nn.SmoothL1Loss(reduction="none"), (0.0, 2.0), Convolution),
}


def loss_difference(model, x, loss, labels):
    """∇_w (ℓ(N(x), l1) − ℓ(N(x), l0)) / (l1 − l0), a row a sample, by plain autograd of the loss."""
    rows = []
    for sample in torch.from_numpy(x):
        output = model(sample[None]).reshape(1)
        low, high = (loss(output, torch.full_like(output, label.item())) for label in torch.tensor(labels))
        total = (high - low).sum() / (labels[1] - labels[0])
        found = torch.autograd.grad(total, list(model.parameters()))
        rows.append(np.concatenate([g.numpy().ravel() for g in found]))
    return np.stack(rows)


@pytest.mark.parametrize("name", LOSSES)
def test_rows_are_the_difference_of_the_gradients(name):
    loss, labels, make = LOSSES[name]
    model, x = seeded(make), features()
    expected = loss_difference(model, x, loss, labels)
    assert expected.any()
    tangent = tangent_of_model(model, x, loss=loss, labels=labels)
    np.testing.assert_allclose(columns(tangent)[0], expected, atol=1e-13)
    outputs = model(torch.from_numpy(x)).detach().numpy().ravel()
    np.testing.assert_allclose(tangent.outputs, outputs, atol=1e-14)


def test_affine_losses_have_plain_rows():
    model, x = seeded(mlp), features()
    plain = columns(tangent_of_model(model, x))[0]
    for loss, labels in (("mse", None), ("bce", (0.0, 1.0))):
        np.testing.assert_array_equal(columns(tangent_of_model(model, x, loss=loss, labels=labels))[0], plain)
    # The sign of ω drops out of every covariance: ½(N − y)² gives ω = −1.
    found = columns(tangent_of_model(model, x, loss=squared, labels=(3.0, -2.0)))[0]
    np.testing.assert_allclose(found, -plain, atol=1e-14)


def test_float32_losses():
    model, x = seeded(mlp).float(), features()
    tangent = tangent_of_model(model, x, loss=hinge, labels=(-1, 1))
    assert columns(tangent)[0].dtype == np.float32


def test_the_loss_sees_labels_in_no_grad_too():
    with torch.no_grad():
        np.testing.assert_allclose(loss_weights(squared, (0, 1), np.zeros(3)), -np.ones(3))


def test_refusals():
    model, x = seeded(mlp), features()

    def refused(message, loss, labels=(0.0, 1.0), kind=ValueError):
        with pytest.raises(kind, match=message):
            tangent_of_model(model, x, loss=loss, labels=labels)

    refused("two labels are needed", hinge, None)
    for labels in ((0.0,), (0.0, 1.0, 2.0), (1.0, 1.0), (0.0, np.nan), ()):
        refused("two labels are needed", hinge, labels)
    refused('pass reduction="none"', nn.MSELoss())
    refused(r"shape \(9,\); got \(9, 1\)", lambda n, y: ((n - y) ** 2)[:, None])
    refused("got float", lambda n, y: 0.5)
    refused("differentiable", lambda n, y: (n.detach() - y) ** 2)
    refused("finite derivative", lambda n, y: torch.sqrt((n - n.detach()) * y))
    refused("loss must be", "huber")
    refused("loss must be", 3, kind=TypeError)
