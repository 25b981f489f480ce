"""Grids of cells: products of axes, and axes that go side by side. Cells are made when they are asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from barren import _validate
from barren.specs import nearest
from barren.sweeps import axes
from barren.sweeps.schema import Cell
from barren.sweeps.values import Scalar, expand

__all__ = ["Block", "Grid"]

# Cells of a grid at most: a plan holds some hundred bytes of each.
_MOST = 10**7


class Block:
    """Axes that go side by side: a value of each a setting. A grid is the product of its blocks.

    Attributes:
        names: the axes.
        settings: their values, a tuple a setting.
    """

    def __init__(self, names: Sequence[str], settings: Sequence[tuple[Scalar, ...]]) -> None:
        self.names, self.settings = tuple(names), settings

    def __len__(self) -> int:
        return len(self.settings)


class Grid:
    """A grid of cells, in order: the last axis named changes fastest.

    Args:
        description: axis -> its values (`barren.sweeps.values.expand`); "kind" -> "variance" (the default), "train" or
            "bounds"; "zip" -> a list of mappings whose axes go side by side, first value with first value.

    Attributes:
        kind: of all cells.
        family: the class of all cells, "modular", "frequencies" or "parity".
        blocks: the axes.
        fixed: what every cell has beside them.

    Raises:
        TypeError: something of the wrong kind.
        ValueError: an unknown axis or key (the nearest is suggested), no class, an axis without a value, zipped axes of
            different lengths, a value that is none of the axis, or more than 10^7 cells.

    Cost: O(sum of the lengths of the axes).

    Source: docs/sweeps, on the grid.

    Example:
        >>> grid = Grid({"kind": "bounds", "p": [5, 7], "target": ["bit:0", "sawtooth"]})
        >>> len(grid), grid.cell(3)["p"], grid.cell(3)["target"]
        (4, 7, 'sawtooth')
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        _validate.instance("grid", description, Mapping, "a mapping of axes, or a path of a TOML file")
        given = dict(description)
        kind = given.pop("kind", "variance")
        if isinstance(kind, str) and kind not in axes.KINDS:
            raise ValueError(f"kind must be one of {', '.join(axes.KINDS)}; got {kind!r}{nearest(kind, axes.KINDS)}")
        self.kind = _validate.choice("kind", kind, axes.KINDS)
        zipped = given.pop("zip", [])
        if not isinstance(zipped, Sequence) or not all(isinstance(one, Mapping) for one in zipped):
            _validate.refuse(TypeError, "zip", "a list of mappings of axes, [[zip]] in a file", _validate.came(zipped))
        for one in zipped:
            _check_zipped(one)
        if not given and not zipped:
            raise ValueError("grid must have at least one cell; got no axis: name p, frequencies or parity")
        names = [*given, *(name for one in zipped for name in one)]
        for name in names:
            if not isinstance(name, str):
                _validate.refuse(TypeError, "grid", "a mapping of names of axes to values", f"the key {name!r}")
            if names.count(name) > 1:
                raise ValueError(f"axis {name} must be named once; got it {names.count(name)} times")
        self.family = axes.check_names(self.kind, names)
        self.blocks = [self._block({name: values}) for name, values in given.items()]
        self.blocks += [self._block(one) for one in zipped]
        self.fixed: Cell = {"kind": self.kind, "class": self.family, **axes.defaults(self.kind, self.family, names)}
        self._description = _plain(description)
        cells = prod(len(block) for block in self.blocks)
        if cells > _MOST:
            raise ValueError(f"grid must have at most {_MOST} cells; got {cells}: make several grids of it")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Grid:
        """The grid of a TOML file: data, of which nothing is executed.

        Args:
            path: of the file.

        Raises:
            ValueError: it cannot be read, is no TOML, or as for the grid itself.
        """
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        try:
            description = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ValueError(f"grid must be a file that can be read; got {str(path)!r} ({error.strerror})") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"grid must be a TOML file; got {str(path)!r} ({error})") from None
        return cls(description)

    def __len__(self) -> int:
        return prod(len(block) for block in self.blocks)

    def __iter__(self) -> Iterator[Cell]:
        return (self.cell(index) for index in range(len(self)))

    def cell(self, index: int) -> Cell:
        """The cell of that number: every axis of its kind and class, with its value.

        Args:
            index: from 0.

        Raises:
            IndexError: there is none.
        """
        index = range(len(self))[index]
        cell = dict(self.fixed)
        for block in reversed(self.blocks):
            index, place = divmod(index, len(block))
            cell.update(zip(block.names, block.settings[place], strict=True))
        if cell.get("loss") == "cross-entropy" and "method" in self.fixed:
            cell["method"] = "table"  # the only exact one for it
        return cell

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """A number a cell, int64, shape (cells,): equal for cells that agree in all of these axes.

        Args:
            names: of axes.
        """
        found = np.zeros(1, np.int64)
        for block in self.blocks:
            chosen = [place for place, name in enumerate(block.names) if name in names]
            codes: dict[tuple[Scalar, ...], int] = {}
            each = [codes.setdefault(tuple(s[i] for i in chosen), len(codes)) for s in block.settings]
            found = (found[:, None] * len(codes) + np.array(each, np.int64)[None, :]).reshape(-1)
        return found

    @property
    def description(self) -> dict[str, Any]:
        """What made it, as JSON values."""
        found: dict[str, Any] = deepcopy(self._description)
        return found

    def _block(self, given: Mapping[str, Any]) -> Block:
        columns = []
        for name, values in given.items():
            expanded = _hashable(name, _repeated(name, values) if len(given) > 1 else expand(name, values))
            # A text is read once; numbers may be a million different ones.
            check = partial(axes.check, name, family=self.family)
            checked = cache(check) if isinstance(expanded[0], str) else check
            columns.append([checked(value) for value in expanded])
        lengths = {name: len(column) for name, column in zip(given, columns, strict=True)}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ValueError(f"zipped axes must have the same number of values; got {told}")
        settings = list(zip(*columns, strict=True))
        # Values of one axis differ as they were given, but may be the same once they are read, such as 6 and "6".
        if (len(given) > 1 or "parity" in given) and len(set(settings)) < len(settings):
            raise ValueError(f"axes {', '.join(given)} must have different settings; got one twice")
        return Block(tuple(given), settings)


def _check_zipped(axes_of_it: Mapping[Any, Any]) -> None:
    if not axes_of_it:
        raise ValueError("zip must be a list of mappings of axes; got one without an axis")
    for name in ("kind", "zip"):
        if name in axes_of_it:
            raise ValueError(
                f"{name} must stand outside of zip; got it within (in a file, what follows [[zip]] is within)"
            )


def _repeated(name: str, values: Any) -> list[Any]:
    """Values of a zipped axis, which may come again."""
    if isinstance(values, list | tuple):
        if not values:
            raise ValueError(f"axis {name} must have at least one value; got none")
        return list(values)
    return expand(name, values)


def _hashable(name: str, values: Sequence[Any]) -> Sequence[Any]:
    for value in values:
        if isinstance(value, Mapping | list | tuple):
            _validate.refuse(TypeError, f"axis {name}", "a list of plain values", f"one with {_validate.came(value)}")
    # True and 1, and 1 and 1.0, are equal keys of a dictionary, and not the same value of an axis.
    kinds = {type(value) for value in values}
    if len(kinds) > 1 and kinds != {int, float} and name != "parity":
        told = ", ".join(sorted(kind.__name__ for kind in kinds))
        _validate.refuse(TypeError, f"axis {name}", "values of one kind", f"{told} together")
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(entry) for entry in value]
    return value
