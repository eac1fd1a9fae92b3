"""More rows for a table of numbers: mixed within a class, jittered, or by SMOTE.

Cells without a value are NaN. Columns of categories or whole numbers are named by their index in `categorical`: their
values are taken over and never mixed or jittered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, UsageError
from handful.core.optional import require

Rows = npt.NDArray[np.floating]
Targets = npt.NDArray[Any]

ALPHA = 0.4  # Beta(0.4, 0.4): most rows stay near one of the two
N_NEIGHBOURS = 5  # of SMOTE, as in the paper


def mixed_within_class(
    features: Rows,
    targets: Targets,
    n_rows: int,
    rng: np.random.Generator,
    alpha: float = ALPHA,
    categorical: Sequence[int] = (),
) -> tuple[Rows, Targets]:
    """New rows between two of one class: share x a + (1 - share) x b, with the share from Beta(alpha, alpha).

    The first of the two is drawn evenly from all rows, so that classes keep their shares; the second is another one of
    its class. A class of one gives its row as it is. A cell that is missing in either row, and every categorical one,
    comes whole from the row with the larger share.

    Args:
        features: Shape (n, d); NaN is missing.
        targets: Classes, shape (n,).
        n_rows: How many to make.
        alpha: Positive; larger is nearer to the middle.
        categorical: Columns that are not mixed.
    Returns:
        Features of shape (n_rows, d) and their targets, shape (n_rows,).
    Source: Zhang et al. 2018, arXiv:1710.09412. Differs: within a class, so that every row has one target.
    """
    features = _checked(features, targets, categorical)
    if not 0 < alpha < np.inf:
        raise UsageError(f"alpha is {alpha}, expected a number above 0", "mixed_within_class", f"usual is {ALPHA}")
    if n_rows < 0:
        raise UsageError(f"n_rows is {n_rows}, expected 0 or more", "mixed_within_class")
    first = rng.integers(len(features), size=n_rows)
    second = _partners(np.asarray(targets), first, rng)
    share = rng.beta(alpha, alpha, (n_rows, 1)).astype(features.dtype)
    a, b = features[first], features[second]
    mixed = b + share * (a - b)  # exactly what they have in common
    whole = np.isnan(mixed)
    whole[:, list(categorical)] = True
    return np.where(whole, np.where(share >= 0.5, a, b), mixed), np.asarray(targets)[first]


def jittered(features: Rows, amount: float, rng: np.random.Generator, categorical: Sequence[int] = ()) -> Rows:
    """A copy of the rows with normal noise of `amount` standard deviations of each column, measured on these rows.

    Missing cells stay missing and are not counted; constant columns stay as they are.

    Args:
        features: Shape (n, d); NaN is missing.
        amount: 0 or more; 0.1, say.
        categorical: Columns that stay as they are.
    """
    features = _checked(features, None, categorical)
    if not 0 <= amount < np.inf:
        raise UsageError(f"the amount is {amount}, expected a number from 0 on", "jittered", "0.1, say")
    spread = _spread(features)
    spread[list(categorical)] = 0
    return np.asarray(features + amount * spread * rng.standard_normal(features.shape), dtype=features.dtype)


def smote(
    features: Rows,
    targets: Targets,
    rng: np.random.Generator,
    n_neighbours: int = N_NEIGHBOURS,
    categorical: Sequence[int] = (),
) -> tuple[Rows, Targets]:
    """As many rows of every class as the largest has: the given ones first, then new ones between near neighbours.

    Where the smallest class has no more than `n_neighbours` rows, all its others are the neighbours. Balanced classes
    come back as they are. Distances count every column alike: scale them first.

    Args:
        features: Shape (n, d), nothing missing.
        targets: Classes, shape (n,).
        n_neighbours: Of the same class, 1 or more, between which and a row the new ones lie.
        categorical: Columns that take the most frequent value of the neighbours (SMOTE-NC).
    Raises:
        DataError: when a class has a single row, cells are missing, or every column is categorical.
        MissingPackage: without imbalanced-learn, which the extra `tables` brings.
    Source: Chawla et al. 2002, doi:10.1613/jair.953, through imbalanced-learn.
    """
    features, targets = _checked(features, targets, categorical), np.asarray(targets)
    if n_neighbours < 1:
        raise UsageError(f"n_neighbours is {n_neighbours}, expected 1 or more", "smote", f"usual is {N_NEIGHBOURS}")
    if np.isnan(features).any():
        column = int(np.flatnonzero(np.isnan(features).any(axis=0))[0])
        raise DataError(
            f"column {column} has missing cells, SMOTE knows no distance to them", "smote", "fill them first"
        )
    if len(set(categorical)) == features.shape[1]:
        raise DataError("every column is categorical, SMOTE needs a number to go by", "smote", "repeat rows instead")
    classes, counts = np.unique(targets, return_counts=True)
    if counts.min() == counts.max():
        return features.copy(), targets.copy()
    if counts.min() == 1:
        single = classes[counts == 1].tolist()[0]
        raise DataError(f"the class {single!r} has a single row, SMOTE needs two", "smote", "add one, or leave it out")
    methods = require("imblearn.over_sampling", "tables")
    settings = {"k_neighbors": int(min(n_neighbours, counts.min() - 1)), "random_state": int(rng.integers(2**31))}
    if len(categorical):
        method = methods.SMOTENC(categorical_features=list(categorical), **settings)
    else:
        method = methods.SMOTE(**settings)
    rows, labels = method.fit_resample(features, targets)
    return np.asarray(rows, dtype=features.dtype), np.asarray(labels)


def _checked(features: Rows, targets: Targets | None, categorical: Sequence[int]) -> Rows:
    features = np.asarray(features)
    if not np.issubdtype(features.dtype, np.floating):
        features = features.astype(np.float64)
    if features.ndim != 2 or not features.size:
        raise DataError(f"rows have the shape {features.shape}, expected (n, d) with one or more of both", "features")
    if np.isinf(features).any():
        raise DataError("an infinite cell", "features", "write NaN where a value is missing")
    if targets is not None and np.shape(targets) != (len(features),):
        raise DataError(f"targets have the shape {np.shape(targets)}, expected ({len(features)},)", "targets")
    n_columns = features.shape[1]
    for column in categorical:
        if not 0 <= column < n_columns:
            raise UsageError(f"there is no column {column}, they run from 0 to {n_columns - 1}", "categorical")
    return features


def _partners(targets: Targets, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """For each row another one of its class, each as likely; itself where it is the only one."""
    partners = rows.copy()
    for label in np.unique(targets):
        members, asked = np.flatnonzero(targets == label), np.flatnonzero(targets[rows] == label)
        if len(members) > 1:
            steps = rng.integers(1, len(members), len(asked))  # around the circle of members, never back to itself
            partners[asked] = members[(np.searchsorted(members, rows[asked]) + steps) % len(members)]
    return partners


def _spread(features: Rows) -> Rows:
    """The standard deviation of each column over its present cells, 0 where there are none."""
    present = ~np.isnan(features)
    n = np.maximum(present.sum(axis=0), 1)
    lowest = np.min(features, axis=0, where=present, initial=np.inf)
    above = np.where(present, features.astype(np.float64) - lowest, 0)  # exactly 0 in a constant column
    return np.asarray(np.sqrt((np.where(present, above - above.sum(axis=0) / n, 0) ** 2).sum(axis=0) / n))
