"""Cross-entropy on the residue, against one backward pass a multiplier, and its bound from the class alone."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from helpers import assert_below_the_bound, relative
from table_losses import (
    CHOICES,
    LAWS,
    LAYERED,
    OTHER,
    SLOW,
    agree,
    many_outputs,
    variance,
)
from tangent_cases import Convolution, seeded

import barren
from barren import encodings, inputs, models, targets
from barren.bounds import one_hot_bound


@pytest.mark.parametrize("p", [31, 30])
@pytest.mark.parametrize("name", LAYERED)
def test_cross_entropy_by_deltas(p, name):
    model = seeded(LAYERED[name], p)
    encoding = encodings.Bits(6)
    for multipliers in CHOICES:
        cls = barren.ModularMultiplication(p, targets.Residue(), multipliers)
        for law in LAWS:
            v = variance(cls, model, loss="cross-entropy", inputs=law, encoding=encoding)
            agree(v, cls, model, "cross-entropy", law, encoding=encoding)
            assert "activations and deltas" in v.explain()
            assert_below_the_bound(v)


@pytest.mark.parametrize("name", [*OTHER, *SLOW])
def test_cross_entropy_by_products(name):
    p, encoding = 23, encodings.Bits(6)
    for multipliers in CHOICES:
        cls = barren.ModularMultiplication(p, targets.Residue(), multipliers)
        model = seeded({**OTHER, **SLOW}[name], p)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            v = variance(cls, model, loss="cross-entropy", encoding=encoding)
        slow = [warning for warning in seen if "cannot be batched" in str(warning.message)]
        assert bool(slow) == ("one backward pass a cotangent" in v.explain())
        agree(v, cls, model, "cross-entropy", encoding=encoding)
        assert "vector-Jacobian products of 23 outputs" in v.explain()


@pytest.mark.parametrize("target", [targets.Bit(0), targets.Table(np.arange(31) ** 2 % 5), targets.Residue()])
def test_fewer_labels_and_more_outputs(target):
    for outputs in (31, 33):
        cls = barren.ModularMultiplication(31, target)
        model = models.mlp(5, (9, 8), "tanh", outputs=outputs, seed=0).double()
        v = variance(cls, model, loss="cross-entropy")
        agree(v, cls, model, "cross-entropy")
        assert_below_the_bound(v)


def test_one_label_has_no_variance():
    cls = barren.ModularMultiplication(31, targets.Table(np.zeros(31)))
    v = variance(cls, models.mlp(5, (9,), seed=0), loss="cross-entropy")
    assert v.bound == 0.0
    assert float(v) <= 1e-28 * v.mean_squared_norm  # the rounding of two orders of one sum


def test_a_relabelling_changes_nothing():
    order = np.random.default_rng(0).permutation(31)
    model = models.mlp(5, (9,), "tanh", outputs=31, seed=0).double()
    moved = copy.deepcopy(model)
    with torch.no_grad():  # logit order[t] of the moved model is logit t of the other
        moved[-1].weight[order] = model[-1].weight
        moved[-1].bias[order] = model[-1].bias
    plain = variance(barren.ModularMultiplication(31, targets.Residue()), model, loss="cross-entropy")
    relabelled = variance(barren.ModularMultiplication(31, targets.Table(order)), moved, loss="cross-entropy")
    assert relative(relabelled.deviations, plain.deviations) <= 1e-12
    assert relabelled.bound == pytest.approx(plain.bound, rel=1e-12)


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_float32_models_of_many_outputs(activation):
    for p in [31, 30]:
        cls = barren.ModularMultiplication(p, targets.Residue())
        single = models.mlp(5, (100, 80), activation, outputs=p, seed=1)
        double = copy.deepcopy(single).double()
        agree(variance(cls, single, loss="cross-entropy"), cls, double, "cross-entropy", tolerance=1e-4)
        cast = variance(cls, single, loss="cross-entropy", dtype="float64")
        agree(cast, cls, double, "cross-entropy")
        assert next(single.parameters()).dtype == torch.float32
        convolution = many_outputs(Convolution, p).float()
        v = variance(cls, convolution, loss="cross-entropy", encoding=encodings.Bits(6))
        agree(v, cls, convolution.double(), "cross-entropy", tolerance=1e-4, encoding=encodings.Bits(6))


def test_mean_squared_norm_of_many_outputs():
    cls, p = barren.ModularMultiplication(13, targets.Residue()), 13
    for make in (LAYERED["mlp"], LAYERED["skip"], OTHER["convolution"]):
        model = seeded(make, p)
        encoding = encodings.Bits(6)
        features = torch.as_tensor(encoding(np.arange(p), p))
        total = 0.0
        for x in features:
            for output in model(x[None])[0]:
                gradients = torch.autograd.grad(output, list(model.parameters()), retain_graph=True)
                total += sum(float((g**2).sum()) for g in gradients)
        v = variance(cls, model, loss="cross-entropy", encoding=encoding)
        assert v.mean_squared_norm == pytest.approx(total / p, rel=1e-10)
        assert v.normalised == pytest.approx(float(v) / v.mean_squared_norm)


def dense_bound(cls, law):
    """The largest eigenvalue of E_a (h_a − h̄)⊗(h_a − h̄), written out as a matrix over (x, label)."""
    points, weights = law.points(cls.p), law.weights(cls.p)
    labels = np.unique(cls.table(), return_inverse=True)[1].reshape(-1)
    one_hot = np.eye(labels.max() + 1)[[[labels[int(a) * int(x) % cls.p] for x in points] for a in cls.members]]
    features = (np.sqrt(weights)[:, None] * (one_hot - one_hot.mean(axis=0))).reshape(cls.size, -1)
    return np.linalg.eigvalsh(features.T @ features / cls.size)[-1]


@pytest.mark.parametrize("p", [13, 15, 16])
@pytest.mark.parametrize("target", [targets.Residue(), targets.Bit(0), targets.Sawtooth()])
def test_bound_of_one_hot_labels(p, target):
    for multipliers in CHOICES:
        cls = barren.ModularMultiplication(p, target, multipliers)
        for law in [inputs.Uniform(), inputs.Uniform(zero=False), inputs.Sample([0, 3, 3, 7], [0.4, 0.1, 0.2, 0.3])]:
            expected = dense_bound(cls, law)
            assert one_hot_bound(cls, law) == pytest.approx(expected, rel=1e-10, abs=1e-15)


def test_bound_of_one_hot_labels_by_lanczos():
    cls = barren.ModularMultiplication(1021, targets.Bit(0))
    law = inputs.Sample([1, 2, 3, 500])
    assert one_hot_bound(cls, law) == pytest.approx(dense_bound(cls, law), rel=1e-8)
    assert one_hot_bound(barren.ModularMultiplication(13, targets.Bit(0), [3])) == 0.0
