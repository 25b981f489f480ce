"""What the classes refuse: moduli, targets, multipliers and residues out of range, and tables too large for memory."""

from __future__ import annotations

import re

import pytest

from barren import _memory
from barren.classes import ModularMultiplication, unit_group
from barren.targets import Bit, Cosine, Sawtooth, Table


def test_moduli_of_cryptographic_size_can_be_described():
    p = 2**255 - 19
    cls = ModularMultiplication(p, Cosine(3))
    assert cls.is_prime
    assert cls.size == p - 1
    assert cls.with_multipliers("all").size == p
    assert ModularMultiplication(3 * 2**200).size == 2**200
    calls = {
        "residues of 64 bits": [lambda: cls.values([1], [1])],
        "a table of ψ": [cls.table, cls.kernel_by_ratio, cls.spectrum],
        "the list of all members": [lambda: cls.members],
        "a set of multipliers": [lambda: cls.with_multipliers([1])],
    }
    for purpose, several in calls.items():
        for call in several:
            with pytest.raises(ValueError, match=rf"^p must be below 2\*\*63 for {purpose}; got {p}$"):
                call()
    for call in (lambda: cls.kernel([1], [1]), lambda: cls.mean([1])):
        with pytest.raises(ValueError, match=r"Cosine\(k=3\) is no combination of few sawtooths .* Sawtooth, Square"):
            call()


def test_tables_larger_than_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(_memory, "physical", lambda: 2**20)
    prime, composite = ModularMultiplication(2**31 - 1, Cosine()), ModularMultiplication(2**31)
    for call in (
        prime.table,
        prime.spectrum,
        prime.kernel_by_ratio,
        lambda: prime.mean([1]),
        lambda: composite.members,
        lambda: prime.kernel([1], [1]),
        lambda: composite.kernel([1], [1]),
        lambda: unit_group(100003),
    ):
        with pytest.raises(ValueError, match=r"^p must be at most \d+ for .* to fit in the 0.0 GiB"):
            call()


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: ModularMultiplication(7.0), TypeError, "p must be an integer, at least 3; got 7.0"),
        (lambda: ModularMultiplication(True), TypeError, "p must be an integer, at least 3; got True"),
        (lambda: ModularMultiplication(2), ValueError, "p must be an integer, at least 3; got 2"),
        (
            lambda: ModularMultiplication(7, Sawtooth),
            TypeError,
            "target must be a target such as targets.Sawtooth(); got the class Sawtooth",
        ),
        (
            lambda: ModularMultiplication(7, "bit"),
            TypeError,
            "target must be a target such as targets.Sawtooth(); got 'bit'",
        ),
        (
            lambda: ModularMultiplication(7, Bit(3)),
            ValueError,
            "j (a bit of the residues modulo 7) must be an integer in 0..2; got 3",
        ),
        (
            lambda: ModularMultiplication(7, Table([1, 2, 3])),
            ValueError,
            "values must be one a residue, p = 7 of them; got 3",
        ),
        (
            lambda: ModularMultiplication(7, multipliers="unit"),
            ValueError,
            "multipliers must be one of 'units', 'all'; got 'unit'",
        ),
        (
            lambda: ModularMultiplication(7, multipliers=None),
            TypeError,
            "multipliers must be 'units', 'all' or a 1-D array of integers in 0..6; got None",
        ),
        (
            lambda: ModularMultiplication(7, multipliers=3),
            ValueError,
            "multipliers must be 'units', 'all' or a 1-D array of integers in 0..6; got 3",
        ),
        (
            lambda: ModularMultiplication(7, multipliers=[]),
            ValueError,
            "multipliers must be 'units', 'all' or at least one residue; got a list of length 0: []",
        ),
        (
            lambda: ModularMultiplication(7, multipliers=[1, 7]),
            ValueError,
            "multipliers must be 'units', 'all' or a 1-D array of integers in 0..6; got 7 at index 1",
        ),
        (
            lambda: ModularMultiplication(7, multipliers=[1.0]),
            TypeError,
            "multipliers must be 'units', 'all' or a 1-D array of integers in 0..6; got a list of length 1: [1.0]",
        ),
        (
            lambda: ModularMultiplication(7, multipliers=[5, 2, 3, 5]),
            ValueError,
            "multipliers must be distinct; got 5 at index 0 and at index 3",
        ),
        (
            lambda: ModularMultiplication(7).values([7], [0]),
            ValueError,
            "a must be a 1-D array of integers in 0..6; got 7 at index 0",
        ),
        (
            lambda: ModularMultiplication(7).values([1], [0.5]),
            TypeError,
            "x must be a 1-D array of integers in 0..6; got a list of length 1: [0.5]",
        ),
        (
            lambda: ModularMultiplication(7).values([1], [1], threads=0),
            ValueError,
            "threads must be an integer in 1..4096; got 0",
        ),
        (
            lambda: ModularMultiplication(7).kernel([1], [-1]),
            ValueError,
            "y must be a 1-D array of integers in 0..6; got -1 at index 0",
        ),
        (
            lambda: ModularMultiplication(7).mean([[1]]),
            ValueError,
            "x must be a 1-D array of integers in 0..6; got a list of length 1: [[1]]",
        ),
        (
            lambda: ModularMultiplication(15).spectrum(),
            ValueError,
            "p must be an odd prime for the spectrum over characters; got 15 = 3 · 5",
        ),
        (
            lambda: ModularMultiplication(15).kernel_by_ratio(),
            ValueError,
            "p must be an odd prime for the class kernel by ratios; got 15 = 3 · 5",
        ),
        (
            lambda: unit_group(15),
            ValueError,
            "p must be an odd prime for a cyclic group of units; got 15 = 3 · 5",
        ),
    ],
)
def test_bad_input(build, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        build()
