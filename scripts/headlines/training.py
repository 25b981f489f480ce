"""Numbers of the figures of training, for docs/experiments.md."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from barren.figures import parity_training, predictability, trained
from barren.figures.base import column, where
from headlines import Headlines, Rows


def _accuracy(rows: Rows) -> str:
    """Mean accuracy with its t interval over primes, beside that of the best constant."""
    found = trained.pooled(rows, "test_accuracy", "p")
    if found is None:
        return "every run diverged"
    chance = np.mean([row["test_chance"] for row in trained.finished(rows, "test_accuracy")])
    return (
        f"**{found.accuracy:.3f}** [{found.over_runs.low:.3f}, {found.over_runs.high:.3f}], {found.runs} runs of "
        f"{found.groups} primes; best constant {chance:.3f}"
    )


def parity(rows: Rows) -> Headlines:
    """The smallest and the largest bit length."""
    last = trained.last_rows(rows, ("law", "p", "a", "seed", "bit"))
    lines = []
    for law in dict.fromkeys(row["law"] for row in last):
        for bit in sorted({row["bit"] for row in last}):
            part = where(last, law=law, bit=bit)
            for n in sorted({row["n"] for row in part}):
                name = f"bit {bit}, n = {n}, {parity_training.LAWS[law]}: accuracy, 95 % interval over primes"
                lines.append((name, _accuracy(where(part, n=n))))
    return lines


def all_bits(rows: Rows) -> Headlines:
    """Three bits, and how many of each half were learnt."""
    last = trained.last_rows(rows, ("p", "a", "seed", "bit"))
    n = last[0]["n"]
    lines = [(f"bit {bit} of {n}: accuracy", _accuracy(where(last, bit=bit))) for bit in (0, n // 2, n - 1)]
    for name, part in (("lower", range(n // 2)), ("upper", range(n // 2, n))):
        half = [row for row in trained.finished(last, "test_accuracy") if row["bit"] in part]
        gains = column(half, "test_accuracy") - column(half, "test_chance")
        told = f"**{int(column(half, 'learned').sum())} of {len(half)}**; mean accuracy above the best constant "
        lines.append((f"{name} half: bits of a run that were learnt", f"{told}{gains.mean():.3f}"))
    return lines


def wave(rows: Rows) -> Headlines:
    """Every ψ at the lowest and the largest frequency."""
    last = trained.last_rows(rows, ("target", "frequency", "seed"))
    lines = []
    for target in dict.fromkeys(row["target"] for row in last):
        frequencies = sorted({row["frequency"] for row in last})
        told = []
        for a in (frequencies[0], frequencies[-1]):
            ended = trained.finished(where(last, target=target, frequency=a), "test_relative_loss")
            losses = [row["test_relative_loss"] for row in ended]
            values = f"**{np.mean(losses):.4f}** ({min(losses):.4f} to {max(losses):.4f}), {len(losses)} seeds"
            told.append(f"a = {a}: {values if losses else 'every run diverged'}")
        lines.append((f"ψ = {target}: loss over that of the best constant", "; ".join(told)))
    return lines


def predicted(rows: Rows) -> Headlines:
    """Correlations and AUC of every prime: all members, the random ones, and those of them without ±2^k; horizons."""
    last = trained.last_rows(rows, ("p", "a", "seed"))
    lines = []
    for p in sorted({row["p"] for row in last}):
        random = where(last, p=p, kind="random")
        powers = predictability.powers_of_two(p)
        others = [row for row in random if row["a"] not in powers]
        lucky = ", ".join(str(a) for a in sorted({row["a"] for row in random} & powers)) or "none"
        named = {"all": where(last, p=p), "random": random, f"random (without {lucky})": others}
        for kind, part in named.items():
            found = predictability.predictions(part)
            if found is None:
                lines.append((f"p = {p}, {kind} members", "every run diverged"))
                continue
            told = f"Spearman {predictability.told(found.spearman)}, AUC {predictability.told(found.auc)}"
            lines.append((f"p = {p}, {kind} members: {found.learned} of {found.rows} runs learnt", told))
    there = [row for row in last if row["steps_needed"] is not None]
    sooner = sum(row["steps_needed"] < row["horizon"] for row in there)
    counted = f"**{sooner} of {len(there)}**; {len(last) - len(there)} never got there"
    lines.append(("runs that reached their accuracy before the oracle horizon", counted))
    return lines


def along(rows: Rows) -> Headlines:
    """Share and accuracy before the first and after the last step, easy multipliers and others."""
    lines = []
    for p in sorted({row["p"] for row in rows}):
        for easy, name in ((1, "easy"), (0, "other")):
            part = where(rows, p=p, easy=easy)
            ends = [where(part, step=step) for step in (0, max(row["step"] for row in part))]
            for what, title in (("normalised", "Var/B²"), ("share", "d(a)/Var"), ("test_accuracy", "accuracy")):
                first, then = (np.median(column(trained.finished(end, what), what)) for end in ends)
                lines.append(
                    (f"p = {p}, {name} multipliers: median {title}", f"{first:.3g} at first, {then:.3g} at last")
                )
    return lines


def parities(rows: Rows) -> Headlines:
    """Accuracy of every number of bits, and Var over its bound for the smallest and the largest."""
    lines = []
    runs = trained.last_rows(where(rows, panel="training"), ("bits", "parity", "seed"))
    for bits in sorted({row["bits"] for row in runs}):
        part = trained.finished(where(runs, bits=bits), "accuracy")
        accuracies = [row["accuracy"] for row in part]
        told = f"**{np.mean(accuracies):.3f}** ({min(accuracies):.3f} to {max(accuracies):.3f})" if part else "diverged"
        learned = f"{sum(row['learned'] for row in part)} of {len(part)} runs learnt"
        lines.append((f"parities of {bits} bits: accuracy at the last step; {learned}", told))
    rows = where(rows, panel="variance")
    for members in dict.fromkeys(row["members"] for row in rows):
        for bits in (min(row["bits"] for row in rows), max(row["bits"] for row in rows)):
            part = trained.finished(where(rows, members=members, bits=bits), "variance")
            scaled = column(part, "variance") * column(part, "size") / column(part, "mean_squared_norm")
            lines.append((f"{members} parities of {bits} bits: Var·size/B², at most 1", f"{scaled.mean():.3g}"))
    return lines


HEADLINES: dict[str, Callable[[Rows], Headlines]] = {
    "parity-training": parity,
    "all-bits-training": all_bits,
    "wave-training": wave,
    "predictability": predicted,
    "parity-functions": parities,
    "gradient-along-training": along,
}
