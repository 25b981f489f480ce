"""The figures: a file each, and this registry, which the command line lists.

A figure says what it computes (`settings`, `cells`, `compute`) and how it is drawn (`draw`); `make` does what all
share. To add one, write a file with a `FIGURE` and name it here.
"""

from __future__ import annotations

from barren import specs
from barren.figures import (
    all_bits_training,
    bound_ladder,
    character_spectrum,
    easy_multipliers,
    gradient_along_training,
    log_covariance,
    parity_functions,
    parity_training,
    predictability,
    spectral_norm,
    variance_vs_frequency,
    variance_vs_modulus,
    wave_training,
)
from barren.figures.base import Figure, Made
from barren.figures.making import make, redraw

__all__ = ["FIGURES", "Figure", "Made", "figure", "make", "redraw"]

FIGURES: dict[str, Figure] = {
    module.FIGURE.name: module.FIGURE
    for module in (
        variance_vs_modulus,
        variance_vs_frequency,
        bound_ladder,
        easy_multipliers,
        character_spectrum,
        log_covariance,
        spectral_norm,
        parity_functions,
        parity_training,
        wave_training,
        predictability,
        all_bits_training,
        gradient_along_training,
    )
}


def figure(name: str) -> Figure:
    """The figure of that name.

    Args:
        name: as `barren figure --list` has it.

    Returns:
        The figure, for `make`.

    Raises:
        TypeError: not a string.
        ValueError: unknown; the known ones are listed and the nearest suggested.

    Cost: none to speak of.

    Source: docs/experiments, on the figures.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be the name of a figure, one of {', '.join(FIGURES)}; got {type(name).__name__}")
    if name not in FIGURES:
        raise ValueError(f"name must be one of {', '.join(FIGURES)}; got {name!r}{specs.nearest(name, FIGURES)}")
    return FIGURES[name]
