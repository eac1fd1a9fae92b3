"""Cut-outs: objects without their background, cut from a scene by outline, by GrabCut, or by box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.implanting.coverage import bounds, covered_by_outline
from handful.augment.implanting.grabcut import grab
from handful.augment.matrices import Points
from handful.augment.scene import Scene
from handful.core.errors import DataError, UsageError
from handful.data.objects import Outline
from handful.data.outlines import traced

Way = Literal["outline", "grabcut", "box"]
Pixels = npt.NDArray[np.uint8]

WAYS = ("outline", "grabcut", "box")
OPAQUE = 128  # and above is inside: half a pixel covered
SOFT = 0.05  # of a box's shorter side: how far its edge fades, inwards as outwards


@dataclass(frozen=True, eq=False)
class Cutout:
    """An object, and how opaque it is.

    Args:
        image: RGBA, alpha not premultiplied, shape (h, w, 4).
        label: Its class; None for one that only covers others.
        outline: Its polygons in pixels of `image`; () where it is not known.
        by: How it was got: by outline, grabcut or box, or from a file.
    Raises:
        DataError: when the image is not RGBA, or is transparent everywhere.
    """

    image: Pixels
    label: int | None = None
    outline: Outline = ()
    by: Way | Literal["file"] = "file"

    def __post_init__(self) -> None:
        image = self.image
        if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
            raise DataError(f"a cut-out is uint8 of shape (h, w, 4), found {image.dtype} of {image.shape}", "cut-out")
        if not image.size or image[..., 3].max() < OPAQUE:
            raise DataError("the cut-out is transparent everywhere", "cut-out", "leave it out")


def cut_out(scene: Scene, row: int, by: Way | None = None) -> Cutout:
    """One object of a scene as a cut-out.

    By outline the alpha of a pixel is the share of it that is inside. By box it is the whole rectangle, fading around
    its edge from 1 to 0 over 5 % of its shorter side inwards and outwards. By GrabCut the outline is looked for in the
    box; where what it finds does not fill the box, the cut-out is the box, and its `by` says so.

    Args:
        scene: Untouched; of a uint16 image the upper 8 bits are taken.
        row: Of the object.
        by: None takes the outline where there is one, else the box.
    Raises:
        DataError: when there is no such object, or it has no outline and `by` asks for it.
    """
    objects = scene.objects
    if by not in (None, *WAYS):
        raise UsageError(f"by={by} is not known", "cut_out", f"use one of {', '.join(WAYS)}")
    if not 0 <= row < len(objects):
        raise DataError(f"object {row} of a scene with {len(objects)}", "cut_out", "count from 0")
    outline = objects.outlines[row] if objects.outlines else ()
    if by == "outline" and not outline:
        raise DataError(f"object {row} has no outline", "cut_out", "cut it out by grabcut or by box")
    rgb, label = _rgb(scene.image), int(objects.labels[row])
    if outline and by in (None, "outline"):
        return _by_outline(rgb, outline, label)
    if by == "grabcut":
        alpha = grab(rgb, objects.boxes[row])
        if alpha is not None:
            return _trimmed(rgb, alpha, label, "grabcut")
    return _by_box(rgb, objects.boxes[row], label)


def patch(image: npt.NDArray[Any], box: Points, label: int | None = None) -> Cutout:
    """A rectangle of an image as a cut-out with hard edges, as CutMix pastes it.

    Args:
        image: uint8 or uint16, shape (height, width) or (height, width, 1, 3 or 4).
        box: xyxy in pixels, rounded to whole ones.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = np.clip(np.rint(box).astype(int), 0, [width, height, width, height])
    if left >= right or top >= bottom:
        raise DataError(f"the box {np.asarray(box).tolist()} holds no pixel of {width} x {height}", "patch")
    part = _rgb(image[top:bottom, left:right])
    return Cutout(np.dstack([part, np.full(part.shape[:2], 255, np.uint8)]), label, by="box")


def _by_outline(rgb: Pixels, outline: Outline, label: int) -> Cutout:
    height, width = rgb.shape[:2]
    points = np.concatenate(outline)
    left, top = np.clip(np.floor(points.min(axis=0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(points.max(axis=0)), 0, (width, height)).astype(int)
    if left >= right or top >= bottom:
        raise DataError(f"the outline lies outside its image of {width} x {height} pixels", "cut_out", "correct it")
    own = tuple(polygon - (left, top) for polygon in outline)
    alpha = covered_by_outline(own, right - left, bottom - top)
    return Cutout(_with_alpha(rgb[top:bottom, left:right], alpha), label, own, "outline")


def _by_box(rgb: Pixels, box: Points, label: int) -> Cutout:
    height, width = rgb.shape[:2]
    soft = max(0.5, SOFT * min(box[2] - box[0], box[3] - box[1]))
    left, top = np.maximum(np.floor(box[:2] - soft), 0).astype(int)
    right, bottom = np.minimum(np.ceil(box[2:] + soft), (width, height)).astype(int)
    across, down = (
        np.clip(0.5 + np.minimum(at - low, high - at) / (2 * soft), 0, 1)
        for at, low, high in (
            (np.arange(left, right) + 0.5, box[0], box[2]),
            (np.arange(top, bottom) + 0.5, box[1], box[3]),
        )
    )
    alpha = np.minimum.outer(down, across)  # not the product: the half-way line stays on the box, at its corners too
    return Cutout(_with_alpha(rgb[top:bottom, left:right], alpha), label, by="box")


def _trimmed(rgb: Pixels, alpha: npt.NDArray[np.floating], label: int, by: Way) -> Cutout:
    left, top, right, bottom = np.asarray(bounds(alpha > 0), int)
    image = _with_alpha(rgb[top:bottom, left:right], alpha[top:bottom, left:right])
    return Cutout(image, label, traced(image[..., 3] >= OPAQUE), by)


def _with_alpha(rgb: Pixels, alpha: npt.NDArray[np.floating]) -> Pixels:
    return np.dstack([rgb, np.rint(alpha * 255).astype(np.uint8)])


def _rgb(image: npt.NDArray[Any]) -> Pixels:
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(f"pixels are of type {image.dtype}, expected uint8 or uint16", "cut_out")
    levels = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    if levels.ndim == 2 or levels.shape[2] == 1:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(levels), cv2.COLOR_GRAY2RGB), np.uint8)
    return levels[..., :3]
