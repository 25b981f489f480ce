"""The gradient watch: what the gradient still says of the target, at the weights that training has reached.

Everything that does not depend on the weights is computed once: the points, the class kernel, the values of a sample of
members. A look then costs the model's tangent kernel Θ and one product with it (docs/experiments, what the watch
measures; docs/theory, section 1).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

from barren import _core, _pool, _validate
from barren._products import mirror
from barren.classes import Frequencies, ModularMultiplication, Parity, TargetClass, scattered
from barren.encodings import features_of
from barren.tangents import loss_slopes, tangent_of_model
from barren.tangents.again import tangent_again
from barren.tangents.base import Tangent
from barren.tangents.snapshot import at_most
from barren.training import arguments, losses
from barren.training.draws import generator
from barren.training.halves import HalvedKernel
from barren.training.look import Look, Moments, look_of
from barren.training.task import Encoding
from barren.variance import gradient_variance
from barren.variance.theta import upper_blocks

Doubles = NDArray[np.float64]

# Points up to which Θ is written out: the product with the class kernel is n³.
MOST_POINTS = 4096
# Matrices of n × n that a look holds: K, Θ, their product, and both sides packed twice, with room for copies.
_SQUARES = 8
# Not a part of the memory that is free: the route, and with it the last bits, may not depend on the hour.
_MEMORY = 1 << 31
# Purpose of the draw of members.
_DRAW = 7


class Watch:
    """The class side of the gradient watch, made once; `look` measures a network with it.

    Up to 4096 points every number is exact but the cosine, a mean over pairs of drawn members, which is exact where
    the class has no more of them. Beyond that the effective rank is an estimate from the same members. `sampled` names
    what is not exact.

    Args:
        cls: The class of targets.
        encoding: How x is shown, see `gradient_variance`; default `encodings.Bits()`, `Scalar()` on the real line.
        loss: "mse", "bce", "hinge" (labels −1 and 1), or a function (outputs, labels) -> losses (n,), all in the dtype
            of the model, with a target of two values: the losses whose derivative in the output is α + β·label.
        batch_size: Of the batches whose noise the signal is put against.
        inputs: The law of x of the expected loss; default the default law of the class.
        looks: At how many of an ensemble's records it looks, evenly in log(step), the first and the last among them;
            default at all. Only `train` reads it.
        sample: How many members are drawn.
        seed: Of the draw.
        dtype: What gradients are computed in, "float64" (default) or "float32"; the weights are cast.
        memory_limit: Bytes that a look may use for matrices; default 2 GiB.
        threads: Threads; default all that the process may use. They change nothing in the result.

    Attributes:
        points, weights: x and its probabilities.
        drawn: The drawn members.
        is_dense: Whether Θ is written out.

    Raises:
        TypeError: An argument of the wrong kind.
        ValueError: An argument of the wrong value: a loss whose derivative is not affine in the label, among others.

    Cost: n² entries of the class kernel, once.

    Source: docs/experiments; docs/theory, section 1.

    Example:
        >>> import barren
        >>> from barren import models, targets
        >>> from barren.training import Watch
        >>> cls = barren.ModularMultiplication(101, target=targets.Bit(0))
        >>> model = models.mlp(7, (20,), "relu", seed=0)
        >>> watch = Watch(cls)
        >>> look = watch.look(model, member=2)
        >>> v = barren.gradient_variance(cls, model, encoding=barren.encodings.Bits(), loss="bce", dtype="float64")
        >>> round(look.variance / float(v), 9), round(look.deviation / float(v.deviations[1]), 9)
        (1.0, 1.0)
        >>> watch.sampled
        ('cosine',)
    """

    def __init__(
        self,
        cls: TargetClass,
        *,
        encoding: Encoding | None = None,
        loss: str | Callable[[Tensor, Tensor], Tensor] = "bce",
        batch_size: int = 100,
        inputs: Any = None,
        looks: int | None = None,
        sample: int = 64,
        seed: int = 0,
        dtype: Any = "float64",
        memory_limit: int | None = None,
        threads: int | None = None,
    ) -> None:
        (self.cls,) = arguments.classes_of([cls])
        self.encoding = arguments.encoding_of(self.cls, encoding)
        self.loss = losses.from_spec(loss, [self.cls])
        self._check_affine()
        self.batch_size = _validate.integer("batch_size", batch_size, low=1)
        self.law = self.cls.law_of(inputs)
        self.looks = None if looks is None else _validate.integer("looks", looks, low=1)
        self.seed = _validate.integer("seed", seed, low=0)
        self.dtype = arguments.dtype_of(dtype)
        self.memory_limit = _validate.integer("memory_limit", _MEMORY if memory_limit is None else memory_limit, low=1)
        self.threads = 0 if threads is None else _validate.integer("threads", threads, low=1, high=4096)
        self.points, self.weights = self.cls.points_of(self.law)
        self.drawn = self._draw(_validate.integer("sample", sample, low=2))
        n = len(self.points)
        self.is_dense = n <= MOST_POINTS and 8 * _SQUARES * n * n <= self.memory_limit
        shown = features_of(self.encoding, self.points, self.cls.period, self.cls)
        self._features = shown.astype(np.float64, copy=False)
        self._here = self.cls.under(self.law)
        self._mean = self._here.mean(self.points, threads=threads)
        self._values = self._here.values(self.drawn, self.points, threads=threads)
        self._kernel: HalvedKernel | None = None
        if self.is_dense:
            kernel = self._here.kernel(self.points, self.points, threads=threads)
            self._kernel = HalvedKernel(kernel, self.points, self.cls.period)
        # As many looks at once as fit into the memory.
        self._slots = max(1, self.memory_limit // (8 * _SQUARES * n * n)) if self.is_dense else 1
        self._turns = threading.BoundedSemaphore(self._slots)

    @property
    def _is_named(self) -> bool:
        """Whether the derivative is affine by name, with any labels."""
        return self.loss.function is None and self.loss.name in ("mse", "bce")

    def _check_affine(self) -> None:
        if self._is_named:
            return
        if self.loss.name == "cross-entropy" or self.cls.labels is None:
            raise ValueError(
                "loss must have a derivative affine in the label to be watched: 'mse', 'bce', or 'hinge' or a function "
                f"with a target of two values; got {self.loss.name!r} with {self.cls!r}"
            )

    def _draw(self, count: int) -> NDArray[Any]:
        if self.cls.has_members and self.cls.size <= count:
            return self.cls.members
        return np.array(arguments.draw_members(self.cls, count, generator(self.seed, _DRAW)))

    @property
    def sampled(self) -> tuple[str, ...]:
        """The numbers of a look that are estimates from the drawn members; all the others are exact."""
        if self.cls.has_members and len(self.drawn) == self.cls.size:
            return ()
        return ("cosine",) if self.is_dense else ("cosine", "effective_rank")

    def describe(self) -> dict[str, Any]:
        """What determines the numbers of a look, beside the class, the encoding and the network, as plain values."""
        return {
            "loss": self.loss.name,
            "batch_size": self.batch_size,
            "inputs": repr(self.law),
            "sample": len(self.drawn),
            "seed": self.seed,
            "dtype": self.dtype,
            "dense": self.is_dense,
        }

    def look(self, module: nn.Module, member: Any) -> Look:
        """Measures a network at its present weights.

        Args:
            module: A torch module with one output a sample; see `gradient_variance` for what is refused.
            member: The multiplier or frequency that it is trained on.

        Raises:
            TypeError, ValueError: As `gradient_variance`; or the member is none of this class.

        Cost: Θ and n²·(n + sample) multiply-adds, n²·(n/8 + sample) where ψ is even or odd and x uniform. Beyond 4096
            points a pass of `gradient_variance` and a backward pass over the points a drawn member.
        """
        return self._look(module, member, None, self.threads or _core.available_threads())[0]

    def look_all(
        self, modules: Sequence[nn.Module], members: Sequence[Any], *, threads: int | None = None
    ) -> list[Look]:
        """Measures several networks that differ in their parameters and buffers alone, such as the runs of an ensemble.

        The first is checked in full, as `look` does. Of the others what the structure decides is taken as it was
        found; they are looked at side by side, a thread each, and the numbers are those of `look`.

        Args:
            modules: The networks.
            members: The member that each is trained on.
            threads: Threads; default those of the watch.

        Raises:
            TypeError, ValueError: As `look`; or there are not as many members as networks.

        Cost: That of `look` each, less the checks.
        """
        if len(modules) != len(members):
            raise ValueError(f"members must be one a network, {len(modules)}; got {len(members)}")
        if not len(modules):
            return []
        pairs = list(zip(modules, members, strict=True))
        most = self.threads or _core.available_threads()
        count = most if threads is None else _validate.integer("threads", threads, low=1, high=4096)
        first, known = self._look(*pairs[0], None, count)
        workers = min(count, len(pairs) - 1, self._slots)

        def look(pair: tuple[nn.Module, Any]) -> Look:
            return self._look(*pair, known, max(1, count // workers))[0]

        return [first, *_pool.in_order(look, iter(pairs[1:]), workers)]

    def _look(self, module: nn.Module, member: Any, known: Tangent | None, threads: int) -> tuple[Look, Tangent]:
        """A look, and the tangent that it was made with; `known` is that of a network of the same structure."""
        with self._turns:
            start = time.perf_counter()
            value = self._here.values(np.array([member]), self.points, threads=1)[0]
            # On one thread: the probes are small, and torch's sums over samples depend on how threads cut them.
            with at_most(1):
                tangent = None if known is None else tangent_again(known, module)
                if tangent is None:
                    tangent = tangent_of_model(module, self._features, dtype=self.dtype)
                find = self._by_kernel if self.is_dense else self._by_members
                found, alpha, beta = find(module, tangent, value, threads)
            slopes = alpha + beta * value
            seen = look_of(found, self.weights, beta, slopes, self.batch_size, time.perf_counter() - start)
            return seen, tangent

    def _slopes(self, module: nn.Module, tangent: Tangent) -> tuple[Doubles, Doubles]:
        """α and β of ∂ℓ/∂N = α + β·label at every point."""
        outputs, device = tangent.outputs, str(next(module.parameters()).device)
        assert outputs is not None
        if self._is_named:
            return (outputs if self.loss.name == "mse" else expit(outputs)), np.full(len(outputs), -1.0)
        assert self.cls.labels is not None
        low, high = self.cls.labels
        slopes = loss_slopes(self._pointwise, (low, high), outputs, dtype=self.dtype, device=device)
        beta = (slopes[:, 1] - slopes[:, 0]) / (high - low)
        return slopes[:, 0] - beta * low, beta

    def _pointwise(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return self.loss(outputs[None, :, None], labels[None, :, None])[0]

    def _cotangents(self, alpha: Doubles, beta: Doubles, value: Doubles) -> tuple[Doubles, Doubles]:
        """Rows r with G_a = Jᵀr, of the drawn members and last the run's own; and that of G_a − E G of the own."""
        raw = self.weights * (alpha + beta * np.concatenate([self._values, value[None]]))
        return raw, (self.weights * beta * (value - self._mean))[None]

    def _by_kernel(
        self, module: nn.Module, tangent: Tangent, value: Doubles, threads: int
    ) -> tuple[Moments, Doubles, Doubles]:
        """With s = weights·β: tr C = Σ K_ij s_i s_j Θ_ij, and tr C² = tr(K s Θ s)². And α and β."""

        def product(left: Doubles, right: Doubles) -> Doubles:
            return _product(left, right, threads)

        theta = self._theta(tangent, threads)
        alpha, beta = self._slopes(module, tangent)  # after the passes for Θ, which give the outputs
        scale = self.weights * beta
        raw, own = self._cotangents(alpha, beta, value)
        *against, last = product(np.concatenate([raw, own]), theta)
        norms = theta.diagonal().copy()
        theta *= scale
        theta *= scale[:, None]
        assert self._kernel is not None
        variance, square = self._kernel.moments(theta, product)
        found = Moments(variance, square, float(last @ own[0]), product(raw, np.array(against)), norms)
        return found, alpha, beta

    def _theta(self, tangent: Tangent, threads: int) -> Doubles:
        """Θ written out."""
        theta = np.zeros((tangent.n, tangent.n))
        with tangent.limited(threads):
            tangent.ready(threads)
            for start, stop, layers in upper_blocks(tangent, self.memory_limit // _SQUARES):
                for _, block in layers:
                    theta[start:stop, start:] += block
        mirror(theta)
        return theta

    def _by_members(
        self, module: nn.Module, tangent: Tangent, value: Doubles, threads: int
    ) -> tuple[Moments, Doubles, Doubles]:
        """Var by a streaming method, the rest from the gradients of members, a backward pass each. And α and β."""
        alpha, beta = self._slopes(module, tangent)
        raw, own = self._cotangents(alpha, beta, value)
        mean = self.weights * (alpha + beta * self._mean)
        need = 40 * tangent.parameters * (len(raw) + 2)
        if need > self.memory_limit:
            raise ValueError(
                f"memory_limit must hold the gradients of {len(raw)} members of {tangent.parameters} parameters, "
                f"{need} bytes; got {self.memory_limit} (give a smaller sample=)"
            )
        variance = gradient_variance(
            self.cls,
            module,
            encoding=self.encoding,
            loss="mse" if self._is_named else self._pointwise,  # "bce" has the same β, and the same variance
            inputs=self.law,
            method=self._method(),
            deviations=False,
            dtype=self.dtype,
            memory_limit=self.memory_limit,
            threads=threads,
        )
        gradients = tangent.transposed_products(np.concatenate([raw, own, mean[None]]).T).T
        whole, apart, centre = np.split(gradients, [len(raw), len(raw) + 1])
        moved = _product(whole[:-1] - centre, whole[:-1] - centre, threads)
        norms, gram = tangent.squared_norms(), _product(whole, whole, threads)
        return Moments(float(variance), self._square(moved), float(apart[0] @ apart[0]), gram, norms), alpha, beta

    def _square(self, moved: Doubles) -> float:
        """An unbiased tr C² from ⟨G_a − E G, G_b − E G⟩ of the drawn members.

        Over a class of A members tr C² = E⟨·,·⟩² over pairs, a part 1/A of which are pairs of a member with itself.
        """
        squares, count = moved**2, len(moved)
        alone = float(squares.diagonal().mean())
        apart = float(squares.sum() - squares.diagonal().sum()) / max(1, count * (count - 1))
        if not self.cls.has_members:
            return apart
        return alone / self.cls.size + apart * (1.0 - 1.0 / self.cls.size)

    def _method(self) -> str:
        """The exact method for many points: by the class alone, for the same bits on every machine."""
        cls: Any = self.cls
        if isinstance(cls, Frequencies):
            on_grid = cls.modular(self.law)
            if on_grid is None:
                if not cls.has_members:
                    return "kernel"
                return "nufft" if scattered.obstacle(cls) is None else "direct"
            cls = on_grid
        if isinstance(cls, Parity):
            return "walsh" if 64 * cls.points <= self.memory_limit else "kernel"
        assert isinstance(cls, ModularMultiplication)
        if cls.by_dedekind_sums and 16 * cls.p > self.memory_limit:
            return "kernel"
        return "character" if cls.is_prime else "direct"


def _product(left: Doubles, right: Doubles, threads: int) -> Doubles:
    """left·rightᵀ by the core, which sums in an order of its own for any number of threads."""
    rows, columns = (np.ascontiguousarray(side) for side in (left, right))
    out = np.empty((len(rows), len(columns)))
    packed = [_core.PackedFactor64(side, threads) for side in (rows, columns)]
    nothing = np.zeros(len(rows)), np.zeros(len(columns))
    product: Any = _core.gram_block  # of one factor a side
    product(*packed, *nothing, 0.0, (0, len(rows)), (0, len(columns)), out, False, threads)
    return out
