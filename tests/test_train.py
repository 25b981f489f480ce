"""Ensembles: the same runs as alone, as plain torch, in any company, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from train_helpers import CLS, MODELS, SHORT, P, assert_is_the_plain_loop, rows_of

import barren
from barren import encodings, inputs, models, targets
from barren.training import FixedSample, Population


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "sign-sgd"])
@pytest.mark.parametrize("name", ["mlp", "tanh", "deep"])
@pytest.mark.parametrize("data", ["population:200", "sample:120"])
def test_a_run_has_the_same_bits_alone_and_in_company(name: str, optimizer: str, data: str) -> None:
    settings = {**SHORT, "data": data, "optimizer": optimizer, "lr": 0.01}
    whole = barren.train(CLS, MODELS[name], members=[1, 2, 77], seeds=3, threads=2, **settings)
    kept = rows_of(whole)
    for place in (0, 5, 8):
        row = whole.rows[place]
        alone = barren.train(CLS, MODELS[name], members=[row["member"]], seeds=[row["seed"]], threads=1, **settings)
        assert rows_of(alone) == [kept[place]]
        same = zip(whole.model(place).state_dict().values(), alone.model(0).state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in same)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_transformer_gives_the_same_metrics_alone_and_in_company(optimizer: str) -> None:
    settings = {**SHORT, "optimizer": optimizer, "lr": 0.01}
    whole = barren.train(CLS, MODELS["gpt"], members=[1, 2, 77], seeds=3, **settings)
    row = whole.rows[5]
    (alone,) = barren.train(CLS, MODELS["gpt"], members=[row["member"]], seeds=[row["seed"]], **settings).rows
    for key, value in row.items():
        assert alone[key] == (pytest.approx(value, rel=1e-5, abs=1e-5) if isinstance(value, float) else value)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "sign-sgd"])
@pytest.mark.parametrize("loss", ["bce", "mse", "hinge"])
def test_a_run_is_the_plain_loop_of_torch(loss: str, optimizer: str) -> None:
    settings = {"optimizer": optimizer, "lr": 0.01, "loss": loss}
    cls = barren.ModularMultiplication(P, target=1 - 2 * targets.Bit(0)) if loss == "hinge" else CLS
    ensemble = barren.train(
        cls,
        MODELS["mlp"],
        members=[3, 5],
        seeds=2,
        dtype="float64",
        steps=40,
        batch_size=30,
        data="sample:100",
        **settings,
    )
    assert_is_the_plain_loop(cls, ensemble, MODELS["mlp"], FixedSample(100), **settings)


@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"weight_decay": 0.1}])
def test_options_reach_the_optimizer(options: dict[str, object]) -> None:
    settings = {"optimizer": "sgd", "lr": 0.01, "optimizer_options": options}
    ensemble = barren.train(CLS, MODELS["mlp"], members=[3], dtype="float64", steps=20, batch_size=30, **settings)
    assert_is_the_plain_loop(CLS, ensemble, MODELS["mlp"], Population(), **settings)


def test_threads_change_nothing() -> None:
    one, two = (
        barren.train(CLS, MODELS["deep"], members=4, seeds=4, lr=[0.01, 0.1], threads=threads, **SHORT)
        for threads in (1, 2)
    )
    assert rows_of(one) == rows_of(two)


def test_runs_stop_one_by_one_and_the_others_do_not_notice() -> None:
    settings = {**SHORT, "steps": 400, "records": 12, "lr": 0.01, "stop_accuracy": 0.9}
    easy = barren.ModularMultiplication(17, target=targets.Threshold(0.5))
    ensemble = barren.train(easy, "mlp:40:relu", members=[1, 2, 4, 8, 16], seeds=2, **settings)
    ends = {row["end"] for row in ensemble.rows}
    assert len({row["steps"] for row in ensemble.rows}) > 2
    assert "accurate" in ends
    kept = rows_of(ensemble)
    for place, row in enumerate(ensemble.rows):
        alone = barren.train(easy, "mlp:40:relu", members=[row["member"]], seeds=[row["seed"]], **settings)
        assert rows_of(alone) == [kept[place]]
    stopped = next(place for place, row in enumerate(ensemble.rows) if row["end"] == "accurate")
    after = ensemble.records > ensemble.rows[stopped]["steps"]
    assert np.isnan(ensemble.history["test_loss"][stopped, after]).all()


def test_patience_ends_runs_without_progress() -> None:
    ensemble = barren.train(CLS, "mlp:8:relu", members=[77], lr=1e-9, patience=2, **{**SHORT, "records": 8})
    assert ensemble.rows[0]["end"] == "no progress"


def test_a_run_that_diverges_is_marked_and_the_others_go_on() -> None:
    settings = {**SHORT, "loss": "mse", "optimizer": "sgd", "steps": 60, "records": 6}
    both = barren.train(CLS, "mlp:20x20:relu", members=[3], lr=[0.01, 1e9], **settings)
    calm, wild = both.rows
    assert (wild["end"], wild["phase"], wild["learned"]) == ("diverged", "diverged", False)
    assert wild["diverged_at"] is not None
    assert wild["diverged_at"] <= wild["steps"] < 60
    assert calm["end"] == "all steps"

    # In one group too: a seed whose weights are not finite.
    def spoilt(seed: int) -> nn.Module:
        module = models.mlp(8, (20,), "relu", seed=seed)
        if seed == 1:
            with torch.no_grad():
                module[0].weight[0, 0] = float("nan")
        return module

    three = barren.train(CLS, spoilt, members=[3], seeds=3, **settings)
    assert [row["end"] for row in three.rows] == ["all steps", "diverged", "all steps"]
    alone = barren.train(CLS, spoilt, members=[3], seeds=[2], **settings)
    assert rows_of(alone) == rows_of(three)[2:]


def test_a_module_is_where_every_run_starts_and_stays_as_it_was() -> None:
    module = models.mlp(8, (10,), seed=5)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    ensemble = barren.train(CLS, module, members=[3], seeds=2, **SHORT)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert ensemble.history["test_loss"][0, 0] != ensemble.history["test_loss"][1, 0]  # other test points


def test_several_classes_are_several_outputs() -> None:
    classes = [barren.ModularMultiplication(31, target=targets.Bit(j)) for j in range(3)]
    ensemble = barren.train(
        classes,
        lambda seed: models.mlp(31, (60,), "relu", outputs=3, seed=seed),
        encoding=encodings.OneHot(),
        members=[11],
        lr=0.01,
        steps=300,
    )
    row = ensemble.rows[0]
    assert row["test_accuracy"] == pytest.approx(np.mean([row[f"test_accuracy_{j}"] for j in range(3)]))
    assert row["learned_0"]
    assert row["test_accuracy"] > 0.95
    with pytest.raises(ValueError, match="same members"):
        barren.train([*classes, barren.ModularMultiplication(37)], "mlp:8", steps=1)


def test_the_residue_itself_by_cross_entropy() -> None:
    cls = barren.ModularMultiplication(7, target=targets.Residue())
    ensemble = barren.train(
        cls, lambda seed: models.mlp(7, (40,), "relu", outputs=7, seed=seed), encoding=encodings.OneHot(),
        loss="cross-entropy", members=[3], lr=0.02, steps=300,
    )  # fmt: skip
    row = ensemble.rows[0]
    assert row["test_accuracy"] == row["test_accuracy_within"] == 1.0
    assert row["test_circular_error"] == 0.0
    assert row["test_chance_within"] == row["test_chance"] < 0.3  # an arc of 0.07 holds one residue
    assert row["learned"]


def test_labels_that_are_equal_leave_no_relative_loss() -> None:
    cls = barren.ModularMultiplication(37, target=targets.Bit(0))
    odd = barren.training.GivenSets([1, 3], [5, 7])
    for loss in ("mse", "bce"):
        (row,) = barren.train(cls, "mlp:8:relu", loss=loss, members=[1], data=odd, batch_size=2, steps=3).rows
        assert row["test_loss"] > 0.0
        assert np.isnan(row["test_relative_loss"])


def test_waves_on_the_real_line() -> None:
    cls = barren.Frequencies(4, target=targets.Cosine(1))
    ensemble = barren.train(
        cls, "mlp:100:relu", members=[1], inputs=inputs.Density("uniform"), loss="mse", lr=0.01, steps=500
    )
    assert ensemble.rows[0]["test_relative_loss"] < 0.1
    assert ensemble.rows[0]["learned"] is None
    assert ensemble.rows[0]["phase"] == "generalises"


@pytest.mark.parametrize("n", [3, 30])
def test_parities_of_few_bits_are_learnt_and_of_many_are_not(n: int) -> None:
    cls = barren.Parity(n, signed=True)
    ensemble = barren.train(
        cls, f"mlp:{10 * n}:relu", members=[2**n - 1], loss="hinge", optimizer="sgd", lr=0.1, steps=300, batch_size=128
    )
    assert ensemble.rows[0]["learned"] == (n == 3)
