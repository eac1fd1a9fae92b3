"""Which examples to label first: spread over a map of all of them, the typical ones before the odd.

A map of about as many cells as there are labels to give parts the examples; every cell gives the example that lies
nearest to its vector, the fullest cell first, and once all have given one they give their second. Cells that hold
labelled examples wait for the others. An outlier is last in a full cell, or alone in one whose turn comes late.

Source: Hacohen et al. 2022, arXiv:2202.02794 (typical examples of the largest clusters, for small budgets). Differs:
the clusters are cells of a self-organizing map; typical is what lies near the cell's vector, not among near neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handful.core.errors import DataError, UsageError
from handful.unsupervised.self_organizing_map import Floats, Ints, SelfOrganizingMap

RADIUS = 0.1  # of the last pass: a smooth sheet has cells between the clusters, which nobody should label
N_PASSES = 30


def label_first(features: Any, n: int, labelled: Sequence[int] | Ints = (), random_state: int = 0) -> Ints:
    """The rows to label, the most useful first, shape (n,).

    Args:
        features: Of all examples, shape (n_examples, d); for a frozen backbone of unit length.
        n: How many labels are to be given.
        labelled: Rows that have one already; they are not chosen, and what is like them waits.
        random_state: Same seed, same choice.
    Raises:
        UsageError: when fewer than `n` examples have no label yet.
        DataError: when a number is missing, or all examples are the same.
    Example:
        >>> corners = np.repeat([[0.0, 0], [0, 1], [1, 0], [1, 1]], 25, axis=0)
        >>> X = corners + np.random.default_rng(0).normal(0, 0.05, (100, 2))
        >>> sorted((label_first(X, 4) // 25).tolist())
        [0, 1, 2, 3]
    """
    features = np.asarray(features)
    if features.ndim != 2:
        raise DataError(f"features of shape {features.shape}, expected (n, d)", "features", "one row an example")
    known = np.unique(np.asarray(labelled, dtype=np.int64))
    if len(known) and (known[0] < 0 or known[-1] >= len(features)):
        raise UsageError(f"labelled rows from {known[0]} to {known[-1]} of {len(features)} examples", "labelled")
    if not 1 <= n <= len(features) - len(known):
        what = f"{n} examples to label, of {len(features) - len(known)} without a label"
        raise UsageError(what, "n", "ask for 1 or more, and for no more than there are")
    n_rows, n_columns = _sides(n + len(known))
    sheet = SelfOrganizingMap(n_rows, n_columns, n_passes=N_PASSES, final_radius=RADIUS, random_state=random_state).fit(
        features
    )
    distances = sheet.transform(features)
    cell = distances.argmin(axis=1)
    order = _order(cell, distances[np.arange(len(cell)), cell], known)
    return order[:n]


def _sides(n_cells: int) -> tuple[int, int]:
    """A sheet as square as may be, of no more cells than that."""
    n_rows = int(np.sqrt(n_cells))
    return n_rows, n_cells // n_rows


def _order(cell: Ints, distance: Floats, known: Ints) -> Ints:
    """The rows without a label, by how many of their cell come before them, full cells first."""
    sizes, is_known = np.bincount(cell), np.isin(np.arange(len(cell)), known)
    rows = np.lexsort((distance, ~is_known, cell))  # cell by cell, those with a label first
    waiting = np.empty(len(cell), dtype=np.int64)
    waiting[rows] = np.arange(len(cell)) - (np.cumsum(sizes) - sizes)[cell[rows]]
    order = np.lexsort((distance, -sizes[cell], waiting))
    return np.asarray(order[~is_known[order]])
