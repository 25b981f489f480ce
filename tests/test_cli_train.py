"""`barren train`: what it passes on, prints, writes and refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cli_runner import run

import barren
from barren import encodings, inputs, targets

TRAIN = ["train", "--p", "13", "--model", "mlp:16:relu", "--members", "1,2", "--seeds", "2", "--quiet"]


def test_train_prints_a_line_a_member_and_writes_the_rows(tmp_path: Path) -> None:
    from pyarrow import parquet

    out = tmp_path / "rows.parquet"
    code, text, err = run(*TRAIN, "--steps", "20", "--out", str(out), "--save", str(tmp_path / "save"))
    assert (code, err) == (0, "")
    assert "test accuracy" in text
    assert "4 runs in 1 batched group" in text
    rows = parquet.read_table(out).to_pylist()
    assert [(row["member"], row["seed"]) for row in rows] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    code, text, err = run(*TRAIN, "--steps", "20", "--json", "--save", str(tmp_path / "save"))
    assert code == 0
    assert json.loads(text)["runs"] == json.loads(json.dumps(rows))
    code, _, err = run(*TRAIN, "--steps", "20", "--out", str(out))
    assert code == 2
    assert "not there yet" in err


def test_train_on_waves_and_with_epochs() -> None:
    code, out, err = run(
        "train", "--frequencies", "4", "--model", "mlp:8:tanh", "--members", "3", "--seeds", "1",
        "--steps", "5", "--target", "sawtooth", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert "15 of 15 steps" in err
    assert len(json.loads(out)["runs"]) == 3
    code, out, _ = run(*TRAIN, "--data", "sample:12", "--batch-size", "4", "--epochs", "2", "--json")
    assert json.loads(out)["runs"][0]["steps"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of --p, --frequencies and --parity must be given"),
        (["--p", "13", "--parity", "5"], "only one of --p, --frequencies and --parity may be given"),
        (["--p", "13", "--optimizer", "adagrad"], "optimizer must be one of"),
        (["--p", "13", "--members", "x"], "members must be a count"),
        (["--p", "13", "--lr", "fast"], "lr must be numbers"),
        (["--p", "13", "--data", "sample:99", "--batch-size", "5"], "at most the number of points"),
        (["--parity", "5", "--target", "bit:1"], "a parity has neither"),
        (["--parity", "x"], "parity must be written"),
        (["--p", "13", "--target", "bit:0", "--target", "cosine"], "loss='bce' needs labels in [0, 1]"),
        (["--p", "13", "--option", "momentum=0.9"], "optimizer_options of adam must be among betas"),
        (["--p", "13", "--option", "momentum"], "option must be written NAME=VALUE, each name once; got 'momentum'"),
        (["--p", "13", "--option", "eps=x"], "option eps must be numbers"),
        (["--p", "13", "--option", "eps=1", "--option", "eps=2"], "each name once; got 'eps=2'"),
        (["--p", "13", "--device", "cuda:99"], "device must be one that torch has here; got 'cuda:99'"),
        (["--p", "13", "--threads", "0"], "threads must be"),
        (["--p", "13", "--records", "some"], "records must be a count"),
        (["--p", "13", "--stop-accuracy", "2"], "stop_accuracy must be"),
        (["--p", "13", "--watch", "0"], "watch must be an integer, at least 1"),
        (["--p", "13", "--watch-runs", "2"], "watch_runs needs watch"),
        (["--p", "13", "--watch", "2", "--target", "residue"], "loss must have a derivative affine in the label"),
        (["--p", "13", "--dtype", "half"], "dtype must be"),
        (["--p", "13", "--out", "nowhere/rows.parquet"], "out must be in a directory that is there"),
    ],
)
def test_train_refuses_in_one_line(arguments: list[str], message: str) -> None:
    code, _, err = run("train", *arguments, "--quiet")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def rows_of(*arguments: str) -> list[dict[str, Any]]:
    code, out, err = run("train", *arguments, "--quiet", "--json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)["runs"]
    return found


def plain(ensemble: barren.training.Ensemble) -> list[dict[str, Any]]:
    """Rows as they come through JSON, where null stands for what is no number."""
    rows: list[dict[str, Any]] = json.loads(json.dumps(ensemble.rows), parse_constant=lambda _: None)
    return rows


def test_every_option_reaches_the_training() -> None:
    found = rows_of(
        "--p", "31", "--target", "bit:1", "--multipliers", "all", "--inputs", "random-bits:4", "--encoding",
        "digits:2:5", "--model", "mlp:12:tanh", "--members", "0,3", "--seeds", "4,", "--loss", "mse",
        "--optimizer", "sgd", "--option", "momentum=0.9", "--option", "nesterov=true", "--lr", "0.1,0.01",
        "--steps", "40", "--batch-size", "16", "--data", "population:90", "--records", "5,20", "--stop-accuracy",
        "0.99", "--patience", "2", "--dtype", "float64", "--device", "cpu", "--threads", "1", "--save-every", "1",
    )  # fmt: skip
    cls = barren.ModularMultiplication(31, targets.Bit(1), "all")
    ensemble = barren.train(
        cls, "mlp:12:tanh", encoding=encodings.Digits(2, 5), inputs=inputs.RandomBits(4), members=[0, 3], seeds=[4],
        loss="mse", optimizer="sgd", optimizer_options={"momentum": 0.9, "nesterov": True}, lr=[0.1, 0.01], steps=40,
        batch_size=16, data="population:90", records=[5, 20], stop_accuracy=0.99, patience=2, dtype="float64",
        threads=1,
    )  # fmt: skip
    assert found == plain(ensemble)


def test_parities_take_the_hinge_where_they_are_signed() -> None:
    settings = ("--model", "mlp:8:relu", "--members", "3,5", "--seeds", "1", "--steps", "9")
    for text, signed, loss in (("4", False, "bce"), ("4:2:signed", True, "hinge")):
        cls = barren.Parity(4, 2 if signed else None, signed=signed)
        expected = barren.train(cls, "mlp:8:relu", members=[3, 5], loss=loss, steps=9)
        assert rows_of("--parity", text, *settings) == plain(expected)


def test_the_residue_has_an_output_a_label() -> None:
    settings = ("--model", "mlp:8:relu", "--members", "3,", "--seeds", "1", "--steps", "9", "--tau", "0.1")
    cls = barren.ModularMultiplication(13, targets.Residue())
    expected = barren.train(cls, "mlp:8:relu", members=[3], loss="cross-entropy", steps=9, tau=0.1)
    found = rows_of("--p", "13", "--target", "residue", *settings)
    assert found == plain(expected)
    assert "test_accuracy_within" in found[0]


def test_several_targets_are_several_outputs() -> None:
    settings = ("--model", "mlp:8:relu", "--members", "3,", "--seeds", "1", "--steps", "9")
    classes = [barren.ModularMultiplication(13, targets.Bit(j)) for j in (0, 2)]
    found = rows_of("--p", "13", "--target", "bit:0", "--target", "bit:2", *settings)
    assert found == plain(barren.train(classes, "mlp:8:relu", members=[3], steps=9))
    assert {"test_accuracy_0", "test_accuracy_1"} < found[0].keys()


def test_what_is_watched_is_printed_and_written_beside_the_rows(tmp_path: Path) -> None:
    from pyarrow import parquet

    out = tmp_path / "rows.parquet"
    asked = [*TRAIN, "--steps", "20", "--watch", "2", "--watch-runs", "1,3"]
    code, text, err = run(*asked, "--out", str(out))
    assert (code, err) == (0, "")
    assert "d(a) / Var" in text
    watched = parquet.read_table(tmp_path / "rows-watched.parquet").to_pylist()
    assert [(row["run"], row["step"]) for row in watched] == [(1, 0), (1, 20), (3, 0), (3, 20)]
    code, text, _ = run(*asked, "--json")
    found = json.loads(text)["watched"]
    assert [row["variance"] for row in found] == [row["variance"] for row in watched]
    code, _, err = run(*asked, "--out", str(tmp_path / "rows-watched.parquet"))
    assert code == 2
    assert "not there yet" in err


def test_help_names_every_argument_of_train() -> None:
    """The command line has what `barren.train` has, but functions and what only Python can give."""
    import inspect

    code, out, _ = run("train", "--help")
    assert code == 0
    words = {"cls", "optimizer_options", "progress", "outputs"}
    for name in set(inspect.signature(barren.train).parameters) - words:
        assert f"--{name.replace('_', '-')}" in out, name


@pytest.mark.parametrize("out", [".", "", "..", "/", "folder", "file", "folder/.", "file/rows", "nowhere/rows", "rows"])
def test_out_that_is_no_new_file_is_refused_before_training(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last is one in a folder that cannot be written to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(barren, "train", lambda *_, **__: pytest.fail("it trains"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    if out == "rows":
        monkeypatch.setattr(os, "access", lambda *_: False)
    for watch in ([], ["--watch", "1"]):
        code, _, err = run("train", "--p", "13", "--out", out, *watch)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith("barren: out must be ")
        assert f"got {str(Path(out))!r}" in err
    assert (tmp_path / "file").read_text() == "mine"
