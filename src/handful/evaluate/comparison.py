"""Is one better than the other, or can nobody tell? Gains are fractions here; faces turn them into points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from handful.core.errors import UsageError
from handful.evaluate.arrays import Floats, Ints

Verdict = Literal["helps", "hurts", "cannot tell"]


@dataclass(frozen=True)
class Gain:
    """A mean difference over folds, its interval, and the p-value of "no difference"."""

    value: float
    low: float
    high: float
    p: float


def nadeau_bengio(differences: Floats, level: float = 0.95) -> Gain:
    """The corrected resampled t-test on paired folds.

        variance of the mean = (1 / (k r) + 1 / (k - 1)) s^2,   k r - 1 degrees of freedom

    The second term is the ratio of test to training examples: folds share their training data, so that k r folds are
    far less than k r experiments.

    Args:
        differences: With minus without, shape (r repeats, k folds), k >= 2.
    Source: Nadeau and Bengio 2003, Machine Learning 52; Bouckaert and Frank 2004 for repeated cross-validation.
    """
    from scipy.special import stdtr, stdtrit

    n_folds = differences.shape[1]
    if n_folds < 2:
        raise UsageError("the differences of one fold have no spread", "comparison", "use two folds or more")
    freedom = differences.size - 1
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) * (1 / differences.size + 1 / (n_folds - 1)) ** 0.5
    if error == 0:
        return Gain(mean, mean, mean, float(mean == 0))
    reach = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Gain(mean, mean - reach, mean + reach, 2 * float(stdtr(freedom, -abs(mean) / error)))


def fold_means(gains: Floats, folds: Ints) -> Floats:
    """The mean of `gains` in every fold, shape (r repeats, k folds): what `nadeau_bengio` asks for.

    Args:
        gains: Contributions (see `Metric`) with a technique minus without it, shape (r, n).
        folds: The fold of each example in each repeat, 0 to k - 1, none empty, shape (r, n).
    Example:
        >>> fold_means(np.array([[1.0, 0.0, 0.0, -1.0]]), np.array([[0, 0, 1, 1]])).tolist()
        [[0.5, -0.5]]
    """
    means = [np.bincount(fold, weights=gain) / np.bincount(fold) for gain, fold in zip(gains, folds, strict=True)]
    return np.array(means)


def holm(p_values: Floats) -> Floats:
    """P-values of one family of questions, adjusted so that all the verdicts hold together. Both shapes (k,).

    Source: Holm 1979.
    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def verdict(low: float, high: float, adjusted_p: float, alpha: float = 0.05) -> Verdict:
    """The word for a gain: both its interval and its corrected p-value must exclude "no difference".

    Example:
        >>> verdict(0.008, 0.052, 0.01), verdict(0.008, 0.052, 0.2)
        ('helps', 'cannot tell')
    """
    if adjusted_p >= alpha or low <= 0 <= high:
        return "cannot tell"
    return "helps" if low > 0 else "hurts"
