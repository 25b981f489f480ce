"""λ for cross-entropy on many labels: the bound of a class whose members are one-hot (docs/theory, section 4.1)."""

from __future__ import annotations

import numpy as np

from barren import _validate
from barren.bounds.eigen import DENSE, LARGEST_BYTES, largest_dense, largest_lanczos
from barren.classes import ModularMultiplication
from barren.inputs import Law, Uniform
from barren.targets import Table


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

    Source: docs/theory, section 4.1.

    Example:
        >>> import barren
        >>> from barren import targets
        >>> round(101 * one_hot_bound(barren.ModularMultiplication(101, targets.Residue())), 12)
        1.0
    """
    _validate.instance("cls", cls, ModularMultiplication, "a class modulo p: barren.ModularMultiplication(p)")
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
    if 24 * members * n > LARGEST_BYTES:
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

    if members <= DENSE:
        return largest_dense(np.stack([apply(row) for row in np.eye(members)]))[0]
    return largest_lanczos(apply, members)[0]
