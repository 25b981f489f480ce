"""The rates of the planner: measured once and kept, and which of them a length takes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import barren
from barren import _core
from barren.variance import calibration


def test_rates_are_measured_once_and_kept(cache, monkeypatch):
    first = calibration.rates(1)
    assert json.loads(cache.read_text()).keys() == {calibration._key(1)}
    calibration._rates.cache_clear()
    monkeypatch.setattr(calibration, "measure", None)  # what is in the file is not measured again
    assert calibration.rates(1) == first


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"a": 1}', None])
def test_a_damaged_cache_is_measured_again(cache, content):
    cache.parent.mkdir()
    if content is None:
        entry = {name: -1.0 for name in calibration.Rates.__dataclass_fields__}
        content = json.dumps({calibration._key(1): entry})
    cache.write_text(content)
    assert calibration.rates(1).product64 > 0.0
    assert calibration._key(1) in json.loads(cache.read_text())


def test_a_cache_that_cannot_be_written_is_no_error(cache):
    cache.parent.write_text("a file where the folder should be")
    assert calibration.rates(1).product64 > 0.0


@pytest.mark.parametrize(("length", "kind"), [(12288, "smooth"), (10006, "mixed"), (50001, "mixed"), (50021, "prime")])
def test_lengths_are_priced_by_the_way_they_are_transformed(length, kind):
    rates = calibration.rates(1)
    counted = length * math.log2(length)
    assert rates.transform(length) == pytest.approx(counted * getattr(rates, f"transform_{kind}"))
    # 2·5003 is too near a prime to be split.
    pairs = "prime" if length == 10006 else kind
    assert rates.energy(length) == pytest.approx(counted * getattr(rates, f"energy_{pairs}"))
    assert rates.responses(length) == pytest.approx(counted * getattr(rates, f"response_{kind}"))


def test_a_named_cache_needs_no_home(monkeypatch, tmp_path):
    monkeypatch.setenv("BARREN_CACHE", str(tmp_path))
    monkeypatch.setattr(calibration.Path, "home", lambda: pytest.fail("asked for the home folder"))
    assert calibration.cache_file().parent == tmp_path


def test_the_key_tells_what_the_rates_depend_on():
    for part in (np.__version__, "1 threads", "cores", barren.__version__):
        assert part in calibration._key(1)
    assert calibration._key(1) != calibration._key(2)


def test_rates_can_be_measured_anew(cache, monkeypatch):
    first = calibration.rates(1)
    path = calibration.recalibrate(1)
    assert path == cache
    known = json.loads(path.read_text())
    monkeypatch.setattr(calibration, "measure", None)
    assert vars(calibration.rates(1)) == known[calibration._key(1)] != vars(first)


def test_threads_beyond_the_cores_are_as_fast_as_the_cores(cache, monkeypatch):
    whole = calibration.rates(0)
    monkeypatch.setattr(calibration, "measure", None)
    assert calibration.rates(_core.available_threads() + 5) == whole
