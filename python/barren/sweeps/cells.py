"""From a cell to its row. Cells of one class share its tables, its λ and its points; cells of one seed the network."""

from __future__ import annotations

import importlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from barren import _core, specs
from barren._canonical import array_digest
from barren._warnings import shown_once
from barren.bounds import bounds, one_hot_bound, sharp_bound
from barren.classes import Frequencies, ModularMultiplication, TargetClass
from barren.encodings import Angular, Encoding, Scalar
from barren.report import sizes
from barren.sweeps import axes
from barren.sweeps.parts import row_of
from barren.sweeps.provenance import of_weights, peak_memory, provenance
from barren.sweeps.schema import DONE, FAILED, Cell, Row
from barren.variance import GradientVariance, gradient_variance

if TYPE_CHECKING:
    import torch

__all__ = ["MEMORY_LIMIT", "class_of", "compute", "encoding_of", "law_of", "maker_of", "network_of", "outputs_of"]

MEMORY_LIMIT = 2**30
"""Bytes of a cell, unless told otherwise: fixed, for how much work is done in one go must not depend on the machine."""

# What cells have warned of: a model that cannot be vectorised would say so at every modulus. `sweep` begins it anew.
told: set[str] = set()
# Cells of one process, in whatever threads, take turns: torch's random state, which seeds a network, and its number of
# threads are the process's.
_turn = threading.Lock()

_EASIEST = 10
_LONGEST_ERROR = 1000
# Networks that are kept, largest first to go: the seeds of a grid come again at every modulus.
_NETWORKS, _LARGEST_NETWORK = 32, 2**23


def compute(cells: Sequence[Cell], *, threads: int | None = None, memory_limit: int = MEMORY_LIMIT) -> Iterator[Row]:
    """The rows of some cells, one after the other; what a cell raises becomes a row that says so.

    Training runs that differ in their member alone and follow each other are trained together, where that gives the
    same bits as one by one.

    Args:
        cells: the cells.
        threads: of a cell; default all that the process may use.
        memory_limit: bytes that a cell may use beside its model.
    """
    for together, some in groupby(cells, key=_shared_by):
        if together is None:
            yield from (_row(cell, _one_by_kind, threads, memory_limit) for cell in some)
        else:
            yield from _trained(list(some), threads)


def class_of(cell: Cell) -> TargetClass:
    """The class of a cell; the last ones are kept, with their tables."""
    return _class(cell.get("p"), cell.get("frequencies"), cell.get("parity"), cell.get("target"), _multipliers(cell))


def law_of(cell: Cell) -> Any:
    """The law of x of a cell; None for the default one on the real line."""
    return _law(cell["class"], cell["inputs"])


def encoding_of(cell: Cell) -> tuple[Encoding, int]:
    """The encoding of a cell and its width.

    Raises:
        ValueError: it is none of the real line, in a cell of frequencies.
    """
    shown = specs.encoding(cell["encoding"])
    if cell["class"] == "frequencies":
        if not isinstance(shown, Scalar | Angular):
            raise ValueError(f"encoding must be scalar or angular[:H] with frequencies; got {cell['encoding']!r}")
        return shown, shown.width(3)  # of any modulus
    return shown, shown.width(int(class_of(cell).period))


def outputs_of(cell: Cell) -> int:
    """Outputs of the network of a cell: with cross-entropy one a label."""
    return int(class_of(cell).range[1]) + 1 if cell["loss"] == "cross-entropy" else 1


def network_of(cell: Cell) -> torch.nn.Module:
    """The network of a cell at its initialisation, for `gradient_variance`, which leaves it as it was."""
    return _network(cell["model"], encoding_of(cell)[1], outputs_of(cell), cell["seed"])


def maker_of(model: str) -> Callable[..., torch.nn.Module]:
    """What builds a model of a grid: called with width, seed and outputs. "module:callable" is imported: it runs code.

    Raises:
        ValueError: there is no such module or callable.
    """
    from barren import models

    if not axes.is_callable(model):
        return models.maker(model)
    module, _, name = model.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"axis model must name a callable that can be imported; got {model!r} ({error})") from None
    if not callable(found):
        raise TypeError(f"axis model must name a callable (width, seed, outputs) -> module; got {model!r}")
    return found  # type: ignore[no-any-return]


def _shared_by(cell: Cell) -> str | None:
    """What training runs have in common that are trained together; None for a cell that is computed alone."""
    if cell["kind"] != "train" or not cell["model"].startswith(("mlp:", "linear")):
        return None
    return json.dumps({name: value for name, value in cell.items() if name != "member"}, sort_keys=True)


def _row(cell: Cell, work: Callable[..., dict[str, Any]], *options: Any) -> Row:
    with _turn, shown_once(told):
        start = time.perf_counter()
        try:
            found = {"status": DONE, **work(cell, *options)}
        except (Exception, SystemExit) as error:  # a model may call sys.exit
            found = _failure(error)
        return _finished(cell, found, time.perf_counter() - start, options[0])


def _failure(error: BaseException) -> dict[str, Any]:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    # Names of files may have bytes that are no text, which Python shows as lone surrogates.
    return {"status": FAILED, "error": text[:_LONGEST_ERROR].encode("utf-8", "backslashreplace").decode()}


def _finished(cell: Cell, found: dict[str, Any], seconds: float, threads: int | None) -> Row:
    cost = {"threads": threads or _core.available_threads(), "seconds": seconds, "peak_memory": peak_memory()}
    return row_of(cell, **found, **provenance(), **cost)


def _one_by_kind(cell: Cell, threads: int | None, memory_limit: int) -> dict[str, Any]:
    if cell["kind"] == "bounds":
        return _bounds(cell)
    if cell["kind"] == "train":
        return _train([cell], threads)[0]
    return _variance(cell, threads, memory_limit)


def _variance(cell: Cell, threads: int | None, memory_limit: int) -> dict[str, Any]:
    cls, law, points = _class_side(cell)
    model, encoding = network_of(cell), encoding_of(cell)[0]
    answer = gradient_variance(
        cls,
        model,
        encoding=encoding,
        loss=cell["loss"],
        inputs=law,
        method=cell["method"],
        deviations=cell["deviations"] and None,  # None: where the members can be listed
        rtol=cell.get("rtol"),
        seed=cell["seed"],
        dtype=cell["dtype"],
        memory_limit=memory_limit,
        threads=threads,
    )
    return {
        "value": answer.value,
        "method_used": answer.method,
        **sizes(answer, _sharp(cell)),
        "layer_names": list(answer.per_layer),
        "layer_variances": [float(share) for share in answer.per_layer.values()],
        **(_easiest(answer) if cell["deviations"] and answer.is_listed else {}),
        "points_sha256": points,
        "weights_sha256": of_weights(model),
    }


def _easiest(answer: GradientVariance) -> dict[str, Any]:
    easiest = answer.easiest(_EASIEST)
    return {"easiest": [int(a) for a, _ in easiest], "easiest_shares": [float(share) for _, share in easiest]}


def _bounds(cell: Cell) -> dict[str, Any]:
    cls, law, points = _class_side(cell)
    ladder = bounds(cls, law)
    sharp = next(rung.value for rung in ladder if rung.name == "sharp")
    return {
        "value": sharp,
        "standard_error": 0.0,
        "sharp_bound": sharp,
        "bound_names": [rung.name for rung in ladder],
        "bound_values": [rung.value for rung in ladder],
        "points_sha256": points,
    }


def _trained(cells: list[Cell], threads: int | None) -> Iterator[Row]:
    """Rows of training runs of one network that differ in their member alone; one by one if they fail together."""
    with _turn, shown_once(told):
        start = time.perf_counter()
        try:
            found = _train(cells, threads)
        except (Exception, SystemExit) as error:
            found = [_failure(error)]
        seconds = (time.perf_counter() - start) / len(cells)
    if len(found) < len(cells):
        for cell in cells:
            yield from _trained([cell], threads)
        return
    for cell, values in zip(cells, found, strict=True):
        yield _finished(cell, values, seconds, threads)


def _train(cells: Sequence[Cell], threads: int | None) -> list[dict[str, Any]]:
    from barren.training import train

    first = cells[0]
    shown, width = encoding_of(first)
    build, outputs = maker_of(first["model"]), outputs_of(first)
    ensemble = train(
        class_of(first),
        lambda seed: build(width=width, seed=seed, outputs=outputs),
        encoding=shown,
        members=[cell["member"] for cell in cells],
        seeds=[first["seed"]],
        loss=first["loss"],
        optimizer=first["optimizer"],
        lr=first["lr"],
        steps=first.get("steps"),
        epochs=first.get("epochs"),
        batch_size=first["batch_size"],
        data=first["data"],
        inputs=law_of(first),
        dtype=first["dtype"],
        threads=threads,
    )
    return [_of_run(run) for run in ensemble.rows]


def _of_run(run: dict[str, Any]) -> dict[str, Any]:
    accuracy = run.get("test_accuracy")
    return {
        "status": DONE,
        "value": run["test_relative_loss"] if accuracy is None else accuracy,
        "learned": run["learned"],
        "phase": run["phase"],
        "end": run["end"],
        "steps_made": run["steps"],
        "steps_to_test": run["steps_to_test"],
        "train_loss": run["train_loss"],
        "test_loss": run["test_loss"],
        "train_accuracy": run.get("train_accuracy"),
        "test_accuracy": accuracy,
        "metrics": json.dumps(run, sort_keys=True, default=str),
        "points_sha256": run["train_points"],
        "test_points_sha256": run["test_points"],
    }


def _multipliers(cell: Cell) -> str:
    return str(cell.get("multipliers", "units"))


@lru_cache(maxsize=4)
def _class(p: int | None, frequencies: int | None, parity: str | None, target: str, multipliers: str) -> TargetClass:
    if p is not None:
        return ModularMultiplication(p, specs.target(target), specs.multipliers(multipliers))
    if frequencies is not None:
        return Frequencies(frequencies, specs.target(target))
    assert parity is not None
    return specs.parity(parity)


@lru_cache(maxsize=16)
def _law(family: str, inputs: str) -> Any:
    return specs.real_law(inputs) if family == "frequencies" else specs.law(inputs)


def _class_side(cell: Cell) -> tuple[TargetClass, Any, str | None]:
    """The class, the law of x, and the hash of its points and weights; None where they are no list that fits."""
    return class_of(cell), law_of(cell), _points_hash(class_of(cell), cell["inputs"], cell["class"], cell["kind"])


@lru_cache(maxsize=4)
def _points_hash(cls: TargetClass, inputs: str, family: str, kind: str) -> str | None:
    law = cls.law_of(_law(family, inputs))
    if kind == "bounds":
        return None  # closed forms need no points, and there may be 2^60 of them
    points, weights = cls.points_of(law)
    return array_digest(np.asarray(points), np.asarray(weights))


def _sharp(cell: Cell) -> float | None:
    return _bound(class_of(cell), cell["inputs"], cell["class"], cell["loss"] == "cross-entropy")


@lru_cache(maxsize=4)
def _bound(cls: TargetClass, inputs: str, family: str, one_hot: bool) -> float | None:
    """λ, once for all cells of a class; None where the class kernel of this problem does not fit."""
    law = cls.law_of(_law(family, inputs))
    try:
        if one_hot:
            assert isinstance(cls, ModularMultiplication)
            return one_hot_bound(cls, law)
        return sharp_bound(cls, law)
    except ValueError:
        return None


@lru_cache(maxsize=_NETWORKS)
def _kept_network(model: str, width: int, outputs: int, seed: int) -> torch.nn.Module:
    return _seeded(model, width, outputs, seed)


def _network(model: str, width: int, outputs: int, seed: int) -> torch.nn.Module:
    """From those kept, if it is of a text and not large."""
    if axes.is_callable(model) or not _is_small(model, width, outputs):
        return _seeded(model, width, outputs, seed)
    return _kept_network(model, width, outputs, seed)


@lru_cache(maxsize=64)
def _is_small(model: str, width: int, outputs: int) -> bool:
    made = _seeded(model, width, outputs, 0)
    return 4 * sum(parameter.numel() for parameter in made.parameters()) <= _LARGEST_NETWORK


def _seeded(model: str, width: int, outputs: int, seed: int) -> torch.nn.Module:
    """With torch's random state seeded too, for a callable that draws from it."""
    import torch

    build = maker_of(model)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build(width=width, seed=seed, outputs=outputs)
