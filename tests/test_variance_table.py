"""The table method: any loss of many labels, and cross-entropy, against one backward pass a multiplier."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from helpers import relative
from tangent_cases import Attention, Convolution, Embedded, Recurrent, Tied, seeded
from torch import nn
from torch.nn import functional

import barren
from barren import encodings, inputs, models, reference, targets
from barren.bounds import one_hot_bound
from barren.variance import table

BITS = encodings.Bits()
CHOICES = ["units", "all", [7, 0, 1, 5]]


def huber(outputs, labels):
    return functional.huber_loss(outputs, labels, reduction="none", delta=0.3)


def absolute(outputs, labels):
    return (outputs - labels).abs()


def hinge(outputs, labels):
    return torch.relu(1.0 - outputs * labels)


def logistic_square(outputs, labels):
    return (torch.sigmoid(outputs) - labels) ** 2


LOSSES = [huber, absolute, hinge, logistic_square]
LAWS = [
    inputs.Uniform(),
    inputs.Uniform(zero=False),
    inputs.RandomBits(4),
    inputs.Sample([3, 3, 20, 0, 17], [0.1, 0.2, 0.3, 0.2, 0.2]),
]


def variance(cls, model, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*the tail is heavy.*")
        return barren.gradient_variance(cls, model, **{"encoding": BITS, **options})


def by_layer(cls, model, loss, law=None, encoding=BITS):
    """The share of every layer from the gradients of all members, and the deviations."""
    gradients = np.stack(list(reference.gradients(cls, model, encoding, loss, law)))
    squares = (gradients - gradients.mean(axis=0)) ** 2
    shares, start = {}, 0
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        layer = name.rpartition(".")[0] or "model"
        stop = start + parameter.numel()
        shares[layer] = shares.get(layer, 0.0) + squares[:, start:stop].sum() / len(gradients)
        start = stop
    return shares, squares.sum(axis=1)


def agree(v, cls, model, loss, law=None, tolerance=1e-10, encoding=BITS):
    shares, deviations = by_layer(cls, model, loss, law, encoding)
    # What the sum could lose: d(a) are squares of gradients that nearly cancel.
    assert relative(float(v), deviations.mean()) <= tolerance
    assert relative(v.deviations, deviations) <= tolerance
    assert v.per_layer.keys() == shares.keys()
    assert relative(np.array([v.per_layer[k] for k in shares]), np.array(list(shares.values()))) <= tolerance
    assert sum(v.per_layer.values()) == pytest.approx(float(v), rel=1e-12)
    assert v.method == "table"


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


class Skip(nn.Module):
    """The last layer's output is the model's, and another layer reaches the outputs around it."""

    def __init__(self, outputs, skip=True):
        super().__init__()
        self.first, self.side, self.last = nn.Linear(6, 5), nn.Linear(6, outputs), nn.Linear(5, outputs)
        self.skip = skip

    def forward(self, x):
        h = self.last(torch.tanh(self.first(x)))
        return h + self.side(x) if self.skip else torch.tanh(self.side(x)) * h


def many_outputs(kind, outputs, width=6):
    """A model of tangent_cases whose last layer has several outputs."""
    model = kind()
    model.last = nn.Linear(model.last.in_features, outputs)
    return model


def partly_frozen(outputs, parts):
    model = models.mlp(6, (8, 7), "tanh", outputs=outputs, seed=0)
    for part in parts:
        model[part].requires_grad_(False)
    model[2].bias.requires_grad_(False)
    return model


LAYERED = {
    "linear": lambda m: models.mlp(6, (), outputs=m, seed=0),
    "mlp": lambda m: models.mlp(6, (9, 8), "sigmoid", outputs=m, seed=0),
    "wide": lambda m: models.mlp(6, (200, 150), "relu", outputs=m, seed=0),
    "no bias": lambda m: nn.Sequential(nn.Linear(6, 9, bias=False), nn.ReLU(inplace=True), nn.Linear(9, m, bias=False)),
    "scaled after": lambda m: nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, m), nn.LogSoftmax(1)),
    "frozen last": lambda m: partly_frozen(m, [4]),
    "frozen first": lambda m: partly_frozen(m, [0]),
    "skip": lambda m: Skip(m),
    "gated": lambda m: Skip(m, skip=False),
}
OTHER = {
    "tied": lambda m: many_outputs(Tied, m),
    "convolution": lambda m: many_outputs(Convolution, m),
    "embedding": lambda m: many_outputs(Embedded, m),
    "attention": lambda m: many_outputs(Attention, m),
}
SLOW = {
    "recurrent": lambda m: many_outputs(Recurrent, m),
    "sparse": lambda m: many_outputs(lambda: Embedded(sparse=True), m),
}


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
            assert float(v) <= v.bound * (1 + 1e-9)


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
        assert float(v) <= v.bound * (1 + 1e-9)


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
        need = next(c.memory for c in whole.plan.candidates if c.method == "table")
        pieces = variance(cls, model, loss=loss, encoding=encoding, memory_limit=need)
        assert relative(pieces.deviations, whole.deviations) <= 1e-11
        assert pieces.per_layer == pytest.approx(whole.per_layer, rel=1e-11)
        with pytest.raises(ValueError, match=r"memory_limit must leave room for a method.*table needs"):
            variance(cls, model, loss=loss, encoding=encoding, memory_limit=need - 1)


def test_memory_limits_under_the_labels_are_refused_before_anything_is_computed():
    cls = barren.ModularMultiplication(31, targets.Residue(), [1, 2])
    few = {"encoding": BITS, "inputs": inputs.Sample([1, 2, 3])}
    model = models.mlp(5, (9,), outputs=31, seed=0)
    with pytest.raises(ValueError, match="memory_limit must hold the labels of the 31 residues for the table method"):
        barren.gradient_variance(cls, model, loss="cross-entropy", memory_limit=24 * 31 - 1, **few)
    model = models.mlp(5, (9,), seed=0)
    with pytest.raises(ValueError, match="memory_limit must hold ψ at the 31 residues for the table method"):
        barren.gradient_variance(cls, model, loss=huber, memory_limit=24 * 31 - 1, **few)
    with pytest.raises(
        ValueError, match="memory_limit must hold the derivatives of the loss at 3 points and 31 labels"
    ):
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
    assert "method table: the only method for this problem" in text
    assert text.count(NEEDS_AFFINE) == 3
    assert "the loss is affine in the label here" in variance(CLS, ONE, loss="mse").explain()
