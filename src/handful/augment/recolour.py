"""One recolouring: linear colour operations are one product; normalising and the change of layout are part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.matrices import Matrix
from handful.augment.scratch import scratch
from handful.core.errors import DataError

Array = npt.NDArray[Any]
Tables = npt.NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601
FULL = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


class Curve(Protocol):
    """A colour operation that is not linear: a table for each channel."""

    @property
    def looks(self) -> bool:
        """Whether the tables depend on the image."""
        ...

    def tables(self, levels: int, histograms: npt.NDArray[np.int64] | None) -> Tables:
        """Values from 0 to 1 for every level.

        Args:
            levels: 256 or 65536.
            histograms: Of each channel, shape (n_channels, levels); given to a curve that looks.
        Returns:
            Shape (1, levels), or (n_channels, levels).
        """
        ...


@dataclass(frozen=True, eq=False)
class Recolour:
    """Colour operations one after another; neighbours that are linear are one matrix.

    Args:
        stages: Matrices of shape (4, 4) on (red, green, blue, 1) in units of the full range, and curves. Values are
            clipped to the range before a curve and at the end, not in between.
    """

    stages: tuple[Matrix | Curve, ...] = ()

    def then(self, stage: Matrix | Curve) -> Recolour:
        """This and then another operation."""
        last = self.stages[-1] if self.stages else None
        if isinstance(stage, np.ndarray) and isinstance(last, np.ndarray):
            return Recolour((*self.stages[:-1], stage @ last))
        return Recolour((*self.stages, stage))

    def image(self, pixels: Array) -> Array:
        """The image in its new colours, of the same type and shape; a fourth channel (alpha) stays as it is."""
        full = full_range(pixels)
        if not self.stages:
            return pixels
        alpha = pixels[..., 3:] if pixels.ndim == 3 and pixels.shape[2] == 4 else None
        colours = pixels[..., :3] if alpha is not None else pixels
        for stage in self.stages:
            colours = (
                _mixed(colours, stage, full) if isinstance(stage, np.ndarray) else _looked_up(colours, stage, full)
            )
        return colours if alpha is None else np.concatenate([colours, alpha], axis=2)

    def chw(self, pixels: Array, mean: Sequence[float], std: Sequence[float]) -> npt.NDArray[np.float32]:
        """The image in its new colours, normalised, shape (3, height, width)."""
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise DataError(f"a network takes three colour channels, got an image of shape {pixels.shape}", "chw")
        full, end = full_range(pixels), self.stages[-1] if self.stages else None
        last = end if isinstance(end, np.ndarray) else np.eye(4)
        pixels = (Recolour(self.stages[:-1]) if last is end else self).image(pixels)
        lowest, factor = np.asarray(mean, dtype=np.float64), 1 / np.asarray(std, dtype=np.float64)
        product = last[:3] * factor[:, None]
        product[:, 3] = full * product[:, 3] - lowest * factor
        planes = np.empty((3, *pixels.shape[:2]), dtype=np.float32)
        mixed = scratch(pixels.shape, np.float32)
        np.copyto(mixed, pixels)
        cv2.split(cv2.transform(mixed, product, dst=mixed), list(planes))  # writes into the planes
        low, high = (
            ((end - lowest) * factor).astype(np.float32) for end in (0, full)
        )  # not float64: NumPy would clip in it
        for plane, least, most in zip(planes, low, high, strict=True):
            np.clip(plane, least, most, out=plane)  # as if clipped to the range of pixels before normalising
        return planes


def full_range(pixels: Array) -> int:
    """White, in the pixels' own units."""
    if pixels.dtype not in FULL:
        raise DataError(f"pixels are of type {pixels.dtype}, expected uint8 or uint16", "recolour")
    return FULL[pixels.dtype]


def _mixed(pixels: Array, matrix: Matrix, full: int) -> Array:
    product = matrix[:3] * (1, 1, 1, full)
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return cv2.transform(pixels, product)
    weight, offset = LUMA @ product[:, :3].sum(axis=1), LUMA @ product[:, 3]  # grey: red, green and blue are the same
    return cv2.transform(pixels, np.array([[weight, offset]])).reshape(pixels.shape)


def _looked_up(pixels: Array, curve: Curve, full: int) -> Array:
    channels = pixels.reshape(*pixels.shape[:2], -1)
    counts = None
    if curve.looks:
        counts = np.stack([np.bincount(c.ravel(), minlength=full + 1) for c in np.moveaxis(channels, 2, 0)])
    tables = np.round(curve.tables(full + 1, counts) * full).astype(pixels.dtype)
    tables = np.broadcast_to(tables, (channels.shape[2], full + 1))
    return np.stack([table[c] for table, c in zip(tables, np.moveaxis(channels, 2, 0), strict=True)], 2).reshape(
        pixels.shape
    )
