"""Label propagation: labels spread over the graph of the pool's neighbours, so clusters count and not distances.

    F = (I - reach S)^-1 (what the labelled examples give to their nearest)

then class-mass normalisation: classes get the shares that are expected of them, however central their labels lie.

Source: Zhou et al. 2004, "Learning with local and global consistency"; the normalisation is Zhu et al. 2003, section 4.
Differs: labelled examples are attached to the graph of the pool, so that it serves every fold; masses are balanced
until rows and columns agree; shares are squared, since a head fitted to soft shares learns how soft they are.
"""

from __future__ import annotations

import numpy as np

from handful.evaluate.arrays import Floats, Ints
from handful.nn.linear import one_hot
from handful.unsupervised.labelling import (
    NEVER,
    Labelling,
    balanced,
    confidence,
    decided,
    expected_shares,
    sharpened,
    typicality,
)
from handful.unsupervised.neighbour_graph import NeighbourGraph

REACH = 0.8
POWER = 2.0


def label_propagation(labelled: Floats, targets: Ints, n_classes: int, pool: NeighbourGraph) -> Labelling:
    """Label a pool by its neighbours; a `Labeller`."""
    outputs, typical = one_hot(targets, n_classes), typicality(labelled, pool.rows)
    raw = propagated(labelled, outputs, pool)
    expected = expected_shares(targets, n_classes, decided(raw), typical)
    shares = balanced(sharpened(balanced(raw, expected, typical), POWER), expected, typical)
    return Labelling(shares, confidence(shares) * typical)


def propagated(labelled: Floats, outputs: Floats, pool: NeighbourGraph) -> Floats:
    """Shares of each class, shape (n_pool, n_classes), before they are balanced and sharpened.

    Args:
        labelled: Shape (n, dim).
        outputs: Their indicators, shape (n, n_classes).
        pool: Rows to label.
    """
    found = pool.spread(pool.seeds(labelled, outputs), REACH)
    found = found + NEVER * found.mean()  # what no label reaches belongs to all classes alike
    return np.asarray(found / found.sum(axis=1, keepdims=True))
