"""Checks of a modulus: what some methods need of it."""

from __future__ import annotations

from barren import _memory
from barren._validate.messages import came, refuse
from barren._validate.scalars import integer

WORD_LIMIT = 2**63
"""Residues are 64-bit signed integers, so a modulus that is computed with is below this."""


def prime(name: str, value: object, purpose: str) -> int:
    """``value``, an odd prime, which ``purpose`` needs.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is not an odd prime; the message shows its factors where they are quickly found.

    >>> prime("p", 1001, "the character method")
    Traceback (most recent call last):
    ValueError: p must be an odd prime for the character method; got 1001 = 7 · 11 · 13
    """
    import sympy

    number = integer(name, value)
    if number <= 2 or not sympy.isprime(number):
        refuse(ValueError, name, f"an odd prime for {purpose}", _with_factors(number))
    return number


def _with_factors(number: int) -> str:
    """A number that is no odd prime, with its factors where they are quickly found."""
    import sympy

    if number <= 3:
        return came(number)
    if number.bit_length() > 64:
        return f"{came(number)}, which is composite"
    factors = sympy.factorint(number, multiple=True)
    return f"{came(number)} = {' · '.join(map(str, factors))}"


def word_modulus(name: str, value: int, purpose: str) -> int:
    """``value``, a modulus whose residues fit in 64 bits, which ``purpose`` needs.

    Raises:
        ValueError: it is 2**63 or more.
    """
    if value >= WORD_LIMIT:
        refuse(ValueError, name, f"below 2**63 for {purpose}", came(value))
    return value


def tabulated(name: str, value: int, bytes_each: int, purpose: str) -> int:
    """``value``, a modulus so small that ``bytes_each`` bytes a residue fit in this machine's memory.

    Raises:
        ValueError: it is 2**63 or more, or the table would be larger than the physical memory.
    """
    word_modulus(name, value, purpose)
    memory, needed = _memory.physical(), bytes_each * value
    if memory is not None and needed > memory:
        room = f"{memory / 2**30:.1f} GiB of this machine"
        expected = f"at most {memory // bytes_each} for {purpose} to fit in the {room}"
        refuse(ValueError, name, expected, f"{came(value)}, which needs {needed / 2**30:.1f} GiB")
    return value
