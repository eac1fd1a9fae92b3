"""Is an input like anything the model has learnt from? Turn distances into p-values with `conformal.p_value`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handful.evaluate.arrays import BLOCK, Floats, Ints

# NumPy only: a saved model predicts with these.


def nearest_distance(queries: Floats, references: Floats, k: int = 1) -> Floats:
    """The Euclidean distance to the k-th nearest reference, in [0, 2], shape (m,).

    Args:
        queries: L2-normalised rows, shape (m, d).
        references: L2-normalised rows, shape (n, d), n >= k.
    Source: Sun et al. 2022, arXiv:2204.06507. Differs: k = 1, which suits a handful of references.
    """
    return np.concatenate([_kth_distance(cosines, k) for _, cosines in _blocks(queries, references)])


def leave_out_distances(references: Floats, units: Ints, k: int = 1) -> Floats:
    """What the distance of a familiar input looks like: of each reference to the others, its own unit left out.

    Args:
        references: L2-normalised rows, shape (n, d).
        units: Examples that belong together, shape (n,).
    Returns:
        Shape (n,), in the order of the references; infinite where fewer than k others are left, so that nothing is
        called unfamiliar on their account.
    """
    distances = []
    for rows, cosines in _blocks(references, references):
        cosines[units[rows][:, None] == units] = -np.inf
        distances.append(_kth_distance(cosines, k))
    return np.concatenate(distances)


def _blocks(queries: Floats, references: Floats) -> Iterator[tuple[slice, Floats]]:
    """The cosines of a few queries at a time with all references."""
    step = max(1, BLOCK // len(references))
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        yield rows, queries[rows] @ references.T


def _kth_distance(cosines: Floats, k: int) -> Floats:
    nearest = np.partition(cosines, -k, axis=1)[:, -k]
    return np.sqrt(np.maximum(2 - 2 * nearest, 0))
