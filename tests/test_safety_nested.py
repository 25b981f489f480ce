"""Lists in lists, deeper than Python goes: damage like any other, in every file that a reader takes."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from cli_runner import run

from barren._canonical import parsed
from barren.sweeps import log
from barren.sweeps.damage import DamagedError
from barren.sweeps.descriptions import heading_of, said_in
from barren.sweeps.parts import replaced_by
from barren.training.checkpoints import Checkpoints
from barren.variance import calibration

DEEP = "[" * 200_000


def test_a_text_that_is_nested_too_deep_is_no_json() -> None:
    assert parsed(b'{"a": [1]}') == parsed('{"a": [1]}') == {"a": [1]}
    for text in (DEEP, DEEP.encode(), "{", "", b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011
            parsed(text)


def test_an_ensemble(tmp_path: Path) -> None:
    (tmp_path / "ensemble.json").write_text(DEEP)
    with pytest.raises(ValueError, match=r"save holds a damaged ensemble\.json"):
        Checkpoints(tmp_path, {"a": 1})
    # Deep enough for writing it into a message to fail where reading does not.
    for depth in range(100, 1000, 50):
        (tmp_path / "ensemble.json").write_text(f'{{"a": {"[" * depth}{"]" * depth}}}')
        with pytest.raises(ValueError, match=r"save (must hold a checkpoint of this very ensemble|holds a damaged)"):
            Checkpoints(tmp_path, {"a": 1})


def test_a_store(tmp_path: Path) -> None:
    import pyarrow

    (tmp_path / "sweep.json").write_text(DEEP)
    with pytest.raises(ValueError, match="store must be a folder that barren sweep made"):
        heading_of(tmp_path)
    (tmp_path / "0123.json").write_text(DEEP)
    with pytest.raises(ValueError, match=r"0123\.json is damaged"):
        said_in(tmp_path / "0123.json")
    kind = pyarrow.schema([], metadata={"barren_replaces": DEEP})
    with pytest.raises(DamagedError, match="it stands for files that are no parts"):
        replaced_by(tmp_path / "part", kind)
    line = DEEP.encode()
    (tmp_path / "log.jsonl").write_bytes(b"%08x " % zlib.crc32(line) + line + b"\n")
    assert log.read(tmp_path / "log.jsonl")[2] == 1


def test_a_grid(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(f"p = {DEEP}")
    code, _, err = run("sweep", "run", str(tmp_path / "grid.toml"), "--out", str(tmp_path / "store"))
    assert (code, err.count("\n")) == (2, 1)
    assert "grid must be a TOML file" in err


def test_measured_rates(tmp_path: Path) -> None:
    (tmp_path / "rates.json").write_text(DEEP)
    assert calibration._read(tmp_path / "rates.json") == {}
