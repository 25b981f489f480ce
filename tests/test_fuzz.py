"""The fuzzer of the core: it leaves nothing out, finds what is wrong, and finds nothing in the core."""

from __future__ import annotations

import subprocess
import sys
import types
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from barren import _core, reference

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

import fuzz  # noqa: E402  (the scripts are no package)
from fuzzing import answers, worker  # noqa: E402


def test_every_export_every_overload_and_every_parameter_is_called():
    assert worker.gaps() == []
    more = types.SimpleNamespace(**vars(_core), new_binding=_core.powers)
    assert worker.gaps(more) == ["new_binding is exported and has no strategy"]
    fewer = {name: entry for name, entry in worker.ENTRIES.items() if name != "fold"}
    assert worker.gaps(entries=fewer) == ["fold is exported and has no strategy"]
    lacking = {**worker.ENTRIES, "powers": worker.ENTRIES["logarithm_table"]}
    assert worker.gaps(entries=lacking) == ["powers: the strategy draws ['powers', 'p'], which no overload takes"]
    lacking = {**worker.ENTRIES, "fold": answers.Entry(_single_fold, lambda **_: None, "out")}
    assert worker.gaps(entries=lacking) == ["fold: the strategy never draws for 1 of its overloads"]


def _single_fold(draw):
    arguments = worker.ENTRIES["fold"].draw(draw)
    return {**arguments, "rows": np.zeros(arguments["rows"].shape, np.float32)}


def test_a_call_depends_on_the_seed_and_its_number_alone():
    names = list(worker.ENTRIES)
    first, again, other = (str(worker.drawn(seed, 12, 0.2, names)) for seed in (0, 0, 1))
    assert first == again != other


def test_some_thousand_calls_find_nothing():
    done = subprocess.run(
        [sys.executable, SCRIPTS / "fuzz.py", "--calls", "4000", "--seed", "1", "--share", "0.5"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4000 calls of" in done.stdout
    assert ": 0 findings" in done.stdout


# A child that makes its calls with one function of the core replaced.
BROKEN = """
import os, signal, sys, time
sys.path.insert(0, {scripts!r})
import numpy as np
import fuzz
from fuzzing import worker
from barren import _core
right = _core.distances
hoard = []
def crash(*a, **k): os.kill(os.getpid(), signal.SIGSEGV)
def hang(*a, **k): time.sleep(1000)
def wrong_answer(*a, **k): return right(*a, **k) + np.uint8(1)
def wrong_dtype(*a, **k): return right(*a, **k).astype(np.int64)
def wrong_exception(*a, **k): raise SystemError("no")
def refusal(*a, **k): raise ValueError("no")
def growth(*a, **k):
    hoard.append(bytearray(b"x") * (200 << 10))
    return right(*a, **k)
def change(*a, **k):
    found = right(*a, **k)
    for array in (*a, *k.values()):
        if isinstance(array, np.ndarray) and array.flags.writeable: array[...] = 0
    return found
worker.signatures("distances")
worker.ENTRIES = {{"distances": worker.ENTRIES["distances"]}}
worker.function_of = lambda name: {way}
fuzz.main()
"""


@pytest.mark.parametrize(
    ("way", "finding"),
    [
        ("crash", "crashed by SIGSEGV"),
        ("hang", "did not come back within 1 s"),
        ("wrong_answer", "wrong, at ("),
        ("wrong_dtype", "got int64 of shape"),
        ("wrong_exception", "raised SystemError: no"),
        ("refusal", "refused a legal call: no"),
        ("growth", "memory grew by"),
        ("change", "changed an argument that it only reads"),
    ],
)
def test_what_is_wrong_is_found(way, finding, tmp_path, monkeypatch):
    script = tmp_path / "broken.py"
    script.write_text(BROKEN.format(scripts=str(SCRIPTS), way=way))
    monkeypatch.setattr(fuzz, "MOST_FINDINGS", 1)
    monkeypatch.setattr(fuzz, "WARM", 500)
    limit = 1.0 if way == "hang" else 60.0
    report = fuzz.supervise([sys.executable, str(script), "--share", "1"], 0, 0, 5000, limit=limit)
    assert any(finding in found for found in report.findings), report.findings


def test_a_write_beside_an_output_is_seen():
    call = next(
        call
        for call in (worker.drawn(0, index, 1.0, ["walsh_hadamard"]) for index in range(100))
        if call.draw.margins and call.is_legal
    )
    assert call.draw.margins_hold()
    call.draw.margins[0][-1] = 0.0
    assert worker.made(call)[1] == "wrote beside the output"


def test_slow_dedekind_sums_are_the_definition():
    for k in (1, 2, 7, 12, 30):
        for h in range(k):
            assert answers.dedekind(h, k) == reference.dedekind_sum(h, k)
            assert answers.shifted_dedekind(h, k, k // 2) == reference.dedekind_sum(h, k, k // 2)
    big = 2**61 - 1
    assert answers.dedekind(1, big) == Fraction((big - 1) * (big - 2), big)
