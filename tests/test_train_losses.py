"""Losses that are functions: what their outputs are, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from train_helpers import CLS, SHORT, rows_of

import barren
from barren import models, targets

SIGNS = barren.ModularMultiplication(251, target=1 - 2 * targets.Bit(0))
SETTINGS: dict[str, Any] = {**SHORT, "members": [1, 2, 77], "seeds": 2, "lr": 0.01}


def squared(outputs: Tensor, labels: Tensor) -> Tensor:
    return 0.5 * (outputs - labels).square()


def logistic(outputs: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none")


def hinge(outputs: Tensor, labels: Tensor) -> Tensor:
    return (1.0 - labels * outputs).relu()


@pytest.mark.parametrize(
    ("name", "function", "cls"), [("mse", squared, CLS), ("bce", logistic, CLS), ("hinge", hinge, SIGNS)]
)
def test_a_function_is_judged_as_the_loss_of_that_name(name: str, function: Any, cls: Any) -> None:
    """The value with the smaller loss is the one on the right side of the threshold."""
    named = barren.train(cls, "mlp:20:relu", loss=name, **SETTINGS)
    given = barren.train(cls, "mlp:20:relu", loss=function, **SETTINGS)
    for key in ("train_accuracy", "test_accuracy", "test_chance", "test_loss"):
        assert np.array_equal(named.history[key], given.history[key]), key
    assert [row["learned"] for row in named.rows] == [row["learned"] for row in given.rows]


def weighted(outputs: Tensor, labels: Tensor) -> Tensor:
    """Errors on ones count ten times: the two losses are equal far below 0."""
    return functional.binary_cross_entropy_with_logits(
        outputs, labels, reduction="none", pos_weight=torch.tensor(10.0, dtype=outputs.dtype)
    )


def share_right(ensemble: barren.training.Ensemble, threshold: float) -> list[float]:
    """By the trained networks themselves, at the test points of each run."""
    found = []
    for place, row in enumerate(ensemble.rows):
        stream = barren.training.Population(200).stream(CLS, CLS.law_of(None), row["seed"], 40)
        features = torch.from_numpy(barren.encodings.Bits()(stream.test, CLS.p)).float()
        with torch.no_grad():
            guesses = ensemble.model(place)(features)[:, 0].numpy() > threshold
        labels = CLS.values(np.array([row["member"]]), stream.test)[0]
        found.append(float(np.mean(guesses == (labels == CLS.labels[1]))))
    return found


@pytest.mark.parametrize(("outputs", "threshold"), [("logits", 0.0), ("probabilities", 0.5), ("values", 0.5)])
def test_what_outputs_are_can_be_said(outputs: str, threshold: float) -> None:
    ensemble = barren.train(CLS, "mlp:20:relu", loss=weighted, outputs=outputs, **SETTINGS)
    assert [row["test_accuracy"] for row in ensemble.rows] == share_right(ensemble, threshold)
    unsaid = barren.train(CLS, "mlp:20:relu", loss=weighted, **SETTINGS)
    assert [row["test_loss"] for row in unsaid.rows] == [row["test_loss"] for row in ensemble.rows]
    assert [row["test_accuracy"] for row in unsaid.rows] != [row["test_accuracy"] for row in ensemble.rows]


def test_probabilities_are_not_taken_for_logits() -> None:
    def entropy(outputs: Tensor, labels: Tensor) -> Tensor:
        return functional.binary_cross_entropy(outputs, labels, reduction="none")

    def make(seed: int) -> nn.Module:
        return nn.Sequential(*models.mlp(5, (40,), "relu", seed=seed), nn.Sigmoid())

    easy = barren.ModularMultiplication(17, target=targets.Threshold(0.5))
    settings = {**SETTINGS, "members": [1], "steps": 300, "loss": entropy}
    for outputs in (None, "probabilities"):
        rows = barren.train(easy, make, outputs=outputs, **settings).rows
        assert all(row["test_accuracy"] > 0.95 for row in rows)
        assert all(row["learned"] for row in rows)
    wrong = barren.train(easy, make, outputs="logits", **settings)
    assert not any(row["test_accuracy"] > 0.6 for row in wrong.rows)  # every guess is a 1


def test_labels_of_any_sign_are_told_apart_at_their_middle_or_at_half() -> None:
    cut = {}
    for outputs in ("values", "probabilities"):
        cut[outputs] = barren.train(SIGNS, "mlp:20:relu", loss=squared, outputs=outputs, **SETTINGS)
    named = barren.train(SIGNS, "mlp:20:relu", loss="mse", **SETTINGS)
    assert [row["test_accuracy"] for row in cut["values"].rows] == [row["test_accuracy"] for row in named.rows]
    assert rows_of(cut["values"]) != rows_of(cut["probabilities"])


def test_a_loss_that_is_no_number_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="one real number a sample"):
        barren.train(CLS, "mlp:8:relu", loss=lambda outputs, labels: (outputs - labels).square().mean(), steps=2)
    with pytest.raises(ValueError, match=r"one real number a sample; got \(\d+,\) of torch.bool"):
        barren.train(CLS, "mlp:8:relu", loss=lambda outputs, labels: outputs > labels, steps=2, records=1)
    with pytest.raises(ValueError, match=r"loss must return a torch.Tensor, one real number a sample; got ndarray"):
        barren.train(CLS, "mlp:8:relu", loss=lambda outputs, labels: (outputs - labels).detach().numpy(), steps=2)


MIXING: dict[str, Any] = {
    "outputs": lambda outputs, labels: (outputs - outputs.mean() - labels) ** 2,
    "labels": lambda outputs, labels: (outputs - labels) ** 2 * labels.mean(),
    "count": lambda outputs, labels: (outputs - labels) ** 2 / len(outputs),
    "order": lambda outputs, labels: (outputs - labels.roll(1)) ** 2,
}


@pytest.mark.parametrize("test", [1, 50])
@pytest.mark.parametrize("name", list(MIXING))
def test_a_loss_that_mixes_samples_is_refused(name: str, test: int) -> None:
    """It would mix runs too: a run would be another in company."""

    def make(seed: int) -> nn.Module:
        model = models.mlp(8, (4,), "relu", seed=seed)
        nn.init.zeros_(model[-1].weight)
        nn.init.zeros_(model[-1].bias)
        return model

    with pytest.raises(ValueError, match="loss must be a function of each sample alone; got <lambda>"):
        barren.train(CLS, make, loss=MIXING[name], steps=2, data=f"population:{test}")


@pytest.mark.parametrize("loss", [lambda outputs, labels: labels * 1.0, lambda outputs, labels: outputs.detach() ** 2])
def test_a_loss_without_gradient_is_refused(loss: Any) -> None:
    with pytest.raises(ValueError, match="loss must have a gradient by the outputs; got <lambda>"):
        barren.train(CLS, "mlp:8:relu", loss=loss, steps=2)


def test_a_loss_may_write_into_what_it_is_given() -> None:
    def written(outputs: Tensor, labels: Tensor) -> Tensor:
        return outputs.sub_(labels).square()

    barren.train(CLS, "mlp:8:relu", loss=written, steps=2)
