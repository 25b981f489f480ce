"""Laws of the input x: which points occur, in which order, with which weights.

The rows of a Jacobian, and the rows and columns of a tangent kernel, follow the points of the law. Laws on the residues
Z_p go with `ModularMultiplication`, laws on the real line with `Frequencies`.
"""

from barren.inputs.reals import Density, Grid, RealLaw, RealSample
from barren.inputs.residues import Law, LowWeight, PowersOfTwo, RandomBits, Sample, SmallIntegers, Uniform

__all__ = [
    "Density",
    "Grid",
    "Law",
    "LowWeight",
    "PowersOfTwo",
    "RandomBits",
    "RealLaw",
    "RealSample",
    "Sample",
    "SmallIntegers",
    "Uniform",
]
