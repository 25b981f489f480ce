"""Short texts that name targets, encodings, laws of x and multipliers: what the command line and the figures are given.

A text is a word and its parameters, joined by colons: "bit:0", "angular:3", "random-bits:12". Models have theirs in
`barren.models.from_spec`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from barren import encodings, inputs, targets
from barren.classes import Parity

__all__ = [
    "count_or_list",
    "encoding",
    "law",
    "modulus",
    "multipliers",
    "nearest",
    "numbers",
    "options",
    "parity",
    "real_law",
    "target",
]

_T = TypeVar("_T")
_MOST_BITS = 1 << 14  # of a power in a modulus
_LONGEST = 4000  # digits; Python refuses to read longer integers, with a message about itself


@dataclass(frozen=True)
class _Word(Generic[_T]):
    """One word of a vocabulary: how it is written, how many parameters it takes, and what is built from them."""

    form: str
    build: Callable[[list[str]], _T]
    least: int = 0
    most: int = 0


def target(text: str) -> targets.Target:
    """The target that a text names.

    Args:
        text: "sawtooth", "cosine[:K]", "bit:J", "quantile-bit[:I]", "threshold[:C]" (C a decimal or a fraction such
            as 1/3, taken exactly), "square", "triangle" or "residue".

    Raises:
        TypeError: not a string.
        ValueError: an unknown word (the known ones are listed, the nearest suggested), or parameters that do not fit.

    Example:
        >>> target("bit:0"), target("threshold:1/3")
        (Bit(j=0), Threshold(c=Fraction(1, 3)))
    """
    return _parse("target", text, _TARGETS)


def encoding(text: str) -> encodings.Encoding:
    """The encoding that a text names.

    Args:
        text: "bits[:WIDTH]", "signs[:WIDTH]" (bits as ±1), "digits[:BASE[:WIDTH]]", "one-hot", "scalar", "angular[:H]"
            (harmonics 1..H, or a list such as 1,5,7) or "group-element:GENERATOR:MODULUS".

    Raises:
        TypeError: not a string.
        ValueError: as for `target`.

    Example:
        >>> encoding("bits:12"), encoding("angular:1,5")
        (Bits(width=12), Angular(harmonics=[1, 5]))
    """
    return _parse("encoding", text, _ENCODINGS)


def law(text: str) -> inputs.Law:
    """The law of x that a text names.

    Args:
        text: "uniform" (0..p−1), "nonzero" (1..p−1), "random-bits:N", "powers-of-two", "small:N" (1..N) or
            "low-weight:W[:COUNT[:SEED]]" (W binary ones, all of them or a draw).

    Raises:
        TypeError: not a string.
        ValueError: as for `target`.

    Example:
        >>> law("nonzero")
        Uniform(zero=False)
    """
    return _parse("inputs", text, _LAWS)


def real_law(text: str) -> inputs.RealLaw | None:
    """The law of x on the real line that a text names; None for the default one of a class of frequencies.

    Args:
        text: "uniform" (the default nodes on [0, 1]), "uniform:N" (so many nodes), "gaussian:SCALE[:N]" (N nodes,
            eight a period where none are named; SCALE the standard deviation) or "grid:M" (0, 1/M, …, (M−1)/M).

    Raises:
        TypeError: not a string.
        ValueError: as for `target`.

    Example:
        >>> real_law("grid:101"), real_law("uniform")
        (Grid(M=101), None)
    """
    return _parse("inputs", text, _REAL_LAWS)


def multipliers(text: str) -> str | list[int]:
    """The multipliers that a text names, as `barren.ModularMultiplication` takes them.

    Args:
        text: "units", "all" or a list such as "1,2,4".

    Raises:
        TypeError: not a string.
        ValueError: anything else.

    Example:
        >>> multipliers("1,2,4")
        [1, 2, 4]
    """
    expected = "'units', 'all' or integers joined by commas, such as '1,2,4'"
    if not isinstance(text, str):
        raise TypeError(f"multipliers must be {expected}; got {type(text).__name__}")
    if text in ("units", "all"):
        return text
    pieces = text.split(",")
    if not all(_is_integer(piece) for piece in pieces):
        raise ValueError(f"multipliers must be {expected}; got {text!r}{nearest(text, ['units', 'all'])}")
    return [int(piece) for piece in pieces]


def count_or_list(name: str, text: str) -> int | list[int]:
    """A count, or integers joined by commas.

    Raises:
        ValueError: anything else.

    Example:
        >>> count_or_list("members", "8"), count_or_list("members", "1,2"), count_or_list("members", "5,")
        (8, [1, 2], [5])
    """
    pieces = text.removesuffix(",").split(",")
    if not all(_is_integer(piece) for piece in pieces):
        raise ValueError(f"{name} must be a count, or integers joined by commas such as 1,2,4; got {text!r}")
    return int(text) if "," not in text else [int(piece) for piece in pieces]


def numbers(name: str, text: str) -> list[float]:
    """Numbers joined by commas.

    Raises:
        ValueError: anything else.

    Example:
        >>> numbers("lr", "0.001,1e-2")
        [0.001, 0.01]
    """
    try:
        return [float(piece) for piece in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} must be numbers joined by commas; got {text!r}") from None


def options(name: str, texts: Sequence[str]) -> dict[str, float | bool | tuple[float, ...]]:
    """Options by their names: a number, numbers joined by commas, true or false.

    Raises:
        ValueError: anything else, or an option given twice.

    Example:
        >>> options("option", ["momentum=0.9", "nesterov=true", "betas=0.9,0.99"])
        {'momentum': 0.9, 'nesterov': True, 'betas': (0.9, 0.99)}
    """
    found: dict[str, float | bool | tuple[float, ...]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or key in found:
            raise ValueError(f"{name} must be written NAME=VALUE, each name once; got {text!r}")
        if value in ("true", "false"):
            found[key] = value == "true"
            continue
        given = numbers(f"{name} {key}", value)
        found[key] = given[0] if len(given) == 1 else tuple(given)
    return found


def parity(text: str) -> Parity:
    """The class of parities that a text names.

    Args:
        text: "N" (all parities of N bits) or "N:SIZE" (of SIZE of them), each with ":signed" after it for values ±1.

    Raises:
        TypeError: not a string.
        ValueError: anything else, or numbers out of range.

    Example:
        >>> parity("10"), parity("10:3:signed")
        (Parity(10), Parity(10, size=3, signed=True))
    """
    expected = "written N, N:SIZE, N:signed or N:SIZE:signed, such as 10:3"
    if not isinstance(text, str):
        raise TypeError(f"parity must be {expected}; got {type(text).__name__}")
    numbers = text.removesuffix(":signed").split(":")
    if len(numbers) > 2 or not all(_is_integer(piece) for piece in numbers):
        raise ValueError(f"parity must be {expected}; got {text!r}")
    return Parity(*map(int, numbers), signed=text.endswith(":signed"))


def modulus(text: str) -> int:
    """The modulus that a text names: an integer, or powers and integers with signs between them.

    Args:
        text: such as "1009", "2^255-19" or "2^64-2^32+1" (** for ^ will do).

    Raises:
        TypeError: not a string.
        ValueError: anything else.

    Example:
        >>> modulus("1009"), modulus("2^61-1")
        (1009, 2305843009213693951)
    """
    expected = "an integer such as 1009 or 2^255-19"
    if not isinstance(text, str):
        raise TypeError(f"p must be {expected}; got {type(text).__name__}")
    pieces = re.fullmatch(r"-?[0-9]+(\^[0-9]+)?([+-][0-9]+(\^[0-9]+)?)*", text.replace("**", "^"))
    if pieces is None or len(text) >= _LONGEST:
        raise ValueError(f"p must be {expected}; got {text!r}")
    total = 0
    for sign, base, exponent in re.findall(r"([+-]?)([0-9]+)(?:\^([0-9]+))?", pieces.group()):
        if exponent and int(exponent) * int(base).bit_length() > _MOST_BITS:
            raise ValueError(f"p must be {expected}, below 2^{_MOST_BITS}; got {text!r}")
        total += (-1 if sign == "-" else 1) * int(base) ** int(exponent or 1)
    return total


def nearest(word: str, known: Iterable[str]) -> str:
    """A suggestion in parentheses, after a blank, if one of the known words is near, else the empty text."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _parse(name: str, text: str, words: Mapping[str, _Word[_T]]) -> _T:
    known = ", ".join(word.form for word in words.values())
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a text, one of {known}; got {type(text).__name__}")
    head, *parameters = text.split(":")
    word = words.get(head)
    if word is None:
        raise ValueError(f"{name} must be one of {known}; got {text!r}{nearest(head, words)}")
    if not word.least <= len(parameters) <= word.most:
        raise ValueError(f"{name} must be written {word.form}; got {text!r}")
    try:
        return word.build(parameters)
    except _UnreadableError as error:
        raise ValueError(f"{name} must be written {word.form} with {error}; got {text!r}") from None


class _UnreadableError(Exception):
    """A parameter that is no number; says what was expected. Never leaves this file."""


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+", text) is not None and len(text) < _LONGEST


def _integer(text: str) -> int:
    if not _is_integer(text):
        raise _UnreadableError(f"an integer in place of {text!r}")
    return int(text)


def _integers(texts: list[str]) -> list[int]:
    return [_integer(text) for text in texts]


def _fraction(text: str) -> Fraction:
    fits = re.fullmatch(r"[0-9]+/[0-9]+|[0-9]+(\.[0-9]*)?|\.[0-9]+", text) is not None and len(text) < _LONGEST
    if not fits or ("/" in text and int(text.partition("/")[2]) == 0):
        raise _UnreadableError(f"a decimal or a fraction in place of {text!r}")
    return Fraction(text)


def _gaussian(scale: str, nodes: str | None = None) -> inputs.RealLaw:
    return inputs.Density("gaussian", None if nodes is None else _integer(nodes), scale=float(_fraction(scale)))


def _harmonics(text: str) -> int | list[int]:
    pieces = _integers(text.split(","))
    return pieces if "," in text else pieces[0]


_TARGETS: dict[str, _Word[targets.Target]] = {
    "sawtooth": _Word("sawtooth", lambda _: targets.Sawtooth()),
    "cosine": _Word("cosine[:K]", lambda given: targets.Cosine(*_integers(given)), 0, 1),
    "bit": _Word("bit:J", lambda given: targets.Bit(_integer(given[0])), 1, 1),
    "quantile-bit": _Word("quantile-bit[:I]", lambda given: targets.QuantileBit(*_integers(given)), 0, 1),
    "threshold": _Word("threshold[:C]", lambda given: targets.Threshold(*map(_fraction, given)), 0, 1),
    "square": _Word("square", lambda _: targets.Square()),
    "triangle": _Word("triangle", lambda _: targets.Triangle()),
    "residue": _Word("residue", lambda _: targets.Residue()),
}

_ENCODINGS: dict[str, _Word[encodings.Encoding]] = {
    "bits": _Word("bits[:WIDTH]", lambda given: encodings.Bits(*_integers(given)), 0, 1),
    "signs": _Word("signs[:WIDTH]", lambda given: encodings.Signs(*_integers(given)), 0, 1),
    "digits": _Word("digits[:BASE[:WIDTH]]", lambda given: encodings.Digits(*_integers(given)), 0, 2),
    "one-hot": _Word("one-hot", lambda _: encodings.OneHot()),
    "scalar": _Word("scalar", lambda _: encodings.Scalar()),
    "angular": _Word("angular[:H]", lambda given: encodings.Angular(*map(_harmonics, given)), 0, 1),
    "group-element": _Word(
        "group-element:GENERATOR:MODULUS", lambda given: encodings.GroupElement(*_integers(given)), 2, 2
    ),
}

_LAWS: dict[str, _Word[inputs.Law]] = {
    "uniform": _Word("uniform", lambda _: inputs.Uniform()),
    "nonzero": _Word("nonzero", lambda _: inputs.Uniform(zero=False)),
    "random-bits": _Word("random-bits:N", lambda given: inputs.RandomBits(_integer(given[0])), 1, 1),
    "powers-of-two": _Word("powers-of-two", lambda _: inputs.PowersOfTwo()),
    "small": _Word("small:N", lambda given: inputs.SmallIntegers(_integer(given[0])), 1, 1),
    "low-weight": _Word("low-weight:W[:COUNT[:SEED]]", lambda given: inputs.LowWeight(*_integers(given)), 1, 3),
}

_REAL_LAWS: dict[str, _Word[inputs.RealLaw | None]] = {
    "uniform": _Word(
        "uniform[:N]", lambda given: inputs.Density("uniform", _integer(given[0])) if given else None, 0, 1
    ),
    "gaussian": _Word("gaussian:SCALE[:N]", lambda given: _gaussian(*given), 1, 2),
    "grid": _Word("grid:M", lambda given: inputs.Grid(_integer(given[0])), 1, 1),
}
