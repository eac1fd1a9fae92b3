"""Texts that are the same but for case, spaces and the way their characters are coded."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def plain(text: str) -> str:
    """What two texts must share to be the same one.

    Example:
        >>> plain("  Ｗhat \\n IS it? ")
        'what is it?'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_units(texts: Sequence[str]) -> Rows:
    """Number the distinct texts in the order in which they first appear: what must stay in one fold, shape (n,).

    Example:
        >>> text_units(["b", "a", "B "])
        array([0, 1, 0])
    """
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(plain(text), len(numbers)) for text in texts], dtype=np.int64)


def contradictory_rows(units: Rows, targets: Rows) -> Rows:
    """The rows whose text also stands under another label, ascending.

    Args:
        units: From `text_units`, shape (n,).
        targets: Class indices, shape (n,).
    Example:
        >>> contradictory_rows(np.array([0, 1, 0, 1]), np.array([0, 1, 1, 1]))
        array([0, 2])
    """
    unit, n_labels = np.unique(np.unique(np.column_stack([units, targets]), axis=0)[:, 0], return_counts=True)
    return np.flatnonzero(np.isin(units, unit[n_labels > 1]))


def leaked_rows(train: Sequence[str], test: Sequence[str]) -> Rows:
    """The rows of `test` whose text is also in `train`, ascending."""
    seen = set(map(plain, train))
    return np.flatnonzero([plain(text) in seen for text in test])
