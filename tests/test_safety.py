"""What files of strangers can do, which is nothing: no code is read, no path leaves its folder, no file is replaced."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_runner import run
from figure_cases import counted
from sweep_cases import SMALL

import barren
from barren import _files, figures
from barren.sweeps import Store, parts, report, rows_of, upkeep
from barren.training.checkpoints import Checkpoints

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for folder in ("python", "benchmarks", "scripts", "examples") for path in ROOT.glob(f"{folder}/**/*.py")
)

# Modules whose readers run what they read.
_CODE_READERS = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "yaml",
    "code",
    "codeop",
}
# Calls that run a text, or that read a pickle unless told not to: name -> the keyword that makes it safe, if one does.
_CALLS: dict[str, tuple[str, object] | None] = {
    **dict.fromkeys(("eval", "exec", "compile", "__import__", "import_module")),
    **dict.fromkeys(("read_pickle", "mktemp", "os.system", "os.popen")),
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
}
_BUILTINS = {"eval", "exec", "compile"}
# Where a module is imported by name: a model "module:callable" of a grid, and the names of the surface itself, which
# scripts list.
_ALLOWED = {
    ("scripts/beside_torch.py", "import_module"),
    ("scripts/documentation/surface.py", "import_module"),
    ("scripts/make_surface.py", "import_module"),
    ("sweeps/cells.py", "import_module"),
    ("barren/__init__.py", "import_module"),
    ("barren/_loading.py", "import_module"),
}


def _name(function: ast.expr) -> str:
    """`np.load` as it is written, other methods by their last name, but for those that only share one: `model.eval`."""
    if isinstance(function, ast.Name):
        return function.id
    whole = ast.unparse(function)
    if not isinstance(function, ast.Attribute) or whole in _CALLS:
        return whole
    return "" if function.attr in _BUILTINS and not whole.startswith("builtins.") else function.attr


def findings(source: str, where: str) -> Iterator[str]:
    """What in a source may run what it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"{where}: import of {name}" for name in names if name.partition(".")[0] in _CODE_READERS)
        if isinstance(node, ast.Call):
            name, given = _name(node.func), {keyword.arg: keyword.value for keyword in node.keywords}
            if any(where.endswith(place) and name == call for place, call in _ALLOWED):
                continue
            if name in _CALLS:
                safe = _CALLS[name]
                value = given.get(safe[0]) if safe else None
                if not (safe and isinstance(value, ast.Constant) and value.value is safe[1]):
                    yield f"{where}:{node.lineno}: {name}"
            if "shell" in given:
                yield f"{where}:{node.lineno}: a shell"


def test_no_source_reads_code_from_a_file() -> None:
    assert len(SOURCES) > 150
    found = [text for path in SOURCES for text in findings(path.read_text(), path.relative_to(ROOT).as_posix())]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import loads",
        "import numpy.f2py, marshal",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "builtins.exec(text)",
        "pandas.read_pickle(path)",
        "os.system(line)",
        "subprocess.run(line, shell=True)",
        "importlib.import_module(name)",
    ],
)
def test_the_search_finds_what_it_should(source: str) -> None:
    assert list(findings(source, "some.py"))


@pytest.mark.parametrize(
    "source",
    ["np.load(file, allow_pickle=False)", "torch.load(f, weights_only=True)", "model.eval()", "re.compile(text)"],
)
def test_the_search_finds_nothing_else(source: str) -> None:
    assert not list(findings(source, "some.py"))


def test_a_group_of_pickled_objects_is_damage_and_not_run(tmp_path: Path) -> None:
    """NumPy stores objects by pickle; reading one would import and call what it names."""
    with Checkpoints(tmp_path / "save", {"a": 1}) as folder:
        np.savez(tmp_path / "save" / "group-000.npz", configuration=np.array([Trap(tmp_path / "sprung")], dtype=object))
        with pytest.raises(ValueError, match="damaged group-000"):
            folder.read(0)
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


TOML = """
kind = "bounds"
p = [5]
inputs = '''__import__("os").mkdir("sprung")'''
"""


def test_a_grid_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(TOML)
    code, _, err = run("sweep", "run", "grid.toml", "--out", "store")
    assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "sprung").exists()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    barren.sweep(SMALL, tmp_path / "store")
    return tmp_path / "store"


def test_looking_at_a_store_runs_no_code_of_its_grids(store: Path, tmp_path: Path) -> None:
    """Only a sweep of a grid with a model module:callable imports the module."""
    (tmp_path / "trap.py").write_text(f"import os; os.mkdir({str(tmp_path / 'sprung')!r})\ndef make(**_): ...\n")
    with Store(store) as opened:
        opened.keep_grid({"p": [5], "model": "trap:make"})
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from barren.sweeps import Store, report, upkeep\n"
        f"upkeep.status({str(store)!r}); report.write({str(store)!r})\n"
        f"upkeep.merge({str(tmp_path / 'other')!r}, [{str(store)!r}]); upkeep.verify({str(store)!r}, repair=True)\n"
        f"upkeep.export({str(store)!r}, {str(tmp_path / 'all.csv')!r})\n"
        "assert 'trap' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["../../victim", "../sweep.json", "/{absolute}", "x.parquet", 7])
def test_a_part_cannot_have_other_files_deleted(store: Path, tmp_path: Path, name: str | int) -> None:
    """A part may stand for parts before it, whose files are deleted; a name that is none of a part is damage."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    named = str(victim) if name == "/{absolute}" else name
    bad = parts.write(store, rows_of(store)[:1], replaces=[named])  # type: ignore[list-item]
    before = sorted(store.rglob("*"))
    with pytest.raises(ValueError, match=f"{bad.name} is damaged: it stands for files that are no parts"):
        barren.sweep(SMALL, store)
    assert victim.read_text() == "kept"
    assert sorted(store.rglob("*")) == before
    assert any(finding.is_damage for finding in upkeep.verify(store))
    upkeep.verify(store, repair=True)
    assert upkeep.verify(store) == []
    assert victim.read_text() == "kept"


@pytest.mark.parametrize(
    "name", ["events.jsonl", "lock", "claims", "log", "aside", "parts", "grids", "sweep.json", "log/1.jsonl"]
)
def test_links_in_a_store_are_not_followed(store: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    is_folder = name in ("log", "aside", "parts", "grids")
    place = store / name
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(outside)
    else:
        outside.mkdir() if is_folder else outside.write_text("")
    place.symlink_to(outside)
    listed = sorted(outside.rglob("*")) if is_folder else outside.read_bytes()
    for call in (lambda: barren.sweep({**SMALL, "p": [13]}, store), lambda: upkeep.verify(store, repair=True)):
        with pytest.raises(ValueError, match=f"without links, which lead out of it; got one with the link '{name}'"):
            call()
    assert (sorted(outside.rglob("*")) if is_folder else outside.read_bytes()) == listed


def test_links_in_other_folders_of_ours_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "squares.partial.jsonl").symlink_to(victim)
    with pytest.raises(ValueError, match="must be a file and no link"):
        figures.make(counted([]), tmp_path)
    (tmp_path / "save").mkdir()
    (tmp_path / "save" / "lock").symlink_to(tmp_path / "made")
    with pytest.raises(ValueError, match="must be a file and no link"):
        Checkpoints(tmp_path / "save", {})
    assert victim.read_text() == "kept"
    assert not (tmp_path / "made").exists()


def test_a_link_in_place_of_a_result_is_replaced_and_not_followed(tmp_path: Path, store: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    for ending in ("parquet", "png", "svg", "json"):
        (tmp_path / f"squares.{ending}").symlink_to(victim)
    (tmp_path / "page.html").symlink_to(victim)
    figures.make(counted([]), tmp_path, force=True)
    report.write(store, tmp_path / "page.html", force=True)
    assert victim.read_text() == "kept"
    assert not (tmp_path / "squares.json").is_symlink()


@pytest.mark.parametrize("writer", ["figure png", "report", "train"])
def test_a_link_to_nowhere_is_a_file_that_is_there(writer: str, tmp_path: Path) -> None:
    call, name = WRITERS[writer]
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="out must"):
        call(tmp_path)
    assert (tmp_path / name).is_symlink()
    assert not (tmp_path / "nowhere").exists()


def _figure(folder: Path) -> None:
    figures.make(counted([]), folder)


def _report(folder: Path) -> None:
    barren.sweep(SMALL, folder / "store")
    report.write(folder / "store", folder / "page.html")


def _export(ending: str) -> Callable[[Path], None]:
    def export(folder: Path) -> None:
        barren.sweep(SMALL, folder / "store")
        upkeep.export(folder / "store", folder / f"all.{ending}")

    return export


def _train(folder: Path) -> None:
    line = "train --p 13 --model mlp:4 --members 1 --seeds 1 --steps 2 --quiet --watch 1 --out"
    code, _, err = run(*line.split(), str(folder / "rows.parquet"))
    if code:
        raise ValueError(err)


def _save(folder: Path) -> None:
    barren.train(barren.ModularMultiplication(13), "mlp:4", loss="mse", steps=2, save=folder / "save")


def _merge(folder: Path) -> None:
    barren.sweep(SMALL, folder / "store")
    upkeep.merge(folder / "merged", [folder / "store"])


WRITERS: dict[str, tuple[Callable[[Path], None], str]] = {
    **{f"figure {ending}": (_figure, f"squares.{ending}") for ending in ("parquet", "png", "svg", "json")},
    "report": (_report, "page.html"),
    **{f"export {ending}": (_export(ending), f"all.{ending}") for ending in ("parquet", "csv", "jsonl")},
    "train": (_train, "rows.parquet"),
    "what was watched": (_train, "rows-watched.parquet"),
    "merge": (_merge, "merged/mine.txt"),
    "sweep": (_merge, "store/mine.txt"),
    "save": (_save, "save/ensemble.json"),
    "saved group": (_save, "save/group-000.npz"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_no_writer_replaces_a_file_that_is_there(writer: str, tmp_path: Path) -> None:
    call, name = WRITERS[writer]
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(ValueError, match=r"out|save"):
        call(tmp_path)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("writer", ["figure png", "report", "export csv", "train", "save"])
def test_no_writer_touches_a_file_of_a_name_that_it_might_use_in_between(writer: str, tmp_path: Path) -> None:
    call, name = WRITERS[writer]
    mine = tmp_path / f"{name}.tmp"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    call(tmp_path)
    assert mine.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*.tmp") if path != mine] == []


def test_a_file_that_comes_while_another_is_written_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows"

    def write() -> None:
        with _files.whole(path, force=False) as file:
            file.write(b"ours")
            path.write_text("mine")

    with pytest.raises(FileExistsError):
        write()
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows"]
    assert path.read_text() == "mine"


def test_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    with _files.whole(tmp_path / "rows", force=False) as file:
        file.write(b"ours")
    with pytest.raises(FileExistsError), _files.whole(tmp_path / "rows", force=False) as file:
        file.write(b"others")
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows"]
    assert (tmp_path / "rows").read_bytes() == b"ours"


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("mine")
    with pytest.raises(KeyboardInterrupt), _files.whole(tmp_path / "rows", force=True):
        raise KeyboardInterrupt
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("rows", "mine")]


BENCHMARKS = """
import sys
import run
from pathlib import Path
run.HERE, run.processor = Path(sys.argv[1]), lambda: "this"
for line in ([], ["--name", "../x"], ["--name", "/tmp/x"], ["--name", ".."], ["--name", "other", "--only", "nothing"]):
    sys.argv = ["run.py", *line]
    try:
        run.main()
    except SystemExit as stop:
        print(stop)
"""


def test_results_of_benchmarks_stay_in_their_folder_and_are_kept(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "this.json").write_text("mine")
    command = [sys.executable, "-c", BENCHMARKS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "benchmarks", timeout=100, check=False)
    lines = done.stdout.splitlines()
    assert "--force replaces it" in lines[0], done.stderr
    assert [line.startswith("name must be the name of a file without its folder") for line in lines[1:4]] == [True] * 3
    assert lines[4:] == ["2"]
    assert [(path.name, path.read_text()) for path in tmp_path.rglob("*.json")] == [("this.json", "mine")]


def test_two_writers_of_one_name_do_not_meet(tmp_path: Path) -> None:
    """Each has a temporary file of its own: the last to end has the name, and both files were whole."""
    path = tmp_path / "heading"
    with _files.whole(path, force=True) as one:
        one.write(b"one")
        _files.replace(path, b"other")
        assert path.read_bytes() == b"other"
    assert path.read_bytes() == b"one"


def test_a_store_is_closed_after_it_was_refused(store: Path, tmp_path: Path) -> None:
    (store / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="without links"):
        Store(store)
    (store / "link").unlink()
    with Store(store):
        pass
