"""From what was read to what can be learned from: decoded once, audited, repeats and leaks known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from handful.core.progress import SILENT, Progress
from handful.data.audit import HeldOut, audit
from handful.data.dataset import Dataset
from handful.data.duplicates import across, near_duplicates
from handful.data.images import Decoded, decode_all
from handful.data.readers import Splits
from handful.tasks.parts import Labelled, Ready, check_every_class

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Part(Labelled):
    """Readable images.

    Args:
        pixels: Shape (n, size, size, 3), uint8, RGB.
    """

    pixels: Pixels


Prepared: TypeAlias = Ready[Part]


def prepare_images(
    splits: Splits, size: int, jobs: int | None = None, strict: bool = False, progress: Progress = SILENT
) -> Prepared:
    """Decode and audit.

    Raises:
        ImageError: for the first unreadable file when `strict`.
        DataError: when a class has no readable image.
    """
    decoded = decode_all(splits.train, size, jobs=jobs, strict=strict, progress=progress)
    train = _part(splits.train, decoded)
    check_every_class(train, "image")
    held_out, test = None, None
    if splits.test is not None:
        held_out = _held_out(splits.test, train, jobs, strict, progress)
        test = _part(splits.test, held_out.decoded)
    found = audit(splits.train, decoded, near_duplicates(decoded.pixels), held_out)
    n_unreadable = len(decoded.problems) + (len(held_out.decoded.problems) if held_out else 0)
    n_leaked = len(found.leaked_test_rows)
    if test and n_leaked:
        test = _without(test, found.leaked_test_rows)
    return Prepared(train, test, found, n_leaked, n_unreadable, splits.notes)


def _held_out(test: Dataset, train: Part, jobs: int | None, strict: bool, progress: Progress) -> HeldOut:
    decoded = decode_all(test, train.pixels.shape[1], jobs=jobs, strict=strict, progress=progress)
    return HeldOut(test, decoded, across(train.pixels, decoded.pixels))


def _part(data: Dataset, decoded: Decoded) -> Part:
    return Part(data.take(decoded.rows), decoded.rows, decoded.pixels)


def _without(part: Part, rows: tuple[int, ...]) -> Part | None:
    """What is left without some rows; None when nothing is."""
    kept = np.flatnonzero(~np.isin(part.rows, rows))
    return Part(part.data.take(kept), part.rows[kept], part.pixels[kept]) if len(kept) else None
