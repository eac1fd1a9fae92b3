"""What techniques that label a pool have in common: who belongs to the data at all, how sure is sure, how many of each.

Rows are features of examples; those of the pool come as a `NeighbourGraph`, which computes what folds share only once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from handful.evaluate.arrays import Floats, Ints
from handful.nn.linear import Linear, one_hot, ridge_once
from handful.unsupervised.neighbour_graph import NeighbourGraph, squared_distances

PENALTY = 0.1  # relative, of every head: that of a probe which has nothing to choose one on
STEEPNESS = 20.0  # with which what lies too far from the labelled examples is left out
REACH = 0.9  # quantile of the labelled examples' own distances from each other
N_BALANCING = 5  # rounds; these bring shares within a hundredth of what is expected, mostly
LABELS_THAT_COUNT = 2.0  # per class: from so many on, shares that are guessed count more than shares of labels
MOST_TRUST = 0.5  # in a label that was guessed, beside one that was given
NEVER = 1e-9


@dataclass(frozen=True)
class Labelling:
    """What a pool is taken for.

    Args:
        shares: How much of each example belongs to each class, shape (n_pool, n_classes); rows sum to 1.
        weights: What each example counts beside a labelled one, in [0, 1], shape (n_pool,).
    """

    shares: Floats
    weights: Floats


Labeller: TypeAlias = Callable[[Floats, Ints, int, NeighbourGraph], Labelling]
"""From labelled rows (n, dim), their classes (n,), the number of classes and the pool to what the pool is taken for.

Of every class there is at least one row.
"""


def typicality(labelled: Floats, pool: Floats) -> Floats:
    """How surely each example of a pool is of the same kind as the labelled ones, in [0, 1], shape (n_pool,).

        sigmoid(-steepness (d / r - 1)),      d the squared distance to the nearest labelled example

    r is what 90 % of the labelled examples keep among themselves. With one example per class these are distances
    between classes: generous, but pictures of another kind lie still farther away.

    Args:
        labelled: Shape (n, dim), at least two rows.
        pool: Shape (n_pool, dim).
    """
    among = squared_distances(labelled, labelled)
    np.fill_diagonal(among, np.inf)
    reach = max(float(np.quantile(among.min(axis=1), REACH)), NEVER)
    away = STEEPNESS * (squared_distances(pool, labelled).min(axis=1) / reach - 1)
    return np.asarray(1 / (1 + np.exp(np.clip(away, -50, 50))))


def confidence(shares: Floats) -> Floats:
    """One minus the entropy of each row over the largest there can be, in [0, 1]."""
    entropy = -(shares * np.log(np.maximum(shares, NEVER))).sum(axis=1)
    return np.asarray(np.clip(1 - entropy / np.log(shares.shape[1]), 0, 1))


def sharpened(shares: Floats, power: float) -> Floats:
    """Rows to a power, summing to 1 again; any positive rows will do."""
    raised = (np.maximum(shares, NEVER) / np.maximum(shares.max(axis=1, keepdims=True), NEVER)) ** power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def decided(shares: Floats) -> Floats:
    """All of each row for its likeliest class."""
    return one_hot(shares.argmax(axis=1), shares.shape[1])


def balanced(shares: Floats, expected: Floats, weights: Floats) -> Floats:
    """Rows and columns scaled in turns, until the classes have the expected shares of what counts.

    Without it the class whose few labels lie most central takes nearly everything.

    Args:
        shares: Positive, shape (n_pool, n_classes).
        expected: Share of each class, shape (n_classes,).
        weights: What each row counts, shape (n_pool,).
    Source: Sinkhorn 1967, doi:10.2307/2314570; for labelling few-shot pools Hu et al. 2021, arXiv:2006.03806.
    """
    for _ in range(N_BALANCING):
        shares = shares * (expected / np.maximum(_mean(shares, weights), NEVER))
        shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), NEVER)
    return np.asarray(shares)


def expected_shares(targets: Ints, n_classes: int, guessed: Floats, weights: Floats) -> Floats:
    """How frequent each class is in the pool: between its share of the labels and what it is taken for.

    Who labels the same number of each class says nothing of how frequent they are; who has one label of each cannot
    guess it either. So the guess counts the more, the more labels it rests on.

    Args:
        targets: Of the labelled examples, shape (n,).
        n_classes: Number of classes.
        guessed: Shares of the pool, shape (n_pool, n_classes).
        weights: What each row of it counts, shape (n_pool,).
    """
    n_each = len(targets) / n_classes
    trust = n_each / (n_each + LABELS_THAT_COUNT)
    labelled = one_hot(targets, n_classes).mean(axis=0)
    return np.asarray((1 - trust) * labelled + trust * _mean(guessed, weights))


def head_on_both(labelled: Floats, targets: Ints, pool: Floats, labelling: Labelling) -> Linear:
    """Ridge regression on labelled examples and on a pool.

    The pool counts at most as much as the labelled ones together, and each of it at most `MOST_TRUST` of one of them.

    Args:
        labelled: In every view, shape (n, n_views, dim).
        targets: Their classes, shape (n,).
        pool: Shape (n_pool, dim).
        labelling: What these are taken for.
    """
    (n, n_views, dim), used = labelled.shape, np.flatnonzero(labelling.weights > NEVER)
    of_pool = labelling.weights[used] * min(n / max(float(labelling.weights.sum()), NEVER), MOST_TRUST)
    outputs = one_hot(targets, labelling.shares.shape[1]).repeat(n_views, axis=0)
    rows = np.concatenate([labelled.reshape(-1, dim), pool[used]])
    weights = np.concatenate([np.full(n * n_views, 1 / n_views), of_pool])
    return ridge_once(rows, np.concatenate([outputs, labelling.shares[used]]), PENALTY, weights)


def _mean(shares: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ shares / max(float(weights.sum()), NEVER))
