"""Training-failure experiments: many runs at once, data stated and hashed, and what the variance predicts of them."""

from barren.training.ensembles import train
from barren.training.hashes import check_data
from barren.training.look import Look
from barren.training.phases import Thresholds, learned, pooled_accuracy
from barren.training.prediction import HorizonComparison, Prediction, compare_horizons, predict
from barren.training.protocols import FixedSample, GivenSets, Population, Protocol
from barren.training.result import Ensemble
from barren.training.watch import Watch

__all__ = [
    "Ensemble",
    "FixedSample",
    "GivenSets",
    "HorizonComparison",
    "Look",
    "Population",
    "Prediction",
    "Protocol",
    "Thresholds",
    "Watch",
    "check_data",
    "compare_horizons",
    "learned",
    "pooled_accuracy",
    "predict",
    "train",
]
