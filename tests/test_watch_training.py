"""The gradient watch along ensembles: it changes nothing, and sees the same in any company, resumed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn
from train_helpers import StopError, Stopping

import barren
from barren import encodings, inputs, models, targets
from barren.training import Watch
from barren.training.arguments import Maker
from barren.training.look import Look

NUMBERS = [name for name in Look.__annotations__ if name != "seconds"]
BIT = barren.ModularMultiplication(101, target=targets.Bit(0))
SETTINGS: dict[str, Any] = {
    "members": [1, 2, 30], "seeds": 3, "steps": 60, "batch_size": 20, "records": 7, "data": "population:100",
    "lr": 0.01,
}  # fmt: skip


def told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: repr(value) for key, value in row.items() if key != "seconds"} for row in rows]


def perceptron(seed: int) -> nn.Module:
    return models.mlp(7, (20,), "relu", seed=seed)


def dropping(seed: int) -> nn.Module:
    return nn.Sequential(nn.Linear(7, 20), nn.ReLU(), nn.Dropout(0.2), nn.Linear(20, 1))


@pytest.mark.parametrize("make", [perceptron, dropping])
def test_an_ensemble_is_watched_and_trained_as_ever(make: Maker) -> None:
    plain = barren.train(BIT, make, **SETTINGS)
    watched = barren.train(BIT, make, watch=4, **SETTINGS)
    assert told(watched.rows) == told(plain.rows)
    assert plain.watched == []
    assert [row["run"] for row in watched.watched] == [run for run in (0, 3, 5, 8) for _ in range(4)]
    steps = [row["step"] for row in watched.watched[:4]]
    assert (steps[0], steps[-1]) == (0, 60)
    assert set(steps) <= set(watched.records.tolist())
    watch = Watch(BIT, batch_size=20)
    for row in watched.watched:
        about = {key: watched.rows[row["run"]][key] for key in ("member", "seed", "lr")}
        assert {key: row[key] for key in about} == about
        assert row["sampled"] == "cosine"
        if row["step"] == 60:
            look = watch.look(watched.model(row["run"]).eval(), row["member"])
            assert {key: row[key] for key in NUMBERS} == {key: look.row()[key] for key in NUMBERS}


def test_the_first_look_is_at_the_initial_weights_and_runs_can_be_named() -> None:
    watch = Watch(BIT, encoding=encodings.Bits(), batch_size=20, inputs=inputs.RandomBits(5), looks=2, sample=8)
    settings = {**SETTINGS, "inputs": inputs.RandomBits(5)}
    watched = barren.train(BIT, perceptron, watch=watch, watch_runs=[4, 1], **settings).watched
    assert [(row["run"], row["step"]) for row in watched] == [(1, 0), (1, 60), (4, 0), (4, 60)]
    first = watch.look(perceptron(1), 1)
    assert {key: watched[0][key] for key in NUMBERS} == {key: first.row()[key] for key in NUMBERS}
    every = barren.train(BIT, perceptron, watch=1000, watch_runs=1, **SETTINGS)
    assert [row["step"] for row in every.watched] == every.records.tolist()
    assert [row["step"] for row in barren.train(BIT, perceptron, watch=1, watch_runs=1, **SETTINGS).watched] == [0]


def test_company_and_threads_change_nothing_that_is_seen() -> None:
    one, two = (barren.train(BIT, perceptron, watch=3, watch_runs=9, threads=k, **SETTINGS).watched for k in (1, 2))
    assert told(one) == told(two)
    alone = barren.train(BIT, perceptron, watch=3, **{**SETTINGS, "members": [2], "seeds": [1]}).watched
    assert told(alone) == [{**row, "run": "0"} for row in told(one) if row["run"] == "4"]


def test_a_run_that_ended_or_diverged_is_not_looked_at_again() -> None:
    settings = {**SETTINGS, "loss": "mse", "optimizer": "sgd", "members": [3], "seeds": 1, "lr": [0.01, 1e9]}
    ensemble = barren.train(BIT, perceptron, watch=100, **settings)
    calm, wild = ([row["step"] for row in ensemble.watched if row["run"] == run] for run in (0, 1))
    assert ensemble.rows[1]["end"] == "diverged"
    assert calm == ensemble.records.tolist()
    assert wild == [step for step in calm if step < ensemble.rows[1]["steps"]]
    easy = {**SETTINGS, "members": [1], "seeds": 1, "steps": 2000, "stop_accuracy": 0.8}
    stopped = barren.train(BIT, perceptron, watch=100, **easy)
    assert stopped.rows[0]["end"] == "accurate"
    assert stopped.watched[-1]["step"] == stopped.rows[0]["steps"] < 2000


def test_a_resumed_ensemble_has_all_its_looks(tmp_path: Path) -> None:
    whole = barren.train(BIT, perceptron, watch=5, watch_runs=9, **SETTINGS)

    saving = {**SETTINGS, "save": tmp_path, "save_every": 0.0, "watch": 5, "watch_runs": 9}
    with pytest.raises(StopError):
        barren.train(BIT, perceptron, threads=1, progress=Stopping(), **saving)
    assert list(tmp_path.glob("group-*.npz"))
    resumed = barren.train(BIT, perceptron, **saving)
    assert told(resumed.watched) == told(whole.watched)
    assert told(resumed.rows) == told(whole.rows)
    with pytest.raises(ValueError, match="save must hold a checkpoint of this very ensemble; watch is"):
        barren.train(BIT, perceptron, **{**saving, "watch": 3})


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"watch": "often"}, TypeError, "watch must be a number of looks"),
    ({"watch": True}, TypeError, "watch must be a number of looks"),
    ({"watch": 0}, ValueError, "watch must be an integer, at least 1; got 0"),
    ({"watch_runs": 2}, ValueError, "watch_runs needs watch="),
    ({"watch": 2, "watch_runs": 10}, ValueError, "watch_runs must be"),
    ({"watch": 2, "watch_runs": [9]}, ValueError, "watch_runs must be"),
    ({"watch": 2, "watch_runs": []}, ValueError, "watch_runs must be at least one run"),
    ({"watch": 2, "watch_runs": "all"}, TypeError, "watch_runs must be"),
    ({"watch": Watch(BIT)}, ValueError, "watch must be of the batch_size that is trained, 20; got 100"),
    ({"watch": Watch(barren.ModularMultiplication(101, targets.Bit(1)), batch_size=20)}, ValueError, "of the class"),
    ({"watch": Watch(BIT, inputs=inputs.RandomBits(5), batch_size=20)}, ValueError, "of the inputs"),
    ({"watch": Watch(BIT, loss="mse", batch_size=20)}, ValueError, "of the loss"),
    ({"watch": Watch(BIT, encoding=encodings.Digits(2, 7), batch_size=20)}, ValueError, "of the encoding"),
]


@pytest.mark.parametrize(("changed", "kind", "message"), REFUSED)
def test_a_watch_that_does_not_fit_the_ensemble_is_refused(
    changed: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        barren.train(BIT, perceptron, **{**SETTINGS, **changed})


def test_what_has_no_single_gradient_is_not_watched() -> None:
    both = [barren.ModularMultiplication(101, target=targets.Bit(k)) for k in (0, 1)]
    with pytest.raises(ValueError, match="watch needs one class"):
        barren.train(both, lambda seed: models.mlp(7, (9,), "relu", outputs=2, seed=seed), watch=2, **SETTINGS)
    with pytest.raises(ValueError, match="affine in the label"):
        barren.train(
            BIT,
            lambda seed: models.mlp(7, (9,), "relu", outputs=2, seed=seed),
            loss="cross-entropy",
            watch=2,
            **SETTINGS,
        )
