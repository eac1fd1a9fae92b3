"""Mixup: two images laid over each other, and their labels in the same shares."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from handful.augment.mixing.soft_labels import check_alpha, check_batch, check_pair
from handful.core.errors import DataError

Array = npt.NDArray[Any]
Many = TypeVar("Many")  # a NumPy array or a torch tensor; torch is not needed for the former

ALPHA = 0.2


def mixup(
    image: Array, other: Array, target: Array, other_target: Array, rng: np.random.Generator, alpha: float = ALPHA
) -> tuple[Array, Array]:
    """One image of two.

        share * image + (1 - share) * other,  share ~ Beta(alpha, alpha)

    Args:
        image, other: Of one shape and type; whole numbers are rounded.
        target, other_target: Soft labels, shape (n_classes,).
        alpha: Above 0; smaller leaves more images nearly as they were.
    Raises:
        DataError: when the images differ in size or type, or a target does not sum to 1.
        UsageError: when alpha is not above 0.
    Source: Zhang et al. 2018, arXiv:1710.09412.
    """
    check_alpha(alpha, "mixup")
    check_pair(image, other, target, other_target, "mixup")
    share = float(rng.beta(alpha, alpha))
    mixed = share * image.astype(np.float64) + (1 - share) * other
    if image.dtype.kind in "iu":
        mixed = np.rint(mixed)
    return mixed.astype(image.dtype), share * target + (1 - share) * other_target


def mixup_batch(images: Many, targets: Many, rng: np.random.Generator, alpha: float = ALPHA) -> tuple[Many, Many]:
    """Each image of a batch with another one of it, all in one share, as the authors' code has it.

    Args:
        images: Floating array or tensor, shape (n, ...).
        targets: Soft labels, shape (n, n_classes).
        rng, alpha: As for `mixup`.
    Raises:
        DataError: when the images are not floating, or a target does not sum to 1.
        UsageError: when alpha is not above 0.
    """
    pixels: Any = images
    labels: Any = targets
    check_alpha(alpha, "mixup")
    check_batch(pixels, labels, "mixup")
    if "float" not in str(pixels.dtype):
        raise DataError(f"the images of a batch are {pixels.dtype}, expected floating", "mixup", "normalise them first")
    share, order = float(rng.beta(alpha, alpha)), rng.permutation(len(pixels))
    return share * pixels + (1 - share) * pixels[order], share * labels + (1 - share) * labels[order]
