"""Content hashes of data sets, and what each set claims to be: two claims may not share a hash (docs/experiments)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from barren._canonical import array_digest

if TYPE_CHECKING:
    from barren.training.task import Task

Array = np.ndarray[Any, np.dtype[Any]]

# Parts of a row.
PARTS = ("train", "test")


def set_digests(points: Array, labels: Array) -> tuple[str, str]:
    """Hashes of the points of a set, and of their labels in the order of the points: neither depends on their order.

    Integers of every width hash alike, and so do 0.0 and −0.0.

    Args:
        points: Shape (n,) or (n, d).
        labels: Of each point, shape (n, ...).

    Example:
        >>> import numpy as np
        >>> one = set_digests(np.array([3, 1, 2]), np.array([1.0, 0.0, 0.0]))
        >>> one == set_digests(np.array([1, 2, 3], dtype=np.int32), np.array([0.0, 0.0, 1.0]))
        True
    """
    plain = points.astype(np.int64 if points.dtype.kind in "bi" else np.uint64 if points.dtype.kind == "u" else "f8")
    if plain.dtype.kind == "u" and (plain < 1 << 63).all():
        plain = plain.astype(np.int64)
    if plain.dtype.kind == "f":
        plain = plain + 0.0  # of −0.0 this is 0.0
    columns = plain.reshape(len(plain), -1)
    order = np.lexsort(columns.T[::-1])
    return array_digest(plain[order]), array_digest(np.asarray(labels, dtype=np.float64)[order])


def claims(task: Task, seed: int) -> dict[str, str]:
    """What the training and the test set of a seed are said to be, as "train_data" and "test_data" of a row.

    Given sets claim nothing but their content.
    """
    drawn = f" of {task.law!r}, seed {seed}" if task.protocol.is_drawn else ""
    return {f"{part}_data": text + drawn for part, text in zip(PARTS, task.protocol.claims(), strict=True)}


def set_claims(task: Task, seeds: Iterable[int]) -> list[dict[str, str | None]]:
    """A row a seed for `check_data`, before anything is trained: fresh draws have no hash yet."""
    rows = []
    for seed in seeds:
        stream = task.protocol.stream(task.classes[0], task.law, seed, task.batch_size)
        row: dict[str, str | None] = {**claims(task, seed)}
        for part, points in zip(PARTS, (stream.train, stream.test), strict=True):
            row[f"{part}_points"] = None if points is None else set_digests(points, points)[0]
        rows.append(row)
    return rows


def check_data(rows: Iterable[Mapping[str, Any]]) -> None:
    """Refuses rows whose data should differ and do not: two seeds with the same points, or a test set that trained.

    Also for rows of several ensembles put together. Given sets are the same for every seed, and say so.

    Args:
        rows: those of `Ensemble.rows`, of one ensemble or several.

    Raises:
        ValueError: Two claims share a hash.

    Cost: O(rows).

    Source: docs/experiments, on data and their hashes.
    """
    found: dict[str, str] = {}
    for row in rows:
        for part in PARTS:
            content, claim = row[f"{part}_points"], row[f"{part}_data"]
            other = found.setdefault(content, claim) if content is not None else claim
            if other != claim:
                raise ValueError(
                    f"data must differ where they are said to; '{other}' and '{claim}' are the same points "
                    f"(hash {content[:16]}…): too few points to draw from, or one set used twice"
                )
