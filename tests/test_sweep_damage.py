"""Stores that are damaged, or made to do harm: what is wrong is said in a line, set aside, and computed again."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from cli_runner import run
from figure_cases import counted
from pyarrow import parquet
from sweep_cases import SMALL, stored

import barren
from barren import _canonical, _parquet, figures
from barren.sweeps import Store, log, parts, report, rows_of, schema, upkeep
from barren.sweeps.descriptions import name_of

DEEP = b"[" * 200_000


@pytest.fixture
def store(tmp_path: Path) -> Path:
    barren.sweep(SMALL, tmp_path / "store")
    return tmp_path / "store"


def keep_part(store: Path, table: pyarrow.Table) -> Path:
    """A part of this table, named by its bytes as it should be."""
    buffer = BytesIO()
    parquet.write_table(table, buffer)
    data = buffer.getvalue()
    path = store / parts.FOLDER / f"{hashlib.sha256(data).hexdigest()}.parquet"
    path.write_bytes(data)
    return path


def whole_table(**columns: pyarrow.Array) -> pyarrow.Table:
    """A row as it should be, with other columns in place of some."""
    table = pyarrow.Table.from_pylist([parts.row_of({"kind": "bounds", "p": 99}, status="done")], schema.arrow())
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def log_line(store: Path, text: bytes) -> Path:
    """A line with the right checksum in the log of a writer that is gone."""
    path = store / log.FOLDER / "1-dead.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"%08x %b\n" % (zlib.crc32(text), text))
    return path


def logged(**changes: Any) -> Callable[[Path], Path]:
    def damage(store: Path) -> Path:
        row = {**parts.row_of({"kind": "bounds", "p": 99}, status="done"), **changes}
        return log_line(store, json.dumps({name: value for name, value in row.items() if value is not None}).encode())

    return damage


def part(**columns: pyarrow.Array) -> Callable[[Path], Path]:
    return lambda store: keep_part(store, whole_table(**columns))


def named_only(store: Path) -> Path:
    return keep_part(store, whole_table().select(["cell_sha256", "key", "status"]))


def without_cells(store: Path) -> Path:
    return keep_part(store, whole_table().drop_columns(["cell_sha256"]))


def without_version(store: Path) -> Path:
    return keep_part(store, whole_table().replace_schema_metadata(None))


def standing_deep(store: Path) -> Path:
    return keep_part(store, whole_table().replace_schema_metadata({"barren_store": "1", "barren_replaces": DEEP}))


def a_folder(name: str) -> Callable[[Path], Path]:
    def damage(store: Path) -> Path:
        (store / name).parent.mkdir(exist_ok=True)
        (store / name).mkdir()
        return store / name

    return damage


def said(folder: str, value: Any, name: str | None = None) -> Callable[[Path], Path]:
    def damage(store: Path) -> Path:
        path = store / folder / f"{name or name_of(value)}.json"
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        return path

    return damage


LINES = {
    "a line without a cell": logged(cell_sha256=None),
    "a line whose hash is no hash": logged(cell_sha256="zz"),
    "a line of another key": logged(cell_sha256="ab" * 32),
    "a line without a key": logged(key=None),
    "a line with a text for a number": logged(value="much"),
    "a line with a number beyond 64 bits": logged(steps=2**63),
    "a line with a number no double holds": logged(value=2**53 + 1),
    "a line with a truth for a number": logged(p=True),
    "a line with a list for a text": logged(model=["mlp"]),
    "a line with texts for numbers": logged(bound_values=["a"]),
    "a line with half a character": logged(model="\ud800"),
    "a line of an unknown status": logged(status="well"),
    "a line with an unknown column": logged(colour="red"),
    "a line that is no row": lambda store: log_line(store, b"[1]"),
    "a line nested deep": lambda store: log_line(store, DEEP),
}
FILES: dict[str, Callable[[Path], Path]] = {
    "a part of three columns": named_only,
    "a part without cells": without_cells,
    "a part without a version": without_version,
    "a part that stands for too deep a list": standing_deep,
    "a part with a column of another type": part(value=pyarrow.array(["much"])),
    "a part of another key": part(cell_sha256=pyarrow.array(["ab" * 32])),
    "a part with a null for a cell": part(cell_sha256=pyarrow.array([None], pyarrow.string())),
    "a part of an unknown status": part(status=pyarrow.array(["well"])),
    "a part with bytes that are no text": part(
        cpu=pyarrow.StringArray.from_buffers(1, pyarrow.py_buffer(b"\0\0\0\0\2\0\0\0"), pyarrow.py_buffer(b"\xff\xfe"))
    ),
    "a folder for a part": a_folder(f"parts/{'a' * 64}.parquet"),
    "a folder for a log": a_folder("log/1-x.jsonl"),
    "a folder for a grid": a_folder("grids/x.json"),
    "a folder for a command": a_folder("commands/x.json"),
    "a grid nested deep": said("grids", DEEP, "0" * 16),
    "a grid nested as deep as can be read": said("grids", {"p": json.loads("[" * 400 + "]" * 400)}),
    "a grid that is a list": said("grids", [1, 2]),
    "a grid of no axes": said("grids", {"kind": "bounds", "p": {"nonsense": [1]}}),
    "a command nested deep": said("commands", DEEP, "0" * 16),
    "a command without a command": said("commands", {"grid": 5}),
    "a command of numbers": said("commands", {"grid": 5, "command": 6}),
}


@pytest.mark.parametrize("damage", [*LINES, *FILES])
def test_what_is_damaged_is_found_set_aside_and_computed_again(damage: str, store: Path) -> None:
    before = stored(store)
    bad = {**LINES, **FILES}[damage](store)
    (finding,) = upkeep.verify(store)
    assert finding.is_damage
    assert bad.name in finding.text
    code, out, err = run("sweep", "verify", str(store))
    assert (code, err) == (1, "")
    assert "1 damaged" in out
    for line in (["status", str(store)], ["report", str(store), "--force"]):
        code, _, err = run(*(["sweep", *line] if line[0] == "status" else line))  # a line or its work, and no traceback
        assert (code, err.count("\n")) in ((0, 0), (2, 1))
        assert not code or bad.name in err or "axis" in err
    if damage in LINES:
        assert stored(store) == before  # such a line is not there
    assert upkeep.verify(store, repair=True) == []
    assert [path.name for path in (store / "aside").iterdir()] == [bad.name]
    assert not bad.exists()
    assert upkeep.verify(store) == []
    barren.sweep(SMALL, store)
    assert stored(store) == before
    assert run("sweep", "verify", str(store))[1].endswith("8 rows, all as they were written\n")
    report.write(store, force=True)


@pytest.mark.parametrize("damage", LINES)
def test_a_sweep_goes_on_beside_damaged_lines_and_keeps_them(damage: str, store: Path) -> None:
    data = LINES[damage](store).read_bytes()
    assert barren.sweep(SMALL, store).computed == 0
    assert [path.read_bytes() for path in (store / "aside").iterdir()] == [data]
    assert upkeep.verify(store) == []


# A sweep reads which cells there are, no grids, no commands, and of parts no column beside.
READ = [name for name in FILES if ("part" in name and "no text" not in name) or "log" in name]


@pytest.mark.parametrize("damage", READ)
def test_a_sweep_says_which_file_is_damaged(damage: str, store: Path) -> None:
    bad = FILES[damage](store)
    with pytest.raises(ValueError, match=f"{bad.name} is damaged: .*; 'barren sweep verify --repair' sets it aside"):
        barren.sweep(SMALL, store)


def test_rows_of_every_kind_are_sound(tmp_path: Path) -> None:
    """What is written passes the checks of what is read, from the log as from a part."""
    grids: list[dict[str, Any]] = [SMALL, {"p": 13, "model": "mlp:3", "deviations": True}]
    grids.append({"kind": "train", "p": 13, "model": "mlp:3", "member": 1, "steps": 2})
    for grid in grids:
        barren.sweep(grid, tmp_path / "store")
    rows = rows_of(tmp_path / "store")
    assert {row["kind"] for row in rows} == {"bounds", "variance", "train"}
    lines = tmp_path / "rows.jsonl"
    lines.write_bytes(b"".join(map(log.line_of, rows)))
    assert log.read(lines)[2] == 0
    assert upkeep.verify(tmp_path / "store") == []


def test_a_heading_nested_deep_is_none(store: Path) -> None:
    (store / "sweep.json").write_bytes(DEEP)
    for work in (upkeep.status, upkeep.verify, Store):
        with pytest.raises(ValueError, match="store must be a folder that barren sweep made"):
            work(store)  # type: ignore[operator]
    with pytest.raises(ValueError, match="nested too deep"):
        _canonical.parsed(DEEP)


def test_repair_keeps_what_was_set_aside_before(store: Path) -> None:
    (path,) = parts.listed(store)
    for damage in (b"first", b"second", b"third"):
        path.write_bytes(damage)
        upkeep.verify(store, repair=True)
    aside = {entry.name: entry.read_bytes() for entry in (store / "aside").iterdir()}
    assert aside == {path.name: b"first", f"{path.name}.2": b"second", f"{path.name}.3": b"third"}


def test_a_damaged_part_does_not_stand_for_others(store: Path) -> None:
    (old,) = parts.listed(store)
    data = old.read_bytes()
    new = parts.write(store, rows_of(store)[:1], replaces=[old.name])
    flipped = bytearray(new.read_bytes())
    flipped[6] ^= 1  # in the rows: what the file says at its end can still be read
    new.write_bytes(flipped)
    with pytest.raises(ValueError, match=f"{new.name} is damaged"):
        barren.sweep(SMALL, store)
    upkeep.verify(store, repair=True)
    assert old.read_bytes() == data
    assert barren.sweep(SMALL, store).computed == 0


@pytest.mark.parametrize("folder", ["parts", "grids", "commands", "log", "aside", "mine/deeper"])
def test_links_in_any_folder_are_refused(store: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / "outside").write_text("kept")
    (store / folder).mkdir(exist_ok=True, parents=True)
    (store / folder / "x").symlink_to(tmp_path / "outside")
    for call in (lambda: barren.sweep({**SMALL, "p": [13]}, store), lambda: upkeep.verify(store, repair=True)):
        with pytest.raises(ValueError, match=f"without links, .* got one with the link '{folder}/x'"):
            call()
    assert (tmp_path / "outside").read_text() == "kept"


@pytest.mark.parametrize("name", ["parts/{}.parquet", "grids/x.json", "commands/x.json", "log/1-x.jsonl"])
def test_a_link_to_nothing_is_told_in_words(store: Path, tmp_path: Path, name: str) -> None:
    link = store / name.format("a" * 64)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "nowhere")
    (finding,) = upkeep.verify(store)
    assert finding.is_damage
    assert f"{link.name} is damaged: it is a link to nothing" in finding.text
    with pytest.raises(ValueError, match=f"got one with the link '{link.parent.name}/{link.name}'"):
        upkeep.verify(store, repair=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("name", ["parts/{}.parquet", "grids/x.json", "log/1-x.jsonl", "events.jsonl"])
def test_a_pipe_is_not_waited_for(store: Path, name: str) -> None:
    pipe = store / name.format("a" * 64)
    pipe.parent.mkdir(exist_ok=True)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    assert [finding.is_damage for finding in upkeep.verify(store)] == ([] if "events" in name else [True])
    for call in (lambda: barren.sweep(SMALL, store), lambda: upkeep.verify(store, repair=True)):
        with pytest.raises(ValueError, match="a store of files and folders; got one with a pipe or device, "):
            call()


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def test_a_part_with_a_pickled_type_runs_nothing(store: Path, tmp_path: Path) -> None:
    """CVE-2023-47248: pyarrow before 14.0.1 unpickles the metadata of such a column as soon as the file is opened."""
    spell = {"ARROW:extension:name": "arrow.py_extension_type"}
    table = whole_table()
    for name in ("cell_sha256", "cpu"):
        place = table.schema.get_field_index(name)
        field = table.schema.field(place).with_metadata(
            {**spell, "ARROW:extension:metadata": pickle.dumps(Trap(tmp_path / "sprung"))}
        )
        table = table.set_column(place, field, table.column(place))
    path = keep_part(store, table)
    assert b"py_extension_type" in base64.b64decode(parquet.read_metadata(path).metadata[b"ARROW:schema"])
    assert len(rows_of(store)) == 9
    for work in (upkeep.status, upkeep.verify, lambda place: upkeep.verify(place, repair=True), report.write):
        work(store)  # type: ignore[operator]
    upkeep.merge(tmp_path / "merged", [store])
    barren.sweep(SMALL, store)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("version", ["14.0.0", "13.0.0", "9.0.0.dev3+g12"])
def test_a_pyarrow_that_runs_code_of_files_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    (tmp_path / "figure").mkdir()
    figures.make(counted([]), tmp_path / "figure")
    monkeypatch.setattr(pyarrow, "__version__", version)
    calls: list[Callable[[], object]] = [
        lambda: upkeep.status(store),
        lambda: upkeep.verify(store),
        lambda: rows_of(store),
        lambda: barren.sweep(SMALL, store),
        lambda: figures.redraw(counted([]), tmp_path / "figure"),
    ]
    for call in calls:
        with pytest.raises(ImportError, match=rf"pyarrow must be version 14\.0\.1 or newer.*; got {version[:6]}"):
            call()
    code, _, err = run("sweep", "status", str(store))
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("barren: pyarrow must be version 14.0.1 or newer")


@pytest.mark.parametrize("version", ["14.0.1", "14.1.0", "15.0.0.dev1", "100.0.0"])
def test_a_newer_pyarrow_is_taken(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyarrow, "__version__", version)
    assert _parquet.reader() is parquet


def test_the_bound_of_the_package_is_that_of_the_reader() -> None:
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert text.count("pyarrow>=") == text.count(f'"pyarrow>={_parquet.OLDEST}"') == 1
