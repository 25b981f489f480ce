"""Target classes: what is to be learnt."""

from barren.classes.base import TargetClass
from barren.classes.dedekind import dedekind_sums
from barren.classes.frequency import Frequencies
from barren.classes.group import UnitGroup, unit_group
from barren.classes.modular import ModularMultiplication
from barren.classes.parity import Parity

__all__ = [
    "Frequencies",
    "ModularMultiplication",
    "Parity",
    "TargetClass",
    "UnitGroup",
    "dedekind_sums",
    "unit_group",
]
