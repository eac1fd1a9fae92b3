"""Columns of numbers as normal scores and back: margins that a network need not learn."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.evaluate.arrays import Bools, Floats


class NormalScores:
    """Each column through its own distribution function to a normal one; the way back gives values as they were.

        score = ndtri(u),   u even between (rows below) / n and (rows below + rows equal) / n

    Equal cells share their stretch at random, so zeros, whole numbers and codes of categories become normal too, and on
    the way back every score of that stretch gives that very value. Columns of whole numbers come back whole.

    Attributes:
        sorted_: Each column ascending, shape (n, d).
        whole_: Which columns hold whole numbers alone, shape (d,).
    Source: the rank-based normal scores of van der Waerden 1952, with ties broken at random.
    """

    sorted_: Floats
    whole_: Bools

    def fit(self, rows: npt.ArrayLike) -> Self:
        """Learn the columns of rows, shape (n, d).

        Raises:
            DataError: when they are no table of finite numbers.
        """
        self.sorted_ = np.sort(checked_rows(rows), axis=0)
        self.whole_ = (self.sorted_ == np.rint(self.sorted_)).all(axis=0)
        return self

    def transform(self, rows: npt.ArrayLike, rng: np.random.Generator) -> Floats:
        """Scores, shape (n, d); equal cells are spread by `rng`."""
        from scipy.special import ndtri

        rows, n = np.asarray(rows, np.float64), len(self.sorted_)
        below, up_to = (
            np.stack([np.searchsorted(known, asked, side) for known, asked in zip(self.sorted_.T, rows.T, strict=True)])
            for side in ("left", "right")
        )
        shares = (below + (up_to - below) * rng.random(below.shape)).T / n
        scores: Floats = ndtri(np.clip(shares, 0.25 / n, 1 - 0.25 / n))
        return scores

    def inverse_transform(self, scores: npt.ArrayLike) -> Floats:
        """Values of scores, shape (n, d); between two that are known along the line from one to the other."""
        from scipy.special import ndtr

        n = len(self.sorted_)
        places = ndtr(np.asarray(scores, np.float64)) * n - 0.5
        found = [np.interp(at, np.arange(n), known) for at, known in zip(places.T, self.sorted_.T, strict=True)]
        values = np.stack(found, axis=1)
        values[:, self.whole_] = np.rint(values[:, self.whole_])
        return values


def checked_rows(rows: npt.ArrayLike) -> Floats:
    """Rows as float64.

    Raises:
        DataError: when they are no table of finite numbers.
    """
    try:
        table = np.asarray(rows, np.float64)
    except (TypeError, ValueError) as failure:
        raise DataError("the table holds cells that are no numbers", "X", "code categories as numbers") from failure
    if table.ndim != 2 or not table.size:
        raise DataError(f"rows have the shape {table.shape}, expected (n, d) with one or more of both", "X")
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        what = f"the cell in row {row}, column {column} is missing or infinite"
        raise DataError(what, "X", "fill it or leave the row out")
    return table
