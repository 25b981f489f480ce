from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import barren
from barren.sweeps import Grid, prices
from barren.sweeps.parts import identity, key_of


def test_a_grid_is_the_product_of_its_axes_last_fastest() -> None:
    grid = Grid({"kind": "bounds", "p": [5, 7], "target": ["bit:0", "sawtooth", "square"]})
    found = [(cell["p"], cell["target"]) for cell in grid]
    assert found == list(itertools.product([5, 7], ["bit:0", "sawtooth", "square"]))
    assert len(grid) == 6
    with pytest.raises(IndexError):
        grid.cell(6)


def test_zipped_axes_go_side_by_side_and_may_repeat_values() -> None:
    grid = Grid({"p": [5, 7], "zip": [{"target": ["bit:0", "sawtooth", "bit:0"], "loss": ["bce", "mse", "mse"]}]})
    found = [(cell["p"], cell["target"], cell["loss"]) for cell in grid]
    pairs = [("bit:0", "bce"), ("sawtooth", "mse"), ("bit:0", "mse")]
    assert found == [(p, *pair) for p in (5, 7) for pair in pairs]


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (7, [7]),
        (range(3, 6), [3, 4, 5]),
        (np.array([5, 9]), [5, 9]),
        ({"primes": [300, 320]}, [307, 311, 313, 317]),
        ({"primes": [300, 3000], "count": 4}, [307, 647, 1399, 2999]),
        ({"range": [3, 9], "step": 3}, [3, 6, 9]),
        ({"range": [10, 1000], "count": 3, "spacing": "log"}, [10, 100, 1000]),
        ({"range": [10, 20], "count": 3}, [10, 15, 20]),
    ],
)
def test_values_of_an_axis(given: Any, values: list[int]) -> None:
    assert [cell["p"] for cell in Grid({"kind": "bounds", "p": given})] == values


def test_a_cell_says_all_that_determines_it() -> None:
    (cell,) = Grid({"p": 11})
    assert cell == {
        "kind": "variance",
        "class": "modular",
        "p": 11,
        "target": "bit:0",
        "multipliers": "units",
        "inputs": "uniform",
        "encoding": "bits",
        "model": "mlp:1000x1000:sigmoid",
        "loss": "bce",
        "seed": 0,
        "method": "kernel",
        "dtype": "float32",
        "deviations": False,
    }
    (same,) = Grid({"seed": 0, "loss": "bce", "p": [11], "deviations": False})
    assert key_of(cell) == key_of(same) == json.dumps(cell, sort_keys=True, separators=(",", ":"))
    assert identity(key_of(cell)) == identity(key_of(same))


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ({"frequencies": 8}, {"target": "sawtooth", "encoding": "scalar", "loss": "mse", "inputs": "uniform"}),
        ({"parity": [6, "8:3:signed"]}, {"parity": "6", "encoding": "bits"}),
        ({"p": 11, "target": "residue", "loss": "cross-entropy"}, {"method": "table"}),
        ({"kind": "train", "p": 11, "member": [2, 3]}, {"steps": 1000, "lr": 0.001, "model": "mlp:100x100:relu"}),
        ({"kind": "train", "p": 11, "member": 2, "epochs": 3, "data": "sample:9"}, {"epochs": 3}),
    ],
)
def test_defaults_fit_the_class_and_the_kind(description: dict[str, Any], expected: dict[str, Any]) -> None:
    cell = Grid(description).cell(0)
    assert {name: cell[name] for name in expected} == expected
    assert "steps" not in cell or "epochs" not in cell


def test_a_file_is_data_with_the_same_content(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(
        'p = { primes = [5, 11] }\nseed = [0, 1]\ndeviations = true\n[[zip]]\ntarget = ["bit:0", "sawtooth"]\n'
        'loss = ["bce", "mse"]\n'
    )
    given = {"p": [5, 7, 11], "seed": [0, 1], "deviations": True}
    written = Grid({**given, "zip": [{"target": ["bit:0", "sawtooth"], "loss": ["bce", "mse"]}]})
    assert list(Grid.from_file(path)) == list(written)
    path.write_text(path.read_text().replace("\n", "\r\n"), encoding="utf-8-sig")  # as editors on Windows write it
    assert list(Grid.from_file(path)) == list(written)
    assert list(Grid(json.loads(json.dumps(written.description)))) == list(written)


@pytest.mark.parametrize(
    ("description", "kind", "message"),
    [
        ([], TypeError, "grid must be a mapping"),
        ({}, ValueError, "at least one cell; got no axis"),
        ({"p": 5, "targt": "bit:0"}, ValueError, r"no axis 'targt' \(did you mean 'target'\?\)"),
        ({"p": {"prime": [3, 9]}}, ValueError, r"axis p has no key 'prime' \(did you mean 'primes'\?\)"),
        ({"p": {"primes": [24, 28]}}, ValueError, "axis p must have at least one value"),
        ({"p": []}, ValueError, "axis p must have at least one value"),
        ({"p": {"count": 3}}, ValueError, "axis p must be a range of one kind"),
        ({"p": {"primes": [9, 3]}}, ValueError, "low <= high"),
        ({"p": {"primes": 9}}, TypeError, r"two integers \[low, high\]"),
        ({"p": {"range": [0, 9], "count": 3, "spacing": "log"}}, ValueError, "must start at 1 or more"),
        ({"p": {"primes": [3, 90], "count": 3, "spacing": "linear"}}, ValueError, "spaced by log"),
        ({"p": {"range": [3, 9], "spacing": "log"}}, ValueError, "spacing goes with count"),
        ({"p": "5"}, TypeError, "axis p must be an integer in 3.."),
        ({"p": 5.5}, TypeError, "axis p must be an integer"),
        ({"p": [5, "7"]}, TypeError, "axis p must be values of one kind; got int, str together"),
        ({"p": [[5]]}, TypeError, "axis p must be a list of plain values"),
        ({"p": True}, TypeError, "axis p must be an integer"),
        ({"p": 2}, ValueError, "axis p must be an integer in 3.."),
        ({"p": [5, 7, 5]}, ValueError, "axis p must have different values; got 5 twice"),
        ({"p": None}, TypeError, "axis p must be a value, a list of values, or a range"),
        ({"target": "bit:0"}, ValueError, "must name its class by one of p, frequencies, parity"),
        ({"p": 5, "parity": 4}, ValueError, "must name its class by one of"),
        ({"parity": 4, "target": "bit:0"}, ValueError, "axis target goes with modular or frequencies"),
        ({"p": 5, "lr": 0.1}, ValueError, "axis lr goes with kind train"),
        ({"kind": "bounds", "p": 5, "model": "linear"}, ValueError, "axis model goes with kind variance or train"),
        ({"kind": "varance", "p": 5}, ValueError, r"got 'varance' \(did you mean 'variance'\?\)"),
        ({"kind": 3, "p": 5}, TypeError, "kind must be one of"),
        ({"kind": "train", "p": 5}, ValueError, "must have the axis member"),
        ({"kind": "train", "p": 5, "member": 1, "steps": 1, "epochs": 1}, ValueError, "got both"),
        ({"p": 5, "target": "bitt:0"}, ValueError, r"axis target: .*did you mean 'bit'"),
        ({"p": 5, "inputs": "uniformm"}, ValueError, r"axis inputs: .*did you mean 'uniform'"),
        ({"p": 5, "encoding": 3}, TypeError, "axis encoding: encoding must be a text"),
        ({"p": 5, "model": "mlp:10:relo"}, ValueError, "axis model: model must be"),
        ({"p": 5, "model": "mine.make"}, ValueError, 'is written "package.module:function"'),
        ({"p": 5, "loss": "bec"}, ValueError, r"axis loss must be .*'bec' \(did you mean 'bce'\?\)"),
        ({"p": 5, "method": "kernal"}, ValueError, r"did you mean 'kernel'"),
        ({"p": 5, "deviations": 1}, TypeError, "axis deviations must be True or False"),
        ({"p": 5, "rtol": 0.0}, ValueError, "axis rtol must be a number above 0"),
        ({"p": 5, "zip": {"seed": [1]}}, TypeError, "zip must be a list of mappings"),
        ({"p": 5, "zip": [{"seed": [1, 2], "loss": ["bce"]}]}, ValueError, "seed has 2, loss has 1"),
        ({"p": 5, "zip": [{"seed": [1, 1], "loss": ["bce", "bce"]}]}, ValueError, "must have different settings"),
        ({"p": 5, "seed": 0, "zip": [{"seed": [1]}]}, ValueError, "axis seed must be named once"),
        ({"p": 5, "zip": [{}]}, ValueError, "got one without an axis"),
        ({"p": 5, "zip": [{"seed": [1], "kind": "train"}]}, ValueError, "kind must stand outside of zip"),
        ({"p": 5, 7: [1]}, TypeError, "names of axes to values; got the key 7"),
        ({"p": b"\x07"}, TypeError, "axis p must be a value, a list of values, or a range"),
        ({"p": {"primes": [3, 10**18]}}, ValueError, "axis p must have at most 10000000 values; got about 2.41e"),
        ({"p": {"range": [3, 10**12]}}, ValueError, "axis p must have at most 10000000 values; got about 1e"),
        ({"p": {"range": [3, 10**15], "count": 10**12}}, ValueError, "axis p must have at most 10000000 values"),
        ({"p": range(3, 10**12)}, ValueError, "axis p must have at most 10000000 values"),
        ({"p": range(3, 4000), "seed": range(4000)}, ValueError, "grid must have at most 10000000 cells; got 15988000"),
    ],
)
def test_mistakes_name_the_axis_what_was_expected_and_what_came(
    description: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        Grid(description)


def test_a_grid_does_not_change_with_what_made_it() -> None:
    given: dict[str, Any] = {"p": [5, 7], "zip": [{"seed": [0, 1], "loss": ["bce", "mse"]}]}
    grid = Grid(given)
    given["p"].append(11)
    grid.description["zip"][0]["seed"].append(2)
    assert grid.description == {"p": [5, 7], "zip": [{"seed": [0, 1], "loss": ["bce", "mse"]}]}


def test_a_file_that_is_no_grid(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="grid must be a file that can be read"):
        Grid.from_file(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("p = [5,")
    with pytest.raises(ValueError, match="grid must be a TOML file"):
        Grid.from_file(tmp_path / "bad.toml")


def test_numbers_are_equal_where_cells_agree() -> None:
    grid = Grid({"p": [5, 7], "zip": [{"seed": [0, 1, 0], "loss": ["bce", "mse", "mse"]}]})
    for names in (["p"], ["loss"], ["p", "seed"], ["seed", "loss"], []):
        numbers = grid.numbers(names).tolist()
        settings = [tuple(cell[name] for name in names) for cell in grid]
        for (one, first), (other, second) in itertools.combinations(zip(numbers, settings, strict=True), 2):
            assert (one == other) == (first == second)


def test_a_power_of_the_size_is_priced_from_three_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def plan(cls: barren.ModularMultiplication, *_: object, **__: object) -> SimpleNamespace:
        asked.append(cls.p)
        return SimpleNamespace(seconds=1e-6 * cls.p**2, memory=cls.p)

    monkeypatch.setattr(prices, "plan", plan)
    sizes = {"primes": [101, 4000], "count": 20}
    grid = Grid({"p": sizes, "seed": [0, 1], "model": "mlp:4", "target": ["bit:0", "sawtooth"]})
    found = prices.price(grid)
    assert found.seconds == pytest.approx([1e-6 * cell["p"] ** 2 for cell in grid], rel=1e-9)
    assert (found.priced, len(asked), len(set(asked))) == (6, 6, 3)
    assert found.memory == prices.BASE_BYTES + max(asked)


def test_prices_say_what_cannot_be_computed() -> None:
    found = prices.price(Grid({"p": [15, 21], "method": "character", "model": "mlp:4"}))
    assert any("needs an odd prime modulus" in text and "p = 15" in text for text in found.obstacles)
    assert (found.seconds > 0).all()


def test_prices_of_bounds_and_training() -> None:
    assert prices.price(Grid({"kind": "bounds", "p": [5, 101, 997]})).seconds.shape == (3,)
    longer = prices.price(
        Grid({"kind": "train", "p": 11, "member": [1, 2], "steps": [10, 10_000], "model": "mlp:4:relu"}),
        budget=600.0,  # both families are priced, however busy the machine is
    )
    short, long = longer.seconds.reshape(2, 2).mean(axis=0)
    assert long > 5 * short
