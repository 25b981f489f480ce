"""What `train` refuses, and in which words: the argument, what was expected, what came."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from train_helpers import CLS, SHORT, Ints, P

import barren
from barren import encodings, models
from barren.classes import TargetClass
from barren.training import GivenSets


def quartic(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs - labels) ** 4


NORMED = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

BAD = {
    "optimizer": ({"optimizer": "adagrad"}, ValueError, "'adam', 'adamw'"),
    "option": ({"optimizer_options": {"momentum": 0.9}}, ValueError, "betas"),
    "option value": ({"optimizer_options": {"betas": (2.0, 0.9)}}, ValueError, r"two numbers in \[0, 1\)"),
    "batch": ({"data": "sample:10", "batch_size": 8}, ValueError, "the 7 points that train; got 8"),
    "m": ({"data": "sample:252"}, ValueError, "at most the number of points"),
    "split": ({"data": "sample:10:1.0"}, ValueError, "each side"),
    "data": ({"data": "everything"}, ValueError, "population"),
    "device": ({"device": "cuda:77"}, ValueError, "device must be"),
    "epochs": ({"epochs": 3, "steps": None}, ValueError, "fixed training set"),
    "both": ({"epochs": 3}, ValueError, "exactly one of steps and epochs"),
    "members": ({"members": [1, 1]}, ValueError, "different ones"),
    "member": ({"members": [P]}, ValueError, "members must be among those of .*; got 251"),
    "member zero": ({"members": [1, 0]}, ValueError, "members must be among those of .*; got 0"),
    "member no integer": ({"members": [1.0]}, TypeError, "members must be integers"),
    "many members": ({"members": P}, ValueError, "members"),
    "seeds": ({"seeds": [1, 1]}, ValueError, "different ones"),
    "rate": ({"lr": 0.0}, ValueError, "above 0"),
    "records": ({"records": [99]}, ValueError, "records"),
    "model": ({"model": 3}, TypeError, "seed -> module"),
    "outputs": ({"model": lambda seed: models.mlp(8, outputs=2)}, ValueError, "one output a class"),
    "loss": ({"loss": "l1"}, ValueError, "cross-entropy"),
    "encoding": ({"encoding": encodings.Bits}, TypeError, "encoding"),
    "dtype": ({"dtype": "float16"}, ValueError, "float32"),
    "dtype word": ({"dtype": "foo"}, ValueError, 'dtype must be "float32" or "float64".* got .foo'),
    "dtype kind": ({"dtype": object()}, TypeError, "dtype must be"),
    "outputs beside a name": ({"outputs": "logits"}, ValueError, "outputs goes with a function as loss"),
    "outputs word": ({"outputs": "scores", "loss": quartic}, ValueError, "outputs must be .*; got 'scores'"),
    "outputs kind": ({"outputs": 3, "loss": quartic}, TypeError, "outputs must be None or one of"),
    "width": ({"model": nn.Linear(7, 1)}, ValueError, r"model must take what the encoding gives, .* \(4, 8\).*4x8"),
    "lazy": ({"model": nn.LazyLinear(1)}, ValueError, "'weight' is lazy"),
    "option nan": ({"optimizer_options": {"eps": float("nan")}}, ValueError, r"options\['eps'\] must be a finite"),
    "option text": ({"optimizer_options": {"eps": "x"}}, TypeError, r"options\['eps'\] must be a finite number.*'x'"),
    "option low": ({"optimizer_options": {"weight_decay": -1}}, ValueError, r"\['weight_decay'\] .* at least 0"),
    "betas": ({"optimizer_options": {"betas": 0.9}}, ValueError, r"\['betas'\] must be a 1-D array of 2"),
    "nesterov": ({"optimizer": "sgd", "optimizer_options": {"nesterov": 1}}, TypeError, r"\['nesterov'\] must be True"),
    "nesterov alone": ({"optimizer": "sgd", "optimizer_options": {"nesterov": True}}, ValueError, "torch takes"),
    "seeds text": ({"seeds": "3"}, TypeError, "seeds must be a count or a list"),
    "rate text": ({"lr": "0.1"}, TypeError, "lr must be a finite number; got '0.1'"),
    "save": ({"save": 3}, TypeError, "save must be None or the path of a folder; got 3"),
    "points": (
        {"data": GivenSets([1, P], [2]), "batch_size": 2},
        ValueError,
        f"data's training points must be .* got {P} at index 1",
    ),
    "test points": (
        {"data": GivenSets([1], [2.5]), "batch_size": 1},
        TypeError,
        "data's test points must be .* integers",
    ),
    "one at a time": (
        {"model": NORMED, "batch_size": 1},
        ValueError,
        r"model must take .* for 1 samples in train",
    ),
    "last batch": ({"model": NORMED, "batch_size": 6, "data": "sample:10"}, ValueError, "for 1 samples in train mode"),
    "threads": ({"threads": 0}, ValueError, "threads"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_arguments(case: str) -> None:
    changed, kind, message = BAD[case]
    settings = {"model": "mlp:8:relu", "steps": 2, **changed}
    model = settings.pop("model")
    with pytest.raises(kind, match=message):
        barren.train(CLS, model, **settings)


def test_given_sets_may_not_overlap() -> None:
    with pytest.raises(ValueError, match="share no point; got 1"):
        GivenSets([1, 2, 3], [3, 4])


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([[1, 2]], [5], r"points of one kind; got shapes \(1, 2\), \(1,\)"),
        ([[1, 2]], [[5]], "points of one kind"),
        ([[1], [1, 2]], [5], r"train must be an array of points, of shape \(m,\) or \(m, d\)"),
        ([1], [[[5]]], "test must be an array of points"),
        ([1], 5, "test must be an array of points"),
        (["1"], [5], "train must be an array of points"),
    ],
)
def test_given_sets_are_points_of_one_kind(train: object, test: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GivenSets(train, test)


def test_a_model_that_cannot_be_copied_is_refused() -> None:
    def make(seed: int) -> nn.Module:
        model = models.mlp(8, (4,), "relu", seed=seed)
        prune.l1_unstructured(model[0], "weight", 0.5)
        return model

    with pytest.raises(ValueError, match=r"copy.deepcopy copies; got RuntimeError: Only Tensors .*prune.remove"):
        barren.train(CLS, make, **SHORT)


def test_rows_of_points_overlap_by_value() -> None:
    with pytest.raises(ValueError, match="share no point"):
        GivenSets(np.array([[0, 1], [1, 1]]), np.array([[-0.0, 1.0]]))


STRANGERS: list[tuple[TargetClass, list[float], object]] = [
    (barren.ModularMultiplication(15), [2, 5], 5),
    (barren.ModularMultiplication(15, multipliers="all"), [5, 15], 15),
    (barren.ModularMultiplication(15, multipliers=[1, 2]), [2, 4], 4),
    (barren.Parity(5, 2), [3, 1], 1),
    (barren.Parity(5), [31, 32], 32),
    (barren.Frequencies(5), [1, 1.5], 1.5),
    (barren.Frequencies(5, integer=False), [1.5, 5.5], 5.5),
    (barren.Frequencies(frequencies=[0.5, 2.0]), [2.0, 1.0], 1.0),
]


@pytest.mark.parametrize(("cls", "members", "stranger"), STRANGERS, ids=lambda value: repr(value)[:40])
def test_who_is_not_of_the_class_is_not_trained(cls: TargetClass, members: list[float], stranger: object) -> None:
    with pytest.raises(ValueError, match=rf"members must be among those of {re.escape(repr(cls))}; got {stranger}"):
        barren.train(cls, "mlp:4:relu", members=members, loss="mse", steps=1)
    barren.train(cls, "mlp:4:relu", members=members[:1], loss="mse", steps=1)


def shown(x: np.ndarray, p: float) -> np.ndarray:
    return x[:, None] * 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_norm": 0.5}, "leave its parameters alone in the forward; got one that changes '1.weight'"),
        ({"sparse": True}, "dense gradients; got a sparse one of '1.weight'"),
    ],
)
def test_embeddings_that_no_optimizer_could_follow(options: dict[str, object], message: str) -> None:
    model = nn.Sequential(Ints(), nn.Embedding(P, 6, **options), nn.Flatten(), nn.Linear(6, 1))
    with pytest.raises(ValueError, match=message):
        barren.train(CLS, model, encoding=shown, **SHORT)


@pytest.mark.parametrize("kind", ["parameter", "module", "module, before"])
def test_hooks_on_gradients_are_refused(kind: str) -> None:
    def make(seed: int) -> nn.Module:
        model = models.mlp(8, (4,), "relu", seed=seed)
        if kind == "parameter":
            model[0].weight.register_hook(torch.zeros_like)
        elif kind == "module":
            model[1].register_full_backward_hook(lambda module, below, above: (torch.zeros_like(below[0]),))
        else:
            model[1].register_full_backward_pre_hook(lambda module, above: (torch.zeros_like(above[0]),))
        return model

    where = (
        "its parameters; got one on '0.weight'" if kind == "parameter" else "its backward pass; got one on ReLU at '1'"
    )
    with pytest.raises(ValueError, match=f"model must have no hooks (on|in) {where}, which may change the gradient"):
        barren.train(CLS, make, **SHORT)


class OnlyInTraining(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.cholesky(-torch.eye(2)) if self.training else self.linear(x)


def test_a_forward_that_fails_in_train_mode_is_found_at_once() -> None:
    with pytest.raises(ValueError, match=r"model must take .* in train mode, forward and backward; got .*LinAlgError"):
        barren.train(CLS, OnlyInTraining(), **SHORT)
