"""Blur: out of focus, shaken, or plain; each is one kernel, in pixels of the image that comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.draw import Draw
from handful.augment.operation import from_nothing, operation

Array = npt.NDArray[Any]
Weights = npt.NDArray[np.float64]

REACH = 4  # standard deviations of a Gaussian that its kernel has on each side: 1 in 16,000 lies beyond
SHARPEST = 0.1  # a standard deviation, in pixels, at which neighbours weigh nothing any more
STEPS = 16  # for each pixel of a line, when it is drawn


@dataclass(frozen=True, eq=False)
class Kernel:
    """A weighted mean over the neighbours of every pixel; the image is mirrored at its edges.

    Args:
        kernel: Weights that sum to 1, shape (rows, columns), both odd. All kernels here are symmetric about their
            centre, so correlation and convolution are the same.
    """

    kernel: Weights

    def __call__(self, pixels: Array) -> Array:
        """The blurred image, of the same type and shape; alpha stays as it is."""
        blurred = pixels.copy()
        colours = blurred.reshape(*pixels.shape[:2], -1)[..., :3]
        factors = self.factors()
        if factors is None:
            mean = cv2.filter2D(colours, -1, self.kernel, borderType=cv2.BORDER_REFLECT_101)
        else:
            column, row = factors
            mean = cv2.sepFilter2D(colours, -1, row, column, borderType=cv2.BORDER_REFLECT_101)
        colours[...] = mean.reshape(colours.shape)
        return blurred

    def factors(self) -> tuple[Weights, Weights] | None:
        """A column and a row whose product the kernel is, which is far less to compute; None when there are none."""
        rows, columns = self.kernel.shape
        column, row = self.kernel[:, columns // 2], self.kernel[rows // 2]
        column = column / column.sum()
        row = row / row.sum()
        return (column, row) if np.allclose(np.outer(column, row), self.kernel, rtol=0, atol=1e-9) else None


def gaussian(sigma: float) -> Weights:
    """A Gaussian of a standard deviation in pixels, sampled at the pixels; 0 is sharp."""
    radius = int(np.ceil(REACH * sigma))
    row = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, SHARPEST)) ** 2)
    row /= row.sum()
    return np.outer(row, row)


def line(length: float, degrees: float) -> Weights:
    """A straight line through the centre, each of its points shared among the four nearest pixels; length 0 is sharp.

    Args:
        length: In pixels.
        degrees: Clockwise from the right, as seen.
    """
    n_points = max(1, int(np.ceil(STEPS * length)))
    along = length * ((np.arange(n_points) + 0.5) / n_points - 0.5)
    x, y = along * np.cos(np.deg2rad(degrees)), along * np.sin(np.deg2rad(degrees))
    radius = int(np.ceil(length / 2))
    pixels = np.arange(-radius, radius + 1)
    near_x, near_y = (np.maximum(0, 1 - np.abs(pixels[:, None] - each)) for each in (x, y))  # shape (side, n_points)
    return np.asarray(near_y @ near_x.T / n_points)


def disc(radius: float) -> Weights:
    """A disc of a radius in pixels whose rim fades over one pixel; up to half a pixel is sharp."""
    reach = int(np.ceil(radius + 0.5)) - 1 if radius > 0.5 else 0
    offset = np.arange(-reach, reach + 1)
    covered = np.clip(radius + 0.5 - np.hypot(offset[:, None], offset), 0, 1)
    return np.asarray(covered / covered.sum())


@operation("blur", usual=1, reach=from_nothing, limits=(0, 50), unit=" pixels", widest=(0, 3))
def blur(so_far: Draw, sigma: float, rng: np.random.Generator) -> Draw:
    """Gaussian blur of a standard deviation in pixels."""
    return so_far.followed_by(Kernel(gaussian(sigma)))


@operation("motion", usual=5, reach=from_nothing, limits=(0, 200), unit=" pixels", widest=(0, 15))
def motion(so_far: Draw, length: float, rng: np.random.Generator) -> Draw:
    """Shake the camera: the image moves by so many pixels, in a random direction, while it is taken."""
    return so_far.followed_by(Kernel(line(length, rng.uniform(0, 180))))


@operation("defocus", usual=2, reach=from_nothing, limits=(0, 50), unit=" pixels", widest=(0, 5))
def defocus(so_far: Draw, radius: float, rng: np.random.Generator) -> Draw:
    """Out of focus: every point becomes a disc of so large a radius."""
    return so_far.followed_by(Kernel(disc(radius)))
