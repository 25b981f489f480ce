"""What changes gradients past the forward is refused; wrappers, and forwards that differentiate, are followed."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from helpers import relative
from rare_cases import BITS, FEATURES, P, is_rare
from tangent_cases import Embedded, columns, features, mlp, oracle, seeded
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import barren
from barren import reference, targets
from barren.tangents import tangent_of_model
from barren.tangents.logits import logits_of_model

SLOW = pytest.mark.filterwarnings("ignore:the model cannot be vectorised", "ignore:backward passes of the model cannot")


def refused(model, message, x=None, labels=1, **options):
    """By both kinds of tangent: of one output, and of one a label."""
    make = tangent_of_model if labels == 1 else partial(logits_of_model, labels=labels)
    with pytest.raises(ValueError, match=message):
        make(model, features() if x is None else x, **options)


@pytest.mark.parametrize("kind", ["register_hook", "register_post_accumulate_grad_hook"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_hooks_on_parameters_are_refused_and_do_not_fire(kind, outputs):
    model = seeded(lambda: nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, outputs)))
    fired = []
    handle = getattr(model[2].weight, kind)(fired.append)
    refused(model, "no hooks on its parameters; got one on '2.weight'.*copy.deepcopy", labels=outputs)
    assert not fired
    if outputs == 1:
        bare = copy.deepcopy(model)
        np.testing.assert_allclose(columns(tangent_of_model(bare, features()))[0], oracle(bare, features()), atol=1e-14)
        handle.remove()
        tangent_of_model(model, features())


@pytest.mark.parametrize("kind", ["register_full_backward_hook", "register_full_backward_pre_hook"])
def test_hooks_of_modules_in_the_backward_pass_are_refused(kind):
    model = seeded(mlp)
    handle = getattr(model[1], kind)(lambda *args: None)
    refused(model, "no hooks in its backward pass; got one on ReLU at '1'.*remove")
    handle.remove()
    tangent_of_model(model, features())


class Hooked(nn.Module):
    """A hook on a tensor within the forward, behind which derivatives may not pass to the inputs."""

    def __init__(self, hook, outputs=1, cut=False):
        super().__init__()
        self.first, self.last, self.hook, self.cut = nn.Linear(6, 5), nn.Linear(5, outputs), hook, cut

    def forward(self, x):
        h = torch.tanh(self.first(x.detach() if self.cut else x))
        h.register_hook(self.hook)
        return self.last(h)


NO_DERIVATIVE = r"backward pass that is its derivative; the gradient in '.*first.weight'"
HOOKS = {
    "clips": (lambda g: g.clamp(-0.01, 0.01), NO_DERIVATIVE),
    "cuts off": (lambda g: g.clamp(min=0.0), NO_DERIVATIVE),
    "normalises": (lambda g: g / g.norm(), NO_DERIVATIVE),
    "decays": (lambda g: g + 1e-3 * g.abs(), NO_DERIVATIVE),
    "shifts": (lambda g: g + 1e-3, "depends on the rest of the batch"),
    "mixes": (lambda g: g - g.mean(0), "depends on the rest of the batch"),
    "mixes past the inputs": (lambda g: g - g.mean(0), NO_DERIVATIVE),
}


@pytest.mark.parametrize("outputs", [1, P])
@pytest.mark.parametrize("name", HOOKS)
def test_hooks_that_are_no_derivative_are_refused(name, outputs):
    hook, message = HOOKS[name]
    refused(seeded(Hooked, hook, outputs, cut="past" in name), message, FEATURES, outputs)


def agrees(model, method="kernel", outputs=1):
    """The variance from one backward pass a member over the whole batch, as a training loop makes it."""
    loss, target = ("mse", targets.Sawtooth()) if outputs == 1 else ("cross-entropy", targets.Residue())
    cls = barren.ModularMultiplication(P, target)
    v = barren.gradient_variance(cls, model, encoding=BITS, method=method, loss=loss)
    expected = reference.from_model(cls, model, BITS, loss=loss)
    assert relative(float(v), expected.variance) <= 1e-10
    assert relative(v.deviations, expected.deviations) <= 1e-9


@SLOW
@pytest.mark.parametrize("method", ["direct", "kernel"])
def test_a_hook_that_scales_is_followed(method):
    agrees(seeded(Hooked, lambda g: -2.0 * g), method)
    agrees(seeded(Hooked, lambda g: None), method)


@SLOW
def test_a_hook_that_scales_is_followed_with_several_outputs():
    agrees(seeded(Hooked, lambda g: -2.0 * g, P), "table", P)


class Slope(nn.Module):
    """Differentiates itself in its forward, with the gradients that it finds switched on."""

    def __init__(self, outputs=1):
        super().__init__()
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, outputs)

    def forward(self, x):
        h = self.first(x)
        out = self.last(torch.tanh(h))
        slope = torch.autograd.grad(out.sum(), h, create_graph=True)[0]
        return out + is_rare(x)[:, None] * slope.square().sum(1, keepdim=True) + 0.1 * slope[:, :1]


class Retaining(nn.Module):
    def __init__(self, outputs=1):
        super().__init__()
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, outputs)

    def forward(self, x):
        h = self.first(x)
        h.retain_grad()
        return self.last(torch.tanh(h))


@SLOW
@pytest.mark.parametrize("method", ["direct", "kernel", "character"])
@pytest.mark.parametrize("make", [Slope, Retaining])
def test_models_that_need_gradients_in_their_forward(make, method):
    agrees(seeded(make), method)


@SLOW
@pytest.mark.parametrize("make", [Slope, Retaining])
def test_models_of_several_outputs_that_need_gradients_in_their_forward(make):
    agrees(seeded(make, P), "table", P)


class Counted(nn.Module):
    """An embedding by function."""

    def __init__(self, **options):
        super().__init__()
        self.embed, self.last, self.options = nn.Embedding(2, 4), nn.Linear(4, 1), options

    def forward(self, x):
        return self.last(torch.tanh(functional.embedding(x.long(), self.embed.weight, **self.options).sum(1)))


def embedded(**options):
    model = Embedded()
    model.embed = nn.Embedding(2, 4, **options)
    return model


def test_embeddings_that_are_no_function_of_one_sample_are_refused():
    refused(seeded(embedded, scale_grad_by_freq=True), "Embedding at 'embed' with scale_grad_by_freq.*counts in the")
    refused(seeded(embedded, max_norm=0.5), "Embedding at 'embed' with max_norm")
    refused(seeded(Counted, scale_grad_by_freq=True), "got embedding with scale_grad_by_freq")
    refused(seeded(Counted, max_norm=0.5), "got embedding with max_norm")
    bag = nn.Sequential(nn.EmbeddingBag(2, 4, scale_grad_by_freq=True, mode="sum"), nn.Linear(4, 1)).double()
    refused(bag, "EmbeddingBag at '0' with scale_grad_by_freq")


@pytest.mark.parametrize("method", ["squared_norms", "check_unchanged"])
def test_an_embedding_at_rare_inputs_that_counts_is_refused(method):
    class Rarely(Counted):
        def forward(self, x):
            counts = bool(is_rare(x).any())
            embedded = functional.embedding(x.long(), self.embed.weight, scale_grad_by_freq=counts)
            return self.last(torch.tanh(embedded.sum(1)))

    tangent = tangent_of_model(seeded(Rarely), FEATURES)
    with pytest.raises(ValueError, match="got embedding with scale_grad_by_freq"):
        getattr(tangent, method)()


def test_sparse_embeddings():
    x = features()
    for make in (lambda: embedded(sparse=True), lambda: Counted(sparse=True)):
        model = seeded(make)
        np.testing.assert_allclose(columns(tangent_of_model(model, x))[0], oracle(model, x), atol=1e-14)


def test_data_parallel_is_taken_off():
    model, x = seeded(mlp), features()
    tangent = tangent_of_model(nn.DataParallel(model), x)
    assert tangent.layers == {"0": 56, "2": 45, "4": 6}
    np.testing.assert_allclose(columns(tangent)[0], oracle(model, x), atol=1e-14)


class Checkpointed(nn.Module):
    def __init__(self, reentrant, outputs=1):
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, outputs)
        self.reentrant = reentrant

    def forward(self, x):
        return self.last(checkpoint(lambda h: torch.tanh(self.inner(h)), self.first(x), use_reentrant=self.reentrant))


@SLOW
def test_checkpointed_models():
    agrees(seeded(Checkpointed, False), "kernel")
    agrees(seeded(Checkpointed, False, P), "table", P)
    refused(seeded(Checkpointed, True), "use_reentrant=False")
    refused(seeded(Checkpointed, False), r"torch.utils.checkpoint .* without dtype=", dtype="float32")


class OnXla(nn.Parameter):
    device = property(lambda self: torch.device("xla"))


def test_other_devices():
    model = seeded(mlp)
    model[0].weight = OnXla(model[0].weight.detach())
    refused(model, "must be on \"cpu\" or \"cuda\"; got \\['cpu', 'xla'\\]")
