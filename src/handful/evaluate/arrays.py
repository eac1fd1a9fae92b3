"""The types of arrays that the statistics speak of, and how much each example counts."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Averaging = Literal["accuracy", "balanced_accuracy"]
"""Over examples, or over classes."""

BLOCK = 2**21  # elements of the largest temporary array: 16 MB of float64


def example_weights(targets: Ints, metric: Averaging) -> Floats:
    """How much each example counts in a score; the weights sum to one.

    Args:
        targets: Class indices, shape (n,).
        metric: Under "accuracy" each example counts the same, under "balanced_accuracy" each class that is present.
    Returns:
        Weights, shape (n,).
    Example:
        >>> example_weights(np.array([0, 0, 0, 1]), "balanced_accuracy").round(2).tolist()
        [0.17, 0.17, 0.17, 0.5]
    """
    if metric == "accuracy":
        return np.full(len(targets), 1 / len(targets))
    _, inverse, counts = np.unique(targets, return_inverse=True, return_counts=True)
    weights: Floats = 1 / (len(counts) * counts[inverse])
    return weights


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis, any shape, without overflow.

    Example:
        >>> softmax(np.array([1000.0, 1000.0])).tolist()
        [0.5, 0.5]
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
