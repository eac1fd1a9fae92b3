"""Outlines of objects: polygons, shape (n, 2) each, in pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.data.objects import Outline, Points


def area(polygon: Points) -> float:
    """Of a polygon, shape (n, 2), in square pixels: half the absolute sum of x_i y_(i+1) - x_(i+1) y_i."""
    x, y = np.asarray(polygon - polygon[:1], np.float64).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def traced(pixels: npt.NDArray[np.bool_]) -> Outline:
    """The outer border of each piece, along the edges of its pixels; inner corners are cut by half a pixel.

    Args:
        pixels: Shape (height, width).
    Returns:
        Polygons without holes; () when no pixel is set.
    """
    import cv2  # here, because outlines are read and written without it

    doubled = np.pad(pixels.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1), ((0, 1), (0, 1)))
    corners = cv2.dilate(doubled, np.ones((2, 2), np.uint8))  # pixel i covers the half pixels 2i to 2i + 2
    contours, _ = cv2.findContours(corners, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return tuple(np.asarray(contour[:, 0], np.float64) / 2 for contour in contours)
