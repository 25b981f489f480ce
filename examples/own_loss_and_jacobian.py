"""A loss of your own on a torch model, and the same number from a Jacobian of your own."""

import numpy as np
import torch

import barren
from barren import encodings, models, targets

p = 61
cls = barren.ModularMultiplication(p, targets.Bit(0))
model = models.mlp(6, hidden=(20,), activation="tanh", seed=0).double()


def squared_error_of_probability(outputs, labels):
    """One loss a sample: (σ(N) − y)²."""
    return (torch.sigmoid(outputs) - labels) ** 2


v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss=squared_error_of_probability)

# With two labels any loss weighs the gradient of the output by ω, ∂ℓ/∂N at label 1 less that at label 0.
features = torch.as_tensor(encodings.Bits()(np.arange(p), p))
rows = []
for x in features:
    output = model(x[None])[0, 0]
    gradient = torch.cat([g.ravel() for g in torch.autograd.grad(output, list(model.parameters()))])
    probability = torch.sigmoid(output).item()
    rows.append(-2.0 * probability * (1.0 - probability) * gradient.numpy())
w = barren.gradient_variance(cls, jacobian=np.array(rows))

print(f"from the model {float(v):.12e}, from the Jacobian {float(w):.12e}")
assert abs(float(v) / float(w) - 1.0) < 1e-10
