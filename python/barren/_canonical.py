"""One text, and one hash, for equal JSON values; one hash for equal arrays."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np


def canonical(value: Any) -> str:
    """One text for equal JSON values: sorted keys, no blanks, shortest exact form of every float."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text, whoever wrote it.

    Raises:
        ValueError: it is no JSON; or lists in it are nested deeper than Python goes, which is damage like any other.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def finite(value: Any) -> Any:
    """The value with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def digest(value: Any) -> str:
    """SHA-256 of `canonical`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def array_digest(*arrays: np.ndarray[Any, np.dtype[Any]]) -> str:
    """SHA-256 of the content, kind and shape of arrays, as hexadecimal digits."""
    total = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array)
        total.update(f"{plain.dtype.str}{plain.shape}".encode())
        total.update(plain.data)
    return total.hexdigest()
