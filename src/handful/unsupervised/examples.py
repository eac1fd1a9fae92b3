"""What an estimator without labels learns from: vectors or small images, checked."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError

Array = npt.NDArray[Any]

SIDES = range(8, 129)  # of images, in pixels
MOST_CHANNELS = 4
LARGEST = 1e100  # of a number in a vector: squares must not overflow


def examples_of(X: Any) -> Array:
    """Vectors (n, d) as float64, images (n, h, w, c) as uint8.

    Raises:
        DataError: when they are neither, too large or small, or not all finite.
    """
    where, remedy = "examples", "give vectors (n, d), or images (n, h, w, c) in uint8"
    try:
        examples = np.asarray(X)
        if examples.dtype.kind not in "biuf":
            examples = examples.astype(np.float64)
    except (TypeError, ValueError) as failure:
        raise DataError("the examples are not all numbers, or not all of one length", where, remedy) from failure
    if examples.ndim == 4 and examples.dtype == np.uint8:
        height, width, channels = examples.shape[1:]
        if height not in SIDES or width not in SIDES or not 1 <= channels <= MOST_CHANNELS:
            what = f"the images have {height} x {width} pixels and {channels} channels"
            sides = f"bring them to {SIDES[0]} to {SIDES[-1]} pixels and at most {MOST_CHANNELS} channels"
            raise DataError(what, where, sides)
        return examples
    if examples.ndim != 2 or not examples.shape[1]:
        raise DataError(f"the examples are {examples.dtype} of shape {examples.shape}", where, remedy)
    if not (np.abs(examples) < LARGEST).all():
        what = "some numbers are missing, infinite or beyond all measure"
        raise DataError(what, where, "fill them or leave these rows out")
    return examples.astype(np.float64)


def distinct(examples: Array) -> Array:
    """The first of all that are equal, in their order.

    Raises:
        DataError: when fewer than two are left.
    """
    digests = [hashlib.sha256(each.tobytes()).digest() for each in examples]
    first = {digest: row for row, digest in reversed(list(enumerate(digests)))}
    if len(first) < 2:
        found = f"all {len(examples)} examples are copies of one" if len(examples) > 1 else f"{len(examples)} examples"
        raise DataError(f"{found}: there is nothing to learn", "examples", "give at least two different ones")
    return examples if len(first) == len(examples) else examples[sorted(first.values())]


def in_words(shape: tuple[int, ...]) -> str:
    """What examples of this shape are called.

    Example:
        >>> in_words((4,)), in_words((28, 28, 1))
        ('vectors of 4 numbers', 'images of 28 x 28 x 1')
    """
    return f"vectors of {shape[0]} numbers" if len(shape) == 1 else f"images of {' x '.join(map(str, shape))}"
