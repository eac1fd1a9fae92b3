"""What each example does to a score that is no mean over examples, to first order."""

from __future__ import annotations

import numpy as np

from handful.evaluate.arrays import Bools, Floats, Ints


def macro_f1_influence(targets: Ints, predicted: Ints) -> tuple[float, Floats]:
    """Macro-F1 and its derivative by the weight of each example.

        F_k = 2 t_k / (p_k + q_k)
        influence of i on F_k = (2 [i in t_k] - F_k ([i in p_k] + [i in q_k])) / (p_k + q_k)

    for the shares of examples that are k and found (t), taken for k (p), and k (q); the mean over the classes that
    occur among targets or predictions, as `metrics.macro_f1`.

    Args:
        targets: Class indices, shape (n,).
        predicted: Class indices, shape (n,).
    Returns:
        The score and the influences, shape (n,), which sum to zero.
    Source: the delta method; Takahashi et al. 2022, doi:10.1007/s10489-021-02635-5.
    """
    classes = np.union1d(targets, predicted)[:, None]
    truth, taken = targets == classes, predicted == classes  # (k, n)
    mentioned = truth.mean(axis=1) + taken.mean(axis=1)
    scores = 2 * (truth & taken).mean(axis=1) / mentioned
    shared = 2.0 * (truth & taken) - scores[:, None] * (1.0 * truth + taken)
    return float(scores.mean()), (shared / mentioned[:, None]).mean(axis=0)


def auroc_influence(targets: Ints, probabilities: Floats) -> tuple[float, Floats]:
    """The mean area under the ROC curves of each class against the rest, and its derivative by each example's weight.

    With two classes whose probabilities add up to one both areas are the same, the usual AUROC. Classes without
    examples are left out of the mean; with one class alone there is no area, and all is NaN.

    Args:
        targets: Class indices, shape (n,).
        probabilities: Shape (n, c).
    Returns:
        The area and the influences, shape (n,), which sum to zero.
    Source: DeLong, DeLong, Clarke-Pearson 1988, Biometrics 44: their structural components, minus their mean, over the
        share of the component's side; ties count half.
    """
    present = np.unique(targets)
    if len(present) < 2:
        return float("nan"), np.full(len(targets), np.nan)
    areas, influence = np.empty(len(present)), np.zeros(len(targets))
    for index, k in enumerate(present):
        own = targets == k
        components = _components(probabilities[:, k], own)
        areas[index] = components[own].mean()
        influence += (components - areas[index]) / np.where(own, own.mean(), 1 - own.mean()) / len(present)
    return float(areas.mean()), influence


def _components(scores: Floats, own: Bools) -> Floats:
    """The share of the other side that each example stands on the right side of, shape (n,)."""
    inside, outside = np.sort(scores[own]), np.sort(scores[~own])
    return np.where(own, _share_below(outside, scores), 1 - _share_below(inside, scores))


def _share_below(ordered: Floats, scores: Floats) -> Floats:
    """The share of `ordered` that is below each score; equals count half."""
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    shares: Floats = below / (2 * len(ordered))
    return shares
