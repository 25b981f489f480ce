from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from cli_runner import run
from sweep_cases import SLOW_TOML, child, events, stored

import barren
from barren import encodings
from barren.__main__ import main
from barren.figures import variance_vs_modulus
from barren.sweeps import Grid, LostError, executors, parts, progress, rows_of

EXAMPLE = Path(__file__).parent.parent / "examples" / "published_figure.toml"
SMALL_TOML = 'kind = "bounds"\np = [5, 7]\ntarget = ["bit:0", "sawtooth"]\n'


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Four cells."""
    path = tmp_path / "grid.toml"
    path.write_text(SMALL_TOML)
    return path


def test_plan_run_status_verify_export_merge(tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, said = str(tmp_path / "store"), capsys.readouterr
    assert main(["sweep", "plan", str(grid)]) == 0
    assert "4 cells of kind bounds, modular" in (told := said().out)
    assert "predicted time" in told
    assert "predicted memory" in told
    assert main(["sweep", "run", str(grid), "--out", store]) == 0
    assert "4 cells: 0 were there, 4 computed, 0 failed" in said().out
    assert main(["sweep", "run", str(grid), "--out", store, "--json", "--quiet"]) == 0
    assert json.loads(said().out)["kept"] == 4
    assert main(["sweep", "status", store, "--json"]) == 0
    assert [one["done"] for one in json.loads(said().out)["store"]] == [4, 4]
    assert main(["sweep", "status", store]) == 0
    assert "all rows" in said().out
    assert main(["sweep", "verify", store]) == 0
    assert "4 rows, all as they were written" in said().out
    assert main(["sweep", "export", store, "--out", str(tmp_path / "all.csv")]) == 0
    assert main(["sweep", "merge", str(tmp_path / "other"), store]) == 0
    assert "4 rows are new" in said().out
    assert stored(tmp_path / "other") == stored(tmp_path / "store")


def test_damage_is_status_1_and_repaired(tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "store")
    main(["sweep", "run", str(grid), "--out", store])
    (part,) = parts.listed(Path(store))
    part.write_bytes(part.read_bytes()[:-1])
    capsys.readouterr()
    assert main(["sweep", "verify", store]) == 1
    assert part.name in capsys.readouterr().out
    assert main(["sweep", "run", str(grid), "--out", store]) == 2
    assert "--repair" in capsys.readouterr().err
    assert main(["sweep", "verify", store, "--repair"]) == 0
    assert main(["sweep", "run", str(grid), "--out", store, "--json"]) == 0
    assert '"computed": 4' in capsys.readouterr().out


def test_a_failed_cell_is_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid, store = tmp_path / "grid.toml", str(tmp_path / "store")
    grid.write_text('p = [7, 15]\nmodel = "mlp:4"\nmethod = "character"\n')
    for _ in range(2):
        assert main(["sweep", "run", str(grid), "--out", store, "--quiet"]) == 1
    assert "1 cells failed" in capsys.readouterr().err
    assert main(["sweep", "run", str(grid), "--out", store, "--quiet", "--retry-failed"]) == 1
    assert len(rows_of(store)) == 2
    main(["sweep", "status", store])
    assert "1 failed: ValueError: method 'character'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "GRID", "--out", "OUT", "--threads", "4000"], "workers × threads must be at most"),
        (["plan", "none.toml"], "grid must be a file that can be read"),
        (["run", "GRID", "--out", "OUT", "--shard", "3"], "shard must be written I/N"),
        (["run", "GRID", "--out", "OUT", "--shard", "4/3"], "shard must be an integer in 1..3"),
        (["run", "GRID", "--out", "OUT", "--dask", "1", "--workers", "1"], "one of --workers, --dask and --scheduler"),
        (["run", "GRID", "--out", "OUT", "--scheduler", "here"], "must be an address such as tcp://"),
        (["run", "GRID", "--out", "GRID"], "out must be a folder, or a name for one"),
        (["status", "OUT"], "store must be a folder that barren sweep made"),
        (["verify", "OUT"], "store must be a folder that barren sweep made"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [{"GRID": str(grid), "OUT": str(tmp_path / "none")}.get(word, word) for word in arguments]
    assert main(["sweep", *given]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_scheduler_that_does_not_answer_is_one_line(
    tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise LostError("no Dask scheduler answers")

    monkeypatch.setattr(executors, "Dask", lost)
    arguments = ["run", str(grid), "--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9", "--quiet"]
    assert main(["sweep", *arguments]) == 2
    assert capsys.readouterr().err == "barren: no Dask scheduler answers\n"


def test_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(SLOW_TOML.replace("count = 20", "count = 3"))
    process = child("run", tmp_path / "grid.toml", "--out", tmp_path / "store")
    _, said = process.communicate()
    first, last = said.splitlines()
    assert re.fullmatch(r"sweep: 6 cells; the rest takes about .* by prediction", first)
    assert re.fullmatch(r"sweep: 6 of 6 cells in .*", last)
    assert [event["cells"] for event in events(tmp_path / "store", "begin")] == [6]
    assert len(events(tmp_path / "store", "cell")) == 6


def test_the_time_that_is_left_is_by_predicted_cost(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    shown = progress.Lines(clock=lambda: now[0])
    shown.begin(cells=4, kept=1, cost=30.0)
    row = {"status": "done"}
    now[0] = 50.0
    shown.advance(row, cost=5.0)
    assert shown.left() == 250.0
    now[0] = 100.0
    shown.advance({"status": "failed"}, cost=5.0)
    assert shown.left() == 200.0
    shown.end()
    said = capsys.readouterr().err.splitlines()
    assert said[1] == "sweep: 3 of 4 cells, 1 failed, about 3.3 min left"
    assert len(said) == 3


def test_a_line_comes_while_a_long_cell_is_computed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LOOK", 0.01)
    now, said = [0.0], ""
    shown = progress.Lines(clock=lambda: now[0])
    shown.begin(cells=2, kept=0, cost=300.0)
    now[0] = 61.0
    deadline = time.monotonic() + 60.0
    while "0 of 2" not in said and time.monotonic() < deadline:
        time.sleep(0.01)
        said += capsys.readouterr().err
    shown.end()
    assert said.splitlines()[1:] == ["sweep: 0 of 2 cells, about 5.0 min by prediction"]


def test_a_bar_leaves_the_terminal_free(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = {"kind": "bounds", "p": [5, 7]}
    assert barren.sweep(grid, tmp_path, progress=progress.Bar()).computed == 2
    assert barren.sweep(grid, tmp_path, progress=progress.Bar()).kept == 2
    assert "2 of 2" in capsys.readouterr().err


def test_the_published_figure_is_a_sweep_with_the_same_values(tmp_path: Path) -> None:
    settings = variance_vs_modulus.settings(True, 0)
    grid = Grid.from_file(EXAMPLE)
    assert len(grid) == len(variance_vs_modulus.cells(settings)) == 7360
    figure_cells = {(cell["p"], cell["seed"]) for cell in variance_vs_modulus.cells(settings)}
    assert {(cell["p"], cell["seed"]) for cell in grid} == figure_cells
    few = {**grid.description, "p": [307], "seed": [0, 19]}
    barren.sweep(few, tmp_path)
    for row in rows_of(tmp_path):
        shared = {name: settings[name] for name in ("width", "model", "target", "loss", "inputs", "dtype")}
        (expected,) = variance_vs_modulus.compute({"p": 307, "seed": row["seed"], **shared})
        assert row["value"] == expected["variance"]
        for name in ("mean_squared_norm", "normalised", "normalised_by_probability", "sharp_bound", "bound"):
            assert row[name] == expected[name]
    assert encodings.Bits(12).width(307) == 12


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_where_a_store_should_be_is_a_mistake(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was finished there, and the same command would not go on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "grid.toml").write_text('kind = "bounds"\np = [5]\n')
    barren.sweep({"kind": "bounds", "p": [5]}, tmp_path / "store")
    for line in (["run", "grid.toml", "--out", place], ["merge", place, "store"]):
        code, _, err = run("sweep", *line)
        assert (code, err) == (2, f"barren: out must be a folder, or a name for one; got {place!r}, where a file is\n")
    assert (tmp_path / "file").read_text() == "mine"
