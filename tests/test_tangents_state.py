"""The model and torch are left exactly as they were, also when a call fails."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import pytest
import torch
from tangent_cases import (
    Attention,
    BatchNormEval,
    Convolution,
    Recurrent,
    Transformer,
    columns,
    features,
    mlp,
    oracle,
    seeded,
)
from torch import nn

import barren
from barren import targets
from barren._pool import in_order
from barren.tangents import rules, tangent_of_model
from barren.tangents.snapshot import Snapshot, at_most, plain_autograd


class Counting(nn.Module):
    """Writes to buffers, attributes and its input in every forward."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 1)
        self.register_buffer("calls", torch.zeros(3))
        self.seen, self.last = 0, None

    def forward(self, x):
        self.calls.add_(1)
        self.calls = self.calls + 1
        self.seen += 1
        self.last = x
        self.fresh = x
        self.register_buffer("late", x.detach())
        return self.linear(x.mul_(0.5))


class Failing(nn.Module):
    """Fails at a chosen forward, after having drawn random numbers."""

    def __init__(self, at):
        super().__init__()
        self.linear, self.at, self.box = nn.Linear(6, 1), at, [0]

    def forward(self, x):
        self.box[0] += 1
        torch.rand(1)
        if self.box[0] >= self.at:
            raise RuntimeError("failed on purpose")
        return self.linear(x)


def state(model):
    """Everything that must not change, in a form that compares bitwise."""
    return {
        "parameters": {
            name: (id(p), p._version, p.requires_grad, id(p.grad), p.detach().numpy().tobytes())
            for name, p in model.named_parameters()
        },
        "grads": {name: None if p.grad is None else p.grad.numpy().tobytes() for name, p in model.named_parameters()},
        "buffers": {name: (id(b), b.numpy().tobytes()) for name, b in model.named_buffers()},
        "modes": {name: m.training for name, m in model.named_modules()},
        "attributes": {name: {key: id(value) for key, value in vars(m).items()} for name, m in model.named_modules()},
        "hooks": {name: (list(m._forward_hooks), list(m._forward_pre_hooks)) for name, m in model.named_modules()},
        "random": torch.get_rng_state().numpy().tobytes(),
        "fastpath": torch.backends.mha.get_fastpath_enabled(),
        "sdpa": (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }


def prepared(make):
    """A model with some gradients, a frozen parameter and a hook."""
    model = seeded(make)
    parameters = list(model.parameters())
    parameters[0].grad = torch.full_like(parameters[0], 3.0)
    parameters[-1].requires_grad_(False)
    next(model.children()).register_forward_hook(lambda module, args, output: None)
    return model


def use(model, x):
    tangent = tangent_of_model(model, x)
    columns(tangent)
    tangent.squared_norms()
    list(tangent.ntk_layers(1000))
    assert tangent.forward_obstacle is None
    tangent.products(np.ones((tangent.parameters, 2)))
    tangent.transposed_products(np.ones((len(x), 2)))


MODELS = [mlp, Convolution, Attention, lambda: Attention().eval(), Transformer, lambda: Transformer().eval()]
MODELS += [
    lambda: BatchNormEval().eval(),
    lambda: nn.Sequential(nn.Linear(6, 2), nn.Dropout(0.0), nn.Linear(2, 1)),
]


@pytest.mark.parametrize("make", MODELS)
def test_models_are_left_as_they_were(make):
    model, x = prepared(make), features(5)
    before, kept = state(model), x.copy()
    use(model, x)
    assert state(model) == before
    np.testing.assert_array_equal(x, kept)


def test_recurrent_models_are_left_as_they_were():
    model, x = prepared(Recurrent), features(5)
    before = state(model)
    with pytest.warns(UserWarning, match="vectorised"):
        use(model, x)
    assert state(model) == before
    assert all(flat is p for flat, p in zip(model.cell._flat_weights, model.cell.parameters(), strict=True))


def test_forwards_that_write_to_the_model_and_to_their_input():
    model, x = seeded(Counting), features(5)
    expected = oracle(seeded(Counting), x)
    before, kept = state(model), x.copy()
    tangent = tangent_of_model(model, x)
    np.testing.assert_allclose(columns(tangent)[0], expected, atol=1e-14)
    assert state(model) == before
    assert not hasattr(model, "fresh")
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("at", range(1, 3))
def test_after_a_failing_forward(at):
    torch.set_grad_enabled(True)
    model = prepared(lambda: nn.Sequential(nn.Identity(), Failing(at)))
    before = state(model)
    with pytest.raises(ValueError, match="failed on purpose"):
        tangent_of_model(model, features())
    assert state(model) == before


def test_after_a_failure_while_the_forward_is_recorded(monkeypatch):
    def explode(*args, **kwargs):
        raise RuntimeError("failed in the recording")

    monkeypatch.setitem(rules.RULES, nn.functional.linear, explode)
    model, x = seeded(mlp), features()
    before = state(model)
    tangent = tangent_of_model(model, x)
    assert "failed in the recording" in tangent.note
    np.testing.assert_allclose(columns(tangent)[0], oracle(model, x), atol=1e-14)
    assert state(model) == before


def test_after_a_refusal():
    for make in (lambda: BatchNormEval(), lambda: nn.Linear(6, 2), lambda: nn.Sequential(nn.Linear(5, 1))):
        model = seeded(make)
        before = state(model)
        with pytest.raises(ValueError, match="model"):
            tangent_of_model(model, features())
        assert state(model) == before


@pytest.mark.parametrize(
    "surroundings",
    [
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
        contextlib.nullcontext,
    ],
)
@pytest.mark.parametrize("make", [mlp, Transformer])
def test_inside_a_callers_context(surroundings, make):
    model, x = seeded(make).float(), features(5)
    expected = oracle(seeded(make), x)
    with surroundings():
        before = state(model)
        tangent = tangent_of_model(model, x)
        found = columns(tangent)[0]
        squares = tangent.squared_norms()
        assert state(model) == before
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(squares, (expected**2).sum(1), rtol=1e-4)


def test_generators_do_not_leak_the_settings_of_torch():
    tangent = tangent_of_model(seeded(Transformer), features(5))
    with torch.no_grad():
        for _ in tangent.column_blocks(1000):
            assert torch.backends.mha.get_fastpath_enabled()
            assert not torch.is_grad_enabled()


def test_a_compiled_model_is_taken_by_its_modules():
    model, x = seeded(mlp), features()
    compiled = torch.compile(model, backend="eager")
    tangent = tangent_of_model(compiled, x)
    assert tangent.layers == {"0": 56, "2": 45, "4": 6}
    np.testing.assert_allclose(columns(tangent)[0], oracle(model, x), atol=1e-14)


def test_a_model_compiled_in_place_is_not_run_compiled():
    def explode(*args):
        raise AssertionError("compiled")

    model, x = seeded(mlp), features()
    expected = oracle(model, x)
    model.compile(backend=explode)
    before = model._compiled_call_impl
    np.testing.assert_allclose(columns(tangent_of_model(model, x))[0], expected, atol=1e-14)
    assert model._compiled_call_impl is before


class Closure(nn.Module):
    """Calls its layers by a lambda over itself, which a copy of the module does not replace."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.Linear(6, 40), nn.Linear(40, 1)
        self.body = lambda x: torch.tanh(self.inner(x))

    def forward(self, x):
        return self.last(self.body(x))


def test_copies_for_threads_reach_their_own_tensors_or_are_not_used():
    probe = torch.from_numpy(features(4))
    for make, count in [(mlp, 3), (Transformer, 3), (lambda: BatchNormEval().eval(), 3), (Closure, 1)]:
        snapshot = Snapshot(seeded(make), torch.float64, cast=False)
        replicas = snapshot.replicas(3, probe)
        assert replicas.qsize() == count
        first, *others = [replicas.get() for _ in range(count)]
        assert first is snapshot
        for other in others:  # the weights are shared, the modules are not
            assert other.model is not snapshot.model
            pairs = zip(other.model.parameters(), snapshot.model.parameters(), strict=True)
            assert all(one is two for one, two in pairs)


@pytest.mark.parametrize("kind", ["closure", "mlp"])
def test_a_closure_over_the_module_gives_the_same_bits_on_all_threads(kind):
    cls = barren.ModularMultiplication(2003, targets.Bit(0))
    model = seeded(lambda: Closure() if kind == "closure" else mlp()).float()
    answers = []

    def encoding(x, p):
        return (x[:, None] >> np.arange(6) & 1).astype(np.float64)

    for threads in (1, 2, 2, 2):
        v = barren.gradient_variance(cls, model, encoding=encoding, method="kernel", threads=threads, deviations=False)
        answers.append((float(v), v.mean_squared_norm))
    assert len(set(answers)) == 1


def test_threads_that_meet_leave_the_settings_of_torch_as_they_were():
    """The first in is the first out: each putting back what it found would leave the first one's settings."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    settings = state(seeded(mlp))["sdpa"], torch.backends.mha.get_fastpath_enabled()
    first_inside, second_inside, first_out = (threading.Event() for _ in range(3))
    seen = []

    def first():
        with at_most(1), plain_autograd(torch.device("cpu")):
            first_inside.set()
            second_inside.wait(10)
        seen.append(torch.get_num_threads())
        first_out.set()

    def second():
        first_inside.wait(10)
        with at_most(2), plain_autograd(torch.device("cpu")):
            second_inside.set()
            first_out.wait(10)
            with at_most(1):
                pass
            seen.append((torch.get_num_threads(), torch.backends.mha.get_fastpath_enabled()))
        seen.append(torch.get_num_threads())

    def third():
        seen.append(torch.get_num_threads())

    for group in ([first, second], [third]):
        workers = [threading.Thread(target=target) for target in group]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    try:
        assert seen == [3, (2, False), 3, 3]
        assert torch.get_num_threads() == 3
        assert (state(seeded(mlp))["sdpa"], torch.backends.mha.get_fastpath_enabled()) == settings
    finally:
        torch.set_num_threads(before)


def test_a_worker_that_leaves_does_not_change_the_threads_of_another() -> None:
    """A fresh thread takes its number of threads at its first loop; with another one its last digits would differ."""
    inside, left = threading.Event(), threading.Event()

    def work(first: bool) -> int:
        if not first:
            assert inside.wait(60)
            with at_most(1):
                pass
            left.set()
            return 1
        with at_most(1):
            inside.set()
            assert left.wait(60)
            return torch.get_num_threads()

    before = torch.get_num_threads()
    with at_most(2):
        assert list(in_order(work, iter([True, False]), 2)) == [1, 1]
    assert torch.get_num_threads() == before
