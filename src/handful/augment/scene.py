"""An image with everything that moves along: boxes, outlines, keypoints, a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.draw import Draw
from handful.augment.matrices import Points
from handful.augment.warp import Warp
from handful.core.errors import DataError, UsageError
from handful.data.objects import Objects, Outline
from handful.data.outlines import area, clip, cut

LEAST_VISIBLE = 0.25  # of an object's area, for its box to be kept
N_EDGE_POINTS = 8  # on each edge of an outline where the warp bends straight lines


@dataclass(frozen=True, eq=False)
class Scene:
    """One image and what is on it.

    Args:
        image: uint8 or uint16, shape (height, width) or (height, width, channels).
        objects: Boxes and what belongs to them.
        mask: A class or an instance for every pixel, shape (height, width).
    Raises:
        DataError: when the image is empty, the mask has another size, or a box lies outside the image.
    """

    image: npt.NDArray[Any]
    objects: Objects = field(default_factory=Objects)
    mask: npt.NDArray[Any] | None = None

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        if not self.image.size:
            raise DataError(f"an image of {width} x {height} pixels is empty", "scene", "leave it out")
        if self.mask is not None and self.mask.shape != (height, width):
            got = " x ".join(map(str, self.mask.shape[::-1]))
            raise DataError(f"the mask has {got} pixels, its image {width} x {height}", "scene")
        left, top, right, bottom = self.objects.boxes.T
        inside = (left < width) & (top < height) & (right > 0) & (bottom > 0) & (right > left) & (bottom > top)
        outside = ~inside  # and so is what is not a number
        if outside.any():
            box = ", ".join(f"{x:g}" for x in self.objects.boxes[outside][0])
            raise DataError(f"the box [{box}] lies outside its image of {width} x {height} or is empty", "scene")


def augmented(
    scene: Scene,
    draw: Draw,
    least_visible: float = LEAST_VISIBLE,
    keypoint_pairs: Sequence[tuple[int, int]] | None = None,
) -> Scene:
    """The scene after everything that was drawn; what is no longer visible is dropped.

    Args:
        scene: Untouched.
        draw: For an image of this size.
        least_visible: Share of an object's area that must be left inside the image.
        keypoint_pairs: Left and right ones, which change places when the image is mirrored; () when none are.
    Raises:
        UsageError: when a mirrored image has keypoints and no pairs are given.
    """
    objects, _ = moved_objects(scene.objects, draw.warp, least_visible, keypoint_pairs)
    mask = None if scene.mask is None else draw.warp.mask(scene.mask)
    return Scene(draw.image(scene.image), objects, mask)


def moved_objects(
    objects: Objects,
    warp: Warp,
    least_visible: float = LEAST_VISIBLE,
    keypoint_pairs: Sequence[tuple[int, int]] | None = None,
) -> tuple[Objects, npt.NDArray[np.floating]]:
    """Objects through a warp: tight where there is an outline, else the box around the moved corners.

    Returns:
        The objects that are visible enough, and the visible share of all that came in, shape (n,).
    """
    seen = [_seen(_outline(objects, row), warp) for row in range(len(objects))]
    visible = np.array([_share(parts, _outline(objects, row), warp) for row, parts in enumerate(seen)]).reshape(-1)
    kept = np.flatnonzero((visible >= least_visible) & (visible > 0))
    some = objects.take(kept)
    left = [tuple(part.seen for part in seen[row]) for row in kept]
    boxes = np.array([_bounds(seen[row], warp) for row in kept]).reshape(-1, 4)
    return (
        replace(
            some,
            boxes=boxes,
            outlines=tuple(left[at] if some.outlines[at] else () for at in range(len(kept))) if some.outlines else (),
            keypoints=None if some.keypoints is None else _moved_keypoints(some.keypoints, warp, keypoint_pairs),
        ),
        visible,
    )


def _outline(objects: Objects, row: int) -> Outline:
    if objects.outlines and objects.outlines[row]:
        return objects.outlines[row]
    left, top, right, bottom = objects.boxes[row]
    return (np.array([[left, top], [right, top], [right, bottom], [left, bottom]]),)


@dataclass(frozen=True, eq=False)
class _Part:
    """A moved polygon, and the part of it inside the picture; each of shape (n, 2)."""

    whole: Points
    seen: Points


def _seen(outline: Outline, warp: Warp) -> tuple[_Part, ...]:
    bent = warp.field is not None
    sources = (_before_horizon(_with_points_between(polygon) if bent else polygon, warp) for polygon in outline)
    parts = (_Part(whole, clip(whole, *warp.target)) for whole in map(warp.points, sources))
    return tuple(part for part in parts if area(part.seen) > 0)


def _before_horizon(polygon: Points, warp: Warp) -> Points:
    """Without what a perspective would throw far out, or beyond infinity to the other side; none of it is seen."""
    depth = polygon @ warp.matrix[2, :2] + warp.matrix[2, 2]
    width, height = warp.target
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]])
    nearest = 1 / (corners @ np.linalg.inv(warp.matrix)[2]).max()  # the least depth inside the picture
    return cut(polygon, depth - nearest / 2)


def _with_points_between(polygon: Points) -> Points:
    share = np.arange(N_EDGE_POINTS)[:, None, None] / N_EDGE_POINTS
    between = polygon + share * (np.roll(polygon, -1, axis=0) - polygon)
    return np.asarray(between.transpose(1, 0, 2).reshape(-1, 2))


def _share(parts: Sequence[_Part], outline: Outline, warp: Warp) -> float:
    """Of the object's area on the source: a perspective makes some of it larger than the rest."""
    total = sum(map(area, outline))
    seen = (warp.origins(part.seen if warp.field is None else _with_points_between(part.seen)) for part in parts)
    return sum(map(area, seen)) / total if total > 0 else 0.0


def _bounds(parts: Sequence[_Part], warp: Warp) -> npt.NDArray[np.floating]:
    """The box around. Clipping may lead along the edge of the picture to a corner and back: that corner is not seen."""
    points = np.array([point for part in parts for point in part.seen if not _is_detour(point, part, warp)])
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _is_detour(point: Points, part: _Part, warp: Warp) -> bool:
    if not ((point == 0) | (point == warp.target)).all():
        return False
    return bool(cv2.pointPolygonTest(part.whole.astype(np.float32), tuple(point), False) < 0)


def _moved_keypoints(
    keypoints: npt.NDArray[np.floating], warp: Warp, pairs: Sequence[tuple[int, int]] | None
) -> npt.NDArray[np.floating]:
    if warp.mirrors and pairs is None:
        raise UsageError(
            "an image with keypoints would be mirrored, and which keypoints are left and right is not known",
            "flip_h",
            "give keypoint_pairs, () if there are none, or leave flips out of the policy",
        )
    moved = keypoints.copy()
    moved[..., :2] = warp.points(keypoints[..., :2])
    inside = ((moved[..., :2] >= 0) & (moved[..., :2] < warp.target)).all(axis=-1)
    moved[~inside | (keypoints[..., 2] == 0)] = 0
    for a, b in pairs or () if warp.mirrors else ():
        moved[:, [a, b]] = moved[:, [b, a]]
    return moved
