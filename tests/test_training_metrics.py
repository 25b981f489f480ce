"""Metrics of runs: from their definitions point by point, from scipy and torch, one run and many."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from barren import encodings
from barren.training import circular, metrics

RUNS, POINTS, WIDTH = 4, 23, 3
POINTWISE = ["mse", "bce", "hinge"]


def labels_for(loss: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if loss == "mse":
        return rng.standard_normal(shape)
    bits = rng.integers(0, 2, shape).astype(float)
    return 2 * bits - 1 if loss == "hinge" else bits


def outputs_for(shape: tuple[int, ...], dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 2, shape).astype(dtype)


def plain(output: float, label: float, loss: str) -> float:
    """The loss of one point, as in a textbook."""
    if loss == "mse":
        return 0.5 * (output - label) ** 2
    if loss == "hinge":
        return max(0.0, 1.0 - label * output)
    q = 1.0 / (1.0 + math.exp(-output))
    return -label * math.log(q) - (1.0 - label) * math.log(1.0 - q)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", POINTWISE)
def test_the_mean_loss_is_a_mean_over_points(loss, dtype):
    outputs, labels = outputs_for((RUNS, POINTS), dtype), labels_for(loss, (RUNS, POINTS))
    expected = [
        np.mean([plain(float(o), float(y), loss) for o, y in zip(row, truth, strict=True)])
        for row, truth in zip(outputs, labels, strict=True)
    ]
    found = metrics.mean_loss(outputs, labels, loss)
    assert found.shape == (RUNS,)
    assert np.allclose(found, expected, rtol=1e-13, atol=0)
    for run in range(RUNS):  # a run alone, and labels that all share
        assert metrics.mean_loss(outputs[run], labels[run], loss) == found[run]
        assert metrics.mean_loss(outputs, labels[run], loss)[run] == found[run]


@pytest.mark.parametrize("loss", POINTWISE)
def test_losses_of_several_outputs_add_up(loss):
    outputs, labels = outputs_for((RUNS, POINTS, WIDTH)), labels_for(loss, (POINTS, WIDTH))
    apart = [metrics.mean_loss(outputs[..., k], labels[:, k], loss) for k in range(WIDTH)]
    assert np.allclose(metrics.mean_loss(outputs, labels, loss, several=True), sum(apart), rtol=1e-14)
    best = [metrics.constant_loss(labels[:, k], loss) for k in range(WIDTH)]
    assert metrics.constant_loss(labels, loss, several=True) == pytest.approx(sum(best), rel=1e-14)
    assert metrics.constant_loss(np.stack([labels] * RUNS), loss, several=True).shape == (RUNS,)


def test_losses_are_torchs():
    outputs, bits = outputs_for((RUNS, POINTS)), labels_for("bce", (RUNS, POINTS))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(outputs), torch.tensor(bits), reduction="none"
    ).mean(dim=1)
    assert np.allclose(metrics.mean_loss(outputs, bits, "bce"), expected.numpy(), rtol=1e-13)
    logits, classes = outputs_for((RUNS, POINTS, WIDTH)), np.random.default_rng(2).integers(0, WIDTH, (RUNS, POINTS))
    expected = torch.stack(
        [
            torch.nn.functional.cross_entropy(torch.tensor(o), torch.tensor(y))
            for o, y in zip(logits, classes, strict=True)
        ]
    )
    found = metrics.mean_loss(logits, classes, "cross-entropy")
    assert np.allclose(found, expected.numpy(), rtol=1e-13)
    assert np.array_equal(metrics.mean_loss(logits, classes[0], "cross-entropy")[:1], found[:1])


@pytest.mark.parametrize("loss", POINTWISE)
@pytest.mark.parametrize("seed", range(5))
def test_the_best_constant_is_the_best(loss, seed):
    labels = labels_for(loss, (POINTS,), seed)
    best = float(metrics.constant_loss(labels, loss))
    found = minimize_scalar(
        lambda c: float(metrics.mean_loss(np.full(POINTS, c), labels, loss)), bounds=(-20, 20), method="bounded"
    )
    assert best == pytest.approx(found.fun, rel=1e-5)
    assert best <= found.fun + 1e-12
    soft = np.random.default_rng(seed).random(POINTS)  # probabilities as labels
    logit = math.log(soft.mean() / (1 - soft.mean()))
    at_best = metrics.mean_loss(np.full(POINTS, logit), soft, "bce")
    assert metrics.constant_loss(soft, "bce") == pytest.approx(float(at_best), rel=1e-13)


def test_the_best_constant_of_cross_entropy_is_the_entropy_of_the_labels():
    classes = np.random.default_rng(3).integers(0, 5, (RUNS, POINTS))
    found = metrics.constant_loss(classes, "cross-entropy")
    for run in range(RUNS):
        parts = [count / POINTS for count in Counter(classes[run].tolist()).values()]
        assert found[run] == pytest.approx(-sum(q * math.log(q) for q in parts), rel=1e-14)
        shares = np.bincount(classes[run], minlength=5) / POINTS
        logits = np.tile(np.log(np.maximum(shares, 1e-300)), (POINTS, 1))
        assert metrics.mean_loss(logits, classes[run], "cross-entropy") == pytest.approx(found[run], rel=1e-12)


def test_relative_loss():
    labels = labels_for("mse", (POINTS,))
    outputs = np.stack([labels, np.full(POINTS, labels.mean()), np.zeros(POINTS)])
    found = metrics.relative_loss(outputs, labels, "mse")
    assert found[0] == 0.0
    assert found[1] == pytest.approx(1.0, rel=1e-14)
    assert found[2] >= 1.0
    equal = np.full(10, 0.1)  # whose mean is not 0.1 in floats
    assert metrics.constant_loss(equal, "mse") == 0.0
    assert metrics.relative_loss(np.zeros(10), equal, "mse") == np.inf
    assert np.isnan(metrics.relative_loss(equal, equal, "mse"))
    for loss, value in (("bce", 1.0), ("hinge", -1.0), ("cross-entropy", 4)):
        assert metrics.constant_loss([value] * 7, loss) == 0.0


@pytest.mark.parametrize("threshold", [0.0, None, 0.25])
def test_accuracy(threshold):
    outputs, labels = outputs_for((RUNS, POINTS)), labels_for("bce", (RUNS, POINTS))
    cut = 0.5 if threshold is None else threshold
    expected = [
        sum((o > cut) == (y == 1.0) for o, y in zip(row, truth, strict=True)) / POINTS
        for row, truth in zip(outputs, labels, strict=True)
    ]
    assert np.array_equal(metrics.accuracy(outputs, labels, threshold=threshold), expected)
    signs = metrics.accuracy(outputs, 2 * labels - 1, values=(-1, 1), threshold=cut)
    assert np.array_equal(signs, expected)


def test_an_output_at_the_threshold_guesses_the_smaller_value():
    assert metrics.accuracy([0.0, 0.0], [0, 1]) == 0.5
    assert metrics.accuracy([0.0, 0.0, 0.0], [0, 0, 1]) == pytest.approx(2 / 3)
    assert metrics.accuracy([0.5, 0.5, 0.5], [0, 0, 1], threshold=None) == pytest.approx(2 / 3)


def test_accuracy_of_every_bit():
    outputs, labels = outputs_for((RUNS, POINTS, WIDTH)), labels_for("bce", (POINTS, WIDTH))
    found = metrics.bit_accuracy(outputs, labels)
    assert found.shape == (RUNS, WIDTH)
    for k in range(WIDTH):
        assert np.array_equal(found[:, k], metrics.accuracy(outputs[..., k], labels[:, k]))
    assert metrics.bit_accuracy(outputs[0], labels).tolist() == found[0].tolist()
    chance = metrics.constant_accuracy(labels, several=True)
    assert chance.tolist() == [max(np.mean(labels[:, k]), 1 - np.mean(labels[:, k])) for k in range(WIDTH)]


def test_the_best_constant_guess():
    classes = np.random.default_rng(4).integers(0, 4, (RUNS, POINTS))
    expected = [max(Counter(run.tolist()).values()) / POINTS for run in classes]
    assert metrics.constant_accuracy(classes).tolist() == expected
    guesses = [metrics.top_accuracy(np.eye(4)[np.full((RUNS, POINTS), c)], classes) for c in range(4)]
    assert np.max(guesses, axis=0).tolist() == expected


def test_top_accuracy():
    logits, classes = outputs_for((RUNS, POINTS, WIDTH)), np.random.default_rng(5).integers(0, WIDTH, POINTS)
    expected = [np.mean([max(range(WIDTH), key=row.__getitem__) for row in run] == classes) for run in logits]
    assert np.array_equal(metrics.top_accuracy(logits, classes), expected)
    assert metrics.top_accuracy(np.zeros((4, 3)), [0, 0, 1, 2]) == 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_run_that_is_not_finite_is_marked_and_the_others_go_on(bad):
    for shape in ((RUNS, POINTS), (RUNS, POINTS, WIDTH)):
        outputs = outputs_for(shape)
        broken = outputs.copy()
        broken[1].flat[2] = bad
        bits = labels_for("bce", shape[1:])
        several = len(shape) == 3
        measures = [lambda o, b=bits, s=several: metrics.mean_loss(o, b, "bce", several=s)]
        if several:
            measures += [
                lambda o, b=bits: metrics.bit_accuracy(o, b),
                lambda o: metrics.top_accuracy(o, np.zeros(POINTS, int)),
                lambda o: metrics.mean_loss(o, np.zeros(POINTS, int), "cross-entropy"),
            ]
        else:
            measures += [
                lambda o, b=bits: metrics.accuracy(o, b),
                lambda o: circular.circular_error(o, np.arange(POINTS), 31, "scalar"),
                lambda o: circular.accuracy_within(o, np.arange(POINTS), 31, 0.1, "residue"),
            ]
        for measure in measures:
            whole, marked = measure(outputs), measure(broken)
            assert np.isnan(marked[1]).all()
            kept = [0, 2, 3]
            assert np.array_equal(marked[kept], whole[kept])


def test_losses_at_the_ends_of_the_range_of_floats():
    huge = [1e200, -1e200]
    assert metrics.mean_loss(huge, [0.0, 0.0], "mse") == np.inf
    assert metrics.mean_loss(huge, [1.0, 0.0], "bce") == 0.0
    assert metrics.mean_loss(huge, [0.0, 1.0], "bce") == 1e200
    assert metrics.mean_loss([1e308, -1e308], [1.0, -1.0], "hinge") == 0.0
    assert metrics.mean_loss([[1e308, -1e308]], [1], "cross-entropy") == np.inf
    assert metrics.mean_loss([[1e308, -1e308]], [0], "cross-entropy") == 0.0


@pytest.mark.parametrize("p", [3, 8, 101])
def test_circular_distance_is_to_the_nearest_copy(p):
    rng = np.random.default_rng(p)
    predicted, labels = rng.uniform(-2 * p, 3 * p, (RUNS, POINTS)), rng.integers(0, p, POINTS)
    copies = np.arange(-6, 7) * p
    expected = np.abs(predicted[..., None] - labels[:, None] + copies).min(axis=-1)
    assert np.allclose(circular.circular_distance(predicted, labels, p), expected, atol=1e-12)
    assert np.allclose(circular.circular_error(predicted, labels, p, "residue"), expected.mean(axis=1) / p)
    for tau in (0.0, 0.1, 0.5):
        within = circular.accuracy_within(predicted, labels, p, tau, "residue")
        assert np.allclose(within, (expected <= tau * p).mean(axis=1))


@pytest.mark.parametrize("p", [3, 8, 101])
def test_residues_are_read_as_the_encodings_show_them(p):
    labels = np.arange(p)
    shown = {
        "residue": labels.astype(float),
        "scalar": encodings.Scalar()(labels, p)[:, 0],
        "angle": 0.3 * encodings.Angular()(labels, p),  # the length of the vector is not looked at
    }
    assert set(shown) == set(circular.FORMS)
    for form, outputs in shown.items():
        distance = circular.circular_distance(circular.residue_of(outputs, p, form), labels, p)
        assert distance.max() < 1e-13 * p, form
        assert circular.accuracy_within(np.stack([outputs] * 2), labels, p, 1e-9, form).tolist() == [1.0, 1.0]
        assert (circular.residue_of(outputs, p, form) < p).all()
    assert circular.residue_of([-1e-20], p, "residue") == 0.0


@pytest.mark.parametrize("p", [3, 8, 101])
@pytest.mark.parametrize("tau", [0.0, 0.01, 0.125, 0.3, 0.49, 0.5])
def test_the_best_constant_within_tau(p, tau):
    """Over constants on a fine grid, and the midpoints of arcs that begin at a label."""
    labels = np.random.default_rng(p).integers(0, p, (2, 9))
    centres = np.concatenate([np.linspace(0, p, 400), (labels + tau * p).ravel()])
    for run in labels:
        shares = circular.accuracy_within(np.tile(centres[:, None], (1, 9)), run, p, tau, "residue")
        assert circular.constant_within(run, p, tau) == pytest.approx(shares.max())
    assert circular.constant_within(labels, p, tau).shape == (2,)


def test_steps_to_a_threshold():
    steps = [0, 1, 10, 100]
    history = [[0.5, 0.9, 0.2, 0.9], [0.9, np.nan, np.nan, np.nan], [0.1, 0.2, 0.3, 0.8], [0.1, 0.2, 0.9, 0.95]]
    assert np.array_equal(metrics.steps_to(steps, history, 0.9), [1, 0, np.nan, 10], equal_nan=True)
    twice = metrics.steps_to(steps, history, 0.9, records=2)
    assert np.array_equal(twice, [np.nan, np.nan, np.nan, 10], equal_nan=True)
    assert np.isnan(metrics.steps_to(steps, history, 0.0, records=5)).all()
    falling = metrics.steps_to(steps, history, 0.2, rising=False)
    assert np.array_equal(falling, [10, np.nan, 0, 0], equal_nan=True)
    assert metrics.steps_to(steps, history[0], 0.9).shape == ()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([*POINTWISE, "cross-entropy"]))
def test_the_order_of_points_does_not_matter(seed, loss):
    rng = np.random.default_rng(seed)
    order = rng.permutation(POINTS)
    if loss == "cross-entropy":
        outputs, labels = rng.standard_normal((2, POINTS, WIDTH)), rng.integers(0, WIDTH, POINTS)
        assert np.array_equal(
            metrics.top_accuracy(outputs, labels), metrics.top_accuracy(outputs[:, order], labels[order])
        )
    else:
        outputs, labels = rng.standard_normal((2, POINTS)), labels_for(loss, (POINTS,), seed)
    before = metrics.relative_loss(outputs, labels, loss)
    assert np.allclose(metrics.relative_loss(outputs[:, order], labels[order], loss), before, rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(3, 1000))
def test_circular_metrics_turn_with_the_circle(seed, p):
    """Distances do not change if ŷ and y are both shifted, or both negated."""
    rng = np.random.default_rng(seed)
    predicted, labels, shift = rng.uniform(0, p, POINTS), rng.integers(0, p, POINTS), int(rng.integers(0, p))
    before = circular.circular_distance(predicted, labels, p)
    assert (before <= p / 2).all()
    assert np.allclose(circular.circular_distance(predicted + shift, (labels + shift) % p, p), before, atol=1e-9)
    assert np.allclose(circular.circular_distance(-predicted, -labels % p, p), before, atol=1e-9)
    assert circular.constant_within((labels + shift) % p, p, 0.1) == circular.constant_within(labels, p, 0.1)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_accuracy_of_the_opposite_guess(outputs, seed):
    """Accuracies of N and −N add to one where no output is at the threshold."""
    values = np.array(outputs)
    values[values == 0.0] = 1.0
    labels = np.random.default_rng(seed).integers(0, 2, len(values))
    both = metrics.accuracy(values, labels) + metrics.accuracy(-values, labels)
    assert both == pytest.approx(1.0)
    assert metrics.accuracy(np.ones(len(values)), labels) <= metrics.constant_accuracy(labels)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: metrics.mean_loss([1.0], [1.0], "l1"), ValueError, "loss must be one of"),
        (lambda: metrics.mean_loss([1.0], [1.0], 3), TypeError, "loss must be one of"),
        (lambda: metrics.mean_loss([1.0, 2.0], [1.0], "mse"), ValueError, r"labels must be of shape \(2,\), as the"),
        (lambda: metrics.mean_loss([1.0], [[1.0]], "mse"), ValueError, r"labels must be of shape \(1,\), as the"),
        (lambda: metrics.mean_loss([], [], "mse"), ValueError, "outputs must be .* at least one entry"),
        (lambda: metrics.mean_loss(["a"], [1.0], "mse"), TypeError, "outputs must be an array of numbers with"),
        (lambda: metrics.mean_loss([1.0], [np.nan], "mse"), ValueError, "labels must be an array of finite numbers"),
        (lambda: metrics.mean_loss([1.0], [1.5], "bce"), ValueError, r"labels must be in \[0, 1\] for loss='bce'"),
        (lambda: metrics.mean_loss([1.0], [0.0], "hinge"), ValueError, "labels must be -1 or 1 for loss='hinge'"),
        (lambda: metrics.mean_loss([1.0], [0.0], "mse", several=1), TypeError, "several must be True or False"),
        (lambda: metrics.mean_loss([[1.0, 2.0]], [2], "cross-entropy"), ValueError, "labels must be integers in 0..1"),
        (lambda: metrics.top_accuracy([[1.0, 2.0]], [0.5]), TypeError, "labels must be integers"),
        (lambda: metrics.top_accuracy([[1.0, 2.0]], [0, 1]), ValueError, r"labels must be of shape \(1,\)"),
        (lambda: metrics.constant_loss([[[1]]], "cross-entropy"), ValueError, "labels must be an array of integers"),
        (lambda: metrics.accuracy([1.0], [2.0]), ValueError, "labels must be 0 or 1; got 2.0"),
        (lambda: metrics.accuracy([1.0], [1.0], values=(1, 0)), ValueError, "values must be the smaller and"),
        (lambda: metrics.steps_to([0, 0], [1, 1], 0.5), ValueError, "steps must be increasing"),
        (lambda: metrics.steps_to([-1, 0], [1, 1], 0.5), ValueError, "steps must be increasing"),
        (lambda: metrics.steps_to([0, 1], [1, 1, 1], 0.5), ValueError, "history must be an array of shape"),
        (lambda: metrics.steps_to([0], [1], 0.5, records=0), ValueError, "records must be an integer, at least 1"),
        (lambda: circular.residue_of([1.0], 2, "scalar"), ValueError, "p must be an integer in 3"),
        (lambda: circular.residue_of([1.0], 5, "clock"), ValueError, "form must be one of"),
        (lambda: circular.residue_of([[1.0] * 3], 5), ValueError, r"outputs must be of shape \(n, 2\)"),
        (lambda: circular.circular_distance([1.0], [5], 5), ValueError, "labels must be integers in 0..4"),
        (lambda: circular.accuracy_within([1.0], [1], 5, 0.6, "scalar"), ValueError, "tau must be a finite number in"),
    ],
)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
