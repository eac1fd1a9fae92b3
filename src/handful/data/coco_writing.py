"""Writing COCO files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from handful.core.errors import DataError
from handful.core.files import replaced_file
from handful.data.coco import CocoImage, CocoSplit, Fields
from handful.data.objects import Objects, Points
from handful.data.outlines import area


def write_coco(split: CocoSplit, images: Iterable[CocoImage], path: Path) -> None:
    """Write a COCO file: the header of `split`, and these images with new ids from 1.

    Numbers are rounded to two decimals; category ids and all fields that were kept are those that were read. The
    area is that of the polygons (parts that overlap count twice), or else of the box. The same arguments make the
    same bytes.

    Raises:
        DataError: when a number is NaN or infinite, or a field nested too deeply.
        JobError: when the disk is full or not writable. What stood at `path` stands there still.
    """
    category_ids = sorted(category["id"] for category in split.header["categories"])
    records: list[Fields] = []
    annotations: list[Fields] = []
    for image_id, image in enumerate(images, start=1):
        size = {"width": image.width, "height": image.height}
        records.append({"id": image_id, "file_name": image.file_name, **size, **image.record})
        for row in range(len(image.objects)):
            kept = {"iscrowd": 0} | (image.kept[row] if image.kept else {})
            computed = _annotation(image.objects, row, category_ids)
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **computed, **kept})
    content = {**split.header, "images": records, "annotations": annotations}
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError) as failure:  # NaN, infinity
        raise DataError(f"this cannot be said in JSON: {failure}", str(path), "correct the fields") from failure
    with replaced_file(path) as file:
        file.write(text + "\n")


def _annotation(objects: Objects, row: int, category_ids: Sequence[int]) -> Fields:
    left, top, right, bottom = _rounded(objects.boxes[row])
    polygons = objects.outlines[row] if objects.outlines else ()
    covered = sum(map(area, polygons)) if polygons else (right - left) * (bottom - top)
    written: Fields = {
        "category_id": category_ids[objects.labels[row]],
        "bbox": _rounded([left, top, right - left, bottom - top]),
        "area": round(float(covered), 2),
    }
    if polygons:
        written["segmentation"] = [_rounded(polygon.ravel()) for polygon in polygons]
    if objects.keypoints is not None:
        points = objects.keypoints[row]
        written["keypoints"] = [value for x, y, seen in points for value in (*_rounded([x, y]), int(seen))]
        written["num_keypoints"] = int(np.count_nonzero(points[:, 2]))
    return written


def _rounded(values: Points | Sequence[float]) -> list[float]:
    rounded: list[float] = (np.round(np.asarray(values, np.float64), 2) + 0.0).tolist()  # which makes -0.0 a 0.0
    return rounded
