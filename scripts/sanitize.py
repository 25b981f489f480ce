"""Builds the core and its bindings under sanitizers; runs the C++ tests, the Python tests of the core and the fuzzer.

    python scripts/sanitize.py asan                 # addresses and undefined behaviour: every file that drives the core
    python scripts/sanitize.py tsan                 # threads
    python scripts/sanitize.py asan --quick         # the C++ tests and some thousand calls: minutes, for the build
    python scripts/sanitize.py tsan tests/test_core.py -k threads

The interpreter is not instrumented: the sanitizer's runtime is loaded before it, and sees the memory and the threads
that the extension uses. What is switched off is said at OPTIONS and DESELECTED, with the reason.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pybind11

ROOT = Path(__file__).resolve().parent.parent
_started = time.monotonic()
# The tests that drive the core directly, or the package's thin layer over it. That of parities needs torch too.
TESTS = (
    "core", "correlation", "dedekind", "direct", "frequencies", "frequencies_refusals", "gram", "grid_frequencies",
    "parity", "tables", "targets",
)  # fmt: skip
OPTIONS = {
    # The C++ tests also look for memory that nobody frees. Not under Python: the interpreter keeps what it will never
    # free, and every allocation of the extension has the interpreter's frames on its stack, so that no suppression
    # could tell the two apart; the fuzzer measures growth instead. Allocations that are too large must fail as they do
    # without a sanitizer, which is what the fuzzer and tests/test_core.py ask for. Freed memory is kept to see who
    # still uses it, but less of it than the growth that the fuzzer takes for a leak.
    "asan": {
        "ASAN_OPTIONS": "allocator_may_return_null=1:max_allocation_size_mb=4096:detect_stack_use_after_return=1"
        ":strict_string_checks=1:abort_on_error=1:quarantine_size_mb=32",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1",
    },
    # The OpenMP runtime is not instrumented, and its own locks look like races; archer() tells of its barriers instead.
    # A child that was forked with threads about runs no loop in parallel (threads.hpp), so it may go on.
    "tsan": {
        "TSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:ignore_noninstrumented_modules=1:die_after_fork=0"
        ":allocator_may_return_null=1:max_allocation_size_mb=4096",
    },
}
# What would measure the sanitizer: how often another thread has its turn, and the memory that a process takes, of which
# the sanitizers' own is the most. How soon Ctrl-C stops a call the tests do not ask under them (AT_ONCE in helpers.py).
DESELECTED = (
    "tests/test_core.py::test_the_gil_is_released",
    "tests/test_direct.py::test_memory_stays_within_what_is_promised",
)


def clang() -> str:
    """The clang++ to build with: $CXX, or the newest there is. Its OpenMP runtime must be there too (libomp-dev)."""
    names = [os.environ.get("CXX", ""), "clang++", *(f"clang++-{version}" for version in range(30, 13, -1))]
    for name in names:
        if "clang" in name and shutil.which(name):
            return name
    sys.exit("the thread sanitizer needs clang and its OpenMP runtime (Debian: clang-16 libomp-16-dev)")


def run(command: Sequence[str | Path], **environment: str) -> None:
    """Runs it from the root, with more environment; ends the script where it fails."""
    print(f"[{time.monotonic() - _started:4.0f} s]", *command, flush=True)
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env={**os.environ, **environment})
    if done.returncode:
        sys.exit(f"{Path(command[0]).name} ended with code {done.returncode}")


def build(kind: str, jobs: int) -> Path:
    """Configures and builds the preset with the bindings; returns its folder."""
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert version is not None
    settings = {
        "BARREN_BUILD_PYTHON": "ON",
        "SKBUILD_PROJECT_VERSION": version[1],
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": pybind11.get_cmake_dir(),
    }
    if kind == "tsan":
        settings["CMAKE_CXX_COMPILER"] = clang()
    run(["cmake", "--preset", kind, *(f"-D{key}={value}" for key, value in settings.items())])
    run(["cmake", "--build", "--preset", kind, "--parallel", str(jobs)])
    return ROOT / "build" / kind


def overlay(folder: Path) -> Path:
    """The package with the sanitized extension in it, apart from the sources and from what is installed."""
    target = folder / "python"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "python", target, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    for extension in folder.glob("_core*.so"):
        shutil.copy(extension, target / "barren")
    return target


def runtimes(folder: Path, kind: str) -> str:
    """The sanitizer's libraries that the extension was linked with, as LD_PRELOAD takes them."""
    (extension,) = folder.glob("_core*.so")
    linked = subprocess.run(["ldd", extension], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^\s*(\S*(?:asan|ubsan|tsan)\S*\.so\S*) =>", linked, flags=re.MULTILINE)
    compiler = clang() if kind == "tsan" else os.environ.get("CXX", "c++")
    paths = [_path_of(name, linked, compiler) for name in names]
    if not paths:
        sys.exit(f"{extension} is not linked with a sanitizer's library")
    if kind == "asan":  # its checks of exceptions need the C++ library from the start
        paths.append(_path_of("libstdc++.so.6", linked, compiler))
    return " ".join(paths)


def _path_of(name: str, linked: str, compiler: str) -> str:
    match = re.search(rf"{re.escape(name)} => (/\S+)", linked)
    if match:
        return match[1]
    asked = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
    if Path(asked.strip()).is_absolute():
        return asked.strip()
    resources = subprocess.run([compiler, "-print-resource-dir"], capture_output=True, text=True, check=True).stdout
    return str(Path(resources.strip()) / "lib" / "linux" / name)


def archer() -> dict[str, str]:
    """What tells the thread sanitizer of OpenMP's barriers; without it every parallel loop would look like a race."""
    resources = subprocess.run([clang(), "-print-resource-dir"], capture_output=True, text=True, check=True).stdout
    for folder in Path(resources.strip()).parents:
        if (folder / "libarcher.so").exists():
            return {"OMP_TOOL_LIBRARIES": str(folder / "libarcher.so")}
    sys.exit("the thread sanitizer needs libarcher.so, which comes with clang's OpenMP runtime")


def of_python(folder: Path, kind: str, options: dict[str, str]) -> dict[str, str]:
    """What an interpreter needs in its environment to take the sanitized extension."""
    python = {
        **options,
        "PYTHONPATH": str(overlay(folder)),
        "LD_PRELOAD": runtimes(folder, kind),
        "PYTHONMALLOC": "malloc",  # an object a block, so that each has its own surroundings
        "PYTHONFAULTHANDLER": "1",
    }
    if kind == "asan":
        python["ASAN_OPTIONS"] += ":detect_leaks=0"
    run([sys.executable, "-c", f"from barren import _core; assert {str(folder)!r} in _core.__file__"], **python)
    return python


def core_tests(folder: Path, options: dict[str, str], python: dict[str, str]) -> None:
    """The C++ tests with each instruction set of this machine, of which the extension tells."""
    asked = [sys.executable, "-c", "from barren import _core; print(*_core.available_kernels())"]
    told = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **python})
    for kernel in told.stdout.split():
        run([folder / "core_tests"], BARREN_KERNEL=kernel, **options)


def main() -> None:
    """Builds, tests, fuzzes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=OPTIONS)
    parser.add_argument("tests", nargs="*", help="what pytest is to run in the place of every test of the core")
    parser.add_argument("--quick", action="store_true", help="the C++ tests and a short fuzz, no Python tests")
    parser.add_argument("--fuzz", type=int, help="calls of the fuzzer (default 100000, quick 3000; 0: none)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments, more = parser.parse_known_args()
    kind = arguments.kind
    folder = build(kind, arguments.jobs)
    options = {**OPTIONS[kind], **(archer() if kind == "tsan" else {}), "OMP_WAIT_POLICY": "passive"}
    python = of_python(folder, kind, options)
    core_tests(folder, options, python)
    if not arguments.quick:
        tests = arguments.tests or [f"tests/test_{name}.py" for name in TESTS]
        deselected = [f"--deselect={name}" for name in DESELECTED]
        # What a sanitizer says must not end in pytest's capture, which is lost where the process is.
        pytest = [sys.executable, "-m", "pytest", "-q", "--capture=sys", "-p", "no:cacheprovider"]
        run([*pytest, *tests, *deselected, *more], **python)
    calls = arguments.fuzz if arguments.fuzz is not None else 3000 if arguments.quick else 100_000
    if calls:
        fuzz = [sys.executable, ROOT / "scripts" / "fuzz.py", "--calls", str(calls), "--seed", str(arguments.seed)]
        run(fuzz, **python)


if __name__ == "__main__":
    main()
