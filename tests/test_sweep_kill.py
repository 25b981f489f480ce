from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep_cases import SLOW, SLOW_TOML, SMALL, child, events, stored, wait_for

import barren
from barren.sweeps import StoreError, log, parts, rows_of, upkeep

COUNT = 40


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of `SLOW`, swept in one go."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert barren.sweep(SLOW, out).computed == COUNT
    return stored(out)


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """`SLOW` as a file."""
    path = tmp_path / "grid.toml"
    path.write_text(SLOW_TOML)
    return path


def whole_parts(out: Path) -> list[str]:
    """The cells of all parts, read as any reader would."""
    return [cell for path in parts.listed(out) for cell in parts.read(path).column("cell_sha256").to_pylist()]


def test_killed_at_random_moments_and_resumed_to_the_same_rows(
    tmp_path: Path, grid: Path, undisturbed: list[dict[str, Any]]
) -> None:
    draw, out, done = random.Random(5), tmp_path / "out", 0
    for _ in range(3):
        process = child("run", grid, "--out", out, "--quiet")
        aim = done + draw.randrange(2, 12)
        wait_for(lambda aim=aim: len(events(out, "cell")) >= aim or process.poll() is not None)  # noqa: B023
        time.sleep(0.02 * draw.random())
        process.send_signal(signal.SIGKILL)
        process.communicate()
        done = len(events(out, "cell"))
        kept = len(rows_of(out))
        assert done - 1 <= kept <= done + 1  # the event comes after the row: at most the cell at work is lost
        assert not any(finding.is_damage for finding in upkeep.verify(out))
    last = barren.sweep(SLOW, out)
    assert last.kept == kept
    assert last.computed == COUNT - kept
    assert stored(out) == undisturbed
    assert sorted(whole_parts(out)) == [row["cell_sha256"] for row in undisturbed]
    assert not log.listed(out)


def test_two_processes_in_one_store_share_the_cells(
    tmp_path: Path, grid: Path, undisturbed: list[dict[str, Any]]
) -> None:
    out = tmp_path / "out"
    both = [child("run", grid, "--out", out, "--quiet", "--threads", "1") for _ in range(2)]
    for process in both:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert stored(out) == undisturbed
    assert len(whole_parts(out)) == COUNT
    assert len(events(out, "cell")) == COUNT  # none was computed twice
    began = events(out, "begin")
    assert len(began) == 2


def test_the_cells_of_a_killed_process_are_taken_over_by_the_other(
    tmp_path: Path, grid: Path, undisturbed: list[dict[str, Any]]
) -> None:
    out = tmp_path / "out"
    first, second = (child("run", grid, "--out", out, "--quiet", "--threads", "1") for _ in range(2))
    wait_for(lambda: len(events(out, "cell")) >= 10)
    first.kill()
    first.communicate()
    assert second.communicate()[1] == ""
    assert second.returncode == 0
    assert stored(out) == undisturbed
    barren.sweep(SLOW, out)
    assert len(whole_parts(out)) == COUNT


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path, grid: Path) -> None:
    out = tmp_path / "out"
    process = child("run", grid, "--out", out)
    wait_for(lambda: len(events(out, "cell")) >= 3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted: what was finished is kept" in said
    assert len(whole_parts(out)) >= 3
    assert not log.listed(out)


class Full:
    """A disk with room for so many bytes, in place of `os.fsync` and the writes of logs and parts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        real = log.Log.append

        def append(this: log.Log, row: dict[str, Any]) -> None:
            self.room -= len(log.line_of(row))
            if self.room < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(this, row)

        def write(*_: Any, **__: Any) -> Path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(log.Log, "append", append)
        monkeypatch.setattr(parts, "write", write)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Full(patch, 4000)
        with pytest.raises(StoreError, match="cannot be written to: No space left on device"):
            barren.sweep(SMALL, tmp_path / "out")
    kept = len(rows_of(tmp_path / "out"))
    assert 0 < kept < 8
    assert not upkeep.verify(tmp_path / "out")
    assert barren.sweep(SMALL, tmp_path / "out").computed == 8 - kept
    barren.sweep(SMALL, tmp_path / "plain")
    assert stored(tmp_path / "out") == stored(tmp_path / "plain")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 KiB, where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=False).returncode:
        yield place  # the limit on the size of files stands for it below
        return
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_real_disk_that_fills_up(tmp_path: Path, grid: Path, small_disk: Path, undisturbed: list[Any]) -> None:
    mounted = os.path.ismount(small_disk)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 40_000)
    out = small_disk / "out"
    # Without a mount: no file may grow beyond 12 KiB, which fails in the middle of a line like a full disk does.
    limit = "" if mounted else "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "" if mounted else "resource.setrlimit(resource.RLIMIT_FSIZE, (12288, 12288)); "
    code = limit + "import sys; from barren.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "sweep", "run", str(grid), "--out", str(out), "--quiet"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 2, made.stderr
    assert "cannot be written to" in made.stderr
    assert ("No space left on device" if mounted else "File too large") in made.stderr
    kept = len(rows_of(out))
    assert 0 < kept < COUNT
    assert not any(finding.is_damage for finding in upkeep.verify(out))
    if mounted:
        subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    assert barren.sweep(SLOW, out).computed == COUNT - kept
    assert stored(out) == undisturbed


def test_a_folder_that_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    barren.sweep({**SMALL, "p": [5, 7]}, tmp_path / "out")

    # Root may write to any folder, whatever its mode: the system's answer is put in place of it.
    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "Log", refused)
        with pytest.raises(StoreError, match="cannot be written to: Read-only file system"):
            barren.sweep(SMALL, tmp_path / "out")
    assert not upkeep.verify(tmp_path / "out")
    assert len(rows_of(tmp_path / "out")) == 4
    assert barren.sweep(SMALL, tmp_path / "out").computed == 4


def test_a_real_read_only_mount(tmp_path: Path) -> None:
    out = tmp_path / "out"
    barren.sweep({**SMALL, "p": [5, 7]}, out)
    bind = subprocess.run(["mount", "--bind", out, out], check=False, capture_output=True)
    if bind.returncode:  # not allowed here: by the folder's mode, which binds all but root
        out.chmod(0o500)
    else:
        subprocess.run(["mount", "-o", "remount,ro,bind", out], check=True)
    try:
        if bind.returncode == 0 or os.geteuid() != 0:
            with pytest.raises(StoreError, match=r"cannot be written to: (Read-only file system|Permission denied)"):
                barren.sweep(SMALL, out)
        assert not upkeep.verify(out)
        assert len(rows_of(out)) == 4
        assert upkeep.export(out, tmp_path / "all.jsonl") == 4
    finally:
        if bind.returncode == 0:
            subprocess.run(["umount", out], check=True)
        out.chmod(0o700)
    assert barren.sweep(SMALL, out).computed == 4
