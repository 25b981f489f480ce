"""Benchmark cases of the bounds: λ at large primes and the spectral radius of gcd matrices, in fresh processes."""

from __future__ import annotations

from typing import Any

from cases import Record
from engine_cases import fresh

# Measured once with both Fourier libraries, which agree in every digit shown.
_SHARP = {1009: 1.117811215, 1000003: 2.725199732, 99999989: 3.858136524}
_RADIUS = {1000: 5.519765382, 1000000: 9.104365558}


def _sharp(p: int, asked: str) -> Record:
    answer = fresh(
        """
        p = int(sys.argv[1])
        start = time.perf_counter()
        value = barren.sharp_bound(barren.ModularMultiplication(p, targets.Sawtooth()))
        answer = {'seconds': time.perf_counter() - start, 'value': p * value}
        """,
        p,
    )
    assert abs(answer["value"] / _SHARP[p] - 1.0) <= 1e-9, answer
    return _record("λ of the sawtooth class", asked, f"p = {p}, p·λ = {answer['value']:.4f}", answer)


def _record(name: str, asked: str, case: str, answer: dict[str, Any]) -> Record:
    return {"name": name, "asked": asked, "case": f"{case}, in {answer['seconds']:.2f} s", **answer}


def sharp(quick: bool) -> Record:
    """λ at a prime above a million."""
    return _sharp(1009 if quick else 1000003, "≤ 1.5 s")


def sharp_large(quick: bool) -> Record:
    """λ at a prime near 10^8, primitive root and everything else included."""
    record = _sharp(1009 if quick else 99999989, "≤ 45 s and ≤ 6 GB with ducc0, two cores")
    assert record["bytes"] <= 6e9, record
    return record


def radius(quick: bool) -> Record:
    """ρ_A, matrix-free."""
    A = 1000 if quick else 1000000
    answer = fresh(
        """
        A = int(sys.argv[1])
        start = time.perf_counter()
        value = barren.gcd_spectral_radius(A)
        answer = {'seconds': time.perf_counter() - start, 'value': value}
        """,
        A,
    )
    assert abs(answer["value"] / _RADIUS[A] - 1.0) <= 1e-9, answer
    assert answer["bytes"] <= 1e9, answer
    case = f"A = {A}, ρ_A = {answer['value']:.6f}"
    return _record("spectral radius of [gcd(a, b)²/(ab)]", "≤ 60 s and ≤ 1 GB", case, answer)


BOUNDS_CASES = {"sharp": sharp, "sharp_large": sharp_large, "gcd_radius": radius}
