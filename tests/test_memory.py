"""Every method stays within its memory limit, or says that it cannot: the peak of a fresh process is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PEAK = """
import json
import sys
import warnings
import numpy as np
import torch
import barren
from barren import encodings, models, targets
from barren.tangents import model as model_module
from barren.tangents import routes

def field(name):
    lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return 1024 * int(lines[name].split()[0])

case, limit = json.loads(sys.argv[1]), None
p, kind = case["p"], case["model"]

def arguments(p):
    options = dict(case["options"])
    if kind == "jacobian":
        J = np.ones((p, case["columns"]), case["dtype"])
        J[: p // 2] = 2.0
        return dict(jacobian=J, **options)
    if options.get("loss") == "cubic":
        options["loss"] = lambda n, y: (n - y) ** 2 * n / 6
    if kind == "columns":
        def fail(*args):
            raise RuntimeError("no rules in this test")
        routes.record, model_module._KEPT_BYTES = fail, 0
    width, outputs = (p - 1).bit_length(), 1
    if options.get("loss") == "cross-entropy":
        outputs = case["labels"] or p
    model = models.mlp(width, case["hidden"], outputs=outputs, seed=0)
    if kind == "normed":
        model = torch.nn.Sequential(torch.nn.LayerNorm(width), model)
    return dict(model=model, encoding=encodings.Bits(), **options)

def run(p, limit):
    if case["parities"]:
        cls = barren.Parity((p - 1).bit_length(), case["ones"])
    else:
        some = targets.Table(np.arange(p) % case["labels"]) if case["labels"] else targets.Residue()
        cls = barren.ModularMultiplication(p, targets.Bit(0) if case["two"] else some)
    given = arguments(p)
    before = field("VmRSS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        v = barren.gradient_variance(cls, memory_limit=limit, threads=2, **given)
    return before, v

run(64 if case["parities"] else 67, 2**31)  # what libraries take when they are first used
open("/proc/self/clear_refs", "w").write("5")
before, v = run(p, case["limit"])
print(json.dumps({"peak": field("VmHWM") - before, "method": v.method, "predicted": v.plan.memory}))
"""


def case(method, model, limit, p=2003, two=True, **more):
    options = {"method": method, "deviations": more.pop("deviations", True)}
    options |= {key: more.pop(key) for key in ("loss", "rtol", "per_parameter") if key in more}
    sizes = {"columns": 3000, "dtype": "float64", "hidden": [150, 150], "labels": 3, "parities": False} | more
    return {"model": model, "limit": limit, "p": p, "two": two, "options": options, **sizes}


MIB = 2**20
CASES = {
    "direct": case("direct", "jacobian", 64 * MIB),
    "direct of a model": case("direct", "rules", 64 * MIB),
    "direct by columns": case("direct", "columns", 48 * MIB, hidden=[150, 60]),
    "direct by columns that all fit": case("direct", "columns", 256 * MIB, hidden=[150, 60]),
    "character by columns": case("character", "columns", 64 * MIB, deviations=False, hidden=[150, 60]),
    "character": case("character", "jacobian", 48 * MIB),
    "character of a model": case("character", "rules", 64 * MIB),
    "kernel of J": case("kernel", "jacobian", 160 * MIB, deviations=False),
    "kernel of J with deviations": case("kernel", "jacobian", 192 * MIB),
    "kernel of a composite": case("kernel", "jacobian", 320 * MIB, p=2001),
    "kernel by rules": case("kernel", "rules", 96 * MIB),
    "kernel by columns": case("kernel", "columns", 160 * MIB, deviations=False),
    "kernel by columns with deviations": case("kernel", "columns", 240 * MIB),
    "table by forms of columns": case("table", "columns", 240 * MIB, two=False, loss="cubic"),
    "table by responses": case("table", "rules", 64 * MIB, two=False, loss="cubic", hidden=[30]),
    "parities, direct": case("direct", "jacobian", 80 * MIB, p=2048, parities=True, ones=5),
    "parities, walsh": case("walsh", "jacobian", 64 * MIB, p=2048, parities=True, ones=5),
    "all parities, walsh, of a model": case("walsh", "rules", 64 * MIB, p=4096, parities=True, ones=None),
    "all parities, walsh, by columns": case(
        "walsh", "columns", 64 * MIB, p=2048, parities=True, ones=None, hidden=[150, 60]
    ),
    "parities, kernel": case("kernel", "rules", 96 * MIB, p=2048, parities=True, ones=5, deviations=False),
    "parities, kernel with deviations": case("kernel", "rules", 192 * MIB, p=2048, parities=True, ones=5),
    "all parities, kernel": case("kernel", "rules", 48 * MIB, p=4096, parities=True, ones=None, deviations=False),
    "parities, probes": case("probes", "rules", 400 * MIB, rtol=0.1, p=2048, parities=True, ones=5),
    "table by responses, all residues": case(
        "table", "rules", 64 * MIB, p=499, two=False, labels=0, loss="cubic", hidden=[30]
    ),
    "cross-entropy": case("table", "rules", 48 * MIB, p=251, two=False, labels=0, loss="cross-entropy"),
    "cross-entropy, no table fits": case("table", "rules", 24 * MIB, p=251, two=False, labels=0, loss="cross-entropy"),
    "cross-entropy, many points": case("table", "rules", 48 * MIB, two=False, loss="cross-entropy", hidden=[60, 60]),
    "cross-entropy by products": case("table", "normed", 32 * MIB, p=251, two=False, labels=0, loss="cross-entropy"),
    "probes": case("probes", "rules", 160 * MIB, rtol=0.1, hidden=[700, 300]),
    "probes of a small model": case("probes", "rules", 24 * MIB, rtol=0.1, hidden=[30, 30]),
    "probes with parameters": case("probes", "jacobian", 80 * MIB, per_parameter=True, rtol=0.1, columns=60000, p=251),
}


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peak memory is read from /proc")
@pytest.mark.parametrize("name", CASES)
def test_the_peak_stays_within_the_limit(name):
    """A fresh process that gives back what it frees, so that what lives together is what is counted."""
    command = [sys.executable, "-c", PEAK, json.dumps(CASES[name])]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["method"] == CASES[name]["options"]["method"]
    assert found["predicted"] <= CASES[name]["limit"]
    assert found["peak"] <= 1.15 * CASES[name]["limit"]
