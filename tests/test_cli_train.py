"""`barren train` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runner import run

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
        ([], "one of --p and --frequencies"),
        (["--p", "13", "--optimizer", "adagrad"], "optimizer must be one of"),
        (["--p", "13", "--members", "x"], "members must be a count"),
        (["--p", "13", "--lr", "fast"], "lr must be numbers"),
        (["--p", "13", "--data", "sample:99", "--batch-size", "5"], "at most the number of points"),
        (["--frequencies", "4", "--inputs", "uniform"], "--inputs goes with --p"),
    ],
)
def test_train_refuses_in_one_line(arguments: list[str], message: str) -> None:
    code, _, err = run("train", *arguments, "--quiet")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
