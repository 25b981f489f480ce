"""What a class of frequencies refuses, and the core beneath it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import barren
from barren import _core, inputs, targets
from barren.classes import Frequencies


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"A": 0}, ValueError, "A must be an integer in 1"),
        ({"A": -3}, ValueError, "A must be an integer in 1"),
        ({"A": 2.5}, TypeError, "pass integer=False"),
        ({"A": 0.0, "integer": False}, ValueError, "A must be above 0"),
        ({"A": float("inf"), "integer": False}, ValueError, "A must be a finite number"),
        ({"A": "3"}, TypeError, "A must be an integer"),
        ({}, ValueError, "A must be given"),
        ({"A": 3, "frequencies": [1.0]}, ValueError, "A must be given"),
        ({"frequencies": []}, ValueError, "frequencies must be at least one"),
        ({"frequencies": [np.nan]}, ValueError, "frequencies must be an array of finite numbers"),
        ({"frequencies": [[1.0, 2.0]], "dimension": 3}, ValueError, "frequencies must be"),
        ({"frequencies": [1.0], "integer": True}, ValueError, "integer must be left out"),
        ({"A": 3, "target": targets.Bit(0)}, ValueError, "target must be a function on the circle"),
        ({"A": 3, "target": targets.Residue()}, ValueError, "target must be a function on the circle"),
        ({"A": 3, "target": 1 - 2 * targets.Bit(1)}, ValueError, r"it depends on p \(QuantileBit"),
        ({"A": 3, "target": targets.QuantileBit() - targets.Threshold()}, ValueError, "whose terms cancel there"),
        ({"A": 3, "target": targets.Table([1.0, 1.0, 1.0])}, ValueError, "values must be different"),
        ({"A": 3, "target": 5}, TypeError, "target must be"),
        ({"A": 3, "dimension": 2, "integer": True, "target": targets.Cosine()}, ValueError, "integer must be left out"),
        ({"A": 3, "dimension": 0}, ValueError, "dimension must be"),
    ],
    ids=repr,
)
def test_refusals_of_the_class(arguments, kind, message):
    with pytest.raises(kind, match=message):
        Frequencies(**arguments)


def test_refusals_of_points():
    cls = Frequencies(1000)
    with pytest.raises(ValueError, match="x must be an array of finite numbers"):
        cls.mean([np.inf])
    with pytest.raises(ValueError, match="no digit of the fraction"):
        cls.mean([1e30])
    with pytest.raises(ValueError, match="no digit of the fraction"):
        cls.values([1e20], [1e20])
    with pytest.raises(ValueError, match="x must be an array of finite numbers, of shape"):
        cls.kernel([[1.0, 2.0]], [0.5])
    with pytest.raises(TypeError, match=r"inputs must be a law of x from .* on the real line"):
        cls.points_of(inputs.Uniform())
    with pytest.raises(TypeError, match="inputs must be a law of x"):
        barren.ModularMultiplication(11).points_of(inputs.Grid(11))
    with pytest.raises(ValueError, match="inputs must be a law in 1 dimension"):
        cls.points_of(inputs.RealSample([[1.0, 2.0]]))
    with pytest.raises(ValueError, match="members needs a finite class"):
        _ = Frequencies(3.0, integer=False).members
    with pytest.raises(ValueError, match="x must be such that A·x stays below 2\\^40"):
        Frequencies(1e10, integer=False).kernel([1e5], [1.0])


def test_integrals_that_would_run_for_hours_are_refused():
    """4·10⁴ points near A·x = 10⁶ have 10¹⁵ lines in all their pairs."""
    cls = Frequencies(1e6, integer=False)
    with pytest.raises(
        ValueError, match=r"x must be points with at most 2\^38 .* lines of ψ\(ax\) .* got 3.2e\+15 lines"
    ):
        cls.kernel(np.ones(40_000), np.ones(40_000))
    with pytest.raises(ValueError, match="x must be such that A·x stays below"):
        Frequencies(2.0**30, targets.QuantileBit(12), integer=False).kernel([1.0], [1.0])
    closed = Frequencies(1e9, targets.Cosine(1) + targets.Cosine(3), integer=False)  # needs no lines
    assert closed.kernel([1e5, 1.0], [1.0]).shape == (2, 1)


def test_the_core_refuses_what_would_crash_it():
    J, w, none = np.ones((2, 1)), np.ones(2), np.empty(0)
    x = np.ones((2, 1))

    def call(frequencies=x, points=x, shape="sawtooth", harmonic=1.0, table=none, weights=w, jacobian=J, factor=1.0):
        waves = [(factor, shape, harmonic, (0.5, 0.0), (-0.5, 0.0), table)]
        return _core.frequency_responses(frequencies, points, waves, weights, jacobian)

    assert call().shape == (2, 1)
    for wrong in (
        {"shape": "ramp"},
        {"shape": "steps"},
        {"frequencies": np.full((2, 1), np.nan)},
        {"points": np.full((2, 1), np.inf)},
        {"points": np.ones((2, 3))},
        {"points": np.ones((2, 0)), "frequencies": np.ones((2, 0))},
        {"points": np.full((2, 1), 1e32)},
        {"points": np.full((2, 1), 1e-200), "frequencies": np.full((2, 1), -1e-200)},
        {"weights": np.ones(3)},
        {"jacobian": np.ones((3, 1))},
        {"shape": "cosine", "harmonic": np.nan},
        {"shape": "cosine", "harmonic": 1.5},
        {"shape": "cosine", "harmonic": 2.0**52},
        {"shape": "square", "harmonic": 2.0},
        {"factor": np.inf},
    ):
        with pytest.raises(ValueError, match=r"must|needs|unknown|are of"):
            call(**wrong)
    with pytest.raises(ValueError, match="waves must be at least one"):
        _core.frequency_responses(x, x, [], w, J)
    line = np.array([[0.0, 1.0, 0.0]])
    for wrong in ((np.zeros(1), w, line), (w, np.array([np.nan]), line), (w, w, line[:0]), (w, w, line + 0.5)):
        points, pieces = wrong[:2], wrong[2]
        with pytest.raises(ValueError, match="must"):
            _core.interval_products(*points, pieces, pieces)
        with pytest.raises(ValueError, match="must"):
            _core.interval_products(*points[::-1], line, pieces if pieces is not line else line[:0])
        with pytest.raises(ValueError, match="must"):
            _core.interval_cosines(*points, pieces)


def test_harmonics_that_leave_too_few_digits_are_refused():
    assert Frequencies(3, targets.Cosine(2**51)).size == 3
    with pytest.raises(ValueError, match=r"k must be at most 2\^51 in size for frequencies"):
        Frequencies(3, targets.Cosine(-(2**51) - 1))
    with pytest.raises(ValueError, match="i must be at most 52 for frequencies"):
        Frequencies(3, targets.QuantileBit(53))


@pytest.mark.parametrize("interval", [3, (0, 1, 2)])
def test_an_interval_has_two_ends(interval):
    with pytest.raises(TypeError, match="interval must be two numbers"):
        inputs.Density(interval=interval)


@pytest.mark.parametrize("more", [{"integer": False}, {"dimension": 2}])
def test_deviations_of_a_class_without_members_are_refused_at_once(more):
    cls = Frequencies(3.0, targets.Cosine(), **more)
    law = inputs.RealSample([0.1, 0.2] if cls.dimension == 1 else [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(ValueError, match=r"deviations must be left out .* no list of members; got True with Freq"):
        barren.gradient_variance(cls, jacobian=np.ones((2, 1)), inputs=law, deviations=True)
    for said in (None, False):
        v = barren.gradient_variance(cls, jacobian=np.ones((2, 1)), inputs=law, deviations=said)
        with pytest.raises(ValueError, match="deviations"):
            _ = v.deviations


@pytest.mark.parametrize(
    "more",
    [{}, {"density": "gaussian"}, {"seed": 0}, {"seed": 0, "dimension": 3}, {"density": "gaussian", "seed": 0}],
    ids=repr,
)
def test_nodes_that_do_not_fit_in_memory_are_refused(more):
    law = inputs.Density(nodes=10**12, **more)
    for points in (law.points, law.weights):
        with pytest.raises(ValueError, match=r"nodes must be at most \d+ for the points .* of this machine; got 10"):
            points()


@pytest.mark.parametrize("seed", [None, 0])
def test_nodes_of_a_function_that_do_not_fit_in_memory_are_refused(seed):
    with pytest.raises(ValueError, match="nodes must be at most"):
        inputs.Density(lambda x: 2.0 * x, nodes=10**12, seed=seed).points()


@pytest.mark.parametrize(
    ("density", "seed", "dimension"),
    [
        ("uniform", None, 1),
        ("gaussian", None, 1),
        (lambda x: 2.0 * x, None, 1),
        ("uniform", 0, 3),
        (lambda x: 2.0 * x, 0, 2),
    ],
)
def test_a_density_takes_the_memory_that_is_asked_for(density, seed, dimension):
    nodes = 200_000
    inputs.Density(density, nodes=10, seed=seed, dimension=dimension).points()  # what is loaded once
    law = inputs.Density(density, nodes=nodes, seed=seed, dimension=dimension)
    tracemalloc.start()
    try:
        inputs.reals.Density._rule.func(law)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    few = 2**16  # bytes of objects that do not grow with the nodes
    assert 0.5 * law._bytes_a_node < peak / nodes < law._bytes_a_node + few / nodes
