"""A group of runs advanced together: parameters, optimizer, data and records, and how they are kept and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from barren import _core
from barren.training.draws import sequence
from barren.training.feed import Feed
from barren.training.networks import Networks, spare_copies
from barren.training.optimizers import kept_state
from barren.training.task import Array, Run, Task
from barren.training.watching import Looks

# Why a run ended.
FINISHED, ACCURATE, IMPATIENT, DIVERGED = "all steps", "accurate", "no progress", "diverged"


class Group:
    """Runs that are advanced together. Chains have the bits that they would have alone, others agree to rounding.

    Args:
        task: What they share.
        runs: The runs; all of one learning rate.
        modules: Their networks, initialised.
        obstacle: Why they cannot be batched, or None.
        looks: What the gradient watch is to see of them, and keeps.

    Attributes:
        step: Steps made.
        active: Places of the runs that go on, in `runs`.
        records: Metric -> run and record, float64 of shape (runs, len(task.records)); NaN where there is none.
        ends: Why each run ended, "" before it does.
        stops: After how many steps.
        broken: The first step of a loss that was not finite, −1 where there was none.
    """

    def __init__(
        self, task: Task, runs: Sequence[Run], modules: Sequence[nn.Module], obstacle: str | None, looks: Looks
    ) -> None:
        self.task, self.runs, self.step, self.looks = task, list(runs), 0, looks
        smallest = min(task.batch_size, *self._batch_sizes(task, runs))
        self.spare = 0 if obstacle else spare_copies(smallest)
        self.networks = Networks(modules[0], [*modules, *[modules[-1]] * self.spare], obstacle)
        self.feed = Feed(task, runs, self.spare)
        self.active = list(range(len(runs)))
        count = len(runs), len(task.records)
        names = [f"{side}_{name}" for side in ("train", "test") for name in ("loss", *task.metric_names)]
        self.records = {name: np.full(count, np.nan) for name in names}
        self.ends, self.stops = [""] * len(runs), [0] * len(runs)
        self.broken = np.full(len(runs), -1, dtype=np.int64)
        self.final: dict[int, dict[str, Array]] = {}
        self._make_optimizer()

    @staticmethod
    def _batch_sizes(task: Task, runs: Sequence[Run]) -> list[int]:
        epoch = task.protocol.epoch(task.batch_size)
        if epoch is None:
            return [task.batch_size]
        stream = task.protocol.stream(task.classes[0], task.law, runs[0].seed, task.batch_size)
        return stream.batch_sizes(0, epoch)

    def _make_optimizer(self) -> None:
        self._optimizer = self.task.optimizer.make(self.networks.flat, self.runs[0].rate)

    def advance(self, until: int) -> None:
        """Makes the steps up to `until`; the loss of each is looked at."""
        batches = self.feed.batches(self.step, until)
        finite = []
        for step, (features, labels) in enumerate(batches, self.step):
            _core.checkpoint()
            losses, gradient = self.networks.gradient(features, labels, self._losses, reseed=self._reseed(step))
            self.task.optimizer.step(self._optimizer, self.networks.flat, gradient)
            finite.append(losses.isfinite())
        self._note_broken(finite)
        self.step = until

    def _losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Losses (runs, n); runs that are trained one at a time have no spare copies behind them, so one by one."""
        if self.networks.obstacle is None:
            return self.task.loss(outputs, labels)
        return torch.cat([self.task.loss(outputs[[run]], labels[[run]]) for run in range(len(outputs))])

    def _note_broken(self, finite: list[Tensor]) -> None:
        if not finite:
            return
        fine = torch.stack(finite).cpu().numpy()
        for column, place in enumerate(self.active):
            if self.broken[place] < 0 and not fine[:, column].all():
                self.broken[place] = self.step + int(np.argmin(fine[:, column]))

    def record(self) -> None:
        """Measures every run at this step, looks at those that are watched, and ends those that are done."""
        column = self.task.records.index(self.step)
        for side, pieces in (("train", self.feed.train(self.step)), ("test", self.feed.test())):
            for name, values in self._measured(pieces).items():
                self.records[f"{side}_{name}"][self.active, column] = values
        if self.looks.due(self.step):
            self._look(column)
        self._end_runs(column)

    def _look(self, column: int) -> None:
        """At those that did not diverge."""
        tensors = self._tensors()
        rows = {
            place: row
            for row, place in enumerate(self.active)
            if place in self.looks.places and not self._has_diverged(place, column)
        }
        networks = [self._network({name: tensor[row] for name, tensor in tensors.items()}) for row in rows.values()]
        self.looks.look(list(rows), column, [self.runs[place] for place in rows], networks)

    def _has_diverged(self, place: int, column: int) -> bool:
        return bool(self.broken[place] >= 0 or not np.isfinite(self.records["test_loss"][place, column]))

    def _measured(self, pieces: Iterator[tuple[Tensor, Tensor]]) -> dict[str, Array]:
        outputs, labels, losses = [], [], []
        with torch.no_grad():
            for features, given in pieces:
                _core.checkpoint()
                found = self.networks(features, train=False, reseed=self._reseed(self.step))
                losses.append(self._losses(found, given.to(found.dtype)).double().cpu().numpy())
                outputs.append(found.double().cpu().numpy())
                labels.append(given.cpu().numpy())
        kept = slice(0, len(self.active))
        mean = np.concatenate(losses, axis=1)[kept].mean(axis=1)
        shown, wanted = (np.concatenate(parts, axis=1)[kept] for parts in (outputs, labels))
        return {"loss": mean, **self.task.measure(shown, wanted, mean)}

    def _end_runs(self, column: int) -> None:
        """Runs that diverged, that reach the accuracy, that make no progress, or that are through."""
        task, goes_on = self.task, []
        for row, place in enumerate(self.active):
            loss = self.records["test_loss"][place]
            reason = ""
            if self._has_diverged(place, column):
                reason = DIVERGED
                self.broken[place] = self.step if self.broken[place] < 0 else self.broken[place]
            elif task.stop_accuracy is not None and self.records["test_accuracy"][place, column] >= task.stop_accuracy:
                reason = ACCURATE
            elif task.patience is not None and column - int(np.argmin(loss[: column + 1])) >= task.patience:
                reason = IMPATIENT
            elif self.step >= task.steps:
                reason = FINISHED
            if not reason:
                goes_on.append(row)
                continue
            self.ends[place], self.stops[place] = reason, self.step
            self.final[place] = {name: t[row].detach().cpu().numpy().copy() for name, t in self._tensors().items()}
        if len(goes_on) < len(self.active):
            self._keep(goes_on)

    def _keep(self, rows: list[int]) -> None:
        self.active = [self.active[row] for row in rows]
        if not rows:
            self.feed.keep([])
            return
        chosen = torch.tensor(rows + rows[-1:] * self.spare, device=self.task.device)
        state = kept_state(self._optimizer, self.networks.flat, chosen)
        self.networks.keep(chosen)
        self._make_optimizer()
        self._optimizer.state[self.networks.flat] = state
        self.feed.keep([self.runs[place] for place in self.active])

    def _reseed(self, step: int) -> Callable[[int], None] | None:
        """For runs that go one at a time: random numbers of a forward are drawn from the run's seed and the step."""
        if self.networks.obstacle is None:
            return None

        def reseed(row: int) -> None:
            seed = self.runs[self.active[row]].seed
            torch.manual_seed(int(sequence(seed, 0x0F0F, step).generate_state(1, np.uint64)[0]))

        return reseed

    def _tensors(self) -> dict[str, Tensor]:
        return {**self.networks.parameters, **self.networks.frozen}

    # What a checkpoint holds.

    def state(self) -> dict[str, Array]:
        """Everything that training goes on from, as arrays."""
        arrays: dict[str, Array] = {
            "step": np.array(self.step),
            "active": np.array(self.active, dtype=np.int64),
            "broken": self.broken,
            "stops": np.array(self.stops, dtype=np.int64),
            "ends": np.array(self.ends, dtype="U16"),
        }
        arrays.update({f"record/{name}": values for name, values in self.records.items()})
        arrays.update(self.looks.state())
        for place, tensors in self.final.items():
            arrays.update({f"final/{place}/{name}": values for name, values in tensors.items()})
        if self.active:
            arrays.update({f"tensor/{name}": t.detach().cpu().numpy() for name, t in self._tensors().items()})
            state = kept_state(self._optimizer, self.networks.flat, None)
            arrays.update(
                {f"optimizer/{key}": value.cpu().numpy() for key, value in state.items() if value is not None}
            )
        for place, run in enumerate(self.runs):
            for kind, chain in self.feed.chains(run).items():
                arrays[f"{kind}/{place}"] = np.frombuffer(chain, dtype=np.uint8)
        return arrays

    def restore(self, arrays: dict[str, Array]) -> None:
        """Goes on from a state that `state` gave."""
        self.step = int(arrays["step"])
        self.broken = arrays["broken"].copy()
        self.stops, self.ends = arrays["stops"].tolist(), arrays["ends"].tolist()
        for name in self.records:
            self.records[name] = arrays[f"record/{name}"].copy()
        self.looks.restore(arrays)
        for key, values in arrays.items():
            if key.startswith("final/"):
                _, which, name = key.split("/", 2)
                self.final.setdefault(int(which), {})[name] = values
        active = arrays["active"].tolist()
        if len(active) < len(self.active):
            self._keep(active)
        for place, run in enumerate(self.runs):
            chains = (arrays[f"{kind}/{place}"].tobytes() for kind in ("points", "labels"))
            self.feed.restore(run, *chains, ended=place not in active)
        if active:
            self._restore_tensors(arrays)

    def _restore_tensors(self, arrays: dict[str, Array]) -> None:
        with torch.no_grad():
            for name, tensor in self._tensors().items():
                tensor.copy_(torch.from_numpy(arrays[f"tensor/{name}"]))
        flat, state = self.networks.flat, {}
        for key, values in arrays.items():
            if key.startswith("optimizer/"):
                state[key.removeprefix("optimizer/")] = torch.from_numpy(values.copy()).to(flat.device)
        if state:
            self._optimizer.state[flat] = state

    def module(self, place: int) -> nn.Module:
        """The network of a run as it ended."""
        return self._network({name: torch.from_numpy(values.copy()) for name, values in self.final[place].items()})

    def _network(self, state: dict[str, Any]) -> nn.Module:
        """A network with these parameters and buffers, its own."""
        made = self.networks.skeleton()
        for name, tensor in state.items():  # buffers that are not saved in state dicts too
            owner, _, own = name.rpartition(".")
            held = made.get_submodule(owner)
            if own in held._buffers:
                held._buffers[own] = tensor
            else:
                held.get_parameter(own).data = tensor
        return made
