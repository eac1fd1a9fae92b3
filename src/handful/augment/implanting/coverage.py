"""How much of each pixel a shape covers, and the outline of covered pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.augment.matrices import Points
from handful.data.objects import Outline

Share = npt.NDArray[np.float64]

LINES = 16  # scanned in each row of pixels: exact across, and down for edges at sixteenths of a pixel


def covered_by_box(box: Points, width: int, height: int) -> Share:
    """The share of each pixel that lies in a box, exactly; shape (height, width)."""
    left, top, right, bottom = box
    x, y = np.arange(width), np.arange(height)
    across = np.clip(np.minimum(right, x + 1) - np.maximum(left, x), 0, 1)
    down = np.clip(np.minimum(bottom, y + 1) - np.maximum(top, y), 0, 1)
    return np.asarray(np.outer(down, across))


def covered_by_outline(outline: Outline, width: int, height: int) -> Share:
    """The share of each pixel that lies in any polygon of an outline; shape (height, width)."""
    covered = np.zeros((height, width))
    for polygon in outline:
        np.maximum(covered, _covered_by_polygon(polygon, width, height), out=covered)
    return covered


def _covered_by_polygon(polygon: Points, width: int, height: int) -> Share:
    """Every edge that crosses a line of the scan covers what is left of it, up to down positively, else negatively."""
    line, x, sign = _crossings(polygon, height * LINES)
    x = np.clip(x, 0, width)
    column = np.floor(x).astype(int)
    cell, shape = line // LINES * (width + 1) + column, (height, width + 1)
    whole = np.bincount(cell, sign, height * (width + 1)).reshape(shape)
    part = np.bincount(cell, sign * (x - column), height * (width + 1)).reshape(shape)
    to_the_right = np.cumsum(whole[:, :0:-1], axis=1)[:, ::-1]  # crossings in any later column cover a pixel wholly
    return np.asarray(np.minimum(np.abs(part[:, :-1] + to_the_right) / LINES, 1))


def _crossings(
    polygon: Points, n_lines: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where edges cross the middles of lines: which line, at which x, and 1 for downward edges, -1 for upward ones."""
    start = np.asarray(polygon, np.float64) * (1, LINES)
    end = np.roll(start, -1, axis=0)
    upper, lower = (pick(start[:, 1], end[:, 1]) - 0.5 for pick in (np.minimum, np.maximum))
    first = np.clip(np.ceil(upper), 0, n_lines).astype(np.int64)
    count = np.clip(np.ceil(lower), 0, n_lines).astype(np.int64) - first  # a line through a corner counts once
    edge = np.repeat(np.arange(len(start)), count)
    line = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    (x, y), (dx, dy) = start[edge].T, (end - start)[edge].T
    return line, x + (line + 0.5 - y) * dx / dy, np.sign(dy)


def bounds(pixels: npt.NDArray[np.bool_]) -> Points | None:
    """The box around the pixels that are set, xyxy; None when none is."""
    columns, rows = np.flatnonzero(pixels.any(axis=0)), np.flatnonzero(pixels.any(axis=1))
    if not len(columns):
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
