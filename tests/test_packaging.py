"""What the files around the package say of it, against each other. scripts/make_wheel.py looks into built wheels."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import barren

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parent.parent


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


def test_one_version_everywhere(settings: dict[str, Any]) -> None:
    version = settings["project"]["version"]
    assert barren.__version__ == version
    assert re.search(r"^version: (.*)$", text("CITATION.cff"), re.MULTILINE).group(1) == version
    assert re.search(r"^## \[?(\d[^\] ]*)", text("CHANGELOG.md"), re.MULTILINE).group(1) == version


def test_one_licence_everywhere(settings: dict[str, Any]) -> None:
    assert re.search(r"^license: (.*)$", text("CITATION.cff"), re.MULTILINE).group(1) == settings["project"]["license"]
    named = {path for pattern in settings["project"]["license-files"] for path in ROOT.glob(pattern)}
    assert {path.relative_to(ROOT).as_posix() for path in named} == {"LICENSE", "licenses/libgomp.txt"}
    libgomp = text("licenses/libgomp.txt")
    for part in (
        "GPL-3.0-or-later WITH GCC-exception-3.1",
        "GCC RUNTIME LIBRARY EXCEPTION",
        "END OF TERMS AND CONDITIONS",
    ):
        assert part in libgomp


def test_wheels_are_made_for_the_versions_of_python_that_are_named(settings: dict[str, Any]) -> None:
    prefix = "Programming Language :: Python :: 3."
    named = [name.removeprefix(prefix) for name in settings["project"]["classifiers"] if name.startswith(prefix)]
    assert settings["tool"]["cibuildwheel"]["build"] == [f"cp3{minor}-*" for minor in named]
    assert settings["project"]["requires-python"] == f">=3.{named[0]}"


def test_quick_checks_have_the_versions_of_the_whole() -> None:
    pinned = dict(re.findall(r"^([\w-]+)==([^\s;]+)", text("constraints.txt"), re.MULTILINE))
    quick = re.findall(r'"([\w-]+)==([^"]+)"', text(".pre-commit-config.yaml"))
    assert {name for name, _ in quick} == {"ruff", "clang-format", "cffconvert"}
    assert all(pinned[name] == version for name, version in quick)


def test_public_names_are_still_there_with_their_parameters() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "make_surface.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_every_step_of_the_night_has_its_job() -> None:
    command = ["bash", str(ROOT / "scripts" / "nightly.sh"), "--list"]
    steps = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    jobs = re.search(r"^ *step: \[(.*)\]$", text(".github/workflows/nightly.yml"), re.MULTILINE).group(1)
    assert jobs.split(", ") == steps


def test_the_guide_says_how_long_continuous_integration_may_take() -> None:
    limit = re.search(r"timeout-minutes: (\d+)", text(".github/workflows/ci.yml")).group(1)
    assert f"continuous integration ends it after {limit}" in text("CONTRIBUTING.md")


def test_the_systems_that_are_named_are_those_that_are_tested() -> None:
    """Checks run on Linux alone; wheels are built for others too, and README and docs say so."""
    classifiers = re.findall(r'"Operating System :: ([^"]*)"', text("pyproject.toml"))
    assert classifiers == ["POSIX :: Linux"]
    assert set(re.findall(r"runs-on: (\S+)", text(".github/workflows/ci.yml"))) == {"ubuntu-latest"}
    built = re.search(r"os: \[(.*)\]", text(".github/workflows/wheels.yml")).group(1)
    assert {name.split("-")[0] for name in built.split(", ")} == {"ubuntu", "macos", "windows"}
    for page in ("README.md", "docs/compatibility.md"):
        told = " ".join(text(page).split())
        assert "tested on Linux (x86-64)" in told
        assert "macOS and Windows" in told
        assert "have not been run" in told
