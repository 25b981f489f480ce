"""Parities on {0,1}^n: the class, the transform, every method against the reference, and the bounds."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from helpers import assert_below_the_bound, jacobian, relative
from scipy.linalg import hadamard

import barren
from barren import Parity, _core, encodings, inputs, models, reference
from barren.classes.parity import krawtchouk

CLASSES = [
    Parity(n, size, signed=signed)
    for n, size in [(2, None), (2, 1), (5, None), (5, 2), (5, 5), (6, 4)]
    for signed in (False, True)
]
METHODS = ("direct", "walsh", "kernel")
SIGNED = Parity(6, signed=True)


def laws_for(cls: Parity) -> list[inputs.Law]:
    """Uniform, without zero, fewer bits, samples with repeats and weights, with 0 among them, and all in no order."""
    random = np.random.default_rng(cls.n)
    points, weights = random.integers(0, cls.points, size=9), random.random(9)
    points[:2] = 0, points[3]
    return [
        inputs.Uniform(),
        inputs.Uniform(zero=False),
        inputs.RandomBits(cls.n - 1),
        inputs.Sample(points, weights / weights.sum()),
        inputs.Sample(random.permutation(cls.points)),
    ]


@pytest.mark.parametrize("columns", [1, 2, 3, 8, 13, 70])
@pytest.mark.parametrize("n", range(11))
def test_the_transform_is_the_matrix_product(n, columns):
    rows = np.random.default_rng(n).standard_normal((2**n, columns))
    for kernel in _core.available_kernels():
        made = []
        for threads in (1, 2, 7):
            made.append(rows.copy())
            _core.use_kernel(kernel)
            _core.walsh_hadamard(made[-1], threads)
        assert all(np.array_equal(made[0], other) for other in made)
        assert relative(made[0], hadamard(2**n) @ rows) < 1e-13


@pytest.mark.parametrize(("n", "columns"), [(17, 3), (20, 1), (12, 600)])
def test_the_transform_in_several_passes_is_its_own_inverse(n, columns):
    rows = np.random.default_rng(n).standard_normal((2**n, columns))
    once, alone = rows.copy(), rows.copy()
    _core.walsh_hadamard(once, 2)
    _core.walsh_hadamard(alone, 1)
    assert np.array_equal(once, alone)
    v = np.random.default_rng(1).integers(0, 2**n, 3)
    expected = (1.0 - 2.0 * (_core.common_ones(v, np.arange(2**n)) & 1)) @ rows
    assert relative(once[v], expected) < 1e-12
    _core.walsh_hadamard(once, 0)
    assert relative(once / 2**n, rows) < 1e-14


def test_the_core_refuses_what_it_cannot_transform():
    with pytest.raises(ValueError, match="a power of two"):
        _core.walsh_hadamard(np.zeros((3, 1)))
    with pytest.raises(ValueError, match="a power of two"):
        _core.walsh_hadamard(np.zeros((0, 1)))
    with pytest.raises(ValueError, match="writeable"):
        _core.walsh_hadamard(np.broadcast_to(1.0, (1, 1)))
    for wrong in (np.zeros((4, 2), np.float32), np.zeros((4, 4))[:, ::2]):
        with pytest.raises(TypeError):
            _core.walsh_hadamard(wrong)
    _core.walsh_hadamard(np.zeros((4, 0)))


def test_ones_and_distances_of_words():
    x, y = (np.random.default_rng(i).integers(0, 2**63, 40) for i in (0, 1))
    x[0], y[0] = 2**63 - 1, 2**63 - 1
    for made, word in ((_core.common_ones, int.__and__), (_core.distances, int.__xor__)):
        expected = [[word(int(a), int(b)).bit_count() for b in y] for a in x]
        assert made(x, y, 2).tolist() == expected


@pytest.mark.parametrize("cls", CLASSES, ids=repr)
def test_members_values_mean_and_kernel(cls):
    x = np.arange(cls.points)
    assert cls.size == len(cls.members)
    assert cls.members.tolist() == [v for v in range(cls.points) if cls.weight in (None, bin(v).count("1"))]
    values = reference.values(cls, cls.members, x)
    assert np.array_equal(cls.values(cls.members, x), values)
    assert set(np.unique(values)) == set(cls.labels)
    assert np.abs(cls.mean(x) - values.mean(axis=0)).max() < 1e-15
    for threads in (1, 2):
        assert np.abs(cls.kernel(x, x, threads=threads) - reference.kernel(cls, x, x)).max() < 1e-15


@pytest.mark.parametrize("n", [2, 3, 7, 63])
def test_krawtchouk_polynomials_in_exact_integers(n):
    for k in {0, 1, 2, n // 2, n}:
        values = krawtchouk(n, k)
        assert values[0] == math.comb(n, k)
        assert values[n] == (-1) ** k * math.comb(n, k)
        # Orthogonal for the number of points at each distance.
        assert sum(math.comb(n, d) * values[d] ** 2 for d in range(n + 1)) == 2**n * math.comb(n, k)
        if k > 0:
            exact = [float(Fraction(value, values[0])) for value in values]
            assert Parity(n, k).correlations_by_distance().tolist() == exact


def test_a_class_too_large_to_list():
    cls, x = Parity(63, 30, signed=True), np.array([0, 1, 2**62, 2**63 - 1, 2**40 + 5])
    assert cls.size == math.comb(63, 30)
    kernel = cls.kernel(x, x)
    assert np.array_equal(kernel[0], np.zeros(5))  # every parity is 1 at 0
    assert kernel[1, 1] == pytest.approx(1 - (1 - 60 / 63) ** 2, rel=1e-14)
    assert kernel[1, 3] == 0.0  # and (−1)^30 at the point of all ones
    assert Parity(63).kernel([1, 2], [1, 2]).tolist() == [[0.25, 0.0], [0.0, 0.25]]
    with pytest.raises(ValueError, match="the number of members must be"):
        _ = cls.members


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("cls", CLASSES, ids=repr)
def test_every_method_is_the_reference(cls, dtype):
    tolerance = {"float64": 1e-12, "float32": 2e-6}[dtype]
    for law in laws_for(cls):
        J = jacobian(law.size(cls.points)).astype(dtype)
        expected = reference.from_jacobian(cls, J.astype(np.float64), law)
        scale = expected.variance or 1.0
        for method in METHODS:
            for deviations in (True, False):
                v = barren.gradient_variance(cls, jacobian=J, inputs=law, method=method, deviations=deviations)
                # Sums of columns are in float64 whatever J is; products of rows in its own dtype.
                allowed = tolerance if method == "kernel" else 1e-12
                assert abs(float(v) - expected.variance) < allowed * scale, (law, method)
                if deviations and cls.size > 1:
                    assert relative(v.deviations, expected.deviations) < allowed, (law, method)
                    assert v.deviations.mean() == pytest.approx(float(v), rel=1e-5)
                if allowed == 1e-12:  # the bound is attained where 0 is no point
                    assert_below_the_bound(v)
        given = barren.gradient_variance(cls, ntk=J.astype(np.float64) @ J.T.astype(np.float64), inputs=law)
        assert abs(float(given) - expected.variance) < 1e-12 * scale
        if cls.size > 1:
            assert relative(given.deviations, expected.deviations) < 1e-12


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cls", [Parity(9), Parity(9, 3, signed=True)], ids=repr)
def test_same_bits_for_any_number_of_threads(cls, method):
    J = jacobian(cls.points, 40)
    for deviations in (True, False):
        options = {"jacobian": J, "method": method, "deviations": deviations}
        made = [barren.gradient_variance(cls, threads=threads, **options) for threads in (1, 2, 7)]
        assert len({float(v) for v in made}) == 1
        if deviations:
            assert all(np.array_equal(made[0].deviations, v.deviations) for v in made)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("cls", "loss"),
    [
        (Parity(5), "bce"),
        (Parity(5, 2), "mse"),
        (Parity(5, signed=True), "hinge"),
        (Parity(5, 3, signed=True), "hinge"),
    ],
    ids=repr,
)
def test_models_layers_and_losses(cls, loss, dtype, method):
    import torch

    encoding = encodings.Bits()
    model = models.mlp(encoding.width(cls.points), (9, 7), "relu", seed=0).to(getattr(torch, dtype))
    with torch.no_grad():
        model[-1].bias += 0.8  # some outputs beyond the margin of the hinge
    expected = reference.from_model(cls, model, encoding, loss)
    v = barren.gradient_variance(cls, model, encoding=encoding, loss=loss, method=method)
    tolerance = {"float64": 1e-10, "float32": 1e-4}[dtype]
    assert float(v) == pytest.approx(expected.variance, rel=tolerance)
    assert relative(v.deviations, expected.deviations) < tolerance
    assert sum(v.per_layer.values()) == pytest.approx(float(v))
    alone = barren.gradient_variance(cls, model, encoding=encoding, loss=loss, method=method, deviations=False)
    assert float(alone) == pytest.approx(expected.variance, rel=tolerance)
    assert alone.per_layer == pytest.approx(v.per_layer, rel=tolerance)
    assert alone.mean_squared_norm == pytest.approx(v.mean_squared_norm, rel=1e-5)
    assert_below_the_bound(v)


def test_all_parities_attain_the_bound_but_for_the_point_zero():
    J = jacobian(SIGNED.points)
    v = barren.gradient_variance(SIGNED, jacobian=J)
    missing = np.sum(J[0] ** 2) / 64**2
    assert float(v) == pytest.approx(v.mean_squared_norm / 64 - missing, rel=1e-13)
    J[0] = 0.0
    v = barren.gradient_variance(SIGNED, jacobian=J)
    assert float(v) == pytest.approx(v.bound, rel=1e-13)


def test_single_parameters_and_their_sum():
    J = jacobian(64)
    for cls in (Parity(6), Parity(6, 3)):
        expected = np.array([reference.from_jacobian(cls, J[:, [c]]).variance for c in range(J.shape[1])])
        for method in ("direct", "walsh"):
            for deviations in (True, False):
                v = barren.gradient_variance(cls, jacobian=J, method=method, per_parameter=True, deviations=deviations)
                assert relative(v.per_parameter["jacobian"], expected) < 1e-12
        with pytest.raises(ValueError, match="the variance of every parameter is wanted"):
            barren.gradient_variance(cls, jacobian=J, method="kernel", per_parameter=True)


@pytest.mark.parametrize("cls", [Parity(6), Parity(6, 3, signed=True)], ids=repr)
def test_probes_are_near_and_say_how_near(cls):
    J = np.random.default_rng(0).standard_normal((64, 300)) * np.geomspace(1.0, 1e-3, 300)
    exact = barren.gradient_variance(cls, jacobian=J)
    for seed in range(3):
        v = barren.gradient_variance(cls, jacobian=J, method="probes", rtol=0.02, seed=seed)
        assert abs(float(v) - float(exact)) < 4.0 * v.standard_error + 1e-9 * float(exact)
        assert v.deviations.shape == exact.deviations.shape


def test_the_planner_takes_what_fits():
    few = inputs.Sample(np.random.default_rng(0).integers(0, 2**63, 20))
    J = jacobian(20)
    listed = barren.gradient_variance(Parity(63, 2), jacobian=J, inputs=few)
    assert listed.method == "direct"  # 2^63 numbers fit nowhere
    assert listed.deviations.shape == (math.comb(63, 2),)
    assert float(listed) == pytest.approx(
        float(barren.gradient_variance(Parity(63, 2), jacobian=J, inputs=few, method="kernel", deviations=False))
    )
    every = barren.gradient_variance(Parity(63), jacobian=J, inputs=few)
    assert every.method == "kernel"
    assert float(every) == pytest.approx(0.25 * np.sum(J**2) / 20**2)
    assert "by their kernel; too many to list" in every.explain()
    with pytest.raises(ValueError, match="deviations need the list of all"):
        _ = every.deviations
    with pytest.raises(ValueError, match="deviations must be left out"):
        barren.gradient_variance(Parity(63), jacobian=J, inputs=few, deviations=True)
    plan = barren.plan(Parity(12), jacobian=jacobian(4096, 50))
    assert plan.method == "walsh"
    assert {c.method for c in plan.candidates if c.obstacle} == {"character", "table", "nufft", "sample"}
    assert barren.plan(Parity(5), ntk=np.eye(32)).method == "kernel"


@pytest.mark.parametrize("cls", CLASSES, ids=repr)
def test_bounds_are_those_of_the_covariance(cls):
    for law in [*laws_for(cls), inputs.Sample([0, 0])]:
        points, weights = cls.points_of(law)
        centred = reference.values(cls, cls.members, points)
        centred = centred - centred.mean(axis=0)
        gram = (centred * weights) @ centred.T / cls.size
        sharp = max(0.0, float(np.linalg.eigvalsh(gram)[-1]))
        assert barren.sharp_bound(cls, law) == pytest.approx(sharp, abs=1e-14)
        ladder = barren.bounds(cls, law)
        rungs = {rung.name: rung.value for rung in ladder}
        plain = np.diag(gram).max() + np.linalg.norm(gram - np.diag(np.diag(gram)))
        assert rungs["boas-bellman"] == pytest.approx(plain, abs=1e-14)
        assert rungs["trivial"] == pytest.approx(np.trace(gram), abs=1e-14)
        assert [rung.value for rung in ladder] == sorted(rung.value for rung in ladder)
        extremal = barren.extremal_jacobian(cls, law)
        assert weights @ extremal[:, 0] ** 2 == pytest.approx(1.0)
        v = barren.gradient_variance(cls, jacobian=extremal, inputs=law)
        assert float(v) == pytest.approx(sharp, abs=1e-14)


def test_orthogonal_members():
    assert barren.sharp_bound(Parity(10, signed=True)) == 2.0**-10
    assert barren.sharp_bound(Parity(10, 3, signed=True)) == 1 / 120
    assert barren.sharp_bound(Parity(10, 3)) == 1 / 480
    assert barren.sharp_bound(Parity(10, 10)) == 0.0
    assert barren.sharp_bound(Parity(63)) == 2.0**-65
    found = barren.correlations(Parity(6))
    assert (found.pairs, found.largest) == (63 * 62 // 2, 0.0)  # v = 0 is a constant
    dimension = barren.sq_dimension(Parity(6))
    assert (dimension.lower, dimension.upper) == (63, 63)
    assert barren.sq_queries(Parity(20, signed=True), tolerance=0.1) == math.ceil((1 - 2**-20) * 0.01 * 2**20)


def test_hinge_needs_signs():
    model, show = models.mlp(5, (6,), seed=0), encodings.Bits()
    with pytest.raises(ValueError, match="labels -1 and 1 for loss='hinge'"):
        barren.gradient_variance(Parity(5), model, encoding=show, loss="hinge")
    with pytest.raises(ValueError, match="hinge needs the model"):
        barren.gradient_variance(SIGNED, jacobian=jacobian(64), loss="hinge")
    with pytest.raises(ValueError, match="labels in"):
        barren.gradient_variance(Parity(5, signed=True), model, encoding=show, loss="bce")
    signs = barren.ModularMultiplication(23, 1 - 2 * barren.targets.Bit(0))
    v = barren.gradient_variance(signs, model, encoding=show, loss="hinge", dtype="float64")
    expected = reference.from_model(signs, model.double(), show, "hinge")
    assert float(v) == pytest.approx(expected.variance, rel=1e-10)


def test_signs_are_the_bits_as_powers_of_minus_one():
    x = np.arange(19)
    for width in (None, 7):
        assert np.array_equal(encodings.Signs(width)(x, 19), (-1.0) ** encodings.Bits(width)(x, 19))
    assert repr(encodings.Signs()) == "Signs()"
    assert repr(encodings.Signs(5)) == "Signs(width=5)"
    assert encodings.Signs(5) != encodings.Bits(5)


def test_equality_text_and_pickles():
    assert Parity(5) == Parity(5)
    assert len({Parity(5), Parity(5, 2), Parity(5, signed=True), Parity(6), Parity(5)}) == 4
    for cls in CLASSES:
        _ = cls.members
        assert eval(repr(cls)) == cls
        again = pickle.loads(pickle.dumps(cls))
        assert again == cls
        assert np.array_equal(again.members, cls.members)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Parity(1), ValueError, "n must be an integer in 2..63; got 1"),
        (lambda: Parity(64), ValueError, "n must be an integer in 2..63; got 64"),
        (lambda: Parity(5.0), TypeError, "n must be an integer"),
        (lambda: Parity(5, 0), ValueError, "size must be an integer in 1..5; got 0"),
        (lambda: Parity(5, 6), ValueError, "size must be an integer in 1..5; got 6"),
        (lambda: Parity(5, signed=1), TypeError, "signed must be True or False; got 1"),
        (lambda: Parity(5).values([32], [0]), ValueError, "a must be a 1-D array of integers in 0..31; got 32"),
        (lambda: Parity(5).mean([0.5]), TypeError, "x must be a 1-D array of integers in 0..31"),
        (lambda: Parity(5).kernel([0], [-1]), ValueError, "y must be a 1-D array of integers in 0..31; got -1"),
        (lambda: Parity(5).law_of(inputs.Grid(8)), TypeError, "inputs must be a law of x from barren.inputs on the"),
        (lambda: Parity(5).points_of(inputs.Sample([32])), ValueError, "points must be"),
        (lambda: Parity(63).points_of(inputs.Uniform()), ValueError, "the number of points of the law of x"),
    ],
)
def test_bad_arguments_are_named(make, kind, message):
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)


def test_what_the_methods_refuse():
    J = jacobian(32)
    for method, reason in [("character", "residues modulo p"), ("table", "residues"), ("nufft", "frequencies")]:
        with pytest.raises(ValueError, match=f"method '{method}' cannot be used here: it is for {reason}"):
            barren.gradient_variance(Parity(5), jacobian=J, method=method)
    for cls in (barren.ModularMultiplication(31), barren.Frequencies(5)):
        with pytest.raises(ValueError, match="it is for parities"):
            barren.gradient_variance(cls, jacobian=jacobian(len(cls.points_of(cls.default_law)[0])), method="walsh")
    for method in ("direct", "walsh", "probes"):
        with pytest.raises(ValueError, match="only Θ was given"):
            barren.gradient_variance(Parity(5), ntk=np.eye(32), method=method)
    with pytest.raises(ValueError, match="for frequencies and parities"):
        barren.gradient_variance(
            Parity(5), models.mlp(5, (6,), seed=0), encoding=encodings.Bits(), loss="cross-entropy"
        )
    with pytest.raises(ValueError, match="memory_limit must leave room for a method"):
        barren.gradient_variance(Parity(5), jacobian=J, memory_limit=1500)
