"""A photo and its heat map as one picture."""

from __future__ import annotations

import cv2
import numpy as np

from handful.bundle.occlusion import Floats, Pixels

FOR, AGAINST = (255, 120, 0), (0, 110, 255)  # orange and blue, which nearly everyone can tell apart
FULL = 1.0  # log-odds that are drawn in full where nothing is stronger: a picture of nothing stays pale
STRENGTH = 0.75  # of the fullest colour
LEAST_SIDE = 224  # pixels
GAP = 8


def side_by_side(pixels: Pixels, heat: Floats) -> Pixels:
    """The photo, and beside it the same in grey under the colours of what speaks for and against.

    Args:
        pixels: RGB, shape (size, size, 3).
        heat: In log-odds, shape (cells, cells).
    Returns:
        RGB, shape (side, 2 side + GAP, 3); `side` is at least 224.
    """
    side = max(len(pixels), LEAST_SIDE)
    photo = np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.float64)
    share = heat / max(FULL, float(np.abs(heat).max()))
    smooth = cv2.resize(share, (side, side), interpolation=cv2.INTER_LINEAR)[..., None]
    colour = np.where(smooth > 0, np.array(FOR, np.float64), np.array(AGAINST, np.float64))
    alpha = STRENGTH * np.abs(smooth)
    seen = ((1 - alpha) * grey + alpha * colour).round().astype(np.uint8)
    return np.concatenate([photo, np.full((side, GAP, 3), 255, np.uint8), seen], axis=1)


def png(pixels: Pixels) -> bytes:
    """A PNG file of RGB pixels."""
    return bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
