"""From a torch model to the variance: every method against one backward pass of the true loss per multiplier."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from helpers import assert_below_the_bound, relative
from torch import nn
from torch.nn import functional

import barren
from barren import encodings, inputs, models, reference, targets


def mlp(width: int, activation: str = "sigmoid", hidden: tuple[int, ...] = (30, 20)) -> nn.Module:
    return models.mlp(width, hidden, activation, seed=0).double()


class TinyTransformer(nn.Module):
    """Digits as tokens, embedded, one encoder layer, mean over positions."""

    def __init__(self, length: int, base: int = 10, width: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(base, width)
        self.position = nn.Parameter(0.1 * torch.randn(length, width))
        self.encoder = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embedding(x.long()) + self.position).mean(dim=1))


class TinyConvolution(nn.Module):
    """Bits as a sequence, convolved and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Tanh())
        self.head = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x[:, None]).mean(dim=2))


def compare(cls, model, encoding, loss="mse", law=None, tolerance=1e-12):
    """Every method that can, against the reference; returns the last result."""
    expected = reference.from_model(cls, model, encoding, loss, law)
    for method in ["direct", "character", "kernel", "auto"]:
        if method == "character" and not cls.is_prime:
            continue
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*the tail is heavy.*")
            v = barren.gradient_variance(cls, model, encoding=encoding, loss=loss, inputs=law, method=method)
        # Pairing K with Θ adds terms up to a thousand times the sum, so it may lose three digits more.
        allowed = max(tolerance, 1e-11) if v.method == "kernel" else tolerance
        assert relative(float(v), expected.variance) <= allowed, method
        assert relative(v.deviations, expected.deviations) <= 10 * allowed, method
        assert sum(v.per_layer.values()) == pytest.approx(float(v), rel=1e-12)
        assert_below_the_bound(v)
    return v


@pytest.mark.parametrize("p", [61, 57])
@pytest.mark.parametrize("multipliers", ["units", "all", [1, 7, 0, 13]])
@pytest.mark.parametrize("encoding", [encodings.Bits(), encodings.OneHot(), encodings.Angular(2)])
def test_mlps(p, multipliers, encoding):
    cls = barren.ModularMultiplication(p, targets.Bit(0), multipliers)
    for loss in ["mse", "bce"]:
        v = compare(cls, mlp(encoding.width(p)), encoding, loss)
        assert set(v.per_layer) == {"0", "2", "4"}


@pytest.mark.parametrize(
    "law", [inputs.Uniform(zero=False), inputs.RandomBits(5), inputs.RandomBits(9), inputs.Sample([3, 3, 60, 0, 17])]
)
def test_laws_of_x(law):
    cls = barren.ModularMultiplication(61, targets.Sawtooth())
    compare(cls, mlp(1, "tanh"), encodings.Scalar(), law=law)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_transformer_and_a_convolution(mode):
    torch.manual_seed(0)
    for p in [31, 33]:
        cls = barren.ModularMultiplication(p, targets.Bit(0))
        digits = encodings.Digits(10)
        transformer = getattr(TinyTransformer(digits.width(p)).double(), mode)()
        v = compare(cls, transformer, digits, "bce", tolerance=1e-10)
        assert "encoder.self_attn" in v.per_layer
        convolution = getattr(TinyConvolution().double(), mode)()
        compare(cls, convolution, encodings.Bits(), tolerance=1e-10)


def hinge(outputs, labels):
    return torch.relu(1.0 - outputs * labels)


def sigmoid_squared(outputs, labels):
    return (torch.sigmoid(outputs) - labels) ** 2


def bce_on_probability(outputs, labels):
    return functional.binary_cross_entropy(torch.sigmoid(outputs), labels, reduction="none")


@pytest.mark.parametrize("loss", [hinge, sigmoid_squared, bce_on_probability])
@pytest.mark.parametrize("p", [61, 57])
def test_losses_of_two_labels_are_exact(loss, p):
    parity = targets.Table(1.0 - 2.0 * (np.arange(p) % 2)) if loss is hinge else targets.Bit(0)
    for multipliers in ["units", "all"]:
        cls = barren.ModularMultiplication(p, parity, multipliers)
        compare(cls, mlp(6, "tanh"), encodings.Bits(), loss)
    many = barren.ModularMultiplication(p, targets.Triangle())
    with pytest.raises(ValueError, match="'kernel' cannot be used here: it needs a loss whose derivative is affine"):
        barren.gradient_variance(many, mlp(6), encoding=encodings.Bits(), loss=loss, method="kernel")


def test_bce_as_a_name_and_as_a_callable_agree():
    def bce(outputs, labels):
        return functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none")

    cls, model = barren.ModularMultiplication(61, targets.Bit(0)), mlp(6)
    named = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss="bce")
    called = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss=bce)
    assert relative(float(called), float(named)) <= 1e-12
    assert relative(called.mean_squared_norm, named.mean_squared_norm) <= 1e-12


def test_both_normalisations():
    cls, model = barren.ModularMultiplication(61, targets.Bit(0)), mlp(6, "relu")
    features = torch.as_tensor(encodings.Bits()(np.arange(61), 61))

    def mean_squared_norm(output):
        norms = []
        for x in features:
            gradients = torch.autograd.grad(output(model(x[None]))[0, 0], list(model.parameters()))
            norms.append(sum(float((g**2).sum()) for g in gradients))
        return np.mean(norms)

    v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss="bce")
    assert v.normalised == pytest.approx(float(v) / mean_squared_norm(lambda logit: logit), rel=1e-12)
    assert v.normalised_by_probability == pytest.approx(float(v) / mean_squared_norm(torch.sigmoid), rel=1e-12)
    assert v.normalised_by_probability >= 16 * v.normalised
    with pytest.raises(ValueError, match="needs a model and loss"):
        _ = barren.gradient_variance(cls, model, encoding=encodings.Bits()).normalised_by_probability


def test_float32_models_are_as_accurate_as_their_weights():
    """Sigmoid networks put almost all of Θ into a constant that cancels; its rounding must not show."""
    cls = barren.ModularMultiplication(101, targets.Bit(0))
    for activation in ["sigmoid", "relu"]:
        single = models.mlp(7, (300, 300), activation, seed=1)
        expected = reference.from_model(cls, copy.deepcopy(single).double(), encodings.Bits(), "bce")
        for method in ["direct", "character", "kernel"]:
            v = barren.gradient_variance(cls, single, encoding=encodings.Bits(), loss="bce", method=method)
            assert relative(float(v), expected.variance) <= 2e-6
        cast = barren.gradient_variance(cls, single, encoding=encodings.Bits(), loss="bce", dtype="float64")
        assert relative(float(cast), expected.variance) <= 1e-10
        assert next(single.parameters()).dtype == torch.float32


def test_the_route_and_the_plan_are_explained():
    cls, model = barren.ModularMultiplication(61, targets.Bit(0)), mlp(6)
    v = barren.gradient_variance(cls, model, encoding=encodings.Bits())
    assert v.method == "kernel"
    assert "activations and deltas of 2 layers (0, 2)" in v.explain()


BITS = encodings.Bits()
CLS = barren.ModularMultiplication(11, targets.Bit(0))
BAD = {
    "no module": (TypeError, "model must", object(), {"encoding": BITS}),
    "no encoding": (TypeError, "encoding must be one of", mlp(4), {}),
    "encoding kind": (TypeError, "encoding must be one of", mlp(4), {"encoding": "bits"}),
    "encoding width": (ValueError, r"Bits\(.*4", mlp(5), {"encoding": BITS}),
    "encoding rows": (ValueError, "the encoding's result must", mlp(4), {"encoding": lambda x, p: np.ones((3, 4))}),
    "outputs": (ValueError, "one output", nn.Linear(4, 2), {"encoding": BITS}),
    "frozen": (ValueError, "trainable parameter", mlp(4).requires_grad_(False), {"encoding": BITS}),
    "batch norm": (
        ValueError,
        "not a function of one sample",
        nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)),
        {"encoding": BITS},
    ),
    "dropout": (
        ValueError,
        "(?i)dropout",
        nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.1), nn.Linear(3, 1)),
        {"encoding": BITS},
    ),
    "dtype": (ValueError, "dtype must", mlp(4), {"encoding": BITS, "dtype": "float16"}),
    "reduced loss": (ValueError, "one number a sample", mlp(4), {"encoding": BITS, "loss": functional.mse_loss}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    kind, message, model, options = BAD[name]
    with pytest.raises(kind, match=message):
        barren.gradient_variance(CLS, model, **options)


def test_non_finite_outputs_and_gradients_are_refused():
    broken = mlp(4)
    with torch.no_grad():
        broken[0].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="finite"):
        barren.gradient_variance(CLS, broken, encoding=BITS)

    class Root(nn.Module):
        """Finite at every x, with an infinite slope at x = 0."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, 1, dtype=torch.float64))

        def forward(self, x):
            return torch.sqrt(self.weight * x)

    with pytest.raises(ValueError, match="finite"):
        barren.gradient_variance(CLS, Root(), encoding=encodings.Scalar())
