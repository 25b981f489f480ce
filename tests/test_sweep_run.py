from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from sweep_cases import NETWORKS, SMALL, events, stored

import barren
from barren import models
from barren.sweeps import Grid, Outcome, cells, executors, progress, rows_of, run, upkeep
from barren.sweeps.provenance import of_weights


def test_a_sweep_computes_each_cell_once(tmp_path: Path) -> None:
    first = barren.sweep(SMALL, tmp_path)
    assert (first.cells, first.kept, first.computed, first.failed) == (8, 0, 8, 0)
    rows = rows_of(tmp_path)
    assert {(row["p"], row["target"]) for row in rows} == {(cell["p"], cell["target"]) for cell in Grid(SMALL)}
    for row in rows:
        cls = barren.ModularMultiplication(row["p"], barren.specs.target(row["target"]))
        assert row["value"] == barren.sharp_bound(cls)
        assert row["bound_values"] == [rung.value for rung in barren.bounds(cls)]
    again = barren.sweep(SMALL, tmp_path)
    assert (again.kept, again.computed) == (8, 0)
    larger = barren.sweep({**SMALL, "p": [5, 7, 11, 15, 21]}, tmp_path)
    assert (larger.cells, larger.kept, larger.computed) == (10, 8, 2)
    assert upkeep.status(tmp_path)[0].cells == 10
    assert len(events(tmp_path, "cell")) == 10
    assert len(events(tmp_path, "end")) == 3


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of `NETWORKS`, cell by cell in the order of the grid, without a sweep."""
    from sweep_cases import plain

    found = [row for cell in Grid(NETWORKS) for row in cells.compute([cell], threads=1)]
    return plain(sorted(found, key=lambda row: row["cell_sha256"]))


def test_rows_are_the_same_bits_here_in_threads_and_in_shards(tmp_path: Path, networks: list[dict[str, Any]]) -> None:
    barren.sweep(NETWORKS, tmp_path / "here")
    assert stored(tmp_path / "here") == networks
    with ThreadPoolExecutor(2) as pool:
        barren.sweep(NETWORKS, tmp_path / "threads", executor=pool)
    assert stored(tmp_path / "threads") == networks
    shards = [barren.sweep(NETWORKS, tmp_path / "shards", shard=(i, 3)) for i in (3, 1, 2)]
    assert [one.computed for one in shards] == [8, 8, 8]
    assert stored(tmp_path / "shards") == networks


def test_threads_of_one_process_do_not_share_a_random_state(tmp_path: Path) -> None:
    grid = {"p": list(range(5, 29)), "seed": [0, 1], "model": "mlp:700x700", "encoding": "bits:5"}
    with ThreadPoolExecutor(4) as pool:
        barren.sweep(grid, tmp_path, executor=pool)
    for row in rows_of(tmp_path):
        assert row["weights_sha256"] == of_weights(models.from_spec("mlp:700x700", 5, row["seed"]))


def test_training_runs_have_the_same_bits_alone_and_together(tmp_path: Path) -> None:
    grid = {"kind": "train", "p": [11], "member": [1, 2, 3, 4], "seed": [0, 1], "steps": 30, "model": "mlp:8:relu"}
    barren.sweep({**grid, "member": [3]}, tmp_path / "parts")
    barren.sweep(grid, tmp_path / "parts")
    barren.sweep(grid, tmp_path / "whole")
    assert stored(tmp_path / "parts") == stored(tmp_path / "whole")
    row = next(row for row in rows_of(tmp_path / "whole") if row["member"] == 2 and row["seed"] == 1)
    cls = barren.ModularMultiplication(11, barren.targets.Bit(0))
    (expected,) = barren.train(cls, "mlp:8:relu", members=[2], seeds=[1], steps=30).rows
    assert row["value"] == row["test_accuracy"] == expected["test_accuracy"]
    assert row["test_loss"] == expected["test_loss"]
    assert row["points_sha256"] == expected["train_points"]


@pytest.mark.parametrize(
    "description",
    [
        {"frequencies": [4, 6], "model": "mlp:4:tanh", "target": "cosine"},
        {"parity": ["4", "5:2"], "model": "mlp:4:tanh"},
        {"p": 7, "target": "residue", "loss": "cross-entropy", "model": "mlp:4"},
        {"kind": "bounds", "frequencies": [3, 4]},
        {"kind": "bounds", "parity": [4, "6:2:signed"]},
        {"kind": "train", "frequencies": 4, "member": 2, "steps": 4, "model": "mlp:4:tanh"},
        {"kind": "train", "p": 11, "member": 2, "epochs": 2, "data": "sample:9", "batch_size": 3, "model": "linear"},
    ],
)
def test_every_class_and_kind(description: dict[str, Any], tmp_path: Path) -> None:
    done = barren.sweep(description, tmp_path)
    assert done.failed == 0, [row["error"] for row in rows_of(tmp_path)]
    assert all(row["value"] >= 0.0 for row in rows_of(tmp_path))


def test_a_cell_that_fails_is_recorded_and_retried_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = {"p": [7, 15], "model": "mlp:4", "method": "character"}
    done = barren.sweep(grid, tmp_path)
    assert (done.computed, done.failed) == (2, 1)
    failed = next(row for row in rows_of(tmp_path) if row["status"] == "failed")
    assert failed["p"] == 15
    assert failed["error"].startswith("ValueError: method 'character' cannot be used here")
    assert barren.sweep(grid, tmp_path) == Outcome(2, 2, 0, 1, pytest.approx(0, abs=60))
    (whole, _) = upkeep.status(tmp_path)
    assert (whole.done, whole.failed, len(whole.errors)) == (1, 1, 1)
    monkeypatch.setattr(cells, "_variance", lambda *_: {"value": 0.5})
    again = barren.sweep(grid, tmp_path, retry_failed=True)
    assert (again.kept, again.computed, again.failed) == (1, 1, 0)
    assert not upkeep.verify(tmp_path)
    assert len(rows_of(tmp_path)) == 2


def test_a_model_by_its_callable(tmp_path: Path) -> None:
    grid = {"p": 7, "seed": [1, 2, 3], "model": "sweep_models:make"}
    assert barren.sweep(grid, tmp_path).failed == 1
    rows = {row["seed"]: row for row in rows_of(tmp_path)}
    assert rows[3]["error"] == "ValueError: no network for this seed"
    assert rows[1]["weights_sha256"] != rows[2]["weights_sha256"]
    state = torch.random.get_rng_state()
    barren.sweep(grid, tmp_path.parent / "again")
    assert torch.equal(state, torch.random.get_rng_state())
    assert stored(tmp_path.parent / "again") == stored(tmp_path)
    for model in ("nowhere_at_all:make", "sweep_models:none"):
        with pytest.raises(ValueError, match="axis model must name a callable that can be imported"):
            barren.sweep({"p": 7, "model": model}, tmp_path)


def test_a_model_that_ends_its_process_or_says_what_is_no_text(tmp_path: Path) -> None:
    done = barren.sweep({"p": 7, "seed": [0, 1, 2], "model": "sweep_models:leave"}, tmp_path)
    assert (done.computed, done.failed) == (3, 2)
    rows = {row["seed"]: row for row in rows_of(tmp_path)}
    assert rows[0]["error"] == "SystemExit: enough"
    assert rows[1]["status"] == "done"
    assert rows[2]["error"] == "OSError: no file n\\udcff"


def test_only_failed_cells_of_the_grid_and_the_shard_are_retried(tmp_path: Path) -> None:
    grid = {"p": [9, 15, 21, 25], "model": "mlp:4", "method": "character"}
    other = {**grid, "p": 27}
    for one in (grid, other):
        barren.sweep(one, tmp_path)
    before = stored(tmp_path)
    assert len(before) == 5
    for shard in ((1, 2), (2, 2)):
        again = barren.sweep(grid, tmp_path, retry_failed=True, shard=shard)
        assert (again.cells, again.kept, again.computed, again.failed) == (2, 0, 2, 2)
        assert stored(tmp_path) == before


def test_a_shown_may_be_used_again(tmp_path: Path) -> None:
    shown = progress.Shown()
    for kept, computed in ((0, 8), (8, 0)):
        done = barren.sweep(SMALL, tmp_path, progress=shown)
        assert (done.kept, done.computed) == (kept, computed)


def test_what_waits_in_an_executor_is_not_computed_for_nobody() -> None:
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ended.wait, 60)
        lane = executors.Given(pool, 1, 1, 2**30)
        waits = lane.submit([])
        lane.close()
        assert waits.cancelled()
        ended.set()
        assert pool.submit(sum, [1, 2]).result() == 3  # left open


def test_long_cells_come_first_and_those_of_a_class_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    real = cells.compute

    def compute(some: Any, **options: Any) -> Any:
        order.extend((cell["p"], cell["seed"]) for cell in some)
        return real(some, **options)

    def price(grid: Grid, **_: Any) -> Any:
        import numpy as np

        return barren.sweeps.Prices(np.array([float(cell["p"]) for cell in grid]), 0, 0, ())

    monkeypatch.setattr(executors, "compute", compute)
    monkeypatch.setattr(run.prices, "price", price)
    barren.sweep({"seed": [0, 1], "p": [5, 11, 7], "model": "linear"}, tmp_path)
    assert order == [(11, 0), (11, 1), (7, 0), (7, 1), (5, 0), (5, 1)]


def test_shards_are_the_whole_grid_each_cell_once(tmp_path: Path) -> None:
    counts = [barren.sweep(SMALL, tmp_path / str(i), shard=(i, 3)).computed for i in (1, 2, 3)]
    assert sum(counts) == 8
    assert max(counts) - min(counts) <= 1
    upkeep.merge(tmp_path / "all", [tmp_path / str(i) for i in (1, 2, 3)])
    barren.sweep(SMALL, tmp_path / "one")
    assert stored(tmp_path / "all") == stored(tmp_path / "one")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"shard": (0, 3)}, ValueError, "shard must be an integer in 1..3"),
        ({"shard": 3}, TypeError, r"shard must be \(i, n\)"),
        ({"executor": "proceses"}, ValueError, "executor must be None, 'processes'"),
        ({"executor": 3}, TypeError, "executor must be None, 'processes'"),
        ({"workers": 2}, ValueError, "workers go with an executor"),
        ({"executor": "processes", "workers": 0}, ValueError, "workers must be an integer"),
        ({"executor": "processes", "workers": 2, "threads": 4000}, ValueError, "workers × threads must be at most"),
        ({"executor": "processes", "workers": 4000}, ValueError, "workers × threads must be at most"),
        ({"threads": 4000}, ValueError, "workers × threads must be at most"),
        ({"retry_failed": 1}, TypeError, "retry_failed must be True or False"),
        ({"progress": 1}, TypeError, "progress must be True or False"),
        ({"memory_limit": 0}, ValueError, "memory_limit must be an integer"),
    ],
)
def test_mistakes(options: dict[str, Any], kind: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=message):
        barren.sweep(SMALL, tmp_path, **options)
