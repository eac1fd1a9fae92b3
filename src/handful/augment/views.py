"""Fixed views of an image: each is one 3x3 matrix, applied in one resampling.

Frozen features are computed once per view, so the views are a short, fixed list and not a random draw: the same for
every image, every fold and every run, which keeps leave-one-out exact and the cache valid.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """Mirror, then turn and zoom about the centre, then shift.

    Args:
        name: Names the view in caches and recipes.
        mirror: Left becomes right.
        zoom: Above 1 enlarges the content.
        degrees: Clockwise as seen on the screen.
        shift: Of the content to the right and down, as fractions of the size.
    """

    name: str
    mirror: bool = False
    zoom: float = 1.0
    degrees: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)

    def matrix(self, size: int) -> npt.NDArray[np.float64]:
        """Source to target pixel coordinates, shape (3, 3); pixel centres lie at whole numbers."""
        centre, angle = (size - 1) / 2, np.deg2rad(self.degrees)
        cosine, sine = self.zoom * np.cos(angle), self.zoom * np.sin(angle)
        to_origin = np.array([[1, 0, -centre], [0, 1, -centre], [0, 0, 1.0]])
        mirrored = np.diag([-1.0 if self.mirror else 1.0, 1, 1])
        turned = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        back = np.array([[1, 0, centre + self.shift[0] * size], [0, 1, centre + self.shift[1] * size], [0, 0, 1]])
        return np.asarray(back @ turned @ mirrored @ to_origin)

    def __call__(self, image: Pixels) -> Pixels:
        """The view of one square image (size, size, 3); borders are reflected. The input is untouched."""
        matrix = self.matrix(len(image))
        if np.array_equal(matrix, np.eye(3)):
            return image
        if np.array_equal(matrix[:2, :2], np.diag([-1, 1])) and not any(self.shift):
            return np.ascontiguousarray(image[:, ::-1])  # exact, and what the shipped graph does
        size = (image.shape[1], image.shape[0])
        warped = cv2.warpAffine(image, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(warped, dtype=np.uint8)


ORIGINAL = View("original")
MIRRORED = View("mirrored", mirror=True)
FARTHER = View("farther", zoom=0.9)
NEARER = View("nearer", zoom=1.25)
TURNED_RIGHT = View("turned right", zoom=1.1, degrees=8, shift=(0.04, 0.04))
TURNED_LEFT = View("turned left", zoom=1.1, degrees=-8, shift=(-0.04, 0.04))
TURNED_LEFT_MIRRORED = View("turned left, mirrored", mirror=True, zoom=1.1, degrees=-8, shift=(-0.04, 0.04))


def view_set(may_mirror: bool) -> tuple[View, ...]:
    """The views in the order in which they are worth computing: the original first, the mirrored second if allowed."""
    if may_mirror:
        return (ORIGINAL, MIRRORED, FARTHER, NEARER, TURNED_RIGHT, TURNED_LEFT_MIRRORED)
    return (ORIGINAL, FARTHER, NEARER, TURNED_RIGHT, TURNED_LEFT)


def may_mirror(classes: tuple[str, ...]) -> bool:
    """Whether a mirrored picture keeps its label: not when class names tell left from right.

    Example:
        >>> may_mirror(("cat", "dog")), may_mirror(("turn_left", "turn_right"))
        (True, False)
    """
    words = {word for name in classes for word in _words(name)}
    return not words & {
        "left",
        "right",
        "links",
        "rechts",
        "gauche",
        "droite",
        "clockwise",
        "anticlockwise",
        "port",
        "starboard",
    }


def _words(name: str) -> list[str]:
    return "".join(c if c.isalpha() else " " for c in name.lower()).split()
