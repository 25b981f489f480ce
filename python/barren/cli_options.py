"""What the commands share: options, and the class that they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

import barren
from barren import specs
from barren.classes import TargetClass

Modulus = Annotated[str | None, typer.Option("--p", help="The modulus p, 3 or more: 1009, or 2^255-19.", metavar="P")]
Frequencies = Annotated[
    int | None, typer.Option(help="In place of p: frequencies 1..A, x -> ψ(a·x) for real x.", metavar="A")
]
Parity = Annotated[
    str | None,
    typer.Option(
        help="In place of p: parities of N bits, or of SIZE of them; values ±1 if signed.", metavar="N[:SIZE]"
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        help="sawtooth, cosine[:K], bit:J, quantile-bit[:I], threshold[:C], square, triangle or residue; default bit:0 "
        "with p, sawtooth with frequencies, which take neither bit:J nor residue.",
        metavar="ψ",
    ),
]
Inputs = Annotated[
    str,
    typer.Option(
        help="The law of x: uniform, nonzero, random-bits:N, powers-of-two, small:N or low-weight:W[:COUNT[:SEED]]; "
        "with frequencies uniform[:NODES], gaussian:SCALE[:NODES] or grid:M."
    ),
]
Multipliers = Annotated[str, typer.Option(help="units, all, or a list such as 1,2,4.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def problem(
    p: str | None, frequencies: int | None, parity: str | None, target: str | None, inputs: str, multipliers: str
) -> tuple[TargetClass, Any, dict[str, Any]]:
    """The class and the law of x that were asked for, and the words for them."""
    named = {"--p": p, "--frequencies": frequencies, "--parity": parity}
    given = [name for name, value in named.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"only one of --p, --frequencies and --parity may be given; got {' and '.join(given)}")
    if not given:
        raise ValueError("one of --p, --frequencies and --parity must be given")
    asked: dict[str, Any]
    if p is not None:
        modulus = specs.modulus(p)
        asked = {"p": modulus, "target": target or "bit:0", "inputs": inputs, "multipliers": multipliers}
        modular = barren.ModularMultiplication(modulus, specs.target(asked["target"]), specs.multipliers(multipliers))
        return modular, specs.law(inputs), asked
    if parity is not None:
        if (target or "bit:0", multipliers) != ("bit:0", "units"):
            raise ValueError("--target and --multipliers go with --p; a parity has neither")
        return specs.parity(parity), specs.law(inputs), {"parity": parity, "inputs": inputs}
    if multipliers != "units":
        raise ValueError("--multipliers goes with --p; frequencies are 1..A")
    asked = {"frequencies": frequencies, "target": target or "sawtooth", "inputs": inputs}
    return barren.Frequencies(frequencies, specs.target(asked["target"])), specs.real_law(inputs), asked


def usual_loss(cls: TargetClass, targets: Sequence[str | None]) -> str:
    """The loss where none is named: the one that the labels of the class are for."""
    if isinstance(cls, barren.Frequencies):
        return "mse"
    if list(targets) == ["residue"]:
        return "cross-entropy"
    return "hinge" if cls.labels == (-1.0, 1.0) else "bce"
