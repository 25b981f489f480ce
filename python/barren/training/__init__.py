"""Training-failure experiments: many runs at once, their data stated and hashed."""

from barren.training.ensembles import train
from barren.training.look import Look
from barren.training.protocols import FixedSample, GivenSets, Population, Protocol
from barren.training.result import Ensemble, check_data
from barren.training.watch import Watch

__all__ = [
    "Ensemble",
    "FixedSample",
    "GivenSets",
    "Look",
    "Population",
    "Protocol",
    "Watch",
    "check_data",
    "train",
]
