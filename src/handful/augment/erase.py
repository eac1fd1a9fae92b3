"""Random erasing: a rectangle of the image becomes noise, as if something stood in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.augment.draw import Draw
from handful.augment.operation import from_nothing, operation
from handful.augment.recolour import FULL

Array = npt.NDArray[Any]
MOST_STRETCHED = 10 / 3  # the sides of the rectangle against each other


@dataclass(frozen=True)
class Erase:
    """Fill a rectangle with random pixels, every level as likely; objects, outlines and masks stay as they are.

    Args:
        left, top, width, height: Of the rectangle, in fractions of the image's sides: what is drawn before the size
            of the image is known holds for any size.
        seed: The same seed gives the same pixels.
    """

    left: float
    top: float
    width: float
    height: float
    seed: int

    def __call__(self, pixels: Array) -> Array:
        """The image with the rectangle in it, of the same type and shape; alpha stays as it is."""
        erased = pixels.copy()
        rows, columns = erased.shape[:2]
        left, right = round(self.left * columns), round((self.left + self.width) * columns)
        top, bottom = round(self.top * rows), round((self.top + self.height) * rows)
        hole = erased.reshape(rows, columns, -1)[top:bottom, left:right, :3]
        random = np.random.default_rng(self.seed)
        hole[...] = random.integers(FULL[pixels.dtype], size=hole.shape, dtype=pixels.dtype, endpoint=True)
        return erased


@operation("erase", usual=0.2, reach=from_nothing, limits=(0, 1), unit=" of the area", widest=(0, 0.4))
def erase(so_far: Draw, area: float, rng: np.random.Generator) -> Draw:
    """Erase a rectangle of this area at a random place.

    Boxes, outlines, keypoints and masks are not touched: what is hidden is still there.

    Source: Zhong et al. 2020, arXiv:1708.04896, algorithm 1, filled at random (RE-R). Differs: the aspect is even on a
    logarithmic scale, and a rectangle that does not fit is stretched to fit at the same area, not drawn again.
    """
    taller = MOST_STRETCHED ** rng.uniform(-1, 1) * so_far.width / so_far.height  # in fractions of the sides
    width, height = (float(np.clip(np.sqrt(area * each), area, 1)) for each in (1 / taller, taller))
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    return so_far.followed_by(Erase(left, top, width, height, int(rng.integers(2**63))))
