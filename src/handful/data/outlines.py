"""Outlines of objects: polygons, shape (n, 2) each, in pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.data.objects import Outline, Points


def area(polygon: Points) -> float:
    """Of a polygon, shape (n, 2), in square pixels: half the absolute sum of x_i y_(i+1) - x_(i+1) y_i."""
    x, y = np.asarray(polygon - polygon[:1], np.float64).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def clip(polygon: Points, width: float, height: float) -> Points:
    """The part of a polygon, shape (n, 2), inside the picture; shape (0, 2) when there is none.

    Source: Sutherland and Hodgman 1974, doi:10.1145/360767.360802.
    """
    for axis, limit in ((0, width), (1, height)):
        polygon = cut(polygon, polygon[:, axis])
        polygon = cut(polygon, limit - polygon[:, axis])
        polygon[:, axis] = polygon[:, axis].clip(0, limit)  # what rounding left outside
    return polygon


def cut(polygon: Points, depth: npt.NDArray[np.floating]) -> Points:
    """The part of a polygon, shape (n, 2), where a linear function of it, given at its corners, is not negative."""
    before, earlier = np.roll(depth, 1), np.roll(polygon, 1, axis=0)
    inside, crosses = depth >= 0, (before < 0) != (depth < 0)
    share = (before[crosses] / (before[crosses] - depth[crosses]))[:, None]
    crossings = earlier[crosses] + share * (polygon[crosses] - earlier[crosses])
    order = np.argsort(np.concatenate([2 * np.flatnonzero(crosses), 2 * np.flatnonzero(inside) + 1]))
    return np.asarray(np.concatenate([crossings, polygon[inside]])[order])


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
