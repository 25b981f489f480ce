"""What a process has one of, as plain values, compared before and after calls; run by test_global_state.py."""

from __future__ import annotations

import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import figure_cases
import matplotlib
import numpy as np
import torch
from matplotlib.backends import backend_agg  # noqa: F401  (libraries set themselves up once, before anything is compared)

import barren
from barren import encodings, figures, models, targets
from barren.__main__ import main as command
from barren._canonical import array_digest
from barren.sweeps import report


def state() -> dict[str, Any]:
    """Name -> value, comparable."""
    handlers = {name: list(map(id, logger.handlers)) for name, logger in _loggers().items()}
    return {
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch dtype and device": (torch.get_default_dtype(), torch.get_default_device()),
        "torch random state": array_digest(torch.get_rng_state().numpy()),
        "torch modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "torch determinism": (torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()),
        "torch attention": (
            torch.backends.cuda.flash_sdp_enabled(),
            torch.backends.cuda.math_sdp_enabled(),
            torch.backends.cuda.mem_efficient_sdp_enabled(),
            torch.backends.mha.get_fastpath_enabled(),
        ),
        "numpy random state": repr(np.random.get_state()),  # noqa: NPY002
        "numpy errors and printing": (np.geterr(), np.get_printoptions()),
        "small floats": float(np.float64(2.0) ** -1060),  # 0.0 where a library has switched them off
        "random state": random.getstate(),
        "decimal context": repr(decimal.getcontext()),
        "warnings": (repr(warnings.filters), warnings.showwarning, warnings.formatwarning),
        "logging": (
            handlers,
            {name: logger.level for name, logger in _loggers().items()},
            logging.root.manager.disable,
        ),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook, sys.gettrace()),
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "interpreter": (sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold()),
        "path": (list(sys.path), list(sys.argv), os.getcwd()),
        "environment": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "matplotlib": {name: repr(dict.__getitem__(matplotlib.rcParams, name)) for name in matplotlib.rcParams},
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": [thread.name for thread in threading.enumerate()],
        "open files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None,
    }


def _loggers() -> dict[str, logging.Logger]:
    known = {name: one for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger)}
    ours = {name: one for name, one in known.items() if not name.startswith(("torch", "matplotlib"))}
    return {"": logging.root, **ours}


Calls = dict[str, Callable[[], Any]]


def compare(calls: Calls) -> None:
    """Runs every call twice and names what the second one left behind: a library may set itself up at the first.

    Raises:
        AssertionError: a call has changed something.
    """
    left = {}
    for name, call in calls.items():
        call()
        before = state()
        call()
        after = state()
        changed = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
        if changed:
            left[name] = changed
    assert not left, left


def pairing() -> Calls:
    """Variances by every method, their plan, and what needs no model."""
    cls, bits, model = barren.ModularMultiplication(101, targets.Bit(0)), encodings.Bits(), models.mlp(7, (16,), seed=0)

    def variance(**options: Any) -> Callable[[], Any]:
        return lambda: barren.gradient_variance(cls, model, encoding=bits, **options)

    two = torch.nn.Linear(7, 2)

    def refused() -> None:
        try:
            barren.gradient_variance(cls, two, encoding=bits)
        except ValueError:
            return
        raise AssertionError("two outputs were taken for one")

    labels, residues = models.mlp(4, (8,), seed=0, outputs=11), barren.ModularMultiplication(11, targets.Residue())
    return {
        **{method: variance(method=method, threads=1) for method in ("direct", "character", "kernel", "probes")},
        "threads": variance(method="kernel", threads=2),
        "estimate": variance(rtol=0.5),
        "plan": lambda: barren.plan(cls, model, encoding=bits),
        "cross-entropy": lambda: barren.gradient_variance(residues, labels, encoding=bits, loss="cross-entropy"),
        "a refusal": refused,
        "a model": lambda: models.gpt(3, seed=1),
        "bounds": lambda: barren.bounds(cls),
        "spectrum": lambda: barren.spectrum(cls),
        "configuration": barren.configuration,
    }


def experiments() -> Calls:
    """Training, a sweep with its report, a figure, and commands."""
    folder = Path(tempfile.mkdtemp())
    numbers = iter(range(1000))
    cls = barren.ModularMultiplication(101, targets.Bit(0))

    def fresh() -> Path:
        return folder / str(next(numbers))

    def sweep() -> None:
        out = fresh()
        barren.sweep({"kind": "variance", "p": [11], "model": "mlp:8", "seed": [0, 1]}, out)
        report.write(out)

    def figure() -> None:
        figures.make(figures.FIGURES["log-covariance"], fresh(), settings=figure_cases.tiny("log-covariance"))

    return {
        "train": lambda: barren.train(cls, "mlp:8:relu", members=2, steps=20, watch=2, save=fresh(), threads=2),
        "sweep and report": sweep,
        "figure": figure,
        "a mistake": lambda: command(["bounds", "--p", "2"]),
        "command bounds": lambda: command(["bounds", "--p", "11"]),
        "command info": lambda: command(["info", "--json"]),
        "command variance": lambda: command(["variance", "--p", "11", "--model", "mlp:8"]),
    }


def main(kind: str) -> None:
    """Under settings that are nobody's defaults: what is put back must be the caller's, and not a usual value."""
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(3)
    np.seterr(under="warn")
    np.set_printoptions(precision=5)
    warnings.simplefilter("ignore")
    random.seed(1)
    compare({"pairing": pairing, "experiments": experiments}[kind]())
