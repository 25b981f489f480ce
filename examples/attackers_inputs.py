"""Which inputs show a gradient the lowest bit of a·x mod p, at a prime of 255 bits and over all 2^255 − 20 multipliers?

With n points of equal weight the variance of n independent coins is a part 1/(4n) of the squared gradient: that much is
learnt by heart, of these points alone. What is above it is seen through correlations between the bits of two inputs.
"""

import random

import numpy as np

import barren
from barren import encodings, inputs, models, targets

p = 2**255 - 19
cls = barren.ModularMultiplication(p, targets.Bit(0))
model = models.mlp(255, hidden=(64, 64), seed=0)
draw = random.Random(0)
laws = {
    "200 random points": inputs.Sample([draw.randrange(1, p) for _ in range(200)]),
    "all powers of two": inputs.PowersOfTwo(),
    "200 integers of weight 2": inputs.LowWeight(2, count=200),
    "200 powers of three": inputs.Sample([pow(3, i, p) for i in range(1000, 1200)]),
    "the integers 1..200": inputs.SmallIntegers(200),
    "the odd integers 1..199": inputs.Sample(range(1, 200, 2)),
}
for name, law in laws.items():
    v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss="bce", inputs=law)
    points = law.points(p)
    correlation = np.abs(cls.kernel(points, points)) / 0.25
    largest = np.triu(correlation, 1).max()
    coins = 1 / (4 * len(points))
    print(f"{name:<26} Var/B² = {v.normalised:.2e} = {v.normalised / coins:.4f} coins   correlation <= {largest:.1e}")
