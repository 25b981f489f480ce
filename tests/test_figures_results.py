"""Rows of the committed tables against their definitions, by sums over everything and without the package's engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from figure_cases import rows_of

RESULTS = Path(__file__).parent.parent / "docs" / "results"


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
