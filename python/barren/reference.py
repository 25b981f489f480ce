"""Slow and obviously right: what every engine is compared with, here, in the tests and by `barren check`.

Plain sums and one autograd backward pass a multiplier, straight from the definitions of docs/theory, section 1.
Nothing here, nor in `_sphere_reference.py` for integrals over spheres, uses the compiled core, a Fourier transform, a
discrete logarithm or formula (1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from barren._sphere_reference import over_sphere
from barren.classes import Frequencies, ModularMultiplication, Parity, TargetClass
from barren.inputs import Grid, Law, RealLaw

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Reference:
    """A variance and the deviation of every member, shape (members,), in the order of `cls.members`.

    Attributes:
        variance: the mean of the deviations.
        deviations: d(a), float64, in the order of the members, shape (members,).

    Source: docs/theory, section 1.
    """

    variance: float
    deviations: np.ndarray


def values(cls: TargetClass, a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """h_a(x): residues in Python integers, fractions of real products in exact fractions. Shape (len(a), len(x)).

    Args:
        cls: the class.
        a: members, shape (A,).
        x: points, shape (n,); on the real line fractions are taken as they are.

    Returns:
        h_a(x), float64, shape (A, n).

    Raises nothing of its own: members and points are taken as they come.

    Cost: A·n products of Python integers or fractions.

    Source: docs/theory, section 1.

    Example:
        >>> import barren
        >>> from barren import reference, targets
        >>> reference.values(barren.ModularMultiplication(7, targets.Bit(0)), [3], [0, 1, 2, 3])
        array([[0., 1., 0., 0.]])
    """
    if isinstance(cls, Frequencies):
        return _on_the_line(cls, a, x)
    if isinstance(cls, Parity):
        return np.array([[_parity(cls, int(v), int(point)) for point in x] for v in a]).reshape(len(a), len(x))
    assert isinstance(cls, ModularMultiplication)
    multipliers, points = [int(multiplier) for multiplier in a], [int(point) for point in x]
    rows = ([multiplier * point % cls.p for point in points] for multiplier in multipliers)
    return np.array([cls.target(np.array(residues, dtype=np.int64), cls.p) for residues in rows])


def _parity(cls: Parity, v: int, x: int) -> float:
    """A bit of v times the same bit of x, one after the other."""
    odd = sum((v >> j & 1) * (x >> j & 1) for j in range(cls.n)) % 2
    return (-1.0) ** odd if cls.signed else float(odd)


def _on_the_line(cls: Frequencies, a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """ψ at the exact fraction of ⟨a, x⟩, one after the other."""
    frequencies, points = (np.reshape(np.asarray(entry, dtype=object), (-1, cls.dimension)) for entry in (a, x))

    def product(frequency: np.ndarray, point: np.ndarray) -> Fraction:
        return sum((_exact(s) * _exact(t) for s, t in zip(frequency, point, strict=True)), Fraction(0))

    rows = [[cls.circle.exact(product(frequency, point) % 1) for point in points] for frequency in frequencies]
    return np.array(rows).reshape(len(frequencies), len(points))


def _exact(number: Any) -> Fraction:
    return number if isinstance(number, Fraction) else Fraction(float(number))


def _points(cls: TargetClass, law: Law | RealLaw) -> np.ndarray:
    """The points of a law; those of a grid are the fractions j/M themselves."""
    if isinstance(law, Grid) and isinstance(cls, Frequencies):
        return np.array([Fraction(j, law.M) for j in range(law.M)], dtype=object)
    points: np.ndarray = cls.points_of(law)[0]
    return points


def kernel(cls: TargetClass, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """K(x, y) = E_a[h_a(x)·h_a(y)] − E_a[h_a(x)]·E_a[h_a(y)] over every member. Shape (len(x), len(y)).

    Args:
        cls: the class; for frequencies on a sphere the mean is an integral over it, by Gauss rules between all jumps
            and kinks.
        x: points, shape (n,), or (n, d) on a sphere.
        y: points, shape (m,), or (m, d).

    Returns:
        K, float64, shape (n, m).

    Raises nothing of its own, like `values`.

    Cost: that of `values` for all members, and n·m products of that many terms; on a sphere n·m integrals over it.

    Source: docs/theory, section 1; section 5 for spheres.
    """
    if isinstance(cls, Frequencies) and cls.kind == "sphere":
        means = np.array([[over_sphere(cls, one, other) for other in y] for one in x])
        return np.asarray(means[:, :, 2] - means[:, :, 0] * means[:, :, 1])
    at_x, at_y = values(cls, cls.members, x), values(cls, cls.members, y)
    covariance: np.ndarray = (at_x - at_x.mean(axis=0)).T @ (at_y - at_y.mean(axis=0)) / len(cls.members)
    return covariance


def mean(cls: TargetClass, x: np.ndarray) -> np.ndarray:
    """E_a h_a(x) over every member, or over the sphere.

    Args:
        cls: the class.
        x: points, shape (n,), or (n, d) on a sphere.

    Returns:
        The mean, float64, shape (n,).

    Raises nothing of its own, like `values`.

    Cost: that of `values` for all members; on a sphere n integrals.

    Source: docs/theory, section 1; section 5 for spheres.
    """
    if isinstance(cls, Frequencies) and cls.kind == "sphere":
        return np.array([over_sphere(cls, point, 0.0 * point)[0] for point in x])
    return np.asarray(values(cls, cls.members, x).mean(axis=0))


def sawtooth(t: Fraction) -> Fraction:
    """((t)) = t − ⌊t⌋ − 1/2, and 0 at the integers.

    Args:
        t: a fraction.

    Returns:
        The value, in −1/2..1/2, exactly.

    Raises nothing.

    Cost: none to speak of.

    Source: docs/theory, section 2.
    """
    return Fraction(0) if t.denominator == 1 else t - math.floor(t) - Fraction(1, 2)


def dedekind_sum(h: int, k: int, c: int = 0) -> Fraction:
    """σ(h, k, c) = 12·Σ_{j<k} ((j/k))·(((hj + c)/k)), term by term.

    Args:
        h: an integer.
        k: the modulus, at least 1.
        c: an integer.

    Returns:
        The sum, exactly.

    Raises nothing for integers; below k = 1 the sum is empty.

    Cost: k terms.

    Source: docs/theory, section 2.1.

    Example:
        >>> dedekind_sum(3, 7), dedekind_sum(3, 7, 1)
        (Fraction(-6, 7), Fraction(3, 7))
    """
    return 12 * sum((sawtooth(Fraction(j, k)) * sawtooth(Fraction(h * j + c, k)) for j in range(k)), Fraction(0))


def exact_kernel(cls: ModularMultiplication, x: int, y: int) -> Fraction:
    """K(x, y) over every member in exact rationals, ψ read off its sawtooth expansion (compared with ψ by the tests).

    Args:
        cls: a class with an odd modulus.
        x: a point.
        y: a point.

    Returns:
        K(x, y), exactly.

    Raises:
        ValueError: ψ has no sawtooth expansion.

    Cost: a term a member.

    Source: docs/theory, section 2.1.
    """
    expansion = cls.target.sawtooth_expansion(cls.p)
    if expansion is None:
        raise ValueError(str(cls.target.sawtooth_obstacle(cls.p)))
    pairs = [(expansion.value(a * x % cls.p), expansion.value(a * y % cls.p)) for a in map(int, cls.members)]
    count = len(pairs)
    products = sum((left * right for left, right in pairs), Fraction(0)) / count
    means = [sum((pair[side] for pair in pairs), Fraction(0)) / count for side in (0, 1)]
    return products - means[0] * means[1]


def from_jacobian(cls: TargetClass, jacobian: np.ndarray, inputs: Law | RealLaw | None = None) -> Reference:
    """The variance of G_a = −Σ_x c_x·h_a(x)·J(x) from a Jacobian of shape (n, d), one gradient a member.

    Args:
        cls: the class.
        jacobian: J, a row for each point of the law, shape (n, d).
        inputs: the law of x; default that of the class.

    Returns:
        The variance and every deviation.

    Raises:
        ValueError: rows that are not those of the law.

    Cost: members·n·d multiplications, and the values of all members.

    Source: docs/theory, section 1.
    """
    law = cls.default_law if inputs is None else inputs
    weights = cls.points_of(law)[1]
    at_points = values(cls, cls.members, _points(cls, law))
    return _of_gradients(lambda: (-(weights * h_a) @ jacobian for h_a in at_points), len(cls.members))


def gradients(
    cls: TargetClass,
    model: torch.nn.Module,
    encoding: Callable[[np.ndarray, Any], np.ndarray],
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = "mse",
    inputs: Law | RealLaw | None = None,
) -> Iterator[np.ndarray]:
    """G_a = ∇_w Σ_x c_x·ℓ(N(w, x), h_a(x)) for each member: a forward and a backward pass of the true loss each.

    The loss is "mse", "bce", "hinge" (labels −1 and 1), "cross-entropy" (of logits, shape (n, m), with h_a(x) the index
    of a logit) or any callable (outputs, labels) -> one loss a sample; targets may take any number of values.

    Args:
        cls: the class.
        model: a torch module; its gradients are not touched.
        encoding: a function (x, p) -> rows.
        loss: a name, or a callable that takes outputs and labels of shape (n,) and gives as many losses, tensors of the
            model's dtype.
        inputs: the law of x; default that of the class.

    Yields:
        The gradient over the trainable parameters, flattened, float64, shape (d,), computed in the model's own dtype.

    Raises:
        ValueError: an unknown loss.
        ImportError: torch is not installed.

    Cost: a forward and a backward pass over all n points a member.

    Source: docs/theory, section 1.
    """
    import torch

    law = cls.default_law if inputs is None else inputs
    points, mass = cls.points_of(law)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    like = parameters[0]
    features = torch.tensor(encoding(points, cls.period)).to(like)
    weights = torch.tensor(mass).to(like)
    pointwise = _pointwise_loss(loss)
    for a in cls.members:
        labels = torch.tensor(_labels(cls, law, np.array([a]))[0]).to(like)
        with torch.enable_grad():
            outputs = model(features.clone())  # a forward may write to its input
            total = (weights * pointwise(outputs if loss == "cross-entropy" else outputs.reshape(-1), labels)).sum()
            pieces = torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True)
        yield np.concatenate([piece.detach().to_dense().cpu().double().numpy().ravel() for piece in pieces])


def _labels(cls: TargetClass, law: Law | RealLaw, a: np.ndarray) -> np.ndarray:
    """h_a at the points of a law; of a class with residues as it tells them itself, which is what a loop would do."""
    if isinstance(cls, Frequencies):
        return values(cls, a, _points(cls, law))
    return cls.values(a, cls.points_of(law)[0])


def from_model(
    cls: TargetClass,
    model: torch.nn.Module,
    encoding: Callable[[np.ndarray, Any], np.ndarray],
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = "mse",
    inputs: Law | RealLaw | None = None,
) -> Reference:
    """The variance from `gradients`, in two passes over the members: the mean, then the squared distances from it.

    Args:
        cls: the class.
        model: as for `gradients`.
        encoding: as for `gradients`.
        loss: as for `gradients`.
        inputs: as for `gradients`.

    Returns:
        The variance and every deviation.

    Raises:
        ValueError, ImportError: as for `gradients`.

    Cost: that of `gradients`, twice.

    Source: docs/theory, section 1.
    """
    return _of_gradients(lambda: gradients(cls, model, encoding, loss, inputs), len(cls.members))


def _of_gradients(every: Callable[[], Iterator[np.ndarray]], members: int) -> Reference:
    mean = sum(every()) / members
    deviations = np.array([float(np.sum((gradient - mean) ** 2)) for gradient in every()])
    return Reference(float(deviations.mean()), deviations)


def _pointwise_loss(
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss of one sample: ½(N − y)², the binary cross-entropy on a logit, or that of several logits."""
    from torch.nn import functional

    if loss == "mse":
        return lambda outputs, labels: 0.5 * (outputs - labels) ** 2
    if loss == "bce":
        return lambda outputs, labels: functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none")
    if loss == "cross-entropy":
        return lambda outputs, labels: functional.cross_entropy(outputs, labels.long(), reduction="none")
    if loss == "hinge":
        return lambda outputs, labels: functional.relu(1.0 - labels * outputs)
    if callable(loss):
        return loss
    raise ValueError(f"loss must be 'mse', 'bce', 'cross-entropy', 'hinge' or a callable; got {loss!r}")


def train(
    cls: TargetClass,
    model: torch.nn.Module,
    member: Any,
    batches: Iterable[np.ndarray],
    *,
    encoding: Callable[[np.ndarray, Any], np.ndarray],
    loss: str = "bce",
    optimizer: str = "adam",
    lr: float = 1e-3,
    optimizer_options: Mapping[str, Any] | None = None,
) -> list[float]:
    """One training run, the loop that everybody writes: a batch, a backward pass, a step of torch's optimizer.

    The model is changed. "sign-sgd" is SGD on the signs of the gradients.

    Args:
        cls: the class.
        model: a torch module, which is trained in place.
        member: the member of the class whose targets it learns.
        batches: the points of each step, shape (b,) or (b, d).
        encoding: a function (x, p) -> rows.
        loss: as for `gradients`.
        optimizer: "sgd", "adam", "adamw" or "sign-sgd".
        lr: the learning rate.
        optimizer_options: torch's options of the optimizer.

    Returns:
        The loss of every step.

    Raises:
        ValueError: an unknown loss.
        KeyError: an unknown optimizer.
        ImportError: torch is not installed.

    Cost: a forward and a backward pass a batch.

    Source: docs/experiments, on alone and together.
    """
    import torch

    pointwise = _pointwise_loss(loss)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    makers = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "sign-sgd": torch.optim.SGD}
    stepper = makers[optimizer](parameters, lr=lr, **(optimizer_options or {}))
    losses = []
    model.train()
    for x in batches:
        features = torch.from_numpy(encoding(x, cls.period)).to(parameters[0].dtype)
        labels = torch.from_numpy(values(cls, np.array([member]), x)[0]).to(parameters[0].dtype)
        outputs = model(features)
        value = pointwise(outputs if loss == "cross-entropy" else outputs.reshape(-1), labels).mean()
        stepper.zero_grad()
        torch.autograd.backward([value])
        if optimizer == "sign-sgd":
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = torch.sign(parameter.grad)
        stepper.step()
        losses.append(value.item())
    return losses
