"""What classes of functions of an integer x below a size share: their laws of x."""

from __future__ import annotations

from abc import abstractmethod

from barren import _validate
from barren._validate import Floats, Integers
from barren.classes.base import TargetClass
from barren.inputs.residues import Law, Uniform


class OnIntegers(TargetClass):
    """A class of functions of x = 0..period−1."""

    @property
    @abstractmethod
    def period(self) -> int:
        """What an encoding is told beside x: how many x there are."""

    @property
    def default_law(self) -> Law:
        """X uniform on all of them."""
        return Uniform()

    def law_of(self, inputs: object | None) -> Law:
        """The law of x that was given, once it is one on the integers; None stands for the default.

        Raises:
            TypeError: it is none.
        """
        expected = "a law of x from barren.inputs on the integers from 0 on, such as Uniform() or Sample"
        law: Law = _validate.instance("inputs", self.default_law if inputs is None else inputs, Law, expected)
        return law

    def points_of(self, law: object) -> tuple[Integers, Floats]:
        """The points of a law of x, int64 of shape ``(n,)``, and their weights.

        Raises:
            TypeError: the law is not one on the integers.
            ValueError: a point is the period or more, or there are more points than fit in memory; from a period of
                2**63 on only a `Sample` and laws of few points have a list of them, of Python integers.
        """
        checked = self.law_of(law)
        return checked.points(self.period), checked.weights(self.period)
