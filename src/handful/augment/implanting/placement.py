"""Where cut-outs go on an image, what is seen of them there, and which covers which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handful.augment.implanting.cutouts import Cutout
from handful.augment.matrices import Matrix, Points, scaling, shifting, turning
from handful.augment.warp import Warp
from handful.data.objects import Outline

Alpha = npt.NDArray[np.float32]
Part = tuple[slice, slice]  # rows and columns of an image

HALF = 0.4999  # opaque and more is inside; a little less, as float32 rounds


@dataclass(frozen=True, eq=False)
class Placement:
    """A cut-out, and where it goes.

    Args:
        cutout: What is implanted.
        x, y: Where its centre comes to lie, in pixels of the image.
        scale: 2 doubles its sides.
        degrees: Clockwise.
        mirrored: Left for right, before it is turned.
    """

    cutout: Cutout
    x: float
    y: float
    scale: float = 1.0
    degrees: float = 0.0
    mirrored: bool = False

    @property
    def matrix(self) -> Matrix:
        """From the cut-out to the image."""
        height, width = self.cutout.image.shape[:2]
        sized = scaling(-self.scale if self.mirrored else self.scale, self.scale)
        return shifting(self.x, self.y) @ turning(self.degrees) @ sized @ shifting(-width / 2, -height / 2)

    @property
    def corners(self) -> Points:
        """Of the cut-out's picture, in the image; shape (4, 2)."""
        height, width = self.cutout.image.shape[:2]
        return self._warp((1, 1), (0, 0), 0).points(np.array([[0, 0], [width, 0], [width, height], [0, height]]))

    def layer(self, width: int, height: int) -> tuple[npt.NDArray[np.float32], Part] | None:
        """The cut-out, resampled once, on the part of an image of this size that it touches.

        Returns:
            Red, green and blue times alpha, and alpha, 0 to 1, shape (h, w, 4), and which rows and columns of the
            image they are; None when it lies outside.
        """
        low = np.maximum(np.floor(self.corners.min(axis=0)) - 1, 0).astype(int)
        high = np.minimum(np.ceil(self.corners.max(axis=0)) + 1, (width, height)).astype(int)
        (left, top), (right, bottom) = low, high
        if left >= right or top >= bottom:
            return None
        # A clear rim: Warp repeats the last pixels when it shrinks. Times alpha: no colour comes from clear pixels.
        rgba = np.pad(self.cutout.image, ((1, 1), (1, 1), (0, 0))).astype(np.float32) / 255
        rgba[..., :3] *= rgba[..., 3:]
        warp = self._warp((right - left, bottom - top), (left, top), 1)
        return warp.image(rgba), (slice(top, bottom), slice(left, right))

    def outline(self) -> Outline:
        """Of the cut-out in the image, where it is known; not clipped."""
        return tuple(self._warp((1, 1), (0, 0), 0).points(polygon) for polygon in self.cutout.outline)

    def _warp(self, target: tuple[int, int], corner: tuple[int, int], rim: int) -> Warp:
        height, width = self.cutout.image.shape[:2]
        matrix = shifting(-corner[0], -corner[1]) @ self.matrix @ shifting(-rim, -rim)
        return Warp((width + 2 * rim, height + 2 * rim), target, matrix, "constant")


@dataclass(frozen=True, eq=False)
class Layer:
    """One placement on the part of the image that it touches, with the share of each pixel that none above covers.

    Args:
        order: Which placement it is.
        placement: Itself.
        rgba: Red, green and blue times alpha, and alpha, 0 to 1, shape (h, w, 4).
        part: Rows and columns of the image.
        uncovered: By those above, 0 to 1, shape (h, w).
    """

    order: int
    placement: Placement
    rgba: npt.NDArray[np.float32]
    part: Part
    uncovered: npt.NDArray[np.float32]

    @property
    def visible(self) -> float:
        """Its area in pixels, without what is outside or covered."""
        return float((self.rgba[..., 3] * self.uncovered).sum(dtype=np.float64))


def stacked(placements: Sequence[Placement], width: int, height: int) -> tuple[list[Layer], Alpha]:
    """From the lowest up, those that touch the image; and the share of each of its pixels that none covers."""
    uncovered = np.ones((height, width), np.float32)
    layers = []
    for order in range(len(placements) - 1, -1, -1):
        found = placements[order].layer(width, height)
        if found is not None:
            rgba, part = found
            layers.append(Layer(order, placements[order], rgba, part, uncovered[part].copy()))
            uncovered[part] *= 1 - np.clip(rgba[..., 3], 0, 1)
    return layers[::-1], uncovered
