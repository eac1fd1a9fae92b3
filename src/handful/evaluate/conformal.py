"""Sets of labels that hold the truth as often as promised, and the n below which nothing can be promised."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from handful.core.errors import UsageError
from handful.evaluate.arrays import Bools, Floats, Ints

# NumPy only: a saved model predicts with these.


def conformal_scores(probabilities: Floats, targets: Ints) -> Floats:
    """How strange each truth looked, 1 - its probability, ascending, shape (n,).

    Args:
        probabilities: Out-of-fold or held-out, shape (n, c).
        targets: Class indices, shape (n,).
    Source: Sadinle, Lei, Wasserman 2019, "Least ambiguous set-valued classifiers", arXiv:1609.00451.
    """
    return np.sort((1 - probabilities)[np.arange(len(targets)), targets])


def scores_by_class(probabilities: Floats, targets: Ints) -> list[Floats]:
    """`conformal_scores` of each class by itself, c arrays: for sets that hold within every class."""
    return [conformal_scores(probabilities[targets == k], targets[targets == k]) for k in range(probabilities.shape[1])]


def smallest_n(coverage: float) -> int:
    """The fewest calibration examples that can promise this coverage.

    Example:
        >>> [smallest_n(coverage) for coverage in (0.9, 0.95, 0.99)]
        [9, 19, 99]
    """
    return ceil(round(coverage / (1 - coverage), 9))


def threshold(sorted_scores: Floats, coverage: float) -> float:
    """The largest score that still belongs to a set: the ceil((n + 1) coverage)-th smallest of n.

    Raises:
        UsageError: when n is too small for this coverage, or the coverage is none.
    """
    n = len(sorted_scores)
    if not 0 < coverage < 1:
        raise UsageError(f"a coverage must lie between 0 and 1, not {coverage:g}", "coverage", "0.9 is usual")
    if n < smallest_n(coverage):
        raise UsageError(
            f"a coverage of {coverage:.3g} needs {smallest_n(coverage)} calibration examples and there are {n}",
            "coverage",
            f"ask for at most {int(100 * n / (n + 1)) / 100:g}, or label more examples",
        )
    return float(sorted_scores[ceil(round((n + 1) * coverage, 9)) - 1])


def class_thresholds(scores: Sequence[Floats], coverage: float) -> Floats:
    """One threshold per class, shape (c,), so that the coverage holds for the examples of every class.

    Raises:
        UsageError: when any class has too few examples for this coverage.
    """
    fewest = min(len(own) for own in scores)
    if fewest < smallest_n(coverage):
        raise UsageError(
            f"a coverage of {coverage:.3g} in every class needs {smallest_n(coverage)} calibration examples of each, "
            f"and class {[len(own) for own in scores].index(fewest)} has {fewest}",
            "coverage",
            "ask for coverage over all classes together, or label more examples",
        )
    return np.array([threshold(own, coverage) for own in scores])


def prediction_sets(probabilities: Floats, limit: float | Floats) -> Bools:
    """The labels that are not too strange, and always the likeliest one.

    Args:
        probabilities: Shape (n, c).
        limit: From `threshold`, or per class, shape (c,), from `class_thresholds`.
    Returns:
        Shape (n, c).
    """
    sets: Bools = 1 - probabilities <= limit
    sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
    return sets


def abstains(sets: Bools) -> Bools:
    """Where more than one label is possible: there, better say "I don't know". Shape (n,)."""
    unsure: Bools = sets.sum(axis=1) != 1
    return unsure


def p_value(sorted_calibration: Floats, scores: Floats) -> Floats:
    """How usual each score is: (1 + the number of calibration scores at least as large) / (n + 1).

    Args:
        sorted_calibration: Ascending, shape (n,).
        scores: Any shape; the result has the same.
    Source: Vovk, Gammerman, Shafer 2005, "Algorithmic learning in a random world".
    """
    n = len(sorted_calibration)
    usual: Floats = (1 + n - np.searchsorted(sorted_calibration, scores, side="left")) / (n + 1)
    return usual
