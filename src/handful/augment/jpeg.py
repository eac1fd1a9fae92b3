"""JPEG compression: blocks, ringing and washed-out colour, as in pictures sent around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.draw import Draw
from handful.augment.operation import operation, up_to
from handful.core.errors import DataError

Array = npt.NDArray[Any]
LONGEST = 65_500  # of a side, in pixels, in libjpeg


@dataclass(frozen=True)
class Jpeg:
    """Write the image as a JPEG file and read it again.

    Args:
        quality: 1 to 100, as libjpeg has it.
    """

    quality: int

    def __call__(self, pixels: Array) -> Array:
        """The compressed image, of the same type and shape; alpha stays as it is.

        16-bit images are compressed at 8 bits, which is all that JPEG has, and scaled back to their range.

        Raises:
            DataError: when a side is too long for a JPEG file.
        """
        if max(pixels.shape[:2]) > LONGEST:
            raise DataError(f"a side has {max(pixels.shape[:2])} pixels, a JPEG file at most {LONGEST}", "jpeg")
        compressed = pixels.copy()
        colours = compressed.reshape(*pixels.shape[:2], -1)[..., :3]
        if pixels.dtype == np.uint8:
            colours[...] = self._compressed(colours)
        else:
            colours[...] = self._compressed(((colours + 128.0) // 257).astype(np.uint8)) * np.uint16(257)
        return compressed

    def _compressed(self, colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Shape (height, width, 1 or 3), in and out; OpenCV writes and reads blue first."""
        written, file = cv2.imencode(".jpg", colours[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        if not written:
            raise DataError(f"an image of shape {colours.shape} cannot be compressed", "jpeg")
        read = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE if colours.shape[2] == 1 else cv2.IMREAD_COLOR)
        return np.asarray(read, dtype=np.uint8).reshape(colours.shape)[..., ::-1]


@operation("jpeg", usual=50, reach=up_to(100), limits=(1, 100), widest=(20, 100))
def jpeg(so_far: Draw, quality: float, rng: np.random.Generator) -> Draw:
    """Compress it as a JPEG file of this quality."""
    return so_far.followed_by(Jpeg(round(quality)))
