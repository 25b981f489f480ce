"""Writes the numbers of README.md and docs/performance.md from benchmarks/results; --check fails if they differ."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
OTHER_ROUTES = {
    "with_deviations": "with every deviation",
    "by_residues": "by residues",
    "as_correlation": "as a correlation, the default,",
}


def _times(ratio: dict[str, float]) -> str:
    digits = 0 if ratio["median"] >= 20 else 1 if ratio["median"] >= 3 else 2
    return f"{ratio['median']:.{digits}f}× ({ratio['min']:.{digits}f} to {ratio['max']:.{digits}f})"


def measured(case: dict[str, Any]) -> str:
    """The figures of one case in one line."""
    parts = []
    if "ratio" in case:
        seconds = case["seconds"]
        parts.append(f"**{_times(case['ratio'])}**, {seconds['runs']} runs")
        parts.append(f"{seconds['ours']:.3g} s against {seconds['rival']:.3g} s")
    for key, text in OTHER_ROUTES.items():
        if key in case:
            parts.append(f"{text} {_times(case[key]['ratio'])}")
    parts += [f"{name} {_times(ratio)}" for name, ratio in case.get("others", {}).items()]
    if "relative_error" in case:
        parts.append("error " + ", ".join(f"{name} {error:.1e}" for name, error in case["relative_error"].items()))
    if "bytes" in case:
        parts.append(f"**{case['bytes'] / 1e6:.0f} MB**")
    if "worst" in case:
        parts.append(", ".join(f"{name} **{worst['error']:.1e}**" for name, worst in case["worst"].items()))
    if "absolute_error" in case:
        parts.append(f"**{case['absolute_error']:.1e}**")
    if "worst_factor" in case:
        parts.append(f"worst factor **{case['worst_factor']:.2f}**")
    rate = case.get("residues_a_second", case.get("residues_a_second_ours"))
    if rate is not None:
        parts.append(f"{rate / 1e9:.2g} billion residues a second")
    for modulus, rate in case.get("residues_a_second_by_modulus", {}).items():
        parts.append(f"modulus {int(modulus):.3g}: {rate / 1e9:.1f} billion")
    return "; ".join(parts)


def sources(result: dict[str, Any]) -> str:
    """The commits and days of the cases, each once, with the cases that differ from the most common named."""
    known = {"commit": "unknown", "dirty": False, "date": "unknown", **result["machine"]}
    made: dict[str, list[str]] = {}
    for name, case in result["cases"].items():
        source = {**known, **case.get("source", {})}
        text = f"{source['date']}, commit {source['commit']}{' with local changes' * source['dirty']}"
        made.setdefault(text, []).append(name)
    most, *others = sorted(made, key=lambda text: -len(made[text]))
    return "; ".join([most, *(f"{text} for {', '.join(made[text])}" for text in others)])


def growth(case: dict[str, Any]) -> str:
    """How time and memory grow, as a Markdown table."""
    lines = ["", f"How time and memory of a whole process grow: {case['case']}.", ""]
    lines += ["| p | width | threads | method | seconds | peak memory |", "|---|---|---|---|---|---|"]
    for row in [row for rows in case["growth"].values() for row in rows]:
        cells = [
            row["p"],
            row["w"],
            row["threads"],
            row["method"],
            f"{row['seconds']:.3g}",
            f"{row['bytes'] / 1e6:.0f} MB",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def predictions(case: dict[str, Any]) -> str:
    """Predicted and measured times, as a Markdown table."""
    lines = [
        "",
        "Predicted by `barren.plan` and measured.",
        "",
        "| problem | method | predicted | measured |",
        "|---|---|---|---|",
    ]
    for row in case["predictions"]:
        lines.append(f"| {row['case']} | {row['method']} | {row['predicted']:.3g} s | {row['measured']:.3g} s |")
    return "\n".join(lines)


def table(result: dict[str, Any]) -> str:
    """One machine as a Markdown section."""
    machine = result["machine"]
    lines = [
        f"### {machine['processor']}, {machine['cores']} cores",
        "",
        f"{sources(result)}, {machine['compiler']}, kernel {machine['kernel']}, Python "
        f"{machine['python']}, NumPy {machine['numpy']}, torch {machine['torch']}, transforms by {machine['fft']}.",
        "",
        "| what | case | asked | measured |",
        "|---|---|---|---|",
    ]
    cases = dict(result["cases"])
    grown = cases.pop("growth")
    for case in cases.values():
        lines.append(f"| {case['name']} | {case['case']} | {case['asked']} | {measured(case)} |")
    return "\n".join([*lines, predictions(cases["predictions"]), growth(grown)])


def headline(result: dict[str, Any]) -> str:
    """The README's few lines."""
    cases = result["cases"]
    autograd, larger, memory, direct = (cases[name] for name in ("autograd", "larger", "memory", "direct"))
    seconds, error = autograd["seconds"], autograd["relative_error"]
    return (
        f"- {autograd['case']}: **{autograd['ratio']['median']:.0f}×** faster than one backward pass per multiplier "
        f"({seconds['ours']:.2f} s against {seconds['rival']:.0f} s), relative error {error['float32']:.0e} "
        f"(float32 model) and {error['float64']:.0e} (float64), peak memory of the process "
        f"{memory['bytes'] / 1e6:.0f} MB.\n"
        f"- The same network at p = 4093: **{larger['ratio']['median']:.0f}×** ({larger['seconds']['ours']:.2f} s), "
        f"and {larger['with_deviations']['ratio']['median']:.0f}× with the deviation of every multiplier too; the loop "
        "timed on a sample of multipliers.\n"
        f"- {cases['probes']['case']}.\n"
        f"- Responses of all multipliers, {direct['case']}: **{direct['ratio']['median']:.0f}×** NumPy."
    )


def replaced(text: str, marker: str, content: str) -> str:
    """Text with what stands between <!-- marker --> and <!-- /marker --> exchanged."""
    before, rest = text.split(f"<!-- {marker} -->\n", 1)
    _, after = rest.split(f"<!-- /{marker} -->", 1)
    return f"{before}<!-- {marker} -->\n{content}\n<!-- /{marker} -->{after}"


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    results = [json.loads(path.read_text()) for path in sorted((ROOT / "benchmarks" / "results").glob("*.json"))]
    wanted = {
        ROOT / "README.md": ("headline", headline(results[0])),
        ROOT / "docs" / "performance.md": ("tables", "\n\n".join(table(result) for result in results)),
    }
    for path, (marker, content) in wanted.items():
        old = path.read_text()
        new = replaced(old, marker, content)
        if check and new != old:
            sys.exit(f"{path.name} is not what the results say: run python scripts/make_tables.py")
        path.write_text(new)


if __name__ == "__main__":
    main()
