"""Training-failure experiments: many runs at once, their data stated and hashed."""

from barren.training.ensembles import train
from barren.training.protocols import FixedSample, GivenSets, Population, Protocol
from barren.training.result import Ensemble, check_data

__all__ = ["Ensemble", "FixedSample", "GivenSets", "Population", "Protocol", "check_data", "train"]
