"""Every figure: its settings, its rows against the package, and its picture."""

from __future__ import annotations

import io
import json
from pathlib import Path

import matplotlib.image
import matplotlib.pyplot
import numpy as np
import pytest
import sympy
import torch
from figure_cases import TINY, rows_of, tiny
from matplotlib.figure import Figure as Canvas

import barren
from barren import _canonical, _primes, figures
from barren.figures import base, easy_multipliers, predictability, trained


@pytest.fixture(scope="module", params=list(TINY))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, figures.Made]]:
    """Every figure with tiny settings, made once: the directory and what `make` returned."""
    made = {}
    for each in TINY:
        out = tmp_path_factory.mktemp(each)
        made[each] = out, figures.make(figures.FIGURES[each], out, settings=tiny(each))
    return made


def test_registry_names_summaries_and_lookup() -> None:
    assert list(figures.FIGURES) == list(TINY)
    for name, figure in figures.FIGURES.items():
        assert figure.name == name
        assert figure.summary
        assert "\n" not in figure.summary
        assert figures.figure(name) is figure
    with pytest.raises(ValueError, match="did you mean 'bound-ladder'"):
        figures.figure("bounds-ladder")
    with pytest.raises(TypeError, match="got int"):
        figures.figure(3)  # type: ignore[arg-type]


def test_settings_are_the_published_ones_in_full() -> None:
    full = figures.FIGURES["variance-vs-modulus"].settings(True, 0)
    assert full["primes"][0] == 307
    assert full["primes"][-1] == 2999
    assert len(full["primes"]) == 368
    assert full["seeds"] == list(range(20))
    assert full["model"] == "mlp:1000x1000:sigmoid"
    assert figures.FIGURES["easy-multipliers"].settings(True, 0)["primes"] == [1021, 4093]


@pytest.mark.parametrize("full", [False, True])
def test_settings_and_cells_survive_json_and_differ(name: str, full: bool) -> None:
    figure = figures.FIGURES[name]
    settings = figure.settings(full, 5)
    assert json.loads(json.dumps(settings)) == settings
    assert min(settings.get("seeds", [5])) == 5
    cells = [_canonical.canonical(cell) for cell in figure.cells(settings)]
    assert len(set(cells)) == len(cells) > 0


def test_every_figure_from_cells_to_files(name: str, every: dict[str, tuple[Path, figures.Made]]) -> None:
    figure, (tmp_path, made) = figures.FIGURES[name], every[name]
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == [f"{name}.{ending}" for ending in ("json", "parquet", "png", "svg")]
    rows = rows_of(tmp_path, name)
    assert len(rows) == made.record["rows"] > 0
    assert list(rows[0]) == list(figure.columns)
    picture = matplotlib.image.imread(io.BytesIO((tmp_path / f"{name}.png").read_bytes()))
    assert min(picture.shape[:2]) > 400
    assert picture[..., :3].std() > 0.05
    svg = (tmp_path / f"{name}.svg").read_text()
    assert "<text" in svg
    assert "dimensionless" in svg
    assert matplotlib.pyplot.get_fignums() == []


def test_numbers_and_pictures_are_the_same_the_second_time(
    name: str, every: dict[str, tuple[Path, figures.Made]], tmp_path: Path
) -> None:
    again = figures.make(figures.FIGURES[name], tmp_path, settings=tiny(name))
    first = every[name][1]
    assert first.record["rows_sha256"] == again.record["rows_sha256"]
    for ending in ("png", "svg"):
        assert first.files[ending].read_bytes() == again.files[ending].read_bytes()


def test_variance_vs_modulus_rows_are_those_of_the_package(every: dict[str, tuple[Path, figures.Made]]) -> None:
    from barren import models

    row = base.where(rows_of(every["variance-vs-modulus"][0], "variance-vs-modulus"), p=23, seed=1)[0]
    answer = barren.gradient_variance(
        barren.ModularMultiplication(23, barren.targets.Bit(0)),
        models.mlp(6, (8, 8), "sigmoid", seed=1),
        encoding=barren.encodings.Bits(6),
        loss="bce",
        method="kernel",
    )
    assert row["variance"] == pytest.approx(float(answer), rel=1e-12)
    assert row["normalised_by_probability"] == pytest.approx(answer.normalised_by_probability)
    assert row["variance"] <= row["bound"] == pytest.approx(answer.bound)


def test_bound_ladder_is_ordered(every: dict[str, tuple[Path, figures.Made]]) -> None:
    rows = rows_of(every["bound-ladder"][0], "bound-ladder")
    for half, target, size in (("modular", "bit:0", 11), ("modular", "sawtooth", 11), ("frequency", "sawtooth", 9)):
        at = {row["series"]: row["value"] for row in base.where(rows, half=half, target=target, size=size)}
        looser = min(at["boas-bellman"], at["bounded-variation"], at["trivial"])
        assert 0.0 < max(at["sigmoid"], at["relu"]) <= at["sharp"] <= looser


def test_bound_ladder_names_its_models(every: dict[str, tuple[Path, figures.Made]]) -> None:
    canvas, name = Canvas(), "bound-ladder"
    figures.FIGURES[name].draw(rows_of(every[name][0], name), tiny(name), canvas)
    assert "measured: mlp:8:sigmoid, mlp:8:relu on 6 zero-padded bits" in canvas.get_suptitle()


def test_variance_vs_frequency_is_that_of_the_package(every: dict[str, tuple[Path, figures.Made]]) -> None:
    from barren import models

    rows = rows_of(every["variance-vs-frequency"][0], "variance-vs-frequency")
    assert all(row["value"] <= row["sharp"] * (1 + 1e-12) for row in rows)
    (row,) = base.where(rows, law="grid", target="square", A=5, seed=1)
    answer = barren.gradient_variance(
        barren.Frequencies(5, barren.targets.Square()),
        models.mlp(1, (8, 8), "relu", seed=1),
        encoding=barren.encodings.Scalar(),
        inputs=barren.inputs.Grid(53),
        method="direct",
        dtype="float64",
    )
    assert row["value"] == pytest.approx(answer.normalised, rel=1e-10)


def test_character_spectrum_shares_sum_to_one(every: dict[str, tuple[Path, figures.Made]]) -> None:
    rows = rows_of(every["character-spectrum"][0], "character-spectrum")
    for source in ("target", "bits", "one-hot", "angular"):
        for kind, count in (("characters", 26), ("frequencies", 26)):
            part = base.where(rows, source=source, kind=kind)
            assert [row["index"] for row in part] == list(range(1, count + 1))
            assert sum(row["share"] for row in part) == pytest.approx(1.0)
            if source != "target" and kind == "characters":
                assert sum(row["share_of_variance"] for row in part) == pytest.approx(1.0)


def test_easy_multipliers_shares_sum_to_one(every: dict[str, tuple[Path, figures.Made]]) -> None:
    rows = base.where(rows_of(every["easy-multipliers"][0], "easy-multipliers"), encoding="bits", p=53)
    assert [row["a"] for row in rows] == list(range(1, 53))
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)


@pytest.mark.parametrize("p", [3, 11, 53])
def test_log_covariance_is_the_covariance_of_all_pairs(p: int, every: dict[str, tuple[Path, figures.Made]]) -> None:
    x = np.arange(1, p)
    centred = np.outer(x, x) % p - p / 2
    covariances = centred @ (x - p / 2) / (p - 1)
    (row,) = base.where(rows_of(every["log-covariance"][0], "log-covariance"), p=p)
    assert row["mean_squared_covariance"] == pytest.approx(np.mean(covariances**2), rel=1e-12)
    if p > 3:
        assert row["mean_squared_beyond_sign"] == pytest.approx(np.mean(covariances[1:-1] ** 2), rel=1e-12)


@pytest.mark.parametrize("p", [3, 11, 53])
def test_spectral_norm_is_the_largest_singular_value(p: int, every: dict[str, tuple[Path, figures.Made]]) -> None:
    x = np.arange(1, p)
    singular = np.linalg.svd((-1.0) ** (np.outer(x, x) % p), compute_uv=False)
    (row,) = base.where(rows_of(every["spectral-norm"][0], "spectral-norm"), p=p)
    assert row["norm"] == pytest.approx(singular[0], rel=1e-12)
    assert row["root_mean_square"] == pytest.approx(np.sqrt(np.sum(singular**2) / (p - 2)), rel=1e-12)
    assert row["norm"] <= row["proven"]


def test_parity_functions_are_below_the_bound(every: dict[str, tuple[Path, figures.Made]]) -> None:
    from barren import models

    both = rows_of(every["parity-functions"][0], "parity-functions")
    trained, rows = (base.where(both, panel=panel) for panel in ("training", "variance"))
    assert [row["step"] for row in base.where(trained, bits=7)][:4] == [0, 3, 10, 30]
    assert len(trained) == 2 * 2 * 2 * 4
    assert all(0.0 < row["variance"] <= row["mean_squared_norm"] / row["size"] * (1 + 1e-12) for row in rows)
    (row,) = base.where(rows, bits=6, members="half", seed=1)
    answer = barren.gradient_variance(
        barren.Parity(6, 3, signed=True),
        models.mlp(6, (60,), "relu", seed=1),
        encoding=barren.encodings.Bits(),
        loss="hinge",
        method="direct",
        dtype="float64",
    )
    assert (row["size"], row["variance"]) == (20, pytest.approx(float(answer), rel=1e-10))


def test_parity_training_is_that_of_the_package(every: dict[str, tuple[Path, figures.Made]]) -> None:
    from barren import models

    rows = rows_of(every["parity-training"][0], "parity-training")
    # Every prime has seeds of its own, so no two share their data.
    seeds = {p: {row["seed"] for row in rows if row["p"] == p} for p in (17, 19, 131, 139)}
    assert seeds == {17: {0, 1}, 19: {2, 3}, 131: {4, 5}, 139: {6, 7}}
    part = base.where(rows, law="random-bits", p=139, seed=7)
    ensemble = barren.train(
        [barren.ModularMultiplication(139, barren.targets.Bit(bit)) for bit in (0, 1)],
        lambda seed: models.mlp(8, (16,), "relu", outputs=2, seed=seed),
        encoding=barren.encodings.Bits(8),
        members=[part[0]["a"]],
        seeds=[7],
        inputs=barren.inputs.RandomBits(7),
        data="population:60",
        steps=40,
        batch_size=10,
        lr=0.01,
        records=4,
    )
    for bit in (0, 1):
        of_bit = base.where(part, bit=bit)
        assert [row["step"] for row in of_bit] == ensemble.records.tolist()
        assert [row["test_accuracy"] for row in of_bit] == ensemble.history[f"test_accuracy_{bit}"][0].tolist()
        assert [row["test_chance"] for row in of_bit] == ensemble.history[f"test_chance_{bit}"][0].tolist()


def test_training_settings_are_the_published_ones_in_full() -> None:
    parity = figures.FIGURES["parity-training"].settings(True, 0)
    assert sorted(map(int, parity["primes"])) == list(range(16, 27))
    assert all(2 ** (int(n) - 1) < p < 2 ** int(n) for n, primes in parity["primes"].items() for p in primes)
    assert {len(set(primes)) for primes in parity["primes"].values()} == {5}
    published = {"data": "sample:5000:0.7", "lr": 1e-3, "batch_size": 100, "epochs": 2000, "bits": [0, 1, 2]}
    assert {name: parity[name] for name in published} == published
    assert parity["laws"] == ["random-bits", "uniform"]
    bits = figures.FIGURES["all-bits-training"].settings(True, 0)
    assert (bits["n"], bits["data"], bits["batch_size"]) == (40, "sample:500000:0.7", 1000)
    with pytest.raises(ValueError, match="5 primes of so many; got 4"):
        trained.random_primes(4, 5, 0)


def test_parity_training_in_epochs_of_a_sample() -> None:
    figure = figures.FIGURES["parity-training"]
    settings = {**tiny("parity-training"), "primes": {"8": [131]}, "laws": ["uniform"], "data": "sample:100:0.7"}
    settings |= {"steps": None, "epochs": 3}
    rows = [row for cell in figure.cells(settings) for row in figure.compute(cell)]
    assert {row["step"] / row["epoch"] for row in rows if row["step"]} == {7.0}
    assert max(row["epoch"] for row in rows) == 3.0
    assert {row["points"] for row in rows} == {30}
    figure.draw(rows, settings, Canvas())


def test_wave_training_loses_the_high_frequency(every: dict[str, tuple[Path, figures.Made]]) -> None:
    rows = rows_of(every["wave-training"][0], "wave-training")
    last = trained.last_rows(rows, ("target", "frequency", "seed"))
    assert len(last) == 3 * 2 * 2
    assert {row["step"] for row in last} == {60}
    losses = {a: [row["test_relative_loss"] for row in base.where(last, frequency=a)] for a in (1, 64)}
    assert max(losses[1]) < min(losses[64])


def test_predictability_rows_are_those_of_the_package(every: dict[str, tuple[Path, figures.Made]]) -> None:
    from barren import models

    rows = base.where(rows_of(every["predictability"][0], "predictability"), p=31, seed=1)
    module = models.mlp(5, (16,), "relu", seed=1)
    cls = barren.ModularMultiplication(31, barren.targets.Bit(0))
    answer = barren.gradient_variance(
        cls, module, encoding=barren.encodings.Bits(), loss="bce", method="direct", dtype="float64"
    )
    deviations = dict(zip(answer.members, answer.deviations, strict=True))
    assert {row["a"] for row in rows if row["kind"] == "easy"} == {1, 30, 2, 3}
    assert len({row["a"] for row in rows}) == 8
    for row in rows:
        assert row["deviation"] == pytest.approx(deviations[row["a"]], rel=1e-9)
        assert row["variance"] == pytest.approx(float(answer), rel=1e-9)
        assert row["horizon"] == np.floor(0.5 * row["error"] ** 2 / row["variance"])
    assert rows[0]["error"] == pytest.approx(_gradient_size(module, cls, sorted({row["a"] for row in rows})) / 5**0.5)


def _gradient_size(module: torch.nn.Module, cls: barren.ModularMultiplication, members: list[int]) -> float:
    """The root mean square of ‖∇ℓ‖ over members and x, one backward pass each."""
    network, squares = module.double(), []
    shown = torch.from_numpy(barren.encodings.Bits()(np.arange(cls.p), cls.p))
    for labels in cls.values(members, np.arange(cls.p)):
        for x, y in zip(shown, torch.from_numpy(labels), strict=True):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x)[0], y)
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            squares.append(sum(float(g.square().sum()) for g in gradients))
    return float(np.mean(squares) ** 0.5)


def test_all_bits_training_has_every_bit(every: dict[str, tuple[Path, figures.Made]]) -> None:
    rows = rows_of(every["all-bits-training"][0], "all-bits-training")
    runs = {(row["p"], row["a"], row["seed"]) for row in rows}
    assert {run[::2] for run in runs} == {(37, 0), (37, 1), (61, 2), (61, 3)}
    assert len(runs) == 8
    last = [row for row in rows if row["step"] == 60]
    assert sorted(row["bit"] for row in last) == sorted(8 * list(range(6)))
    for row in last:
        assert (row["test_accuracy"] * row["points"]) % 1.0 == pytest.approx(0.0, abs=1e-9)
        assert 0.5 <= row["test_chance"] <= 1.0


def test_runs_that_diverged_are_drawn_and_counted(name: str, every: dict[str, tuple[Path, figures.Made]]) -> None:
    metric = {"parity-training": "test_accuracy", "wave-training": "test_relative_loss"}.get(name, "test_accuracy")
    rows = rows_of(every[name][0], name)
    if metric not in rows[0]:
        return
    seeds = {row["seed"] for row in rows}
    for lost in (rows[0]["seed"], *seeds):  # one seed, then all one after the other
        rows = [{**row, metric: None} if row["seed"] == lost and row["step"] > 1 else row for row in rows]
        figures.FIGURES[name].draw(rows, tiny(name), Canvas())


def test_drawing_needs_the_rows_only(
    name: str, every: dict[str, tuple[Path, figures.Made]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in ("gradient_variance", "sharp_bound", "bounds"):
        monkeypatch.setattr(barren, verb, None)
    figures.FIGURES[name].draw(rows_of(every[name][0], name), tiny(name), Canvas())


def test_names_of_multipliers() -> None:
    names = {1: "±1", 1020: "±1", 2: "±2", 8: "±2³", 1013: "±2³", 512: "±2⁹", 6: "±6", 341: "±2/3", 100: "±100"}
    assert {a: easy_multipliers.multiplier_name(a, 1021) for a in names} == names


def test_primes() -> None:
    assert _primes.spaced_primes(300, 3000, 4) == [307, 647, 1399, 2999]
    assert _primes.spaced_primes(3, 7, 50) == [3, 5, 7]
    assert _primes.all_primes(3, 13) == [3, 5, 7, 11, 13]
    for low, high in ((-4, 1), (0, 2), (2, 3), (4, 4), (9, 3), (0, 3000), (10**9, 10**9 + 300), (10**15, 10**15 + 90)):
        assert _primes.all_primes(low, high) == list(sympy.primerange(low, high + 1))


def test_powers_of_two_modulo_a_prime() -> None:
    """Those that the random multipliers of the committed runs hold, by hand."""
    assert {126, 1, 250, 2, 249, 512 % 251} <= predictability.powers_of_two(251)
    assert {439, 8, 252, 64} <= predictability.powers_of_two(503)
    assert 512 in predictability.powers_of_two(1009)
    assert 3 not in predictability.powers_of_two(1009)
