"""Runs the benchmark cases and writes results/<processor>.json; see README.md beside this file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path

# NumPy's BLAS must choose its own kernels: a forced choice from outside would handicap the rival.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

from bounds_cases import BOUNDS_CASES  # noqa: E402  (after the environment is set)
from cases import END_TO_END_CASES, Record  # noqa: E402  (after the environment is set)
from dedekind_cases import DEDEKIND_CASES  # noqa: E402
from direct_cases import DIRECT_CASES  # noqa: E402
from engine_cases import ENGINE_CASES  # noqa: E402
from frequency_cases import FREQUENCY_CASES  # noqa: E402
from import_cases import IMPORT_CASES  # noqa: E402
from planner_cases import PLANNER_CASES  # noqa: E402
from sweep_cases import SWEEP_CASES  # noqa: E402
from table_cases import TABLE_CASES  # noqa: E402
from training_cases import TRAINING_CASES  # noqa: E402

import barren  # noqa: E402

HERE = Path(__file__).parent
CASES = {
    **END_TO_END_CASES,
    **ENGINE_CASES,
    **PLANNER_CASES,
    **DIRECT_CASES,
    **FREQUENCY_CASES,
    **TABLE_CASES,
    **DEDEKIND_CASES,
    **BOUNDS_CASES,
    **TRAINING_CASES,
    **SWEEP_CASES,
    **IMPORT_CASES,
}


def main() -> None:
    """Runs what was asked for and writes one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that every case runs; writes nothing")
    parser.add_argument("--only", choices=list(CASES), action="append", help="a case; may be given more than once")
    parser.add_argument("--name", default=processor(), help="name of the results file")
    parser.add_argument("--force", action="store_true", help="replace a results file with a run of all cases")
    options = parser.parse_args()
    path = results_file(options.name)
    if path.exists() and not (options.quick or options.only or options.force):
        sys.exit(f"{path.name} is there: --force replaces it, --only CASE replaces that case in it")
    records: dict[str, Record] = {}
    failed: list[str] = []
    for name in options.only or CASES:
        start = time.perf_counter()
        try:
            records[name] = {**CASES[name](options.quick), "source": source()}
        except AssertionError:  # the other cases are still worth their minutes; this one is not written
            traceback.print_exc()
            failed.append(name)
            continue
        print(
            f"{name} ({time.perf_counter() - start:.1f} s)\n{json.dumps(records[name], indent=2, ensure_ascii=False)}",
            flush=True,
        )
    if failed and options.quick:
        sys.exit(f"failed: {', '.join(failed)}")
    if options.quick:
        return
    path.parent.mkdir(exist_ok=True)
    # With --only, and where one failed, other cases stay as they are: each carries the commit and the day of its run.
    known = json.loads(path.read_text())["cases"] if (options.only or failed) and path.exists() else {}
    result = {"machine": machine(), "cases": {**known, **records}}
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(f"wrote {path}")
    if failed:
        sys.exit(f"failed, and as they were in the file: {', '.join(failed)}")


def results_file(name: str) -> Path:
    """Where the results of that name are: always in the folder beside this file."""
    if name in ("", ".", "..") or Path(name).name != name:
        sys.exit(f"name must be the name of a file without its folder; got {name!r}")
    return HERE / "results" / f"{name}.json"


def source() -> dict[str, str | bool]:
    """Of which sources, and when: the commit, and whether tracked files other than results differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=HERE, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude,top)benchmarks/results")
    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    return {"commit": commit, "dirty": bool(changed), "date": time.strftime("%Y-%m-%d")}


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        **barren.configuration(),
    }


def processor() -> str:
    """A short name of the processor, fit for a file."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        vendor, family, model = (names.get(key, "") for key in ("vendor_id", "cpu family", "model"))
        if vendor:
            return f"{vendor}-{family}-{model}".lower()
    return platform.machine()


if __name__ == "__main__":
    main()
