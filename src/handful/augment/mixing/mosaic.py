"""Mosaic: four scenes on one canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from handful.augment.draw import Draw
from handful.augment.joined import joined
from handful.augment.matrices import scaling, shifting
from handful.augment.mixing.soft_labels import described
from handful.augment.policy import Policy
from handful.augment.scene import LEAST_VISIBLE, Scene, augmented
from handful.core.errors import DataError, UsageError
from handful.data.objects import Objects

CENTRE = (0.25, 0.75)  # of the canvas, where the four may meet
ZOOM = 1.5  # and up to so many times larger than it takes to fill its quarter


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Everything that was drawn for four scenes; the same call gives the same bytes.

    Args:
        size: Width and height of the canvas.
        corners: Left and top of each scene's quarter; upper left, upper right, lower left, lower right.
        draws: What happens to each scene, onto its quarter.
        least_visible: Share of an object that must be left inside its quarter.
        keypoint_pairs: As `augmented` takes them.
    """

    size: tuple[int, int]
    corners: tuple[tuple[int, int], ...]
    draws: tuple[Draw, ...]
    least_visible: float = LEAST_VISIBLE
    keypoint_pairs: Sequence[tuple[int, int]] | None = None

    def __call__(self, scenes: Sequence[Scene]) -> Scene:
        """The four as one scene; the inputs are untouched. Numbers of instances in masks stay as they are."""
        _check(scenes)
        width, height = self.size
        first = scenes[0]
        image = np.zeros((height, width, *first.image.shape[2:]), first.image.dtype)
        mask = None if first.mask is None else np.zeros((height, width), first.mask.dtype)
        objects = []
        for scene, draw, (left, top) in zip(scenes, self.draws, self.corners, strict=True):
            tile = augmented(scene, draw, self.least_visible, self.keypoint_pairs)
            part = (slice(top, top + draw.height), slice(left, left + draw.width))
            image[part] = tile.image
            if mask is not None:
                mask[part] = tile.mask
            objects.append(_shifted(tile.objects, left, top))
        return Scene(image, joined(objects), mask)


def mosaic(
    scenes: Sequence[Scene],
    size: tuple[int, int],
    rng: np.random.Generator,
    policy: Policy | None = None,
    least_visible: float = LEAST_VISIBLE,
    keypoint_pairs: Sequence[tuple[int, int]] | None = None,
) -> Scene:
    """Four scenes on one canvas around a random point, each resampled once and filling its quarter.

    A scene keeps its proportions; what of it is seen is drawn at random.

    Args:
        scenes: Four, of one pixel type and number of channels, all with a mask or none.
        size: Width and height of the canvas, at least 4 x 4.
        policy: What happens to each scene before; in the same resampling.
        least_visible: Share of an object that must be left inside its quarter.
        keypoint_pairs: As `augmented` takes them.
    Raises:
        DataError: when the scenes are not four or do not go together.
        UsageError: when the canvas is smaller.
    Source: Bochkovskiy et al. 2020, arXiv:2004.10934, section 3.3.
    """
    _check(scenes)
    sizes = [(scene.image.shape[1], scene.image.shape[0]) for scene in scenes]
    drawn = draw_mosaic(sizes, size, rng, policy)
    return replace(drawn, least_visible=least_visible, keypoint_pairs=keypoint_pairs)(scenes)


def draw_mosaic(
    sizes: Sequence[tuple[int, int]], size: tuple[int, int], rng: np.random.Generator, policy: Policy | None = None
) -> Mosaic:
    """Decide where four scenes of these sizes, (width, height) each, go on a canvas of `size`."""
    if min(size) < 4:
        raise UsageError(f"a canvas of {size[0]} x {size[1]} pixels, expected at least 4 x 4", "mosaic")
    x, y = (round(float(rng.uniform(*CENTRE)) * side) for side in size)
    across, down = ((0, x), (x, size[0])), ((0, y), (y, size[1]))
    quarters = [(left, top, right - left, bottom - top) for top, bottom in down for left, right in across]
    draws = tuple(
        _filling((policy or Policy()).draw(rng, *source), width, height, rng)
        for source, (_, _, width, height) in zip(sizes, quarters, strict=True)
    )
    return Mosaic(size, tuple((left, top) for left, top, _, _ in quarters), draws)


def _filling(drawn: Draw, width: int, height: int, rng: np.random.Generator) -> Draw:
    """And then enlarged or reduced until it fills a quarter at least, and cut to it at random."""
    scale = max(width / drawn.width, height / drawn.height) * float(rng.uniform(1, ZOOM))
    left = float(rng.random()) * (drawn.width * scale - width)
    top = float(rng.random()) * (drawn.height * scale - height)
    return drawn.moved(shifting(-left, -top) @ scaling(scale, scale), (width, height))


def _check(scenes: Sequence[Scene]) -> None:
    if len(scenes) != 4:
        raise DataError(f"a mosaic is made of 4 scenes, got {len(scenes)}", "mosaic")
    first = scenes[0]
    for scene in scenes[1:]:
        if scene.image.shape[2:] != first.image.shape[2:] or scene.image.dtype != first.image.dtype:
            what = f"the scenes do not go together: {described(first.image)} and {described(scene.image)}"
            raise DataError(what, "mosaic", "bring them to one type")
        if (scene.mask is None) != (first.mask is None):
            raise DataError("some scenes have a mask and others none", "mosaic", "give all of them one")


def _shifted(objects: Objects, left: int, top: int) -> Objects:
    keypoints = objects.keypoints
    if keypoints is not None:
        moved = keypoints + np.array([left, top, 0])
        keypoints = np.where(keypoints[..., 2:] > 0, moved, 0)  # those that are not labelled stay at 0, 0
    return replace(
        objects,
        boxes=objects.boxes + np.array([left, top, left, top]),
        outlines=tuple(tuple(polygon + np.array([left, top]) for polygon in outline) for outline in objects.outlines),
        keypoints=keypoints,
    )
