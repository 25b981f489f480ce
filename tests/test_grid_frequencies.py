"""Frequencies that are no integers on a grid: x is the fraction j/M itself, by every route, against exact fractions."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import barren
import barren.training.watch as watches
from barren import _core, encodings, inputs, models, reference, targets
from barren.classes import Frequencies
from barren.training import GivenSets, Population, Protocol
from barren.training.task import Task

TARGETS = [
    targets.Sawtooth(),
    targets.Square(),
    targets.Triangle(),
    targets.Cosine(3),
    targets.Threshold(Fraction(1, 3)),
    targets.Threshold(Fraction(3, 10)),
    targets.QuantileBit(1),
    targets.QuantileBit(5),
    targets.Table([0.5, -1.0, 2.0, 0.0, 0.25]),
    targets.Table(np.arange(12.0)),
    targets.Square() + targets.Triangle() - targets.Table([0.5, -1.0, 2.0]),
]
GRIDS = [3, 5, 7, 10, 12, 101]


def mixed(M: int) -> np.ndarray:
    """Integers, halves, thirds as doubles, fractions of M, negative, small and large ones; many meet a jump."""
    random = np.random.default_rng(M)
    given = [0.5, M, -M, 2 * M, M / 2, -M / 2, M / 3, M / 4, M / 5, 0.7 * M, 0.1, 1 / 3, 2 / 3, 0.0, 1e-12, M - 0.5]
    large = [1e15 + 0.5, 2.0**60 + 2.0**10, 1e30, -1e30, M * (1 + 2.0**-52), M * 2.0**-30, 1e300]
    drawn = [random.uniform(-3 * M, 3 * M, 9), random.integers(-8 * M, 8 * M, 15) / 8]
    return np.concatenate([given, large, *drawn, random.integers(-9 * M, 9 * M, 9) / 3])


def exact_values(target: targets.Target, a: np.ndarray, M: int) -> np.ndarray:
    """ψ(a·j/M) from the exact fraction of a double times j/M."""
    circle = target.circle()
    return np.array([[circle.exact(Fraction(float(f)) * j / M % 1) for j in range(M)] for f in a])


def covariance(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    return centred.T @ centred / len(values)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_the_class_on_a_grid_is_that_of_exact_fractions(target, kernel_set):
    for M in GRIDS:
        law, cls = inputs.Grid(M), Frequencies(target=target, frequencies=mixed(M))
        here, x, expected = cls.under(law), law.points(), exact_values(target, mixed(M), M)
        np.testing.assert_allclose(here.values(here.members, x), expected, rtol=0.0, atol=2e-15)
        np.testing.assert_allclose(here.mean(x), expected.mean(axis=0), rtol=0.0, atol=1e-14)
        np.testing.assert_allclose(here.kernel(x, x), covariance(expected), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("target", TARGETS[:6:2] + TARGETS[6:9], ids=repr)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), M=st.integers(3, 60), size=st.integers(1, 5))
def test_any_set_on_any_grid(target, data, M, size):
    ratios = st.builds(lambda k, q: k / q, st.integers(-4 * M, 4 * M), st.sampled_from([1, 2, 3, 5, 8, M]))
    parts = st.floats(-1e9, 1e9, allow_subnormal=False).filter(lambda a: a == 0.0 or abs(a) > 1e-200)
    a = np.array(data.draw(st.lists(ratios | parts, min_size=size, max_size=size)))
    here = Frequencies(target=target, frequencies=a).under(inputs.Grid(M))
    expected = exact_values(target, a, M)
    np.testing.assert_allclose(here.values(a, inputs.Grid(M).points()), expected, rtol=0.0, atol=2e-15)


@pytest.mark.parametrize("method", ["direct", "kernel", "auto"])
@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_variances_and_deviations(target, method):
    for M in (5, 10, 12):
        a, random = mixed(M), np.random.default_rng(M)
        J = random.standard_normal((M, 4))
        responses = exact_values(target, a, M) @ J / M
        deviations = np.sum((responses - responses.mean(axis=0)) ** 2, axis=1)
        cls = Frequencies(target=target, frequencies=a)
        v = barren.gradient_variance(cls, jacobian=J, inputs=inputs.Grid(M), method=method)
        np.testing.assert_allclose(v.deviations, deviations, rtol=0.0, atol=1e-11)
        assert float(v) == pytest.approx(deviations.mean(), rel=1e-10)
        if method == "direct":
            plain = reference.from_jacobian(cls, J, inputs.Grid(M))
            assert plain.variance == pytest.approx(deviations.mean(), rel=1e-12)


# Targets that are constant on the grid of M points, or have terms that are, or terms that are equal there.
PARTLY_CONSTANT = [
    (5, targets.Threshold(0.7) + targets.Cosine(5)),
    (4, 3 * targets.QuantileBit(3) - 2 * targets.Sawtooth()),
    (3, targets.Threshold(0.7)),
    (5, targets.Cosine(-10)),
    (8, targets.QuantileBit(4)),
    (7, targets.Threshold(Fraction(99, 100)) * 2 + targets.Cosine(14) + 1),
    (4, targets.Table([0.0, 1.0, 2.0, 3.0, 4.0]) - targets.Table([0.0, 1.0, 2.0, 3.0, 9.0])),
    (4, targets.Table([0, 1, 2, 3]) - targets.Table([0, 0, 1, 1, 2, 2, 3, 3])),
    (6, targets.Table([1, 1, 1, 1, 1, 1, 1, 1, 1, 2]) + targets.Square()),
]


@pytest.mark.parametrize("method", ["direct", "kernel", "auto"])
@pytest.mark.parametrize(("M", "target"), PARTLY_CONSTANT, ids=repr)
def test_targets_with_terms_that_are_constant_on_the_grid(M, target, method):
    J, law = np.random.default_rng(M).standard_normal((M, 3)), inputs.Grid(M)
    classes = [Frequencies(M - 1, target), Frequencies(9, target)]  # the first of all units where M is a prime
    classes += [Frequencies(target=target, frequencies=a) for a in ([1.0, -2.0, 7.0, 1.0], [1.0, 2.0, 3.5])]
    for cls in classes:
        values = exact_values(target, cls.members, M)
        kernel = covariance(values)
        v = barren.gradient_variance(cls, jacobian=J, inputs=law, method=method)
        assert float(v) == pytest.approx(np.trace(kernel @ J @ J.T) / M**2, rel=1e-12, abs=1e-15)
        assert barren.sharp_bound(cls, law) == pytest.approx(np.linalg.eigvalsh(kernel)[-1] / M, rel=1e-12, abs=1e-15)
        if np.all(values == values[0]) and cls is not classes[-1]:  # the last is no modular class
            assert (float(v), barren.sharp_bound(cls, law)) == (0.0, 0.0)


def test_the_smallest_case_that_rounding_gets_wrong():
    """At the double next to j/5 the fractions of 5·x would lie on either side of the jump of the sawtooth at 0."""
    cls, J = Frequencies(frequencies=[0.5, 5.0]), np.arange(1.0, 6.0)[:, None]
    for method in ("direct", "kernel"):
        v = float(barren.gradient_variance(cls, jacobian=J, inputs=inputs.Grid(5), method=method))
        # Within a unit or two of the last place, which depend on the products that a compiler fuses with their sums.
        assert v == pytest.approx(0.09, rel=4e-16, abs=0.0)


def test_an_estimate_by_probes_holds_the_exact_value():
    M, a = 101, mixed(101)[:17]
    J = np.random.default_rng(5).standard_normal((M, 300))
    cls, law = Frequencies(target=targets.Square(), frequencies=a), inputs.Grid(M)
    exact = np.trace(covariance(exact_values(targets.Square(), a, M)) @ J @ J.T) / M**2
    v = barren.gradient_variance(cls, jacobian=J, inputs=law, method="probes", rtol=0.02)
    assert abs(float(v) - exact) < 6.0 * v.standard_error + 1e-9 * exact


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_bounds(target):
    for M in (5, 12):
        a, law = mixed(M), inputs.Grid(M)
        centred = exact_values(target, a, M)
        centred = centred - centred.mean(axis=0)
        products = centred @ centred.T / M
        cls = Frequencies(target=target, frequencies=a)
        sharp = float(np.linalg.eigvalsh(products)[-1]) / len(a)
        assert barren.sharp_bound(cls, law) == pytest.approx(sharp, rel=1e-10)
        off_diagonal = np.sqrt(np.sum(products**2) - np.sum(np.diag(products) ** 2))
        rungs = {rung.name: rung.value for rung in barren.bounds(cls, law)}
        boas_bellman = (np.diag(products).max() + off_diagonal) / len(a)
        assert rungs["boas-bellman"] == pytest.approx(boas_bellman, rel=1e-10)
        J = barren.extremal_jacobian(cls, law)
        v = barren.gradient_variance(cls, jacobian=J, inputs=law)
        assert v.normalised == pytest.approx(sharp, rel=1e-10)


def test_correlations_see_jumps_where_they_are():
    M, a = 10, np.array([0.5, 10.0, 2.5, 4.0, -7.5])
    values = exact_values(targets.Sawtooth(), a, M)
    rho = np.abs(np.corrcoef(values[[0, 2, 3, 4]]))  # a = 10 is constant on the grid
    found = barren.correlations(Frequencies(frequencies=a), inputs.Grid(M))
    assert found.members.tolist() == [0.5, 2.5, 4.0, -7.5]
    assert found.largest == pytest.approx(rho[np.triu_indices(4, 1)].max(), rel=1e-12)


def test_certificates_and_correlations_name_the_frequencies_and_not_their_residues():
    cls, law = Frequencies(frequencies=[1.0, -3.0, 27.0, -5.0, 1.0]), inputs.Grid(13)
    assert barren.correlations(cls, law).members.tolist() == cls.members.tolist()
    found = barren.sq_dimension(cls, law)
    assert set(found.members.tolist()) <= set(cls.members.tolist())


def test_large_frequencies_keep_their_digits_in_closed_form():
    """D(A·j/M) needs j/M to more digits than a double has."""
    A, M = 2.0**50, 7
    cls = Frequencies(A, targets.Cosine(), integer=False)
    here, x = cls.under(inputs.Grid(M)), inputs.Grid(M).points()
    turns = np.array([float(Fraction(int(A)) * j / M % 1) for j in range(M)])
    expected = np.array([1.0] + [np.sin(2 * np.pi * turns[j]) / (2 * np.pi * A * j / M) for j in range(1, M)])
    np.testing.assert_allclose(here.mean(x), expected, rtol=1e-13)


def task(cls: Frequencies, protocol: Protocol) -> Task:
    return Task((cls,), inputs.Grid(5), None, None, None, None, protocol, 1, 0, (0,), None, None, 0.0, "float64", "cpu")


@pytest.mark.parametrize("frequencies", [[5.0, 3.0], [0.5, 5.0]], ids=["integers", "mixed"])
def test_labels_of_training_are_those_of_the_fractions(frequencies):
    """A run is shown ψ(a·j/M) and not ψ at the double next to j/M; points that are given are what they are."""
    cls, x = Frequencies(frequencies=frequencies), inputs.Grid(5).points()
    drawn = Population(400).stream(cls, inputs.Grid(5), 1, 10).test
    expected = exact_values(targets.Sawtooth(), np.array(frequencies), 5)[:, np.rint(5 * drawn).astype(int)]
    np.testing.assert_allclose(task(cls, Population(4)).values(cls.members, drawn)[..., 0], expected, atol=1e-15)
    given = task(cls, GivenSets(x[:3], x[3:])).values(cls.members, x)[..., 0]
    np.testing.assert_allclose(given, reference.values(cls, cls.members, x), rtol=0.0, atol=1e-15)
    assert np.abs(given - exact_values(targets.Sawtooth(), cls.members, 5)).max() > 0.4


@pytest.mark.parametrize("dense", [True, False], ids=["kernel", "members"])
def test_a_look_along_training_and_the_loop_of_autograd_see_the_fractions(dense, monkeypatch):
    monkeypatch.setattr(watches, "MOST_POINTS", 4096 if dense else 1)
    cls, law, encoding = Frequencies(frequencies=[0.5, 5.0, 2.5]), inputs.Grid(5), encodings.Angular(1)
    model = models.from_spec("mlp:6:tanh", 2, 1).double()
    v = barren.gradient_variance(cls, model, encoding=encoding, inputs=law, method="direct")
    look = barren.training.Watch(cls, encoding=encoding, loss="mse", inputs=law).look(model, 5.0)
    assert look.variance == pytest.approx(float(v), rel=1e-10)
    assert look.deviation == pytest.approx(v.deviations[1], rel=1e-10)
    assert reference.from_model(cls, model, encoding, "mse", law).variance == pytest.approx(float(v), rel=1e-10)


def test_points_beside_the_grid_are_refused_and_the_class_is_kept_by_pickle():
    here = Frequencies(frequencies=[0.5, 5.0]).under(inputs.Grid(5))
    with pytest.raises(
        ValueError, match=r"x must be points j/5 of the grid, each rounded once; got .*0\.3.* at index 1"
    ):
        here.values([1.0], [0.2, 0.3])
    other = pickle.loads(pickle.dumps(here))
    assert other == here
    assert hash(other) == hash(here)
    assert here != Frequencies(frequencies=[0.5, 5.0])
    assert repr(here) == repr(Frequencies(frequencies=[0.5, 5.0]))
    line = Frequencies(frequencies=[0.5, 5.0])
    assert line.under(inputs.RealSample([0.5])) is line


def test_the_core_refuses_what_it_cannot_divide():
    cls = Frequencies(3)
    sides = np.array([[3.0]]), np.array([[2.0]])
    for divisor, message in (
        (0.5, "divisor must be an integer"),
        (2.0**51, "below 2\\^51"),
        (2.5, "integer"),
        (2.0, "larger"),
    ):
        with pytest.raises(ValueError, match=message):
            _core.frequency_values(*sides, cls.circle.core, 1, 0.0, divisor)
    with pytest.raises(ValueError, match="one column"):
        _core.frequency_values(np.ones((1, 2)), np.ones((1, 2)), cls.circle.core, 1, 0.0, 3.0)
