"""A CSV file that says what each mistake costs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from handful.core.errors import DataError
from handful.data.encoding import read_utf8

_LAYOUT = "the first row and the first column name the classes; rows are the truth, columns the answer"


def read_cost_table(path: Path, classes: Sequence[str]) -> list[list[float]]:
    """What it costs to take the class of a row for the class of a column, both in the order of `classes`.

    Args:
        path: Its first row and first column name the classes, in any order.
        classes: Names of the classes.

    Raises:
        DataError: when it cannot be read, names other classes, or has a cell that is no number.
    """
    rows = [row for row in csv.reader(read_utf8(path, "the cost matrix").splitlines()) if any(map(str.strip, row))]
    header = [name.strip() for name in rows[0][1:]] if rows else []
    names = [row[0].strip() for row in rows[1:]]
    _check_names(header, classes, f"{path}, first row")
    _check_names(names, classes, f"{path}, first column")
    cells: dict[tuple[str, str], float] = {}
    for name, row in zip(names, rows[1:], strict=True):
        if len(row) > len(rows[0]):
            raise DataError("a row has more cells than the first row", f"{path}, row {name!r}", _LAYOUT)
        for column, cell in zip_longest(header, row[1:], fillvalue=""):
            cells[name, column] = _cost(cell, f"{path}, row {name!r}, column {column!r}")
    return [[cells[truth, answer] for answer in classes] for truth in classes]


def _check_names(names: Sequence[str], classes: Sequence[str], where: str) -> None:
    unknown = [name for name in names if name not in classes]
    if unknown:
        remedy = f"the classes are {', '.join(classes)}; {_LAYOUT}"
        raise DataError(f"{unknown[0]!r} is not a class of the data", where, remedy)
    for name in classes:
        if names.count(name) != 1:
            raise DataError(f"the class {name!r} occurs {names.count(name)} times, expected once", where, _LAYOUT)


def _cost(cell: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError as failure:
        raise DataError(f"{cell!r} is not a number", where, "give one cost per cell") from failure
