"""Pixels into text that a page can carry."""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt


def data_uri(pixels: npt.NDArray[np.uint8], side: int = 96, quality: int = 80) -> str:
    """A small JPEG as a `data:` address.

    Args:
        pixels: RGB, shape (h, w, 3), uint8.
        side: The longer side of the JPEG; smaller pictures stay as they are.
        quality: Of the JPEG, 1 to 100.
    Example:
        >>> data_uri(np.zeros((200, 100, 3), np.uint8))[:29]
        'data:image/jpeg;base64,/9j/4A'
    """
    import cv2

    shrink = side / max(pixels.shape[:2])
    if shrink < 1:
        h, w = (max(1, round(shrink * length)) for length in pixels.shape[:2])
        pixels = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")
