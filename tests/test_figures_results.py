"""Rows of the committed tables against their definitions, by sums over everything and without the package's engines.

The package gives the networks and what they see; h, G_a, covariances, spectra and singular values are written out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from figure_cases import rows_of

from barren import encodings, models
from barren.figures.base import Row, column, where

RESULTS = Path(__file__).parent.parent / "docs" / "results"


def sawtooth(t: np.ndarray, p: int) -> np.ndarray:
    """((t/p)) at the residues t."""
    return np.where(t == 0, 0.0, t / p - 0.5)


def modular(target: str, p: int) -> np.ndarray:
    """ψ(a·x mod p), a = 1..p−1 down and x = 0..p−1 across."""
    residues = np.outer(np.arange(1, p), np.arange(p)) % p
    return sawtooth(residues, p) if target == "sawtooth" else (residues % 2).astype(np.float64)


def ladder(h: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """λ, the Boas–Bellman value and the trivial bound of members h (members down, points across)."""
    centred = (h - h.mean(axis=0)) * np.sqrt(weights)
    gram = centred @ centred.T
    norms = np.diag(gram)
    rest = float(np.sum((gram - np.diag(norms)) ** 2))
    values = {
        "sharp": float(np.linalg.eigvalsh(gram)[-1]),
        "boas-bellman": float(norms.max()) + rest**0.5,
        "trivial": float(norms.sum()),
    }
    return {name: value / len(h) for name, value in values.items()}


def gradient(model: torch.nn.Module, value: torch.Tensor) -> np.ndarray:
    """∇_w of a number by one backward pass, flat in float64."""
    found = torch.autograd.grad(value, list(model.parameters()))
    return torch.cat([part.reshape(-1) for part in found]).double().numpy()


def variance(model: torch.nn.Module, shown: np.ndarray, h: np.ndarray, weights: np.ndarray) -> float:
    """Var for the loss ½(N − h)²: a backward pass a member."""
    points, mass = torch.from_numpy(shown), torch.from_numpy(weights)
    losses = (0.5 * torch.sum((model(points).squeeze(-1) - torch.from_numpy(labels)) ** 2 * mass) for labels in h)
    found = np.array([gradient(model, loss) for loss in losses])
    return float(np.mean(np.sum((found - found.mean(axis=0)) ** 2, axis=1)))


def jacobian(model: torch.nn.Module, shown: np.ndarray) -> Iterator[np.ndarray]:
    """J(x) of every point: a backward pass each."""
    return (gradient(model, model(torch.from_numpy(point[None])).squeeze()) for point in shown)


def mean_squared_norm(model: torch.nn.Module, shown: np.ndarray, weights: np.ndarray) -> float:
    """B² = E‖J‖²."""
    return float(np.dot(weights, [np.sum(row**2) for row in jacobian(model, shown)]))


@pytest.mark.parametrize("target", ["bit:0", "sawtooth"])
def test_bound_ladder_modular_bounds(target: str) -> None:
    rows = where(rows_of(RESULTS, "bound-ladder"), half="modular", target=target)
    sizes = sorted({row["size"] for row in rows if row["size"] < 300})
    assert len(sizes) > 8
    for p in sizes:
        psi = modular(target, p)[0]
        variation = float(np.abs(np.diff(np.append(psi, psi[0]))).sum())
        harmonic = float(sum(Fraction(1, k) for k in range(1, (p - 1) // 2 + 1)))
        expected = ladder(modular(target, p), np.full(p, 1 / p))
        expected |= {"bounded-variation": variation**2 * harmonic**2 / (4 * (p - 1)), "published-rate": p**-0.5}
        for name, value in expected.items():
            (row,) = where(rows, series=name, size=p)
            assert row["value"] == pytest.approx(value, rel=1e-10), (name, p)


def test_bound_ladder_frequency_bounds() -> None:
    """Inner products of sawtooths on [0, 1]: lines between the multiples of 1/840, so two nodes each are exact."""
    rows = where(rows_of(RESULTS, "bound-ladder"), half="frequency")
    cells, nodes = 840, np.array([-1.0, 1.0]) / 3**0.5
    x = ((np.arange(cells)[:, None] + 0.5 + 0.5 * nodes) / cells).ravel()
    for A in (2, 4, 8):
        a = np.arange(1, A + 1)
        gcds = np.gcd.outer(a, a) ** 2 / np.outer(a, a)
        expected = ladder(np.outer(a, x) % 1.0 - 0.5, np.full(2 * cells, 0.5 / cells))
        # The variation of a sawtooth is 2: one of the line and one of the jump.
        expected |= {"bounded-variation": 4 / 12 * float(np.linalg.eigvalsh(gcds)[-1]) / A, "published-rate": A**-0.5}
        for name, value in expected.items():
            (row,) = where(rows, series=name, size=A)
            assert row["value"] == pytest.approx(value, rel=1e-10), (name, A)


@pytest.mark.parametrize(("target", "series"), [("bit:0", "sigmoid"), ("sawtooth", "relu")])
def test_bound_ladder_measured_modular(target: str, series: str) -> None:
    (row,) = where(rows_of(RESULTS, "bound-ladder"), half="modular", target=target, series=series, size=11, seed=1)
    model = models.from_spec(f"mlp:1000x1000:{series}", 12, 1).double()
    shown, weights = encodings.Bits(12)(np.arange(11), 11).astype(np.float64), np.full(11, 1 / 11)
    found = variance(model, shown, modular(target, 11), weights) / mean_squared_norm(model, shown, weights)
    assert row["value"] == pytest.approx(found, rel=1e-5)


def test_bound_ladder_never_exceeds_the_sharp_bound() -> None:
    rows = rows_of(RESULTS, "bound-ladder")
    sharp = {(row["half"], row["target"], row["size"]): row["value"] for row in where(rows, series="sharp")}
    measured = [row for row in rows if row["seed"] is not None]
    assert len(measured) == 380
    for row in measured:
        assert 0.0 < row["value"] <= sharp[row["half"], row["target"], row["size"]]


def characters(values: np.ndarray) -> np.ndarray:
    """Σ_columns |Σ_i f(g^i)·e(−ik/(p−1))|² for k = 1..p−2, f of shape (p, d), by the matrix of all roots of unity."""
    p = len(values)
    g = sympy.primitive_root(p)
    return energies(values[[pow(g, i, p) for i in range(p - 1)]])


def energies(values: np.ndarray) -> np.ndarray:
    """Σ_columns |Σ_t f(t)·e(−kt/n)|² for k = 1..n−1, f of shape (n, d)."""
    n = len(values)
    roots = np.exp(-2j * np.pi * (np.outer(np.arange(1, n), np.arange(n)) % n) / n)
    # By products of rows: Σ_columns |e·f|² = e·(f·fᵀ)·ē.
    return np.sum((roots @ (values @ values.T)) * roots.conj(), axis=1).real


def pairs(energy: np.ndarray) -> np.ndarray:
    """Shares of the indices k and n − k together, where they differ, in increasing order."""
    both = energy + energy[::-1]
    half = len(energy) // 2
    middle = [energy[half]] if len(energy) % 2 else []
    return np.sort(np.concatenate([both[:half], middle])) / energy.sum()


def gini(energy: np.ndarray) -> float:
    """The mean absolute difference of two of them over twice the mean."""
    return float(np.mean(np.abs(np.subtract.outer(energy, energy))) / (2 * energy.mean()))


@pytest.mark.parametrize("source", ["target", "bits", "angular"])
def test_character_spectrum(source: str) -> None:
    rows: list[Row] = where(rows_of(RESULTS, "character-spectrum"), source=source)
    p = 2 * max(row["index"] for row in rows) + 1
    target = sawtooth(np.arange(p), p)[:, None]
    values = target if source == "target" else _jacobian(source, p)
    found = {"characters": characters(values), "frequencies": energies(values)}
    for kind, energy in found.items():
        part = where(rows, kind=kind)
        assert np.sort(column(part, "share")) == pytest.approx(pairs(energy), rel=1e-9, abs=1e-13)
        assert part[0]["gini"] == pytest.approx(gini(energy), rel=1e-9)
    if source != "target":
        carried = pairs(characters(target) * found["characters"])
        shares = column(where(rows, kind="characters"), "share_of_variance")
        assert np.sort(shares) == pytest.approx(carried, rel=1e-9, abs=1e-13)


def _jacobian(source: str, p: int) -> np.ndarray:
    encoding: Any = {"bits": encodings.Bits(), "angular": encodings.Angular()}[source]
    shown = encoding(np.arange(p), p).astype(np.float64)
    model = models.from_spec("mlp:200x200:relu", shown.shape[1], 0).double()
    return np.array(list(jacobian(model, shown)))


def test_log_covariance() -> None:
    rows = [row for row in rows_of(RESULTS, "log-covariance") if row["p"] < 200]
    assert len(rows) == 45
    for row in rows:
        p, x = row["p"], np.arange(1, row["p"])
        covariances = (np.outer(x, x) % p - p / 2) @ (x - p / 2) / (p - 1)
        assert row["mean_squared_covariance"] == pytest.approx(np.mean(covariances**2), rel=1e-11)
        if p > 3:
            beyond = np.mean(covariances[1:-1] ** 2)
            assert row["mean_squared_beyond_sign"] == pytest.approx(beyond, rel=1e-11, abs=1e-11 * p**3)


def test_spectral_norm() -> None:
    rows = [row for row in rows_of(RESULTS, "spectral-norm") if row["p"] < 200]
    assert len(rows) == 45
    for row in rows:
        x = np.arange(1, row["p"])
        singular = np.linalg.svd((-1.0) ** (np.outer(x, x) % row["p"]), compute_uv=False)
        assert row["norm"] == pytest.approx(singular[0], rel=1e-11)
        assert row["root_mean_square"] == pytest.approx(np.sqrt(np.sum(singular**2) / (row["p"] - 2)), rel=1e-11)


def test_variance_vs_modulus_bounds() -> None:
    rows = rows_of(RESULTS, "variance-vs-modulus")
    for p in sorted({row["p"] for row in rows if row["p"] < 800})[::20]:
        part = where(rows, p=p)
        expected = ladder(modular("bit:0", p), np.full(p, 1 / p))["sharp"]
        for row in part:
            assert row["sharp_bound"] == pytest.approx(expected, rel=1e-10)
            assert row["bound"] == pytest.approx(expected * row["mean_squared_norm"], rel=1e-10)
    for row in rows:
        assert 0.0 < row["variance"] <= row["bound"]
        assert row["normalised"] == pytest.approx(row["variance"] / row["mean_squared_norm"], rel=1e-12)
        by_probability = row["variance"] / row["mean_squared_norm_of_probability"]
        assert row["normalised_by_probability"] == pytest.approx(by_probability, rel=1e-12)
        assert by_probability >= 16 * row["normalised"]


# The functions of the figure on the circle, by their values on [0, 1).
CIRCLE = {
    "cosine": lambda t: np.cos(2 * np.pi * t),
    "sawtooth": lambda t: np.where(t == 0.0, 0.0, t - 0.5),
    "square": lambda t: np.where((t == 0.0) | (t == 0.5), 0.0, np.where(t < 0.5, 1.0, -1.0)),
    "triangle": lambda t: 1.0 - 4.0 * np.minimum(t, 1.0 - t),
}


def line_members(target: str, A: int, law: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ψ(a·x), a = 1..A down and the points across, the points and their weights."""
    if law == "grid":
        x, weights = np.arange(2053) / 2053, np.full(2053, 1 / 2053)
        fractions = np.outer(np.arange(1, A + 1), np.arange(2053)) % 2053 / 2053
    else:
        nodes, masses = np.polynomial.legendre.leggauss(256)
        x, weights = 0.5 + 0.5 * nodes, 0.5 * masses
        if law == "gaussian":
            x = 1.5 * nodes
            weights = masses * np.exp(-8 * x**2)
            weights /= weights.sum()
        fractions = np.outer(np.arange(1, A + 1), x) % 1.0
    return CIRCLE[target](fractions), x, weights


@pytest.mark.parametrize("law", ["uniform", "gaussian", "grid"])
@pytest.mark.parametrize("target", CIRCLE)
def test_variance_vs_frequency_bounds(target: str, law: str) -> None:
    for A in (2, 4, 8):
        rows = where(rows_of(RESULTS, "variance-vs-frequency"), law=law, target=target, A=A)
        assert len(rows) == 3
        h, _, weights = line_members(target, A, law)
        for row in rows:
            assert row["sharp"] == pytest.approx(ladder(h, weights)["sharp"], rel=1e-9)


@pytest.mark.parametrize(("target", "law"), [("cosine", "uniform"), ("square", "gaussian"), ("sawtooth", "grid")])
def test_variance_vs_frequency_measured(target: str, law: str) -> None:
    (row,) = where(rows_of(RESULTS, "variance-vs-frequency"), law=law, target=target, A=4, seed=1)
    h, x, weights = line_members(target, 4, law)
    model = models.from_spec("mlp:200x200:relu", 1, 1).double()
    found = variance(model, x[:, None], h, weights) / mean_squared_norm(model, x[:, None], weights)
    assert row["value"] == pytest.approx(found, rel=1e-8)


def test_variance_vs_frequency_never_exceeds_the_sharp_bound() -> None:
    rows = rows_of(RESULTS, "variance-vs-frequency")
    assert len(rows) == 288
    for row in rows:
        assert 0.0 < row["value"] <= row["sharp"]
