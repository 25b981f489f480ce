"""Probes: an unbiased estimate of Var and of every d(a) from products with random vectors (docs/theory, section 3.5).

With g_a = G_a − E G and v ~ N(0, I) over the parameters, E_v⟨g_a, v⟩² = d(a). The product u = J·v is one pass of
forward mode over the inputs, and ⟨g_a, v⟩ for every a a correlation of u with ψ. Var is the trace of M = E_a g_a g_aᵀ.
It has few large eigenvalues: a randomised sketch finds the span of the largest, summed exactly, and only
the rest is probed (Meyer, Musco, Musco, Woodruff 2021). Where forward mode does not go through the model, the dual form
takes its place: z with the covariance of the class, ‖Jᵀcz‖² by one backward pass, E_z‖Jᵀcz‖² = Var.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from barren.classes import Frequencies, Parity
from barren.variance.members import Members, members_of
from barren.variance.problem import Estimate, Pairing, Problem
from barren.variance.speeds import Speeds

DEFAULT_RTOL = 0.05
BATCH = 8
# Fewer probes than this say too little about their own spread.
_LEAST = 24
_PAIRED = 4  # batches that are paired with one another
_MOST = 100_000
_LARGEST_SKETCH = 64
# Backward passes for the shares of the layers, and for every parameter: each is known to √(2/passes) of itself.
_FOR_LAYERS, _FOR_PARAMETERS = 8, 64


def _of_class(problem: Problem) -> tuple[int, int]:
    """Bytes of the tables that the members' responses are made with, and numbers a probe beside them."""
    cls: object = problem.cls
    if isinstance(cls, Frequencies):
        return 16 * cls.dimension * (len(problem.points) + cls.size), 8 * cls.size
    if isinstance(cls, Parity):
        return 8 * cls.size + 24 * len(problem.points), 2 * cls.points
    p = problem.cls.p
    return (8 * 8 * p, 6 * p) if problem.cls.is_prime else (24 * p, 0)


def smallest_memory(problem: Problem) -> int:
    """Bytes without which the method cannot run: a batch of probes at the inputs, the members and the parameters."""
    n, d = len(problem.points), problem.tangent.parameters
    tables, each = _of_class(problem)
    return (
        tables + 8 * BATCH * (2 * n + (4 + _PAIRED) * problem.cls.size + each + 7 * d) + problem.tangent.product_bytes
    )


def memory(problem: Problem) -> int:
    """Bytes that it is predicted to take: the sketch on top, and no model of more than a chunk of samples."""
    sketch = 8 * _largest_sketch(problem) * problem.tangent.parameters
    return smallest_memory(problem) + _products_room(problem) + sketch


def _products_room(problem: Problem) -> int:
    """What products may take beyond the least: half of what there is, and no more than makes a difference."""
    room = max(0, problem.memory_limit - smallest_memory(problem))
    return min(room // 2, problem.tangent.most_product_bytes - problem.tangent.product_bytes)


def obstacle(problem: Problem) -> str | None:
    """Why an estimate lacks what is wanted, or None; forward mode is tried on a few samples where d(a) is wanted."""
    if not problem.needs_deviations or problem.tangent.forward_obstacle is None:
        return None
    return (
        "its dual form gives no deviations, and they are wanted (deviations=False or method='probes' takes it): "
        f"{problem.tangent.forward_obstacle}"
    )


def _largest_sketch(problem: Problem) -> int:
    """How many directions of parameter space fit in memory; the dual form keeps batches of gradients in their place."""
    d, room = problem.tangent.parameters, problem.memory_limit - smallest_memory(problem) - _products_room(problem)
    return int(np.clip(room // (8 * d), 0, _LARGEST_SKETCH))


def seconds(problem: Problem, speeds: Speeds) -> float:
    """Predicted time: responses are correlations on a prime modulus, sums over residues otherwise."""
    n, p = len(problem.points), problem.cls.p
    a_column = 2.0 * speeds.rates.responses((p - 1) // 2)
    if not problem.cls.is_prime:
        a_column = problem.cls.size * n * speeds.rates.residue
    return seconds_with(problem, speeds, a_column)


def seconds_with(problem: Problem, speeds: Speeds, a_column: float) -> float:
    """Predicted time where the responses to a column, or their adjoint, take so many seconds.

    For a tangent kernel whose eigenvalues fall as they do in the networks that were measured.
    """
    tighter = max(1.0, DEFAULT_RTOL / (problem.rtol or DEFAULT_RTOL))
    forward, backward = 64.0 * tighter, 24.0 * tighter + (_FOR_PARAMETERS if problem.per_parameter else _FOR_LAYERS)
    if not speeds.has_products:
        forward, backward = 0.0, 150.0 * tighter**2
    passes = forward * speeds.forward + backward * speeds.backward
    a_column += speeds.model_call / BATCH  # a batch is one call
    return len(problem.points) * passes + (forward + backward) * a_column


def run(problem: Problem) -> Pairing:
    """Var to the relative standard error `problem.rtol`, with d(a) where forward mode allows it, and layer shares."""
    random = np.random.default_rng(problem.seed)
    members, tangent = members_of(problem), problem.tangent
    problem = replace(problem, tangent=tangent.products_within(tangent.product_bytes + _products_room(problem)))
    if problem.tangent.has_products:
        estimate, deviations = _forward(problem, members, random)
        count, squares = _FOR_PARAMETERS if problem.per_parameter else _FOR_LAYERS, np.zeros(problem.tangent.parameters)
        for gradients in _gradients(problem, members, random, count):
            squares += np.einsum("dk,dk->d", gradients, gradients)
        squares /= count
    else:
        estimate, squares = _backward(problem, members, random)
        deviations = None
    # Shares by backward probes, whose sum is an estimate of Var too; they are scaled to the one with the known error.
    scale = estimate.value / float(squares.sum()) if squares.any() else 0.0
    slices = problem.tangent.layer_slices
    per_layer = {layer: scale * float(squares[part].sum()) for layer, part in slices.items()}
    per_parameter = {layer: scale * squares[part] for layer, part in slices.items()}
    return Pairing(per_layer, deviations, per_parameter if problem.per_parameter else None, estimate)


class _Spread:
    """What N residual probes r_i, a column each, tell of the operator B behind them: tr B and ‖B‖_F².

    E‖r_i‖² = tr B, and E⟨r_i, r_j⟩² = ‖B‖_F² for i ≠ j: for Gaussian probes the variance of the mean of the ‖r_i‖² is
    2‖B‖_F²/N, of which every pair of probes tells and not only the N values themselves. A batch is paired with itself
    and with the last few before it.
    """

    def __init__(self, scale: float, paired: int = _PAIRED) -> None:
        self.scale, self.paired = scale, paired
        self.count, self.pairs, self.trace_sum, self.pair_sum = 0, 0, 0.0, 0.0
        self.earlier: list[np.ndarray] = []

    def add(self, batch: np.ndarray) -> None:
        """The next probes, a column each."""
        gram = self.scale * (batch.T @ batch)
        squares = gram**2
        self.count += len(gram)
        self.pairs += len(gram) * (len(gram) - 1)
        self.trace_sum += float(np.trace(gram))
        self.pair_sum += float(squares.sum() - np.trace(squares))
        for other in self.earlier:
            cross = self.scale * (batch.T @ other)
            self.pairs += 2 * cross.size
            self.pair_sum += 2.0 * float(np.sum(cross**2))
        kept = self.paired - 1
        self.earlier = [*self.earlier, batch][-kept:] if kept else []

    @property
    def trace(self) -> float:
        return self.trace_sum / self.count

    @property
    def squared_norm(self) -> float:
        """‖B‖_F²."""
        return self.pair_sum / self.pairs

    def estimate(self, exact: float) -> Estimate:
        """The exact part + tr B, with its standard error and its χ² distribution's degrees of freedom (Satterthwaite).

        ‖B‖_F² is itself estimated: N/(N − 2) widens for that as Student's distribution does.
        """
        trace, squared = self.trace, self.squared_norm * self.count / (self.count - 2)
        error = float(np.sqrt(2.0 * squared / self.count))
        freedom = self.count * trace**2 / squared if squared > 0.0 else np.inf
        return Estimate(exact, trace, error, float(freedom), self.count)


def _forward(problem: Problem, members: Members, random: np.random.Generator) -> tuple[Estimate, np.ndarray]:
    """Probes v with the sketch taken out; the sketch grows while that saves more passes than it costs."""
    d, size = problem.tangent.parameters, problem.cls.size
    # By columns, so that memory is taken for those that are there.
    largest = min(_largest_sketch(problem), max(0, d - BATCH))
    sketch, found = np.empty((d, largest), order="F"), 0
    exact = np.zeros(size)
    wanted = problem.rtol or DEFAULT_RTOL
    while True:
        residual, spread, basis = np.zeros(size), _Spread(1.0 / size), sketch[:, :found]
        while True:
            probes = random.standard_normal((d, BATCH))
            probes -= basis @ (basis.T @ probes)
            responses = members.responses(problem.tangent.products(probes))
            residual += np.einsum("ak,ak->a", responses, responses)
            spread.add(responses)
            estimate = spread.estimate(float(exact.mean()))
            enough = estimate.error <= wanted * estimate.value
            if (enough and spread.count >= _LEAST) or spread.count >= _MOST or estimate.value == 0.0:
                _warn_unless(enough, estimate, wanted)
                note = f"{spread.count} forward probes beside {basis.shape[1]} directions summed exactly"
                return replace(estimate, note=note), exact + residual / spread.count
            missing = spread.count * (estimate.error / (wanted * estimate.value)) ** 2 - spread.count
            if missing > 3 * (found + BATCH) and found + BATCH <= largest:
                break
        # M·probes without another forward pass: the responses are known. These probes are spent, for the basis that
        # they make depends on them.
        image = problem.tangent.transposed_products(problem.weights[:, None] * members.adjoint(responses))
        added = _orthonormal(image, basis)
        if added.shape[1] == 0:
            note = f"all of it is in {basis.shape[1]} directions, summed exactly"
            return replace(estimate, note=note), exact + residual / spread.count
        seen = members.responses(problem.tangent.products(added))
        exact += np.einsum("ak,ak->a", seen, seen)
        sketch[:, found : found + added.shape[1]] = added
        found += added.shape[1]


def _orthonormal(image: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the new directions in `image`; those that are rounding are left out."""
    scale = np.linalg.norm(image, axis=0)
    image = image[:, scale > 0.0] / scale[scale > 0.0]
    for _ in range(2):  # twice is enough for orthogonality to rounding
        image -= basis @ (basis.T @ image)
    left, sizes, _ = np.linalg.svd(image, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-10 * max(1.0, sizes.max(initial=0.0))])


def _warn_unless(enough: bool, estimate: Estimate, wanted: float) -> None:
    """Says that an estimate has a larger error than was asked for."""
    if enough or estimate.value == 0.0:
        return
    warnings.warn(
        f"the estimate stopped at {estimate.probes} probes with a relative standard error of "
        f"{estimate.error / estimate.value:.2g}, and rtol = {wanted:g} was not reached",
        UserWarning,
        stacklevel=5,
    )


def _gradients(problem: Problem, members: Members, random: np.random.Generator, count: int) -> Iterator[np.ndarray]:
    """Jᵀ·(c∘z), `count` columns a batch at a time, for random z of the Gaussian process of the class's covariance."""
    for first in range(0, count, BATCH):
        noise = random.standard_normal((problem.cls.size, min(BATCH, count - first)))
        noise -= noise.mean(axis=0)
        z = members.adjoint(noise) * np.sqrt(problem.cls.size)
        yield problem.tangent.transposed_products(problem.weights[:, None] * z)


def _backward(problem: Problem, members: Members, random: np.random.Generator) -> tuple[Estimate, np.ndarray]:
    """The dual form: backward passes with random labels z until ‖Jᵀcz‖² is known well enough; and the mean squares."""
    spread = _Spread(1.0, int(np.clip(_largest_sketch(problem) // BATCH, 1, _PAIRED)))
    squares = np.zeros(problem.tangent.parameters)
    wanted = problem.rtol or DEFAULT_RTOL
    while True:
        (gradients,) = _gradients(problem, members, random, BATCH)
        squares += np.einsum("dk,dk->d", gradients, gradients)
        spread.add(gradients)
        estimate = spread.estimate(0.0)
        enough = estimate.error <= wanted * estimate.value
        if (enough and spread.count >= _LEAST) or spread.count >= _MOST or estimate.value == 0.0:
            _warn_unless(enough, estimate, wanted)
            note = (
                f"the dual form, {spread.count} backward passes with random labels: {problem.tangent.forward_obstacle}"
            )
            return replace(estimate, note=note), squares / spread.count
