"""From folders, tables and arrays to data sets: what to learn from, what to test on, what has no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, UsageError
from handful.data.dataset import Dataset
from handful.data.folders import files_below, natural_key, read_folder
from handful.data.labels import check_one_class_each, class_order, encode, label_name
from handful.data.listing import Listing, Records, joined
from handful.data.tables import read_table


@dataclass(frozen=True)
class Splits:
    """The parts of a data set.

    Args:
        train: Labelled, at least two classes.
        test: Labelled with classes of `train`; never trained on.
        unlabelled: Without targets.
        notes: What the reader did that the user should know.
    """

    train: Dataset
    test: Dataset | None
    unlabelled: Dataset | None
    notes: tuple[str, ...]


def read(path: str | Path, *, test: str | Path | None = None, unlabelled: str | Path | None = None) -> Splits:
    """Read an image folder or a table of images.

    Args:
        path: A folder `class/...`, or `train/class/...` with `test/`, `val/` and `unlabelled/` beside it; or a CSV,
            TSV, JSONL or Parquet table with the columns image, label and maybe group and split.
        test: A folder or table to test on, instead of the `test` part of `path`.
        unlabelled: A folder or table of images without labels, instead of the `unlabelled` part of `path`.
    Returns:
        The parts. `val` is part of `train`, unless `test` names it.
    Raises:
        DataError: when there is nothing that can be learned from; the message says how to lay it out.
    """
    listing = _listing(Path(path))
    if "train" not in listing.parts:
        raise DataError("no row has the split 'train'", str(path), "name the rows to learn from 'train'")
    records, notes = listing.parts["train"], list(listing.notes)
    if "val" in listing.parts and not _names_val(test, listing):
        records = joined(records, listing.parts["val"])
        notes.append(f"{len(listing.parts['val'].inputs)} examples of val were joined to the training data")
    labels = records.labels or []
    if not Path(path).is_dir():  # a folder per class is one class each, whatever its name
        check_one_class_each(labels, str(path))
    train = _dataset(records, classes_of(labels, str(path)), str(path))
    tested = listing.parts.get("test") if test is None else _test_records(Path(test))
    pool = listing.parts.get("unlabelled") if unlabelled is None else _unlabelled_records(Path(unlabelled))
    return Splits(
        train,
        None if tested is None else _dataset(tested, train.classes, str(test or path)),
        None if pool is None else Dataset(pool.inputs),
        tuple(notes),
    )


def read_test(path: str | Path, classes: Sequence[str]) -> Dataset:
    """Read labelled examples for a model that knows its classes: the `test` part if there is one, else all.

    Raises:
        DataError: when an example is of another class.
    """
    return _dataset(_test_records(Path(path)), tuple(classes), str(path))


def read_inputs(arguments: Sequence[str | Path]) -> list[str]:
    """List the files that these files, folders and patterns such as `photos/*.jpg` name, each once.

    Raises:
        DataError: when one of them names nothing.
    """
    files: dict[str, None] = {}  # names, not `Path`s: a pool may have millions, and a `Path` takes a kilobyte
    for argument in arguments:
        found = _files_named(Path(argument))
        if not found:
            raise DataError("no such file, folder or pattern, or nothing in it", str(argument), "check the path")
        files.update(dict.fromkeys(map(str, found)))
    if not files:
        raise DataError("no inputs were named", remedy="name image files or folders")
    return list(files)


def from_arrays(
    X: Sequence[Any] | npt.NDArray[Any],
    y: Sequence[Any] | npt.NDArray[Any] | None = None,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Make a data set of what is already in memory.

    Args:
        X: Images, n of them: paths, arrays, or one array of shape (n, h, w) or (n, h, w, channels).
        y: Labels, n of them: words or whole numbers; None when unlabelled.
        groups: What belongs together, n of them.
        classes: All class names in their order; None takes those of `y`.
    Raises:
        DataError: when lengths differ, labels are missing or are not one class each, or there is only one class.
    Example:
        >>> from_arrays(["a.png", "b.png"], [10, 9]).classes
        ('9', '10')
    """
    if isinstance(X, str | Path):
        raise UsageError("X is one path; a list of images was expected", str(X), "pass [X], or read the folder")
    inputs = list(X)
    if not inputs:
        raise DataError("there are no examples", "X", "pass at least one image")
    grouped = None if groups is None else np.asarray(groups)
    if grouped is not None and grouped.shape != (len(inputs),):
        raise DataError(f"{len(inputs)} examples but groups of shape {grouped.shape}", "groups", "pass one per example")
    if y is None:
        return Dataset(inputs, groups=grouped)
    names = _label_names(y, len(inputs))
    check_one_class_each(names, "y")
    order = classes_of(names, "y") if classes is None else tuple(classes)
    return Dataset(inputs, encode(names, order, "y"), order, grouped)


def _label_names(y: Sequence[Any] | npt.NDArray[Any], n: int) -> list[str]:
    if isinstance(y, np.ndarray) and y.ndim != 1:
        raise DataError(f"labels of shape {y.shape}; expected ({n},)", "y", "supported is one class label per image")
    names = [label_name(label) for label in y]
    if len(names) != n:
        raise DataError(f"{n} examples but {len(names)} labels", "y", "pass one label per example")
    if empty := [str(row) for row, name in enumerate(names) if not name]:
        raise DataError(f"{len(empty)} labels are missing: rows {', '.join(empty[:10])}", "y", "label or remove them")
    return names


def _listing(path: Path, *, labelled: bool = True) -> Listing:
    if not path.exists():
        raise DataError("no such folder or file", str(path), "check the path")
    return read_folder(path) if path.is_dir() else read_table(path, labelled=labelled)


def _names_val(test: str | Path | None, listing: Listing) -> bool:
    return test is not None and "val" in listing.places and listing.places["val"].resolve() == Path(test).resolve()


def classes_of(names: Sequence[str], where: str) -> tuple[str, ...]:
    """The classes that labels name, in their order.

    Raises:
        DataError: when there is only one.
    """
    classes = class_order(names)
    if len(classes) < 2:
        raise DataError(f"only one class: {classes[0]}", where, "add examples of a second class")
    return classes


def _dataset(records: Records, classes: tuple[str, ...], where: str) -> Dataset:
    groups = None if records.groups is None else np.array(records.groups)
    return Dataset(records.inputs, encode(records.labels or [], classes, where), classes, groups)


def _test_records(path: Path) -> Records:
    listing = _listing(path)
    records = listing.parts.get("test") or listing.parts.get("train")
    if records is None:
        raise DataError("no row has the split 'test'", str(path), "name the rows to test on 'test'")
    return records


def _unlabelled_records(path: Path) -> Records:
    if path.is_dir():
        inputs = list(files_below(path))
        if not inputs:
            raise DataError("the folder has no images", str(path), "put unlabelled images into it")
        return Records(inputs)
    listing = _listing(path, labelled=False)
    return Records([file for records in listing.parts.values() for file in records.inputs])


def _files_named(path: Path) -> list[Path]:
    if path.is_dir():
        return list(files_below(path))
    if path.exists():
        return [path]
    anchor = Path(path.anchor)
    try:
        matches = [file for file in anchor.glob(str(path.relative_to(anchor))) if file.is_file()]
    except ValueError as failure:  # such as a**b
        raise DataError(f"no such file, and no pattern either: {failure}", str(path), "check the path") from failure
    return sorted(matches, key=lambda file: natural_key(str(file)))
