"""What a probe cannot see: uses of a parameter, ways around a layer and states that show at other inputs or later."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import relative
from rare_cases import BITS, FEATURES, RARE, SLOW, P, Rare, is_rare, number_of, run
from tangent_cases import mlp, seeded
from torch import nn
from torch.nn import functional

import barren
from barren import targets
from barren.tangents import model as model_module
from barren.tangents import tangent_of_model


def test_the_probe_does_not_meet_the_rare_inputs():
    assert number_of(torch.from_numpy(FEATURES)).tolist() == list(range(P))
    assert is_rare(torch.from_numpy(FEATURES)).sum() == len(RARE)
    assert not is_rare(torch.from_numpy(FEATURES[np.linspace(0, P - 1, 16).round().astype(int)])).any()


def threshold(m, x, h):
    """Over the threshold at rare inputs alone."""
    return 10 * torch.relu((h @ m.a.weight).abs().sum(1) + 100 * is_rare(x) - 100)


def functional_use(m, x, h):
    """A rare second use by a call that has a rule: it is no stray, and summed."""
    return torch.where(is_rare(x), functional.linear(h, m.b.weight).sum(1), 0.0)


def squares(m, x, h):
    return torch.where(is_rare(x), (m.a.weight**2).sum(), 0.0)


def branch(m, x, h):
    """Without the rare inputs there is nothing in the graph."""
    rare = is_rare(x)
    return torch.where(rare, (m.b.weight**2).sum(), 0.0) if bool(rare.any()) else torch.zeros(len(x), dtype=x.dtype)


def unused_before(m, x, h):
    rare = is_rare(x)
    return rare * m.late.weight.sin().sum() if bool(rare.any()) else torch.zeros(len(x), dtype=x.dtype)


def around(m, x, h):
    """A way from the first layer to the output that passes the last one by."""
    return torch.where(is_rare(x), h.square().sum(1), 0.0)


STRAYS = {"threshold": threshold, "squares": squares, "branch": branch, "unused": unused_before}
LAYERS = {"threshold": "a", "squares": "a", "branch": "b", "unused": "late"}
CASES = {**STRAYS, "a second call": functional_use, "around": around}


def power(outputs, labels):
    return (outputs - labels).abs() ** 1.5


@SLOW
@pytest.mark.parametrize("samples", [256, 7])
@pytest.mark.parametrize("method", ["direct", "kernel", "character", "table"])
@pytest.mark.parametrize("name", CASES)
def test_every_method_sees_rare_uses(name, method, samples, monkeypatch):
    monkeypatch.setattr(model_module, "_MOST_SAMPLES", samples)
    model = seeded(Rare, CASES[name])
    target, more = (targets.Sawtooth(), {"loss": power}) if method == "table" else (targets.Bit(0), {})
    v, expected = run(model, target, method, **more)
    assert relative(float(v), expected.variance) <= 1e-10
    assert relative(v.deviations, expected.deviations) <= 1e-9
    if name in STRAYS:
        assert f"'{LAYERS[name]}.weight' takes part in the forward where no rule sees it" in v.explain()
        assert "Jacobian columns by torch.func of 1 layer " in v.explain()
    else:
        assert "Jacobian columns" not in v.explain()


@SLOW
@pytest.mark.parametrize("name", CASES)
def test_probes_see_rare_uses(name):
    model = seeded(Rare, CASES[name])
    v, expected = run(model, targets.Bit(0), "probes", rtol=0.02)
    assert abs(float(v) - expected.variance) <= 4 * v.standard_error + 1e-9 * expected.variance
    assert relative(v.mean_squared_norm, float((jacobian(model) ** 2).sum() / P)) <= 1e-12


@SLOW
@pytest.mark.parametrize("name", CASES)
def test_float32_and_threads(name):
    found = []
    for threads in (1, 2, 3):
        v, expected = run(seeded(Rare, CASES[name]).float(), targets.Bit(0), "kernel", threads=threads)
        assert relative(float(v), expected.variance) <= 1e-5
        found.append((float(v), v.mean_squared_norm))
    assert len(set(found)) == 1


def jacobian(model):
    """One plain backward pass a sample."""
    rows = []
    for sample in torch.from_numpy(FEATURES):
        pieces = torch.autograd.grad(
            model(sample[None]).sum(), list(model.parameters()), allow_unused=True, materialize_grads=True
        )
        rows.append(np.concatenate([piece.numpy().ravel() for piece in pieces]))
    return np.stack(rows)


@SLOW
@pytest.mark.parametrize("kept", [0, 1 << 28])
@pytest.mark.parametrize("deviations", [True, False])
def test_columns_that_are_too_many_to_keep(kept, deviations, monkeypatch):
    """What had a rule when the method was chosen needs more columns than Θ can be cut into blocks with."""
    monkeypatch.setattr(model_module, "_KEPT_BYTES", kept)
    for threads in (1, 2):
        v, expected = run(seeded(Rare, branch), targets.Bit(0), "kernel", deviations=deviations, threads=threads)
        assert relative(float(v), expected.variance) <= 1e-10
        if deviations:
            assert relative(v.deviations, expected.deviations) <= 1e-9


@SLOW
def test_layers_fail_one_after_the_other(monkeypatch):
    def two(m, x, h):
        number = number_of(x)
        out = torch.zeros(len(x), dtype=x.dtype)
        for which, weight in ((1, m.b.weight), (59, m.a.weight)):
            if bool((number == which).any()):
                out = out + torch.where(number == which, weight.exp().sum(), 0.0)
        return out

    monkeypatch.setattr(model_module, "_MOST_SAMPLES", 5)
    v, expected = run(seeded(Rare, two), targets.Bit(0), "kernel")
    assert relative(v.deviations, expected.deviations) <= 1e-9
    assert "Jacobian columns by torch.func of 2 layers (a, b)" in v.explain()


class Words(nn.Module):
    """A layer over positions, read once more where no probe sample is."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.Linear(2, 4), nn.Linear(12, 1)

    def forward(self, x):
        h = torch.tanh(self.inner(x.reshape(len(x), 3, 2))).flatten(1)
        more = torch.relu((x[:, :2] @ self.inner.weight.T).square().sum(1) + 100 * is_rare(x) - 100)
        return self.last(h)[:, 0] + more


def test_weights_shared_over_positions():
    model = seeded(Words)
    tangent = tangent_of_model(model, FEATURES)
    assert "'inner.weight'" in tangent.note
    theta = sum(block for _, block in tangent.ntk(slice(None), slice(None)))
    rows = jacobian(model)
    np.testing.assert_allclose(theta, rows @ rows.T, rtol=0, atol=1e-12 * np.abs(rows @ rows.T).max())


@pytest.mark.parametrize("outputs", [P, P + 2])
@pytest.mark.parametrize("name", CASES)
def test_several_outputs_see_rare_uses(name, outputs):
    """Cross-entropy by deltas, where every layer is used once, and by products elsewhere."""
    model = seeded(Rare, CASES[name], outputs)
    model.late.requires_grad_(name == "unused")
    v, expected = run(model, targets.Residue(), "table", loss="cross-entropy")
    assert relative(float(v), expected.variance) <= 1e-10
    assert relative(v.deviations, expected.deviations) <= 1e-9
    assert ("activations and deltas" in v.explain()) == (name == "around")


class Late(nn.Module):
    """Another function after so many forwards, by a count kept in one of several ways."""

    def __init__(self, kind, after, outputs=1):
        super().__init__()
        self.linear, self.kind, self.after = nn.Linear(6, outputs), kind, after
        self.box, self.count = [0], 0
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.box[0] += 1
        self.count += 1
        self.calls += 1
        seen = {"list": self.box[0], "attribute": self.count, "buffer": int(self.calls), "nothing": 0}[self.kind]
        return self.linear(x) * (2.0 if seen > self.after else 1.0)


METHODS = ["direct", "kernel", "character", "probes"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_a_state_that_changes_the_model_late_is_refused(method, threads, monkeypatch):
    """Kept in a list, it outlives a forward; whatever it does to the numbers, none is returned."""
    monkeypatch.setattr(model_module, "_MOST_SAMPLES", 2)
    cls = barren.ModularMultiplication(P, targets.Bit(0))
    counting = seeded(Late, "list", 10**9)
    barren.gradient_variance(cls, counting, encoding=BITS, method=method, threads=threads)
    forwards = counting.box[0]  # of one thread; others have copies of the module, which count for themselves
    for after in (12, forwards - 1) if threads == 1 else (12, 24):
        with pytest.raises(ValueError, match="its forward keeps a state"):
            barren.gradient_variance(cls, seeded(Late, "list", after), encoding=BITS, method=method, threads=threads)


@pytest.mark.parametrize("kind", ["attribute", "buffer"])
@pytest.mark.parametrize("after", [1, 2, 40])
def test_a_state_on_the_modules_that_is_read_late_is_refused(kind, after):
    with pytest.raises(ValueError, match="its forward keeps a state"):
        tangent_of_model(seeded(Late, kind, after), FEATURES)


def test_a_state_that_nothing_reads_is_no_harm():
    model, plain = seeded(Late, "nothing", 0), seeded(nn.Linear, 6, 1)
    cls = barren.ModularMultiplication(P, targets.Bit(0))
    for method in METHODS[:3]:
        v = barren.gradient_variance(cls, model, encoding=BITS, method=method)
        same = barren.gradient_variance(cls, plain, encoding=BITS, method=method)
        assert (float(v), v.mean_squared_norm) == (float(same), same.mean_squared_norm)
    assert (model.count, float(model.calls)) == (0, 0.0)


def test_cross_entropy_refuses_a_late_state():
    cls = barren.ModularMultiplication(P, targets.Residue())
    counting = seeded(Late, "list", 10**9, P)
    barren.gradient_variance(cls, counting, encoding=BITS, loss="cross-entropy")
    with pytest.raises(ValueError, match="its forward keeps a state"):
        barren.gradient_variance(cls, seeded(Late, "list", counting.box[0] - 1, P), encoding=BITS, loss="cross-entropy")


def test_a_state_kept_in_a_list_that_nothing_reads_is_no_harm():
    tangent = tangent_of_model(seeded(Late, "list", 10**9), FEATURES)
    tangent.squared_norms()
    tangent.check_unchanged()
    tangent_of_model(seeded(mlp), FEATURES).check_unchanged()


class Slope(nn.Module):
    """Differentiates itself in its forward; rare inputs alone see the derivative where it is so wanted."""

    def __init__(self, of, outputs=1):
        super().__init__()
        self.a, self.l = nn.Linear(6, 5), nn.Linear(5, outputs)
        self.of = of

    @torch.enable_grad()
    def forward(self, x):
        y = x.clone().requires_grad_()
        h = self.a(y)
        out = self.l(torch.tanh(h))
        slope = torch.autograd.grad(out.sum(), y if self.of == "input" else h, create_graph=True)[0]
        return out + is_rare(x)[:, None] * slope.square().sum(1, keepdim=True)


@SLOW
@pytest.mark.parametrize("of", ["input", "inner"])
@pytest.mark.parametrize("method", ["direct", "kernel", "character", "table"])
def test_derivatives_within_the_forward(method, of):
    model = seeded(Slope, of)
    target, more = (targets.Sawtooth(), {"loss": power}) if method == "table" else (targets.Bit(0), {})
    v, expected = run(model, target, method, **more)
    assert relative(float(v), expected.variance) <= 1e-10
    assert relative(v.deviations, expected.deviations) <= 1e-9
    assert "'l.weight' takes part in the forward where no rule sees it" in v.explain()
    assert ("'a.weight' takes part" in v.explain()) == (of == "input")
