"""Every instruction set in turn, a cache of rates of its own, and: a skipped test fails in continuous integration."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from barren import _core

_skipped: list[str] = []

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a script's job in the background has it: nothing would stop
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _skipped and os.environ.get("CI") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skipped and os.environ.get("CI"):
        terminalreporter.write_line(f"skipped tests fail here: {', '.join(_skipped)}", red=True)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.fixture(params=_core.available_kernels())
def kernel_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an instruction set, in use during the test."""
    before = _core.kernel()
    _core.use_kernel(request.param)
    yield request.param
    _core.use_kernel(before)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    from barren.variance import calibration

    monkeypatch.setenv("BARREN_CACHE", str(tmp_path / "cache"))
    calibration._rates.cache_clear()
    yield calibration.cache_file()
    calibration._rates.cache_clear()
