"""What the model side refuses, and that the message says why and names the cure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tangent_cases import Attention, BatchNormEval, Recurrent, Transformer, features, mlp, oracle, seeded
from torch import nn
from torch.nn import functional

import barren
from barren.tangents import tangent_of_model


class Acts(nn.Module):
    """A linear model whose output goes through a given function."""

    def __init__(self, act, outputs=1):
        super().__init__()
        self.linear, self.act = nn.Linear(6, outputs), act

    def forward(self, x):
        return self.act(self.linear(x))


def acting(act, outputs=1):
    return seeded(lambda: Acts(act, outputs))


def with_module(module):
    return seeded(lambda: nn.Sequential(nn.Linear(6, 4), module, nn.Linear(4, 1)))


def refused(model, message, kind=ValueError, x=None, **options):
    with pytest.raises(kind, match=message):
        tangent_of_model(model, features() if x is None else x, **options)


def test_not_a_module():
    refused(lambda x: x, "model must be a torch.nn.Module; got function", TypeError)
    refused(None, "got NoneType", TypeError)


def test_torchscript():
    with pytest.warns(DeprecationWarning, match="trace"):
        scripted = torch.jit.trace(seeded(mlp), torch.zeros(2, 6, dtype=torch.float64))
    refused(scripted, "TorchScript")


def test_nothing_to_train():
    refused(seeded(mlp).requires_grad_(False), "6 parameters, none that requires a gradient: call")
    refused(nn.Sigmoid(), "0 parameters")


def test_parameters_without_numbers():
    refused(nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1)), "'0.weight' is lazy: run the model once")
    refused(mlp().to("meta"), "meta device")


def test_dtypes():
    refused(seeded(mlp).half(), 'got float16: pass dtype="float64"')
    mixed = seeded(mlp)
    mixed[0].float()
    refused(mixed, 'got float32, float64: pass dtype="float64"')
    refused(nn.Linear(6, 1, dtype=torch.complex64), "real parameters")
    refused(seeded(mlp), 'dtype must be None, "float32" or "float64"; got', dtype="float16")
    refused(seeded(mlp), "dtype must be", dtype=torch.bfloat16)
    refused(seeded(mlp), "dtype must be", TypeError, dtype="double precision")


def test_batch_normalisation():
    refused(seeded(BatchNormEval), "BatchNorm1d at 'norm' in train mode.*one sample. Call model.eval")
    bare = with_module(nn.BatchNorm1d(4, track_running_stats=False)).eval()
    refused(bare, "BatchNorm1d at '1' without running statistics")


@pytest.mark.parametrize(
    "model",
    [
        lambda: with_module(nn.Dropout(0.1)),
        lambda: with_module(nn.AlphaDropout(0.1)),
        lambda: with_module(nn.RReLU()),
        lambda: seeded(lambda: _dropout(Attention(), "attend")),
        lambda: seeded(lambda: _recurrent(nn.LSTM(1, 3, 2, batch_first=True, dropout=0.1))),
    ],
)
def test_active_dropout(model):
    refused(model(), "draws random numbers in train mode.*not a function of one sample. Call model.eval")
    agrees(model().eval())


def agrees(model):
    x = features(5)
    if isinstance(model, Recurrent):
        with pytest.warns(UserWarning, match="vectorised"):
            tangent = tangent_of_model(model, x)
    else:
        tangent = tangent_of_model(model, x)
    np.testing.assert_allclose(tangent.squared_norms(), (oracle(model, x) ** 2).sum(1), rtol=1e-12)


def _dropout(model, name):
    getattr(model, name).dropout = 0.1
    return model


def _recurrent(cell):
    model = Recurrent()
    model.cell = cell
    return model


def test_inactive_dropout_is_accepted():
    agrees(with_module(nn.Dropout(0.0)))
    agrees(seeded(Transformer))


def test_random_numbers_in_the_forward():
    refused(acting(lambda h: functional.dropout(h, 0.5)), "draws random numbers")
    refused(acting(lambda h: h + 1e-9 * torch.randn_like(h)), "draws random numbers")


def test_outputs_that_depend_on_the_batch():
    message = "depends on the rest of the batch.*not a function of one sample"
    refused(acting(lambda h: h - h.mean(0)), message)
    # Too weak to see by value in float32: the derivative shows it.
    refused(acting(lambda h: h + 1e-7 * h.mean()).float(), "a derivative in the input of another sample")
    refused(acting(lambda h: h * torch.arange(1.0, len(h) + 1)[:, None]), message)
    refused(
        acting(lambda h: functional.batch_norm(h, None, None, training=True)),
        "Expected more than 1 value|batch",
    )
    # No derivative passes to the input here, so the values must show it.
    model = seeded(lambda: nn.Sequential(nn.Linear(6, 1)))
    model.register_forward_pre_hook(lambda module, args: (args[0].detach() - args[0].detach().mean(0),))
    refused(model, message)


def test_a_square_root_at_zero_is_no_dependence_on_the_batch():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 1)

        def forward(self, x):
            return self.linear(x.sqrt())

    model, x = seeded(Root), features()
    np.testing.assert_allclose(tangent_of_model(model, x).squared_norms(), (oracle(model, x) ** 2).sum(1), rtol=1e-12)


def test_one_output_a_sample():
    refused(acting(lambda h: h, outputs=2), r"one output a sample, shape \(n,\) or \(n, 1\); got \(9, 2\)")
    refused(acting(lambda h: h.mean()), r"got \(\)")
    refused(acting(lambda h: h[None]), r"got \(1, 9, 1\)")
    refused(acting(lambda h: (h, h)), "one tensor.*got tuple")
    refused(acting(lambda h: h.sum(0)), r"got \(1,\)")


def test_kinds_of_output():
    refused(acting(lambda h: torch.complex(h, h)), "real output; got torch.complex128")
    for cut in (torch.Tensor.detach, lambda h: (h > 0).double(), lambda h: h.argmax(1)):
        refused(acting(cut), "can be differentiated.*does not require a gradient")


def test_an_output_that_depends_on_no_parameter_has_a_zero_jacobian():
    tangent = tangent_of_model(acting(lambda h: 0.0 * h), features())
    assert not tangent.squared_norms().any()


def test_encodings_that_do_not_fit():
    x = features(9, 5)
    refused(
        seeded(mlp),
        "Bits must fit the model's input.*width 5.*cannot be multiplied",
        x=x,
        encoding_name="Bits",
    )
    refused(seeded(lambda: nn.Sequential(nn.Conv1d(1, 1, 3), nn.Flatten())), "encoding must fit")
    embedding = seeded(lambda: nn.Sequential(nn.Embedding(2, 4), nn.Flatten(), nn.Linear(24, 1)))
    refused(embedding, "encoding must fit the model's input.*indices")
    for bad in (x[0], x[:0], np.full((3, 6), np.nan)):
        refused(seeded(mlp), "features must", x=bad)


def test_numbers_that_are_not_finite():
    for scale in (float("inf"), float("nan")):
        refused(acting(lambda h, scale=scale: h * scale), "outputs must be finite")


def test_a_gradient_that_is_not_finite_outside_the_probe():
    class Root(nn.Module):
        """Finite everywhere, without a finite gradient where no bit is set."""

        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return torch.sqrt(self.w * x.sum(1))

    x = np.ones((200, 6))
    x[3] = 0.0
    assert tangent_of_model(seeded(Root), x[:3]).squared_norms().all()
    refused(seeded(Root), "gradient in 'w' must be finite", x=x[:4])
    late = tangent_of_model(seeded(Root), x)
    for use in (late.squared_norms, lambda: list(late.column_blocks(1000))):
        with pytest.raises(ValueError, match="gradient in 'w' must be finite; got"):
            use()


def test_a_non_finite_delta_of_a_linear_layer():
    model = seeded(lambda: nn.Sequential(nn.Linear(6, 1, bias=False)))
    model.register_forward_hook(lambda module, args, output: output.abs().sqrt())
    x = np.ones((40, 6)) + features(40)
    x[1] = 0.0
    late = tangent_of_model(model, x)
    for use in (late.squared_norms, lambda: list(late.column_blocks(1000)), lambda: late.transposed_products(x[:, :1])):
        with pytest.raises(ValueError, match=r"gradient.* must be finite; got"):
            use()


def test_parameters_reached_by_another_reference():
    model = acting(lambda h: h)
    kept = [model.linear.weight]
    model.act = lambda h: h + kept[0].sum()
    refused(model, "forward reaches 'linear.weight' by another reference")


class Stateful(nn.Module):
    """Its output depends on what earlier forwards have left, in one of several places."""

    def __init__(self, kind):
        super().__init__()
        self.linear, self.kind, self.box = nn.Linear(6, 1), kind, [0.0]
        self.register_buffer("level", torch.zeros(()))
        self.seen = 0

    def forward(self, x):
        out = self.linear(x)
        if self.kind == "buffer, in place":
            self.level.add_(1.0)
        elif self.kind == "buffer, replaced":
            self.level = 0.9 * self.level + 0.1 * out.detach().mean()
        elif self.kind == "attribute":
            self.seen += 1
        else:
            self.box[0] += 1.0
        return out * (1.0 + 1e-9 * (self.level + self.seen + self.box[0]))


@pytest.mark.parametrize("kind", ["buffer, in place", "buffer, replaced", "attribute", "closure"])
def test_outputs_that_depend_on_earlier_forwards(kind):
    model = seeded(lambda: Stateful(kind))
    refused(model, "another output when the same inputs came again.*keeps a state")
    assert model.level == 0.0
    assert model.seen == 0


def test_forwards_that_write_to_the_model_by_another_reference():
    model = acting(lambda h: h)
    model.register_buffer("count", torch.zeros(2))
    kept = [model.count]
    model.act = lambda h: (kept[0].add_(1.0), h)[1]
    refused(model, "writes to 'count' by another reference")
    assert not model.count.any()


def test_models_that_cannot_be_differentiated():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 3), nn.Linear(3, 1)

        def forward(self, x):
            h = torch.tanh(self.first(x))
            y = self.last(h)
            h.add_(1.0)
            return y

    refused(seeded(InPlace), "must be differentiable; torch says: one of the variables")


class OnMps(nn.Parameter):
    """A parameter that says it is on a device that need not be there."""

    device = property(lambda self: torch.device("mps"))


def test_a_device_without_float64():
    model = seeded(mlp).float()
    model[0].weight = OnMps(model[0].weight.detach())
    refused(model, r'device with float64, .* got parameters on MPS, .* call model.to\("cpu"\)')


def test_jacobians_whose_squares_underflow_are_refused():
    cls = barren.ModularMultiplication(11)
    with pytest.raises(ValueError, match=r"the largest is 1e-200, whose square underflows: scale it up"):
        barren.gradient_variance(cls, jacobian=np.full((11, 1), -1e-200))
    assert float(barren.gradient_variance(cls, jacobian=np.zeros((11, 1)))) == 0.0
    assert float(barren.gradient_variance(cls, jacobian=1e-140 * np.eye(11))) > 0.0
