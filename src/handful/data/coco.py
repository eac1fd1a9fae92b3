"""COCO folders: images, and the JSON files that say what is to be seen on them."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PureWindowsPath
from reprlib import repr as shortened
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.data.keypoints import keypoint_names, pairs_by_name
from handful.data.listing import part_named
from handful.data.objects import Objects, Outline
from handful.data.outlines import area, clip, traced

MAX_BYTES = 512 * 2**20  # of one JSON file: all of COCO has 449 MiB
MAX_PIXELS = 2**27  # as in handful.data.pixels, which would load OpenCV
_LARGEST = 1e9  # of a coordinate
_HAIR = 0.005  # pixels: half of the last digit that is written
_COMPUTED = ("id", "image_id", "category_id", "bbox", "area", "segmentation", "keypoints", "num_keypoints")

Floats: TypeAlias = npt.NDArray[np.float64]
Fields: TypeAlias = dict[str, Any]  # of a JSON object


@dataclass(frozen=True)
class CocoImage:
    """One image and what is on it.

    Args:
        path: Where the file is.
        file_name: What the JSON calls it.
        width: In pixels.
        height: In pixels.
        objects: Its objects, n of them.
        kept: What else the annotation of each object says (`iscrowd`, `score`, ...), n of them; () stands for nothing.
        record: What else is said about the image (`license`, `date_captured`, ...).
    """

    path: Path
    file_name: str
    width: int
    height: int
    objects: Objects
    kept: tuple[Fields, ...] = ()
    record: Fields = field(default_factory=dict)


@dataclass(frozen=True)
class CocoSplit:
    """One JSON file.

    Args:
        name: Its name, from the folder that was read: `train.json`.
        images: In the order of the file, those without objects too.
        classes: Names of the categories by ascending id; labels count them from 0.
        header: All but images and annotations as in the file: `categories`, and `info` and `licenses` if there.
        keypoint_names: As the category names them, else "1", "2", ...; () if there are no keypoints.
        keypoint_pairs: Which are left and right of each other; () without keypoints, None if the names do not pair.
        notes: What the reader did that the user should know.
    """

    name: str
    images: tuple[CocoImage, ...]
    classes: tuple[str, ...]
    header: Fields
    keypoint_names: tuple[str, ...] = ()
    keypoint_pairs: tuple[tuple[int, int], ...] | None = ()
    notes: tuple[str, ...] = ()


def is_coco(folder: Path) -> bool:
    """Whether a JSON file of a usual name and with the beginning of a COCO file is there."""
    return any(_begins_like_coco(path) for path in _files(folder))


def read_coco(folder: Path) -> tuple[CocoSplit, ...]:
    """Read all splits of a folder, sorted by name.

    The JSON files are `train.json`, `val.json`, `test.json`, `*coco*.json` or `instances_*.json`, in the folder, in
    `annotations/` or in `train/`, `valid/`, `test/`; images are in `images/`, in the folder of the split, or beside
    the JSON file. Boxes become xyxy and are clipped to the image. Masks of run lengths become polygons without
    holes; those that are compressed or of crowds are left out, with a note.

    Raises:
        DataError: when a file is no COCO file, contradicts itself, or names images that are not there.
    Source: Lin et al. 2014, arXiv:1405.0312; https://cocodataset.org/#format-data.
    """
    files = _files(folder)
    if not files:
        raise DataError("no COCO annotations", str(folder), "put train.json beside a folder images/")
    return tuple(_read(path, path.relative_to(folder).as_posix()) for path in files)


def _files(folder: Path) -> list[Path]:
    inner = [entry for entry in folder.glob("*") if part_named(entry.name) or entry.name == "annotations"]
    found = [path for place in (folder, *inner) for path in place.glob("*.json")]
    return sorted((path for path in found if _is_usual(path) and path.is_file()), key=Path.as_posix)


def _is_usual(path: Path) -> bool:
    usual = part_named(path.stem) or fnmatch(path.name, "*coco*.json") or fnmatch(path.name, "instances_*.json")
    return bool(usual) and not path.name.startswith(".")


def _begins_like_coco(path: Path) -> bool:
    beginning = b'"images": ['  # what cannot be opened is for `read_coco` to complain about
    with suppress(OSError), path.open("rb") as file:
        beginning = file.read(2**16)
    return re.search(rb'"(images|annotations|categories)"\s*:\s*\[', beginning) is not None


def _read(path: Path, name: str) -> CocoSplit:
    content = _load(path)
    categories, images, annotations = (_by_id(content, key, path) for key in ("categories", "images", "annotations"))
    ids = sorted(categories)
    classes = _class_names([categories[number] for number in ids], path)
    rows = _by_image(annotations, images, categories, path)
    notes: Counter[str] = Counter()
    names = keypoint_names(list(annotations.values()), categories, path, notes)
    reader = _Reader(path, {number: label for label, number in enumerate(ids)}, len(names), notes)
    files = _image_files(images, path)
    read = tuple(reader.image(record, files[number], rows[number]) for number, record in images.items())
    header = {key: value for key, value in content.items() if key not in ("images", "annotations")}
    told = tuple(f"{name}: {count} {what}" for what, count in notes.items())
    return CocoSplit(name, read, classes, header, names, pairs_by_name(names), told)


def _load(path: Path) -> Fields:
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as failure:
        raise DataError(f"cannot read the file: {failure.strerror}", str(path), "check its permissions") from failure
    if raw is None:
        raise DataError(f"the file has more than {MAX_BYTES >> 20} MiB", str(path), "split it into several folders")
    try:
        content = json.loads(raw.decode("utf-8-sig"))
    except RecursionError as failure:
        raise DataError("the JSON is nested too deeply", str(path), "write it as COCO does") from failure
    except ValueError as failure:  # no text, no JSON, a number of a million digits
        raise DataError(f"not JSON: {failure}", str(path), "write the file again") from failure
    if not isinstance(content, dict):
        raise DataError("not a JSON object", str(path), 'write {"images": [], "annotations": [], "categories": []}')
    return content


def _by_id(content: Fields, key: str, path: Path) -> dict[int, Fields]:
    listed = content.get(key)
    if not isinstance(listed, list):
        raise DataError(f"there is no list {key!r}", str(path), f'write "{key}": [...]')
    records: dict[int, Fields] = {}
    for place, record in enumerate(listed, start=1):
        number = record.get("id") if isinstance(record, dict) else None
        if type(number) is not int:
            raise DataError(f"entry {place} of {key} has no whole number as its id", str(path), "number the entries")
        if number in records:
            raise DataError(f"two {key} have the id {number}", str(path), "give each an id of its own")
        records[number] = record
    return records


def _class_names(categories: Sequence[Fields], path: Path) -> tuple[str, ...]:
    names = [category.get("name") for category in categories]
    for category, name in zip(categories, names, strict=True):
        if not isinstance(name, str) or not name.strip():
            raise DataError("the category has no name", f"{path}, category {category['id']}", "name it")
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise DataError(f"{count} categories have the name {shortened(name)}", str(path), "rename or join them")
    return tuple(str(name) for name in names)


def _by_image(
    annotations: dict[int, Fields], images: dict[int, Fields], categories: dict[int, Fields], path: Path
) -> dict[int, list[Fields]]:
    rows: dict[int, list[Fields]] = {number: [] for number in images}
    for number, annotation in annotations.items():
        for key, known in (("image_id", images), ("category_id", categories)):
            value = annotation.get(key)
            if type(value) is not int or value not in known:
                where = f"{path}, annotation {number}"
                raise DataError(f"{key} {shortened(value)} is not in the file", where, "add it, or correct the number")
        rows[annotation["image_id"]].append(annotation)
    return rows


def _image_files(images: dict[int, Fields], path: Path) -> dict[int, Path]:
    """Where each image is: the first of the usual places that has it."""
    base = path.parent.parent if path.parent.name == "annotations" else path.parent
    split = path.stem.rpartition("_")[2]  # train2017 of instances_train2017
    roots = (base / split, base / "images" / split, base / "images", base)
    files: dict[int, Path] = {}
    for number, record in images.items():
        name = _file_name(record, f"{path}, image {number}")
        found = next((root / name for root in roots if os.path.isfile(root / name)), None)  # noqa: PTH113 - never raises
        if found is None:
            what = f"there is no image file {shortened(name)}"
            raise DataError(what, f"{path}, image {number}", f"put it into {base / 'images'}")
        files[number] = found
    return files


def _file_name(record: Fields, where: str) -> str:
    name = record.get("file_name")
    if not isinstance(name, str) or not name:
        raise DataError("the image has no file_name", where, "name its file")
    parts = PureWindowsPath(name)  # which knows both slashes, and drives
    if parts.anchor or ".." in parts.parts:
        raise DataError(f"file_name {shortened(name)} leads out of the folder", where, "name a file in the folder")
    return name


@dataclass(frozen=True)
class _Reader:
    """What is the same for all images of a file; counts in `notes` what it mends."""

    path: Path
    labels: dict[int, int]
    n_keypoints: int
    notes: Counter[str]

    def image(self, record: Fields, file: Path, annotations: Sequence[Fields]) -> CocoImage:
        width, height = self.size(record)
        boxes = [self.box(annotation, width, height) for annotation in annotations]
        found = [(row, box) for row, box in zip(annotations, boxes, strict=True) if box is not None]
        rows = [row for row, _ in found]
        outlines = tuple(self.outline(row, width, height) for row in rows)
        points = [self.keypoints(row) for row in rows] if self.n_keypoints else None
        objects = Objects(
            np.array([box for _, box in found]).reshape(-1, 4),
            np.array([self.labels[row["category_id"]] for row in rows], np.int64),
            outlines if any(outlines) else (),
            None if points is None else np.array(points).reshape(-1, self.n_keypoints, 3),
        )
        kept = tuple({"iscrowd": 0} | {key: row[key] for key in row if key not in _COMPUTED} for row in rows)
        other = {key: record[key] for key in record if key not in ("id", "file_name", "width", "height")}
        return CocoImage(file, record["file_name"], width, height, objects, kept, other)

    def size(self, record: Fields) -> tuple[int, int]:
        width, height = record.get("width"), record.get("height")
        if type(width) is int and type(height) is int and min(width, height) > 0 and width * height <= MAX_PIXELS:
            return width, height
        found = f"width {shortened(width)} and height {shortened(height)}"
        what = f"{found}; expected whole numbers above 0, with at most {MAX_PIXELS:,} pixels"
        raise DataError(what, f"{self.path}, image {record['id']}", "write the size of the image")

    def box(self, annotation: Fields, width: int, height: int) -> Floats | None:
        """xyxy within the image; None if it has no width or height."""
        where = self.where(annotation)
        left, top, wide, high = _numbers(annotation.get("bbox"), "bbox", where, n=4)
        if wide < 0 or high < 0:
            what = f"the bbox has the width {wide:g} and the height {high:g}"
            raise DataError(what, where, "write it as x, y, width, height")
        box = np.array([left, top, left + wide, top + high])
        inside: Floats = np.clip(box, 0, [width, height, width, height])
        if (inside[2:] - inside[:2] > _HAIR).all():
            if np.abs(inside - box).max() > _HAIR:
                self.notes["boxes reached out of their image and were clipped"] += 1
            return inside
        if min(wide, high) > _HAIR:
            what = f"the bbox {annotation['bbox']} lies outside its image of {width} x {height} pixels"
            raise DataError(what, where, "correct the box, or the size of the image")
        self.notes["boxes without width or height were left out"] += 1
        return None

    def outline(self, annotation: Fields, width: int, height: int) -> Outline:
        shape, where = annotation.get("segmentation"), self.where(annotation)
        if not shape:
            return ()
        if isinstance(shape, list):
            polygons = [_polygon(polygon, where) for polygon in shape]
            seen = tuple(polygon for polygon in polygons if _is_seen(polygon, width, height))
            if len(seen) < len(polygons):
                self.notes["segmentations lost polygons without any area in their image"] += 1
            return seen
        counts = shape.get("counts") if isinstance(shape, dict) else None
        if not isinstance(counts, list | str):
            raise DataError("the segmentation is neither polygons nor run lengths", where, "write it as COCO does")
        if annotation.get("iscrowd") or isinstance(counts, str):
            kind = "compressed run lengths" if isinstance(counts, str) else "run lengths of crowds"
            self.notes[f"segmentations were left out, as {kind} are not read; the boxes are kept"] += 1
            return ()
        whole = all(type(count) is int and count >= 0 for count in counts)
        if shape.get("size") != [height, width] or not whole or sum(counts) != width * height:
            what = f"the run lengths do not cover the image of {width} x {height} pixels"
            raise DataError(what, where, "correct counts and size (height, width)")
        self.notes["segmentations were run lengths and became polygons without holes"] += 1
        mask = np.repeat(np.resize(np.array([False, True]), len(counts)), counts).reshape(width, height).T
        return traced(mask)

    def keypoints(self, annotation: Fields) -> Floats:
        where = self.where(annotation)
        points = _numbers(annotation["keypoints"], "keypoints", where, n=3 * self.n_keypoints).reshape(-1, 3)
        if not np.isin(points[:, 2], (0, 1, 2)).all():
            raise DataError(
                "the visibility of a keypoint is not 0, 1 or 2", where, "write keypoints as x, y, visibility"
            )
        return points

    def where(self, annotation: Fields) -> str:
        return f"{self.path}, annotation {annotation['id']}"


def _numbers(values: Any, what: str, where: str, n: int | None = None) -> Floats:
    # The comparison is false for NaN, and takes whole numbers that no float can hold.
    if isinstance(values, list) and all(type(value) in (int, float) and abs(value) <= _LARGEST for value in values):
        if n in (None, len(values)):
            return np.array(values, np.float64)
        raise DataError(f"{what} has {len(values)} numbers; expected {n}", where, "correct it")
    raise DataError(f"{what} {shortened(values)} is not a list of finite numbers", where, "correct it")


def _polygon(values: Any, where: str) -> Floats:
    numbers = _numbers(values, "the polygon", where)
    if len(numbers) % 2 or len(numbers) < 6:
        what = f"a polygon of {len(numbers)} numbers; expected x and y of at least 3 points"
        raise DataError(what, where, "correct the polygon or remove it")
    return numbers.reshape(-1, 2)


def _is_seen(polygon: Floats, width: int, height: int) -> bool:
    reaches_out = (polygon < 0).any() or (polygon > (width, height)).any()
    return area(clip(polygon, width, height) if reaches_out else polygon) > 0
