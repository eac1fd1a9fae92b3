"""From what the user names to what a map is made of: examples of one kind, labelled or not, and their features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from handful.augment.views import ORIGINAL
from handful.core.errors import DataError
from handful.core.progress import SILENT, Progress
from handful.core.words import count
from handful.data.cache import FeatureCache
from handful.data.feature_tables import LABELS, is_feature_table, read_feature_table
from handful.data.folders import IMAGES, files_below, read_folder
from handful.data.images import decode_stream
from handful.data.kind import kind_of
from handful.data.labels import class_order
from handful.data.listing import Records
from handful.data.tables import open_table, read_table
from handful.data.text_inputs import TEXT_SUFFIX, read_text_inputs, readable_text, shortened
from handful.data.texts import read_texts
from handful.nn.backbone import Backbone
from handful.nn.backbones import backbone_named, text_backbone_named
from handful.nn.features import frozen_features
from handful.nn.sentence_encoder import SentenceEncoder
from handful.transfer.probe import prepare

Kind = Literal["image", "text", "table"]
IMAGE_BACKBONE, TEXT_BACKBONE = "efficientnet-lite0", SentenceEncoder.name
BATCH = 256  # images held at a time
UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class Examples:
    """What can be mapped, n examples.

    Args:
        kind: What they are.
        inputs: Image files, texts, or the rows of a table in standard deviations.
        names: What to call each.
        labels: Class indices, shape (n,); -1 where there is no label.
        classes: Their names.
        features: Shape (n, d): of unit length for images and texts.
        columns: Of a table.
        problems: What could not be read: `input` and `reason`.
        notes: What was done that the user should know.
    """

    kind: Kind
    inputs: Sequence[Any]
    names: Sequence[str]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    features: npt.NDArray[np.floating]
    columns: tuple[str, ...] = ()
    problems: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class _Listed:
    """Inputs with their labels, empty where there is none."""

    inputs: list[Any]
    labels: list[str]
    notes: tuple[str, ...] = ()


def read_examples(path: Path, jobs: int | None = None, progress: Progress = SILENT) -> Examples:
    """Read an image folder, texts, or a table of features; without labels as well as with them.

    Parts named `val` and `unlabelled` are mapped too; `test` is left alone.

    Raises:
        DataError: when there is nothing to map.
    """
    if is_feature_table(path):
        return _table(path)
    if kind_of(path)[0] == "text":
        return _texts(_listed_texts(path), progress)
    return _images(_listed_images(path), jobs, progress)


def _table(path: Path) -> Examples:
    found = read_feature_table(path)
    labels, classes = _encoded(found.labels or [""] * len(found.values))
    values = found.values
    return Examples("table", list(values), found.places, labels, classes, values, found.names, notes=found.notes)


def _listed_images(path: Path) -> _Listed:
    if path.is_file():
        labelled = open_table(path, "image").cells(LABELS) is not None
        return _joined(read_table(path, labelled=labelled).parts, ())
    inside = [entry for entry in path.iterdir() if entry.is_dir()]
    if not any(file.suffix.lower() in IMAGES for folder in inside for file in files_below(folder)):
        files = [file for file in files_below(path) if file.suffix.lower() in IMAGES]
        if not files:
            raise DataError("the folder has no images", str(path), "name a folder of images, or a table")
        return _Listed(list(files), [""] * len(files))
    listing = read_folder(path)
    return _joined(listing.parts, listing.notes)


def _joined(parts: Any, notes: tuple[str, ...]) -> _Listed:
    """All parts but `test`, one after the other."""
    kept: list[Records] = [records for part, records in sorted(parts.items()) if part != "test"]
    inputs = [item for records in kept for item in records.inputs]
    labels = [label for records in kept for label in records.labels or [""] * len(records.inputs)]
    return _Listed(inputs, labels, notes)


def _listed_texts(path: Path) -> _Listed:
    if path.is_dir():  # loose files alone have no classes; class folders have, and so has train.csv
        entries = list(path.iterdir())
        labelled = any(entry.is_dir() for entry in entries) or not any(entry.suffix == TEXT_SUFFIX for entry in entries)
    else:
        labelled = open_table(path, "text").cells(LABELS) is not None
    if labelled:
        return _labelled_texts(path)
    items, _ = read_text_inputs([str(path)])
    return _Listed(list(items), [""] * len(items))


def _labelled_texts(path: Path) -> _Listed:
    splits = read_texts(path)
    targets = splits.train.targets
    labels = [splits.train.classes[target] for target in targets] if targets is not None else []
    pool = list(splits.unlabelled.inputs) if splits.unlabelled is not None else []
    return _Listed([*splits.train.inputs, *pool], [*labels, *[""] * len(pool)], splits.notes)


def _images(listed: _Listed, jobs: int | None, progress: Progress) -> Examples:
    """Decode some at a time, keep their features only: memory does not grow by the pictures."""
    backbone, cache = backbone_named(IMAGE_BACKBONE), FeatureCache()
    features: list[npt.NDArray[np.float32]] = []
    rows: list[int] = []
    problems: list[dict[str, str]] = []
    with progress.track("reading images", len(listed.inputs)) as advance:
        for batch in decode_stream(listed.inputs, backbone.spec.size, BATCH, jobs):
            problems += [{"input": each.name, "reason": each.reason} for each in batch.problems]
            if len(batch.rows):
                found = frozen_features(backbone, batch.pixels, (ORIGINAL,), cache)[:, 0]
                features.append(_unit_length(found, backbone))
                rows += batch.rows.tolist()
            advance(len(batch.rows) + len(batch.problems))
    return _mapped("image", listed, rows, features, problems, str)


def _texts(listed: _Listed, progress: Progress) -> Examples:
    texts: list[str] = []
    rows: list[int] = []
    problems: list[dict[str, str]] = []
    for row, item in enumerate(listed.inputs):
        try:
            texts.append(readable_text(item))
            rows.append(row)
        except DataError as failure:
            problems.append({"input": str(item) or f"text {row + 1}", "reason": failure.what})
    backbone = text_backbone_named(TEXT_BACKBONE)
    features = [_unit_length(backbone.embed(texts, FeatureCache(), progress), backbone)] if texts else []
    read = _Listed(texts, [listed.labels[row] for row in rows], listed.notes)
    return _mapped("text", read, range(len(rows)), features, problems, shortened)


def _mapped(
    kind: Kind,
    listed: _Listed,
    rows: Sequence[int],
    features: list[npt.NDArray[np.float32]],
    problems: list[dict[str, str]],
    name: Callable[[Any], str],
) -> Examples:
    if not features:
        reason = f", the first: {problems[0]['input']}: {problems[0]['reason']}" if problems else ""
        raise DataError(f"none of the {count(len(listed.inputs), kind)} can be read{reason}", "", "check the files")
    inputs = [listed.inputs[row] for row in rows]
    labels, classes = _encoded([listed.labels[row] for row in rows])
    names = [name(item) for item in inputs]
    matrix = np.concatenate(features)
    return Examples(kind, inputs, names, labels, classes, matrix, problems=tuple(problems), notes=listed.notes)


def _unit_length(found: npt.NDArray[np.float16], backbone: Backbone) -> npt.NDArray[np.float32]:
    """The layer that a plain probe uses, its roots, of unit length."""
    return prepare(found, backbone.columns(backbone.last), 0.5)


def _encoded(labels: Sequence[str]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    classes = class_order([label for label in labels if label])
    index = {"": UNLABELLED, **{name: at for at, name in enumerate(classes)}}
    return np.array([index[label] for label in labels], dtype=np.int64), classes
