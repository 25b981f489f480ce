"""λ and the extremal Jacobian against the brute-force covariance, for every prime below a limit.

python scripts/check_bounds.py          # every prime below 400: about a minute; its result stands in docs/theory.md
python scripts/check_bounds.py 50
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import sympy

import barren
from barren import targets


def every_target(p: int) -> Iterator[targets.Target]:
    """All targets, with all bits of the residues."""
    yield from (targets.Sawtooth(), targets.Square(), targets.Triangle(), targets.Residue())
    yield from (targets.Cosine(k) for k in (1, 2) if k % p)
    yield from (targets.Bit(j) for j in range((p - 1).bit_length()))
    yield from (targets.Threshold(c) for c in (Fraction(1, 2), Fraction(1, 3)))
    yield from (targets.QuantileBit(i) for i in (1, 2))
    yield from (2 * targets.Bit(0) - targets.Square() + 0.5, targets.Sawtooth() + targets.Triangle())
    yield targets.Table(np.random.default_rng(p).standard_normal(p))


def errors(p: int, target: targets.Target, multipliers: str) -> tuple[float, float]:
    """Of λ, and of the variance at the extremal Jacobian, relative to the largest eigenvalue."""
    cls = barren.ModularMultiplication(p, target, multipliers)
    values = target(np.outer(cls.members, np.arange(p)) % p, p)
    values -= values.mean(axis=0)
    covariance = values.T @ values / (cls.size * p)
    expected = float(np.linalg.eigvalsh(covariance)[-1])
    extremal = barren.extremal_jacobian(cls)[:, 0]
    attained = float(extremal @ covariance @ extremal) / p
    scale = max(expected, 1e-14 * target.range(p)[1] ** 2)  # a class that does not vary has λ = 0 and rounding
    return abs(barren.sharp_bound(cls) - expected) / scale, abs(attained - expected) / scale


def main() -> None:
    """Prints the worst of all cases; fails above 1e-10."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("limit", type=int, nargs="?", default=400)
    worst, cases = np.zeros(2), 0
    for p in sympy.primerange(3, parser.parse_args().limit):
        for target in every_target(p):
            for multipliers in ("units", "all"):
                found = errors(p, target, multipliers)
                assert max(found) <= 1e-10, (p, target, multipliers, found)
                worst, cases = np.maximum(worst, found), cases + 1
    print(f"{cases} cases: λ within {worst[0]:.1e}, attained within {worst[1]:.1e}")


if __name__ == "__main__":
    main()
