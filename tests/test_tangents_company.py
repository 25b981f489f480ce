"""Samples that act on each other, or change places, where no probe sees it: every batch is checked."""

from __future__ import annotations

import pytest
import torch
from helpers import relative
from rare_cases import FEATURES, SLOW, Mixing, P, Rare, is_rare, number_of, run
from tangent_cases import seeded
from torch import nn

from barren import targets
from barren.tangents import deltas as deltas_module
from barren.tangents import model as model_module
from barren.tangents import tangent_of_model
from barren.tangents.logits import logits_of_model

MESSAGE = "depends on the rest of the batch"


def sorted_by_rarity(m, x):
    order = is_rare(x).long().argsort(stable=True)
    return m.l(torch.tanh(m.a(x[order]))[order.argsort()])


def sorted_to_the_end(m, x):
    """The last layer alone keeps the order."""
    order = is_rare(x).long().argsort(stable=True)
    return m.l(torch.tanh(m.a(x))[order])[order.argsort()]


def mean_of_the_rare(m, x):
    h, rare = m.a(x), is_rare(x)
    return m.l(torch.tanh(h + h[rare].mean(0) if bool(rare.any()) and len(x) > 1 else h))


def inputs_meet(m, x):
    """In front of every layer, whose rows are then those of their own samples."""
    rare = is_rare(x)
    return m.l(torch.tanh(m.a(x + x[rare].mean(0) if bool(rare.any()) and len(x) > 1 else x)))


def counted(m, x):
    """By a count, through which no derivative goes."""
    return m.l(torch.tanh(m.a(x) * (1.0 + 0.01 * max(0, int(is_rare(x).sum()) - 1))))


def read_without_derivatives(m, x):
    values = torch.from_numpy(x.detach().numpy() if x.requires_grad else x.numpy())
    return inputs_meet(m, values)


def two_rare_ones(m, x):
    """Two samples alone, and so weakly that no value tells in float32: their slopes do."""
    one, other = number_of(x) == 7, number_of(x) == 43
    if bool(one.any()) and bool(other.any()):
        x = torch.where(one[:, None], x + 5e-4 * x[other], x)
    return m.l(torch.tanh(m.a(x)))


COUPLED = {f.__name__: f for f in (mean_of_the_rare, inputs_meet, counted, read_without_derivatives)}


@SLOW
@pytest.mark.parametrize("method", ["direct", "kernel", "character", "probes"])
@pytest.mark.parametrize("name", COUPLED)
def test_samples_that_meet_at_rare_inputs_are_refused(name, method):
    with pytest.raises(ValueError, match=MESSAGE):
        run(seeded(Mixing, COUPLED[name]), targets.Sawtooth(), method)


@pytest.mark.parametrize("name", COUPLED)
def test_samples_of_several_outputs_that_meet_are_refused(name):
    with pytest.raises(ValueError, match=MESSAGE):
        run(seeded(Mixing, COUPLED[name], P), targets.Residue(), "table", loss="cross-entropy")


def test_two_samples_of_a_batch_that_meet_are_seen_by_their_slopes():
    model = seeded(Mixing, two_rare_ones).float()
    tangent = tangent_of_model(model, FEATURES)
    with pytest.raises(ValueError, match="has a derivative in the input of another"):
        tangent.squared_norms()
    with pytest.raises(ValueError, match="has a derivative in the input of another"):
        logits_of_model(seeded(Mixing, two_rare_ones, P).float(), FEATURES, labels=P)


def parametrised(mix, outputs=1):
    """A layer without a rule: with one output columns, sample by sample; with several products, in batches."""
    model = Mixing(mix, outputs)
    nn.utils.parametrizations.weight_norm(model.a)
    nn.utils.parametrizations.weight_norm(model.l)
    return model


@SLOW
@pytest.mark.parametrize("mix", [inputs_meet, counted])
def test_layers_without_a_rule_are_checked_after_the_computation(mix):
    for method in ("direct", "kernel", "probes"):
        with pytest.raises(ValueError, match=MESSAGE):
            run(seeded(parametrised, mix), targets.Sawtooth(), method)
    with pytest.raises(ValueError, match=MESSAGE):
        run(seeded(parametrised, mix, P), targets.Residue(), "table", loss="cross-entropy")


@SLOW
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mix", [sorted_by_rarity, sorted_to_the_end])
@pytest.mark.parametrize("method", ["direct", "kernel"])
def test_samples_that_change_places_at_rare_inputs(method, mix, dtype):
    model = seeded(Mixing, mix).to(dtype)
    found = []
    for threads in (1, 2):
        v, expected = run(model, targets.Sawtooth(), method, threads=threads)
        rtol = 1e-10 if dtype == torch.float64 else 1e-5
        assert relative(float(v), expected.variance) <= rtol
        assert "takes the samples in another order" in v.explain()
        found.append((float(v), v.mean_squared_norm))
    assert len(set(found)) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mix", [sorted_by_rarity, sorted_to_the_end])
def test_samples_of_several_outputs_that_change_places(mix, dtype):
    """A rule whose rows are not their own sample's is not used; with it the value would follow the memory limit."""
    model = seeded(Mixing, mix, P).to(dtype)
    v, expected = run(model, targets.Residue(), "table", loss="cross-entropy")
    need = next(c.smallest_memory for c in v.plan.candidates if c.method == "table")
    few, _ = run(model, targets.Residue(), "table", loss="cross-entropy", memory_limit=need)
    rtol = 1e-10 if dtype == torch.float64 else 1e-5
    assert relative(float(v), expected.variance) <= rtol
    assert relative(float(few), expected.variance) <= rtol
    assert "takes the samples in another order" in v.explain()


@pytest.mark.parametrize("samples", [4, 61])
def test_places_that_change_in_other_batches_than_the_first(samples, monkeypatch):
    """Batches of the computation may be larger than those that found the layers: they are checked as well."""
    forwards = deltas_module._FORWARD_BYTES

    def far_apart(m, x):
        rare = is_rare(x) if len(x) > 16 else torch.zeros(len(x), dtype=torch.bool)
        order = rare.long().argsort(stable=True)
        return m.l(torch.tanh(m.a(x[order]))[order.argsort()])

    monkeypatch.setattr(deltas_module, "_FORWARD_BYTES", 1 if samples == 4 else forwards)
    v, expected = run(seeded(Mixing, far_apart, P), targets.Residue(), "table", loss="cross-entropy")
    assert relative(float(v), expected.variance) <= 1e-10
    assert "takes the samples in another order" in v.explain()


def test_slopes_that_are_infinite_or_rounded_are_no_coupling():
    class Roots(nn.Module):
        """An infinite slope where no bit is set, and float32 within a float64 model."""

        def __init__(self, outputs=1):
            super().__init__()
            self.first, self.last = nn.Linear(6, 5), nn.Linear(5, outputs)

        def forward(self, x):
            return self.last(torch.tanh(self.first((x / 3).sqrt().float().double())).float().double())

    v, expected = run(seeded(Roots), targets.Sawtooth(), "kernel")
    assert relative(float(v), expected.variance) <= 1e-6
    v, expected = run(seeded(Roots, P), targets.Residue(), "table", loss="cross-entropy")
    assert relative(float(v), expected.variance) <= 1e-6


@SLOW
def test_a_closure_over_the_module_at_rare_inputs_gives_the_same_bits_on_all_threads(monkeypatch):
    monkeypatch.setattr(model_module, "_MOST_SAMPLES", 3)

    def only_rare(m, x, h):
        return torch.where(is_rare(x), m.body(h).sum(1), 0.0) if bool(is_rare(x).any()) else torch.zeros(len(x)).to(x)

    found = []
    for threads in (1, 2, 2, 2, 2):
        model = seeded(Rare, only_rare).float()
        model.body = lambda h, model=model: torch.sin(model.b(h))
        v, expected = run(model, targets.Bit(0), "kernel", threads=threads)
        assert relative(float(v), expected.variance) <= 1e-5
        found.append((float(v), v.mean_squared_norm))
    assert len(set(found)) == 1


def all_wait_for_zero(m, x):
    """Zero alone acts on the others, without a derivative; methods on a prime take it apart from the units."""
    zero = bool((number_of(x) == 0).any()) and len(x) > 1
    return m.l(torch.tanh(m.a(x) * (1.01 if zero and len(x) != 16 and len(x) != 13 and len(x) > 3 else 1.0)))


@pytest.mark.parametrize("deviations", [True, False])
def test_what_zero_does_to_the_units_is_seen(deviations):
    with pytest.raises(ValueError, match=MESSAGE):
        run(seeded(Mixing, all_wait_for_zero), targets.Bit(0), "kernel", deviations=deviations)


def test_a_forward_that_branches_on_the_input_asking_for_gradients_hears_of_it():
    class Asking(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(6, 1)

        def forward(self, x):
            return self.first(x) * (2.0 if x.requires_grad else 1.0)

    tangent = tangent_of_model(seeded(Asking), FEATURES)
    with pytest.raises(ValueError, match=r"branches on x\.requires_grad"):
        tangent.squared_norms()
