"""A gradient variance in words and as plain numbers, and a table of trained runs: what the command line prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from barren._core import __version__
from barren.bounds.sharp import sharp_bound_at
from barren.variance.result import GradientVariance

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["training_table", "variance_lines", "variance_report"]


def variance_report(answer: GradientVariance, top: int) -> dict[str, Any]:
    """All that is known of a variance, as JSON values.

    Args:
        answer: with its deviations, where the members can be listed.
        top: how many of the easiest multipliers.
    """
    try:
        sharp, no_bound = sharp_bound_at(answer.cls, answer.inputs), None
    except ValueError as reason:  # the class kernel of this problem does not fit; the variance needed none
        sharp, no_bound = None, str(reason)
    easiest = answer.easiest(top) if answer.is_listed else []
    return {
        "version": __version__,
        "members": answer.cls.size,
        "variance": answer.value,
        **sizes(answer, sharp),
        "no_bound_because": no_bound,
        "per_layer": {name: float(share) for name, share in answer.per_layer.items()},
        "easiest": [{"a": int(a), "share": float(share)} for a, share in easiest],
        "method": answer.method,
        "plan": answer.explain(),
    }


def sizes(answer: GradientVariance, sharp: float | None) -> dict[str, float | None]:
    """The error of a variance, what it is measured by, and its bound where λ is to be had."""
    by_probability = answer.mean_squared_norm_of_probability
    return {
        "standard_error": answer.standard_error,
        "mean_squared_norm": answer.mean_squared_norm,
        "mean_squared_norm_of_probability": by_probability,
        "normalised": answer.normalised,
        "normalised_by_probability": None if by_probability is None else answer.normalised_by_probability,
        "sharp_bound": sharp,
        "bound": None if sharp is None else sharp * answer.mean_squared_norm,
    }


def variance_lines(asked: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The report for a reader, labelled; `asked` is the problem as the user put it."""
    if "parity" in asked:
        members, of, letter = "parities", "all", "v"
        problem = f"x -> ⟨v, x⟩ mod 2, {found['members']} parities v ({asked['parity']})"
    elif "frequencies" in asked:
        members, of, letter = "frequencies", f"1..{asked['frequencies']}", "a"
        problem = f"x -> {asked['target']} of a·x, {found['members']} frequencies ({of})"
    else:
        members, of, letter = "multipliers", asked["multipliers"], "a"
        problem = f"x -> {asked['target']} of a·x mod {asked['p']}, {found['members']} multipliers ({of})"
    lines = [
        f"{problem}, x {asked['inputs']}",
        f"{asked['encoding']} -> {asked['model']}, {asked['loss']}, seed {asked['seed']}, {asked['dtype']}",
        "",
        _entry("Var = E‖G_a − E G‖²", found["variance"]),
    ]
    if found["standard_error"]:
        lines.append(_entry("standard error for all units", found["standard_error"]))
    lines += [
        _entry("B² = E‖∇ output‖²", found["mean_squared_norm"]),
        _entry("Var / B²", found["normalised"]),
    ]
    if found["mean_squared_norm_of_probability"] is not None:
        lines += [
            _entry("E‖∇ probability‖²", found["mean_squared_norm_of_probability"]),
            _entry("Var / E‖∇ probability‖²", found["normalised_by_probability"]),
        ]
    if found["bound"] is None:
        lines.append(f"  λ·B² not computed: {found['no_bound_because']}")
    else:
        lines += [_entry("λ, bound on Var / B²", found["sharp_bound"]), _entry("λ·B², bound on Var", found["bound"])]
    lines += ["", "variance by layer"]
    lines += [_entry(name, share, _share(share, found["variance"])) for name, share in found["per_layer"].items()]
    if found["easiest"]:
        lines += ["", f"easiest {members}, of {of}: share of the variance"]
        lines += [f"  {letter} = {easy['a']:<10} {easy['share']:.2%}" for easy in found["easiest"]]
    return [*lines, "", found["plan"]]


def _entry(name: str, value: float, note: str = "") -> str:
    return f"  {name:<30} {value:<14.8g}{note}".rstrip()


def _share(part: float, whole: float) -> str:
    return f" {part / whole:.2%}" if whole else ""


def watch_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A line a look of the gradient watch."""
    from rich.table import Table

    table = Table("run", "member", "seed", "step", "Var / B²", "d(a) / Var", "snr", "cosine", "rank", title="watched")
    for row in rows:
        share = row["deviation"] / row["variance"] if row["variance"] else float("nan")
        about = [str(row["run"]), f"{row['member']:g}", str(row["seed"]), str(row["step"])]
        numbers = [row["normalised"], share, row["snr"], row["cosine"], row["effective_rank"]]
        table.add_row(*about, *(f"{number:.3g}" for number in numbers))
    return table


def training_table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    """A line a member: what became of its runs."""
    from rich.table import Table

    accuracy = "test_accuracy" in rows[0]
    metric = "test_accuracy" if accuracy else "test_relative_loss"
    table = Table(
        "member", "runs", "test accuracy" if accuracy else "loss / constant", "learned", "phases", title=title
    )
    for member in dict.fromkeys(row["member"] for row in rows):
        some = [row for row in rows if row["member"] == member]
        values = [row[metric] for row in some]
        spread = f"{min(values):.3f}" if len(some) == 1 else f"{min(values):.3f} to {max(values):.3f}"
        learned = f"{sum(bool(row['learned']) for row in some)}" if accuracy else "-"
        told = Counter(row["phase"] for row in some)
        phases = ", ".join(f"{count} {phase}" for phase, count in told.items())
        table.add_row(
            f"{member:g}" if isinstance(member, float) else str(member), str(len(some)), spread, learned, phases
        )
    return table
