"""`barren report` on real stores: what it writes, what it refuses, and in which words."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from report_rows import Tables
from scipy.stats import gmean
from typer.testing import CliRunner

import barren
from barren.cli import app
from barren.sweeps import parts, rows_of
from barren.sweeps.report import write

GRID = {
    "p": [11, 13, 17, 19, 23],
    "model": "mlp:4:sigmoid",
    "encoding": "bits:5",
    "seed": [0, 1, 2],
    "deviations": True,
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A store of real cells: variances, some that fail, a ladder, training runs."""
    store = tmp_path_factory.mktemp("store") / "out"
    barren.sweep(GRID, store)
    barren.sweep({"p": 11, "target": "sawtooth", "model": "mlp:4:sigmoid"}, store)  # bce does not take its labels
    barren.sweep({"kind": "bounds", "p": [11, 13, 17]}, store)
    barren.sweep({"kind": "train", "p": [5, 7], "member": [1, 2], "steps": 3, "model": "mlp:4:relu"}, store)
    return store


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_what_the_function_writes(swept, tmp_path):
    out = tmp_path / "page.html"
    status, said, wrong = run(swept, "--out", out, "--title", "A & B")
    assert (status, said.strip(), wrong) == (0, str(out), "")
    assert "<title>A &amp; B</title>" in out.read_text(encoding="utf-8")
    again = write(swept, tmp_path / "again.html", title="A & B")
    assert again.read_bytes() == out.read_bytes()


def test_the_page_has_the_numbers_of_the_store(swept, tmp_path):
    page = write(swept, tmp_path / "page.html").read_text(encoding="utf-8")
    rows = [row for row in rows_of(swept) if row["kind"] == "variance" and row["status"] == "done"]
    assert len(rows) == 15
    for entry in Tables(page)["Geometric means"]:
        values = [row["value"] for row in rows if row["p"] == int(entry["p"][0])]
        assert float(entry["Var"][1]) == pytest.approx(gmean(values), rel=1e-12)
        cls = barren.ModularMultiplication(int(entry["p"][0]), barren.targets.Bit(0))
        assert float(entry["λ"][1]) == pytest.approx(barren.sharp_bound(cls), rel=1e-12)
    for heading in ("Gradient variance: multiplication", "Bounds: multiplication", "Training: multiplication"):
        assert heading in page
    assert "Failures: 1 cell" in page
    assert "target must have labels in [0, 1]" in page
    assert json.dumps(GRID, indent=2).replace('"', "&quot;")[:40] in page  # the grids that were swept
    assert barren.__version__ in page


def test_a_page_is_not_overwritten_unless_told(swept):
    assert run(swept)[0] == 0
    page = swept / "report.html"
    before = page.read_bytes()
    status, said, wrong = run(swept, "--title", "Other")
    assert (status, said) == (2, "")
    assert "out must be a file that is not there yet" in wrong
    assert page.read_bytes() == before
    assert run(swept, "--title", "Other", "--force")[0] == 0
    assert b"<title>Other</title>" in page.read_bytes()
    page.unlink()


def test_what_is_no_store(tmp_path):
    (tmp_path / "other").mkdir()
    for folder in (tmp_path / "none", tmp_path / "other"):
        status, _, wrong = run(folder, "--out", tmp_path / "page.html")
        assert status == 2
        assert "store must be a folder that barren sweep made" in wrong
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("out", ["none/page.html", "."])
def test_where_no_page_can_be(swept, tmp_path, out):
    status, _, wrong = run(swept, "--out", tmp_path / out)
    assert status == 2
    assert "out must be a file in a folder that is there" in wrong


def copied(swept, tmp_path):
    store = tmp_path / "copy"
    (store / parts.FOLDER).mkdir(parents=True)
    for path in [swept / "sweep.json", *parts.listed(swept)]:
        (store / path.relative_to(swept)).write_bytes(path.read_bytes())
    return store


def test_a_damaged_part_is_named(swept, tmp_path):
    store = copied(swept, tmp_path)
    part = parts.listed(store)[0]
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(bytes(data))
    status, _, wrong = run(store)
    assert status == 2
    assert f"{part.name} is damaged" in wrong
    assert "Traceback" not in wrong
    assert not (store / "report.html").exists()


def test_a_store_of_another_schema(swept, tmp_path):
    store = copied(swept, tmp_path)
    (store / "sweep.json").write_text('{"barren_store": 999}')
    status, _, wrong = run(store)
    assert status == 2
    assert "schema version" in wrong
    assert "999" in wrong


def test_an_empty_store(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "sweep.json").write_text('{"barren_store": 1}')
    assert run(tmp_path)[0] == 0
    assert "The store holds no cell yet." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_report_needs_neither_torch_nor_matplotlib(swept, tmp_path):
    code = (
        "import sys; from barren.sweeps.report import write; write(sys.argv[1], sys.argv[2]); "
        "assert not {'torch', 'matplotlib', 'distributed', 'sympy'} & sys.modules.keys()"
    )
    command = [sys.executable, "-c", code, str(swept), str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").read_bytes() == write(swept, tmp_path / "again.html").read_bytes()
