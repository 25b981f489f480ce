"""A page for every file of tests; helpers of the other tests can be imported here too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Page, browser

sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if browser() is None:
        pytest.skip("no Chromium: install it, or name one in CHROMIUM")
    with Page() as opened:
        yield opened
