"""How many more labels would it take? A power law with its band, or "cannot tell yet"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from handful.core.errors import DataError
from handful.evaluate.arrays import Floats, Ints

EXPONENTS = np.linspace(0.05, 1.5, 59)
WIDEST = 4  # the ratio of most to fewest labels above which an answer is none
FURTHEST = 10  # times the present labels: as far as a curve is trusted
LEAST_SPAN = 8  # times the first point's labels that the last must have, before a curve may be said to level off


@dataclass(frozen=True)
class LearningCurve:
    """error(n) = a + b * n^-c, with what else it could be.

    Args:
        law: (a, b, c): where it levels off, how much is left to learn, how fast.
        draws: Other laws that the points allow, shape (d, 3).
        n_now: Labels per class at the last point.
        span: Labels at the last point over those at the first.
    """

    law: Floats
    draws: Floats
    n_now: int
    span: float


@dataclass(frozen=True)
class Answer:
    """The labels per class that a target takes, the fewest and the most, or None when it cannot be said; a sentence."""

    n_per_class: int | None
    low: int | None
    high: int | None
    say: str


def summarised(draws: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Mean error of each point and its standard error, both shape (p,), from its random subsets.

    The spread within a point is drawn halfway towards that of all points: three draws that agree are not exact.

    Args:
        draws: For each point the errors of its subsets, at least two, so p arrays of any length.
    """
    own = np.array([np.var(point, ddof=1) for point in draws])
    counts = np.array([len(point) for point in draws])
    return np.array([np.mean(point) for point in draws]), np.sqrt((own + own.mean()) / 2 / counts)


def fit_curve(
    n_per_class: Ints,
    errors: Floats,
    standard_errors: Floats,
    rng: np.random.Generator,
    n_draws: int = 1000,
    common: float = 0.0,
) -> LearningCurve:
    """The power law through the points, by weighted least squares: a >= 0, b >= 0, 0.05 <= c <= 1.5.

    The band is a parametric bootstrap: the points are moved by their standard errors, all of them together by what they
    have in common, and the law is fitted again.

    Args:
        n_per_class: Labels per class of each point, three different ones or more, shape (p,).
        errors: Mean error of each point, a fraction, shape (p,).
        standard_errors: Of those means, shape (p,); see `summarised`.
        common: Standard error that all points share because they were tested on the same examples, as a share of the
            error; it moves the whole curve up or down.
    Raises:
        DataError: when there are fewer than three points.
    Source: Cortes et al. 1994, "Learning curves: asymptotic values and rate of convergence", for the form.
    """
    if len(np.unique(n_per_class)) < 3:
        raise DataError(
            "a learning curve needs three different numbers of labels or more", remedy="label more examples"
        )
    spread = np.maximum(standard_errors, 1e-4)  # points that never vary must not weigh infinitely
    moved = errors + spread * rng.standard_normal((n_draws, len(errors)))
    moved *= np.exp(common * rng.standard_normal((n_draws, 1)))
    laws = _power_laws(n_per_class, np.clip(np.vstack([errors, moved]), 0, 1), spread**-2)
    return LearningCurve(laws[0], laws[1:], int(n_per_class.max()), float(n_per_class.max() / n_per_class.min()))


def band(curve: LearningCurve, n_per_class: Floats, level: float = 0.9) -> tuple[Floats, Floats, Floats]:
    """Error, low and high at any labels per class, each of the shape of `n_per_class`, (q,)."""
    others = _errors(curve.draws, n_per_class)
    low, high = np.quantile(others, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return _errors(curve.law[None], n_per_class)[0], low, high


def labels_until(curve: LearningCurve, target: float, level: float = 0.9) -> Answer:
    """How many labels per class until the error is as low as `target`, a fraction; never guessed from afar."""
    error = float(_errors(curve.law[None], np.array([curve.n_now]))[0, 0])
    if error <= target:
        say = f"Already reached, as far as these examples can tell: about {_percent(1 - error)}."
        return Answer(curve.n_now, curve.n_now, curve.n_now, say)
    tails = [(1 - level) / 2, (1 + level) / 2]
    floor = float(np.quantile(curve.draws[:, 0], tails[0]))
    if floor > target and curve.span >= LEAST_SPAN:
        return _silent(f"Not with more of the same labels: the score levels off at {_percent(1 - floor)} or less.")
    middle = float(_labels(curve.law[None], target)[0])
    low, high = np.maximum(np.quantile(_labels(curve.draws, target), tails, method="nearest"), curve.n_now)
    if high > WIDEST * low or max(middle, high) > FURTHEST * curve.n_now:
        fewest = ceil(min(low, FURTHEST * curve.n_now))
        more = f"{fewest} labels per class or many more; " if fewest >= 2 * curve.n_now else ""
        return _silent(f"Cannot tell yet: {more}the curve is too short or too noisy.")
    n, fewest, most = ceil(middle), ceil(min(low, middle)), ceil(max(high, middle))
    say = f"About {n} labels per class ({fewest} to {most}) would take the score to {_percent(1 - target)}."
    return Answer(n, fewest, most, say)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if abs(100 * share - round(100 * share)) < 0.05 else f"{100 * share:.1f} %"


def _silent(say: str) -> Answer:
    return Answer(None, None, None, say)


def _errors(laws: Floats, n_per_class: Floats | Ints) -> Floats:
    """Shape (d, q) for laws of shape (d, 3)."""
    a, b, c = laws.T[:, :, None]
    errors: Floats = a + b * np.asarray(n_per_class, dtype=np.float64) ** -c
    return errors


def _labels(laws: Floats, target: float) -> Floats:
    """The n at which each law comes down to the target, shape (d,); infinite where it never does."""
    a, b, c = laws.T
    gap = np.maximum(target - a, 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        labels: Floats = np.where(gap > 0, (b / gap) ** (1 / c), np.inf)
    return labels


def _power_laws(n_per_class: Ints, errors: Floats, weights: Floats) -> Floats:
    """For each row of errors, shape (d, p), the law (a, b, c) of least weighted squares, shape (d, 3).

    Given c, a and b are a regression on x = n^-c with a closed form; where it makes one of them negative, the best is
    on that border, the other alone. The best c is found on a grid.
    """
    x = np.asarray(n_per_class, dtype=np.float64) ** -EXPONENTS[:, None]  # (grid, p)
    w, wx, wxx = weights.sum(), x @ weights, x**2 @ weights
    wy, wxy = (errors @ weights)[:, None], (errors * weights) @ x.T  # (d, 1), (d, grid)
    b = np.maximum((w * wxy - wx * wy) / (w * wxx - wx**2), 0)
    a = (wy - b * wx) / w
    below = a < 0
    a, b = np.where(below, 0, a), np.where(below, wxy / wxx, b)
    misfit = w * a**2 + 2 * wx * a * b + wxx * b**2 - 2 * (wy * a + wxy * b)  # but for the sum of squares of the errors
    row, best = np.arange(len(errors)), misfit.argmin(axis=1)
    return np.stack([a[row, best], b[row, best], EXPONENTS[best]], axis=1)
