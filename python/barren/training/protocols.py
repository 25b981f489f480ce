"""Data protocols: where the points of training and test come from, stated and hashed (docs/experiments)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from barren import _validate
from barren._canonical import array_digest
from barren.classes import TargetClass
from barren.training.draws import Points, distinct, draw, generator

__all__ = ["FixedSample", "GivenSets", "Population", "Protocol", "from_spec"]

# Purposes of the draws of one seed: no two share a stream.
_TRAIN, _TEST, _SAMPLE, _SHUFFLE, _SPLIT = range(1, 6)
# Steps whose points are drawn by one generator.
_BLOCK = 64


class Stream(ABC):
    """The data of one seed: the points of every step, and the test set.

    Attributes:
        test: The points of the test set.
        size: How many points training has, or None where they are drawn afresh.
    """

    test: Points
    size: int | None

    @abstractmethod
    def batch_sizes(self, first: int, last: int) -> list[int]:
        """The number of points of the steps first..last−1."""

    @abstractmethod
    def points(self, first: int, last: int) -> Points:
        """The points of the steps first..last−1, one after the other."""

    @property
    @abstractmethod
    def train(self) -> Points | None:
        """The training set, or None where there is none."""


@dataclass(frozen=True)
class Protocol(ABC):
    """Where the points come from; `stream` makes the data of one seed.

    Source: docs/experiments, on data and their hashes.
    """

    @property
    def is_drawn(self) -> bool:
        """Whether two seeds have different points."""
        return True

    @abstractmethod
    def stream(self, cls: TargetClass, law: Any, seed: int, batch_size: int) -> Stream:
        """The data of one seed, the same whatever else is trained beside it.

        Args:
            cls: the class of targets.
            law: of x.
            seed: of the data.
            batch_size: points of a step.

        Returns:
            The `Stream`: what each step sees, and the test set.
        """

    @abstractmethod
    def claims(self) -> tuple[str, str]:
        """What the training and the test set are said to be, apart from law and seed."""

    @property
    def training_points(self) -> int | None:
        """How many points train, or None where they are drawn afresh."""
        return None

    def epoch(self, batch_size: int) -> int | None:
        """⌈training points / batch⌉ steps, or None where there are no epochs.

        Args:
            batch_size: points of a step.
        """
        points = self.training_points
        return None if points is None else -(-points // batch_size)

    def check(self, batch_size: int) -> None:
        """Refuses a batch that the training set cannot fill.

        Args:
            batch_size: points of a step.

        Raises:
            ValueError: it cannot.
        """
        points = self.training_points
        if points is not None and batch_size > points:
            raise ValueError(f"batch_size must be at most the {points} points that train; got {batch_size}")

    def check_points(self, cls: TargetClass) -> None:  # noqa: B027  (what is drawn from the law of x fits)
        """Refuses points that are none of the class.

        Args:
            cls: the class of targets.

        Raises:
            TypeError, ValueError: There are some.
        """


@dataclass(frozen=True)
class Population(Protocol):
    """Every batch is drawn afresh from the law of x, and so, once a seed, is the test set: no training set to memorise.

    Args:
        test: points of the test set.

    Raises:
        TypeError: test is not an integer.
        ValueError: test < 1.

    Source: docs/experiments, on data and their hashes.
    """

    test: int = 1000

    def __post_init__(self) -> None:
        object.__setattr__(self, "test", _validate.integer("test", self.test, low=1))

    def stream(self, cls: TargetClass, law: Any, seed: int, batch_size: int) -> Stream:
        """See `Protocol.stream`."""
        return _Fresh(cls, law, seed, batch_size, draw(cls, law, self.test, generator(seed, _TEST)))

    def claims(self) -> tuple[str, str]:
        """See `Protocol.claims`."""
        return "fresh training draws", f"{self.test} test draws"


@dataclass(frozen=True)
class FixedSample(Protocol):
    """m distinct points drawn from the law of x, a share for training, the others for the test; shuffled every epoch.

    The last batch of an epoch holds what is left.

    Args:
        m: the number of points, at least 2.
        train: the share that trains, rounded to whole points, at least one on each side.

    Raises:
        TypeError: not numbers.
        ValueError: m < 2, or no point left on a side.

    Source: docs/experiments, on data and their hashes.
    """

    m: int
    train: float = 0.7

    def __post_init__(self) -> None:
        object.__setattr__(self, "m", _validate.integer("m", self.m, low=2))
        share = _validate.real("train", self.train)
        object.__setattr__(self, "train", share)
        if not (0.0 < share < 1.0 and 0 < self.training_points < self.m):
            raise ValueError(
                f"train must leave a point on each side of the split, 0 < train < 1; got {share:g} of {self.m} points"
            )

    @property
    def training_points(self) -> int:
        """The share of m, rounded."""
        return round(self.train * self.m)

    def claims(self) -> tuple[str, str]:
        """See `Protocol.claims`."""
        return (
            f"{self.training_points} of {self.m} points",
            f"the other {self.m - self.training_points} of {self.m} points",
        )

    def stream(self, cls: TargetClass, law: Any, seed: int, batch_size: int) -> Stream:
        """See `Protocol.stream`."""
        points = distinct(cls, law, self.m, generator(seed, _SAMPLE))
        points = points[generator(seed, _SPLIT).permutation(self.m)]
        return _Shuffled(points[: self.training_points], points[self.training_points :], seed, batch_size)


@dataclass(frozen=True, init=False, eq=False)
class GivenSets(Protocol):
    """Training and test points that are given, the same for every seed; they may not overlap.

    Args:
        train: training points, shape (m,) or (m, d).
        test: test points, of the same shape but for their number.

    Raises:
        ValueError: not numbers, an empty set, points of another shape in each, or a point in both.

    Source: docs/experiments, on data and their hashes.
    """

    def __init__(self, train: ArrayLike, test: ArrayLike) -> None:
        sets = [_given(name, points) for name, points in (("train", train), ("test", test))]
        first, second = (points.shape for points in sets)
        if first[1:] != second[1:]:
            raise ValueError(f"train and test must hold points of one kind; got shapes {first}, {second}")
        both = np.intersect1d(sets[0], sets[1]) if sets[0].ndim == 1 else _common_rows(*sets)
        if len(both):
            raise ValueError(f"train and test must share no point; got {len(both)} in both, such as {both[0]}")
        object.__setattr__(self, "_train", sets[0])
        object.__setattr__(self, "_test", sets[1])

    _train: Points
    _test: Points

    @property
    def is_drawn(self) -> bool:
        """False: every seed has the given points."""
        return False

    def __repr__(self) -> str:
        # Their order too, in which they are shuffled.
        named = ", ".join(array_digest(points)[:12] for points in (self._train, self._test))
        return f"GivenSets({len(self._train)} and {len(self._test)} points, {named})"

    def check_points(self, cls: TargetClass) -> None:
        """See `Protocol.check_points`: residues below the modulus, or real numbers."""
        for name, points in (("training", self._train), ("test", self._test)):
            if isinstance(cls.period, int):
                _validate.residues(f"data's {name} points", points, cls.period)
            else:
                _validate.vector(f"data's {name} points", points)

    def claims(self) -> tuple[str, str]:
        """The same for both: which sets they are is told by their hashes alone."""
        return "given points", "given points"

    @property
    def training_points(self) -> int:
        """Those given."""
        return len(self._train)

    def stream(self, cls: TargetClass, law: Any, seed: int, batch_size: int) -> Stream:
        """See `Protocol.stream`."""
        return _Shuffled(self._train, self._test, seed, batch_size)


class _Fresh(Stream):
    """Points drawn afresh at every step, by a generator a block of steps."""

    def __init__(self, cls: TargetClass, law: Any, seed: int, batch_size: int, test: Points) -> None:
        self.test, self.size = test, None
        self._cls, self._law, self._seed, self._batch = cls, law, seed, batch_size
        self._block = -1
        self._kept = test

    @property
    def train(self) -> Points | None:
        """None."""
        return None

    def batch_sizes(self, first: int, last: int) -> list[int]:
        """All the same."""
        return [self._batch] * (last - first)

    def points(self, first: int, last: int) -> Points:
        """See `Stream.points`."""
        parts = []
        for block in range(first // _BLOCK, -(-last // _BLOCK)):
            if block != self._block:
                random = generator(self._seed, _TRAIN, block)
                self._kept, self._block = draw(self._cls, self._law, _BLOCK * self._batch, random), block
            start = block * _BLOCK
            low, high = max(first, start) - start, min(last, start + _BLOCK) - start
            parts.append(self._kept[low * self._batch : high * self._batch])
        return np.concatenate(parts)


class _Shuffled(Stream):
    """A training set in another order every epoch."""

    def __init__(self, train: Points, test: Points, seed: int, batch_size: int) -> None:
        self.test, self.size = test, len(train)
        self._train, self._seed, self._batch = train, seed, batch_size
        self._epoch, self._order = -1, np.arange(len(train))

    @property
    def train(self) -> Points | None:
        """The training set in the order in which it was drawn."""
        return self._train

    def batch_sizes(self, first: int, last: int) -> list[int]:
        """The batch size; less at the end of an epoch."""
        m, steps = len(self._train), -(-len(self._train) // self._batch)
        return [min(self._batch, m - step % steps * self._batch) for step in range(first, last)]

    def points(self, first: int, last: int) -> Points:
        """See `Stream.points`."""
        steps = -(-len(self._train) // self._batch)
        parts = []
        for epoch in range(first // steps, -(-last // steps)):
            if epoch != self._epoch:
                self._order = generator(self._seed, _SHUFFLE, epoch).permutation(len(self._train))
                self._epoch = epoch
            start = epoch * steps
            low, high = max(first, start) - start, min(last, start + steps) - start
            parts.append(self._train[self._order[low * self._batch : high * self._batch]])
        return np.concatenate(parts)


def from_spec(data: str | Protocol) -> Protocol:
    """A protocol, or the one that a short text names: "population", "population:TEST", "sample:M" or "sample:M:SHARE".

    Raises:
        TypeError: it is neither.
        ValueError: the text names none.
    """
    expected = '"population", "population:TEST", "sample:M", "sample:M:SHARE" or one of barren.training\'s protocols'
    if isinstance(data, Protocol):
        return data
    if not isinstance(data, str):
        _validate.refuse(TypeError, "data", expected, _validate.came(data))
    name, *numbers = data.split(":")
    try:
        if name == "population" and len(numbers) <= 1:
            return Population(*map(int, numbers))
        if name == "sample" and 1 <= len(numbers) <= 2:
            return FixedSample(int(numbers[0]), *map(float, numbers[1:]))
    except ValueError as error:
        raise ValueError(f"data must be {expected}; got {data!r} ({error})") from None
    raise ValueError(f"data must be {expected}; got {data!r}")


def _given(name: str, points: ArrayLike) -> Points:
    """A copy of the points, which nobody changes."""
    expected = "an array of points, of shape (m,) or (m, d)"
    try:
        found = np.array(points)
    except ValueError:  # rows of other lengths
        _validate.refuse(ValueError, name, expected, _validate.came(points))
    if found.size == 0 or found.dtype.kind not in "iuf" or found.ndim not in (1, 2):
        _validate.refuse(ValueError, name, expected, _validate.came(found))
    found.setflags(write=False)
    return found


def _common_rows(x: Points, y: Points) -> Points:
    known = {tuple(row) for row in x.tolist()}
    return np.array([row for row in y.tolist() if tuple(row) in known])
