"""Ensembles: groups of runs advanced together, on several threads, saved and resumed."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from barren import _core, _pool, _validate
from barren._canonical import array_digest
from barren._progress import Progress, for_terminal
from barren.classes import TargetClass
from barren.tangents.snapshot import at_most, plain_autograd
from barren.training import arguments
from barren.training.checkpoints import Checkpoints
from barren.training.group import Group
from barren.training.hashes import check_data, set_claims
from barren.training.initial import maker_of, networks_of
from barren.training.losses import Loss
from barren.training.networks import obstacle_of
from barren.training.result import Ensemble
from barren.training.task import Array, Encoding, Run, Task
from barren.training.watch import Watch
from barren.training.watching import Looks, Watching, watching_of

# Runs advanced together at most: enough that the calls of torch are not what costs, few enough for the caches.
_TOGETHER = 32
# From so many on there are at least two groups, for two threads.
_DIVIDED = 8
# What the parameters of a group may take, with gradients and the state of an optimizer.
_GROUP_BYTES = 1 << 30
# Steps between two looks at the clock.
_SPAN = 64


def train(
    cls: TargetClass | Sequence[TargetClass],
    model: nn.Module | str | arguments.Maker,
    *,
    encoding: Encoding | None = None,
    members: int | Sequence[Any] = 1,
    seeds: int | Sequence[int] = 1,
    loss: Any = "bce",
    outputs: str | None = None,
    optimizer: str = "adam",
    lr: float | Sequence[float] = 1e-3,
    optimizer_options: Mapping[str, Any] | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int = 100,
    data: Any = "population",
    inputs: Any = None,
    records: int | Sequence[int] | None = None,
    stop_accuracy: float | None = None,
    patience: int | None = None,
    tau: float = 0.005,
    dtype: Any = None,
    device: Any = "cpu",
    threads: int | None = None,
    save: str | os.PathLike[str] | None = None,
    save_every: float = 30.0,
    watch: Watch | int | None = None,
    watch_runs: int | Sequence[int] | None = None,
    progress: bool | Progress = False,
) -> Ensemble:
    """Trains one architecture on many targets of a class, with many seeds and learning rates, all runs together.

    There is a run for every member, seed and learning rate. The seed of a run draws its initialisation and its data, so
    runs of one seed differ in their target alone. Runs are advanced together as batched tensors (`torch.func`), each
    with its own optimizer state, and each ends as it would end alone; a network that cannot be batched (it drops at
    random, or has batch norm) is trained one run at a time, and `ensemble.note` says so.

    Args:
        cls: the class of targets, or a list of classes with the same members and the same x: one output each, and the
            loss is the sum over them.
        model: a function seed -> torch module with one output (a row of outputs) a sample, called with torch's random
            state seeded by the run's seed; a text such as "mlp:100x100:relu"; or a module, from whose weights every
            run starts. It is not changed.
        encoding: how x is shown, see `gradient_variance`; default `encodings.Bits()`, and `Scalar()` on the real line.
        members: the multipliers or frequencies that are trained, or how many to draw at random (the same every time).
        seeds: the seeds, or how many: 0, 1, ….
        loss: "mse" (½(N−y)²), "bce" (on the logit), "hinge" (labels −1 and 1), "cross-entropy" (an output a
            label), or a function (outputs, labels) of shape (n,) -> losses (n,), each of its own sample alone.
        outputs: what the outputs of a function's loss are, which tells how two values are guessed: "logits" (the
            larger value above 0), "probabilities" (above ½) or "values" (above the middle of the two). Default: the
            value with the smaller loss, which is the same for every loss that treats them alike.
        optimizer: "sgd", "adam", "adamw" or "sign-sgd".
        lr: the learning rate, or several: a run each.
        optimizer_options: torch's options of the optimizer, such as {"momentum": 0.9}.
        steps: how many updates a run makes.
        epochs: instead of steps, how often it sees its training set.
        batch_size: points of an update.
        data: "population" (fresh draws from the law of x at every step), "sample:M" or "sample:M:SHARE" (M distinct
            points, a share for training, default 0.7, the rest for the test), or a protocol of `barren.training`.
        inputs: the law of x, as for `gradient_variance`.
        records: at how many steps metrics are recorded, evenly in log(step), or a list of steps; 0 and the last always.
        stop_accuracy: ends a run whose test accuracy is at least this at a record.
        patience: ends a run after so many records without a lower test loss.
        tau: τ of the accuracy within τ·p where the target is the residue itself.
        dtype: "float32" (default) or "float64".
        device: "cpu" or a CUDA device.
        threads: threads; default all that the process may use. They change nothing in the result.
        save: a folder to save to; called again with the same arguments `train` goes on from there, to the same numbers.
        save_every: seconds between two savings.
        watch: at how many records the gradient watch looks at the exact gradient variance, evenly in log(step), or a
            `barren.training.Watch`; default never. What it saw is in `ensemble.watched`; it changes nothing else.
        watch_runs: the numbers of the runs that are watched, or how many, spread evenly; default four.
        progress: whether to show how far it is, on standard error.

    Returns:
        An `Ensemble`: `.rows`, a dictionary a run; `.history`; `.watched`, a dictionary a look; `.model(i)`; `.note`.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: an argument of the wrong value: an unknown optimizer, a batch larger than the training set, more
            points than there are, a device that is not there, a folder that holds another ensemble (the difference is
            named) or a damaged file; or two data sets that should differ and do not.

    Cost: forward and backward passes of every run; a group of up to 32 runs costs about as many operations as its runs
        one by one, in far fewer calls.

    Source: docs/experiments.

    Example:
        >>> import barren
        >>> from barren import targets
        >>> cls = barren.ModularMultiplication(5, target=targets.Bit(0))
        >>> ensemble = barren.train(cls, "mlp:16:relu", members=[1, 2], seeds=2, steps=300, lr=0.01, threads=1)
        >>> [row["test_accuracy"] for row in ensemble.rows]
        [1.0, 1.0, 1.0, 1.0]
    """
    classes = arguments.classes_of(cls)
    task = arguments.task_of(
        classes,
        encoding=encoding,
        loss=loss,
        outputs=outputs,
        optimizer=optimizer,
        optimizer_options=optimizer_options,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        data=data,
        inputs=inputs,
        records=records,
        stop_accuracy=stop_accuracy,
        patience=patience,
        tau=tau,
        dtype=dtype,
        device=device,
    )
    listed = [
        Run(member, seed, rate)
        for member in arguments.members_of(classes[0], members)
        for seed in arguments.seeds_of(seeds)
        for rate in arguments.rates_of(lr)
    ]
    workers = _core.available_threads() if threads is None else _validate.integer("threads", threads, low=1, high=4096)
    pause = _validate.real("save_every", save_every, low=0.0)
    if save is not None:
        _validate.instance("save", save, (str, os.PathLike), "None or the path of a folder")
    watching = watching_of(task, len(listed), watch, watch_runs)
    shows = progress if isinstance(progress, Progress) else for_terminal(not _validate.boolean("progress", progress))
    return _Training(task, model, listed, workers, watching, shows).run(save, pause)


class _Training:
    """One call of `train`."""

    def __init__(
        self,
        task: Task,
        model: Any,
        runs: list[Run],
        workers: int,
        watching: Watching | None,
        progress: Progress,
    ) -> None:
        self.task, self.runs, self.watching, self.progress = task, runs, watching, progress
        stream = task.protocol.stream(task.classes[0], task.law, runs[0].seed, task.batch_size)
        probe, smallest = stream.test[:4], min(stream.batch_sizes(0, task.protocol.epoch(task.batch_size) or 1))
        self.modules = networks_of(maker_of(model, task, probe), task, runs, probe, smallest)
        first = next(iter(self.modules.values()))
        features = torch.from_numpy(np.array(task.features(probe))).to(task.device)
        self.obstacle = obstacle_of(first, features)
        check_data(set_claims(task, self.modules))
        self.parts = _partition(runs, _largest_group(first))
        remote = not task.device.startswith("cpu")
        self.workers = 1 if self.obstacle or remote else min(workers, len(self.parts))
        self.threads = max(1, workers // self.workers)  # of each group
        self.lock = threading.Lock()

    def run(self, save: str | os.PathLike[str] | None, pause: float) -> Ensemble:
        """Trains all groups and brings their rows together."""
        self.progress.begin("train", len(self.runs) * self.task.steps, 0, "steps")
        try:
            with Checkpoints(save, self._configuration()) if save is not None else nullcontext() as folder:
                work = _GroupWork(self, folder, pause)
                groups = list(_pool.in_order(work, iter(range(len(self.parts))), self.workers))
        finally:
            self.progress.end()
        return Ensemble(self.task, self.runs, groups, self.parts, self._note())

    def advanced(self, count: int) -> None:
        """So many steps of runs are done; called by the threads of the groups."""
        if count:
            with self.lock:
                self.progress.advance(count)

    def _note(self) -> str:
        if self.obstacle is not None:
            return f"one run at a time: {self.obstacle}"
        sizes = [len(part) for part in self.parts]
        return f"{len(self.runs)} runs in {len(sizes)} batched group{'s' * (len(sizes) > 1)} of up to {max(sizes)}"

    def _first_outputs(self, x: Array) -> Array:
        """Of the first network, which tell functions apart that its text and its weights do not."""
        module, task = next(iter(self.modules.values())), self.task
        module.eval()
        with torch.random.fork_rng(devices=[]), torch.no_grad(), at_most(1):
            outputs: Array = module(torch.from_numpy(np.array(task.features(x))).to(task.device)).cpu().numpy()
        module.train()
        return outputs

    def _configuration(self) -> dict[str, Any]:
        """What makes this ensemble this one, as plain values; weights and data by their hashes."""
        task = self.task
        weights = [
            array_digest(*(tensor.detach().cpu().numpy() for tensor in module.state_dict().values()))
            for module in self.modules.values()
        ]
        seeds = list(self.modules)
        streams = [task.protocol.stream(task.classes[0], task.law, seed, task.batch_size) for seed in seeds]
        first = streams[0].points(0, 1)
        return {
            "classes": [repr(cls) for cls in task.classes],
            "members": list(dict.fromkeys(run.member for run in self.runs)),
            "seeds": seeds,
            "lr": list(dict.fromkeys(run.rate for run in self.runs)),
            "loss": task.loss.name,
            "loss_values": _values_of(task.loss),
            "outputs": task.outputs,
            "optimizer": task.optimizer.name,
            "optimizer_options": json.loads(json.dumps(dict(task.optimizer.options))),
            "steps": task.steps,
            "batch_size": task.batch_size,
            "data": repr(task.protocol),
            "records": list(task.records),
            "stop_accuracy": task.stop_accuracy,
            "patience": task.patience,
            "tau": task.tau,
            "dtype": task.dtype,
            "device": task.device.partition(":")[0],
            "test_points": [array_digest(stream.test) for stream in streams],
            "features": array_digest(
                task.features(first), *(task.features(stream.test[:4096]) for stream in streams[:1])
            ),
            "model": repr(next(iter(self.modules.values()))),
            "weights": weights,
            "first_outputs": array_digest(self._first_outputs(first)),
            "batched": self.obstacle is None,
            "watch": None if self.watching is None else self.watching.describe(),
        }

    def looks(self, number: int) -> Looks:
        """Of a group, nothing seen yet."""
        part, shape = self.parts[number], (len(self.parts[number]), len(self.task.records))
        watched = () if self.watching is None else self.watching.runs
        return Looks(self.watching, [row for row, place in enumerate(part) if place in watched], shape, self.threads)


class _GroupWork:
    """Trains one group to its end, or goes on where it was saved."""

    def __init__(self, training: _Training, folder: Checkpoints | None, pause: float) -> None:
        self.training, self.folder, self.pause = training, folder, pause

    def __call__(self, number: int) -> Group:
        training, task = self.training, self.training.task
        runs = [training.runs[place] for place in training.parts[number]]
        limit = at_most(1) if task.device.startswith("cpu") else nullcontext()
        with limit, plain_autograd(torch.device(task.device)):
            modules = [training.modules[run.seed] for run in runs]
            group = Group(task, runs, modules, training.obstacle, training.looks(number))
            saved = None if self.folder is None else self.folder.read(number)
            if saved is None:
                group.record()
            else:
                group.restore(saved)
                training.advanced(group.step * len(runs))
            self._finish(number, group)
        return group

    def _finish(self, number: int, group: Group) -> None:
        task, last = self.training.task, time.monotonic()
        while group.active:
            due = next(step for step in task.records if step > group.step)
            until = min(due, group.step - group.step % _SPAN + _SPAN)
            made = until - group.step
            group.advance(until)
            if until == due:
                group.record()
            self.training.advanced(made * len(group.runs))
            if self.folder is not None and (not group.active or time.monotonic() - last >= self.pause):
                self.folder.write(number, group.state())
                last = time.monotonic()
        self.training.advanced((task.steps - group.step) * len(group.runs))


def _values_of(loss: Loss) -> str | None:
    """What tells two functions of one name apart: the hash of their losses at a few outputs and labels."""
    if loss.function is None:
        return None
    outputs, labels = torch.meshgrid(torch.linspace(-3, 3, 13), torch.linspace(0, 1, 5), indexing="ij")
    with torch.no_grad():
        return array_digest(loss(outputs.reshape(1, -1, 1), labels.reshape(1, -1, 1)).numpy())


def _largest_group(module: nn.Module) -> int:
    """How many runs of this network are advanced together."""
    numbers = sum(parameter.numel() for parameter in module.parameters())
    return max(1, min(_TOGETHER, _GROUP_BYTES // (16 * max(1, numbers))))


def _partition(runs: list[Run], largest: int) -> list[list[int]]:
    """Places of runs by groups: one learning rate each, runs of a seed together; by the problem alone."""
    parts = []
    for rate in dict.fromkeys(run.rate for run in runs):
        places = [place for place, run in enumerate(runs) if run.rate == rate]
        places.sort(key=lambda place: runs[place].seed)
        count = max(-(-len(places) // largest), 2 if len(places) >= _DIVIDED else 1)
        parts += [part.tolist() for part in np.array_split(np.array(places), count)]
    return parts
