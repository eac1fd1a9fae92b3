"""How a cut-out is joined to the image that it is laid on: as it is, with a soft edge, or with the edge's light."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.recolour import FULL, LUMA
from handful.core.errors import DataError

Blend = Literal["alpha", "feather", "poisson"]
Array = npt.NDArray[Any]
Layer = npt.NDArray[np.float32]

BLENDS = ("alpha", "feather", "poisson")
FADE = 0.05  # of the square root of a cut-out's area: how far inwards a feathered edge fades
ERODED = 3  # pixels that OpenCV's Poisson blending takes off the rim by itself


def blended(background: Array, layer: Layer, blend: Blend) -> Array:
    """A part of an image with a cut-out on it, of the same type; pixels where the cut-out is transparent stay.

    Args:
        background: uint8 or uint16, shape (h, w) or (h, w, 1, 3 or 4); grey takes the cut-out's luma, and a fourth
            channel becomes opaque with it.
        layer: The cut-out on it: red, green and blue times alpha, and alpha, all from 0 to 1, shape (h, w, 4).
        blend: "alpha" lays it on; "feather" fades its edge inwards; "poisson" keeps its differences between
            neighbours and takes the level from around it (8 bits; too thin for that, it is laid on as it is): right on
            alike backgrounds, elsewhere the colours of the whole object may turn into others.
    Raises:
        DataError: when Poisson blending is asked for 16 bits.
    Source: Dwibedi et al. 2017, arXiv:1708.01642 (the blends); Perez, Gangnet and Blake 2003,
        doi:10.1145/1201775.882269 (Poisson).
    """
    if background.dtype not in FULL:
        raise DataError(f"pixels are of type {background.dtype}, expected uint8 or uint16", "implant")
    if blend == "feather":
        layer = layer * _fading(layer[..., 3])[..., None]
    if blend == "poisson":
        if background.dtype != np.uint8:
            raise DataError("Poisson blending takes 8-bit images, got 16 bits", "implant", "use blend alpha or feather")
        layer = _relit(background, layer)
    return _laid_on(background, layer)


def _laid_on(background: Array, layer: Layer) -> Array:
    full, alpha = FULL[background.dtype], layer[..., 3:]
    below = background.reshape(*background.shape[:2], -1)
    colours = layer[..., :3]
    if below.shape[2] == 1:
        colours = (colours @ LUMA.astype(np.float32))[..., None]
    elif below.shape[2] == 4:
        colours = layer
    mixed = np.rint(np.clip(colours * np.float32(full) + (1 - alpha) * below, 0, full)).astype(background.dtype)
    return np.where(alpha > 0, mixed, below).reshape(background.shape)


def _fading(alpha: Layer) -> Layer:
    """1 deep inside, down to 0 at the edge; the edge of the picture is none."""
    inside = (alpha >= 0.5).astype(np.uint8)
    reach = max(1.0, FADE * float(np.sqrt(inside.sum())))
    if inside.all():
        return np.ones_like(alpha)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
    return np.asarray(np.clip(depth / reach, 0, 1), np.float32)


def _relit(background: Array, layer: Layer) -> Layer:
    """The layer with the colours that Poisson blending gives it.

    OpenCV solves on the rectangle around the mask, wants it inside the image and a rim around it: so the image is
    continued on all sides by its own reflection before, and that is cut off again.
    """
    alpha = layer[..., 3]
    inside = np.asarray(alpha >= 0.5, np.uint8)
    if not cv2.erode(inside, np.ones((3, 3), np.uint8), iterations=ERODED).any():
        return layer
    rim = 2 * ERODED
    below = background.reshape(*background.shape[:2], -1)[..., :3]
    below = np.repeat(below, 3, axis=2) if below.shape[2] == 1 else below
    solid = layer[..., :3] / np.maximum(alpha, 1e-6)[..., None]
    colours = np.where(inside[..., None] > 0, np.rint(np.clip(solid * 255, 0, 255)), below).astype(np.uint8)
    around = ((rim, rim), (rim, rim), (0, 0))
    mask = np.pad(inside * np.uint8(255), rim)
    left, top, width, height = cv2.boundingRect(mask)
    relit = cv2.seamlessClone(
        np.pad(colours, around, "symmetric"),
        np.pad(below, around, "symmetric"),
        mask,
        (left + width // 2, top + height // 2),
        cv2.NORMAL_CLONE,
    )[rim:-rim, rim:-rim]
    return np.dstack([relit * (alpha / np.float32(255))[..., None], alpha])
