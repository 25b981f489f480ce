"""Rows of a store for the tests of the report: the columns that a kind fills, with numbers that are easy to foresee."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import numpy as np

from barren.sweeps.parts import row_of
from barren.sweeps.schema import Row

EVIL = """<script>window.broken = 1</script><img src="http://x.invalid/a" onerror="window.broken = 2">'"&]]>-->"""
_MADE = {
    "barren_version": "0.1.0",
    "commit": "0" * 40,
    "python_version": "3.11",
    "numpy_version": "2.4",
    "scipy_version": "1.17",
    "torch_version": "2.13",
    "fft": "ducc0",
    "cpu": "a processor",
    "instruction_set": "avx2",
    "platform": "Linux x86_64",
    "threads": 1,
    "seconds": 0.25,
    "peak_memory": 200_000_000,
    "points_sha256": "1" * 64,
}
_MODEL = {"encoding": "bits:12", "model": "mlp:8:relu", "loss": "bce", "dtype": "float32"}


def variance_row(p: int, seed: int, value: float, *, axes: dict[str, Any] | None = None, **columns: Any) -> Row:
    """Var = value, B² = 2, λ = 1/p, two layers of a quarter and three quarters."""
    cell = {"kind": "variance", "class": "modular", "p": p, "seed": seed, "target": "bit:0", "inputs": "uniform"}
    cell |= {**_MODEL, "method": "kernel", "multipliers": "units", "deviations": True, **(axes or {})}
    found = {
        "status": "done",
        "value": value,
        "standard_error": 0.0,
        "method_used": "kernel",
        "mean_squared_norm": 2.0,
        "normalised": value / 2.0,
        "mean_squared_norm_of_probability": 0.5,
        "normalised_by_probability": 2.0 * value,
        "sharp_bound": 1.0 / p,
        "bound": 2.0 / p,
        "layer_names": ["first", "last"],
        "layer_variances": [0.25 * value, 0.75 * value],
        "easiest": [1, p - 1],
        "easiest_shares": [0.2, 0.1],
        "weights_sha256": f"{seed:064d}",
    }
    return row_of({k: v for k, v in cell.items() if v is not None}, **{**_MADE, **found, **columns})


def bounds_row(p: int, target: str = "bit:0") -> Row:
    cell = {"kind": "bounds", "class": "modular", "p": p, "target": target, "inputs": "uniform", "multipliers": "units"}
    names, values = ["sharp", "trivial", "published-rate"], [1.0 / p, 0.25, p**-0.5]
    found = {"value": 1.0 / p, "standard_error": 0.0, "sharp_bound": 1.0 / p}
    return row_of(cell, status="done", **_MADE, **found, bound_names=names, bound_values=values)


def train_row(p: int, member: int, seed: int, accuracy: float | None, phase: str, **columns: Any) -> Row:
    cell = {"kind": "train", "class": "modular", "p": p, "member": member, "seed": seed, "target": "bit:0"}
    cell |= {**_MODEL, "inputs": "uniform", "optimizer": "adam", "lr": 1e-3, "steps": 300, "batch_size": 100}
    found = {
        "status": "done",
        "value": accuracy,
        "test_accuracy": accuracy,
        "learned": bool(accuracy is not None and accuracy > 0.55),
        "phase": phase,
        "end": "steps",
        "steps_made": 300,
        "steps_to_test": 120 if phase == "generalises" else None,
        "metrics": json.dumps({"test_size": 1000}),
    }
    return row_of({**cell, "data": "population"}, **{**_MADE, **found, **columns})


def failed_row(p: int, error: str, **axes: Any) -> Row:
    cell = {"kind": "variance", "class": "modular", "p": p, "seed": 0, "target": "bit:0", **_MODEL, **axes}
    return row_of(cell, status="failed", error=error, **_MADE)


def mixed_store(primes: Sequence[int] = (101, 211, 401, 809, 1601), seeds: int = 3) -> list[Row]:
    """Every kind, several targets and models, failures."""
    rng = np.random.default_rng(0)
    rows = []
    for p in primes:
        for seed in range(seeds):
            for target, slope in (("bit:0", -1.0), ("sawtooth", -1.2)):
                for k, model in enumerate(("mlp:8:relu", "mlp:64x64:sigmoid")):
                    value = 0.1 ** (k + 1) * p**slope * math.exp(0.2 * rng.normal())
                    rows.append(variance_row(p, seed, value, axes={"target": target, "model": model}))
        rows += [bounds_row(p, target) for target in ("bit:0", "sawtooth")]
    for p, ending in zip((13, 31, 61), ("generalises", "memorises", "fails"), strict=True):
        for member in (1, 2, 3):
            for seed in range(2):
                accuracy = {"generalises": 1.0, "memorises": 0.7, "fails": 0.5}[ending] - 0.01 * seed * member
                rows.append(train_row(p, member, seed, accuracy, ending))
    rows.append(train_row(61, 4, 0, math.nan, "diverged", learned=False))
    return [*rows, *(failed_row(p, f"ValueError: p must be less; got {p}") for p in primes), failed_row(7, EVIL)]


class Tags(HTMLParser):
    """The elements of a page: checks that each is closed, and keeps (name, attributes) of all."""

    VOID = ("meta", "link", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


class Tables(HTMLParser):
    """The tables of a page by the beginning of their caption: headings, and rows of (text, sort key)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[dict[str, Any]] = []
        self._part: str | None = None
        self.feed(page)

    def __getitem__(self, caption: str) -> list[dict[str, tuple[str, str | None]]]:
        [found] = [table for table in self.tables if table["caption"].startswith(caption)]
        return [dict(zip(found["th"], row, strict=True)) for row in found["rows"] if row]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append({"caption": "", "th": [], "rows": []})
        elif tag == "tr":
            self.tables[-1]["rows"].append([])
        elif tag in ("caption", "th", "td"):
            self._part, self._key, self._text = tag, dict(attrs).get("data-sort"), ""

    def handle_data(self, data: str) -> None:
        if self._part:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag != self._part:
            return
        table = self.tables[-1]
        if tag == "caption":
            table["caption"] = self._text
        elif tag == "th":
            table["th"].append(self._text)
        else:
            table["rows"][-1].append((self._text, self._key))
        self._part = None
