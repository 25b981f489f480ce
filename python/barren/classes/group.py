"""The units of Z_p for a prime p: a cyclic group, its powers and its logarithms."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from barren import _core, _validate
from barren._validate import Integers


@dataclass(frozen=True, eq=False)
class UnitGroup:
    """The group of units Z_p^* = {g^0, g^1, …, g^(p−2)}.

    Attributes:
        p: an odd prime.
        root: the least primitive root g.
        powers: g^i mod p for i = 0..p−2, int64 of shape ``(p−1,)``, read-only.
        logarithms: the i with g^i = x for x = 0..p−1, and −1 at x = 0, int64 of shape ``(p,)``, read-only.

    Source: docs/theory, section 2.
    """

    p: int
    root: int
    powers: Integers
    logarithms: Integers


def unit_group(p: int) -> UnitGroup:
    """The units of Z_p; the last two groups are kept.

    Args:
        p: an odd prime.

    Returns:
        The group, with its root and both tables.

    Raises:
        TypeError: p is not an integer.
        ValueError: p is not an odd prime, or the tables do not fit in memory.

    Cost: O(p) time and 16p bytes.

    Source: docs/theory, section 2.

    >>> group = unit_group(7)
    >>> group.root, group.powers, group.logarithms
    (3, array([1, 3, 2, 6, 4, 5]), array([-1,  0,  2,  1,  4,  5,  3]))
    """
    return _unit_group(_validate.integer("p", p))


@functools.lru_cache(maxsize=2)  # few: the tables take 16 bytes a residue
def _unit_group(p: int) -> UnitGroup:
    import sympy

    _validate.prime("p", p, "a cyclic group of units")
    _validate.tabulated("p", p, 16, "tables of powers and logarithms")
    root = int(sympy.primitive_root(p))
    powers = _core.power_table(root, p)
    logarithms = _core.logarithm_table(powers, p)
    powers.setflags(write=False)
    logarithms.setflags(write=False)
    return UnitGroup(p, root, powers, logarithms)
