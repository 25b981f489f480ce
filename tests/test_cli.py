from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import helpers
import pytest
from cli_runner import python, run
from typer.testing import CliRunner

import barren
from barren import check, figures, models, specs
from barren.__main__ import main
from barren.cli import app
from barren.figures.base import Figure

SMALL = ["--p", "23", "--model", "mlp:8x6:sigmoid"]


def squares(**changes: object) -> Figure:
    def draw(rows: object, settings: object, canvas: object) -> None:
        canvas.subplots().plot([0, 1])  # type: ignore[attr-defined]

    parts: dict[str, object] = {
        "name": "squares",
        "summary": "squares",
        "columns": {"n": int},
        "settings": lambda full, seed: {"full": full, "seeds": [seed]},
        "cells": lambda settings: [{"n": 1}, {"n": 2}],
        "compute": lambda cell: [{"n": cell["n"] ** 2}],
        "draw": draw,
    }
    return Figure(**{**parts, **changes})  # type: ignore[arg-type]


def test_variance_prints_both_normalisations_layers_multipliers_and_plan() -> None:
    code, out, err = run("variance", *SMALL, "--top", "3")
    assert (code, err) == (0, "")
    for label in (
        "Var = E‖G_a − E G‖²",
        "Var / B²",
        "Var / E‖∇ probability‖²",
        "λ·B², bound on Var",
        "variance by layer",
    ):
        assert label in out
    assert out.count("  a = ") == 3
    assert "of least predicted time that fits in memory" in out
    assert "22 multipliers (units)" in out


def test_variance_as_json_is_what_the_package_computes() -> None:
    code, out, _ = run("variance", *SMALL, "--seed", "4", "--dtype", "float64", "--json")
    assert code == 0
    found = json.loads(out)
    answer = barren.gradient_variance(
        barren.ModularMultiplication(23, barren.targets.Bit(0)),
        models.mlp(5, (8, 6), "sigmoid", seed=4),
        encoding=barren.encodings.Bits(),
        loss="bce",
        dtype="float64",
    )
    assert found["variance"] == pytest.approx(float(answer), rel=1e-12)
    assert found["normalised"] == pytest.approx(answer.normalised)
    assert found["normalised_by_probability"] == pytest.approx(answer.normalised_by_probability)
    assert found["bound"] == pytest.approx(answer.bound)
    assert found["per_layer"] == pytest.approx(answer.per_layer)
    assert found["easiest"][0]["a"] in {a for a, _ in answer.easiest(2)}
    assert (found["p"], found["target"], found["seed"], found["members"]) == (23, "bit:0", 4, 22)
    assert math.fsum(found["per_layer"].values()) == pytest.approx(found["variance"])


@pytest.mark.parametrize(
    "options",
    [
        ["--target", "sawtooth", "--loss", "mse", "--encoding", "angular:2"],
        ["--inputs", "nonzero", "--multipliers", "all", "--method", "character"],
        ["--inputs", "random-bits:7", "--encoding", "one-hot", "--method", "direct"],
        ["--p", "24", "--target", "square", "--loss", "mse", "--encoding", "digits:3"],
        ["--model", "linear", "--encoding", "scalar", "--top", "0"],
    ],
)
def test_variance_of_other_problems(options: list[str]) -> None:
    code, out, err = run("variance", *SMALL, *options)
    assert (code, err) == (0, "")
    assert "Var / B²" in out


def test_variance_over_a_set_warns_in_one_line_and_has_a_standard_error() -> None:
    code, out, err = run("variance", "--p", "101", "--model", "mlp:8:sigmoid", "--multipliers", "1,3,50,47")
    assert code == 0
    assert "standard error for all units" in out
    assert err.startswith("warning: the 1 largest of 4 deviations")
    assert err.count("\n") == 1
    code, out, _ = run("variance", *SMALL, "--multipliers", "5", "--json")
    assert code == 0
    assert json.loads(out)["standard_error"] is None  # infinite


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["variance", "--p", "2^x"], "p must be an integer such as 1009 or 2^255-19; got '2^x'"),
        (["variance", "--p", "2^255-19"], "(give a Sample)"),
        (["variance", "--p", "2"], "p must be an integer, at least 3; got 2"),
        (["variance", "--p", "23", "--target", "bits:0"], "target must be one of"),
        (["variance", "--p", "23", "--target", "bit:9"], "bit"),
        (["variance", "--p", "23", "--encoding", "onehot"], "did you mean 'one-hot'?"),
        (["variance", "--p", "23", "--encoding", "bits:2"], "width must be at least 5"),
        (["variance", "--p", "23", "--inputs", "normal"], "inputs must be one of"),
        (["variance", "--p", "23", "--multipliers", "some"], "multipliers must be"),
        (["variance", "--p", "23", "--multipliers", "1,1"], "multipliers"),
        (["variance", "--p", "23", "--multipliers", "23"], "multipliers"),
        (["variance", "--p", "23", "--model", "cnn"], "model must be"),
        (["variance", "--p", "23", "--model", "mlp:8:cube"], "model must be"),
        (["variance", "--p", "23", "--loss", "huber"], "one of 'mse', 'bce', 'cross-entropy', 'hinge'; got"),
        (["variance", "--p", "23", "--target", "sawtooth"], "labels in [0, 1]"),
        (["variance", "--p", "23", "--method", "fastest"], "method must be one of"),
        (["variance", "--p", "24", "--method", "character"], "composite"),
        (["variance", "--p", "23", "--dtype", "float16"], "dtype"),
        (["variance", "--p", "23", "--seed", "-1"], "seed must be"),
        (["variance", "--p", str(2**63 + 29)], "(give a Sample)"),
        (["variance", "--p", str(2**63 + 29), "--target", "cosine"], "p must be below 2**63 here"),
        (["variance", "--p", "23", "--frequencies", "5"], "one of --p, --frequencies and --parity"),
        (["variance", "--frequencies", "0"], "A must be"),
        (["variance", "--frequencies", "5", "--target", "bit:0"], "it depends on p (QuantileBit(i) is one of t/p)"),
        (["variance", "--frequencies", "5", "--target", "residue"], "a function on the circle"),
        (["variance", "--frequencies", "5", "--multipliers", "all"], "--multipliers goes with --p"),
        (["variance", "--frequencies", "5", "--encoding", "bits"], "encoding must be scalar or angular[:H]"),
        (["variance", "--frequencies", "5", "--inputs", "nonzero"], "inputs must be one of uniform[:N], gaussian"),
        (["variance", "--frequencies", "5", "--inputs", "gaussian"], "inputs must be written gaussian:SCALE[:N]"),
        (["variance", "--frequencies", "5", "--loss", "bce"], "labels in [0, 1]"),
        (["variance", "--frequencies", "5", "--method", "character"], "it is for residues modulo p"),
        (["bounds", "--p", "23", "--frequencies", "5"], "one of --p, --frequencies and --parity"),
        (["bounds"], "one of --p, --frequencies and --parity"),
        (["bounds", "--frequencies", "0"], "A must be"),
        (["bounds", "--frequencies", "5", "--target", "bit:0"], "a function on the circle"),
        (["bounds", "--frequencies", "5", "--multipliers", "all"], "--multipliers goes with --p"),
        (["figure"], "a figure needs its name and --out DIR"),
        (["figure", "bound-ladder"], "a figure needs its name and --out DIR"),
        (["figure", "bounds", "--out", "nowhere"], "name must be one of"),
        (["variance", "--parity", "10:3:4"], "parity must be written"),
        (["variance", "--parity", "1"], "n must be an integer in 2..63; got 1"),
        (["variance", "--parity", "5:6"], "size must be an integer in 1..5; got 6"),
        (["variance", "--parity", "5", "--target", "square"], "go with --p"),
        (["variance", "--parity", "5", "--loss", "hinge"], "labels -1 and 1"),
        (["variance", "--parity", "63"], "(give a Sample)"),
        (["variance"], "one of --p, --frequencies and --parity must be given"),
        (["variance", "--p", "many"], "p must be an integer such as"),
        (["variance", "--p", "23", "--top", "-1"], "--top"),
        (["nothing"], "No such command"),
    ],
)
def test_mistakes_are_one_clear_line_and_status_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    if err.startswith("barren: "):
        assert err.count("\n") == 1


def test_parities() -> None:
    code, out, err = run("variance", "--parity", "5:2:signed", "--loss", "hinge", "--model", "mlp:8:relu")
    assert (code, err) == (0, "")
    assert "10 parities v (5:2:signed)" in out
    assert "easiest parities, of all" in out
    code, out, _ = run("variance", "--parity", "5", "--model", "mlp:8:relu", "--json")
    found = json.loads(out)
    assert (code, found["parity"], found["members"], found["sharp_bound"]) == (0, "5", 32, 1 / 128)
    code, out, _ = run("bounds", "--parity", "5:2:signed", "--json")
    rungs = {rung["name"]: rung["value"] for rung in json.loads(out)["bounds"]}
    assert (code, rungs["sharp"], rungs["orthogonal"]) == (0, 0.1, 0.1)


def test_a_fault_of_the_package_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(barren, "bounds", broken)
    result = CliRunner().invoke(app, ["bounds", "--p", "23"])
    assert isinstance(result.exception, RuntimeError)


def test_bounds_prints_the_ladder() -> None:
    code, out, err = run("bounds", "--p", "1009", "--target", "sawtooth")
    assert (code, err) == (0, "")
    for word in ("sharp", "boas-bellman", "bounded-variation", "published-rate: no bound", "1.1178"):
        assert word in out
    code, out, _ = run("bounds", "--p", "1009", "--json")
    rungs = {rung["name"]: rung for rung in json.loads(out)["bounds"]}
    assert code == 0
    assert rungs["sharp"]["value"] <= rungs["boas-bellman"]["value"]
    assert not rungs["published-rate"]["proven"]
    code, out, _ = run("bounds", "--p", "15", "--multipliers", "1,2", "--inputs", "random-bits:3", "--json")
    assert code == 0
    assert [rung["name"] for rung in json.loads(out)["bounds"]] == ["sharp", "trivial", "boas-bellman"]


def test_bounds_of_frequencies() -> None:
    code, out, err = run("bounds", "--frequencies", "1000")
    assert (code, err) == (0, "")
    assert "sawtooth of a·x, a = 1..1000" in out
    code, out, _ = run("bounds", "--frequencies", "1000", "--target", "square", "--json")
    found = json.loads(out)
    assert (code, found["frequencies"], found["target"]) == (0, 1000, "square")
    value = {rung["name"]: rung["value"] for rung in found["bounds"]}["bounded-variation"]
    assert value == pytest.approx(16 / 12 * 5.519765 / 1000, rel=1e-6)


def test_bounds_of_frequencies_on_a_grid() -> None:
    code, out, _ = run("bounds", "--frequencies", "20", "--target", "cosine:2", "--inputs", "grid:101", "--json")
    found = json.loads(out)
    expected = barren.bounds(barren.Frequencies(20, barren.targets.Cosine(2)), barren.inputs.Grid(101))
    assert (code, found["inputs"]) == (0, "grid:101")
    assert [rung["value"] for rung in found["bounds"]] == [rung.value for rung in expected]


@helpers.NODES_ALONE
@pytest.mark.parametrize("law", ["uniform", "uniform:64", "gaussian:1/4:40", "gaussian:1/4", "grid:23"])
def test_variance_of_frequencies_is_what_the_package_computes(law: str) -> None:
    options = ["--frequencies", "9", "--target", "square", "--model", "mlp:6:tanh", "--inputs", law]
    code, out, err = run("variance", *options, "--encoding", "angular:2", "--dtype", "float64", "--json")
    assert code == 0
    assert err.count("40 nodes are 1 for a period") == err.count("\n") == (law == "gaussian:1/4:40")
    found = json.loads(out)
    answer = barren.gradient_variance(
        barren.Frequencies(9, barren.targets.Square()),
        models.mlp(4, (6,), "tanh", seed=0),
        encoding=barren.encodings.Angular(2),
        inputs=specs.real_law(law),
        dtype="float64",
    )
    assert found["variance"] == pytest.approx(float(answer), rel=1e-12)
    assert found["bound"] == pytest.approx(answer.bound)
    assert (found["frequencies"], found["members"], found["loss"], found["inputs"]) == (9, 9, "mse", law)
    assert "p" not in found
    code, out, _ = run("variance", *options, "--top", "2")
    assert code == 0
    assert "x -> square of a·x, 9 frequencies (1..9), x " in out
    assert "easiest frequencies, of 1..9" in out
    code, out, _ = run("variance", *options, "--plan")
    assert (code, "direct" in out) == (0, True)


def test_figure_list() -> None:
    code, out, _ = run("figure", "--list")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == list(figures.FIGURES)


def test_figure_is_made_refused_and_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(figures.FIGURES, "squares", squares())
    arguments = ["figure", "squares", "--out", str(tmp_path / "out"), "--seed", "7"]
    code, out, err = run(*arguments)
    assert code == 0
    assert [Path(line).suffix for line in out.splitlines()] == [".parquet", ".png", ".svg", ".json"]
    assert all(Path(line).is_file() for line in out.splitlines())
    assert "squares: 2 cells" in err
    code, _, err = run(*arguments)
    assert code == 2
    assert "--force" in err
    code, _, err = run(*arguments, "--force", "--full", "--quiet")
    assert (code, err) == (0, "")
    record = json.loads((tmp_path / "out" / "squares.json").read_text())
    assert record["command"] == "barren figure squares --out DIR --seed 7 --full"
    assert record["settings"] == {"full": True, "seeds": [7]}


def test_an_interrupted_figure_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(cell: dict[str, int]) -> list[dict[str, int]]:
        if cell["n"] == 2:
            raise KeyboardInterrupt
        return [{"n": 1}]

    monkeypatch.setitem(figures.FIGURES, "squares", squares(compute=interrupted))
    code, _, err = run("figure", "squares", "--out", str(tmp_path), "--quiet")
    assert code == 130
    assert err == "interrupted: the finished cells are kept, the same command goes on from there\n"
    assert (tmp_path / "squares.partial.jsonl").exists()


def test_check_prints_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    line = check.Comparison("direct", "a case", 1e-16, 1e-12)
    monkeypatch.setattr(check, "comparisons", lambda: iter([line]))
    code, out, _ = run("check")
    assert code == 0
    for word in ("engine", "relative error", "tolerance", "verdict", "direct", "a case", "agrees"):
        assert word in out
    assert "1 comparisons, no disagreements" in out
    assert "left out" not in out


def test_check_fails_on_a_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [check.Comparison("direct", "Var, a case", error, 1e-12) for error in (1e-16, 1e-3)]
    monkeypatch.setattr(check, "comparisons", lambda: iter(lines))
    for arguments in (["check"], ["check", "--all"]):
        code, out, _ = run(*arguments)
        assert code == 1
        assert "DISAGREES" in out
        assert "2 comparisons, 1 disagreement" in out


def test_check_without_torch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "has_torch", lambda: False)
    code, out, _ = run("check")
    assert code == 0
    assert check.MODEL_CASES_LEFT_OUT in out


def test_info_measures_the_rates_anew(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BARREN_CACHE", str(tmp_path))
    code, out, err = run("info", "--recalibrate", "--json")
    assert code == 0
    assert json.loads(out)["barren"]
    (written,) = tmp_path.iterdir()
    assert str(written) in err


def test_info() -> None:
    code, out, _ = run("info")
    assert code == 0
    assert f"barren    {barren.__version__}" in out
    code, out, _ = run("info", "--json")
    assert json.loads(out) == barren.configuration()


def test_main_returns_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    assert main(["bounds", "--p", "2"]) == 2
    assert main(["--help"]) == 0
    for command in ("variance", "bounds", "figure", "check", "info"):
        assert command in capsys.readouterr().out or main([command, "--help"]) == 0


def test_python_m_barren() -> None:
    done = python("-m", "barren", "info")
    assert done.returncode == 0
    assert done.stdout.startswith("barren")
    done = python("-m", "barren", "variance", "--p", "2")
    assert done.returncode == 2
    assert done.stderr == "barren: p must be an integer, at least 3; got 2\n"


def test_output_in_an_encoding_without_greek_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    command = [sys.executable, "-m", "barren", "bounds", "--p", "61"]
    done = subprocess.run(command, capture_output=True, encoding="cp1252", timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u03bb" in done.stdout


@pytest.mark.parametrize("name", ["typer", "rich"])
def test_without_typer_or_rich_it_says_what_to_install(name: str) -> None:
    code = f"import sys; sys.modules[{name!r}] = None; from barren.__main__ import main; sys.exit(main(['info']))"
    done = python("-c", code)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f'the command line needs {name}: pip install "barren[experiments]"\n'


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("torch", ["variance", "--p", "23"]), ("matplotlib", ["figure", "bound-ladder", "--out", "."])],
)
def test_without_an_extra_it_says_what_to_install(name: str, arguments: list[str], tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{name!r}] = None; from barren.__main__ import main; sys.exit(main({arguments!r}))"
    done = python("-c", code)
    assert done.returncode == 2
    assert done.stderr == f'barren: this needs {name}: pip install "barren[experiments]"\n'


def test_the_package_imports_no_extra() -> None:
    heavy = {"typer", "rich", "matplotlib", "torch", "pyarrow"}
    for module in ("barren", "barren.specs", "barren.figures", "barren.check"):
        done = python("-c", f"import sys, {module}; print({heavy!r} & set(sys.modules))")
        assert (done.returncode, done.stdout, done.stderr) == (0, "set()\n", ""), module
