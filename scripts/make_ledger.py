"""Measures every engine against exact references, and writes the table of docs/exactness.md.

python scripts/make_ledger.py                # every case: some minutes; writes scripts/ledger/results.json and the docs
python scripts/make_ledger.py --check        # the quick cases again, and whether the docs are what the results say
python scripts/make_ledger.py --only walsh   # the engines with this in their name again; the rest stays as it was
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from ledger import bound_cases, modular_cases, other_cases, parity_cases, real_cases, table_cases  # noqa: E402
from ledger.cases import ASKED, Case  # noqa: E402
from make_tables import replaced  # noqa: E402

RESULTS = ROOT / "scripts" / "ledger" / "results.json"
DOCS = ROOT / "docs" / "exactness.md"
# Cases that one process takes in one go.
_TOGETHER = 60
PARTS = (modular_cases, real_cases, parity_cases, table_cases, other_cases, bound_cases)


def every_case(*, quick: bool = False) -> Iterator[Case]:
    """The committed cases, or those that the tests run."""
    for part in PARTS:
        yield from (case for case in part.cases() if case.quick or not quick)


def fingerprint() -> str:
    """Of the case set and of all that makes it: what results must have been measured with."""
    names = sorted(f"{case.engine}|{case.dtype}|{case.name}|{case.reason}" for case in every_case())
    sources = [code_of(path.read_text()) for path in sorted((ROOT / "scripts" / "ledger").glob("*.py"))]
    return hashlib.sha256("\n".join([*names, *sources]).encode()).hexdigest()[:16]


def code_of(source: str) -> str:
    """The lines of a source that do something: no docstrings, no lines of comments, no empty ones."""
    told: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            told.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = ((number, line.rstrip()) for number, line in enumerate(source.splitlines(), 1))
    kept = (line for number, line in lines if number not in told)
    return "\n".join(line for line in kept if line and not line.lstrip().startswith("#"))


def measured(cases: Iterable[Case]) -> tuple[list[dict[str, Any]], list[str]]:
    """A row an engine, dtype, quantity and reason with its worst case; and the cases with more error than they may."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    failed = []
    for case in cases:
        for quantity, error in case.errors().items():
            names = {"engine": case.engine, "dtype": case.dtype, "quantity": quantity, "reason": case.reason}
            _join(rows, {**names, "cases": 1, "error": error, "case": case.name})
            if not error <= case.allowed:
                failed.append(f"{case.engine}, {case.dtype}, {quantity}: {error:.1e} > {case.allowed:g} at {case.name}")
    return sorted(rows.values(), key=_place), failed


def _join(rows: dict[tuple[str, ...], dict[str, Any]], row: dict[str, Any]) -> None:
    """Adds a row to that of the same engine, dtype, quantity and reason; of equal errors the first stays."""
    kept = rows.setdefault((row["engine"], row["dtype"], row["quantity"], row["reason"]), {**row, "cases": 0})
    kept["cases"] += row["cases"]
    if not row["error"] <= kept["error"]:
        kept["error"], kept["case"] = row["error"], row["case"]


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["engine"], row["dtype"] != "float64", row["reason"], row["quantity"]


@functools.cache
def _listed(only: str) -> list[Case]:
    return [case for case in every_case() if only in case.engine]


def _measured_part(only: str, start: int) -> tuple[list[dict[str, Any]], list[str]]:
    return measured(_listed(only)[start : start + _TOGETHER])


def measured_by(workers: int, only: str) -> tuple[list[dict[str, Any]], list[str]]:
    """All cases of some engines, by so many processes: neighbours, which share their exact side, by the same one."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    failed: list[str] = []
    with ProcessPoolExecutor(workers) as pool:
        for part, wrong in pool.map(functools.partial(_measured_part, only), range(0, len(_listed(only)), _TOGETHER)):
            for row in part:
                _join(rows, row)
            failed += wrong
    return sorted(rows.values(), key=_place), failed


def table(results: dict[str, Any]) -> str:
    """The rows as Markdown: first those that keep what is asked, then the rest with their reasons."""
    asked = ", ".join(f"{dtype} {limit:g}" for dtype, limit in ASKED.items())
    total = sum(row["cases"] for row in results["rows"])
    lines = [
        f"{total} comparisons, measured on {results['machine']} with the instruction set {results['kernel']}. "
        f"Asked: {asked}.",
        "",
    ]
    lines += _markdown([row for row in results["rows"] if not row["reason"]])
    hard = [row for row in results["rows"] if row["reason"]]
    if hard:
        lines += ["", "What is lost where the asked digits cannot be kept, and why:", ""]
        reasons = list(dict.fromkeys(row["reason"] for row in hard))
        for reason in reasons:
            lines += [f"*{reason}*", "", *_markdown([row for row in hard if row["reason"] == reason]), ""]
    return "\n".join(lines).rstrip()


def _markdown(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| engine | dtype | quantity | cases | worst error | at |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = [row["engine"], row["dtype"], row["quantity"], str(row["cases"]), f"{row['error']:.1e}", row["case"]]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def write(workers: int, only: str) -> None:
    """Measures every engine with `only` in its name; what is too large is written too, and fails."""
    from barren import _core

    rows, failed = measured_by(workers, only)
    if only:
        engines = {case.engine for case in every_case()}
        before = json.loads(RESULTS.read_text())["rows"]
        rows += [row for row in before if only not in row["engine"] and row["engine"] in engines]
        rows.sort(key=_place)
    machine = f"{platform.system()} {platform.machine()}"
    results = {"fingerprint": fingerprint(), "machine": machine, "kernel": _core.kernel(), "rows": rows}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    DOCS.write_text(replaced(DOCS.read_text(), "ledger", table(results)))
    if failed:
        sys.exit("\n".join([f"{len(failed)} errors are larger than they may be:", *failed]))


def stale() -> list[str]:
    """What of the committed numbers is not what the cases and the results say."""
    results = json.loads(RESULTS.read_text())
    found = []
    if results["fingerprint"] != fingerprint():
        found.append("the cases are not those of results.json: run python scripts/make_ledger.py")
    text = DOCS.read_text()
    if replaced(text, "ledger", table(results)) != text:
        found.append("docs/exactness.md is not what the results say: run python scripts/make_ledger.py")
    return found


def main() -> None:
    """Writes, checks or prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that measure")
    parser.add_argument("--only", default="", help="part of the names of engines")
    options = parser.parse_args()
    if options.check:
        _, failed = measured(every_case(quick=True))
        if problems := stale() + failed:
            sys.exit("\n".join(problems))
    else:
        write(options.workers, options.only)


if __name__ == "__main__":
    main()
