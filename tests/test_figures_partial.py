"""Unfinished figures and files of others: nothing is lost, and a kill at any moment leaves what can go on."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from figure_cases import counted, rows_of

from barren import _files, figures
from barren._canonical import canonical
from barren.figures import making
from barren.figures.base import Cell, Row

PARTIAL = "squares.partial.jsonl"
ENDINGS = ("parquet", "png", "svg", "json")


@pytest.fixture(autouse=True)
def no_pictures() -> Iterator[None]:
    """What is drawn does not matter here, and takes longest. Of its own: a test that undoes a patch keeps this one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(making, "_pictures", lambda *_: {"png": b"a PNG", "svg": b"an SVG"})
        yield


def stopped(folder: Path, at: int = 3, seed: int = 0) -> Path:
    """The file of a run that was interrupted before a cell."""
    with pytest.raises(KeyboardInterrupt):
        figures.make(counted([], stop_at=at), folder, seed=seed)
    return folder / PARTIAL


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


NOTES = [
    "my notes\n",
    "my notes",
    '{"figure": "other"}\n',
    "[]\n",
    '{"figure":"squares"}\n',
    "\n",
    "[" * 200_000 + "\n",
]


@pytest.mark.parametrize("notes", NOTES, ids=range(len(NOTES)))
def test_a_file_of_somebody_else_in_place_of_cells_is_kept(
    tmp_path: Path, notes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / PARTIAL).write_text(notes)
    computed: list[int] = []
    with pytest.raises(ValueError, match=rf"out must hold no file of another making named '{PARTIAL}'.*--force"):
        figures.make(counted(computed), tmp_path)
    assert computed == []
    assert contents(tmp_path) == {PARTIAL: notes.encode()}
    figures.make(counted(computed), tmp_path, force=True)
    assert computed == [0, 1, 2, 3, 4]
    assert "was none of an unfinished figure: starting anew" in capsys.readouterr().err


def _nothing(folder: Path) -> None:
    (folder / PARTIAL).write_text("")


def _other_settings(folder: Path) -> None:
    stopped(folder, seed=1)


@pytest.mark.parametrize("before", [_nothing, _other_settings, stopped])
@pytest.mark.parametrize("ending", ENDINGS)
def test_results_of_somebody_else_beside_cells_are_kept(
    tmp_path: Path, before: Callable[[Path], object], ending: str
) -> None:
    """Whatever run the cells are of: none of them has written a result yet."""
    before(tmp_path)
    (tmp_path / f"squares.{ending}").write_text("mine")
    there = contents(tmp_path)
    with pytest.raises(ValueError, match=r"out must hold no f.*: --force replaces it"):
        figures.make(counted([]), tmp_path)
    assert contents(tmp_path) == there
    figures.make(counted([]), tmp_path, force=True)
    assert len(rows_of(tmp_path)) == 5


def test_nothing_is_left_where_nothing_was_begun(tmp_path: Path) -> None:
    (tmp_path / "squares.png").write_text("mine")
    with pytest.raises(ValueError, match=r"another making named 'squares.png'"):
        figures.make(counted([]), tmp_path)
    assert contents(tmp_path) == {"squares.png": b"mine"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_folder_in_place_of_a_result_is_refused_before_it_is_computed(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"squares.{ending}").mkdir()
    computed: list[int] = []
    for force in (False, True):
        with pytest.raises(ValueError, match=f"out must hold no folder named 'squares.{ending}'"):
            figures.make(counted(computed), tmp_path, force=force)
    assert computed == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_comes_while_cells_are_computed_is_kept(tmp_path: Path, ending: str) -> None:
    mine = tmp_path / f"squares.{ending}"

    def compute(cell: Cell) -> list[Row]:
        mine.write_text("mine")
        return counted([]).compute(cell)

    with pytest.raises(ValueError, match=r"out must hold no f.*--force"):
        figures.make(dataclasses.replace(counted([]), compute=compute), tmp_path)
    assert {name: data for name, data in contents(tmp_path).items() if name != PARTIAL} == {mine.name: b"mine"}
    mine.rename(tmp_path / "elsewhere")
    computed: list[int] = []
    figures.make(counted(computed), tmp_path)
    assert computed == []
    assert len(rows_of(tmp_path)) == 5


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_comes_while_results_are_written_is_kept(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, rename = tmp_path / f"squares.{ending}", _files._rename_new

    def slow(temporary: Path, path: Path) -> None:
        if path == mine:
            mine.write_text("mine")
        rename(temporary, path)

    monkeypatch.setattr(_files, "_rename_new", slow)
    with pytest.raises(ValueError, match=f"out must hold no file of another making named {mine.name!r}"):
        figures.make(counted([]), tmp_path)
    assert mine.read_text() == "mine"
    mine.unlink()
    monkeypatch.undo()
    made = figures.make(counted([]), tmp_path)
    assert made.record["cells"]["kept_from_earlier_run"] == 5
    assert sorted(contents(tmp_path)) == sorted(f"squares.{ending}" for ending in ENDINGS)


class Kill(BaseException):
    """Nobody catches it."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the process end before one of the calls that change a name or write lines."""
    calls = 0

    def counting(call: Callable[..., object]) -> Callable[..., object]:
        def counted_call(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls > step:
                raise Kill
            return call(*arguments, **options)

        return counted_call

    for owner, name in ((os, "link"), (os, "replace"), (Path, "unlink"), (os, "fsync"), (os, "ftruncate")):
        monkeypatch.setattr(owner, name, counting(getattr(owner, name)))


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("step", range(18))
def test_a_run_goes_on_after_a_kill_at_any_step(
    tmp_path: Path, step: int, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command, without --force: what lies there half written is its own. The last step kills no more."""
    for at in (step, step // 2)[: 1 + again]:
        killed_at(at, monkeypatch)
        if step < 16:
            with pytest.raises(Kill):
                figures.make(counted([]), tmp_path)
        monkeypatch.undo()
    computed: list[int] = []
    figures.make(counted(computed), tmp_path, force=step >= 16)
    record = json.loads((tmp_path / "squares.json").read_text())
    assert len(rows_of(tmp_path)) == record["rows"] == 5
    assert computed == ([] if 1 <= step < 16 else [0, 1, 2, 3, 4])
    names = {name for name in contents(tmp_path) if not name.endswith(".tmp")}
    assert names == {f"squares.{ending}" for ending in ENDINGS}


def test_results_of_a_killed_run_that_were_changed_since_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(_: object) -> None:
        raise Kill

    monkeypatch.setattr("barren.figures.partial.Partial.remove", kill)
    with pytest.raises(Kill):
        figures.make(counted([]), tmp_path)
    monkeypatch.undo()
    picture = tmp_path / "squares.svg"
    picture.write_text(picture.read_text() + "<!-- mine -->")
    there = contents(tmp_path)
    with pytest.raises(ValueError, match=r"another making named 'squares.svg'"):
        figures.make(counted([]), tmp_path)
    assert contents(tmp_path) == there


ROW = {"n": 1, "square": 1, "third": None, "word": "w", "seconds": 0.5}
DAMAGED = {
    "no object": "[1]",
    "no json": "{x",
    "deep": "[" * 200_000,
    "deep cell": f'{{"cell":{"[" * 900}{"]" * 900},"rows":[],"seconds":0.5,"x":{"[" * 200_000}',
    "other keys": '{"x":1}',
    "writes what": '{"writes":7}',
    "a long number": f'{{"cell":{{"n":1}},"rows":[],"seconds":{"9" * 5000}}}',
    "no rows": canonical({"cell": {"n": 1}, "rows": 1, "seconds": 0.5}),
    "no row": canonical({"cell": {"n": 1}, "rows": [1], "seconds": 0.5}),
    "no seconds": canonical({"cell": {"n": 1}, "rows": [ROW], "seconds": "long"}),
    "no time": canonical({"cell": {"n": 1}, "rows": [ROW], "seconds": float("nan")}),
    **{
        f"row {place}": canonical({"cell": {"n": 1}, "rows": [row], "seconds": 0.5})
        for place, row in enumerate(
            [
                {name: value for name, value in ROW.items() if name != "word"},
                {**ROW, "more": 1},
                {**ROW, "n": "1"},
                {**ROW, "n": 2**63},
                {**ROW, "n": True},
                {**ROW, "seconds": 10**400},
                {**ROW, "word": 1},
            ]
        )
    },
    "half a letter": canonical({"cell": {"n": 1}, "rows": [{**ROW, "word": "!"}], "seconds": 0.5}).replace(
        "!", "\\ud800"
    ),
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
def test_damaged_entries_are_computed_again_with_a_notice(
    tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    partial = stopped(tmp_path)
    lines = partial.read_text().splitlines()
    partial.write_text("\n".join([*lines[:2], line, *lines[3:]]) + "\n")
    computed: list[int] = []
    figures.make(counted(computed), tmp_path)
    assert computed == [1, 2, 3, 4]
    assert rows_of(tmp_path)[1]["square"] == 1
    assert capsys.readouterr().err == f"{PARTIAL} is damaged from line 3 on: its cells are computed again\n"


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/b", "a.b", "", ".", "..", "a\n", "a b", 7, None])
def test_a_name_that_leads_out_of_the_folder_is_refused(name: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name must be letters, digits, _ and - alone; got"):
        figures.make(dataclasses.replace(counted([]), name=name), tmp_path / "a")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", ["", "[" * 200_000, "[]", "{}", '{"files": {"squares.parquet": "0"}}'])
def test_a_damaged_record_is_not_drawn_again(record: str, tmp_path: Path) -> None:
    figures.make(counted([]), tmp_path)
    (tmp_path / "squares.json").write_text(record)
    there = contents(tmp_path)
    with pytest.raises(ValueError, match=r"finished squares; got one whose squares.json is damaged"):
        figures.redraw(counted([]), tmp_path)
    assert contents(tmp_path) == there
