"""Blocks of Θ by the core: against plain products, for any ranges, threads and kernels, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import relative

from barren import _core

PACK = {np.float32: _core.PackedFactor32, np.float64: _core.PackedFactor64}
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-14}


def sides(n: int, width: int, dtype: type, seed: int) -> tuple[tuple[object, ...], np.ndarray]:
    """What the core takes for one factor, and M·Mᵀ + terms in float64."""
    rng = np.random.default_rng(seed)
    matrix, left, right = rng.standard_normal((n, width)).astype(dtype), rng.standard_normal(n), rng.standard_normal(n)
    packed, wide = PACK[dtype](matrix), matrix.astype(np.float64)
    assert (packed.rows, packed.width) == (n, width)
    return (packed, packed, left, right, 0.5), wide @ wide.T + left[:, None] + right + 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "widths"), [(1, (1, 1)), (7, (3, 2)), (49, (257, 10)), (131, (300, 1))])
def test_blocks_are_plain_products(dtype, n, widths):
    (one, first), (two, second) = (sides(n, width, dtype, seed) for seed, width in enumerate(widths))
    ranges = [((0, n), (0, n)), ((n // 3, n), (n // 2, n)), ((0, max(1, n // 5)), (n - 1, n)), ((0, 0), (0, n))]
    for rows, columns in ranges:
        shape = rows[1] - rows[0], columns[1] - columns[0]
        cut = slice(*rows), slice(*columns)
        answers = []
        for threads in (1, 2, 7):
            out = np.full(shape, np.nan)
            _core.gram_block(*one, *two, rows, columns, out, False, threads)
            _core.gram_block(*one, rows, columns, out, True, threads)
            answers.append(out)
        expected = first[cut] * second[cut] + first[cut]
        if expected.size:
            assert relative(answers[0], expected) <= TOLERANCE[dtype] * 10
        assert all(np.array_equal(answers[0], other) for other in answers)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reduced_blocks_are_without_terms_of_a_row_or_a_column(dtype):
    n = 61
    (one, first), (two, second) = (sides(n, width, dtype, seed) for seed, width in enumerate((30, 7)))
    plain, single = np.empty((n, n)), np.empty((n, n))
    _core.gram_block(*one, *two, (0, n), (0, n), plain, False, 2, True)
    _core.gram_block(*one, (0, n), (0, n), single, False, 2, True)
    for found, whole in ((plain, first * second), (single, first)):
        rest = whole - found  # u_i + v_j: nothing is left of it after both means
        left = rest - rest.mean(axis=0) - rest.mean(axis=1, keepdims=True) + rest.mean()
        assert np.abs(left).max() <= TOLERANCE[dtype] * 10 * np.abs(whole).max()
    part = np.ones((3, 5))
    _core.gram_block(*one, *two, (4, 7), (50, 55), part, True, 1, True)
    assert np.array_equal(part, plain[4:7, 50:55] + 1.0)


def test_reduced_blocks_keep_the_digits_of_what_is_left():
    """Against integers of Python: entries of about 10^24 less all but 10^12 of them."""
    n, level, rng = 40, 10**12, np.random.default_rng(0)
    factors, given = [], []
    for width in (6, 5):
        matrix, left, right = (rng.integers(-99, 100, size) for size in ((n, width), n, n))
        packed = _core.PackedFactor64(matrix.astype(np.float64))
        given += [packed, packed, left.astype(np.float64), right.astype(np.float64), float(level)]
        factors.append([side.astype(object) for side in (matrix @ matrix.T, left[:, None], right)])
    (one, u, v), (two, w, z) = factors
    whole = (one + u + v + level) * (two + w + z + level)
    expected = whole - (level + u) * (level + w) - (level + v) * (level + z) + level**2
    found = np.empty((n, n))
    _core.gram_block(*given, (0, n), (0, n), found, False, 1, True)
    assert np.abs(found - expected.astype(np.float64)).max() <= 1e-15 * np.abs(expected.astype(np.float64)).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_entry_does_not_depend_on_the_block_it_is_in(dtype):
    n = 101
    (one, _), (two, _) = sides(n, 70, dtype, 0), sides(n, 33, dtype, 1)
    whole = np.empty((n, n))
    _core.gram_block(*one, *two, (0, n), (0, n), whole, False)
    for rows, columns in [((5, 60), (3, 101)), ((48, 49), (0, 8)), ((99, 101), (50, 99))]:
        part = np.empty((rows[1] - rows[0], columns[1] - columns[0]))
        _core.gram_block(*one, *two, rows, columns, part, False)
        assert np.array_equal(part, whole[slice(*rows), slice(*columns)])


def test_every_instruction_set_agrees():
    in_use, answers = _core.kernel(), []
    try:
        for name in _core.available_kernels():
            _core.use_kernel(name)
            (one, _), (two, _) = sides(60, 300, np.float64, 0), sides(60, 20, np.float64, 1)
            answers.append(np.empty((60, 60)))
            _core.gram_block(*one, *two, (0, 60), (0, 60), answers[-1], False)
    finally:
        _core.use_kernel(in_use)
    assert all(relative(other, answers[0]) <= 1e-13 for other in answers)


def test_refusals():
    (one, _), (short, _) = sides(6, 4, np.float64, 0), sides(5, 3, np.float64, 1)
    out = np.empty((6, 6))
    whole = (0, 6), (0, 6)
    bad = [
        (*one, (0, 7), (0, 6), np.empty((7, 6)), False),
        (*one, (4, 2), (0, 6), np.empty((0, 6)), False),
        (*one, *whole, np.empty((6, 5)), False),
        (*one, *whole, np.empty(36), False),
        (*one[:2], one[2][:-1], *one[3:], *whole, out, False),
        (one[0], short[1], one[2], short[3], 0.0, (0, 6), (0, 5), np.empty((6, 5)), False),
        (*one, *short, *whole, out, False),
        (*one, *whole, np.broadcast_to(np.zeros(6), (6, 6)), False),
        (*one, *whole, out, False, -1),
    ]
    for arguments in bad:
        with pytest.raises((TypeError, ValueError)):
            _core.gram_block(*arguments)
    for matrix in [np.empty((0, 3)), np.empty((3, 0)), np.ones(3), np.ones((3, 2), order="F"), np.ones((2, 2), int)]:
        with pytest.raises((TypeError, ValueError)):
            _core.PackedFactor64(matrix)
    with pytest.raises(TypeError):
        _core.gram_block(_core.PackedFactor32(np.ones((6, 4), np.float32)), *one[1:], *whole, out, False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "positions", "width"), [(1, 1, 1), (64, 2, 8), (65, 3, 19), (5000, 1, 30)])
def test_means_and_cross_products_are_plain_sums(dtype, n, positions, width):
    rng = np.random.default_rng(n)
    rows = (rng.standard_normal((n, positions * width)) + 3.0).astype(dtype)
    vectors = rng.standard_normal((positions, width))
    wide = rows.astype(np.float64)
    means, products = zip(
        *((_core.column_means(rows, threads), _core.cross_products(rows, vectors, threads)) for threads in (1, 2, 7)),
        strict=True,
    )
    assert relative(means[0], wide.mean(axis=0)) <= 1e-14
    expected = np.einsum("itw,sw->tsi", wide.reshape(n, positions, width), vectors)
    assert relative(products[0], expected) <= 1e-14
    assert all(np.array_equal(means[0], other) for other in means)
    assert all(np.array_equal(products[0], other) for other in products)


def test_means_and_cross_products_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="rows must have a row"):
        _core.column_means(np.empty((0, 3)))
    assert _core.column_means(np.empty((3, 0))).shape == (0,)
    assert _core.column_means(np.empty((2**40, 0))).shape == (0,)
    assert _core.cross_products(np.empty((2**40, 0)), np.empty((0, 3))).shape == (0, 0, 2**40)
    assert _core.cross_products(np.empty((4, 0)), np.empty((0, 3))).shape == (0, 0, 4)
    with pytest.raises(ValueError, match="rows must have as many columns"):
        _core.cross_products(np.ones((4, 5)), np.ones((2, 3)))
    with pytest.raises(MemoryError):
        _core.cross_products(np.empty((4, 0)), np.broadcast_to(np.empty(0), (2**40, 0)).copy())
