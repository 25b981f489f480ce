from __future__ import annotations

import itertools

import numpy as np
import pytest

from barren import check
from barren.variance import direct


@pytest.fixture(scope="module")
def made() -> list[check.Comparison]:
    return check.run()


def test_every_engine_agrees(made: list[check.Comparison]) -> None:
    assert [comparison for comparison in made if not comparison.agrees] == []


def test_every_engine_meets_every_kind_of_case(made: list[check.Comparison]) -> None:
    assert {comparison.engine for comparison in made} == {
        "class",
        "bounds",
        "direct",
        "character",
        "kernel",
        "table",
        "walsh",
    }
    words = ["float32", "float64", "MLP", "attention", "per layer", "Var, ", "d(a), ", "threads", "all", "a set of"]
    for engine, word in itertools.product(("direct", "character", "kernel"), words):
        assert any(comparison.engine == engine and word in comparison.case for comparison in made), (engine, word)
    words = ["float32", "float64", "MLP", "attention", "cross-entropy", "|N − y|", "per layer", "d(a), ", "p = 27"]
    for word in words:
        assert any(comparison.engine == "table" and word in comparison.case for comparison in made), word
    for engine, word in itertools.product(("direct", "walsh", "kernel"), ("Parity(6),", "size=2", "float32", "Sample")):
        assert any(comparison.engine == engine and word in comparison.case for comparison in made), (engine, word)
    for engine in ("direct", "kernel"):
        assert any(comparison.engine == engine and "p = 45" in comparison.case for comparison in made)


def test_a_wrong_engine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = direct.responses
    monkeypatch.setattr(direct, "responses", lambda *args, **options: right(*args, **options) * (1 + 1e-9))
    wrong = next(comparison for comparison in check.comparisons() if not comparison.agrees)
    assert wrong.engine == "direct"
    assert wrong.error == pytest.approx(2e-9, rel=1e-3)


def test_without_torch_there_are_no_model_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "has_torch", lambda: False)
    cases = [comparison.case for comparison in check.comparisons()]
    assert cases
    assert not any("MLP" in case or "attention" in case for case in cases)


def test_nan_does_not_agree() -> None:
    assert not check.Comparison("direct", "nan", float("nan"), 1.0).agrees


def test_the_report_is_called_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [check.Comparison("direct", f"case {i}", 0.0, 1.0) for i in range(3)]
    monkeypatch.setattr(check, "comparisons", lambda: iter(lines))
    seen: list[check.Comparison] = []
    assert check.run(seen.append) == seen == lines


def test_summary_keeps_the_worst_and_every_disagreement() -> None:
    def line(case: str, error: float) -> check.Comparison:
        return check.Comparison("direct", case, error, 0.1)

    shown = check.worst([line("Var, a", 0.01), line("Var, b", 0.05), line("d(a), a", 0.0)])
    assert [(each.case, each.error) for each in shown] == [("Var, b (worst of 2)", 0.05), ("d(a), a", 0.0)]
    shown = check.worst([line("Var, a", 0.01), line("Var, b", 0.5), line("Var, c", float("nan"))])
    assert [each.case for each in shown] == ["Var, b", "Var, c"]


def test_error_of_another_shape_is_infinite() -> None:
    assert check._error(np.zeros(3), np.zeros(2)) == float("inf")
    assert check._error(np.zeros(3), np.zeros(3)) == 0.0
