"""Encodings: how a residue x is shown to a model, a row of numbers for every x."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from barren import _core, _modular, _twofold, _validate
from barren._validate import Floats, Integers, came

__all__ = ["Angular", "Bits", "Digits", "Encoding", "GroupElement", "OneHot", "Scalar", "Signs"]


class Encoding(ABC):
    """A map from Z_p to rows of ``width(p)`` numbers.

    Source: docs/theory, section 1: x is what a model is shown of it.
    """

    _any_size: ClassVar[bool] = False  # whether residues of more than 64 bits will do, Python integers

    @abstractmethod
    def width(self, p: int) -> int:
        """The number of columns.

        Args:
            p: the modulus.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or the encoding does not fit Z_p.
        """

    def __call__(self, x: ArrayLike, p: float) -> Floats:
        """The rows that show ``x`` to a model.

        Args:
            x: residues 0..p-1, integers of shape ``(n,)``; with a period, real numbers of shape ``(n,)`` or ``(n, d)``.
            p: the modulus, an integer, at least 3, and below 2**63 but for Bits, Digits and Scalar;
                or a float: the period of real x (`Scalar` and `Angular`).

        Returns:
            float64 of shape ``(n, width(p))``; for x in R^d so many columns a coordinate.

        Raises:
            TypeError: ``x`` or ``p`` are not integers.
            ValueError: a residue is out of range, the encoding does not fit Z_p, or the rows not in memory.
        """
        if isinstance(p, float):
            return self._show_reals(_validate.coordinates("x", x), p)
        width = self.width(p)
        if not self._any_size:
            _validate.word_modulus("p", p, f"residues of 64 bits, which {type(self).__name__} needs")
        residues = _validate.points("x", x, p)
        _validate.tabulated("the size of the encoded x", residues.size * width, 8, f"{self!r}")
        return self._encode(residues, p)

    def _show_reals(self, x: Floats, period: float) -> Floats:
        """The rows for points of the real line or R^d that have been checked."""
        expected = "Scalar(), Angular() or a function (x, period) for x on the real line"
        _validate.refuse(ValueError, "encoding", expected, f"{self!r}, which shows residues")

    @abstractmethod
    def _encode(self, x: NDArray[Any], p: int) -> Floats:
        """The rows for residues that have been checked."""


def features_of(encoding: object, x: NDArray[Any], period: float, owner: object) -> NDArray[Any]:
    """What a model sees of the points of a class: float32 or float64, shape (n, width).

    Args:
        encoding: an encoding, or a function (x, p) -> rows.
        x: the points.
        period: p, or the period of real x.
        owner: the class, for messages.

    Raises:
        TypeError: the encoding is none, or cannot be called with x and p.
        ValueError: what it returned is no matrix of finite numbers with a row a point.
    """
    shown = checked(encoding, period, owner)
    try:
        signature = inspect.signature(shown)
    except (TypeError, ValueError):  # of a compiled function; the call tells
        signature = None
    if signature is not None:
        try:
            signature.bind(x, period)
        except TypeError as error:
            what = "encoding", "a function (x, p) -> array, called with the points and the modulus (or period)"
            _validate.refuse(TypeError, *what, f"{_named(shown)}{signature}: {error}")
    return _validate.matrix("the encoding's result", shown(x, period), rows=len(x))


def checked(encoding: object, period: float, owner: object) -> Callable[..., Any]:
    """The encoding, if it is one.

    Raises:
        TypeError: it is none; one that fits the class is named.
    """
    if not callable(encoding) or isinstance(encoding, type):
        fits = "encodings.Scalar()" if isinstance(period, float) else "encodings.Bits()"
        expected = f"one of barren.encodings, such as {fits} for {owner!r}, or a function (x, p) -> array"
        _validate.refuse(TypeError, "encoding", expected, "nothing" if encoding is None else came(encoding))
    return encoding


def _named(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _digits(x: NDArray[Any], base: int, width: int) -> Floats:
    """The last ``width`` digits of ``x``, most significant first."""
    out = np.zeros((x.size, width))
    rest = x
    for column in range(width - 1, -1, -1):
        if not rest.any():  # only leading zeros are left
            break
        rest, out[:, column] = (rest // base, rest % base) if rest.dtype == object else np.divmod(rest, base)
    return out


def _digit_count(largest: int, base: int) -> int:
    """How many digits the integer ``largest`` has."""
    if base == 2:
        return largest.bit_length()
    count = 0
    while largest:
        largest //= base
        count += 1
    return count


@dataclass(frozen=True, init=False, repr=False)
class Digits(Encoding):
    """The digits of x as numbers 0..base−1, most significant first, zero-padded on the left.

    Args:
        base: at least 2.
        width: the number of digits; default as many as p−1 has.

    Raises:
        TypeError: base or width are not integers.
        ValueError: base < 2 or width < 1.

    Source: a definition; any function (x, p) -> rows will do in its place.

    >>> Digits()([0, 7, 123], 1009)
    array([[0., 0., 0., 0.],
           [0., 0., 0., 7.],
           [0., 1., 2., 3.]])
    """

    _any_size = True

    base: int
    _width: int | None

    def __init__(self, base: int = 10, width: int | None = None) -> None:
        limit = _validate.WORD_LIMIT - 1
        object.__setattr__(self, "base", _validate.integer("base", base, low=2, high=limit))
        object.__setattr__(self, "_width", None if width is None else _validate.integer("width", width, low=1))

    def width(self, p: int) -> int:
        """The number of digits.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or p−1 has more digits than the width given.
        """
        needed = _digit_count(_validate.integer("p", p, low=3) - 1, self.base)
        if self._width is None:
            return needed
        if self._width < needed:
            expected = f"at least {needed}, the digits of p-1 = {came(p - 1)} in base {self.base}"
            _validate.refuse(ValueError, "width", expected, f"{self._width}")
        return self._width

    def _encode(self, x: NDArray[Any], p: int) -> Floats:
        return _digits(x, self.base, self.width(p))

    def __repr__(self) -> str:
        return f"Digits(base={self.base}{'' if self._width is None else f', width={self._width}'})"


@dataclass(frozen=True, init=False, repr=False)
class Bits(Digits):
    """The binary digits of x, 0 or 1, most significant first, zero-padded on the left.

    Args:
        width: the number of digits; default as many as p−1 has.

    Raises:
        TypeError: width is not an integer.
        ValueError: width < 1.

    Source: a definition; any function (x, p) -> rows will do in its place.

    >>> Bits()([1, 6], 7)
    array([[0., 0., 1.],
           [1., 1., 0.]])
    """

    def __init__(self, width: int | None = None) -> None:
        super().__init__(2, width)

    def __repr__(self) -> str:
        return f"Bits({'' if self._width is None else f'width={self._width}'})"


@dataclass(frozen=True, init=False, repr=False)
class Signs(Bits):
    """The binary digits of x as signs, 1 for the digit 0 and −1 for 1: (−1)^digit, most significant first.

    Args:
        width: the number of digits; default as many as p−1 has.

    Raises:
        TypeError: width is not an integer.
        ValueError: width < 1.

    Source: a definition; any function (x, p) -> rows will do in its place.

    >>> Signs()([1, 6], 8)
    array([[ 1.,  1., -1.],
           [-1., -1.,  1.]])
    """

    def _encode(self, x: NDArray[Any], p: int) -> Floats:
        return 1.0 - 2.0 * super()._encode(x, p)

    def __repr__(self) -> str:
        return f"Signs({'' if self._width is None else f'width={self._width}'})"


@dataclass(frozen=True)
class OneHot(Encoding):
    """A column for every residue: 1 in column x, else 0.

    Source: a definition; any function (x, p) -> rows will do in its place.

    >>> OneHot()([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """

    def width(self, p: int) -> int:
        """The number of residues, p."""
        return _validate.integer("p", p, low=3)

    def _encode(self, x: Integers, p: int) -> Floats:
        out = np.zeros((x.size, p))
        out[np.arange(x.size), x] = 1.0
        return out


@dataclass(frozen=True)
class Scalar(Encoding):
    """One column, x/p.

    Source: a definition; any function (x, p) -> rows will do in its place.

    >>> Scalar()([0, 1, 2], 4)
    array([[0.  ],
           [0.25],
           [0.5 ]])
    """

    _any_size = True

    def width(self, p: int) -> int:
        """The number of columns, 1."""
        _validate.integer("p", p, low=3)
        return 1

    def _encode(self, x: NDArray[Any], p: int) -> Floats:
        return np.asarray(x / p, dtype=np.float64)[:, np.newaxis]

    def _show_reals(self, x: Floats, period: float) -> Floats:
        return np.reshape(x / period, (len(x), -1))


@dataclass(frozen=True, init=False, repr=False)
class Angular(Encoding):
    """cos(2πkx/p) and sin(2πkx/p), two columns for every harmonic k; k·x is reduced mod p first.

    Args:
        harmonics: a number h for the harmonics 1..h, or the harmonics themselves.

    Raises:
        TypeError: they are not integers.
        ValueError: h < 1, no harmonic, or one given twice.

    Source: a definition; any function (x, p) -> rows will do in its place.

    >>> Angular(2)([0, 1], 4)
    array([[ 1.,  0.,  1.,  0.],
           [ 0.,  1., -1.,  0.]])
    """

    harmonics: tuple[int, ...]

    def __init__(self, harmonics: int | Sequence[int] = 1) -> None:
        if isinstance(harmonics, str | bytes):
            _validate.refuse(TypeError, "harmonics", "an integer or a sequence of integers", came(harmonics))
        try:
            given = tuple(harmonics)  # type: ignore[arg-type]
        except TypeError:
            kept = tuple(range(1, _validate.integer("harmonics", harmonics, low=1) + 1))
        else:
            kept = tuple(_validate.integer(f"harmonics[{i}]", k) for i, k in enumerate(given))
            if not kept or len(set(kept)) < len(kept):
                _validate.refuse(ValueError, "harmonics", "distinct integers, at least one", came(kept))
        object.__setattr__(self, "harmonics", kept)

    def width(self, p: int) -> int:
        """The number of columns, two a harmonic."""
        _validate.integer("p", p, low=3)
        return 2 * len(self.harmonics)

    def _encode(self, x: Integers, p: int) -> Floats:
        out = np.empty((x.size, self.width(p)))
        for i, k in enumerate(self.harmonics):
            turned = _modular.multiply(k, x, p)
            out[:, 2 * i], out[:, 2 * i + 1] = _modular.cosine(turned, p), _modular.sine(turned, p)
        return out

    def _show_reals(self, x: Floats, period: float) -> Floats:
        turns = np.reshape(x / period, (len(x), -1))
        out = np.empty((*turns.shape, 2 * len(self.harmonics)))
        for i, k in enumerate(self.harmonics):
            turned = 2 * np.pi * _twofold.fraction(_twofold.two_product(float(k), turns))[0]
            out[..., 2 * i], out[..., 2 * i + 1] = np.cos(turned), np.sin(turned)
        return out.reshape(len(x), -1)

    def __repr__(self) -> str:
        h = len(self.harmonics)
        consecutive = self.harmonics == tuple(range(1, h + 1))
        return f"Angular(harmonics={h if consecutive else list(self.harmonics)})"


@dataclass(frozen=True)
class GroupElement(Encoding):
    """The binary digits of generator^x mod modulus, most significant first: x as an element of a group.

    With it the modular class in the exponent is the class of bits of the discrete logarithm (docs/theory,
    section 6).

    Args:
        generator: 2 <= generator < modulus, with generator^p ≡ 1, so that the map is defined on Z_p.
        modulus: 3 <= modulus < 2**63.

    Raises:
        TypeError: they are not integers.
        ValueError: they are out of range.

    Source: docs/theory, section 6; arXiv 2310.01611.

    >>> GroupElement(2, 7)([0, 1, 2], 3)
    array([[0., 0., 1.],
           [0., 1., 0.],
           [1., 0., 0.]])
    """

    generator: int
    modulus: int

    def __post_init__(self) -> None:
        modulus = _validate.integer("modulus", self.modulus, low=3, high=_validate.WORD_LIMIT - 1)
        object.__setattr__(self, "modulus", modulus)
        generator = _validate.integer("generator", self.generator, low=2, high=modulus - 1)
        object.__setattr__(self, "generator", generator)

    def width(self, p: int) -> int:
        """The number of binary digits of modulus − 1.

        Raises:
            TypeError: p is not an integer.
            ValueError: p < 3, or generator^p is not 1: generator^x would depend on more than x mod p.
        """
        p = _validate.integer("p", p, low=3)
        power = pow(self.generator, p, self.modulus)
        if power != 1:
            expected = f"such that generator**p = 1 modulo {self.modulus} for p = {came(p)}"
            _validate.refuse(ValueError, "generator", expected, f"{self.generator}, whose power is {power}")
        return (self.modulus - 1).bit_length()

    def _encode(self, x: Integers, p: int) -> Floats:
        return _digits(_core.powers(self.generator, x, self.modulus), 2, self.width(p))
