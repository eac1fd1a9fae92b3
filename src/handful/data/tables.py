"""Tables of images: CSV, TSV, JSON lines and Parquet with the columns image, label, group and split."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from handful.core.errors import DataError
from handful.core.optional import require
from handful.data.labels import label_name
from handful.data.listing import Listing, Part, Records, part_named

_IMAGE, _LABEL, _GROUP, _SPLIT = ("image", "path", "file"), ("label", "target"), ("group",), ("split",)

_Row: TypeAlias = dict[str, Any]


def read_table(path: Path, *, labelled: bool = True) -> Listing:
    """List the images that a table names, part by part if it has a column `split`.

    Args:
        path: Its suffix says the format. Image paths are relative to its folder.
        labelled: False ignores labels and groups.
    Raises:
        DataError: when the table cannot be read, or lacks columns, labels or files.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError("not a folder, nor a table that can be read", str(path), f"use a {', '.join(_READERS)} file")
    table = _Table(path, read(path))
    if not table.rows:
        raise DataError("the table has no rows", str(path), "add one row per image")
    numbers: dict[Part, list[int]] = {}
    for number, part in enumerate(table.parts()):
        numbers.setdefault(part, []).append(number)
    table.check_files()
    return Listing(
        {part: table.records(rows, labelled=labelled and part != "unlabelled") for part, rows in numbers.items()}, {}
    )


@dataclass(frozen=True)
class _Table:
    path: Path
    rows: list[_Row]

    def column(self, names: Sequence[str]) -> list[str] | None:
        """The cells of the first column of these names, as text; None when there is no such column."""
        found = {key.strip().lower(): key for row in self.rows for key in row}
        key = next((found[name] for name in names if name in found), None)
        return None if key is None else [label_name(row.get(key)) for row in self.rows]

    def needed(self, names: Sequence[str]) -> list[str]:
        cells = self.column(names)
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
            where = f"{self.path}, row {row + 1}"
            raise DataError(f"unknown split {cells[row]!r}", where, "use train, val, test or unlabelled")
        return [part for part in parts if part is not None]

    def files(self) -> list[Path]:
        return [self.path.parent / cell for cell in self.needed(_IMAGE)]

    def check_files(self) -> None:
        self.check_filled(self.needed(_IMAGE), range(len(self.rows)), "image")
        missing = [(row, file) for row, file in enumerate(self.files()) if not file.exists()]
        if missing:
            row, file = missing[0]
            what = f"{len(missing)} of {len(self.rows)} image files are missing, the first in row {row + 1}: {file}"
            raise DataError(what, str(self.path), f"paths are relative to {self.path.parent}")

    def records(self, rows: Sequence[int], *, labelled: bool) -> Records:
        files = self.files()
        inputs = [files[row] for row in rows]
        if not labelled:
            return Records(inputs)
        labels = self.needed(_LABEL)
        self.check_filled(labels, rows, "label")
        groups = self.column(_GROUP)
        if groups:
            self.check_filled(groups, rows, "group")
        return Records(inputs, [labels[row] for row in rows], [groups[row] for row in rows] if groups else None)

    def check_filled(self, cells: Sequence[str], rows: Sequence[int], what: str) -> None:
        empty = [str(row + 1) for row in rows if not cells[row]]
        if empty:
            listed = ", ".join(empty[:10]) + (", ..." if len(empty) > 10 else "")
            raise DataError(f"{len(empty)} rows have no {what}: rows {listed}", str(self.path), "fill or remove them")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        what = f"the table is not UTF-8 text (byte {failure.start})"
        raise DataError(what, str(path), "save it as UTF-8") from failure


def _read_csv(path: Path) -> list[_Row]:
    text = _text(path)
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = list(reader)
    except csv.Error as failure:
        where = f"{path}, line {reader.line_num}"
        raise DataError(f"the table is malformed: {failure}", where, "check quotes and delimiters") from failure
    for number, row in enumerate(rows, start=1):
        if None in row:
            where = f"{path}, row {number}"
            raise DataError("more cells than columns", where, f"quote cells that contain {delimiter!r}")
    return rows


def _read_jsonl(path: Path) -> list[_Row]:
    rows = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
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
