"""Tables of examples: CSV, TSV, JSON lines and Parquet with the columns image (or text), label, group and split."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from handful.core.errors import DataError
from handful.core.optional import require
from handful.data.encoding import read_utf8
from handful.data.labels import label_name
from handful.data.listing import Listing, Part, Records, part_named

IMAGE_COLUMNS, _LABEL, _GROUP, _SPLIT = ("image", "path", "file"), ("label", "target"), ("group",), ("split",)
HEADED = (".csv", ".tsv")
_MOST_CHARACTERS = 2**31 - 1  # of a cell: the standard library stops at 131,072, and a text may be a book

_Row: TypeAlias = dict[str, Any]


def read_table(path: Path, *, labelled: bool = True) -> Listing:
    """List the images that a table names, part by part if it has a column `split`.

    Args:
        path: Its suffix says the format. Image paths are relative to its folder.
        labelled: False ignores labels and groups.
    Raises:
        DataError: when the table cannot be read, or lacks columns, labels or files.
    """
    table = _ImageTable(open_table(path, "image"))
    numbers = table.table.rows_by_part()
    table.check_files()
    return Listing(
        {part: table.records(rows, labelled=labelled and part != "unlabelled") for part, rows in numbers.items()}, {}
    )


def open_table(path: Path, of: str) -> Table:
    """Read a table, whatever its columns.

    Args:
        path: Its suffix says the format.
        of: What a row is, in an error: "image".
    Raises:
        DataError: when it cannot be read, or has no rows.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError("not a folder, nor a table that can be read", str(path), f"use a {', '.join(_READERS)} file")
    table = Table(path, read(path))
    if not table.rows:
        raise DataError("the table has no rows", str(path), f"add one row per {of}")
    return table


def is_table(path: Path) -> bool:
    """Whether a file's suffix is one of a table."""
    return path.suffix.lower() in _READERS


@dataclass(frozen=True)
class Table:
    """Rows of named cells, and where they come from."""

    path: Path
    rows: list[_Row]

    def number(self, row: int) -> int:
        """Of a row, as a spreadsheet counts: where there is a header, that is row 1."""
        return row + (2 if self.path.suffix.lower() in HEADED else 1)

    def cells(self, names: Sequence[str]) -> list[Any] | None:
        """The first column of these names as it is; None when there is no such column."""
        found = {key.strip().lower(): key for row in self.rows for key in row}
        key = next((found[name] for name in names if name in found), None)
        return None if key is None else [row.get(key) for row in self.rows]

    def column(self, names: Sequence[str]) -> list[str] | None:
        """The same as names: stripped text, empty where there is nothing."""
        cells = self.cells(names)
        return None if cells is None else [label_name(cell) for cell in cells]

    def needed(self, names: Sequence[str]) -> list[str]:
        """A column of names without which there is nothing to do.

        Raises:
            DataError: listing the columns that there are.
        """
        return [label_name(cell) for cell in self.needed_cells(names)]

    def needed_cells(self, names: Sequence[str]) -> list[Any]:
        """Such a column as it is."""
        cells = self.cells(names)
        if cells is None:
            found = ", ".join(dict.fromkeys(key for row in self.rows for key in row))
            what = f"there is no column {names[0]!r}; found the columns {found}"
            raise DataError(what, str(self.path), f"name one of them {' or '.join(names)}")
        return cells

    def parts(self) -> list[Part]:
        """The part of each row: all are for training unless a column says otherwise."""
        cells = self.column(_SPLIT) or ["train"] * len(self.rows)
        parts = [part_named(cell) for cell in cells]
        if None in parts:
            row = parts.index(None)
            where = f"{self.path}, row {self.number(row)}"
            raise DataError(f"unknown split {cells[row]!r}", where, "use train, val, test or unlabelled")
        return [part for part in parts if part is not None]

    def rows_by_part(self) -> dict[Part, list[int]]:
        """The numbers of the rows of each part."""
        numbers: dict[Part, list[int]] = {}
        for number, part in enumerate(self.parts()):
            numbers.setdefault(part, []).append(number)
        return numbers

    def labels_and_groups(self, rows: Sequence[int]) -> tuple[list[str], list[str] | None]:
        """The labels of these rows, and their groups where there is such a column.

        Raises:
            DataError: naming the rows that have none.
        """
        labels = self.needed(_LABEL)
        self.check_filled(labels, rows, "label")
        groups = self.column(_GROUP)
        if groups:
            self.check_filled(groups, rows, "group")
        return [labels[row] for row in rows], [groups[row] for row in rows] if groups else None

    def check_filled(self, cells: Sequence[str], rows: Sequence[int], what: str) -> None:
        empty = [str(self.number(row)) for row in rows if not cells[row]]
        if empty:
            listed = ", ".join(empty[:10]) + (", ..." if len(empty) > 10 else "")
            raise DataError(f"{len(empty)} rows have no {what}: rows {listed}", str(self.path), "fill or remove them")


@dataclass(frozen=True)
class _ImageTable:
    table: Table

    def files(self) -> list[Path]:
        return [self.table.path.parent / cell for cell in self.table.needed(IMAGE_COLUMNS)]

    def check_files(self) -> None:
        n_rows = len(self.table.rows)
        self.table.check_filled(self.table.needed(IMAGE_COLUMNS), range(n_rows), "image")
        missing = [(row, file) for row, file in enumerate(self.files()) if not file.exists()]
        if missing:
            row, file = missing[0]
            what = (
                f"{len(missing)} of {n_rows} image files are missing, the first in row {self.table.number(row)}: {file}"
            )
            raise DataError(what, str(self.table.path), f"paths are relative to {self.table.path.parent}")

    def records(self, rows: Sequence[int], *, labelled: bool) -> Records:
        files = self.files()
        inputs = [files[row] for row in rows]
        return Records(inputs, *self.table.labels_and_groups(rows)) if labelled else Records(inputs)


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    before = csv.field_size_limit(_MOST_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _read_csv(path: Path) -> list[_Row]:
    text = read_utf8(path, "the table")
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        with _cells_of_any_length():
            rows = list(reader)
    except csv.Error as failure:
        where = f"{path}, line {reader.line_num}"
        raise DataError(f"the table is malformed: {failure}", where, "check quotes and delimiters") from failure
    for number, row in enumerate(rows, start=2):
        if None in row:
            where = f"{path}, row {number}"
            raise DataError("more cells than columns", where, f"quote cells that contain {delimiter!r}")
    return rows


def _read_jsonl(path: Path) -> list[_Row]:
    rows = []
    for number, line in enumerate(read_utf8(path, "the table").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as failure:
            raise DataError(f"not JSON: {failure}", f"{path}, line {number}", "write one object per line") from failure
        if not isinstance(row, dict):
            raise DataError("not a JSON object", f"{path}, line {number}", 'write {"image": ..., "label": ...}')
        rows.append(row)
    return rows


def _read_parquet(path: Path) -> list[_Row]:
    parquet, arrow = require("pyarrow.parquet", "parquet"), require("pyarrow", "parquet")
    try:
        rows: list[_Row] = parquet.read_table(path).to_pylist()
    except arrow.ArrowException as failure:
        raise DataError(f"not a Parquet file: {failure}", str(path), "write it again") from failure
    return rows


_READERS: dict[str, Callable[[Path], list[_Row]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
