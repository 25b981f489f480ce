"""
The compiled core of barren. Arguments are checked for memory safety only; call the package instead.
"""

from __future__ import annotations

import typing

import numpy
import numpy.typing

__all__: list[str] = [
    "PackedFactor32",
    "PackedFactor64",
    "Stop",
    "available_kernels",
    "available_threads",
    "checkpoint",
    "column_means",
    "commit",
    "common_ones",
    "compiler",
    "correlations",
    "cross_products",
    "dedekind_ratios",
    "dedekind_sums",
    "distances",
    "fold",
    "frequency_quadratic_forms",
    "frequency_responses",
    "frequency_values",
    "gather",
    "gather_sums",
    "gcd_product",
    "gram_block",
    "in_forked_child",
    "interval_cosines",
    "interval_products",
    "kernel",
    "level_counts",
    "logarithm_table",
    "note_fork",
    "obey",
    "pairing",
    "power_range",
    "power_table",
    "powers",
    "quadratic_forms",
    "responses",
    "sawtooth_ratios",
    "scatter_sums",
    "use_kernel",
    "values",
    "walsh_hadamard",
    "weighted_energy",
]

class Stop:
    """
    What a thread raises to stop those that obey it.
    """
    def __init__(self) -> None: ...
    def is_set(self) -> bool:
        """
        Whether it was raised.
        """
    def set(self) -> None:
        """
        Stops the threads that obey, each at its next checkpoint.
        """

class PackedFactor32:
    """
    A matrix regrouped for products with others of its width.
    """
    def __init__(
        self, matrix: numpy.typing.NDArray[numpy.float32], threads: typing.SupportsInt | typing.SupportsIndex = 0
    ) -> None: ...
    @property
    def rows(self) -> int: ...
    @property
    def width(self) -> int: ...

class PackedFactor64:
    """
    A matrix regrouped for products with others of its width.
    """
    def __init__(
        self, matrix: numpy.typing.NDArray[numpy.float64], threads: typing.SupportsInt | typing.SupportsIndex = 0
    ) -> None: ...
    @property
    def rows(self) -> int: ...
    @property
    def width(self) -> int: ...

def available_kernels() -> list[str]:
    """
    The instruction sets that this machine runs, best last.
    """

def available_threads() -> int:
    """
    How many threads a call uses when it is not told.
    """

def checkpoint() -> None:
    """
    Raises KeyboardInterrupt in a thread whose Stop was set.
    """

@typing.overload
def column_means(
    rows: numpy.typing.NDArray[numpy.float32], threads: typing.SupportsInt | typing.SupportsIndex = 0
) -> numpy.typing.NDArray[numpy.float64]:
    """
    The mean of every column, summed in float64, shape (columns,).
    """

@typing.overload
def column_means(
    rows: numpy.typing.NDArray[numpy.float64], threads: typing.SupportsInt | typing.SupportsIndex = 0
) -> numpy.typing.NDArray[numpy.float64]:
    """
    The mean of every column, summed in float64, shape (columns,).
    """

def common_ones(
    x: numpy.typing.NDArray[numpy.int64],
    y: numpy.typing.NDArray[numpy.int64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    how many ones x[i] and y[j] have in common, uint8 of shape (n, m).
    """

@typing.overload
def correlations(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    powers: numpy.typing.NDArray[numpy.int64],
    table: numpy.typing.NDArray[numpy.float32],
    weights: numpy.typing.NDArray[numpy.float64],
    jacobian: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    responses of distinct multipliers for a prime modulus whose units are `powers` of one root, and for a table of finite numbers.
    """

@typing.overload
def correlations(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    powers: numpy.typing.NDArray[numpy.int64],
    table: numpy.typing.NDArray[numpy.float64],
    weights: numpy.typing.NDArray[numpy.float64],
    jacobian: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    responses of distinct multipliers for a prime modulus whose units are `powers` of one root, and for a table of finite numbers.
    """

@typing.overload
def cross_products(
    rows: numpy.typing.NDArray[numpy.float32],
    vectors: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    For rows (n, T·w) and vectors (T, w): rows[i, t]·vectors[s] at [t, s, i], float64 of shape (T, T, n).
    """

@typing.overload
def cross_products(
    rows: numpy.typing.NDArray[numpy.float64],
    vectors: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    For rows (n, T·w) and vectors (T, w): rows[i, t]·vectors[s] at [t, s, i], float64 of shape (T, T, n).
    """

def dedekind_ratios(
    inverses: numpy.typing.NDArray[numpy.int64],
    columns: numpy.typing.NDArray[numpy.int64],
    k: typing.SupportsInt | typing.SupportsIndex,
    a: typing.SupportsInt | typing.SupportsIndex,
    b: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    12·sum over t of (((x·t + a)/k))·(((y·t + b)/k)) for the units x of these inverses and y = columns, float64 of shape (len(inverses), len(columns)).
    """

def dedekind_sums(
    h: numpy.typing.NDArray[numpy.int64],
    c: numpy.typing.NDArray[numpy.int64],
    k: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    12·sum over j of ((j/k))·(((h·j + c)/k)) for each h and c (empty: zeros), float64 of shape (len(h),).
    """

def distances(
    x: numpy.typing.NDArray[numpy.int64],
    y: numpy.typing.NDArray[numpy.int64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    in how many bits x[i] and y[j] differ, uint8 of shape (n, m).
    """

@typing.overload
def fold(
    rows: numpy.typing.NDArray[numpy.float32],
    order: numpy.typing.NDArray[numpy.int64],
    weights: numpy.typing.NDArray[numpy.float64],
    sign: typing.SupportsFloat | typing.SupportsIndex,
    out: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> None:
    """
    out[i] = f(i) + sign·f(i+m), f(i) = weights[order[i]]·rows[order[i]], zero where order is -1; out is float64 of shape (m, columns).
    """

@typing.overload
def fold(
    rows: numpy.typing.NDArray[numpy.float64],
    order: numpy.typing.NDArray[numpy.int64],
    weights: numpy.typing.NDArray[numpy.float64],
    sign: typing.SupportsFloat | typing.SupportsIndex,
    out: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> None:
    """
    out[i] = f(i) + sign·f(i+m), f(i) = weights[order[i]]·rows[order[i]], zero where order is -1; out is float64 of shape (m, columns).
    """

@typing.overload
def frequency_quadratic_forms(
    frequencies: numpy.typing.NDArray[numpy.float64],
    points: numpy.typing.NDArray[numpy.float64],
    waves: list[
        tuple[float, str, float, tuple[float, float], tuple[float, float], numpy.typing.NDArray[numpy.float64]]
    ],
    offset: numpy.typing.NDArray[numpy.float64],
    ntk: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    divisor: typing.SupportsFloat | typing.SupportsIndex = 1.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    (ψ_a − shift − offset)ᵀ·ntk·(ψ_a − shift − offset) for a symmetric ntk, float64 of shape (members,); ψ_a − shift and offset are rounded to the dtype of ntk.
    """

@typing.overload
def frequency_quadratic_forms(
    frequencies: numpy.typing.NDArray[numpy.float64],
    points: numpy.typing.NDArray[numpy.float64],
    waves: list[
        tuple[float, str, float, tuple[float, float], tuple[float, float], numpy.typing.NDArray[numpy.float64]]
    ],
    offset: numpy.typing.NDArray[numpy.float64],
    ntk: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    divisor: typing.SupportsFloat | typing.SupportsIndex = 1.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    (ψ_a − shift − offset)ᵀ·ntk·(ψ_a − shift − offset) for a symmetric ntk, float64 of shape (members,); ψ_a − shift and offset are rounded to the dtype of ntk.
    """

@typing.overload
def frequency_responses(
    frequencies: numpy.typing.NDArray[numpy.float64],
    points: numpy.typing.NDArray[numpy.float64],
    waves: list[
        tuple[float, str, float, tuple[float, float], tuple[float, float], numpy.typing.NDArray[numpy.float64]]
    ],
    weights: numpy.typing.NDArray[numpy.float64],
    jacobian: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    divisor: typing.SupportsFloat | typing.SupportsIndex = 1.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum over x of weights[x]·(ψ(⟨a, x⟩/divisor) − shift)·jacobian[x], float64 of shape (members, columns); factors are rounded to the dtype of the Jacobian.
    """

@typing.overload
def frequency_responses(
    frequencies: numpy.typing.NDArray[numpy.float64],
    points: numpy.typing.NDArray[numpy.float64],
    waves: list[
        tuple[float, str, float, tuple[float, float], tuple[float, float], numpy.typing.NDArray[numpy.float64]]
    ],
    weights: numpy.typing.NDArray[numpy.float64],
    jacobian: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    divisor: typing.SupportsFloat | typing.SupportsIndex = 1.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum over x of weights[x]·(ψ(⟨a, x⟩/divisor) − shift)·jacobian[x], float64 of shape (members, columns); factors are rounded to the dtype of the Jacobian.
    """

def frequency_values(
    frequencies: numpy.typing.NDArray[numpy.float64],
    points: numpy.typing.NDArray[numpy.float64],
    waves: list[
        tuple[float, str, float, tuple[float, float], tuple[float, float], numpy.typing.NDArray[numpy.float64]]
    ],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    divisor: typing.SupportsFloat | typing.SupportsIndex = 1.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    ψ(⟨a, x⟩/divisor) − shift, ψ a sum of waves (coefficient, shape, harmonic, cut, cut less one, table); float64 of shape (members, points).
    """

@typing.overload
def gather(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    levels: numpy.typing.NDArray[numpy.int32],
    table: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.ndarray:
    """
    table[x, level of a·x mod m], of shape (members, points, columns).
    """

@typing.overload
def gather(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    levels: numpy.typing.NDArray[numpy.int32],
    table: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.ndarray:
    """
    table[x, level of a·x mod m], of shape (members, points, columns).
    """

@typing.overload
def gather_sums(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    levels: numpy.typing.NDArray[numpy.int32],
    weights: numpy.typing.NDArray[numpy.float64],
    table: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum over x of weights[x]·table[x, level of a·x mod m], float64 of shape (members, columns).
    """

@typing.overload
def gather_sums(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    levels: numpy.typing.NDArray[numpy.int32],
    weights: numpy.typing.NDArray[numpy.float64],
    table: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum over x of weights[x]·table[x, level of a·x mod m], float64 of shape (members, columns).
    """

def gcd_product(
    v: numpy.typing.NDArray[numpy.float64],
    weights: numpy.typing.NDArray[numpy.float64],
    primes: numpy.typing.NDArray[numpy.int64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    The product by [f(gcd(a, b))], a, b = 1..A, with f(n) the sum of weights[d-1] over the d that divide n;
    primes are those up to A. float64 of shape (A,).
    """

@typing.overload
def gram_block(
    left: PackedFactor32,
    right: PackedFactor32,
    left_terms: numpy.typing.NDArray[numpy.float64],
    right_terms: numpy.typing.NDArray[numpy.float64],
    constant: typing.SupportsFloat | typing.SupportsIndex,
    rows: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    columns: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    out: numpy.typing.NDArray[numpy.float64],
    accumulate: bool,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    reduced: bool = False,
) -> None:
    """
    out = left·rightᵀ + left_terms + right_terms + constant at these rows and columns, or added to it; reduced: without what depends on the row alone or on the column alone.
    """

@typing.overload
def gram_block(
    left: PackedFactor32,
    right: PackedFactor32,
    left_terms: numpy.typing.NDArray[numpy.float64],
    right_terms: numpy.typing.NDArray[numpy.float64],
    constant: typing.SupportsFloat | typing.SupportsIndex,
    second_left: PackedFactor32,
    second_right: PackedFactor32,
    second_left_terms: numpy.typing.NDArray[numpy.float64],
    second_right_terms: numpy.typing.NDArray[numpy.float64],
    second_constant: typing.SupportsFloat | typing.SupportsIndex,
    rows: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    columns: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    out: numpy.typing.NDArray[numpy.float64],
    accumulate: bool,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    reduced: bool = False,
) -> None:
    """
    The entrywise product of two such blocks; reduced as for one.
    """

@typing.overload
def gram_block(
    left: PackedFactor64,
    right: PackedFactor64,
    left_terms: numpy.typing.NDArray[numpy.float64],
    right_terms: numpy.typing.NDArray[numpy.float64],
    constant: typing.SupportsFloat | typing.SupportsIndex,
    rows: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    columns: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    out: numpy.typing.NDArray[numpy.float64],
    accumulate: bool,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    reduced: bool = False,
) -> None:
    """
    out = left·rightᵀ + left_terms + right_terms + constant at these rows and columns, or added to it; reduced: without what depends on the row alone or on the column alone.
    """

@typing.overload
def gram_block(
    left: PackedFactor64,
    right: PackedFactor64,
    left_terms: numpy.typing.NDArray[numpy.float64],
    right_terms: numpy.typing.NDArray[numpy.float64],
    constant: typing.SupportsFloat | typing.SupportsIndex,
    second_left: PackedFactor64,
    second_right: PackedFactor64,
    second_left_terms: numpy.typing.NDArray[numpy.float64],
    second_right_terms: numpy.typing.NDArray[numpy.float64],
    second_constant: typing.SupportsFloat | typing.SupportsIndex,
    rows: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    columns: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex],
    out: numpy.typing.NDArray[numpy.float64],
    accumulate: bool,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    reduced: bool = False,
) -> None:
    """
    The entrywise product of two such blocks; reduced as for one.
    """

def in_forked_child() -> bool:
    """
    Whether this process was forked from one that may have used threads: the core then runs on one.
    """

def interval_cosines(
    x: numpy.typing.NDArray[numpy.float64],
    y: numpy.typing.NDArray[numpy.float64],
    of_y: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    ∫₀¹ cos(2πu·x)·φ(u·y) du for a φ of lines, rows (start, value, slope); float64 of shape (len(x), len(y)).
    """

def interval_products(
    x: numpy.typing.NDArray[numpy.float64],
    y: numpy.typing.NDArray[numpy.float64],
    of_x: numpy.typing.NDArray[numpy.float64],
    of_y: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    ∫₀¹ ψ(u·x)·φ(u·y) du for ψ and φ of lines, rows (start, value, slope); float64 of shape (len(x), len(y)).
    """

def kernel() -> str:
    """
    The instruction set whose kernels are in use.
    """

def level_counts(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    levels: numpy.typing.NDArray[numpy.int32],
    count: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.int64]:
    """
    how many multipliers have each level at each point, int64 of shape (points, count).
    """

def logarithm_table(
    powers: numpy.typing.NDArray[numpy.int64], p: typing.SupportsInt | typing.SupportsIndex
) -> numpy.typing.NDArray[numpy.int64]:
    """
    The inverse of power_table: int64 of shape (p,), -1 at 0.
    """

def note_fork() -> None:
    """
    Says that it was, where the core was loaded after the fork.
    """

def obey(stop: Stop) -> None:
    """
    Core calls of this thread look at `stop` from now on, and no more at Python's signals; None: as before.
    """

@typing.overload
def pairing(
    kernel: numpy.typing.NDArray[numpy.float64],
    row_logarithms: numpy.typing.NDArray[numpy.int64],
    row_weights: numpy.typing.NDArray[numpy.float64],
    column_logarithms: numpy.typing.NDArray[numpy.int64],
    column_weights: numpy.typing.NDArray[numpy.float64],
    ntk: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> float:
    """
    sum of row_weights[i]·column_weights[j]·kernel[log x_i − log y_j]·ntk[i, j]; points of logarithm -1 are left out.
    """

@typing.overload
def pairing(
    kernel: numpy.typing.NDArray[numpy.float64],
    row_logarithms: numpy.typing.NDArray[numpy.int64],
    row_weights: numpy.typing.NDArray[numpy.float64],
    column_logarithms: numpy.typing.NDArray[numpy.int64],
    column_weights: numpy.typing.NDArray[numpy.float64],
    ntk: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> float:
    """
    sum of row_weights[i]·column_weights[j]·kernel[log x_i − log y_j]·ntk[i, j]; points of logarithm -1 are left out.
    """

def power_range(
    root: typing.SupportsInt | typing.SupportsIndex,
    first: typing.SupportsInt | typing.SupportsIndex,
    count: typing.SupportsInt | typing.SupportsIndex,
    p: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.int64]:
    """
    root**(first + i) modulo p for i = 0..count-1, int64 of shape (count,).
    """

def power_table(
    root: typing.SupportsInt | typing.SupportsIndex,
    p: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.int64]:
    """
    root**i modulo p for i = 0..p-2, int64 of shape (p-1,).
    """

def powers(
    base: typing.SupportsInt | typing.SupportsIndex,
    exponents: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.int64]:
    """
    base**exponents modulo modulus, exponents int64 of shape (n,).
    """

@typing.overload
def quadratic_forms(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    formula: str,
    parameter: typing.SupportsInt | typing.SupportsIndex,
    table: numpy.typing.NDArray[numpy.float32],
    offset: numpy.typing.NDArray[numpy.float64],
    ntk: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    (ψ_a − offset)ᵀ·ntk·(ψ_a − offset) for a symmetric ntk, float64 of shape (members,); ψ_a and offset are rounded to the dtype of ntk.
    """

@typing.overload
def quadratic_forms(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    formula: str,
    parameter: typing.SupportsInt | typing.SupportsIndex,
    table: numpy.typing.NDArray[numpy.float64],
    offset: numpy.typing.NDArray[numpy.float64],
    ntk: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    (ψ_a − offset)ᵀ·ntk·(ψ_a − offset) for a symmetric ntk, float64 of shape (members,); ψ_a and offset are rounded to the dtype of ntk.
    """

@typing.overload
def responses(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    formula: str,
    parameter: typing.SupportsInt | typing.SupportsIndex,
    table: numpy.typing.NDArray[numpy.float32],
    weights: numpy.typing.NDArray[numpy.float64],
    jacobian: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum over x of weights[x]·ψ(a·x mod m)·jacobian[x], float64 of shape (members, columns); `shift` is taken off a ψ that has no table. Factors are rounded to the dtype of the Jacobian.
    """

@typing.overload
def responses(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    formula: str,
    parameter: typing.SupportsInt | typing.SupportsIndex,
    table: numpy.typing.NDArray[numpy.float64],
    weights: numpy.typing.NDArray[numpy.float64],
    jacobian: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    shift: typing.SupportsFloat | typing.SupportsIndex = 0.0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum over x of weights[x]·ψ(a·x mod m)·jacobian[x], float64 of shape (members, columns); `shift` is taken off a ψ that has no table. Factors are rounded to the dtype of the Jacobian.
    """

def sawtooth_ratios(
    inverses: numpy.typing.NDArray[numpy.int64],
    columns: numpy.typing.NDArray[numpy.int64],
    k: typing.SupportsInt | typing.SupportsIndex,
    shift: typing.SupportsInt | typing.SupportsIndex,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    ((inverse·column + shift)/k)), float64 of shape (len(inverses), len(columns)).
    """

@typing.overload
def scatter_sums(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    levels: numpy.typing.NDArray[numpy.int32],
    count: typing.SupportsInt | typing.SupportsIndex,
    rows: numpy.typing.NDArray[numpy.float32],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum of the rows[x] of one level of a·x mod m, float64 of shape (members, count, columns).
    """

@typing.overload
def scatter_sums(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    levels: numpy.typing.NDArray[numpy.int32],
    count: typing.SupportsInt | typing.SupportsIndex,
    rows: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum of the rows[x] of one level of a·x mod m, float64 of shape (members, count, columns).
    """

def use_kernel(name: str) -> None:
    """
    Takes another instruction set from the next call on; for tests that compare them in one process.
    """

def values(
    multipliers: numpy.typing.NDArray[numpy.int64],
    points: numpy.typing.NDArray[numpy.int64],
    modulus: typing.SupportsInt | typing.SupportsIndex,
    formula: str,
    parameter: typing.SupportsInt | typing.SupportsIndex,
    table: numpy.typing.NDArray[numpy.float64],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    ψ(a·x mod m), float64 of shape (members, points).
    """

def walsh_hadamard(
    rows: numpy.typing.NDArray[numpy.float64], threads: typing.SupportsInt | typing.SupportsIndex = 0
) -> None:
    """
    rows[v] <- sum over x of (-1)^<v,x>·rows[x], in place; float64, a power of two of rows.
    """

def weighted_energy(
    weights: numpy.typing.NDArray[numpy.float64],
    transform: numpy.typing.NDArray[numpy.complex128],
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> numpy.typing.NDArray[numpy.float64]:
    """
    sum over k of weights[k]·|transform[k, c]|², float64 of shape (columns,).
    """

__version__: str
commit: str
compiler: str
