"""The arguments of `train`, checked and brought together: a task and its runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from barren import _validate, encodings
from barren.classes import Frequencies, ModularMultiplication, Parity, TargetClass
from barren.training import losses, optimizers, protocols
from barren.training.draws import generator
from barren.training.task import OUTPUTS, Array, Encoding, Task

# Purpose of the draw of members, beside those of the protocols.
_MEMBERS = 6
_RECORDS = 20
_MOST_SEED = 2**63 - 1

Maker = Callable[[int], nn.Module]


def classes_of(cls: TargetClass | Sequence[TargetClass]) -> tuple[TargetClass, ...]:
    """The class of each output.

    Raises:
        TypeError: Not a class, nor a sequence of classes.
        ValueError: None, or classes of other x or other members.
    """
    given = (cls,) if isinstance(cls, TargetClass) else cls
    expected = "a target class such as barren.ModularMultiplication(1009), or a list of them, one an output"
    if not isinstance(given, Sequence):
        _validate.refuse(TypeError, "cls", expected, _validate.came(cls))
    for one in given:
        _validate.instance("cls", one, TargetClass, expected)
    if not given:
        _validate.refuse(ValueError, "cls", expected, "none")
    first = given[0]
    for one in given[1:]:
        if type(one) is not type(first) or one.period != first.period or one.size != first.size:
            raise ValueError(f"cls must be classes with the same x and the same members; got {first!r} and {one!r}")
    if isinstance(first, ModularMultiplication) and first.p >= _validate.WORD_LIMIT:
        raise ValueError(f"cls must have a modulus below 2**63 to be trained; got {first.p}")
    if isinstance(first, Frequencies) and first.dimension > 1:
        raise ValueError(f"cls must be on the real line to be trained; got dimension {first.dimension}")
    return tuple(given)


def members_of(cls: TargetClass, members: int | Sequence[Any] | Array) -> list[Any]:
    """The members that are trained: those given, or so many different ones drawn at random.

    Raises:
        TypeError: Neither a count nor a list of numbers.
        ValueError: None, a repeat, more than the class has, or one that is none of the class.
    """
    if isinstance(members, int | np.integer) and not isinstance(members, bool):
        count = _validate.integer("members", members, low=1, high=cls.size if cls.has_members else None)
        return draw_members(cls, count, generator(0, _MEMBERS))
    found = np.asarray(members)
    if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iuf":
        _validate.refuse(TypeError, "members", "a count or a list of numbers", _validate.came(members))
    if len(np.unique(found)) < len(found):
        _validate.refuse(ValueError, "members", "different ones", _validate.came(members))
    if not isinstance(cls, Frequencies) and found.dtype.kind == "f":
        _validate.refuse(TypeError, "members", f"integers, for {cls!r}", _validate.came(members))
    strangers = found[~are_members(cls, found)]
    if strangers.size:
        _validate.refuse(ValueError, "members", f"among those of {cls!r}", repr(strangers[0].item()))
    listed: list[Any] = found.tolist()
    return listed


def are_members(cls: TargetClass, numbers: Array) -> NDArray[np.bool_]:
    """Which of some numbers are multipliers or frequencies of a class."""
    if isinstance(cls, ModularMultiplication) and cls.multipliers in ("units", "all"):
        inside = (numbers >= 0) & (numbers < cls.p)
        return np.asarray(inside & (np.gcd(numbers, cls.p) == 1)) if cls.multipliers == "units" else inside
    if isinstance(cls, Parity):
        inside = (numbers >= 0) & (numbers < cls.points)
        words = np.where(inside, numbers, 0).tolist()
        return np.asarray(inside & [cls.weight in (None, int(word).bit_count()) for word in words])
    if isinstance(cls, Frequencies) and not cls.has_members:
        return (numbers >= 0.0) & (numbers <= float(cls.A or 0.0))
    return np.isin(numbers, cls.members)


def draw_members(cls: TargetClass, count: int, random: np.random.Generator) -> list[Any]:
    """So many different members, uniform: the first of a stream."""
    found: dict[Any, None] = {}
    while len(found) < count:
        for member in _some_members(cls, 2 * count + 8, random):
            found.setdefault(member)
    return list(found)[:count]


def _some_members(cls: TargetClass, count: int, random: np.random.Generator) -> list[Any]:
    if isinstance(cls, ModularMultiplication) and cls.multipliers in ("units", "all"):
        drawn = random.integers(0, cls.p, size=count)
        units = drawn[np.gcd(drawn, cls.p) == 1] if cls.multipliers == "units" else drawn
        return list(units.tolist())
    if isinstance(cls, Parity) and cls.weight is None:
        return list(random.integers(0, 2**cls.n, size=count).tolist())
    if isinstance(cls, Frequencies) and not cls.has_members:
        assert cls.A is not None
        return list(random.uniform(0.0, float(cls.A), size=count).tolist())
    chosen: list[Any] = cls.members[random.integers(0, cls.size, size=count)].tolist()
    return chosen


def encoding_of(cls: TargetClass, encoding: Encoding | None) -> Encoding:
    """The encoding, or the default one: bits, and x itself on the real line.

    Raises:
        TypeError: It is none.
    """
    if encoding is None:
        return encodings.Scalar() if isinstance(cls.period, float) else encodings.Bits()
    return encodings.checked(encoding, cls.period, cls)


def dtype_of(dtype: Any) -> str:
    """The name of a dtype, "float32" for None.

    Raises:
        TypeError: No dtype.
        ValueError: Another one.
    """
    expected = '"float32" or "float64", by name, NumPy or torch dtype'
    try:
        name = str(dtype).removeprefix("torch.") if isinstance(dtype, torch.dtype) else np.dtype(dtype or "f4").name
    except TypeError:
        _validate.refuse(ValueError if isinstance(dtype, str) else TypeError, "dtype", expected, _validate.came(dtype))
    if name not in ("float32", "float64"):
        _validate.refuse(ValueError, "dtype", expected, name)
    return name


def seeds_of(seeds: int | Sequence[int]) -> list[int]:
    """The seeds: those given, or 0..count−1.

    Raises:
        TypeError: Not integers.
        ValueError: None, a repeat, or a negative one.
    """
    if isinstance(seeds, int | np.integer) and not isinstance(seeds, bool):
        return list(range(_validate.integer("seeds", seeds, low=1)))
    if isinstance(seeds, str) or not isinstance(seeds, Sequence | np.ndarray | range):
        _validate.refuse(TypeError, "seeds", "a count or a list of integers", _validate.came(seeds))
    found = [_validate.integer("seeds", seed, low=0, high=_MOST_SEED) for seed in seeds]
    if not found or len(set(found)) < len(found):
        _validate.refuse(ValueError, "seeds", "different ones, at least one", _validate.came(seeds))
    return found


def rates_of(rates: float | Sequence[float]) -> list[float]:
    """The learning rates.

    Raises:
        TypeError: Not numbers.
        ValueError: None, a repeat, or one not above 0.
    """
    given = rates if isinstance(rates, Sequence | np.ndarray) and not isinstance(rates, str) else [rates]
    found = [_validate.real("lr", rate) for rate in given]
    if not found or len(set(found)) < len(found) or min(found) <= 0.0:
        _validate.refuse(ValueError, "lr", "above 0, different ones where there are several", _validate.came(rates))
    return found


def steps_of(steps: int | None, epochs: int | None, protocol: protocols.Protocol, batch_size: int) -> int:
    """The number of steps.

    Raises:
        TypeError: Not integers.
        ValueError: Both or neither, or epochs where there are none.
    """
    if (steps is None) == (epochs is None):
        raise ValueError(f"exactly one of steps and epochs must be given; got {'neither' if steps is None else 'both'}")
    if steps is not None:
        return _validate.integer("steps", steps, low=1)
    epoch = protocol.epoch(batch_size)
    if epoch is None:
        raise ValueError("epochs needs a fixed training set, data='sample:M'; with fresh draws give steps")
    return epoch * _validate.integer("epochs", epochs, low=1)


def records_of(records: int | Sequence[int] | None, steps: int) -> tuple[int, ...]:
    """The steps at which metrics are recorded: 0, the last one, and between them about so many, evenly in log(step).

    Raises:
        TypeError: Not integers.
        ValueError: One out of 0..steps.
    """
    if records is None or isinstance(records, int | np.integer):
        count = _RECORDS if records is None else _validate.integer("records", records, low=1)
        return tuple(np.unique(np.r_[0, np.rint(np.geomspace(1, steps, count)), steps].astype(np.int64)).tolist())
    if not isinstance(records, Sequence | np.ndarray | range):
        _validate.refuse(TypeError, "records", "a count or a list of steps", _validate.came(records))
    given = {_validate.integer("records", step, low=0, high=steps) for step in records}
    return tuple(sorted({0, steps, *given}))


def task_of(
    classes: tuple[TargetClass, ...],
    *,
    encoding: Encoding | None,
    loss: object,
    outputs: object,
    optimizer: object,
    optimizer_options: Any,
    steps: int | None,
    epochs: int | None,
    batch_size: int,
    data: Any,
    inputs: Any,
    records: Any,
    stop_accuracy: float | None,
    patience: int | None,
    tau: float,
    dtype: Any,
    device: Any,
) -> Task:
    """The task that the arguments pose.

    Raises:
        TypeError, ValueError: See `train`.
    """
    protocol = protocols.from_spec(data)
    batch = _validate.integer("batch_size", batch_size, low=1)
    protocol.check(batch)
    protocol.check_points(classes[0])
    total = steps_of(steps, epochs, protocol, batch)
    chosen = losses.from_spec(loss, list(classes))
    task = Task(
        classes,
        classes[0].law_of(inputs),
        encoding_of(classes[0], encoding),
        chosen,
        outputs_of(outputs, chosen),
        optimizers.from_spec(optimizer, optimizer_options),
        protocol,
        batch,
        total,
        records_of(records, total),
        None if stop_accuracy is None else _validate.real("stop_accuracy", stop_accuracy, low=0.0, high=1.0),
        None if patience is None else _validate.integer("patience", patience, low=1),
        _validate.real("tau", tau, low=0.0, high=0.5),
        dtype_of(dtype),
        _device(device),
    )
    if task.stop_accuracy is not None and not task.is_classified:
        raise ValueError("stop_accuracy needs a target of two values, or cross-entropy; got neither")
    return task


def outputs_of(outputs: object, loss: losses.Loss) -> str | None:
    """What the outputs of a function's loss are, or None where the loss itself says it.

    Raises:
        TypeError: No text.
        ValueError: Another word, or one beside a loss that has a name.
    """
    if outputs is None:
        return None
    expected = f"None or one of {', '.join(OUTPUTS)}"
    if not isinstance(outputs, str):
        _validate.refuse(TypeError, "outputs", expected, _validate.came(outputs))
    if loss.function is None:
        raise ValueError(f"outputs goes with a function as loss; loss={loss.name!r} says what its outputs are")
    return _validate.choice("outputs", outputs, tuple(OUTPUTS))


def _device(device: Any) -> str:
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ValueError(f"device must be one that torch has here; got {device!r} ({reason})") from None
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be 'cpu' or a CUDA device; got {device!r}")
    return str(chosen)
