"""What each mistake costs: a matrix, checked before it decides anything, and what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.evaluate.arrays import Floats, Ints

Costs: TypeAlias = tuple[tuple[float, ...], ...]
"""Rows are what it is, columns what it is taken for."""

_LAYOUT = "rows are the truth, columns the answer"


def checked_costs(costs: npt.ArrayLike, classes: Sequence[str], where: str = "cost matrix") -> Costs:
    """A cost matrix that makes sense.

    Args:
        costs: What it costs to take the class of a row for the class of a column, shape (c, c).
        classes: Their names, in the order of rows and columns.
        where: The file or argument, for errors.
    Raises:
        DataError: for another shape, for costs below zero or that are no numbers, where the right answer costs more
            than a wrong one, and where no answer costs more than another.
    """
    try:
        table: Floats = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError) as failure:
        raise DataError("the cost matrix is not a table of numbers", where, "give one number per cell") from failure
    n = len(classes)
    if table.shape != (n, n):
        raise DataError(f"expected {n} x {n} costs, one per pair of classes, got shape {table.shape}", where, _LAYOUT)
    if not np.isfinite(table).all() or table.min() < 0:
        raise DataError("a cost is negative or no finite number", where, "say gains as lower costs")
    right = table.diagonal()[:, None]
    for row, column in np.argwhere(table < right)[:1]:
        what = f"to take {classes[row]!r} for {classes[column]!r} costs less than to be right"
        raise DataError(what, where, "the smallest cost of each row belongs on the diagonal; " + _LAYOUT)
    if (table == right).all():
        raise DataError("no mistake costs more than being right", where, "give mistakes a cost, such as 1")
    return tuple(tuple(row) for row in table.tolist())


def decided(probabilities: Floats, costs: Costs | None = None) -> Ints:
    """The likeliest class, or with costs the one of least expected cost, shape (n,).

    Source: Elkan 2001, "The foundations of cost-sensitive learning", eq. 1.
    Example:
        >>> decided(np.array([[0.8, 0.2]]), ((0.0, 1.0), (10.0, 0.0))).tolist()
        [1]
    """
    best: Ints = (probabilities if costs is None else -(probabilities @ np.asarray(costs))).argmax(axis=1)
    return best
