"""Data sets of texts: tables with a column of texts, a folder of such tables, folders of .txt files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handful.core.errors import DataError
from handful.core.words import count
from handful.data.dataset import Dataset
from handful.data.encoding import read_utf8
from handful.data.folders import files_below
from handful.data.labels import check_one_class_each, encode
from handful.data.listing import Part, part_named
from handful.data.readers import Splits, classes_of
from handful.data.tables import Table, is_table, open_table
from handful.data.text_inputs import TEXT_COLUMNS

_LAYOUT = "name a table with the columns text and label, or a folder that holds CLASS/*.txt or train.csv"


@dataclass(frozen=True)
class TextRecords:
    """Texts of one part, n of them, none empty.

    Args:
        texts: As they are.
        places: Where each stands, n of them.
        labels: Class names, n of them; None when unlabelled.
        groups: What belongs together, n of them; None when unknown.
    """

    texts: list[str]
    places: list[str]
    labels: list[str] | None = None
    groups: list[str] | None = None


@dataclass(frozen=True)
class _Listing:
    """All parts of a data set, where each has a place of its own that place, and what should be said."""

    parts: dict[Part, TextRecords]
    places: dict[Part, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_texts(path: str | Path, *, test: str | Path | None = None, unlabelled: str | Path | None = None) -> Splits:
    """Read texts with one label each.

    Args:
        path: A CSV, TSV, JSONL or Parquet table with the columns text, label and maybe group and split; a folder with
            such tables as `train.csv`, `test.csv`, `dev.csv`, `unlabelled.csv`; or a folder `class/*.txt`, or
            `train/class/*.txt` with `test/`, `val/` and `unlabelled/` beside it.
        test: A table or folder to test on, instead of the `test` part of `path`.
        unlabelled: A table or folder of texts without labels, instead of the `unlabelled` part of `path`.
    Returns:
        The parts, whose inputs are strings. `val` is part of `train`, unless `test` names it. Empty texts are left out
        and counted in the notes.
    Raises:
        DataError: when there is nothing that can be learned from; the message says how to lay it out.
    """
    path, listing = Path(path), _listing(Path(path))
    notes = list(listing.notes)
    train = listing.parts.get("train")
    if train is None:
        raise DataError("no row has the split 'train'", str(path), "name the rows to learn from 'train'")
    if "val" in listing.parts and not _names_val(test, listing):
        train = _joined(train, listing.parts["val"])
        notes.append(f"{len(listing.parts['val'].texts)} examples of val were joined to the training data")
    labels = train.labels or []
    if not labels:
        raise DataError("every text is empty", str(path), "add texts")
    if path.is_file():  # a folder per class is one class each, whatever its name
        check_one_class_each(labels, str(path))
    learned = _dataset(train, classes_of(labels, str(path)), str(path))
    tested, tested_notes = (listing.parts.get("test"), []) if test is None else _test_records(Path(test))
    pool, pool_notes = (listing.parts.get("unlabelled"), []) if unlabelled is None else _pool(Path(unlabelled))
    return Splits(
        learned,
        None if tested is None else _dataset(tested, learned.classes, str(test or path)),
        None if pool is None else Dataset(pool.texts),
        (*notes, *tested_notes, *pool_notes),
    )


def read_texts_to_test(path: str | Path, classes: Sequence[str]) -> tuple[Dataset, tuple[str, ...]]:
    """Read labelled texts for a model that knows its classes: the `test` part if there is one, else all; and notes.

    Raises:
        DataError: when a text is of another class.
    """
    records, notes = _test_records(Path(path))
    return _dataset(records, tuple(classes), str(path)), tuple(notes)


def read_text_pool(path: str | Path) -> tuple[list[str], list[str]]:
    """Texts to learn from without labels, and what to tell the user.

    Args:
        path: As for `read_texts`: the unlabelled part of a data set, where it has one, else all but the test part; or a
            table or a folder of texts in no order.
    Raises:
        DataError: when there are no texts.
    """
    path = Path(path)
    _check_there(path)
    parts, notes = _unlabelled_table(path) if path.is_file() else _unlabelled_folder(path)
    if (test := parts.pop("test", None)) is not None:
        notes.append(f"{count(len(test.texts), 'text')} of the test part are left out: nothing learns from them")
    pools = [parts["unlabelled"]] if "unlabelled" in parts else list(parts.values())
    texts = [text for pool in pools for text in pool.texts]
    if not texts:
        raise DataError("there are no texts to learn from", str(path), "add texts")
    return texts, notes


def _unlabelled_table(path: Path) -> tuple[dict[Part, TextRecords], list[str]]:
    """The parts of a table, whether it has labels or not."""
    table, notes = open_table(path, "text"), list[str]()
    return {part: _of_table(table, rows, "unlabelled", notes) for part, rows in table.rows_by_part().items()}, notes


def _unlabelled_folder(path: Path) -> tuple[dict[Part, TextRecords], list[str]]:
    """The parts of a folder as `read_texts` sees them; of one that is laid out otherwise, what lies below `test/`."""
    try:
        listing = _listing(path)
        return dict(listing.parts), list(listing.notes)
    except DataError:
        files, notes = _text_files(path), list[str]()
    tested = [file for file in files if part_named(file.relative_to(path).parts[0]) == "test"]
    if len(tested) == len(files):
        raise DataError("the folder has no .txt files to learn from", str(path), "put texts into it, or name a table")
    kept = sorted(set(files) - set(tested))
    parts: dict[Part, TextRecords] = {"unlabelled": _of_files(kept, None, "unlabelled", notes)}
    return parts | ({"test": _of_files(tested, None, "test", notes)} if tested else {}), notes


def _dataset(records: TextRecords, classes: tuple[str, ...], where: str) -> Dataset:
    groups = None if records.groups is None else np.array(records.groups)
    return Dataset(records.texts, encode(records.labels or [], classes, where), classes, groups, records.places)


def _joined(first: TextRecords, second: TextRecords) -> TextRecords:
    """Both, one after the other; groups are kept only where both have them."""
    groups = first.groups + second.groups if first.groups and second.groups else None
    labels = (first.labels or []) + (second.labels or [])
    return TextRecords(first.texts + second.texts, first.places + second.places, labels, groups)


def _names_val(test: str | Path | None, listing: _Listing) -> bool:
    return test is not None and "val" in listing.places and listing.places["val"].resolve() == Path(test).resolve()


def _test_records(path: Path) -> tuple[TextRecords, list[str]]:
    listing = _listing(path)
    records = listing.parts.get("test") or listing.parts.get("train")
    if records is None:
        raise DataError("no row has the split 'test'", str(path), "name the rows to test on 'test'")
    return records, listing.notes


def _pool(path: Path) -> tuple[TextRecords, list[str]]:
    """Texts of which no label is asked for: every one in the table, or every .txt below the folder."""
    notes: list[str] = []
    if not path.is_dir():
        _check_there(path)
        table = open_table(path, "text")
        return _of_table(table, range(len(table.rows)), "unlabelled", notes), notes
    files = _text_files(path)
    if not files:
        raise DataError("the folder has no .txt files", str(path), "put unlabelled texts into it, or name a table")
    return _of_files(files, None, "unlabelled", notes), notes


def _listing(path: Path) -> _Listing:
    _check_there(path)
    if path.is_file():
        return _table_listing(open_table(path, "text"))
    tables = [file for file in files_below(path) if file.parent == path and is_table(file)]
    if any(_part_of(table) == "train" for table in tables):
        return _tables_listing(path, tables)
    return _folder_listing(path, tables)


def _check_there(path: Path) -> None:
    if not path.exists():
        raise DataError("no such folder or file", str(path), "check the path")


def _table_listing(table: Table) -> _Listing:
    """One table, its parts told apart by a column."""
    notes: list[str] = []
    numbers = table.rows_by_part()
    return _Listing({part: _of_table(table, rows, part, notes) for part, rows in numbers.items()}, notes=notes)


def _tables_listing(folder: Path, tables: list[Path]) -> _Listing:
    """A table for each part: `train.csv`, `test.csv` ..."""
    listing = _Listing({})
    for path in tables:
        part = _part_of(path)
        if part is None:
            listing.notes.append(f"left out: the table {path}, which is named after no part of the data")
        elif part in listing.places:
            raise DataError(
                f"two tables for {part}: {listing.places[part].name} and {path.name}", str(folder), "keep one"
            )
        else:
            table = open_table(path, "text")
            listing.places[part] = path
            listing.parts[part] = _of_table(table, range(len(table.rows)), part, listing.notes)
    return listing


def _part_of(table: Path) -> Part | None:
    return "val" if table.stem.lower() in ("dev", "development") else part_named(table.stem)


def _of_table(table: Table, rows: Iterable[int], part: Part, notes: list[str]) -> TextRecords:
    cells = table.needed_cells(TEXT_COLUMNS)
    texts = {row: _cell_text(cells[row], f"{table.path}, row {table.number(row)}") for row in rows}
    kept = [row for row in texts if texts[row].strip()]
    empty = [str(table.number(row)) for row in texts if not texts[row].strip()]
    if empty:
        listed = ", ".join(empty[:10]) + (", ..." if len(empty) > 10 else "")
        notes.append(f"left out: {count(len(empty), 'empty text')} of {table.path}: rows {listed}")
    found = [texts[row] for row in kept], [f"{table.path.name}, row {table.number(row)}" for row in kept]
    return TextRecords(*found) if part == "unlabelled" else TextRecords(*found, *table.labels_and_groups(kept))


def _cell_text(cell: Any, place: str) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, str | int | float):
        return str(cell)
    what = f"the text is of type {type(cell).__name__}"
    raise DataError(what, place, "write each text as one string")


def _folder_listing(folder: Path, tables: list[Path]) -> _Listing:
    """Files `class/x.txt`, or `train/class/x.txt` with the other parts beside `train/`."""
    files = [(file, file.relative_to(folder).parts) for file in _text_files(folder)]
    if not any(len(steps) > 1 for _, steps in files):
        raise _no_classes(folder, len(files), tables)
    # A folder that holds no folders is a class, whatever its name: texts on cars, on trains, on tests.
    deep = {steps[0] for _, steps in files if len(steps) > 2}
    parts = {name: part_named(name) for name in {steps[0] for _, steps in files if len(steps) > 1}}
    places: dict[Part, Path] = {}
    for name, part in sorted(parts.items()):
        if part is not None and (name in deep or part == "unlabelled"):
            if part in places:
                raise DataError(f"two folders for {part}: {places[part].name} and {name}", str(folder), "keep one")
            places[part] = folder / name
    listing = _Listing({}, places)
    top = places.get("train", folder)
    for part, place in {"train": top, **places}.items():
        chosen = [file for file, steps in files if place == folder or steps[0] == place.name]
        if place == folder:
            chosen = [file for file in chosen if not any(other in file.parents for other in places.values())]
        listing.parts[part] = _of_part(chosen, place, part, listing.notes)
    if top != folder:
        beside = sorted({steps[0] for _, steps in files} - {place.name for place in places.values()})
        listing.notes.extend(f"left out: {folder / name}, which is no part of the data" for name in beside)
    return listing


def _of_part(files: list[Path], place: Path, part: Part, notes: list[str]) -> TextRecords:
    if part == "unlabelled":
        return _of_files(files, None, part, notes)
    labelled = [file for file in files if file.parent != place]
    if not labelled:
        raise _no_classes(place, len(files), [])
    if loose := len(files) - len(labelled):
        notes.append(f"left out: {count(loose, '.txt file')} beside the class folders in {place}")
    return _of_files(labelled, [file.relative_to(place).parts[0] for file in labelled], part, notes)


def _of_files(files: list[Path], labels: list[str] | None, part: Part, notes: list[str]) -> TextRecords:
    texts = [read_utf8(file) for file in files]
    kept = [row for row, text in enumerate(texts) if text.strip()]
    if empty := [file for file, text in zip(files, texts, strict=True) if not text.strip()]:
        notes.append(f"left out: {count(len(empty), 'empty text')} of {part}, the first {empty[0]}")
    found = [texts[row] for row in kept], ["/".join(files[row].parts[-2:]) for row in kept]
    return TextRecords(*found, None if labels is None else [labels[row] for row in kept])


def _text_files(folder: Path) -> list[Path]:
    return [file for file in files_below(folder) if file.suffix.lower() == ".txt"]


def _no_classes(folder: Path, n_files: int, tables: list[Path]) -> DataError:
    if tables:
        return DataError("the folder has tables, but no train.csv", str(folder), f"name the table {tables[0]} instead")
    if n_files:
        what = f"{count(n_files, '.txt file')} without class folders"
        return DataError(what, str(folder), f"put each class into a folder of its own: {folder}/praise")
    return DataError("the folder has no texts", str(folder), _LAYOUT)
