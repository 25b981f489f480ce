"""Targets ψ: Z_p → R, the one function that all members of a class share.

A target knows its values on Z_p, its total variation over the cycle (the bounds need it), whether it takes
two values only (then it can be a label), and the name under which the core computes it. Values are computed
from exact integers: one rounding of a ratio, so that symmetries such as ψ(p−t) = −ψ(t) hold to the last bit.
"""

from barren.targets.base import Target
from barren.targets.combined import Combination
from barren.targets.expansion import SawtoothExpansion, SawtoothTerm
from barren.targets.steps import Bit, QuantileBit, Threshold
from barren.targets.tabled import Residue, Table
from barren.targets.waves import Cosine, Sawtooth, Square, Triangle

__all__ = [
    "Bit",
    "Combination",
    "Cosine",
    "QuantileBit",
    "Residue",
    "Sawtooth",
    "SawtoothExpansion",
    "SawtoothTerm",
    "Square",
    "Table",
    "Target",
    "Threshold",
    "Triangle",
]
