"""One warp: all geometry of a draw in one resampling, and everything on the image through the same matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.matrices import IDENTITY, Matrix, Points, moved_points, scaling, shifting, stretch
from handful.augment.scratch import scratch
from handful.core.errors import DataError

Border = Literal["reflect", "replicate", "constant"]
Array = npt.NDArray[Any]

BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "replicate": cv2.BORDER_REPLICATE, "constant": cv2.BORDER_CONSTANT}
LONGEST = 32_766  # of a side, in pixels: OpenCV warps with 16-bit coordinates
MARGIN = 2  # blocks of pixels around the part that is seen, for interpolation
COPIED_AS = {1: np.uint8, 2: np.uint16, 4: np.float32, 8: np.float64}  # types of that many bytes that OpenCV can copy
TINY = 1e-6  # what rounding leaves of a whole number
PASSES = 20  # of the fixed point that inverts an elastic field; each halves the error or better


@dataclass(frozen=True, eq=False)
class Warp:
    """Where every pixel comes from.

    Args:
        source: Width and height of the image that comes in.
        target: Width and height of the image that goes out.
        matrix: Source to target coordinates, shape (3, 3).
        border: What lies beyond the edge: the image mirrored, its last pixels, or black.
        field: An elastic displacement, in fractions of the target's sides, on a coarse grid over the target, shape
            (rows, columns, 2): the picture of a point p of the matrix stands where p' + field(p') = p.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    matrix: Matrix
    border: Border = "reflect"
    field: npt.NDArray[np.float32] | None = None

    def then(self, matrix: Matrix, target: tuple[int, int] | None = None) -> Warp:
        """This warp and after it another one, which may change the size."""
        return Warp(self.source, target or self.target, matrix @ self.matrix, self.border, self.field)

    @property
    def mirrors(self) -> bool:
        """Whether left and right change places."""
        return bool(np.linalg.det(self.matrix) < 0)

    def image(self, pixels: Array) -> Array:
        """The image, resampled once; shape (height, width) or (height, width, channels), the input is untouched."""
        self._check(pixels)
        if self.is_identity:
            return pixels.copy()
        part, matrix = self._reduced(*self._part(pixels))
        moved = self._resampled(part, matrix, cv2.INTER_LINEAR, BORDERS[self.border])
        return moved.reshape(*moved.shape[:2], *pixels.shape[2:])

    def mask(self, mask: Array) -> Array:
        """Class or instance indices, shape (height, width): the nearest one, and 0 where nothing was."""
        self._check(mask)
        if mask.dtype.kind not in "biuf" or mask.itemsize not in COPIED_AS:
            raise DataError(f"the mask is of type {mask.dtype}, expected whole numbers", "warp")
        if self.is_identity:
            return mask.copy()
        part, matrix = self._part(mask.view(COPIED_AS[mask.itemsize]))
        return self._resampled(part, matrix, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT).view(mask.dtype)

    def points(self, points: Points) -> Points:
        """Where points of the source, shape (..., 2), stand in the target."""
        goal = moved_points(self.matrix, points)
        if self.field is None or not goal.size:
            return goal
        found = goal.reshape(-1, 2)
        for _ in range(PASSES):
            found = goal.reshape(-1, 2) - self._displacement(found)
        return found.reshape(goal.shape)

    def origins(self, points: Points) -> Points:
        """Where points of the target, shape (n, 2), stand in the source."""
        return moved_points(np.linalg.inv(self.matrix), points + self._displacement(points))

    @property
    def is_identity(self) -> bool:
        """Whether it leaves every pixel where it is."""
        return self.field is None and self.source == self.target and np.array_equal(self.matrix, IDENTITY)

    def _check(self, pixels: Array) -> None:
        if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
            expected = "expected (height, width), or (height, width, channels) with 1, 3 or 4 channels"
            raise DataError(f"the image has the shape {pixels.shape}, {expected}", "warp")
        height, width = pixels.shape[:2]
        if (width, height) != self.source:
            raise DataError(
                f"this draw is for {self.source[0]} x {self.source[1]} pixels, got {width} x {height}", "warp"
            )

    def _part(self, pixels: Array) -> tuple[Array, Matrix]:
        """The part that is seen, without a copy: there is no use in reducing what a crop throws away."""
        (left, right), (top, bottom) = self.seen
        return pixels[top:bottom, left:right], self.matrix @ shifting(left, top)

    @property
    def seen(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """From which column to which, and from which row to which, the source is seen: whole blocks, and a margin."""
        if self.field is not None or not np.array_equal(self.matrix[2], IDENTITY[2]):
            return (0, self.source[0]), (0, self.source[1])
        width, height = self.target
        corners = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
        seen = moved_points(np.linalg.inv(self.matrix), corners)
        low, high = np.floor(seen.min(axis=0) / self.block), np.ceil(seen.max(axis=0) / self.block)
        spans = []
        for a, b, side, block in zip(low - MARGIN, high + MARGIN, self.source, self.block, strict=True):
            within = a >= 0 and b * block <= side  # else: what is reflected may come from anywhere
            spans.append((int(a) * block, int(b) * block) if within else (0, side))
        return spans[0], spans[1]

    @property
    def block(self) -> tuple[int, int]:
        """How many pixels of the source, across and down, fall into one of the target: whole ones, at least one."""
        across, down = (max(1, int(1 / step + TINY)) for step in stretch(self.matrix, *self.target))
        return across, down

    def _reduced(self, pixels: Array, matrix: Matrix) -> tuple[Array, Matrix]:
        """Shrinking by two or more begins with means of whole blocks of pixels: interpolation alone would alias."""
        across, down = self.block
        if (across, down) == (1, 1):
            return pixels, matrix
        height, width = pixels.shape[:2]
        across, down = min(across, width), min(down, height)
        columns, rows = -(-width // across), -(-height // down)
        right, below = columns * across - width, rows * down - height
        if right or below:
            border = BORDERS[self.border] if self.border == "constant" else cv2.BORDER_REPLICATE
            pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, border)
        pairs = across * down == 2  # of two pixels the middle is the mean, and OpenCV finds it faster
        way = cv2.INTER_LINEAR if pairs else cv2.INTER_AREA
        return cv2.resize(pixels, (columns, rows), interpolation=way), matrix @ scaling(across, down)

    def _resampled(self, pixels: Array, matrix: Matrix, interpolation: int, border: int) -> Array:
        longest = max(*pixels.shape[:2], *self.target)
        if longest > LONGEST:
            raise DataError(
                f"a side has {longest} pixels, at most {LONGEST} can be warped",
                "warp",
                "make the picture smaller first",
            )
        if pixels.shape[2:] == (3,):  # OpenCV reads four channels twice as fast as three from turned rows
            four = scratch((*pixels.shape[:2], 4), pixels.dtype)
            cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA, dst=four)
            return cv2.cvtColor(self._resampled(four, matrix, interpolation, border), cv2.COLOR_RGBA2RGB)
        centred = shifting(-0.5, -0.5) @ matrix @ shifting(0.5, 0.5)  # OpenCV's pixel centres lie at whole numbers
        if self.field is not None:
            x, y = self._origins(np.linalg.inv(matrix))
            return cv2.remap(pixels, x, y, interpolation, borderMode=border)
        if np.array_equal(matrix[2], IDENTITY[2]):
            return cv2.warpAffine(pixels, centred[:2], self.target, flags=interpolation, borderMode=border)
        return cv2.warpPerspective(pixels, centred, self.target, flags=interpolation, borderMode=border)

    def _origins(self, backward: Matrix) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """For every pixel of the target, the x and y of its origin in OpenCV's coordinates."""
        width, height = self.target
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        points = np.stack([x, y], axis=-1)
        points += self._displacement(points.reshape(-1, 2)).reshape(points.shape)
        origins = (moved_points(backward, points) - 0.5).astype(np.float32)
        return np.ascontiguousarray(origins[..., 0]), np.ascontiguousarray(origins[..., 1])

    def _displacement(self, points: Points) -> Points:
        """The elastic field at points of the target, shape (n, 2), in pixels: bilinear between its nodes."""
        if self.field is None:
            return np.zeros_like(points)
        rows, columns = self.field.shape[:2]
        size = np.array(self.target, dtype=np.float64)
        x, y = (np.clip(points / size, 0, 1) * (columns - 1, rows - 1)).T
        left, top = np.minimum(x.astype(int), columns - 2), np.minimum(y.astype(int), rows - 2)
        (a, b), field = (x - left, y - top), self.field
        a, b = a[:, None], b[:, None]
        upper = (1 - a) * field[top, left] + a * field[top, left + 1]
        lower = (1 - a) * field[top + 1, left] + a * field[top + 1, left + 1]
        return np.asarray(((1 - b) * upper + b * lower) * size)
