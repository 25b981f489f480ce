"""One text, and one hash, for equal JSON values."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """One text for equal JSON values: sorted keys, no blanks, shortest exact form of every float."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of `canonical`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
