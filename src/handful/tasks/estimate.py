"""What out-of-fold scores say about a classifier: its calibration, its score with an interval, where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.rng import stream
from handful.evaluate.arrays import Averaging, Floats, Ints
from handful.evaluate.calibration import Temperature, cross_fitted, fit_temperature
from handful.evaluate.conformal import prediction_sets, smallest_n, threshold
from handful.evaluate.intervals import Interval, jeffreys, score_interval, wilson
from handful.evaluate.metric import Metric
from handful.evaluate.metrics import calibration_error, confusion, equal_count_edges, log_loss, reliability

AVERAGINGS: tuple[Averaging, ...] = ("accuracy", "balanced_accuracy")
COVERAGES = (0.8, 0.9, 0.95, 0.99)
CROSS_VALIDATED = 0.5
"""What an example of cross-validation is worth, against one of an independent test set.

Every example is tested by models that the others made, so errors come in company: one odd example spoils its own
answer and those of its neighbours. Measured on the training parts of open sets, the variance of a cross-validated score
is 1 to 3 times that of as many independent tests.

Source: Bates, Hastie and Tibshirani 2024, doi:10.1080/01621459.2023.2197686. Differs: one factor for all data sets,
where they estimate one for each by nesting, which takes more examples than a handful.
"""
N_BINS = 5  # of the reliability plot: a hundred examples fill no more


@dataclass(frozen=True)
class OutOfFold:
    """Calibrated predictions of every example by models that never saw it.

    Args:
        probabilities: Mean over the repeats, cross-fitted, shape (n, n_classes).
        single: Of one repeat alone, as noisy as the model that ships, shape (n, n_classes).
        temperature: The calibration that ships, fitted on all out-of-fold scores.
    """

    probabilities: Floats
    single: Floats
    temperature: Temperature


def out_of_fold(scores: Floats, targets: Ints, folds: Ints, metric: Metric) -> OutOfFold:
    """Calibrate scores of shape (n_repeats, n, n_classes).

    By a temperature alone where the likeliest class is answered: a bias for each class would change answers whose score
    was measured. Where costs decide, that score was measured with the bias.
    """
    bias = metric.with_bias
    repeats = [cross_fitted(each, targets, fold, bias) for each, fold in zip(scores, folds, strict=False)]
    return OutOfFold(np.mean(repeats, axis=0), repeats[0], fit_temperature(scores[0], targets, bias))


def tested_sections(
    probabilities: Floats, targets: Ints, units: Ints, classes: Sequence[str], metric: Metric, seed: int
) -> dict[str, Any]:
    """`score_sections` of probabilities that a finished model gave, shape (n, n_classes)."""
    contributions, right = (each.contributions(targets, probabilities) for each in (metric, metric.of_answers))
    return score_sections(contributions, right, targets, units, classes, metric, seed)


def score_sections(
    contributions: Floats,
    right: Floats,
    targets: Ints,
    units: Ints,
    classes: Sequence[str],
    metric: Metric,
    seed: int,
    worth: float = 1.0,
) -> dict[str, Any]:
    """The keys score, score_missing, score_note, scores, gain_unit and per_class of the metrics.

    Args:
        contributions: What each example adds to the score, shape (n,).
        right: Whether each example is named rightly, between 0 and 1, shape (n,).
        units: What is drawn together, shape (n,).
        worth: `CROSS_VALIDATED` where models of the same examples were tested on each other.
    """
    scores: dict[str, Interval | None] = {
        name: score_interval(right, targets, units, name, stream(seed, "score", name), worth=worth)
        for name in AVERAGINGS
    }
    if metric.name not in scores:
        rng = stream(seed, "score", metric.name)
        scores[metric.name] = metric.interval_of(contributions, targets, units, rng, worth)
    named = {name: interval and {"metric": name, **asdict(interval)} for name, interval in scores.items()}
    note = metric.note(targets, classes)
    return {
        "score": named[metric.name],
        "score_missing": None if named[metric.name] else note,
        "score_note": note,
        "scores": named,
        "gain_unit": metric.unit,
        "per_class": _per_class(right, targets, classes, worth),
    }


def _per_class(correct: Floats, targets: Ints, classes: Sequence[str], worth: float) -> list[dict[str, Any]]:
    rows = []
    for index, name in enumerate(classes):
        of_class = correct[targets == index]
        n = len(of_class)
        recall = {**asdict(jeffreys(worth * of_class.sum(), worth * n)), "n": n} if n else None
        rows.append({"class": name, "n": len(of_class), "recall": recall})
    return rows


def probability_sections(probabilities: Floats, targets: Ints, n_classes: int, metric: Metric) -> dict[str, Any]:
    """The keys confusion and calibration of the metrics; answers are those that the metric decides on."""
    edges = equal_count_edges(probabilities, N_BINS)
    bins = reliability(targets, probabilities, edges)
    rows = [
        {"confidence": float(sure), "accuracy": float(right), "n": int(n), **_bounds(wilson(right * n, float(n)))}
        for sure, right, n in zip(bins.confidence, bins.accuracy, bins.n, strict=True)
    ]
    return {
        "confusion": confusion(targets, metric.decide(probabilities), n_classes).tolist(),
        "calibration": {
            "bins": rows,
            "expected_error": calibration_error(targets, probabilities, edges),
            "log_loss": log_loss(targets, probabilities),
        },
    }


def _bounds(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}


def conformal_section(
    calibration: Floats, probabilities: Floats, tested: tuple[Floats, Ints] | None
) -> list[dict[str, Any]]:
    """What prediction sets look like at several coverages, and the coverage measured on test data when there is any.

    Args:
        calibration: Sorted conformal scores.
        probabilities: Out-of-fold, shape (n, n_classes): what the sets' sizes are told from.
        tested: Probabilities and targets of a test set.
    """
    rows = []
    for coverage in COVERAGES:
        row: dict[str, Any] = {"coverage": coverage, "smallest_n": smallest_n(coverage)}
        row["available"] = len(calibration) >= row["smallest_n"]
        if row["available"]:
            limit = threshold(calibration, coverage)
            sizes = prediction_sets(probabilities, limit).sum(axis=1)
            row |= {"mean_size": float(sizes.mean()), "single_share": float((sizes == 1).mean()), "measured": None}
            if tested:
                covered = prediction_sets(tested[0], limit)[np.arange(len(tested[1])), tested[1]]
                row["measured"] = asdict(wilson(float(covered.sum()), len(covered)))
        rows.append(row)
    return rows


def majority(targets: Ints, classes: Sequence[str], metric: Metric) -> dict[str, Any]:
    """What the shares of the classes alone would score: the most frequent class, or the one that costs least."""
    shares = np.bincount(targets, minlength=len(classes)) / len(targets)
    return {"class": classes[int(metric.decide(shares[None])[0])], "value": metric.guessing(targets, len(classes))}


def shift_note(claimed: Mapping[str, Any] | None, tested: Mapping[str, Any] | None) -> str | None:
    """A sentence when the intervals of the cross-validated score and of the score on the test set do not meet."""
    if not claimed or not tested or (tested["low"] <= claimed["high"] and claimed["low"] <= tested["high"]):
        return None
    return (
        "The two scores do not fit together: training and test data are not of the same kind. "
        "Believe the score on the test set, and label examples like those it holds."
    )


def share_note(train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], classes: Sequence[str]) -> str | None:
    """A sentence when the class shares of training and test differ by more than chance and ten points."""
    shares = [np.bincount(part, minlength=len(classes)) / len(part) for part in (train, test)]
    gap = shares[1] - shares[0]
    worst = int(np.abs(gap).argmax())
    noise = 2 * np.sqrt(shares[0][worst] * (1 - shares[0][worst]) / len(test))
    if abs(gap[worst]) <= max(0.1, noise):
        return None
    return (
        f"Class shares differ: {classes[worst]} is {shares[0][worst]:.0%} of the training data and "
        f"{shares[1][worst]:.0%} of the test data; probabilities are calibrated for the former."
    )
