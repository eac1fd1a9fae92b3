"""Which keypoints the objects of a COCO file have, and which of them are left and right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from handful.core.errors import DataError

Fields: TypeAlias = dict[str, Any]  # of a JSON object


def keypoint_names(
    annotations: Sequence[Fields], categories: dict[int, Fields], path: Path, notes: Counter[str]
) -> tuple[str, ...]:
    """The names of the keypoints that every object of the file has; () if there are none."""
    with_points = [annotation for annotation in annotations if annotation.get("keypoints")]
    named = {_names(categories[annotation["category_id"]], path) for annotation in with_points}
    if len(named) > 1 or 0 < len(with_points) < len(annotations):
        why = "the categories have different ones" if len(named) > 1 else "other objects have none"
        notes[f"objects lost their keypoints, because {why}"] = len(with_points)
        return ()
    if named == {()}:
        points = with_points[0]["keypoints"]
        return tuple(str(n) for n in range(1, 1 + (len(points) // 3 if isinstance(points, list) else 0))) or ("1",)
    return named.pop() if named else ()


def _names(category: Fields, path: Path) -> tuple[str, ...]:
    names = category.get("keypoints") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError("keypoints is no list of names", f"{path}, category {category['id']}", "name each keypoint")
    return tuple(names)


def pairs_by_name(names: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
    """Left and right by name: `left_eye` and `right_eye`, `LeftEye` and `RightEye`, `eye.l` and `eye.r`."""
    rows = {name.lower(): row for row, name in enumerate(names)}
    twins = [rows.get(mirrored_name(name)) for name in rows]
    if len(rows) < len(names) or None in twins:
        return None
    pairs = tuple((row, twin) for row, twin in enumerate(twins) if twin is not None and row < twin)
    return pairs or (None if names else ())


def mirrored_name(name: str) -> str:
    other = {"left": "right", "right": "left", "l": "r", "r": "l"}
    return re.sub(r"left|right|(?<![a-z])[lr](?![a-z])", lambda found: other[found[0]], name)
