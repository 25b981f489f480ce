"""What the processes of test_beside.py compute: a few variances by every engine that has threads, as one hash.

Run as a program it imports libraries in the order of its arguments and prints the hash.
"""

from __future__ import annotations

import hashlib
import sys

P = 1009


def exact(threads: int | None = 2) -> str:
    """Of the exact methods and an estimate, from numbers: no torch."""
    import numpy as np

    import barren
    from barren import targets

    jacobian = np.random.default_rng(0).standard_normal((P, 96))
    found = hashlib.sha256()
    for target, method in (
        (targets.Bit(0), "direct"),
        (targets.Bit(0), "character"),
        (targets.Sawtooth(), "kernel"),
        (targets.Bit(0), "probes"),
    ):
        cls = barren.ModularMultiplication(P, target)
        v = barren.gradient_variance(cls, jacobian=jacobian, method=method, threads=threads)
        found.update(np.float64(v).tobytes())
        if v.standard_error == 0.0:
            found.update(np.ascontiguousarray(v.deviations).tobytes())
    return found.hexdigest()


def modelled(threads: int | None = 2) -> str:
    """Of torch models: blocks of Θ on threads of Python's own, and columns."""
    import numpy as np

    import barren
    from barren import encodings, models, targets

    cls, model = barren.ModularMultiplication(P, targets.Bit(0)), models.mlp(10, (200, 200), seed=0)
    found = hashlib.sha256()
    for method in ("kernel", "direct"):
        v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), method=method, threads=threads)
        found.update(np.float64(v).tobytes())
        found.update(np.ascontiguousarray(v.deviations).tobytes())
    return found.hexdigest()


def torch_alone() -> str:
    """A loop and a product of torch's own, large enough for its threads."""
    import torch

    numbers = torch.rand(1 << 20, generator=torch.Generator().manual_seed(0))
    product = numbers.reshape(1024, 1024) @ numbers.reshape(1024, 1024)
    return hashlib.sha256(product.numpy().tobytes() + numbers.exp().sum().numpy().tobytes()).hexdigest()


def numpy_and_scipy_alone() -> str:
    """A product by NumPy's BLAS and one by SciPy's own, each large enough for its threads."""
    import numpy as np
    import scipy.linalg

    numbers = np.random.default_rng(0).standard_normal((512, 512))
    products = numbers @ numbers, scipy.linalg.blas.dgemm(1.0, numbers, numbers)
    return hashlib.sha256(b"".join(np.ascontiguousarray(product).tobytes() for product in products)).hexdigest()


def blas_in_use() -> list[str]:
    """What of BLAS this process has loaded: files named so, and torch where it carries MKL within."""
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "/" in line}
    names = {file.rsplit("/", 1)[-1] for file in files}
    found = {name for name in names if name.startswith("lib") and ("blas" in name or "mkl_rt" in name)}
    if any(name.startswith("libtorch_cpu.") for name in names):
        import torch

        if torch.backends.mkl.is_available():
            found.add("MKL in libtorch_cpu")
    return sorted(found)


def main(orders: list[str]) -> None:
    """Imports, computes in turn, and prints; at the end once more, on one thread and after the loops of the others."""
    for name in orders:
        __import__(name)
    found = [torch_alone(), exact(), modelled(), numpy_and_scipy_alone()]
    again = [numpy_and_scipy_alone(), torch_alone(), exact(1)]
    assert again == [found[3], *found[:2]], "other bits the second time"
    print(*found)
    if sys.platform == "linux":
        print("\n".join(blas_in_use()), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
