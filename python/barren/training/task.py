"""What a whole ensemble shares: classes, law of x, loss, optimizer, data protocol, and how outputs become metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from barren.classes import ModularMultiplication, TargetClass
from barren.encodings import features_of
from barren.targets import Residue
from barren.training import circular, metrics
from barren.training.losses import Loss
from barren.training.optimizers import Optimizer
from barren.training.protocols import Protocol

Array = np.ndarray[Any, np.dtype[Any]]
Encoding = Callable[[Array, Any], Array]
# What outputs may be of a loss that is a function -> where two values are told apart, None for their middle.
OUTPUTS: dict[str, float | None] = {"values": None, "logits": 0.0, "probabilities": 0.5}


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        member: The multiplier or frequency that is its target.
        seed: Of its initialisation and its data.
        rate: The learning rate.
    """

    member: Any
    seed: int
    rate: float


@dataclass(frozen=True)
class Task:
    """What all runs of an ensemble share.

    Attributes:
        classes: One a output, all with the same members, on the same x; the loss is the sum.
        law: The law of x.
        encoding: How x is shown.
        loss: The loss of a sample.
        outputs: A key of `OUTPUTS`, of a loss that is a function; None where a point is guessed by the smaller loss.
        optimizer: The optimizer, without its learning rate.
        protocol: Where the points come from.
        batch_size: Points of a step.
        steps: Steps of a run that is not stopped.
        records: The steps at which the metrics are recorded: 0, …, steps.
        stop_accuracy: A run is stopped when its test accuracy is at least this at a record, or None.
        patience: A run is stopped after so many records without a lower test loss, or None.
        tau: τ of the accuracy within τ·p, for residues.
        dtype: "float32" or "float64".
        device: Where it is computed, "cpu" or "cuda".
    """

    classes: tuple[TargetClass, ...]
    law: Any
    encoding: Encoding
    loss: Loss
    outputs: str | None
    optimizer: Optimizer
    protocol: Protocol
    batch_size: int
    steps: int
    records: tuple[int, ...]
    stop_accuracy: float | None
    patience: int | None
    tau: float
    dtype: str
    device: str

    def values(self, members: Array, x: Array) -> Array:
        """Labels of shape (members, n, classes), float64."""
        return np.stack([cls.values(members, x, threads=1) for cls in self._labelled], axis=-1)

    @cached_property
    def _labelled(self) -> tuple[TargetClass, ...]:
        """The classes at points drawn from the law; points that were given are what they are."""
        return tuple(cls.under(self.law) for cls in self.classes) if self.protocol.is_drawn else self.classes

    def features(self, x: Array) -> Array:
        """What the network sees, (n, width), in the computing dtype."""
        return features_of(self.encoding, x, self.classes[0].period, self.classes[0]).astype(self.dtype, copy=False)

    @cached_property
    def residues(self) -> int | None:
        """The modulus, where the target is the residue itself."""
        cls = self.classes[0]
        is_residue = isinstance(cls, ModularMultiplication) and isinstance(cls.target, Residue)
        return int(cls.period) if is_residue and len(self.classes) == 1 else None

    @cached_property
    def pair(self) -> tuple[float, float] | None:
        """The two values of the labels, where all classes have the same two."""
        pairs = {cls.labels for cls in self.classes}
        return pairs.pop() if len(pairs) == 1 else None

    @property
    def outputs_needed(self) -> int:
        """How many outputs a network must have: one a class, or for cross-entropy at least one a label."""
        return int(self.classes[0].range[1]) + 1 if self.loss.name == "cross-entropy" else len(self.classes)

    @property
    def is_classified(self) -> bool:
        """Whether there is an accuracy: two values, or one class of many."""
        return self.pair is not None or self.loss.name == "cross-entropy"

    @cached_property
    def metric_names(self) -> tuple[str, ...]:
        """What `measure` gives beside the loss, in this order."""
        names = ["relative_loss"]
        if self.is_classified:
            names += ["accuracy", "chance"]
        if len(self.classes) > 1 and self.pair is not None:
            names += [f"{name}_{k}" for name in ("accuracy", "chance") for k in range(len(self.classes))]
        if self.residues is not None:
            names += ["circular_error", "accuracy_within", "chance_within"]
        return tuple(names)

    def measure(self, outputs: Array, labels: Array, losses: Array) -> dict[str, Array]:
        """The metrics of every run, float64 of shape (runs,), from outputs (runs, n, k) and labels (runs, n, classes).

        `losses` are the mean losses, (runs,). With several outputs the accuracy and chance are means over them.
        """
        finite: Array = np.asarray(np.isfinite(outputs).all(axis=(1, 2)))
        found = {"relative_loss": losses / self._constant(labels)}
        if self.loss.name == "cross-entropy":
            classes = labels[..., 0].astype(np.int64)
            found["accuracy"] = metrics.top_accuracy(outputs, classes)
            found["chance"] = metrics.constant_accuracy(classes)
        elif self.pair is not None:
            each = self._bit_accuracy(outputs, labels, self.pair)
            found["accuracy"] = each.mean(axis=-1)
            chance = metrics.constant_accuracy(labels, several=True)
            found["chance"] = chance.mean(axis=-1)
            for k in range(len(self.classes)):
                found[f"accuracy_{k}"], found[f"chance_{k}"] = each[..., k], chance[..., k]
        if self.residues is not None:
            guess = outputs.argmax(axis=-1).astype(np.float64) if self.loss.name == "cross-entropy" else outputs[..., 0]
            guess = np.where(finite[:, None], guess, np.nan)
            y = labels[..., 0].astype(np.int64)
            found["circular_error"] = circular.circular_error(guess, y, self.residues, "residue")
            found["accuracy_within"] = circular.accuracy_within(guess, y, self.residues, self.tau, "residue")
            found["chance_within"] = circular.constant_within(y, self.residues, self.tau)
        return {name: np.where(finite, found[name], np.nan) for name in self.metric_names}

    def _bit_accuracy(self, outputs: Array, labels: Array, pair: tuple[float, float]) -> Array:
        """Of every output, (runs, k); by the smaller loss where it is not said what the outputs of a function's are."""
        if self.loss.function is not None and self.outputs is None:
            # One run after the other: the last bits of a function may depend on the place in a tensor.
            guesses = np.concatenate([self.loss.prefers_larger(run[None], pair) for run in outputs])
            shown = np.where(guesses, pair[1], pair[0])
            return metrics.bit_accuracy(shown, labels, values=pair, threshold=None)
        cut = OUTPUTS["logits" if self.loss.name in ("bce", "hinge") else self.outputs or "values"]
        return metrics.bit_accuracy(outputs, labels, values=pair, threshold=cut)

    def _constant(self, labels: Array) -> Array:
        """The loss of the best constant output for these labels; NaN for a function, whose best is not known."""
        if self.loss.function is not None:
            return np.full(len(labels), np.nan)
        if self.loss.name == "cross-entropy":
            best = metrics.constant_loss(labels[..., 0].astype(np.int64), "cross-entropy")
        else:
            best = metrics.constant_loss(labels, self.loss.name, several=True)
        return np.where(best > 0.0, best, np.nan)
