"""Models for grids that name them, such as "sweep_models:make"."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import parent_process

from torch import Tensor, nn


def make(width: int, seed: int, outputs: int) -> nn.Module:
    """Drawn from torch's random state, which the sweep seeds."""
    if seed == 3:
        raise ValueError("no network for this seed")
    return nn.Sequential(nn.Linear(width, 5), nn.Tanh(), nn.Linear(5, outputs))


class Recurrent(nn.Module):
    """One that `torch.vmap` cannot follow."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.cell, self.last = nn.GRU(1, 3, batch_first=True), nn.Linear(3, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """By the last state."""
        found: Tensor = self.last(self.cell(x[:, :, None])[0][:, -1])
        return found


def recurrent(width: int, seed: int, outputs: int) -> nn.Module:
    """Whatever the width."""
    return Recurrent(outputs)


def leave(width: int, seed: int, outputs: int) -> nn.Module:
    """Ends the process that asks for it, in Python's way; for others fails with a text that is none."""
    if seed == 0:
        sys.exit("enough")
    if seed == 2:
        raise OSError(f"no file {os.fsdecode(bytes([110, 255]))}")
    return make(width, seed, outputs)


def die(width: int, seed: int, outputs: int) -> nn.Module:
    """Kills the worker that asks for the second seed, as the system does where memory ends."""
    if seed == 2 and parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return make(width, seed, outputs)
