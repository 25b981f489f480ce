"""What every tangent promises; the tangents of given matrices and of models with a rule for every layer."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from tangent_cases import RULED, columns, features, mlp, oracle, seeded

from barren.tangents import GivenJacobian, GivenNTK, tangent_of_model
from barren.tangents.parts import OuterPart


def check_against(tangent, expected, tolerance=1e-12, limits=(1, 8 * 9 * 3, 1 << 20)):
    """Columns, norms, NTK blocks and layers of a tangent against the Jacobian of the oracle."""
    scale = np.abs(expected).max() or 1.0
    n, d = expected.shape
    assert (tangent.n, tangent.parameters, sum(tangent.layers.values())) == (n, d, d)
    for limit in limits:
        found, names, largest = columns(tangent, limit)
        assert found.dtype == tangent.dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)
        assert list(dict.fromkeys(names)) == [name for name, size in tangent.layers.items() if size]
        assert names == sorted(names, key=list(tangent.layers).index)
        assert largest <= max(limit, n * tangent.dtype.itemsize)
    np.testing.assert_allclose(tangent.squared_norms(), (expected**2).sum(1), rtol=4 * tolerance)
    whole = dict(tangent.ntk_layers(limits[-1]))
    spans = [(0, n, 0, n), (2, 5, 2, n), (1, 4, 0, 3), (n - 1, n, 0, 1), (3, 5, 5, 6)]
    blocks = {span: dict(tangent.ntk(slice(*span[:2]), slice(*span[2:]))) for span in spans}
    edges = np.cumsum([0, *tangent.layers.values()])
    for layer, first, end in zip(tangent.layers, edges, edges[1:], strict=False):
        part = expected[:, first:end]
        theta = part @ part.T
        bound = 4 * tolerance * max(np.abs(theta).max(), 1e-300)
        np.testing.assert_allclose(whole[layer], theta, rtol=0, atol=bound)
        for (start, stop, left, right), block in blocks.items():
            assert block[layer].dtype == np.float64
            np.testing.assert_allclose(block[layer], theta[start:stop, left:right], rtol=0, atol=bound)
        assert tangent.layer_slices[layer] == slice(first, end)
    check_products(tangent, expected, 10 * tolerance)


def check_products(tangent, expected, tolerance=1e-11):
    """J·V and Jᵀ·U, in the coordinates of the columns."""
    rng = np.random.default_rng(1)
    v, u = rng.standard_normal((expected.shape[1], 3)), rng.standard_normal((len(expected), 2))
    transposed = tangent.transposed_products(u)
    assert (transposed.shape, transposed.dtype) == ((expected.shape[1], 2), np.float64)
    scale = np.abs(expected.T) @ np.abs(u)
    np.testing.assert_allclose(transposed, expected.T @ u, rtol=0, atol=tolerance * scale.max())
    assert tangent.has_products == (tangent.forward_obstacle is None)
    if tangent.has_products:
        products = tangent.products(v)
        assert (products.shape, products.dtype) == ((len(expected), 3), np.float64)
        scale = np.abs(expected) @ np.abs(v)
        np.testing.assert_allclose(products, expected @ v, rtol=0, atol=tolerance * scale.max())


@pytest.mark.parametrize("as_rows", [True, False])
@pytest.mark.parametrize("name", RULED)
def test_models_with_rules_match_one_backward_pass_a_sample(name, as_rows, monkeypatch):
    monkeypatch.setattr(OuterPart, "prefers_rows", lambda self, n: as_rows)
    model, x = seeded(RULED[name]), features()
    tangent = tangent_of_model(model, x)
    assert "Jacobian columns" not in tangent.note
    assert ("activations and deltas" in tangent.note) != as_rows
    assert tangent.ntk_is_cheap
    check_against(tangent, oracle(model, x))
    np.testing.assert_allclose(tangent.outputs, model(torch.from_numpy(x)).detach().numpy().ravel(), atol=1e-14)
    order, omega = [3, 3, 0, 8, 5], np.linspace(-1.0, 2.0, 9)
    check_against(tangent.scale_rows(omega).take(order), (omega[:, None] * oracle(model, x))[order])


def test_layer_names_are_module_paths():
    x = features()
    assert tangent_of_model(seeded(RULED["mlp"]), x).layers == {"0": 56, "2": 45, "4": 6}
    assert tangent_of_model(seeded(RULED["a linear"]), x).layers == {"model": 7}
    assert tangent_of_model(seeded(RULED["partly frozen"]), x).layers == {"0": 48, "2": 5}
    assert list(tangent_of_model(seeded(RULED["residual"]), x).layers) == ["first", "inner", "last"]


def test_layer_names_do_not_clash_with_a_submodule_called_model():
    class Outer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = torch.nn.Linear(6, 1)

        def forward(self, x):
            return self.model(x)

    model, x = seeded(Outer), features()
    check_against(tangent_of_model(model, x), oracle(model, x))


def test_unused_layers_have_zero_columns():
    tangent = tangent_of_model(seeded(RULED["unused"]), features())
    assert tangent.layers == {"used": 7, "lost": 14, "detached": 7}
    for layer, block in tangent.column_blocks(1 << 20):
        assert block.any() == (layer == "used")


def test_float32_and_the_cast_to_float64():
    model, x = seeded(mlp), features()
    single = seeded(mlp).float()
    tangent = tangent_of_model(single, x)
    assert tangent.dtype == np.float32
    assert tangent.outputs.dtype == np.float64
    check_against(tangent, oracle(model, x), tolerance=2e-6)
    for dtype in ("float64", np.float64, torch.float64):
        double = tangent_of_model(single, x, dtype=dtype)
        assert double.dtype == np.float64
        expected = oracle(seeded(mlp).float().double(), x)
        check_against(double, expected)
    assert {p.dtype for p in single.parameters()} == {torch.float32}
    assert tangent_of_model(model, x, dtype="float32").dtype == np.float32


def test_half_precision_models_can_be_evaluated_in_double():
    model, x = seeded(mlp).bfloat16(), features()
    with pytest.raises(ValueError, match='dtype="float64"'):
        tangent_of_model(model, x)
    check_against(tangent_of_model(model, x, dtype="float64"), oracle(model.double(), x))


def test_one_sample_and_repeated_samples():
    model = seeded(mlp)
    for x in (features(1), np.repeat(features(1), 4, axis=0)):
        np.testing.assert_allclose(columns(tangent_of_model(model, x))[0], oracle(model, x), atol=1e-14)


def test_the_tangent_is_that_of_the_moment_of_construction():
    model, x = seeded(mlp), features()
    tangent, expected = tangent_of_model(model, x), oracle(model, x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    np.testing.assert_allclose(columns(tangent)[0], expected, atol=1e-14)


def test_scale_rows():
    model, x = seeded(mlp), features()
    omega = np.linspace(-1.0, 2.0, len(x))
    expected = oracle(model, x)
    theta = expected @ expected.T
    for tangent in (tangent_of_model(model, x), GivenJacobian(expected)):
        scaled = tangent.scale_rows(omega)
        np.testing.assert_allclose(columns(scaled)[0], omega[:, None] * expected, atol=1e-14)
        np.testing.assert_allclose(columns(tangent)[0], expected, atol=1e-14)
    given = GivenNTK(theta).scale_rows(omega)
    np.testing.assert_allclose(dict(given.ntk(slice(9), slice(9)))["ntk"], np.outer(omega, omega) * theta, atol=1e-13)
    for bad in (omega[:-1], np.full(len(x), np.nan)):
        with pytest.raises(ValueError, match="omega"):
            GivenJacobian(expected).scale_rows(bad)


def test_take():
    model, x = seeded(mlp), features()
    expected, omega = oracle(model, x), np.linspace(-1.0, 2.0, len(x))
    order = np.array([4, 0, 8, 4, 3, 7, 1])
    for tangent in (tangent_of_model(model, x), GivenJacobian(expected)):
        list(tangent.ntk(slice(3), slice(3)))  # what is kept belongs to the old order
        check_against(tangent.take(order), expected[order])
        check_against(tangent.take(order).take(order[:5] % 7), expected[order[order[:5] % 7]])
        check_against(tangent.scale_rows(omega).take(order), (omega[:, None] * expected)[order])
        check_against(tangent.take(order).scale_rows(omega[:7]), omega[:7, None] * expected[order])
        for bad in ([], [9], [-1]):
            with pytest.raises(ValueError, match="order"):
                tangent.take(bad)
    taken = tangent_of_model(model, x).take(order)
    np.testing.assert_array_equal(taken.outputs, tangent_of_model(model, x).outputs[order])
    theta = expected @ expected.T
    given = GivenNTK(theta).take(order).take([2, 0, 2])
    chosen = order[[2, 0, 2]]
    np.testing.assert_array_equal(dict(given.ntk(slice(1, 3), slice(3)))["ntk"], theta[np.ix_(chosen[1:], chosen)])
    np.testing.assert_array_equal(given.squared_norms(), theta.diagonal()[chosen])


def test_given_jacobian():
    j = np.random.default_rng(0).normal(size=(8, 5))
    tangent = GivenJacobian(j)
    assert (tangent.layers, tangent.outputs, tangent.has_columns) == ({"jacobian": 5}, None, True)
    check_against(tangent, j)
    assert GivenJacobian(j.astype(np.float32)).dtype == np.float32
    for bad in (j[:, :0], j[0], np.where(j > 0, j, np.inf)):
        with pytest.raises(ValueError, match="jacobian"):
            GivenJacobian(bad)
    with pytest.raises(TypeError, match="jacobian"):
        GivenJacobian(np.array([["a"]]))


def test_given_ntk():
    j = np.random.default_rng(0).normal(size=(8, 5))
    theta = j @ j.T
    tangent = GivenNTK(theta)
    assert (tangent.layers, tangent.ntk_is_cheap, tangent.has_columns) == ({"ntk": 0}, True, False)
    np.testing.assert_array_equal(tangent.squared_norms(), theta.diagonal())
    np.testing.assert_array_equal(dict(tangent.ntk(slice(2, 5), slice(2, 8)))["ntk"], theta[2:5, 2:])
    np.testing.assert_array_equal(dict(tangent.ntk_layers(1))["ntk"], theta)
    with pytest.raises(ValueError, match="columns are needed"):
        tangent.column_blocks(100)
    skew = theta.copy()
    skew[0, 1] += 1.0
    for bad, why in ((theta[:3], "square"), (skew, "symmetric"), (-theta, "diagonal")):
        with pytest.raises(ValueError, match=why):
            GivenNTK(bad)


def test_torch_is_not_imported_without_a_model():
    code = "import sys, barren.tangents, barren.tangents.given; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_torch_the_message_says_how_to_get_it():
    code = """
import sys
sys.modules["torch"] = None
import numpy as np
from barren.tangents import tangent_of_model
try:
    tangent_of_model(None, np.ones((2, 2)))
except ImportError as error:
    assert "pip install 'barren[torch]'" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_given_kernel_is_checked_a_few_rows_at_a_time():
    theta = np.ones((2000, 2000))
    tracemalloc.start()
    GivenNTK(theta)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < theta.nbytes
    theta[1999, 0] = 1.1
    with pytest.raises(ValueError, match=r"symmetric; got .* up to 0.1 where .* 1.1"):
        GivenNTK(theta)
