"""The t interval of a mean, for whatever is repeated: runs, seeds, members."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def t_interval(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    """M ± t·s/√n for n independent values; NaN ends for fewer than two.

    Example:
        >>> low, high = t_interval(np.array([1.0, 2.0, 3.0]), 0.95)
        >>> round(low, 4), round(high, 4)
        (-0.4841, 4.4841)
    """
    count = len(values)
    if count < 2:
        return float("nan"), float("nan")
    half = t_quantile(level, count - 1) * float(values.std(ddof=1)) / count**0.5
    mean = float(values.mean())
    return mean - half, mean + half


@lru_cache(maxsize=256)
def t_quantile(level: float, freedom: int) -> float:
    """Half the width of a two-sided t interval, in standard errors.

    Example:
        >>> round(t_quantile(0.95, 2), 4)
        4.3027
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + 0.5 * level))
