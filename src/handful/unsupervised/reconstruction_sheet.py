"""A picture of how well images are restored: the originals, and below each what became of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from handful.core.errors import DataError

GAP = 4  # pixels between the columns, and below each group of rows
LEAST_SIDE = 56  # smaller images are enlarged by whole pixels
PAPER = 255

Images = npt.NDArray[np.uint8]


def reconstruction_sheet(*rows: Images, n_columns: int = 12) -> Image.Image:
    """Images of several rows, those of one place one above the other.

    Args:
        rows: Originals, what was shown, what was restored ...: uint8, all of one shape (n, h, w, c), c 1 or 3.
        n_columns: Images side by side; the next ones stand below.
    Returns:
        An RGB picture; the caller saves it.
    Raises:
        DataError: when the rows do not fit, or show nothing.
    Example:
        >>> images = np.zeros((3, 28, 28, 1), np.uint8)
        >>> reconstruction_sheet(images, images).size
        (180, 120)
    """
    _check(rows)
    n, height, width, _ = rows[0].shape
    factor = -(-LEAST_SIDE // max(height, width))
    across = min(n_columns, n)
    down = -(-n // across)
    cell, group = width * factor + GAP, len(rows) * height * factor + 2 * GAP
    sheet: Images = np.full((down * group, across * cell, 3), PAPER, np.uint8)
    for at in range(n):
        top, left = at // across * group + GAP, at % across * cell + GAP // 2
        for images in rows:
            large = np.repeat(np.repeat(images[at], factor, axis=0), factor, axis=1)
            sheet[top : top + height * factor, left : left + width * factor] = large  # one channel becomes three
            top += height * factor
    return Image.fromarray(sheet)


def _check(rows: tuple[Any, ...]) -> None:
    shapes: list[tuple[int, ...]] = [getattr(row, "shape", ()) for row in rows]
    sound = rows and all(len(shape) == 4 and shape == shapes[0] and shape[3] in (1, 3) for shape in shapes)
    if not sound or not shapes[0][0] or any(row.dtype != np.uint8 for row in rows):
        remedy = "give images in uint8, (n, h, w, 1 or 3), and as many of the same shape in each row"
        raise DataError(f"a sheet cannot be made of shapes {shapes}", "reconstruction_sheet", remedy)
