"""Tables of features: a column of numbers or words each, and perhaps one of labels."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.core.words import count
from handful.data.labels import label_name
from handful.data.tables import IMAGE_COLUMNS, Table, is_table, open_table
from handful.data.text_inputs import TEXT_COLUMNS

LABELS = ("label", "target", "class")
NO_FEATURES = (*LABELS, "group", "split", "id")
MOST_WORDS = 20  # distinct ones in a column: more are names, not kinds


@dataclass(frozen=True)
class FeatureTable:
    """Rows as numbers.

    Args:
        names: Of the columns, d of them; of a column of words, one for each word: "colour=red".
        values: Standardised, shape (n, d); what was missing is 0, the mean.
        labels: n names, empty where there is none; None when no column holds labels.
        places: Where each row stands: "table.csv, row 2".
        notes: What the reader did that the user should know.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    labels: list[str] | None
    places: list[str]
    notes: tuple[str, ...]


def is_feature_table(path: Path) -> bool:
    """Whether a file is a table that names neither images nor texts."""
    if not (path.is_file() and is_table(path)):
        return False
    table = open_table(path, "example")
    return table.cells(IMAGE_COLUMNS) is None and table.cells(TEXT_COLUMNS) is None


def read_feature_table(path: Path) -> FeatureTable:
    """Read every column but those of labels, groups, splits and ids.

    Numbers are standardised, what is missing becomes the mean; words become a column for each; a column of one value,
    or of more than 20 words, is left out. Rows of the split `test` are left out too.

    Raises:
        DataError: when no column is left.
    """
    table = open_table(path, "example")
    rows = [row for row, part in enumerate(table.parts()) if part != "test"]
    columns: dict[str, npt.NDArray[np.float64]] = {}
    notes = [f"left out: {len(table.rows) - len(rows)} rows of the split test"] if len(rows) < len(table.rows) else []
    for name in dict.fromkeys(key for row in table.rows for key in row):
        if name.strip().lower() not in NO_FEATURES:
            columns |= _columns(name, [table.rows[row].get(name) for row in rows], notes)
    if not columns:
        raise DataError("no column holds features", str(path), "add columns of numbers")
    return FeatureTable(
        tuple(columns),
        np.stack(list(columns.values()), axis=1),
        _labels(table, rows),
        _places(table, rows),
        tuple(notes),
    )


def _columns(name: str, cells: list[Any], notes: list[str]) -> dict[str, npt.NDArray[np.float64]]:
    """A column standardised; of words, one for each word."""
    texts = [label_name(cell) for cell in cells]
    numbers = [_number(text) for text in texts]
    if all(number is not None for number in numbers):
        values = np.array(numbers, dtype=np.float64)
        if n_missing := int(np.isnan(values).sum()):
            notes.append(f"{name}: {count(n_missing, 'missing number')}, taken for the mean")
        found = {name: values}
    else:
        kinds = Counter(text for text in texts if text)
        if len(kinds) > MOST_WORDS:
            notes.append(f"left out: the column {name}, which holds {len(kinds)} different words")
            return {}
        found = {f"{name}={kind}": np.array([text == kind for text in texts], np.float64) for kind in sorted(kinds)}
    kept = {each: _standardised(values) for each, values in found.items() if _varies(values)}
    if not kept:
        notes.append(f"left out: the column {name}, which is the same in every row")
    return kept


def _varies(values: npt.NDArray[np.float64]) -> bool:
    known = values[~np.isnan(values)]
    return len(known) > 0 and bool(known.min() < known.max())


def _standardised(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values = values / np.nanmax(np.abs(values))  # squares of the largest numbers would be infinite
    return np.asarray(np.nan_to_num((values - np.nanmean(values)) / np.nanstd(values)))


def _number(text: str) -> float | None:
    """NaN where there is nothing; None for a word."""
    if text.lower() in ("", "na", "nan", "?"):
        return math.nan
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _labels(table: Table, rows: list[int]) -> list[str] | None:
    labels = table.column(LABELS)
    return None if labels is None else [labels[row] for row in rows]


def _places(table: Table, rows: list[int]) -> list[str]:
    return [f"{table.path.name}, row {table.number(row)}" for row in rows]
