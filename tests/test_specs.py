from __future__ import annotations

from fractions import Fraction

import pytest

from barren import encodings, inputs, specs, targets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sawtooth", targets.Sawtooth()),
        ("cosine", targets.Cosine()),
        ("cosine:3", targets.Cosine(3)),
        ("cosine:-3", targets.Cosine(-3)),
        ("bit:0", targets.Bit(0)),
        ("bit:12", targets.Bit(12)),
        ("threshold", targets.Threshold()),
        ("threshold:0.25", targets.Threshold(0.25)),
        ("threshold:1/3", targets.Threshold(Fraction(1, 3))),
        ("square", targets.Square()),
        ("triangle", targets.Triangle()),
    ],
)
def test_targets(text: str, expected: targets.Target) -> None:
    assert specs.target(text) == expected


def test_a_decimal_threshold_is_exact() -> None:
    assert specs.target("threshold:0.1") == targets.Threshold(Fraction(1, 10)) != targets.Threshold(0.1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bits", encodings.Bits()),
        ("bits:16", encodings.Bits(16)),
        ("digits", encodings.Digits()),
        ("digits:10", encodings.Digits(10)),
        ("digits:3:7", encodings.Digits(3, 7)),
        ("one-hot", encodings.OneHot()),
        ("scalar", encodings.Scalar()),
        ("angular", encodings.Angular()),
        ("angular:3", encodings.Angular(3)),
        ("angular:1,5", encodings.Angular([1, 5])),
        ("group-element:2:7", encodings.GroupElement(2, 7)),
    ],
)
def test_encodings(text: str, expected: encodings.Encoding) -> None:
    assert specs.encoding(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uniform", inputs.Uniform()),
        ("nonzero", inputs.Uniform(zero=False)),
        ("random-bits:12", inputs.RandomBits(12)),
    ],
)
def test_laws(text: str, expected: inputs.Law) -> None:
    assert specs.law(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uniform", None),
        ("uniform:64", inputs.Density("uniform", 64)),
        ("gaussian:0.5", inputs.Density("gaussian", scale=0.5)),
        ("gaussian:1/4:40", inputs.Density("gaussian", 40, scale=0.25)),
        ("grid:101", inputs.Grid(101)),
    ],
)
def test_laws_on_the_line(text: str, expected: inputs.RealLaw | None) -> None:
    assert specs.real_law(text) == expected


def test_multipliers() -> None:
    assert specs.multipliers("units") == "units"
    assert specs.multipliers("all") == "all"
    assert specs.multipliers("1,2,4") == [1, 2, 4]
    assert specs.multipliers("7") == [7]


@pytest.mark.parametrize(
    ("parse", "text", "parts"),
    [
        (specs.target, "bits:0", ["target must be one of sawtooth, cosine[:K], bit:J", "got 'bits:0'", "mean 'bit'?"]),
        (specs.target, "Sawtooth", ["did you mean 'sawtooth'?"]),
        (specs.target, "", ["target must be one of", "got ''"]),
        (specs.target, "bit", ["target must be written bit:J; got 'bit'"]),
        (specs.target, "bit:0:1", ["target must be written bit:J"]),
        (specs.target, "bit:x", ["target must be written bit:J with an integer in place of 'x'; got 'bit:x'"]),
        (specs.target, "bit:1.0", ["an integer in place of '1.0'"]),
        (specs.target, "bit:٣", ["an integer"]),
        (specs.target, "bit:" + "9" * 5000, ["an integer"]),
        (specs.target, "bit:-1", ["j must be an integer, at least 0; got -1"]),
        (specs.target, "cosine:0", ["k must be a frequency other than 0"]),
        (specs.target, "threshold:nan", ["a decimal or a fraction in place of 'nan'"]),
        (specs.target, "threshold:1/0", ["a decimal or a fraction in place of '1/0'"]),
        (specs.target, "threshold:1e999999999", ["a decimal or a fraction"]),
        (specs.target, "threshold:2", ["c must be between 0 and 1"]),
        (specs.encoding, "onehot", ["encoding must be one of bits[:WIDTH]", "did you mean 'one-hot'?"]),
        (specs.encoding, "bits:", ["an integer in place of ''"]),
        (specs.encoding, "angular:1,,2", ["an integer in place of ''"]),
        (specs.encoding, "scalar:1", ["encoding must be written scalar"]),
        (specs.encoding, "group-element:2", ["group-element:GENERATOR:MODULUS"]),
        (specs.law, "random", ["inputs must be one of uniform, nonzero, random-bits:N", "did you mean 'random-bits'?"]),
        (specs.law, "random-bits", ["inputs must be written random-bits:N"]),
        (specs.multipliers, "unit", ["multipliers must be 'units', 'all' or integers", "did you mean 'units'?"]),
        (specs.multipliers, "1,,2", ["multipliers must be"]),
        (specs.modulus, "2^", ["p must be an integer such as"]),
        (specs.modulus, "2^255 - 19", ["p must be an integer such as"]),
        (specs.modulus, "9^99999", ["below 2^16384"]),
        (specs.law, "small", ["inputs must be written small:N"]),
        (specs.law, "low-weight:0", ["weight must be an integer, at least 1"]),
        (specs.multipliers, "1.5", ["multipliers must be"]),
    ],
)
def test_what_is_not_understood_is_named(parse: object, text: str, parts: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)  # type: ignore[operator]
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("parse", [specs.target, specs.encoding, specs.law, specs.multipliers])
def test_only_texts(parse: object) -> None:
    with pytest.raises(TypeError, match="got int"):
        parse(3)  # type: ignore[operator]


def test_no_suggestion_where_nothing_is_near() -> None:
    with pytest.raises(ValueError, match="zzzz") as caught:
        specs.target("zzzz")
    assert "did you mean" not in str(caught.value)
