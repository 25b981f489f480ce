"""The table method: any loss of many labels against one backward pass a multiplier, and every refusal."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from helpers import relative
from table_losses import (
    BITS,
    CHOICES,
    LAWS,
    LAYERED,
    LOSSES,
    OTHER,
    agree,
    huber,
    logistic_square,
    variance,
)
from tangent_cases import Convolution, seeded
from torch import nn
from torch.nn import functional

import barren
from barren import encodings, inputs, models, targets
from barren.variance import table


@pytest.mark.parametrize("p", [31, 30])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("multipliers", CHOICES)
def test_losses_of_many_labels(p, loss, multipliers):
    values = targets.Table(np.random.default_rng(p).integers(-2, 3, p) / 4)
    for target in [targets.Sawtooth(), targets.Cosine(1), targets.Triangle(), values]:
        cls = barren.ModularMultiplication(p, target, multipliers)
        for law in LAWS:
            model = models.mlp(BITS.width(p), (6, 5), "tanh", seed=0).double()
            v = variance(cls, model, loss=loss, inputs=law)
            bare = variance(cls, model, loss=loss, inputs=law, deviations=False)
            agree(v, cls, model, loss, law)
            assert relative(float(bare), float(v)) <= 1e-11


def both_ways(monkeypatch, cls, model, **options):
    """The result by quadratic forms and by responses, whichever would be cheaper."""
    results = []
    for forms in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(table, "_takes_forms", lambda problem, forms=forms: forms)
            results.append(variance(cls, model, **options))
    return results


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("p", [61, 57])
def test_forms_and_responses(monkeypatch, dtype, activation, p):
    """Sigmoid networks put almost all of Θ into a constant that cancels; its rounding must not show."""
    single = models.mlp(BITS.width(p), (100, 80), activation, seed=1)
    double = copy.deepcopy(single).double()
    model = double if dtype == "float64" else single
    convolution = seeded(Convolution)
    for multipliers in CHOICES:
        cls = barren.ModularMultiplication(p, targets.Sawtooth(), multipliers)
        for v in both_ways(monkeypatch, cls, model, loss=huber):
            agree(v, cls, double, huber, tolerance=1e-10 if dtype == "float64" else 1e-4)
        if dtype == "float64":
            for v in both_ways(monkeypatch, cls, convolution, loss=huber):
                agree(v, cls, convolution, huber)


def test_two_labels_by_both_routes():
    for p in [61, 57]:
        for multipliers in CHOICES:
            cls = barren.ModularMultiplication(p, targets.Bit(0), multipliers)
            model = models.mlp(BITS.width(p), (12,), "tanh", seed=0).double()
            usual = variance(cls, model, loss=logistic_square)
            forced = variance(cls, model, loss=logistic_square, method="table")
            assert usual.method != "table"
            agree(forced, cls, model, logistic_square)
            assert relative(forced.deviations, usual.deviations) <= 1e-10
            assert relative(float(forced), float(usual)) <= 1e-10


def test_an_affine_loss_given_as_a_callable():
    cls = barren.ModularMultiplication(61, targets.Sawtooth())
    model = models.mlp(6, (12,), "tanh", seed=0).double()
    called = variance(cls, model, loss=lambda n, y: 0.5 * (n - y) ** 2)
    named = variance(cls, model, loss="mse")
    assert called.method == "table"
    assert relative(called.deviations, named.deviations) <= 1e-10
    assert called.mean_squared_norm == pytest.approx(named.mean_squared_norm, rel=1e-12)


def test_the_bound_of_a_table_is_refused():
    model = models.mlp(5, (9,), "tanh", seed=0).double()
    v = variance(barren.ModularMultiplication(31), model, loss=huber)
    with pytest.raises(ValueError, match="affine in the label"):
        _ = v.bound


@pytest.mark.parametrize("loss", ["cross-entropy", huber])
@pytest.mark.parametrize("name", ["mlp", "convolution"])
def test_small_memory_limits_change_nothing(loss, name):
    p, encoding = 31, encodings.Bits(6)
    outputs = p if loss == "cross-entropy" else 1
    model = seeded({**LAYERED, **OTHER}[name], outputs)
    for multipliers in CHOICES if name == "mlp" else CHOICES[:1]:
        cls = barren.ModularMultiplication(p, targets.Residue(), multipliers)
        whole = variance(cls, model, loss=loss, encoding=encoding)
        need = next(c.smallest_memory for c in whole.plan.candidates if c.method == "table")
        pieces = variance(cls, model, loss=loss, encoding=encoding, memory_limit=need)
        assert relative(pieces.deviations, whole.deviations) <= 1e-11
        assert pieces.per_layer == pytest.approx(whole.per_layer, rel=1e-11)
        with pytest.raises(ValueError, match=r"memory_limit must leave room for a method.*table needs"):
            variance(cls, model, loss=loss, encoding=encoding, memory_limit=need - 1)


NEEDS = (
    "memory_limit must leave room for a method; got [0-9]+ bytes, and here table needs at least {}; direct, character, "
    "kernel, probes: it needs a loss whose derivative is affine in the label"
)


def test_memory_limits_under_the_labels_are_refused_before_anything_is_computed():
    cls = barren.ModularMultiplication(31, targets.Residue(), [1, 2])
    few = {"encoding": BITS, "inputs": inputs.Sample([1, 2, 3])}
    model = models.mlp(5, (9,), outputs=31, seed=0)
    with pytest.raises(ValueError, match=NEEDS.format("744 bytes for the labels of the 31 residues")):
        barren.gradient_variance(cls, model, loss="cross-entropy", memory_limit=24 * 31 - 1, **few)
    model = models.mlp(5, (9,), seed=0)
    with pytest.raises(ValueError, match=NEEDS.format("744 bytes for ψ at the 31 residues")):
        barren.gradient_variance(cls, model, loss=huber, memory_limit=24 * 31 - 1, **few)
    derivatives = "2.9 KiB for the derivatives of the loss at 3 points and 31 labels"
    with pytest.raises(ValueError, match=NEEDS.format(derivatives)):
        barren.gradient_variance(cls, model, loss=huber, memory_limit=24 * 31, **few)


@pytest.mark.parametrize("loss", ["cross-entropy", huber])
def test_same_bits_for_any_number_of_threads(loss):
    p = 61
    model = models.mlp(6, (30,), "tanh", outputs=p if loss == "cross-entropy" else 1, seed=0).double()
    cls = barren.ModularMultiplication(p, targets.Residue())
    one, two, seven = (variance(cls, model, loss=loss, threads=threads) for threads in (1, 2, 7))
    assert np.array_equal(one.deviations, two.deviations)
    assert np.array_equal(one.deviations, seven.deviations)
    assert one.per_layer == two.per_layer == seven.per_layer


def test_the_model_is_left_as_it_was():
    model = models.mlp(5, (9,), "tanh", outputs=31, seed=0)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    variance(barren.ModularMultiplication(31, targets.Residue()), model, loss="cross-entropy")
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


CLS = barren.ModularMultiplication(11, targets.Residue())
ONE, MANY = models.mlp(4, (5,), outputs=1, seed=0), models.mlp(4, (5,), outputs=11, seed=0)
NEEDS_AFFINE = "needs a loss whose derivative is affine in the label"
BAD = {
    "one output": (ONE, {"loss": "cross-entropy"}, r"at least 11 outputs.*got \(11, 1\)"),
    "too few outputs": (models.mlp(4, (5,), outputs=10), {"loss": "cross-entropy"}, "at least 11 outputs"),
    "too many for a callable": (MANY, {"loss": huber}, "one output a sample"),
    "labels": (MANY, {"loss": "cross-entropy", "target": targets.Sawtooth()}, "whole values 0, 1, 2"),
    "negative labels": (MANY, {"loss": "cross-entropy", "target": targets.Square()}, "whole values 0, 1, 2"),
    "direct": (MANY, {"loss": "cross-entropy", "method": "direct"}, NEEDS_AFFINE + ".*table method"),
    "character": (ONE, {"loss": huber, "method": "character"}, NEEDS_AFFINE + ".*table method"),
    "kernel": (ONE, {"loss": huber, "method": "kernel"}, NEEDS_AFFINE + ".*table method"),
    "table for mse": (ONE, {"loss": "mse", "method": "table"}, "the loss is affine in the label"),
    "reduced": (ONE, {"loss": functional.huber_loss}, "one number a sample"),
    "no number": (ONE, {"loss": lambda n, y: 3.0}, "one number a sample.*got float"),
    "undefined": (
        ONE,
        {"loss": lambda n, y: functional.binary_cross_entropy(torch.sigmoid(n), y, reduction="none")},
        "loss must be defined at every label; it fails at label 2",
    ),
    "constant": (ONE, {"loss": lambda n, y: n.detach() * y}, "differentiable in the outputs"),
    "infinite": (ONE, {"loss": lambda n, y: torch.log(y) * n}, "finite derivative.*at labels 0 "),
    "not a number": (ONE, {"loss": lambda n, y: torch.sqrt(n - n + y) * n}, "finite derivative"),
    "unknown": (ONE, {"loss": "huber"}, "loss must be one of 'mse', 'bce', 'cross-entropy'"),
    "width": (models.mlp(5, (5,), outputs=11), {"loss": "cross-entropy"}, r"Bits\(.*must fit the model's input"),
    "frozen": (copy.deepcopy(MANY).requires_grad_(False), {"loss": "cross-entropy"}, "trainable parameter"),
    "dropout": (nn.Sequential(MANY, nn.Dropout(0.1)), {"loss": "cross-entropy"}, "(?i)dropout"),
    "batch": (nn.Sequential(MANY, nn.Softmax(0)), {"loss": "cross-entropy"}, "rest of the batch"),
    "three axes": (nn.Sequential(MANY, nn.Unflatten(1, (11, 1))), {"loss": "cross-entropy"}, "at least 11 outputs"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    model, options, message = BAD[name]
    options = dict(options)
    cls = barren.ModularMultiplication(11, options.pop("target", targets.Residue()))
    with pytest.raises(ValueError, match=message):
        barren.gradient_variance(cls, model, encoding=BITS, **options)


def test_cross_entropy_and_callables_need_a_model():
    for loss in ["cross-entropy", huber]:
        with pytest.raises(ValueError, match="needs the model"):
            barren.gradient_variance(CLS, jacobian=np.eye(11), loss=loss)
    with pytest.raises(TypeError, match="loss must be"):
        barren.gradient_variance(CLS, MANY, encoding=BITS, loss=3)


def test_non_finite_outputs_of_many_are_refused():
    broken = copy.deepcopy(MANY)
    with torch.no_grad():
        broken[-1].bias[3] = float("inf")
    with pytest.raises(ValueError, match="finite"):
        barren.gradient_variance(CLS, broken, encoding=BITS, loss="cross-entropy")


def test_the_plan_says_why():
    text = variance(CLS, MANY, loss="cross-entropy").explain()
    assert "method table: the only exact method for this problem" in text
    assert text.count(NEEDS_AFFINE) == 4
    assert "the loss is affine in the label here" in variance(CLS, ONE, loss="mse").explain()
