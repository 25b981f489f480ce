"""The gradient variance of frequencies: every method against `reference`, against one another, and on a grid."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec

import helpers
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import barren
from barren import _core, _nufft, encodings, inputs, reference, targets
from barren.classes import Frequencies, scattered

pytestmark = helpers.NODES_ALONE

TARGETS = [
    targets.Sawtooth(),
    targets.Cosine(),
    targets.Cosine(3),
    targets.Threshold(Fraction(1, 3)),
    targets.Square(),
    targets.Triangle(),
    targets.Table([0.5, -1.0, 2.0, 0.0, 0.25]),
    targets.QuantileBit(3),
    1 - 2 * targets.Threshold(0.5),
    targets.Cosine(1) + 0.5 * targets.Cosine(3) - 2,
    targets.Sawtooth() - 0.25 * targets.Cosine(2),
]
METHODS = ("direct", "nufft", "kernel")
COORDINATES = (
    st.floats(-50, 50, allow_subnormal=False).filter(lambda x: x == 0.0 or abs(x) > 1e-150)
    | st.integers(-30, 30).map(lambda j: j / 6)
    | st.sampled_from([0.0, 0.5, 1e15 / 3, -(2.0**70)])
)


def methods_of(cls):
    return [m for m in METHODS if m != "nufft" or scattered.obstacle(cls) is None]


def jacobian_for(law, d=4, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal((law.size(), d)).astype(dtype)


def assert_like_reference(cls, law, J, rtol=1e-9, **options):
    expected = reference.from_jacobian(cls, J.astype(float), law)
    scale = expected.deviations.max() + 1e-6 * float(law.weights() @ np.sum(J.astype(float) ** 2, axis=1))
    for method in methods_of(cls):
        v = barren.gradient_variance(cls, jacobian=J, inputs=law, method=method, **options)
        assert abs(float(v) - expected.variance) <= rtol * scale
        np.testing.assert_allclose(v.deviations, expected.deviations, rtol=0.0, atol=rtol * scale)
        assert v.standard_error == 0.0
        assert sum(v.per_layer.values()) == pytest.approx(float(v), abs=1e-15)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@settings(max_examples=15, deadline=None)
@given(
    A=st.integers(1, 7),
    x=st.lists(COORDINATES, min_size=1, max_size=5),
    repeats=st.integers(0, 2),
    seed=st.integers(0, 99),
)
@example(A=1, x=[0.0], repeats=0, seed=0)
@example(A=2, x=[-(2.0**70)], repeats=0, seed=0)
@example(A=3, x=[1 / 3], repeats=2, seed=0)
def test_small_classes(target, A, x, repeats, seed):
    law = inputs.RealSample([*x, *[x[-1]] * repeats])
    assert_like_reference(Frequencies(A, target), law, jacobian_for(law, 3, seed=seed))


@pytest.mark.parametrize("kernel_set", _core.available_kernels())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_products_of_targets_laws_and_threads(target, dtype, kernel_set):
    before = _core.kernel()
    _core.use_kernel(kernel_set)
    try:
        random = np.random.default_rng(1)
        weights = random.random(61)
        laws = [
            inputs.Density("uniform", 40),
            inputs.Density("gaussian", 30, scale=2.0),
            inputs.Density(lambda x: 2 * x, 25),
            inputs.Density("gaussian", 20, seed=3),
            inputs.RealSample(random.standard_normal(61) * 30, weights / weights.sum()),
        ]
        for law in laws:
            J = jacobian_for(law, 11, dtype)
            for threads in (1, 2, 7):
                cls = Frequencies(53, target)
                assert_like_reference(cls, law, J, 1e-9 if dtype == "float64" else 2e-6, threads=threads)
    finally:
        _core.use_kernel(before)


def test_the_same_bits_for_any_number_of_threads():
    law = inputs.RealSample(np.random.default_rng(2).standard_normal(300))
    J = jacobian_for(law, 20)
    for target in (targets.Cosine(), targets.Square()):
        for method in ("direct", "kernel"):
            answers = [
                barren.gradient_variance(Frequencies(200, target), jacobian=J, inputs=law, method=method, threads=t)
                for t in (1, 2, 7)
            ]
            assert all(np.array_equal(answers[0].deviations, other.deviations) for other in answers)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_given_frequencies_and_several_dimensions(target):
    random = np.random.default_rng(3)
    law = inputs.RealSample(random.standard_normal((25, 3)))
    cls = Frequencies(target=target, frequencies=random.standard_normal((40, 3)) * 20)
    assert_like_reference(cls, law, jacobian_for(law))
    law = inputs.Density("gaussian", 25, seed=1)
    cls = Frequencies(target=target, frequencies=random.standard_normal(40) * 20)
    assert_like_reference(cls, law, jacobian_for(law))


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize(("M", "A"), [(13, 1), (13, 5), (13, 12), (12, 7), (12, 11)])
def test_on_a_grid_the_modular_engines_answer(target, M, A):
    law, cls = inputs.Grid(M), Frequencies(A, target)
    J = jacobian_for(law)
    t = np.arange(M)
    # The grid's points are rounded; the class on them is that of the residues.
    exact = np.array([[cls.circle.exact(Fraction(int(a) * j % M, M)) for j in t.tolist()] for a in cls.members])
    gradients = (exact / M) @ J
    expected = np.sum((gradients - gradients.mean(axis=0)) ** 2, axis=1)
    methods = ["direct", "kernel", "auto"] + ["character"] * (M == 13)
    for method in methods:
        v = barren.gradient_variance(cls, jacobian=J, inputs=law, method=method)
        np.testing.assert_allclose(v.deviations, expected, rtol=1e-9, atol=1e-12)
        assert v.standard_error == 0.0
        assert np.array_equal(v.members, cls.members)
        assert v.cls is cls
        assert v.inputs == law
        alone = barren.gradient_variance(cls, jacobian=J, inputs=law, method=method, deviations=False)
        assert float(alone) == pytest.approx(expected.mean(), rel=1e-9, abs=1e-12)
    assert float(v) <= v.bound * (1 + 1e-9)


def test_routes_agree_where_they_overlap():
    """Direct, transforms, the closed kernel on points of a prime grid, and the modular engines."""
    M, A = 211, 150
    cls, grid = Frequencies(A, targets.Cosine(2)), inputs.Grid(M)
    J = jacobian_for(grid, 9)
    modular = barren.gradient_variance(cls, jacobian=J, inputs=grid, method="character")
    sample = inputs.RealSample(grid.points())
    for method in METHODS:
        v = barren.gradient_variance(cls, jacobian=J, inputs=sample, method=method)
        np.testing.assert_allclose(v.deviations, modular.deviations, rtol=1e-9, atol=1e-9 * float(modular))
        assert float(v) == pytest.approx(float(modular), rel=1e-9)


@pytest.mark.parametrize("library", [name for name in ("ducc0", "finufft") if find_spec(name) is not None])
def test_transforms_by_every_library_that_is_installed(library, monkeypatch):
    monkeypatch.setattr(_nufft, "_name", lambda: library)
    random = np.random.default_rng(4)
    cls, x = Frequencies(300, targets.Cosine(3)), random.standard_normal(200) * 40
    J, B, weights = random.standard_normal((200, 5)), random.standard_normal((300, 3)), random.random(200)
    np.testing.assert_allclose(scattered.responses(cls, x, weights, J), cls.responses(x, weights, J), atol=1e-10)
    np.testing.assert_allclose(scattered.adjoint(cls, x, B), cls.adjoint(x, B), atol=1e-10)


def test_without_a_library_there_are_no_transforms(monkeypatch):
    monkeypatch.setattr(_nufft, "_name", lambda: None)
    law = inputs.RealSample([0.25, 0.5])
    with pytest.raises(ValueError, match="it needs ducc0 or finufft"):
        barren.gradient_variance(Frequencies(3, targets.Cosine()), jacobian=np.ones((2, 1)), inputs=law, method="nufft")


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_an_interval_has_a_variance_and_no_deviations(target):
    law = inputs.RealSample([0.3, -1.2, 0.0, 2.5])
    J, cls = jacobian_for(law), Frequencies(7.25, target, integer=False)
    v = barren.gradient_variance(cls, jacobian=J, inputs=law)
    K = cls.kernel(law.points(), law.points())
    assert v.method == "kernel"
    assert float(v) == pytest.approx(float(np.sum(K * (J @ J.T)) / 16), rel=1e-12)
    with pytest.raises(ValueError, match="members needs a finite class"):
        _ = v.members
    with pytest.raises(ValueError, match="deviations need a list of members"):
        _ = v.deviations
    with pytest.raises(ValueError, match="no list of members"):
        barren.gradient_variance(cls, jacobian=J, inputs=law, method="direct")
    theta = barren.gradient_variance(cls, ntk=J @ J.T, inputs=law)
    assert float(theta) == pytest.approx(float(v), rel=1e-12)
    assert float(v) <= v.bound * (1 + 1e-9)


def test_probes_estimate():
    law = inputs.RealSample(np.random.default_rng(5).standard_normal(80))
    J = jacobian_for(law, 30)
    for target in (targets.Cosine(), targets.Square()):
        cls = Frequencies(60, target)
        exact = barren.gradient_variance(cls, jacobian=J, inputs=law)
        estimate = barren.gradient_variance(cls, jacobian=J, inputs=law, method="probes", rtol=0.02)
        assert estimate.standard_error > 0.0
        assert abs(float(estimate) - float(exact)) < 5 * estimate.standard_error


@pytest.mark.parametrize("loss", ["mse", "bce", lambda N, y: torch.sigmoid(N - 2 * y * N)])
@pytest.mark.parametrize("encoding", [encodings.Scalar(), encodings.Angular(2), lambda x, period: x[:, None] * 3])
def test_models(loss, encoding):
    torch.manual_seed(0)
    law, cls = inputs.Density("uniform", 12), Frequencies(9, targets.Threshold(0.3))
    width = encoding(law.points(), 1.0).shape[1]
    model = torch.nn.Sequential(torch.nn.Linear(width, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)).double()
    expected = reference.from_model(cls, model, encoding, loss, law)
    for method in ("direct", "kernel"):
        v = barren.gradient_variance(cls, model, encoding=encoding, loss=loss, inputs=law, method=method)
        np.testing.assert_allclose(v.deviations, expected.deviations, rtol=1e-8, atol=1e-18)
    grid = barren.gradient_variance(cls, model, encoding=encoding, loss=loss, inputs=inputs.Grid(13))
    assert grid.method in ("direct", "character", "kernel")


def test_a_plan_for_frequencies():
    law = inputs.RealSample(np.random.default_rng(6).standard_normal(50))
    plan = barren.plan(Frequencies(40, targets.Cosine()), jacobian=jacobian_for(law), inputs=law)
    possible = {c.method for c in plan.candidates if c.obstacle is None}
    assert possible == {"direct", "kernel", "nufft", "probes"}
    assert "residues modulo p" in str(plan)


def test_a_class_too_long_to_list_has_a_variance():
    law = inputs.RealSample(np.random.default_rng(7).standard_normal(20))
    J, cls = jacobian_for(law), Frequencies(10**15, targets.Cosine())
    v = barren.gradient_variance(cls, jacobian=J, inputs=law)
    with pytest.raises(ValueError, match="deviations need the list of all"):
        _ = v.deviations
    # So many frequencies are as good as independent phases: K is ½ where x = ±y.
    assert float(v) == pytest.approx(0.5 * float(np.sum(J**2)) / 400, rel=1e-9)
    with pytest.raises(ValueError, match="memory_limit must hold the list of members"):
        barren.gradient_variance(cls, jacobian=J, inputs=law, deviations=True)
    with pytest.raises(ValueError, match="memory_limit must hold the list of members"):
        barren.gradient_variance(Frequencies(10**12), jacobian=J, inputs=law, deviations=False)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize(("A", "M"), [(13, 13), (12, 11), (40, 11), (33, 12), (24, 12)])
def test_frequencies_that_are_equal_on_a_grid(target, A, M):
    """Each is a member: the class is that of the residues, with repeats, and a multiple of M sees a constant."""
    cls, law = Frequencies(A, target), inputs.Grid(M)
    J = jacobian_for(law)
    expected = reference.from_jacobian(cls, J, law)
    for method in ["direct", "kernel"] + ["character"] * (M in (11, 13)):
        v = barren.gradient_variance(cls, jacobian=J, inputs=law, method=method)
        assert float(v) == pytest.approx(expected.variance, rel=1e-9)
        np.testing.assert_allclose(v.deviations, expected.deviations, rtol=1e-9, atol=1e-12)
        assert len(v.deviations) == A
        assert v.standard_error == 0.0
    assert float(v) <= v.bound * (1 + 1e-9)
    attained = barren.gradient_variance(cls, jacobian=barren.extremal_jacobian(cls, law), inputs=law)
    assert float(attained) == pytest.approx(barren.sharp_bound(cls, law), rel=1e-9)
    repeated = Frequencies(target=target, frequencies=[2.0, 2.0, 2.0 + M, -3.0, 1e20])
    expected = reference.from_jacobian(repeated, J, law)
    v = barren.gradient_variance(repeated, jacobian=J, inputs=law)
    np.testing.assert_allclose(v.deviations, expected.deviations, rtol=1e-9, atol=1e-12)


def test_estimates_where_frequencies_are_equal_on_a_grid():
    cls, law = Frequencies(40, targets.Square()), inputs.Grid(11)
    J = jacobian_for(law, 30)
    exact = barren.gradient_variance(cls, jacobian=J, inputs=law)
    estimate = barren.gradient_variance(cls, jacobian=J, inputs=law, method="probes", rtol=0.02)
    assert abs(float(estimate) - float(exact)) < 5 * estimate.standard_error + 1e-12 * float(exact)


def test_sums_of_cosines_go_through_transforms():
    law = inputs.RealSample(np.random.default_rng(9).standard_normal(200))
    J = jacobian_for(law, 7)
    cls = Frequencies(300, targets.Cosine(1) - 0.5 * targets.Cosine(4) + 2)
    direct, by_transforms, by_kernel = (
        barren.gradient_variance(cls, jacobian=J, inputs=law, method=method) for method in METHODS
    )
    scale = float(direct)
    for v in (by_transforms, by_kernel):
        np.testing.assert_allclose(v.deviations, direct.deviations, rtol=0.0, atol=1e-10 * scale)
    mixed = Frequencies(300, targets.Cosine(1) + targets.Square())
    with pytest.raises(ValueError, match="it needs a cosine or a finite sum of them"):
        barren.gradient_variance(mixed, jacobian=J, inputs=law, method="nufft")
    estimate = barren.gradient_variance(cls, jacobian=J, inputs=law, method="probes", rtol=0.02)
    assert abs(float(estimate) - scale) < 5 * estimate.standard_error


def test_labels_of_combinations_go_with_any_loss():
    """±1 is two values: a callable loss of two labels takes it."""
    torch.manual_seed(0)
    law, cls = inputs.Density("uniform", 12), Frequencies(9, 1 - 2 * targets.Threshold(0.5))
    assert cls.labels == (-1.0, 1.0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1)).double()
    hinge = lambda N, y: torch.relu(1 - N * y)  # noqa: E731
    expected = reference.from_model(cls, model, encodings.Scalar(), hinge, law)
    v = barren.gradient_variance(cls, model, encoding=encodings.Scalar(), loss=hinge, inputs=law)
    np.testing.assert_allclose(v.deviations, expected.deviations, rtol=1e-8, atol=1e-18)


def test_bad_input_is_refused_before_anything_is_computed():
    """The list of what must be refused: each by an error that says what was wrong."""
    J = np.ones((2, 1))
    for A in (0, -1):
        with pytest.raises(ValueError, match="A must be an integer in 1"):
            Frequencies(A)
    with pytest.raises(ValueError, match="A must be above 0"):
        Frequencies(-2.0, integer=False)
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="points must be an array of finite numbers"):
            inputs.RealSample([0.5, wrong])
        with pytest.raises(ValueError, match="frequencies must be an array of finite numbers"):
            Frequencies(frequencies=[wrong])
    far, near = inputs.RealSample([0.25, 1e31]), inputs.RealSample([0.25, 0.5])
    for target in (targets.Sawtooth(), targets.Cosine(), targets.Cosine() + targets.Square()):
        for cls in (Frequencies(10, target), Frequencies(10.0, target, integer=False)):
            for method in ("auto", "kernel"):
                with pytest.raises(ValueError, match=r"stays below 2\^106 = 8.1e31: beyond it no digit"):
                    barren.gradient_variance(cls, jacobian=J, inputs=far, method=method)
    with pytest.raises(ValueError, match="density must be a function that integrates to 1"):
        inputs.Density(lambda x: 1.5 + 0 * x, 2)
    big = barren.ModularMultiplication(2**255 - 19, targets.Cosine())
    with pytest.raises(ValueError, match=r"no combination of few sawtooths .* those that are: Sawtooth, Square"):
        barren.gradient_variance(big, jacobian=J, inputs=inputs.Sample([1, 2]))
    long = Frequencies(10**11, targets.Cosine())
    with pytest.raises(ValueError, match="memory_limit must hold the list of members"):
        barren.gradient_variance(long, jacobian=J, inputs=near, deviations=True)


def test_refusals():
    law, J = inputs.RealSample([0.25, 0.5]), np.ones((2, 1))
    cls = Frequencies(3)
    with pytest.raises(TypeError, match=r"inputs must be a law of x from barren.inputs on the real line"):
        barren.gradient_variance(cls, jacobian=J, inputs=inputs.Uniform())
    with pytest.raises(TypeError, match=r"inputs must be a law of x from barren.inputs on the integers"):
        barren.gradient_variance(barren.ModularMultiplication(5), jacobian=J, inputs=law)
    with pytest.raises(ValueError, match="it is for residues modulo p"):
        barren.gradient_variance(cls, jacobian=J, inputs=law, method="character")
    with pytest.raises(ValueError, match="it is for frequencies on the real line"):
        barren.gradient_variance(barren.ModularMultiplication(5), jacobian=np.ones((5, 1)), method="nufft")
    with pytest.raises(ValueError, match="no digit of the fraction"):
        barren.gradient_variance(cls, jacobian=J, inputs=inputs.RealSample([0.25, 1e32]))
    with pytest.raises(ValueError, match="target must have labels in"):
        barren.gradient_variance(cls, jacobian=J, inputs=law, loss="bce")
    model = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="loss must be 'mse' or 'bce' for frequencies"):
        barren.gradient_variance(cls, model, encoding=encodings.Scalar(), inputs=law, loss="cross-entropy")
    with pytest.raises(ValueError, match="encoding must be Scalar"):
        barren.gradient_variance(cls, model, encoding=encodings.Bits(), inputs=law)
    with pytest.raises(ValueError, match="inputs must be a law of x in R"):
        barren.gradient_variance(Frequencies(3.0, targets.Cosine(), dimension=2), jacobian=J)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_sphere(dimension):
    law = inputs.RealSample(np.random.default_rng(8).standard_normal((9, dimension)))
    J, cls = jacobian_for(law), Frequencies(2.0, targets.Cosine(), dimension=dimension)
    v = barren.gradient_variance(cls, jacobian=J, inputs=law)
    K = cls.kernel(law.points(), law.points())
    assert float(v) == pytest.approx(float(np.sum(K * (J @ J.T)) / 81), rel=1e-12)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
@pytest.mark.parametrize(("A", "M"), [(5, 5), (4, 5), (3, 3), (5, 6), (11, 12)])
def test_a_grid_is_of_fractions_for_variance_reference_and_bound(target, A, M):
    """On j/M a product that is an integer is one, though the double next to j/M would miss it."""
    try:
        target.check(M)
    except ValueError:
        target = targets.Sawtooth()
    cls, law = Frequencies(A, target if not isinstance(target, targets.Table) else targets.Square()), inputs.Grid(M)
    J = np.random.default_rng(M).standard_normal((M, 3))
    v = barren.gradient_variance(cls, jacobian=J, inputs=law)
    assert float(v) == pytest.approx(reference.from_jacobian(cls, J, law).variance, rel=1e-12, abs=1e-16)
    assert float(v) <= v.bound * (1 + 1e-12)
    extremal = barren.extremal_jacobian(cls, law)
    attained = barren.gradient_variance(cls, jacobian=extremal, inputs=law)
    assert float(attained) == pytest.approx(barren.sharp_bound(cls, law), rel=1e-10, abs=1e-15)
    assert barren.bounds(cls, law)[0].value >= 0.0


def test_members_that_do_not_fit_are_refused_before_they_are_made():
    sample, J = inputs.RealSample([0.1, 0.2, 0.3, 0.4]), np.ones((4, 1))
    with pytest.raises(ValueError, match="memory_limit must hold the list of members and points"):
        barren.gradient_variance(Frequencies(10**7), jacobian=J, inputs=sample, memory_limit=100 * 2**20)
    with pytest.raises(ValueError, match="memory_limit must hold the list of members and points"):
        barren.gradient_variance(Frequencies(10**9), jacobian=J, inputs=sample, deviations=True, memory_limit=2**34)


def test_the_default_law_resolves_every_frequency_or_is_refused():
    assert Frequencies(2000).default_law.size() == 16000
    assert Frequencies(100, targets.Cosine(1) + targets.Cosine(3)).default_law.size() == 2400
    assert Frequencies(5000, targets.QuantileBit(2)).default_law.size() == 80_000
    with pytest.raises(ValueError, match=r"inputs must be given where 8 nodes a period do not fit.* Grid\(M\)"):
        barren.gradient_variance(Frequencies(10**12), jacobian=np.ones((4, 1)))
    with pytest.raises(ValueError, match=r"give inputs= fewer points, such as Grid\(M\) or Density"):
        barren.gradient_variance(Frequencies(10**6, targets.Cosine()), jacobian=np.ones((4, 1)), memory_limit=2**20)


@pytest.mark.parametrize(("target", "tolerance"), [(targets.Cosine(), 1e-10), (targets.Square(), 0.05)], ids=repr)
def test_lambda_of_the_default_law_is_near_that_of_the_uniform_one(target, tolerance):
    cls = Frequencies(150, target)
    v = barren.gradient_variance(cls, jacobian=np.ones((1200, 1)))
    assert v.bound == barren.sharp_bound(cls, cls.default_law) * v.mean_squared_norm
    assert v.bound == pytest.approx(barren.sharp_bound(cls), rel=tolerance)
    assert "λ is that of the 1200 points of" in v.explain()
