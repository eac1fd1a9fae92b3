"""Self-training: a head labels the pool, learns from what it is surest of, and labels again.

    start:  what the head of the labelled examples says, times what label propagation says
    round:  a head on the labelled examples and the surest of every class, more of them each time;
            its answers, made smooth over the pool's neighbours and balanced, are the next labels

Scores of so few labels cannot be calibrated by held-out ones. They are brought to a common spread instead, which makes
a head of ten labels as decided as one of a hundred; `confidence` and `typicality` say what an answer counts.

Source: Lee 2013, "Pseudo-label"; Xie et al. 2020, arXiv:1911.04252 (rounds, soft labels); Lazarou et al. 2021,
arXiv:2012.07962 (propagation, balance and the surest of each class in turns). Differs: exact heads on frozen features;
expected shares of the classes are guessed, not taken to be equal.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handful.evaluate.arrays import Floats, Ints, softmax
from handful.nn.linear import one_hot, ridge_once
from handful.unsupervised.label_propagation import propagated
from handful.unsupervised.labelling import (
    NEVER,
    PENALTY,
    Labelling,
    balanced,
    confidence,
    decided,
    expected_shares,
    head_on_both,
    sharpened,
    typicality,
)
from handful.unsupervised.neighbour_graph import NeighbourGraph

SHARPNESS = 2.0  # of a softmax of scores whose spread is 1
N_ROUNDS = 5
SMOOTHNESS = 0.5  # how much of its answer a row takes from its neighbours
POWER = 1.5  # of answers that were made smooth


def self_training(labelled: Floats, targets: Ints, n_classes: int, pool: NeighbourGraph) -> Labelling:
    """Label a pool by heads that learn from it; a `Labeller`."""
    outputs, typical = one_hot(targets, n_classes), typicality(labelled, pool.rows)
    seeds = pool.seeds(labelled, outputs)

    def labelled_as(shares: Floats, guessed: Floats) -> Labelling:
        expected = expected_shares(targets, n_classes, guessed, typical)
        found = balanced(shares, expected, typical)
        return Labelling(found, confidence(found) * typical)

    guessed = _answers(ridge_once(labelled, outputs, PENALTY)(pool.rows))
    expected = expected_shares(targets, n_classes, decided(guessed), typical)
    spread = balanced(propagated(labelled, outputs, pool), expected, typical)
    labelling = labelled_as(sharpened(guessed * spread, 1.0), decided(guessed))
    for number in range(1, N_ROUNDS + 1):
        head = head_on_both(labelled[:, None], targets, pool.rows, _surest(labelling, number / N_ROUNDS))
        smooth = pool.spread(_answers(head(pool.rows)) + seeds, SMOOTHNESS)
        shares = sharpened(smooth, POWER)
        labelling = labelled_as(shares, shares)
    return labelling


def _answers(scores: Floats) -> Floats:
    """Probabilities of scores brought to a spread of 1."""
    return softmax(SHARPNESS * scores / max(float(scores.std(axis=1).mean()), NEVER))


def _surest(labelling: Labelling, share: float) -> Labelling:
    """A share of what each class has been given counts, the surest first; the rest counts nothing."""
    taken_for, kept = labelling.shares.argmax(axis=1), np.zeros(len(labelling.weights))
    for label in np.unique(taken_for):
        rows = np.flatnonzero(taken_for == label)
        order = np.argsort(-labelling.weights[rows], kind="stable")
        kept[rows[order[: int(np.ceil(share * len(rows)))]]] = 1
    return replace(labelling, weights=labelling.weights * kept)
