"""Energies over all characters of functions on the units, two of them to a transform (docs/theory, section 3.2).

For real a and b, Z the transform of a + i·b and weights w that are the same at a character and its conjugate,
Σ_χ w·|Z|² = Σ_χ w·(|A|² + |B|²): nothing need be taken apart, and frequencies may come in any order.
"""

from __future__ import annotations

import math
import mmap
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from barren import _fft
from barren._validate import Floats, Integers

# Bytes of an array that is worth pages of its own: some of the large ones.
_OWN_PAGES = 1 << 22


class Scratch(threading.local):
    """Arrays that are used again, each thread's own: a fresh one of megabytes costs as much as what is done with it."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def take(self, name: str, shape: tuple[int, int], dtype: Any) -> np.ndarray:
        """An array of this shape with any content."""
        array = self._kept.get(name)
        if array is None or array.shape != shape:
            array = self._kept[name] = _pages(shape, dtype)
        return array


def _pages(shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """An array of its own pages, large ones where the system has them.

    What malloc gives out anew it may have given back to the system page by page: to have it back takes as long as a
    transform of what is in it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < _OWN_PAGES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.empty(shape, dtype)
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        return np.empty(shape, dtype)  # which raises MemoryError if there is none
    with suppress(OSError):  # a system without large pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, dtype).reshape(shape)


@dataclass(frozen=True)
class PairTransform:
    """The transform of pairs of real sequences of length m, continued with period m or changing their sign after m.

    Frequencies are those of the whole length 2m, the even ones for a periodic half and the odd ones for an antiperiodic
    one, each of them once, in an order that is nowhere needed.

    Attributes:
        m: half the order of the group.
        odd: whether h(i + m) = −h(i).
    """

    m: int
    odd: bool

    @cached_property
    def _lengths(self) -> tuple[int, int]:
        return _fft.good_thomas(self.m)

    @cached_property
    def order(self) -> Integers:
        """Row r of h is f(order[r]) ± f(order[r + m]), for a function f on the units; int64, shape (2m,)."""
        m = self.m
        here = np.arange(m) if self._lengths[0] == 1 else _fft.good_thomas_order(*self._lengths)
        there = here + m
        if self.odd and m % 2 == 1:  # (−1)^i·h(i) has period m, and its frequency k is the odd frequency 2k + m of h
            here, there = np.where(here % 2, there, here), np.where(here % 2, here, there)
        return np.concatenate([here, there])

    @cached_property
    def _twist(self) -> np.ndarray | None:
        """e(−i/2m), (m, 1), for an antiperiodic half of even length: frequency k is then the odd frequency 2k + 1."""
        if not self.odd or self.m % 2 == 1:
            return None
        return np.asarray(np.exp((-1j * np.pi / self.m) * self.order[: self.m].astype(np.float64)))[:, None]

    def forward(self, pairs: np.ndarray, workers: int = 1) -> None:
        """Transforms h in its `order`, complex128 of shape (m, b), in place."""
        if self._twist is not None:
            pairs *= self._twist
        _fft.fft_in_place(pairs, self._lengths, workers)

    def energies(self, h: Floats, workers: int = 1) -> Floats:
        """|ĥ|² of one real sequence at every frequency, float64, shape (m,)."""
        first = self.order[: self.m]
        pairs = np.where(first < self.m, h[first % self.m], -h[first % self.m]).astype(np.complex128)[:, None]
        self.forward(pairs, workers)
        return np.asarray(pairs.real**2 + pairs.imag**2)[:, 0]
