"""What `import barren` costs, each time in a fresh process, against NumPy alone, which it needs in any case."""

from __future__ import annotations

import statistics
import subprocess
import sys

from cases import Record, summary

_CHILD = """
import sys, time
start = time.perf_counter()
{statements}
print(time.perf_counter() - start, *sorted({{"torch", "sympy"}} & sys.modules.keys()))
"""
_LIMIT = 0.25


def _seconds(statements: str) -> float:
    """Seconds of some imports after the interpreter has started; the files are in the system's cache."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD.format(statements=statements)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    taken, *heavy = done.stdout.split()
    assert not heavy, heavy
    return float(taken)


def importing(quick: bool) -> Record:
    """A process that imports the package, one that imports NumPy, and one that goes on to what the surface puts off."""
    statements = {"ours": "import barren", "rival": "import numpy", "more": "import barren; barren.gradient_variance"}
    times: dict[str, list[float]] = {name: [] for name in statements}
    for run in range(2 if quick else 12):
        for name, text in statements.items():
            taken = _seconds(text)
            if run:  # the first compiles, and fills the caches
                times[name].append(taken)
    median, more = (statistics.median(times[name]) for name in ("ours", "more"))
    assert quick or median <= _LIMIT, median
    return summary(
        "import of the package against that of NumPy, which it contains",
        "≤ 0.25 s, neither torch nor sympy loaded",
        times["ours"],
        times["rival"],
        case=f"import barren in a fresh process; {more:.2f} s with barren.gradient_variance",
        seconds_with_the_pairing=more,
    )


IMPORT_CASES = {"importing": importing}
