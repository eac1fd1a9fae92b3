"""How good predictions are: one number, or one number per class or bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handful.evaluate.arrays import Floats, Ints, example_weights

SMALLEST = 1e-15  # the probability below which a log loss stops growing


def accuracy(targets: Ints, predicted: Ints) -> float:
    """The share of examples that are right. Both shapes (n,)."""
    return float(np.mean(targets == predicted))


def balanced_accuracy(targets: Ints, predicted: Ints) -> float:
    """The mean recall over the classes that are present in `targets`. Both shapes (n,).

    Example:
        >>> balanced_accuracy(np.array([0, 0, 0, 2]), np.array([0, 0, 0, 1]))
        0.5
    """
    return float(example_weights(targets, "balanced_accuracy") @ (targets == predicted))


def confusion(targets: Ints, predicted: Ints, n_classes: int) -> Ints:
    """Counts, shape (c, c): rows are what it is, columns what it was taken for."""
    return np.bincount(targets * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def recalls(targets: Ints, correct: Floats, n_classes: int) -> tuple[Floats, Ints]:
    """How much of each class is recognised.

    Args:
        targets: Class indices, shape (n,).
        correct: Whether each example was right, in [0, 1], shape (n,).
    Returns:
        The recall of each class, NaN where it has no example, and its number of examples; both shapes (c,).
    """
    counts = np.bincount(targets, minlength=n_classes)
    right = np.bincount(targets, weights=correct, minlength=n_classes)
    return np.where(counts > 0, right / np.maximum(counts, 1), np.nan), counts


def macro_f1(targets: Ints, predicted: Ints) -> float:
    """The mean F1 over the classes that are present or predicted; a class never right scores 0. Both shapes (n,)."""
    table = confusion(targets, predicted, 1 + int(max(targets.max(), predicted.max())))
    mentioned = table.sum(axis=0) + table.sum(axis=1)  # 2 true positives + false positives + false negatives
    seen = mentioned > 0
    return float(np.mean(2 * table.diagonal()[seen] / mentioned[seen]))


def log_losses(targets: Ints, probabilities: Floats) -> Floats:
    """Minus the log of the probability given to the truth, in nats, shape (n,)."""
    truth = probabilities[np.arange(len(targets)), targets]
    losses: Floats = -np.log(np.maximum(truth, SMALLEST))
    return losses


def log_loss(targets: Ints, probabilities: Floats) -> float:
    """The mean of `log_losses`."""
    return float(log_losses(targets, probabilities).mean())


def brier(targets: Ints, probabilities: Floats) -> float:
    """The mean squared distance between probabilities and truth, in [0, 2].

    Source: Brier 1950. The sum over classes, so twice what is used for two classes elsewhere.
    """
    truth = probabilities[np.arange(len(targets)), targets]
    return float(np.mean((probabilities**2).sum(axis=1) - 2 * truth + 1))


@dataclass(frozen=True)
class Reliability:
    """Bins of confidence that hold any example, from low to high.

    Args:
        confidence: Mean probability of the top class, shape (b,).
        accuracy: Share that was right, shape (b,).
        n: Examples, shape (b,).
    """

    confidence: Floats
    accuracy: Floats
    n: Ints


def equal_width_edges(n_bins: int = 10) -> Floats:
    """The inner edges of bins of equal width, shape (n_bins - 1,)."""
    return np.linspace(0, 1, n_bins + 1)[1:-1]


def equal_count_edges(probabilities: Floats, n_bins: int = 10) -> Floats:
    """The inner edges of bins that hold about equally many examples, shape (n_bins - 1,)."""
    edges: Floats = np.quantile(probabilities.max(axis=1), equal_width_edges(n_bins))
    return edges


def reliability(targets: Ints, probabilities: Floats, edges: Floats | None = None) -> Reliability:
    """Does it happen 80 % of the time when the model says 80 %?

    Args:
        targets: Class indices, shape (n,).
        probabilities: Shape (n, c).
        edges: Inner edges of the bins of confidence, ascending; ten bins of equal width unless told.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    bins = np.digitize(confidence, equal_width_edges() if edges is None else edges, right=True)
    n = np.bincount(bins)
    held = n > 0
    mean_confidence = np.bincount(bins, weights=confidence)[held] / n[held]
    return Reliability(mean_confidence, np.bincount(bins, weights=correct)[held] / n[held], n[held])


def calibration_error(targets: Ints, probabilities: Floats, edges: Floats | None = None) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy over bins, by their examples.

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3. Grows with the noise in small bins: at small n it is never near 0.
    """
    bins = reliability(targets, probabilities, edges)
    return float(np.average(np.abs(bins.confidence - bins.accuracy), weights=bins.n))
