"""Every check of an argument, and its message.

A message reads ``<name> must be <what was expected>; got <what came>``. A wrong kind of object is a
``TypeError``, a wrong value or shape a ``ValueError``. Arrays come back in the one dtype and layout that the
core takes, without a copy where that is possible: who keeps an array copies it.
"""

from __future__ import annotations

from barren._validate.arrays import Floats, Integers, array, coordinates, matrix, points, residues, vector, weights
from barren._validate.messages import came, refuse
from barren._validate.moduli import WORD_LIMIT, prime, tabulated, word_modulus
from barren._validate.scalars import boolean, choice, instance, integer, real, threads

__all__ = [
    "WORD_LIMIT",
    "Floats",
    "Integers",
    "array",
    "boolean",
    "came",
    "choice",
    "coordinates",
    "instance",
    "integer",
    "matrix",
    "points",
    "prime",
    "real",
    "refuse",
    "residues",
    "tabulated",
    "threads",
    "vector",
    "weights",
    "word_modulus",
]
