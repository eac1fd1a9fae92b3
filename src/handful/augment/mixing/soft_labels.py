"""Soft labels: how much of each class an image is; checked before they are mixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError, UsageError

Array = npt.NDArray[Any]

TOLERANCE = 0.01  # of the sum; half-precision tensors pass


def one_hot(labels: npt.ArrayLike, n_classes: int) -> npt.NDArray[np.float32]:
    """Wholly one class each.

    Args:
        labels: Class indices, shape (...).
        n_classes: Length of a soft label.
    Returns:
        Shape (..., n_classes).
    Example:
        >>> one_hot([1, 0], 2).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    index = np.asarray(labels)
    if index.size and not (index.dtype.kind in "iu" and index.min() >= 0 and index.max() < n_classes):
        raise DataError(f"labels from {index.min()} to {index.max()}, expected 0 to {n_classes - 1}", "one_hot")
    return np.eye(n_classes, dtype=np.float32)[index.astype(np.int64)]


def check_soft(targets: Any, where: str) -> None:
    """Refuse soft labels, shape (..., n_classes), array or tensor, that do not sum to 1."""
    if "float" not in str(targets.dtype) or not targets.ndim:
        what = f"soft labels are floating and of shape (..., n_classes), found {targets.dtype}"
        raise DataError(what, where, "make them by one_hot")
    sums = targets.sum(-1)
    lowest, highest = (float(sums.min()), float(sums.max())) if np.prod(sums.shape) else (1.0, 1.0)
    if not (lowest >= 1 - TOLERANCE and highest <= 1 + TOLERANCE and float(targets.min()) >= 0):
        what = f"soft labels sum to {lowest:g} up to {highest:g}, expected 1, none below 0"
        raise DataError(what, where, "divide each by its sum")


def check_alpha(alpha: float, where: str) -> None:
    """Refuse a parameter of the Beta distribution that is none."""
    if not 0 < alpha < np.inf:
        raise UsageError(f"alpha={alpha}, expected a number above 0", where, "usual is 0.2 for mixup, 1 for cutmix")


def check_pair(image: Array, other: Array, target: Array, other_target: Array, where: str) -> None:
    """Refuse two images of different sizes, channels or types, or without a soft label of one length each."""
    if image.shape != other.shape or image.dtype != other.dtype:
        what = f"the images differ: {described(image)} and {described(other)}"
        raise DataError(what, where, "bring them to one size and type first")
    if target.ndim != 1 or target.shape != other_target.shape:
        what = f"the soft labels have shapes {target.shape} and {other_target.shape}, expected (n_classes,) twice"
        raise DataError(what, where)
    check_soft(target, where)
    check_soft(other_target, where)


def check_batch(images: Any, targets: Any, where: str) -> None:
    """Refuse a batch without one soft label for each image."""
    if len(images) != len(targets) or targets.ndim != 2:
        what = f"{len(images)} images with targets of shape {tuple(targets.shape)}, expected ({len(images)}, n_classes)"
        raise DataError(what, where)
    check_soft(targets, where)


def described(image: Array) -> str:
    """Width x height, channels and type."""
    height, width, *channels = image.shape
    return f"{width} x {height} pixels of {channels[0] if channels else 1} channels, {image.dtype}"
