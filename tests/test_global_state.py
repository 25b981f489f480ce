"""What a process has one of is after every call as it was before: threads, dtypes, random states, filters, handlers."""

from __future__ import annotations

import pytest
from test_beside import script


@pytest.mark.parametrize("kind", ["pairing", "experiments"])
def test_calls_leave_the_process_as_it_was(kind: str) -> None:
    script(f"import state_case; state_case.main({kind!r})")
