"""From what was read to what can be learned from: decoded once, audited, repeats and leaks known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from handful.core.errors import DataError
from handful.core.progress import SILENT, Progress
from handful.data.audit import Audit, Finding, HeldOut, audit
from handful.data.dataset import Dataset
from handful.data.duplicates import across, near_duplicates
from handful.data.images import Decoded, decode_all
from handful.data.readers import Splits

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Part:
    """Readable examples and their pixels.

    Args:
        data: Only what could be read.
        pixels: Shape (n, size, size, 3), uint8, RGB.
        rows: Where each stood in the data as given.
    """

    data: Dataset
    pixels: Pixels
    rows: npt.NDArray[np.int64]

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """Class indices; every part that is learned from or scored has them."""
        if self.data.targets is None:
            raise DataError("these examples have no labels", remedy="give labelled examples")
        return self.data.targets

    @property
    def counts(self) -> list[int]:
        """Examples of each class."""
        return [int(count) for count in np.bincount(self.targets, minlength=len(self.data.classes))]


@dataclass(frozen=True)
class Prepared:
    """A data set, ready.

    Args:
        train: What is learned from.
        test: What is scored on, without what leaked; None when there is no test set.
        audit: What was found; `audit.units` belongs to `train`.
        n_leaked: Test examples that are in the training data, left out.
        n_unreadable: Files that could not be read, of all parts.
        notes: What the reader did that the user should know.
    """

    train: Part
    test: Part | None
    audit: Audit
    n_leaked: int
    n_unreadable: int
    notes: tuple[str, ...]

    def with_findings(self, *more: Finding) -> Prepared:
        """The same data with more findings."""
        return replace(self, audit=self.audit.with_findings(*more))


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
    for name, count in zip(train.data.classes, train.counts, strict=True):
        if not count:
            raise DataError("no image of this class can be read", name, "repair its files or remove the class")
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
    return Part(data.take(decoded.rows), decoded.pixels, decoded.rows)


def _without(part: Part, rows: tuple[int, ...]) -> Part | None:
    """What is left without some rows; None when nothing is."""
    kept = np.flatnonzero(~np.isin(part.rows, rows))
    return Part(part.data.take(kept), part.pixels[kept], part.rows[kept]) if len(kept) else None
