"""From cells to files: records, resuming, refusals and progress, with a figure of squares."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from figure_cases import counted, rows_of

import barren
from barren import _canonical, figures
from barren import _progress as progress
from barren.figures.base import Cell, Row


def test_record_and_hashes(tmp_path: Path) -> None:
    made = figures.make(counted([]), tmp_path, seed=3, command="barren figure squares --out DIR --seed 3")
    record = json.loads((tmp_path / "squares.json").read_text())
    assert record == json.loads(json.dumps(made.record))
    assert record["settings"] == {"count": 5, "seeds": [3]}
    assert record["seeds"] == [3]
    assert record["version"] == barren.__version__
    assert record["configuration"] == barren.configuration()
    assert set(record["libraries"]) == {"matplotlib", "pyarrow"}
    assert record["command"] == "barren figure squares --out DIR --seed 3"
    for name, digest in record["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    assert set(record["files"]) == {"squares.parquet", "squares.png", "squares.svg"}
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in rows_of(tmp_path)]
    assert _canonical.digest(rows) == record["rows_sha256"]
    assert record["rows_sha256_leaves_out"] == ["seconds"]
    assert str(tmp_path) not in (tmp_path / "squares.json").read_text()


def test_missing_numbers_are_null(tmp_path: Path) -> None:
    figures.make(counted([]), tmp_path)
    assert [row["third"] for row in rows_of(tmp_path)] == [0.0, None, 2 / 3, 1.0, 4 / 3]


def test_resumes_where_it_was_interrupted(tmp_path: Path) -> None:
    computed: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted(computed, stop_at=3), tmp_path / "a")
    assert computed == [0, 1, 2]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["squares.partial.jsonl"]
    made = figures.make(counted(computed), tmp_path / "a")
    assert computed == [0, 1, 2, 3, 4]
    assert made.record["cells"] == {"all": 5, "kept_from_earlier_run": 3}
    whole = figures.make(counted([]), tmp_path / "b")
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")
    assert made.record["rows_sha256"] == whole.record["rows_sha256"]
    assert not (tmp_path / "a" / "squares.partial.jsonl").exists()


@pytest.mark.parametrize("cut", [1, 20])
def test_a_line_cut_short_is_computed_again(tmp_path: Path, cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted([], stop_at=3), tmp_path)
    partial = tmp_path / "squares.partial.jsonl"
    partial.write_bytes(partial.read_bytes()[:-cut])
    computed: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted(computed, stop_at=4), tmp_path)
    assert computed == [2, 3]
    assert len([json.loads(line) for line in partial.read_text().splitlines()]) == 5  # the heading and four whole lines
    figures.make(counted(computed), tmp_path)
    assert computed == [2, 3, 4]
    assert [row["n"] for row in rows_of(tmp_path)] == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("length", [0, 1, 15, 40, -1])
def test_a_heading_cut_short_starts_anew(tmp_path: Path, length: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted([], stop_at=0), tmp_path)
    partial = tmp_path / "squares.partial.jsonl"
    partial.write_bytes(partial.read_bytes()[:length])
    computed: list[int] = []
    figures.make(counted(computed), tmp_path)
    assert computed == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""


def test_other_settings_start_anew_with_a_notice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted([], stop_at=3), tmp_path, seed=1)
    computed: list[int] = []
    figures.make(counted(computed), tmp_path, seed=2)
    assert computed == [0, 1, 2, 3, 4]
    assert "other settings or another version: starting anew" in capsys.readouterr().err


def test_another_version_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted([], stop_at=3), tmp_path)
    monkeypatch.setattr("barren.figures.making.__version__", "0.0.0")
    computed: list[int] = []
    figures.make(counted(computed), tmp_path)
    assert computed == [0, 1, 2, 3, 4]


def test_a_finished_figure_is_not_overwritten(tmp_path: Path) -> None:
    figures.make(counted([]), tmp_path)
    before = (tmp_path / "squares.json").read_bytes()
    computed: list[int] = []
    with pytest.raises(ValueError, match=r"finished squares.*--force"):
        figures.make(counted(computed), tmp_path, seed=1)
    assert computed == []
    assert (tmp_path / "squares.json").read_bytes() == before
    figures.make(counted(computed), tmp_path, seed=1, force=True)
    assert computed == [0, 1, 2, 3, 4]
    assert json.loads((tmp_path / "squares.json").read_text())["seeds"] == [1]


def test_two_runs_in_one_directory_are_refused(tmp_path: Path) -> None:
    def compute(cell: Cell) -> list[Row]:
        with pytest.raises(ValueError, match="is in use"):
            figures.make(counted([]), tmp_path)
        return counted([]).compute(cell)

    figures.make(dataclasses.replace(counted([]), compute=compute), tmp_path)
    assert len(rows_of(tmp_path)) == 5


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="out must be a directory"):
            figures.make(counted([]), out)


@pytest.mark.parametrize(
    ("seed", "kind", "message"),
    [
        (-1, ValueError, "seed must be an integer in 0..4611686018427387904; got -1"),
        (2**62 + 1, ValueError, "seed must be an integer in 0..4611686018427387904; got 4611686018427387905"),
        (1.5, TypeError, "seed must be an integer in 0..4611686018427387904; got 1.5"),
        (True, TypeError, "seed must be an integer in 0..4611686018427387904; got True"),
    ],
)
def test_seeds_are_refused_before_anything_is_made(
    tmp_path: Path, seed: object, kind: type[Exception], message: str
) -> None:
    for name in ("bound-ladder", "spectral-norm"):
        with pytest.raises(kind, match=message):
            figures.make(figures.FIGURES[name], tmp_path / "out", seed=seed)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_the_largest_seed_fits_into_the_table(tmp_path: Path) -> None:
    figure = figures.FIGURES["variance-vs-frequency"]
    few = {"largest_frequencies": [2], "laws": ["grid"], "targets": ["cosine"], "M": 11, "model": "mlp:4:tanh"}
    made = figures.make(figure, tmp_path, seed=2**62, settings={**figure.settings(False, 2**62), **few})
    seeds = [2**62, 2**62 + 1, 2**62 + 2]
    assert [row["seed"] for row in rows_of(tmp_path, figure.name)] == made.record["seeds"] == seeds


def test_a_name_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"figure must be a figure such as .*; got 'bound-ladder'"):
        figures.make("bound-ladder", tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_rows_with_other_columns_are_a_fault_of_the_figure(tmp_path: Path) -> None:
    wrong = dataclasses.replace(counted([]), columns={"n": int})
    with pytest.raises(AssertionError, match="rows of squares need the columns"):
        figures.make(wrong, tmp_path)


def test_progress_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted([], stop_at=3), tmp_path)
    figures.make(counted([]), tmp_path, progress=progress.Lines())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "squares: 5 cells, 3 of them kept from an earlier run"
    assert "4 of 5 cells" in lines[1]
    assert "left" in lines[1]
    assert "5 of 5 cells" in lines[2]


def test_progress_bar_leaves_the_terminal_free(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted([], stop_at=2), tmp_path, seed=1, progress=progress.Bar())
    figures.make(counted([]), tmp_path, progress=progress.Bar())
    assert "starting anew" in capsys.readouterr().err
    assert isinstance(progress.for_terminal(quiet=True), progress.Progress)
    assert not isinstance(progress.for_terminal(quiet=True), progress.Lines | progress.Bar)


def test_redrawn_from_the_table_alone(tmp_path: Path) -> None:
    made = figures.make(counted([]), tmp_path, seed=3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    computed: list[int] = []
    figures.redraw(counted(computed), tmp_path)
    assert computed == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "squares.png").write_bytes(b"")
    again = figures.redraw(counted([]), tmp_path)
    assert (tmp_path / "squares.png").read_bytes() == before["squares.png"]
    assert again.record == made.record
    renamed = figures.redraw(replace(counted([]), summary="other words"), tmp_path)
    assert renamed.record == {**made.record, "summary": "other words"}
    (tmp_path / "squares.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match="got another table"):
        figures.redraw(counted([]), tmp_path)
    with pytest.raises(ValueError, match="must hold a finished squares"):
        figures.redraw(counted([]), tmp_path / "elsewhere")
