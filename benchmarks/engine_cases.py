"""Benchmark cases of the kernel, character and probe engines, and of how they grow."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
from cases import Record, against_the_loop, interleaved, mlp, relative, summary

import barren
from barren import _fft, encodings, models, targets
from barren.classes.group import unit_group

BITS = {"encoding": encodings.Bits(), "loss": "bce"}


def true_deviations(cls: Any, model: Any, encoding: Any, members: list[int]) -> np.ndarray:
    """d(a) of some members by autograd: the gradient of the loss less that of the loss with the mean label.

    The gradient of binary cross-entropy is affine in the label, so that of the mean label is the mean gradient.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    points = np.arange(cls.p)
    features = torch.tensor(encoding(points, cls.p)).to(next(model.parameters()))
    outputs = model(features).reshape(-1)
    parameters = list(model.parameters())

    def gradient(labels: np.ndarray) -> np.ndarray:
        loss = binary_cross_entropy_with_logits(outputs, torch.tensor(labels).to(outputs))
        pieces = torch.autograd.grad(loss, parameters, retain_graph=True)
        return np.concatenate([piece.double().numpy().ravel() for piece in pieces])

    mean = gradient(cls.mean(points))
    return np.array([np.sum((gradient(cls.values([a], points)[0]) - mean) ** 2) for a in members])


def fresh(code: str, *arguments: object) -> dict[str, Any]:
    """What a fresh process prints as JSON, with its peak memory in bytes."""
    code = textwrap.dedent(code) + "\nanswer['bytes'] = peak()\nprint(json.dumps(answer))"
    head = (
        "import json, sys, time, numpy as np, barren\nfrom barren import encodings, models, targets\n"
        # Not getrusage, whose peak a child inherits from its parent.
        "peak = lambda: 1024 * int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def larger(quick: bool) -> Record:
    """All multipliers at p = 4093 against one backward pass each, timed on a sample."""
    p = 251 if quick else 4093
    cls, single, double = barren.ModularMultiplication(p, targets.Bit(0)), mlp(p, "float32"), mlp(p, "float64")
    double.load_state_dict(single.state_dict())
    exact, fast = (barren.gradient_variance(cls, model, **BITS) for model in (double, single))
    some = [1, 2, 3, p // 3, p - 2]
    sample_error = relative(
        exact.deviations[[a - 1 for a in some]], true_deviations(cls, double, BITS["encoding"], some)
    )
    error = abs(float(fast) / float(exact) - 1.0)
    assert sample_error <= 1e-10, sample_error
    assert error <= 1e-6, error
    return {
        **against_the_loop(cls, single, encodings.Bits(), max(1, cls.size // 10), runs=1 if quick else 3),
        "name": "all multipliers of a larger prime against one backward pass each",
        "asked": "≥ 1000×, error ≤ 1e-6 (float32), ≤ 1e-10 (float64)",
        "case": f"p = {p}, bits → 1000 → 1000 → 1 sigmoid, BCE, float32 model; the loop on about ten multipliers",
        "relative_error": {"float32": error, "float64 (sampled d(a))": sample_error},
    }


def memory_large(quick: bool) -> Record:
    """Peak memory of a fresh process that computes the variance and every deviation at p = 20011."""
    p = 251 if quick else 20011
    answer = fresh(
        """
        p = int(sys.argv[1])
        cls = barren.ModularMultiplication(p, targets.Bit(0))
        model = models.mlp((p - 1).bit_length(), (1000, 1000), 'sigmoid', seed=0)
        start = time.perf_counter()
        v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss='bce')
        answer = {'seconds': time.perf_counter() - start, 'method': v.method, 'variance': float(v),
                  'mean': float(v.deviations.mean())}
        """,
        p,
    )
    assert abs(answer["mean"] / answer["variance"] - 1.0) < 1e-8, answer
    assert answer["bytes"] <= 2e9, answer
    return {
        "name": "peak memory of the process at a large prime",
        "asked": "≤ 2 GB at p = 20011",
        "case": f"p = {p}, as above, with every deviation, in {answer['seconds']:.0f} s",
        "bytes": answer["bytes"],
    }


def character(quick: bool) -> Record:
    """The character engine against straight NumPy, with both Fourier libraries."""
    asked = "≥ 5× with ducc0, ≥ 2× with scipy, memory ≤ 3 times the input"
    record = _character(1009 if quick else 100003, quick)
    assert quick or record["memory_over_input"] <= 3.0, record
    return {"name": "character against straight NumPy", "asked": asked, **record}


def character_safe(quick: bool) -> Record:
    """The same at a safe prime, p − 1 = 2q with a prime q: no short transform divides these lengths."""
    record = _character(1019 if quick else 100043, quick)
    return {"name": "character against straight NumPy at a safe prime", "asked": "", **record}


def _character(p: int, quick: bool, columns: int = 64) -> Record:
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    J = np.random.default_rng(0).standard_normal((p, columns))
    order = unit_group(p).powers
    power = np.abs(np.fft.rfft(cls.table()[order])) ** 2 * 2.0
    power[0], power[-1] = 0.0, power[-1] / 2.0

    def straight() -> float:
        energy = (np.abs(np.fft.rfft(J[order], axis=0)) ** 2).sum(axis=1)
        return float(power @ energy) / (p - 1) ** 2 / p**2

    def ours() -> float:
        return float(barren.gradient_variance(cls, jacobian=J, method="character", deviations=False))

    records, installed = {}, _fft._has_ducc0
    for backend in ("scipy", "ducc0"):
        _fft._has_ducc0 = lambda backend=backend: backend == "ducc0"  # type: ignore[assignment]
        difference = abs(ours() / straight() - 1.0)
        assert difference <= 1e-12, difference
        mine, theirs = interleaved(ours, straight, runs=3 if quick else 7)
        records[backend] = summary("", "", mine, theirs, difference=difference)
    _fft._has_ducc0 = installed
    answer = fresh(
        """
        p, columns = int(sys.argv[1]), int(sys.argv[2])
        cls = barren.ModularMultiplication(p, targets.Sawtooth())
        barren.gradient_variance(cls, jacobian=np.ones((p, 1)), method='character', deviations=False)
        before = peak()
        J = np.random.default_rng(0).standard_normal((p, columns))
        barren.gradient_variance(cls, jacobian=J, method='character', deviations=False)
        answer = {'before': before, 'input': J.nbytes}
        """,
        p,
        columns,
    )
    times = (answer["bytes"] - answer["before"]) / answer["input"]
    return {
        **{key: records["ducc0"][key] for key in ("ratio", "seconds", "difference")},
        "case": f"p = {p}, {columns} columns, float64, ducc0; memory {times:.2f} times the input",
        "others": {"with scipy": records["scipy"]["ratio"]},
        "memory_over_input": times,
    }


def probes(quick: bool) -> Record:
    """Probes at a prime above a million, in a fresh process; the same code at a smaller one against the exact value."""
    small, p = (1009, 10007) if quick else (20011, 1000003)
    known, answer = _probed(small), _probed(p)
    cls, model = barren.ModularMultiplication(small, targets.Bit(0)), _probed_model(small)
    exact = float(barren.gradient_variance(cls, model, method="kernel", deviations=False, **BITS))
    difference = abs(known["value"] / exact - 1.0)
    # The seed is fixed; four standard errors are as much as a right estimate shows in 16 000 seeds.
    assert difference <= 4.0 * known["error"] <= 0.2, (known, exact)
    assert answer["error"] <= 0.05, answer
    assert answer["seconds"] <= 300.0, answer
    assert answer["bytes"] <= 2e9, answer
    return {
        "name": "probes at a prime above a million",
        "asked": "5 % relative standard error in ≤ 300 s and ≤ 2 GB",
        "case": f"p = {p}, bits → 200 → 200 → 1 sigmoid, BCE; {answer['seconds']:.0f} s, relative standard error "
        f"{answer['error']:.1%}, every deviation too; at p = {small} {difference:.1%} from the exact value, standard "
        f"error {known['error']:.1%}",
        **answer,
        "smaller": {"p": small, "difference": difference, **known, "exact_value": exact},
    }


def _probed_model(p: int) -> Any:
    return models.mlp((p - 1).bit_length(), (200, 200), "sigmoid", seed=0)


def _probed(p: int) -> dict[str, Any]:
    return fresh(
        """
        p = int(sys.argv[1])
        cls = barren.ModularMultiplication(p, targets.Bit(0))
        model = models.mlp((p - 1).bit_length(), (200, 200), 'sigmoid', seed=0)
        start = time.perf_counter()
        v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss='bce', method='probes', rtol=0.05)
        answer = {'seconds': time.perf_counter() - start, 'error': v.standard_error / float(v), 'value': float(v),
                  'probes': v.estimate.probes, 'exact': v.estimate.exact / float(v)}
        """,
        p,
    )


def threads(quick: bool) -> Record:
    """The kernel engine on two threads against one: the same bits, and the time."""
    p = 251 if quick else 4093
    cls, model = barren.ModularMultiplication(p, targets.Bit(0)), mlp(p, "float32")
    records = {}
    for deviations in (False, True):
        answers = [barren.gradient_variance(cls, model, threads=n, deviations=deviations, **BITS) for n in (1, 2, 7)]
        assert float(answers[0]) == float(answers[1]) == float(answers[2])
        if deviations:
            assert np.array_equal(answers[0].deviations, answers[1].deviations)
            assert np.array_equal(answers[0].deviations, answers[2].deviations)
        two, one = interleaved(
            lambda wanted=deviations: barren.gradient_variance(cls, model, threads=2, deviations=wanted, **BITS),
            lambda wanted=deviations: barren.gradient_variance(cls, model, threads=1, deviations=wanted, **BITS),
            runs=1 if quick else 5,
        )
        records[deviations] = summary("", "", two, one)
    return {
        **records[False],
        "name": "kernel on two threads against one",
        "asked": "≥ 1.7×, the same bits",
        "case": f"p = {p}, bits → 1000 → 1000 → 1 sigmoid, float32; the same bits on 1, 2 and 7 threads",
        "with_deviations": {key: records[True][key] for key in ("ratio", "seconds")},
    }


def gpt(quick: bool) -> Record:
    """A GPT-2-like model without being told a method, against autograd on a sample of multipliers."""
    p = 101 if quick else 1009
    encoding = encodings.Digits(10)
    cls = barren.ModularMultiplication(p, targets.Bit(0))
    model = models.gpt(encoding.width(p), layers=2, width=64, heads=4, vocabulary=10, seed=0).double()
    v = barren.gradient_variance(cls, model, encoding=encoding, loss="bce")
    some = [1, 2, 10, p // 3, p - 10]
    error = relative(v.deviations[[a - 1 for a in some]], true_deviations(cls, model, encoding, some))
    assert error <= 1e-4, error
    record = against_the_loop(cls, model.float(), encoding, max(1, cls.size // 10), runs=1 if quick else 3)
    record["name"], record["asked"] = "a GPT-2-like model, method auto", "right to 1e-4"
    record["case"] = f"p = {p} in digits of base 10, 2 layers, width 64, 4 heads; auto takes {v.method}"
    record["relative_error"] = {"sampled d(a)": error}
    return record


def vmapped(quick: bool) -> Record:
    """Against what a careful user of torch writes: every sample's gradient by vmap, then one matrix product."""
    import torch
    from torch.func import functional_call, grad, vmap

    p = 101 if quick else 1009
    cls = barren.ModularMultiplication(p, targets.Bit(0))
    model = models.mlp((p - 1).bit_length(), (300, 300), "sigmoid", seed=0)
    features = torch.tensor(encodings.Bits()(np.arange(p), p)).float()
    weights = {name: w.detach() for name, w in model.named_parameters()}

    def theirs() -> float:
        rows = vmap(grad(lambda w, x: functional_call(model, w, (x[None],)).squeeze()), (None, 0))(weights, features)
        J = torch.cat([part.reshape(p, -1) for part in rows.values()], dim=1)
        psi = torch.tensor(cls.values(cls.members, np.arange(p)) - cls.mean(np.arange(p))).float()
        return float(((psi @ J) / p).double().square().sum() / cls.size)

    def ours() -> float:
        return float(barren.gradient_variance(cls, model, deviations=False, **BITS))

    difference = abs(theirs() / ours() - 1.0)
    assert difference <= 1e-3, difference  # theirs is float32 throughout
    mine, rival = interleaved(ours, theirs, runs=1 if quick else 5)
    record = summary("against torch.func.vmap(grad) and a matrix product", "", mine, rival, difference=difference)
    record["case"] = f"p = {p}, bits → 300 → 300 → 1 sigmoid, float32"
    return record


def flint_sums(quick: bool) -> Record:
    """Every Dedekind sum of a modulus: one column of sawtooth responses against a loop over FLINT."""
    import flint

    from barren.variance.direct import responses

    p = 1009 if quick else 10007
    cls = barren.ModularMultiplication(p, targets.Sawtooth())
    column, points, ones = cls.table()[:, None], np.arange(p), np.ones(p)

    def theirs() -> np.ndarray:
        return np.array([float(flint.fmpq.dedekind_sum(a, p)) for a in range(1, p)])

    def ours() -> np.ndarray:
        return responses(cls, points, ones, column)[:, 0]

    difference = relative(ours(), theirs())
    assert difference <= 1e-12, difference
    mine, rival = interleaved(ours, theirs, runs=3)
    record = summary("every Dedekind sum s(a, p) against FLINT", "", mine, rival, difference=difference)
    record["case"] = f"p = {p}, by plain sums of p terms each; float64"
    return record


def growth(quick: bool) -> Record:
    """Seconds as p, the number of parameters and the number of threads grow."""
    primes = (101, 211) if quick else (503, 1009, 2003, 4093, 8009)
    widths = (30, 100) if quick else (125, 250, 500, 1000, 2000)
    by_prime = [_seconds_of(p, 1000 if not quick else 30) for p in primes]
    by_width = [_seconds_of(1009 if not quick else 101, width) for width in widths]
    by_thread = [_seconds_of(primes[-2], 1000 if not quick else 30, threads=n) for n in (1, 2)]
    return {
        "name": "how time and memory grow",
        "asked": "",
        "case": "bits → w → w → 1 sigmoid, float32, BCE, every deviation",
        "growth": {"p": by_prime, "w": by_width, "threads": by_thread},
    }


def _seconds_of(p: int, width: int, threads: int = 2) -> dict[str, Any]:
    answer = fresh(
        """
        p, width, threads = map(int, sys.argv[1:4])
        cls = barren.ModularMultiplication(p, targets.Bit(0))
        model = models.mlp((p - 1).bit_length(), (width, width), 'sigmoid', seed=0)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            v = barren.gradient_variance(cls, model, encoding=encodings.Bits(), loss='bce', threads=threads)
            times.append(time.perf_counter() - start)
        answer = {'seconds': min(times), 'method': v.method}
        """,
        p,
        width,
        threads,
    )
    return {"p": p, "w": width, "threads": threads, **answer}


ENGINE_CASES = {
    case.__name__: case
    for case in (larger, memory_large, character, character_safe, probes, threads, gpt, vmapped, flint_sums, growth)
}
