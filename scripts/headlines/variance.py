"""Numbers of the figures of variances and bounds, for docs/figures.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import curve_fit

from barren import Frequencies, sharp_bound, specs
from barren._intervals import t_interval
from barren.figures.base import column, where
from headlines import Headlines, Rows

# Names of what a panel of bound-ladder shows.
_TARGETS = {"bit:0": "lowest bit", "sawtooth": "sawtooth"}
_RUNGS = {"sharp": "λ", "boas-bellman": "Boas–Bellman", "bounded-variation": "bounded variation", "trivial": "trivial"}
_LAWS = {"uniform": "x on [0, 1]", "gaussian": "Gaussian x", "grid": "x on the grid"}
# From where on slopes are told: below, few members make λ.
_LATE = 16
# Where the published fit of covariances ends.
_FITTED = 500


def _over_seeds(values: Sequence[float] | np.ndarray, digits: int = 3) -> str:
    """Mean with the least and the largest of the initialisations."""
    low, high = (f"{value:.{digits}g}" for value in (np.min(values), np.max(values)))
    return f"**{np.mean(values):.{digits}g}** ({low} to {high})"


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Of ln y against ln x, by least squares."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _slopes(rows: Rows, x: str, y: str) -> np.ndarray:
    """The slope of every initialisation."""
    parts = [where(rows, seed=seed) for seed in sorted({row["seed"] for row in rows})]
    return np.array([_slope(column(part, x), column(part, y)) for part in parts])


def _interval(values: np.ndarray) -> str:
    """Mean with its t interval of 95 %."""
    low, high = t_interval(values, 0.95)
    return f"**{values.mean():.3f}** [{low:.3f}, {high:.3f}]"


def modulus(rows: Rows) -> Headlines:
    """Both normalisations at the least and the largest prime, their slopes, and how much of λ·B² is reached."""
    primes, count = sorted({row["p"] for row in rows}), len({row["seed"] for row in rows})
    lines = [("primes; initialisations", f"{len(primes)} in {primes[0]}..{primes[-1]}; {count}")]
    for p in (primes[0], primes[-1]):
        part = where(rows, p=p)
        by_probability = _over_seeds(column(part, "normalised_by_probability") * p**0.5)
        by_output = _over_seeds(p * column(part, "normalised"))
        lines.append((f"p = {p}: v·√p/g, g of the probability, mean (least to largest)", by_probability))
        told = f"{by_output}; bound p·λ = {p * part[0]['sharp_bound']:.4f}"
        lines.append((f"p = {p}: p·v/B², B² of the logit, mean (least to largest)", told))
    for name, told in (("normalised_by_probability", "v/g"), ("normalised", "v/B²")):
        slopes = _interval(_slopes(rows, "p", name))
        lines.append((f"slope of ln({told}) against ln p, 95 % t interval over initialisations", slopes))
    parts = column(rows, "variance") / column(rows, "bound")
    most = rows[int(np.argmax(parts))]
    told = f"**{parts.max():.3g}**, at p = {most['p']}, seed {most['seed']}"
    return [*lines, (f"largest v/(λ·B²) of all {len(rows)} rows, at most 1", told)]


def ladder(rows: Rows) -> Headlines:
    """Every panel: what was measured, the bounds where that ends and at the largest size, and how near λ it comes."""
    lines = []
    for half, target in dict.fromkeys((row["half"], row["target"]) for row in rows):
        part, symbol = where(rows, half=half, target=target), "p" if half == "modular" else "A"
        panel = f"{_TARGETS[target]} of {'a·x mod p' if half == 'modular' else 'a·x'}"
        sharp = {row["size"]: row["value"] for row in where(part, series="sharp")}
        measured = {name: where(part, series=name) for name in ("relu", "sigmoid")}
        end = max(row["size"] for row in measured["relu"])
        at_end = {name: column(where(runs, size=end), "value") for name, runs in measured.items()}
        told = "; ".join(f"{name} {_over_seeds(values)}" for name, values in at_end.items())
        lines.append((f"{panel}, {symbol} = {end}: Var/B², mean (least to largest)", told))
        for size in (end, max(sharp)):
            lines += _bounds(where(part, size=size), f"{panel}, {symbol} = {size}", symbol)
        shares = {name: max(row["value"] / sharp[row["size"]] for row in runs) for name, runs in measured.items()}
        told = "; ".join(f"{name} **{share:.3g}**" for name, share in shares.items())
        lines.append((f"{panel}: largest Var/(λ·B²) of all sizes and initialisations, at most 1", told))
    return lines


def _bounds(rows: Rows, where_at: str, symbol: str) -> Headlines:
    """The rungs at one size, and λ and the Boas–Bellman value over their rates."""
    values = {name: where(rows, series=name)[0]["value"] for name in _RUNGS}
    size, sharp, loose = rows[0]["size"], values["sharp"], values["boas-bellman"]
    rungs = "; ".join(f"{shown} {values[name]:.4g}" for name, shown in _RUNGS.items())
    scaled = f"**{size * sharp:.4f}**; {size**0.5 * loose:.4f}; {loose / sharp:.1f}"
    return [
        (f"{where_at}: bounds on Var/B²", rungs),
        (f"{where_at}: {symbol}·λ; √{symbol}·(Boas–Bellman); Boas–Bellman over λ", scaled),
    ]


def characters(rows: Rows) -> Headlines:
    """Gini coefficients and the largest share of every source, and what carries half of the variance."""
    lines = []
    for source in dict.fromkeys(row["source"] for row in rows):
        name = "target" if source == "target" else f"Jacobian, {source}"
        for kind in ("characters", "frequencies"):
            part = where(rows, source=source, kind=kind)
            most = max(part, key=lambda row: row["share"])
            told = f"Gini **{part[0]['gini']:.3f}**; the largest pair has {most['share']:.3f}, index {most['index']}"
            lines.append((f"{name}: energy over {kind}", told))
        part = [row for row in where(rows, source=source, kind="characters") if row["share_of_variance"] is not None]
        if part:
            shares = np.sort(column(part, "share_of_variance"))[::-1]
            half = 1 + int(np.argmax(np.cumsum(shares) >= 0.5))
            told = f"**{half}** of {len(shares)} pairs; the largest has {shares[0]:.3f}"
            lines.append((f"{name}: pairs of characters with half of the gradient variance", told))
    return lines


def covariance(rows: Rows) -> Headlines:
    """Against the published fit in its range, and against the limits beyond."""
    primes = column(rows, "p").astype(np.float64)
    exact, fitted = column(rows, "mean_squared_covariance"), column(rows, "published_fit")
    lines = []
    for low, high in ((3, 99), (100, _FITTED)):
        part = (exact / fitted)[(primes >= low) & (primes <= high)]
        told = f"**{np.median(part):.3f}** ({part.min():.3f} to {part.max():.3f})"
        lines.append(
            (f"exact over the published fit, {len(part)} primes in {low}..{high}: median (least to largest)", told)
        )
    inside = primes <= _FITTED
    for name, (factor, power) in _fits(primes[inside], exact[inside]).items():
        own = f"{factor:.4f}·p³·(ln p)^{power:.3f}"
        lines.append((f"a fit of the same form here, least squares of {name}, primes in 3..{_FITTED}", own))
    last = f"**{exact[-1] / fitted[-1]:.3f}**"
    lines.append((f"p = {rows[-1]['p']}: exact over the published fit, carried on", last))
    for p in (max(primes[inside]), max(primes)):
        (row,) = where(rows, p=int(p))
        every, beyond = (row[f"mean_squared_{name}"] / p**3 for name in ("covariance", "beyond_sign"))
        told = f"**{every:.6f}**, limit 5/144 = {5 / 144:.6f}; **{beyond:.6f}**, limit 1/48 = {1 / 48:.6f}"
        lines.append((f"p = {row['p']}: mean of C_k² over p³, every k; without k = ±1", told))
    return lines


def _fits(p: np.ndarray, squares: np.ndarray) -> dict[str, tuple[float, float]]:
    """(c, e) of c·p³·(ln p)^e, fitted to the mean squares and to their logarithms."""
    power, logarithm = np.polyfit(np.log(np.log(p)), np.log(squares / p**3), 1)
    start = float(np.exp(logarithm)), float(power)
    found, _ = curve_fit(lambda p, c, e: c * p**3 * np.log(p) ** e, p, squares, p0=start)
    return {"the values": (float(found[0]), float(found[1])), "their logarithms": start}


def norm(rows: Rows) -> Headlines:
    """The largest value from some primes on, the slope, and how far below the proven bound."""
    primes, norms = column(rows, "p").astype(np.float64), column(rows, "norm")
    scaled, late = norms / (np.sqrt(primes) * np.log(primes)), primes >= 1000
    lines = [("primes", f"{len(rows)} in {rows[0]['p']}..{rows[-1]['p']}")]
    for low in (3, 100, 10_000, 1_000_000):
        part = np.flatnonzero(primes >= low)
        if len(part):
            most = part[np.argmax(scaled[part])]
            told = f"**{scaled[most]:.4f}**, at p = {rows[most]['p']}"
            lines.append((f"largest singular value over √p·ln p, the largest from p = {low} on", told))
    lines.append((f"the same at p = {rows[-1]['p']}", f"{scaled[-1]:.4f}"))
    slope = f"{_slope(primes[late], norms[late]):.4f}"
    lines.append(("slope of ln(largest singular value) against ln p, p > 1000", slope))
    nearest = f"**{(norms / column(rows, 'proven')).max():.4f}**"
    return [*lines, ("largest singular value over its proven bound 6·H·√p, the largest of all primes", nearest)]


def frequency(rows: Rows) -> Headlines:
    """Every law and target: what was measured at the largest A, A·λ there, both slopes, and how near λ it comes."""
    A = max(row["A"] for row in rows)
    what = f"Var/B² at A = {A}, mean (least to largest); A·λ; slopes of ln(Var/B²), of ln λ; largest Var/(λ·B²)"
    lines = [("law of x, ψ", what)]
    for law, target in dict.fromkeys((row["law"], row["target"]) for row in rows):
        part = where(rows, law=law, target=target)
        late, end = [row for row in part if row["A"] >= _LATE], where(part, A=A)
        slopes = (_slopes(late, "A", name).mean() for name in ("value", "sharp"))
        falling = ", ".join(f"{slope:.3f}" for slope in slopes)
        share = (column(part, "value") / column(part, "sharp")).max()
        told = f"{_over_seeds(column(end, 'value'))}; {A * end[0]['sharp']:.4f}; {falling}; {share:.3g}"
        lines.append((f"{_LAWS[law]}, {target}", told))
    return [*lines, ("λ under the nodes on [0, 1] over λ in closed form, all A: least to largest", _discretised(rows))]


def _discretised(rows: Rows) -> str:
    """How far λ of the nodes is from that of the law that they stand for, a target after the other."""
    told = []
    for target in dict.fromkeys(row["target"] for row in rows):
        sharp = {row["A"]: row["sharp"] for row in where(rows, law="uniform", target=target)}
        ratios = [value / sharp_bound(Frequencies(A, specs.target(target))) for A, value in sharp.items()]
        told.append(f"{target} {min(ratios):.3f} to {max(ratios):.3f}")
    return "; ".join(told)


HEADLINES: dict[str, Callable[[Rows], Headlines]] = {
    "variance-vs-modulus": modulus,
    "bound-ladder": ladder,
    "character-spectrum": characters,
    "log-covariance": covariance,
    "spectral-norm": norm,
    "variance-vs-frequency": frequency,
}
