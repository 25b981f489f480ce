"""The axes of a grid: which go with which kind of cell, what their values must be, what stands where none is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from barren import _validate, specs
from barren.sweeps.values import Scalar
from barren.variance.plan import NAMES

KINDS = ("variance", "train", "bounds")
CLASSES = {"p": "modular", "frequencies": "frequencies", "parity": "parity"}
"""The axis that names a class -> the class."""

_WORD = 2**63 - 1
_CALLABLE = re.compile(r"(?!(?:mlp|gpt|linear):)[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        check: (name, value) -> the value as a JSON scalar; raises TypeError or ValueError.
        kinds: the kinds of cells that have it.
        classes: the classes that have it.
    """

    check: Callable[[str, Any], Scalar]
    kinds: tuple[str, ...] = KINDS
    classes: tuple[str, ...] = tuple(CLASSES.values())


def is_callable(model: str) -> bool:
    """Whether a model's text names a function, "module:callable", which runs code when the sweep runs."""
    return _CALLABLE.fullmatch(model) is not None


def defaults(kind: str, family: str, given: Iterable[str]) -> dict[str, Scalar]:
    """What stands for the axes that a grid does not name; a cell always has them all, so its key is of what was run.

    Args:
        kind: of the cells.
        family: the class.
        given: the axes that are named.
    """
    on_line = family == "frequencies"
    found: dict[str, Scalar] = {"inputs": "uniform"}
    if family != "parity":
        found["target"] = "sawtooth" if on_line else "bit:0"
    if family == "modular" and kind != "train":
        found["multipliers"] = "units"
    if kind != "bounds":
        found |= {"encoding": "scalar" if on_line else "bits", "loss": "mse" if on_line else "bce", "seed": 0}
        found |= {"dtype": "float32", "model": "mlp:1000x1000:sigmoid" if kind == "variance" else "mlp:100x100:relu"}
    if kind == "variance":
        found |= {"method": "kernel", "deviations": False}
    if kind == "train":
        found |= {"optimizer": "adam", "lr": 1e-3, "batch_size": 100, "data": "population"}
        if "epochs" not in given:
            found["steps"] = 1000
    return {name: value for name, value in found.items() if name not in given}


def check_names(kind: str, names: Iterable[str]) -> str:
    """Checks the axes of a grid by name, and returns the class.

    Raises:
        ValueError: an unknown axis (the nearest is suggested), one that goes with another kind or class, no class or
            several, or a training run without its member.
    """
    given = list(names)
    for name in given:
        if name not in AXES:
            known = (*AXES, "kind", "zip")
            raise ValueError(f"grid has no axis {name!r}{specs.nearest(name, known)}; axes are {', '.join(AXES)}")
    classes = [name for name in given if name in CLASSES]
    if len(classes) != 1:
        raise ValueError(f"grid must name its class by one of {', '.join(CLASSES)}; got {classes or 'none of them'}")
    family = CLASSES[classes[0]]
    for name in given:
        if kind not in AXES[name].kinds:
            raise ValueError(f"axis {name} goes with kind {' or '.join(AXES[name].kinds)}; got it with {kind!r}")
        if family not in AXES[name].classes:
            raise ValueError(f"axis {name} goes with {' or '.join(AXES[name].classes)}; got it with {classes[0]}")
    if kind == "train" and "member" not in given:
        raise ValueError("grid of kind 'train' must have the axis member, what is learnt; got none")
    if "steps" in given and "epochs" in given:
        raise ValueError("grid must have one of the axes steps and epochs; got both")
    return family


def check(name: str, value: Any, *, family: str) -> Scalar:
    """A value of an axis, as it goes into a cell.

    Raises:
        TypeError, ValueError: it is none; the message names the axis, what was expected and what came.
    """
    told = f"axis {name}"
    if isinstance(value, Mapping | list | tuple):
        _validate.refuse(TypeError, told, "a list of plain values", f"one that holds {_validate.came(value)}")
    if name == "inputs":
        return _law_of_class(told, value, family)
    return AXES[name].check(told, value)


def _integer(low: int) -> Callable[[str, Any], Scalar]:
    return lambda name, value: _validate.integer(name, value, low=low, high=_WORD)


def _positive(name: str, value: Any) -> Scalar:
    number = _validate.real(name, value)
    if number <= 0.0:
        _validate.refuse(ValueError, name, "a number above 0", _validate.came(value))
    return number


def _choice(*options: str) -> Callable[[str, Any], Scalar]:
    def chosen(name: str, value: Any) -> Scalar:
        if isinstance(value, str) and value not in options:
            expected = f"one of {', '.join(options)}"
            _validate.refuse(ValueError, name, expected, f"{value!r}{specs.nearest(value, options)}")
        return _validate.choice(name, value, options)

    return chosen


def _read(read: Callable[[Any], object]) -> Callable[[str, Any], Scalar]:
    """A text that one of the readers of `specs` takes."""

    def checked(name: str, value: Any) -> Scalar:
        try:
            read(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        return str(value)

    return checked


def _law_of_class(name: str, value: Any, family: str) -> Scalar:
    return _read(specs.real_law if family == "frequencies" else specs.law)(name, value)


def _model(name: str, value: Any) -> Scalar:
    if isinstance(value, str) and is_callable(value):
        return value
    from barren import models

    try:
        return _read(models.maker)(name, value)
    except ValueError as error:
        raise ValueError(f'{error}; a function that builds it is written "package.module:function"') from None


def _data(name: str, value: Any) -> Scalar:
    from barren.training.protocols import from_spec

    return _read(from_spec)(name, value)


def _parity(name: str, value: Any) -> Scalar:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # all parities of so many bits
    return _read(specs.parity)(name, value)


_MODELLED = ("variance", "train")
_TRAINED = ("train",)
_MODULAR = ("modular",)

AXES: dict[str, Axis] = {
    "p": Axis(_integer(3)),
    "frequencies": Axis(_integer(1)),
    "parity": Axis(_parity),
    "target": Axis(_read(specs.target), classes=("modular", "frequencies")),
    "multipliers": Axis(_read(specs.multipliers), kinds=("variance", "bounds"), classes=_MODULAR),
    "inputs": Axis(_read(specs.law)),
    "encoding": Axis(_read(specs.encoding), kinds=_MODELLED),
    "model": Axis(_model, kinds=_MODELLED),
    "loss": Axis(_choice("bce", "mse", "hinge", "cross-entropy"), kinds=_MODELLED),
    "seed": Axis(_integer(0), kinds=_MODELLED),
    "method": Axis(_choice("auto", *NAMES), kinds=("variance",)),
    "dtype": Axis(_choice("float32", "float64"), kinds=_MODELLED),
    "deviations": Axis(_validate.boolean, kinds=("variance",)),
    "rtol": Axis(_positive, kinds=("variance",)),
    "member": Axis(_integer(0), kinds=_TRAINED),
    "optimizer": Axis(_choice("sgd", "adam", "adamw", "sign-sgd"), kinds=_TRAINED),
    "lr": Axis(_positive, kinds=_TRAINED),
    "steps": Axis(_integer(1), kinds=_TRAINED),
    "epochs": Axis(_integer(1), kinds=_TRAINED),
    "batch_size": Axis(_integer(1), kinds=_TRAINED),
    "data": Axis(_data, kinds=_TRAINED),
}
