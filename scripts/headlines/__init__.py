"""The numbers that the pages of figures show: for each figure a function from its rows to (what, measured)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

Rows: TypeAlias = Sequence[dict[str, Any]]
Headlines: TypeAlias = list[tuple[str, str]]
