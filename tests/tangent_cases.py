"""Models and the slow, plain oracle that the tests of tangents share."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from barren import models

SEED = 7


def features(n=9, width=6, seed=3):
    """Bits, as encodings give them, and no two rows alike in their order."""
    return np.random.default_rng(seed).integers(0, 2, (n, width)).astype(np.float64)


def seeded(make, *args, **kwargs):
    """A module in float64 with reproducible weights, the random state of torch left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return make(*args, **kwargs).double()


def oracle(model, x):
    """J (n, d), one plain backward pass a sample; columns in the order of parameters()."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    rows = []
    for sample in torch.tensor(x, dtype=parameters[0].dtype):
        output = model(sample[None]).reshape(())
        found = torch.autograd.grad(output, parameters, allow_unused=True)
        rows.append(
            np.concatenate(
                [
                    np.zeros(p.numel()) if g is None else g.to_dense().double().numpy().ravel()
                    for p, g in zip(parameters, found, strict=True)
                ]
            )
        )
    return np.stack(rows)


def columns(tangent, bytes_limit=1 << 20):
    """All columns of a tangent, the names of their layers, and the size of the largest block."""
    blocks = list(tangent.column_blocks(bytes_limit))
    matrix = np.concatenate([block for _, block in blocks], axis=1)
    return matrix, [name for name, _ in blocks], max(block.nbytes for _, block in blocks)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 1)

    def forward(self, x):
        h = torch.tanh(self.first(x))
        return self.last(h + torch.relu(self.inner(h))).squeeze()


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.lost, self.detached = nn.Linear(6, 1), nn.Linear(6, 2), nn.Linear(6, 1)

    def forward(self, x):
        return self.used(x)[:, 0] + self.detached(x).detach()[:, 0]


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.Linear(6, 6), nn.Linear(6, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.inner(torch.tanh(self.inner(x)))))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 1)
        self.down.weight = self.up.weight

    def forward(self, x):
        return self.last(torch.sigmoid(self.down(torch.tanh(self.up(x)))))


class DirectUse(nn.Module):
    """The weight of `first` also enters past its module."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x))) + functional.linear(x, self.first.weight).sum(1, keepdim=True)


class Reversed(nn.Module):
    """A layer sees the samples in another order: its rows are not those of the outputs."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x.flip(0))).flip(0))


class Positions(nn.Module):
    """A Linear applied at every position of a sequence (3-D input)."""

    def __init__(self):
        super().__init__()
        self.embed, self.last = nn.Linear(2, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.embed(x.reshape(len(x), 3, 2))).mean(1))


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv1d(1, 4, 3), nn.GroupNorm(2, 4), nn.Linear(16, 1)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.conv(x[:, None]))).flatten(1))


class Embedded(nn.Module):
    def __init__(self, sparse=False):
        super().__init__()
        self.embed, self.norm = nn.Embedding(2, 4, sparse=sparse), nn.LayerNorm(4)
        self.last = nn.Linear(4, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.norm(self.embed(x.long()).sum(1))))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.attend = nn.Linear(1, 4), nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(4, 1)

    def forward(self, x):
        h = self.embed(x[..., None])
        return self.last(self.attend(h, h, h, need_weights=False)[0].mean(1))


class ScaledDotProduct(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.last = nn.Linear(1, 4), nn.Linear(1, 4), nn.Linear(4, 1)

    def forward(self, x):
        q, k = self.query(x[:, None, :, None]), self.key(x[:, None, :, None])
        return self.last(functional.scaled_dot_product_attention(q, k, k, is_causal=True)[:, 0].mean(1))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.last = nn.Linear(1, 4), nn.Linear(4, 1)
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)

    def forward(self, x):
        return self.last(self.layer(self.embed(x[..., None])).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.GRU(1, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, x):
        return self.last(self.cell(x[..., None])[0][:, -1])


class Branching(nn.Module):
    """Control flow that depends on the numbers of each sample."""

    def __init__(self):
        super().__init__()
        self.scale, self.one, self.two = nn.Parameter(torch.ones(6)), nn.Linear(6, 1), nn.Linear(6, 1)

    def forward(self, x):
        parts = [self.one if row[0].item() > 0.5 else self.two for row in x]
        return torch.stack([part(row * self.scale)[0] for part, row in zip(parts, x, strict=True)])


class BatchNormEval(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.first(x))))


def mlp(*, inplace=False, bias=True):
    return nn.Sequential(
        nn.Linear(6, 8, bias=bias),
        nn.ReLU(inplace=inplace),
        nn.Linear(8, 5, bias=bias),
        nn.Sigmoid(),
        nn.Linear(5, 1, bias=bias),
    )


def partly_frozen():
    model = mlp()
    model[0].bias.requires_grad_(False)
    model[2].weight.requires_grad_(False)
    model[4].requires_grad_(False)
    return model


def parametrised():
    model = mlp()
    nn.utils.parametrizations.weight_norm(model[2])
    return model


def hooked():
    model = mlp()
    model[0].register_forward_hook(lambda module, args, output: 2.0 * output)
    return model


class Routed(nn.Module):
    """A second layer for the samples that ask for it: no batch calls it unless one does."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 1), nn.Linear(6, 1)

    def forward(self, x):
        asks, out = x[:, :1] > 5.0, self.first(x)
        return torch.where(asks, out + self.second(x), out) if bool(asks.any()) else out


def gpt():
    return models.gpt(6, layers=1, width=8, heads=2, seed=0)


# Models with a rule for every layer.
RULED = {
    "mlp": mlp,
    "no bias": lambda: mlp(bias=False),
    "in-place relu": lambda: mlp(inplace=True),
    "partly frozen": partly_frozen,
    "a linear": lambda: nn.Linear(6, 1),
    "residual": Residual,
    "unused": Unused,
    "user hook": hooked,
    "batch norm in eval, frozen": lambda: _frozen_norm(BatchNormEval()).eval(),
    "batch norm in eval": lambda: BatchNormEval().eval(),
    "twice": Twice,
    "tied": Tied,
    "direct use": DirectUse,
    "positions": Positions,
    "convolution": Convolution,
    "embedding": Embedded,
    "sparse embedding": lambda: Embedded(sparse=True),
    "attention": Attention,
    "attention in eval": lambda: Attention().eval(),
    "sdpa": ScaledDotProduct,
    "transformer": Transformer,
    "transformer in eval": lambda: Transformer().eval(),
    "gpt": gpt,
}
# Models with layers that have none: those layers.
MIXED = {
    "reversed": (Reversed, ["first"]),
    "parametrised": (parametrised, ["2"]),
}
# Models with layers that have none and that vmap cannot follow.
SLOW = {"recurrent": (Recurrent, ["cell"]), "branching": (Branching, ["model", "one", "two"])}


def _frozen_norm(model):
    model.norm.requires_grad_(False)
    return model
