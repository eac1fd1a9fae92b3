"""CutMix: a rectangle of another image, and labels in the shares of the area."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from handful.augment.mixing.soft_labels import check_alpha, check_batch, check_pair
from handful.core.errors import DataError

Array = npt.NDArray[Any]
Many = TypeVar("Many")  # a NumPy array or a torch tensor; torch is not needed for the former
Part = tuple[slice, slice]

ALPHA = 1.0


def cutmix(
    image: Array, other: Array, target: Array, other_target: Array, rng: np.random.Generator, alpha: float = ALPHA
) -> tuple[Array, Array]:
    """One image with a rectangle of the other, which counts by the pixels that it covers.

    Its sides are sqrt(1 - share) of the image's, share ~ Beta(alpha, alpha), its centre is anywhere, and what lies
    outside is cut off.

    Args:
        image, other: Of one size and type, shape (height, width) or (height, width, channels).
        target, other_target: Soft labels, shape (n_classes,).
        alpha: Above 0; 1 makes all areas equally frequent.
    Raises:
        DataError: when the images differ in size or type, or a target does not sum to 1.
        UsageError: when alpha is not above 0.
    Source: Yun et al. 2019, arXiv:1905.04899, algorithm 1.
    """
    check_alpha(alpha, "cutmix")
    check_pair(image, other, target, other_target, "cutmix")
    height, width = image.shape[:2]
    part, share = _drawn(width, height, rng, alpha)
    mixed = image.copy()
    mixed[part] = other[part]
    return mixed, share * target + (1 - share) * other_target


def cutmix_batch(
    images: Many, targets: Many, rng: np.random.Generator, alpha: float = ALPHA, channels_last: bool = False
) -> tuple[Many, Many]:
    """Each image of a batch with the same rectangle of another one of it, as the authors' code has it.

    Args:
        images: Array or tensor, shape (n, channels, height, width), or (n, height, width, channels).
        targets: Soft labels, shape (n, n_classes).
        rng, alpha: As for `cutmix`.
        channels_last: Which of the two shapes it is.
    Raises:
        DataError: when the images have another number of dimensions, or a target does not sum to 1.
        UsageError: when alpha is not above 0.
    """
    pixels: Any = images
    labels: Any = targets
    check_alpha(alpha, "cutmix")
    check_batch(pixels, labels, "cutmix")
    if pixels.ndim != 4:
        raise DataError(f"images of shape {tuple(pixels.shape)}, expected four dimensions", "cutmix")
    height, width = pixels.shape[1:3] if channels_last else pixels.shape[2:]
    (rows, columns), share = _drawn(width, height, rng, alpha)
    part = (slice(None), rows, columns) if channels_last else (slice(None), slice(None), rows, columns)
    order = rng.permutation(len(pixels))
    mixed = pixels + 0  # a copy, of an array as of a tensor
    mixed[part] = pixels[part][order]
    return mixed, share * labels + (1 - share) * labels[order]


def _drawn(width: int, height: int, rng: np.random.Generator, alpha: float) -> tuple[Part, float]:
    """Rows and columns to be replaced, and the exact share of pixels that stay."""
    side = np.sqrt(1 - rng.beta(alpha, alpha))
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    left, right = (int(np.rint(np.clip(x + half * side * width, 0, width))) for half in (-0.5, 0.5))
    top, bottom = (int(np.rint(np.clip(y + half * side * height, 0, height))) for half in (-0.5, 0.5))
    return (slice(top, bottom), slice(left, right)), 1 - (right - left) * (bottom - top) / (width * height)
