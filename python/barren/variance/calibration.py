"""What this machine does in a second: measured once with the engines themselves, kept in a file, used by the planner.

Every rate is the time of one unit of work of one engine at a small size; docs/performance tells how well sums of them
predict. The file is in the user's cache folder (`BARREN_CACHE` names another), one entry for what the rates depend on
(`_key`). A cache that cannot be read or written is measured again. Rates measured while the machine was busy are kept
like others: `recalibrate`, or `barren info --recalibrate`, measures anew.
"""

from __future__ import annotations

import functools
import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from barren import _core, _fft
from barren._canonical import parsed

# Raised when a measurement below changes its meaning.
_VERSION = 10
# The half orders (p − 1)/2 stand for the lengths that libraries transform in three ways: 2^15 factor by factor,
# 3·7·1451 with a convolution in place of the large factor, and the prime 30269 with one in place of all of it.
_PRIMES = {"smooth": 65537, "mixed": 60943, "prime": 60539}
_SMOOTH_FACTOR = 13
# Runs of a measurement: no fewer, and more while it is short, since other work slows a machine for tenths of a second.
# For the same reason all is measured so many times over.
_REPEATS, _WORTH_REPEATING, _ROUNDS = 3, 0.04, 2


@dataclass(frozen=True)
class Rates:
    """Seconds of one unit of work.

    Attributes:
        product32, product64: a multiply-add of a matrix product, float32 and float64.
        gram32, gram64: a multiply-add of a block of Θ from factors.
        response32, response64: a multiply-add of `direct` with many columns.
        residue: a residue of `direct`, made, looked up and used once.
        wave: ψ at one frequency and point of the real line, made and used once.
        line: a step of an exact integral over an interval of frequencies.
        scattered, modes: a point, and a mode over log₂ of their number, of a non-uniform transform.
        form: a multiply-add of quadratic forms.
        pairing: an entry of Θ paired with the class kernel.
        entry: an entry of a float64 matrix, read, changed and written.
        fresh: an entry of a new float64 array, too large for the caches, written and read.
        energy_smooth, energy_mixed, energy_prime: a point of a Jacobian column in the character method, over log₂ of
            the length, for lengths of small prime factors only, with a large one among them, and for a prime length, as
            that of a safe prime.
        response_smooth, response_mixed, response_prime: the same with the responses of every multiplier.
        transform_smooth, transform_mixed, transform_prime: a point of a row transform, over log₂ of the length.
        butterfly: a number and level of a Walsh–Hadamard transform.
        call: a call with next to nothing to compute.
    """

    product32: float
    product64: float
    gram32: float
    gram64: float
    response32: float
    response64: float
    residue: float
    wave: float
    line: float
    scattered: float
    modes: float
    form: float
    pairing: float
    entry: float
    fresh: float
    energy_smooth: float
    energy_mixed: float
    energy_prime: float
    response_smooth: float
    response_mixed: float
    response_prime: float
    transform_smooth: float
    transform_mixed: float
    transform_prime: float
    butterfly: float
    call: float

    def energy(self, length: int) -> float:
        """Seconds of one column of `length` points."""
        kind = _kind(length)
        if kind == "mixed" and _fft.is_by_bluestein(length):  # the whole of it, as of a prime
            kind = "prime"
        return self._by_length("energy", length, kind)

    def responses(self, length: int) -> float:
        """Seconds of the responses of one column of `length` points."""
        return self._by_length("response", length, _kind(length))

    def transform(self, length: int) -> float:
        """Seconds of one real transform of `length` points."""
        return self._by_length("transform", length, _kind(length))

    def _by_length(self, work: str, length: int, kind: str) -> float:
        rate: float = getattr(self, f"{work}_{kind}")
        return length * math.log2(max(2, length)) * rate

    def product(self, dtype: np.dtype[Any]) -> float:
        """Seconds of a multiply-add of a matrix product."""
        return self.product32 if dtype == np.float32 else self.product64

    def gram(self, dtype: np.dtype[Any]) -> float:
        """Seconds of a multiply-add of a block of Θ."""
        return self.gram32 if dtype == np.float32 else self.gram64

    def response(self, dtype: np.dtype[Any]) -> float:
        """Seconds of a multiply-add of `direct`."""
        return self.response32 if dtype == np.float32 else self.response64


def rates(threads: int) -> Rates:
    """The rates for this number of threads (0: all), measured in some seconds if the cache has none."""
    return _rates(_within_cores(threads))


def _within_cores(threads: int) -> int:
    """How many threads (0: all) have rates of their own: those beyond the cores add no speed."""
    cores = _core.available_threads()
    return min(threads or cores, cores)


@lru_cache(maxsize=8)
def _rates(threads: int) -> Rates:
    entry = _read(cache_file()).get(_key(threads))
    names = {field.name for field in fields(Rates)}
    if isinstance(entry, dict) and set(entry) == names and all(_is_rate(value) for value in entry.values()):
        return Rates(**entry)
    return _measure_and_keep(threads)


def recalibrate(threads: int = 0) -> Path:
    """Measures the rates for this number of threads (0: all) anew, and says where they are kept."""
    _measure_and_keep(_within_cores(threads))
    _rates.cache_clear()
    return cache_file()


def _measure_and_keep(threads: int) -> Rates:
    path, measured = cache_file(), measure(threads)
    _write(path, {**_read(path), _key(threads): asdict(measured)})
    return measured


def cache_file() -> Path:
    """Where the rates are kept."""
    name = f"calibration-{_VERSION}.json"
    if chosen := os.environ.get("BARREN_CACHE"):
        return Path(chosen) / name  # without a look at the home folder, which a service may not have
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "barren" / name


def _key(threads: int) -> str:
    """What the rates depend on: the package, the machine, and the libraries that multiply and transform."""
    machine = [platform.node(), f"{_core.available_threads()} cores", _core.kernel()]
    return " | ".join([_core.__version__, *machine, _fft.backend(), _blas(), f"{threads} threads"])


def _blas() -> str:
    """NumPy's version and that of the library it multiplies with."""
    with suppress(AttributeError, KeyError, TypeError):  # older versions tell nothing of it
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"NumPy {np.__version__} with {blas['name']} {blas['version']}"
    return f"NumPy {np.__version__}"


def _is_rate(value: object) -> bool:
    return isinstance(value, float) and 0.0 < value < 1.0


def _read(path: Path) -> dict[str, Any]:
    try:
        known = parsed(path.read_text())
    except (OSError, ValueError):  # none yet, or damaged: measured again
        return {}
    return known if isinstance(known, dict) else {}


def _write(path: Path, known: dict[str, Any]) -> None:
    with suppress(OSError):  # a folder that cannot be written costs some seconds a process, no more
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(descriptor, "w") as file:
            json.dump(known, file, indent=1)
        os.replace(name, path)


def measure(threads: int) -> Rates:
    """Runs every engine at a small size, all of them some times over: the least of each."""
    rounds = [asdict(_measure_once(threads)) for _ in range(_ROUNDS)]
    return Rates(**{name: min(found[name] for found in rounds) for name in rounds[0]})


def _measure_once(threads: int) -> Rates:
    random = np.random.default_rng(0)
    # NumPy's products take the threads of its BLAS, whatever `threads` says: so they are used, and so measured.
    return Rates(
        product32=_product(random, np.float32),
        product64=_product(random, np.float64),
        gram32=_gram(random, "32", threads),
        gram64=_gram(random, "64", threads),
        **_direct(threads, random),
        **_frequencies(threads, random),
        **_square(threads, random),
        fresh=seconds(lambda: np.ones(2**22).sum()) / 2**22,
        **_correlations(threads, random),
        butterfly=_butterfly(threads),
        call=_call(threads),
    )


def seconds(work: Callable[[], Any], repeats: int = _REPEATS) -> float:
    """The least time of some runs, after one that is not counted."""
    work()
    best, runs, begun = math.inf, 0, time.perf_counter()
    while runs < repeats or time.perf_counter() - begun < _WORTH_REPEATING:
        start = time.perf_counter()
        work()
        best, runs = min(best, time.perf_counter() - start), runs + 1
    return max(best, 1e-9)


@lru_cache(maxsize=256)
def _kind(length: int) -> str:
    """How a length is transformed: a key of `_PRIMES`."""
    import sympy

    largest = max((int(q) for q in sympy.primefactors(length)), default=1)
    if largest <= _SMOOTH_FACTOR:
        return "smooth"
    return "prime" if largest == length else "mixed"


def _product(random: np.random.Generator, dtype: Any) -> float:
    n = 768
    left, right = (random.standard_normal((n, n)).astype(dtype) for _ in range(2))
    return seconds(lambda: left @ right.T) / n**3


def _gram(random: np.random.Generator, width: str, threads: int) -> float:
    n, inner = 768, 512
    matrix = random.standard_normal((n, inner)).astype(f"float{width}")
    factor, terms, out = getattr(_core, f"PackedFactor{width}")(matrix, threads), np.zeros(n), np.empty((n, n))
    span = (0, n)
    work = seconds(lambda: _core.gram_block(factor, factor, terms, terms, 0.0, span, span, out, False, threads))
    return work / (n * n * inner)


def _butterfly(threads: int) -> float:
    levels, columns = 13, 64
    rows = np.zeros((2**levels, columns))  # stay zero, so that no run is unlike another
    return seconds(lambda: _core.walsh_hadamard(rows, threads)) / (rows.size * levels)


def _direct(threads: int, random: np.random.Generator) -> dict[str, float]:
    from barren.classes import ModularMultiplication
    from barren.targets import Bit
    from barren.variance import direct

    p, columns = 4093, 64
    cls = ModularMultiplication(p, Bit(0), np.arange(1, 1025))
    points, weights, table = np.arange(p), np.full(p, 1 / p), direct.centred_table(cls, p)
    times = {}
    for dtype in ("float32", "float64"):
        wide = random.standard_normal((p, columns)).astype(dtype)
        for block in (np.ascontiguousarray(wide[:, :1]), wide):
            work = functools.partial(direct.responses, cls, points, weights, block, threads=threads, table=table)
            times[dtype, block.shape[1]] = seconds(work)
    pairs = cls.size * p
    residue = times["float64", 1] / pairs
    return {
        "residue": residue,
        **{f"response{name[-2:]}": times[name, columns] / pairs / columns for name in ("float32", "float64")},
    }


def _frequencies(threads: int, random: np.random.Generator) -> dict[str, float]:
    from barren import _nufft
    from barren.classes import Frequencies, scattered
    from barren.targets import Cosine, Square

    n, few = 4096, 64
    x, weights, column = random.random(n), np.full(n, 1 / n), random.standard_normal((n, 1))
    cls, waves = Frequencies(1024, Square()), Frequencies(n, Cosine())
    wave = seconds(lambda: cls.responses(x, weights, column, threads=threads)) / (cls.size * n)
    ((_, square),) = cls.circle.terms
    pieces, ends = square.pieces, 64.0 * (x[:few] + 1.0)
    assert pieces is not None
    steps = 2.0 * len(pieces) * ends.mean() * few**2
    line = seconds(lambda: _core.interval_products(ends, ends, pieces, pieces, threads)) / steps
    if _nufft.backend() is None:
        return {"wave": wave, "line": line, "scattered": wave, "modes": wave}  # not used: there is no such method

    def transform(points: int, size: int) -> float:
        columns = min(2 * threads, scattered.COLUMNS)  # a transform of two for every thread
        some, block = Frequencies(size, Cosine()), random.standard_normal((points, columns))
        work = functools.partial(scattered.responses, some, random.random(points), np.ones(points), block, threads)
        return 2.0 * seconds(work) / columns

    least, points, modes = transform(n, waves.size), transform(16 * n, waves.size), transform(n, 16 * waves.size)
    grid = 16 * n * math.log2(16 * n) - n * math.log2(n)
    return {
        "wave": wave,
        "line": line,
        "scattered": max(points - least, 0.1 * points) / (15 * n),
        "modes": max(modes - least, 0.1 * modes) / grid,
    }


def _square(threads: int, random: np.random.Generator) -> dict[str, float]:
    """An entry of a float64 matrix of pairs of inputs: paired, passed over, and in quadratic forms."""
    from barren.classes import ModularMultiplication
    from barren.classes.group import unit_group
    from barren.targets import Bit

    p, n = 1021, 1020
    cls, theta = ModularMultiplication(p, Bit(0)), random.standard_normal((n, n))
    logarithms, weights, points = unit_group(p).logarithms[1:], np.full(n, 1 / n), np.arange(1, p)
    kernel, members = cls.kernel_by_ratio(), cls.members[:256]
    pairing = seconds(lambda: _core.pairing(kernel, logarithms, weights, logarithms, weights, theta, threads))
    forms = seconds(lambda: _core.quadratic_forms(members, points, p, "table", 0, cls.table(), weights, theta, threads))
    passing = seconds(lambda: np.add(theta, 1e-9, out=theta))
    return {"pairing": pairing / n**2, "form": forms / (len(members) * n**2), "entry": passing / n**2}


def _correlations(threads: int, random: np.random.Generator) -> dict[str, float]:
    """Seconds over m·log₂ m for each kind of length m: half a column's variance, its responses, a row's transform."""
    from barren.classes import ModularMultiplication
    from barren.inputs import Uniform
    from barren.tangents.given import GivenJacobian
    from barren.targets import Sawtooth
    from barren.variance import character
    from barren.variance.problem import Problem

    columns, law, found = character.COLUMNS * max(2, threads), Uniform(), {}  # a block for every thread
    for kind, p in _PRIMES.items():
        cls, tangent = ModularMultiplication(p, Sawtooth()), GivenJacobian(random.standard_normal((p, columns)))
        points, weights, m = law.points(p), law.weights(p), (p - 1) // 2
        a_column = columns * m * math.log2(m)
        for name, deviations in (("energy", False), ("response", True)):
            problem = Problem(cls, law, points, weights, tangent, threads, 2**30, deviations)
            found[f"{name}_{kind}"] = seconds(functools.partial(character.run, problem), 2) / a_column
        rows = random.standard_normal((32, m))
        a_row = seconds(functools.partial(_fft.rfft, rows, 1, threads)) / len(rows)
        found[f"transform_{kind}"] = a_row / (m * math.log2(m))
    return found


def _call(threads: int) -> float:
    """A problem of a few numbers, its checks and its result, twice: a plan weighs the methods as long."""
    from barren.classes import ModularMultiplication
    from barren.targets import Bit
    from barren.variance import direct
    from barren.variance.arguments import prepare

    cls, given = ModularMultiplication(13, Bit(0)), {"jacobian": np.ones((13, 2)), "method": "direct"}
    absent = ("ntk", "encoding", "inputs", "deviations", "rtol", "dtype", "memory_limit")
    options: dict[str, Any] = {**dict.fromkeys(absent), **given, "loss": "mse", "per_parameter": False, "seed": 0}
    return 2.0 * seconds(lambda: direct.run(prepare(cls, None, threads=threads, **options)))
