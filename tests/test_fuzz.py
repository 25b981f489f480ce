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
from fuzzing import answers, draws, spoil, worker  # noqa: E402


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


@pytest.mark.parametrize("m", [4, 28, 2**62])
def test_slow_cosines_are_accurate_near_their_zeros(m):
    got = answers.psi("cosine", 1, np.empty(0), np.array([[m // 4, 3 * m // 4, m // 4 + 1]], object), m)
    assert got[0, :2].tolist() == [0.0, 0.0]
    assert got[0, 2] == pytest.approx(-np.sin(2 * np.pi / m), rel=1e-15)


def test_what_is_not_finite_must_not_become_a_number():
    infinite = np.array([[np.inf, 1.0], [2.0, 3.0]])
    for answer in (answers.sums(infinite, np.eye(2), 1e-13), answers.sums(np.eye(2), infinite.T, 1e-13)):
        right = np.where(np.isfinite(answer.value), answer.value, np.inf)
        assert answer.mistake(right) is None
        assert "wrong" in answer.mistake(np.where(np.isfinite(right), right, 7.0))
    for dtype in (np.float32, np.float64):
        theta = np.array([[np.inf]], dtype)
        form = answers.forms(np.zeros((1, 1)), np.zeros((1, 1)), np.array([5e-324]), theta)
        assert form.mistake(np.array([np.nan])) is None
        assert form.mistake(np.array([0.0])) is not None


def test_offsets_and_weights_are_rounded_to_the_dtype_of_what_they_multiply():
    weights = np.array([1e-60, 1e60, 0.1])
    single = answers.weighted(weights, np.full((3, 1), 3.0, np.float32))
    assert single[:, 0].tolist() == [0.0, np.inf, float(np.float32(0.1) * np.float32(3.0))]
    assert np.array_equal(answers.weighted(weights, np.full((3, 1), 3.0))[:, 0], 3.0 * weights)


def test_what_counts_as_a_number_does_so_in_tuples_and_lists():
    given = [(spoil.Index(), 6), Fraction(1, 2)]
    assert worker._as_it_is(given) == [(3, 6), 0.5]


def test_ends_of_a_block_are_what_int_makes_of_them():
    calls = (worker.drawn(0, index, 1.0, ["gram_block"]) for index in range(100))
    call = next(call for call in calls if call.is_legal and call.is_compared)
    call.arguments["rows"] = tuple(np.array(float(end)) for end in call.arguments["rows"])
    assert worker.made(call) == ("compared", None)


def test_dates_that_words_cannot_hold_are_spoilt_otherwise():
    dates = np.array([1 << 40], "M8[s]")
    for index in range(3000):
        spoil.array(draws.Draw((0, index)), dates)


def test_slow_dedekind_sums_are_the_definition():
    for k in (1, 2, 7, 12, 30):
        for h in range(k):
            assert answers.dedekind(h, k) == reference.dedekind_sum(h, k)
            assert answers.shifted_dedekind(h, k, k // 2) == reference.dedekind_sum(h, k, k // 2)
    big = 2**61 - 1
    assert answers.dedekind(1, big) == Fraction((big - 1) * (big - 2), big)
