"""The accuracy ledger: its exact side against plain sums, its quick cases against what is asked, and the docs."""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import make_ledger
from ledger import circle, eigen, exact, other_cases, parity_cases, real_line
from ledger.modular import modular

import barren
from barren import reference, targets
from barren.variance import frequency, parity
from barren.variance.plan import EXACT, METHODS, NAMES


@pytest.mark.parametrize("part", make_ledger.PARTS, ids=lambda part: part.__name__)
def test_quick_cases_keep_what_is_asked(part):
    cases = [case for case in part.cases() if case.quick]
    assert cases
    _, failed = make_ledger.measured(iter(cases))
    assert not failed, "\n".join(failed)


def test_the_docs_are_what_the_results_say():
    assert make_ledger.stale() == []


# Methods that no exact value is compared with, and why.
ESTIMATES = {
    "probes": "an estimate: its interval is tested in test_probes.py",
    "sample": "an estimate from drawn frequencies: its interval is tested in test_variance_sample.py",
}
# How engines of the ledger are named: family -> the methods of the package, and what stands before a method's name.
FAMILIES = {
    "modular": (METHODS, ""),
    "on a grid": ({name: method for name, method in METHODS.items() if name != "table"}, "on a grid, "),
    "real line": (frequency.METHODS, "frequencies, "),
    "parities": (parity.METHODS, "parity, "),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_is_an_engine_of_the_ledger(family):
    """In the committed cases and in the committed results; or it is an estimate."""
    methods, before = FAMILIES[family]
    measured = {row["engine"] for row in json.loads(make_ledger.RESULTS.read_text())["rows"]}
    for engines in ({case.engine for case in make_ledger.every_case()}, measured):
        for method in methods.keys() - ESTIMATES.keys():
            named = re.compile(rf"{re.escape(before + method)}(?:$|,| \()")
            assert any(named.match(engine) for engine in engines), method
    assert not any(name in EXACT for name in ESTIMATES)
    assert methods.keys() <= {*EXACT, *ESTIMATES}


def test_every_method_that_can_be_asked_for_is_of_a_family():
    assert {*NAMES} == {name for methods, _ in FAMILIES.values() for name in methods}


def test_the_fingerprint_is_of_what_makes_the_cases(tmp_path, monkeypatch):
    """A builder that is changed is other cases under the same names; a comment or a docstring is not."""
    before = make_ledger.fingerprint()
    folder = tmp_path / "scripts" / "ledger"
    shutil.copytree(make_ledger.ROOT / "scripts" / "ledger", folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(make_ledger, "ROOT", tmp_path)
    assert make_ledger.fingerprint() == before
    path = folder / "modular.py"
    text = path.read_text()
    path.write_text(text.replace('    """One problem: numbers', '    # a comment\n\n    """A problem: numbers'))
    assert path.read_text() != text
    assert make_ledger.fingerprint() == before
    path.write_text(text.replace("1e-60", "1e-61"))
    assert path.read_text() != text
    assert make_ledger.fingerprint() != before


def test_a_case_that_is_wrong_fails():
    """The comparison is not one that everything passes."""
    problem = modular(13, "sawtooth", "units")
    v = barren.gradient_variance(problem.cls, jacobian=problem.numbers * (1.0 + 1e-11), method="direct")
    assert exact.error(float(v), problem.pairing.variance) == pytest.approx(2e-11, rel=1e-2)
    assert exact.error(math.nan, Fraction(1)) == math.inf
    assert exact.error(1.0, Fraction(0)) == math.inf
    assert exact.error(0.0, Fraction(0)) == 0.0
    assert exact.error_of_all([1.0, 2.0], exact.of_fractions([Fraction(1)], (1,))) == math.inf


@pytest.mark.parametrize("arguments", [(13, "sawtooth", "units"), (15, "bit 0", "all"), (16, "cosine 2", "some")])
@pytest.mark.parametrize("law", ["uniform", "uniform without 0", "3 random bits", "sample"])
def test_exact_variances_are_those_of_the_reference(arguments, law):
    problem = modular(*arguments, law)
    expected = reference.from_jacobian(problem.cls, problem.numbers, problem.law_of_x)
    assert float(problem.pairing.variance) == pytest.approx(expected.variance, rel=1e-12)
    assert exact.error_of_all(expected.deviations, problem.pairing.deviations) < 1e-12
    assert float(problem.form.variance) == pytest.approx(expected.variance, rel=1e-12)


@pytest.mark.parametrize("target", [*circle.SUMS])
def test_exact_waves_are_those_of_the_reference(target):
    problem = real_line.real("integers", 12, target, "scattered")
    expected = reference.values(problem.cls, problem.cls.members, problem.law_of_x.points())
    found = np.array([float(value) for value in problem.values.fractions()])
    np.testing.assert_allclose(found, expected.ravel(), rtol=0.0, atol=1e-15 * np.abs(expected).max())


def test_integrals_over_an_interval_are_limits_of_sums():
    """Against the midpoint rule, whose error is that of the steps."""
    x, y, end, steps = Fraction(3, 7), Fraction(-5, 11), Fraction(5), 4000
    for name in ("sawtooth", "triangle", "cosine 1 + cosine 3/2", "sawtooth − 2·cosine 1"):
        nodes = [(2 * i + 1) * end / (2 * steps) for i in range(steps)]
        at_x, at_y = ([float(circle.value(name, a * at % 1)) for a in nodes] for at in (x, y))
        assert float(circle.mean(name, x, end)) == pytest.approx(np.mean(at_x), abs=2e-3)
        product = np.mean(np.multiply(at_x, at_y))
        assert float(circle.mean_of_product(name, x, name, y, end)) == pytest.approx(product, abs=4e-3)


def test_reciprocity_is_the_definition():
    for k in (1, 2, 7, 12, 31):
        for h in range(k):
            if math.gcd(h, k) == 1:
                assert all(other_cases.sigma(h, k, c) == other_cases.plain_sigma(h, k, c) for c in range(k))


def test_eigenvalues_of_both_kinds():
    problem = parity_cases.parity(4, 2, True, "sample", "Z + 1")
    weights = exact.of_fractions([Fraction(1, 8)] * 8, (8,))
    values = np.array([float(v) for v in problem.values.fractions()]).reshape(problem.values.top.shape)
    centred = values - values.mean(axis=0)
    expected = np.linalg.eigvalsh(centred.T @ centred / (8 * len(values)))[-1]
    assert float(eigen.of_class(problem.values, weights)) == pytest.approx(expected, rel=1e-12)
    gcd = np.gcd.outer(np.arange(1, 71), np.arange(1, 71)) ** 2 / np.outer(np.arange(1, 71), np.arange(1, 71))
    for A in (10, 70):
        assert float(eigen.gcd_radius(A)) == pytest.approx(np.linalg.eigvalsh(gcd[:A, :A])[-1], rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("multipliers", ["units", "all", [1, 2, 4]])
@pytest.mark.parametrize(
    ("method", "p"), [("direct", 13), ("direct", 15), ("kernel", 13), ("kernel", 15), ("character", 13)]
)
@pytest.mark.filterwarnings("ignore:.*the tail is heavy")
def test_constants_that_no_member_sees_cost_no_digits(method, p, multipliers, dtype):
    """J = 1 + ε·Z against Z alone, for every class whose members see the same of a constant."""
    spread = {"float32": 2.0**-12, "float64": 2.0**-36}[dtype]
    rest = np.random.default_rng(0).integers(-8, 9, (p, 3)) * spread
    cls = barren.ModularMultiplication(p, targets.Sawtooth(), multipliers)
    found = barren.gradient_variance(cls, jacobian=(1.0 + rest).astype(dtype), method=method)
    expected = reference.from_jacobian(cls, rest)
    assert float(found) == pytest.approx(expected.variance, rel={"float32": 1e-5, "float64": 1e-12}[dtype])


@pytest.mark.parametrize("scale", [1e-30, 1e-25, 1e25])
@pytest.mark.parametrize("method", ["direct", "kernel", "character"])
def test_single_precision_neither_underflows_nor_overflows(method, scale):
    cls = barren.ModularMultiplication(13)
    jacobian = np.random.default_rng(0).standard_normal((13, 3)).astype(np.float32)
    one = barren.gradient_variance(cls, jacobian=jacobian, method=method)
    scaled = (jacobian * np.float32(scale)).astype(np.float32)
    other = barren.gradient_variance(cls, jacobian=scaled, method=method)
    assert float(other) / scale**2 == pytest.approx(float(one), rel=1e-5)


def test_tiny_kernels_are_refused():
    with pytest.raises(ValueError, match="ntk must have entries whose products are float64"):
        barren.gradient_variance(barren.ModularMultiplication(13), ntk=1e-305 * np.eye(13))


def test_tiny_targets_are_warned_of():
    cls = barren.ModularMultiplication(13, 1e-120 * targets.Sawtooth())
    with pytest.warns(UserWarning, match="gradients times ψ are so small"):
        barren.gradient_variance(cls, jacobian=1e-60 * np.random.default_rng(0).standard_normal((13, 3)))


def test_tiny_gradients_of_models_are_warned_of():
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1e-200)
    cls = barren.ModularMultiplication(13)
    encoding = _tiny
    with pytest.warns(UserWarning, match="the gradients are so small"):
        barren.gradient_variance(cls, _Scaled(torch, model), encoding=encoding, method="character")


def _tiny(x, p):
    return np.stack([(x >> j & 1) for j in range(4)], axis=1).astype(np.float64)


def _Scaled(torch, model):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return 1e-200 * self.model(x)

    return Scaled()
