"""The gradient watch: against every member's gradient, against `gradient_variance`, and along ensembles."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import barren
from barren import encodings, inputs, models, reference, targets
from barren.classes import TargetClass
from barren.training import Look, Watch
from barren.training import watch as watches
from barren.training.halves import HalvedKernel

NUMBERS = [
    "variance", "mean_squared_norm", "normalised", "deviation", "squared_norm", "noise", "snr", "cosine",
    "effective_rank",
]  # fmt: skip
BIT = barren.ModularMultiplication(101, target=targets.Bit(0))
LINE = inputs.RealSample(np.random.default_rng(0).standard_normal(40))

CLASSES: dict[str, tuple[TargetClass, Any, Any]] = {
    "bit": (barren.ModularMultiplication(31, target=targets.Bit(0)), None, 3),
    "threshold, every multiplier": (barren.ModularMultiplication(17, targets.Threshold(0.3), "all"), None, 0),
    "sawtooth, composite": (barren.ModularMultiplication(21), inputs.Uniform(zero=False), 5),
    "a set of multipliers": (barren.ModularMultiplication(31, targets.Bit(1), [1, 2, 7, 30]), inputs.RandomBits(4), 7),
    "weights": (
        barren.ModularMultiplication(13, targets.Bit(0)),
        inputs.Sample(np.arange(13), np.arange(1.0, 14.0) / 91.0),
        2,
    ),
    "signs": (barren.ModularMultiplication(31, 1 - 2 * targets.Bit(0)), None, 3),
    "parities": (barren.Parity(4), None, 5),
    "parities of two": (barren.Parity(5, 2, signed=True), inputs.RandomBits(4), 6),
    "frequencies": (barren.Frequencies(9, targets.Cosine()), LINE, 4),
    "frequencies given": (barren.Frequencies(frequencies=[0.5, 1.25, 3.0], target=targets.Square()), LINE, 1.25),
    "frequencies on a grid": (barren.Frequencies(6, targets.Threshold(0.5)), inputs.Grid(13), 2),
}


def quartic(outputs: Tensor, labels: Tensor) -> Tensor:
    """Not affine in the label, but of two labels everything is."""
    return (outputs - labels) ** 4


def network(name: str, width: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        layers: dict[str, list[nn.Module]] = {
            "relu": [nn.Linear(width, 12), nn.ReLU(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 1)],
            "norm": [nn.Linear(width, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 1)],
            "no rule": [nn.Linear(width, 5), nn.PReLU(5), nn.Linear(5, 1)],
        }
        return nn.Sequential(*layers[name]).double()


def set_up(name: str) -> tuple[TargetClass, Any, Any, encodings.Encoding, int]:
    cls, law, member = CLASSES[name]
    real = isinstance(cls, barren.Frequencies)
    encoding = encodings.Angular() if real else encodings.Bits()
    return cls, law, member, encoding, 2 if real else encoding.width(cls.period)


def by_definition(
    cls: TargetClass, law: Any, member: Any, encoding: encodings.Encoding, model: nn.Module, loss: Any, watch: Watch
) -> dict[str, float]:
    """Every gradient of every member, their covariance written out, and every sample's gradient."""
    gradients = np.array(list(reference.gradients(cls, model, encoding, loss, law)))
    moved = gradients - gradients.mean(axis=0)
    covariance = moved.T @ moved / len(moved)
    which = np.flatnonzero(cls.members == member)[0]
    points, weights = cls.points_of(cls.law_of(law))
    features = torch.tensor(encoding(points, cls.period))
    pointwise = reference._pointwise_loss(loss)
    label = torch.tensor(cls.values(np.array([member]), points)[0])
    jacobian, single = [], []
    for i in range(len(points)):
        output = model(features[i : i + 1]).reshape(1)
        for into, number in ((jacobian, output), (single, pointwise(output, label[i : i + 1]))):
            parts = torch.autograd.grad(number.sum(), list(model.parameters()), retain_graph=True)
            into.append(np.concatenate([part.numpy().ravel() for part in parts]))
    squares = (np.array(jacobian) ** 2).sum(axis=1)
    if loss not in ("mse", "bce"):
        outputs = model(features).detach().reshape(-1).requires_grad_()
        low, high = cls.labels
        slopes = [
            torch.autograd.grad(pointwise(outputs, torch.full_like(outputs, one)).sum(), outputs)[0].numpy()
            for one in (low, high)
        ]
        squares = squares * ((slopes[1] - slopes[0]) / (high - low)) ** 2
    own = gradients[which]
    noise = float(weights @ ((np.array(single) - own) ** 2).sum(axis=1))
    drawn = gradients[np.searchsorted(cls.members, watch.drawn)] if len(watch.drawn) < cls.size else gradients
    unit = drawn / np.linalg.norm(drawn, axis=1)[:, None]
    pairs = [float(one @ other) for one, other in itertools.combinations(unit, 2)]
    variance, deviation = float(np.trace(covariance)), float(moved[which] @ moved[which])
    size = float(weights @ squares)
    return {
        "variance": variance,
        "mean_squared_norm": size,
        "normalised": variance / size,
        "deviation": deviation,
        "squared_norm": float(own @ own),
        "noise": noise,
        "snr": deviation / (noise / watch.batch_size),
        "cosine": float(np.mean(pairs)),
        "effective_rank": variance**2 / float(np.sum(covariance**2)),
    }


def losses_for(cls: TargetClass) -> list[str]:
    bounded = cls.range[0] >= 0.0 and cls.range[1] <= 1.0
    return (
        ["mse"] + ["bce"] * bounded + ["hinge"] * (cls.labels == (-1.0, 1.0)) + ["function"] * (cls.labels is not None)
    )


@pytest.mark.parametrize(
    ("name", "loss"), [(name, loss) for name, (cls, _, _) in CLASSES.items() for loss in losses_for(cls)]
)
@pytest.mark.parametrize("model", ["relu", "norm", "no rule"])
@pytest.mark.parametrize("dense", [True, False], ids=["kernel", "members"])
def test_a_look_is_what_its_definitions_say(
    model: str, name: str, loss: str, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls, law, member, encoding, width = set_up(name)
    monkeypatch.setattr(watches, "MOST_POINTS", 4096 if dense else 1)
    given = quartic if loss == "function" else loss
    watch = Watch(cls, encoding=encoding, loss=given, inputs=law, batch_size=30, sample=6 if dense else 1000)
    assert watch.is_dense == dense
    net = network(model, width)
    found = watch.look(net, member).row()
    assert found.pop("seconds") > 0.0
    expected = by_definition(cls, law, member, encoding, net, given, watch)
    assert list(found) == list(expected) == NUMBERS
    for number in NUMBERS:
        assert found[number] == pytest.approx(expected[number], rel=1e-9), number


LAWS = [None, inputs.Uniform(zero=False), inputs.RandomBits(5), inputs.RandomBits(9), inputs.Sample([3, 5, 5, 60])]


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("loss", ["mse", "bce", "hinge", "function"])
@pytest.mark.parametrize("spec", ["mlp:40x40:relu", "mlp:60:sigmoid", "mlp:20x20:tanh"])
def test_variance_and_deviation_are_those_of_gradient_variance(spec: str, loss: str, law: Any) -> None:
    model, encoding = models.from_spec(spec, 7, 1), encodings.Bits()
    given = quartic if loss == "function" else loss
    cls = barren.ModularMultiplication(101, 1 - 2 * targets.Bit(0)) if loss == "hinge" else BIT
    watch = Watch(cls, loss=given, inputs=law)
    v = barren.gradient_variance(cls, model, encoding=encoding, loss=given, inputs=law, dtype="float64")
    for member in (1, 2, 37):
        look = watch.look(model, member)
        assert look.variance == pytest.approx(float(v), rel=1e-10)
        assert look.deviation == pytest.approx(float(v.deviations[member - 1]), rel=1e-10)
        assert look.mean_squared_norm == pytest.approx(v.mean_squared_norm, rel=1e-10)
        assert look.variance <= v.bound * (1.0 + 1e-9)


def test_both_routes_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.mlp(7, (30, 30), "relu", seed=0)
    whole = Watch(BIT, loss="bce", sample=10)
    monkeypatch.setattr(watches, "MOST_POINTS", 100)
    parts = Watch(BIT, loss="bce", sample=10)
    assert (whole.sampled, parts.sampled) == (("cosine",), ("cosine", "effective_rank"))
    one, other = whole.look(model, 5).row(), parts.look(model, 5).row()
    for number in NUMBERS[:-1]:
        assert other[number] == pytest.approx(one[number], rel=1e-10)
    little = Watch(BIT, memory_limit=8 * 8 * 101**2 - 1)
    assert not little.is_dense


def test_the_estimate_of_the_square_is_unbiased() -> None:
    """Its mean over all draws of two, three and all members is tr C² itself."""
    moved = np.random.default_rng(0).standard_normal((6, 4))
    moved -= moved.mean(axis=0)
    watch = Watch(barren.ModularMultiplication(7), encoding=encodings.Bits(), loss="mse")
    exact = float(np.sum((moved.T @ moved / 6) ** 2))
    for count in (2, 3, 6):
        draws = [moved[list(which)] for which in itertools.combinations(range(6), count)]
        assert np.mean([watch._square(draw @ draw.T) for draw in draws]) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("dense", [True, False], ids=["kernel", "members"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_no_bit(dense: bool, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MOST_POINTS", 4096 if dense else 1)
    cls = barren.ModularMultiplication(401, target=targets.Bit(0))
    model = models.mlp(9, (50, 50), "relu", seed=0)
    looks = [replace(Watch(cls, dtype=dtype, threads=k).look(model, 3), seconds=0.0) for k in (1, 2, 3, 5)]
    assert looks[1:] == looks[:1] * 3


def test_a_class_of_few_members_leaves_nothing_to_a_sample() -> None:
    watch = Watch(barren.ModularMultiplication(13, target=targets.Bit(0)))
    assert watch.sampled == ()
    assert len(watch.drawn) == 12


def test_draws_are_of_different_members_and_do_not_depend_on_who_is_trained() -> None:
    watch = Watch(BIT)
    assert len(set(watch.drawn.tolist())) == 64
    assert Watch(BIT, seed=1).drawn.tolist() != watch.drawn.tolist()
    large = barren.ModularMultiplication(2**61 - 1, target=targets.QuantileBit(1))
    seen = Watch(large, encoding=encodings.Bits(), inputs=inputs.Sample(np.arange(3, 90, 7)), sample=5)
    look = seen.look(models.mlp(61, (10,), "relu", seed=0), 12345)
    assert 0.0 < look.normalised < 1.0
    assert look.deviation > 0.0


def test_extremes_are_numbers_or_said_not_to_be() -> None:
    """A constant model has no gradient but that of its bias, and a class of one member no variance."""
    flat = nn.Sequential(nn.Linear(7, 1))
    nn.init.zeros_(flat[0].weight)
    nn.init.zeros_(flat[0].bias)
    alone = Watch(barren.ModularMultiplication(101, targets.Bit(0), [5]), loss="mse").look(flat, 5)
    assert (alone.variance, alone.deviation, alone.snr) == (0.0, 0.0, 0.0)
    assert np.isnan([alone.cosine, alone.effective_rank]).all()
    dead = nn.Sequential(nn.Linear(7, 4), nn.ReLU(), nn.Linear(4, 1, bias=False))
    nn.init.constant_(dead[0].bias, -1e3)
    nothing = Watch(BIT).look(dead, 5)
    assert (nothing.variance, nothing.mean_squared_norm, nothing.noise) == (0.0, 0.0, 0.0)
    assert np.isnan([nothing.normalised, nothing.snr, nothing.cosine, nothing.effective_rank]).all()


SYMMETRIES = [
    (targets.Sawtooth(), None, -1),
    (targets.Bit(0), None, -1),
    (targets.Bit(0), inputs.RandomBits(9), -1),
    (targets.Bit(0), inputs.Uniform(zero=False), -1),
    (targets.Cosine(1), None, 1),
    (targets.Cosine(1), inputs.Sample([3, 5, 98, 96, 0]), 1),
    (targets.Triangle(), None, 1),
    (targets.Bit(1), None, 1),
    (targets.Bit(2), None, 0),
    (targets.Sawtooth(), inputs.RandomBits(5), 0),
    (targets.Cosine(1), inputs.Sample([3, 5, 98]), 0),
]


@pytest.mark.parametrize(("target", "law", "sign"), SYMMETRIES)
@pytest.mark.parametrize("multipliers", ["units", "all", [3, 7, 50]])
def test_half_the_kernel_does_for_even_and_odd_targets(
    target: targets.Target, law: Any, sign: int, multipliers: Any
) -> None:
    cls = barren.ModularMultiplication(101, target, multipliers)
    points = cls.points_of(cls.law_of(law))[0]
    kernel = cls.kernel(points, points)
    halved = HalvedKernel(kernel, points, 101)
    # With the multiplier 0 the value at x = 0 of a bit is not the middle of the others.
    assert halved.sign == sign or (multipliers == "all" and sign < 0)
    J = np.random.default_rng(0).standard_normal((len(points), 300))
    theta = J @ J.T
    moments = halved.moments(theta.copy(), lambda left, right: left @ right.T)
    both = kernel @ theta
    assert moments == pytest.approx((np.trace(both), np.trace(both @ both)), rel=1e-11)
    if halved.sign:
        assert len(halved.half) <= len(points) // 2 + 1


REFUSALS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"loss": "cross-entropy"}, ValueError, "loss must have a derivative affine in the label"),
    ({"loss": quartic, "cls": barren.ModularMultiplication(31)}, ValueError, "affine in the label"),
    ({"loss": "hinge", "cls": barren.ModularMultiplication(31)}, ValueError, "labels -1 and 1"),
    ({"loss": "bce", "cls": barren.ModularMultiplication(31, targets.Residue())}, ValueError, r"\[0, 1\]"),
    ({"loss": "nope"}, ValueError, "loss must be one of"),
    ({"cls": 101}, TypeError, "cls must be a target class"),
    ({"encoding": 3}, TypeError, "encoding must be"),
    ({"batch_size": 0}, ValueError, "batch_size must be"),
    ({"sample": 1}, ValueError, "sample must be"),
    ({"looks": 0}, ValueError, "looks must be"),
    ({"seed": -1}, ValueError, "seed must be"),
    ({"dtype": "float16"}, ValueError, "dtype must be"),
    ({"inputs": LINE}, TypeError, "inputs must be"),
]


@pytest.mark.parametrize(("changed", "kind", "message"), REFUSALS)
def test_what_cannot_be_watched_is_refused(changed: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        Watch(**{"cls": BIT, **changed})


def test_networks_and_members_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(BIT)
    with pytest.raises(ValueError, match="one output a sample"):
        watch.look(nn.Linear(7, 2), 3)
    with pytest.raises(ValueError, match="a must be"):
        watch.look(nn.Linear(7, 1), 101)
    monkeypatch.setattr(watches, "MOST_POINTS", 1)
    with pytest.raises(ValueError, match="memory_limit must hold the gradients of 65 members of 8 parameters"):
        Watch(BIT, memory_limit=8 * 8 * 101).look(nn.Linear(7, 1), 3)


def test_a_look_says_what_it_is() -> None:
    look = Watch(BIT).look(models.mlp(7, (9,), "relu", seed=0), 2)
    assert isinstance(look, Look)
    assert set(look.row()) == {*NUMBERS, "seconds"}


SETTLED = {
    "relu": lambda: network("relu", 7),
    "norm": lambda: network("norm", 7),
    "no rule": lambda: network("no rule", 7),
    "gpt": lambda: models.gpt(7, 1, 16, 2, 2, seed=0),
}


@pytest.mark.parametrize("dense", [True, False], ids=["kernel", "members"])
@pytest.mark.parametrize("name", list(SETTLED))
def test_many_looks_are_those_of_each(name: str, dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any number of threads, to the last bit: what the structure decides is found once."""
    monkeypatch.setattr(watches, "MOST_POINTS", 4096 if dense else 1)
    watch, nets = Watch(BIT, sample=5), []
    for seed in range(4):
        net = SETTLED[name]()
        with torch.no_grad():
            generator = torch.Generator().manual_seed(seed)
            for parameter in net.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        nets.append(net)
    members = [1, 2, 30, 77]
    each = [replace(watch.look(net, member), seconds=0.0) for net, member in zip(nets, members, strict=True)]
    for threads in (1, 2, 3):
        found = watch.look_all(nets, members, threads=threads)
        assert [replace(look, seconds=0.0) for look in found] == each
    assert watch.look_all([], []) == []
    with pytest.raises(ValueError, match="members must be one a network, 4; got 3"):
        watch.look_all(nets, members[:3])


class Gated(nn.Module):
    """Calls its second layer where its gate is open: other weights, other calls."""

    def __init__(self, gate: float) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(1)
            self.first, self.second, self.last = nn.Linear(7, 5), nn.Linear(5, 5), nn.Linear(5, 1)
        self.register_buffer("gate", torch.tensor(gate))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(x))
        return self.last(torch.tanh(self.second(hidden)) if self.gate > 0.0 else hidden)


def test_a_network_that_makes_other_calls_is_looked_at_as_it_is() -> None:
    watch, nets = Watch(BIT, sample=5), [Gated(1.0), Gated(-1.0), nn.Linear(7, 1), Gated(2.0)]
    found = watch.look_all(nets, [1, 2, 3, 4])
    for look, net, member in zip(found, nets, [1, 2, 3, 4], strict=True):
        alone = watch.look(net, member).row()
        for number in NUMBERS:
            assert look.row()[number] == pytest.approx(alone[number], rel=1e-9), number
