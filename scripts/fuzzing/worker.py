"""Makes the calls: each depends on the seed and its own number alone, so that any of them can be made again."""

from __future__ import annotations

import ast
import functools
import json
import mmap
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from barren import _core
from fuzzing import modular, others, real
from fuzzing.answers import Answer, Entry, IllegalError, UnknownError
from fuzzing.draws import Draw, Made, Packed
from fuzzing.spoil import Index, aliased, anything, spoilt

ENTRIES: dict[str, Entry] = {**modular.ENTRIES, **real.ENTRIES, **others.ENTRIES}
REFUSALS = (TypeError, ValueError, OverflowError, MemoryError)
A_KERNEL = 997  # calls before another instruction set is taken
# Takes nothing, and leaves a process on one thread for good (tests/test_beside.py has it called after a fork).
LEFT_OUT = {"note_fork"}
A_REPORT = 1000  # calls before the counts are told


def exports(core: Any = _core) -> Iterator[str]:
    """Every function, class, method and property that the bindings export."""
    for name, value in vars(core).items():
        if name.startswith("_") or isinstance(value, str) or name in LEFT_OUT:
            continue
        yield name
        if isinstance(value, type):
            yield from (f"{name}.{inner}" for inner in vars(value) if not inner.startswith("_"))


def function_of(name: str) -> Any:
    """What is called: a function, a class, an unbound method or what reads a property."""
    outer, _, inner = name.partition(".")
    value = getattr(_core, outer)
    if not inner:
        return value
    found = vars(value)[inner]
    return found.fget if isinstance(found, property) else getattr(value, inner)


@dataclass(frozen=True)
class Signature:
    """An overload: the dtype of each of its parameters (None: no array), and the defaults."""

    dtypes: dict[str, str | None]
    defaults: dict[str, Any]

    def takes(self, arguments: dict[str, Any]) -> bool:
        """Whether these are its parameters, of their dtypes."""
        return list(arguments) == list(self.dtypes) and all(
            dtype is None or getattr(value, "dtype", None) == dtype
            for dtype, value in zip(self.dtypes.values(), arguments.values(), strict=True)
        )


@functools.cache
def signatures(name: str) -> list[Signature]:
    """The overloads of a function as its docstring tells them."""
    function = function_of(name)
    text = (function.__init__ if isinstance(function, type) else function).__doc__
    found = []
    for match in re.finditer(r"^(?:\d+\. )?\w*(\(.*\)) -> .*$", text, flags=re.MULTILINE):
        if match[0].startswith(("__init__(*", f"{name}(*")):
            continue
        stub = ast.parse(f"def f{match[1]}: ...").body[0]
        assert isinstance(stub, ast.FunctionDef)
        names = [argument.arg for argument in stub.args.args]
        kinds = [ast.unparse(argument.annotation or ast.Constant(None)) for argument in stub.args.args]
        dtypes = {n: _dtype_of(kind) for n, kind in zip(names, kinds, strict=True) if kind != f"barren._core.{name}"}
        defaults = [ast.literal_eval(value) for value in stub.args.defaults]
        found.append(Signature(dtypes, dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))))
    return found


def _dtype_of(annotation: str) -> str | None:
    match = re.fullmatch(r"numpy\.typing\.NDArray\[numpy\.(\w+)\]", annotation)
    packed = re.fullmatch(r"barren\._core\.PackedFactor(\d\d)", annotation)
    return match[1] if match else f"float{packed[1]}" if packed else None


def gaps(core: Any = _core, entries: dict[str, Entry] = ENTRIES) -> list[str]:
    """What is exported and not called, or called and not exported, down to overloads and parameters."""
    exported = set(exports(core))
    found = [f"{name} is exported and has no strategy" for name in sorted(exported - set(entries))]
    found += [f"{name} has a strategy and is not exported" for name in sorted(set(entries) - exported)]
    for name in sorted(exported & set(entries)):
        wanted, taken = signatures(name), Counter[int]()
        for index in range(400):
            arguments = {key: _plain(value) for key, value in entries[name].draw(Draw((0, index))).items()}
            if "." in name:  # pybind11 names the object of a property arg0
                arguments = {}
            matching = [i for i, signature in enumerate(wanted) if "." in name or signature.takes(arguments)]
            if not matching:
                found.append(f"{name}: the strategy draws {list(arguments)}, which no overload takes")
                break
            taken.update(matching[:1])
            if len(taken) == len(wanted) or "." in name:
                break
        else:
            found.append(f"{name}: the strategy never draws for {len(wanted) - len(taken)} of its overloads")
    return found


def _as_it_is(value: Any) -> Any:
    """A number or an array in the place of what counts as one, in a tuple or a list too."""
    if type(value) in (tuple, list):
        return type(value)(_as_it_is(item) for item in value)
    if isinstance(value, Index):
        return int(value)
    if isinstance(value, Fraction):
        return float(value)
    return np.asarray(value) if isinstance(value, np.ndarray) else value


def _plain(value: Any) -> Any:
    return value.matrix if isinstance(value, Packed) else value


@dataclass
class Call:
    """A call of the core as it was drawn."""

    name: str
    arguments: dict[str, Any]
    positional: int
    is_legal: bool
    is_compared: bool
    draw: Draw
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in {**self.arguments, **self.more}.items())
        return f"{self.name}({shown}), {self.positional} of them by place"


def drawn(seed: int, index: int, share: float, names: list[str]) -> Call:
    """The call of this number."""
    draw = Draw((seed, index))
    name = draw.one_of(names)
    entry = ENTRIES[name]
    arguments, how, more = entry.draw(draw), draw.rng.random(), {}
    is_legal = how < 0.4 or not arguments
    if not is_legal and how < 0.95:
        for _ in range(1 if how < 0.8 else 3):
            key = draw.one_of(list(arguments))
            arguments[key] = spoilt(draw, arguments[key])
    elif not is_legal and how < 0.97 and entry.written:
        aliased(draw, arguments, entry.written)
    most = len(arguments)
    if how > 0.97:
        is_legal = False
        more = {draw.one_of(("more", "self")): anything(draw)}
        if arguments and draw.chance(0.3):
            gone = draw.one_of(list(arguments))
            most = list(arguments).index(gone)  # those after it keep their names
            del arguments[gone]
            more = {}
    positional = len(arguments) if draw.chance(0.8) else int(draw.rng.integers(0, len(arguments) + 1))
    positional = min(positional, most)
    if "." in name:
        positional = len(arguments)
    elif not more and draw.chance(0.15):
        for key in defaults(name):
            if draw.chance(0.5) and key in arguments:
                positional = min(positional, list(arguments).index(key))
                del arguments[key]
    return Call(name, arguments, positional, is_legal, draw.chance(share), draw, more)


def built(value: Any) -> Any:
    """The object of the core that an argument stands for."""
    if isinstance(value, Packed):
        single = getattr(value.matrix, "dtype", None) == np.float32
        return (_core.PackedFactor32 if single else _core.PackedFactor64)(value.matrix)
    if isinstance(value, Made):
        stop = _core.Stop()
        if value.is_set:
            stop.set()
        return stop
    return value


def made(call: Call) -> tuple[str, str | None]:
    """Makes a call: what came of it ("answered", "refused" or "compared"), and what is wrong with that, if anything."""
    entry, arguments = ENTRIES[call.name], call.arguments
    kept = {
        key: value.copy() if key == entry.written and isinstance(value, np.ndarray) else value
        for key, value in arguments.items()
    }
    before = [value.tobytes() for key, value in _read(entry, arguments)] if call.is_compared else []
    try:
        values = {key: built(value) for key, value in arguments.items()}
        by_place, by_name = list(values.values())[: call.positional], list(values.items())[call.positional :]
        got = function_of(call.name)(*by_place, **{**dict(by_name), **call.more})
    except REFUSALS as error:
        return "refused", f"refused a legal call: {error}" if call.is_legal else None
    except BaseException as error:  # whatever it is, it is the finding
        return "refused", f"raised {type(error).__name__}: {error}"
    wrong = entry.after(**kept) if entry.after is not None and not call.more else None
    if wrong is None and not call.draw.margins_hold():
        wrong = "wrote beside the output"
    if call.more or not call.is_compared:
        return "answered", wrong or ("took an argument too many" if call.more else None)
    if before != [value.tobytes() for _, value in _read(entry, arguments)]:
        wrong = wrong or "changed an argument that it only reads"
    return _compared(call, entry, kept, arguments[entry.written] if entry.written else got, wrong)


def _read(entry: Entry, arguments: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    written = arguments.get(entry.written) if entry.written else None
    return [
        (key, value)
        for key, value in arguments.items()
        if isinstance(value, np.ndarray) and key != entry.written
        if not (isinstance(written, np.ndarray) and np.may_share_memory(value, written))
    ]


def defaults(name: str) -> dict[str, Any]:
    """What a function takes for arguments that are left out."""
    return {key: value for signature in signatures(name) for key, value in signature.defaults.items()}


def _overlaps(entry: Entry, arguments: dict[str, Any]) -> bool:
    """Whether what is written lies in memory that is read."""
    written = arguments.get(entry.written) if entry.written else None
    others = [value for key, value in arguments.items() if key != entry.written and isinstance(value, np.ndarray)]
    return isinstance(written, np.ndarray) and any(np.may_share_memory(written, value) for value in others)


def _compared(call: Call, entry: Entry, kept: dict[str, Any], got: Any, wrong: str | None) -> tuple[str, str | None]:
    try:
        known = {key: _as_it_is(value) for key, value in kept.items()}
        answer = entry.answer(**{**defaults(call.name), **known})
    except (UnknownError, MemoryError):
        return "answered", wrong
    except IllegalError:
        return "compared", wrong or "answered a call that has no answer"
    except Exception as error:
        if call.is_legal:
            raise
        return "compared", wrong or f"answered a call that has no answer: {error!r}"
    if _overlaps(entry, call.arguments):
        return "compared", wrong or "answered a call that writes to what it reads"
    return "compared", wrong or (answer.mistake(got) if isinstance(answer, Answer) else None)


def settle(index: int, name: str | None = None) -> None:
    """The instruction set whose turn it is; nothing is obeyed."""
    names = others.KERNELS
    if name is None or name in ("use_kernel", "obey"):
        _core.obey(None)
        _core.use_kernel(names[index // A_KERNEL % len(names)])


def resident() -> int:
    """Bytes of memory that are in use."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def work(seed: int, first: int, last: int, share: float, place: mmap.mmap, out: TextIO = sys.stdout) -> None:
    """Makes the calls first..last−1; writes the number of each to `place` and what came of them to `out`, in lines."""
    names, counts = list(ENTRIES), Counter[str]()
    settle(first)
    place[8] = 1  # the calls begin
    for index in range(first, last):
        place[:8] = index.to_bytes(8, "little")
        if index % A_KERNEL == 0:
            settle(index)
        call = drawn(seed, index, share, names)
        came, wrong = made(call)
        settle(index, call.name)
        counts[f"{call.name} {came}"] += 1
        if wrong is not None:
            print(json.dumps({"index": index, "wrong": wrong, "call": str(call)[:2000]}), file=out, flush=True)
        if (index + 1 - first) % A_REPORT == 0 or index + 1 == last:
            print(json.dumps({"counts": counts, "resident": resident(), "done": index + 1}), file=out, flush=True)
            counts = Counter()
