"""Which multipliers can a gradient see? The answer depends on how x is shown to the model."""

import barren
from barren import encodings, models, targets

p = 251
cls = barren.ModularMultiplication(p, targets.Bit(0))
for encoding in [encodings.Bits(), encodings.OneHot(), encodings.Angular(1), encodings.Scalar()]:
    model = models.mlp(encoding.width(p), hidden=(100, 100), seed=0)
    v = barren.gradient_variance(cls, model, encoding=encoding, loss="bce")
    top = ", ".join(f"{min(a, p - a):>3} ({share:.1%})" for a, share in v.easiest(6)[::2])
    print(f"{encoding!r:<22} Var/B² = {v.normalised:.2e}   easiest ±a: {top}")
