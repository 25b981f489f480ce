"""Writes the numbers of README.md and docs/performance.md from benchmarks/results; --check fails if they differ."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def measured(case: dict[str, Any]) -> str:
    """The figures of one case in one line."""
    parts = []
    if "ratio" in case:
        ratio, seconds = case["ratio"], case["seconds"]
        parts.append(f"**{ratio['median']:.0f}×** ({ratio['min']:.0f} to {ratio['max']:.0f}, {seconds['runs']} runs)")
        parts.append(f"{seconds['ours']:.3f} s against {seconds['rival']:.2f} s")
    if "with_deviations" in case:
        parts.append(f"with every deviation {case['with_deviations']['ratio']['median']:.0f}×")
    if "relative_error" in case:
        parts.append(", ".join(f"{name} {error:.1e}" for name, error in case["relative_error"].items()))
    if "bytes" in case:
        parts.append(f"**{case['bytes'] / 1e6:.0f} MB**")
    if "worst" in case:
        parts.append(", ".join(f"{name} **{worst['error']:.1e}**" for name, worst in case["worst"].items()))
    if "absolute_error" in case:
        parts.append(f"**{case['absolute_error']:.1e}**")
    if "residues_a_second" in case:
        parts.append(f"{case['residues_a_second'] / 1e9:.1f} billion residues a second")
    return "; ".join(parts)


def table(result: dict[str, Any]) -> str:
    """One machine as a Markdown section."""
    machine = result["machine"]
    lines = [
        f"### {machine['processor']}, {machine['cores']} cores",
        "",
        f"{machine['date']}, commit {machine['commit']}, {machine['compiler']}, kernel {machine['kernel']}, Python "
        f"{machine['python']}, NumPy {machine['numpy']}, torch {machine['torch']}, transforms by {machine['fft']}.",
        "",
        "| what | case | asked | measured |",
        "|---|---|---|---|",
    ]
    for case in result["cases"].values():
        lines.append(f"| {case['name']} | {case['case']} | {case['asked']} | {measured(case)} |")
    return "\n".join(lines)


def headline(result: dict[str, Any]) -> str:
    """The README's few lines."""
    autograd, memory, direct = (result["cases"][name] for name in ("autograd", "memory", "direct"))
    ratio, seconds, error = autograd["ratio"]["median"], autograd["seconds"], autograd["relative_error"]
    return (
        f"- {autograd['case']}: **{ratio:.0f}×** faster than one backward pass per multiplier "
        f"({seconds['ours']:.2f} s against {seconds['rival']:.0f} s), relative error {error['float32']:.0e} "
        f"(float32 model) and {error['float64']:.0e} (float64), peak memory of the process "
        f"{memory['bytes'] / 1e6:.0f} MB.\n"
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
