"""Soft k-means: class means, refined by a pool whose examples belong in part to every class.

    z_jk = softmax_k(-sharpness |x_j - c_k|^2)
    c_k = (sum of labelled rows of class k + w sum_j z_jk m_j x_j) / (n_k + w sum_j z_jk m_j)

with m_j the typicality of example j, and w such that the pool counts as `WORTH` labelled examples of every class,
however large it is.

Source: Ren et al. 2018, arXiv:1803.00676, eq. 3. Differs: a sharpness, for features that were not trained for a
sharpness of 1; w, without which a large pool drowns the labels; several rounds; m is `typicality` and not learned.
"""

from __future__ import annotations

import numpy as np

from handful.evaluate.arrays import Floats, Ints, softmax
from handful.nn.linear import one_hot
from handful.unsupervised.labelling import NEVER, Labelling, confidence, typicality
from handful.unsupervised.neighbour_graph import NeighbourGraph, squared_distances

SHARPNESS = 40.0  # times squared distances of rows that had unit length before they were centred
WORTH = 2.0
N_ROUNDS = 3


def soft_kmeans(labelled: Floats, targets: Ints, n_classes: int, pool: NeighbourGraph) -> Labelling:
    """Label a pool by refined class means; a `Labeller`."""
    outputs, typical = one_hot(targets, n_classes), typicality(labelled, pool.rows)
    sums, counts = outputs.T @ labelled, outputs.sum(axis=0)
    weight = WORTH * n_classes / max(float(typical.sum()), 1.0)
    shares = _shares(pool.rows, sums, counts)
    for _ in range(N_ROUNDS):
        taken = weight * typical[:, None] * shares
        shares = _shares(pool.rows, sums + taken.T @ pool.rows, counts + taken.sum(axis=0))
    return Labelling(shares, confidence(shares) * typical)


def _shares(rows: Floats, sums: Floats, counts: Floats) -> Floats:
    means = sums / np.maximum(counts, NEVER)[:, None]
    return softmax(-SHARPNESS * squared_distances(rows, means))
