"""Every engine against `barren.reference`, on this machine, with small cases: what `barren check` runs.

An engine that disagrees points to a fault of the installation (compiler, instruction set, a library's version) or of
the package. The cases take seconds; the model cases need torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

import barren
from barren import encodings, inputs, reference, targets

if TYPE_CHECKING:
    import torch

__all__ = ["MODEL_CASES_LEFT_OUT", "Comparison", "comparisons", "has_torch"]

MODEL_CASES_LEFT_OUT = 'the model cases were left out: torch is not installed (pip install "barren[torch]")'

# Relative to the largest entry compared. float32 cases have the reference computed in float64 from the same numbers.
TOLERANCE = {"float64": 1e-11, "float32": 2e-5}
# A float32 model is evaluated in float32 by the reference too: two roundings, of gradients that nearly cancel.
MODEL_TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
_METHODS = ("direct", "character", "kernel")
_COLUMNS = 5
_SET = [3, 1, 44, 10, 22, 23, 43, 30, 7, 12, 41, 14]  # not in order, some with a factor of 45


@dataclass(frozen=True)
class Comparison:
    """One engine in one case.

    Attributes:
        engine: "direct", "character", "kernel", "table", "class", "bounds", …
        case: what it was given and what was compared.
        error: largest difference from the reference, over the largest entry of the reference.
        tolerance: the largest error that counts as agreement.

    Source: docs/exactness, on what rounding leaves.
    """

    engine: str
    case: str
    error: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the error is within the tolerance; a nan is not."""
        return self.error <= self.tolerance


def has_torch() -> bool:
    """Whether torch is installed.

    Returns:
        Whether it is.

    Raises nothing.

    Cost: none to speak of: it is not imported.

    Source: docs/exactness, on what rounding leaves.
    """
    return find_spec("torch") is not None


def comparisons() -> Iterator[Comparison]:
    """Every case, one after the other; those with a model only where torch is installed.

    Yields:
        A `Comparison` each.

    Raises nothing: a disagreement is told.

    Cost: seconds.

    Source: docs/exactness, on what rounding leaves.
    """
    yield from _class_side()
    yield from _bounds()
    yield from _jacobians()
    yield from _threads()
    yield from _parities()
    if has_torch():
        yield from _multilayer_perceptrons()
        yield from _attention()
        yield from _tables()


def _error(came: Any, expected: Any) -> float:
    """The largest difference, relative to the largest entry expected."""
    came, expected = np.asarray(came, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if came.shape != expected.shape:
        return float("inf")
    scale = float(np.abs(expected).max())
    return float(np.abs(came - expected).max()) / (scale if scale else 1.0)


def _every_target(p: int) -> list[targets.Target]:
    table = targets.Table(np.random.default_rng(p).standard_normal(p))
    named = [targets.Sawtooth(), targets.Cosine(2), targets.Bit(0), targets.Bit(2), targets.Threshold()]
    return [*named, targets.Square(), targets.Triangle(), targets.Residue(), table]


def _class_side() -> Iterator[Comparison]:
    """Values of every target, the class kernel on prime and composite moduli, and the spectrum."""
    p = 61
    everything = np.arange(p)
    for target in _every_target(p):
        cls = barren.ModularMultiplication(p, target, "all")
        yield _class_case(
            f"values, {target!r}", cls.values(everything, everything), reference.values(cls, everything, everything)
        )
        if target.sawtooth_expansion(p) is not None:
            made = cls.kernel(everything, everything, route="dedekind")
            yield _class_case(f"Dedekind sums, {target!r}", made, reference.kernel(cls, everything, everything))
    for modulus, multipliers in ((61, "units"), (61, "all"), (61, _SET), (45, "units"), (45, "all")):
        cls = barren.ModularMultiplication(modulus, targets.Bit(0), multipliers)
        points = np.arange(modulus)
        case = f"kernel, {_class_name(cls)}"
        yield _class_case(case, cls.kernel(points, points), reference.kernel(cls, points, points))
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    yield _class_case(f"spectrum, {_class_name(cls)}", cls.spectrum(), _plain_spectrum(cls))


def _class_case(case: str, came: Any, expected: Any) -> Comparison:
    return Comparison("class", case, _error(came, expected), TOLERANCE["float64"])


def _class_name(cls: barren.ModularMultiplication) -> str:
    many = cls.multipliers if cls.multipliers != "set" else f"a set of {cls.size}"
    return f"p = {cls.p}, {type(cls.target).__name__}, {many}"


def _plain_spectrum(cls: barren.ModularMultiplication) -> np.ndarray:
    """|Σ_i ψ(g^i)·e(−χi/(p−1))|² for every χ, as it is written."""
    root = int(barren.classes.unit_group(cls.p).root)
    powers = np.array([pow(root, i, cls.p) for i in range(cls.p - 1)])
    psi = cls.target(powers, cls.p)
    i = np.arange(cls.p - 1)
    spectrum: np.ndarray = np.abs(np.exp(-2j * np.pi * (np.outer(i, i) % (cls.p - 1)) / (cls.p - 1)) @ psi) ** 2
    return spectrum


def _bounds() -> Iterator[Comparison]:
    """λ and the Boas–Bellman value from the dense covariance of all values, and the order of the ladder."""
    for p, multipliers, law in (
        (61, "units", inputs.Uniform()),
        (61, "all", inputs.Uniform()),
        (61, "units", inputs.Uniform(zero=False)),
        (61, "units", inputs.RandomBits(5)),
        (61, _SET, inputs.Uniform()),
        (45, "units", inputs.Uniform()),
    ):
        cls = barren.ModularMultiplication(p, targets.Bit(0), multipliers)
        gram = _plain_gram(cls, law)
        expected = np.linalg.eigvalsh(gram)[-1] / len(gram)
        name = f"{_class_name(cls)}, {law!r}"
        yield Comparison("bounds", f"λ, {name}", _error(barren.sharp_bound(cls, law), expected), TOLERANCE["float64"])
        if not cls.is_prime or cls.multipliers == "set" or not isinstance(law, inputs.Uniform):
            continue
        rungs = {rung.name: rung.value for rung in barren.bounds(cls, law)}
        off_diagonal = gram - np.diag(np.diag(gram))
        plain = (np.diag(gram).max() + np.linalg.norm(off_diagonal)) / len(gram)
        yield Comparison("bounds", f"Boas–Bellman, {name}", _error(rungs["boas-bellman"], plain), TOLERANCE["float64"])
        for loose in ("boas-bellman", "bounded-variation"):
            excess = max(0.0, rungs["sharp"] / rungs[loose] - 1.0)
            yield Comparison("bounds", f"λ ≤ {loose}, {name}", excess, 0.0)


def _plain_gram(cls: barren.ModularMultiplication, law: inputs.Law) -> np.ndarray:
    """⟨h̃_a, h̃_b⟩ for all members: its largest eigenvalue over their number is λ too."""
    points, weights = law.points(cls.p), law.weights(cls.p)
    centred = reference.values(cls, cls.members, points)
    centred = centred - centred.mean(axis=0)
    gram: np.ndarray = (centred * weights) @ centred.T
    return gram


def _jacobians() -> Iterator[Comparison]:
    """Every method, from numbers: targets, multipliers, laws, moduli, and both dtypes."""
    cases: list[tuple[int, targets.Target, Any, inputs.Law]] = [
        (61, target, "units", inputs.Uniform()) for target in _every_target(61)
    ]
    weights = np.random.default_rng(1).random(40)
    sample = inputs.Sample(np.random.default_rng(2).integers(0, 61, 40), weights / weights.sum())
    laws = (inputs.Uniform(zero=False), inputs.RandomBits(8), sample)
    cases += [(61, targets.Bit(0), "units", law) for law in laws]
    cases += [(61, targets.Bit(0), "all", law) for law in (inputs.Uniform(), sample)]
    cases += [(61, targets.Sawtooth(), _SET, inputs.Uniform())]
    cases += [(45, targets.Bit(0), many, inputs.Uniform()) for many in ("units", "all", _SET)]
    for p, target, multipliers, law in cases:
        cls = barren.ModularMultiplication(p, target, multipliers)
        wide = np.random.default_rng(0).standard_normal((law.size(p), _COLUMNS))
        for dtype in ("float64", "float32"):
            jacobian = wide.astype(dtype)
            expected = reference.from_jacobian(cls, jacobian.astype(np.float64), law)
            for method in _METHODS:
                if method == "character" and not cls.is_prime:
                    continue
                case = f"{_class_name(cls)}, {law!r}, {dtype}"
                yield from _compare(method, case, cls, law, jacobian, expected, TOLERANCE[dtype])


def _compare(
    method: str,
    case: str,
    cls: barren.ModularMultiplication | barren.Parity,
    law: inputs.Law,
    jacobian: np.ndarray,
    expected: reference.Reference,
    tolerance: float,
) -> Iterator[Comparison]:
    """The variance and all deviations; by `kernel` from the tangent kernel alone as well."""
    came = barren.gradient_variance(cls, jacobian=jacobian, inputs=law, method=method)
    yield Comparison(method, f"Var, {case}", _error(float(came), expected.variance), tolerance)
    yield Comparison(method, f"d(a), {case}", _error(came.deviations, expected.deviations), tolerance)
    excess = max(0.0, float(came) / came.bound - 1.0)
    yield Comparison(method, f"Var ≤ λ·B², {case}", excess, tolerance)
    if method == "kernel":
        given = barren.gradient_variance(cls, ntk=jacobian @ jacobian.T, inputs=law)
        yield Comparison(method, f"Var from Θ, {case}", _error(float(given), expected.variance), tolerance)


def _threads() -> Iterator[Comparison]:
    """The same bits for 1, 2 and 7 threads."""
    cls = barren.ModularMultiplication(307, targets.Bit(0))
    jacobian = np.random.default_rng(0).standard_normal((307, _COLUMNS))
    for method in _METHODS:
        runs = [barren.gradient_variance(cls, jacobian=jacobian, method=method, threads=n) for n in (1, 2, 7)]
        differs = [
            not np.array_equal(run.deviations, runs[0].deviations) or float(run) != float(runs[0]) for run in runs
        ]
        yield Comparison(
            method, "1, 2 and 7 threads give the same bits, p = 307, Bit, units, float64", float(any(differs)), 0.0
        )


def _parities() -> Iterator[Comparison]:
    """Parities of all bits and of some: kernel, every method from numbers, λ."""
    random = np.random.default_rng(3)
    for cls in (barren.Parity(6), barren.Parity(6, 2, signed=True)):
        everything = np.arange(64)
        case = f"kernel, {cls!r}"
        yield _class_case(case, cls.kernel(everything, everything), reference.kernel(cls, everything, everything))
        for law in (inputs.Uniform(), inputs.Sample(random.integers(0, 64, 20))):
            wide = random.standard_normal((law.size(64), _COLUMNS))
            for dtype in ("float64", "float32"):
                jacobian = wide.astype(dtype)
                expected = reference.from_jacobian(cls, jacobian.astype(np.float64), law)
                for method in ("direct", "walsh", "kernel"):
                    yield from _compare(
                        method, f"{cls!r}, {law!r}, {dtype}", cls, law, jacobian, expected, TOLERANCE[dtype]
                    )


def _multilayer_perceptrons() -> Iterator[Comparison]:
    """A small MLP, one backward pass a multiplier as the oracle: losses, dtypes, methods, layers."""
    import torch

    from barren import models

    def sigmoid_and_square(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (torch.sigmoid(outputs) - labels) ** 2

    encoding = encodings.Bits()
    losses: dict[str, Any] = {"mse": "mse", "bce": "bce", "sigmoid + square": sigmoid_and_square}
    for dtype in ("float64", "float32"):
        model = models.mlp(encoding.width(31), (12, 8), "tanh", seed=0).to(getattr(torch, dtype))
        for name, loss in losses.items():
            cls = barren.ModularMultiplication(31, targets.Bit(0))
            case = f"MLP 12x8 tanh, {name}, {_class_name(cls)}, {dtype}"
            yield from _compare_model(_METHODS, case, cls, model, encoding, loss, MODEL_TOLERANCE[dtype])
    model = models.mlp(encoding.width(27), (12, 8), "tanh", seed=0).double()
    cls = barren.ModularMultiplication(27, targets.Sawtooth(), "all")
    case = f"MLP 12x8 tanh, mse, {_class_name(cls)}, float64"
    yield from _compare_model(("direct", "kernel"), case, cls, model, encoding, "mse", MODEL_TOLERANCE["float64"])


def _attention() -> Iterator[Comparison]:
    """A model whose layers have no rule of their own: Jacobian columns."""
    import torch

    cls = barren.ModularMultiplication(31, targets.Bit(0))
    for dtype in ("float64", "float32"):
        model = _attention_model(encodings.Bits().width(31)).to(getattr(torch, dtype))
        case = f"attention, bce, {_class_name(cls)}, {dtype}"
        yield from _compare_model(_METHODS, case, cls, model, encodings.Bits(), "bce", MODEL_TOLERANCE[dtype])


def _tables() -> Iterator[Comparison]:
    """Losses that are not affine in the label, on one output and many labels, and cross-entropy on the residue."""
    import torch

    from barren import models

    def absolute(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (outputs - labels).abs()

    encoding = encodings.Bits()
    for p, many in ((31, "units"), (31, "all"), (27, "units"), (27, "all")):
        for dtype in ("float64", "float32"):
            one, several = (
                models.mlp(encoding.width(p), (12, 8), "tanh", outputs, seed=0).to(getattr(torch, dtype))
                for outputs in (1, p)
            )
            cls = barren.ModularMultiplication(p, targets.Sawtooth(), many)
            case = f"MLP 12x8 tanh, |N − y|, {_class_name(cls)}, {dtype}"
            yield from _compare_model(("table",), case, cls, one, encoding, absolute, MODEL_TOLERANCE[dtype])
            cls = barren.ModularMultiplication(p, targets.Residue(), many)
            case = f"MLP 12x8 tanh, cross-entropy, {_class_name(cls)}, {dtype}"
            yield from _compare_model(("table",), case, cls, several, encoding, "cross-entropy", MODEL_TOLERANCE[dtype])
    attention = _attention_model(encoding.width(31), 31).double()
    cls = barren.ModularMultiplication(31, targets.Residue())
    case = f"attention, cross-entropy, {_class_name(cls)}, float64"
    yield from _compare_model(("table",), case, cls, attention, encoding, "cross-entropy", MODEL_TOLERANCE["float64"])


def _attention_model(width: int, outputs: int = 1) -> torch.nn.Module:
    """One head pair over the bits as tokens, a mean, and a linear read-out."""
    import torch
    from torch import nn

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Linear(1, 4)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.positions = nn.Parameter(torch.linspace(-1.0, 1.0, width * 4).reshape(width, 4))
            self.read_out = nn.Linear(4, outputs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.embedding(x[:, :, None]) + self.positions
            mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
            logits: torch.Tensor = self.read_out(mixed.mean(dim=1))
            return logits

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return Attention()


def _compare_model(
    methods: tuple[str, ...],
    case: str,
    cls: barren.ModularMultiplication,
    model: torch.nn.Module,
    encoding: encodings.Encoding,
    loss: Any,
    tolerance: float,
) -> Iterator[Comparison]:
    """Variance, deviations, and the share of every layer."""
    gradients = np.stack(list(reference.gradients(cls, model, encoding, loss)))
    squares = (gradients - gradients.mean(axis=0)) ** 2
    by_layer = _by_layer(model, squares.mean(axis=0))
    for method in methods:
        came = barren.gradient_variance(cls, model, encoding=encoding, loss=loss, method=method)
        yield Comparison(method, f"Var, {case}", _error(float(came), squares.sum(axis=1).mean()), tolerance)
        yield Comparison(method, f"d(a), {case}", _error(came.deviations, squares.sum(axis=1)), tolerance)
        same = came.per_layer.keys() == by_layer.keys()
        error = _error([came.per_layer[name] for name in by_layer], list(by_layer.values())) if same else float("inf")
        yield Comparison(method, f"per layer, {case}", error, tolerance)


def _by_layer(model: torch.nn.Module, coordinates: np.ndarray) -> dict[str, float]:
    """Sums over the parameters of each module; the module of a parameter is its name up to the last dot."""
    sums: dict[str, float] = {}
    start = 0
    for name, parameter in model.named_parameters():
        stop = start + parameter.numel()
        layer = name.rpartition(".")[0] or "model"
        sums[layer] = sums.get(layer, 0.0) + float(coordinates[start:stop].sum())
        start = stop
    return sums


def run(report: Callable[[Comparison], None] = lambda comparison: None) -> list[Comparison]:
    """All comparisons as a list; `report` is called with each as it is made.

    Args:
        report: called with each comparison as it is made.

    Returns:
        All of them, in order.

    Raises nothing but what `report` does.

    Cost: seconds.

    Source: docs/exactness, on what rounding leaves.
    """
    made = []
    for comparison in comparisons():
        report(comparison)
        made.append(comparison)
    return made


def worst(made: list[Comparison]) -> list[Comparison]:
    """One line an engine, kind of comparison and tolerance: its worst case, relative to the tolerance.

    Every comparison that disagrees is kept.

    Args:
        made: what `run` returns.

    Returns:
        Fewer of them, in order.

    Raises nothing.

    Cost: a sort.

    Source: docs/exactness, on what rounding leaves.
    """
    groups: dict[tuple[str, str, float], list[Comparison]] = {}
    for comparison in made:
        kind = comparison.case.partition(",")[0]
        groups.setdefault((comparison.engine, kind, comparison.tolerance), []).append(comparison)
    lines: list[Comparison] = []
    for group in groups.values():
        lines += [comparison for comparison in group if not comparison.agrees]
        if all(comparison.agrees for comparison in group):
            lines.append(_summary(group))
    return lines


def _summary(group: list[Comparison]) -> Comparison:
    largest = max(group, key=lambda comparison: comparison.error)
    case = largest.case if len(group) == 1 else f"{largest.case} (worst of {len(group)})"
    return Comparison(largest.engine, case, largest.error, largest.tolerance)
