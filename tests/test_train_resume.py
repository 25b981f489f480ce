"""Ensembles that save themselves: killed and resumed to the same rows; folders of others, and damaged ones, refused."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from train_helpers import StopError, Stopping

import barren
from barren import targets

CLS = barren.ModularMultiplication(31, target=targets.Bit(0))
SETTINGS = {
    "members": [1, 3, 5], "seeds": 3, "steps": 70, "batch_size": 20, "records": 8, "data": "population:100",
    "lr": 0.01, "stop_accuracy": 0.95,
}  # fmt: skip

# A process that imports once and forks children, each of which trains and is killed, or goes to the end.
KILLER = """
import json, os, random, signal, sys, time
import barren
from barren import targets

cls = barren.ModularMultiplication(31, target=targets.Bit(0))
settings, folder, moments = json.loads(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])

def child(seconds, name, **more):
    pid = os.fork()
    if pid == 0:
        rows = barren.train(cls, "mlp:30x30:relu", threads=1, save_every=0.0, **settings, **more).rows
        with open(name, "w") as file:
            json.dump(rows, file)
        os._exit(0)
    if seconds is None:
        os.waitpid(pid, 0)
        return
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

barren.train(cls, "mlp:8:relu", steps=1, threads=1)  # imports what training needs, once for all children
start = time.monotonic()
child(None, f"{folder}/undisturbed.json")
whole = time.monotonic() - start
for number, share in enumerate(moments):
    save = f"{folder}/save-{number}"
    child(share * whole, f"{folder}/killed-{number}.json", save=save)
    child(0.3 * share * whole, f"{folder}/killed-{number}.json", save=save)  # and once more, soon
    child(None, f"{folder}/resumed-{number}.json", save=save)
"""


def test_killed_at_ten_random_moments_and_resumed_to_the_same_rows(tmp_path: Path) -> None:
    drawn = random.Random(7)
    moments = [drawn.random() for _ in range(10)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [json.dumps(SETTINGS), str(tmp_path), json.dumps(moments)]
    subprocess.run([sys.executable, "-c", KILLER, *arguments], check=True, env=environment, timeout=600)
    undisturbed = json.loads((tmp_path / "undisturbed.json").read_text())
    assert {row["end"] for row in undisturbed} == {"accurate", "all steps"}
    saved = [len(list(folder.glob("group-*.npz"))) for folder in sorted(tmp_path.glob("save-*"))]
    assert saved == [2] * 10
    for number in range(10):
        assert json.loads((tmp_path / f"resumed-{number}.json").read_text()) == undisturbed


def test_some_kills_came_after_a_saving(tmp_path: Path) -> None:
    """What is read is what training goes on from: a state in the middle, put back, gives the same rows."""
    whole = barren.train(CLS, "mlp:30x30:relu", **SETTINGS)
    steps = {**SETTINGS, "save_every": 0.0, "save": tmp_path}

    with pytest.raises(StopError):
        barren.train(CLS, "mlp:30x30:relu", threads=1, progress=Stopping(), **steps)
    assert list(tmp_path.glob("group-*.npz"))
    assert barren.train(CLS, "mlp:30x30:relu", **steps).rows == whole.rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    barren.train(CLS, "mlp:8:relu", steps=3, save=tmp_path)
    return tmp_path


OTHERS = {
    "steps": ({"steps": 4}, "steps is 3 there and 4 here"),
    "lr": ({"lr": 0.1}, r"lr is \[0.001\] there and \[0.1\] here"),
    "members": ({"members": [7]}, "members is"),
    "seeds": ({"seeds": [4]}, "seeds is"),
    "optimizer": ({"optimizer": "sgd"}, 'optimizer is "adam" there and "sgd" here'),
    "option": ({"optimizer_options": {"eps": 1e-6}}, "optimizer_options is"),
    "batch": ({"batch_size": 50}, "batch_size is 100 there and 50 here"),
    "data": ({"data": "population:70"}, "data is"),
    "dtype": ({"dtype": "float64"}, 'dtype is "float32" there'),
    "loss": ({"loss": "mse"}, 'loss is "bce" there'),
    "encoding": ({"encoding": barren.encodings.Digits(10, 5)}, "features is"),
    "inputs": ({"inputs": barren.inputs.Uniform(zero=False)}, "test_points is"),
    "weights": ({"model": "mlp:8:tanh"}, "model is"),
}


@pytest.mark.parametrize("case", list(OTHERS))
def test_a_folder_of_another_ensemble_is_refused_and_the_difference_named(case: str, folder: Path) -> None:
    changed, message = OTHERS[case]
    settings = {"model": "mlp:8:relu", "steps": 3, **changed}
    model = settings.pop("model")
    with pytest.raises(ValueError, match=message):
        barren.train(CLS, model, save=folder, **settings)


def test_another_class_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="classes is"):
        barren.train(barren.ModularMultiplication(29, target=targets.Bit(0)), "mlp:8:relu", steps=3, save=folder)


@pytest.mark.parametrize("name", ["group-000.npz", "ensemble.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_cut_short_is_named(name: str, share: float, folder: Path) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=rf"damaged {name} \(cut short"):
        barren.train(CLS, "mlp:8:relu", steps=3, save=folder)


@pytest.mark.parametrize(("field", "value"), [(8, 1), (10, 99)], ids=["password", "compression"])
def test_a_file_with_changed_bytes_is_named(field: int, value: int, folder: Path) -> None:
    """zipfile has errors of other kinds for those."""
    file = folder / "group-000.npz"
    data = bytearray(file.read_bytes())
    entry = data.find(b"PK\x01\x02")
    while entry >= 0:
        data[entry + field] = value
        entry = data.find(b"PK\x01\x02", entry + 4)
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"damaged group-000.npz"):
        barren.train(CLS, "mlp:8:relu", steps=3, save=folder)


@pytest.mark.parametrize("name", ["group-000.npz", "ensemble.json"])
def test_a_folder_in_place_of_a_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(ValueError, match=f"damaged {name}"):
        barren.train(CLS, "mlp:8:relu", steps=3, save=folder)


def test_nothing_is_unpickled(folder: Path) -> None:
    import numpy as np

    np.savez(folder / "group-000.npz", step=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match=r"damaged group-000.npz"):
        barren.train(CLS, "mlp:8:relu", steps=3, save=folder)


def test_a_folder_in_use_and_one_that_cannot_be_made(folder: Path) -> None:
    from barren import _files

    with (folder / "lock").open("ab") as file:
        assert _files.lock(file)
        with pytest.raises(ValueError, match="in use"):
            barren.train(CLS, "mlp:8:relu", steps=3, save=folder)
    (folder / "file").write_text("")
    with pytest.raises(ValueError, match="save must be a directory"):
        barren.train(CLS, "mlp:8:relu", steps=3, save=folder / "file" / "below")


def test_a_finished_folder_gives_its_rows_at_once(folder: Path) -> None:
    first = barren.train(CLS, "mlp:8:relu", steps=3)
    again = barren.train(CLS, "mlp:8:relu", steps=3, save=folder)
    assert again.rows == first.rows


def test_other_functions_of_one_name_and_groups_of_another_configuration(tmp_path: Path) -> None:
    barren.train(CLS, "mlp:8:relu", steps=3, save=tmp_path, loss=lambda o, y: (o - y).square())
    with pytest.raises(ValueError, match="loss_values is"):
        barren.train(CLS, "mlp:8:relu", steps=3, save=tmp_path, loss=lambda o, y: (o - y).abs())
    (tmp_path / "ensemble.json").unlink()
    with pytest.raises(ValueError, match=r"group-000\.npz of another ensemble"):
        barren.train(CLS, "mlp:8:relu", steps=3, save=tmp_path, lr=0.3)


def test_encodings_that_differ_at_late_points_are_told_apart(tmp_path: Path) -> None:
    """The first batch holds 20 points of 0..30; the encodings differ at one that is not among them."""
    bits = barren.encodings.Bits()
    settings = {**SETTINGS, "steps": 2}
    first = set(barren.training.Population(100).stream(CLS, CLS.law_of(None), 0, 20).points(0, 1).tolist())
    late = min(set(range(31)) - first)

    def other(x: np.ndarray, p: int) -> np.ndarray:
        return np.where(x[:, None] == late, 0.25, bits(x, p))

    barren.train(CLS, "mlp:8:relu", encoding=bits, save=tmp_path, **settings)
    with pytest.raises(ValueError, match="features is"):
        barren.train(CLS, "mlp:8:relu", encoding=other, save=tmp_path, **settings)
