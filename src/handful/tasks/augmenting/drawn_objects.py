"""Boxes, outlines and keypoints drawn on a picture, in the colour of their class and with its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from handful.data.objects import Objects
from handful.data.pixels import Pixels
from handful.tasks.augmenting.lettering import WHITE, Colour, width_of, write

COLOURS: tuple[Colour, ...] = (  # Tableau 10, the strong ones first
    *((31, 119, 180), (214, 39, 40), (44, 160, 44), (255, 127, 14), (148, 103, 189)),
    *((140, 86, 75), (227, 119, 194), (23, 190, 207), (188, 189, 34), (90, 90, 90)),
)
CROWD = 6  # objects: with more of them only the largest of each class is named
LETTERS = 12  # pixels high
FINE = 4  # bits of a pixel, for OpenCV

Tag = tuple[int, int, int, int]


def colour_of(label: int) -> Colour:
    """Of a class; those of many classes repeat."""
    return COLOURS[label % len(COLOURS)]


def draw_objects(picture: Pixels, objects: Objects, classes: Sequence[str], scale: tuple[float, float]) -> None:
    """Draw on a picture, shape (height, width, 3), whose pixels change.

    Args:
        scale: How many pixels of the picture are one pixel of the objects, across and down.
    """
    for row, box in enumerate(objects.boxes):
        colour = colour_of(int(objects.labels[row]))
        polygons = objects.outlines[row] if objects.outlines else ()
        left, top, right, bottom = box
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        _lines(picture, corners * scale, colour, thickness=1 if polygons else 2)
        for polygon in polygons:
            _lines(picture, polygon * scale, colour, thickness=2)
    for x, y, seen in objects.keypoints.reshape(-1, 3) if objects.keypoints is not None else ():
        if seen:
            cv2.circle(picture, (int(x * scale[0]), int(y * scale[1])), 3, WHITE, -1, cv2.LINE_AA)
            cv2.circle(picture, (int(x * scale[0]), int(y * scale[1])), 2, (0, 0, 0), -1, cv2.LINE_AA)
    _name(picture, objects, classes, scale)


def _lines(picture: Pixels, points: npt.NDArray[np.floating], colour: Colour, thickness: int) -> None:
    fixed = np.round((points - 0.5) * 2**FINE).astype(np.int32)  # OpenCV counts from the centre of the first pixel
    cv2.polylines(picture, [fixed], True, colour, thickness, cv2.LINE_AA, FINE)


def _name(picture: Pixels, objects: Objects, classes: Sequence[str], scale: tuple[float, float]) -> None:
    """A tag on the upper edge of each object that deserves one and has room for it, the large ones first."""
    taken: list[Tag] = []
    for row in _worth_a_name(objects):
        label = int(objects.labels[row])
        left, top = (int(x * s) for x, s in zip(objects.boxes[row][:2], scale, strict=True))
        tag = _tag(picture, left, top, width_of(classes[label], LETTERS) + 6)
        if any(_overlap(tag, other) for other in taken):
            continue
        taken.append(tag)
        cv2.rectangle(picture, tag[:2], tag[2:], colour_of(label), -1)
        write(picture, classes[label], tag[0] + 3, tag[3] - 4, LETTERS, WHITE)


def _worth_a_name(objects: Objects) -> Iterable[int]:
    sizes = np.prod(objects.boxes[:, 2:] - objects.boxes[:, :2], axis=1)
    order = [int(row) for row in np.argsort(-sizes, kind="stable")]
    if len(order) <= CROWD:
        return order
    first: dict[int, int] = {}
    for row in order:
        first.setdefault(int(objects.labels[row]), row)
    return first.values()


def _tag(picture: Pixels, left: int, top: int, width: int) -> Tag:
    """Above the edge, or below it at the rim of the picture: left, top, right, bottom."""
    height = LETTERS + 4
    left = max(0, min(left, picture.shape[1] - width - 1))
    top = top - height if top >= height else top
    return left, top, left + width, top + height


def _overlap(a: Tag, b: Tag) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
