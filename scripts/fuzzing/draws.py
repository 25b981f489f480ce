"""Legal arguments at random: sizes that straddle the core's blocks, and numbers of every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

_Item = TypeVar("_Item")
SENTINEL = -7.125e77  # what stands around an output, to show a write beside it
MARGIN = 16


@dataclass
class Packed:
    """What becomes a PackedFactor of this matrix when the call is made."""

    matrix: np.ndarray


@dataclass
class Made:
    """What becomes a Stop when the call is made, set or not."""

    is_set: bool


class Draw:
    """Random arguments; one object a call, so that a call depends on its seed alone."""

    def __init__(self, seed: Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.margins: list[np.ndarray] = []

    def chance(self, probability: float) -> bool:
        """True so often."""
        return self.rng.random() < probability

    def one_of(self, items: Sequence[_Item]) -> _Item:
        """Any of them."""
        return items[int(self.rng.integers(len(items)))]

    def size(self, most: int = 12, edges: Sequence[int] = ()) -> int:
        """Mostly small; now and then one at the edge of a block."""
        if edges and self.chance(0.06):
            return self.one_of(edges)
        return int(self.rng.integers(0, most + 1)) if self.chance(0.95) else self.one_of((0, 1))

    def members(self) -> int:
        """A number of multipliers: groups of 48 and of 64."""
        return self.size(edges=(47, 48, 49, 63, 64, 65, 96, 97))

    def points(self) -> int:
        """A number of points: chunks of 256, strips of 8."""
        return self.size(edges=(8, 9, 64, 65, 255, 256, 257, 513))

    def columns(self) -> int:
        """A number of columns: tiles of 1, 2, 4 and 8."""
        return self.size(6, edges=(7, 8, 9, 16, 17, 33))

    def floats(self, *shape: int, dtype: Any = np.float64) -> np.ndarray:
        """Numbers of one kind or of all kinds, NaN and infinities among them: all are legal entries of an array."""
        values = self.rng.standard_normal(shape)
        kind = self.rng.random()
        if kind > 0.75:
            if kind < 0.85:
                values = np.round(4 * values)
            elif kind < 0.9:
                values = values * 10.0 ** self.rng.integers(-30, 30, shape)
            elif kind < 0.93:
                values = np.where(self.rng.random(shape) < 0.3, 0.0, values)
            elif values.size:
                some = self.rng.integers(0, values.size, 1 + values.size // 16)
                extremes = (np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e90, -1e90, 1e38)
                values.flat[some] = [self.one_of(extremes) for _ in some]
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values, dtype=dtype)

    def symmetric(self, n: int, dtype: Any) -> np.ndarray:
        """A symmetric matrix: the core reads one half of it for both."""
        matrix = self.floats(n, n, dtype=dtype)
        return np.triu(matrix) + np.triu(matrix, 1).T

    def finite(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Finite numbers: integers, halves and quarters, or any."""
        values = self.rng.standard_normal(shape) * scale
        kind = self.rng.random()
        if kind < 0.6:
            step = self.one_of((1.0, 0.5, 0.25, 1 / 64))
            values = np.round(values * 4 / step) * step
        return values

    def number(self) -> float:
        """A finite number."""
        return float(self.finite(1)[0])

    def dtype(self) -> Any:
        """That of a Jacobian or a tangent kernel."""
        return self.one_of((np.float32, np.float64))

    def threads(self) -> int:
        """Mostly the calling thread alone, so that calls stay cheap."""
        return self.one_of((1, 1, 1, 1, 1, 1, 2, 2, 0, 3, 7))

    def residues(self, count: int, modulus: int) -> np.ndarray:
        """Residues in no order, or consecutive ones, which the core takes by steps."""
        if self.chance(0.4) and modulus > count > 0:
            first = int(self.rng.integers(0, modulus - count + 1))
            return np.arange(first, first + count, dtype=np.int64)
        values = self.rng.integers(0, modulus, count)
        if count and self.chance(0.2):
            values[int(self.rng.integers(count))] = self.one_of((0, modulus - 1))
        return values.astype(np.int64)

    def small_modulus(self) -> int:
        """One for which there may be a table."""
        return int(self.rng.integers(1, 40)) if self.chance(0.8) else self.one_of((2, 101, 255, 256, 257))

    def modulus(self) -> int:
        """Any, at the limits of the kernels too."""
        if self.chance(0.6):
            return self.small_modulus()
        near = self.one_of((31, 32, 51, 52, 53, 62, 63))
        return min(2**63 - 1, max(1, (1 << near) + int(self.rng.integers(-40, 40))))

    def prime_and_root(self) -> tuple[int, int]:
        """A prime and one of its primitive roots."""
        return self.one_of(((2, 1), (3, 2), (5, 2), (7, 3), (13, 2), (101, 2), (257, 3), (47, 5), (97, 5)))

    def output(self, *shape: int) -> np.ndarray:
        """Memory to write to; half of them lie inside a larger piece whose margins are looked at after the call."""
        values = self.floats(*shape)
        if self.chance(0.5):
            return values
        whole = np.full(values.size + 2 * MARGIN, SENTINEL)
        self.margins.append(whole)
        inner = whole[MARGIN : MARGIN + values.size].reshape(shape)
        inner[...] = values
        return inner

    def margins_hold(self) -> bool:
        """Whether nothing was written beside an output."""
        return all(np.all(whole[:MARGIN] == SENTINEL) and np.all(whole[-MARGIN:] == SENTINEL) for whole in self.margins)
