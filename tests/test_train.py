"""Ensembles: the same runs as alone, as plain torch, in any company, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import barren
from barren import encodings, inputs, models, reference, targets
from barren.classes import TargetClass
from barren.training import Ensemble, FixedSample, GivenSets, Population, Protocol, check_data
from barren.training.arguments import Maker

P = 251
CLS = barren.ModularMultiplication(P, target=targets.Bit(0))
SHORT = {"steps": 25, "batch_size": 40, "records": 3, "data": "population:200"}


def rows_of(ensemble: Ensemble) -> list[dict[str, object]]:
    return [{key: repr(value) for key, value in row.items()} for row in ensemble.rows]


def deep(seed: int) -> nn.Module:
    """Norms, products and the functions whose last bits depend on the place in a tensor."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(8, 24), nn.Sigmoid(), nn.LayerNorm(24), nn.Linear(24, 24), nn.GELU(), nn.Linear(24, 24),
            nn.Softplus(), nn.Linear(24, 1),
        )  # fmt: skip


MODELS = {
    "mlp": lambda seed: models.mlp(8, (20, 20), "relu", seed=seed),
    "tanh": lambda seed: models.mlp(8, (13,), "tanh", seed=seed),
    "deep": deep,
    "gpt": lambda seed: models.gpt(8, 1, 16, 2, 2, seed=seed),
}


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


def assert_is_the_plain_loop(
    cls: TargetClass, ensemble: Ensemble, make: Maker, protocol: Protocol, **settings: object
) -> None:
    """Every run against torch's own module and optimizer, one batch after the other."""
    for place, row in enumerate(ensemble.rows):
        module = make(row["seed"]).double()
        stream = protocol.stream(cls, inputs.Uniform(), row["seed"], 30)
        batches = [stream.points(step, step + 1) for step in range(row["steps"])]
        reference.train(cls, module, row["member"], batches, encoding=encodings.Bits(), **settings)
        for name, tensor in ensemble.model(place).state_dict().items():
            torch.testing.assert_close(tensor, module.state_dict()[name], rtol=1e-9, atol=1e-11)


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


@pytest.mark.parametrize("part", [nn.Dropout(0.3), nn.BatchNorm1d(20)], ids=["dropout", "batch norm"])
def test_what_cannot_be_batched_is_trained_alone_and_said_so(part: nn.Module) -> None:
    def make(seed: int) -> nn.Module:
        return nn.Sequential(nn.Linear(8, 20), part, nn.ReLU(), nn.Linear(20, 1))

    before = torch.get_rng_state()
    both = barren.train(CLS, make, members=[3, 5], seeds=2, **SHORT)
    assert "one run at a time" in both.note
    assert torch.equal(torch.get_rng_state(), before)
    alone = barren.train(CLS, make, members=[5], seeds=[1], **SHORT)
    assert rows_of(alone) == rows_of(both)[3:]


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
    assert row["learned"]


def test_waves_on_the_real_line() -> None:
    cls = barren.Frequencies(4, target=targets.Cosine(1))
    ensemble = barren.train(
        cls, "mlp:100:relu", members=[1], inputs=inputs.Density("uniform"), loss="mse", lr=0.01, steps=500
    )
    assert ensemble.rows[0]["test_relative_loss"] < 0.1
    assert ensemble.rows[0]["learned"] is None
    assert ensemble.rows[0]["phase"] == "generalises"


@pytest.mark.parametrize("law", [inputs.Uniform(zero=False), inputs.RandomBits(6), inputs.Sample([1, 2, 3, 5, 8, 13])])
def test_laws_of_x_are_drawn_by_their_weights(law: inputs.Law) -> None:
    stream = Population(20000).stream(CLS, law, 3, 10)
    points, weights = CLS.points_of(law)
    found = np.array([(stream.test == x).mean() for x in points])
    assert found.sum() == pytest.approx(1.0)
    assert (np.abs(found - weights) <= 5 * np.sqrt(weights * (1 - weights) / 20000) + 1e-12).all()


def test_streams_are_counters_of_the_step() -> None:
    for protocol in (Population(), FixedSample(100, 0.71)):
        whole = protocol.stream(CLS, inputs.Uniform(), 3, 30)
        pieces = protocol.stream(CLS, inputs.Uniform(), 3, 30)
        points, sizes = whole.points(0, 200), whole.batch_sizes(0, 200)
        cut = np.cumsum([0, *sizes])
        for first, last in ((130, 200), (0, 1), (63, 66), (5, 129)):
            assert np.array_equal(pieces.points(first, last), points[cut[first] : cut[last]])


def test_a_fixed_sample_is_distinct_and_split_without_overlap() -> None:
    for m in (2, 60, 200, P):
        stream = FixedSample(m).stream(CLS, inputs.Uniform(), 1, 1)
        both = np.concatenate([stream.train, stream.test])
        assert len(np.unique(both)) == len(both) == m
        epoch = stream.points(0, len(stream.train))
        assert np.array_equal(np.sort(epoch), np.sort(stream.train))


def test_hashes_tell_data_sets_apart() -> None:
    ensemble = barren.train(CLS, "mlp:8:relu", members=[1, 2], seeds=2, **SHORT)
    points = {row["train_points"] for row in ensemble.rows}
    labels = {row["train_labels"] for row in ensemble.rows}
    assert (len(points), len(labels)) == (2, 4)
    again = barren.train(CLS, "mlp:8:tanh", members=[1, 2], seeds=2, **{**SHORT, "records": [7, 20]})
    for name in ("train_points", "train_labels", "test_points", "test_labels"):
        assert [row[name] for row in again.rows] == [row[name] for row in ensemble.rows]
    other = [{**row, "seed": 9, "data_seed": 9} for row in ensemble.rows]
    with pytest.raises(ValueError, match="must differ between seeds"):
        check_data([*ensemble.rows, *other])
    given = barren.train(CLS, "mlp:8:relu", seeds=2, data=GivenSets([1, 2, 3], [4, 5]), steps=3, batch_size=2)
    assert len({row["train_points"] for row in given.rows}) == 1


def test_seeds_that_share_their_points_are_an_error() -> None:
    tiny = barren.ModularMultiplication(3, target=targets.Bit(0))
    with pytest.raises(ValueError, match="too few points"):
        barren.train(tiny, "mlp:4:relu", members=[1], seeds=12, data="sample:2:0.5", steps=2, batch_size=1)


BAD = {
    "optimizer": ({"optimizer": "adagrad"}, ValueError, "'adam', 'adamw'"),
    "option": ({"optimizer_options": {"momentum": 0.9}}, ValueError, "betas"),
    "option value": ({"optimizer_options": {"betas": (2.0, 0.9)}}, ValueError, "torch takes"),
    "batch": ({"data": "sample:10", "batch_size": 8}, ValueError, "the 7 points that train; got 8"),
    "m": ({"data": "sample:252"}, ValueError, "at most the number of points"),
    "split": ({"data": "sample:10:1.0"}, ValueError, "each side"),
    "data": ({"data": "everything"}, ValueError, "population"),
    "device": ({"device": "cuda:77"}, ValueError, "device must be"),
    "epochs": ({"epochs": 3, "steps": None}, ValueError, "fixed training set"),
    "both": ({"epochs": 3}, ValueError, "exactly one of steps and epochs"),
    "members": ({"members": [1, 1]}, ValueError, "different ones"),
    "member": ({"members": [P]}, ValueError, "251"),
    "many members": ({"members": P}, ValueError, "members"),
    "seeds": ({"seeds": [1, 1]}, ValueError, "different ones"),
    "rate": ({"lr": 0.0}, ValueError, "above 0"),
    "records": ({"records": [99]}, ValueError, "records"),
    "model": ({"model": 3}, TypeError, "seed -> module"),
    "outputs": ({"model": lambda seed: models.mlp(8, outputs=2)}, ValueError, "one output a class"),
    "loss": ({"loss": "l1"}, ValueError, "cross-entropy"),
    "encoding": ({"encoding": encodings.Bits}, TypeError, "encoding"),
    "dtype": ({"dtype": "float16"}, ValueError, "float32"),
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


@pytest.mark.parametrize("n", [3, 30])
def test_parities_of_few_bits_are_learnt_and_of_many_are_not(n: int) -> None:
    cls = barren.Parity(n, signed=True)
    ensemble = barren.train(
        cls, f"mlp:{10 * n}:relu", members=[2**n - 1], loss="hinge", optimizer="sgd", lr=0.1, steps=300, batch_size=128
    )
    assert ensemble.rows[0]["learned"] == (n == 3)


def test_an_embedding_with_padding_is_trained_one_run_at_a_time() -> None:
    def make(seed: int) -> nn.Module:
        return nn.Sequential(Ints(), nn.Embedding(P, 6, padding_idx=0), nn.Flatten(), nn.Linear(6, 1))

    both = barren.train(CLS, make, encoding=lambda x, p: x[:, None] * 1.0, members=[3, 5], **SHORT)
    assert "embedding with padding" in both.note
    assert not any(both.model(place)[1].weight[0].any() for place in range(2))
    (alone,) = barren.train(CLS, make, encoding=lambda x, p: x[:, None] * 1.0, members=[5], **SHORT).rows
    assert repr(alone) == repr(both.rows[1])


class Ints(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.long()


class Scaled(nn.Module):
    def __init__(self, seed: int, *, buffer: bool) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.linear = nn.Linear(8, 1)
        self.factor: object = 1.0 + seed
        if buffer:
            del self.factor
            self.register_buffer("factor", torch.tensor(1.0 + seed), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.factor


def test_networks_of_other_seeds_differ_in_tensors_alone() -> None:
    with pytest.raises(ValueError, match="parameters and buffers alone"):
        barren.train(CLS, lambda seed: Scaled(seed, buffer=False), seeds=2, **SHORT)
    both = barren.train(CLS, lambda seed: Scaled(seed, buffer=True), seeds=2, **SHORT)
    assert [float(both.model(place).factor) for place in range(2)] == [1.0, 2.0]


def test_a_loss_that_is_no_number_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="one number a sample"):
        barren.train(CLS, "mlp:8:relu", loss=lambda outputs, labels: (outputs - labels).square().mean(), steps=2)


def test_rows_of_points_overlap_by_value() -> None:
    with pytest.raises(ValueError, match="share no point"):
        GivenSets(np.array([[0, 1], [1, 1]]), np.array([[-0.0, 1.0]]))
