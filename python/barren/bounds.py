"""The class alone: bounds on Var/B² that hold for every model (docs/theory, section 4).

For every model, every parameter vector w and B² = E_x‖J(x)‖² the gradient variance obeys Var(H, w) ≤ λ(H)·B², with
λ(H) the largest eigenvalue of the covariance operator of the class on L² of the law of x. No smaller constant does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from barren import _fft, _validate
from barren.classes import ModularMultiplication
from barren.classes.group import unit_group
from barren.inputs import Law, Uniform
from barren.targets import Table

# Up to here a dense eigenvalue problem is as quick as Lanczos and simpler.
_DENSE = 512
_LARGEST_KERNEL_BYTES = 2**31


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder of bounds.

    Attributes:
        name: "sharp", "boas-bellman", "bounded-variation" or "published-rate".
        value: what Var/B² is bounded by; for a rate, the bare power.
        formula: how the value is computed.
        proven: False for a rate, whose constant is unknown: no inequality can be read from it.
    """

    name: str
    value: float
    formula: str
    proven: bool


def sharp_bound(cls: ModularMultiplication, inputs: Law | None = None) -> float:
    """λ(H), the smallest constant with Var(H, w) ≤ λ·B² for every model and every w.

    For a prime p, x uniform on Z_p and multipliers "units", λ = max_{χ≠0} |P[χ]|²/(p(p−1)). For "all" the trivial
    character joins with (p−1)²/p³·(ψ(0) − mean ψ)². For any other law, set or modulus it is the largest eigenvalue of
    [√c_i K(x_i,x_j) √c_j].

    Args:
        cls: the class.
        inputs: the law of x; default uniform on Z_p.

    Returns:
        λ, a float; 0 for a class of one member.

    Raises:
        ValueError: the class kernel at the law's points would take more than 2 GiB.

    Cost: O(p log p) for a uniform law on a prime modulus; otherwise a dense eigenvalue problem (n ≤ 512) or Lanczos, by
    transforms of length p − 1 for a whole class on a prime and with K held (8n² bytes) for anything else.

    Example:
        >>> import barren
        >>> from barren import targets
        >>> p = 1009
        >>> round(p * barren.sharp_bound(barren.ModularMultiplication(p, targets.Sawtooth())), 4)
        1.1178
    """
    _validate.instance("cls", cls, ModularMultiplication, "a target class such as barren.ModularMultiplication(1009)")
    law = _validate.instance("inputs", Uniform() if inputs is None else inputs, Law, "a law of x from barren.inputs")
    if _is_uniform_prime(cls, law):
        return float(_eigenvalues(cls, law).max())
    return _largest_eigenvalue(cls, law)


def one_hot_bound(cls: ModularMultiplication, inputs: Law | None = None) -> float:
    """λ of the class of one-hot labels e_{ψ(ax)}: Var ≤ λ·E_x Σ_c‖J_c(x)‖² for cross-entropy on ψ(ax).

    It is the largest eigenvalue of E_a (h_a − h̄)⊗(h_a − h̄) on L² of the law of x with values in R^L, where
    h_a(x) = e_{ψ(ax)}, and so of the matrix ⟨h̃_a, h̃_b⟩/|A| of the members, ⟨h_a, h_b⟩ = P_x(ψ(ax) = ψ(bx))
    (docs/theory, section 4). Where p is prime and ψ takes no value twice, two members agree at x = 0 only and
    λ = P(x ≠ 0)/|A|.

    Args:
        cls: the class.
        inputs: the law of x; default uniform on Z_p.

    Returns:
        λ, a float; 0 for a class of one member.

    Raises:
        ValueError: the labels of all members at all points would take more than 2 GiB.

    Cost: O(p) for a prime p and a ψ of p values; otherwise Lanczos with O(members · n) a step.

    Example:
        >>> import barren
        >>> from barren import targets
        >>> round(101 * one_hot_bound(barren.ModularMultiplication(101, targets.Residue())), 12)
        1.0
    """
    _validate.instance("cls", cls, ModularMultiplication, "a target class such as barren.ModularMultiplication(1009)")
    law = _validate.instance("inputs", Uniform() if inputs is None else inputs, Law, "a law of x from barren.inputs")
    points, weights = law.points(cls.p), law.weights(cls.p)
    values, levels = np.unique(cls.table(), return_inverse=True)
    if cls.size == 1 or len(values) == 1:
        return 0.0
    if cls.is_prime and len(values) == cls.p:
        return float(weights[points != 0].sum() / cls.size)
    return _largest_of_labels(cls, points, weights, levels.reshape(-1), len(values))


def _largest_of_labels(
    cls: ModularMultiplication, points: np.ndarray, weights: np.ndarray, levels: np.ndarray, count: int
) -> float:
    """Of P·S·Sᵀ·P/|A| with P the centring over the members and S[a, (x, k)] = √c_x where a has level k at x."""
    from scipy.sparse import csr_matrix

    members, n = cls.size, len(points)
    if 24 * members * n > _LARGEST_KERNEL_BYTES:
        raise ValueError(
            f"inputs must have few enough points for the labels of {members} members to fit in 2 GiB here; got {n}"
        )
    where = ModularMultiplication(cls.p, Table(levels.astype(np.float64)), cls.members).values(cls.members, points)
    columns = (np.arange(n) * count + where.astype(np.int64)).reshape(-1)
    entries = np.tile(np.sqrt(weights), members)
    features = csr_matrix((entries, columns, np.arange(members + 1) * n), shape=(members, n * count))

    def apply(v: np.ndarray) -> np.ndarray:
        image = features @ (features.T @ (v.ravel() - v.mean()))
        centred: np.ndarray = (image - image.mean()) / members
        return centred

    if members <= _DENSE:
        return _largest_dense(np.stack([apply(row) for row in np.eye(members)]))
    return _largest_lanczos(apply, members)


def bounds(cls: ModularMultiplication, inputs: Law | None = None) -> tuple[Rung, ...]:
    """The ladder: every known bound on Var/B² for this class, proven ones first, loosest last, then the published rate.

    * sharp: λ(H), see `sharp_bound`.
    * boas-bellman: (max_a‖h̃_a‖² + (Σ_{a≠b}|⟨h̃_a, h̃_b⟩|²)^½)/|A| with h̃ = h − h̄, exact for this class: the
      published route.
    * bounded-variation: V²·H²/(4(p−1)) for x uniform on Z_p, V the total variation of ψ over the cycle and H the
      harmonic number of (p−1)/2.
    * published-rate: p^(−1/2), from the abstract of arXiv 2310.12660 (Õ(1/√p)). Its constant and its power of log p are
      unknown here, so it is a slope to compare with and no bound.

    Args:
        cls: a class with a prime modulus and multipliers "units" or "all".
        inputs: `Uniform(zero=True)` (default) or `Uniform(zero=False)`.

    Raises:
        ValueError: another law, a composite modulus or a given set of multipliers.

    Cost: O(p log p).
    """
    _validate.instance("cls", cls, ModularMultiplication, "a target class such as barren.ModularMultiplication(1009)")
    law = _validate.instance("inputs", Uniform() if inputs is None else inputs, Law, "a law of x from barren.inputs")
    _validate.prime("p", cls.p, "the ladder of bounds")
    if not _is_uniform_prime(cls, law):
        raise ValueError(
            "the ladder of bounds needs x uniform and multipliers 'units' or 'all'; got "
            f"inputs={law!r} and multipliers={cls.multipliers!r} (sharp_bound takes any)"
        )
    proven = [
        Rung("sharp", sharp_bound(cls, law), "λ(H) = largest eigenvalue of the class covariance", True),
        Rung("boas-bellman", _boas_bellman(cls, law), "(max‖h̃‖² + (Σ_{a≠b}⟨h̃_a,h̃_b⟩²)^½)/|A|", True),
        Rung("bounded-variation", _bounded_variation(cls, law), "V²·H²/(4(p−1)), H = harmonic number of (p−1)/2", True),
    ]
    rate = Rung("published-rate", cls.p**-0.5, "p^(−1/2): a rate, constant unknown", False)
    return (*sorted(proven, key=lambda rung: rung.value), rate)


def _is_uniform_prime(cls: ModularMultiplication, law: Law) -> bool:
    return cls.is_prime and cls.multipliers != "set" and isinstance(law, Uniform)


def _point_weight(cls: ModularMultiplication, law: Law) -> float:
    """The probability of each unit under a uniform law."""
    return 1.0 / law.size(cls.p)


def _zero_excess(cls: ModularMultiplication) -> float:
    """ψ(0) − mean of ψ over the units: what the multiplier 0 adds to the class."""
    table = cls.table()
    return float(table[0] - table[1:].mean())


def _eigenvalues(cls: ModularMultiplication, law: Law) -> np.ndarray:
    """Eigenvalues of the covariance operator over the characters, the trivial one first; at x = 0 it is zero."""
    p, weight = cls.p, _point_weight(cls, law)
    values = cls.spectrum() * (weight / (p - 1))
    values[0] = 0.0
    if cls.multipliers == "all":
        values *= (p - 1) / p
        values[0] = ((p - 1) / p * _zero_excess(cls)) ** 2 * weight
    return values


def _largest_eigenvalue(cls: ModularMultiplication, law: Law) -> float:
    """Of the matrix √c·K·√c, for any law, modulus and set of multipliers."""
    points, weights = law.points(cls.p), law.weights(cls.p)
    roots, n = np.sqrt(weights), len(points)
    if n <= _DENSE:
        return _largest_dense(roots[:, None] * cls.kernel(points, points) * roots)
    apply = _kernel_product(cls, points)
    return _largest_lanczos(lambda v: roots * apply(roots * v.ravel()), n)


def _largest_dense(matrix: np.ndarray) -> float:
    """Of a symmetric positive semidefinite matrix."""
    return max(0.0, float(np.linalg.eigvalsh(matrix)[-1]))


def _largest_lanczos(apply: Callable[[np.ndarray], np.ndarray], n: int) -> float:
    """Of a symmetric positive semidefinite operator on R^n."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    start = np.random.default_rng(0).standard_normal(n)
    if not apply(start).any():  # a class that does not vary: Lanczos has nothing to start from
        return 0.0
    operator = LinearOperator((n, n), matvec=apply, dtype=np.float64)
    return max(0.0, float(eigsh(operator, k=1, which="LA", v0=start, return_eigenvectors=False)[0]))


def _kernel_product(cls: ModularMultiplication, points: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """V -> K·v at the given points: a cyclic convolution in the logarithms on a prime, a held matrix otherwise."""
    if not cls.is_prime or cls.multipliers == "set" or cls.by_dedekind_sums:
        if 8 * len(points) ** 2 > _LARGEST_KERNEL_BYTES:
            raise ValueError(
                f"inputs must have few enough points for the class kernel to fit in 2 GiB here; got {len(points)}"
            )
        kernel = cls.kernel(points, points)
        return lambda v: kernel @ v
    p, order = cls.p, cls.p - 1
    logarithms = unit_group(p).logarithms[points]
    units = np.flatnonzero(logarithms >= 0)
    spectrum = _fft.rfft(cls.kernel_by_ratio()).real  # κ is even, so its transform is real
    constant = 0.0
    if cls.multipliers == "all":
        spectrum *= (p - 1) / p
        constant = (p - 1) / p**2 * _zero_excess(cls) ** 2

    def product(v: np.ndarray) -> np.ndarray:
        by_logarithm = np.bincount(logarithms[units], weights=v[units], minlength=order)
        convolved = _fft.irfft(spectrum * _fft.rfft(by_logarithm), n=order) + constant * by_logarithm.sum()
        out = np.zeros(len(v))
        out[units] = convolved[logarithms[units]]
        return out

    return product


def _boas_bellman(cls: ModularMultiplication, law: Law) -> float:
    """The Boas–Bellman value of the centred class, from one vector of inner products by ratio a/b."""
    p, weight = cls.p, _point_weight(cls, law)
    inner = weight * (p - 1) * cls.kernel_by_ratio()  # ⟨h̃_a, h̃_b⟩ at ratio g^k, over the units
    if cls.multipliers == "units":
        return float((inner[0] + np.sqrt((p - 1) * np.sum(inner[1:] ** 2))) / (p - 1))
    # Over all of Z_p every h̃_a, a ≠ 0, moves by the constant −ε on x ≠ 0, and h̃_0 is the constant (p−1)·ε there.
    epsilon = _zero_excess(cls) / p
    mass = weight * (p - 1)
    inner = inner + epsilon**2 * mass
    zero_norm = ((p - 1) * epsilon) ** 2 * mass
    zero_inner = -(p - 1) * epsilon**2 * mass
    off_diagonal = (p - 1) * np.sum(inner[1:] ** 2) + 2 * (p - 1) * zero_inner**2
    return float((max(inner[0], zero_norm) + np.sqrt(off_diagonal)) / p)


def _bounded_variation(cls: ModularMultiplication, law: Law) -> float:
    """V²H²/(4(p−1)), times p/(p−1) where x = 0 is left out."""
    from scipy.special import digamma

    harmonic = float(digamma((cls.p - 1) / 2 + 1) + np.euler_gamma)
    return cls.target.variation(cls.p) ** 2 * harmonic**2 / (4 * (cls.p - 1)) * _point_weight(cls, law) * cls.p
