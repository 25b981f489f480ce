"""What the command line says of a call that is nearly right, and that its help names all that it takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_runner import python, run

import barren
from barren import figures, models, specs, targets
from barren.variance.plan import NAMES

HOPELESS = 'p = [6, 15]\nmodel = "mlp:4"\nmethod = "character"\n'
RECURRENT = 'p = [5, 7, 11]\nseed = [0, 1]\nencoding = ["bits", "digits:2:5"]\nmodel = "sweep_models:recurrent"\n'


def words(*arguments: str) -> str:
    code, out, _ = run(*arguments)
    assert code == 0
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", out).split())


def test_help_names_every_method_loss_and_target() -> None:
    text = words("variance", "--help")
    for name in (*NAMES, "bce", "mse", "hinge", "cross-entropy"):
        assert re.search(rf"\b{name}\b", text), name
    with pytest.raises(ValueError, match="target must be one of") as refused:
        specs.target("nothing")
    for form in re.findall(r"[a-z-]+(?:\[?:[A-Z]\]?)?", str(refused.value).split("one of ")[1].split(";")[0]):
        assert form in text


@pytest.mark.parametrize("command", [[], ["variance"], ["info"], ["sweep"], ["sweep", "run"]])
def test_flags_are_shown_without_a_type(command: list[str]) -> None:
    text = words(*command, "--help")
    assert "--help" in text
    assert "bool" not in text.lower()


def test_the_default_loss_and_the_outputs_are_those_of_the_labels() -> None:
    asked = ["variance", "--p", "23", "--model", "mlp:8:relu", "--json"]
    code, out, err = run(*asked, "--target", "residue")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["loss"] == "cross-entropy"
    answer = barren.gradient_variance(
        barren.ModularMultiplication(23, targets.Residue()),
        models.mlp(5, (8,), "relu", outputs=23, seed=0),
        encoding=barren.encodings.Bits(),
        loss="cross-entropy",
    )
    assert found["variance"] == pytest.approx(float(answer), rel=1e-6)
    code, out, _ = run(*asked, "--loss", "cross-entropy")
    assert code == 0
    assert json.loads(out)["per_layer"].keys() == {"0", "2"}
    code, out, _ = run("variance", "--parity", "5:signed", "--model", "linear", "--json")
    assert (code, json.loads(out)["loss"]) == (0, "hinge")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["variance", "--p", "23", "--frequencies", "5"],
            "only one of --p, --frequencies and --parity may be given; got --p and --frequencies",
        ),
        (
            ["bounds", "--p", "23", "--frequencies", "5", "--parity", "4"],
            "may be given; got --p and --frequencies and --parity",
        ),
        (["bounds"], "one of --p, --frequencies and --parity must be given"),
        (["figure", "nope"], f"name must be one of {', '.join(figures.FIGURES)}; got 'nope'"),
        (["figure", "bound-ladder"], "a figure needs its name and --out DIR"),
        (["train", "--p", "13", "--out", "t.csv"], "out must be a file ending in .parquet; got 't.csv'"),
        (["variance", "--p", "2^127-1", "--target", "residue", "--inputs", "small:9"], "p must be below 2**63 for an"),
        (
            ["variance", "--p", "1000000007", "--target", "residue", "--model", "mlp:99999:relu"],
            "model must fit in memory; got 'mlp:99999:relu' with 1000000007 outputs",
        ),
    ],
)
def test_a_mistake_is_told_by_what_was_given(arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_grid_of_which_nothing_can_be_computed_is_status_1_without_a_time(tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text(HOPELESS)
    code, out, err = run("sweep", "plan", str(grid))
    assert code == 1
    assert "predicted" not in out
    assert "cannot be computed: " in out
    assert err == "no cell that was looked at can be computed\n"
    code, out, _ = run("sweep", "plan", str(grid), "--json")
    found = json.loads(out)
    assert (code, found["predicted_seconds"], found["predicted_bytes"], len(found["obstacles"])) == (1, None, None, 2)
    grid.write_text(HOPELESS.replace("6,", "7,"))
    code, out, _ = run("sweep", "plan", str(grid))
    assert code == 0
    assert "predicted time" in out


def test_what_many_cells_warn_of_is_said_once_a_run(tmp_path: Path) -> None:
    grid, store = tmp_path / "grid.toml", str(tmp_path / "store")
    grid.write_text(RECURRENT)
    for _ in range(2):
        code, _, err = run("sweep", "plan", str(grid))
        assert (code, err.count("cannot be vectorised")) == (0, 1)
    code, _, err = run("sweep", "run", str(grid), "--out", store, "--quiet")
    assert (code, err.count("cannot be vectorised")) == (0, 1)
    code, _, err = run("sweep", "run", str(grid), "--out", f"{store}-again", "--quiet")
    assert (code, err.count("cannot be vectorised")) == (0, 1)


def test_the_last_line_of_progress_is_said_once() -> None:
    code, _, err = run(
        "train", "--p", "13", "--model", "mlp:4:relu", "--members", "1,2", "--seeds", "1", "--steps", "5"
    )
    assert code == 0
    assert err.count("10 of 10 steps") == 1


def test_ctrl_c_while_modules_are_imported_is_status_130() -> None:
    done = python(
        "-c",
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'barren.report':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from barren.__main__ import main\n"
        "sys.exit(main(['info']))\n",
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_summaries_of_figures_begin_alike() -> None:
    first = {figure.summary.split()[0] for figure in figures.FIGURES.values()}
    assert not {word for word in first if word != "Var/B²" and word[0].isupper()}
