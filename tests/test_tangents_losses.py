"""Losses that are not affine in the label: rows ω(x)·J(x) against autograd of the loss difference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tangent_cases import Convolution, columns, features, mlp, seeded
from torch import nn
from torch.nn import functional

import barren
from barren import encodings, targets
from barren.tangents import loss_slopes, loss_weights, tangent_of_model


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


class Stateful:
    """A squared error that grows with every call, or after so many."""

    def __init__(self, after=0):
        self.after, self.calls = after, 0

    def __call__(self, outputs, labels):
        self.calls += 1
        return (outputs - labels) ** 2 * (1 + max(0, self.calls - self.after))


def noisy(outputs, labels):
    return functional.dropout((outputs - labels) ** 2, 0.1)


def private_noise(outputs, labels):
    """Random numbers that torch's generator does not tell of."""
    noise = np.random.default_rng().uniform(0.99, 1.01, outputs.shape)
    return (outputs - labels) ** 2 * torch.from_numpy(noise).to(outputs)


NOT_POINTWISE = {
    "a mean of the outputs": lambda n, y: (n - y) ** 2 * n.mean(),
    "a mean without a derivative": lambda n, y: (n - y) ** 2 * n.mean().detach(),
    "a sum beside": lambda n, y: (n - y) ** 2 + n.sum(),
    "a mean of the labels": lambda n, y: (n - y.mean()) ** 2,
    "labels of others": lambda n, y: (n - y.flip(0)) ** 2,
    "outputs of others": lambda n, y: (n.flip(0) - y) ** 2,
    "a mean of all": lambda n, y: ((n - y) ** 2).mean().expand(len(n)),
    "the number of samples": lambda n, y: (n - y) ** 2 / len(n),
    "a position": lambda n, y: (n - y) ** 2 * torch.arange(len(n)).to(n),
    "fixed weights": lambda n, y: (n - y) ** 2 * torch.linspace(1, 2, 9, dtype=n.dtype),
    "ranks": lambda n, y: (n - y) ** 2 * n.argsort().argsort(),
    "noise": noisy,
    "other noise": private_noise,
    "a state": Stateful(),
    "a late state": Stateful(2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NOT_POINTWISE)
def test_a_loss_of_more_than_one_sample_is_refused(name, dtype):
    model, x = seeded(mlp), features()
    with pytest.raises(ValueError, match="function of one sample's output and label alone"):
        tangent_of_model(model, x, loss=NOT_POINTWISE[name], labels=(0.0, 1.0), dtype=dtype)
    for labels in (np.linspace(-1.0, 1.0, 5), np.linspace(-1.0, 1.0, 40)):
        loss = Stateful(len(labels)) if name == "a late state" else NOT_POINTWISE[name]
        with pytest.raises(ValueError, match="function of one sample's output and label alone"):
            loss_slopes(loss, labels, tangent_of_model(model, x).outputs, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 9, 100])
@pytest.mark.parametrize("labels", [2, 9, 40])
def test_losses_of_one_sample_are_accepted(labels, n, dtype):
    outputs, values = np.linspace(-15.0, 15.0, n), np.linspace(0.0, 1.0, labels)
    for loss in (
        hinge,
        sigmoid_squared,
        squared,
        nn.SmoothL1Loss(reduction="none"),
        nn.BCEWithLogitsLoss(reduction="none"),
        lambda n, y: -(y * torch.log(torch.sigmoid(n) + 1e-9) + (1 - y) * torch.log(1 - torch.sigmoid(n) + 1e-9)),
        lambda n, y: torch.where(y > 0.5, n**3, 0.0 * n),
        lambda n, y: torch.stack([(one - label) ** 2 for one, label in zip(n, y, strict=True)]),
    ):
        assert loss_slopes(loss, values, outputs, dtype=dtype).shape == (n, labels)


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
    refused(r"must return a torch\.Tensor, .*got float", lambda n, y: 0.5)
    refused(r"must return a torch\.Tensor, .*got ndarray: compute it by", lambda n, y: (n - y).detach().numpy())
    refused("differentiable", lambda n, y: (n.detach() - y) ** 2)
    refused("finite derivative", lambda n, y: torch.sqrt((n - n.detach()) * y))
    refused("finite values; got NaN or infinite ones at labels", lambda n, y: torch.log(n - 5.0) + y)
    refused(r"called as loss\(outputs, labels\) with two tensors of shape .*TypeError", lambda n: n)
    refused("fails at label .*IndexError", lambda n, y: n[:, 0] - y)
    refused("loss must be", "huber")
    refused("loss must be", 3, kind=TypeError)


def test_complex_losses_are_refused():
    for target in (targets.Bit(0), targets.Residue()):
        with pytest.raises(ValueError, match=r"loss must be real; got torch.complex64"):
            barren.gradient_variance(
                barren.ModularMultiplication(11, target),
                torch.nn.Linear(4, 1),
                encoding=encodings.Bits(),
                loss=lambda n, y: ((n - y) ** 2).to(torch.complex64),
            )
