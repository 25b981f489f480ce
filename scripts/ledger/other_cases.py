"""Class kernels modulo p, Dedekind sums, spectra and inner products of waves."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

import barren
from barren import targets
from barren.bounds.real_line import gram
from barren.classes.dedekind import dedekind_sums
from ledger import circle, exact
from ledger.cases import Case
from ledger.exact import Numbers
from ledger.modular import modular

# Primes above the largest modulus of 64 bits' tables, below 2^63 and above it.
LARGE = (4194319, 2**31 - 1, 2**61 - 1, 2**89 - 1, 2**255 - 19)


def cases() -> Iterator[Case]:
    """All of them."""
    for p in (3, 13, 61):
        for multipliers in ("units", "all", "some"):
            for name in ("sawtooth", "bit 0", "cosine 2", "triangle", "table", "table, 1 + 1e-6·Z"):
                if p == 3 and (name == "cosine 2" or multipliers == "some"):
                    continue
                engine = "class kernel (members)" if multipliers == "some" else "class kernel (logarithms)"
                measure = functools.partial(_kernel, p, name, multipliers, "table")
                yield Case(engine, "float64", f"p = {p}, {name}, a: {multipliers}", measure, p == 13)
    for p in (13, 61, 101):
        for multipliers in ("units", "all"):
            for name in ("sawtooth", "bit 0", "square", "threshold 0.3", "quantile bit 2", "1 − 2·bit 0"):
                measure = functools.partial(_kernel, p, name, multipliers, "dedekind")
                case = f"p = {p}, {name}, a: {multipliers}"
                yield Case("class kernel (Dedekind, below 2^63)", "float64", case, measure, p == 13)
    for p in LARGE:
        engine = f"class kernel (Dedekind, {'below' if p < 2**63 else 'above'} 2^63)"
        for name in ("sawtooth", "bit 0"):
            yield Case(engine, "float64", f"p = {p}, {name}", functools.partial(_large_kernel, p, name), p == LARGE[2])
    for k in (7, 60, 101, 2**31 - 1, 2**40, 2**52 - 47, 2**62 - 57, 2**63 - 25, 2**80, 2**255 - 19):
        engine = f"Dedekind sums, {'below' if k < 2**63 else 'above'} 2^63"
        yield Case(engine, "float64", f"k = {k}, 40 pairs (h, c)", functools.partial(_sums, k), k < 2**40)
    for p in (5, 13, 61, 101):
        for name in ("sawtooth", "bit 0", "triangle", "table", "table, 1 + 1e-6·Z", "table, 1e-60·Z"):
            measure = functools.partial(_spectra, p, name)
            yield Case("spectra", "float64", f"p = {p}, {name}", measure, p == 13)
    for name in circle.SUMS:
        if name != "1e8·sawtooth − 1e8·square":
            yield Case("inner products on [0, 1] (Bernoulli)", "float64", f"a, b: 1..9, {name}", _gram_of(name, 9))


def _kernel(p: int, name: str, multipliers: str, route: str) -> dict[str, float]:
    problem = modular(p, name, multipliers)
    got = problem.cls.kernel(np.arange(p), np.arange(p), route=route)
    return {"K": exact.error_of_all(got, exact.covariance(problem.values, problem.values))}


def sigma(h: int, k: int, c: int = 0) -> Fraction:
    """12·Σ_{j<k} ((j/k))·(((hj + c)/k)) by reciprocity (Knuth, TAOCP 2, 3.3.3, theorem D); h prime to k."""
    h, c, total, sign = h % k, c % k, Fraction(0), 1
    while h:
        e = 1 if c == 0 or c % h else 0
        law = Fraction(h, k) + Fraction(k, h) + Fraction(1, h * k) + Fraction(6 * c * c, h * k) - 6 * (c // h) - 3 * e
        total += sign * law
        sign, (h, k, c) = -sign, (k % h, h, c % h)
    return total


def plain_sigma(h: int, k: int, c: int) -> Fraction:
    """The same term by term."""
    terms = (exact.sawtooth(Fraction(j, k)) * exact.sawtooth(Fraction(h * j + c, k)) for j in range(k))
    return 12 * sum(terms, Fraction(0))


def _pairs(k: int, count: int) -> list[tuple[int, int]]:
    """H prime to k and c, spread over 0..k−1; c = 0 at every fourth."""
    found, i = [], 0
    while len(found) < count:
        i += 1
        h, c = (i * 0x9E3779B97F4A7C15F39CC0605CEDC834 * k // 2**128) % k, (i * i * 0xC2B2AE3D27D4EB4F * k // 2**64) % k
        if math.gcd(h, k) == 1:
            found.append((h, c if i % 4 else 0))
    return found


def _sums(k: int) -> dict[str, float]:
    pairs = _pairs(k, min(40, k))
    dtype = np.int64 if k < 2**63 else object
    h, c = (np.array(side, dtype=dtype) for side in zip(*pairs, strict=True))
    got = dedekind_sums(h, k, c)
    expected = [sigma(a, k, b) for a, b in pairs]
    if k <= 101:
        assert expected == [plain_sigma(a, k, b) for a, b in pairs]
    worst = max(exact.error(float(g), e, Fraction(1)) for g, e in zip(got, expected, strict=True))
    return {"σ": worst}


def _large_kernel(p: int, name: str) -> dict[str, float]:
    """Over the units: the sawtooth has K = σ(y/x, p)/(12(p − 1)), and the lowest bit is 2((t/2/p)) − ((t/p)) + 1/2."""
    points = [1, 2, 3, p - 1, p // 2, 3**20 % p, 7**90 % p, (p - 1) // 3]
    dtype = np.int64 if p < 2**63 else object
    target = targets.Sawtooth() if name == "sawtooth" else targets.Bit(0)
    at = np.array(points, dtype=dtype)
    got = barren.ModularMultiplication(p, target).kernel(at, at, route="dedekind")
    terms = [(1, 1)] if name == "sawtooth" else [(2, pow(2, -1, p)), (-1, 1)]
    entries = []
    for x in points:
        for y in points:
            ratio = y * pow(x, -1, p)
            total = sum(
                (a * b * sigma(ratio * n * pow(m, -1, p) % p, p) for a, m in terms for b, n in terms), Fraction(0)
            )
            entries.append(total / (12 * (p - 1)))
    n = len(points)
    return {"K": exact.error_of_all(got, exact.of_fractions(entries, (n, n)))}


def _transform(columns: list[list[Fraction]]) -> Numbers:
    """Σ_columns |Σ_i f(i)·e(−ik/n)|² for every k, from the definition."""
    n = len(columns[0])
    cosines = [exact.cosine(Fraction(i, n)) for i in range(n)]
    sines = [exact.cosine(Fraction(4 * i - n, 4 * n) % 1) for i in range(n)]
    energies = []
    for k in range(n):
        total = Fraction(0)
        for f in columns:
            real = sum((value * cosines[i * k % n] for i, value in enumerate(f)), Fraction(0))
            imaginary = sum((value * sines[i * k % n] for i, value in enumerate(f)), Fraction(0))
            total += real**2 + imaginary**2
        energies.append(total)
    return exact.of_fractions(energies, (n,))


def _spectra(p: int, name: str) -> dict[str, float]:
    """|P[χ]|² of ψ less the trivial character, of two columns over characters and frequencies, and their pairing."""
    problem = modular(p, name, "units")
    root = int(barren.classes.unit_group(p).root)  # the package's choice, which must be a primitive root
    powers = [pow(root, i, p) for i in range(p - 1)]
    assert len(set(powers)) == p - 1
    row = problem.members.index(1)
    psi = [Fraction(int(problem.values.top[row, t]), problem.values.bottom) for t in range(p)]
    target = _transform([[psi[t] for t in powers]])
    columns = [[Fraction(float(v)) for v in column] for column in problem.numbers.T]
    characters = _transform([[column[t] for t in powers] for column in columns])
    shares = [a * b / (p * (p - 1)) ** 2 for a, b in zip(target.fractions(), characters.fractions(), strict=True)]
    return {
        "|P|²": exact.error_of_all(barren.spectrum(problem.cls).energy[1:], target[1:]),
        "‖F‖²": exact.error_of_all(barren.spectra.character_spectrum(problem.numbers).energy, characters),
        "additive": exact.error_of_all(barren.spectra.additive_spectrum(problem.numbers).energy, _transform(columns)),
        "shares": exact.error_of_all(
            barren.spectra.variance_spectrum(problem.cls, problem.numbers).energy[1:],
            exact.of_fractions(shares[1:], (p - 2,)),
        ),
    }


def _gram_of(name: str, A: int) -> functools.partial[dict[str, float]]:
    return functools.partial(_gram, name, A)


def inner_products(name: str, A: int) -> Numbers:
    """∫₀¹ (ψ(ax) − c₀)(ψ(bx) − c₀) dx for a, b = 1..A, c₀ = ∫ψ."""
    one, mean = Fraction(1), circle.mean(name, Fraction(1), Fraction(1))
    entries = {}
    for a in range(1, A + 1):
        for b in range(a, A + 1):
            product = circle.mean_of_product(name, Fraction(a), name, Fraction(b), one) - mean**2
            entries[a, b] = entries[b, a] = product
    return exact.of_fractions((entries[a, b] for a in range(1, A + 1) for b in range(1, A + 1)), (A, A))


def _gram(name: str, A: int) -> dict[str, float]:
    got = gram(A, circle.target(name)).rows(0, A)
    return {"⟨h_a, h_b⟩": exact.error_of_all(got, inner_products(name, A))}
