"""Geometry as 3 x 3 matrices, from source to target coordinates in pixels.

Coordinates are continuous: (0, 0) is the upper left corner of the first pixel and (0.5, 0.5) its centre, as boxes and
outlines have them. So a flip is x -> width - x and a resize is a plain scale.
"""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]
Points = npt.NDArray[np.floating]

IDENTITY = np.eye(3)


def shifting(x: float, y: float) -> Matrix:
    """To the right by x, down by y."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(x: float, y: float) -> Matrix:
    """Away from (0, 0); a negative number mirrors."""
    return np.array([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]])


def turning(degrees: float) -> Matrix:
    """Clockwise as seen on the screen, about (0, 0)."""
    cosine, sine = cos(radians(degrees)), sin(radians(degrees))
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def shearing(x: float, y: float) -> Matrix:
    """Rows slide by x for each pixel down, columns by y for each pixel to the right."""
    return np.array([[1.0, x, 0.0], [y, 1.0, 0.0], [0.0, 0.0, 1.0]])


def about(x: float, y: float, matrix: Matrix) -> Matrix:
    """The same about the point (x, y), which stays where it is if the matrix keeps (0, 0)."""
    return shifting(x, y) @ matrix @ shifting(-x, -y)


def moved_points(matrix: Matrix, points: Points) -> Points:
    """Points of shape (..., 2) through a matrix, the perspective divided out."""
    moved = points @ matrix[:2, :2].T + matrix[:2, 2]
    if np.array_equal(matrix[2], (0.0, 0.0, 1.0)):
        return np.asarray(moved)
    return np.asarray(moved / (points @ matrix[2, :2] + matrix[2, 2])[..., None])


def perspective_between(corners: Points, targets: Points) -> Matrix:
    """The matrix that takes four points to four others, each of shape (4, 2).

    Source: Hartley and Zisserman 2004, Multiple View Geometry, section 4.1 (direct linear transformation, h33 = 1).
    """
    rows, right = [], []
    for (x, y), (u, v) in zip(corners, targets, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1.0).reshape(3, 3)


def stretch(matrix: Matrix, width: int, height: int) -> tuple[float, float]:
    """How many target pixels a step of one source pixel to the right, and one down, is at most.

    Args:
        matrix: Source to target.
        width, height: Of the target: where the perspective varies, its corners are looked at.
    """
    if np.array_equal(matrix[2], (0.0, 0.0, 1.0)):
        return float(np.hypot(*matrix[:2, 0])), float(np.hypot(*matrix[:2, 1]))
    corners = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
    steps = []
    for x, y in moved_points(np.linalg.inv(matrix), corners):
        depth = matrix[2] @ (x, y, 1.0)
        at = matrix[:2] @ (x, y, 1.0) / depth
        jacobian = (matrix[:2, :2] - np.outer(at, matrix[2, :2])) / depth
        steps.append(np.hypot(jacobian[0], jacobian[1]))
    return float(np.max(steps, axis=0)[0]), float(np.max(steps, axis=0)[1])
