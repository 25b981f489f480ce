"""The columns of a store of cells: what every row says, and the types of Parquet that hold it.

A cell is a flat dictionary of JSON scalars, its axes. Its key is their canonical JSON, its identity the SHA-256 of it.
A row has every column; what does not apply to its kind is null. Change a column, and `VERSION` goes up by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pyarrow

__all__ = ["AXES", "COLUMNS", "DONE", "FAILED", "VERSION", "VOLATILE", "Cell", "Column", "Row", "arrow", "empty_row"]

VERSION = 1
DONE, FAILED = "done", "failed"

Cell: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        kind: "int" (int64), "float" (float64, NaN is a value), "text", "bool", "texts", "ints" or "floats" (lists).
        meaning: what it holds.

    Source: docs/sweeps, on reading the store.
    """

    kind: str
    meaning: str


AXES: Mapping[str, Column] = {
    "kind": Column("text", 'what was computed: "variance", "train" or "bounds"'),
    "class": Column("text", 'the class of targets: "modular", "frequencies" or "parity"'),
    "p": Column("int", "the modulus, of modular classes"),
    "frequencies": Column("int", "A: frequencies 1..A, of classes on the real line"),
    "parity": Column("text", "N, N:SIZE, with :signed after it for values ±1, of parities"),
    "target": Column("text", "ψ, such as bit:0"),
    "multipliers": Column("text", "units, all or a list such as 1,2,4"),
    "inputs": Column("text", "the law of x"),
    "encoding": Column("text", "how x is shown"),
    "model": Column("text", "such as mlp:1000x1000:sigmoid, or module:callable"),
    "loss": Column("text", "bce, mse, hinge or cross-entropy"),
    "seed": Column("int", "of the initialisation, of the probes of an estimate, of the data of a training run"),
    "method": Column("text", "as asked for, such as kernel or auto"),
    "dtype": Column("text", "float32 or float64: what the model is evaluated in"),
    "deviations": Column("bool", "whether d(a) of every member was computed"),
    "rtol": Column("float", "the relative standard error asked for; null: exact, or what the method gives"),
    "member": Column("int", "train: the member that is learnt"),
    "optimizer": Column("text", "train"),
    "lr": Column("float", "train: the learning rate"),
    "steps": Column("int", "train: updates asked for"),
    "epochs": Column("int", "train: in place of steps"),
    "batch_size": Column("int", "train: points of an update"),
    "data": Column("text", "train: population[:TEST] or sample:M[:SHARE]"),
}
"""The axes; `class` follows from which of p, frequencies and parity a cell has."""

COLUMNS: Mapping[str, Column] = {
    "cell_sha256": Column("text", "SHA-256 of key, in hexadecimal; unique in a store"),
    "key": Column("text", "the cell's axes as canonical JSON (sorted keys, no blanks)"),
    "status": Column("text", '"done" or "failed"'),
    "error": Column("text", "failed: the exception's type and message"),
    **AXES,
    "value": Column(
        "float", "variance: Var = E‖G_a − E G‖²; bounds: λ; train: test accuracy, or test loss over the best constant's"
    ),
    "standard_error": Column("float", "of value; 0 where it is exact; null for train"),
    "method_used": Column("text", "variance: the method that computed it"),
    "mean_squared_norm": Column("float", "variance: B² = E‖∇ output‖²"),
    "mean_squared_norm_of_probability": Column("float", "variance, bce: E‖∇ probability‖²"),
    "normalised": Column("float", "variance: Var/B²"),
    "normalised_by_probability": Column("float", "variance, bce: Var/E‖∇ probability‖²"),
    "sharp_bound": Column("float", "variance, bounds: λ, the sharp bound on Var/B²; null where it is not to be had"),
    "bound": Column("float", "variance: λ·B²"),
    "layer_names": Column("texts", "variance: the layers"),
    "layer_variances": Column("floats", "variance: of each layer's gradient, in that order; they sum to value"),
    "easiest": Column("ints", "variance with deviations: the ten members of largest d(a), largest first"),
    "easiest_shares": Column("floats", "their shares of the variance"),
    "bound_names": Column("texts", "bounds: the rungs of the ladder"),
    "bound_values": Column("floats", "bounds: their values, in that order"),
    "learned": Column("bool", "train: whether the test accuracy is above chance at 99 %"),
    "phase": Column("text", "train: such as memorised, grokked"),
    "end": Column("text", "train: why the run ended"),
    "steps_made": Column("int", "train: updates made"),
    "steps_to_test": Column("int", "train: the first record at which the test metric had passed its threshold"),
    "train_loss": Column("float", "train: at the end"),
    "test_loss": Column("float", "train: at the end"),
    "train_accuracy": Column("float", "train: at the end; null where there are no classes of labels"),
    "test_accuracy": Column("float", "train: as above"),
    "metrics": Column("text", "train: all that `barren.train` says of the run, as JSON"),
    "points_sha256": Column("text", "of the points of x and their weights; train: of the training points"),
    "test_points_sha256": Column("text", "train: of the test points"),
    "weights_sha256": Column("text", "of the model's parameters at initialisation; null for train"),
    "barren_version": Column("text", "version of the package"),
    "commit": Column("text", "commit of its source, with + where files were changed; null outside a checkout"),
    "python_version": Column("text", "version"),
    "numpy_version": Column("text", "version"),
    "scipy_version": Column("text", "version"),
    "torch_version": Column("text", "version"),
    "fft": Column("text", "the library of the Fourier transforms"),
    "cpu": Column("text", "the processor's name"),
    "instruction_set": Column("text", "the core's kernels in use, such as avx512ifma"),
    "platform": Column("text", "operating system and architecture"),
    "threads": Column("int", "threads that the cell could use"),
    "seconds": Column("float", "time the cell took; of runs trained together each its share"),
    "peak_memory": Column("int", "largest resident memory of the process until the cell's end, in bytes"),
}
"""Every column of a part, in order."""

VOLATILE = ("seconds", "peak_memory", "threads")
"""Columns that differ from run to run; all others are the same bits on one machine, see `sweep`."""


def empty_row() -> Row:
    """A row of nulls, in the order of the columns.

    Returns:
        Column -> None.

    Raises nothing.

    Cost: none to speak of.

    Source: docs/sweeps, on reading the store.
    """
    return dict.fromkeys(COLUMNS)


def arrow() -> pyarrow.Schema:
    """The schema of a part; its metadata say the version.

    Returns:
        The schema, its columns in the order of `COLUMNS`.

    Raises:
        ImportError: pyarrow is not installed.

    Cost: none to speak of.

    Source: docs/sweeps, on reading the store.
    """
    import pyarrow

    kinds = {
        "int": pyarrow.int64(),
        "float": pyarrow.float64(),
        "text": pyarrow.string(),
        "bool": pyarrow.bool_(),
        "texts": pyarrow.list_(pyarrow.string()),
        "ints": pyarrow.list_(pyarrow.int64()),
        "floats": pyarrow.list_(pyarrow.float64()),
    }
    fields = [(name, kinds[column.kind]) for name, column in COLUMNS.items()]
    return pyarrow.schema(fields, metadata={"barren_store": str(VERSION)})
