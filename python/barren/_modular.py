"""Products of residues, and the circle at residues: exact integers until the last division."""

from __future__ import annotations

import numpy as np

from barren._validate import WORD_LIMIT, Floats, Integers

_FEW = 256  # residues that are sooner multiplied as Python integers than by hundreds of operations on arrays


def multiply(k: int, t: Integers, p: int) -> Integers:
    """``k·t mod p``, exact for every modulus below 2**63.

    Args:
        k: any integer.
        t: int64 residues 0..p-1, of any shape.
        p: the modulus, 1 <= p < 2**63.

    Returns:
        int64 residues of the shape of ``t``.

    Cost: one product a residue, or 63 additions where k·(p-1) needs more than 63 bits and there are many residues.

    >>> multiply(2**62 + 1, np.array([2**62 + 3]), 2**63 - 25)
    array([2305843009213694155])
    """
    k %= p
    if k * (p - 1) < WORD_LIMIT:
        return np.asarray(t * k % p, dtype=np.int64)
    if t.size <= _FEW:
        return np.array([k * residue % p for residue in t.ravel().tolist()], dtype=np.int64).reshape(t.shape)
    # Double and add, from the highest digit of k down. Residues are below 2^63, so a doubled one fits in 64
    # bits without a sign.
    factor, modulus = t.astype(np.uint64), np.uint64(p)
    out = np.zeros_like(factor)
    for digit in f"{k:b}":
        out += out
        out[out >= modulus] -= modulus
        if digit == "1":
            out += factor
            out[out >= modulus] -= modulus
    return out.astype(np.int64)


def cosine(t: Integers, p: int) -> Floats:
    """cos(2πt/p), to an ulp or two also where it is small, and exact at multiples of a quarter turn.

    Args:
        t: int64 residues 0..p-1.
        p: the modulus, below 2**63.

    Returns:
        float64 of the shape of ``t``.
    """
    folded = np.minimum(t, p - t)
    quarter_turns = ((p - 2 * folded) - 2 * folded) / p  # (p - 4·folded)/p in -1..1, and no intermediate above p
    return np.asarray(np.sin(0.5 * np.pi * quarter_turns))


def sine(t: Integers, p: int) -> Floats:
    """sin(2πt/p), to an ulp or two also where it is small.

    Args:
        t: int64 residues 0..p-1.
        p: the modulus, below 2**63.

    Returns:
        float64 of the shape of ``t``.
    """
    folded = np.minimum(t, p - t)
    half_turns = np.minimum(2 * folded, p - 2 * folded) / p
    return np.asarray(np.where(t > p - t, -1.0, 1.0) * np.sin(np.pi * half_turns))
