from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import duckdb
import pandas
import polars
import pyarrow.parquet
import pytest
from sweep_cases import SMALL, plain, stored

import barren
from barren import _files
from barren.sweeps import Store, log, parts, provenance, rows_of, schema, upkeep
from barren.sweeps.descriptions import commands_of, grids_of, name_of


def made(path: Path, count: int, *, status: str = schema.DONE, first: int = 3) -> Path:
    """A store of so many rows, a part."""
    with Store(path) as store:
        for p in range(first, first + count):
            store.add(parts.row_of({"kind": "bounds", "class": "modular", "p": p}, status=status, value=1.0 / p))
    return path


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    row = parts.row_of(
        {"kind": "variance", "class": "modular", "p": 5, "seed": 1, "deviations": True, "lr": 0.1},
        status="done",
        value=float("nan"),
        standard_error=5e-324,
        layer_names=["a", "b"],
        layer_variances=[0.1, float("inf")],
        easiest=[1, 2],
        learned=False,
    )
    with Store(tmp_path) as store:
        store.add(row)
        assert plain(rows_of(tmp_path)) == plain([row])  # from the log
        assert not parts.listed(tmp_path)
    assert plain(rows_of(tmp_path)) == plain([row])  # from the part
    assert not log.listed(tmp_path)
    with pytest.raises(AssertionError):
        assert plain(rows_of(tmp_path)) == plain([{**row, "value": 0.0}])


def test_parts_are_read_by_pandas_polars_and_duckdb_as_they_are(tmp_path: Path) -> None:
    made(tmp_path, 3)
    made(tmp_path, 2, first=10)
    pattern = str(tmp_path / "parts" / "*.parquet")
    whole = pandas.concat(pandas.read_parquet(path) for path in parts.listed(tmp_path))
    assert sorted(whole["p"]) == [3, 4, 5, 10, 11]
    assert list(whole.columns) == list(schema.COLUMNS)
    assert sorted(polars.read_parquet(pattern)["p"].to_list()) == [3, 4, 5, 10, 11]
    with duckdb.connect() as connection:
        query = f"select p, value from '{pattern}' where status = 'done' order by p"
        assert connection.sql(query).fetchall() == [(p, 1.0 / p) for p in (3, 4, 5, 10, 11)]


def test_every_column_is_told() -> None:
    assert list(parts.row_of({"kind": "bounds"})) == list(schema.COLUMNS)
    assert schema.arrow().names == list(schema.COLUMNS)
    assert all(column.meaning for column in schema.COLUMNS.values())
    assert set(schema.VOLATILE) <= set(schema.COLUMNS)


def test_a_row_of_a_sweep_is_traceable(tmp_path: Path) -> None:
    barren.sweep({"p": 31, "seed": 4, "model": "mlp:5", "deviations": True}, tmp_path)
    (row,) = rows_of(tmp_path)
    cls = barren.ModularMultiplication(31, barren.targets.Bit(0))
    from barren import models

    model = models.from_spec("mlp:5", 5, 4)
    v = barren.gradient_variance(
        cls, model, encoding=barren.encodings.Bits(), loss="bce", method="kernel", dtype="float32"
    )
    assert row["value"] == float(v)
    assert row["standard_error"] == 0.0
    assert row["method_used"] == "kernel"
    assert row["normalised"] == v.normalised
    assert row["normalised_by_probability"] == v.normalised_by_probability
    assert row["sharp_bound"] == barren.sharp_bound(cls)
    assert row["bound"] == pytest.approx(v.bound, rel=1e-12)
    assert dict(zip(row["layer_names"], row["layer_variances"], strict=True)) == v.per_layer
    assert row["easiest"] == [a for a, _ in v.easiest(10)]
    assert row["barren_version"] == barren.__version__
    for name in ("weights_sha256", "points_sha256", "cell_sha256"):
        assert len(row[name]) == 64
    for name in ("numpy_version", "torch_version", "cpu", "instruction_set", "platform", "seconds", "peak_memory"):
        assert row[name]


def test_lines_that_are_cut_short_or_damaged_are_not_there(tmp_path: Path) -> None:
    rows = [parts.row_of({"kind": "bounds", "p": p}, status="done") for p in (3, 5, 7)]
    lines = [log.line_of(row) for row in rows]
    path = tmp_path / "x.jsonl"
    for cut in (0, 1, 8, 9, len(lines[2]) - 1):
        path.write_bytes(lines[0] + lines[1] + lines[2][:cut])
        found, end, damaged = log.read(path)
        assert plain(found) == plain(rows[:2])
        assert (end, damaged) == (len(lines[0] + lines[1]), 0)
    path.write_bytes(lines[0] + lines[1].replace(b"done", b"dune") + lines[2])
    found, _, damaged = log.read(path)
    assert plain(found) == plain([rows[0], rows[2]])
    assert damaged == 1


def test_what_a_killed_writer_left_becomes_a_part(tmp_path: Path) -> None:
    made(tmp_path, 2)
    folder = tmp_path / log.FOLDER
    again, new = rows_of(tmp_path)[0], parts.row_of({"kind": "bounds", "class": "modular", "p": 99}, status="done")
    (folder / "1-dead.jsonl").write_bytes(log.line_of(again) + log.line_of(new) + log.line_of(new)[:20])
    assert len(rows_of(tmp_path)) == 3  # readers see it, each cell once
    (tmp_path / "parts" / "half.parquet.tmp").write_bytes(b"PAR1")
    with Store(tmp_path) as store:
        assert len(store.statuses) == 3
    assert not list(folder.iterdir())
    assert not list((tmp_path / "parts").glob("*.tmp"))
    whole = [row for path in parts.listed(tmp_path) for row in parts.read(path).to_pylist()]
    assert len(whole) == 3


def test_a_part_that_stands_for_others_does_so_after_a_kill_too(tmp_path: Path) -> None:
    made(tmp_path, 3)
    (old,) = parts.listed(tmp_path)
    parts.write(tmp_path, rows_of(tmp_path)[:2], replaces=[old.name])  # and killed before the old one was removed
    assert len(rows_of(tmp_path)) == 2
    assert not upkeep.verify(tmp_path)
    with Store(tmp_path) as store:
        assert len(store.statuses) == 2
    assert not old.exists()


def test_a_store_is_open_once_in_a_process(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(ValueError, match="not writing to already"):
        Store(tmp_path)
    with Store(tmp_path):
        pass


def test_many_processes_may_make_a_store_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the jobs of an array do: files of one name are written under the lock; a store half made is not refused."""
    out, held, real = tmp_path / "out", [], _files.replace

    def replace(path: Path, data: bytes) -> None:
        with (out / "lock").open("ab") as file:
            held.append(not _files.lock(file))
        real(path, data)

    monkeypatch.setattr(_files, "replace", replace)
    out.mkdir()
    for name in ("sweep.json.00ff.tmp", "lock"):
        (out / name).write_text("")
    with Store(out) as store:
        store.keep_grid({"p": 5})
        store.keep_command({"grid": "x", "command": "y"})
    assert held == [True] * 3


def test_other_folders_and_other_schemas_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="out must be a store or an empty folder"):
        Store(tmp_path)
    with pytest.raises(ValueError, match="store must be a folder that barren sweep made"):
        rows_of(tmp_path)
    other = made(tmp_path / "other", 1)
    (other / "sweep.json").write_text(json.dumps({"barren_store": 99}))
    for work in (Store, rows_of, upkeep.status, upkeep.verify):
        with pytest.raises(ValueError, match=r"schema version 1.*got 99"):
            work(other)  # type: ignore[operator]


def test_a_part_of_another_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, 1)
    monkeypatch.setattr(schema, "VERSION", 2)
    (tmp_path / "sweep.json").write_text(json.dumps({"barren_store": 2}))
    with pytest.raises(ValueError, match="must be of schema version 2; got 1"):
        rows_of(tmp_path)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_part_is_named_set_aside_and_its_cells_come_again(tmp_path: Path, damage: str) -> None:
    barren.sweep(SMALL, tmp_path)
    before = stored(tmp_path)
    (part,) = parts.listed(tmp_path)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes({"flip": bytes(data), "cut": bytes(data[:-5]), "empty": b""}[damage])
    with pytest.raises(ValueError, match=f"{part.name} is damaged.*--repair"):
        barren.sweep(SMALL, tmp_path)
    (finding,) = upkeep.verify(tmp_path)
    assert finding.is_damage
    assert part.name in finding.text
    assert not upkeep.verify(tmp_path, repair=True)
    assert (tmp_path / "aside" / part.name).exists()
    assert barren.sweep(SMALL, tmp_path).computed == 8
    assert stored(tmp_path) == before


def test_verify_sees_keys_that_are_not_theirs_and_cells_held_twice(tmp_path: Path) -> None:
    made(tmp_path, 2)
    rows = rows_of(tmp_path)
    assert not upkeep.verify(tmp_path)
    parts.write(tmp_path, [{**rows[0], "value": 2.0}])
    parts.write(tmp_path, [{**rows[1], "key": "{}"}])
    texts = " ".join(finding.text for finding in upkeep.verify(tmp_path))
    assert "holds a cell that" in texts
    assert "hash is not that of its key" in texts


def test_repair_sets_aside_whatever_is_damaged(tmp_path: Path) -> None:
    barren.sweep(SMALL, tmp_path)
    before = stored(tmp_path)
    rows = rows_of(tmp_path)
    (grid,) = (tmp_path / "grids").iterdir()
    grid.write_text(grid.read_text().replace("5", "6"))
    (tmp_path / "commands" / "0123456789abcdef.json").write_text("{")
    for work in (upkeep.status, lambda store: upkeep.merge(tmp_path / "other", [store])):
        with pytest.raises(ValueError, match=r"grids/.* is damaged: .*; 'barren sweep verify --repair' sets it aside"):
            work(tmp_path)
    parts.write(tmp_path, [{**rows[0], "seconds": 2.0}])
    parts.write(tmp_path, [{**rows[1], "key": "{}"}])
    parts.write(tmp_path, [{**rows[2], "cell_sha256": "0" * 64, "key": "x"}] * 2)
    parts.write(tmp_path, [parts.row_of({"kind": "bounds", "p": 99}, status="done")] * 2)
    found = upkeep.verify(tmp_path)
    texts = " ".join(finding.text for finding in found)
    assert len(found) == 6
    for expected in ("holds a cell twice", "holds a cell that", "hash is not that of its key", grid.name, "0123456789"):
        assert expected in texts
    assert not upkeep.verify(tmp_path, repair=True)
    assert not upkeep.verify(tmp_path)
    barren.sweep(SMALL, tmp_path)
    assert stored(tmp_path) == before
    assert [one.done for one in upkeep.status(tmp_path)] == [8, 8]


def test_an_export_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "store", 3)

    def full(_: Any, file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError("No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "_write_csv", full)
        with pytest.raises(OSError, match="No space left"):
            upkeep.export(tmp_path / "store", tmp_path / "all.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    with pytest.raises(ValueError, match="out must be a file in a folder that is there"):
        upkeep.export(tmp_path / "store", tmp_path / "none" / "all.csv")


def test_lines_of_json_have_no_nan(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        row = parts.row_of(
            {"kind": "train", "p": 5}, status="done", value=float("nan"), bound_values=[float("inf"), 1.0]
        )
        store.add(row)
    upkeep.export(tmp_path / "store", tmp_path / "all.jsonl")
    with duckdb.connect() as connection:
        found = connection.sql(f"select value, bound_values from '{tmp_path}/all.jsonl'").fetchall()
    assert found == [(None, [None, 1.0])]


def test_a_store_says_how_it_was_swept(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text('kind = "bounds"\np = [5, 7]\n')
    barren.sweep(tmp_path / "grid.toml", tmp_path / "store", shard=(1, 2), retry_failed=True)
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            barren.sweep({"kind": "bounds", "p": [5, 7]}, tmp_path / "store", executor=pool, threads=1)
    upkeep.merge(tmp_path / "other", [tmp_path / "store"])
    for path in (tmp_path / "store", tmp_path / "other"):
        (grid,) = grids_of(path)
        said = commands_of(path)
        assert {one["grid"] for one in said} == {name_of(grid)}
        assert sorted(one["command"] for one in said) == [
            "barren sweep run grid.toml --out STORE --shard 1/2 --retry-failed",
            "barren.sweep(grid, STORE, executor=ThreadPoolExecutor(), threads=1)",
        ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"grid": "my grid.toml", "threads": 2}, "barren sweep run 'my grid.toml' --out STORE --threads 2"),
        ({"grid": "g.toml", "executor": "dask", "workers": 2}, "barren sweep run g.toml --out STORE --dask 2"),
        ({"grid": "g.toml", "executor": "tcp://host:1"}, "barren sweep run g.toml --out STORE --scheduler ADDRESS"),
        ({"grid": "g.toml", "executor": "dask"}, "barren.sweep('g.toml', STORE, executor='dask')"),
        ({"grid": {}, "executor": "tcp://host:1"}, "barren.sweep(grid, STORE, executor='ADDRESS')"),
        ({"grid": {}, "shard": (1, 2)}, "barren.sweep(grid, STORE, shard=(1, 2))"),
    ],
)
def test_commands_in_words(given: dict[str, Any], expected: str) -> None:
    assert provenance.command_of(**given) == expected


def test_export(tmp_path: Path) -> None:
    barren.sweep(SMALL, tmp_path / "store")
    rows = rows_of(tmp_path / "store")
    for ending in ("parquet", "csv", "jsonl"):
        assert upkeep.export(tmp_path / "store", tmp_path / f"all.{ending}") == len(rows)
    assert pyarrow.parquet.read_table(tmp_path / "all.parquet").to_pylist() == rows
    assert [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()] == rows
    csv = pandas.read_csv(tmp_path / "all.csv")
    assert csv["value"].tolist() == [row["value"] for row in rows]
    assert json.loads(csv["bound_names"][0]) == rows[0]["bound_names"]
    with pytest.raises(ValueError, match="a file that is not there yet"):
        upkeep.export(tmp_path / "store", tmp_path / "all.csv")
    with pytest.raises(ValueError, match=r"a file ending in \.parquet"):
        upkeep.export(tmp_path / "store", tmp_path / "all.xlsx")


def test_merge_takes_each_cell_once_whatever_the_order(tmp_path: Path) -> None:
    half: dict[str, Any] = {**SMALL, "p": [5, 7]}
    barren.sweep(half, tmp_path / "a")
    barren.sweep({**SMALL, "p": [7, 11]}, tmp_path / "b")
    broken = [{**row, "status": "failed", "value": None, "error": "x"} for row in rows_of(tmp_path / "a")]
    shutil.copytree(tmp_path / "a", tmp_path / "c", ignore=lambda *_: ["parts"])
    parts.write(tmp_path / "c", broken)
    found = []
    for number, order in enumerate((["a", "b", "c"], ["c", "b", "a"])):
        new, differing = upkeep.merge(tmp_path / f"out{number}", [tmp_path / name for name in order])
        assert (new, differing) == (6, [])
        found.append(stored(tmp_path / f"out{number}"))
    assert found[0] == found[1]
    assert {row["status"] for row in found[0]} == {"done"}
    assert upkeep.merge(tmp_path / "out0", [tmp_path / "a"])[0] == 0
    assert upkeep.merge(tmp_path / "c", [tmp_path / "a"]) == (4, [])  # finished rows in place of failed ones
    assert stored(tmp_path / "c") == stored(tmp_path / "a")
    parts.write(tmp_path / "c", [{**rows_of(tmp_path / "a")[0], "value": 9.0}])
    shutil.rmtree(tmp_path / "c" / "parts")
    parts.write(tmp_path / "c", [{**rows_of(tmp_path / "a")[0], "value": 9.0}])
    assert len(upkeep.merge(tmp_path / "out0", [tmp_path / "c"])[1]) == 1


def test_the_peak_of_memory_is_this_process_alone(tmp_path: Path) -> None:
    """A process that a large one starts begins with the large one's peak in `getrusage`."""
    ballast = bytearray(300 * 2**20)
    code = "from barren.sweeps.provenance import peak_memory; print(peak_memory())"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(made.stdout) < 250 * 2**20
    assert provenance.peak_memory() > len(ballast)
